package core

import (
	"weir/internal/groups"
	ballot "weir/kernel/ballot/core"
)

// View is what a node knows when it asks what to do next.
type View struct {
	Note   Note
	Copies map[string]Copy
	// Asked: the other location was asked just now. Said is what it answered; nil: it did
	// not, Failed times in a row.
	Asked  bool
	Said   *groups.Status
	Failed int
	// Doubt is a later term that some voter knows of, while no majority grants the one
	// that is held here; 0: there is none.
	Doubt uint64
	// Idle: this node is not at a change of the group. Late: what the note says is under
	// way has been so for longer than that takes.
	Idle, Late bool
}

// Step is what a node does next.
type Step struct {
	Do     Doing
	Term   uint64
	Holder string
	Unit   string
}

// Doing names a step.
type Doing string

// What there is to do.
const (
	Nothing  Doing = ""
	Bear     Doing = "write the first note"
	Yield    Doing = "give the group up"              // another location holds a later term
	Undo     Doing = "undo a switch"                  // that nobody is at any more
	CallOff  Doing = "call a switch off"              // likewise, and it may have been passed on
	Outbid   Doing = "keep the group in a later term" // than one that nobody has, and a voter knows
	Learn    Doing = "learn of a later term"
	Claim    Doing = "claim a term that was passed on"
	Part     Doing = "note that the histories have parted"
	TakeOver Doing = "take over"
	Copying  Doing = "copy what is declared"
)

// Next says what a node does next, by what it knows. Who has done it asks again, with
// what it knows then.
func Next(g Group, v View) Step {
	n := v.Note
	switch {
	case n.Revision == 0:
		return Step{Do: Bear}
	case n.Holder == g.Here:
		return nextHere(g, v)
	case !v.Asked:
		return Step{}
	case v.Said == nil:
		if g.Automatic && v.Idle && v.Failed >= g.FailedProbes && n.Term > 0 && n.Phase == None {
			return Step{Do: TakeOver}
		}
		return Step{}
	case v.Said.Holder == g.Here && v.Said.Term > n.Term:
		return Step{Do: Claim, Term: v.Said.Term}
	case v.Said.Holder != g.Peer || v.Said.Standing != groups.Primary:
		return Step{}
	case v.Said.Term > n.Term:
		return Step{Do: Learn, Term: v.Said.Term, Holder: v.Said.Holder}
	}
	if unit := parted(n, v.Copies); unit != "" && n.Phase == None {
		return Step{Do: Part, Unit: unit}
	}
	return Step{Do: Copying}
}

// nextHere is Next where the group is.
func nextHere(g Group, v View) Step {
	n := v.Note
	switch {
	case v.Said != nil && v.Said.Term > n.Term && v.Said.Holder == g.Peer:
		return Step{Do: Yield, Term: v.Said.Term, Holder: v.Said.Holder}
	case n.Phase != None && v.Idle && (n.By == g.Node || n.By == "" || v.Late):
		if n.Phase == HandOver {
			return Step{Do: Undo}
		}
		if v.Asked {
			return Step{Do: CallOff}
		}
	}
	later := max(v.Doubt, seen(v.Copies))
	if v.Said != nil && v.Said.Holder == g.Here {
		later = max(later, v.Said.Term) // which was won here and not noted
	}
	if later > n.Term && n.Phase == None && yields(g, n, v.Said) {
		return Step{Do: Outbid, Term: later}
	}
	return Step{}
}

// yields reports whether the other location said that it does not have the group, in a
// later term that is not its own at most.
func yields(g Group, n Note, said *groups.Status) bool {
	return said != nil && said.Standing != groups.Primary && (said.Term <= n.Term || said.Holder == g.Here)
}

// seen is the newest term of which a log here has epochs. It is later than the note's when
// a group of that name was here before.
func seen(copies map[string]Copy) (term uint64) {
	for _, c := range copies {
		term = max(term, TermOf(c.Epoch))
	}
	return term
}

// parted names a unit whose log here goes on elsewhere than the primary's, by the link's
// word about this very log in this very term; empty: none is known to.
func parted(n Note, copies map[string]Copy) string {
	for unit, c := range inOrder(copies) {
		if c.Generation == n.Generation(unit) && c.State.PrimaryTerm == n.Term && c.State.Refused == "fork" {
			return unit
		}
	}
	return ""
}

