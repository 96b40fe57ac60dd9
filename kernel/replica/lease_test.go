package replica_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/kernel/replica/core"
	"weir/kernel/replica/replicatest"
)

// cutLeases are leases that one node can be cut off from. What a call did before
// the answer was lost is done.
type cutLeases struct {
	replica.Leases
	away    atomic.Bool // no call arrives
	deaf    atomic.Bool // calls arrive, answers do not
	renewed atomic.Int32
}

var errAway = errors.New("the lease store is away")

func (c *cutLeases) Get(ctx context.Context, unit string) (journal.Lease, bool, error) {
	if c.away.Load() {
		return journal.Lease{}, false, errAway
	}
	return c.Leases.Get(ctx, unit)
}

func (c *cutLeases) Acquire(ctx context.Context, want journal.Lease) (journal.Lease, error) {
	if c.away.Load() {
		return journal.Lease{}, errAway
	}
	return c.Leases.Acquire(ctx, want)
}

func (c *cutLeases) Renew(ctx context.Context, held journal.Lease) (journal.Lease, error) {
	if c.away.Load() {
		return journal.Lease{}, errAway
	}
	lease, err := c.Leases.Renew(ctx, held)
	c.renewed.Add(1)
	if c.deaf.Swap(false) {
		return journal.Lease{}, errAway
	}
	return lease, err
}

func (c *cutLeases) Release(ctx context.Context, held journal.Lease) error {
	if c.away.Load() {
		return errAway
	}
	return c.Leases.Release(ctx, held)
}

const timeout = 6 * time.Second

// cut gives a node leases it can be cut off from.
func cut(c *cutLeases) func(*replica.Options) {
	return func(o *replica.Options) {
		c.Leases = o.Leases
		o.Leases, o.LeaseTimeout = c, timeout
	}
}

func TestAnOwnerThatCanNotRenewStopsRevealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leases cutLeases
		a := start(t, replicatest.NewLocation(), "a", cut(&leases))
		a.owns(t)
		lost := a.Lost()
		leases.away.Store(true)
		time.Sleep(timeout * 2 / 3)
		shown := make(chan time.Time, 1)
		a.Do(func(turn *replica.Turn) {
			a.shelf.Put(turn, "k", nil)
			turn.Reveal(func() { shown <- time.Now() })
		})
		time.Sleep(timeout)
		select {
		case <-shown:
			t.Fatal("revealed without a safe lease")
		case <-lost:
			t.Fatal("a silent store alone has ended the ownership")
		default:
		}
		leases.away.Store(false)
		time.Sleep(timeout / 8)
		select {
		case <-shown:
		default:
			t.Fatal("the lease is renewed and nothing is revealed")
		}
		// If it stays away, the ownership ends.
		leases.away.Store(true)
		time.Sleep(5 * timeout)
		select {
		case <-lost:
		default:
			t.Error("the ownership goes on although the lease could not be renewed for 30 s")
		}
		leases.away.Store(false)
		a.owns(t)
		a.put(t, "k2", "v")
	})
}

func TestTheFenceEndsADeposedOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var leases cutLeases
		a := start(t, l, "a", cut(&leases))
		a.owns(t)
		a.put(t, "k", "a")
		b := start(t, l, "b", func(o *replica.Options) { o.LeaseTimeout = timeout })
		time.Sleep(time.Minute)
		lost := a.Lost()
		leases.away.Store(true)
		time.Sleep(timeout * 3 / 2)
		if !b.Ownership().Self {
			t.Fatal("b has not taken over")
		}
		b.put(t, "k", "b")
		// a does not know. What it decides now is fenced by the log.
		if !a.Ownership().Self {
			t.Fatal("a should believe in its ownership until the fence")
		}
		if err := a.Call(t.Context(), func(turn *replica.Turn) { a.shelf.Put(turn, "k", []byte("lost")) }); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a call to a deposed owner: %v", err)
		}
		<-lost
		leases.away.Store(false)
		time.Sleep(time.Minute)
		if got := a.get(t, "k"); got != "b" {
			t.Errorf("a has %q under k", got)
		}
		if o := a.Ownership(); o.Self || o.Node != "b" {
			t.Errorf("a sees %+v", o)
		}
		if err := a.Ready(); err != nil {
			t.Errorf("a as a follower: %v", err)
		}
	})
}

func TestALostAnswerOfARenewalIsNotALostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leases cutLeases
		a := start(t, replicatest.NewLocation(), "a", cut(&leases))
		a.owns(t)
		lost := a.Lost()
		before := leases.renewed.Load()
		leases.deaf.Store(true)
		time.Sleep(time.Minute)
		select {
		case <-lost:
			t.Error("the ownership ended")
		default:
		}
		if leases.renewed.Load() < before+10 {
			t.Error("the lease was not renewed any more")
		}
	})
}

func TestASilentHolderIsGivenUpOnlyWhileTheStoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := replicatest.NewLocation()
		var leases, others cutLeases
		a := start(t, l, "a", cut(&leases))
		a.owns(t)
		b := start(t, l, "b", cut(&others))
		time.Sleep(time.Minute)
		// The store is away for both, and comes back: the owner renews before the other
		// has waited anew.
		leases.away.Store(true)
		others.away.Store(true)
		time.Sleep(2 * timeout)
		leases.away.Store(false)
		others.away.Store(false)
		time.Sleep(time.Minute)
		if !a.Ownership().Self || b.Ownership().Self {
			t.Errorf("a sees %+v, b sees %+v", a.Ownership(), b.Ownership())
		}
	})
}

func TestWorkOfOneOwnershipNeverRunsInAnother(t *testing.T) {
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
		var epochs []uint64
		mark := func(turn *replica.Turn) { epochs = append(epochs, turn.Epoch()); turn.Record([]byte{'D', 0}) }
		answer := make(chan error)
		u.Do(mark)
		synctest.Wait()
		u.Do(func(*replica.Turn) { // while this turn runs, the append fails
			log.Waiting()[0].Drop()
			l.Log.Free()
			log.GiveUp()
		})
		go func() { answer <- u.Call(t.Context(), mark) }()
		if err := <-answer; !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.NotOwner) {
			t.Errorf("the call was answered with %v", err)
		}
		time.Sleep(time.Minute)
		if role, epoch := u.Status(); role != core.Owner || epoch < 2 {
			t.Fatalf("%s in epoch %d", role, epoch)
		}
		for _, e := range epochs {
			if e != 1 {
				t.Errorf("work accepted in epoch 1 ran in epoch %d", e)
			}
		}
	})
}

// TestAnUnknownOutcomeIsFoundInTheLog: an append whose answer was lost ends the
// ownership, and the fold tells whether it was stored.
func TestAnUnknownOutcomeIsFoundInTheLog(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := replicatest.NewLocation()
			log := l.Log.Node()
			a := start(t, l, "a", func(o *replica.Options) { o.Log = log })
			a.owns(t)
			lost := a.Lost()
			l.Log.Hold()
			shown := false
			a.Do(func(turn *replica.Turn) {
				a.shelf.Put(turn, "k", []byte("v"))
				turn.Reveal(func() { shown = true })
			})
			synctest.Wait()
			if arrives {
				log.Waiting()[0].Arrive()
			} else {
				log.Waiting()[0].Drop()
			}
			l.Log.Free()
			log.GiveUp()
			<-lost
			a.owns(t)
			want := map[bool]string{true: "v", false: "nothing"}[arrives]
			if got := a.get(t, "k"); got != want || shown {
				t.Errorf("arrived %t: k is %q, shown %t", arrives, got, shown)
			}
		})
	}
}
