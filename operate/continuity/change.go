package continuity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/operate/continuity/core"
)

// awaitEvery is how often what cannot be waited for is looked at.
const awaitEvery = 5 * time.Millisecond

// await looks until it is so.
func await(ctx context.Context, what string, so func() (bool, error)) error {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "It took too long: %s.", what)
		}
	}
}

// Switch moves a group from this location to the other one, losing nothing. On the
// secondary it asks the primary to. A switch to where the group is ends one away from
// there that was interrupted.
func (c *Controller) Switch(ctx context.Context, name, to string) (groups.Change, error) {
	g, err := c.group(name)
	if err != nil {
		return groups.Change{}, err
	}
	cfg, n := g.look()
	switch {
	case to != cfg.pairing.Peer && to != c.o.Location:
		return groups.Change{}, fault.New(fault.Invalid, "The group %s is in %s and %s; it can not be moved to %q.", cfg.name, c.o.Location, cfg.pairing.Peer, to)
	case n.Holder == to && n.Phase == core.None:
		return groups.Change{Kind: "switch", To: to, Term: n.Term, At: time.Now()}, nil
	case n.Holder != c.o.Location:
		var change groups.Change
		err := g.ask(ctx, cfg, http.MethodPost, "/switch", map[string]string{"to": to}, &change)
		return change, err
	case !g.changing.TryLock():
		return groups.Change{}, g.underWay()
	}
	defer g.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchLimit)
	defer cancel()
	_, n = g.look()
	if to == c.o.Location {
		err := core.Stay(g.hands(ctx), g.coreOf(cfg), n)
		_, n = g.look()
		return groups.Change{Kind: "switch", To: to, Term: n.Term, At: time.Now()}, err
	}
	return core.Switch(g.hands(ctx), g.coreOf(cfg), n)
}

func (g *group) underWay() error {
	return fault.New(fault.Conflict, "Another change of the group %s is under way.", g.name)
}

// halt ends all ownerships of the group here and says where the journals end. A node that
// has not read the note and gets a lease when it is free asks first: see MayOwn.
func (g *group) halt(ctx context.Context, n note) (marks, error) {
	g.stand()
	ends := marks{}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return nil, notOpen(unit)
		}
		select {
		case <-m.Unit.Settled():
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Timeout, ctx.Err(), "%s did not finish what it had accepted.", unit)
		}
		err := await(ctx, "another node of this location still holds "+unit, func() (bool, error) { return g.c.o.Free(ctx, unit) })
		if err != nil {
			return nil, err
		}
	}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return nil, notOpen(unit)
		}
		mark, err := m.Unit.Mark(ctx)
		if err != nil {
			return nil, err
		}
		ends[unit] = mark
	}
	return ends, nil
}

