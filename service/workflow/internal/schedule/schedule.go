// Package schedule says when a recurring trigger is due.
//
// The nouns: a *rule* is what a definition says; an *occurrence* is one time that it
// is due, with a number; a *base* is where counting begins: the start time, or the
// moment the workflow was enabled when there is none; a *share* is what one of
// several locations takes of a rule.
//
// It promises:
//
//  1. Occurrences of a rule are the same wherever and whenever they are asked for.
//     Their numbers grow and each belongs to one instant, so that locations that share
//     a rule leave none out and double none.
//  2. Nothing is caught up: after a pause the next occurrence is the next one, except
//     for windows, of which none is ever left out.
//  3. Seconds, minutes and hours are lengths of time. Days, weeks and months are those
//     of the time zone's calendar: a time of day that a clock change leaves out is
//     moved by the length of the gap, one that comes twice is due the first time.
//  4. A month without the day that is asked for has no occurrence; a month that is
//     counted on from the 31st ends on its last day.
//
// It refuses to read a clock.
package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Spec is a recurrence as a definition spells it, its expressions evaluated.
type Spec struct {
	Frequency          string
	Interval           int
	StartTime, EndTime string
	TimeZone           string
	Hours, Minutes     []int
	WeekDays           []string
	MonthDays          []int
	Occurrences        []Nth
}

// Nth is the n-th weekday of a month; negative counts from its end.
type Nth struct {
	Day string
	N   int
}

// Occurrence is one time that a rule is due.
type Occurrence struct {
	At     time.Time
	Number int64
}

// Share is what one of several locations takes: the occurrences whose number leaves
// Index when divided by Of. The zero Share takes all.
type Share struct{ Index, Of int64 }

// takes reports whether a number falls to the share.
func (s Share) takes(n int64) bool { return s.Of <= 1 || n%s.Of == s.Index }

// Rule is a recurrence that can be asked.
type Rule struct {
	every     every
	interval  int
	zone      *time.Location
	base      time.Time
	end       time.Time // zero, none
	hours     []int
	minutes   []int
	weekdays  []time.Weekday
	monthdays []int
	nths      []nth
	slots     int64 // at most so many occurrences in one period
}

type nth struct {
	day time.Weekday
	n   int
}

// every is the unit of a rule.
type every int

const (
	second every = iota
	minute
	hour
	day
	week
	month
	year
)

var units = []string{"second", "minute", "hour", "day", "week", "month", "year"}

var lengths = map[every]time.Duration{second: time.Second, minute: time.Minute, hour: time.Hour}

// intervalMax keeps intervals far from overflow.
const intervalMax = 10_000_000

// Make makes a rule. The base is the start time, or enabled when there is none. zones
// finds time zones by the names of Windows.
func Make(s Spec, enabled time.Time, zones func(name string) (*time.Location, bool)) (*Rule, error) {
	r := &Rule{interval: s.Interval, zone: time.UTC}
	unit := slices.Index(units, strings.ToLower(s.Frequency))
	if unit < 0 {
		return nil, fmt.Errorf("the frequency is %q; it may be %s", s.Frequency, strings.Join(units, ", "))
	}
	r.every = every(unit)
	if s.Interval < 1 || s.Interval > intervalMax {
		return nil, fmt.Errorf("the interval is %d; it must be 1 to %d", s.Interval, intervalMax)
	}
	if s.TimeZone != "" {
		zone, ok := zones(s.TimeZone)
		if !ok {
			return nil, fmt.Errorf("there is no time zone %q; write a name that Windows uses", s.TimeZone)
		}
		r.zone = zone
	}
	var err error
	if r.base, err = r.instant(s.StartTime, enabled); err != nil {
		return nil, fmt.Errorf("startTime: %w", err)
	}
	if r.end, err = r.instant(s.EndTime, time.Time{}); err != nil {
		return nil, fmt.Errorf("endTime: %w", err)
	}
	if err := r.narrow(s); err != nil {
		return nil, err
	}
	r.slots = int64(max(1, len(r.minutes)) * hoursOf(r) * r.days())
	return r, nil
}

