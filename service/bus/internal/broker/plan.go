package broker

// letter is one message on its way through entities: what routing needs to know of
// it, and what becomes of it on the way. It is passed by value, each copy of a
// message has its own.
type letter struct {
	size       int64
	session    string
	hasSession bool
	resession  bool   // the session is not the one the message came with
	id         string // message id, with the partition key where that counts; "" for none
	edit       *Edit
	edited     bool
	source     string
	due        int64 // ms; 0 never
	ttl        int64 // ms, of a scheduled message
	aged       bool  // keeps the time at which it was enqueued
	travelled  bool  // enters the entity now
	count      uint32
	counted    bool // count is not what it was
	reason     reason
	hops       uint8
	content    *view // nil when the message's bytes are not at hand
	scheduled  bool
}

// placement is where one copy of a message comes to lie, or a sequence number that
// it used up on its way.
type placement struct {
	mailbox *mailbox
	seq     int64
	passed  bool // only the number is used
	letter  letter
}

// remembered is a message id that an entity's duplicate detection keeps.
type remembered struct {
	entity *entity
	id     string
}

// item is one message of a plan with its placements and ids.
type item struct {
	seq        int64 // in the mailbox that the plan moves messages from
	length     int   // of the payload, for new messages
	session    string
	hasSession bool
	origin     int64
	placements int // of plan.placements, those of this item
	remembered int // of plan.remembered
	stays      int // placements that keep the payload
}

// plan is a decision about some messages before it is recorded: new ones, or ones
// that leave a mailbox. Making it changes nothing but the numbers given out ahead.
type plan struct {
	from       *mailbox // nil for new messages
	opens      bool     // the messages enter from anew: they were scheduled
	items      []item
	placements []placement
	remembered []remembered
	known      map[remembered]struct{} // the same, to be asked
	ahead      []*mailbox
	growth     []growth
	more       map[*entity]int64 // the same, summed up
}

// growth is bytes that come to a queue or topic with a size limit.
type growth struct {
	entity *entity
	bytes  int64
}

// newPlan returns the broker's one plan, empty.
func (b *Broker) newPlan() *plan {
	p := &b.plan
	p.drop()
	return p
}

// drop forgets what was planned.
func (p *plan) drop() {
	for _, m := range p.ahead {
		m.ahead, m.aheadReady = 0, 0
	}
	clear(p.placements)
	clear(p.remembered)
	clear(p.items)
	clear(p.known)
	clear(p.more)
	p.from, p.opens, p.items, p.placements, p.remembered = nil, false, p.items[:0], p.placements[:0], p.remembered[:0]
	p.ahead, p.growth = p.ahead[:0], p.growth[:0]
}

// next gives out the mailbox's next sequence number.
func (p *plan) next(m *mailbox) int64 {
	if m.ahead == 0 {
		p.ahead = append(p.ahead, m)
	}
	m.ahead++
	return m.next + m.ahead - 1
}

// mark remembers how far the plan is, to come back to with undo.
type mark struct{ items, placements, remembered, growth int }

func (p *plan) mark() mark {
	return mark{len(p.items), len(p.placements), len(p.remembered), len(p.growth)}
}

func (p *plan) undo(to mark) {
	for _, x := range p.placements[to.placements:] {
		x.mailbox.ahead--
		if !x.passed && !x.letter.scheduled {
			x.mailbox.aheadReady--
		}
	}
	for _, x := range p.growth[to.growth:] {
		p.more[x.entity] -= x.bytes
	}
	p.growth = p.growth[:to.growth]
	for _, x := range p.remembered[to.remembered:] {
		delete(p.known, x)
	}
	clear(p.placements[to.placements:])
	clear(p.remembered[to.remembered:])
	p.items, p.placements, p.remembered = p.items[:to.items], p.placements[:to.placements], p.remembered[:to.remembered]
}

// stay ends a letter's way in a mailbox.
func (b *Broker) stay(p *plan, m *mailbox, l letter) {
	l.content = nil
	if m.entity.topic == nil {
		p.grow(m.entity, l.size)
	}
	if !l.scheduled {
		m.aheadReady++
	}
	p.placements = append(p.placements, placement{mailbox: m, seq: p.next(m), letter: l})
}

// through uses up a number of a mailbox that the letter does not stay in.
func (p *plan) through(m *mailbox) int64 {
	seq := p.next(m)
	p.placements = append(p.placements, placement{mailbox: m, seq: seq, passed: true})
	return seq
}

// grow counts the bytes that the plan brings to a queue or topic.
func (p *plan) grow(e *entity, n int64) {
	if e.def.MaxSizeBytes <= 0 {
		return
	}
	if p.more == nil {
		p.more = map[*entity]int64{}
	}
	p.more[e] += n
	p.growth = append(p.growth, growth{e, n})
}

// room reports whether an entity can take that many bytes beside what is planned.
func (p *plan) room(e *entity, n int64) bool { return e.room(p.more[e] + n) }

// remember makes the entity's duplicate detection keep an id.
func (p *plan) remember(e *entity, id string) {
	if p.known == nil {
		p.known = map[remembered]struct{}{}
	}
	x := remembered{e, id}
	p.known[x] = struct{}{}
	p.remembered = append(p.remembered, x)
}

// remembers reports whether the plan itself already brings a message with that id
// to the entity.
func (p *plan) remembers(e *entity, id string) bool {
	if len(p.known) == 0 {
		return false
	}
	_, ok := p.known[remembered{e, id}]
	return ok
}

// begin starts the next item; its placements are those that follow.
func (p *plan) begin(x item) {
	x.placements, x.remembered = len(p.placements), len(p.remembered)
	p.items = append(p.items, x)
}

// end completes the item begun last. Its origin is the number it had where the
// namespace first took it, when it does not lie there.
func (p *plan) end() {
	x := &p.items[len(p.items)-1]
	placed := p.placements[x.placements:]
	for i := range placed {
		if !placed[i].passed {
			x.stays++
		}
	}
	switch {
	case len(placed) == 0:
	case p.from != nil && (!p.opens || placed[0].mailbox != p.from):
		x.origin = x.seq
	case placed[0].passed:
		x.origin = placed[0].seq
	}
	x.placements = len(placed)
	x.remembered = len(p.remembered) - x.remembered
}

// move plans for a message that leaves a mailbox: route says where it goes. On an
// error nothing is planned for it.
func (p *plan) move(b *Broker, m *mailbox, seq int64, route func(letter) error) error {
	p.from = m
	before := p.mark()
	p.begin(item{seq: seq})
	if err := route(b.letterOf(m, seq)); err != nil {
		p.undo(before)
		return err
	}
	p.end()
	return nil
}

// letterOf is a message of a mailbox on its way out.
func (b *Broker) letterOf(m *mailbox, seq int64) letter {
	_, s := m.segments.get(seq)
	x := b.extraOf(s)
	l := letter{
		size: int64(b.payloads.slab.at(s.payload).len), edit: x.edit, source: b.texts.get(x.source),
		due: s.due, count: s.count, reason: s.reason, hops: s.hops,
	}
	if s.session != 0 {
		l.session, l.hasSession = b.texts.get(s.session), true
	}
	return l
}

// commit records the plan and folds it. New messages' payloads come with it.
func (b *Broker) commit(t Turn, p *plan, payloads [][]byte) {
	if len(p.items) == 0 {
		p.drop()
		return
	}
	if p.from == nil {
		b.head = b.appendStored(b.head[:0], p)
	} else {
		b.head = b.appendMoved(b.head[:0], p)
	}
	p.drop()
	b.record(t, payloads...)
}
