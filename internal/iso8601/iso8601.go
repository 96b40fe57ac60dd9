// Package iso8601 reads and writes durations as ARM and the ATOM API spell them:
// PT1M, P7D, P10675199DT2H48M5.4775807S.
//
// It promises:
//
//  1. Durations are exact to 100 ns, the tick of the services it talks for, and
//     reach the longest one they know, which stands for "unlimited".
//  2. Format writes the shortest form with the largest units, and Parse of it
//     gives the same duration.
//  3. A year counts 365 days and a month 30, as .NET reads them.
//
// It refuses weeks and other forms those services refuse.
package iso8601

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time in ticks of 100 ns.
type Duration int64

// Lengths of a Duration.
const (
	Tick   Duration = 1
	Second Duration = 10_000_000
	Minute          = 60 * Second
	Hour            = 60 * Minute
	Day             = 24 * Hour

	// Unlimited is the longest duration, P10675199DT2H48M5.4775807S.
	Unlimited Duration = math.MaxInt64
)

// Of converts, dropping what is finer than a tick.
func Of(d time.Duration) Duration { return Duration(d / 100) }

// Std converts to the standard type, which reaches 292 years: longer ones become
// its longest.
func (d Duration) Std() time.Duration {
	switch {
	case d > math.MaxInt64/100:
		return math.MaxInt64
	case d < math.MinInt64/100:
		return math.MinInt64
	}
	return time.Duration(d * 100)
}

// String is Format.
func (d Duration) String() string { return Format(d) }

// units of the date part and of the time part, in the order they must come.
var dateUnits, timeUnits = "YMD", "HMS"

var unitTicks = map[string]Duration{"Y": 365 * Day, "M": 30 * Day, "D": Day, "TH": Hour, "TM": Minute, "TS": Second}

// Parse reads a duration. The error says what is wrong with it.
func Parse(s string) (Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	rest, ok := strings.CutPrefix(rest, "P")
	if !ok {
		return 0, refuse(s, "it must begin with P")
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	total, parts, err := parsePart(s, date, "", dateUnits)
	if err != nil {
		return 0, err
	}
	if hasClock {
		more, clockParts, err := parsePart(s, clock, "T", timeUnits)
		if err != nil {
			return 0, err
		}
		if clockParts == 0 {
			return 0, refuse(s, "nothing follows its T")
		}
		if total > math.MaxInt64-more {
			return 0, refuse(s, "it is too long")
		}
		total, parts = total+more, parts+clockParts
	}
	if parts == 0 {
		return 0, refuse(s, "nothing follows its P")
	}
	if negative {
		total = -total
	}
	return total, nil
}

// parsePart adds up the numbers of one part. Units come in order, each at most once.
func parsePart(whole, part, prefix, units string) (total Duration, parts int, err error) {
	for part != "" {
		end := strings.IndexFunc(part, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end <= 0 {
			return 0, 0, refuse(whole, "a number is missing its unit, or a unit its number")
		}
		place := strings.IndexByte(units, part[end])
		if place < 0 {
			return 0, 0, refuse(whole, fmt.Sprintf("%q is no unit there", part[end:end+1]))
		}
		units = units[place+1:]
		amount, err := parseAmount(part[:end], unitTicks[prefix+part[end:end+1]], part[end] == 'S')
		if err != "" {
			return 0, 0, refuse(whole, err)
		}
		if total > math.MaxInt64-amount {
			return 0, 0, refuse(whole, "it is too long")
		}
		total, parts, part = total+amount, parts+1, part[end+1:]
	}
	return total, parts, nil
}

// parseAmount reads a number of units; seconds may have a fraction.
func parseAmount(number string, unit Duration, fractional bool) (amount Duration, problem string) {
	whole, fraction, hasFraction := strings.Cut(number, ".")
	if hasFraction && (!fractional || fraction == "" || whole == "" || strings.Contains(fraction, ".")) {
		return 0, "only seconds have a fraction"
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) {
		return 0, "it is too long"
	}
	amount = Duration(n) * unit
	if hasFraction {
		ticks, _ := strconv.ParseInt((fraction + "0000000")[:7], 10, 64)
		if amount > math.MaxInt64-Duration(ticks) {
			return 0, "it is too long"
		}
		amount += Duration(ticks)
	}
	return amount, ""
}

func refuse(s, why string) error {
	return fmt.Errorf("%q is no ISO 8601 duration such as PT1M or P14D: %s", s, why)
}

// Format writes the duration with days as its largest unit.
func Format(d Duration) string {
	if d == 0 {
		return "PT0S"
	}
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	part := func(unit Duration) uint64 {
		count := n / uint64(unit)
		n %= uint64(unit)
		return count
	}
	var date, clock strings.Builder
	write := func(b *strings.Builder, count uint64, unit byte) {
		if count > 0 {
			b.WriteString(strconv.FormatUint(count, 10))
			b.WriteByte(unit)
		}
	}
	write(&date, part(Day), 'D')
	write(&clock, part(Hour), 'H')
	write(&clock, part(Minute), 'M')
	seconds := part(Second)
	if n > 0 {
		clock.WriteString(strings.TrimRight(fmt.Sprintf("%d.%07d", seconds, n), "0") + "S")
	} else {
		write(&clock, seconds, 'S')
	}
	if clock.Len() > 0 {
		date.WriteString("T" + clock.String())
	}
	return sign + "P" + date.String()
}
