package replica_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
	"weir/kernel/replica/replicatest"
)

// node is a unit with a shelf on a location.
type node struct {
	*replica.Unit
	shelf *replicatest.Shelf
}

// start starts a node; change may change its options.
func start(t *testing.T, l *replicatest.Location, name string, change ...func(*replica.Options)) node {
	t.Helper()
	shelf := &replicatest.Shelf{}
	o := l.Options(name, shelf)
	for _, c := range change {
		c(&o)
	}
	return node{replicatest.Start(t, o), shelf}
}

// owns waits until the node owns.
func (n node) owns(t *testing.T) {
	t.Helper()
	o, err := n.WaitOwner(t.Context())
	if err != nil || !o.Self {
		t.Fatalf("wanted this node to own: %+v, %v", o, err)
	}
}

func (n node) put(t *testing.T, key, payload string) {
	t.Helper()
	if err := n.Call(t.Context(), func(turn *replica.Turn) { n.shelf.Put(turn, key, []byte(payload)) }); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// get reads what the node has under a key.
func (n node) get(t *testing.T, key string) string {
	t.Helper()
	var found bool
	var payload []byte
	var err error
	n.View(func() {
		ref, ok := n.shelf.Get(key)
		if found = ok; ok {
			payload, err = n.Read(t.Context(), ref)
		}
	})
	if !found {
		return "nothing"
	}
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return string(payload)
}

func TestARestartFindsWhatWasAcknowledged(t *testing.T) {
	for _, how := range []string{"stopped", "crashed"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := replicatest.NewLocation()
				first := start(t, l, "a")
				first.owns(t)
				for i := range 10 {
					first.put(t, fmt.Sprint(i), fmt.Sprint("payload ", i))
				}
				began := time.Now()
				if how == "stopped" {
					if err := first.Stop(t.Context()); err != nil {
						t.Fatal(err)
					}
				} else {
					first.Abort()
				}
				second := start(t, l, "a")
				second.owns(t)
				if waited := time.Since(began); waited != 0 {
					t.Errorf("the same node waited %s for its own lease", waited)
				}
				if got := second.get(t, "7"); got != "payload 7" {
					t.Errorf("7 is %q", got)
				}
				if o := second.Ownership(); o.Epoch != 2 || o.Node != "a" || o.Address != "a:1" {
					t.Errorf("ownership %+v", o)
				}
				// An orderly stop leaves a snapshot, so that nothing has to be folded.
				if folds := second.shelf.Folds; how == "stopped" && folds != 0 || how == "crashed" && folds != 10 {
					t.Errorf("%s: the second life folded %d facts", how, folds)
				}
			})
		})
	}
}

func TestNothingIsRevealedBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		o := l.Options("a", &replicatest.Shelf{})
		log := l.Log.Node()
		o.Log = log
		u := replicatest.Start(t, o)
		if _, err := u.WaitOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.Log.Hold()
		var shown []int
		for i := range 3 {
			if err := u.Do(func(turn *replica.Turn) {
				turn.Record([]byte{'D', 0})
				turn.Reveal(func() { shown = append(shown, i) })
			}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if len(shown) != 0 {
			t.Fatalf("%v were shown while nothing is durable", shown)
		}
		// The first turn's batch was appended at once, the others gathered behind it.
		for appends := 1; log.Complete(); appends++ {
			synctest.Wait()
			if len(shown) != []int{0, 1, 3}[appends] {
				t.Errorf("after %d appends %v were shown", appends, shown)
			}
		}
		if fmt.Sprint(shown) != "[0 1 2]" {
			t.Errorf("shown %v", shown)
		}
	})
}

