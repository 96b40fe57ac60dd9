package replica_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// A node that gets the lease asks before it opens an epoch, and leaves the log as it is
// when the answer is no: somebody waits for exactly that.
func TestWhoGetsTheLeaseAsksBeforeItOwns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var may atomic.Bool
		a := start(t, l, "a", func(o *replica.Options) {
			o.MayOwn = func(context.Context) (bool, error) { return may.Load(), nil }
		})
		time.Sleep(time.Minute)
		if end, err := a.Mark(t.Context()); err != nil || end != (journal.Mark{}) {
			t.Errorf("the log ends at %+v, %v", end, err)
		}
		may.Store(true)
		a.owns(t)
	})
}

// A log with epochs of a later term than this location has is not written to here.
func TestALogOfALaterTermIsNotOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a", stands(replica.Standing{Floor: 5 << 32}))
		a.owns(t)
		a.Stop(t.Context())
		b := start(t, l, "b", stands(replica.Standing{Floor: 4 << 32, Below: 5 << 32}))
		time.Sleep(time.Minute)
		if o := b.Ownership(); o.Self {
			t.Fatalf("it owns in epoch %x", o.Epoch)
		}
		b.Stand(replica.Standing{Floor: 5 << 32, Below: 6 << 32})
		b.owns(t)
	})
}

// slowLeases grant a lease a while after they were asked.
type slowLeases struct{ replica.Leases }

func (s slowLeases) Acquire(ctx context.Context, want journal.Lease) (journal.Lease, error) {
	lease, err := s.Leases.Acquire(ctx, want)
	time.Sleep(500 * time.Millisecond)
	return lease, err
}

// A lease that was asked for before a unit was halted, and is granted after it, goes back:
// whoever waits for it to be free would wait for ever.
func TestALeaseThatComesLateGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a", func(o *replica.Options) { o.Leases = slowLeases{o.Leases} })
		time.Sleep(100 * time.Millisecond)
		a.Stand(replica.Standing{Mode: replica.Halted})
		settled(t, a)
		time.Sleep(10 * time.Second)
		if lease, _, err := l.Leases.Get(t.Context(), "unit"); err != nil || lease.Node != "" {
			t.Errorf("the lease is held: %+v, %v", lease, err)
		}
	})
}
