package broker

import (
	"slices"
	"strconv"
	"strings"

	"weir/kernel/fault"
)

// ReceiveDeferred receives deferred messages by their sequence numbers: all of
// them, or none. One whose time to live is over is dropped or buried now, for it
// is not looked for before. In an entity that requires sessions, session names the
// session they belong to, which must be held.
func (b *Broker) ReceiveDeferred(t Turn, path string, seqs []int64, mode Mode, session *string) ([]Delivery, error) {
	b.begin(t)
	defer b.finish(t)
	m, r, err := b.mayFetch(path, session)
	if err != nil {
		return nil, err
	}
	b.use(m.entity)
	seqs, err = distinct(seqs)
	if err != nil {
		return nil, err
	}
	if err := b.findDeferred(t, m, seqs, session); err != nil {
		return nil, err
	}
	if mode == PeekLock && b.locks.live+len(seqs) > locksMax {
		return nil, fault.New(fault.Busy, "There are too many locked messages.")
	}
	out := make([]Delivery, len(seqs))
	for i, seq := range seqs {
		d := &out[i]
		g := m.segments.find(seq)
		b.describe(m, g, seq, &d.Message)
		if r != nil {
			d.Receiver = r.id
		}
		if mode == PeekLock {
			n, l := b.lockMessage(m, g, seq, r)
			d.Lock = b.token(n)
			d.Message.LockedUntil = moment(b.until(m, l))
		}
	}
	if mode == ReceiveAndDelete {
		b.recordGoneOf(t, m, seqs)
	}
	return out, nil
}

// mayFetch returns the mailbox whose deferred messages are asked for, and who holds
// the session.
func (b *Broker) mayFetch(path string, session *string) (*mailbox, *receiver, error) {
	m, err := b.find(path)
	if err != nil {
		return nil, nil, err
	}
	if !m.entity.takesReceives() {
		return nil, nil, fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for receiving.", m.entity.def.Name)
	}
	if m.sessions == nil {
		return m, nil, nil
	}
	if session == nil {
		return nil, nil, fault.New(fault.Conflict, "It is not possible to receive from '%s' without a session.", m.path())
	}
	_, l, err := b.heldSession(m, *session, 0)
	if err != nil {
		return nil, nil, err
	}
	return m, b.byPlace[l.receiver], nil
}

// findDeferred makes sure that all the messages are there to be had.
func (b *Broker) findDeferred(t Turn, m *mailbox, seqs []int64, session *string) error {
	lost := false
	for _, seq := range seqs {
		_, s := m.segments.get(seq)
		switch {
		case s == nil || s.state != deferred || s.lock != 0:
			lost = true
		case session != nil && m.sessions != nil && b.texts.get(s.session) != *session:
			lost = true
		case s.due != 0 && s.due <= b.now:
			b.expireOne(t, m, seq, 0, nil)
			lost = true
		}
	}
	if lost {
		return fault.New(fault.MessageNotFound, "Failed to lock one or more specified messages. Either the message is already locked or does not exist.")
	}
	return nil
}

// distinct returns sequence numbers without those named twice, in their order.
func distinct(seqs []int64) ([]int64, error) {
	if len(seqs) > sequencesMax {
		return nil, tooMany
	}
	if len(seqs) < 2 {
		return seqs, nil
	}
	seen := make(map[int64]struct{}, len(seqs))
	return slices.DeleteFunc(slices.Clone(seqs), func(n int64) bool {
		_, again := seen[n]
		seen[n] = struct{}{}
		return again
	}), nil
}

// numbers lists sequence numbers for a sentence.
func numbers(seqs []int64) string {
	texts := make([]string, len(seqs))
	for i, n := range seqs {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ", ")
}
