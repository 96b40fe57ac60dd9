package core

import (
	"cmp"

	"weir/internal/groups"
	"weir/kernel/fault"
)

// Switch is the planned switch to the other location, on the primary. Until its passing
// on is noted a failure leaves the group here; after that it is called off by Next, or
// asked for again.
func Switch(h Hands, g Group, n Note) (groups.Change, error) {
	c := h.Begin(groups.Change{Kind: "switch", From: g.Here, To: g.Peer, Term: n.Term + 1})
	if err := maySwitch(h, g, n); err != nil {
		return groups.Change{}, err
	}
	h.Did(c, "check")
	now, err := h.Change(func(now *Note) bool {
		if !now.held(g.Here, n.Term) || now.Phase == Parted {
			return false
		}
		if now.Phase == None {
			now.Phase = HandOver
		}
		now.To, now.By = g.Peer, g.Node
		return true
	})
	if err != nil {
		return groups.Change{}, err
	}
	if !now.held(g.Here, n.Term) || now.Phase != HandOver && now.Phase != Passing {
		return groups.Change{}, fault.New(fault.Conflict, "The group %s is in %s in term %d now: see where it is before it is moved.", g.Name, now.Holder, now.Term)
	}
	h.Did(nil, "note the switch")
	undo := func(err error) (groups.Change, error) {
		if now.Phase == HandOver {
			_, _ = h.Change(stays(now, now.Term)) // else Next does it
		}
		return groups.Change{}, err
	}
	ends, err := h.Halt(now)
	if err != nil {
		return undo(err)
	}
	h.Did(c, "stop taking work")
	if err := h.Ready(ends); err != nil {
		return undo(err)
	}
	h.Did(c, "wait for the last records")
	// From here on the other location may have the next term at any time: what is under
	// way to it or to a voter arrives when it likes. Nothing brings the old term back.
	passing, err := h.Change(func(now *Note) bool {
		if !now.held(g.Here, n.Term) || now.Phase != HandOver || now.By != g.Node {
			return false
		}
		now.Phase = Passing
		return true
	})
	if err != nil {
		return undo(err)
	}
	if !passing.held(g.Here, n.Term) || passing.Phase != Passing {
		return groups.Change{}, fault.New(fault.Conflict, "The switch of the group %s took so long that it was undone.", g.Name)
	}
	h.Did(nil, "note that it is passed on")
	if g.Voters > 0 {
		if err := h.Pass(n.Term); err != nil {
			return groups.Change{}, fault.Wrap(fault.Unavailable, err, "It is not known whether the term was passed on to %s: %s. The group goes on here when a majority of the voters says that it was not.", g.Peer, err)
		}
	}
	h.Did(c, "pass the term on")
	if err := h.Take(*c); err != nil {
		if g.Voters == 0 {
			return groups.Change{}, fault.Wrap(fault.Unavailable, err, "%s was told to take over and did not say that it has. The group goes on here when it promises that it will not; if it is gone, promote this location again (\"weir failover --force\").", g.Peer)
		}
		return groups.Change{}, fault.Wrap(fault.Unavailable, err, "The term was passed on to %s, and it did not say that it took it; it does so by itself as soon as it can.", g.Peer)
	}
	h.Did(c, "take over")
	_, err = h.Change(func(now *Note) bool {
		if now.Term > n.Term {
			return false
		}
		now.Term, now.Holder, now.Last = c.Term, g.Peer, c
		now.rests()
		return true
	})
	return *c, err
}

// maySwitch says why a switch would not succeed.
func maySwitch(h Hands, g Group, n Note) error {
	if n.Phase == Parted {
		return fault.New(fault.Conflict, "The group %s is %s; that comes first.", g.Name, n.Phase)
	}
	open := h.Copies()
	for unit := range inOrder(n.Units) {
		if _, ok := open[unit]; !ok {
			return fault.New(fault.Unavailable, "%s is not open here.", unit)
		}
	}
	there, err := h.Status()
	if err != nil {
		return err
	}
	if there.Standing != groups.Secondary || there.Term != n.Term {
		return fault.New(fault.Conflict, "%s is %s in term %d, not a secondary in term %d; it can not take over in order.", g.Peer, there.Standing, there.Term, n.Term)
	}
	for _, u := range there.Units {
		switch {
		case !u.Connected:
			return fault.New(fault.Unavailable, "%s does not copy %s at the moment (%s).", g.Peer, u.Unit, u.Reason)
		case u.Partial:
			return fault.New(fault.Unavailable, "The copy of %s in %s began with a snapshot, and messages from before it are on their way there; try again in a moment.", u.Unit, g.Peer)
		}
	}
	return nil
}

