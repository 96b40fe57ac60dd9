package schedule

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The oracle knows nothing of periods: it walks over every day of the calendar, asks
// whether the rule means it, and looks for the instant of each time of day by trying
// every minute around it.

func oracle(s Spec, base, after, until time.Time, zone *time.Location) []time.Time {
	var all []time.Time
	local := base.In(zone)
	first := date(local)
	for d := date(after.In(zone)).AddDate(0, 0, -2); !d.After(until.Add(72 * time.Hour)); d = d.AddDate(0, 0, 1) {
		if d.Before(first) || !meant(s, first, d) {
			continue
		}
		for m := range 24 * 60 {
			if !onClock(s, local, m) {
				continue
			}
			at := found(d.Add(time.Duration(m)*time.Minute), zone)
			if !at.Before(base) && at.After(after) && !at.After(until) {
				all = append(all, at)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

func date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func onClock(s Spec, base time.Time, m int) bool {
	h := m / 60
	switch {
	case len(s.Hours) == 0 && len(s.Minutes) == 0:
		return h == base.Hour() && m%60 == base.Minute()
	case len(s.Minutes) == 0:
		return slices.Contains(s.Hours, h) && m%60 == base.Minute()
	case len(s.Hours) == 0:
		return slices.Contains(s.Minutes, m%60)
	}
	return slices.Contains(s.Hours, h) && slices.Contains(s.Minutes, m%60)
}

func meant(s Spec, first, d time.Time) bool {
	days := int(d.Sub(first).Hours() / 24)
	switch s.Frequency {
	case "Day":
		return days%s.Interval == 0
	case "Week":
		weeks := 0
		for x := first; !x.Equal(d); x = x.AddDate(0, 0, 1) {
			if x.Weekday() == time.Saturday {
				weeks++
			}
		}
		if len(s.WeekDays) == 0 {
			return weeks%s.Interval == 0 && d.Weekday() == first.Weekday()
		}
		return weeks%s.Interval == 0 && slices.Contains(s.WeekDays, d.Weekday().String())
	}
	months := (d.Year()-first.Year())*12 + int(d.Month()) - int(first.Month())
	if months%s.Interval != 0 {
		return false
	}
	length := d.AddDate(0, 0, 1-d.Day()).AddDate(0, 1, -1).Day()
	if len(s.MonthDays)+len(s.Occurrences) == 0 {
		return d.Day() == min(first.Day(), length)
	}
	if slices.Contains(s.MonthDays, d.Day()) || slices.Contains(s.MonthDays, d.Day()-length-1) {
		return true
	}
	for _, o := range s.Occurrences {
		fromStart, fromEnd := (d.Day()-1)/7+1, -((length-d.Day())/7 + 1)
		if d.Weekday().String() == o.Day && (o.N == fromStart || o.N == fromEnd) {
			return true
		}
	}
	return false
}

// found looks for the first instant at which clocks show wall. When there is none it
// is as far behind the end of the gap as wall is behind its beginning.
func found(wall time.Time, zone *time.Location) time.Time {
	show := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.Add(time.Duration(offset) * time.Second)
	}
	before := wall.Add(-27 * time.Hour)
	for t := before; t.Before(wall.Add(27 * time.Hour)); t = t.Add(time.Minute) {
		if show(t).Equal(wall) {
			return t
		}
	}
	for t := before; ; t = t.Add(time.Minute) {
		if show(t).After(wall) {
			gap := show(t.Add(-time.Minute)).Add(time.Minute)
			return t.Add(wall.Sub(gap))
		}
	}
}

var zoneNames = []string{"UTC", "W. Europe Standard Time", "Eastern Standard Time", "Samoa Standard Time", "Lord Howe Standard Time", "Paraguay Standard Time"}

func some(r *rand.Rand, most, least, span int) []int {
	var all []int
	for range r.IntN(most + 1) {
		n := least + r.IntN(span)
		if n != 0 || least == 0 {
			all = append(all, n)
		}
	}
	return all
}

func drawn(r *rand.Rand) Spec {
	s := Spec{Frequency: []string{"Day", "Week", "Month"}[r.IntN(3)], Interval: 1 + r.IntN(3), TimeZone: zoneNames[r.IntN(len(zoneNames))]}
	s.Hours, s.Minutes = some(r, 3, 0, 24), some(r, 2, 0, 60)
	if r.IntN(2) == 0 { // hours at which clocks change
		s.Hours = append(s.Hours, r.IntN(4))
	}
	switch s.Frequency {
	case "Week":
		for range r.IntN(4) {
			s.WeekDays = append(s.WeekDays, time.Weekday(r.IntN(7)).String())
		}
	case "Month":
		s.MonthDays = some(r, 3, -31, 63)
		for range r.IntN(3) {
			if n := r.IntN(11) - 5; n != 0 {
				s.Occurrences = append(s.Occurrences, Nth{time.Weekday(r.IntN(7)).String(), n})
			}
		}
	}
	return s
}

func TestAgainstOracle(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 5))
		s := drawn(r)
		zone, _ := zones(s.TimeZone)
		base := time.Date(2011+r.IntN(2), time.Month(1+r.IntN(12)), 1+r.IntN(31), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
		after := base.Add(time.Duration(r.IntN(200)-10) * 24 * time.Hour)
		until := after.Add(100 * 24 * time.Hour)
		rule, err := Make(s, base, zones)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want := oracle(s, base, after, until, zone)
		got := rule.Between(after, until, 1_000_000, Share{})
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !got[i].At.Equal(want[i]) {
				t.Fatalf("seed %d: %+v from %v: occurrence %d of %d is not that of %d: got %v, want %v", seed, s, base, i, len(got), len(want), nearby(got, i), nearbyTimes(want, i))
			}
			if i > 0 && got[i].Number <= got[i-1].Number {
				t.Fatalf("seed %d: numbers do not grow: %v", seed, got[i-1:i+1])
			}
		}
		shares(t, seed, rule, got, after, until)
	}
}

// shares checks that two locations take every occurrence between them, each one once,
// and that asking from anywhere gives the same numbers.
func shares(t *testing.T, seed int, rule *Rule, all []Occurrence, after, until time.Time) {
	t.Helper()
	var both []Occurrence
	for i := range int64(2) {
		both = append(both, rule.Between(after, until, 1_000_000, Share{i, 2})...)
	}
	slices.SortFunc(both, func(a, b Occurrence) int { return a.At.Compare(b.At) })
	if !slices.EqualFunc(both, all, func(a, b Occurrence) bool { return a.At.Equal(b.At) && a.Number == b.Number }) {
		t.Fatalf("seed %d: two shares have %d occurrences, all are %d", seed, len(both), len(all))
	}
	for _, o := range all {
		if again, ok := rule.Next(o.At.Add(-time.Second), Share{}); !ok || again.Number != o.Number || !again.At.Equal(o.At) {
			t.Fatalf("seed %d: asked just before it, %v is %v", seed, o, again)
		}
	}
}

func nearby(all []Occurrence, i int) any {
	if i < len(all) {
		return all[i]
	}
	return "none"
}

func nearbyTimes(all []time.Time, i int) any {
	if i < len(all) {
		return all[i]
	}
	return "none"
}
