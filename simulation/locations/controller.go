package locations

import (
	"errors"
	"maps"
	"time"

	"weir/kernel/ballot/core"
	link "weir/kernel/link/core"
)

// Phases of a note.
const (
	phaseNone     = ""
	phaseHandOver = "handing-over" // a planned switch away from here, that can be undone
	phasePassing  = "passing"      // one that can not any more
	phaseParted   = "parted"
)

// note is where the group stands in a location, changed by compare and swap.
type note struct {
	Term   uint64
	Holder string
	Phase  string
	Units  map[string]int // the generation of each
	Whole  map[string]int // the generation in which the copy of each had all there was, once
	Began  map[string]link.Mark

	revision uint64
}

// status is what one location tells the other.
type status struct {
	Term      uint64
	Holder    string
	Standing  string
	Connected bool // all units are copied
}

// Times of a controller, as operate/continuity has them.
const (
	stepEvery   = 200 * time.Millisecond
	probeEvery  = time.Second
	askTimeout  = 5 * time.Second
	switchLimit = time.Minute
	adriftAfter = time.Second
	probesMax   = 3 // that fail before a location is given up
)

// controller is a model of a group's controller on one node, step by step as
// operate/continuity takes them. It is not that controller.
type controller struct {
	h        *host
	site     *site
	last     note
	loop     *proc
	changing bool

	keeping  uint64
	keeper   *proc
	granted  time.Duration // until when a majority has granted the term
	asked    bool          // granted counts
	doubt    uint64        // a later term that some voter knows of, while no majority grants ours
	probed   time.Duration
	probes   int
	reopened map[string]int
}

func newController(h *host) *controller {
	return &controller{h: h, site: h.site, probed: h.mono() - probeEvery, reopened: map[string]int{}}
}

func (c *controller) run(p *proc) {
	c.loop = p
	for {
		c.step(p)
		woken := c.last.revision
		p.until(func() bool { return c.last.revision != woken }, stepEvery)
	}
}

func (n note) clone() note {
	n.Units, n.Whole, n.Began = maps.Clone(n.Units), maps.Clone(n.Whole), maps.Clone(n.Began)
	return n
}

// change changes the note until that is not in anybody's way; fn says false when there
// is nothing to change any more.
func (c *controller) change(p *proc, fn func(n *note) bool) (note, error) {
	for {
		n := c.site.note.clone()
		revision := n.revision
		if !fn(&n) {
			c.saw(n)
			return n, nil
		}
		n.revision++
		err := p.write(func() error {
			if c.site.note.revision != revision {
				return errFenced
			}
			c.site.note = n
			c.h.w.judge.noted(c.site, n)
			return nil
		})
		if errors.Is(err, errFenced) {
			continue
		}
		if err != nil {
			return note{}, err
		}
		c.h.w.Say("%s notes term %d of %s %s", c.h.name, n.Term, n.Holder, n.Phase)
		c.saw(n)
		return n, nil
	}
}

// saw takes a note that was read or written; an older one than is known is no news.
func (c *controller) saw(n note) {
	if n.revision >= c.last.revision {
		c.last = n.clone()
		c.loop.poke()
	}
}

func (c *controller) here() bool { return c.last.Holder == c.site.name }

// step makes this node as the note says, and moves the note on.
func (c *controller) step(p *proc) {
	if c.site.note.revision == 0 && c.birth(p) != nil {
		return
	}
	c.saw(c.site.note)
	if c.here() {
		c.heedPeer(p)
	}
	c.stand()
	if !c.here() {
		c.followPeer(p)
	}
}

func (c *controller) birth(p *proc) error {
	n := note{Holder: "west", Units: map[string]int{}, Whole: map[string]int{}}
	if c.site.name == "west" {
		n.Term = 1
		if len(c.h.w.voters) > 0 {
			r, err := c.acquire(p, 1)
			if err != nil && (r.term < 2 || r.holder != "east" || c.h.w.rules.NoSecondBirth) {
				return err
			}
			if err != nil {
				n.Term, n.Holder = 0, "east" // which was promoted before there was anything here
			}
		}
	}
	for _, unit := range c.h.w.units {
		if n.Whole[unit] = 0; n.Holder == c.site.name {
			continue
		}
		n.Units[unit] = 1
		if err := c.keepGeneration(p, unit, 1); err != nil {
			return err
		}
	}
	_, err := c.change(p, func(now *note) bool {
		if now.revision != 0 {
			return false
		}
		*now = n
		return true
	})
	return err
}

// next is the first term behind another one that this location may ask for: the two
// locations never come to the same number.
func (c *controller) next(term uint64) uint64 {
	if term++; !c.h.w.rules.SharedTerms && (term%2 == 1) != (c.site.name == "west") {
		term++
	}
	return term
}

func (c *controller) keepGeneration(p *proc, unit string, generation int) error {
	return p.write(func() error {
		c.site.generations[unit] = generation
		return nil
	})
}

