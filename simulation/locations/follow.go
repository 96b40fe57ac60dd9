package locations

import (
	"time"
)

// heedPeer has the primary look at the other location, which may have been promoted
// without it.
func (c *controller) heedPeer(p *proc) {
	if p.h.mono()-c.probed < probeEvery {
		return
	}
	c.probed = p.h.mono()
	said, err := c.askStatus(p)
	if err != nil || !c.here() {
		return
	}
	n := c.last
	if said.Term > n.Term && said.Holder == c.site.peer().name {
		_ = c.deposed(p, said.Term, said.Holder) // else it is tried again
		return
	}
	if c.doubt > n.Term && said.Term <= n.Term && said.Standing != primary && n.Phase != phaseHandOver {
		c.keepHigher(p, n)
	}
}

// keepHigher takes a later term for the location that has the group anyhow: some voter
// granted one to the other location, which did not get a majority. It loses nothing.
func (c *controller) keepHigher(p *proc, n note) {
	term := c.next(c.doubt)
	if _, err := c.acquire(p, term); err != nil {
		return
	}
	p.point("when a later term of its own is won")
	_, err := c.change(p, func(now *note) bool {
		if now.Term != n.Term || now.Holder != c.site.name || now.Phase != n.Phase {
			return false
		}
		now.Term, now.Phase = term, phaseNone // what was passed on was never taken, and can not be any more
		return true
	})
	if err == nil {
		c.h.w.judge.counts["kept in a later term"]++
	}
}

// followPeer looks at the primary: its term, its documents, whether it is there.
func (c *controller) followPeer(p *proc) {
	if p.h.mono()-c.probed < probeEvery {
		return
	}
	c.probed = p.h.mono()
	n := c.last
	said, err := c.askStatus(p)
	if err != nil {
		c.probes++
		if c.h.w.automatic && c.probes >= probesMax {
			c.takeOver(p, n)
		}
		return
	}
	c.probes = 0
	if said.Holder == c.site.name && said.Term > n.Term {
		c.claim(p, said.Term)
		return
	}
	if said.Holder != c.site.peer().name || said.Standing != primary {
		return
	}
	if said.Term > n.Term {
		if n, err = c.change(p, func(n *note) bool {
			if n.Term >= said.Term {
				return false
			}
			n.Term, n.Holder, n.Phase = said.Term, said.Holder, phaseNone
			return true
		}); err != nil {
			return
		}
	}
	c.noteFork(p, n)
	c.noteWhole(p, n)
	_ = c.copyDocuments(p, askTimeout)
}

// copyDocuments asks for what is declared; what that is does not matter here.
func (c *controller) copyDocuments(p *proc, d time.Duration) error {
	_, err := ask(p, c.site.peer(), d, func(q *proc, there *controller) (bool, error) { return true, nil })
	return err
}

// noteFork marks the group as parted when the link of a unit says so.
func (c *controller) noteFork(p *proc, n note) {
	if n.Phase != phaseNone {
		return
	}
	for _, u := range c.h.inOrder() {
		s := u.recv.core.State()
		old := u.generation != n.Units[u.name] || s.PrimaryTerm != n.Term // it was said of another log
		if s.Refused != "fork" || old && !c.h.w.rules.OldForkParts {
			continue
		}
		_, err := c.change(p, func(now *note) bool {
			if now.Term != n.Term || now.Phase != phaseNone {
				return false
			}
			now.Phase = phaseParted
			return true
		})
		if err == nil {
			c.h.w.judge.parts(c)
		}
		return
	}
}

// noteWhole notes that the copies had all there was, once: from then on they are good
// enough to go on with.
func (c *controller) noteWhole(p *proc, n note) {
	for _, u := range c.h.inOrder() {
		s := u.recv.core.State()
		if n.Whole[u.name] == n.Units[u.name] || u.generation != n.Units[u.name] || !s.Connected || s.PrimaryTerm != n.Term || s.Mark.At < s.PrimaryEnd {
			continue
		}
		_, _ = c.change(p, func(now *note) bool {
			if now.Term != n.Term || now.Units[u.name] != u.generation {
				return false
			}
			if now.Whole == nil {
				now.Whole = map[string]int{}
			}
			now.Whole[u.name] = u.generation
			return true
		})
	}
}

// takeOver promotes this location because the primary does not answer.
func (c *controller) takeOver(p *proc, n note) {
	if c.changing {
		return
	}
	if !c.h.w.rules.StaleTakeOver {
		n = c.last
		defer p.within(switchLimit)()
	}
	if n.Holder == c.site.name || n.Phase != phaseNone || n.Term == 0 {
		return
	}
	c.changing = true
	defer func() { c.changing = false }()
	if c.promoteFrom(p, n, false) == nil {
		c.h.w.judge.counts["took over by itself"]++
	}
}

// claim takes a term that the primary has passed on to here, when its own call to do so
// was lost.
func (c *controller) claim(p *proc, term uint64) {
	if !c.whole(c.last) && !c.h.w.rules.HalfCopies {
		return // it was not passed on: that waits for the copies
	}
	c.h.w.Say("%s claims term %d", c.h.name, term)
	if len(c.h.w.voters) > 0 {
		r, err := c.acquire(p, term)
		if err != nil && r.term > term && !c.h.w.rules.ClaimsExactly {
			// Somebody has asked for a later one in vain. Whoever had the group has given it
			// up for this location: it may have any term that the voters grant.
			term = c.next(r.term)
			_, err = c.acquire(p, term)
		}
		if err != nil {
			return
		}
	}
	p.point("when a term is claimed")
	if _, err := c.take(p, term, nil); err == nil {
		c.h.w.judge.counts["claimed"]++
	}
}
