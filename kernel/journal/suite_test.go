package journal_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
)

// openStore opens a store that ends with the test.
func openStore(t testing.TB, o journal.Options) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// openJournal opens a handle on a journal.
func openJournal(t testing.TB, s *journal.Store, unit string) *journal.Journal {
	t.Helper()
	j, err := s.Journal(t.Context(), unit, 1)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// runSuite runs the suite with a new journal for each test, spread over stores
// that share a log.
func runSuite(t *testing.T, stores ...*journal.Store) {
	var units, handles atomic.Int64
	journaltest.Run(t, func(t *testing.T) func() journaltest.Journal {
		unit := "unit " + strconv.FormatInt(units.Add(1), 10)
		return func() journaltest.Journal {
			return openJournal(t, stores[handles.Add(1)%int64(len(stores))], unit)
		}
	})
}

func TestEmbeddedPassesTheSuite(t *testing.T) {
	runSuite(t, openStore(t, journal.Options{Dir: t.TempDir()}))
}

func TestEmbeddedWithRelaxedSyncPassesTheSuite(t *testing.T) {
	runSuite(t, openStore(t, journal.Options{Dir: t.TempDir(), Sync: journal.SyncMayLoseLastSecond}))
}

func runLeases(t *testing.T, stores ...*journal.Store) {
	var handles atomic.Int64
	journaltest.RunLeases(t, func(t *testing.T) journaltest.Leases {
		l, err := stores[handles.Add(1)%int64(len(stores))].Leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

func openSnapshots(t testing.TB, s *journal.Store, unit string) *journal.Snapshots {
	t.Helper()
	snapshots, err := s.Snapshots(t.Context(), unit, 1)
	if err != nil {
		t.Fatal(err)
	}
	return snapshots
}

func TestEmbeddedKeepsNotes(t *testing.T) {
	n, err := openStore(t, journal.Options{Dir: t.TempDir()}).Notes(t.Context(), "notes")
	if err != nil {
		t.Fatal(err)
	}
	journaltest.RunNotes(t, n)
}

func TestEmbeddedKeepsSnapshotsAndLeases(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	t.Run("snapshots", func(t *testing.T) { journaltest.RunSnapshots(t, openSnapshots(t, s, "unit")) })
	t.Run("leases", func(t *testing.T) { runLeases(t, s) })
}
