package core

import (
	"iter"
	"maps"
	"slices"
)

// Stands of a unit, as package replica has them.
const (
	Primary = iota
	Secondary
	Halted
)

// Permits are what becomes of what a unit may show.
const (
	Leave  = iota // it is for the voters to say
	Revoke        // it shows nothing
	Lift          // nobody is to be asked
)

// Orders are what the units on a node are told.
type Orders struct {
	Stand  int
	Floor  uint64 // the lowest epoch that may be opened
	Below  uint64 // what all epochs of the log must be below, so that one may be opened; 0: any
	Permit int
	Keep   uint64 // the term to keep with the voters; 0: none
	// Linked: the other location is served, by the terms that were declared. Then they
	// are told first, for without terms nothing is waited for; else they are taken away
	// last, when nothing is shown any more.
	Linked bool
}

// Stand says what the units are to be. adrift: no majority was heard of for so long that
// clients should not wait here.
func Stand(g Group, n Note, adrift bool) Orders {
	o := Orders{Stand: Secondary, Permit: Revoke}
	switch here := n.Holder == g.Here; {
	case here:
		// The link goes on through a hand-over too: the last records must arrive, and what
		// was accepted is still to be shown.
		o = Orders{Stand: Halted, Keep: n.Term, Linked: true}
		if g.Voters == 0 {
			o.Permit = Lift
		}
		if adrift {
			o.Permit = Revoke
		} else if n.Phase == None {
			o.Stand = Primary
		}
	case n.Phase == Parted, n.Term == 0:
		o.Stand = Halted
	}
	if o.Stand == Primary && n.Term > 1 {
		o.Floor, o.Below = n.Term<<termShift, (n.Term+1)<<termShift
	}
	return o
}

// inOrder goes through units by name, so that the same happens every time.
func inOrder[V any](units map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, unit := range slices.Sorted(maps.Keys(units)) {
			if !yield(unit, units[unit]) {
				return
			}
		}
	}
}
