package continuity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/link"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/operate/continuity/core"
)

// Controller looks after the groups on one node.
type Controller struct {
	o   Options
	log *slog.Logger

	mu       sync.Mutex
	groups   map[string]*group
	pairings []Pairing

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// group is one group on this node.
type group struct {
	c    *Controller
	name string

	mu      sync.Mutex
	cfg     config
	last    note
	trouble string // the last that was logged

	lines    lines
	granted  atomic.Pointer[time.Time] // until when a majority has granted the term; nil: none is asked
	doubt    atomic.Uint64             // a later term that some voter knows of, while no majority grants ours
	changing sync.Mutex                // one switch, promotion or rejoining at a time
	cancel   context.CancelFunc
	wake     chan struct{}

	standing  sync.Mutex
	reopening map[string]int // units that are being opened again, and in which generation
	keeping   uint64         // the term that is kept; 0: none
	stopKeep  context.CancelFunc
	kept      sync.WaitGroup
	reopened  sync.WaitGroup
	phased    time.Time // since when the term and the phase are what they are
	probes    int       // of the primary that failed in a row
	probed    time.Time
	peer      groups.Status // what the other location said last
	peerSaid  bool
	copying   sync.Mutex
	announced string // the step that was logged last
	stood     bool   // the units were told what they are
	tidied    time.Time
	spent     map[string][]int // generations that were not needed any more when that was last looked at
	documents uint64           // revision of the other location's documents that are copied
}

// New builds a controller that does nothing yet.
func New(o Options) *Controller {
	c := &Controller{o: o, log: o.Logger, groups: map[string]*group{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Start looks after the groups that are declared, now and later.
func (c *Controller) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.running.Go(func() {
		tick := time.NewTicker(stepEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			if err := c.align(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("the continuity groups can not be read", "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
}

// Stop ends it. What was told to units stays.
func (c *Controller) Stop(context.Context) error {
	if c.cancel != nil {
		c.cancel()
		c.running.Wait()
	}
	return nil
}

// align starts the groups that are declared and ends those that are not.
func (c *Controller) align(ctx context.Context) error {
	pairings, _, err := c.o.Registry.ListUnder(ctx, resource.ID{}, TypePairing)
	if err != nil {
		return err
	}
	docs, _, err := c.o.Registry.ListUnder(ctx, resource.ID{}, TypeGroup)
	if err != nil {
		return err
	}
	var known []Pairing
	for _, p := range pairings {
		known = append(known, pairing(p))
	}
	declared := map[string]bool{}
	for _, d := range docs {
		cfg, err := read(d, pairings)
		if err != nil {
			c.log.Warn("a continuity group is not looked after", "error", err)
			continue
		}
		declared[cfg.name] = true
		c.run(ctx, cfg)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pairings = known
	for name, g := range c.groups {
		if !declared[name] {
			g.cancel()
			delete(c.groups, name)
		}
	}
	return nil
}

// run starts a group, or tells it how it is declared now.
func (c *Controller) run(ctx context.Context, cfg config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.groups[cfg.name]; g != nil {
		g.mu.Lock()
		g.cfg = cfg
		g.mu.Unlock()
		return
	}
	g := &group{c: c, name: cfg.name, cfg: cfg, wake: make(chan struct{}, 1)}
	ctx, g.cancel = context.WithCancel(ctx)
	c.groups[cfg.name] = g
	c.running.Go(func() { g.run(ctx) })
}

func (c *Controller) group(name string) (*group, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[strings.ToLower(name)]
	if g == nil {
		return nil, fault.New(fault.NotFound, "No continuity group %q is declared here. Known: %s.", name, strings.Join(slices.Sorted(maps.Keys(c.groups)), ", "))
	}
	return g, nil
}

// Secret is what the pairing with a peer location proves; nil: there is none.
func (c *Controller) Secret(peer string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pairings {
		if p.Peer == peer {
			return []byte(p.Secret)
		}
	}
	return nil
}

// At returns the pairing whose location is at an address.
func (c *Controller) At(address string) (Pairing, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pairings {
		if slices.Contains(p.Endpoints, address) {
			return p, true
		}
	}
	return Pairing{}, false
}

// dial tries the endpoints of a location in turn.
func (c *Controller) dial(ctx context.Context, p Pairing, kind, unit string) (net.Conn, error) {
	var errs []error
	for _, address := range p.Endpoints {
		conn, err := c.o.Dial(ctx, p, address, kind, unit)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("reach the location %s: %w", p.Peer, errors.Join(errs...))
}

// groupOf finds the group of a unit.
func (c *Controller) groupOf(unit string) *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.groups {
		g.mu.Lock()
		_, in := g.last.Units[unit]
		g.mu.Unlock()
		if in {
			return g
		}
	}
	return nil
}

// DialLink opens the link of a unit to the other location.
func (c *Controller) DialLink(ctx context.Context, unit string) (net.Conn, error) {
	g := c.groupOf(unit)
	if g == nil {
		return nil, fmt.Errorf("%s is in no group", unit)
	}
	cfg, _ := g.look()
	if err := g.apart(); err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, cfg.pairing, DialLink, unit)
	if err != nil {
		return nil, err
	}
	return &line{conn, g.lines.hold(conn)}, nil
}

// Term is the term of a unit's group as this location knows it.
func (c *Controller) Term(unit string) uint64 {
	g := c.groupOf(unit)
	if g == nil {
		return 0
	}
	_, n := g.look()
	return n.Term
}

// Elsewhere refuses a change of what is declared about a unit whose group another
// location has: it would be replaced by what is declared there.
func (c *Controller) Elsewhere(id resource.ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.groups {
		cfg, n := g.look()
		if n.Holder == "" || n.Holder == c.o.Location {
			continue
		}
		if c.access(cfg, id) {
			return fault.New(fault.Conflict, "%s moves with the continuity group %s, which %s has: change it there, and it is changed here too.", id, cfg.name, n.Holder)
		}
		for _, unit := range cfg.units {
			if c.covers(unit, id) {
				return fault.New(fault.Conflict, "%s belongs to the continuity group %s, which %s has: change it there, and it is changed here too.", id, cfg.name, n.Holder)
			}
		}
	}
	return nil
}

// MayOwn reports whether a unit may be owned in this location now, which a node asks that
// has got the lease: another one may have begun to give the group up, and wait for all
// owners to be gone. Reading the note could be answered with an old one, so it is written
// as it is.
func (c *Controller) MayOwn(ctx context.Context, unit string) (bool, error) {
	g := c.groupOf(unit)
	if g == nil || c.o.Alone {
		return true, nil
	}
	may := false
	_, err := g.change(ctx, func(n *note) bool {
		may = n.Holder == c.o.Location && n.Phase == core.None
		return may
	})
	return may, err
}

// Grouped reports whether a unit is in a group.
func (c *Controller) Grouped(unit string) bool { return c.groupOf(unit) != nil }

// Endpoint is the URL that leads to whichever location has a unit; empty: the unit is in no
// group, or its group declares none.
func (c *Controller) Endpoint(unit string) string {
	g := c.groupOf(unit)
	if g == nil {
		return ""
	}
	cfg, _ := g.look()
	return cfg.endpoint
}

// seedsMax bounds how many seeds that came to nothing are passed over.
const seedsMax = 1000

// Seeded keeps the snapshot that a copy is to begin with, and has the unit opened
// again on it.
func (c *Controller) Seeded(ctx context.Context, unit string, s journal.Snapshot) error {
	g := c.groupOf(unit)
	if g == nil {
		return fmt.Errorf("%s is in no group", unit)
	}
	_, n := g.look()
	generation := n.Generation(unit) + 1
	err := c.o.Seed(ctx, unit, generation, s)
	for range seedsMax {
		if !errors.Is(err, journal.ErrSeeded) {
			break
		}
		// One that was never begun with, or that another node has just begun with: it is
		// left alone.
		generation++
		err = c.o.Seed(ctx, unit, generation, s)
	}
	if err != nil {
		return err
	}
	cfg, _ := g.look()
	return core.Renew(g.hands(ctx), g.coreOf(cfg), n, unit, generation)
}

// reopen has a unit opened on another generation on this node. It does not wait: the
// unit ends first, and that may wait for who called.
func (g *group) reopen(unit string, generation int) {
	if g.reopening[unit] == generation {
		return
	}
	if g.reopening == nil {
		g.reopening = map[string]int{}
	}
	g.reopening[unit] = generation
	g.reopened.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), switchLimit)
		defer cancel()
		err := g.c.o.Reopen(ctx, unit)
		g.standing.Lock()
		defer g.standing.Unlock()
		delete(g.reopening, unit)
		if err != nil {
			g.c.log.Error("a unit could not be opened on its new copy", "unit", unit, "error", err)
		}
	})
}

// release lets the units of a group that is declared no more go on by themselves,
// where they are primary. Elsewhere they stay as they are.
func (g *group) release() {
	cfg, n := g.look()
	if n.Holder != g.c.o.Location || g.c.declares(cfg.name) {
		return
	}
	for unit := range n.Units {
		if m, ok := g.c.o.Members(unit); ok {
			m.Sender.Configure(link.Terms{})
			m.Permit.Lift()
		}
	}
}

// declares reports whether a group is looked after; not one that was just deleted.
func (c *Controller) declares(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.groups[name] != nil
}

// look returns how the group is declared and where it stood last.
func (g *group) look() (config, note) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.last
	n.Units = maps.Clone(n.Units)
	return g.cfg, n
}

func (g *group) change(ctx context.Context, fn func(*note) bool) (note, error) {
	cfg, _ := g.look()
	n, err := g.c.change(ctx, cfg.name, fn)
	if err == nil {
		g.learn(n)
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
	return n, err
}

// run is the group's goroutine.
func (g *group) run(ctx context.Context) {
	tick := time.NewTicker(stepEvery)
	defer tick.Stop()
	defer func() {
		g.standing.Lock()
		defer g.standing.Unlock()
		g.keep(0)
		g.kept.Wait()
	}()
	defer g.release()
	for ctx.Err() == nil {
		if err := g.step(ctx); err != nil && ctx.Err() == nil && err.Error() != g.trouble {
			g.trouble = err.Error()
			g.c.log.Warn("a continuity group is in trouble", "group", g.name, "error", err)
		}
		select {
		case <-tick.C:
		case <-g.wake:
		case <-ctx.Done():
		}
	}
}

// step makes this node as the note says, and moves the note on.
func (g *group) step(ctx context.Context) error {
	cfg, _ := g.look()
	n, err := g.c.note(ctx, cfg.name)
	if err != nil {
		return err
	}
	if n.Revision == 0 {
		if err := g.birth(ctx, cfg); err != nil {
			return err
		}
		if n, err = g.c.note(ctx, cfg.name); err != nil {
			return err
		}
	}
	g.learn(n)
	g.cut(n)
	// A primary that comes back asks before it serves: without a witness nobody else
	// tells it that it was replaced. Later, what was noted does not wait for an answer.
	if g.stood {
		g.stand()
	}
	err = g.ahead(ctx, cfg)
	g.stood = true
	g.stand()
	if _, n = g.look(); n.Holder != g.c.o.Location {
		if err := core.Settle(g.hands(ctx), n); err != nil && ctx.Err() == nil {
			g.c.log.Debug("whether a copy is complete could not be settled", "group", g.name, "error", err)
		}
	}
	g.tidy(ctx, cfg, n)
	return err
}

// birth writes the first note.
func (g *group) birth(ctx context.Context, cfg config) error {
	var units []string
	for _, id := range cfg.units {
		unit, ok := g.c.o.UnitName(id)
		if !ok {
			return fmt.Errorf("%s is nothing that can be in a group", id)
		}
		units = append(units, unit)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return core.Birth(g.hands(ctx), g.coreOf(cfg), units)
}

// learn takes a note that was read or written; an older one than is known is no news.
func (g *group) learn(n note) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n.Revision < g.last.Revision {
		return
	}
	if n.Term != g.last.Term || n.Phase != g.last.Phase {
		g.phased = time.Now()
	}
	g.last = n
}

// stand tells the units on this node what they are, by the newest note: whoever waits for
// them to stand so must not see them told otherwise by an older one.
func (g *group) stand() {
	g.standing.Lock()
	defer g.standing.Unlock()
	cfg, n := g.look()
	g.keep(core.Stand(g.coreOf(cfg), n, false).Keep) // before it is asked until when the term was granted
	o := core.Stand(g.coreOf(cfg), n, g.adrift())
	s := replica.Standing{Mode: standings[o.Stand], Floor: o.Floor, Below: o.Below}
	var terms link.Terms
	if o.Linked {
		terms = link.Terms{
			Mode: link.Mode(cfg.mode), LagMessages: cfg.lagMessages, LagBytes: cfg.lagBytes, LagTime: cfg.lagTime,
			WhenAway: cfg.whenAway, Term: n.Term, Watched: true,
		}
		if len(cfg.witnesses) > 0 {
			terms.Patience = cfg.grant
		}
	} else {
		s.Elsewhere = elsewhere(cfg)
	}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok {
			continue
		}
		if want := n.Generation(unit); m.Generation != want {
			g.reopen(unit, want)
			continue
		}
		if o.Linked {
			m.Sender.Configure(terms)
		}
		switch o.Permit {
		case core.Revoke:
			m.Permit.Revoke()
		case core.Lift:
			m.Permit.Lift()
		}
		m.Unit.Stand(s)
		if !o.Linked {
			m.Sender.Configure(terms)
		}
	}
}

func elsewhere(cfg config) string {
	if len(cfg.pairing.Endpoints) == 0 {
		return ""
	}
	return cfg.pairing.Endpoints[0]
}
