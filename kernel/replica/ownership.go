package replica

import (
	"context"
	"sync"

	"weir/kernel/fault"
	"weir/kernel/journal"
)

// ElsewhereNode stands for the owner's node where another location owns the unit.
const ElsewhereNode = "(another location)"

// Ownership says who decides for a unit, as far as this node knows.
type Ownership struct {
	// Self: this replica does, and takes work.
	Self bool
	// Node and Address are the owner's, empty when nobody is known to own. An owner
	// that has died stays here until another has taken over.
	Node, Address string
	// Epoch numbers the ownerships.
	Epoch uint64
}

// tenure is one ownership of this replica.
type tenure struct {
	epoch uint64
	lost  chan struct{} // closed when it ends
}

// ownerBoard is where everybody reads who owns.
type ownerBoard struct {
	mu       sync.Mutex
	node     string
	standing Standing
	lease    journal.Lease
	tenure   *tenure
	changed  chan struct{}
}

// closed is a channel that is always ready: what has ended, what need not wait.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func newOwnerBoard(node string, s Standing) *ownerBoard {
	return &ownerBoard{node: node, standing: s, changed: make(chan struct{})}
}

func (b *ownerBoard) stand(s Standing) {
	b.update(func() { b.standing = s })
}

func (b *ownerBoard) saw(l journal.Lease) {
	b.update(func() { b.lease = l })
}

func (b *ownerBoard) own(t *tenure) {
	b.update(func() { b.tenure = t })
}

// update changes the board and wakes those who wait for a change, if it is one
// that they can see.
func (b *ownerBoard) update(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.read()
	change()
	if b.read() != before {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// read tells what the board says; the caller holds the lock.
func (b *ownerBoard) read() Ownership {
	switch {
	case b.tenure != nil:
		return Ownership{Self: true, Node: b.lease.Node, Address: b.lease.Address, Epoch: b.tenure.epoch}
	case b.standing.Mode == Primary:
		return Ownership{Node: b.lease.Node, Address: b.lease.Address, Epoch: b.lease.Epoch}
	case b.standing.Elsewhere != "":
		return Ownership{Node: ElsewhereNode, Address: b.standing.Elsewhere}
	}
	return Ownership{}
}

func (b *ownerBoard) look() (Ownership, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(), b.changed
}

// Ownership says who decides for the unit, as far as this node knows.
func (u *Unit) Ownership() Ownership {
	o, _ := u.board.look()
	return o
}

// Watch returns the present ownership and a channel that closes when it changes.
func (u *Unit) Watch() (Ownership, <-chan struct{}) { return u.board.look() }

// WaitOwner waits until somebody is known to own the unit: this replica, or
// another node. It fails with Unavailable when ctx ends before.
func (u *Unit) WaitOwner(ctx context.Context) (Ownership, error) {
	for {
		o, changed := u.board.look()
		if o.Self || o.Node != "" && o.Node != u.o.Node {
			return o, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return o, fault.Wrap(fault.Unavailable, ctx.Err(), "No node has taken over %s yet.", u.o.Unit)
		case <-u.finished:
			return o, u.unavailable()
		}
	}
}

// Lost returns a channel that is closed when this replica's present ownership
// ends. It is closed already when the replica does not own.
func (u *Unit) Lost() <-chan struct{} {
	u.board.mu.Lock()
	defer u.board.mu.Unlock()
	if u.board.tenure == nil {
		return closed
	}
	return u.board.tenure.lost
}