func hoursOf(r *Rule) int {
	switch {
	case len(r.hours) > 0:
		return len(r.hours)
	case len(r.minutes) > 0:
		return 24
	}
	return 1
}

// days is how many days of a period may have occurrences.
func (r *Rule) days() int {
	switch r.every {
	case week:
		return max(1, len(r.weekdays))
	case month, year:
		return max(1, len(r.monthdays)+len(r.nths))
	}
	return 1
}

// narrow takes over the schedule.
func (r *Rule) narrow(s Spec) error {
	r.hours, r.minutes, r.monthdays = tidy(s.Hours), tidy(s.Minutes), tidy(s.MonthDays)
	if r.every < day && len(r.hours)+len(r.minutes)+len(s.WeekDays)+len(r.monthdays)+len(s.Occurrences) > 0 {
		if r.every != hour || len(r.hours)+len(s.WeekDays)+len(r.monthdays)+len(s.Occurrences) > 0 {
			return fmt.Errorf("a schedule cannot be used with the frequency %s", units[r.every])
		}
		if 24%r.interval != 0 {
			return fmt.Errorf("minutes with the frequency hour need an interval that divides 24, not %d", r.interval)
		}
		// Hours with minutes: each of them has these, counted by the day.
		r.every, r.hours = day, r.hourly()
		r.interval = 1
	}
	if bad := outside(r.hours, 0, 23) || outside(r.minutes, 0, 59) || outside(r.monthdays, -31, 31) || slices.Contains(r.monthdays, 0); bad {
		return fmt.Errorf("the schedule has an hour outside of 0 to 23, a minute outside of 0 to 59 or a day outside of 1 to 31 and -1 to -31")
	}
	for _, word := range s.WeekDays {
		d, ok := weekday(word)
		if !ok {
			return fmt.Errorf("%q is no day of the week", word)
		}
		if !slices.Contains(r.weekdays, d) {
			r.weekdays = append(r.weekdays, d)
		}
	}
	slices.Sort(r.weekdays)
	for _, o := range s.Occurrences {
		d, ok := weekday(o.Day)
		if !ok || o.N == 0 || o.N < -5 || o.N > 5 {
			return fmt.Errorf("%d of %q is no monthly occurrence", o.N, o.Day)
		}
		r.nths = append(r.nths, nth{d, o.N})
	}
	return nil
}

// hourly is the hours of a day that an interval of hours reaches, from the base's.
func (r *Rule) hourly() []int {
	var all []int
	for h := r.base.In(r.zone).Hour() % r.interval; h < 24; h += r.interval {
		all = append(all, h)
	}
	return all
}

func tidy(in []int) []int {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

func outside(in []int, least, most int) bool {
	return slices.ContainsFunc(in, func(n int) bool { return n < least || n > most })
}

func weekday(word string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String(), word) {
			return d, true
		}
	}
	return 0, false
}

// forms are the ways in which an instant is written; those without an offset are
// times of the rule's zone.
var (
	zonedForms = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00"}
	localForms = []string{"2006-01-02T15:04:05.9999999", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02"}
)

func (r *Rule) instant(s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	for _, form := range zonedForms {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	for _, form := range localForms {
		if t, err := time.Parse(form, s); err == nil {
			return Resolve(t, r.zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no ISO 8601 time", s)
}

// Resolve finds the instant of a wall-clock time, given as the fields of wall, in a
// zone. One that comes twice is the first; one that is left out moves on by the gap.
func Resolve(wall time.Time, zone *time.Location) time.Time {
	utc := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), time.UTC)
	_, before := utc.Add(-24 * time.Hour).In(zone).Zone()
	_, after := utc.Add(24 * time.Hour).In(zone).Zone()
	early := utc.Add(-time.Duration(max(before, after)) * time.Second)
	for _, candidate := range []time.Time{early, utc.Add(-time.Duration(min(before, after)) * time.Second)} {
		if _, offset := candidate.In(zone).Zone(); candidate.Add(time.Duration(offset) * time.Second).Equal(utc) {
			return candidate
		}
	}
	return utc.Add(-time.Duration(before) * time.Second)
}
