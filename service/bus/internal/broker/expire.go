package broker

import "weir/kernel/fault"

// runOut ends the locks and session holds whose time is over. Each message that
// was locked has had one more failed delivery.
func (b *Broker) runOut(t Turn, m *mailbox) {
	for range expirePerTurn {
		n, until := b.firstToRunOut(m)
		if n == 0 || until > b.now {
			return
		}
		l := b.locks.at(n)
		if l.seq == 0 {
			b.runOutSession(t, m, l.session)
			continue
		}
		b.giveBack(t, m, l.seq, true, nil)
	}
}

// runOutSession ends a hold whose time is over, and the receiver with it.
func (b *Broker) runOutSession(t Turn, m *mailbox, n uint32) {
	s := m.sessions.slab.at(n)
	r := b.byPlace[b.locks.at(s.lock).receiver]
	for s.locks.first != 0 {
		b.giveBack(t, m, b.locks.at(s.locks.first).seq, true, nil)
	}
	b.closeFor(r, fault.New(fault.SessionLockLost, "The lock on the session '%s' has expired.", b.texts.get(s.id)))
}

// expire drops or buries the ready messages whose time to live is over.
func (b *Broker) expire(t Turn, m *mailbox) {
	for n := 0; n < expirePerTurn; {
		at := m.expiry.first()
		if at == 0 || at > b.now {
			return
		}
		g := m.expiry.items[0]
		next := int64(0)
		var over []int64
		for set := g.ready; set != 0; set &= set - 1 {
			seq := g.lowest(set, 0)
			switch due := g.at(seq).due; {
			case due == 0:
			case due <= b.now:
				over = append(over, seq)
			default:
				next = soonest(next, due)
			}
		}
		m.expiry.set(g, next)
		b.expireAll(t, m, over)
		n += len(over) + 1
	}
}

// expireAll ends messages of one segment.
func (b *Broker) expireAll(t Turn, m *mailbox, seqs []int64) {
	if len(seqs) == 0 {
		return
	}
	if !m.entity.def.DeadLetterOnExpiration {
		b.recordGoneOf(t, m, seqs)
		return
	}
	for _, seq := range seqs {
		b.expireOne(t, m, seq, 0, nil)
	}
}

// expireOne ends a message whose time to live is over. failed is 1 when a delivery
// of it has failed at the same time.
func (b *Broker) expireOne(t Turn, m *mailbox, seq int64, failed uint32, edit *Edit) {
	if m.entity.def.DeadLetterOnExpiration {
		_, s := m.segments.get(seq)
		b.buryMessage(t, m, seq, reasonTTL, s.count+failed, edit)
		return
	}
	b.recordGoneOf(t, m, []int64{seq})
}

// recordGoneOf records that messages are gone.
func (b *Broker) recordGoneOf(t Turn, m *mailbox, seqs []int64) {
	for len(seqs) > 0 {
		n := min(len(seqs), factItemsMax)
		b.head = appendGone(b.head[:0], m, seqs[:n])
		b.record(t)
		seqs = seqs[n:]
	}
}
