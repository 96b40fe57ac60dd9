package locations

import (
	"errors"
	"time"

	"weir/internal/groups"
	ballotcore "weir/kernel/ballot/core"
	link "weir/kernel/link/core"
	"weir/operate/continuity/core"
)

type note = core.Note

// Times of a controller, as operate/continuity has them.
const (
	stepEvery     = 200 * time.Millisecond
	probeEvery    = time.Second
	probeWithin   = time.Second
	askTimeout    = 5 * time.Second
	switchLimit   = time.Minute
	handOverLimit = switchLimit/2 + askTimeout
	adriftAfter   = time.Second
	stepsMax      = 4
	probesMax     = 3 // that fail before a location is given up
)

// controller is a group's controller on one node: package core, and around it what
// operate/continuity does.
type controller struct {
	h        *host
	site     *site
	last     note
	phased   time.Duration // since when its term and phase are what they are
	loop     *proc
	changing bool
	stood    bool // the units were told what they are

	keeping  uint64
	keeper   *proc
	granted  time.Duration // until when a majority has granted the term
	asked    bool          // granted counts
	doubt    uint64
	probed   time.Duration
	probes   int
	reopened map[string]int
}

func newController(h *host) *controller {
	return &controller{h: h, site: h.site, probed: h.mono() - probeEvery, reopened: map[string]int{}}
}

// group is how the group is declared.
func (c *controller) group() core.Group {
	w := c.h.w
	g := core.Group{Name: "all", Here: c.site.name, Peer: c.site.peer().name, Node: c.h.name, First: w.sites[0].name, Voters: len(w.voters), Automatic: w.automatic, FailedProbes: probesMax}
	if w.rules.SharedTerms {
		g.First = g.Here
	}
	return g
}

func (c *controller) run(p *proc) {
	c.loop = p
	for {
		c.step(p)
		woken := c.last.Revision
		p.until(func() bool { return c.last.Revision != woken }, stepEvery)
	}
}

// saw takes a note that was read or written; an older one than is known is no news.
func (c *controller) saw(n note) {
	if n.Revision < c.last.Revision {
		return
	}
	if n.Term != c.last.Term || n.Phase != c.last.Phase {
		c.phased = c.h.mono()
	}
	c.last = n.Clone()
	c.loop.poke()
}

func (c *controller) here() bool { return c.last.Holder == c.site.name }

// step makes this node as the note says, and moves the note on.
func (c *controller) step(p *proc) {
	if c.site.note.Revision == 0 && c.birth(p) != nil {
		return
	}
	c.saw(c.site.note)
	if c.stood {
		c.stand()
	}
	c.ahead(p)
	c.stood = true
	c.stand()
	if !c.here() {
		_ = core.Settle(c.hands(p), c.last)
	}
}

func (c *controller) birth(p *proc) error {
	defer p.within(askTimeout)()
	h := c.hands(p)
	h.born = true
	return core.Birth(h, c.group(), c.h.w.units)
}

// ahead looks at the other location, when that is due, and does what there is to do next.
func (c *controller) ahead(p *proc) {
	v := core.View{Doubt: c.doubt, Copies: c.hands(p).Copies(), Idle: !c.changing}
	if p.h.mono()-c.probed >= probeEvery {
		v.Asked, c.probed = true, p.h.mono()
		if said, err := c.askStatus(p, probeWithin); err == nil {
			v.Said, c.probes = &said, 0
		} else {
			c.probes++
		}
		v.Failed = c.probes
	}
	v.Late = p.h.mono()-c.phased > handOverLimit
	v.Note = c.last
	for range stepsMax {
		s := core.Next(c.group(), v)
		if s.Do == core.Nothing || c.do(p, v, s) != nil || s.Do == core.Copying || s.Do == core.TakeOver {
			return
		}
		v.Doubt, v.Note = 0, c.last
	}
}

// do does a step.
func (c *controller) do(p *proc, v core.View, s core.Step) error {
	w := c.h.w
	switch s.Do {
	case core.Copying:
		return c.copyDocuments(p, askTimeout)
	case core.Undo, core.CallOff, core.Outbid, core.TakeOver:
		if c.changing {
			return nil
		}
		c.changing = true
		defer func() { c.changing = false }()
	}
	if s.Do == core.TakeOver {
		if core.MayTakeOver(v.Note) == nil {
			defer p.within(switchLimit)()
			if c.promoteFrom(p, v.Note, "automatic", false) == nil {
				w.judge.counts["took over by itself"]++
			}
		}
		return nil
	}
	w.Say("%s is about to %s, %d of %s", c.h.name, s.Do, s.Term, s.Holder)
	defer p.within(askTimeout)()
	err := core.Do(c.hands(p), c.group(), v, s)
	if err == nil {
		w.judge.counts[string(s.Do)]++
	}
	if err == nil && s.Do == core.Part && c.last.Phase == core.Parted {
		w.judge.parts(c)
	}
	return err
}

// copyDocuments asks for what is declared; what that is does not matter here.
func (c *controller) copyDocuments(p *proc, d time.Duration) error {
	_, err := ask(p, c.site.peer(), d, func(q *proc, there *controller) (bool, error) { return true, nil })
	return err
}

