package locations

import (
	"errors"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
	continuity "weir/operate/continuity/core"
)

// Modes of a standing, as in package replica.
const (
	primary   = "primary"
	secondary = "secondary"
	halted    = "halted"
)

// standing is what a unit is to do in its location.
type standing struct {
	mode         string
	floor, below uint64
}

// unit is a unit on one process: the replica's core, and what package replica does
// around it.
type unit struct {
	h          *host
	name       string
	generation int
	shelf      *shelf
	machine    *machine
	core       *core.Replica
	permit     permit
	send       *sending
	recv       *receiving

	want    standing
	version int // of want
	settled int // the version that is in force
	quit    bool
	main    *proc
	leaser  *proc
	ended   bool

	warm, placed bool
	held, giveUp bool          // the lease
	leaseFloor   uint64        // the epoch written into it
	opened       uint64        // the epoch opened under it
	safe         time.Duration // until when the lease is safe
	flying       int           // appends under way
	lane         lane

	epochs  uint64 // counts ownerships here
	owning  bool   // it decides
	taking  bool   // it takes work
	why     error  // an append failed
	durable record.Position
	reveals []reveals
	showing record.Position // what is being revealed rests on it
	due     bool            // a look at the reveals is planned
	bounds  core.Bounds
	saving  bool
	newest  record.Position // newest snapshot
	waking  time.Time
	onLost  []func()
}

// reveals are those of one batch, and what must be in the other location before.
type reveals struct {
	fns []func()
	at  record.Position
}

// permit says until when the location may show what it decides.
type permit struct {
	always, revoked bool
	until           time.Duration
}

func newUnit(h *host, name string) *unit {
	generation := h.site.generations[name]
	if h.site.note.Revision != 0 {
		generation = h.site.note.Generation(name)
	}
	u := &unit{h: h, name: name, generation: generation, shelf: h.site.shelf(name, generation), want: standing{mode: halted}, version: 1}
	u.machine = newMachine(u)
	u.core = core.New(u.machine, h.name)
	u.send, u.recv = newSending(u), newReceiving(u)
	life := h.life
	u.shelf.bells = append(u.shelf.bells, func() {
		if h.alive && h.life == life && !u.ended {
			if u.main != nil {
				u.main.poke()
			}
			u.send.pump()
		}
	})
	u.main = h.spawn("unit", u.run)
	u.leaser = h.spawn("leaser", u.contend)
	return u
}

// stand changes what the unit is to do.
func (u *unit) stand(s standing) {
	if u.want != s {
		u.want = s
		u.version++
		u.h.w.Say("%s/%s is to be %s, floor %x", u.h.name, u.name, s.mode, s.floor)
		u.poke()
	}
}

func (u *unit) poke() {
	u.main.poke()
	u.leaser.poke()
}

// run is the unit's main loop.
func (u *unit) run(p *proc) {
	for !u.quit {
		s, version := u.want, u.version
		p.until(func() bool { return u.flying == 0 }, forever)
		if s.mode == halted && u.held {
			u.giveUp = true
			u.leaser.poke()
			p.until(func() bool { return !u.held }, forever)
		}
		if u.version == version {
			u.settled = version
		}
		if err := u.life(p, s, func() bool { return u.version != version || u.quit }); err != nil {
			if errors.Is(err, errTrimmed) {
				u.placed = false
			}
			p.sleep(u.h.w.Between(20*time.Millisecond, 200*time.Millisecond))
		}
	}
	if u.giveUp = true; u.held {
		u.leaser.poke()
		p.until(func() bool { return !u.held }, 2*leaseTimeout)
	}
	u.ended = true
}

// life goes to the end of the next ownership or of the standing.
func (u *unit) life(p *proc, s standing, changed func() bool) error {
	if !u.placed {
		p.sleep(u.h.w.Between(time.Millisecond, 20*time.Millisecond))
		if err := u.restore(); err != nil {
			return err
		}
	}
	if _, err := u.fold(); err != nil {
		return err
	}
	if !u.warm {
		u.warm = true
		u.leaser.poke()
	}
	if err := u.follow(p, func() bool { return changed() || u.held && s.mode != halted }); err != nil || changed() {
		return err
	}
	if s.mode == secondary {
		return u.copyWhile(p, func() bool { return changed() || !u.held })
	}
	if n := u.h.site.note; !u.h.w.rules.OpensUnasked && (n.Holder != u.h.site.name || n.Phase != continuity.None) {
		// The lease is here because another node gives the group up; this one is to hear
		// of it soon.
		u.giveUp = true
		u.leaser.poke()
		p.until(func() bool { return changed() }, stepEvery)
		return nil
	}
	if err := u.takeOver(p, s, changed); err != nil || u.core.Role() != core.Owner {
		return err
	}
	u.own(p, changed)
	return nil
}