// Complete says why a copy that ends where the original does can not be switched to: one
// that was whole when the switch began may have been begun anew. Of a copy that was not
// noted to be complete it can be told when it is folded so far.
func Complete(h Hands, n Note, unit string) error {
	if n.Units[unit].Caught {
		return nil
	}
	whole, err := h.Whole(unit)
	if err == nil && !whole {
		err = fault.New(fault.Unavailable, "The copy of %s began with a snapshot, and messages from before it are on their way; try again in a moment.", unit)
	}
	return err
}

// Taken makes this location the primary after a switch, and waits until it serves.
func Taken(h Hands, g Group, was Note, c groups.Change) error {
	if g.Voters > 0 {
		if _, err := h.Acquire(c.Term); err != nil {
			return err
		}
		h.Did(nil, "acquire a term that was passed on")
	}
	n, err := take(h, g, was, c.Term, &c, nil)
	if err != nil {
		return err
	}
	h.Did(nil, "note a term that was passed on")
	return h.Serve(n)
}

// take makes this location the holder of a term, if it may still have it.
func take(h Hands, g Group, was Note, term uint64, c *groups.Change, began Marks) (Note, error) {
	n, err := h.Change(takes(g, was, term, c, began))
	if err == nil && !n.held(g.Here, term) {
		err = fault.New(fault.Conflict, "%s can not have the group %s in term %d any more: it is in %s in term %d, %s; %d was the last that %s declined; or a new copy has begun meanwhile.", g.Here, g.Name, term, n.Holder, n.Term, cmp.Or(n.Phase, "nothing under way"), n.Declined, g.Here)
	}
	return n, err
}

// Stay ends an interrupted switch where the group is, when an operator asks for that.
func Stay(h Hands, g Group, n Note) error {
	if n.Phase == HandOver {
		return stay(h, g, n, n.Term)
	}
	return callOff(h, g, n)
}

// callOff lets the group go on here although it may have been passed on: in a term that is
// later than what was passed, or, where nobody votes, when the other location has promised
// not to take it.
func callOff(h Hands, g Group, n Note) error {
	if g.Voters == 0 {
		if err := h.Decline(n.Term + 1); err != nil {
			return err
		}
		h.Did(nil, "have it declined")
		return stay(h, g, n, n.Term)
	}
	look := h.Look(nil)
	newest, holder, know := look.Newest()
	if newest <= n.Term || holder == g.Here {
		know = 0
	}
	if know+look.Silent() >= look.Majority() {
		// It may have been: only the other location knows that it has not taken it.
		there, err := h.Status()
		if err != nil {
			return err
		}
		if !yields(g, n, &there) {
			return fault.New(fault.Conflict, "%s has taken the group %s in term %d.", g.Peer, g.Name, there.Term)
		}
	}
	return outbid(h, g, n, newest)
}

// outbid keeps the group here in a later term than one that nobody serves in.
func outbid(h Hands, g Group, n Note, later uint64) error {
	term := g.NextTerm(n.Term, n.Declined, later)
	if g.Voters > 0 {
		if _, err := h.Acquire(term); err != nil {
			return err
		}
	}
	h.Did(nil, "win a later term of its own")
	return stay(h, g, n, term)
}

// stay notes that the group goes on here in a term.
func stay(h Hands, g Group, n Note, term uint64) error {
	now, err := h.Change(stays(n, term))
	if err == nil && (!now.held(g.Here, term) || now.Phase != None) {
		err = fault.New(fault.Conflict, "The group %s is in %s in term %d now, %s.", g.Name, now.Holder, now.Term, cmp.Or(now.Phase, "and nothing is under way"))
	}
	return err
}
