package broker

import (
	"time"

	"weir/kernel/fault"
)

// Peek returns up to max messages in the order of their sequence numbers, from the
// first at or above from: active, locked, deferred and scheduled ones. session
// limits it to one session. Nothing changes by it.
func (b *Broker) Peek(t Turn, path string, from int64, max int, session *string) ([]Stored, error) {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(path)
	if err != nil {
		return nil, err
	}
	if !m.entity.takesReceives() {
		return nil, fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for receiving.", m.entity.def.Name)
	}
	b.use(m.entity)
	max = min(max, peekMessagesMax)
	if session != nil {
		if m.sessions == nil {
			return nil, noSessions(m)
		}
		return b.peekSession(m, from, max, *session), nil
	}
	var out []Stored
	for g := m.segments.from(from); g != nil && len(out) < max; g = m.segments.after(g) {
		for set := g.used; set != 0 && len(out) < max; set &= set - 1 {
			seq := g.lowest(set, 0)
			if seq < from {
				continue
			}
			out = append(out, Stored{})
			b.describe(m, g, seq, &out[len(out)-1])
		}
	}
	return out, nil
}

func noSessions(m *mailbox) error {
	return fault.New(fault.Conflict, "The messaging entity '%s' does not require sessions.", m.path())
}

func (b *Broker) peekSession(m *mailbox, from int64, max int, id string) []Stored {
	n := b.findSession(m, id)
	if n == 0 {
		return nil
	}
	s := m.sessions.slab.at(n)
	var out []Stored
	for seq := m.firstInSession(n, from); seq != 0 && len(out) < max; seq = m.linkOf(seq).next {
		out = append(out, Stored{})
		b.describe(m, m.segments.find(seq), seq, &out[len(out)-1])
		s.browsed = seq
	}
	return out
}

// firstInSession returns the session's first message at or above a sequence
// number, 0 when there is none. Whoever pages through a session goes on behind what
// was shown last; other places are looked for from the near end of the session and
// from the place itself at once, so that the shorter way decides.
func (m *mailbox) firstInSession(n uint32, from int64) int64 {
	s := m.sessions.slab.at(n)
	if s.count == 0 || from > s.tail {
		return 0
	}
	if from <= s.head {
		return s.head
	}
	if s.browsed != 0 && s.browsed < from {
		if g, x := m.segments.get(s.browsed); x != nil && g.links[s.browsed&segmentMask].session == n {
			if next := m.linkOf(s.browsed).next; next == 0 || next >= from {
				return next
			}
		}
	}
	up, down := s.head, s.tail
	g := m.segments.from(from)
	for {
		if up >= from {
			return up
		}
		if p := m.linkOf(down).prev; p < from {
			return down
		}
		up, down = m.linkOf(up).next, m.linkOf(down).prev
		if g != nil {
			if seq := m.inSession(g, n, from); seq != 0 {
				return seq
			}
			g = m.segments.after(g)
		}
	}
}

// inSession returns the first message of a session in one segment.
func (m *mailbox) inSession(g *segment, n uint32, from int64) int64 {
	for set := g.used; set != 0; set &= set - 1 {
		if seq := g.lowest(set, 0); seq >= from && g.links[seq&segmentMask].session == n {
			return seq
		}
	}
	return 0
}

// Sessions lists sessions, oldest first, behind the first skip of them: those with
// messages or a state; with since, those whose state was set after it. A time past
// the year 9999 means no time, as clients send it.
func (b *Broker) Sessions(path string, since time.Time, skip, top int) ([]string, error) {
	m, err := b.look(path)
	if err != nil {
		return nil, err
	}
	if m.sessions == nil {
		return nil, noSessions(m)
	}
	top = min(top, sessionsListedMax)
	all := since.IsZero() || since.UnixMilli() >= timeMax-86_400_000
	var out []string
	for n := m.sessions.listed.first; n != 0 && len(out) < top; {
		s := m.sessions.slab.at(n)
		if all || s.state != 0 && s.stateAt > since.UnixMilli() {
			if skip > 0 {
				skip--
			} else {
				out = append(out, b.texts.get(s.id))
			}
		}
		n = s.list.next
	}
	return out, nil
}

// Counts tells what an entity holds.
func (b *Broker) Counts(path string) (Counts, error) {
	m, err := b.look(path)
	if err != nil {
		return Counts{}, err
	}
	e := m.entity
	c := Counts{
		Active: e.main.active, Deferred: e.main.deferred, Scheduled: e.main.scheduled,
		DeadLetter: e.dead.active + e.dead.deferred, TransferDeadLetter: e.transfer.active + e.transfer.deferred,
		SizeBytes: e.bytes, Created: moment(e.created), Updated: moment(e.updated), Accessed: moment(max(e.accessed, e.updated)),
		Subscriptions: int64(len(e.subs)),
	}
	if e.topic != nil {
		c.SizeBytes = e.main.bytes + e.dead.bytes + e.transfer.bytes
	}
	if e.main.forwardsTo() != "" {
		c.Active, c.Transfer = 0, c.Active
	}
	return c, nil
}
