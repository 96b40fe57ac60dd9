package journaltest

import (
	"bytes"
	"context"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// Snapshots is what the suite of snapshots holds to account.
type Snapshots interface {
	Save(ctx context.Context, at record.Tail, data []byte) error
	Latest(ctx context.Context) (journal.Snapshot, bool, error)
}

// Leases is what the suite of leases holds to account.
type Leases interface {
	Get(ctx context.Context, unit string) (journal.Lease, bool, error)
	Acquire(ctx context.Context, want journal.Lease) (journal.Lease, error)
	Renew(ctx context.Context, held journal.Lease) (journal.Lease, error)
	Release(ctx context.Context, held journal.Lease) error
	Watch(ctx context.Context, unit string, fn func(journal.Lease)) error
}

var (
	_ Snapshots = (*journal.Snapshots)(nil)
	_ Snapshots = (*MemorySnapshots)(nil)
	_ Leases    = (*journal.Leases)(nil)
	_ Leases    = (*MemoryLeases)(nil)
)

// RunSnapshots holds the snapshots of a unit, which has none yet, to the promises
// of journal.Snapshots.
func RunSnapshots(t *testing.T, s Snapshots) {
	if _, ok, err := s.Latest(within(t)); ok || err != nil {
		t.Fatalf("before any was saved: %v, %v", ok, err)
	}
	for i, n := range []int{0, 1, record.PartBytes, 3*record.PartBytes + 1, 10, 20} {
		at := record.Tail{Last: record.Position(i + 1), Sum: uint64(n), Batch: uint64(i), Epoch: 3}
		data := fill(n, byte(i))
		if err := s.Save(within(t), at, data); err != nil {
			t.Fatal(err)
		}
		clear(data) // it may be used again
		snap, ok, err := s.Latest(within(t))
		if !ok || err != nil || snap.At != at || snap.Time.IsZero() || !bytes.Equal(snap.Data, fill(n, byte(i))) {
			t.Fatalf("snapshot %d: %v, %v, at %+v with %d bytes", i, ok, err, snap.At, len(snap.Data))
		}
	}
	// A deposed owner saves what it had: that must not win.
	if err := s.Save(within(t), record.Tail{Last: 2}, []byte("late")); err != nil {
		t.Fatal(err)
	}
	if snap, ok, err := s.Latest(within(t)); !ok || err != nil || snap.At.Last != 6 || len(snap.Data) != 20 {
		t.Errorf("after a late save: %v, %v, at %d with %d bytes", ok, err, snap.At.Last, len(snap.Data))
	}
}

// RunLeases holds leases, which have no entry yet, to the promises of
// journal.Leases. open gives one node's view of them.
func RunLeases(t *testing.T, open func(t *testing.T) Leases) {
	a, b := open(t), open(t)
	const unit = "/subscriptions/s/Namespaces/orders.eu"
	if _, ok, err := a.Get(within(t), unit); ok || err != nil {
		t.Fatalf("before anybody had it: %v, %v", ok, err)
	}
	told, stop := watch(t, b, unit)
	defer stop()
	held, err := a.Acquire(within(t), journal.Lease{Unit: unit, Node: "a", Address: "10.0.0.1:1", Epoch: 7})
	if err != nil || held.Revision == 0 {
		t.Fatalf("acquire: %+v, %v", held, err)
	}
	wantLease(t, <-told, held)
	_, err = b.Acquire(within(t), journal.Lease{Unit: unit, Node: "b", Epoch: 7})
	wantErr(t, err, journal.ErrLeaseChanged)

	renewed, err := a.Renew(within(t), held)
	if err != nil || renewed.Revision <= held.Revision || renewed.Epoch != 7 {
		t.Fatalf("renew: %+v, %v", renewed, err)
	}
	wantLease(t, <-told, renewed)

	// b has watched a's revision for long enough and takes over.
	taken, err := b.Acquire(within(t), journal.Lease{Unit: unit, Node: "b", Address: "10.0.0.2:1", Epoch: 8, Revision: renewed.Revision})
	if err != nil {
		t.Fatal(err)
	}
	wantLease(t, <-told, taken)
	_, err = a.Renew(within(t), renewed)
	wantErr(t, err, journal.ErrLeaseChanged)
	wantErr(t, a.Release(within(t), renewed), journal.ErrLeaseChanged)

	if err := b.Release(within(t), taken); err != nil {
		t.Fatal(err)
	}
	free := <-told
	if free.Node != "" || free.Address != "" || free.Epoch != 8 || free.Unit != unit {
		t.Errorf("released: %+v", free)
	}
	// The epoch outlives the release: the next owner knows what it must exceed.
	seen, ok, err := a.Get(within(t), unit)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	wantLease(t, seen, free)
	watchesAll(t, a, b, seen)
}

// watchesAll watches every unit: who begins late is told the present state.
func watchesAll(t *testing.T, a, b Leases, first journal.Lease) {
	told, stop := watch(t, a, "")
	defer stop()
	wantLease(t, <-told, first)
	other, err := b.Acquire(within(t), journal.Lease{Unit: "other", Node: "b", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantLease(t, <-told, other)
}

func wantLease(t *testing.T, got, want journal.Lease) {
	t.Helper()
	if got != want {
		t.Errorf("lease is %+v, want %+v", got, want)
	}
}

// watch gives the leases that a watcher is told.
func watch(t *testing.T, l Leases, unit string) (<-chan journal.Lease, func()) {
	told, ended := make(chan journal.Lease, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		ended <- l.Watch(ctx, unit, func(lease journal.Lease) { told <- lease })
		close(told)
	}()
	return told, func() {
		cancel()
		wantErr(t, <-ended, context.Canceled)
	}
}
