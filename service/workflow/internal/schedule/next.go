package schedule

import (
	"slices"
	"time"
)

// periodsMax is how many periods are looked through for one that has an occurrence:
// enough for the 29th of February of every sixteenth month, and an end for the 31st of
// a February.
const periodsMax = 1_300

// Base is where counting begins.
func (r *Rule) Base() time.Time { return r.base }

// Next gives the first occurrence after an instant that falls to a share; false, there
// is none any more.
func (r *Rule) Next(after time.Time, share Share) (Occurrence, bool) {
	if length, ok := lengths[r.every]; ok {
		return r.within(r.steady(after, length*time.Duration(r.interval), share))
	}
	p := max(0, r.period(after)-1)
	for last := p + periodsMax*max(1, share.Of); p <= last; p++ {
		for _, o := range r.occurrences(p) {
			if o.At.After(after) && !o.At.Before(r.base) && share.takes(o.Number) {
				return r.within(o)
			}
		}
	}
	return Occurrence{}, false
}

// Between lists the occurrences after one instant up to and with another, at most as
// many as said.
func (r *Rule) Between(after, until time.Time, most int, share Share) []Occurrence {
	var all []Occurrence
	for len(all) < most {
		o, ok := r.Next(after, share)
		if !ok || o.At.After(until) {
			break
		}
		all = append(all, o)
		after = o.At
	}
	return all
}

func (r *Rule) within(o Occurrence) (Occurrence, bool) {
	if !r.end.IsZero() && o.At.After(r.end) {
		return Occurrence{}, false
	}
	return o, true
}

// steady is the next of occurrences that lie equally far from one another.
func (r *Rule) steady(after time.Time, step time.Duration, share Share) Occurrence {
	n := int64(0)
	if !after.Before(r.base) {
		n = steps(r.base, after, step) + 1
	}
	for !share.takes(n) {
		n++
	}
	return Occurrence{r.base.Add(time.Duration(n) * step), n}
}

// steps counts whole steps from one instant to a later one.
func steps(from, to time.Time, step time.Duration) int64 {
	seconds := to.Unix() - from.Unix()
	whole := int64(step / time.Second)
	n := seconds / whole
	for n > 0 && from.Add(time.Duration(n)*step).After(to) {
		n--
	}
	return n
}

// wall is the time that clocks show in the rule's zone, as if it were UTC.
func (r *Rule) wall(t time.Time) time.Time {
	t = t.In(r.zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func midnight(wall time.Time) time.Time {
	return time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
}

// months counts months since the year zero.
func months(wall time.Time) int64 { return int64(wall.Year())*12 + int64(wall.Month()) - 1 }

// perPeriod is how many months a period of a month or a year has.
func (r *Rule) perPeriod() int64 {
	if r.every == year {
		return 12 * int64(r.interval)
	}
	return int64(r.interval)
}

// period gives the number of the period that an instant lies in, or near.
func (r *Rule) period(t time.Time) int64 {
	base, at := r.wall(r.base), r.wall(t)
	days := (midnight(at).Unix() - midnight(base).Unix()) / 86_400
	switch r.every {
	case day:
		return days / int64(r.interval)
	case week:
		return (days + int64(base.Weekday())) / 7 / int64(r.interval)
	}
	return (months(at) - months(base)) / r.perPeriod()
}

// occurrences lists those of one period, in order. Two that a clock change brings
// together are one; where that is a whole day that is left out, it belongs to the
// earlier period.
func (r *Rule) occurrences(p int64) []Occurrence {
	at := r.instants(p)
	if p > 0 {
		if before := r.instants(p - 1); len(before) > 0 {
			last := before[len(before)-1]
			at = slices.DeleteFunc(at, func(t time.Time) bool { return !t.After(last) })
		}
	}
	all := make([]Occurrence, len(at))
	for i, t := range at {
		all[i] = Occurrence{t, p*r.slots + int64(i)}
	}
	return all
}

func (r *Rule) instants(p int64) []time.Time {
	var all []time.Time
	clocks := r.clocks()
	for _, d := range r.daysOf(p) {
		for _, clock := range clocks {
			all = append(all, Resolve(d.Add(clock), r.zone))
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// clocks lists the times of a day, in order. What the schedule leaves open is taken
// from the base: its minute when only hours are given; every hour when only minutes
// are.
func (r *Rule) clocks() []time.Duration {
	base := r.wall(r.base)
	hours, minutes := r.hours, r.minutes
	rest := time.Duration(0)
	if len(minutes) == 0 {
		minutes = []int{base.Minute()}
		rest = time.Duration(base.Second())*time.Second + time.Duration(base.Nanosecond())
		if len(hours) == 0 {
			hours = []int{base.Hour()}
		}
	}
	if len(hours) == 0 {
		for h := range 24 {
			hours = append(hours, h)
		}
	}
	var all []time.Duration
	for _, h := range hours {
		for _, m := range minutes {
			all = append(all, time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+rest)
		}
	}
	return all
}

// daysOf lists the days of a period, in order, as midnights of the wall clock.
func (r *Rule) daysOf(p int64) []time.Time {
	base := midnight(r.wall(r.base))
	switch r.every {
	case day:
		return []time.Time{base.AddDate(0, 0, int(p)*r.interval)}
	case week:
		sunday := base.AddDate(0, 0, int(p)*7*r.interval-int(base.Weekday()))
		days := r.weekdays
		if len(days) == 0 {
			days = []time.Weekday{base.Weekday()}
		}
		var all []time.Time
		for _, d := range days {
			all = append(all, sunday.AddDate(0, 0, int(d)))
		}
		return all
	}
	count := months(base) + p*r.perPeriod()
	return r.daysOfMonth(time.Date(int(count/12), time.Month(count%12)+1, 1, 0, 0, 0, 0, time.UTC), base.Day())
}

// daysOfMonth lists the days of the month that begins on first.
func (r *Rule) daysOfMonth(first time.Time, baseDay int) []time.Time {
	length := first.AddDate(0, 1, -1).Day()
	var all []int
	for _, d := range r.monthdays {
		if d < 0 {
			d += length + 1
		}
		if d >= 1 && d <= length {
			all = append(all, d)
		}
	}
	for _, n := range r.nths {
		d := 1 + (int(n.day)-int(first.Weekday())+7)%7 + (n.n-1)*7
		if n.n < 0 {
			last := first.AddDate(0, 0, length-1)
			d = length - (int(last.Weekday())-int(n.day)+7)%7 + (n.n+1)*7
		}
		if d >= 1 && d <= length {
			all = append(all, d)
		}
	}
	if len(r.monthdays)+len(r.nths) == 0 {
		all = []int{min(baseDay, length)}
	}
	slices.Sort(all)
	var days []time.Time
	for _, d := range slices.Compact(all) {
		days = append(days, first.AddDate(0, 0, d-1))
	}
	return days
}
