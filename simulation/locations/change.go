package locations

import (
	"errors"
	"fmt"
	"time"

	"weir/operate/continuity/core"
)

var errConflict = errors.New("that can not be now")

// switchTo moves the group to a location, losing nothing. On the secondary it asks the
// primary to.
func (c *controller) switchTo(p *proc, to string) error {
	n := c.last
	switch {
	case n.Holder == to && n.Phase == core.None:
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
	}
	c.changing = true
	defer func() { c.changing = false }()
	defer p.within(switchLimit)()
	if to == c.site.name {
		return core.Stay(c.hands(p), c.group(), c.last)
	}
	_, err := core.Switch(c.hands(p), c.group(), c.last)
	return err
}

// halt ends all ownerships of the group here and says where the journals end.
func (c *controller) halt(p *proc) (core.Marks, error) {
	c.stand()
	ends := core.Marks{}
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
			if p.h.mono()-since < leaseTimeout {
				return false, nil
			}
			// A node that only stood still could renew it.
			err := p.write(func() error { return l.change(seen, "", l.epoch) })
			return err == nil, nil
		}); err != nil {
			return nil, err
		}
		ends[u.name] = u.shelf.mark()
	}
	return ends, nil
}

// ready waits, on the secondary, until the copies end where the originals do.
func (c *controller) ready(p *proc, ends core.Marks) error {
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
			return have == want && (c.last.Units[u.name].Caught || c.h.units[u.name].core.Tail().Last >= want.At), nil
		}); err != nil {
			return err
		}
		if err := core.Complete(c.hands(p), c.last, u.name); err != nil {
			return err
		}
	}
	return nil
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
	case n.Holder == c.site.name && n.Phase == core.None:
		return nil
	case c.changing:
		return errConflict
	}
	c.changing = true
	defer func() { c.changing = false }()
	defer p.within(switchLimit)()
	return c.promoteFrom(p, n, "promote", force)
}

func (c *controller) promoteFrom(p *proc, n note, kind string, force bool) error {
	h, rules := c.hands(p), c.h.w.rules
	known := false
	for _, u := range c.h.inOrder() {
		s := u.recv.core.State()
		known = known || !c.here() && u.generation == n.Generation(u.name) && s.PrimaryTerm == n.Term && s.Refused == "fork"
	}
	h.promotion = &promotion{force: force, whole: c.whole(n), parted: n.Phase == core.Parted || known}
	if rules.PartedPromotes && n.Phase == core.Parted {
		n.Phase = core.None
	}
	if rules.PromotesUnborn {
		n.Revision = max(n.Revision, 1)
	}
	_, err := core.Promote(h, c.group(), n, kind, force)
	return err
}

// whole reports whether every copy here had all there was, once.
func (c *controller) whole(n note) bool {
	for _, u := range c.h.inOrder() {
		if !n.Units[u.name].Caught || !u.whole() {
			return false
		}
	}
	return true
}

// rejoin lets this location follow again after its log has parted: what it had alone is
// given up.
func (c *controller) rejoin(p *proc) error {
	n := c.last
	if n.Phase != core.Parted || c.changing {
		return errConflict
	}
	c.changing = true
	defer func() { c.changing = false }()
	err := core.CopyAgain(c.hands(p), n, nil)
	if err == nil {
		c.h.w.judge.counts["rejoined"]++
	}
	return err
}