func TestAFollowerTakesOver(t *testing.T) {
	const timeout = 6 * time.Second
	lease := func(o *replica.Options) { o.LeaseTimeout = timeout }
	for _, c := range []struct {
		how        string
		end        func(node)
		sooner, by time.Duration
	}{
		// A crash leaves the lease: others wait for as long as was agreed, from when
		// they last saw it change.
		{"crash", func(n node) { n.Abort() }, timeout * 3 / 4, timeout * 5 / 4},
		{"stop", func(n node) { n.Stop(context.Background()) }, 0, 0},
	} {
		t.Run(c.how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := replicatest.NewLocation()
				a := start(t, l, "a", lease)
				a.owns(t)
				a.put(t, "k", "v1")
				b := start(t, l, "b", lease)
				time.Sleep(time.Minute)
				if o, _ := b.WaitOwner(t.Context()); o.Self || o.Node != "a" || o.Address != "a:1" {
					t.Fatalf("b sees %+v", o)
				}
				if got := b.get(t, "k"); got != "v1" {
					t.Errorf("the follower reads %q", got)
				}
				if err := b.Do(func(*replica.Turn) {}); !fault.Is(err, fault.NotOwner) {
					t.Errorf("work on a follower: %v", err)
				}
				_, changed := b.Watch()
				lost := a.Lost()
				began := time.Now()
				c.end(a)
				select {
				case <-lost:
				default:
					t.Error("Lost is open after the end")
				}
				for !b.Ownership().Self {
					<-changed
					_, changed = b.Watch()
				}
				if took := time.Since(began); took < c.sooner || took > c.by {
					t.Errorf("b owned after %s, wanted between %s and %s", took, c.sooner, c.by)
				}
				b.put(t, "k", "v2")
				if b.Position() == 0 {
					t.Error("the owner does not know how far its journal goes")
				}
				if role, epoch := b.Status(); role != core.Owner || epoch != 2 {
					t.Errorf("b is %s in epoch %d", role, epoch)
				}
			})
		})
	}
}

func TestAStandbyNeverOwns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		a := start(t, l, "a")
		a.owns(t)
		s := start(t, l, "s", func(o *replica.Options) { o.Standing.Mode = replica.Halted })
		a.put(t, "k", "v")
		a.Stop(t.Context())
		time.Sleep(time.Hour)
		if got := s.get(t, "k"); got != "v" || s.Ready() != nil {
			t.Errorf("the standby has %q, ready: %v", got, s.Ready())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if o, err := s.WaitOwner(ctx); !fault.Is(err, fault.Unavailable) {
			t.Errorf("owner %+v, %v", o, err)
		}
	})
}

func TestWorkWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := replicatest.StartOwner(t, &replicatest.Shelf{})
		blocked := make(chan struct{})
		u.Do(func(*replica.Turn) { <-blocked })
		synctest.Wait()
		ran := 0
		count := func(*replica.Turn) { ran++ }
		accepted := 0
		for u.Try(count) == nil {
			accepted++
		}
		if err := u.Try(count); !fault.Is(err, fault.Busy) {
			t.Errorf("with a full queue: %v", err)
		}
		done := make(chan struct{})
		go func() { u.Do(count); close(done) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := u.Call(ctx, count); !fault.Is(err, fault.Busy) {
			t.Errorf("a call that found no room in time: %v", err)
		}
		close(blocked)
		<-done
		if err := u.Call(t.Context(), func(*replica.Turn) {}); err != nil {
			t.Error(err)
		}
		if ran != accepted+1 {
			t.Errorf("%d of %d ran", ran, accepted+1)
		}
	})
}

func TestWakeRunsAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var woken []time.Duration
		o := replicatest.NewLocation().Options("a", &replicatest.Shelf{})
		o.OnWake = func(turn *replica.Turn) time.Time {
			woken = append(woken, turn.Now().Sub(began))
			if len(woken) == 3 {
				return turn.Now().Add(time.Hour)
			}
			return time.Time{}
		}
		u := replicatest.Start(t, o)
		if _, err := u.WaitOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // an ownership begins with one
		u.Wake(began.Add(10 * time.Second))
		u.Wake(began.Add(20 * time.Second)) // the earlier one counts
		time.Sleep(time.Minute)
		u.Wake(began) // a time that has come already
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		want := []time.Duration{0, 10 * time.Second, time.Minute, time.Minute + time.Hour}
		if fmt.Sprint(woken) != fmt.Sprint(want) {
			t.Errorf("woken at %v, wanted %v", woken, want)
		}
	})
}

func TestGainIsTheFirstTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		o := replicatest.NewLocation().Options("a", &replicatest.Shelf{})
		o.OnGain = func(turn *replica.Turn) { order = append(order, fmt.Sprint("gain ", turn.Epoch())) }
		o.OnWake = func(turn *replica.Turn) time.Time { order = append(order, "wake"); return time.Time{} }
		u := replicatest.Start(t, o)
		if _, err := u.WaitOwner(t.Context()); err != nil {
			t.Fatal(err)
		}
		u.Call(t.Context(), func(*replica.Turn) { order = append(order, "work") })
		synctest.Wait()
		if len(order) != 3 || order[0] != "gain 1" {
			t.Errorf("order %v", order)
		}
	})
}