// ready waits, on the secondary, until the copies end where the originals do and what
// is declared has come.
func (g *group) ready(ctx context.Context, ends marks) error {
	cfg, n := g.look()
	if n.Holder == g.c.o.Location {
		return fault.New(fault.Conflict, "%s is the primary of the group already.", g.c.o.Location)
	}
	if err := g.copyDocuments(ctx, cfg, true); err != nil {
		return err
	}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return fault.New(fault.Unavailable, "%s is not open in %s.", unit, g.c.o.Location)
		}
		want, given := ends[unit]
		if !given {
			return fault.New(fault.Conflict, "The units of the group differ: nothing is said about %s.", unit)
		}
		err := await(ctx, fmt.Sprintf("the copy of %s does not get to %d", unit, want.At), func() (bool, error) {
			if m.Unit.Position() < want.At && m.Receiver.State().Mark.At < want.At {
				return false, nil
			}
			have, err := m.Unit.Mark(ctx)
			if err == nil && have.At > want.At {
				err = fault.New(fault.Conflict, "The copy of %s goes on behind position %d, where the original ends.", unit, want.At)
			}
			_, n = g.look()
			return have == want && (n.Units[unit].Caught || m.Unit.Position() >= want.At), err
		})
		if err == nil {
			err = core.Complete(g.hands(ctx), n, unit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// served waits until every unit is owned here.
func (g *group) served(ctx context.Context, cfg config, n note) error {
	for unit := range n.Units {
		err := await(ctx, "nobody here owns "+unit, func() (bool, error) {
			m, ok := g.c.o.Members(unit)
			if !ok {
				return false, nil
			}
			if _, now := g.look(); now.Term > n.Term || now.Holder != g.c.o.Location {
				return false, fault.New(fault.Conflict, "The group %s was taken by %s in term %d meanwhile.", cfg.name, now.Holder, now.Term)
			}
			o := m.Unit.Ownership()
			return o.Epoch >= n.Term<<32, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Promote makes this location the primary without the other one. dryRun only says
// what is expected to be lost, and what the voters say.
func (c *Controller) Promote(ctx context.Context, name string, force, dryRun bool) (groups.Change, string, error) {
	g, err := c.group(name)
	if err != nil {
		return groups.Change{}, "", err
	}
	cfg, n := g.look()
	if n.Holder == c.o.Location && n.Phase == core.None {
		return groups.Change{Kind: "promote", To: c.o.Location, Term: n.Term, At: time.Now()}, "This location is the primary.", nil
	}
	if dryRun {
		return groups.Change{Kind: "promote", From: n.Holder, To: c.o.Location, Term: n.Term + 1, ExpectedLoss: g.expectedLoss(n)}, g.votes(ctx, cfg), nil
	}
	if !g.changing.TryLock() {
		return groups.Change{}, "", g.underWay()
	}
	defer g.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchLimit)
	defer cancel()
	_, n = g.look()
	change, err := core.Promote(g.hands(ctx), g.coreOf(cfg), n, "promote", force)
	return change, "", err
}

// expectedLoss is what the primary said it had and this location has not.
func (g *group) expectedLoss(n note) *groups.Loss {
	cfg, _ := g.look()
	loss := &groups.Loss{Known: true}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			loss.Known = false
			continue
		}
		r := m.Receiver.State()
		if r.LastHeard.IsZero() {
			loss.Known = false
			continue
		}
		loss.Messages += r.Lag.Messages
		loss.Bytes += r.Lag.Bytes
		if loss.LastHeard.IsZero() || r.LastHeard.Before(loss.LastHeard) {
			loss.LastHeard, loss.Seconds = r.LastHeard, time.Since(r.LastHeard).Seconds()
		}
	}
	if cfg.mode != "sync" || cfg.whenAway == "degrade" {
		loss.UnknownSeconds = loss.Seconds // a primary that is cut off acknowledges until it knows
	}
	return loss
}

// Rejoin lets this location follow again after its log has parted. What it had alone
// stays in the old generation of the journal, which is kept.
func (c *Controller) Rejoin(ctx context.Context, name string, discard bool) (groups.Change, error) {
	g, err := c.group(name)
	if err != nil {
		return groups.Change{}, err
	}
	cfg, n := g.look()
	if n.Phase != core.Parted {
		return groups.Change{}, fault.New(fault.Conflict, "The group %s has not parted here: there is nothing to decide.", cfg.name)
	}
	if !discard {
		return groups.Change{}, fault.New(fault.Invalid, "This location has records that %s does not have. To give them up, say so (--discard); they stay in the old journal on disk.", n.Holder)
	}
	if !g.changing.TryLock() {
		return groups.Change{}, g.underWay()
	}
	defer g.changing.Unlock()
	h := g.hands(ctx)
	s := h.Begin(groups.Change{Kind: "rejoin", From: c.o.Location, To: n.Holder, Term: n.Term})
	if err := core.CopyAgain(h, n, nil); err != nil {
		return groups.Change{}, err
	}
	h.Did(s, "begin a new copy")
	return *s, nil
}
