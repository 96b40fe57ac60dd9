package replica

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
)

const (
	// leaseTimeoutDefault is how long a holder may be silent.
	leaseTimeoutDefault = 4 * time.Second
	// renewalsPerTimeout is how often a holder renews within the time-out.
	renewalsPerTimeout = 4
	// retriesPerTimeout is how often one that failed tries again.
	retriesPerTimeout = 16
	// silencesMax is for how many time-outs a holder that can not reach the lease
	// store keeps what it has. It reveals nothing meanwhile.
	silencesMax = 4
	// restsAfterGivingUp is for how many time-outs a candidate that could not open
	// leaves the lease to others.
	restsAfterGivingUp = 2
)

// safeFor is how long after the beginning of its last renewal a holder may reveal:
// two thirds of the time-out.
func safeFor(timeout time.Duration) time.Duration { return timeout * 2 / 3 }

// hold is one lease held: from Acquire to its loss or release.
type hold struct {
	floor  uint64        // the epoch written into the lease
	lost   chan struct{} // closed when it is lost or given back
	giveUp chan struct{} // the main loop asks to give it back
	tired  atomic.Bool   // it could not own: others are to have the lease for a while
	opened chan uint64   // the epoch that was opened under it
}

func newHold(epoch uint64) *hold {
	return &hold{floor: epoch, lost: make(chan struct{}), giveUp: make(chan struct{}, 1), opened: make(chan uint64, 1)}
}

func (h *hold) gone() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

// leaser gets and keeps the unit's lease. It runs on a goroutine of its own; the
// main loop takes what it got from grants.
type leaser struct {
	u      *Unit
	store  Leases
	gate   *gate
	grants chan *hold

	blinded bool // the last reading failed, and that was said

	mu    sync.Mutex
	seen  journal.Lease
	known bool // whether seen was ever read
	since time.Time
	news  chan struct{}
}

func newLeaser(u *Unit) *leaser {
	return &leaser{u: u, store: u.o.Leases, gate: newGate(u.o.Permit), grants: make(chan *hold, 1), news: make(chan struct{}, 1)}
}

// run contends and holds until the candidacy ends; what is held then is given
// back. When ctx ends, it is left as it is, as by a crash.
func (l *leaser) run(ctx, candidacy context.Context) {
	for candidacy.Err() == nil {
		lease, began, ok := l.contend(candidacy)
		if !ok {
			return
		}
		if tired := l.hold(ctx, candidacy, lease, began); tired {
			rest(candidacy, restsAfterGivingUp*l.u.o.LeaseTimeout)
		}
	}
}

// watch shows the main loop and the board who holds the lease, until ctx ends.
func (l *leaser) watch(ctx context.Context) {
	retry := backoff{}
	for ctx.Err() == nil {
		err := l.store.Watch(ctx, l.u.o.Unit, func(lease journal.Lease) {
			retry.reset()
			l.saw(lease, true)
		})
		if ctx.Err() == nil {
			l.u.log.Warn("watching the lease failed; trying again", "error", err)
		}
		retry.wait(ctx)
	}
}

// saw takes a reading of the lease. The time a revision was seen first is what a
// contender waits by.
func (l *leaser) saw(lease journal.Lease, exists bool) {
	l.mu.Lock()
	if exists && lease.Revision < l.seen.Revision {
		l.mu.Unlock()
		return
	}
	news := !l.known || lease.Revision != l.seen.Revision
	if news {
		l.seen, l.since, l.known = lease, wall.Now(), true
	}
	l.mu.Unlock()
	if news {
		l.u.board.saw(lease)
		poke(l.news)
	}
}

// blind says that the store did not answer: the holder could not renew either, so
// its silence up to now means nothing.
func (l *leaser) blind(err error) {
	if !l.blinded {
		l.u.log.Warn("the lease can not be read; nobody is given up on meanwhile", "error", err)
		l.blinded = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = wall.Now()
}

// contend waits until the lease may be taken and takes it. It returns when the
// call that took it began.
func (l *leaser) contend(ctx context.Context) (journal.Lease, time.Time, bool) {
	for {
		if !l.mayContend(ctx) {
			return journal.Lease{}, time.Time{}, false
		}
		l.look(ctx)
		if wait := l.wait(); wait > 0 {
			if !l.pause(ctx, min(wait, l.u.o.LeaseTimeout/renewalsPerTimeout)) {
				return journal.Lease{}, time.Time{}, false
			}
			continue
		}
		began := wall.Now()
		lease, err := l.acquire(ctx)
		if err == nil {
			l.saw(lease, true)
			return lease, began, true
		}
		again := l.u.o.LeaseTimeout / retriesPerTimeout
		if errors.Is(err, journal.ErrLeaseChanged) {
			again = backoffMin
		}
		if !l.pause(ctx, again) {
			return journal.Lease{}, time.Time{}, false
		}
	}
}

// mayContend waits until the replica has folded the log once, for a cold replica does
// not take over from a warm one, and until the unit is not halted.
func (l *leaser) mayContend(ctx context.Context) bool {
	select {
	case <-l.u.warm:
	case <-ctx.Done():
		return false
	}
	for {
		s, changed := l.u.standing.look()
		if s.Mode != Halted {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// look reads the lease.
func (l *leaser) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.u.o.LeaseTimeout/renewalsPerTimeout)
	defer cancel()
	lease, ok, err := l.store.Get(ctx, l.u.o.Unit)
	if err != nil {
		l.blind(err)
		return
	}
	l.blinded = false
	l.saw(lease, ok)
}

// wait returns how long the lease must stay as it is before it may be taken: not
// at all when it is free or was held by this node's earlier life.
func (l *leaser) wait() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.known:
		return l.u.o.LeaseTimeout
	case l.seen.Node == "" || l.seen.Node == l.u.o.Node:
		return 0
	}
	return l.u.o.LeaseTimeout - time.Since(l.since)
}

