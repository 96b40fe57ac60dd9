package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
	"weir/internal/groups"
)

// pair is two locations under torture.
type pair struct {
	*server.Pair
	once     sync.Once
	async    bool
	random   *rand.Rand
	delay    time.Duration   // each way
	switched []time.Duration // from the command until clients were acknowledged again
	failed   []time.Duration // from the harm until the other location served them
	rejoined []time.Duration // from the start of a former primary until it follows
}

// raisePair starts both locations and the witness.
func raisePair(ctx context.Context, o Options) (*pair, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	deploy := filepath.Join(o.Dir, "estate.json")
	if err := server.WriteEstate(deploy, estate()); err != nil {
		return nil, err
	}
	p, err := server.NewPair(server.PairOptions{
		Options: server.Options{Binary: o.Binary, Dir: o.Dir, Deploy: deploy},
		Nodes:   o.Nodes, Mode: o.Mode, Automatic: true, Group: server.Properties{"whenAway": "degrade"},
	})
	if err != nil {
		return nil, err
	}
	p.West.Link.Delay(o.RTT / 2)
	p.East.Link.Delay(o.RTT / 2)
	return &pair{Pair: p, async: o.Mode == "async", delay: o.RTT / 2, random: rand.New(rand.NewPCG(o.Seed, 7))}, p.Start(ctx)
}

func (p *pair) fall() { p.once.Do(func() { _ = p.Stop() }) }

func (p *pair) connection() string { return p.Emulator() }

// blow is one way to harm a pair so that the group changes location, or must not.
type blow struct {
	name   string
	strike func(p *pair, ctx context.Context, rec *recorder, primary *server.Location) error
}

var blows = []blow{
	{"planned switch", (*pair).change},
	{"planned switch", (*pair).change},
	{"the primary is killed", (*pair).crash},
	{"the primary is killed", (*pair).crash},
	{"the primary stands still", (*pair).freeze},
	{"the locations are cut off from each other", (*pair).part},
	{"the witness is killed", (*pair).blind},
	{"the primary is isolated", (*pair).isolate},
	{"the primary is isolated", (*pair).isolate},
	{"the link is slow", (*pair).slow},
	{"two changes at once", (*pair).collide},
}

// harm strikes as often as was asked.
func (p *pair) harm(ctx context.Context, o Options, rec *recorder, random *rand.Rand) error {
	end := time.Now().Add(o.Duration)
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return errors.Join(fmt.Errorf("before the first failover: %w", err), p.tails())
	}
	for n := 1; n <= o.Kills; n++ {
		if err := wait(ctx, calmMin+time.Duration(random.Int64N(int64(calmMax-calmMin)))); err != nil {
			return err
		}
		b := blows[random.IntN(len(blows))]
		primary, err := p.Primary(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		outage := ledger.Outage{Start: rec.now()}
		if err := b.strike(p, ctx, rec, primary); err != nil {
			return errors.Join(fmt.Errorf("failover %d, %s, primary %s: %w", n, b.name, primary.Name, err), p.tails())
		}
		outage.End = rec.now()
		rec.outage(outage)
		o.Say("%d of %d: %s (it was %s): %.2f s in all; %d acknowledged, %d completed", n, o.Kills, b.name, primary.Name, time.Since(began).Seconds(), rec.acknowledged.Load(), rec.completed.Load())
	}
	return wait(ctx, time.Until(end))
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
	for _, l := range []*server.Location{p.West, p.East} {
		l.Link.Cut()
	}
	err := wait(ctx, cutFor)
	for _, l := range []*server.Location{p.West, p.East} {
		l.Link.Mend()
	}
	if err != nil {
		return err
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	return p.Settled(ctx)
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
	for _, l := range []*server.Location{p.West, p.East} {
		l.Link.Delay(p.delay + slowDelay)
	}
	err := wait(ctx, cutFor)
	for _, l := range []*server.Location{p.West, p.East} {
		l.Link.Delay(p.delay)
	}
	if err != nil {
		return err
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	return p.Settled(ctx)
}

// slowDelay is added each way.
const slowDelay = 200 * time.Millisecond

// collide asks for several changes at once: two switches and a promotion. One of them
// wins, or none; there is one primary afterwards.
func (p *pair) collide(ctx context.Context, rec *recorder, primary *server.Location) error {
	other := p.Other(primary)
	var all sync.WaitGroup
	for _, ask := range []func(){
		func() { _, _ = primary.Switch(ctx, other.Name) },
		func() { _, _ = other.Switch(ctx, other.Name) },
		func() { _, _ = other.Promote(ctx, false) },
		func() { _, _ = primary.Promote(ctx, false) },
	} {
		all.Go(ask) // refusals are as good as successes
	}
	all.Wait()
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	for _, l := range []*server.Location{p.West, p.East} {
		if g, err := l.Group(ctx); err == nil && g.Standing == groups.Salvage {
			if err := p.comesBack(ctx, rec, l); err != nil {
				return err
			}
		}
	}
	return p.Settled(ctx)
}

// takenOver waits until the other location serves the clients.
func (p *pair) takenOver(ctx context.Context, rec *recorder, primary *server.Location, began time.Time) error {
	if err := p.serves(ctx, p.Other(primary)); err != nil {
		return err
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	p.failed = append(p.failed, time.Since(began))
	return nil
}

// serves waits until a location says that it is the primary.
func (p *pair) serves(ctx context.Context, l *server.Location) error {
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for {
		g, err := l.Group(ctx)
		if err == nil && g.Standing == "primary" && g.Phase == "" {
			return nil
		}
		if wait(ctx, 5*time.Millisecond) != nil {
			return fmt.Errorf("%s did not become the primary within %s: %+v, %w", l.Name, recoverWithin, g, err)
		}
	}
}

// comesBack waits until a former primary follows; where its history has parted it
// what it had alone is brought back, or given up where that may be lost.
func (p *pair) comesBack(ctx context.Context, rec *recorder, l *server.Location) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for {
		g, err := l.Group(ctx)
		switch {
		case err == nil && g.Standing == groups.Salvage:
			if err := p.salvage(ctx, rec, l, p.choice()); err != nil {
				return err
			}
		case err == nil && g.Standing == "secondary" && p.AtRest(ctx):
			p.rejoined = append(p.rejoined, time.Since(began))
			return nil
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("%s did not come back within %s: %+v, %w", l.Name, recoverWithin, g, err)
		}
	}
}

func (p *pair) tails() error {
	var errs []error
	for _, l := range []*server.Location{p.West, p.East} {
		for _, s := range l.Nodes {
			errs = append(errs, errors.New(s.LogTail()))
		}
	}
	return errors.Join(errs...)
}

func (p *pair) recovery() Recovery {
	r := Recovery{Takeovers: len(p.failed), Switches: len(p.switched)}
	r.TakenMedian, r.TakenMax = spread(p.failed)
	r.SwitchedMedian, r.SwitchedMax = spread(p.switched)
	r.ReadyMedian, r.ReadyMax = spread(p.rejoined)
	return r
}
