package replica

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// Mode is what a unit is in this location.
type Mode uint8

const (
	// Primary: it is decided here; the replica contends for the lease and owns.
	Primary Mode = iota
	// Secondary: it is decided in another location. Who holds the lease here copies
	// that location's log into this one's; all fold it.
	Secondary
	// Halted: nobody decides and nothing is copied; what is there is folded.
	Halted
)

// String names the mode.
func (m Mode) String() string { return [...]string{"primary", "secondary", "halted"}[m] }

// Standing is what a unit is to do in this location.
type Standing struct {
	Mode Mode
	// Floor is the lowest epoch that may be opened here; 0 is any.
	Floor uint64
	// Below is what every epoch of the log must be below so that one is opened here; 0 is
	// any. What is not was opened elsewhere, by right: see the floor there.
	Below uint64
	// Elsewhere is where the unit is owned when it is not here: an address of the
	// other location, for Ownership. Empty: not known.
	Elsewhere string
}

// Source brings the records of another location. Run copies them into a log, behind
// what is there, until ctx ends; when it returns before, it is called again.
type Source interface {
	Run(ctx context.Context, into CopyLog) error
}

// CopyLog is the log that a Source writes to.
type CopyLog interface {
	Mark(ctx context.Context) (journal.Mark, error)
	ChainedAt(ctx context.Context, at journal.Position) (uint64, error)
	Copy(ctx context.Context, after journal.Mark, recs [][]byte) *journal.Pending
}

// standingBoard is what the unit was told to be, and whether it is.
type standingBoard struct {
	mu      sync.Mutex
	now     Standing
	changed chan struct{} // closed when now is no longer so
	settled chan struct{} // closed when now is in force
}

func newStandingBoard(s Standing) *standingBoard {
	return &standingBoard{now: s, changed: make(chan struct{}), settled: make(chan struct{})}
}

func (b *standingBoard) set(s Standing) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now == s {
		return false
	}
	b.now = s
	close(b.changed)
	b.changed, b.settled = make(chan struct{}), make(chan struct{})
	return true
}

func (b *standingBoard) look() (now Standing, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.changed
}

// settle says that a standing is in force, if it is still the one wanted.
func (b *standingBoard) settle(s Standing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now != s {
		return
	}
	select {
	case <-b.settled:
	default:
		close(b.settled)
	}
}

// Stand changes what the unit is to do in this location, and returns at once: see
// Settled. An owner that is to be something else finishes what it has accepted, as
// with Stop, and goes on folding; one that holds the lease and is to own opens at
// once. Of several calls the last one counts.
func (u *Unit) Stand(s Standing) {
	if u.standing.set(s) {
		u.board.stand(s)
		u.log.Info("the unit has a new standing", "standing", s.Mode, "floor", s.Floor)
	}
}

// Standing returns what the unit was last told to be.
func (u *Unit) Standing() Standing {
	s, _ := u.standing.look()
	return s
}

// Settled returns a channel that is closed when the present standing is in force:
// nothing that an earlier one had begun runs on this node any more, and none of its
// appends is under way.
func (u *Unit) Settled() <-chan struct{} {
	u.standing.mu.Lock()
	defer u.standing.mu.Unlock()
	return u.standing.settled
}

// Mark returns the newest record of the log in this location.
func (u *Unit) Mark(ctx context.Context) (journal.Mark, error) { return u.o.Log.Mark(ctx) }

// stint gives the standing to be in and a context that ends with it.
func (u *Unit) stint(seek context.Context) (Standing, context.Context, context.CancelFunc) {
	s, changed := u.standing.look()
	ctx, cancel := context.WithCancel(seek)
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return s, ctx, cancel
}

// enter makes room for a standing: appends of the former one have their outcome, and
// a halted unit holds no lease.
func (u *Unit) enter(live context.Context, s Standing) {
	for _, p := range u.loose {
		select {
		case <-p.Done():
		case <-live.Done():
		}
	}
	u.loose = nil
	if s.Mode == Halted {
		u.release(live)
	}
	if live.Err() == nil {
		u.standing.settle(s)
	}
}

// release gives back the lease, if it is held.
func (u *Unit) release(live context.Context) {
	if u.held == nil {
		select {
		case u.held = <-u.leaser.grants:
		default:
			return
		}
	}
	poke(u.held.giveUp)
	select {
	case <-u.held.lost:
	case <-live.Done():
	}
	u.held = nil
}

// halt folds what others append until the standing ends. A lease that was asked for
// before, and is granted only now, goes back.
func (u *Unit) halt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var granted sync.WaitGroup
	granted.Go(func() {
		for {
			select {
			case h := <-u.leaser.grants:
				poke(h.giveUp)
			case <-ctx.Done():
				return
			}
		}
	})
	defer granted.Wait()
	defer cancel()
	err := u.o.Log.Follow(ctx, u.core.Tail(), u.fold)
	return fmt.Errorf("follow from position %d: %w", u.core.Tail().Last, err)
}

// copyWhile copies from the other location and folds the copy until the standing
// ends or the lease is lost. Snapshots are saved and the log is trimmed here as an
// owner does; payloads are carried forward by the other location's owner.
func (u *Unit) copyWhile(ctx context.Context, h *hold) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var copying sync.WaitGroup
	copying.Go(func() { u.copy(ctx) })
	copying.Go(func() {
		select {
		case <-h.lost:
			cancel(errLeaseGone)
		case <-ctx.Done():
		}
	})
	k := startKeeper(u, false)
	err := u.o.Log.Follow(ctx, u.core.Tail(), func(b journal.Batch) error {
		err := u.fold(b)
		if err == nil && u.core.SnapshotDue(u.o.SnapshotEveryBytes) && k.reserve() {
			k.save(u.takeSnapshot())
		}
		return err
	})
	cancel(nil)
	copying.Wait()
	k.stop()
	return fmt.Errorf("follow the copy from position %d: %w", u.core.Tail().Last, err)
}

// copy runs the source, again and again.
func (u *Unit) copy(ctx context.Context) {
	if u.o.Source == nil {
		return
	}
	var retry backoff
	for ctx.Err() == nil {
		began := wall.Now()
		err := u.o.Source.Run(ctx, u.o.Log)
		if time.Since(began) > backoffMax {
			retry.reset()
		}
		if ctx.Err() == nil {
			u.log.Warn("copying from the other location ended; trying again", "error", err)
			retry.wait(ctx)
		}
	}
}

// role is what the replica does, in a word.
func role(s Standing, r core.Role) string {
	switch {
	case r == core.Broken:
	case s.Mode == Secondary && r != core.Owner:
		return "standby"
	case s.Mode == Halted && r != core.Owner:
		return "halted"
	}
	return r.String()
}

// RoleName is Status' role in a word: owner, follower, candidate, broken; where the
// unit is not primary, standby or halted.
func (u *Unit) RoleName() string {
	r, _ := u.Status()
	return role(u.Standing(), r)
}
