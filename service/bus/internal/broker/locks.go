package broker

import (
	"encoding/binary"

	"weir/kernel/fault"
)

// lock is a peek-lock on a message, or a receiver's hold on a session. It is the
// owner's and is never journaled.
type lock struct {
	until      int64 // ms
	seq        int64 // of the message; 0 when it is a session that is held
	use        uint64
	txn        TxnID  // the open transaction that settles the message
	place      uint32 // of the mailbox
	session    uint32 // the session that is held, or whose hold this lock is under
	receiver   uint32 // place of the receiver; 0 when nobody's link
	lane       uint32 // 0 for a lock under a session's
	prev, next uint32 // in the lane, or among the session's locks
}

func (l *lock) link() *uint32 { return &l.next }

// lane is a list of locks that were given for the same duration, so that they run
// out in the order of the list. A mailbox has one, and one more for each change of
// its lock duration until the old locks are gone.
type lane struct {
	id          uint32
	millis      int64
	first, last uint32
}

// A lock token is the owner's epoch and a counter: the place of the lock in 24
// bits and, above it, how many locks there had been. Both big endian.
const lockPlaceBits = 24

func (b *Broker) token(n uint32) LockToken {
	var t LockToken
	binary.BigEndian.PutUint64(t[:8], b.epoch)
	binary.BigEndian.PutUint64(t[8:], b.locks.at(n).use<<lockPlaceBits|uint64(n))
	return t
}

// findLock returns the lock that a token stands for, 0 when it is gone.
func (b *Broker) findLock(t LockToken) uint32 {
	counter := binary.BigEndian.Uint64(t[8:])
	n := uint32(counter & (1<<lockPlaceBits - 1))
	if n == 0 || binary.BigEndian.Uint64(t[:8]) != b.epoch {
		return 0
	}
	l := b.locks.has(n)
	if l == nil || l.use != counter>>lockPlaceBits {
		return 0
	}
	return n
}

// newLock makes a lock for the mailbox's duration, in its lane.
func (b *Broker) newLock(m *mailbox) (uint32, *lock) {
	n, l := b.locks.add()
	b.lockUses++
	l.use, l.place = b.lockUses&(1<<(64-lockPlaceBits)-1), m.place
	return n, l
}

// lockMessage locks a message for a receiver, under the session's hold when it is
// of a session.
func (b *Broker) lockMessage(m *mailbox, g *segment, seq int64, r *receiver) (uint32, *lock) {
	s := g.at(seq)
	n, l := b.newLock(m)
	l.seq = seq
	if r != nil {
		l.receiver = r.place
	}
	if m.sessions != nil {
		l.session = g.links[seq&segmentMask].session
		owner := m.sessions.slab.at(l.session)
		l.prev = owner.locks.last
		if l.prev != 0 {
			b.locks.at(l.prev).next = n
		} else {
			owner.locks.first = n
		}
		owner.locks.last = n
	} else {
		b.enterLane(m, n, l)
	}
	s.lock = n
	if s.state == active {
		b.makeUnready(m, g, seq)
	}
	b.touch(m)
	return n, l
}

// enterLane starts a lock's time and puts it at the end of the lane for it.
func (b *Broker) enterLane(m *mailbox, n uint32, l *lock) {
	millis := m.entity.lockMillis()
	if k := len(m.lanes); k == 0 || m.lanes[k-1].millis != millis {
		m.laneIDs++
		m.lanes = append(m.lanes, lane{id: m.laneIDs, millis: millis})
	}
	at := &m.lanes[len(m.lanes)-1]
	l.until, l.lane = b.now+millis, at.id
	l.prev, l.next = at.last, 0
	if at.last != 0 {
		b.locks.at(at.last).next = n
	} else {
		at.first = n
	}
	at.last = n
}

func (b *Broker) leaveLane(m *mailbox, l *lock) {
	i := 0
	for m.lanes[i].id != l.lane {
		i++
	}
	at := &m.lanes[i]
	if l.prev != 0 {
		b.locks.at(l.prev).next = l.next
	} else {
		at.first = l.next
	}
	if l.next != 0 {
		b.locks.at(l.next).prev = l.prev
	} else {
		at.last = l.prev
	}
	if at.first == 0 && i < len(m.lanes)-1 {
		m.lanes = append(m.lanes[:i], m.lanes[i+1:]...)
	}
}

// unlock ends a message's lock. The message is neither ready nor gone by that.
func (b *Broker) unlock(m *mailbox, s *slot) {
	n := s.lock
	l := b.locks.at(n)
	s.lock = 0
	if l.lane != 0 {
		b.leaveLane(m, l)
	} else {
		b.leaveHold(m, l)
	}
	b.locks.drop(n)
}

// leaveHold takes a lock out of the list of those under its session's hold.
func (b *Broker) leaveHold(m *mailbox, l *lock) {
	under := &m.sessions.slab.at(l.session).locks
	if l.prev != 0 {
		b.locks.at(l.prev).next = l.next
	} else {
		under.first = l.next
	}
	if l.next != 0 {
		b.locks.at(l.next).prev = l.prev
	} else {
		under.last = l.prev
	}
}

// freeMessage ends a message's lock and lets it be delivered again, or set aside
// again when it is deferred. Nothing is recorded: it is as it was before.
func (b *Broker) freeMessage(m *mailbox, g *segment, seq int64) {
	s := g.at(seq)
	b.unlock(m, s)
	if s.state == active {
		b.makeReady(m, g, seq)
	}
	b.touch(m)
}

// firstToRunOut returns the lock of the mailbox that runs out first, 0 for none.
func (b *Broker) firstToRunOut(m *mailbox) (n uint32, until int64) {
	for _, at := range m.lanes {
		if at.first == 0 {
			continue
		}
		if l := b.locks.at(at.first); n == 0 || l.until < until {
			n, until = at.first, l.until
		}
	}
	return n, until
}

// held returns the lock a token stands for, and where its message is. It refuses
// what ran out, what is gone and what belongs to another entity than the mailbox
// it is looked for in.
func (b *Broker) held(in *mailbox, t LockToken) (uint32, *lock, *mailbox, error) {
	n := b.findLock(t)
	if n == 0 {
		return 0, nil, nil, in.lockLost()
	}
	l := b.locks.at(n)
	m := b.places[l.place]
	if m.entity != in.entity || l.seq == 0 || b.until(m, l) <= b.now {
		return 0, nil, nil, in.lockLost()
	}
	return n, l, m, nil
}

// until is when a lock runs out: with the hold on its session, if it is under one.
func (b *Broker) until(m *mailbox, l *lock) int64 {
	if l.session != 0 && l.seq != 0 {
		return b.locks.at(m.sessions.slab.at(l.session).lock).until
	}
	return l.until
}

// lockLost is the refusal for a lock that is not there (any more).
func (m *mailbox) lockLost() error {
	if m.sessions != nil {
		return fault.New(fault.SessionLockLost, "The session lock was lost. Request a new session receiver.")
	}
	return errLockLost
}

var errLockLost = fault.New(fault.LockLost, "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.")
