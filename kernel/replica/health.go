package replica

import (
	"errors"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// health is what Status reports; a new one is stored at each change.
type health struct {
	Role core.Role
	// Epoch is that of the newest batch folded or appended.
	Epoch uint64
	// Err says why the replica is not ready, nil when it is.
	Err error
}

// Status returns the replica's role and epoch.
func (u *Unit) Status() (role core.Role, epoch uint64) {
	h := u.health.Load()
	return h.Role, h.Epoch
}

// Position returns how far into the journal this replica knows: the newest record
// that it has folded, or that it has appended and that is durable.
func (u *Unit) Position() journal.Position { return journal.Position(u.position.Load()) }

// refolding is what is said of the unit while its journal is folded again for a reason.
func (u *Unit) refolding(why error) error {
	if errors.Is(why, journal.ErrFull) {
		return fault.Wrap(fault.Unavailable, why, "%s can not be written: the disk has no room. It goes on by itself when there is room again.", u.o.Unit)
	}
	return fault.Wrap(fault.Unavailable, why, "%s is being folded again.", u.o.Unit)
}

// moved notes that core's tail has moved.
func (u *Unit) moved() { u.position.Store(uint64(u.core.Tail().Last)) }

// Ready returns nil while the replica has its place in the log, as a follower or
// as the owner. Otherwise the error says why not: it is still folding, the log can
// not be read, or it is damaged (kind Damaged), which ends the replica.
func (u *Unit) Ready() error { return u.health.Load().Err }

// note stores what the main loop knows of the replica's health.
func (u *Unit) note(err error) {
	old := u.health.Load()
	now := &health{Role: u.core.Role(), Epoch: u.core.Epoch(), Err: err}
	u.health.Store(now)
	if now.Role != old.Role || now.Epoch != old.Epoch {
		u.watch.Role(now.Role, now.Epoch)
	}
}

// fail ends the replica at damage: it says where, and stays not ready.
func (u *Unit) fail(d *journal.Damage) {
	if d.Stream == "" {
		d.Stream = u.o.Unit
	}
	u.log.Error("the journal is damaged; this replica stops", "position", uint64(d.At), "finding", string(d.Finding), "detail", d.Detail)
	u.note(fault.Wrap(fault.Damaged, d, "The journal of %s is damaged at position %d (%s); this replica has stopped.", u.o.Unit, d.At, d.Finding))
}

func (u *Unit) readFault(err error) error {
	if _, ok := errors.AsType[*journal.Damage](err); ok {
		return fault.Wrap(fault.Damaged, err, "Stored bytes of %s are damaged.", u.o.Unit)
	}
	if errors.Is(err, journal.ErrTrimmed) {
		return fault.Wrap(fault.PayloadMissing, err, "Stored bytes of %s are gone.", u.o.Unit)
	}
	return fault.Wrap(fault.Unavailable, err, "Stored bytes of %s could not be read.", u.o.Unit)
}

func (u *Unit) unavailable() error {
	if err := u.Ready(); err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "%s is stopped on this node.", u.o.Unit)
}
