package journal_test

import (
	"errors"
	"slices"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
)

// A copy that can not begin at the beginning begins behind a snapshot, as a new
// generation, and has the positions of the original.
func TestASeedBeginsACopy(t *testing.T) {
	here := openJournal(t, openStore(t, journal.Options{Dir: t.TempDir()}), "unit")
	tail := appendAll(t, here, journal.Tail{}, 10, 100)
	at := tail
	tail = appendAll(t, here, tail, 10, 100)

	dir := t.TempDir()
	there := openStore(t, journal.Options{Dir: dir})
	snap := journal.Snapshot{At: at, Data: []byte("the first ten")}
	for range 2 { // the second time changes nothing
		if err := there.Seed(within(t), "unit", 2, snap); err != nil {
			t.Fatal(err)
		}
	}
	if err := there.Seed(within(t), "unit", 2, journal.Snapshot{At: tail}); !errors.Is(err, journal.ErrSeeded) {
		t.Errorf("seeded again elsewhere: %v", err)
	}
	j, err := there.Journal(within(t), "unit", 2)
	if err != nil {
		t.Fatal(err)
	}
	mark, err := j.Mark(within(t))
	if err != nil || mark.At != at.Last || mark.Sum != at.Sum {
		t.Fatalf("the seeded journal ends in %+v, %v; want %+v", mark, err, at)
	}
	if stands, err := j.Stands(within(t), mark); err != nil || !stands {
		t.Errorf("the seed stands: %t, %v", stands, err)
	}
	done := errors.New("done")
	err = here.Records(within(t), mark, func(recs [][]byte, _ journal.Position) error {
		p := j.Copy(within(t), mark, recs)
		if err := p.Wait(within(t)); err != nil {
			return err
		}
		if mark = (journal.Mark{At: p.Next().Last, Sum: p.Next().Sum}); mark.At == tail.Last {
			return done
		}
		return nil
	})
	if err != done {
		t.Fatal(err)
	}
	snapshots, err := there.Snapshots(within(t), "unit", 2)
	if err != nil {
		t.Fatal(err)
	}
	got, found, err := snapshots.Latest(within(t))
	if err != nil || !found || got.At != at || string(got.Data) != "the first ten" {
		t.Fatalf("the snapshot is %+v, %t, %v", got, found, err)
	}
	n := 0
	end, err := j.Replay(within(t), got.At, func(journal.Batch) error { n++; return nil })
	if err != nil || n != 10 || end != tail {
		t.Errorf("%d batches behind the seed, up to %+v, %v; want 10 up to %+v", n, end, err, tail)
	}

	if _, err := there.Journal(within(t), "unit", 1); err != nil {
		t.Fatal(err)
	}
	if all, err := there.Generations(within(t), "unit"); err != nil || !slices.Equal(all, []int{1, 2}) {
		t.Errorf("generations %v, %v", all, err)
	}
	for range 2 {
		if err := there.Remove(within(t), "unit", 1); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := there.Generations(within(t), "unit"); err != nil || !slices.Equal(all, []int{2}) {
		t.Errorf("generations after one was removed: %v, %v", all, err)
	}
}

func TestMemorySeeds(t *testing.T) {
	at := journal.Tail{Last: 10, Sum: 7, Batch: 5, Epoch: 3}
	mark, err := journaltest.Seed(at).Node().Mark(t.Context())
	if err != nil || mark.At != 10 || mark.Sum != 7 {
		t.Errorf("ends in %+v, %v", mark, err)
	}
}
