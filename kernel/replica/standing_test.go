package replica_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
)

// wire is a source that copies straight from another log.
type wire struct {
	from interface {
		Records(context.Context, journal.Mark, func([][]byte, journal.Position) error) error
	}
}

func (w wire) Run(ctx context.Context, into replica.CopyLog) error {
	mark, err := into.Mark(ctx)
	if err != nil {
		return err
	}
	return w.from.Records(ctx, mark, func(recs [][]byte, _ journal.Position) error {
		p := into.Copy(ctx, mark, recs)
		mark = journal.Mark{At: p.Next().Last, Sum: p.Next().Sum}
		return p.Wait(ctx)
	})
}

func stands(s replica.Standing) func(*replica.Options) {
	return func(o *replica.Options) { o.Standing = s }
}

func from(other *replicatest.Location) func(*replica.Options) {
	return func(o *replica.Options) { o.Source = wire{other.Log.Node()} }
}

func settled(t *testing.T, n node) {
	t.Helper()
	select {
	case <-n.Settled():
	case <-time.After(time.Minute):
		t.Fatal("the standing is not in force after a minute")
	}
}

func TestAUnitMovesBetweenLocationsAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		west, east := replicatest.NewLocation(), replicatest.NewLocation()
		a := start(t, west, "a", from(east))
		b := start(t, east, "b", from(west), stands(replica.Standing{Mode: replica.Secondary, Elsewhere: "a:1"}))
		homes, term := []node{a, b}, uint64(1)
		for round := range 4 {
			here, there := homes[round%2], homes[(round+1)%2]
			here.owns(t)
			for i := range 10 {
				here.put(t, fmt.Sprint(round, " ", i), "payload")
			}
			if o := there.Ownership(); o.Self || o.Node != replica.ElsewhereNode || o.Address == "" || there.RoleName() != "standby" {
				t.Errorf("round %d: the standby says %+v, %s", round, o, there.RoleName())
			}
			if err := there.Call(t.Context(), func(*replica.Turn) {}); !fault.Is(err, fault.NotOwner) {
				t.Errorf("work on a standby: %v", err)
			}

			began := time.Now()
			here.Stand(replica.Standing{Mode: replica.Halted})
			settled(t, here)
			end, err := here.Mark(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got, err := there.Mark(t.Context()); err != nil || got != end {
				t.Fatalf("round %d: the copy ends in %+v, %v; want %+v", round, got, err, end)
			}
			term++
			there.Stand(replica.Standing{Mode: replica.Primary, Floor: term << 32})
			there.owns(t)
			if waited := time.Since(began); waited != 0 {
				t.Errorf("round %d: it took %s to move", round, waited)
			}
			if e := there.Ownership().Epoch; e < term<<32 {
				t.Errorf("round %d: epoch %d, want at least %d", round, e, term<<32)
			}
			here.Stand(replica.Standing{Mode: replica.Secondary, Elsewhere: "elsewhere:1"})
			if got := there.get(t, fmt.Sprint(round, " 9")); got != "payload" {
				t.Errorf("round %d: the new owner has %q", round, got)
			}
		}
		if folds := a.shelf.Folds; folds != 40 { // 20 as they were decided, 20 that b decided: none twice
			t.Errorf("a folded %d facts", folds)
		}
	})
}

