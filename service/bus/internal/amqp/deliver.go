package amqp

import (
	"encoding/binary"
	"errors"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// delivering is what the outbox goroutine works with.
type delivering struct {
	render renderer
	tag    [16]byte
	unsent []broker.Settlement // deliveries that could not be sent
	hungry []*receiver         // those that are to get more credit, or to be closed
}

// deliver sends one message to the peer.
func (c *conn) deliver(r *receiver, d *broker.Delivery) {
	if err := r.link.WaitRoom(); err != nil {
		c.send.missed(r, d, err)
		return
	}
	encoded, err := c.read(d.Message.Ref)
	if err != nil {
		c.unreadable(r, d, err)
		return
	}
	parts, err := c.send.render.render(encoded, &d.Message, showing{lock: d.Lock})
	if err != nil {
		c.unreadable(r, d, err)
		return
	}
	m := server.Outgoing{Payload: parts, Settled: r.mode == broker.ReceiveAndDelete}
	if r.mode == broker.ReceiveAndDelete {
		r.tags++
		c.send.tag = [16]byte{}
		binary.BigEndian.PutUint64(c.send.tag[8:], r.tags)
	} else {
		c.send.tag = tagOf(d.Lock)
		m.User = r.ref(d.Lock)
	}
	m.Tag = c.send.tag[:]
	more, err := r.transfer(m)
	if err != nil {
		c.send.missed(r, d, err)
		return
	}
	r.used.Store(true)
	r.meter.Outgoing.Add(1)
	if more {
		c.send.hungry = append(c.send.hungry, r)
	}
}

// How often, and how many times, a message is asked for that the log can not give
// at the moment.
const (
	rereadEvery = 200 * time.Millisecond
	rereadMax   = 50
)

// read reads a message's bytes, with patience.
func (c *conn) read(ref record.Ref) (encoded []byte, err error) {
	for range rereadMax {
		if encoded, err = c.ns.Read(c.ctx, ref); !fault.Is(err, fault.Unavailable) {
			return encoded, err
		}
		wait := time.NewTimer(rereadEvery)
		select {
		case <-wait.C:
		case <-c.ctx.Done():
			wait.Stop()
			return nil, err
		}
	}
	return nil, err
}

// transfer sends and counts one delivery, and says whether the broker is to get
// more credit.
func (r *receiver) transfer(m server.Outgoing) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.link.Send(m); err != nil {
		return false, err
	}
	r.sent++
	granted := r.given + r.shift
	return granted != r.limit && granted-r.sent == aheadMax/2, nil
}

// missed keeps a delivery that the link did not take, to be given back. A message
// received and deleted is gone, as that mode says. A link that takes no more, or
// not this one, is given up.
func (s *delivering) missed(r *receiver, d *broker.Delivery, why error) {
	switch {
	case errors.Is(why, server.ErrTooLarge):
		r.link.Detach(wire.Errorf(wire.ErrMessageSizeExceeded, "A message is larger than the %d bytes that the link takes.", r.link.MaxMessageSize))
		r.giveUp()
	case !errors.Is(why, server.ErrNoCredit):
		r.giveUp()
	}
	s.settle(r, d, broker.Settlement{Disposition: broker.Release})
}

// giveUp asks for nothing more: the receiver is closed with the next turn.
func (r *receiver) giveUp() {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
}

// settle settles a delivery that was not sent. The broker has counted one more
// than the link.
func (s *delivering) settle(r *receiver, d *broker.Delivery, how broker.Settlement) {
	r.mu.Lock()
	r.shift--
	r.mu.Unlock()
	s.hungry = append(s.hungry, r)
	if r.mode == broker.PeekLock {
		how.Path, how.Lock = r.addr.path, d.Lock
		s.unsent = append(s.unsent, how)
	}
}

// tell gives the broker, in one turn, what a batch of events brought about.
func (s *delivering) tell(c *conn) {
	unsent, hungry := s.unsent, s.hungry
	if len(unsent) == 0 && len(hungry) == 0 {
		return
	}
	s.unsent, s.hungry = nil, nil
	c.do(func(t *namespace.Turn) {
		for _, r := range hungry {
			r.credit(t)
		}
		for _, how := range unsent {
			_ = t.Broker.Settle(t, how) // a lock that ran out meanwhile has given it back itself
		}
	})
}

// unreadable sets a message aside whose bytes can not be had, so that it does not
// stop those behind it.
func (c *conn) unreadable(r *receiver, d *broker.Delivery, err error) {
	if c.ctx.Err() != nil || !fault.Is(err, fault.PayloadMissing) && !fault.Is(err, fault.Damaged) && !malformed(err) {
		r.link.Detach(wireError(fault.Wrap(fault.Internal, err, "The message %d can not be read now.", d.Message.Sequence)))
		c.send.missed(r, d, err)
		return
	}
	c.log.Error("a message can not be read", "entity", r.addr.path, "sequence", d.Message.Sequence,
		"at", d.Message.Ref, "error", fault.Detail(err))
	c.send.settle(r, d, broker.Settlement{
		Disposition: broker.DeadLetter, Reason: fault.PayloadMissing.String(), Description: "The message's bytes can not be read.",
	})
}

// drained answers a drain: the link's count goes to the limit. Where the broker
// was given less than the peer's limit and used it all, it is given the next piece.
func (r *receiver) drained() {
	r.mu.Lock()
	if len(r.drains) == 0 {
		r.mu.Unlock()
		return
	}
	asked := r.drains[0] // in the broker's count, which stands there now
	r.drains = r.drains[1:]
	still := r.allowed().Drain
	full := r.sent == asked+r.shift && r.sent != r.limit
	if still && !full {
		r.link.Drained()
		r.sent = r.limit
	}
	r.shift = r.sent - asked
	r.given = asked
	r.drain = still && full
	more := r.sent != r.limit
	r.mu.Unlock()
	if more {
		r.c.send.hungry = append(r.c.send.hungry, r)
	}
}
