package dotnet

import (
	"strings"
	"time"
)

// Lengths of time in ticks of 100 ns.
const (
	TicksPerSecond = 10_000_000
	TicksPerMinute = 60 * TicksPerSecond
	TicksPerHour   = 60 * TicksPerMinute
	TicksPerDay    = 24 * TicksPerHour

	ticksMax = 3652059*TicksPerDay - 1 // the end of the year 9999
	unixDays = 719162                  // from 0001-01-01 to 1970-01-01
)

// DateTime is a time on a clock: ticks since the year 1, and which clock it is. The
// zero Kind is a clock of which nothing is said.
type DateTime struct {
	Ticks int64
	Kind  Kind
}

// Kind says which clock shows a time.
type Kind byte

// The clocks. What was read with an offset is Local: the time of the machine it was
// read on, which keeps UTC.
const (
	Unspecified Kind = iota
	UTC
	Local
)

// TimeOf is the UTC time of an instant.
func TimeOf(t time.Time) DateTime {
	return DateTime{t.Unix()*TicksPerSecond + int64(t.Nanosecond()/100) + unixDays*TicksPerDay, UTC}
}

// Instant reads the clock as if it showed UTC.
func (d DateTime) Instant() time.Time {
	since := d.Ticks - unixDays*TicksPerDay
	seconds, rest := since/TicksPerSecond, since%TicksPerSecond
	return time.Unix(seconds, rest*100).UTC()
}

// Date makes a time of its parts, which must be on the calendar.
func Date(year, month, day, hour, minute, second, ticks int) (DateTime, bool) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return DateTime{}, false
	}
	t := TimeOf(time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC))
	return DateTime{Ticks: t.Ticks + int64(ticks)}, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// Add moves by ticks; false when that leaves the calendar.
func (d DateTime) Add(ticks int64) (DateTime, bool) {
	sum := d.Ticks + ticks
	if sum < 0 || sum > ticksMax || (ticks > 0) != (sum > d.Ticks) && ticks != 0 {
		return d, false
	}
	d.Ticks = sum
	return d, true
}

// AddMonths moves by months; a day that the month does not have becomes its last.
func (d DateTime) AddMonths(n int) (DateTime, bool) {
	t := d.Instant()
	if n > 120_000 || n < -120_000 {
		return d, false
	}
	months := t.Year()*12 + int(t.Month()) - 1 + n
	year, month := months/12, months%12+1
	if months < 12 || year > 9999 {
		return d, false
	}
	day := min(t.Day(), daysIn(year, month))
	moved, ok := Date(year, month, day, 0, 0, 0, 0)
	return DateTime{moved.Ticks + d.Ticks%TicksPerDay, d.Kind}, ok
}

// In gives the time that clocks of a zone show at an instant of UTC.
func (d DateTime) In(zone *time.Location) DateTime {
	_, offset := d.Instant().In(zone).Zone()
	moved, ok := d.Add(int64(offset) * TicksPerSecond)
	if !ok {
		moved = d
	}
	if moved.Kind = Unspecified; isUTC(zone) {
		moved.Kind = UTC
	}
	return moved
}

// From gives the UTC time at which clocks of a zone show d. A time that a zone
// skips is read with the offset before the skip, one that it has twice as the
// later (standard) one.
func (d DateTime) From(zone *time.Location) (DateTime, bool) {
	wall := d.Instant()
	// The offsets around the time decide; a change within a day of it matters.
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	for _, offset := range []int{after, before} {
		at := wall.Add(-time.Duration(offset) * time.Second)
		if _, o := at.In(zone).Zone(); o == offset {
			utc, ok := d.Add(-int64(offset) * TicksPerSecond)
			utc.Kind = UTC
			return utc, ok
		}
	}
	utc, ok := d.Add(-int64(before) * TicksPerSecond)
	utc.Kind = UTC
	return utc, ok
}

// Skipped tells whether clocks of a zone never show d.
func (d DateTime) Skipped(zone *time.Location) bool {
	utc, _ := d.From(zone)
	return utc.In(zone).Ticks != d.Ticks
}

func isUTC(zone *time.Location) bool {
	return zone == time.UTC || strings.HasSuffix(zone.String(), "UTC")
}
