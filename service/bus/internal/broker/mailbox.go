package broker

// role says which of an entity's mailboxes one is. The number is stored.
type role uint8

const (
	ownMailbox         role = 0
	deadLetters        role = 1
	transferDeadLetter role = 2
)

// mailbox is one log of messages with its own sequence numbers.
type mailbox struct {
	entity *entity
	role   role
	place  uint32 // in Broker.places
	next   int64  // sequence number of the next message
	// Of the plan that is being made: numbers given out, and messages for delivery.
	ahead, aheadReady int64

	segments segments
	expiry   dueHeap
	opening  dueHeap
	bytes    int64
	// How many messages are active (locked ones too), deferred, scheduled; and how
	// many of the active are ready.
	active, deferred, scheduled, ready int64

	cursor   int64 // every ready message below it is in returned
	returned returned
	sessions *sessions // of an entity that requires sessions, its own mailbox only

	// What follows is the owner's.
	lanes    []lane
	laneIDs  uint32
	line     grants
	waiters  waiters
	timer    timer
	drains   []*receiver // asked for their credit to be used up
	touched  bool
	more     bool  // the turn ended before everything was delivered
	paused   int64 // no forwarding or activation before, ms; 0 for none
	fetching fetching
}

// number is how facts name the mailbox.
func (m *mailbox) number() uint64 { return uint64(m.entity.id)<<2 | uint64(m.role) }

// path is how clients name it.
func (m *mailbox) path() string {
	switch m.role {
	case deadLetters:
		return m.entity.def.Name + deadLetterSuffix
	case transferDeadLetter:
		return m.entity.def.Name + transferSuffix
	}
	return m.entity.def.Name
}

// forwardsTo is the path that the mailbox's messages are forwarded to, "" for none.
func (m *mailbox) forwardsTo() string {
	switch m.role {
	case ownMailbox:
		return m.entity.def.ForwardTo
	case deadLetters:
		return m.entity.def.ForwardDeadLettersTo
	}
	return ""
}

// backlog reports whether messages wait here, so that none may overtake them.
func (m *mailbox) backlog() bool { return m.ready+m.aheadReady > 0 }

// counts reports whether deliveries are counted here: a dead-letter queue never
// buries a second time.
func (m *mailbox) counts() bool { return m.role == ownMailbox }

// put makes a message of the next sequence number. The slot's payload and texts
// are taken over with one new reference to the payload.
func (b *Broker) put(m *mailbox, s slot) int64 {
	seq := m.next
	m.next++
	g := m.segments.open(seq, &b.spare)
	*g.at(seq) = s
	g.used |= bit(seq)
	b.charge(m, s.payload)
	if m.sessions != nil {
		b.joinSession(m, g, seq)
	}
	switch s.state {
	case scheduled:
		m.scheduled++
		m.opening.want(g, s.due)
	case deferred:
		m.deferred++
	default:
		m.active++
		b.makeReady(m, g, seq)
	}
	b.touch(m)
	if b.trace != nil {
		b.trace.put(m, seq)
	}
	return seq
}

// take removes a message altogether: from its place, its session and its payload.
func (b *Broker) take(m *mailbox, g *segment, seq int64) {
	s := g.at(seq)
	if b.trace != nil {
		b.trace.take(m, seq)
	}
	if s.lock != 0 {
		b.unlock(m, s)
	}
	delete(m.fetching.got, seq)
	switch s.state {
	case scheduled:
		m.scheduled--
	case deferred:
		m.deferred--
	default:
		m.active--
		b.makeUnready(m, g, seq)
	}
	if m.sessions != nil {
		b.leaveSession(m, g, seq)
	}
	b.discharge(m, s.payload)
	b.texts.drop(s.session)
	b.dropExtra(s.extra)
	*s = slot{}
	g.used &^= bit(seq)
	if g.used == 0 {
		b.closeSegment(m, g)
	}
	b.touch(m)
}

func (b *Broker) closeSegment(m *mailbox, g *segment) {
	m.expiry.set(g, 0)
	m.opening.set(g, 0)
	m.segments.close(g)
	g.ready = 0
	if len(b.spare) < spareSegments {
		b.spare = append(b.spare, g)
	}
}

// spareSegments is how many empty segments are kept for the next messages.
const spareSegments = 64

// charge counts a message's bytes: to the mailbox, and to the queue or topic that
// stores it. The topic it was sent to is charged once, however many copies there are.
func (b *Broker) charge(m *mailbox, n uint32) {
	p := b.payloads.slab.at(n)
	p.refs++
	m.bytes += int64(p.len)
	store := m.entity.store()
	if p.home == store.id {
		p.homeRefs++
		if p.homeRefs > 1 {
			return
		}
	}
	store.bytes += int64(p.len)
}

func (b *Broker) discharge(m *mailbox, n uint32) {
	p := b.payloads.slab.at(n)
	m.bytes -= int64(p.len)
	store := m.entity.store()
	if p.home == store.id {
		p.homeRefs--
	}
	if p.home != store.id || p.homeRefs == 0 {
		store.bytes -= int64(p.len)
	}
	b.payloads.drop(n)
}

func (g *segment) at(seq int64) *slot { return &g.slots[seq&segmentMask] }

func bit(seq int64) uint64 { return 1 << (uint64(seq) & segmentMask) }
