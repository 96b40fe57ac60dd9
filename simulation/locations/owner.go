package locations

import (
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

// Times and sizes of a unit, as package replica has them, but for what bounds the log:
// histories are short.
const (
	leaseTimeout  = 4 * time.Second
	leaseSafe     = leaseTimeout * 2 / 3
	snapshotEvery = 6 << 10
)

// own is one ownership, until it is lost or the standing ends; then what was accepted
// is finished.
func (u *unit) own(p *proc, changed func() bool) {
	u.epochs++
	u.durable, u.reveals, u.why = u.core.Tail().Last, nil, nil
	u.opened, u.owning, u.taking = u.core.Epoch(), true, true
	u.h.w.Say("%s/%s owns epoch %x behind %d", u.h.name, u.name, u.opened, u.durable)
	u.send.core.Opened(u.opened, u.durable, u.h.now())
	u.machine.Own(u.opened)
	u.leaser.poke()
	u.turn(u.machine.declare)
	p.until(func() bool { return u.why != nil || !u.held || changed() }, forever)
	u.taking = false
	if u.why == nil && u.held && u.want.floor <= u.opened && u.drain(p) { // a later term waits for nothing of an earlier one
		u.end()
		u.core.Resign()
		u.h.w.Say("%s/%s gives epoch %x up in order at %d", u.h.name, u.name, u.opened, u.core.Tail().Last)
		return
	}
	if u.core.Role() == core.Owner {
		u.core.LeaseLost()
		u.core.Ready()
	}
	u.h.w.Say("%s/%s loses epoch %x: %v", u.h.name, u.name, u.opened, u.why)
	u.placed = false
	u.end()
}

// drain makes all that was accepted durable and reveals it; false when that is not to be
// waited for any more.
func (u *unit) drain(p *proc) bool {
	version := u.version
	over := func() bool { return u.why != nil || !u.held || u.version != version || u.permit.revoked }
	p.until(func() bool {
		if !over() {
			u.core.Seal()
			u.flush()
		}
		return over() || u.core.Idle() && len(u.reveals) == 0
	}, forever)
	return !over()
}

// end tells everybody that the ownership is over.
func (u *unit) end() {
	u.owning, u.taking, u.reveals = false, false, nil
	u.machine.Disown()
	u.disconnect()
}

// disconnect tells everybody who is connected, once.
func (u *unit) disconnect() {
	told := u.onLost
	u.onLost = nil
	for _, fn := range told {
		fn()
	}
}

// do runs work as a turn, if the unit takes any.
func (u *unit) do(work func(t *core.Turn)) bool {
	if !u.taking || u.core.Blocked() {
		return false
	}
	return u.turn(work)
}

func (u *unit) turn(work func(t *core.Turn)) bool {
	took := u.core.Turn(u.h.wall(), work)
	u.flush()
	return took
}

// admit asks how far the other location is before work is taken.
func (u *unit) admit() error {
	pause, err := u.send.core.Admit(u.h.now())
	if err == nil && pause > 0 {
		u.h.w.judge.counts["slowed"]++
	}
	return err
}

// flush does what core wants done.
func (u *unit) flush() {
	if u.core.Role() != core.Owner {
		return
	}
	rd := u.core.Ready()
	if len(rd.Reveals) > 0 {
		u.reveals = append(u.reveals, reveals{rd.Reveals, u.durable})
	}
	if a := rd.Append; a != nil {
		id, facts, bytes, epoch := a.ID, a.Facts, len(a.Data), u.epochs
		var end record.Position
		u.submit(a, func(err error) {
			if epoch == u.epochs && u.owning {
				u.answered(id, end, facts, bytes, err)
			}
		})
		end = u.core.Next().Last
	}
	u.reveal()
	u.wake()
}

// answered takes the outcome of an append.
func (u *unit) answered(id uint64, end record.Position, facts, bytes int, err error) {
	if err != nil {
		u.why = err
		u.core.AppendFailed(id, err)
		u.core.Ready()
		u.taking = false
		return
	}
	u.core.Appended(id)
	u.durable = end
	u.send.core.Appended(end, bytes, facts, u.h.now())
	u.flush()
}

// reveal shows what may be shown: what the other location has if it must, while the
// lease and the permit are safe.
func (u *unit) reveal() {
	for len(u.reveals) > 0 && u.owning {
		rs := u.reveals[0]
		if !u.h.w.rules.RevealUncovered && !u.send.core.Covered(rs.at, u.h.now()) || !u.mayShow() {
			u.lookAgain()
			return
		}
		u.reveals = u.reveals[1:]
		u.h.w.judge.shows(u, rs.at)
		for _, fn := range rs.fns {
			fn()
		}
		if len(u.reveals) == 0 {
			u.main.poke()
		}
	}
}

// mayShow reports whether the lease and the location's permit hold.
func (u *unit) mayShow() bool {
	now := u.h.mono()
	return now < u.safe && (u.h.w.rules.SkipPermit || u.permit.holds(now))
}

func (p permit) holds(now time.Duration) bool { return p.always || now < p.until }

// lookAgain plans another look at the reveals: the time alone may change what may be
// shown.
func (u *unit) lookAgain() {
	if u.due {
		return
	}
	u.due = true
	u.h.after(30*time.Millisecond, func() {
		u.due = false
		u.reveal()
	})
}

// wake arranges the machine's next tick.
func (u *unit) wake() {
	at := u.machine.NextWake()
	if !u.owning || at.IsZero() || !u.waking.IsZero() && !at.Before(u.waking) {
		return
	}
	u.waking = at
	u.h.after(max(at.Sub(u.core.Now()), 0)+time.Millisecond, func() {
		if u.waking.Equal(at) {
			u.waking = time.Time{}
			if u.owning {
				u.turn(u.machine.tick)
			}
			if u.owning && u.core.SnapshotDue(snapshotEvery) {
				u.snapshot()
			}
		}
	})
}

// snapshot saves one when the log has grown enough, unless it would take the place of
// the last that stands where both locations have been.
func (u *unit) snapshot() {
	at, held := u.send.core.Held()
	if held && u.newest > at || u.saving || u.core.Blocked() {
		return
	}
	u.turn(func(t *core.Turn) { u.machine.carry(t, u.bounds.CarryBefore()) })
	u.core.Seal()
	u.flush()
	tail, data := u.core.Snapshot(nil)
	u.saving = true
	epoch := u.epochs
	horizon := u.horizon(tail.Last + 1)
	u.turn(func(t *core.Turn) {
		t.Reveal(func() {
			if epoch == u.epochs {
				u.keep(snapshot{at: tail, data: data, sums: u.shelf.sums[:tail.Last:tail.Last], chained: u.shelf.chained[:tail.Last:tail.Last]}, horizon)
			}
		})
	})
}

// keep saves a snapshot and trims the log.
func (u *unit) keep(s snapshot, horizon record.Position) {
	u.h.site.disk.write(u.h, nil, func() error { u.shelf.save(s); return nil }, func(err error) {
		u.saving = false
		if err == nil {
			u.bounds.Saved(s.at, horizon)
			u.newest = s.at.Last
			u.shelf.trim(&u.bounds)
			u.h.w.judge.counts["snapshots"]++
		}
	})
}

// horizon is the oldest position a live payload lies at, end when there is none.
func (u *unit) horizon(end record.Position) record.Position {
	if h := u.machine.Horizon(); h != 0 {
		return min(h, end)
	}
	return end
}

// contend gets and keeps the lease, as long as the unit is not halted.
func (u *unit) contend(p *proc) {
	l := u.h.site.lease(u.name)
	var seen uint64
	var since time.Duration
	for !u.quit {
		p.until(func() bool { return u.warm && u.want.mode != halted || u.quit }, forever)
		if l.holder != "" && l.holder != u.h.name {
			if seen != l.revision {
				seen, since = l.revision, p.h.mono()
			}
			if wait := leaseTimeout - (p.h.mono() - since); wait > 0 {
				p.sleep(min(wait, leaseTimeout/4))
				continue
			}
		}
		began, revision, epoch := p.h.mono(), l.revision, l.epoch+1
		err := p.write(func() error { return l.change(revision, u.h.name, epoch) })
		if err != nil || u.quit {
			p.sleep(leaseTimeout / 16)
			continue
		}
		u.held, u.giveUp, u.leaseFloor, u.safe = true, false, epoch, began+leaseSafe
		u.opened = 0
		u.main.poke()
		u.renew(p, l, revision+1, epoch, began)
		u.held, u.safe = false, 0
		u.main.poke()
	}
}

// change is made only to the revision that is expected.
func (l *lease) change(revision uint64, holder string, epoch uint64) error {
	if l.revision != revision {
		return errFenced
	}
	*l = lease{holder, epoch, revision + 1}
	return nil
}

// renew keeps the lease until it is lost or given back.
func (u *unit) renew(p *proc, l *lease, revision, epoch uint64, renewed time.Duration) {
	wait := leaseTimeout / 4
	for {
		// Who is halted holds no lease, also when it got it a moment after it was halted.
		idle := func() bool {
			return u.want.mode == halted && u.settled == u.version && !u.owning
		}
		p.until(func() bool { return u.giveUp || u.opened > epoch || idle() }, wait)
		if u.giveUp || idle() {
			_ = p.write(func() error { return l.change(revision, "", epoch) })
			return
		}
		epoch = max(epoch, u.opened)
		began := p.h.mono()
		switch err := p.write(func() error { return l.change(revision, u.h.name, epoch) }); {
		case err == nil:
			revision, renewed, wait = revision+1, began, leaseTimeout/4
			u.safe = began + leaseSafe
			u.reveal()
		case err == errFenced && l.holder == u.h.name:
			revision = l.revision // an earlier answer was lost
		case err == errFenced || p.h.mono()-renewed > 4*leaseTimeout:
			return
		default:
			wait = leaseTimeout / 16
		}
	}
}

// busy reports whether an error asks to try again later.
func busy(err error) bool { return fault.Is(err, fault.Busy) }
