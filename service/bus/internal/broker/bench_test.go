package broker

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"weir/kernel/journal/record"
)

var backlogMax = flag.Int("backlog", 1_000_000, "the largest backlog that benchmarks make")

// scratch is a Turn that copies facts into a batch the way the journal does, and
// forgets them.
type scratch struct {
	now   time.Time
	batch []byte
	at    record.Position
}

func newScratch() *scratch { return &scratch{now: dawn, batch: make([]byte, 0, 1<<20), at: 1} }

func (s *scratch) Now() time.Time { return s.now }

func (s *scratch) RecordParts(parts ...[]byte) record.Ref {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if len(s.batch)+n > cap(s.batch) {
		s.batch = s.batch[:0]
		s.at++
	}
	off := len(s.batch)
	for _, p := range parts {
		s.batch = append(s.batch, p...)
	}
	return record.Ref{At: s.at, Off: uint32(off), Len: uint32(n)}
}

// kilobyte is a message of about 1 KiB, as clients send them.
func kilobyte(session string) Message {
	s := sample{name: "m", size: 1024, properties: []Property{{"n", int64(7)}, {"color", "red"}}}
	if session != "" {
		s.session, s.hasSession = session, true
	}
	m := s.message()
	m.MessageID = "5f0e3b1e-6f3f-4b0a-8d3f-8b8f5b1e6f3f"
	return m
}

func must(tb testing.TB, err error) {
	if err != nil {
		tb.Helper()
		tb.Fatal(err)
	}
}

// filled is a broker with one queue that holds so many messages.
func filled(tb testing.TB, n int, d Definition) (*Broker, *scratch) {
	b, t := New(1), newScratch()
	d.Name, d.Kind = "q", Queue
	must(tb, b.Define(t, d))
	b.Tick(t)
	msgs := []Message{kilobyte("")}
	for range n {
		must(tb, b.Send(t, "q", msgs, 0))
	}
	b.Events(nil)
	return b, t
}

func backlogs(b *testing.B, run func(b *testing.B, backlog int)) {
	for _, n := range []int{10, 10_000, 1_000_000, 10_000_000} {
		if n <= *backlogMax {
			b.Run(fmt.Sprint("backlog=", n), func(b *testing.B) { run(b, n) })
		}
	}
}

// BenchmarkSend sends one message of 1 KiB at a time.
func BenchmarkSend(b *testing.B) {
	backlogs(b, func(b *testing.B, backlog int) {
		x, t := filled(b, backlog, Definition{DefaultTTL: time.Hour})
		msgs := []Message{kilobyte("")}
		b.ReportAllocs()
		for b.Loop() {
			must(b, x.Send(t, "q", msgs, 0))
		}
		perSecond(b, 1)
	})
}

// BenchmarkReceive receives and completes one message at a time, and sends one so
// that the backlog stays.
func BenchmarkReceive(b *testing.B) {
	backlogs(b, func(b *testing.B, backlog int) {
		x, t := filled(b, backlog, Definition{DefaultTTL: time.Hour})
		c := newConsumer(b, x, t, ReceiverSpec{ID: 1, Path: "q"})
		msgs := []Message{kilobyte("")}
		b.ReportAllocs()
		for b.Loop() {
			c.next(1)
			must(b, x.Send(t, "q", msgs, 0))
		}
		perSecond(b, 2)
	})
}

// BenchmarkReceiveOnly receives and completes 100 messages at a time out of a
// backlog that is filled again outside the clock.
func BenchmarkReceiveOnly(b *testing.B) {
	x, t := filled(b, 0, Definition{})
	c := newConsumer(b, x, t, ReceiverSpec{ID: 1, Path: "q"})
	msgs := []Message{kilobyte("")}
	b.ReportAllocs()
	left := 0
	for n := 0; n < b.N; n += 100 {
		if left < 100 {
			b.StopTimer()
			for range 100_000 {
				must(b, x.Send(t, "q", msgs, 0))
			}
			left = 100_000
			b.StartTimer()
		}
		c.next(100)
		left -= 100
	}
	perSecond(b, 1)
}

