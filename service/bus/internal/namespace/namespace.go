// Package namespace runs the broker of one Service Bus namespace on the unit of
// continuity that keeps it. Front ends speak to a Namespace; the broker, which is
// pure, never hears of connections, clocks or the log.
//
// Words: a *turn* is one closure run on the owner, one at a time; a *sink* is
// where the broker's words to one connection go; the *catalog* is where
// operators declare entities.
//
// What it promises:
//
//  1. Work happens in turns, in the order it was given, and only on the owner. A
//     full queue of work makes the caller wait; nothing is dropped.
//  2. What a turn reveals, and the events it caused, come out in order and only
//     when all that was recorded before is durable.
//  3. All events of a turn for one connection are handed over in one call, and
//     the receiver of a sink never runs on the goroutine of the turns.
//  4. The entities are those of the catalog: at each start of an ownership and
//     after each change of the catalog they are compared and made equal.
//     Reconcile waits for a comparison that began after it was called.
//  5. When an ownership ends every sink hears of it (Lost), and nothing of that
//     ownership is revealed afterwards.
//
// It refuses to know any protocol, and to decide about messages.
package namespace

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
)

// Unit is what a namespace needs of the unit that keeps it; *replica.Unit is one.
type Unit interface {
	Do(work func(*replica.Turn)) error
	Call(ctx context.Context, work func(*replica.Turn)) error
	View(fn func())
	Read(ctx context.Context, ref record.Ref) ([]byte, error)
	Wake(at time.Time)
	Lost() <-chan struct{}
	Ownership() replica.Ownership
	WaitOwner(ctx context.Context) (replica.Ownership, error)
}

// Options say what a namespace is and what it may use.
type Options struct {
	Name           string // the namespace's name, the first label of its host name
	Catalog        Catalog
	Logger         *slog.Logger
	ConnectionsMax int // open sinks; default connectionsMax
}

// connectionsMax is how many connections a namespace takes unless told otherwise.
const connectionsMax = 5000

// Namespace is one namespace on this node. Its methods are safe for concurrent
// use; work only gets done while this node owns the unit.
type Namespace struct {
	name    string
	catalog Catalog
	log     *slog.Logger
	unit    Unit
	broker  *broker.Broker

	// Only the goroutine of the turns uses these.
	turn      Turn
	receivers map[broker.ReceiverID]*Sink
	lastID    broker.ReceiverID
	touched   []*Sink
	closing   []broker.ReceiverID
	events    []broker.Event               // memory for the broker's next
	applied   map[string]broker.Definition // by lower-case path, what this ownership defined

	mu             sync.Mutex
	sinks          map[*Sink]struct{}
	connectionsMax int
	meters         map[string]*Meter
	opened, closed int64 // connections, ever

	reconcile reconciler
	fetches   fetches
}

// New returns a namespace. It does nothing until Start gives it its unit, which
// must have been opened with Machine, Gained and Woken.
func New(o Options) *Namespace {
	n := &Namespace{
		name:           o.Name,
		catalog:        o.Catalog,
		log:            o.Logger,
		broker:         broker.New(0),
		receivers:      map[broker.ReceiverID]*Sink{},
		sinks:          map[*Sink]struct{}{},
		connectionsMax: o.ConnectionsMax,
		meters:         map[string]*Meter{},
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.connectionsMax == 0 {
		n.connectionsMax = connectionsMax
	}
	n.turn = Turn{Broker: n.broker, n: n}
	n.reconcile.init()
	n.fetches.wanted = make(chan struct{}, 1)
	return n
}

// Name returns the namespace's name.
func (n *Namespace) Name() string { return n.name }

// Do queues work for a turn and returns; the queue is bounded and Do waits for
// room. The error is a fault of kind NotOwner when this node does not own the
// namespace.
func (n *Namespace) Do(work func(*Turn)) error {
	return n.unit.Do(func(t *replica.Turn) { n.run(t, work) })
}

// Call is Do, and waits until what the turn recorded is durable.
func (n *Namespace) Call(ctx context.Context, work func(*Turn)) error {
	return n.unit.Call(ctx, func(t *replica.Turn) { n.run(t, work) })
}

// View runs fn while the broker stands still. fn must not change it.
func (n *Namespace) View(fn func(*broker.Broker)) {
	n.unit.View(func() { fn(n.broker) })
}

// Read returns the encoded message at ref. The bytes may be shared: they are not
// to be written to.
func (n *Namespace) Read(ctx context.Context, ref record.Ref) ([]byte, error) {
	return n.unit.Read(ctx, ref)
}

// Lost returns a channel that is closed when the present ownership ends, or is
// closed already when there is none.
func (n *Namespace) Lost() <-chan struct{} { return n.unit.Lost() }

// Ownership tells who owns the namespace now.
func (n *Namespace) Ownership() replica.Ownership { return n.unit.Ownership() }

// WaitOwner waits until somebody owns it.
func (n *Namespace) WaitOwner(ctx context.Context) (replica.Ownership, error) {
	return n.unit.WaitOwner(ctx)
}