// pause waits for a time or for news of the lease; false when ctx ends.
func (l *leaser) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-l.news:
	}
	return true
}

func (l *leaser) acquire(ctx context.Context) (journal.Lease, error) {
	l.mu.Lock()
	want := journal.Lease{Unit: l.u.o.Unit, Node: l.u.o.Node, Address: l.u.o.Address, Epoch: l.seen.Epoch + 1, Revision: l.seen.Revision}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.u.o.LeaseTimeout/renewalsPerTimeout)
	defer cancel()
	return l.store.Acquire(ctx, want)
}

// hold passes the lease to the main loop and keeps it until it is lost. It
// reports whether the main loop gave it up for others to have it.
func (l *leaser) hold(ctx, candidacy context.Context, lease journal.Lease, began time.Time) (tired bool) {
	h := newHold(lease.Epoch)
	l.gate.extend(began.Add(safeFor(l.u.o.LeaseTimeout)))
	l.grants <- h
	k := &keeping{leaser: l, h: h, lease: lease, stored: lease.Epoch, renewed: began}
	how := k.run(ctx, candidacy)
	if how == left {
		return false
	}
	l.gate.extend(time.Time{})
	close(h.lost)
	select {
	case <-l.grants: // the main loop did not come to take it
	default:
	}
	if how == givenBack {
		k.giveBack()
	}
	return how == givenBack && h.tired.Load()
}

// ending is how a hold ends.
type ending int

const (
	taken     ending = iota // another has the lease, or it could not be renewed
	givenBack               // by our own wish
	left                    // the unit ends without order
)

// keeping is a lease while it is held.
type keeping struct {
	*leaser
	h       *hold
	lease   journal.Lease // as it should be stored
	stored  uint64        // the epoch that is stored for sure
	renewed time.Time     // when the last renewal that succeeded began
}

// run renews until the hold ends.
func (k *keeping) run(ctx, candidacy context.Context) ending {
	wait := k.u.o.LeaseTimeout / renewalsPerTimeout
	for {
		t := time.NewTimer(wait)
		select {
		case <-candidacy.Done():
			t.Stop()
			if ctx.Err() != nil {
				return left
			}
			return givenBack
		case <-k.h.giveUp:
			t.Stop()
			return givenBack
		case k.lease.Epoch = <-k.h.opened:
		case <-t.C:
		}
		t.Stop()
		switch err := k.renew(ctx); {
		case err == nil:
			wait = k.u.o.LeaseTimeout / renewalsPerTimeout
		case ctx.Err() != nil:
			return left
		case errors.Is(err, journal.ErrLeaseChanged):
			k.u.log.Warn("the lease was taken by another node")
			return taken
		case time.Since(k.renewed) > silencesMax*k.u.o.LeaseTimeout:
			k.u.log.Warn("the lease could not be renewed for too long", "error", err)
			return taken
		default:
			wait = k.u.o.LeaseTimeout / retriesPerTimeout
		}
	}
}

// renew renews once. When the store says the lease has changed, it may have been
// an earlier renewal of ours whose answer was lost: the lease is read to see.
func (k *keeping) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.u.o.LeaseTimeout/renewalsPerTimeout)
	defer cancel()
	began := wall.Now()
	lease, err := k.store.Renew(ctx, k.lease)
	if errors.Is(err, journal.ErrLeaseChanged) {
		now, ok, getErr := k.store.Get(ctx, k.u.o.Unit)
		if getErr != nil {
			return getErr
		}
		if ok && now.Revision <= k.lease.Revision {
			return errStale
		}
		if !ok || now.Node != k.u.o.Node || now.Epoch != k.lease.Epoch && now.Epoch != k.stored {
			k.saw(now, ok)
			return err
		}
		k.lease.Revision = now.Revision
		lease, err = k.store.Renew(ctx, k.lease)
	}
	if err != nil {
		return err
	}
	k.lease, k.stored, k.renewed = lease, lease.Epoch, began
	k.gate.extend(began.Add(safeFor(k.u.o.LeaseTimeout)))
	k.saw(lease, true)
	return nil
}

// errStale: the store's answers contradict each other, so that a later one counts.
var errStale = errors.New("an old reading of the lease")

// giveBack releases the lease, so that another may take it at once.
func (k *keeping) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), k.u.o.LeaseTimeout/renewalsPerTimeout)
	defer cancel()
	if err := k.store.Release(ctx, k.lease); err != nil {
		k.u.log.Warn("releasing the lease failed; others wait for it to run out", "error", err)
		return
	}
	free := k.lease
	free.Node, free.Address = "", ""
	k.u.board.saw(free)
}
