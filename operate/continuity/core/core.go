// Package core decides what becomes of a continuity group: where it may be, who may
// take it, and what a node does next. It is pure: what it wants done it asks of Hands,
// one step at a time, and what it knows it is told. Package continuity has hands in the
// world, package simulation/locations under a seed; both run these very lines.
//
// The nouns: a *note* is where a location believes a group to stand, changed by compare
// and swap; a *step* is what a node does next, by its note and what it has heard; a
// *change* is what operators ask for: a switch, a promotion.
//
// Promises:
//
//  1. A node may end between any two calls of Hands, in one included: the note says what
//     is under way, and Next goes on from it or gives it up.
//  2. A term has one holder. The two locations number theirs differently (odd, even), so
//     that they never come to the same number, with voters or without.
//  3. A term that was perhaps passed on is not used again here. A group goes on where it
//     was only in a later term, or when the other location has noted that it declines.
//  4. What is known to be less than whole, to have parted, or to be undecided is not
//     promoted unless somebody says so who was told; what has parted is not at all.
//
// Shell procedures, which simulation models: halting the units and waiting for them,
// waiting for a copy, copying what is declared, and salvage.
package core

import (
	"weir/internal/groups"
	ballot "weir/kernel/ballot/core"
	"weir/kernel/journal/record"
	link "weir/kernel/link/core"
)

// Group is a group as it is declared, as far as it matters here, seen from one node.
type Group struct {
	Name         string
	Here, Peer   string // the two locations
	Node         string // this node
	First        string // the location that is the primary at first
	Voters       int    // 0: nobody votes
	Automatic    bool
	FailedProbes int // of the primary in a row, before it is given up
}

// Marks are where the journals of a group's units end, by unit.
type Marks map[string]record.Mark

// Copy is what this node knows of a unit of the group.
type Copy struct {
	Generation int
	State      link.Received   // of the link from the primary
	Position   record.Position // up to which it is folded
	Epoch      uint64          // the newest in the log
}

// Hands do what is to be done. A process may end in any of them, before or after it has
// had its effect. What they return is what is known, not what is so.
type Hands interface {
	// Change changes the note by compare and swap and returns what it is then. fn is
	// given the newest note, again when another node was faster, and says false when
	// there is nothing to change any more.
	Change(fn func(*Note) bool) (Note, error)
	// KeepGeneration notes, beside the note, in which generation a unit is opened.
	KeepGeneration(unit string, generation int) error
	// Begin begins a change; Did says that a step of it is done.
	Begin(c groups.Change) *groups.Change
	Did(c *groups.Change, step string)

	// Status asks the other location how it stands.
	Status() (groups.Status, error)
	// Ready has the other location wait until its copies end there; Take has it take the
	// group over; Decline has it promise never to take a term that it was passed.
	Ready(ends Marks) error
	Take(c groups.Change) error
	Decline(term uint64) error
	// Carry asks the node of the primary that owns a unit to record again what the copy
	// here lacks.
	Carry(unit string) error

	// Look asks the voters what they know, all of them or until that is enough; Acquire asks for a term, having looked whether
	// a majority would grant it; Pass gives the term behind one to the other location.
	// Each error names who refused or was silent.
	Look(enough func(ballot.Poll) bool) ballot.Poll
	Acquire(term uint64) (ballot.Poll, error)
	Pass(term uint64) error

	// Revoke ends what the units here may show; Halt ends all ownerships in this location
	// and says where the journals end; Serve waits until all units are owned here.
	Revoke()
	Halt(n Note) (Marks, error)
	Serve(n Note) error
	// Ends are where the journals end now, as far as they can be read; Copies what is
	// known of the units; Whole reports whether a log has everything that its unit
	// refers to; Loss is what a promotion is expected to lose.
	Ends() Marks
	Copies() map[string]Copy
	Whole(unit string) (bool, error)
	Loss() *groups.Loss
}

// NextTerm is the first term behind others that this location may ask for.
func (g Group) NextTerm(behind ...uint64) uint64 {
	var term uint64
	for _, t := range behind {
		term = max(term, t)
	}
	term++
	if odd := g.Here == g.First; odd != (term%2 == 1) {
		term++
	}
	return term
}

// TermOf is the term that an epoch is of; 0: of none, the unit was in no group then.
func TermOf(epoch uint64) uint64 { return epoch >> termShift }

// termShift is how far a term stands to the left in an epoch: each has room for as many
// ownerships as there are below.
const termShift = 32
