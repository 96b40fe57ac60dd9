package continuity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
)

// marks are where the journals of a group's units end, by unit.
type marks map[string]journal.Mark

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
// secondary it asks the primary to.
func (c *Controller) Switch(ctx context.Context, name, to string) (groups.Change, error) {
	g, err := c.group(name)
	if err != nil {
		return groups.Change{}, err
	}
	cfg, n := g.look()
	switch {
	case to != cfg.pairing.Peer && to != c.o.Location:
		return groups.Change{}, fault.New(fault.Invalid, "The group %s is in %s and %s; it can not be moved to %q.", cfg.name, c.o.Location, cfg.pairing.Peer, to)
	case n.Holder == to && n.Phase == phaseNone:
		return groups.Change{Kind: "switch", To: to, Term: n.Term, At: time.Now()}, nil
	case n.Holder == to:
		return groups.Change{}, fault.New(fault.Conflict, "The group %s is in %s, and is %s at the moment.", cfg.name, to, n.Phase)
	case n.Holder != c.o.Location:
		var change groups.Change
		err := g.ask(ctx, cfg, http.MethodPost, "/switch", map[string]string{"to": to}, &change)
		return change, err
	case !g.changing.TryLock():
		return groups.Change{}, fault.New(fault.Conflict, "Another change of the group %s is under way.", cfg.name)
	}
	defer g.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchLimit)
	defer cancel()
	return g.handOver(ctx, cfg, n)
}

// handOver is the planned switch, on the primary. Until the term is passed on, a
// failure leaves the group where it is.
func (g *group) handOver(ctx context.Context, cfg config, n note) (groups.Change, error) {
	s := begin(groups.Change{Kind: "switch", From: g.c.o.Location, To: cfg.pairing.Peer, Term: n.Term + 1})
	if err := g.checkSwitch(ctx, cfg, n); err != nil {
		return groups.Change{}, err
	}
	s.done("check")
	undo := func(err error) (groups.Change, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout) // it may be over
		defer cancel()
		_, failed := g.change(ctx, func(now *note) bool {
			if now.Term != n.Term || now.Phase != phaseHandOver {
				return false
			}
			now.Phase, now.To = phaseNone, ""
			return true
		})
		if failed != nil {
			g.c.log.Error("an interrupted switch could not be undone", "group", cfg.name, "error", failed)
		}
		return groups.Change{}, err
	}
	if _, err := g.change(ctx, func(now *note) bool {
		if now.Term != n.Term || now.Holder != g.c.o.Location {
			return false
		}
		now.Phase, now.To = phaseHandOver, cfg.pairing.Peer
		return true
	}); err != nil {
		return groups.Change{}, err
	}
	ends, err := g.halt(ctx, n)
	if err != nil {
		return undo(err)
	}
	s.done("stop taking work")
	if err := g.ask(ctx, cfg, http.MethodPost, "/ready", ends, nil); err != nil {
		return undo(err)
	}
	s.done("wait for the last records")
	if polls := g.polls(cfg); polls != nil {
		if _, err := polls.Pass(ctx, n.Term, cfg.pairing.Peer); err != nil {
			return groups.Change{}, fault.Wrap(fault.Unavailable, err, "It is not known whether the term was passed on to %s: %s. The group goes on here when a majority of the voters says that it was not.", cfg.pairing.Peer, err)
		}
	}
	s.done("pass the term on")
	if err := g.ask(ctx, cfg, http.MethodPost, "/take", s.change, nil); err != nil {
		if g.polls(cfg) == nil {
			return groups.Change{}, fault.Wrap(fault.Unavailable, err, "%s was told to take over and did not say that it has. The group goes on here when it says that it has not; if it is gone, promote this location again (\"weir failover --force\").", cfg.pairing.Peer)
		}
		return groups.Change{}, fault.Wrap(fault.Unavailable, err, "The term was passed on to %s, and it did not say that it took it; it does so by itself as soon as it can.", cfg.pairing.Peer)
	}
	s.done("take over")
	_, err = g.change(ctx, func(now *note) bool {
		if now.Term > n.Term {
			return false
		}
		now.Term, now.Holder, now.Phase, now.To, now.Last = n.Term+1, cfg.pairing.Peer, phaseNone, "", &s.change
		return true
	})
	return s.change, err
}

