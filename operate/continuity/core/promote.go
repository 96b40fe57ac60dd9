package core

import (
	"fmt"

	"weir/internal/groups"
	ballot "weir/kernel/ballot/core"
	"weir/kernel/fault"
)

// Promote makes this location the primary without the other one. force: a person says that
// the other one does not serve, and what would be lost is lost.
func Promote(h Hands, g Group, n Note, kind string, force bool) (groups.Change, error) {
	if err := mayPromote(h, g, n, force); err != nil {
		return groups.Change{}, err
	}
	c := h.Begin(groups.Change{Kind: kind, From: n.Holder, To: g.Here, ExpectedLoss: h.Loss()})
	behind := max(n.Term, n.Declined, seen(h.Copies()))
	c.Term = g.NextTerm(behind)
	switch {
	case g.Voters == 0 && !force:
		return groups.Change{}, fault.New(fault.Conflict, "The group %s has no witness: nobody can say whether %s still serves. If you know that it does not, say so (--force).", g.Name, n.Holder)
	case g.Voters > 0:
		look := h.Look(func(p ballot.Poll) bool { // a voter that died with the primary is not waited for
			newest, _, _ := p.Newest()
			return p.Willing(g.NextTerm(behind, newest)) >= p.Majority()
		})
		h.Did(nil, "look at the voters")
		newest, holder, _ := look.Newest()
		if c.Term = g.NextTerm(behind, newest); holder == g.Here && newest > behind {
			c.Term = newest // another node of this location is at it, or it was passed on: one term does
		}
		if _, err := h.Acquire(c.Term); err != nil && !force {
			return groups.Change{}, fault.Wrap(fault.Conflict, err, "No majority of the voters lets %s have the group %s: %s.", g.Here, g.Name, err)
		}
	}
	h.Did(c, "win the vote")
	n, err := take(h, g, n, c.Term, c, h.Ends())
	if err != nil {
		return groups.Change{}, err
	}
	h.Did(nil, "note the promotion")
	if err := h.Serve(n); err != nil {
		return groups.Change{}, err
	}
	h.Did(c, "take over")
	_, err = h.Change(func(now *Note) bool {
		if !now.held(g.Here, c.Term) {
			return false
		}
		now.Last = c
		return true
	})
	return *c, err
}

// mayPromote says by name why this location should not be promoted.
func mayPromote(h Hands, g Group, n Note, force bool) error {
	if n.Revision == 0 {
		return fault.New(fault.Conflict, "The group %s is not set up in %s yet: it has no note of which units there are.", g.Name, g.Here)
	}
	if n.Phase == Parted || n.Holder != g.Here && parted(n, h.Copies()) != "" {
		return fault.New(fault.Conflict, "The log here has parted from the one of %s: promoting it would bring back what is over. Let it rejoin.", n.Holder)
	}
	if force || n.Holder == g.Here {
		return nil
	}
	if len(n.Tails) > 0 {
		return fault.New(fault.Conflict, "%s has messages or settlements from before it followed %s that nobody has decided about (\"weir salvage\"). If it is to be promoted all the same, say so (--force): they stay in the old journals, and \"weir salvage\" brings them back here afterwards.", g.Here, n.Holder)
	}
	if unit := n.uncaught(); unit != "" {
		return fault.New(fault.Conflict, "The copy of %s here was never complete: promoting it would lose what had not come yet. If the other location is gone for good, say so (--force).", unit)
	}
	for unit := range inOrder(n.Units) {
		if _, open := h.Copies()[unit]; !open {
			continue
		}
		if whole, err := h.Whole(unit); err != nil || !whole {
			return fault.New(fault.Conflict, "The copy of %s here began with a snapshot and lacks messages from before it: promoting it would lose them. If the other location is gone for good, say so (--force).", unit)
		}
	}
	return nil
}

// MayTakeOver says why this location does not take over by itself.
func MayTakeOver(n Note) error {
	if unit := n.uncaught(); unit != "" {
		return fmt.Errorf("its copy of %s was never complete; \"weir failover\" says what would be lost", unit)
	}
	return nil
}

// claim takes a term that the primary has passed on to here, when its own call to do so
// was lost.
func claim(h Hands, g Group, n Note, term uint64) error {
	if n.uncaught() != "" || n.Phase != None {
		return nil // it was not passed on: that waits for the copies
	}
	if n.Declined >= term {
		return nil
	}
	h.Did(nil, "claim a term")
	if g.Voters > 0 {
		p, err := h.Acquire(term)
		if newest, _, _ := p.Newest(); err != nil && newest > term {
			// Somebody has asked for a later one in vain. Whoever had the group has given it
			// up for this location: it may have any term that the voters grant.
			term = g.NextTerm(n.Term, newest)
			_, err = h.Acquire(term)
		}
		if err != nil {
			return fmt.Errorf("claim term %d: %w", term, err)
		}
	}
	h.Did(nil, "win a term that is claimed")
	c := h.Begin(groups.Change{Kind: "switch", From: g.Peer, To: g.Here, Term: term})
	_, err := take(h, g, n, term, c, h.Ends())
	return err
}
