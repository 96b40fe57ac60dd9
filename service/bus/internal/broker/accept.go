package broker

import (
	"time"

	"weir/kernel/fault"
)

// waiters are the receivers that wait for any session, first come first served.
type waiters struct{ first, last *receiver }

var errNoSession = fault.New(fault.Timeout, "The operation did not complete within the allotted time: no session was available.")

func sessionTaken(id string) error {
	return fault.New(fault.SessionUnavailable, "The requested session '%s' cannot be accepted. It may be locked by another receiver.", id)
}

func (b *Broker) wait(r *receiver, until time.Time) {
	w := &r.mailbox.waiters
	r.waits = true
	r.prevWait = w.last
	if w.last != nil {
		w.last.nextWait = r
	} else {
		w.first = r
	}
	w.last = r
	if !until.IsZero() {
		b.timers.set(&r.timer, until.UnixMilli())
	}
}

func (b *Broker) unwait(r *receiver) {
	w := &r.mailbox.waiters
	if r.prevWait != nil {
		r.prevWait.nextWait = r.nextWait
	} else {
		w.first = r.nextWait
	}
	if r.nextWait != nil {
		r.nextWait.prevWait = r.prevWait
	} else {
		w.last = r.prevWait
	}
	r.waits, r.prevWait, r.nextWait = false, nil, nil
	b.timers.clear(&r.timer)
}

// waitedInVain ends a receiver whose time to wait for a session is over.
func (b *Broker) waitedInVain(r *receiver) {
	b.dropReceiver(r)
	b.say(Event{Kind: Refused, Receiver: r.id, Err: errNoSession})
}

// nameSession returns the session with that id, made for a holder if nothing is
// known of it yet.
func (b *Broker) nameSession(m *mailbox, id string) uint32 {
	text := b.texts.keep(id)
	n, _ := b.enterSession(m, text)
	b.texts.drop(text)
	return n
}

// hold gives a session to a receiver for the lock duration.
func (b *Broker) hold(r *receiver, n uint32) {
	m := r.mailbox
	at, l := b.newLock(m)
	l.session, l.receiver = n, r.place
	b.enterLane(m, at, l)
	m.sessions.slab.at(n).lock = at
	r.session = n
	b.sessionChanged(m, n)
}

// release takes a session from its holder. Its locked messages are ready again.
func (b *Broker) release(m *mailbox, n uint32) {
	s := m.sessions.slab.at(n)
	for s.locks.first != 0 {
		l := b.locks.at(s.locks.first)
		b.freeMessage(m, m.segments.find(l.seq), l.seq)
	}
	at := s.lock
	l := b.locks.at(at)
	if r := b.byPlace[l.receiver]; r != nil {
		r.session = 0
	}
	b.leaveLane(m, l)
	b.locks.drop(at)
	s.lock = 0
	b.sessionChanged(m, n)
}

func (b *Broker) heldUntil(r *receiver) time.Time {
	s := r.mailbox.sessions.slab.at(r.session)
	return time.UnixMilli(b.locks.at(s.lock).until).UTC()
}

func (b *Broker) sessionID(r *receiver) string {
	return b.texts.get(r.mailbox.sessions.slab.at(r.session).id)
}

// acceptWaiting gives sessions that wait for a receiver to receivers that wait for
// a session.
func (b *Broker) acceptWaiting(m *mailbox) {
	for m.waiters.first != nil && m.sessions.waiting.first != 0 {
		r := m.waiters.first
		b.unwait(r)
		b.hold(r, m.sessions.waiting.first)
		b.say(Event{Kind: SessionAccepted, Receiver: r.id, Session: b.sessionID(r), Until: b.heldUntil(r)})
	}
}

// heldSession returns a session that is held, by a given receiver unless by is 0.
func (b *Broker) heldSession(m *mailbox, id string, by ReceiverID) (uint32, *lock, error) {
	if m.sessions == nil {
		return 0, nil, noSessions(m)
	}
	n := b.findSession(m, id)
	if n == 0 {
		return 0, nil, m.lockLost()
	}
	at := m.sessions.slab.at(n).lock
	if at == 0 {
		return 0, nil, m.lockLost()
	}
	l := b.locks.at(at)
	if r := b.byPlace[l.receiver]; l.until <= b.now || by != 0 && r.id != by {
		return 0, nil, m.lockLost()
	}
	return n, l, nil
}

// RenewSession extends the hold on a session by the lock duration, counted from
// now. by names the receiver that must be the holder; 0 is whoever holds it.
func (b *Broker) RenewSession(t Turn, path, session string, by ReceiverID) (time.Time, error) {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(path)
	if err != nil {
		return time.Time{}, err
	}
	b.use(m.entity)
	n, l, err := b.heldSession(m, session, by)
	if err != nil {
		return time.Time{}, err
	}
	b.leaveLane(m, l)
	b.enterLane(m, m.sessions.slab.at(n).lock, l)
	return time.UnixMilli(l.until).UTC(), nil
}