func (u *unit) restore() error {
	u.bounds = core.Bounds{}
	u.newest = 0
	if n := len(u.shelf.snaps); n == 0 {
		u.core.Forget()
	} else {
		s := u.shelf.snaps[n-1]
		if err := u.core.Restore(s.at, s.data); err != nil {
			u.h.w.judge.violation("%s/%s: the %s can not be restored: %v", u.h.name, u.name, s, err)
			return err
		}
		u.bounds.Restored(s.at)
		u.newest = s.at.Last
	}
	u.placed = true
	return nil
}

// fold takes all that the log has.
func (u *unit) fold() (record.Tail, error) {
	end, err := u.shelf.replay(u.core.Tail(), 1<<30, u.core.Folded)
	if err != nil && !errors.Is(err, errTrimmed) {
		u.h.w.judge.violation("%s/%s can not fold: %v", u.h.name, u.name, err)
	}
	return end, err
}

// follow folds what is appended until something is so.
func (u *unit) follow(p *proc, until func() bool) error {
	for {
		if _, err := u.fold(); err != nil {
			return err
		}
		if until() {
			return nil
		}
		p.pause()
	}
}

// copyWhile copies from the other location and folds the copy; snapshots are saved and
// the log is trimmed here as an owner does.
func (u *unit) copyWhile(p *proc, until func() bool) error {
	copier := u.h.spawn("copy", u.recv.run)
	var err error
	for err == nil && !until() {
		if _, err = u.fold(); err == nil && u.core.SnapshotDue(snapshotEvery) {
			at, data := u.core.Snapshot(nil)
			u.keep(snapshot{at: at, data: data, sums: u.shelf.sums[:at.Last:at.Last], chained: u.shelf.chained[:at.Last:at.Last]}, u.horizon(at.Last+1))
		}
		if err == nil && !until() {
			p.pause()
		}
	}
	u.recv.stop()
	p.until(func() bool { return copier.done }, forever)
	return err
}

// takeOver folds to the end and opens an epoch there.
func (u *unit) takeOver(p *proc, s standing, changed func() bool) error {
	u.core.LeaseGranted(max(u.leaseFloor, s.floor))
	for {
		end, err := u.fold()
		if err == nil && s.below > 0 && u.core.Epoch() >= s.below {
			err = errLater
		}
		if err != nil {
			u.core.LeaseLost()
			return err
		}
		u.core.Open(end, u.h.wall())
		a := u.core.Ready().Append
		answered := false
		u.submit(a, func(outcome error) { answered, err = true, outcome })
		p.until(func() bool { return answered || changed() || !u.held }, forever)
		switch {
		case !answered:
			u.core.LeaseLost() // what becomes of the batch is awaited before the next standing
			return nil
		case err == nil:
			u.core.Appended(a.ID)
			u.core.Ready() // says that the epoch is gained, which is known
			return nil
		}
		u.core.AppendFailed(a.ID, err)
		if !errors.Is(err, errFenced) || changed() || !u.held {
			u.core.LeaseLost()
			return err
		}
	}
}

var errLater = errors.New("the log has epochs of a later term than this location")

// submit gives a batch to the log.
func (u *unit) submit(a *core.Append, told func(error)) {
	recs, next := record.Split(a.After, a.Epoch, u.h.wall(), a.Data)
	u.core.Submitted(a.ID, next)
	after := a.After.Last
	u.flying++
	u.h.site.disk.write(u.h, &u.lane, func() error { return u.shelf.store(after, recs, false) }, func(err error) {
		u.flying--
		told(err)
		u.main.poke()
	})
}

// whole reports whether the log has everything that the unit refers to.
func (u *unit) whole() bool {
	oldest := u.machine.Horizon()
	return oldest == 0 || oldest >= u.shelf.first || u.h.w.rules.BareSeeds
}

// carryBehind has the owner record again what lies up to a position.
func (u *unit) carryBehind(at record.Position) {
	u.do(func(t *core.Turn) { u.machine.carry(t, at+1) })
}