// resolve finds out what became of a hand-over that nobody is at any more: the group goes
// on here only when it is certain that it was not passed on.
func (g *group) resolve(ctx context.Context, cfg config, n note) {
	if n.Phase != phaseHandOver || time.Since(g.resolved) < probeEvery || !g.changing.TryLock() {
		return
	}
	defer g.changing.Unlock()
	g.resolved = time.Now()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if polls := g.polls(cfg); polls != nil {
		if _, err := polls.Acquire(ctx, n.Term); err != nil {
			return // whoever keeps the term here hears when it was passed on
		}
	} else {
		var there groups.Status
		if err := g.ask(ctx, cfg, http.MethodGet, "", nil, &there); err != nil || there.Term != n.Term || there.Standing != groups.Secondary {
			return // it took over, or nobody knows; heedPeer hears of the former
		}
	}
	_, err := g.change(ctx, func(now *note) bool {
		if now.Term != n.Term || now.Phase != phaseHandOver {
			return false
		}
		now.Phase, now.To = phaseNone, ""
		return true
	})
	if err == nil {
		g.c.log.Warn("a switch that was interrupted is undone: the group was not passed on", "group", cfg.name)
	}
}

// checkSwitch says why a switch would not succeed.
func (g *group) checkSwitch(ctx context.Context, cfg config, n note) error {
	if n.Phase != phaseNone && n.Phase != phaseHandOver {
		return fault.New(fault.Conflict, "The group %s is %s; that comes first.", cfg.name, n.Phase)
	}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return fault.New(fault.Unavailable, "%s is not open here.", unit)
		}
		_ = m
	}
	var there groups.Status
	if err := g.ask(ctx, cfg, http.MethodGet, "", nil, &there); err != nil {
		return err
	}
	if there.Standing != groups.Secondary || there.Term != n.Term {
		return fault.New(fault.Conflict, "%s is %s in term %d, not a secondary in term %d; it can not take over in order.", cfg.pairing.Peer, there.Standing, there.Term, n.Term)
	}
	for _, u := range there.Units {
		if !u.Connected {
			return fault.New(fault.Unavailable, "%s does not copy %s at the moment (%s).", cfg.pairing.Peer, u.Unit, u.Reason)
		}
		if u.Partial {
			return fault.New(fault.Unavailable, "The copy of %s in %s began with a snapshot, and messages from before it are on their way there; try again in a moment.", u.Unit, cfg.pairing.Peer)
		}
	}
	return nil
}

// halt ends all ownerships of the group here and says where the journals end.
func (g *group) halt(ctx context.Context, n note) (marks, error) {
	g.stand()
	ends := marks{}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return nil, fault.New(fault.Unavailable, "%s is not open here.", unit)
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
	for {
		for unit := range n.Units {
			m, ok := g.c.o.Members(unit)
			if !ok {
				return nil, fault.New(fault.Unavailable, "%s is not open here.", unit)
			}
			mark, err := m.Unit.Mark(ctx)
			if err != nil {
				return nil, err
			}
			ends[unit] = mark
		}
		still, err := g.still(ctx, ends)
		if still || err != nil {
			return ends, err
		}
	}
}

// still waits until every node of the location has read the note, and reports whether
// nobody has taken a unit up and recorded something meanwhile.
func (g *group) still(ctx context.Context, ends marks) (bool, error) {
	if g.c.o.Alone {
		return true, nil
	}
	select {
	case <-time.After(stillFor):
	case <-ctx.Done():
		return false, fault.Wrap(fault.Timeout, ctx.Err(), "The nodes of this location did not stand still.")
	}
	for unit, end := range ends {
		m, ok := g.c.o.Members(unit)
		if !ok {
			return false, fault.New(fault.Unavailable, "%s is not open here.", unit)
		}
		mark, err := m.Unit.Mark(ctx)
		if err != nil || mark != end {
			return false, err
		}
		if free, err := g.c.o.Free(ctx, unit); err != nil || !free {
			return false, err
		}
	}
	return true, nil
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
			return have == want, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// taken makes this location the primary after a switch, and waits until it serves.
func (g *group) taken(ctx context.Context, change groups.Change) error {
	cfg, _ := g.look()
	if polls := g.polls(cfg); polls != nil {
		if _, err := polls.Acquire(ctx, change.Term); err != nil {
			return err
		}
	}
	n, err := g.take(ctx, change.Term, change, nil)
	if err != nil {
		return err
	}
	return g.served(ctx, cfg, n)
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
	if n.Holder == c.o.Location && n.Phase == phaseNone {
		return groups.Change{Kind: "promote", To: c.o.Location, Term: n.Term, At: time.Now()}, "This location is the primary.", nil
	}
	if dryRun {
		return groups.Change{Kind: "promote", From: n.Holder, To: c.o.Location, Term: n.Term + 1, ExpectedLoss: g.expectedLoss(n)}, g.votes(ctx, cfg), nil
	}
	if !g.changing.TryLock() {
		return groups.Change{}, "", fault.New(fault.Conflict, "Another change of the group %s is under way.", cfg.name)
	}
	defer g.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), switchLimit)
	defer cancel()
	change, err := g.promote(ctx, cfg, n, "promote", force)
	return change, "", err
}

