package server

import (
	"maps"
	"slices"

	"weir/wire/amqp"
)

// ack is a disposition that has not been encoded: a range of deliveries with the
// same state.
type ack struct {
	role        amqp.Role
	first, last uint32
	settled     bool
	state       amqp.State
}

// ack puts a disposition for one delivery where the writer finds it, under mu, as
// part of the range before it if it fits there.
func (s *Session) ack(a ack) {
	c := s.conn
	if c.closing {
		return
	}
	if n := len(s.acks); n > 0 && s.acks[n-1].extend(a) {
		return
	}
	if len(s.acks) == 0 {
		c.out.dirty = append(c.out.dirty, s)
	}
	s.acks = append(s.acks, a)
	c.wakeWriter()
}

// extend adds the delivery of b if it is the next one and has the same state.
func (a *ack) extend(b ack) bool {
	if a.last+1 != b.first || a.role != b.role || a.settled != b.settled || !plain(a.state) || !plain(b.state) || a.state != b.state {
		return false
	}
	a.last = b.last
	return true
}

// flushAcks encodes the dispositions that wait, under mu.
func (c *Conn) flushAcks() {
	for _, s := range c.out.dirty {
		for _, a := range s.acks {
			d := amqp.Disposition{Role: a.role, First: a.first, Settled: a.settled, State: a.state}
			if a.last != a.first {
				d.Last = amqp.Some(a.last)
			}
			c.out.frame(s.channel, &d)
		}
		clear(s.acks)
		s.acks = s.acks[:0]
	}
	clear(c.out.dirty)
	c.out.dirty = c.out.dirty[:0]
}

// Settle settles a delivery that we sent, in answer to the peer's disposition.
func (l *Link) Settle(d Sent, state amqp.State) {
	c, s := l.Conn(), l.session
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := s.unsettled[d.ID]; !ok || known.link != l || l.state != linkAttached {
		return
	}
	delete(s.unsettled, d.ID)
	s.ack(ack{role: amqp.RoleSender, first: d.ID, last: d.ID, settled: true, state: state})
}

// dispositionIn takes the peer's word on deliveries. Of those it sent it has
// nothing to say that we would not know: their state came with the transfer.
func (s *Session) dispositionIn(d *amqp.Disposition) {
	if d.Role != amqp.RoleReceiver {
		return
	}
	last := d.Last.Or(d.First)
	if int32(last-d.First) < 0 {
		s.fail(amqp.Errorf(amqp.ErrInvalidField, "disposition from %d to %d", d.First, last))
		return
	}
	c := s.conn
	c.mu.Lock()
	s.disposed(d, last)
	c.mu.Unlock()
	for _, g := range c.groups {
		c.handler.Disposition(g.link, Update{Deliveries: g.deliveries, State: d.State, Settled: d.Settled})
	}
	clear(c.groups)
	c.groups = c.groups[:0]
}

// group is a run of deliveries on one link.
type group struct {
	link       *Link
	deliveries []Sent
}

// disposed collects the deliveries of a disposition that we know of, in order and
// by link, in Conn.groups, under mu.
func (s *Session) disposed(d *amqp.Disposition, last uint32) {
	span := last - d.First
	if span >= uint32(len(s.unsettled)) {
		for _, id := range s.sentBetween(d.First, last) {
			s.dispose(id, 0, d.Settled)
		}
		return
	}
	for i := range span + 1 {
		s.dispose(d.First+i, span-i, d.Settled)
	}
}

// dispose adds one delivery to Conn.groups, under mu, and forgets it if the peer
// settled it. follow is how many more there may be.
func (s *Session) dispose(id, follow uint32, settled bool) {
	known, ok := s.unsettled[id]
	if !ok {
		return
	}
	if settled {
		delete(s.unsettled, id)
	}
	c := s.conn
	if n := len(c.groups); n == 0 || c.groups[n-1].link != known.link {
		c.groups = append(c.groups, group{known.link, make([]Sent, 0, follow+1)})
	}
	g := &c.groups[len(c.groups)-1]
	g.deliveries = append(g.deliveries, Sent{ID: id, User: known.user})
}

// sentBetween returns the ids of deliveries not settled from first to last, in
// order. It serves ranges that are wider than what there is.
func (s *Session) sentBetween(first, last uint32) []uint32 {
	ids := slices.DeleteFunc(slices.Collect(maps.Keys(s.unsettled)), func(id uint32) bool {
		return id-first > last-first
	})
	slices.SortFunc(ids, func(a, b uint32) int { return int(int32(a - b)) })
	return ids
}
