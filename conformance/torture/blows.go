package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/conformance/server"
	"weir/internal/groups"
)

// blow is one way to harm a pair so that the group changes location, or must not.
type blow struct {
	name   string
	strike func(p *pair, ctx context.Context, rec *recorder, primary *server.Location) error
	need   need
	share  int // how often it is drawn, beside the others
	// late says that something stands still or is cut off, so that what it had begun
	// outside may come later than it was.
	late bool
}

// need is what a blow asks of the machine.
type need int

const (
	needsNothing need = iota
	needsDisks
	needsNamespaces
)

var blows = []blow{
	{"planned switch", (*pair).change, needsNothing, 3, false},
	{"the primary is killed", (*pair).crash, needsNothing, 3, false},
	{"the primary stands still", (*pair).freeze, needsNothing, 2, true},
	{"the locations are cut off from each other", (*pair).part, needsNothing, 1, true},
	{"the witness is killed", (*pair).blind, needsNothing, 1, false},
	{"the primary is isolated", (*pair).isolate, needsNothing, 2, true},
	{"the link is slow", (*pair).slow, needsNothing, 1, true},
	{"two changes at once", (*pair).collide, needsNothing, 1, false},
	{"both are promoted at once", (*pair).promoteBoth, needsNothing, 1, true},
	{"killed while it is promoted", (*pair).promoteTwice, needsNothing, 1, false},
	{"home while it catches up", (*pair).failBack, needsNothing, 1, false},
	{"a clock is stepped", (*pair).step, needsNothing, 2, false},
	{"a disk is full", (*pair).full, needsDisks, 2, true},
	{"the primary is cut off from everybody", (*pair).sever, needsNamespaces, 2, true},
	{"a line is cut one way", (*pair).mute, needsNamespaces, 2, true},
	{"packets are lost", (*pair).lose, needsNamespaces, 1, true},
}

// machine is what this machine allows.
type machine struct {
	disks      error // why there can be none of their own
	namespaces bool
}

// choose draws up the blows of a run: those of some names, or all; and says which are
// left out here, and why.
func choose(only []string, m machine) (all []blow, leftOut []string, err error) {
	for _, name := range only {
		if !slices.ContainsFunc(blows, func(b blow) bool { return b.name == name }) {
			var known []string
			for _, b := range blows {
				known = append(known, b.name)
			}
			return nil, nil, fmt.Errorf("there is no blow %q; there are: %s", name, strings.Join(known, ", "))
		}
	}
	for _, b := range blows {
		if len(only) > 0 && !slices.Contains(only, b.name) {
			continue
		}
		if why := m.refuses(b.need); why != nil {
			leftOut = append(leftOut, fmt.Sprintf("%s: %s", b.name, why))
			continue
		}
		for range b.share {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("nothing is left to do: %s", strings.Join(leftOut, "; "))
	}
	return all, leftOut, nil
}

func (m machine) refuses(n need) error {
	switch {
	case n == needsDisks:
		return m.disks
	case n == needsNamespaces && !m.namespaces:
		return errors.New("the locations share this machine's network (--network namespaces, as root)")
	}
	return nil
}

func needs(all []blow, n need) bool {
	return slices.ContainsFunc(all, func(b blow) bool { return b.need == n })
}

// change is a planned switch. No client may be refused for longer than it lasts.
func (p *pair) change(ctx context.Context, rec *recorder, primary *server.Location) error {
	began, acknowledged := time.Now(), rec.acknowledged.Load()
	if _, err := primary.Switch(ctx, p.Other(primary).Name); err != nil {
		return err
	}
	if err := p.serves(ctx, p.Other(primary)); err != nil {
		return err
	}
	if err := flow(ctx, rec, max(acknowledged, rec.acknowledged.Load())); err != nil {
		return err
	}
	p.switched = append(p.switched, time.Since(began))
	return p.Settled(ctx)
}

// crash kills every node of the primary, and starts them again when the other
// location serves.
func (p *pair) crash(ctx context.Context, rec *recorder, primary *server.Location) error {
	began := time.Now()
	for _, s := range primary.Nodes {
		if err := s.Kill(); err != nil {
			return err
		}
	}
	if err := p.takenOver(ctx, rec, primary, began); err != nil {
		return err
	}
	for _, s := range primary.Nodes {
		if err := s.Launch(); err != nil {
			return err
		}
	}
	return p.comesBack(ctx, rec, primary)
}

// freeze stops every node of the primary as a machine does that runs out of
// everything, and lets it go on when the other location serves. Nobody hears a word
// from a node that stands still, so the balancer's health check has to move clients.
func (p *pair) freeze(ctx context.Context, rec *recorder, primary *server.Location) error {
	began := time.Now()
	for _, s := range primary.Nodes {
		if err := s.Pause(); err != nil {
			return err
		}
	}
	p.Front.Avoid(primary.Nodes...)
	err := p.takenOver(ctx, rec, primary, began)
	for _, s := range primary.Nodes {
		err = errors.Join(err, s.Resume())
	}
	p.Front.Accept(primary.Nodes...)
	if err != nil {
		return err
	}
	return p.comesBack(ctx, rec, primary)
}

// cutFor is how long the locations do not hear each other.
const cutFor = 3 * time.Second

// part cuts the link: with the witness's vote the primary stays what it is.
func (p *pair) part(ctx context.Context, rec *recorder, primary *server.Location) error {
	p.Part()
	err := wait(ctx, cutFor)
	p.Join()
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// blind kills the witness for a while: the secondary's vote keeps the primary.
func (p *pair) blind(ctx context.Context, rec *recorder, primary *server.Location) error {
	if err := p.Witness.Kill(); err != nil {
		return err
	}
	if err := wait(ctx, cutFor); err != nil {
		return err
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	if err := p.Witness.Start(); err != nil {
		return err
	}
	return p.Settled(ctx)
}

// choice is what becomes of a tail: what may not be lost is brought back.
func (p *pair) choice() string {
	if p.async && p.random.IntN(3) == 0 {
		return groups.Drop
	}
	return groups.Reinject
}

// isolationFor is how long a primary hears of nobody: longer than detection takes.
const isolationFor = 20 * time.Second

// isolate keeps the primary away from the other location and the witness, while clients
// still reach it: what it accepts until it notices is its own.
func (p *pair) isolate(ctx context.Context, rec *recorder, primary *server.Location) error {
	began := time.Now()
	if err := primary.Isolate(ctx, isolationFor); err != nil {
		return err
	}
	p.Front.Avoid(primary.Nodes...) // as a router does with a location that has lost the group
	err := p.takenOver(ctx, rec, primary, began)
	p.Front.Accept(primary.Nodes...)
	if err = errors.Join(err, primary.Isolate(ctx, 0)); err != nil {
		return err
	}
	return p.comesBack(ctx, rec, primary)
}

// slow delays everything between the locations for a while.
func (p *pair) slow(ctx context.Context, rec *recorder, _ *server.Location) error {
	p.Delay(p.delay + slowDelay)
	err := wait(ctx, cutFor)
	p.Delay(p.delay)
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// slowDelay is added each way.
const slowDelay = 200 * time.Millisecond
