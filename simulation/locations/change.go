package locations

import (
	"errors"
	"fmt"
	"time"

	"weir/kernel/ballot/core"
	link "weir/kernel/link/core"
)

var errConflict = errors.New("that can not be now")

// switchTo moves the group to a location, losing nothing. On the secondary it asks the
// primary to.
func (c *controller) switchTo(p *proc, to string) error {
	n := c.last
	switch {
	case n.Holder == to && n.Phase == phaseNone:
		return nil
	case n.Holder != c.site.name:
		_, err := ask(p, c.site.peer(), switchLimit, func(q *proc, there *controller) (bool, error) {
			if there.last.Holder != there.site.name {
				return false, errConflict // it would ask back
			}
			return true, there.switchTo(q, to)
		})
		return err
	case c.changing:
		return errConflict
	case to == c.site.name && !c.h.w.rules.SwitchesAway:
		return c.stay(p)
	}
	c.changing = true
	defer func() { c.changing = false }()
	defer p.within(switchLimit)()
	return c.handOver(p, n)
}

// stay ends a hand-over that was interrupted where the group is: in a term that is later
// than any that may have been passed on.
func (c *controller) stay(p *proc) error {
	n := c.last
	there, err := c.askStatus(p)
	switch {
	case err != nil:
		return err
	case there.Standing == primary || there.Term > n.Term || len(c.h.w.voters) == 0:
		return errConflict
	}
	term := c.next(max(n.Term, c.round(p, core.Request{Verb: core.Look}).term))
	if _, err := c.acquire(p, term); err != nil {
		return err
	}
	p.point("when a hand-over is called off")
	now, err := c.change(p, func(now *note) bool {
		if now.Term != n.Term || now.Holder != c.site.name {
			return false
		}
		now.Term, now.Phase = term, phaseNone
		return true
	})
	if err == nil && now.Term != term {
		err = errConflict
	}
	return err
}

// handOver is the planned switch, on the primary.
func (c *controller) handOver(p *proc, n note) error {
	w := c.h.w
	if err := c.checkSwitch(p, n); err != nil {
		return err
	}
	p.point("when a switch was checked")
	undo := func(err error) error {
		before := p.limit
		p.limit = p.h.mono() + askTimeout
		_, _ = c.change(p, func(now *note) bool {
			if now.Term != n.Term || now.Phase != phaseHandOver {
				return false
			}
			now.Phase = phaseNone
			return true
		})
		p.limit = before
		return err
	}
	if _, err := c.change(p, func(now *note) bool {
		if now.Term != n.Term || now.Holder != c.site.name {
			return false
		}
		if now.Phase == phaseNone {
			now.Phase = phaseHandOver
		}
		return true
	}); err != nil {
		return err
	}
	p.point("when a hand-over is noted")
	ends, err := c.halt(p)
	if err != nil {
		return undo(err)
	}
	p.point("when the units are halted")
	if !w.rules.PassBeforeReady {
		_, err = ask(p, c.site.peer(), switchLimit, func(q *proc, there *controller) (bool, error) { return true, there.ready(q, ends) })
		if err != nil {
			return undo(err)
		}
	}
	p.point("when the copies are ready")
	asBuilt := w.rules.UndoAfterPass
	if len(w.voters) == 0 {
		asBuilt = w.rules.UndoAfterTake
	}
	if !asBuilt {
		if err := c.passing(p, n); err != nil {
			return undo(err)
		}
		p.point("when the passing on is noted")
	}
	if len(w.voters) > 0 {
		if err := c.pass(p, n.Term); err != nil {
			return undo(err)
		}
	}
	p.point("when the term is passed on")
	term := n.Term + 1
	_, err = ask(p, c.site.peer(), switchLimit, func(q *proc, there *controller) (bool, error) { return true, there.taken(q, term) })
	if err != nil {
		if len(w.voters) == 0 {
			return undo(err)
		}
		return err
	}
	p.point("when the other location has taken over")
	_, err = c.change(p, func(now *note) bool {
		if now.Term > n.Term {
			return false
		}
		now.Term, now.Holder, now.Phase = term, c.site.peer().name, phaseNone
		return true
	})
	return err
}

// passing notes that the other location may have the next term from now on: what is
// under way to it or to a voter may arrive at any time, so nothing brings the old term
// back.
func (c *controller) passing(p *proc, n note) error {
	now, err := c.change(p, func(now *note) bool {
		if now.Term != n.Term || now.Holder != c.site.name || now.Phase != phaseHandOver {
			return false
		}
		now.Phase = phasePassing
		return true
	})
	if err == nil && (now.Term != n.Term || now.Holder != c.site.name || now.Phase != phasePassing) {
		err = errConflict
	}
	return err
}

// pass gives the next term to the other location.
func (c *controller) pass(p *proc, term uint64) error {
	r := c.round(p, core.Request{Verb: core.Pass, Term: term, To: c.site.peer().name})
	passed := r.granted
	if !c.h.w.rules.UndoAfterPass && r.term == term+1 && r.holder == c.site.peer().name {
		passed = max(passed, r.know) // some voters know of it from an earlier call
	}
	if passed < core.Majority(len(c.h.w.voters)) {
		return fmt.Errorf("%d of %d voters pass term %d on; the newest is %d of %s", passed, len(c.h.w.voters), term, r.term, r.holder)
	}
	return nil
}

func (c *controller) checkSwitch(p *proc, n note) error {
	if n.Phase == phaseParted {
		return errConflict
	}
	there, err := c.askStatus(p)
	if err != nil {
		return err
	}
	if there.Standing != secondary || there.Term != n.Term || !there.Connected {
		return fmt.Errorf("%w: the other location is %s in term %d", errConflict, there.Standing, there.Term)
	}
	return nil
}

