package namespace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"weir/kernel/fault"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// desk is a namespace on a journal in memory, with a catalog tests can write.
type desk struct {
	*Namespace
	t       *testing.T
	catalog *shelf
	unit    *replica.Unit
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, catalog: &shelf{defs: map[string]broker.Definition{}, changed: make(chan struct{}, 1), gone: map[string]bool{}}}
	d.Namespace = New(Options{Name: "test", Catalog: d.catalog, ConnectionsMax: 2})
	d.unit = replica.New(replica.Options{
		Unit: "test", Node: "n1", Machine: d.Machine(), OnGain: d.Gained, OnWake: d.Woken,
		Log: journaltest.NewMemory().Node(), Snapshots: &journaltest.MemorySnapshots{}, Leases: journaltest.NewMemoryLeases(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	wait := d.Start(ctx, d.unit)
	d.unit.Start()
	t.Cleanup(func() { cancel(); d.unit.Abort(); wait() })
	if _, err := d.unit.WaitOwner(d.within()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	d.t.Cleanup(cancel)
	return ctx
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// do runs one turn to its end.
func (d *desk) do(work func(*Turn) error) error {
	var failed error
	err := d.Call(d.within(), func(t *Turn) { failed = work(t) })
	return errors.Join(err, failed)
}

func (d *desk) declare(ds ...broker.Definition) {
	d.t.Helper()
	d.catalog.put(ds...)
	d.must(d.Reconcile(d.within()))
}

// defined returns the names of the broker's entities.
func (d *desk) defined() (names []string) {
	d.View(func(b *broker.Broker) {
		for _, def := range b.Definitions() {
			names = append(names, def.Name)
		}
	})
	slices.Sort(names)
	return names
}

func queue(name string) broker.Definition {
	return broker.Definition{Name: name, Kind: broker.Queue, LockDuration: time.Minute, MaxDeliveryCount: 10, MaxSizeBytes: 1 << 30, MaxMessageBytes: 1 << 18}
}

func text(body string) broker.Message {
	b := (&wire.Properties{MessageID: body}).Append(nil)
	return broker.Message{Encoded: wire.AppendData(b, []byte(body)), MessageID: body}
}

// shelf is a catalog. What was deleted is gone only when it says so.
type shelf struct {
	mu      sync.Mutex
	defs    map[string]broker.Definition
	err     error
	gone    map[string]bool
	changed chan struct{}
}

func (s *shelf) put(ds ...broker.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range ds {
		s.defs[strings.ToLower(d.Name)] = d
	}
}

func (s *shelf) set(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

func (s *shelf) Entities(context.Context) ([]broker.Definition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.defs)), s.err
}

func (s *shelf) Gone(_ context.Context, path string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[strings.ToLower(path)], nil
}

func (s *shelf) Watch(ctx context.Context, changed func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *shelf) Delete(_ context.Context, path string) error {
	s.set(func() { delete(s.defs, strings.ToLower(path)); s.gone[strings.ToLower(path)] = true })
	return nil
}

func (s *shelf) PutRule(context.Context, string, broker.Rule) error { return errors.ErrUnsupported }

func (s *shelf) DeleteRule(context.Context, string, string) error { return errors.ErrUnsupported }

// ear keeps what a sink was told.
type ear struct {
	mu      sync.Mutex
	batches [][]broker.Event
	changes []string
}

func (e *ear) Events(events []broker.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batches = append(e.batches, slices.Clone(events))
}

func (e *ear) Changed(path string, removed error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes = append(e.changes, fmt.Sprint(path, " ", fault.KindOf(removed)))
}

func (e *ear) told() ([][]broker.Event, []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.batches, e.changes
}

func TestEntitiesFollowTheCatalog(t *testing.T) {
	d := newDesk(t)
	var e ear
	sink, err := d.Connect(&e)
	d.must(err)
	defer sink.Close()
	d.declare(queue("a"), queue("B"),
		broker.Definition{Name: "t/Subscriptions/s", Kind: broker.Subscription, LockDuration: time.Minute, MaxDeliveryCount: 1},
		broker.Definition{Name: "t", Kind: broker.Topic, MaxSizeBytes: 1 << 20, MaxMessageBytes: 1 << 10})
	if got := d.defined(); !slices.Equal(got, []string{"B", "a", "t", "t/Subscriptions/s"}) {
		t.Fatalf("defined %v", got)
	}
	changed := queue("a")
	changed.MaxDeliveryCount = 3
	d.declare(changed, queue("B"))
	if _, changes := e.told(); !slices.Equal(changes, []string{"a None"}) {
		t.Errorf("told of %v", changes)
	}
	_ = d.catalog.Delete(d.within(), "b")
	_ = d.catalog.Delete(d.within(), "t")
	_ = d.catalog.Delete(d.within(), "t/Subscriptions/s")
	d.must(d.Reconcile(d.within()))
	if got := d.defined(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left %v", got)
	}
	if _, changes := e.told(); !slices.Contains(changes, "B NotFound") || !slices.Contains(changes, "t NotFound") {
		t.Errorf("told of %v", changes)
	}
}

// New rules end no link: they count from the next message on.
func TestRulesEndNoLink(t *testing.T) {
	d := newDesk(t)
	var e ear
	sink, err := d.Connect(&e)
	d.must(err)
	defer sink.Close()
	s := broker.Definition{Name: "t/Subscriptions/s", Kind: broker.Subscription, LockDuration: time.Minute, MaxDeliveryCount: 1}
	d.declare(broker.Definition{Name: "t", Kind: broker.Topic, MaxSizeBytes: 1 << 20, MaxMessageBytes: 1 << 10}, s)
	s.Rules = []broker.Rule{{Name: "all"}}
	d.declare(s)
	if _, changes := e.told(); changes != nil {
		t.Errorf("told of %v", changes)
	}
	d.View(func(b *broker.Broker) {
		if def, _ := b.Definition(s.Name); len(def.Rules) != 1 {
			t.Errorf("rules %v", def.Rules)
		}
	})
}

// A missing declaration alone destroys nothing, and neither does one that can not
// be read.
func TestNothingIsRemovedOnASuspicion(t *testing.T) {
	d := newDesk(t)
	d.declare(queue("a"), queue("b"))
	d.catalog.set(func() { delete(d.catalog.defs, "a") })
	d.must(d.Reconcile(d.within()))
	d.catalog.set(func() { d.catalog.gone["a"] = true; d.catalog.err = errors.New("something can not be read") })
	d.must(d.Reconcile(d.within()))
	if got := d.defined(); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("left %v", got)
	}
	d.catalog.set(func() { d.catalog.err = nil })
	d.must(d.Reconcile(d.within()))
	if got := d.defined(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("left %v", got)
	}
}

func TestReconcileGivesUpWithItsContext(t *testing.T) {
	d := newDesk(t)
	block := make(chan struct{})
	go func() { _ = d.Call(context.Background(), func(*Turn) { <-block }) }()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Reconcile(ctx); !fault.Is(err, fault.Timeout) {
		t.Errorf("got %v", err)
	}
	close(block)
}

// All that a turn has to say to one connection comes in one call, in order; what
// it says to another comes apart.
func TestEventsOfATurnComeTogether(t *testing.T) {
	d := newDesk(t)
	d.declare(queue("a"), queue("b"))
	var ears [2]ear
	var sinks [2]*Sink
	for i := range ears {
		var err error
		sinks[i], err = d.Connect(&ears[i])
		d.must(err)
	}
	if _, err := d.Connect(&ear{}); !fault.Is(err, fault.QuotaExceeded) {
		t.Errorf("a third connection: %v", err)
	}
	d.must(d.do(func(t *Turn) error {
		for i, path := range []string{"a", "b"} {
			o, err := t.OpenReceiver(sinks[i], broker.ReceiverSpec{Path: path})
			if err != nil {
				return err
			}
			t.Broker.Credit(t, o.ID, 10, false)
		}
		return nil
	}))
	d.must(d.do(func(t *Turn) error {
		for i := range 3 {
			if err := errors.Join(t.Broker.Send(t, "a", []broker.Message{text(fmt.Sprint(i))}, 0), t.Broker.Send(t, "b", []broker.Message{text("x")}, 0)); err != nil {
				return err
			}
		}
		return nil
	}))
	for i := range ears {
		batches, _ := ears[i].told()
		if len(batches) != 1 || len(batches[0]) != 3 {
			t.Fatalf("connection %d: %v", i, batches)
		}
		for j, e := range batches[0] {
			if e.Kind != broker.Delivered || e.Delivery.Message.Sequence != int64(j+1) {
				t.Errorf("connection %d, event %d: %+v", i, j, e)
			}
			if encoded, err := d.Read(d.within(), e.Delivery.Message.Ref); err != nil || len(encoded) == 0 {
				t.Errorf("read: %v", err)
			}
		}
	}
}

// A receiver that closes in the turn that gave it messages still hears of them, so
// that its connection can give them back.
func TestClosingReceiverHearsOfItsMessages(t *testing.T) {
	d := newDesk(t)
	d.declare(queue("a"))
	var e ear
	sink, err := d.Connect(&e)
	d.must(err)
	d.must(d.do(func(t *Turn) error {
		if err := t.Broker.Send(t, "a", []broker.Message{text("x")}, 0); err != nil {
			return err
		}
		o, err := t.OpenReceiver(sink, broker.ReceiverSpec{Path: "a"})
		t.Broker.Credit(t, o.ID, 1, false)
		t.CloseReceiver(o.ID)
		t.CloseReceiver(o.ID)
		return err
	}))
	if batches, _ := e.told(); len(batches) != 1 || batches[0][0].Kind != broker.Delivered {
		t.Errorf("told %v", batches)
	}
	if len(d.receivers) != 0 {
		t.Errorf("%d receivers are still known", len(d.receivers))
	}
}

// A receiver that waits for a session is refused when its time is up, which only a
// wake-up can find.
func TestWakeUps(t *testing.T) {
	d := newDesk(t)
	q := queue("a")
	q.RequiresSession = true
	d.declare(q)
	var e ear
	sink, err := d.Connect(&e)
	d.must(err)
	d.must(d.do(func(t *Turn) error {
		o, err := t.OpenReceiver(sink, broker.ReceiverSpec{Path: "a", Choice: broker.NextAvailable, WaitUntil: t.Now().Add(20 * time.Millisecond)})
		if !o.Waiting {
			return errors.New("it does not wait")
		}
		return err
	}))
	for ctx := d.within(); ; runtime.Gosched() {
		if batches, _ := e.told(); len(batches) == 1 {
			if got := batches[0][0]; got.Kind != broker.Refused || !fault.Is(got.Err, fault.Timeout) {
				t.Errorf("told %+v", got)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal("nobody woke it")
		}
	}
}

// An idle entity is removed where it is declared, and then here.
func TestIdleEntitiesGo(t *testing.T) {
	d := newDesk(t)
	q := queue("a")
	q.AutoDeleteOnIdle = 20 * time.Millisecond
	d.declare(q, queue("b"))
	for ctx := d.within(); !slices.Equal(d.defined(), []string{"b"}); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("left %v", d.defined())
		}
	}
}

func TestClear(t *testing.T) {
	d := newDesk(t)
	d.declare(queue("a"), broker.Definition{Name: "t", Kind: broker.Topic, MaxSizeBytes: 1 << 20, MaxMessageBytes: 1 << 10},
		broker.Definition{Name: "t/Subscriptions/s", Kind: broker.Subscription, LockDuration: time.Minute, MaxDeliveryCount: 1})
	d.must(d.Clear(d.within()))
	if got := d.defined(); len(got) > 0 {
		t.Errorf("left %v", got)
	}
}

func TestLostOwnership(t *testing.T) {
	d := newDesk(t)
	lost := d.Lost()
	d.must(d.unit.Stop(d.within()))
	<-lost
	if err := d.Do(func(*Turn) {}); !fault.Is(err, fault.NotOwner) {
		t.Errorf("got %v", err)
	}
}

func TestMetrics(t *testing.T) {
	d := newDesk(t)
	d.declare(queue("Orders"))
	d.must(d.do(func(t *Turn) error { return t.Broker.Send(t, "orders", []broker.Message{text("x"), text("y")}, 0) }))
	d.Meter("orders").Incoming.Add(2)
	d.Meter("ORDERS").Requests.Add(3)
	d.Meter("orders").UserError.Add(1)
	sink, err := d.Connect(&ear{})
	d.must(err)
	defer sink.Close()

	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	reg, err := Observe(provider.Meter("test"), func() []*Namespace { return []*Namespace{d.Namespace} })
	d.must(err)
	defer func() { _ = reg.Unregister() }()
	var got metricdata.ResourceMetrics
	d.must(reader.Collect(d.within(), &got))
	values := map[string]int64{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		var points []metricdata.DataPoint[int64]
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			points = data.DataPoints
		case metricdata.Gauge[int64]:
			points = data.DataPoints
		}
		for _, p := range points {
			name, _ := p.Attributes.Value(attribute.Key("EntityName"))
			values[m.Name+" "+name.AsString()] = p.Value
		}
	}
	for key, want := range map[string]int64{
		"IncomingMessages orders": 2, "IncomingRequests orders": 3, "SuccessfulRequests orders": 2, "UserErrors orders": 1,
		"ActiveMessages orders": 2, "Messages orders": 2, "ActiveConnections ": 1, "ConnectionsOpened ": 1, "ConnectionsClosed ": 0,
	} {
		if values[key] != want {
			t.Errorf("%s is %d, want %d", key, values[key], want)
		}
	}
	if values["Size orders"] == 0 {
		t.Error("two messages have no size")
	}
}
