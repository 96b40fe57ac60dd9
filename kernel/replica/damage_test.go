package replica_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
	"weir/kernel/replica/replicatest"
)

func TestDamageStopsAReplicaAndNamesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a")
		a.owns(t)
		for range 5 {
			a.put(t, "k", "v")
		}
		l.Log.Flip(4, 70)
		b := start(t, l, "b")
		synctest.Wait()
		err := b.Ready()
		d, ok := errors.AsType[*journal.Damage](err)
		if !fault.Is(err, fault.Damaged) || !ok || d.At != 4 {
			t.Fatalf("b: %v (%+v)", err, d)
		}
		if b.shelf.Folds != 2 {
			t.Errorf("b folded %d facts, two lie before the damage", b.shelf.Folds)
		}
		// It still says who owns, and never competes. The owner, which needs no such
		// record, goes on.
		a.put(t, "k", "w")
		if o, err := b.WaitOwner(t.Context()); err != nil || o.Node != "a" {
			t.Errorf("b sees %+v, %v", o, err)
		}
		a.Stop(t.Context())
		time.Sleep(time.Hour)
		if o := b.Ownership(); o.Self || o.Node != "" {
			t.Errorf("after a has given the unit back b sees %+v", o)
		}
	})
}

// TestAFactOfANewerProgramStopsTheReplica: it is damage as far as this binary
// can tell, and it is not folded on.
func TestAFactOfANewerProgramStopsTheReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a")
		a.owns(t)
		a.Call(t.Context(), func(turn *replica.Turn) { turn.Record([]byte("Z later")) })
		a.Stop(t.Context()) // snapshot: a machine that recorded it knows what it means
		l.Snapshots = replicatest.NewLocation().Snapshots
		b := start(t, l, "b")
		synctest.Wait()
		if d, _ := errors.AsType[*journal.Damage](b.Ready()); d == nil || d.Finding != core.BadFact {
			t.Errorf("b: %v", b.Ready())
		}
	})
}

func TestADamagedSnapshotHasAFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		for _, v := range []string{"v1", "v2"} {
			a := start(t, l, "a")
			a.owns(t)
			a.put(t, "k", v)
			a.Stop(t.Context())
		}
		l.Snapshots.Damage()
		a := start(t, l, "a")
		a.owns(t)
		if got := a.get(t, "k"); got != "v2" || a.shelf.Folds != 1 {
			t.Errorf("k is %q after folding %d facts behind the older snapshot", got, a.shelf.Folds)
		}
	})
}
