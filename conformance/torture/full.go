package torture

import (
	"context"
	"fmt"
	"time"

	"weir/conformance/server"
)

// How long a disk stays full, and how little it may have left when it is.
const (
	fullMin  = 3 * time.Second
	fullMax  = 15 * time.Second
	leaveMax = 48 << 20
	// leaveToMove is enough for a node that takes no appends any more to hand over.
	leaveToMove = 8 << 20
)

const thePrimary = "the primary"

// full takes the room away that a node or the witness has on its disk, under load, and
// gives it back. While it is the primary's, clients are refused or the other location
// takes over; while it is somebody else's, they are served.
func (p *pair) full(ctx context.Context, rec *recorder, primary *server.Location) error {
	disks, whose, served := p.victims(primary)
	leave := int64(0)
	if p.random.IntN(2) == 0 {
		leave = p.random.Int64N(leaveMax)
	}
	lasts := fullMin + time.Duration(p.random.Int64N(int64(fullMax-fullMin)))
	p.say("the disk of %s is full for %.1f s, but for %d MB", whose, lasts.Seconds(), leave>>20)
	for _, d := range disks {
		if err := d.Fill(leave); err != nil {
			return fmt.Errorf("fill the disk of %s: %w", whose, err)
		}
	}
	err := wait(ctx, lasts)
	if err == nil && whose == thePrimary && leave >= leaveToMove && p.random.IntN(2) == 0 {
		if err = p.moveAway(ctx, rec, primary); err != nil {
			err = fmt.Errorf("switch away from a full disk: %w", err)
		}
	}
	if err == nil && served {
		if err = flow(ctx, rec, rec.acknowledged.Load()); err != nil {
			err = fmt.Errorf("while the disk of %s is full: %w", whose, err)
		}
	}
	for _, d := range disks {
		if failed := d.Empty(); err == nil {
			err = failed
		}
	}
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// moveAway switches from a primary whose disk is full: what it keeps free is for this.
func (p *pair) moveAway(ctx context.Context, rec *recorder, primary *server.Location) error {
	other := p.Other(primary)
	if _, err := primary.Switch(ctx, other.Name); err != nil {
		return err
	}
	p.say("the group was switched away from the full disk")
	if err := p.serves(ctx, other); err != nil || p.stops {
		return err
	}
	return flow(ctx, rec, rec.acknowledged.Load())
}

// victims draws whose disks are filled, and says whether clients must be served
// meanwhile.
func (p *pair) victims(primary *server.Location) (disks []*server.Disk, whose string, served bool) {
	switch n := p.random.IntN(6); {
	case n == 0:
		return []*server.Disk{p.Witness.Disk()}, "the witness", true
	case n <= 2:
		return disksOf(p.Other(primary).Nodes), "the secondary", !p.stops
	case len(primary.Nodes) > 1 && n == 3:
		one := primary.Nodes[p.random.IntN(len(primary.Nodes))]
		return disksOf([]*server.Server{one}), "one node of the primary", true
	default:
		return disksOf(primary.Nodes), thePrimary, false
	}
}

func disksOf(nodes []*server.Server) (all []*server.Disk) {
	for _, s := range nodes {
		all = append(all, s.Disk())
	}
	return all
}
