package replica_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// These tests run on the real journal: JetStream in this process, synced.

func openStore(t testing.TB, dir string) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), journal.Options{Dir: dir, Node: "store"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// open starts a node with a shelf on a store.
func open(t testing.TB, s *journal.Store, name string, change ...func(*replica.Options)) node {
	t.Helper()
	shelf := &replicatest.Shelf{}
	o := replica.Options{Unit: "shelf", Node: name, Address: name + ":1", Machine: shelf, LeaseTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name)}
	for _, c := range change {
		c(&o)
	}
	u, err := replica.Open(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	u.Start()
	t.Cleanup(u.Abort)
	return node{u, shelf}
}

func TestJetStreamTakeOverKeepsWhatWasAcknowledged(t *testing.T) {
	for _, c := range []struct {
		how string
		end func(node)
	}{
		{"crash", func(n node) { n.Abort() }},
		{"stop", func(n node) { n.Stop(context.Background()) }},
	} {
		t.Run(c.how, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			a := open(t, s, "a")
			a.owns(t)
			b := open(t, s, "b")
			acknowledged := writers(t, a, 8, 40)
			c.end(a)
			if err := waitSelf(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for key, want := range acknowledged {
				if got := b.get(t, key); got != want {
					t.Fatalf("%s is %q, acknowledged was %q", key, got, want)
				}
			}
			b.put(t, "after", "the end")
		})
	}
}

// writers lets some goroutines put keys one after the other, and returns what was
// acknowledged.
func writers(t *testing.T, n node, many, each int) map[string]string {
	var mu sync.Mutex
	var all sync.WaitGroup
	acknowledged := map[string]string{}
	for w := range many {
		all.Go(func() {
			for i := range each {
				key, value := fmt.Sprint("w", w, "-", i%7), fmt.Sprint("value ", i)
				if err := n.Call(t.Context(), func(turn *replica.Turn) { n.shelf.Put(turn, key, []byte(value)) }); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[key] = value
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return acknowledged
}

// waitSelf waits until the node itself owns.
func waitSelf(ctx context.Context, n node) error {
	for {
		o, changed := n.Watch()
		if o.Self {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestJetStreamTrimsBehindSnapshotsAndCarriesForward(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var c tally
	house := func(o *replica.Options) {
		o.SnapshotEveryBytes, o.CarryLogBytesMin, o.Observer = 1<<20, 4<<20, &c
	}
	a := open(t, s, "a", house)
	a.owns(t)
	for i := range 50 {
		a.put(t, fmt.Sprint("old", i), fmt.Sprint("payload ", i))
	}
	chunk := make([]byte, 64<<10)
	for range 300 {
		if err := a.Call(t.Context(), func(turn *replica.Turn) { a.shelf.Put(turn, "new", chunk) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("19 MB appended; log %+v, at most %d bytes; %d snapshots, %d payloads carried", c.size, c.largest, c.snapshots, c.carried)
	if c.carried < 50 || c.size.Bytes > 8<<20 {
		t.Errorf("the log holds %d bytes, %d payloads were carried", c.size.Bytes, c.carried)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := open(t, openStore(t, dir), "a", house)
	b.owns(t)
	if b.shelf.Folds != 0 {
		t.Errorf("a restart after an orderly stop folded %d facts", b.shelf.Folds)
	}
	for i := range 50 {
		if got := b.get(t, fmt.Sprint("old", i)); got != fmt.Sprint("payload ", i) {
			t.Errorf("old%d is %q", i, got)
		}
	}
}

// BenchmarkJetStreamCalls is durable work over the real journal, 200 callers at a
// time with 1 KiB each.
func BenchmarkJetStreamCalls(b *testing.B) {
	a := open(b, openStore(b, b.TempDir()), "a")
	if err := waitSelf(b.Context(), a); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 1<<10)
	b.SetBytes(1 << 10)
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := a.Call(b.Context(), func(turn *replica.Turn) { a.shelf.Put(turn, "key", payload) }); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkJetStreamRestart is the time from Open to ownership after a crash with
// 256 MiB of log behind the last snapshot, in facts of 1 KiB.
func BenchmarkJetStreamRestart(b *testing.B) {
	const facts, bytes = 256 << 10, 256 << 20
	s := openStore(b, b.TempDir())
	never := func(o *replica.Options) { o.SnapshotEveryBytes = 1 << 40 }
	a := open(b, s, "a", never)
	if err := waitSelf(b.Context(), a); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 1<<10)
	for i := range facts / 256 {
		a.Do(func(turn *replica.Turn) {
			for j := range 256 {
				a.shelf.Put(turn, fmt.Sprint(i*256+j), payload)
			}
		})
	}
	if err := a.Call(b.Context(), func(*replica.Turn) {}); err != nil {
		b.Fatal(err)
	}
	a.Abort()
	b.SetBytes(bytes)
	for b.Loop() {
		n := open(b, s, "a", never)
		if err := waitSelf(b.Context(), n); err != nil {
			b.Fatal(err)
		}
		if n.shelf.Folds != facts {
			b.Fatalf("%d facts folded", n.shelf.Folds)
		}
		n.Abort()
	}
}
