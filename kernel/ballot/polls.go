package ballot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"weir/kernel/ballot/core"
)

// TTLDefault is how long a grant lasts.
const TTLDefault = 5 * time.Second

// roundsPerTTL is how often a holder asks within the time of a grant; a round waits
// no longer than one such part for voters that do not answer.
const roundsPerTTL = 4

// Named is a voter and what to call it.
type Named struct {
	Name  string
	Voter Voter
}

// Polls are the voters of a group, as one location sees them.
type Polls struct {
	Group, Location string
	Voters          []Named
	TTL             time.Duration // of a grant; 0 is TTLDefault. All locations agree on it.
}

// Reply is what one voter said in a round.
type Reply struct {
	Name   string
	Answer Answer
	Err    error // it did not answer
}

// Round is what all of them said.
type Round struct {
	Replies []Reply // of those heard before the round was decided
	Granted int
	Won     bool      // a majority granted it
	Until   time.Time // how long a Hold that was won may be relied on
	Term    uint64    // the newest that was heard of
	Holder  string
}

// Why says in a sentence why a round was not won.
func (r Round) Why() string {
	var said []string
	for _, reply := range r.Replies {
		switch {
		case reply.Err != nil:
			said = append(said, fmt.Sprintf("%s did not answer (%v)", reply.Name, reply.Err))
		case !reply.Answer.Granted:
			said = append(said, fmt.Sprintf("%s: %s", reply.Name, reply.Answer.Reason))
		}
	}
	return strings.Join(said, "; ")
}

func (p *Polls) ttl() time.Duration {
	if p.TTL > 0 {
		return p.TTL
	}
	return TTLDefault
}

// Round asks all voters and returns when a majority has granted it, all have
// answered, or a quarter of the TTL is over.
func (p *Polls) Round(ctx context.Context, r Request) Round {
	return p.round(ctx, r, func(round *Round) bool {
		return r.Verb == core.Hold && round.Granted >= core.Majority(len(p.Voters))
	})
}

// round asks all voters until enough is known.
func (p *Polls) round(ctx context.Context, r Request, enough func(*Round) bool) Round {
	r.Location, r.For = p.Location, p.ttl()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.ttl()/roundsPerTTL)
	defer cancel()
	replies := make(chan Reply, len(p.Voters))
	for _, v := range p.Voters {
		go func() {
			a, err := v.Voter.Ask(ctx, p.Group, r)
			replies <- Reply{v.Name, a, err}
		}()
	}
	var round Round
	for range p.Voters {
		select {
		case reply := <-replies:
			round.take(reply)
		case <-ctx.Done():
			round.take(Reply{Name: "a voter", Err: ctx.Err()})
		}
		if enough(&round) {
			break
		}
	}
	round.Won = round.Granted >= core.Majority(len(p.Voters))
	if round.Won && r.Verb == core.Hold {
		round.Until = began.Add(core.SafeFor(p.ttl()))
	}
	return round
}

func (r *Round) take(reply Reply) {
	r.Replies = append(r.Replies, reply)
	if reply.Err != nil {
		return
	}
	if reply.Answer.Granted {
		r.Granted++
	}
	if reply.Answer.Term > r.Term {
		r.Term, r.Holder = reply.Answer.Term, reply.Answer.Holder
	}
}

// Look asks what the voters know.
func (p *Polls) Look(ctx context.Context) Round { return p.Round(ctx, Request{Verb: core.Look}) }

// ErrLost: no majority granted what was asked for.
var ErrLost = errors.New("ballot: no majority")

// Acquire asks once for a term. It looks first whether a majority would grant it: a vote
// that was given to a candidate who lost is one that the present holder lacks.
func (p *Polls) Acquire(ctx context.Context, term uint64) (Round, error) {
	look := p.round(ctx, Request{Verb: core.Look}, func(r *Round) bool { return p.willing(r, term) >= core.Majority(len(p.Voters)) })
	if p.willing(&look, term) < core.Majority(len(p.Voters)) {
		look.Granted, look.Won = 0, false
		return look, fmt.Errorf("%w for term %d of %s: %s", ErrLost, term, p.Group, look.Why())
	}
	r := p.Round(ctx, Request{Verb: core.Hold, Term: term})
	if !r.Won {
		return r, fmt.Errorf("%w for term %d of %s: %s", ErrLost, term, p.Group, r.Why())
	}
	return r, nil
}

// willing counts those that were looked at and would grant a term, and writes down why
// the others would not.
func (p *Polls) willing(r *Round, term uint64) (n int) {
	for i := range r.Replies {
		a := &r.Replies[i].Answer
		switch {
		case r.Replies[i].Err != nil:
		case a.Term > term || a.Term == term && a.Holder != p.Location:
			a.Granted, a.Reason = false, fmt.Sprintf("%s holds term %d", a.Holder, a.Term)
		case a.Holder != "" && a.Holder != p.Location && a.Left > 0:
			a.Granted, a.Reason = false, fmt.Sprintf("%s holds term %d and was heard of; its grant lasts another %s", a.Holder, a.Term, a.Left.Round(time.Millisecond))
		default:
			n++
		}
	}
	return n
}

// Pass gives the next term to another location. The caller relies on its own term no
// longer, from before the call on, whatever comes of it. Voters that do not hear of it
// follow when the new holder asks them and the old grant has run out.
func (p *Polls) Pass(ctx context.Context, term uint64, to string) (Round, error) {
	r := p.Round(ctx, Request{Verb: core.Pass, Term: term, To: to})
	if !r.Won {
		return r, fmt.Errorf("%w to pass term %d of %s on: %s", ErrLost, term, p.Group, r.Why())
	}
	return r, nil
}

// Deposed is the end of Keep: another location holds a later term.
type Deposed struct {
	Term   uint64
	Holder string
}

// Error says who.
func (d *Deposed) Error() string { return fmt.Sprintf("%s holds term %d", d.Holder, d.Term) }

// Keep holds a term until ctx ends or a later one is heard of; then the error is a
// *Deposed. After each round that was won it tells until when that may be relied on;
// what was told before stays true when a round is lost.
func (p *Polls) Keep(ctx context.Context, term uint64, told func(until time.Time)) error {
	every := time.NewTicker(p.ttl() / roundsPerTTL)
	defer every.Stop()
	for {
		r := p.Round(ctx, Request{Verb: core.Hold, Term: term})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r.Won: // then nobody can have a majority for a later term
			told(r.Until)
		case r.Term > term:
			return &Deposed{r.Term, r.Holder}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
