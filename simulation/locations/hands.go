package locations

import (
	"errors"

	"weir/internal/groups"
	ballotcore "weir/kernel/ballot/core"
	link "weir/kernel/link/core"
	"weir/operate/continuity/core"
)

// hands do what package core wants done, on one process, each as one step of it.
type hands struct {
	p    *proc
	c    *controller
	born bool // the first note is to be written

	promotion *promotion
}

// promotion is what the judge is told of one when it is won.
type promotion struct{ force, whole, parted bool }

var _ core.Hands = (*hands)(nil)

func (c *controller) hands(p *proc) *hands { return &hands{p: p, c: c} }

// Change implements core.Hands.
func (h *hands) Change(fn func(*note) bool) (note, error) {
	c, p := h.c, h.p
	if p.h.mono() >= p.limit { // what is noted when the time is over is about just that
		before := p.limit
		p.limit = p.h.mono() + askTimeout
		defer func() { p.limit = before }()
	}
	for {
		n := c.site.note.Clone()
		revision := n.Revision
		if !fn(&n) {
			c.saw(n)
			return n, nil
		}
		if c.h.w.rules.HalfCopies {
			for name, u := range n.Units {
				u.Caught = true
				n.Units[name] = u
			}
		}
		n.Revision = revision + 1
		err := p.write(func() error {
			if c.site.note.Revision != revision {
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

// KeepGeneration implements core.Hands.
func (h *hands) KeepGeneration(unit string, generation int) error {
	return h.p.write(func() error {
		h.c.site.generations[unit] = generation
		return nil
	})
}

// Begin implements core.Hands.
func (h *hands) Begin(c groups.Change) *groups.Change { return &c }

// Did implements core.Hands: a place where the process may end.
func (h *hands) Did(c *groups.Change, step string) {
	if m := h.promotion; m != nil && step == "win the vote" {
		h.c.h.w.judge.promotes(h.c, c.Term, m.force, m.whole, m.parted)
	}
	h.p.point(step)
}

// Status implements core.Hands.
func (h *hands) Status() (groups.Status, error) { return h.c.askStatus(h.p, askTimeout) }

// Ready implements core.Hands.
func (h *hands) Ready(ends core.Marks) error {
	if h.c.h.w.rules.PassBeforeReady {
		return nil
	}
	_, err := ask(h.p, h.c.site.peer(), switchLimit, func(q *proc, there *controller) (bool, error) { return true, there.ready(q, ends) })
	return err
}

// Take implements core.Hands.
func (h *hands) Take(change groups.Change) error {
	_, err := ask(h.p, h.c.site.peer(), switchLimit, func(q *proc, there *controller) (bool, error) {
		defer q.within(switchLimit / 2)()
		return true, core.Taken(there.hands(q), there.group(), there.last, change)
	})
	if err != nil && h.c.h.w.rules.UndoAfterTake {
		h.undo()
	}
	return err
}

// undo lets the group go on here as if it had not been passed on.
func (h *hands) undo() {
	_, _ = h.Change(func(n *note) bool {
		if n.Phase != core.Passing {
			return false
		}
		n.Phase = core.None
		return true
	})
}

// Decline implements core.Hands.
func (h *hands) Decline(term uint64) error {
	_, err := ask(h.p, h.c.site.peer(), askTimeout, func(q *proc, there *controller) (bool, error) {
		n, err := there.hands(q).Change(core.Decline(term))
		if err == nil && n.Term >= term && n.Holder == there.site.name {
			err = errConflict
		}
		return true, err
	})
	return err
}

// Carry implements core.Hands.
func (h *hands) Carry(unit string) error {
	first := h.c.h.units[unit].shelf.first
	_, err := ask(h.p, h.c.site.peer(), askTimeout, func(q *proc, there *controller) (bool, error) {
		u := there.site.owner(unit).units[unit]
		if !there.here() || u == nil || !u.owning {
			return false, errConflict
		}
		u.carryBehind(first - 1)
		return true, nil
	})
	return err
}

// Look implements core.Hands.
func (h *hands) Look(enough func(ballotcore.Poll) bool) ballotcore.Poll {
	return h.c.round(h.p, ballotcore.Request{Verb: ballotcore.Look}, func(p *ballotcore.Poll) bool { return enough != nil && enough(*p) }).poll
}

// Acquire implements core.Hands, as package ballot does.
func (h *hands) Acquire(term uint64) (ballotcore.Poll, error) {
	rules := h.c.h.w.rules
	deaf := h.born && rules.NoSecondBirth || !h.born && rules.ClaimsExactly
	if !rules.AsksBlindly {
		look := h.c.round(h.p, ballotcore.Request{Verb: ballotcore.Look}, func(p *ballotcore.Poll) bool { return p.Willing(term) >= p.Majority() }).poll
		if look.Willing(term) < look.Majority() {
			if deaf {
				look = ballotcore.Poll{}
			}
			return look, errLost
		}
	}
	r := h.c.round(h.p, ballotcore.Request{Verb: ballotcore.Hold, Term: term}, nil)
	if r.poll.Won() {
		return r.poll, nil
	}
	if deaf {
		r.poll = ballotcore.Poll{}
	}
	return r.poll, errLost
}

var errLost = errors.New("no majority")

// Pass implements core.Hands.
func (h *hands) Pass(term uint64) error {
	r := h.c.round(h.p, ballotcore.Request{Verb: ballotcore.Pass, Term: term, To: h.c.site.peer().name}, nil)
	if r.poll.Won() {
		return nil
	}
	if h.c.h.w.rules.UndoAfterPass {
		h.undo()
	}
	return errLost
}

// Revoke implements core.Hands.
func (h *hands) Revoke() {
	for _, u := range h.c.h.inOrder() {
		u.revoke()
	}
}

// Halt implements core.Hands.
func (h *hands) Halt(n note) (core.Marks, error) { return h.c.halt(h.p) }

// Serve implements core.Hands.
func (h *hands) Serve(n note) error {
	h.c.stand()
	return h.c.served(h.p, n)
}

// Ends implements core.Hands.
func (h *hands) Ends() core.Marks {
	ends := core.Marks{}
	for _, u := range h.c.h.inOrder() {
		ends[u.name] = u.shelf.mark()
	}
	return ends
}

// Copies implements core.Hands.
func (h *hands) Copies() map[string]core.Copy {
	all, rules := map[string]core.Copy{}, h.c.h.w.rules
	for _, u := range h.c.h.inOrder() {
		c := core.Copy{Generation: u.generation, State: u.recv.core.State(), Position: u.core.Tail().Last, Epoch: u.core.Epoch()}
		if rules.OldForkParts {
			c.Generation, c.State.PrimaryTerm = h.c.last.Generation(u.name), h.c.last.Term
		}
		if rules.ForkedPromotes && h.promotion != nil && c.State.Refused == link.Fork.String() {
			c.State.Refused = ""
		}
		if rules.LaterEpochs {
			c.Epoch = 0
		}
		all[u.name] = c
	}
	return all
}

// Whole implements core.Hands.
func (h *hands) Whole(unit string) (bool, error) { return h.c.h.units[unit].whole(), nil }

// Loss implements core.Hands.
func (h *hands) Loss() *groups.Loss { return nil }