// promote takes the next term.
func (g *group) promote(ctx context.Context, cfg config, n note, kind string, force bool) (groups.Change, error) {
	if n.Phase == phaseParted {
		return groups.Change{}, fault.New(fault.Conflict, "The log here has parted from the one of %s: promoting it would bring back what is over. Let it rejoin.", n.Holder)
	}
	if unit := g.partial(ctx, n); unit != "" && !force {
		return groups.Change{}, fault.New(fault.Conflict, "The copy of %s here began with a snapshot and lacks messages from before it: promoting it would lose them. If the other location is gone for good, say so (--force).", unit)
	}
	s := begin(groups.Change{Kind: kind, From: n.Holder, To: g.c.o.Location, Term: n.Term + 1, ExpectedLoss: g.expectedLoss(n)})
	polls := g.polls(cfg)
	switch {
	case polls == nil && !force:
		return groups.Change{}, fault.New(fault.Conflict, "The group %s has no witness: nobody can say whether %s still serves. If you know that it does not, say so (--force).", cfg.name, n.Holder)
	case polls != nil:
		look := polls.Look(ctx)
		s.change.Term = max(s.change.Term, look.Term+1)
		if _, err := polls.Acquire(ctx, s.change.Term); err != nil && !force {
			return groups.Change{}, fault.Wrap(fault.Conflict, err, "No majority of the voters lets %s have the group %s: %s.", g.c.o.Location, cfg.name, err)
		}
	}
	s.done("win the vote")
	n, err := g.take(ctx, s.change.Term, s.change, g.ends(ctx, n))
	if err != nil {
		return groups.Change{}, err
	}
	g.stand()
	if err := g.served(ctx, cfg, n); err != nil {
		return groups.Change{}, err
	}
	s.done("take over")
	_, err = g.change(ctx, func(now *note) bool {
		if now.Term != s.change.Term {
			return false
		}
		now.Last = &s.change
		return true
	})
	return s.change, err
}

// expectedLoss is what the primary said it had and this location has not.
func (g *group) expectedLoss(n note) *groups.Loss {
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
	return loss
}

// votes says what the voters know.
func (g *group) votes(ctx context.Context, cfg config) string {
	polls := g.polls(cfg)
	if polls == nil {
		return "The group has no witness: nobody but you can know whether the other location still serves."
	}
	round := polls.Look(ctx)
	if why := round.Why(); why != "" {
		return fmt.Sprintf("%d of %d voters answer, the newest term is %d of %s. %s.", round.Granted, len(polls.Voters), round.Term, round.Holder, why)
	}
	return fmt.Sprintf("All %d voters answer; the newest term is %d of %s.", len(polls.Voters), round.Term, round.Holder)
}

// Rejoin lets this location follow again after its log has parted. What it had alone
// stays in the old generation of the journal, which is kept.
func (c *Controller) Rejoin(ctx context.Context, name string, discard bool) (groups.Change, error) {
	g, err := c.group(name)
	if err != nil {
		return groups.Change{}, err
	}
	cfg, n := g.look()
	if n.Phase != phaseParted {
		return groups.Change{}, fault.New(fault.Conflict, "The group %s has not parted here: there is nothing to decide.", cfg.name)
	}
	if !discard {
		return groups.Change{}, fault.New(fault.Invalid, "This location has records that %s does not have. To give them up, say so (--discard); they stay in the old journal on disk.", n.Holder)
	}
	if !g.changing.TryLock() {
		return groups.Change{}, fault.New(fault.Conflict, "Another change of the group %s is under way.", cfg.name)
	}
	defer g.changing.Unlock()
	s := begin(groups.Change{Kind: "rejoin", From: c.o.Location, To: n.Holder, Term: n.Term})
	if err := g.copyAgain(ctx, n, nil); err != nil {
		return groups.Change{}, err
	}
	s.done("begin a new copy")
	return s.change, nil
}
