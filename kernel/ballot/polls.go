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
	Replies []Reply   // of those heard before the round was decided, and who was silent until then
	Poll    core.Poll // what they come to
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
	type heard struct {
		voter int
		Reply
	}
	replies := make(chan heard, len(p.Voters))
	for i, v := range p.Voters {
		go func() {
			a, err := v.Voter.Ask(ctx, p.Group, r)
			replies <- heard{i, Reply{v.Name, a, err}}
		}()
	}
	round := Round{Poll: core.Poll{Voters: len(p.Voters), Location: p.Location}}
	answered := make([]bool, len(p.Voters))
	for len(round.Replies) < len(p.Voters) && !enough(&round) {
		select {
		case h := <-replies:
			answered[h.voter] = true
			round.take(h.Reply)
		case <-ctx.Done():
			for i, v := range p.Voters {
				if !answered[i] {
					round.take(Reply{Name: v.Name, Err: ctx.Err()})
				}
			}
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
	r.Poll.Answers = append(r.Poll.Answers, reply.Answer)
	r.Granted = r.Poll.Granted()
	r.Term, r.Holder, _ = r.Poll.Newest()
}

// Look asks what the voters know.
func (p *Polls) Look(ctx context.Context) Round { return p.Round(ctx, Request{Verb: core.Look}) }

// LookUntil asks what the voters know until that is enough.
func (p *Polls) LookUntil(ctx context.Context, enough func(core.Poll) bool) Round {
	return p.round(ctx, Request{Verb: core.Look}, func(r *Round) bool { return enough(r.Poll) })
}

// ErrLost: no majority granted what was asked for.
var ErrLost = errors.New("ballot: no majority")

// Acquire asks once for a term. It looks first whether a majority would grant it: a vote
// that was given to a candidate who lost is one that the present holder lacks.
func (p *Polls) Acquire(ctx context.Context, term uint64) (Round, error) {
	look := p.round(ctx, Request{Verb: core.Look}, func(r *Round) bool { return r.Poll.Willing(term) >= r.Poll.Majority() })
	if look.Poll.Willing(term) < look.Poll.Majority() {
		look.reluctant(term)
		return look, fmt.Errorf("%w for term %d of %s: %s", ErrLost, term, p.Group, look.Why())
	}
	r := p.Round(ctx, Request{Verb: core.Hold, Term: term})
	if !r.Won {
		return r, fmt.Errorf("%w for term %d of %s: %s", ErrLost, term, p.Group, r.Why())
	}
	return r, nil
}

// reluctant makes a look the refusal of a term: who would not grant it says why.
func (r *Round) reluctant(term uint64) {
	r.Granted, r.Won = 0, false
	for i := range r.Replies {
		if a := &r.Replies[i].Answer; r.Replies[i].Err == nil {
			a.Reason = r.Poll.Reluctant(*a, term)
			a.Granted = a.Reason == ""
		}
	}
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

// Deposed is the end of Keep: a majority of the voters knows of a later term.
type Deposed struct {
	Term   uint64
	Holder string
}

// Error says who.
func (d *Deposed) Error() string { return fmt.Sprintf("%s holds term %d", d.Holder, d.Term) }

// Keep holds a term until ctx ends or it is over; then the error is a *Deposed. It tells
// of each round: after one that was won, until when that may be relied on; what was told
// before stays true when a round is lost. A later term that fewer know of, perhaps of a
// candidate that lost, ends nothing: see Round.Poll.
func (p *Polls) Keep(ctx context.Context, term uint64, told func(Round)) error {
	every := time.NewTicker(p.ttl() / roundsPerTTL)
	defer every.Stop()
	for {
		r := p.Round(ctx, Request{Verb: core.Hold, Term: term})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		told(r)
		if later, holder, over := r.Poll.Beyond(term); over && !r.Won {
			return &Deposed{later, holder}
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
