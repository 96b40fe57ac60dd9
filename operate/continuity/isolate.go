package continuity

import (
	"context"
	"net"
	"sync"
	"time"

	"weir/kernel/ballot"
	"weir/kernel/fault"
)

// isolationMax is the longest isolation: a drill that is forgotten ends by itself.
const isolationMax = 10 * time.Minute

// Isolate keeps this location's part of a group away from the other location and from
// the voters, as a broken line would, for a while; 0 ends that. Clients and operators
// still reach it. It is what drills use to see a group lose a location.
func (c *Controller) Isolate(ctx context.Context, name string, d time.Duration) (time.Time, error) {
	g, err := c.group(name)
	if err != nil {
		return time.Time{}, err
	}
	if d < 0 || d > isolationMax {
		return time.Time{}, fault.New(fault.Invalid, "A group is isolated for 0 to %.0f seconds.", isolationMax.Seconds())
	}
	until := time.Now().Add(d)
	n, err := g.change(ctx, func(n *note) bool {
		n.Isolated = until
		return true
	})
	if err != nil {
		return time.Time{}, err
	}
	c.log.Warn("a group is isolated by an operator", "group", g.name, "until", until)
	g.cut(n)
	return until, nil
}

// isolated reports whether the location's part of the group is kept away.
func isolated(n note) bool { return time.Now().Before(n.Isolated) }

// apart is the error of what goes to the other location or a voter meanwhile.
func (g *group) apart() error {
	if _, n := g.look(); isolated(n) {
		return fault.New(fault.Unavailable, "The group %s is isolated here until %s, by an operator.", g.name, n.Isolated.UTC().Format(time.RFC3339))
	}
	return nil
}

// lines are the connections of a group with the other location, to be cut.
type lines struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// hold keeps a connection until release is called.
func (l *lines) hold(conn net.Conn) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[net.Conn]struct{}{}
	}
	l.open[conn] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, conn)
	}
}

// cut ends the connections of an isolated group.
func (g *group) cut(n note) {
	if !isolated(n) {
		return
	}
	g.lines.mu.Lock()
	defer g.lines.mu.Unlock()
	for conn := range g.lines.open {
		conn.Close()
	}
}

// line is a connection that is cut with its group.
type line struct {
	net.Conn
	release func()
}

// Close closes it.
func (l *line) Close() error {
	l.release()
	return l.Conn.Close()
}

// Admit lets a connection of the other location about a unit in, unless its group is
// isolated. release is called when the connection has ended.
func (c *Controller) Admit(unit string, conn net.Conn) (release func(), err error) {
	g := c.groupOf(unit)
	if g == nil {
		return func() {}, nil // the link says that it is in no group
	}
	release = g.lines.hold(conn)
	if err := g.apart(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Pass lets a client's connection pass between this location and another one, unless a
// group that both have is isolated: whose client it is shows later. release is called
// when the connection has ended.
func (c *Controller) Pass(peer string, conn net.Conn) (release func(), err error) {
	c.mu.Lock()
	var shared []*group
	for _, g := range c.groups {
		if cfg, _ := g.look(); cfg.pairing.Peer == peer {
			shared = append(shared, g)
		}
	}
	c.mu.Unlock()
	var releases []func()
	release = func() {
		for _, one := range releases {
			one()
		}
	}
	for _, g := range shared {
		releases = append(releases, g.lines.hold(conn))
		if err := g.apart(); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// farVoter is a voter that an isolated group does not reach.
type farVoter struct {
	g *group
	ballot.Voter
}

// Ask asks it.
func (v farVoter) Ask(ctx context.Context, group string, r ballot.Request) (ballot.Answer, error) {
	if err := v.g.apart(); err != nil {
		return ballot.Answer{}, err
	}
	return v.Voter.Ask(ctx, group, r)
}

// ownVoter is this location's vote as the other location asks for it.
type ownVoter struct {
	c *Controller
	ballot.Voter
}

// Ask asks it.
func (v ownVoter) Ask(ctx context.Context, group string, r ballot.Request) (ballot.Answer, error) {
	if g, err := v.c.group(group); err == nil {
		if err := g.apart(); err != nil {
			return ballot.Answer{}, err
		}
	}
	return v.Voter.Ask(ctx, group, r)
}
