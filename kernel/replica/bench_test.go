package replica_test

import (
	"context"
	"sync/atomic"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// instantLog is a log that stores nothing and says so at once: what is measured
// over it is the replica's own work.
type instantLog struct{ replica.Log }

func (instantLog) Append(_ context.Context, expect journal.Tail, epoch uint64, batch []byte) *journal.Pending {
	next := journal.Tail{Last: expect.Last + journal.Position(record.Parts(len(batch))), Batch: expect.Batch + 1, Epoch: epoch}
	p := journal.NewPending(expect.Last+1, next)
	p.Resolve(nil)
	return p
}

// BenchmarkTurn is the cost of one turn that records 100 bytes and reveals, when
// many are queued, one piece of work each.
func BenchmarkTurn(b *testing.B) {
	u := instantOwner(b)
	fact := make([]byte, 100)
	var revealed atomic.Int64
	reveal := func() { revealed.Add(1) }
	work := func(t *replica.Turn) { t.Record(fact); t.Reveal(reveal) }
	b.ReportAllocs()
	for b.Loop() {
		if err := u.Do(work); err != nil {
			b.Fatal(err)
		}
	}
	if err := u.Call(b.Context(), func(*replica.Turn) {}); err != nil {
		b.Fatal(err)
	}
	if n := revealed.Load(); n != int64(b.N) {
		b.Fatalf("%d of %d were revealed", n, b.N)
	}
}

// BenchmarkTurnOfMany is the cost of one command when a piece of work has 100.
func BenchmarkTurnOfMany(b *testing.B) {
	u := instantOwner(b)
	fact := make([]byte, 100)
	reveal := func() {}
	work := func(t *replica.Turn) {
		for range 100 {
			t.Record(fact)
			t.Reveal(reveal)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%100 == 0 {
			if err := u.Do(work); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCall is one caller that waits for each of its turns: the way through
// all goroutines and back.
func BenchmarkCall(b *testing.B) {
	u := instantOwner(b)
	fact := make([]byte, 100)
	for b.Loop() {
		if err := u.Call(b.Context(), func(t *replica.Turn) { t.Record(fact) }); err != nil {
			b.Fatal(err)
		}
	}
}

func instantOwner(b *testing.B) *replica.Unit {
	b.Helper()
	o := replicatest.NewLocation().Options("a", &replicatest.Shelf{})
	o.Log = instantLog{o.Log}
	u := replicatest.Start(b, o)
	if _, err := u.WaitOwner(b.Context()); err != nil {
		b.Fatal(err)
	}
	return u
}