// stand tells the units on this node what they are.
func (c *controller) stand() {
	w := c.h.w
	c.keep(core.Stand(c.group(), c.last, false).Keep)
	o := core.Stand(c.group(), c.last, c.adrift())
	s := standing{mode: []string{primary, secondary, halted}[o.Stand], floor: o.Floor, below: o.Below}
	if w.rules.NoFloor {
		s.floor, s.below = 0, 0
	}
	if w.rules.LaterEpochs {
		s.below = 0
	}
	var terms link.Terms
	if o.Linked {
		terms = w.terms
		terms.Term = c.last.Term
	}
	for _, u := range c.h.inOrder() {
		if want := c.last.Generation(u.name); u.generation != want {
			c.reopen(u, want)
			continue
		}
		up := o.Linked || w.rules.UncoversFirst
		if up && !w.rules.StandFirst {
			u.send.configure(terms)
		}
		switch o.Permit {
		case core.Revoke:
			u.revoke()
		case core.Lift:
			u.permit = permit{always: true}
		}
		u.stand(s)
		if !up {
			u.send.configure(terms)
		}
		if up && w.rules.StandFirst {
			c.h.after(time.Second, func() { u.send.configure(terms) })
		}
		u.reveal()
	}
}

func (u *unit) revoke() {
	u.permit = permit{revoked: true}
	u.main.poke()
}

// adrift reports that the primary has reached no majority for so long that it lets go of
// its units until it does.
func (c *controller) adrift() bool { return c.asked && c.h.mono()-c.granted > adriftAfter }

// keep keeps a term with the voters, and lets the units show what they decide as long as
// a majority says so; 0 keeps none.
func (c *controller) keep(term uint64) {
	if c.keeping == term {
		return
	}
	c.keeper.end()
	c.keeping, c.asked, c.doubt = term, false, 0
	if term == 0 || len(c.h.w.voters) == 0 {
		return
	}
	for _, u := range c.h.inOrder() {
		u.permit = permit{} // it was for another term, which may have been passed on
	}
	c.granted, c.asked = c.h.mono(), true
	c.keeper = c.h.spawn("keep", func(p *proc) {
		for {
			next := p.h.mono() + ttl/4
			r := c.round(p, ballotcore.Request{Verb: ballotcore.Hold, Term: term}, nil)
			if c.listen(p, term, r) {
				return
			}
			p.sleep(max(next-p.h.mono(), 0))
		}
	})
}

// listen takes what a round of voters said about a term that is kept; true: it is over.
func (c *controller) listen(p *proc, term uint64, r round) bool {
	w := c.h.w
	heard := core.Listen(term, r.poll)
	newest, holder, _ := r.poll.Newest()
	if w.rules.OneVoteDeposes && newest > term {
		heard = core.Heard{Over: true, Term: newest, Holder: holder}
	}
	c.doubt = heard.Doubt
	switch {
	case heard.Over:
		w.judge.givesUp(c, term, heard.Term)
		return core.GiveUp(c.hands(p), heard.Term, heard.Holder) == nil
	case heard.Extend:
		c.granted = r.until
		for _, u := range c.h.inOrder() {
			u.permit = permit{until: r.until}
			w.judge.permitted(u)
			u.reveal()
		}
	}
	return false
}

// reopen has a unit opened on another generation. It does not wait.
func (c *controller) reopen(u *unit, generation int) {
	if c.reopened[u.name] == generation {
		return
	}
	c.reopened[u.name] = generation
	c.h.spawn("reopen", func(p *proc) {
		u.quit = true
		u.recv.stop()
		u.poke()
		p.until(func() bool { p.h.after(50*time.Millisecond, p.poke); return u.ended }, switchLimit)
		delete(c.reopened, u.name)
		if !u.ended {
			return
		}
		p.h.units[u.name] = newUnit(p.h, u.name)
		p.h.w.Say("%s/%s is opened in generation %d", p.h.name, u.name, p.h.units[u.name].generation)
	})
}

// seeded keeps the snapshot that a copy is to begin with, and has the unit opened on it.
func (c *controller) seeded(p *proc, unit string, s snapshot) error {
	was := c.last
	generation := was.Generation(unit) + 1
	err := c.site.seed(p, unit, generation, s)
	for ; errors.Is(err, errSeeded); generation++ {
		err = c.site.seed(p, unit, generation+1, s) // the one that is there was never begun with
	}
	if err != nil {
		c.h.w.Say("%s/%s can not keep the %s: %v", c.h.name, unit, s, err)
		return err
	}
	c.h.w.judge.counts["seeded"]++
	p.point("keep a seed")
	return core.Renew(c.hands(p), c.group(), was, unit, generation)
}

// status is what this node knows.
func (c *controller) status() groups.Status {
	n := c.last
	s := groups.Status{Term: n.Term, Holder: n.Holder, Phase: n.Phase, Standing: groups.Secondary}
	switch {
	case c.here() && n.Phase == core.None:
		s.Standing = groups.Primary
	case n.Phase == core.Parted:
		s.Standing = groups.Salvage
	case c.here() || n.Term == 0:
		s.Standing = groups.Halted
	}
	for _, name := range c.h.w.units {
		s.Units = append(s.Units, groups.Unit{Unit: name, Connected: c.copies(name), Partial: !c.here() && !c.h.units[name].whole()})
	}
	return s
}

// copies reports whether a unit is copied here, by any node.
func (c *controller) copies(unit string) bool {
	for _, h := range c.site.hosts {
		if u := h.units[unit]; h.alive && u != nil && u.recv.core.State().Connected {
			return true
		}
	}
	return false
}

func (c *controller) askStatus(p *proc, d time.Duration) (groups.Status, error) {
	return ask(p, c.site.peer(), d, func(q *proc, there *controller) (groups.Status, error) { return there.status(), nil })
}
