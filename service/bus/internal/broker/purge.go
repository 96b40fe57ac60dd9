package broker

import (
	"time"

	"weir/kernel/fault"
)

// DeleteBatch removes up to max ready messages that were enqueued before a time,
// oldest first, and returns how many. Locked messages are passed over, and so are
// those of sessions that somebody holds unless that session is named; deferred and
// scheduled ones are not looked at.
func (b *Broker) DeleteBatch(t Turn, path string, max int, before time.Time, session *string) (int, error) {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(path)
	if err != nil {
		return 0, err
	}
	switch {
	case !m.entity.takesReceives():
		return 0, fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for receiving.", m.entity.def.Name)
	case session != nil && m.sessions == nil:
		return 0, noSessions(m)
	}
	b.use(m.entity)
	d := deletion{max: min(max, deleteMessagesMax), before: b.now + 1}
	if !before.IsZero() {
		d.before = before.UnixMilli()
	}
	switch {
	case m.sessions == nil:
		b.deletePlain(t, m, &d)
	case session != nil:
		if n := b.findSession(m, *session); n != 0 {
			b.deleteOfSession(t, m, n, &d)
		}
	default:
		for n := m.sessions.waiting.first; n != 0 && d.n < d.max && d.looks < deleteLooksMax; {
			next := m.sessions.slab.at(n).wait.next
			b.deleteOfSession(t, m, n, &d)
			d.looks++
			n = next
		}
	}
	return d.n, nil
}

// deletion is how far a batch delete has come.
type deletion struct {
	n, max int
	before int64
	looks  int // at what could not be deleted
}

// deleteLooksMax bounds what one batch delete passes over. It does not promise to
// find everything: whoever purges asks until nothing is found.
const deleteLooksMax = 16_384

// deletePlain removes from the lowest ready sequence number on.
func (b *Broker) deletePlain(t Turn, m *mailbox, d *deletion) {
	var seqs []int64
	first := m.firstReady()
	if first == 0 {
		return
	}
	for g := m.segments.from(first); g != nil && d.n < d.max && d.looks < deleteLooksMax; g = m.segments.after(g) {
		d.looks++
		for set := g.ready; set != 0 && d.n < d.max; set &= set - 1 {
			seq := g.lowest(set, 0)
			if g.at(seq).enqueued >= d.before {
				d.looks++
				continue
			}
			seqs = append(seqs, seq)
			d.n++
		}
	}
	b.recordGoneOf(t, m, seqs)
}

func (b *Broker) deleteOfSession(t Turn, m *mailbox, n uint32, d *deletion) {
	var seqs []int64
	for seq := m.firstOfSession(n); seq != 0 && d.n < d.max && d.looks < deleteLooksMax; seq = m.linkOf(seq).next {
		if s := m.segments.find(seq).at(seq); !m.isReady(seq) || s.enqueued >= d.before {
			d.looks++
			continue
		}
		seqs = append(seqs, seq)
		d.n++
	}
	b.recordGoneOf(t, m, seqs)
}
