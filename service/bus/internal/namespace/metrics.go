package namespace

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"weir/service/bus/internal/broker"
)

// Meter counts what happens to one entity. Links keep a pointer to it and add.
type Meter struct {
	Incoming  atomic.Int64 // messages taken
	Outgoing  atomic.Int64 // messages handed to receivers
	Completed atomic.Int64
	Abandoned atomic.Int64
	Requests  atomic.Int64 // sends, settlements and management requests
	UserError atomic.Int64 // requests refused because of what was asked
	OurError  atomic.Int64 // requests that failed because of us
	Throttled atomic.Int64 // requests refused for lack of room or rate
}

// metersMax bounds the entities that are counted by name; the rest share one meter.
const metersMax = 20_000

// Meter returns the meter of the entity at path.
func (n *Namespace) Meter(path string) *Meter {
	key := strings.ToLower(path)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.meters) >= metersMax {
		key = ""
	}
	m := n.meters[key]
	if m == nil {
		m = &Meter{}
		n.meters[key] = m
	}
	return m
}

// counters are the metrics that grow, by Azure's names.
var counters = []struct {
	name, text string
	value      func(*Meter) int64
}{
	{"IncomingMessages", "Messages sent to the entity.", func(m *Meter) int64 { return m.Incoming.Load() }},
	{"OutgoingMessages", "Messages handed to receivers.", func(m *Meter) int64 { return m.Outgoing.Load() }},
	{"CompleteMessage", "Messages completed.", func(m *Meter) int64 { return m.Completed.Load() }},
	{"AbandonMessage", "Messages abandoned.", func(m *Meter) int64 { return m.Abandoned.Load() }},
	{"IncomingRequests", "Requests to the entity.", func(m *Meter) int64 { return m.Requests.Load() }},
	{"SuccessfulRequests", "Requests that succeeded.", func(m *Meter) int64 {
		return m.Requests.Load() - m.UserError.Load() - m.OurError.Load() - m.Throttled.Load()
	}},
	{"UserErrors", "Requests refused because of what was asked.", func(m *Meter) int64 { return m.UserError.Load() }},
	{"ServerErrors", "Requests that failed because of the server.", func(m *Meter) int64 { return m.OurError.Load() }},
	{"ThrottledRequests", "Requests refused for lack of room or rate.", func(m *Meter) int64 { return m.Throttled.Load() }},
}

// gauges are the metrics that tell what an entity holds now.
var gauges = []struct {
	name, text string
	value      func(broker.Counts) int64
}{
	{"Messages", "Messages in the entity.", func(c broker.Counts) int64 {
		return c.Active + c.DeadLetter + c.Scheduled + c.Deferred + c.Transfer + c.TransferDeadLetter
	}},
	{"ActiveMessages", "Messages ready to be received.", func(c broker.Counts) int64 { return c.Active }},
	{"DeadletteredMessages", "Messages in the dead-letter queue.", func(c broker.Counts) int64 { return c.DeadLetter }},
	{"ScheduledMessages", "Messages waiting for their time.", func(c broker.Counts) int64 { return c.Scheduled }},
	{"Size", "Bytes the entity holds.", func(c broker.Counts) int64 { return c.SizeBytes }},
}

// Observe registers the metrics of the namespaces that all returns, as Azure
// Monitor names them, with the dimensions Namespace and EntityName. An entity's
// contents are told by the node that owns it.
func Observe(meter metric.Meter, all func() []*Namespace) (metric.Registration, error) {
	var (
		failed      []error
		instruments []metric.Observable
		growing     []metric.Int64ObservableCounter
		holding     []metric.Int64ObservableGauge
	)
	for _, c := range counters {
		i, err := meter.Int64ObservableCounter(c.name, metric.WithDescription(c.text))
		growing, instruments, failed = append(growing, i), append(instruments, i), append(failed, err)
	}
	for _, g := range gauges {
		i, err := meter.Int64ObservableGauge(g.name, metric.WithDescription(g.text))
		holding, instruments, failed = append(holding, i), append(instruments, i), append(failed, err)
	}
	active, err1 := meter.Int64ObservableGauge("ActiveConnections", metric.WithDescription("Open connections."))
	opened, err2 := meter.Int64ObservableCounter("ConnectionsOpened", metric.WithDescription("Connections ever opened."))
	closed, err3 := meter.Int64ObservableCounter("ConnectionsClosed", metric.WithDescription("Connections ever closed."))
	if err := errors.Join(append(failed, err1, err2, err3)...); err != nil {
		return nil, err
	}
	instruments = append(instruments, active, opened, closed)
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, n := range all() {
			space := attribute.String("Namespace", n.name)
			n.mu.Lock()
			o.ObserveInt64(active, int64(len(n.sinks)), metric.WithAttributes(space))
			o.ObserveInt64(opened, n.opened, metric.WithAttributes(space))
			o.ObserveInt64(closed, n.closed, metric.WithAttributes(space))
			for path, m := range n.meters {
				with := metric.WithAttributes(space, attribute.String("EntityName", path))
				for i, c := range counters {
					o.ObserveInt64(growing[i], c.value(m), with)
				}
			}
			n.mu.Unlock()
			n.observeContents(o, holding, space)
		}
		return nil
	}, instruments...)
}

func (n *Namespace) observeContents(o metric.Observer, holding []metric.Int64ObservableGauge, space attribute.KeyValue) {
	if !n.Ownership().Self {
		return
	}
	n.View(func(b *broker.Broker) {
		for _, d := range b.Definitions() {
			counts, err := b.Counts(d.Name)
			if err != nil {
				continue
			}
			with := metric.WithAttributes(space, attribute.String("EntityName", strings.ToLower(d.Name)))
			for i, g := range gauges {
				o.ObserveInt64(holding[i], g.value(counts), with)
			}
		}
	})
}
