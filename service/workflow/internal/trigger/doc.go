// Package trigger keeps the triggers of one unit's workflows going on the node that
// owns it: those that come at their times, those that look for something, those that
// are called, those that gather.
//
// The nouns: a *watch* is one trigger of a workflow that is declared. A *step* is one
// thing that a watch does: fire, look, subscribe. A *memory* is what a trigger
// remembers in the ledger. An *item* in hand is one that was found, whose run goes on.
// A *lane* is a queue of watches by the time of their next step.
//
// What it promises:
//
//  1. What a trigger remembers is recorded in one step with the runs it led to. So a
//     crash anywhere neither doubles a run nor leaves one out, and memory, not this
//     process, says what comes next.
//  2. Nothing is caught up: after a pause a Recurrence fires once at most. When another
//     location has taken over, what was due before that is not fired here: the former
//     owner may have fired it, and that may not have come over. At most one is missed,
//     none is doubled. A SlidingWindow leaves no window out, and keeps their order.
//  3. An item that may come again has a key; one whose key is remembered attaches to
//     its run and starts no other. It is settled when its run has ended and that is
//     durable, and held until then. One whose run did not succeed is given back; when
//     it comes again after that, it is tried again.
//  4. When a workflow takes no more runs, its triggers look no further and lose nothing.
//  5. A webhook has one subscription: what is about to be subscribed is recorded first,
//     and asked for again with the same key until the answer is recorded.
//  6. A trigger costs a place in a lane while it waits, no goroutine and no timer.
//
// It refuses to start runs of what is disabled unless a person asks for one, to
// subscribe with more than it can remember, and to keep more in hand than its limits.
package trigger

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// Host is what triggers need of the unit that they belong to; *host.Host is one.
type Host interface {
	// Owned gives the context that ends with the ownership; false, this node decides
	// nothing. Changed is closed with the next change of that or of what is declared.
	Owned() (context.Context, bool)
	Owner() host.Owner
	Changed() <-chan struct{}
	Workflows() []host.View
	Workflow(name string) (host.View, bool)
	// Definition gives the current version of a workflow as it was declared.
	Definition(ctx context.Context, workflow, version string) (host.Declared, error)
	Plan(ctx context.Context, workflow, version string) (*run.Plan, *expression.Object, error)
	Trigger(workflow, trigger string) (host.TriggerInfo, error)
	// Triggers lists what is remembered, also of triggers that a definition has no more.
	Triggers(workflow string) ([]host.TriggerInfo, error)
	Fire(ctx context.Context, f host.Firing) ([]string, error)
	// Room is how many more runs a workflow takes now; below zero: any number.
	Room(workflow string) int
	Run(ctx context.Context, workflow, name string) (host.RunInfo, error)
	Leave(workflow, name string)
}

// Connectors finds who carries out a type of trigger; *host.Set is one.
type Connectors interface {
	Find(kind, provider string) connector.Connector
}

// Options say whose triggers they are and what they may use.
type Options struct {
	Host       Host
	Connectors Connectors
	// Location is where this node is.
	Location string
	// Callback gives the address that a trigger is called at; nil: there are none, and
	// webhooks cannot be subscribed.
	Callback func(workflow host.View, trigger string) string
	// Setting gives an app setting for a workflow by name; nil: there are none.
	Setting func(workflow, name string) (any, bool)
	// Identity is the resource id that managed identity is taken from; empty: the
	// workflow's own.
	Identity string
	Limits   Limits
	Logger   *slog.Logger
	Now      func() time.Time
	Random   func() uint64
}

// Limits bound a unit's triggers. Zero fields get the defaults.
type Limits struct {
	// Steps is how many short steps, Looks how many looks are under way at once.
	Steps, Looks int
	// LookItems is how many items a look may give, KeysKept how many keys a trigger
	// remembers: so many items at most are in hand.
	LookItems, KeysKept int
	// LookTime bounds a look, LookWait how long one may wait for something to be there;
	// LookEvery is the pause of triggers that have no recurrence.
	LookTime, LookWait, LookEvery time.Duration
	// Reply is how long a request waits for its answer, StandardReply that of a workflow of
	// a Standard site.
	Reply, StandardReply time.Duration
	// CallTime bounds a subscribe or unsubscribe, SettleTime the settling of an item.
	CallTime, SettleTime time.Duration
	// Pause is how long a trigger waits when its workflow takes no more runs.
	Pause time.Duration
	// BatchMessages and BatchBytes bound what a Batch trigger holds, MessageBytes one message.
	BatchMessages            int
	BatchBytes, MessageBytes int64
}

// DefaultLimits are what zero fields mean.
var DefaultLimits = Limits{
	Steps: 64, Looks: 2_000, LookItems: 100, KeysKept: 400,
	LookTime: 2 * time.Minute, LookWait: 30 * time.Second, LookEvery: 10 * time.Second,
	Reply: 2 * time.Minute, StandardReply: 225 * time.Second, CallTime: time.Minute, SettleTime: 30 * time.Second, Pause: 2 * time.Second,
	BatchMessages: 8_000, BatchBytes: 16 << 20, MessageBytes: 1 << 20,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	for _, n := range []struct{ at, from *int }{{&d.Steps, &l.Steps}, {&d.Looks, &l.Looks}, {&d.LookItems, &l.LookItems}, {&d.KeysKept, &l.KeysKept}, {&d.BatchMessages, &l.BatchMessages}} {
		if *n.from > 0 {
			*n.at = *n.from
		}
	}
	for _, n := range []struct{ at, from *time.Duration }{{&d.LookTime, &l.LookTime}, {&d.LookWait, &l.LookWait}, {&d.LookEvery, &l.LookEvery}, {&d.Reply, &l.Reply}, {&d.StandardReply, &l.StandardReply},
		{&d.CallTime, &l.CallTime}, {&d.SettleTime, &l.SettleTime}, {&d.Pause, &l.Pause}} {
		if *n.from > 0 {
			*n.at = *n.from
		}
	}
	for _, n := range []struct{ at, from *int64 }{{&d.BatchBytes, &l.BatchBytes}, {&d.MessageBytes, &l.MessageBytes}} {
		if *n.from > 0 {
			*n.at = *n.from
		}
	}
	return d
}

// Manager keeps the triggers of one unit. Its methods are safe for concurrent use.
type Manager struct {
	Options
	limits Limits
	log    *slog.Logger

	mu     sync.Mutex
	tenure *tenure // nil while this node does not own the unit
}

// New returns a manager. It does nothing until Start.
func New(o Options) *Manager {
	m := &Manager{Options: o, limits: o.Limits.orDefault(), log: o.Logger}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Random == nil {
		m.Random = rand.Uint64
	}
	return m
}

// Start keeps the triggers going until ctx ends, whenever this node owns the unit; wait
// returns when all has ended.
func (m *Manager) Start(ctx context.Context) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.keep(ctx)
	}()
	return func() { <-done }
}

func (m *Manager) keep(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.Host.Changed()
		if owned, ok := m.Host.Owned(); ok {
			m.own(ctx, owned)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// own keeps the triggers going through one ownership.
func (m *Manager) own(ctx, owned context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(owned, cancel)()
	t := newTenure(m, ctx)
	m.mu.Lock()
	m.tenure = t
	m.mu.Unlock()
	t.loop()
	m.mu.Lock()
	m.tenure = nil
	m.mu.Unlock()
	cancel()
	t.wait.Wait()
}

var _ Host = (*host.Host)(nil)
