package broker

// sessions are the sessions of one mailbox. A session is there while it has
// messages, a state or a holder; it is listed while it has messages or a state,
// which is what facts know.
type sessions struct {
	slab     slab[session, *session]
	byText   map[uint32]uint32
	listed   sessionList
	waiting  sessionList          // unlocked and with something ready, longest first
	returned map[uint32]*returned // of sessions that got messages back
	dirty    []uint32             // the owner's: held, and with something to deliver
}

// session is one session. Its messages are linked in the order of their sequence
// numbers through the mailbox's segments.
type session struct {
	head, tail int64
	fresh      int64 // every ready message below it is in returned; 0: all are below
	browsed    int64 // the owner's: the last message a browse showed
	stateAt    int64 // when the state was set, ms
	id         uint32
	state      uint32 // payload, 0 for no state
	count      uint32
	ready      uint32
	lock       uint32   // the owner's: the lock on the session, 0 when nobody holds it
	locks      lockList // the owner's: first and last of the locks on its messages
	list, wait links
	isListed   bool
	isWaiting  bool
	isDirty    bool
}

type links struct{ prev, next uint32 }

// lockList is the locks under a hold, oldest first.
type lockList struct{ first, last uint32 }

func (s *session) link() *uint32 { return &s.list.next }

// sessionList is a list through one of a session's links.
type sessionList struct{ first, last uint32 }

func (t *sessions) append(l *sessionList, n uint32, of func(*session) *links) {
	k := of(t.slab.at(n))
	*k = links{prev: l.last}
	if l.last != 0 {
		of(t.slab.at(l.last)).next = n
	} else {
		l.first = n
	}
	l.last = n
}

func (t *sessions) remove(l *sessionList, n uint32, of func(*session) *links) {
	k := of(t.slab.at(n))
	if k.prev != 0 {
		of(t.slab.at(k.prev)).next = k.next
	} else {
		l.first = k.next
	}
	if k.next != 0 {
		of(t.slab.at(k.next)).prev = k.prev
	} else {
		l.last = k.prev
	}
	*k = links{}
}

func listLinks(s *session) *links { return &s.list }
func waitLinks(s *session) *links { return &s.wait }

// find returns the session with that id, 0 when there is none.
func (b *Broker) findSession(m *mailbox, id string) uint32 {
	text := b.texts.find(id)
	if text == 0 {
		return 0
	}
	return m.sessions.byText[text]
}

// enterSession returns the session of a text, made if it is new.
func (b *Broker) enterSession(m *mailbox, text uint32) (uint32, *session) {
	t := m.sessions
	if n := t.byText[text]; n != 0 {
		return n, t.slab.at(n)
	}
	n, s := t.slab.add()
	s.id = b.texts.again(text)
	if t.byText == nil {
		t.byText = map[uint32]uint32{}
	}
	t.byText[text] = n
	return n, s
}

// joinSession puts a new message at the end of its session.
func (b *Broker) joinSession(m *mailbox, g *segment, seq int64) {
	if g.links == nil {
		g.links = &[segmentSlots]link{}
	}
	n, s := b.enterSession(m, g.at(seq).session)
	g.links[seq&segmentMask] = link{prev: s.tail, session: n}
	if s.tail != 0 {
		m.linkOf(s.tail).next = seq
	} else {
		s.head = seq
	}
	s.tail = seq
	s.count++
	if s.fresh == 0 {
		s.fresh = seq
	}
	b.sessionChanged(m, n)
}

// leaveSession takes a message that goes away out of its session.
func (b *Broker) leaveSession(m *mailbox, g *segment, seq int64) {
	k := g.links[seq&segmentMask]
	g.links[seq&segmentMask] = link{}
	s := m.sessions.slab.at(k.session)
	if k.prev != 0 {
		m.linkOf(k.prev).next = k.next
	} else {
		s.head = k.next
	}
	if k.next != 0 {
		m.linkOf(k.next).prev = k.prev
	} else {
		s.tail = k.prev
	}
	if s.fresh == seq {
		s.fresh = k.next
	}
	s.count--
	b.sessionChanged(m, k.session)
}

