package namespace

import (
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
)

// Turn is one turn of work: the unit's turn, which tells the time, records facts
// and reveals, and the broker that decides. It is good only inside the function
// it was given to.
type Turn struct {
	*replica.Turn
	Broker *broker.Broker
	n      *Namespace
}

// OpenReceiver opens a receiver whose events go to sink. The id in spec is
// chosen here and returned, also with an error.
func (t *Turn) OpenReceiver(sink *Sink, spec broker.ReceiverSpec) (Opened, error) {
	n := t.n
	n.lastID++
	spec.ID = n.lastID
	n.receivers[spec.ID] = sink
	o := Opened{ID: spec.ID}
	var err error
	o.Session, o.LockedUntil, o.Waiting, err = t.Broker.OpenReceiver(t, spec)
	if err != nil {
		delete(n.receivers, spec.ID)
	}
	return o, err
}

// CloseReceiver closes a receiver. Closing one twice does nothing.
// Its sink still hears the events of this turn.
func (t *Turn) CloseReceiver(id broker.ReceiverID) {
	if _, open := t.n.receivers[id]; open {
		t.n.closing = append(t.n.closing, id)
		t.Broker.CloseReceiver(t, id)
	}
}

// run is one turn: the work, and what the broker has to say about it.
func (n *Namespace) run(t *replica.Turn, work func(*Turn)) {
	n.turn.Turn = t
	work(&n.turn)
	n.finish(t)
	n.turn.Turn = nil
}

// finish sends the turn's events on their way and asks for the next wake-up.
func (n *Namespace) finish(t *replica.Turn) {
	events := n.broker.Events(n.events)
	for i := range events {
		n.sort(t, &events[i])
	}
	n.events = events
	for _, id := range n.closing {
		delete(n.receivers, id)
	}
	n.closing = n.closing[:0]
	for i, sink := range n.touched {
		gathered := sink.gathered
		sink.gathered = nil
		t.Reveal(func() { sink.to.Events(gathered) })
		n.touched[i] = nil
	}
	n.touched = n.touched[:0]
	n.unit.Wake(n.broker.NextWake())
}

// sort puts one event where it belongs.
func (n *Namespace) sort(t *replica.Turn, e *broker.Event) {
	switch e.Kind {
	case broker.Idle:
		n.expire(t, e.Path)
		return
	case broker.Fetch:
		n.fetch(t, e.Ref)
		return
	case broker.Closed, broker.Refused:
		n.closing = append(n.closing, e.Receiver)
	}
	sink := n.receivers[e.Receiver]
	if sink == nil {
		return
	}
	if len(sink.gathered) == 0 {
		n.touched = append(n.touched, sink)
		sink.gathered = sink.buffer()
	}
	sink.gathered = append(sink.gathered, *e)
}

// Woken is the turn that Wake asked for. It says when it wants to run next.
func (n *Namespace) Woken(t *replica.Turn) time.Time {
	n.run(t, func(t *Turn) { t.Broker.Tick(t) })
	return n.broker.NextWake()
}

// Gained is the first turn of an ownership.
func (n *Namespace) Gained(t *replica.Turn) {
	n.broker.Own(t.Epoch())
	n.applied = map[string]broker.Definition{}
	n.run(t, func(t *Turn) { t.Broker.Tick(t) })
	n.reconcile.ask()
}

// Machine returns the fold that the unit must keep.
func (n *Namespace) Machine() replica.Machine { return machine{n.broker, n} }

// machine is the broker as the unit sees it, with the owner's bookkeeping
// forgotten whenever the broker's state is.
type machine struct {
	*broker.Broker
	n *Namespace
}

var _ replica.Compactor = machine{}

// Carry records an old payload once more.
func (m machine) Carry(t *replica.Turn, old record.Ref, payload []byte) {
	m.Broker.Carry(t, old, payload)
}

// Reset goes back to the empty state.
func (m machine) Reset() {
	m.Broker.Reset()
	clear(m.n.receivers)
	m.n.touched, m.n.closing = m.n.touched[:0], m.n.closing[:0]
}
