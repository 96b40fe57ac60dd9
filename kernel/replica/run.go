package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// run is the main loop: fold, and own when the lease is held, until the unit is
// to end or its log is damaged. live ends when the unit is to end at once, seek
// already when it is to end in order.
func (u *Unit) run(live, seek context.Context) {
	var retry backoff
	for seek.Err() == nil {
		s, stint, end := u.stint(seek)
		u.enter(live, s)
		began := wall.Now()
		err := u.life(live, stint, s)
		changed := stint.Err() != nil
		end()
		if d, ok := errors.AsType[*journal.Damage](err); ok {
			u.fail(d)
			return
		}
		if time.Since(began) > backoffMax {
			retry.reset()
		}
		if err != nil && !changed {
			u.log.Warn("the replica starts again", "error", err)
			u.note(u.refolding(err))
			u.leaveToOthers()
			retry.wait(seek)
		}
	}
}

// openingsFor is for how many lease time-outs a replica holds the lease without
// owning before it leaves it to others.
const openingsFor = 4

func (u *Unit) leaveToOthers() {
	if u.held != nil && time.Since(u.idle) > openingsFor*u.o.LeaseTimeout {
		u.held.tired.Store(true)
		poke(u.held.giveUp)
		u.held = nil
	}
}

// life goes from wherever the replica stands to the end of its next ownership, or
// until the standing ends.
func (u *Unit) life(live, stint context.Context, s Standing) error {
	if err := u.catchUp(stint); err != nil {
		return err
	}
	if s.Mode == Halted {
		return u.stands(u.halt(stint))
	}
	if u.held == nil || u.held.gone() {
		h, err := u.follow(stint)
		if err != nil {
			return u.stands(err)
		}
		u.held, u.idle = h, wall.Now()
	}
	if s.Mode == Secondary {
		return u.stands(u.copyWhile(stint, u.held))
	}
	if err := u.mayOwn(stint); err != nil {
		u.release(live)
		return u.stands(err)
	}
	if err := u.takeOver(stint, u.held, s); err != nil {
		return u.stands(err)
	}
	err := newOwner(u, u.held).run(live, stint)
	u.idle = wall.Now()
	return err
}

// stands notes whether an error that ended the folding leaves the replica its place.
func (u *Unit) stands(err error) error {
	u.placed = !errors.Is(err, journal.ErrTrimmed)
	return err
}

// catchUp folds to the end of the log: from where the replica stands, or from the
// newest snapshot when its place is gone or was never taken.
func (u *Unit) catchUp(ctx context.Context) error {
	if !u.placed {
		if err := u.restore(ctx); err != nil {
			return fmt.Errorf("restore the newest snapshot: %w", err)
		}
	}
	if _, err := u.o.Log.Replay(ctx, u.core.Tail(), u.fold); err != nil {
		u.placed = u.placed && !errors.Is(err, journal.ErrTrimmed)
		return fmt.Errorf("fold from position %d: %w", u.core.Tail().Last, err)
	}
	u.note(nil)
	select {
	case <-u.warm:
	default:
		close(u.warm)
	}
	return nil
}

// restore puts the replica on the newest snapshot, or at the very beginning.
func (u *Unit) restore(ctx context.Context) error {
	s, ok, err := u.o.Snapshots.Latest(ctx)
	if err != nil {
		return err
	}
	u.state.Lock()
	defer u.state.Unlock()
	u.bounds = core.Bounds{}
	if !ok {
		u.core.Forget()
	} else if err := u.core.Restore(s.At, s.Data); err != nil {
		return err
	} else {
		u.bounds.Restored(s.At)
		u.newest.Store(uint64(s.At.Last))
	}
	u.placed = true
	u.moved()
	return nil
}

// fold folds one batch of the log.
func (u *Unit) fold(b journal.Batch) error {
	u.state.Lock()
	err := u.core.Folded(b)
	u.state.Unlock()
	if err == nil {
		u.moved()
		u.watch.Folded(len(b.Data), time.Since(b.Time))
		if u.core.Epoch() != u.health.Load().Epoch {
			u.note(u.health.Load().Err)
		}
	}
	return err
}

// follow folds what others append until the lease is held.
func (u *Unit) follow(ctx context.Context) (*hold, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var h *hold
	var granted sync.WaitGroup
	granted.Go(func() {
		select {
		case h = <-u.leaser.grants:
			cancel()
		case <-ctx.Done():
		}
	})
	err := u.o.Log.Follow(ctx, u.core.Tail(), u.fold)
	cancel()
	granted.Wait()
	if h != nil {
		return h, nil // also when the standing has ended: then it is given back or used
	}
	return nil, fmt.Errorf("follow from position %d: %w", u.core.Tail().Last, err)
}

// errNotNow: whoever knows says that nobody is to own here at the moment.
var errNotNow = errors.New("this location is giving the unit up")

// mayOwn asks whether an epoch may be opened, with the lease in hand: whoever waits for
// the lease to be free, to have all owners gone, is not surprised by a new one.
func (u *Unit) mayOwn(ctx context.Context) error {
	if u.o.MayOwn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.o.LeaseTimeout/renewalsPerTimeout)
	defer cancel()
	may, err := u.o.MayOwn(ctx)
	if err == nil && !may {
		err = errNotNow
	}
	return err
}

// errLeaseGone: the lease was lost before the unit was opened.
var errLeaseGone = errors.New("the lease is gone")

// takeOver folds to the end and opens an epoch there, again and again while others
// append in between.
func (u *Unit) takeOver(stint context.Context, h *hold, s Standing) error {
	ctx, cancel := context.WithCancelCause(stint)
	defer cancel(nil)
	go func() {
		select {
		case <-h.lost:
			cancel(errLeaseGone)
		case <-ctx.Done():
		}
	}()
	u.core.LeaseGranted(max(h.floor, s.Floor))
	u.note(nil)
	for {
		err := u.openEpoch(ctx, s.Below)
		if err == nil {
			return nil
		}
		if !errors.Is(err, journal.ErrFenced) || ctx.Err() != nil {
			u.core.LeaseLost()
			return cmp.Or(context.Cause(ctx), err)
		}
	}
}

// openEpoch folds to the end and appends the opening batch right behind it. When ctx
// ends meanwhile, what becomes of that batch is for enter to await.
func (u *Unit) openEpoch(ctx context.Context, below uint64) error {
	end, err := u.o.Log.Replay(ctx, u.core.Tail(), u.fold)
	if err != nil {
		return fmt.Errorf("fold to the end: %w", err)
	}
	if e := u.core.Epoch(); below > 0 && e >= below {
		return fmt.Errorf("the log has epoch %x, which is none of this location's: its own are below %x", e, below)
	}
	u.core.Open(end, wall.Now())
	a := u.core.Ready().Append
	p := u.o.Log.Append(ctx, a.After, a.Epoch, a.Data)
	u.core.Submitted(a.ID, p.Next())
	select {
	case <-p.Done():
	case <-ctx.Done():
		u.core.LeaseLost()
		u.loose = append(u.loose, p)
		return ctx.Err()
	}
	if err := p.Err(); err != nil {
		u.core.AppendFailed(a.ID, err)
		return fmt.Errorf("open epoch %d behind position %d: %w", a.Epoch, end.Last, err)
	}
	u.core.Appended(a.ID)
	u.moved()
	u.core.Ready() // says that the epoch is gained, which the caller knows
	return nil
}
