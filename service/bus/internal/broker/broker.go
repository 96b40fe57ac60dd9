package broker

import (
	"cmp"
	"slices"

	"weir/kernel/journal/record"
)

// Broker is the state of one namespace. It is not safe for use by two goroutines.
type Broker struct {
	// The state that facts make.
	entities   map[string]*entity // by folded path
	byID       map[uint32]*entity
	list       []*entity // by id, which is the order of creation
	nextEntity uint32
	texts      texts
	extras     slab[extra, *extra]
	payloads   payloads
	morgue     []*mailbox // of removed entities, being emptied
	spare      []*segment
	salvages   []salvage // newest last
	trace      *Trace    // nil but in the retracing of a tail

	// The owner's, never journaled.
	owner         bool
	epoch         uint64
	now           int64      // of the turn, ms since 1970
	waking        bool       // owner since a moment ago: the first tick looks everywhere
	places        []*mailbox // by the number that locks keep, from 1
	freeMailboxes []uint32
	paths         map[string]*mailbox
	locks         slab[lock, *lock]
	lockUses      uint64
	receivers     map[ReceiverID]*receiver
	byPlace       []*receiver // by the number that locks and sessions keep
	freePlaces    []uint32
	timers        timers
	txns          transactions
	wanted        map[record.Ref][]fetchPlace
	newIDs        uint64
	touched       []*mailbox // have something to do before the command ends
	chained       []*mailbox // likewise: those that forward
	events        []Event

	// Memory used again from command to command.
	head         []byte
	parts        [][]byte
	payloadParts [][]byte
	plan         plan
	gone         []int64
	view         view
}

// New returns an empty broker that owns the unit with that epoch.
func New(epoch uint64) *Broker {
	b := &Broker{}
	b.Reset()
	b.Own(epoch)
	return b
}

// Reset goes back to the empty state of a follower.
func (b *Broker) Reset() {
	*b = Broker{
		entities:   map[string]*entity{},
		byID:       map[uint32]*entity{},
		nextEntity: 1,
		paths:      map[string]*mailbox{},
		receivers:  map[ReceiverID]*receiver{},
		wanted:     map[record.Ref][]fetchPlace{},
		places:     []*mailbox{nil},
		byPlace:    []*receiver{nil},
	}
}

// Own makes this replica the owner: volatile state starts empty. The first tick
// after it takes up what waits; NextWake asks for it at once.
func (b *Broker) Own(epoch uint64) {
	b.Disown()
	b.owner, b.epoch, b.waking = true, epoch, true
}

// Disown forgets locks, receivers and transactions: what was locked is ready again.
func (b *Broker) Disown() {
	b.owner, b.waking = false, false
	b.locks.each(func(_ uint32, l *lock) {
		if m := b.places[l.place]; l.seq != 0 {
			g := m.segments.find(l.seq)
			b.forgetLock(m, g, l.seq)
		}
	})
	for _, e := range b.list {
		for _, m := range e.mailboxes() {
			m.lanes, m.line, m.waiters, m.timer = nil, grants{}, waiters{}, timer{mailbox: m}
			m.touched, m.more, m.paused, m.drains, m.fetching = false, false, 0, nil, fetching{}
			if m.sessions != nil {
				b.disownSessions(m)
			}
		}
		e.accessed, e.idleAt, e.open = 0, 0, 0
	}
	b.locks = slab[lock, *lock]{}
	b.receivers = map[ReceiverID]*receiver{}
	b.byPlace, b.freePlaces = []*receiver{nil}, nil
	b.timers = timers{}
	b.txns = transactions{}
	b.wanted = map[record.Ref][]fetchPlace{}
	b.touched, b.chained, b.events = nil, nil, nil
}

// forgetLock makes a locked message what it was before.
func (b *Broker) forgetLock(m *mailbox, g *segment, seq int64) {
	s := g.at(seq)
	s.lock = 0
	if s.state == active {
		b.makeReady(m, g, seq)
	}
}

// begin starts a command: it takes the turn's time, which never runs back here.
func (b *Broker) begin(t Turn) {
	b.now = max(b.now, t.Now().UnixMilli())
}

// finish ends a command: mailboxes it touched deliver, forward, and say when they
// want to be woken. Forwarding comes last, for deliveries may make room for it.
func (b *Broker) finish(t Turn) {
	for len(b.touched)+len(b.chained) > 0 {
		for i := 0; i < len(b.touched); i++ {
			m := b.touched[i]
			if m.place == 0 {
				continue // its entity was removed meanwhile
			}
			if m.forwardsTo() != "" {
				b.chain(m)
				continue
			}
			m.touched = false
			b.serve(t, m)
			b.arm(m)
		}
		clear(b.touched)
		b.touched = b.touched[:0]
		if len(b.chained) == 0 {
			return
		}
		m := b.chained[0]
		b.chained = slices.Delete(b.chained, 0, 1)
		m.touched = false
		if m.place != 0 {
			b.serve(t, m)
			b.arm(m)
		}
	}
}

// chain keeps a forwarding mailbox for later, in the order of their numbers.
func (b *Broker) chain(m *mailbox) {
	at, _ := slices.BinarySearchFunc(b.chained, m.number(), func(x *mailbox, n uint64) int { return cmp.Compare(x.number(), n) })
	b.chained = slices.Insert(b.chained, at, m)
}

// touch remembers that a mailbox may have something to do at the end of the
// command.
func (b *Broker) touch(m *mailbox) {
	if b.owner && !m.touched && m.place != 0 {
		m.touched = true
		b.touched = append(b.touched, m)
	}
}

// record writes the fact whose head is in b.head, with the given payloads behind
// it, and folds it.
func (b *Broker) record(t Turn, payloads ...[]byte) record.Ref {
	b.parts = append(append(b.parts[:0], b.head), payloads...)
	ref := t.RecordParts(b.parts...)
	if err := b.fold(ref, b.head); err != nil {
		panic("broker: a fact of ours does not fold: " + err.Error())
	}
	clear(b.parts)
	return ref
}

// Apply folds one fact that lies at ref. It never refuses: an error means damage,
// or a fact newer than this program.
func (b *Broker) Apply(ref record.Ref, fact []byte) error {
	if len(fact) != int(ref.Len) {
		return badFact("its length is %d, its place says %d", len(fact), ref.Len)
	}
	return b.fold(ref, fact)
}

// Events returns what the broker has said since the last call. reuse is memory it
// fills next; nil is fine. What is returned is the caller's.
func (b *Broker) Events(reuse []Event) []Event {
	said := b.events
	clear(reuse)
	b.events = reuse[:0]
	return said
}

func (b *Broker) say(e Event) { b.events = append(b.events, e) }
