package journal_test

import (
	"errors"
	"testing"

	"weir/kernel/journal"
)

// What lies at a position can be read on from there, also in the middle of a batch, and
// the snapshot before it is found.
func TestThePastIsFound(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	j := openJournal(t, s, "unit")
	first := appendAll(t, j, journal.Tail{}, 3, 100)
	second := appendAll(t, j, first, 1, 3_000_000) // a batch of several records
	third := appendAll(t, j, second, 2, 100)
	for at, want := range map[journal.Position]journal.Tail{0: {}, first.Last: first, first.Last + 1: first, second.Last - 1: first, second.Last: second, third.Last: third} {
		tail, err := j.TailAt(within(t), at)
		if err != nil || tail != want {
			t.Errorf("the tail at %d is %+v, %v; want %+v", at, tail, err, want)
		}
		mark, err := j.MarkAt(within(t), at)
		if err != nil || mark.At != at {
			t.Errorf("the mark at %d is %+v, %v", at, mark, err)
		}
		if stands, err := j.Stands(within(t), mark); err != nil || !stands {
			t.Errorf("the mark at %d stands: %t, %v", at, stands, err)
		}
		n := 0
		if _, err := j.Replay(within(t), tail, func(journal.Batch) error { n++; return nil }); err != nil || uint64(n) != third.Batch-tail.Batch {
			t.Errorf("behind %d lie %d batches, %v", at, n, err)
		}
	}
	if _, err := j.MarkAt(within(t), third.Last+1); err == nil {
		t.Error("there is a mark behind the end")
	}
	if err := j.Trim(within(t), second.Last); err != nil {
		t.Fatal(err)
	}
	if _, err := j.TailAt(within(t), first.Last); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("the tail of what was trimmed: %v", err)
	}

	snapshots := openSnapshots(t, s, "unit")
	for _, at := range []journal.Tail{first, third} {
		if err := snapshots.Save(within(t), at, []byte{byte(at.Last)}); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[journal.Position]journal.Tail{third.Last: third, third.Last - 1: first, first.Last: first} {
		snap, found, err := snapshots.Before(within(t), at)
		if err != nil || !found || snap.At != want || snap.Data[0] != byte(want.Last) {
			t.Errorf("the snapshot before %d is that at %+v, %t, %v", at, snap.At, found, err)
		}
	}
	if _, found, err := snapshots.Before(within(t), first.Last-1); found || err != nil {
		t.Errorf("before all of them: %t, %v", found, err)
	}
}