// stand tells the units on this node what they are.
func (c *controller) stand() {
	n, w := c.last, c.h.w
	mine := c.here()
	s := standing{mode: secondary}
	terms := w.terms
	terms.Term = n.Term
	if mine && !w.rules.StaleTakeOver {
		c.keep(n.Term) // before it is asked until when it was granted
	}
	switch {
	case mine && c.adrift():
		s.mode = halted
	case mine && n.Phase == phaseNone:
		s.mode = primary
		if n.Term > 1 && !w.rules.NoFloor {
			s.floor = n.Term << 32
		}
	case mine:
		s.mode = halted // the link goes on: the last records must arrive
	case n.Phase == phaseParted || n.Term == 0:
		s.mode, terms = halted, link.Terms{}
	default:
		terms = link.Terms{}
	}
	if mine {
		c.keep(n.Term)
	} else {
		c.keep(0)
	}
	for _, u := range c.h.inOrder() {
		if u.generation != n.Units[u.name] {
			c.reopen(u, n.Units[u.name])
			continue
		}
		up := mine || w.rules.UncoversFirst
		if up && !w.rules.StandFirst {
			u.send.configure(terms) // before it stands: without terms nothing is waited for
		}
		switch {
		case !mine || c.adrift():
			u.revoke()
		case len(w.voters) == 0:
			u.permit = permit{always: true}
		}
		u.stand(s)
		if !up {
			u.send.configure(terms) // without them everything is covered
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
	c.granted, c.asked = c.h.mono(), true
	c.keeper = c.h.spawn("keep", func(p *proc) {
		for {
			next := p.h.mono() + ttl/4
			r := c.round(p, core.Request{Verb: core.Hold, Term: term})
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
	switch {
	case r.term > term && (w.rules.OneVoteDeposes || !r.won && r.know >= core.Majority(len(w.voters))):
		w.judge.givesUp(c, term, r.term)
		return c.deposed(p, r.term, r.holder) == nil || w.rules.LossUnnoted
	case r.won:
		c.granted, c.doubt = r.until, 0
		for _, u := range c.h.inOrder() {
			u.permit = permit{until: r.until}
			w.judge.permitted(u)
			u.reveal()
		}
	case r.term > term:
		c.doubt = max(c.doubt, r.term)
	}
	return false
}

// deposed gives up: another location holds a later term. The error: that could not be
// noted.
func (c *controller) deposed(p *proc, term uint64, holder string) error {
	c.h.w.Say("%s has lost the group: %s holds term %d", c.h.name, holder, term)
	for _, u := range c.h.inOrder() {
		u.revoke()
	}
	p.point("before the loss is noted")
	_, err := c.change(p, func(n *note) bool {
		if n.Term >= term {
			return false
		}
		n.Term, n.Holder, n.Phase = term, holder, phaseNone
		return true
	})
	return err
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
	generation := c.last.Units[unit] + 1
	err := c.site.seed(p, unit, generation, s)
	for ; errors.Is(err, errSeeded) && !c.h.w.rules.SeedSticks; generation++ {
		err = c.site.seed(p, unit, generation+1, s) // the one that is there was never begun with
	}
	if err != nil {
		c.h.w.Say("%s/%s can not keep the %s: %v", c.h.name, unit, s, err)
		return err
	}
	c.h.w.judge.counts["seeded"]++
	p.point("when a seed is kept")
	if err := c.keepGeneration(p, unit, generation); err != nil {
		return err
	}
	p.point("when the generation of a seed is kept")
	_, err = c.change(p, func(n *note) bool {
		if n.Units[unit] >= generation {
			return false
		}
		n.Units[unit] = generation
		return true
	})
	return err
}

// status is what this node knows.
func (c *controller) status() status {
	n := c.last
	s := status{Term: n.Term, Holder: n.Holder, Standing: secondary, Connected: true}
	switch {
	case c.here() && n.Phase == phaseNone:
		s.Standing = primary
	case n.Phase == phaseParted:
		s.Standing = phaseParted
	case c.here() || n.Term == 0:
		s.Standing = halted
	}
	for _, name := range c.h.w.units {
		s.Connected = s.Connected && c.copies(name)
	}
	return s
}

// copies reports whether a unit is copied here, by any node.
func (c *controller) copies(unit string) bool {
	for _, h := range c.site.hosts {
		if h != c.h && c.h.w.rules.OneNodeKnows {
			continue
		}
		if u := h.units[unit]; h.alive && u != nil && u.recv.core.State().Connected {
			return true
		}
	}
	return false
}

func (c *controller) askStatus(p *proc) (status, error) {
	return ask(p, c.site.peer(), time.Second, func(q *proc, there *controller) (status, error) { return there.status(), nil })
}

// marks are where the journals of the group end.
func (c *controller) marks() map[string]link.Mark {
	ends := map[string]link.Mark{}
	for _, u := range c.h.inOrder() {
		ends[u.name] = u.shelf.mark()
	}
	return ends
}
