package core

import "time"

// clock is the unit's time: what the owner's clock says, made monotonic. The
// newest stamp is in the log, so a new owner goes on where the last one was.
type clock struct {
	last int64 // newest time given, nanoseconds since 1970
	raw  int64 // the owner's clock at that moment, 0 before its first reading
}

// read takes a reading of the owner's clock. While the clock is behind what was
// already given (it was stepped back, or an earlier owner's ran ahead), time goes
// on at half its pace until the clock has caught up.
func (c *clock) read(now time.Time) {
	raw := now.UnixNano()
	switch {
	case raw >= c.last:
		c.last = raw
	case c.raw != 0 && raw > c.raw:
		c.last += (raw - c.raw) / 2
	}
	c.raw = raw
}

// folded takes the stamp of a batch another owner wrote.
func (c *clock) folded(stamp int64) {
	c.last, c.raw = max(c.last, stamp), 0
}

func (c *clock) time() time.Time { return time.Unix(0, c.last).UTC() }
