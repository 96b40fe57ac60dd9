package amqp

import (
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
)

// tokensMax bounds the tokens one connection may hold at a time.
const tokensMax = 4096

// claims are what the tokens of one connection prove, by audience: a token put for
// the same audience takes the place of the one before.
type claims struct {
	held map[string]identity.Principal
	ever bool // a token was put, or none is needed
}

// put keeps a principal. The audience is the resource the client named.
func (c *claims) put(audience string, p identity.Principal, now time.Time) error {
	if c.held == nil {
		c.held = map[string]identity.Principal{}
	}
	key := strings.ToLower(audience)
	if _, renewal := c.held[key]; !renewal && len(c.held) >= tokensMax {
		c.sweep(now)
		if len(c.held) >= tokensMax {
			return fault.New(fault.QuotaExceeded, "The connection holds %d tokens, which is its limit.", tokensMax)
		}
	}
	c.held[key] = p
	c.ever = true
	return nil
}

// sweep forgets tokens that have run out.
func (c *claims) sweep(now time.Time) {
	for key, p := range c.held {
		if !p.Expires.IsZero() && p.Expires.Before(now) {
			delete(c.held, key)
		}
	}
}

// allow says whether some token gives one of the rights on a path now.
func (c *claims) allow(anyOf identity.Claims, path string, now time.Time) bool {
	for _, p := range c.held {
		for _, right := range [...]identity.Claims{identity.Send, identity.Listen, identity.Manage} {
			if anyOf&right != 0 && p.Check(path, right, now) == nil {
				return true
			}
		}
	}
	return false
}

// ranOut says whether some token would give one of the rights on a path if its time
// were not over.
func (c *claims) ranOut(anyOf identity.Claims, path string) bool {
	for _, p := range c.held {
		if p.Expires.IsZero() {
			continue
		}
		timely := claims{held: map[string]identity.Principal{"": p}}
		if timely.allow(anyOf, path, p.Expires) {
			return true
		}
	}
	return false
}

// missingClaim is the refusal that clients of Azure know.
func missingClaim(anyOf identity.Claims, ns, path string) error {
	return fault.New(fault.Forbidden, "%s Resource: 'sb://%s/%s'.", identity.MissingClaims(anyOf), ns, path)
}