// consumer is one receiver that completes what it gets.
type consumer struct {
	tb     testing.TB
	b      *Broker
	t      *scratch
	id     ReceiverID
	path   string
	limit  uint32
	events []Event
}

func newConsumer(tb testing.TB, b *Broker, t *scratch, spec ReceiverSpec) *consumer {
	_, _, _, err := b.OpenReceiver(t, spec)
	must(tb, err)
	return &consumer{tb: tb, b: b, t: t, id: spec.ID, path: spec.Path}
}

// next receives n messages and completes them.
func (c *consumer) next(n int) {
	c.limit += uint32(n)
	c.b.Credit(c.t, c.id, c.limit, false)
	c.events = c.b.Events(c.events)
	if len(c.events) != n {
		c.tb.Fatalf("%d of %d messages came", len(c.events), n)
	}
	for i := range c.events {
		must(c.tb, c.b.Settle(c.t, Settlement{Path: c.path, Lock: c.events[i].Delivery.Lock}))
	}
}

// BenchmarkSessions sends to 1000 sessions in turn and has 10 receivers, each with
// a session, receive and complete.
func BenchmarkSessions(b *testing.B) {
	x, t := New(1), newScratch()
	must(b, x.Define(t, Definition{Name: "s", Kind: Queue, RequiresSession: true}))
	var msgs [][]Message
	for i := range 1000 {
		msgs = append(msgs, []Message{kilobyte(fmt.Sprint("session-", i))})
	}
	var all []*consumer
	for i := range 10 {
		all = append(all, newConsumer(b, x, t, ReceiverSpec{ID: ReceiverID(i + 1), Path: "s", Choice: NamedSession, Session: fmt.Sprint("session-", i)}))
	}
	for range 10 {
		for i := range msgs {
			must(b, x.Send(t, "s", msgs[i], 0))
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		i := n % 10
		n++
		must(b, x.Send(t, "s", msgs[i], 0))
		all[i].next(1)
	}
	perSecond(b, 2)
}

// BenchmarkTopic sends to a topic with 10 subscriptions: SQL filters, of which five
// choose the message.
func BenchmarkTopic(b *testing.B) {
	x, t := New(1), newScratch()
	must(b, x.Define(t, Definition{Name: "t", Kind: Topic}))
	for i := range 10 {
		must(b, x.Define(t, Definition{
			Name: fmt.Sprint("t/Subscriptions/", i), Kind: Subscription,
			Rules: []Rule{{Name: "r", Filter: Filter{Kind: SQLFilter, Expression: fmt.Sprintf("color = 'red' AND n > %d", i+2)}}},
		}))
	}
	msgs := []Message{kilobyte("")}
	b.ReportAllocs()
	for b.Loop() {
		must(b, x.Send(t, "t", msgs, 0))
	}
	perSecond(b, 1)
}

// BenchmarkSnapshot writes and reads the state of 1,000,000 messages.
func BenchmarkSnapshot(b *testing.B) {
	x, _ := filled(b, min(*backlogMax, 1_000_000), Definition{DefaultTTL: time.Hour})
	data := x.Snapshot(nil)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data = x.Snapshot(data[:0])
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(b, follower().Restore(data))
		}
	})
}

// BenchmarkMemory measures the live heap that a queued message takes.
func BenchmarkMemory(b *testing.B) {
	before := heap()
	n := min(*backlogMax, 1_000_000)
	x, t := filled(b, n, Definition{DefaultTTL: time.Hour})
	b.ReportMetric(float64(heap()-before)/float64(n), "bytes/message")
	for range b.N {
		runtime.KeepAlive(x)
	}
	runtime.KeepAlive(t)
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// perSecond shows operations in a second, of which a loop does so many.
func perSecond(b *testing.B, each int) {
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "ops/s")
}
