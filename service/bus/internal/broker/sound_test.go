package broker

import (
	"fmt"
)

// sound looks at the broker from within: every message is in exactly one place, and
// all sums are right. It walks everything.
func (b *Broker) sound() error {
	b.buryAll() // what is being buried still counts to its topic
	refs := map[uint32]uint32{}
	bytes := map[*entity]int64{}
	charged := map[[2]uint32]bool{}
	locks := map[uint32]bool{}
	for _, e := range b.list {
		for _, m := range e.mailboxes() {
			if err := b.soundMailbox(m, refs, bytes, charged, locks); err != nil {
				return fmt.Errorf("%s: %w", m.path(), err)
			}
		}
	}
	for _, e := range b.list {
		if e.bytes != bytes[e] {
			return fmt.Errorf("%s: it has %d bytes and says %d", e.def.Name, bytes[e], e.bytes)
		}
	}
	if len(refs) != b.payloads.slab.live {
		return fmt.Errorf("%d payloads are in use, %d are kept", len(refs), b.payloads.slab.live)
	}
	last := uint64(0)
	for n := b.payloads.first; n != 0; n = b.payloads.slab.at(n).next {
		p := b.payloads.slab.at(n)
		if p.refs != refs[n] {
			return fmt.Errorf("payload %v has %d references and says %d", p.ref(), refs[n], p.refs)
		}
		if uint64(p.at) < last {
			return fmt.Errorf("payload %v is out of order", p.ref())
		}
		last = uint64(p.at)
	}
	return b.soundLocks(locks)
}

func (b *Broker) soundMailbox(m *mailbox, refs map[uint32]uint32, bytes map[*entity]int64, charged map[[2]uint32]bool, locks map[uint32]bool) error {
	var count [4]int64
	ready, size, last := int64(0), int64(0), int64(0)
	charge := func(payload uint32) {
		refs[payload]++
		p, store := b.payloads.slab.at(payload), m.entity.store()
		size += int64(p.len)
		if key := [2]uint32{payload, store.id}; p.home == store.id {
			if charged[key] {
				return
			}
			charged[key] = true
		}
		bytes[store] += int64(p.len)
	}
	for g := m.segments.from(0); g != nil; g = m.segments.after(g) {
		if g.used == 0 || g.ready&^g.used != 0 {
			return fmt.Errorf("segment %d has used %x and ready %x", g.num, g.used, g.ready)
		}
		for place := range segmentSlots {
			s, seq := &g.slots[place], g.seq(place)
			if g.used>>place&1 == 0 {
				if *s != (slot{}) {
					return fmt.Errorf("message %d is gone and not forgotten", seq)
				}
				continue
			}
			if seq <= last || seq >= m.next {
				return fmt.Errorf("message %d comes after %d, before %d", seq, last, m.next)
			}
			last = seq
			count[s.state]++
			charge(s.payload)
			isReady := g.ready>>place&1 == 1
			if isReady != (s.state == active && s.lock == 0) {
				return fmt.Errorf("message %d is ready %v in state %d with lock %d", seq, isReady, s.state, s.lock)
			}
			if isReady {
				ready++
				if s.due != 0 && (g.expiry.place == 0 || g.expiry.at > s.due) {
					return fmt.Errorf("nobody looks when message %d expires", seq)
				}
			}
			if s.state == scheduled && (g.opening.place == 0 || g.opening.at > s.due) {
				return fmt.Errorf("nobody looks when message %d becomes active", seq)
			}
			if s.lock != 0 {
				if l := b.locks.at(s.lock); l.seq != seq || b.places[l.place] != m || locks[s.lock] {
					return fmt.Errorf("message %d has the lock of %d", seq, l.seq)
				}
				locks[s.lock] = true
			}
		}
	}
	if count[empty] != 0 || count[active] != m.active || count[deferred] != m.deferred || count[scheduled] != m.scheduled || ready != m.ready {
		return fmt.Errorf("counts are %v and %d ready, it says %d, %d, %d and %d", count, ready, m.active, m.deferred, m.scheduled, m.ready)
	}
	if m.sessions != nil {
		if err := b.soundSessions(m, charge, locks); err != nil {
			return err
		}
	}
	if size != m.bytes {
		return fmt.Errorf("it has %d bytes and says %d", size, m.bytes)
	}
	return nil
}

func (b *Broker) soundSessions(m *mailbox, charge func(uint32), locks map[uint32]bool) (err error) {
	t := m.sessions
	total := int64(0)
	t.slab.each(func(n uint32, s *session) {
		if err != nil {
			return
		}
		if s.state != 0 {
			charge(s.state)
		}
		count, ready, before := uint32(0), uint32(0), int64(0)
		for seq := s.head; seq != 0; seq = m.linkOf(seq).next {
			k := m.linkOf(seq)
			if k.session != n || k.prev != before || seq <= before {
				err = fmt.Errorf("session %q is broken at message %d", b.texts.get(s.id), seq)
				return
			}
			if m.isReady(seq) {
				ready++
			}
			before = seq
			count++
		}
		if s.lock != 0 {
			locks[s.lock] = true
		}
		total += int64(count)
		if count != s.count || ready != s.ready || s.tail != before {
			err = fmt.Errorf("session %q has %d messages, %d ready, and says %d, %d", b.texts.get(s.id), count, ready, s.count, s.ready)
		}
		if s.isListed != (count > 0 || s.state != 0) || s.isWaiting != (s.lock == 0 && ready > 0) || t.byText[s.id] != n {
			err = fmt.Errorf("session %q is on the wrong lists", b.texts.get(s.id))
		}
	})
	if err == nil && total != m.active+m.deferred+m.scheduled {
		err = fmt.Errorf("sessions have %d messages of %d", total, m.active+m.deferred+m.scheduled)
	}
	return err
}

// soundLocks makes sure that every lock is some message's or session's.
func (b *Broker) soundLocks(seen map[uint32]bool) (err error) {
	if len(seen) != b.locks.live {
		return fmt.Errorf("%d locks are held, %d are kept", len(seen), b.locks.live)
	}
	return nil
}