// Do does a step. TakeOver and Copying are for the shell: see Promote.
func Do(h Hands, g Group, v View, s Step) error {
	n := v.Note
	switch s.Do {
	case Yield:
		return GiveUp(h, s.Term, s.Holder)
	case Undo:
		_, err := h.Change(stays(n, n.Term))
		return err
	case CallOff:
		return callOff(h, g, n)
	case Outbid:
		return outbid(h, g, n, s.Term)
	case Learn:
		_, err := h.Change(learns(s.Term, s.Holder))
		return err
	case Claim:
		return claim(h, g, n, s.Term)
	case Part:
		_, err := h.Change(func(now *Note) bool {
			if now.Term != n.Term || now.Phase != None || now.Generation(s.Unit) != n.Generation(s.Unit) {
				return false
			}
			now.Phase = Parted
			return true
		})
		return err
	}
	return nil
}

// GiveUp leaves the group to another location that holds a later term. The error: that
// could not be noted, and is to be tried again.
func GiveUp(h Hands, term uint64, holder string) error {
	h.Revoke()
	h.Did(nil, "note that the group is lost")
	_, err := h.Change(learns(term, holder))
	return err
}

// Birth writes the first note: the location that the group was declared for asks for its
// first term; the other one waits for it.
func Birth(h Hands, g Group, units []string) error {
	n := Note{Holder: g.First, Units: map[string]Unit{}}
	if g.Here == g.First {
		var err error
		if n.Term, n.Holder, err = firstTerm(h, g); err != nil {
			return err
		}
	}
	for _, unit := range units {
		if n.Units[unit] = (Unit{Caught: true, Own: true}); n.Holder == g.Here {
			continue
		}
		n.Units[unit] = Unit{Generation: 1} // what a unit of that name had here is no copy
		if err := h.KeepGeneration(unit, 1); err != nil {
			return err
		}
	}
	if n.Term > 0 {
		n.Last = h.Begin(groups.Change{Kind: "birth", To: g.Here, Term: n.Term})
	}
	_, err := h.Change(func(now *Note) bool {
		if now.Revision != 0 {
			return false
		}
		*now = n.Clone()
		return true
	})
	return err
}

// firstTerm is the term that the first primary begins with; 0 of the other location, when
// that was promoted before there was anything here.
func firstTerm(h Hands, g Group) (term uint64, holder string, err error) {
	term = g.NextTerm(seen(h.Copies()))
	if g.Voters == 0 {
		if there, err := h.Status(); err == nil && there.Holder == g.Peer && there.Term > 1 {
			return 0, g.Peer, nil
		}
		return term, g.Here, nil
	}
	p, err := h.Acquire(term)
	if err == nil {
		return term, g.Here, nil
	}
	newest, has, know := p.Newest()
	switch {
	case newest < term:
	case has == g.Peer && know >= p.Majority():
		return 0, g.Peer, nil
	default: // a candidate lost, or a group of that name was here before
		term = g.NextTerm(newest)
		if _, err = h.Acquire(term); err == nil {
			return term, g.Here, nil
		}
	}
	return 0, "", err
}

// Settle marks copies that have come to the primary's end for the first time and are
// whole, and asks for what those lack that are not.
func Settle(h Hands, n Note) error {
	for unit, c := range inOrder(h.Copies()) {
		u, in := n.Units[unit]
		if !in || u.Caught || c.Generation != u.Generation || !atEnd(n, c) {
			continue
		}
		whole, err := h.Whole(unit)
		if err == nil && !whole {
			err = h.Carry(unit)
		} else if err == nil {
			_, err = h.Change(func(now *Note) bool {
				if now.Units[unit] != u {
					return false
				}
				now.Units[unit] = Unit{Generation: u.Generation, Caught: true, Own: u.Own}
				return true
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// atEnd reports whether a copy has all that the primary of this term had by its last
// word, also when that is gone since.
func atEnd(n Note, c Copy) bool {
	r := c.State
	return r.PrimaryTerm == n.Term && !r.LastHeard.IsZero() && r.Mark.At >= r.PrimaryEnd && r.PrimaryEnd > 0 && c.Position >= r.Mark.At
}

// Heard is what a round of voters means for who keeps a term.
type Heard struct {
	Extend bool // it may be relied on again
	Over   bool // a majority knows of a later one of the other location, this one:
	Term   uint64
	Holder string
	Doubt  uint64 // some voter knows of a later one, which no majority has; 0: none does
}

// Listen tells.
func Listen(term uint64, p ballot.Poll) Heard {
	if p.Won() { // then nobody can have a majority for a later term
		return Heard{Extend: true}
	}
	if later, holder, over := p.Beyond(term); over {
		return Heard{Over: true, Term: later, Holder: holder}
	}
	if newest, _, _ := p.Newest(); newest > term {
		return Heard{Doubt: newest}
	}
	return Heard{}
}