// halt ends all ownerships of the group here and says where the journals end.
func (c *controller) halt(p *proc) (map[string]link.Mark, error) {
	c.stand()
	ends := map[string]link.Mark{}
	for _, u := range c.h.inOrder() {
		if err := p.look(func() (bool, error) { return u.settled == u.version, nil }); err != nil {
			return nil, err
		}
		var seen uint64
		var since time.Duration
		l := c.site.lease(u.name)
		if err := p.look(func() (bool, error) { // no node of this location holds the lease
			if l.holder == "" {
				return true, nil
			}
			if seen != l.revision {
				seen, since = l.revision, p.h.mono()
			}
			return p.h.mono()-since >= leaseTimeout, nil
		}); err != nil {
			return nil, err
		}
		ends[u.name] = u.shelf.mark()
	}
	return ends, nil
}

// ready waits, on the secondary, until the copies end where the originals do.
func (c *controller) ready(p *proc, ends map[string]link.Mark) error {
	defer p.within(switchLimit / 2)()
	if c.here() {
		return errConflict
	}
	if err := c.copyDocuments(p, switchLimit); err != nil {
		return err
	}
	for _, u := range c.h.inOrder() {
		want := ends[u.name]
		if err := p.look(func() (bool, error) {
			have := u.shelf.mark()
			if have.At > want.At {
				return false, fmt.Errorf("%w: the copy goes on behind %d, where the original ends", errConflict, want.At)
			}
			return have == want, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// taken makes this location the primary after a switch, and waits until it serves.
func (c *controller) taken(p *proc, term uint64) error {
	defer p.within(switchLimit / 2)()
	if len(c.h.w.voters) > 0 {
		if _, err := c.acquire(p, term); err != nil {
			return err
		}
	}
	p.point("when a term that was passed on is acquired")
	n, err := c.take(p, term, nil)
	if err != nil {
		return err
	}
	p.point("when a term that was passed on is noted")
	return c.served(p, n)
}

// served waits until every unit is owned here.
func (c *controller) served(p *proc, n note) error {
	for _, name := range c.h.w.units {
		if err := p.look(func() (bool, error) {
			if c.last.Term > n.Term || !c.here() {
				return false, errConflict // it was taken by the other location meanwhile
			}
			epoch := c.site.lease(name).epoch
			if u := c.h.units[name]; u.owning {
				epoch = u.opened
			}
			return epoch >= n.Term<<32, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// promote makes this location the primary without the other one.
func (c *controller) promote(p *proc, force bool) error {
	n := c.last
	switch {
	case n.Holder == c.site.name && n.Phase == phaseNone:
		return nil
	case c.changing:
		return errConflict
	}
	c.changing = true
	defer func() { c.changing = false }()
	defer p.within(switchLimit)()
	return c.promoteFrom(p, n, force)
}

func (c *controller) promoteFrom(p *proc, n note, force bool) error {
	w := c.h.w
	parted, known := n.Phase == phaseParted, false
	for _, u := range c.h.inOrder() {
		s := u.recv.core.State()
		known = known || u.generation == n.Units[u.name] && s.PrimaryTerm == n.Term && s.Refused == "fork"
	}
	switch {
	case n.revision == 0 && !w.rules.PromotesUnborn, parted && !w.rules.PartedPromotes, known && !w.rules.ForkedPromotes:
		return errConflict
	}
	whole := c.whole(n)
	if !whole && !force && !w.rules.HalfCopies {
		return errConflict
	}
	term := c.next(n.Term)
	if len(w.voters) == 0 {
		if !force {
			return errConflict
		}
	} else {
		look := c.round(p, core.Request{Verb: core.Look})
		p.point("when the voters were looked at")
		term = max(term, c.next(look.term))
		if !w.rules.AsksBlindly && !force && look.free < core.Majority(len(w.voters)) {
			return errors.New("no majority would let this location have the group")
		}
		if _, err := c.acquire(p, term); err != nil && !force {
			return err
		}
	}
	w.judge.promotes(c, term, force, whole, parted || known)
	p.point("when the vote is won")
	n, err := c.take(p, term, c.marks())
	if err != nil {
		return err
	}
	p.point("when a promotion is noted")
	c.stand()
	if err := c.served(p, n); err != nil {
		return err
	}
	p.point("when a promoted location serves")
	return nil
}

// whole reports whether every copy here had all there was, once.
func (c *controller) whole(n note) bool {
	for _, u := range c.h.inOrder() {
		if n.Whole[u.name] != n.Units[u.name] {
			return false
		}
	}
	return true
}

// take makes this location the holder of a term.
func (c *controller) take(p *proc, term uint64, began map[string]link.Mark) (note, error) {
	return c.change(p, func(n *note) bool {
		if n.Term >= term {
			return false
		}
		n.Term, n.Holder, n.Phase, n.Began = term, c.site.name, phaseNone, began
		return true
	})
}

// rejoin lets this location follow again after its log has parted: what it had alone is
// given up.
func (c *controller) rejoin(p *proc) error {
	n := c.last
	if n.Phase != phaseParted || c.changing {
		return errConflict
	}
	c.changing = true
	defer func() { c.changing = false }()
	for _, unit := range c.h.w.units {
		if err := c.keepGeneration(p, unit, n.Units[unit]+1); err != nil {
			return err
		}
		p.point("when the generation of a new copy is kept")
	}
	_, err := c.change(p, func(now *note) bool {
		if now.Phase != phaseParted {
			return false
		}
		now.Phase = phaseNone
		for _, unit := range c.h.w.units {
			now.Units[unit] = n.Units[unit] + 1
		}
		return true
	})
	if err == nil {
		c.h.w.judge.counts["rejoined"]++
	}
	return err
}
