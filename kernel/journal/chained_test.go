package journal_test

import (
	"errors"
	"testing"

	"weir/kernel/journal"
)

var errEnough = errors.New("enough")

// A location copies records 2 and 3 and is promoted while they are under way: its own
// record takes the place of 2, and 3 arrives. Then both logs hold the same record at 3,
// and it is not the same history.
func TestARecordThatCameByAnotherWay(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	west, east := openJournal(t, s, "west"), openJournal(t, s, "east")
	first := appendAll(t, west, journal.Tail{}, 1, 10)
	appendAll(t, west, first, 2, 10)
	var recs [][]byte
	for len(recs) < 3 {
		err := west.Records(t.Context(), journal.Mark{}, func(run [][]byte, _ journal.Position) error {
			recs = append(recs, run...)
			return errEnough
		})
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
	}
	if err := east.Copy(t.Context(), journal.Mark{}, recs[:1]).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := east.Append(t.Context(), first, 1<<32, []byte("promoted")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := east.Raw(t.Context(), recs[2]); err != nil {
		t.Fatal(err)
	}
	end, err := west.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stands, err := east.Stands(t.Context(), end); err != nil || !stands {
		t.Errorf("the record is not there: %v, %v", stands, err)
	}
	here, err := west.ChainedAt(t.Context(), end.At)
	there, errThere := east.ChainedAt(t.Context(), end.At)
	if err != nil || errThere != nil || here != end.Sum || there == here || there == 0 {
		t.Errorf("west has come there by %016x, east by %016x (%v, %v)", here, there, err, errThere)
	}
	for what, j := range map[string]*journal.Journal{"west": west, "east": east} {
		if got, err := j.ChainedAt(t.Context(), 1); err != nil || got != first.Sum {
			t.Errorf("%s at 1: %016x, %v", what, got, err)
		}
	}
}
