package replica_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// TestStopFinishesWhatWasAccepted: work that Do has taken is durable and revealed
// before the unit is given back.
func TestStopFinishesWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		log := l.Log.Node()
		a := start(t, l, "a", func(o *replica.Options) { o.Log = log })
		a.owns(t)
		l.Log.Hold()
		shown := 0
		for range 100 {
			a.Do(func(turn *replica.Turn) {
				a.shelf.Put(turn, "k", nil)
				turn.Reveal(func() { shown++ })
			})
		}
		stopped := make(chan error)
		go func() { stopped <- a.Stop(t.Context()) }()
		synctest.Wait()
		if err := a.Do(func(*replica.Turn) {}); !fault.Is(err, fault.NotOwner) {
			t.Errorf("work for a unit that is stopping: %v", err)
		}
		l.Log.Free()
		for log.Complete() {
			synctest.Wait()
		}
		if err := <-stopped; err != nil || shown != 100 {
			t.Errorf("%v; %d of 100 were revealed", err, shown)
		}
		if lease, _, _ := l.Leases.Get(t.Context(), "unit"); lease.Node != "" {
			t.Errorf("the lease is %+v", lease)
		}
	})
}

// TestStopEndsWithItsContext: a log that does not answer does not hold a stop for
// ever. The lease is left to run out, for nobody knows what will be stored.
func TestStopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a")
		a.owns(t)
		l.Log.Hold()
		a.Do(func(turn *replica.Turn) { a.shelf.Put(turn, "k", nil) })
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Stop(ctx); err == nil || time.Since(began) != time.Minute {
			t.Errorf("stopped after %s: %v", time.Since(began), err)
		}
		if lease, _, _ := l.Leases.Get(t.Context(), "unit"); lease.Node != "a" {
			t.Errorf("the lease is %+v", lease)
		}
	})
}

func TestAUnitThatNeverStartedStops(t *testing.T) {
	u := replica.New(replicatest.NewLocation().Options("a", &replicatest.Shelf{}))
	if err := u.Ready(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("ready before the start: %v", err)
	}
	if err := u.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	u.Abort()
}

// TestAbortLeavesEverythingAsItIs: no snapshot, no lease given back. Many times,
// for it was once left to chance (without the fix it fails with -race).
func TestAbortLeavesEverythingAsItIs(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			l := replicatest.NewLocation()
			a := start(t, l, "a")
			a.owns(t)
			a.put(t, "k", "v")
			a.Abort()
			if _, saved, _ := l.Snapshots.Latest(t.Context()); saved {
				t.Error("a snapshot was saved")
			}
			if lease, _, _ := l.Leases.Get(t.Context(), "unit"); lease.Node != "a" {
				t.Errorf("the lease is %+v", lease)
			}
		})
	}
}
