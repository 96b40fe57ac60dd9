package amqp

import (
	"sync"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// outbox holds what was revealed to a connection until its goroutine has sent it.
// It is bounded by the credit the broker was given.
type outbox struct {
	mu     sync.Mutex
	events [][]broker.Event
	full   chan struct{} // holds one token when there is something
}

func (o *outbox) init() { o.full = make(chan struct{}, 1) }

// Events implements namespace.Listener.
func (c *conn) Events(events []broker.Event) {
	c.out.mu.Lock()
	c.out.events = append(c.out.events, events)
	c.out.mu.Unlock()
	select {
	case c.out.full <- struct{}{}:
	default:
	}
}

// take returns the oldest batch of events, nil for none.
func (o *outbox) take() []broker.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.events) == 0 {
		return nil
	}
	events := o.events[0]
	o.events[0] = nil
	if o.events = o.events[1:]; len(o.events) == 0 {
		o.events = nil
	}
	return events
}

// Events of our own, which take their place in the order of the broker's.
const (
	// forgotten follows the last event of a receiver that was closed.
	forgotten broker.EventKind = 0xfe
	// finished follows the last event of a connection.
	finished broker.EventKind = 0xff
)

// empty is the goroutine that sends. When the ownership ends it ends the
// connection. It goes on after the connection's end, until all that was decided
// for it has been given back.
func (c *conn) empty(lost <-chan struct{}) {
	for {
		select {
		case <-lost:
			c.wire.Close(wire.Errorf(wire.ErrConnectionForced, "The namespace is now served by another node. Please reconnect."))
			return // nothing more is revealed
		case <-c.out.full:
		}
		for events := c.out.take(); events != nil; events = c.out.take() {
			if c.hear(events) {
				return
			}
		}
	}
}

// hear acts on a batch of events and says whether they were the last. What it
// sends leaves together.
func (c *conn) hear(events []broker.Event) (last bool) {
	c.wire.Hold()
	for i := range events {
		if events[i].Kind == finished {
			last = true
			break
		}
		c.heard(&events[i])
	}
	c.wire.Release()
	c.send.tell(c)
	c.sink.Free(events)
	return last
}

// note puts an event of our own into the outbox.
func (c *conn) note(kind broker.EventKind, id broker.ReceiverID) {
	c.Events([]broker.Event{{Kind: kind, Receiver: id}})
}

// heard acts on one event.
func (c *conn) heard(e *broker.Event) {
	c.mu.Lock()
	r := c.receivers[e.Receiver]
	if e.Kind == forgotten || e.Kind == broker.Refused {
		delete(c.receivers, e.Receiver)
	}
	c.mu.Unlock()
	if r == nil {
		return
	}
	switch e.Kind {
	case broker.Delivered:
		c.deliver(r, &e.Delivery)
	case broker.Drained:
		r.drained()
	case broker.SessionAccepted:
		r.accept(namespace.Opened{Session: e.Session, LockedUntil: e.Until})
		r.started(e.Session)
		c.send.hungry = append(c.send.hungry, r)
	case broker.Refused:
		r.refuse(e.Err)
	case broker.Closed:
		r.link.Detach(closedError(e.Err))
	}
}

// closedError says why a receiver was closed. An entity that only changed is no
// reason to give up: on this condition clients attach again.
func closedError(err error) *wire.Error {
	e := wireError(err)
	if fault.Is(err, fault.Unavailable) {
		e.Condition = wire.ErrDetachForced
	}
	return e
}
