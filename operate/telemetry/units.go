package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
)

// Units are the figures of units of continuity: who owns, how appends fare, how
// far followers are behind. Every figure carries the unit's name.
type Units struct {
	owner, epoch, journalBytes, lag                 metric.Int64Gauge
	turns, batches, facts, appended, folded         metric.Int64Counter
	revealed, snapshots, carried                    metric.Int64Counter
	appendTime, revealTime, snapshotTime, pauseTime metric.Float64Histogram
}

// latencies are the bounds of histograms of time, in seconds: a synced write takes
// a fraction of a millisecond, a trouble takes seconds.
var latencies = metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)

// NewUnits makes the instruments.
func NewUnits(provider metric.MeterProvider) (*Units, error) {
	m := maker{meter: provider.Meter("weir/kernel/replica")}
	u := &Units{
		owner:        m.gauge("weir.unit.owner", "{owner}", "1 on the node that owns the unit, 0 elsewhere."),
		epoch:        m.gauge("weir.unit.epoch", "{epoch}", "The newest epoch this node has seen of the unit."),
		journalBytes: m.gauge("weir.journal.size", "By", "Size of the unit's journal after it was trimmed last."),
		lag:          m.gauge("weir.follower.lag", "ms", "How long after it was written this follower folded the newest batch."),
		turns:        m.counter("weir.unit.turns", "{turn}", "Turns of work taken by the owner."),
		batches:      m.counter("weir.journal.batches", "{batch}", "Batches that became durable: one append each, synced to disk."),
		facts:        m.counter("weir.journal.facts", "{fact}", "Facts that became durable."),
		appended:     m.counter("weir.journal.appended", "By", "Bytes that became durable."),
		folded:       m.counter("weir.follower.folded", "By", "Bytes this node folded as a follower."),
		revealed:     m.counter("weir.unit.reveals", "{reveal}", "Outcomes shown after what they stand on became durable."),
		snapshots:    m.counter("weir.snapshots", "{snapshot}", "Snapshots saved."),
		carried:      m.counter("weir.journal.carried", "By", "Bytes of old payloads recorded anew, so that the journal could be trimmed."),
		appendTime:   m.histogram("weir.journal.append.duration", "From handing a batch to the log to its answer."),
		revealTime:   m.histogram("weir.unit.reveal.duration", "From the first turn of a batch to its reveals."),
		snapshotTime: m.histogram("weir.snapshot.duration", "Saving a snapshot."),
		pauseTime:    m.histogram("weir.snapshot.pause", "How long the unit stood still for a snapshot."),
	}
	return u, errors.Join(m.errs...)
}

// maker makes instruments and keeps the errors.
type maker struct {
	meter metric.Meter
	errs  []error
}

func made[T any](m *maker, instrument T, err error) T {
	if err != nil {
		m.errs = append(m.errs, err)
	}
	return instrument
}

func (m *maker) gauge(name, unit, text string) metric.Int64Gauge {
	i, err := m.meter.Int64Gauge(name, metric.WithUnit(unit), metric.WithDescription(text))
	return made(m, i, err)
}

func (m *maker) counter(name, unit, text string) metric.Int64Counter {
	i, err := m.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return made(m, i, err)
}

func (m *maker) histogram(name, text string) metric.Float64Histogram {
	i, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), latencies)
	return made(m, i, err)
}

// Observe gives the observer of one unit.
func (u *Units) Observe(unit string) replica.Observer {
	o := &unitObserver{Units: u, of: metric.WithAttributeSet(attribute.NewSet(attribute.String("unit", unit)))}
	o.Role(core.Follower, 0)
	return o
}

// unitObserver adds to the figures of one unit. It is told of batches, not of
// messages, so that its cost is shared by many.
type unitObserver struct {
	*Units
	of metric.MeasurementOption
}

func (o *unitObserver) Turns(n int) { o.turns.Add(context.Background(), int64(n), o.of) }

func (o *unitObserver) Appended(bytes, facts int, took time.Duration) {
	ctx := context.Background()
	o.batches.Add(ctx, 1, o.of)
	o.facts.Add(ctx, int64(facts), o.of)
	o.appended.Add(ctx, int64(bytes), o.of)
	o.appendTime.Record(ctx, took.Seconds(), o.of)
}

func (o *unitObserver) Revealed(n int, took time.Duration) {
	o.revealed.Add(context.Background(), int64(n), o.of)
	o.revealTime.Record(context.Background(), took.Seconds(), o.of)
}

func (o *unitObserver) Folded(bytes int, lag time.Duration) {
	o.folded.Add(context.Background(), int64(bytes), o.of)
	o.lag.Record(context.Background(), lag.Milliseconds(), o.of)
}

func (o *unitObserver) Snapshot(_ int, pause, took time.Duration) {
	ctx := context.Background()
	o.snapshots.Add(ctx, 1, o.of)
	o.pauseTime.Record(ctx, pause.Seconds(), o.of)
	o.snapshotTime.Record(ctx, took.Seconds(), o.of)
}

func (o *unitObserver) Trimmed(size journal.Size) {
	o.journalBytes.Record(context.Background(), int64(size.Bytes), o.of)
}

func (o *unitObserver) Carried(_, bytes int) {
	o.carried.Add(context.Background(), int64(bytes), o.of)
}

func (o *unitObserver) Role(role core.Role, epoch uint64) {
	owns := int64(0)
	if role == core.Owner {
		owns = 1
	}
	o.owner.Record(context.Background(), owns, o.of)
	o.epoch.Record(context.Background(), int64(epoch), o.of)
}

var _ replica.Observer = (*unitObserver)(nil)
