package core

import (
	"maps"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// Phases of a note: what is under way.
const (
	None     = ""
	HandOver = "handing-over" // a planned switch away from here, that can be undone
	Passing  = "passing"      // one that the other location may have taken by now
	Parted   = "parted"       // the histories have parted: the log here waits for a decision
)

// Note is where a group stands in a location.
type Note struct {
	Term   uint64          `json:"term"`
	Holder string          `json:"holder"`
	Phase  string          `json:"phase,omitempty"`
	To     string          `json:"to,omitempty"` // of a hand-over
	By     string          `json:"by,omitempty"` // the node that is at it
	Units  map[string]Unit `json:"units"`
	Last   *groups.Change  `json:"last,omitempty"`
	// Began are about where the journals ended here when this location took the term: what
	// a former primary has behind them is its own.
	Began Marks `json:"began,omitempty"`
	// Declined is the newest term that this location promised not to take.
	Declined uint64 `json:"declined,omitempty"`
	// Tails are what this location had alone and has not decided about; it follows meanwhile.
	Tails map[string]Tail `json:"tails,omitempty"`
	// Isolated is until when an operator keeps the group away from the other location.
	Isolated time.Time `json:"isolated,omitzero"`

	Revision uint64 `json:"-"` // 0: there is none yet
}

// Unit is one unit's part of it.
type Unit struct {
	Generation int `json:"generation"`
	// Caught: this generation was complete once, here or as the primary's. Until then the
	// bound on the lag says nothing about it, and it is not promoted unless told so.
	Caught bool `json:"caught,omitempty"`
	// Own: generation 0 is of this group. In a location that was secondary at first it is
	// what a unit of that name had before.
	Own bool `json:"own,omitempty"`
}

// renewed is the unit in a later generation, which is not complete.
func (u Unit) renewed(generation int) Unit { return Unit{Generation: generation, Own: u.Own} }

// Tail is where what a location had alone lies: in an old generation, behind where the
// histories parted.
type Tail struct {
	Generation int         `json:"generation"`
	After      record.Mark `json:"after"`
}

// Generation is that of the journal of a unit.
func (n Note) Generation(unit string) int { return n.Units[unit].Generation }

// Clone is a note of its own, to be changed.
func (n Note) Clone() Note {
	n.Units, n.Began, n.Tails = maps.Clone(n.Units), maps.Clone(n.Began), maps.Clone(n.Tails)
	return n
}

// held says whether a location holds the group in a term, here.
func (n Note) held(by string, term uint64) bool { return n.Holder == by && n.Term == term }

// rests takes what was under way for over.
func (n *Note) rests() { n.Phase, n.To, n.By = None, "", "" }

// caughtUp names a unit whose copy was never complete; empty: all were.
func (n Note) uncaught() string {
	for unit, u := range n.Units {
		if !u.Caught {
			return unit
		}
	}
	return ""
}

// learns is a change of the note: another location holds a later term.
func learns(term uint64, holder string) func(*Note) bool {
	return func(n *Note) bool {
		if n.Term >= term {
			return false
		}
		n.Term, n.Holder = term, holder
		n.rests()
		return true
	}
}

// takes is a change of the note: the group is here, in a later term, with the journals
// that it had when that was decided. began is about where they end now.
func takes(g Group, was Note, term uint64, c *groups.Change, began Marks) func(*Note) bool {
	return func(n *Note) bool {
		if n.Term >= term || n.Declined >= term || n.Phase == Parted {
			return false
		}
		for unit, u := range n.Units {
			if u.Generation != was.Generation(unit) {
				return false
			}
		}
		n.Term, n.Holder, n.Last, n.Began = term, g.Here, c, began
		n.rests()
		for unit, u := range n.Units {
			u.Caught = true
			n.Units[unit] = u
		}
		return true
	}
}

// stays is a change of the note: the group is here and goes on, in a term from on the one
// that it had.
func stays(was Note, term uint64) func(*Note) bool {
	return func(n *Note) bool {
		if !n.held(was.Holder, was.Term) || n.Phase != was.Phase {
			return false
		}
		n.Term = term
		n.rests()
		return true
	}
}

// Renew makes a seed that was kept the unit's journal, in a generation of its own. It is
// refused when the group has moved since the seed began to come: what a primary has is no
// copy, and is not put away for one.
func Renew(h Hands, g Group, was Note, unit string, generation int) error {
	n, err := h.Change(func(n *Note) bool {
		if n.Holder == g.Here || !n.held(was.Holder, was.Term) || n.Phase != None || n.Units[unit] != was.Units[unit] {
			return false
		}
		n.Units[unit] = n.Units[unit].renewed(generation)
		return true
	})
	if err != nil {
		return err
	}
	if n.Generation(unit) != generation {
		return fault.New(fault.Conflict, "The group %s is in %s in term %d now, %s is in generation %d: a seed that came for generation %d is not used.", g.Name, n.Holder, n.Term, unit, n.Generation(unit), generation)
	}
	h.Did(nil, "begin with a seed")
	return h.KeepGeneration(unit, generation)
}

// Spent are the generations of a unit's journal that nobody needs any more, of those that
// are there: everything in them is decided about, the present one is complete, and so many
// older ones are kept.
func (n Note) Spent(unit string, there []int, keep int) (spent []int) {
	u, in := n.Units[unit]
	if !in || n.Revision == 0 || n.Phase != None || len(n.Tails) > 0 || !u.Caught {
		return nil
	}
	for _, generation := range there {
		if generation < u.Generation-keep && (generation > 0 || u.Own) {
			spent = append(spent, generation)
		}
	}
	return spent
}

// Decline is a change of the note: this location promises not to take a term that it was
// passed. It says false also when it has taken it: see who holds it then.
func Decline(term uint64) func(*Note) bool {
	return func(n *Note) bool {
		if n.Term >= term || n.Declined >= term {
			return false
		}
		n.Declined = term
		return true
	}
}

// CopyAgain lets a location follow on a new copy after its log has parted. What it had
// alone stays in the old generations; tails says where, while that is to be decided about.
func CopyAgain(h Hands, n Note, tails map[string]Tail) error {
	if n.Phase != Parted {
		return nil // it was done before
	}
	_, err := h.Change(func(now *Note) bool {
		if now.Phase != Parted {
			return false
		}
		now.Tails = tails
		now.rests()
		for unit, u := range now.Units {
			now.Units[unit] = u.renewed(n.Generation(unit) + 1)
		}
		return true
	})
	if err != nil {
		return err
	}
	h.Did(nil, "begin a new copy")
	for unit := range inOrder(n.Units) {
		if err := h.KeepGeneration(unit, n.Generation(unit)+1); err != nil {
			return err
		}
	}
	return nil
}
