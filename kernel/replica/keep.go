package replica

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

const (
	// carryBiteBytes is how much old payload one turn carries forward.
	carryBiteBytes = 1 << 20
	// carryBitesPerLook is how many bites are taken between two looks at the log.
	carryBitesPerLook = 16
	// snapshotSlack is how much more memory than the last snapshot took is given to
	// the next, in parts: an eighth.
	snapshotSlack = 8
)

// snapshot is a state written down, to be saved.
type snapshot struct {
	at      journal.Tail
	data    []byte
	horizon journal.Position // no payload before it was live
	pause   time.Duration    // how long the machine stood still
}

// takeSnapshot encodes the state. The main loop calls it at a boundary of batches.
func (u *Unit) takeSnapshot() snapshot {
	began := wall.Now()
	size := u.core.SnapshotBytes()
	at, data := u.core.Snapshot(make([]byte, 0, size+size/snapshotSlack))
	return snapshot{at: at, data: data, horizon: u.horizon(at.Last + 1), pause: time.Since(began)}
}

// horizon returns the oldest position a live payload lies at, or end when there
// is none.
func (u *Unit) horizon(end journal.Position) journal.Position {
	c, ok := u.o.Machine.(Compactor)
	if !ok {
		return end
	}
	if h := c.Horizon(); h != 0 {
		return min(h, end)
	}
	return end
}

// saveLast saves a snapshot of everything, so that the next start folds nothing.
func (u *Unit) saveLast(ctx context.Context) {
	if u.core.Logged() == 0 || u.snapshotHeld() {
		return
	}
	s := u.takeSnapshot()
	began := wall.Now()
	if err := u.o.Snapshots.Save(ctx, s.at, s.data); err != nil {
		u.log.Warn("the last snapshot could not be saved; the next start folds more", "error", err)
		return
	}
	u.watch.Snapshot(len(s.data), s.pause, time.Since(began))
}

// CarryBehind has every live payload up to a position recorded once more, behind it: a
// copy that begins with a snapshot from there has none of what lies before. Whole tells
// the copy when it has all. On a unit that this node does not own it is done when the
// node owns it.
func (u *Unit) CarryBehind(at journal.Position) {
	for {
		now := u.behind.Load()
		if uint64(at) <= now {
			break
		}
		if u.behind.CompareAndSwap(now, uint64(at)) {
			break
		}
	}
	poke(u.carry)
}

// Whole reports whether every live payload lies in this location's log, and where that
// begins. A copy that began
// with a snapshot is not whole until the primary has carried forward what was older.
func (u *Unit) Whole(ctx context.Context) (whole bool, first journal.Position, err error) {
	size, err := u.o.Log.Size(ctx)
	if err != nil {
		return false, 0, err
	}
	c, ok := u.o.Machine.(Compactor)
	if !ok {
		return true, size.First, nil
	}
	var oldest journal.Position
	u.View(func() { oldest = c.Horizon() })
	return oldest == 0 || oldest >= size.First, size.First, nil
}

// forced reports that payloads are to be carried although they cost little log.
func (k *keeper) forced(c Compactor) bool {
	behind := journal.Position(k.u.behind.Load())
	if behind == 0 {
		return false
	}
	var oldest journal.Position
	k.u.View(func() { oldest = c.Horizon() })
	return oldest != 0 && oldest <= behind
}

// snapshotHeld reports that another snapshot would take the place of the last one that
// stands where both locations have been.
func (u *Unit) snapshotHeld() bool {
	at, held := u.o.Barrier.Held()
	return held && journal.Position(u.newest.Load()) > at && u.core.Logged() < HeldLogBytesMax
}

// keeper saves snapshots, trims the log and has old payloads carried forward,
// during one ownership, on a goroutine of its own.
type keeper struct {
	u      *Unit
	saves  chan snapshot
	busy   atomic.Bool   // a snapshot was taken and is not saved yet
	last   chan struct{} // closed when nothing more comes
	cancel context.CancelFunc
	done   chan struct{}

	trimmed  journal.Position
	carrying bool // payloads are being carried forward
	carryOff bool // none are carried now: one could not be read, or this is no owner
}

func startKeeper(u *Unit, carries bool) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{u: u, saves: make(chan snapshot, 1), last: make(chan struct{}), cancel: cancel, done: make(chan struct{}), carryOff: !carries}
	if carries && u.behind.Load() != 0 {
		poke(u.carry) // it was asked of an earlier owner here
	}
	go k.run(ctx)
	return k
}

// reserve reports whether the keeper can take another snapshot to save, and
// promises it one then.
func (k *keeper) reserve() bool { return k.busy.CompareAndSwap(false, true) }

// save gives the snapshot promised by reserve. Its facts are all durable.
func (k *keeper) save(s snapshot) { k.saves <- s }

// finish saves what was given and awaits the end; when ctx ends before, it stops.
func (k *keeper) finish(ctx context.Context) {
	close(k.last)
	select {
	case <-k.done:
	case <-ctx.Done():
	}
	k.stop()
}