// While it is halted a unit folds and lets others have its lease.
func TestAHaltedOwnerFinishesWhatItAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a")
		a.owns(t)
		var done sync.WaitGroup
		var mu sync.Mutex
		accepted, failed := 0, 0
		for i := range 50 {
			done.Go(func() {
				err := a.Call(t.Context(), func(turn *replica.Turn) { a.shelf.Put(turn, fmt.Sprint(i), []byte("x")) })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					accepted++
				} else if !fault.Is(err, fault.NotOwner) {
					t.Errorf("call %d: %v", i, err)
				} else {
					failed++
				}
			})
		}
		a.Stand(replica.Standing{Mode: replica.Halted})
		done.Wait()
		settled(t, a)
		if a.Ownership().Self || a.RoleName() != "halted" || a.Ready() != nil {
			t.Errorf("halted: %+v, %s, %v", a.Ownership(), a.RoleName(), a.Ready())
		}
		have := 0
		a.View(func() {
			for i := range 50 {
				if _, ok := a.shelf.Get(fmt.Sprint(i)); ok {
					have++
				}
			}
		})
		if have != accepted || accepted+failed != 50 {
			t.Errorf("%d accepted, %d refused, %d are there", accepted, failed, have)
		}
		other := start(t, l, "b")
		other.owns(t)
		other.Stop(t.Context())
		a.Stand(replica.Standing{})
		time.Sleep(time.Minute) // until it has heard that the other has given the lease back
		a.owns(t)
	})
}

func TestNothingIsShownWithoutAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permit := replica.NewPermit(false)
		a := start(t, replicatest.NewLocation(), "a", func(o *replica.Options) { o.Permit = permit })
		a.owns(t)
		shown := make(chan struct{})
		a.Do(func(turn *replica.Turn) {
			a.shelf.Put(turn, "k", []byte("v"))
			turn.Reveal(func() { close(shown) })
		})
		waits := func(what string) {
			t.Helper()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			select {
			case <-shown:
				t.Fatalf("%s: it was shown", what)
			default:
			}
		}
		waits("no permit")
		permit.Extend(time.Now().Add(-time.Second))
		waits("a permit that has run out")
		permit.Extend(time.Now().Add(time.Second))
		<-shown
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Call(ctx, func(*replica.Turn) {}); !fault.Is(err, fault.Timeout) {
			t.Errorf("a call without a permit: %v", err)
		}
		permit.Lift()
		a.put(t, "k", "again")
		if !a.Ownership().Self {
			t.Error("the ownership was lost with the permit")
		}
	})
}

// bar is a barrier that a test moves.
type bar struct {
	mu       sync.Mutex
	appended journal.Position
	covered  journal.Position
	held     journal.Position
	moved    chan struct{}
	refuse   error
	pause    time.Duration
}

func (b *bar) Opened(uint64, journal.Position) {}

func (b *bar) Appended(at journal.Position, _, _ int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.appended = at
}

func (b *bar) Covered(at journal.Position) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at <= b.covered {
		return nil
	}
	return b.moved
}

func (b *bar) Held() (journal.Position, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, b.held > 0
}

// What only this location has can be told apart later: the log and a snapshot from
// before it stay.
func TestWhatTheOtherLocationLacksIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const held = 20
		l := replicatest.NewLocation()
		var c tally
		b := &bar{moved: make(chan struct{}), covered: 1 << 40, held: held}
		a := start(t, l, "a", small(&c), func(o *replica.Options) { o.Barrier = b })
		a.owns(t)
		put := func() journal.Size {
			for i := range 500 {
				a.put(t, fmt.Sprint("k", i%10), string(make([]byte, 4<<10)))
				synctest.Wait()
			}
			size, _ := l.Log.Node().Size(t.Context())
			return size
		}
		if size := put(); size.First > held+1 || c.snapshots == 0 || c.snapshots > 3 {
			t.Errorf("the log begins at %d, %d snapshots were saved", size.First, c.snapshots)
		}
		b.mu.Lock()
		b.held = 1 << 40 // all of it has arrived
		b.mu.Unlock()
		if size := put(); size.First < 600 || c.snapshots < 10 {
			t.Errorf("afterwards the log begins at %d, %d snapshots were saved", size.First, c.snapshots)
		}
	})
}

func (b *bar) Admit() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause, b.refuse
}

func (b *bar) cover() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.covered = b.appended
	close(b.moved)
	b.moved = make(chan struct{})
}

func TestWhatTheOtherLocationLacksIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bar{moved: make(chan struct{}), covered: 1}
		a := start(t, replicatest.NewLocation(), "a", func(o *replica.Options) { o.Barrier = b })
		a.owns(t)
		shown := 0
		for i := range 3 {
			a.Do(func(turn *replica.Turn) {
				a.shelf.Put(turn, fmt.Sprint(i), []byte("v"))
				turn.Reveal(func() { shown++ })
			})
			synctest.Wait() // three batches, one after the other: none waits to be covered
		}
		if b.appended != 4 || shown != 0 {
			t.Fatalf("appended up to %d, %d were shown", b.appended, shown)
		}
		b.cover()
		synctest.Wait()
		if shown != 3 {
			t.Errorf("%d were shown when all was covered", shown)
		}

		b.refuse = fault.New(fault.Busy, "The other location is too far behind.")
		for what, err := range map[string]error{
			"call": a.Call(t.Context(), func(*replica.Turn) {}),
			"try":  a.Try(func(*replica.Turn) {}),
			"do":   a.Do(func(*replica.Turn) {}),
		} {
			if !errors.Is(err, b.refuse) {
				t.Errorf("%s: %v", what, err)
			}
		}
		b.refuse, b.pause = nil, time.Second
		began := time.Now()
		a.Do(func(*replica.Turn) {})
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("work was held back for %s", waited)
		}
	})
}

// Whoever tells a unit what to be may change its mind at any time.
func TestTheLastStandingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		west, east := replicatest.NewLocation(), replicatest.NewLocation()
		start(t, west, "a").owns(t)
		b := start(t, east, "b", from(west), stands(replica.Standing{Mode: replica.Secondary}))
		for i := range 100 {
			b.Stand(replica.Standing{Mode: replica.Mode(1 + i%2), Elsewhere: fmt.Sprint(i)})
			if i%7 == 0 {
				synctest.Wait()
			}
			time.Sleep(time.Duration(i%5) * 100 * time.Millisecond)
		}
		settled(t, b)
		b.Stand(replica.Standing{Floor: 1 << 32})
		b.owns(t)
		if e := b.Ownership().Epoch; e != 1<<32 {
			t.Errorf("epoch %d, want the floor", e)
		}
	})
}

// An owner that is to own in a later term does not wait to show what it decided in an
// earlier one, which may be never.
func TestALaterTermIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permit := replica.NewPermit(false)
		a := start(t, replicatest.NewLocation(), "a", func(o *replica.Options) { o.Permit = permit })
		a.owns(t)
		shown := false
		a.Do(func(turn *replica.Turn) {
			a.shelf.Put(turn, "k", []byte("v"))
			turn.Reveal(func() { shown = true })
		})
		synctest.Wait()
		a.Stand(replica.Standing{Floor: 3 << 32})
		time.Sleep(time.Second)
		synctest.Wait()
		if o := a.Ownership(); !o.Self || o.Epoch < 3<<32 || shown {
			t.Errorf("%+v, shown: %t", o, shown)
		}
	})
}

// An owner whose location was deposed may show nothing any more: it stands down
// without what it could not show.
func TestADeposedOwnerDoesNotWaitToBeHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permit := replica.NewPermit(true)
		a := start(t, replicatest.NewLocation(), "a", func(o *replica.Options) { o.Permit = permit })
		a.owns(t)
		permit.Extend(time.Now())
		shown := false
		a.Do(func(turn *replica.Turn) {
			a.shelf.Put(turn, "k", []byte("v"))
			turn.Reveal(func() { shown = true })
		})
		synctest.Wait()
		permit.Revoke()
		a.Stand(replica.Standing{Mode: replica.Halted})
		settled(t, a)
		synctest.Wait()
		if shown || a.get(t, "k") != "v" { // the fact is in the log, and folded like anybody's
			t.Errorf("shown: %t; it has %q", shown, a.get(t, "k"))
		}
		permit.Lift()
		a.Stand(replica.Standing{})
		a.owns(t)
	})
}
