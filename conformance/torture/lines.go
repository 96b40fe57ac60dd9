package torture

import (
	"context"
	"errors"
	"time"

	"weir/conformance/server"
)

// sever cuts the primary off from the other location and the witness; clients still
// reach it, as in isolate, but here it is the network that does it.
func (p *pair) sever(ctx context.Context, rec *recorder, primary *server.Location) error {
	began := time.Now()
	for _, other := range []string{p.Other(primary).Name, "witness"} {
		p.Router.Mute(primary.Name, other, true)
		p.Router.Mute(other, primary.Name, true)
	}
	p.Front.Avoid(primary.Nodes...)
	err := p.takenOver(ctx, rec, primary, began)
	p.Front.Accept(primary.Nodes...)
	p.Join()
	if err != nil {
		return err
	}
	return p.comesBack(ctx, rec, primary)
}

// muteFor is how long a line is cut one way: around what detection takes.
const muteFor = 12 * time.Second

// mute cuts one line in one direction: one side still hears the other. Whether the group
// changes location or not, clients are served when the line is whole again.
func (p *pair) mute(ctx context.Context, rec *recorder, _ *server.Location) error {
	names := []string{"west", "east", "witness"}
	from := p.random.IntN(len(names))
	to := (from + 1 + p.random.IntN(len(names)-1)) % len(names)
	p.say("nothing passes from %s to %s", names[from], names[to])
	p.Router.Mute(names[from], names[to], true)
	err := wait(ctx, time.Second+time.Duration(p.random.Int64N(int64(muteFor))))
	p.Join()
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// lossMost is the largest share of packets that are lost.
const lossMost = 0.1

// lose loses packets between the locations for a while, both ways. Clients are served.
func (p *pair) lose(ctx context.Context, rec *recorder, _ *server.Location) error {
	share := p.random.Float64() * lossMost
	p.say("%.1f %% of the packets between the locations are lost", 100*share)
	p.Router.Lose("west", "east", share)
	p.Router.Lose("east", "west", share)
	err := errors.Join(wait(ctx, cutFor), flow(ctx, rec, rec.acknowledged.Load()))
	p.Join()
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}
