package torture

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/conformance/server"
	"weir/internal/groups"
)

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
	return p.recovers(ctx, rec)
}

// promoteBoth has a person at each location promote it at the same moment, with or
// without a line between them, insisting or not. There is one primary afterwards, and
// what the other one accepted alone is in a ledger.
func (p *pair) promoteBoth(ctx context.Context, rec *recorder, _ *server.Location) error {
	if p.random.IntN(2) == 0 {
		p.Part()
	}
	force := p.random.IntN(2) == 0
	var all sync.WaitGroup
	for _, l := range []*server.Location{p.West, p.East} {
		all.Go(func() { _, _ = l.Promote(ctx, force) }) // a refusal is as good
	}
	all.Wait()
	err := wait(ctx, time.Duration(p.random.Int64N(int64(cutFor))))
	p.Join()
	if err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// promoteTwice kills the primary, has every node of the other location promote it at
// once, kills that location too somewhere on its way, and starts both again.
func (p *pair) promoteTwice(ctx context.Context, rec *recorder, primary *server.Location) error {
	other := p.Other(primary)
	if err := stopAll(primary, (*server.Server).Kill); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range 1 + len(other.Nodes) {
		all.Go(func() { _, _ = other.Promote(ctx, false) })
	}
	err := wait(ctx, time.Duration(p.random.Int64N(int64(promotionTakes))))
	if err == nil {
		err = stopAll(other, (*server.Server).Kill)
	}
	all.Wait()
	if err != nil {
		return err
	}
	first, second := primary, other
	if p.random.IntN(2) == 0 {
		first, second = other, primary
	}
	if err := stopAll(first, (*server.Server).Launch); err != nil {
		return err
	}
	if err := wait(ctx, time.Duration(p.random.Int64N(int64(promotionTakes)))); err != nil {
		return err
	}
	if err := stopAll(second, (*server.Server).Launch); err != nil {
		return err
	}
	return p.recovers(ctx, rec)
}

// promotionTakes is about how long a promotion of a location takes whose primary is gone.
const promotionTakes = 7 * time.Second

// stopAll does the same to every node of a location.
func stopAll(l *server.Location, do func(*server.Server) error) error {
	for _, s := range l.Nodes {
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

// failBack kills the primary, and asks for the way home from the moment on at which it
// is started again: while it finds out what it lacks, while it is salvaged, while it
// catches up. It is refused until it can be done, and then it is done.
func (p *pair) failBack(ctx context.Context, rec *recorder, primary *server.Location) error {
	began, other := time.Now(), p.Other(primary)
	if err := stopAll(primary, (*server.Server).Kill); err != nil {
		return err
	}
	if err := p.takenOver(ctx, rec, primary, began); err != nil {
		return err
	}
	if err := wait(ctx, time.Duration(p.random.Int64N(int64(cutFor)))); err != nil {
		return err
	}
	if err := stopAll(primary, (*server.Server).Launch); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recoverWithin)
	defer cancel()
	for {
		_, err := other.Switch(ctx, primary.Name)
		if g, asked := primary.Group(ctx); asked == nil && g.Standing == groups.Salvage {
			if err := p.salvage(ctx, rec, primary, p.choice()); err != nil {
				return err
			}
		} else if err == nil || asked == nil && g.Standing == "primary" {
			return p.recovers(ctx, rec)
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%s could not be switched home within %s: %w", primary.Name, recoverWithin, err)
		}
	}
}
