package amqp

import (
	"time"

	"weir/internal/wall"
	wire "weir/wire/amqp"
)

// tickEvery is how often a connection looks at its clocks: the resolution of all
// its time limits.
const tickEvery = 5 * time.Second

// tick looks at the time limits, and at tokens that ran out.
func (c *conn) tick() {
	c.check(wall.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.ticker.Reset(tickEvery)
	}
}

// check acts on what has become too old.
func (c *conn) check(now time.Time) {
	if why := c.unwanted(now); why != nil {
		c.wire.Close(why)
		return
	}
	idle := int(c.s.o.Limits.LinkIdle / tickEvery)
	for _, e := range c.ends(func(*end) bool { return true }) {
		switch {
		case e.used.Swap(false):
			e.quiet = 0
		default:
			e.quiet++
		}
		switch {
		case e.right != 0 && c.allowedAt(now, e.right, e.addr.path) != nil:
			e.link.Detach(c.lapsed(e))
		case e.quiet > idle && e.mayIdleOut():
			e.link.Detach(wire.Errorf(wire.ErrDetachForced, "The link '%s' is force detached. Details: %s.IdleTimerExpired: Idle timeout: %s.",
				e.link.Name, e.role(), clock(c.s.o.Limits.LinkIdle)))
		}
	}
}

// lapsed says why a link may not go on: its token's time is over, or what it gave was
// taken away.
func (c *conn) lapsed(e *end) *wire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.claims.ranOut(e.right, e.addr.path) {
		return wire.Errorf(wire.ErrUnauthorizedAccess, "ExpiredToken: The token is expired. No valid token gives '%s' on '%s' any more.", e.right, e.addr.path)
	}
	return wireError(missingClaim(e.right, c.ns.Name(), e.addr.path))
}

// unwanted says why the whole connection is to be closed, if it is.
func (c *conn) unwanted(now time.Time) *wire.Error {
	l := c.s.o.Limits
	c.mu.Lock()
	defer c.mu.Unlock()
	age, bare := now.Sub(c.started), now.Sub(c.bare)
	switch {
	case !c.claims.ever && age >= l.FirstToken:
		// Not unauthorized-access: clients take that for final and never connect again.
		return wire.Errorf(wire.ErrConnectionForced, "No token came within %s of connecting.", l.FirstToken)
	case c.entityLinks() > 0:
	case c.bare.Equal(c.started) && age >= l.FirstLink:
		return inactive(l.FirstLink)
	case bare >= l.NoLink:
		return inactive(l.NoLink)
	}
	return nil
}

func inactive(limit time.Duration) *wire.Error {
	return wire.Errorf(wire.ErrConnectionForced, "The connection was inactive for more than the allowed %d milliseconds and is closed.",
		limit.Milliseconds())
}

// mayIdleOut exempts the token links, which are quiet between renewals.
func (e *end) mayIdleOut() bool { return e.addr.node != nodeCBS }

// role is Azure's name for what sits on the link.
func (e *end) role() string {
	switch {
	case e.sender != nil:
		return "AmqpMessagePublisher"
	case e.receiver != nil:
		return "AmqpMessageConsumer"
	}
	return "AmqpControlProtocolClient"
}

// clock writes a duration as hh:mm:ss.
func clock(d time.Duration) string {
	return time.Time{}.Add(d).Format(time.TimeOnly)
}
