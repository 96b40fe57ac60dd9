package amqp

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// end is our end of a link, of whatever kind.
type end struct {
	c     *conn
	link  *server.Link
	addr  address
	right identity.Claims // it lives by one of these; 0 for $cbs
	meter *namespace.Meter
	pin   *pin        // of entity links and coordinators
	used  atomic.Bool // since the last tick
	quiet int         // ticks without use

	// Exactly one is set.
	sender      *sender
	receiver    *receiver
	requester   *requester
	replier     *replier
	coordinator *coordinator
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// Attach implements server.Handler.
func (c *conn) Attach(l *server.Link) {
	e := &end{c: c, link: l}
	l.User = e
	if err := c.attach(e); err != nil {
		e.refuse(err)
	}
}

func (c *conn) attach(e *end) (err error) {
	l := e.link
	if l.Coordinator != nil {
		return c.attachCoordinator(e)
	}
	if e.addr, err = linkAddress(l); err != nil {
		return err
	}
	peerSends := l.Role == wire.RoleReceiver
	switch {
	case e.addr.node == nodeCBS:
		return c.attachCBS(e, peerSends)
	case e.addr.node == nodeManagement:
		return c.attachManagement(e, peerSends)
	case peerSends:
		return c.attachSender(e)
	}
	return c.attachReceiver(e)
}

// linkAddress reads the address of our end of the link.
func linkAddress(l *server.Link) (address, error) {
	text, dynamic := "", false
	if l.Role == wire.RoleReceiver && l.Target != nil {
		text, dynamic = l.Target.Address, l.Target.Dynamic
	}
	if l.Role == wire.RoleSender && l.Source != nil {
		text, dynamic = l.Source.Address, l.Source.Dynamic
	}
	if dynamic {
		return address{}, fault.New(fault.Unsupported, "Nodes are not created on demand: declare a queue and name it.")
	}
	if text == "" {
		return address{}, fault.New(fault.Unsupported, "A link needs an address; sending without one is not offered.")
	}
	return parseAddress(text)
}

// authorise checks the claim a link needs now, and keeps it for later checks.
func (c *conn) authorise(e *end, anyOf identity.Claims, path string) error {
	e.right = anyOf
	return c.allowed(anyOf, path)
}

// allowed checks a claim now.
func (c *conn) allowed(anyOf identity.Claims, path string) error {
	err := c.allowedAt(wall.Now(), anyOf, path)
	if err != nil {
		c.s.refused(Refusal{Namespace: c.ns.Name(), Path: path, Needed: anyOf, Who: c.who(), Peer: c.remote, Err: err})
	}
	return err
}

// who are the principals whose tokens the connection holds.
func (c *conn) who() (all []identity.Principal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.claims.held {
		if !slices.ContainsFunc(all, func(q identity.Principal) bool { return q.String() == p.String() }) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b identity.Principal) int { return strings.Compare(a.String(), b.String()) })
	return all
}

func (c *conn) allowedAt(now time.Time, anyOf identity.Claims, path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.claims.allow(anyOf, path, now) {
		return missingClaim(anyOf, c.ns.Name(), path)
	}
	return nil
}

// keep counts a link in. It is called once the link will not be refused at once.
func (c *conn) keep(e *end) {
	e.used.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[e] = struct{}{}
	c.named[e.link.Name] = e
}

// drop counts a link out.
func (c *conn) drop(e *end) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, kept := c.links[e]
	delete(c.links, e)
	if c.named[e.link.Name] == e {
		delete(c.named, e.link.Name)
	}
	c.unpin(e)
	if kept && e.addr.node != nodeCBS && c.entityLinks() == 0 {
		c.bare = wall.Now()
	}
}

// entityLinks counts the links that keep a connection alive. c.mu is held.
func (c *conn) entityLinks() int {
	n := len(c.links)
	for e := range c.links {
		if e.addr.node == nodeCBS {
			n--
		}
	}
	return n
}

// refuse ends an attach that did not come to anything.
func (e *end) refuse(err error) {
	e.c.drop(e)
	e.link.Refuse(wireError(err))
}

// Deliver implements server.Handler.
func (c *conn) Deliver(l *server.Link, d *server.Delivery) {
	e := l.User.(*end)
	e.used.Store(true)
	switch {
	case e.sender != nil:
		e.sender.gather(c.work, d)
	case e.requester != nil:
		e.requester.take(d)
	case e.coordinator != nil:
		e.coordinator.take(d)
	}
}

// Credit implements server.Handler.
func (c *conn) Credit(l *server.Link, _ server.Flow) {
	e := l.User.(*end)
	switch {
	case e.receiver != nil:
		e.receiver.flow()
	case e.replier != nil:
		e.replier.flow()
	}
}

// Disposition implements server.Handler.
func (c *conn) Disposition(l *server.Link, u server.Update) {
	e := l.User.(*end)
	e.used.Store(true)
	switch {
	case e.receiver != nil:
		e.receiver.settle(c.work, u)
	case !u.Settled: // a reply: there is nothing to decide about
		for _, sent := range u.Deliveries {
			l.Settle(sent, wire.Accepted{})
		}
	}
}

// Detached implements server.Handler.
func (c *conn) Detached(l *server.Link, _ *wire.Error) {
	e := l.User.(*end)
	c.drop(e)
	switch {
	case e.receiver != nil:
		e.receiver.detached()
	case e.replier != nil:
		e.replier.detached()
	case e.requester != nil:
		e.requester.detached()
	case e.coordinator != nil:
		e.coordinator.detached()
	}
}
