package locations

import (
	"time"

	"weir/kernel/ballot/core"
)

type ballot = core.Ballot

const ttl = 5 * time.Second

// voter is a vote of a place as one of its processes gives it: core, and what package
// ballot does around it.
type voter struct {
	h       *host
	known   bool
	mind    core.Voter
	version uint64
	busy    bool
	waiting []func()
}

func newVoter(h *host) *voter { return &voter{h: h} }

// ask answers a request, one at a time; an error is no answer.
func (v *voter) ask(r core.Request, told func(core.Answer, error)) {
	if v.busy {
		v.waiting = append(v.waiting, func() { v.ask(r, told) })
		return
	}
	s := v.h.site
	if !v.known || v.version != s.ballot.version {
		b := s.ballot.ballot
		if v.h.w.rules.VoterForgets {
			b.For = 0
		}
		v.mind, v.version, v.known = core.Reading(b, v.h.mono()), s.ballot.version, true
	}
	next, a := v.mind.Decide(v.h.mono(), r)
	if next.Ballot == v.mind.Ballot {
		told(a, nil)
		return
	}
	v.busy = true
	version := v.version
	s.disk.write(v.h, nil, func() error {
		if s.ballot.version != version {
			return errFenced
		}
		s.ballot = stored{next.Ballot, version + 1}
		v.h.w.judge.voted(s, next.Ballot, r.Verb)
		return nil
	}, func(err error) {
		v.busy = false
		switch err {
		case nil:
			v.mind, v.version = next, version+1
			told(a, nil)
		case errFenced:
			v.ask(r, told)
		default:
			v.known = false
			told(core.Answer{}, err)
		}
		if n := len(v.waiting); n > 0 && !v.busy {
			first := v.waiting[0]
			v.waiting = v.waiting[1:]
			first()
		}
	})
}

// round is what the voters said.
type round struct {
	poll  core.Poll
	until time.Duration // how long a Hold that was won may be relied on
}

// round asks all voters of the group and returns when enough is known, when a majority
// has granted it, all have answered, or a quarter of the time of a grant is over.
func (c *controller) round(p *proc, r core.Request, enough func(*core.Poll) bool) round {
	r.Location, r.For = c.site.name, ttl
	w := p.h.w
	began := p.h.mono()
	poll := core.Poll{Voters: len(w.voters), Location: c.site.name}
	answers := 0
	over := false
	for _, place := range w.voters {
		answered := false
		take := func(a core.Answer, err error) {
			if over || answered {
				return
			}
			answered = true
			if answers++; err == nil {
				poll.Answers = append(poll.Answers, a)
			}
			p.poke()
		}
		if place == c.site {
			p.h.voter.ask(r, func(a core.Answer, err error) { take(a, err) })
			continue
		}
		w.lines.carry(c.site.place, place.place, func() {
			door := place.door()
			if door == nil {
				return
			}
			door.arrive(door.life, func() {
				door.voter.ask(r, func(a core.Answer, err error) {
					w.lines.carry(place.place, c.site.place, func() { p.h.arrive(p.life, func() { take(a, err) }) })
				})
			})
		})
	}
	p.until(func() bool {
		return answers == len(w.voters) || r.Verb == core.Hold && poll.Won() || enough != nil && enough(&poll)
	}, ttl/4)
	over = true
	safe := core.SafeFor(ttl)
	if w.rules.RelyOnAll {
		safe = ttl
	}
	return round{poll, began + safe}
}
