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
	flows    *flowLoad
	async    bool
	stops    bool // nothing is acknowledged while the secondary is away
	skewed   bool // somebody's clock is off
	random   *rand.Rand
	delay    time.Duration // each way
	about    string        // what the pair was told
	say      func(string, ...any)
	blows    []blow
	struck   map[string][]time.Duration // by blow: from its begin until all was well again
	leftOut  []string                   // blows that this machine does not allow, and why
	switched []time.Duration            // from the command until clients were acknowledged again
	failed   []time.Duration            // from the harm until the other location served them
	rejoined []time.Duration            // from the start of a former primary until it follows
}

// diskBytes is the size of each node's disk where disks can be filled, and how much is
// added for each blow: a history that has parted stays on disk for a while.
const (
	diskBytes     = 1 << 30
	diskBytesEach = 24 << 20
)

// raisePair starts both locations and the witness.
func raisePair(ctx context.Context, o Options, rec *recorder) (*pair, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	if o.Workflows && o.Mode == "async" {
		return nil, errors.New("workflows are tortured with --mode sync: with async the last seconds of a run may be done again, and nothing outside says which")
	}
	deploy := filepath.Join(o.Dir, "estate.json")
	p := &pair{
		async: o.Mode == "async", delay: o.RTT / 2, say: o.Say,
		random: rand.New(rand.NewPCG(o.Seed, 7)), struck: map[string][]time.Duration{},
	}
	away, err := o.whenAway()
	if err != nil {
		return nil, err
	}
	p.stops = away == awayStop && !p.async
	namespaces, err := server.WantsNetworks(o.Network)
	if err != nil {
		return nil, err
	}
	disks := server.Disks()
	if p.blows, p.leftOut, err = choose(o.Only, machine{disks: disks, namespaces: namespaces}); err != nil {
		return nil, err
	}
	so := server.Options{Binary: o.Binary, Dir: o.Dir, Deploy: deploy, Clock: true}
	if needs(p.blows, needsDisks) {
		so.DiskBytes = diskBytes + int64(o.Kills)*diskBytesEach
	}
	p.Pair, err = server.NewPair(server.PairOptions{
		Options: so, Nodes: o.Nodes, Mode: o.Mode, Automatic: true, Namespaces: namespaces,
		Group: server.Properties{"whenAway": away}, Units: o.units(),
	})
	if err != nil {
		return nil, err
	}
	if o.Workflows {
		at, lines, err := p.Listen()
		if err != nil {
			return p, err
		}
		if p.flows, err = newFlowLoad(rec, o, at, lines); err != nil {
			return p, err
		}
	}
	if err := server.WriteEstate(deploy, estate(o, p.flows)); err != nil {
		return p, err
	}
	p.Delay(p.delay)
	lines := "one network, with proxies between the locations"
	if namespaces {
		lines = "a network for each location and the witness"
	}
	p.about = fmt.Sprintf("%s; %s; round trip %s", o.Mode, lines, o.RTT)
	if !p.async {
		p.about += "; when the secondary is away: " + away
	}
	p.say("%s", p.about)
	for _, why := range p.leftOut {
		p.say("left out: %s", why)
	}
	return p, p.Start(ctx)
}

// Values of Options.WhenAway.
const (
	awayStop    = "stop"
	awayDegrade = "degrade"
)

// whenAway is what the group declares; the seed decides where nothing was said.
func (o Options) whenAway() (string, error) {
	switch o.WhenAway {
	case awayStop, awayDegrade:
		return o.WhenAway, nil
	case "":
		return []string{awayDegrade, awayStop}[rand.New(rand.NewPCG(o.Seed, 11)).IntN(2)], nil
	}
	return "", fmt.Errorf("--when-away may be %s or %s, not %q", awayStop, awayDegrade, o.WhenAway)
}

func (p *pair) fall() {
	p.once.Do(func() {
		p.flows.close()
		if p.Pair != nil {
			_ = p.Stop()
		}
	})
}

// keep has what is on disks of their own outlive them.
func (p *pair) keep() { p.Keep() }

func (p *pair) connection() string { return p.Emulator() }

func (p *pair) door() string { return p.Front.Addr() }

// servers are all nodes; those of the primary, where somebody says that he is, first.
func (p *pair) servers() (all []*server.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	first, second := p.West, p.East
	if g, err := second.Group(ctx); err == nil && g.Standing == "primary" {
		first, second = second, first
	}
	return append(append(all, first.Nodes...), second.Nodes...)
}

func (p *pair) workflows() *flowLoad { return p.flows }

// units are what the group holds.
func (o Options) units() (all []string) {
	if !o.Alone {
		all = append(all, server.NamespaceID)
	}
	if o.Workflows {
		all = append(all, server.Scope)
	}
	return all
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
		b := p.blows[random.IntN(len(p.blows))]
		primary, err := p.Primary(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		outage := ledger.Outage{Start: rec.now(), Late: b.late}
		if err := b.strike(p, ctx, rec, primary); err != nil {
			p.keep()
			return errors.Join(fmt.Errorf("failover %d, %s, primary %s: %w", n, b.name, primary.Name, err), p.tails())
		}
		outage.End = rec.now()
		rec.outage(outage)
		p.struck[b.name] = append(p.struck[b.name], time.Since(began))
		o.Say("%d of %d: %s (it was %s): %.2f s in all; %s", n, o.Kills, b.name, primary.Name, time.Since(began).Seconds(), rec.progress())
	}
	if err := p.setRight(rec); err != nil {
		return err
	}
	return wait(ctx, time.Until(end))
}

// takenOver waits until the other location serves the clients. Where nothing is
// acknowledged while a location is away, that it would is all there is to wait for.
func (p *pair) takenOver(ctx context.Context, rec *recorder, primary *server.Location, began time.Time) error {
	if err := p.serves(ctx, p.Other(primary)); err != nil {
		return err
	}
	if !p.stops {
		if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
			return err
		}
	}
	p.failed = append(p.failed, time.Since(began))
	return nil
}

// recovers waits until clients are served and the pair is at rest, and decides about
// what a location has alone.
func (p *pair) recovers(ctx context.Context, rec *recorder) error {
	if err := p.rests(ctx, rec); err != nil {
		return err
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	return p.Settled(ctx)
}

// rests waits until the pair is at rest.
func (p *pair) rests(ctx context.Context, rec *recorder) error {
	limit, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for !p.AtRest(limit) {
		for _, l := range []*server.Location{p.West, p.East} {
			if g, err := l.Group(limit); err == nil && g.Standing == groups.Salvage {
				if err := p.salvage(limit, rec, l, p.choice()); err != nil {
					return err
				}
			}
		}
		if wait(limit, 20*time.Millisecond) != nil {
			return p.Settled(ctx) // says what it is waiting for
		}
	}
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

// comesBack waits until a former primary follows, and clients are served; where its
// history has parted, what it had alone is brought back, or given up where that may be lost.
func (p *pair) comesBack(ctx context.Context, rec *recorder, _ *server.Location) error {
	began := time.Now()
	if err := p.rests(ctx, rec); err != nil {
		return err
	}
	p.rejoined = append(p.rejoined, time.Since(began))
	return flow(ctx, rec, rec.acknowledged.Load())
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
	r.LeftOut = p.leftOut
	for name, took := range p.struck {
		if r.Blows == nil {
			r.Blows = map[string]Struck{}
		}
		b := Struck{Count: len(took)}
		b.Median, b.Max = spread(took)
		r.Blows[name] = b
	}
	return r
}
