package broker

import (
	"weir/kernel/fault"
)

// shelve puts a message where it waits for its time: in the queue or the topic it
// was sent to.
func (b *Broker) shelve(p *plan, e *entity, m *Message, l letter) {
	l.scheduled, l.due, l.ttl = true, max(m.ScheduledAt.UnixMilli(), 1), ttlMillis(m)
	b.stay(p, e.main, l)
}

// Schedule keeps messages until their ScheduledAt and returns the sequence numbers
// by which they can be cancelled until then. A message that becomes active gets a
// new number. One that is a duplicate is dropped, and its number with it.
func (b *Broker) Schedule(t Turn, path string, msgs []Message) ([]int64, error) {
	b.begin(t)
	defer b.finish(t)
	e, err := b.findEntity(path)
	if err == nil {
		err = b.maySend(e, msgs)
	}
	if err != nil {
		return nil, err
	}
	b.use(e)
	p := b.newPlan()
	b.payloadParts = b.payloadParts[:0]
	seqs := make([]int64, len(msgs))
	for i := range msgs {
		m := &msgs[i]
		p.begin(item{length: len(m.Encoded), session: m.SessionID, hasSession: m.HasSession})
		id := ""
		if e.def.DuplicateWindow > 0 {
			id = e.duplicateKey(m.MessageID, m.PartitionKey, m.SessionID, m.HasSession)
		}
		if b.isDuplicate(p, e, id) {
			seqs[i] = p.through(e.main)
			p.end()
			continue
		}
		if id != "" {
			p.remember(e, id)
		}
		seqs[i] = e.main.next + e.main.ahead
		b.shelve(p, e, m, letter{size: int64(len(m.Encoded)), session: m.SessionID, hasSession: m.HasSession})
		p.end()
		b.payloadParts = append(b.payloadParts, m.Encoded)
	}
	b.commit(t, p, b.payloadParts)
	clear(b.payloadParts)
	return seqs, nil
}

// CancelScheduled removes scheduled messages: all that are named, or none.
func (b *Broker) CancelScheduled(t Turn, path string, seqs []int64) error {
	b.begin(t)
	defer b.finish(t)
	e, err := b.findEntity(path)
	if err != nil {
		return err
	}
	b.use(e)
	seqs, err = distinct(seqs)
	if err != nil {
		return err
	}
	var missing []int64
	for _, seq := range seqs {
		if _, s := e.main.segments.get(seq); s == nil || s.state != scheduled {
			missing = append(missing, seq)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.MessageNotFound, "Messages not found. Missing sequence numbers: %s.", numbers(missing))
	}
	b.recordGoneOf(t, e.main, seqs)
	return nil
}

// activate lets scheduled messages enter their entity when their time has come, in
// the order of their times.
func (b *Broker) activate(t Turn, m *mailbox) {
	if m.paused > b.now {
		return
	}
	m.paused = 0
	for range activatePerTurn {
		at := m.opening.first()
		if at == 0 || at > b.now {
			return
		}
		g := m.opening.items[0]
		seq, next := g.firstScheduled()
		switch {
		case seq == 0 || g.at(seq).due > b.now:
			m.opening.set(g, next)
		case !b.activateOne(t, m, seq):
			return
		}
	}
}

// firstScheduled returns the segment's scheduled message whose time is first, and
// that time; 0 when it has none.
func (g *segment) firstScheduled() (seq, at int64) {
	for set := g.used; set != 0; set &= set - 1 {
		n := g.lowest(set, 0)
		if s := g.at(n); s.state == scheduled && (at == 0 || s.due < at) {
			seq, at = n, s.due
		}
	}
	return seq, at
}

func (b *Broker) activateOne(t Turn, m *mailbox, seq int64) bool {
	_, s := m.segments.get(seq)
	ttl := b.extraOf(s).ttl
	p := b.newPlan()
	p.opens = true
	err := p.move(b, m, seq, func(l letter) error {
		l.due, l.travelled = expiry(b.now, ttl), true
		l.content = b.fetched(m, seq)
		return b.route(p, m.entity, l)
	})
	if err != nil {
		p.drop()
		b.pause(m, seq, err)
		return false
	}
	b.commit(t, p, nil)
	return true
}
