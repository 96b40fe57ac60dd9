package continuity

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"weir/kernel/ballot"
	"weir/operate/continuity/core"
)

// polls are the voters; nil: the group has none.
func (g *group) polls(cfg config) *ballot.Polls {
	if len(cfg.witnesses) == 0 {
		return nil
	}
	voters := []ballot.Named{
		{Name: g.c.o.Location, Voter: g.c.o.Votes},
		{Name: cfg.pairing.Peer, Voter: farVoter{g, ballot.Remote{URL: "http://" + cfg.pairing.Peer + peerBallot, Secret: cfg.pairing.Secret, Client: g.c.client(cfg.pairing)}}},
	}
	for _, url := range cfg.witnesses {
		voters = append(voters, ballot.Named{Name: url, Voter: farVoter{g, ballot.Remote{URL: strings.TrimSuffix(url, "/") + "/ballot", Secret: cfg.secret, Client: http.DefaultClient}}})
	}
	return &ballot.Polls{Group: cfg.name, Location: g.c.o.Location, Voters: voters, TTL: cfg.grant}
}

// adriftAfter is how long after its grant has run out a primary lets its clients go.
const adriftAfter = time.Second

// adrift reports that the primary has reached no majority of the voters for so long that
// it lets go of its units until it does. Without voters it never is.
func (g *group) adrift() bool {
	until := g.granted.Load()
	return until != nil && time.Since(*until) > adriftAfter
}

// keep keeps a term with the voters, and lets the units show what they decide as long
// as a majority says so; 0 keeps none.
func (g *group) keep(term uint64) {
	cfg, n := g.look()
	if g.keeping == term {
		return
	}
	if g.stopKeep != nil {
		g.stopKeep()
		g.stopKeep = nil
		g.kept.Wait()
	}
	g.keeping = term
	g.granted.Store(nil)
	g.doubt.Store(0)
	polls := g.polls(cfg)
	if term == 0 || polls == nil {
		return
	}
	for unit := range n.Units {
		if m, ok := g.c.o.Members(unit); ok {
			m.Permit.Extend(time.Time{}) // it was for another term, which may have been passed on
		}
	}
	now := time.Now()
	g.granted.Store(&now)
	ctx, cancel := context.WithCancel(context.Background())
	g.stopKeep = cancel
	g.kept.Go(func() {
		for ctx.Err() == nil {
			err := polls.Keep(ctx, term, func(r ballot.Round) { g.heard(n, term, r) })
			deposed, over := errors.AsType[*ballot.Deposed](err)
			if over && g.deposed(ctx, deposed) == nil {
				return
			}
			pause(ctx, stepEvery) // what could not be noted is asked and noted again
		}
	})
}

// heard takes what a round of voters said about the term that is kept.
func (g *group) heard(n note, term uint64, r ballot.Round) {
	h := core.Listen(term, r.Poll)
	g.doubt.Store(h.Doubt)
	if !h.Extend {
		return
	}
	g.granted.Store(&r.Until)
	for unit := range n.Units {
		if m, ok := g.c.o.Members(unit); ok {
			m.Permit.Extend(r.Until)
		}
	}
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// deposed gives up: another location holds a later term. The error: that could not be
// noted.
func (g *group) deposed(ctx context.Context, d *ballot.Deposed) error {
	g.c.log.Warn("this location has lost the group", "group", g.name, "holder", d.Holder, "term", d.Term)
	err := core.GiveUp(g.hands(ctx), d.Term, d.Holder)
	if err != nil && ctx.Err() == nil {
		g.c.log.Error("the loss of the group could not be noted", "error", err)
	}
	return err
}
