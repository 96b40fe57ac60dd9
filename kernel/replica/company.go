package replica

import "time"

const (
	// companyFrom is how many facts a batch had when the next one waits for company:
	// fewer, and callers are so few that waiting would only cost them time.
	companyFrom = 32
	// companyEnough is how many facts leave without waiting for more.
	companyEnough = 128
	// companyWithin is how long the first turn of a batch waits at most.
	companyWithin = 1300 * time.Microsecond
)

// company decides whether a batch that could leave waits for more turns. Each
// append costs the same whether it carries one fact or a hundred: a sync and some
// forty microseconds of processor. On a fast disk an append is back before the
// callers of the one before have been answered and come again, so that without
// waiting a busy unit would make many syncs of little, and have less processor
// left for the turns themselves. A turn that records nothing and waits for a batch
// (a delivery, mostly) makes it leave: it would pay for what it does not need.
type company struct {
	last  int // facts of the batch before
	timer *time.Timer
}

func newCompany() company {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return company{timer: t}
}

// expected reports whether a batch of so many facts, begun at opened, is to wait;
// the timer goes off when it is not to any longer.
func (c *company) expected(facts int, opened time.Time) bool {
	if facts == 0 || c.last < companyFrom || facts >= companyEnough {
		return false
	}
	left := companyWithin - time.Since(opened)
	if left > 0 {
		c.timer.Reset(left)
	}
	return left > 0
}

// left notes that a batch leaves.
func (c *company) left(facts int) { c.last = facts }
