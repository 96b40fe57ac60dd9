package replica

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// owner is one ownership, on the main loop: the decider.
type owner struct {
	u        *Unit
	h        *hold
	t        *tenure
	revealer *revealer
	keeper   *keeper

	live    context.Context // ends when the unit is to end at once
	works   []func(*Turn)   // taken from the queue, in order
	done    int             // how many of them have run
	flight  []inFlight
	opened  time.Time // when the open batch got its first turn
	timer   *time.Timer
	armed   int64 // what the timer is set to, in the waker's terms
	rings   bool  // it has gone off
	company company
	durable journal.Position // the last record of this ownership that is durable
	ended   bool
	failure error // why the ownership ended, nil for its lease
}

// inFlight is a batch under way.
type inFlight struct {
	id      uint64
	pending *journal.Pending
	bytes   int
	facts   int
	opened  time.Time
	sent    time.Time
}

func newOwner(u *Unit, h *hold) *owner {
	return &owner{u: u, h: h, t: &tenure{epoch: u.core.Epoch(), lost: make(chan struct{})}}
}

// run decides until the ownership ends: lost (with the reason, nil when it was the
// lease), or because the unit ends.
func (o *owner) run(live, seek context.Context) error {
	o.live = live
	o.begin()
	for seek.Err() == nil {
		select {
		case <-seek.Done():
		case <-o.h.lost:
			o.lose(nil)
			return o.failure
		case <-o.answer():
		case <-o.work():
		case <-o.timer.C:
			o.rings = true
		case <-o.u.waker.signal:
		case <-o.company.timer.C:
		}
		if !o.step() {
			return o.failure
		}
	}
	if live.Err() != nil {
		o.end()
		return nil
	}
	o.finish()
	return nil
}

// step does all that can be done now; false when the ownership has ended.
func (o *owner) step() bool {
	if !o.settle() {
		return false
	}
	if !o.turns() {
		return false
	}
	o.wake()
	o.flush()
	o.snapshotIfDue()
	return true
}

// begin makes the ownership known and takes its first turn.
func (o *owner) begin() {
	u := o.u
	o.durable = u.core.Tail().Last
	u.o.Barrier.Opened(o.t.epoch, o.durable)
	o.revealer = startRevealer(u.leaser.gate, u.o.Barrier, u.watch)
	o.keeper = startKeeper(u, true)
	o.timer = time.NewTimer(time.Hour)
	o.timer.Stop()
	o.company = newCompany()
	u.waker.at.Store(0)
	u.log.Info("this node owns the unit", "epoch", o.t.epoch)
	if u.o.OnGain != nil {
		o.turn(u.o.OnGain)
	}
	if u.o.OnWake != nil {
		u.waker.ask(time.Unix(0, 1))
	}
	u.queue.open(o.t)
	u.board.own(o.t)
	u.note(nil)
	select {
	case <-o.h.opened:
	default:
	}
	o.h.opened <- o.t.epoch
	o.flush()
}

// answer is ready when the oldest batch under way has its answer.
func (o *owner) answer() <-chan struct{} {
	if len(o.flight) == 0 {
		return nil
	}
	return o.flight[0].pending.Done()
}

// work is ready when there may be work that can be done. While nothing can, it is
// ready when that changes, or never: then an answer will change it.
func (o *owner) work() <-chan struct{} {
	if o.u.core.Blocked() {
		return nil
	}
	if full := o.revealer.full(); full != nil {
		return full
	}
	if o.done < len(o.works) {
		return closed
	}
	return o.u.queue.signal
}

// settle takes the answers that have come; false when the ownership is lost.
func (o *owner) settle() bool {
	for len(o.flight) > 0 {
		f := o.flight[0]
		select {
		case <-f.pending.Done():
		default:
			return true
		}
		if err := f.pending.Err(); err != nil {
			o.failure = fmt.Errorf("append of epoch %d at position %d: %w", o.t.epoch, f.pending.At(), err)
			o.lose(func() { o.u.core.AppendFailed(f.id, err) })
			return false
		}
		o.flight = append(o.flight[:0], o.flight[1:]...)
		o.u.core.Appended(f.id)
		o.u.moved()
		o.durable = f.pending.Next().Last
		o.u.o.Barrier.Appended(o.durable, f.bytes, f.facts)
		o.u.watch.Appended(f.bytes, f.facts, time.Since(f.sent))
		o.do(f.opened)
	}
	return true
}

// flush does what core wants done after turns.
func (o *owner) flush() { o.do(cmp.Or(o.opened, wall.Now())) }

// do does what core wants done. opened is when the first of the turns whose
// reveals may come was taken.
func (o *owner) do(opened time.Time) {
	if len(o.flight) == 0 {
		o.u.core.Keep(!o.u.core.Urgent() && o.company.expected(o.u.core.Gathered(), o.opened))
	}
	rd := o.u.core.Ready()
	if a := rd.Append; a != nil {
		o.company.left(a.Facts)
		p := o.u.o.Log.Append(o.live, a.After, a.Epoch, a.Data)
		o.flight = append(o.flight, inFlight{id: a.ID, pending: p, bytes: len(a.Data), facts: a.Facts, opened: o.opened, sent: wall.Now()})
		o.u.core.Submitted(a.ID, p.Next())
	}
	if o.u.core.Gathered() == 0 {
		o.opened = time.Time{}
	}
	if len(rd.Reveals) > 0 {
		o.revealer.add(reveals{fns: rd.Reveals, opened: opened, at: o.durable})
	}
}

