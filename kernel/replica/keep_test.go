package replica_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
	"weir/kernel/replica/replicatest"
)

// tally counts what a unit reports.
type tally struct {
	replica.Unobserved
	mu        sync.Mutex
	snapshots int
	carried   int
	size      journal.Size
	largest   uint64
	appended  int
	revealed  int
	folded    int
	gained    int
}

func (c *tally) Snapshot(int, time.Duration, time.Duration) { c.add(&c.snapshots, 1) }
func (c *tally) Carried(n, _ int)                           { c.add(&c.carried, n) }
func (c *tally) Appended(bytes, _ int, _ time.Duration)     { c.add(&c.appended, bytes) }
func (c *tally) Revealed(n int, _ time.Duration)            { c.add(&c.revealed, n) }
func (c *tally) Folded(bytes int, _ time.Duration)          { c.add(&c.folded, bytes) }

func (c *tally) Role(role core.Role, _ uint64) {
	if role == core.Owner {
		c.add(&c.gained, 1)
	}
}

func (c *tally) Trimmed(s journal.Size) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size, c.largest = s, max(c.largest, s.Bytes)
}

func (c *tally) add(to *int, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*to += n
}

// small makes a node keep house often.
func small(c *tally) func(*replica.Options) {
	return func(o *replica.Options) {
		o.SnapshotEveryBytes = 64 << 10
		o.CarryLogBytesMin = 512 << 10
		o.Observer = c
	}
}

func TestSnapshotsBoundTheLogAndTheRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var c tally
		a := start(t, l, "a", small(&c))
		a.owns(t)
		payload := string(make([]byte, 4<<10))
		for i := range 1000 {
			a.put(t, fmt.Sprint("k", i%10), payload)
			synctest.Wait()
		}
		size, _ := l.Log.Node().Size(t.Context())
		if size.Bytes > 400<<10 || size.First < 900 {
			t.Errorf("after 4 MB the log holds %d bytes from position %d", size.Bytes, size.First)
		}
		if c.snapshots < 30 || c.snapshots > 70 {
			t.Errorf("%d snapshots for 4 MB at one for 64 KiB", c.snapshots)
		}
		a.Abort()
		b := start(t, l, "a", small(&c))
		b.owns(t)
		if got := b.get(t, "k9"); got != payload {
			t.Errorf("k9 has %d bytes", len(got))
		}
		if b.shelf.Folds > 40 {
			t.Errorf("the restart folded %d of 1000 facts", b.shelf.Folds)
		}
	})
}

func TestOldPayloadsAreCarriedForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var c tally
		a := start(t, l, "a", small(&c))
		a.owns(t)
		for i := range 20 {
			a.put(t, fmt.Sprint("old", i), fmt.Sprint("payload of ", i, string(make([]byte, 1000))))
		}
		for range 1000 {
			a.put(t, "new", string(make([]byte, 4<<10)))
			synctest.Wait()
		}
		size, _ := l.Log.Node().Size(t.Context())
		if size.Bytes > 700<<10 {
			t.Errorf("the old payloads hold %d bytes of log", size.Bytes)
		}
		if c.carried < 20 || c.carried > 400 {
			t.Errorf("%d payloads were carried forward, 20 are old", c.carried)
		}
		if c.largest < 512<<10 {
			t.Errorf("payloads were carried although the log had no more than %d bytes", c.largest)
		}
		a.Abort()
		b := start(t, l, "a")
		b.owns(t)
		for i := range 20 {
			if got := b.get(t, fmt.Sprint("old", i)); len(got) < 1000 || got[:len(got)-1000] != fmt.Sprint("payload of ", i) {
				t.Errorf("old%d is %d bytes", i, len(got))
			}
		}
	})
}

func TestAFollowerWhosePlaceIsGoneRestoresASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var ca, cb tally
		a := start(t, l, "a", small(&ca))
		a.owns(t)
		behind := l.Log.Node()
		b := start(t, l, "b", small(&cb), func(o *replica.Options) { o.Log = behind })
		a.put(t, "first", "x")
		a.put(t, "first", "gone")
		synctest.Wait()
		behind.See(2) // b hears no more
		for i := range 300 {
			a.put(t, fmt.Sprint("k", i%5), string(make([]byte, 4<<10)))
			synctest.Wait()
		}
		a.Call(t.Context(), func(turn *replica.Turn) { a.shelf.Delete(turn, "first") })
		for i := range 100 {
			a.put(t, fmt.Sprint("k", i%5), string(make([]byte, 4<<10)))
			synctest.Wait()
		}
		if size, _ := l.Log.Node().Size(t.Context()); size.First < 100 {
			t.Fatalf("nothing was trimmed: %+v", size)
		}
		behind.See(1 << 60)
		time.Sleep(time.Minute)
		if got := b.get(t, "k3"); len(got) != 4<<10 || b.get(t, "first") != "nothing" || b.Ready() != nil {
			t.Errorf("b has %d bytes under k3, %q under first, ready: %v", len(got), b.get(t, "first"), b.Ready())
		}
		a.Stop(t.Context())
		time.Sleep(time.Minute)
		b.owns(t)
		b.put(t, "k", "v")
	})
}
