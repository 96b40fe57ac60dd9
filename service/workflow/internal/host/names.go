package host

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// ticksAtEpoch is 1970 in the ticks that runs are named by: 100 ns since the year 1.
const ticksAtEpoch = 621_355_968_000_000_000

// RunName makes the name of a run: 20 digits that count down with the time, so that the
// newest sorts first, nine by lot, and a scale unit.
func RunName(now time.Time, lot uint64) string {
	ticks := now.UnixNano()/100 + ticksAtEpoch
	return fmt.Sprintf("%020d%09dCU00", math.MaxInt64-ticks, lot%1_000_000_000)
}

// sameName reports whether two names of actions mean the same: case is not told apart, and
// designers write _ for a space.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, " ", "_"), strings.ReplaceAll(b, " ", "_"))
}
