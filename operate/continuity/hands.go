package continuity

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"weir/internal/groups"
	"weir/kernel/ballot"
	ballotcore "weir/kernel/ballot/core"
	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/operate/continuity/core"
)

// hands do on this node what package core wants done, until a context ends.
type hands struct {
	ctx         context.Context
	g           *group
	cfg         config
	began, last time.Time // of a change
}

var _ core.Hands = (*hands)(nil)

func (g *group) hands(ctx context.Context) *hands {
	cfg, _ := g.look()
	return &hands{ctx: ctx, g: g, cfg: cfg}
}

// Change implements core.Hands. What is noted when the context has ended already is
// about just that.
func (h *hands) Change(fn func(*note) bool) (note, error) {
	ctx := h.ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
	}
	return h.g.change(ctx, fn)
}

// KeepGeneration implements core.Hands.
func (h *hands) KeepGeneration(unit string, generation int) error {
	return h.g.c.keepGeneration(h.ctx, unit, generation)
}

// Begin implements core.Hands.
func (h *hands) Begin(c groups.Change) *groups.Change {
	h.began = time.Now()
	h.last, c.At = h.began, h.began
	return &c
}

// Did implements core.Hands: it times the steps of a change.
func (h *hands) Did(c *groups.Change, step string) {
	if c == nil {
		return
	}
	now := time.Now()
	c.Steps = append(c.Steps, groups.Step{Name: step, Seconds: now.Sub(h.last).Seconds()})
	c.Seconds, h.last = now.Sub(h.began).Seconds(), now
}

// Status implements core.Hands.
func (h *hands) Status() (there groups.Status, err error) {
	return there, h.g.ask(h.ctx, h.cfg, http.MethodGet, "", nil, &there)
}

// Ready implements core.Hands.
func (h *hands) Ready(ends marks) error {
	return h.g.ask(h.ctx, h.cfg, http.MethodPost, "/ready", ends, nil)
}

// Take implements core.Hands.
func (h *hands) Take(c groups.Change) error {
	return h.g.ask(h.ctx, h.cfg, http.MethodPost, "/take", c, nil)
}

// Decline implements core.Hands.
func (h *hands) Decline(term uint64) error {
	return h.g.ask(h.ctx, h.cfg, http.MethodPost, "/decline", declineOrder{term}, nil)
}

// Carry implements core.Hands.
func (h *hands) Carry(unit string) error {
	m, ok := h.g.c.o.Members(unit)
	if !ok {
		return notOpen(unit)
	}
	_, first, err := m.Unit.Whole(h.ctx)
	if err != nil {
		return err
	}
	return h.g.askOwner(h.ctx, h.cfg, unit, http.MethodPost, "/carry", carryOrder{unit, first - 1}, nil)
}

// Look implements core.Hands.
func (h *hands) Look(enough func(ballotcore.Poll) bool) ballotcore.Poll {
	polls := h.g.polls(h.cfg)
	if enough == nil {
		return polls.Look(h.ctx).Poll
	}
	return polls.LookUntil(h.ctx, enough).Poll
}

// Acquire implements core.Hands.
func (h *hands) Acquire(term uint64) (ballotcore.Poll, error) {
	r, err := h.g.polls(h.cfg).Acquire(h.ctx, term)
	return r.Poll, err
}

// Pass implements core.Hands.
func (h *hands) Pass(term uint64) error {
	_, err := h.g.polls(h.cfg).Pass(h.ctx, term, h.cfg.pairing.Peer)
	return err
}

// Revoke implements core.Hands.
func (h *hands) Revoke() {
	_, n := h.g.look()
	for unit := range n.Units {
		if m, ok := h.g.c.o.Members(unit); ok {
			m.Permit.Revoke()
		}
	}
}

// Halt implements core.Hands.
func (h *hands) Halt(n note) (marks, error) { return h.g.halt(h.ctx, n) }

// Serve implements core.Hands.
func (h *hands) Serve(n note) error {
	h.g.stand()
	return h.g.served(h.ctx, h.cfg, n)
}

// Ends implements core.Hands.
func (h *hands) Ends() marks {
	_, n := h.g.look()
	return h.g.ends(h.ctx, n)
}

// Copies implements core.Hands.
func (h *hands) Copies() map[string]core.Copy { return h.g.copies(h.cfg) }

// copies are what is known of the units that are open here.
func (g *group) copies(cfg config) map[string]core.Copy {
	all := map[string]core.Copy{}
	for _, id := range cfg.units {
		unit, ok := g.c.o.UnitName(id)
		if !ok {
			continue
		}
		if m, ok := g.c.o.Members(unit); ok {
			_, epoch := m.Unit.Status()
			all[unit] = core.Copy{Generation: m.Generation, State: m.Receiver.State(), Position: m.Unit.Position(), Epoch: epoch}
		}
	}
	return all
}

// Whole implements core.Hands.
func (h *hands) Whole(unit string) (bool, error) {
	m, ok := h.g.c.o.Members(unit)
	if !ok {
		return false, notOpen(unit)
	}
	whole, _, err := m.Unit.Whole(h.ctx)
	return whole, err
}

// Loss implements core.Hands.
func (h *hands) Loss() *groups.Loss {
	_, n := h.g.look()
	return h.g.expectedLoss(n)
}

func notOpen(unit string) error { return fault.New(fault.Unavailable, "%s is not open here.", unit) }

// coreOf is the group as package core knows it.
func (g *group) coreOf(cfg config) core.Group {
	all := core.Group{Name: cfg.name, Here: g.c.o.Location, Peer: cfg.pairing.Peer, Node: g.c.o.Node, First: cfg.primary, Automatic: cfg.automatic, FailedProbes: cfg.failedProbes}
	if polls := g.polls(cfg); polls != nil {
		all.Voters = len(polls.Voters)
	}
	return all
}

// declineOrder has this location promise not to take a term that it was passed.
type declineOrder struct {
	Term uint64 `json:"term"`
}

// decline promises it.
func (g *group) decline(ctx context.Context, term uint64) error {
	n, err := g.change(ctx, core.Decline(term))
	if err == nil && n.Term >= term && n.Holder == g.c.o.Location {
		err = fault.New(fault.Conflict, "%s has taken the group %s in term %d.", g.c.o.Location, g.name, n.Term)
	}
	return err
}

// standings are those of package core as units are told them.
var standings = map[int]replica.Mode{core.Primary: replica.Primary, core.Secondary: replica.Secondary, core.Halted: replica.Halted}

// votes says what the voters know.
func (g *group) votes(ctx context.Context, cfg config) string {
	polls := g.polls(cfg)
	if polls == nil {
		return "The group has no witness: nobody but you can know whether the other location still serves."
	}
	return tell(polls.Look(ctx))
}

func tell(round ballot.Round) string {
	if why := round.Why(); why != "" {
		return fmt.Sprintf("%d of %d voters answer, the newest term is %d of %s. %s.", round.Granted, round.Poll.Voters, round.Term, round.Holder, why)
	}
	return fmt.Sprintf("All %d voters answer; the newest term is %d of %s.", round.Poll.Voters, round.Term, round.Holder)
}