func (m *mailbox) linkOf(seq int64) *link {
	return &m.segments.find(seq).links[seq&segmentMask]
}

func (b *Broker) sessionReady(m *mailbox, g *segment, seq int64) {
	t := m.sessions
	n := g.links[seq&segmentMask].session
	s := t.slab.at(n)
	s.ready++
	if s.fresh == 0 || seq < s.fresh {
		r := t.returned[n]
		if r == nil {
			if t.returned == nil {
				t.returned = map[uint32]*returned{}
			}
			r = &returned{}
			t.returned[n] = r
		}
		r.push(seq)
	}
	b.sessionChanged(m, n)
}

func (b *Broker) sessionUnready(m *mailbox, g *segment, seq int64) {
	t := m.sessions
	n := g.links[seq&segmentMask].session
	s := t.slab.at(n)
	s.ready--
	if r := t.returned[n]; r != nil && (s.fresh == 0 || seq < s.fresh) {
		r.stale++
		if r.wasteful() {
			r.mend(m)
		}
	}
	b.sessionChanged(m, n)
}

// firstOfSession returns the lowest ready sequence number of a session, 0 when
// there is none.
func (m *mailbox) firstOfSession(n uint32) int64 {
	t := m.sessions
	s := t.slab.at(n)
	if s.ready == 0 {
		return 0
	}
	if r := t.returned[n]; r != nil {
		for r.len() > 0 {
			if seq := r.top(); m.isReady(seq) {
				return seq
			}
			r.pop()
			r.stale--
		}
		delete(t.returned, n)
	}
	for s.fresh != 0 && !m.isReady(s.fresh) {
		s.fresh = m.linkOf(s.fresh).next
	}
	return s.fresh
}

// sessionChanged keeps the lists a session is on, and forgets a session that
// nothing is left of.
func (b *Broker) sessionChanged(m *mailbox, n uint32) {
	t := m.sessions
	s := t.slab.at(n)
	if listed := s.count > 0 || s.state != 0; listed != s.isListed {
		s.isListed = listed
		if listed {
			t.append(&t.listed, n, listLinks)
		} else {
			t.remove(&t.listed, n, listLinks)
		}
	}
	if waits := s.lock == 0 && s.ready > 0; waits != s.isWaiting {
		s.isWaiting = waits
		if waits {
			t.append(&t.waiting, n, waitLinks)
		} else {
			t.remove(&t.waiting, n, waitLinks)
		}
	}
	if s.lock != 0 && s.ready > 0 && !s.isDirty {
		s.isDirty = true
		t.dirty = append(t.dirty, n)
	}
	b.touch(m)
	if !s.isListed && s.lock == 0 {
		b.forgetSession(t, n, s)
	}
}

func (b *Broker) forgetSession(t *sessions, n uint32, s *session) {
	delete(t.byText, s.id)
	delete(t.returned, n)
	if len(t.byText) == 0 {
		t.byText, t.returned = nil, nil
	}
	b.texts.drop(s.id)
	t.slab.drop(n)
}

// disownSessions forgets who holds what; locks on messages are forgotten already.
// Sessions wait for the next owner's receivers in the order in which they are
// listed, which is the same on every replica.
func (b *Broker) disownSessions(m *mailbox) {
	t := m.sessions
	t.dirty = nil
	t.slab.each(func(n uint32, s *session) {
		s.lock, s.locks, s.isDirty, s.browsed = 0, lockList{}, false, 0
		b.sessionChanged(m, n)
	})
	t.waiting = sessionList{}
	for n := t.listed.first; n != 0; {
		s := t.slab.at(n)
		if s.isWaiting {
			t.append(&t.waiting, n, waitLinks)
		}
		n = s.list.next
	}
}
