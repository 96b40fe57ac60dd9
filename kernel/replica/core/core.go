// Package core is one replica of one unit as a pure state machine: which role it
// plays, what it may append, and what it may reveal.
//
// It starts nothing, opens nothing and reads no clock. Its driver (package
// replica, or a simulation) calls a method for everything that happens and then
// does what Ready says. One goroutine at a time may use a Replica.
//
// The life of a replica: it restores a snapshot and folds batches (Follower).
// With the lease it goes on folding to the end of the log (Candidate) and appends
// an opening batch that expects exactly the tail it has folded. When that batch
// is durable it decides (Owner): turns record facts, facts gather in the open
// batch, batches are appended, and what a turn wanted to reveal is revealed when
// its batch is durable. One failed append ends the ownership.
//
// Promises:
//
//  1. Reveal after durable: a reveal is handed out only when everything recorded
//     before it in its ownership is known to be durable, and reveals are handed
//     out in the order in which turns asked for them.
//  2. All facts of a turn are in one batch: they become durable together or not
//     at all.
//  3. Nothing is revealed and no turn runs before the replica's own opening batch
//     is durable: at that moment it has folded all there is, and every earlier
//     owner's next append is fenced.
//  4. After an append failed or its outcome is unknown, or the lease is lost,
//     nothing more is appended or revealed for that ownership. The machine is
//     reset, and the replica starts from a snapshot again.
//  5. Time never runs backwards: Turn.Now and the stamps of batches never decrease,
//     over owners too, even when clocks do. A clock that is behind is caught up
//     with at half its pace, so one wrong clock does not stop time for ever.
//  6. A batch that can not be folded stops the replica at that place (Broken). It
//     never folds on.
//  7. Facts of an owner are folded by the one who records them, at once; core folds
//     only what comes from the log. Each replica so folds every fact once.
//
// Refuses: to know what a fact means, to retry, to choose who may own.
package core

import (
	"time"

	"weir/kernel/journal/record"
)

// Machine is a pure fold: the state of a unit. Core calls it from its driver's
// goroutine only.
type Machine interface {
	// Apply folds one fact that lies at ref. It never refuses: an error means
	// damage, or a fact newer than this program. fact belongs to the caller.
	Apply(ref record.Ref, fact []byte) error
	// Snapshot appends the whole state to dst and returns it.
	Snapshot(dst []byte) []byte
	// Restore replaces the state by one that Snapshot wrote. It may keep data.
	Restore(data []byte) error
	// Reset goes back to the empty state and forgets whatever only the owner had.
	Reset()
}

// Role is what a replica does at the moment.
type Role uint8

const (
	// Follower folds what others append.
	Follower Role = iota
	// Candidate has the lease and folds to the end; its opening batch may be under way.
	Candidate
	// Owner decides.
	Owner
	// Broken has met damage and does nothing more.
	Broken
)

// String names the role.
func (r Role) String() string {
	return [...]string{"follower", "candidate", "owner", "broken"}[r]
}

// Group commit, and what bounds it.
const (
	// eagerBytes is the size from which an open batch does not wait for the one in
	// flight.
	eagerBytes = 256 << 10
	// inFlightMax bounds the batches under way.
	inFlightMax = 4
	// gatherBytesMax is the size at which an open batch that can not leave takes no
	// further turn.
	gatherBytesMax = 4 << 20
	// TurnBytesMax is what one turn may always record; Turn.Room tells how much more
	// fits.
	TurnBytesMax = record.BatchBytesMax - gatherBytesMax - 1<<20
)

// Replica is one replica of one unit.
type Replica struct {
	machine Machine
	node    string

	role  Role
	epoch uint64      // of the newest batch folded or appended
	floor uint64      // least epoch the lease allows to open
	tail  record.Tail // behind the newest batch that is folded or durable
	next  record.Tail // behind the newest batch submitted
	clock clock

	turn    Turn
	open    batch
	sealing bool // the open batch leaves with the next Ready
	kept    bool // the open batch stays until there are more turns, or Keep is called
	flight  []*flight
	ids     uint64
	spare   []byte // memory of a batch the log has copied, for the next one

	logged   int // bytes of log since the newest snapshot point
	snapshot int // bytes of the newest snapshot

	ready Ready
}

// New returns an empty follower. node is the name it signs its ownerships with.
func New(m Machine, node string) *Replica {
	r := &Replica{machine: m, node: node}
	r.turn.r = r
	return r
}

// Role returns what the replica does.
func (r *Replica) Role() Role { return r.role }

// Epoch returns the epoch of the newest batch folded or appended.
func (r *Replica) Epoch() uint64 { return r.epoch }

// Tail returns the end of what is folded (Follower, Candidate) or durable
// (Owner): the place to follow from.
func (r *Replica) Tail() record.Tail { return r.tail }

// Next returns the end of what has been submitted.
func (r *Replica) Next() record.Tail { return r.next }

// Now returns the unit's time: that of its newest turn or batch.
func (r *Replica) Now() time.Time { return r.clock.time() }

// LeaseGranted makes a follower a candidate. The epoch it opens will be at least
// floor: a lease numbers its holders too, and readers compare the two.
func (r *Replica) LeaseGranted(floor uint64) {
	if r.role == Follower {
		r.role, r.floor = Candidate, floor
	}
}

// LeaseLost ends a candidacy or an ownership. A candidate keeps its state, for it
// has revealed nothing: should its opening batch be stored after all, it folds it.
func (r *Replica) LeaseLost() {
	switch r.role {
	case Owner:
		r.lose(LeaseEnded, nil)
	case Candidate:
		r.role = Follower
		r.unopen()
	}
}

// Resign ends an ownership that has nothing pending; the state stays, and the replica
// folds on.
func (r *Replica) Resign() {
	must(r.role == Owner && r.Idle(), "resign: not an owner, or something is pending")
	r.role = Follower
}

// Open makes a candidate that has folded all there is append its opening batch,
// which expects the log to end at end. end may be behind Tail by records that
// belong to no whole batch, never by batches.
func (r *Replica) Open(end record.Tail, now time.Time) {
	must(r.role == Candidate && len(r.flight) == 0, "open: not a candidate, or opening already")
	must(end.Last >= r.tail.Last && end.Batch == r.tail.Batch, "open: there are batches that were not folded")
	r.clock.read(now)
	r.next = end
	epoch := max(r.epoch+1, end.Epoch+1, r.floor)
	r.open.begin(epoch, nil)
	r.open.add([]byte(r.node))
	r.send(opening, epoch)
}

// unopen forgets an opening batch that failed, or that is still under way while
// the candidacy has ended. The state stays: if the batch is stored after all, the
// fold will meet it like anybody else's.
func (r *Replica) unopen() { r.flight, r.next = nil, r.tail }

// Forget drops all state without a loss: the follower's place in the log is
// gone, and it is about to restore a newer snapshot.
func (r *Replica) Forget() {
	must(r.role == Follower || r.role == Candidate && len(r.flight) == 0, "forget: the state is in use")
	r.drop()
}

func (r *Replica) drop() {
	r.machine.Reset()
	r.tail, r.next, r.epoch = record.Tail{}, record.Tail{}, 0
	r.open, r.flight, r.sealing, r.kept = batch{}, nil, false, false
	r.logged, r.snapshot = 0, 0
}

func must(ok bool, wrong string) {
	if !ok {
		panic("replica/core: " + wrong)
	}
}
