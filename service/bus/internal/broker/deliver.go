package broker

import "time"

// serve gives a mailbox's ready messages to whoever waits: the next entity in a
// chain, or receivers in the order of their credit.
func (b *Broker) serve(t Turn, m *mailbox) {
	m.more = false
	budget := deliverPerTurn
	switch {
	case m.forwardsTo() != "":
		b.forward(t, m)
		return
	case m.sessions != nil:
		b.serveSessions(t, m, &budget)
	default:
		b.servePlain(t, m, &budget)
	}
	if m.more = budget <= 0; !m.more && len(m.drains) > 0 {
		b.drained(m)
	}
}

func (b *Broker) servePlain(t Turn, m *mailbox, budget *int) {
	for m.line.first != nil && *budget > 0 {
		seq := b.nextReady(t, m, 0)
		if seq == 0 || !b.give(m, seq, m.line.first.receiver) {
			break
		}
		m.line.spend()
		*budget--
	}
	b.recordGone(t, m)
}

func (b *Broker) serveSessions(t Turn, m *mailbox, budget *int) {
	b.acceptWaiting(m)
	s := m.sessions
	for len(s.dirty) > 0 && *budget > 0 {
		n := s.dirty[len(s.dirty)-1]
		s.dirty = s.dirty[:len(s.dirty)-1]
		if x := s.slab.has(n); x != nil && x.isDirty {
			x.isDirty = false
			b.serveSession(t, m, n, budget)
		}
	}
	b.acceptWaiting(m)
}

// serveSession gives a session's messages to its holder.
func (b *Broker) serveSession(t Turn, m *mailbox, n uint32, budget *int) {
	for {
		hold := m.sessions.slab.at(n).lock
		if hold == 0 {
			break
		}
		r := b.byPlace[b.locks.at(hold).receiver]
		if r.credit() == 0 {
			break
		}
		if *budget <= 0 {
			b.sessionChanged(m, n) // goes on in the next turn
			break
		}
		seq := b.nextReady(t, m, n)
		if seq == 0 || !b.give(m, seq, r) {
			break
		}
		*budget--
	}
	b.recordGone(t, m)
}

// nextReady returns the first ready message of a mailbox, or of a session, that
// has not expired; those that have are dropped or buried on the way.
func (b *Broker) nextReady(t Turn, m *mailbox, session uint32) int64 {
	for {
		seq := int64(0)
		if session != 0 {
			seq = m.firstOfSession(session)
		} else {
			seq = m.firstReady()
		}
		if seq == 0 {
			return 0
		}
		s := m.segments.find(seq).at(seq)
		if s.due == 0 || s.due > b.now {
			return seq
		}
		b.expireOne(t, m, seq, 0, nil)
	}
}

// give delivers a ready message: locked, or for good. It refuses only when there
// are too many locks.
func (b *Broker) give(m *mailbox, seq int64, r *receiver) bool {
	if r.mode == PeekLock && b.locks.live >= locksMax {
		return false
	}
	g := m.segments.find(seq)
	b.events = append(b.events, Event{})
	e := &b.events[len(b.events)-1]
	e.Kind, e.Receiver, e.Delivery.Receiver = Delivered, r.id, r.id
	b.describe(m, g, seq, &e.Delivery.Message)
	if r.mode == ReceiveAndDelete {
		b.makeUnready(m, g, seq)
		b.gone = append(b.gone, seq)
	} else {
		n, l := b.lockMessage(m, g, seq, r)
		e.Delivery.Lock = b.token(n)
		e.Delivery.Message.LockedUntil = moment(b.until(m, l))
	}
	if m.sessions == nil {
		m.pass(seq)
	}
	r.count++
	return true
}

// recordGone records the messages that were delivered for good.
func (b *Broker) recordGone(t Turn, m *mailbox) {
	for left := b.gone; len(left) > 0; {
		n := min(len(left), factItemsMax)
		b.head = appendGone(b.head[:0], m, left[:n])
		b.record(t)
		left = left[n:]
	}
	b.gone = b.gone[:0]
}

// describe says of a message what its bytes do not say.
func (b *Broker) describe(m *mailbox, g *segment, seq int64, to *Stored) {
	s := g.at(seq)
	p := b.payloads.slab.at(s.payload)
	to.Ref = p.ref()
	to.Sequence = seq
	to.EnqueuedSequence = p.origin
	to.Enqueued = moment(s.enqueued)
	to.DeliveryCount = s.count
	switch s.state {
	case scheduled:
		to.State, to.ScheduledAt = MessageScheduled, moment(s.due)
	case deferred:
		to.State, to.Expires = MessageDeferred, moment(s.due)
	default:
		to.Expires = moment(s.due)
	}
	if s.session != 0 {
		to.SessionID, to.HasSession = b.texts.get(s.session), true
	}
	if s.extra != 0 {
		x := b.extras.at(s.extra)
		to.Edit = x.edit
		to.DeadLetterSource = b.texts.get(x.source)
	}
	if s.reason != 0 {
		to.Edit = to.Edit.with(s.reason.properties(s.count))
	}
}

// moment is a time in ms, the zero time for 0.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
