package broker

import (
	"time"
	"unicode/utf8"

	"weir/kernel/fault"
)

// Settle settles one locked message, at once or when the transaction it names is
// discharged.
//
// Abandon and Defer count as failed deliveries, and the last one that an entity
// allows buries the message; Release does not count. In a dead-letter queue
// nothing counts.
func (b *Broker) Settle(t Turn, s Settlement) error {
	b.begin(t)
	defer b.finish(t)
	n, l, m, err := b.maySettle(&s)
	if err != nil {
		return err
	}
	if s.Txn != 0 {
		return b.holdSettle(s, n, l)
	}
	if l.txn != 0 {
		return enlisted
	}
	b.settle(t, m, l.seq, &s)
	return nil
}

var enlisted = fault.New(fault.Conflict, "The message is being settled in a transaction that has not ended.")

// maySettle refuses settlements that cannot be carried out, and puts the
// properties to set into the types of the wire.
func (b *Broker) maySettle(s *Settlement) (n uint32, l *lock, m *mailbox, err error) {
	at, err := b.find(s.Path)
	if err != nil {
		return 0, nil, nil, err
	}
	b.use(at.entity)
	if n, l, m, err = b.held(at, s.Lock); err != nil {
		return 0, nil, nil, err
	}
	if s.Disposition > DeadLetter {
		return 0, nil, nil, fault.New(fault.Invalid, "Disposition %d is not known.", s.Disposition)
	}
	if s.Disposition == DeadLetter && m.role != ownMailbox {
		return 0, nil, nil, fault.New(fault.Conflict, "A message of a dead-letter queue cannot be dead-lettered again.")
	}
	if utf8.RuneCountInString(s.Reason) > reasonCharsMax || utf8.RuneCountInString(s.Description) > reasonCharsMax {
		return 0, nil, nil, fault.New(fault.Invalid, "A dead-letter reason or description has at most %d characters.", reasonCharsMax)
	}
	s.Modify, err = modified(s.Modify)
	return n, l, m, err
}

// settle carries out what maySettle has let pass.
func (b *Broker) settle(t Turn, m *mailbox, seq int64, s *Settlement) {
	_, x := m.segments.get(seq)
	old := b.extraOf(x).edit
	edit := old.with(s.Modify)
	if edit == old {
		edit = nil
	}
	switch s.Disposition {
	case Complete:
		b.recordGoneOf(t, m, []int64{seq})
	case Abandon:
		b.giveBack(t, m, seq, true, edit)
	case Release:
		b.giveBack(t, m, seq, false, edit)
	case Defer:
		b.setAside(t, m, seq, edit)
	case DeadLetter:
		b.buryMessage(t, m, seq, 0, x.count, old.with(append(s.Modify[:len(s.Modify):len(s.Modify)], s.reasons()...)))
	}
}

// reasons are the application properties that a client's reason becomes.
func (s *Settlement) reasons() (p []Property) {
	if s.Reason != "" {
		p = append(p, Property{reasonProperty, s.Reason})
	}
	if s.Description != "" {
		p = append(p, Property{descriptionProperty, s.Description})
	}
	return p
}

// giveBack ends a lock without the message being done with: it is buried when that
// was its last delivery, expires if its time has come meanwhile, and is otherwise
// delivered again, or stays deferred.
func (b *Broker) giveBack(t Turn, m *mailbox, seq int64, failed bool, edit *Edit) {
	g, s := m.segments.get(seq)
	failed = failed && m.counts()
	if failed && s.count+1 >= m.entity.deliveriesMax() {
		b.buryMessage(t, m, seq, reasonDeliveries, s.count+1, edit)
		return
	}
	if s.state == active && s.due != 0 && s.due <= b.now {
		count := uint32(0)
		if failed {
			count = 1
		}
		b.expireOne(t, m, seq, count, edit)
		return
	}
	if failed || edit != nil {
		b.head = b.appendReturned(b.head[:0], m, []int64{seq}, failed, edit)
		b.record(t)
		return
	}
	b.freeMessage(m, g, seq)
}

// setAside defers a message.
func (b *Broker) setAside(t Turn, m *mailbox, seq int64, edit *Edit) {
	_, s := m.segments.get(seq)
	if m.counts() && s.count+1 >= m.entity.deliveriesMax() {
		b.buryMessage(t, m, seq, reasonDeliveries, s.count+1, edit)
		return
	}
	b.head = b.appendDeferred(b.head[:0], m, seq, m.counts(), edit)
	b.record(t)
}

// RenewLocks extends locks by the entity's lock duration, counted from now: all of
// them, or none when one is lost.
func (b *Broker) RenewLocks(t Turn, path string, tokens []LockToken) ([]time.Time, error) {
	b.begin(t)
	defer b.finish(t)
	at, err := b.find(path)
	if err != nil {
		return nil, err
	}
	b.use(at.entity)
	if len(tokens) > sequencesMax {
		return nil, tooMany
	}
	for _, token := range tokens {
		_, l, _, err := b.held(at, token)
		if err != nil {
			return nil, err
		}
		if l.lane == 0 {
			return nil, fault.New(fault.Conflict, "The lock of a session's message is the session's: renew that.")
		}
	}
	until := make([]time.Time, len(tokens))
	for i, token := range tokens {
		n, l, m, _ := b.held(at, token)
		b.leaveLane(m, l)
		b.enterLane(m, n, l)
		b.touch(m)
		until[i] = moment(l.until)
	}
	return until, nil
}

var tooMany = fault.New(fault.Invalid, "One command names at most %d messages.", sequencesMax)