// stop ends what the keeper does and awaits it.
func (k *keeper) stop() {
	k.cancel()
	<-k.done
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-k.saves:
			k.keep(ctx, s)
			continue
		case <-k.u.carry:
			if c, can := k.u.o.Machine.(Compactor); can && k.forced(c) {
				if size, err := k.u.o.Log.Size(ctx); err == nil {
					k.carry(ctx, c, size)
				}
			}
			continue
		case <-k.last:
		}
		select {
		case s := <-k.saves:
			k.keep(ctx, s)
		default:
		}
		return
	}
}

// keep saves a snapshot and makes use of it.
func (k *keeper) keep(ctx context.Context, s snapshot) {
	began := wall.Now()
	if err := k.u.o.Snapshots.Save(ctx, s.at, s.data); err != nil {
		if ctx.Err() == nil {
			k.u.log.Warn("a snapshot could not be saved; the next one will be", "error", err)
		}
		k.busy.Store(false)
		return
	}
	k.busy.Store(false)
	k.u.watch.Snapshot(len(s.data), s.pause, time.Since(began))
	k.u.bounds.Saved(s.at, s.horizon)
	k.u.newest.Store(uint64(s.at.Last))
	size, ok := k.trim(ctx)
	if c, can := k.u.o.Machine.(Compactor); can && ok {
		k.carry(ctx, c, size)
	}
}

// trim trims the log as far as it may be and returns its size.
func (k *keeper) trim(ctx context.Context) (journal.Size, bool) {
	if before := k.u.bounds.Before(); before > k.trimmed {
		if err := k.u.o.Log.Trim(ctx, before); err != nil {
			return journal.Size{}, k.failed(ctx, "the log could not be trimmed", err)
		}
		k.trimmed = before
	}
	size, err := k.u.o.Log.Size(ctx)
	if err != nil {
		return size, k.failed(ctx, "the log's size could not be read", err)
	}
	k.u.watch.Trimmed(size)
	return size, true
}

func (k *keeper) failed(ctx context.Context, what string, err error) bool {
	if ctx.Err() == nil {
		k.u.log.Warn(what, "error", err)
	}
	return false
}

// carry carries live payloads forward, oldest first, in bites that leave room for
// other work, until they hold no more log than is worth it. A snapshot that waits
// to be saved comes first; the rest is carried after it.
func (k *keeper) carry(ctx context.Context, c Compactor, size journal.Size) {
	for !k.carryOff && k.carryDue(c, size) {
		for range carryBitesPerLook {
			if k.interrupted() {
				return
			}
			if carried, ok := k.bite(ctx, c); !ok {
				return
			} else if !carried {
				break
			}
		}
		var ok bool
		if size, ok = k.trim(ctx); !ok {
			return
		}
	}
}

// interrupted reports that there is something more important to do.
func (k *keeper) interrupted() bool {
	select {
	case <-k.last:
		return true
	default:
		return len(k.saves) > 0
	}
}

func (k *keeper) carryDue(c Compactor, size journal.Size) (due bool) {
	if k.forced(c) {
		return true
	}
	k.u.View(func() { due = core.CarryDue(size.Bytes, c.LiveBytes(), k.u.o.CarryLogBytesMin, k.carrying) })
	k.carrying = due && k.u.bounds.Held()
	return k.carrying
}

// bite carries some payloads in one turn and waits until they are durable.
func (k *keeper) bite(ctx context.Context, c Compactor) (carried, ok bool) {
	var refs []journal.Ref
	k.u.View(func() {
		refs = c.Live(max(k.u.bounds.CarryBefore(), journal.Position(k.u.behind.Load())+1), carryBiteBytes)
	})
	payloads, bytes, err := k.read(ctx, refs)
	if err != nil {
		var damage *journal.Damage
		k.carryOff = errors.As(err, &damage) || errors.Is(err, journal.ErrTrimmed)
		return false, k.failed(ctx, "an old payload could not be read and is not carried forward", err)
	}
	if len(refs) == 0 {
		return false, true
	}
	var horizon journal.Position
	err = k.u.call(ctx, func(t *Turn) {
		for i, ref := range refs {
			c.Carry(t, ref, payloads[i])
		}
		horizon = k.u.horizon(k.u.core.Tail().Last + 1)
	})
	if err != nil {
		return false, k.failed(ctx, "old payloads could not be carried forward", err)
	}
	k.u.bounds.Moved(horizon)
	k.u.watch.Carried(len(refs), bytes)
	return true, true
}

func (k *keeper) read(ctx context.Context, refs []journal.Ref) (payloads [][]byte, bytes int, err error) {
	for _, ref := range refs {
		data, err := k.u.o.Log.Read(ctx, ref)
		if err != nil {
			return nil, 0, err
		}
		payloads, bytes = append(payloads, data), bytes+len(data)
	}
	return payloads, bytes, nil
}