// turns takes all the work that waits, one turn each, until nothing is left or
// the pipeline or the revealer is full. A batch that gets large leaves in between.
func (o *owner) turns() bool {
	u, n := o.u, 0
	if o.revealer.full() != nil {
		return true
	}
	if len(o.works) == 0 {
		o.works = u.queue.take(o.works)
	}
	u.state.Lock()
	for ; o.done < len(o.works) && !u.core.Blocked(); o.done++ {
		o.turnLocked(o.works[o.done])
		n++
		if u.core.Full() {
			u.state.Unlock()
			if !o.settle() {
				return false
			}
			o.flush()
			u.state.Lock()
		}
	}
	u.state.Unlock()
	if o.done == len(o.works) {
		clear(o.works)
		o.works, o.done = o.works[:0], 0
	}
	if n > 0 {
		u.watch.Turns(n)
	}
	return true
}

func (o *owner) turn(work func(*Turn)) {
	o.u.state.Lock()
	defer o.u.state.Unlock()
	o.turnLocked(work)
}

func (o *owner) turnLocked(work func(*Turn)) {
	now := wall.Now()
	if o.opened.IsZero() {
		o.opened = now
	}
	o.u.core.Turn(now, work)
}

// wake runs OnWake when its time has come, and sets the timer to when it will.
func (o *owner) wake() {
	u := o.u
	if u.o.OnWake == nil || u.core.Blocked() {
		return
	}
	now := later(wall.Now(), u.core.Now())
	if u.waker.due(now) || o.rings {
		// When it rings and is not due, the unit's time is behind: a turn moves it on.
		o.rings, o.armed = false, 0
		u.waker.at.Store(0)
		o.turn(func(t *Turn) { u.waker.ask(u.o.OnWake(t)) })
		now = later(wall.Now(), u.core.Now())
	}
	if at := u.waker.next(); at != o.armed {
		o.armed = at
		o.timer.Reset(max(time.Duration(at-now.UnixNano()), 0))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lose ends the ownership: first for everybody outside, then change tells core,
// which drops the state.
func (o *owner) lose(change func()) {
	u := o.u
	o.end()
	for _, f := range o.flight {
		u.loose = append(u.loose, f.pending)
	}
	if change == nil {
		change = u.core.LeaseLost
	}
	u.state.Lock()
	change()
	u.state.Unlock()
	u.core.Ready() // says what was lost, which is known here
	u.placed = false
	u.log.Warn("this node has lost the unit", "epoch", o.t.epoch, "reason", cmp.Or(o.failure, errLeaseGone))
	u.note(u.refolding(cmp.Or(o.failure, errLeaseGone)))
}

// end tells everybody outside that the ownership has ended.
func (o *owner) end() {
	if o.ended {
		return
	}
	o.ended = true
	o.u.queue.close()
	o.u.board.own(nil)
	close(o.t.lost)
	o.keeper.stop()
	o.revealer.stop()
	o.timer.Stop()
	o.company.timer.Stop()
}

// finish ends the ownership in order: all that was accepted is done, made durable
// and revealed, unless its term is over. A unit that ends saves a last snapshot, one that goes on under another
// standing keeps its state. If the unit must end at once, the rest is left as it is.
func (o *owner) finish() {
	u := o.u
	s, changed := u.standing.look()
	// A standing that wants later epochs is one of another term: what waits to be shown in
	// this one may never be, and must not be waited for.
	if s.Floor > o.t.epoch || !o.drain(changed) {
		if o.live.Err() == nil && u.core.Role() == core.Owner {
			o.lose(nil)
		}
		o.end()
		return
	}
	defer o.end()
	if u.ending.Err() == nil {
		o.end()
		u.state.Lock()
		u.core.Resign()
		u.state.Unlock()
		u.note(nil)
		u.log.Info("this node gives up the unit for another standing", "epoch", o.t.epoch)
		return
	}
	o.keeper.finish(o.live)
	if o.live.Err() != nil {
		return
	}
	u.saveLast(o.live)
	u.log.Info("this node gives the unit back", "epoch", o.t.epoch)
}

// drain does all that was accepted and reveals it; false when the ownership was lost,
// the unit must end at once, it is to be something else again, or another location
// decides.
func (o *owner) drain(changed <-chan struct{}) bool {
	u := o.u
	revoked := u.o.Permit.gone()
	o.works, o.done = append(o.works[o.done:], u.queue.close()...), 0
	for o.done < len(o.works) || !u.core.Idle() {
		select {
		case <-o.live.Done():
			return false
		case <-o.h.lost:
			return false
		case <-changed:
			return false
		case <-revoked:
			return false
		case <-o.answer():
		case <-o.work():
		}
		if !o.settle() || !o.turns() {
			return false
		}
		u.core.Seal()
		o.flush()
	}
	return o.revealer.drain(o.live, o.durable, o.h.lost, changed, revoked)
}

// snapshotIfDue takes a snapshot when the log has grown enough: at a boundary of
// batches, encoded while the machine stands still, saved in the background once
// everything in it is durable.
func (o *owner) snapshotIfDue() {
	u := o.u
	if !u.core.SnapshotDue(u.o.SnapshotEveryBytes) || u.snapshotHeld() || !o.keeper.reserve() {
		return
	}
	u.core.Seal()
	o.flush()
	s := u.takeSnapshot()
	u.core.Turn(wall.Now(), func(t *Turn) {
		t.Reveal(func() { o.keeper.save(s) })
	})
	o.flush()
}
