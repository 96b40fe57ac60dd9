package journaltest_test

import (
	"errors"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
	"weir/kernel/journal/record"
)

func TestMemoryPassesTheSuite(t *testing.T) {
	journaltest.Run(t, func(*testing.T) func() journaltest.Journal {
		m := journaltest.NewMemory()
		return func() journaltest.Journal { return m.Node() }
	})
}

// collect returns the texts that a node sees from the beginning.
func collect(t *testing.T, n *journaltest.Node) (texts []string) {
	t.Helper()
	batches, err := n.Poll(record.Tail{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if len(b.Data) < 20 {
			texts = append(texts, string(b.Data))
		} else {
			texts = append(texts, "long")
		}
	}
	return texts
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the journal has %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("the journal has %q, want %q", got, want)
		}
	}
}

// An owner whose appends hang is replaced. One of them arrives late, at exactly
// the position it expects: it is stored, and nobody folds it.
func TestAFencedWritersStragglerIsPassedOver(t *testing.T) {
	m := journaltest.NewMemory()
	old, new := m.Node(), m.Node()
	p := old.Append(t.Context(), record.Tail{}, 1, []byte("a"))
	m.Hold()
	b := old.Append(t.Context(), p.Next(), 1, []byte("b"))
	c := old.Append(t.Context(), b.Next(), 1, []byte("c"))
	waiting := old.Waiting()
	old.GiveUp()
	if !errors.Is(b.Err(), journal.ErrUnknown) || !errors.Is(c.Err(), journal.ErrUnknown) {
		t.Fatalf("given up appends: %v, %v", b.Err(), c.Err())
	}

	m.Free()
	end, err := new.Replay(t.Context(), record.Tail{}, func(record.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	mine := new.Append(t.Context(), end, 2, []byte("mine"))
	waiting[1].Arrive() // c expects one record behind a: there is one, but not b
	waiting[0].Arrive() // b comes too late
	if late := new.Append(t.Context(), mine.Next(), 2, []byte("late")); !errors.Is(late.Err(), journal.ErrFenced) {
		t.Errorf("an append that did not see the straggler: %v", late.Err())
	}
	end, err = new.Replay(t.Context(), mine.Next(), func(record.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if on := new.Append(t.Context(), end, 3, []byte("on")); on.Err() != nil {
		t.Error(on.Err())
	}
	want(t, collect(t, m.Node()), "a", "mine", "on")
}

// An outcome that was not learned may be a success. The same node finds its batch
// in the journal and goes on behind it, under a new epoch.
func TestAnUnknownAppendMayBeStored(t *testing.T) {
	m := journaltest.NewMemory()
	m.Hold()
	n := m.Node()
	a := n.Append(t.Context(), record.Tail{}, 1, []byte("a"))
	n.Waiting()[0].Arrive()
	n.GiveUp()
	m.Free()
	if late := n.Append(t.Context(), a.Next(), 1, []byte("late")); !errors.Is(late.Err(), journal.ErrUnknown) {
		t.Errorf("an append chained to it: %v", late.Err())
	}
	end, err := n.Replay(t.Context(), record.Tail{}, func(record.Batch) error { return nil })
	if err != nil || end != a.Next() {
		t.Fatalf("replay ends at %+v, %v", end, err)
	}
	if b := n.Append(t.Context(), end, 2, []byte("b")); b.Err() != nil {
		t.Error(b.Err())
	}
	want(t, collect(t, m.Node()), "a", "b")
}

// A writer dies in the middle of a long batch; the next one begins behind it.
func TestAnUnfinishedBatchIsPassedOver(t *testing.T) {
	m := journaltest.NewMemory()
	m.Hold()
	n := m.Node()
	n.Append(t.Context(), record.Tail{}, 1, make([]byte, 3*record.PartBytes))
	n.Waiting()[0].ArrivePart(2)
	n.GiveUp()
	m.Free()
	want(t, collect(t, m.Node()))

	next := m.Node()
	end, err := next.Replay(t.Context(), record.Tail{}, func(record.Batch) error { return nil })
	if err != nil || end.Last != 2 || end.Batch != 0 {
		t.Fatalf("take over at %+v, %v", end, err)
	}
	p := next.Append(t.Context(), end, 2, []byte("a"))
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	next.Append(t.Context(), p.Next(), 2, make([]byte, 2*record.PartBytes))
	want(t, collect(t, m.Node()), "a", "long")
}

func TestFaultsAreNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		harm    func(*journaltest.Memory)
		at      record.Position
		finding record.Finding
	}{
		{"a bit flips", func(m *journaltest.Memory) { m.Flip(2, 80) }, 2, record.BadSum},
		{"a bit of the magic flips", func(m *journaltest.Memory) { m.Flip(2, 0) }, 2, record.BadHeader},
		{"a record is lost", func(m *journaltest.Memory) { m.Lose(2) }, 2, record.Gap},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := journaltest.NewMemory()
			n, tail := m.Node(), record.Tail{}
			for _, text := range []string{"payload one", "payload two", "payload three"} {
				tail = n.Append(t.Context(), tail, 1, []byte(text)).Next()
			}
			c.harm(m)
			seen := 0
			_, err := n.Replay(t.Context(), record.Tail{}, func(record.Batch) error { seen++; return nil })
			d, ok := errors.AsType[*record.Damage](err)
			if !ok || d.At != c.at || d.Finding != c.finding {
				t.Errorf("%v, want %s at %d", err, c.finding, c.at)
			}
			if seen != 1 {
				t.Errorf("%d batches were folded, want those before the damage", seen)
			}
		})
	}
}

func TestAFollowerMayBeBehind(t *testing.T) {
	m := journaltest.NewMemory()
	n, tail := m.Node(), record.Tail{}
	for _, text := range []string{"a", "b", "c"} {
		tail = n.Append(t.Context(), tail, 1, []byte(text)).Next()
	}
	follower := m.Node()
	follower.See(1)
	want(t, collect(t, follower), "a")
	follower.See(3)
	want(t, collect(t, follower), "a", "b", "c")
}

func TestMemoryKeepsSnapshotsAndLeases(t *testing.T) {
	t.Run("snapshots", func(t *testing.T) { journaltest.RunSnapshots(t, &journaltest.MemorySnapshots{}) })
	t.Run("leases", func(t *testing.T) {
		l := journaltest.NewMemoryLeases()
		journaltest.RunLeases(t, func(*testing.T) journaltest.Leases { return l })
	})
}
