package torture

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"weir/conformance/server"
)

const (
	stepMin = 500 * time.Millisecond
	stepMax = 10 * time.Minute
	// paceMost is by how much a clock gains or loses at most, of what passes.
	paceMost = 0.1
)

// step sets the wall clocks of a location off, or of one of its nodes, by something
// between half a second and ten minutes in either direction, some of them at another
// pace; and then, mostly, moves the group to the other location, whose clock says
// something else. Clocks stay as they are until they are stepped again or the run ends.
func (p *pair) step(ctx context.Context, rec *recorder, primary *server.Location) error {
	victim := primary
	if p.random.IntN(3) == 0 {
		victim = p.Other(primary)
	}
	nodes := victim.Nodes
	if len(nodes) > 1 && p.random.IntN(2) == 0 {
		at := p.random.IntN(len(nodes))
		nodes = nodes[at : at+1]
	}
	off, pace := drawClock(p.random)
	p.say("the clock of %s steps by %+.1f s and runs at %.2f of the pace", victim.Name, off.Seconds(), pace)
	p.skewed = true
	rec.skewed(off, pace)
	for _, s := range nodes {
		if err := s.SetClock(off, pace); err != nil {
			return err
		}
	}
	if err := flow(ctx, rec, rec.acknowledged.Load()); err != nil {
		return err
	}
	switch p.random.IntN(3) {
	case 0:
		return p.change(ctx, rec, primary)
	case 1:
		return p.crash(ctx, rec, primary)
	}
	return p.recovers(ctx, rec)
}

// drawClock draws a step, its size on a logarithmic scale, and a pace.
func drawClock(random *rand.Rand) (off time.Duration, pace float64) {
	off = time.Duration(float64(stepMin) * math.Pow(float64(stepMax)/float64(stepMin), random.Float64()))
	if random.IntN(2) == 0 {
		off = -off
	}
	pace = 1
	if random.IntN(2) == 0 {
		pace += (2*random.Float64() - 1) * paceMost
	}
	return off, pace
}

// setRight ends all skew: a queue is drained by clocks that are right.
func (p *pair) setRight(rec *recorder) error {
	if !p.skewed {
		return nil
	}
	for _, l := range []*server.Location{p.West, p.East} {
		for _, s := range l.Nodes {
			if err := s.SetClock(0, 1); err != nil {
				return err
			}
		}
	}
	return nil
}
