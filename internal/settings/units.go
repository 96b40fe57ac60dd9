package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a length of time with its unit: ns, us, ms, s, m, h, or d
// for days of 24 hours; units may be combined, days first ("1d12h"). Negative
// lengths are refused.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "", text
	}
	var total time.Duration
	if ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || time.Duration(n) > math.MaxInt64/day {
			return 0, durationError(text)
		}
		total = time.Duration(n) * day
	}
	if rest == "" && ok {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < total {
		return 0, durationError(text)
	}
	return total + d, nil
}

func durationError(text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return fmt.Errorf("%q has no unit: write %ss for seconds, %sm for minutes", text, text, text)
	}
	return fmt.Errorf("%q is no duration: write a number and a unit, as 30s, 5m, 1h30m or 7d", text)
}

// FormatDuration writes d the way ParseDuration reads it, without zero parts.
func FormatDuration(d time.Duration) string {
	if d >= day && d%time.Hour == 0 {
		if hours := (d % day) / time.Hour; hours > 0 {
			return fmt.Sprintf("%dd%dh", d/day, hours)
		}
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// sizeUnits lists what a size may be written in, the spelling used for output
// first among equals.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// ParseSize reads a number of bytes with its unit: B, kB, MB, GB, TB (powers of
// 1000) or KiB, MiB, GiB, TiB (powers of 1024). Case does not matter.
func ParseSize(text string) (int64, error) {
	trimmed := strings.TrimSpace(text)
	for _, unit := range sizeUnits {
		number, ok := cutSuffixFold(trimmed, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*float64(unit.bytes) > math.MaxInt64/2 {
			break
		}
		return int64(n * float64(unit.bytes)), nil
	}
	if _, err := strconv.ParseFloat(trimmed, 64); err == nil {
		return 0, fmt.Errorf("%q has no unit: write %sB for bytes, %sMiB for mebibytes", text, trimmed, trimmed)
	}
	return 0, fmt.Errorf("%q is no size: write a number and a unit, as 64KiB, 10MB or 1GiB", text)
}

func cutSuffixFold(text, suffix string) (string, bool) {
	if len(text) < len(suffix) || !strings.EqualFold(text[len(text)-len(suffix):], suffix) {
		return "", false
	}
	return text[:len(text)-len(suffix)], true
}

// FormatSize writes n in the largest unit that divides it.
func FormatSize(n int64) string {
	for _, unit := range sizeUnits {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return "0B"
}
