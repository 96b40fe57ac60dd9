package definition

import (
	"slices"
	"strings"
	"time"

	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/schedule"
)

// Spec is the recurrence for package schedule. Members that are expressions are as
// empty as those that are not given: whoever deploys puts their values in.
func (r *Recurrence) Spec() schedule.Spec {
	s := schedule.Spec{Frequency: r.Frequency, Interval: r.Interval, StartTime: r.StartTime, EndTime: r.EndTime, TimeZone: r.TimeZone,
		Hours: r.Schedule.Hours, Minutes: r.Schedule.Minutes, WeekDays: r.Schedule.WeekDays, MonthDays: r.Schedule.MonthDays}
	for _, o := range r.Schedule.MonthlyOccurrences {
		s.Occurrences = append(s.Occurrences, schedule.Nth(o))
	}
	return s
}

// frequencies and the longest interval of each.
var frequencies = map[string]int{"Second": 9_999_999, "Minute": 72_000, "Hour": 12_000, "Day": 500, "Week": 71, "Month": 16, "Year": 1}

var frequencyNames = []string{"Second", "Minute", "Hour", "Day", "Week", "Month", "Year"}

var weekDays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

func oneOf(words []string, s string) string {
	for _, w := range words {
		if strings.EqualFold(w, s) {
			return w
		}
	}
	return ""
}

func (r *reader) recurrence(v *document.Value, p document.Path) *Recurrence {
	out := &Recurrence{Value: v, Path: p}
	if r.later(v) {
		return out
	}
	if !v.Is(document.Object) {
		r.error(p, v, "recurrence", "a recurrence must be an object with a frequency and an interval, not %s", shown(v))
		return out
	}
	r.members(v, p, "a recurrence", "frequency", "interval", "startTime", "endTime", "timeZone", "schedule", "count")
	if f := v.Get("frequency"); !f.Given() {
		r.error(p.Of("frequency"), v, "recurrence", "the recurrence has no frequency; it may be %s", or(frequencyNames))
	} else if !r.later(f) {
		word, _ := f.Str()
		if out.Frequency = oneOf(frequencyNames, word); out.Frequency == "" {
			r.error(p.Of("frequency"), f, "recurrence", "the frequency is %s; it may be %s", shown(f), or(frequencyNames))
		}
	}
	if i := v.Get("interval"); !i.Given() {
		r.error(p.Of("interval"), v, "recurrence", "the recurrence has no interval; write how many of the frequency lie between two runs")
	} else if !r.later(i) {
		n, ok := i.Int()
		most := frequencies[out.Frequency]
		switch {
		case !ok || n < 1:
			r.error(p.Of("interval"), i, "recurrence", "the interval is %s; it must be a whole number of at least 1", shown(i))
		case most > 0 && n > most:
			r.error(p.Of("interval"), i, "recurrence", "the interval is %d; for the frequency %s at most %d is allowed", n, out.Frequency, most)
		}
		out.Interval = n
	}
	out.StartTime = r.instant(v, p, "startTime")
	out.EndTime = r.instant(v, p, "endTime")
	if start, _, ok := ParseTime(out.StartTime); ok {
		if end, _, ok := ParseTime(out.EndTime); ok && end.Before(start) {
			r.error(p.Of("endTime"), v.Get("endTime"), "recurrence", "endTime %s is before startTime %s: it would never be due", out.EndTime, out.StartTime)
		}
	}
	if z := v.Get("timeZone"); z.Given() && !r.later(z) {
		out.TimeZone = r.textOf(v, p, "timeZone")
		checkZone(r, z, p.Of("timeZone"))
	}
	if s := v.Get("schedule"); s.Given() && !r.later(s) {
		r.schedule(out, s, p.Of("schedule"))
	}
	return out
}

// timeForms are the forms in which designers and people write an instant.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02"}

// ParseTime reads an instant; zoned says whether it names its offset.
func ParseTime(s string) (t time.Time, zoned, ok bool) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t, strings.Contains(form, "Z07"), true
		}
	}
	return time.Time{}, false, false
}

func (r *reader) instant(v *document.Value, p document.Path, name string) string {
	m := v.Get(name)
	if !m.Given() || r.later(m) {
		return ""
	}
	s := r.textOf(v, p, name)
	if _, _, ok := ParseTime(s); m.Is(document.String) && !ok {
		r.error(p.Of(name), m, "recurrence", "%s is %q, which is no ISO 8601 time; write one such as 2024-05-01T06:00:00Z", name, s)
	}
	return s
}

func (r *reader) schedule(out *Recurrence, v *document.Value, p document.Path) {
	if !v.Is(document.Object) {
		r.error(p, v, "recurrence-schedule", "a schedule must be an object, not %s", shown(v))
		return
	}
	r.members(v, p, "a schedule", "hours", "minutes", "weekDays", "monthDays", "monthlyOccurrences")
	s := &out.Schedule
	s.Given = true
	s.Hours = r.numbers(v, p, "hours", 0, 23)
	s.Minutes = r.numbers(v, p, "minutes", 0, 59)
	s.MonthDays = r.numbers(v, p, "monthDays", -31, 31)
	for i, item := range r.listOf(v, p, "weekDays") {
		word, _ := item.Str()
		day := oneOf(weekDays, word)
		if day == "" && !r.later(item) {
			r.error(p.Of("weekDays").At(i), item, "recurrence-schedule", "%s is no day of the week; write one such as \"Monday\"", shown(item))
		}
		s.WeekDays = append(s.WeekDays, day)
	}
	for i, item := range r.listOf(v, p, "monthlyOccurrences") {
		r.occurrence(s, item, p.Of("monthlyOccurrences").At(i))
	}
	r.fits(out, v, p)
}

func (r *reader) occurrence(s *Schedule, item *document.Value, p document.Path) {
	if !item.Is(document.Object) {
		if !r.later(item) {
			r.error(p, item, "recurrence-schedule", "a monthly occurrence must be an object with a dayOfWeek and an occurrence, not %s", shown(item))
		}
		return
	}
	day := item.Get("dayOfWeek")
	if !day.Given() {
		day = item.Get("day")
	}
	word, _ := day.Str()
	name := oneOf(weekDays, word)
	if name == "" && !r.later(day) {
		r.error(p.Of("dayOfWeek"), item, "recurrence-schedule", "%s is no day of the week; write one such as \"Friday\"", shown(day))
	}
	n, ok := item.Get("occurrence").Int()
	if (!ok || n == 0 || n < -5 || n > 5) && !r.later(item.Get("occurrence")) {
		r.error(p.Of("occurrence"), item, "recurrence-schedule", "the occurrence is %s; it must be 1 to 5, or -1 to -5 from the end of the month", shown(item.Get("occurrence")))
	}
	s.MonthlyOccurrences = append(s.MonthlyOccurrences, Occurrence{Day: name, N: n})
}

// fits names what a schedule has that its frequency cannot use.
func (r *reader) fits(out *Recurrence, v *document.Value, p document.Path) {
	if out.Frequency == "" {
		return
	}
	monthly := v.Get("monthDays").Given() || v.Get("monthlyOccurrences").Given()
	wants := map[string][]string{
		"weekDays": {"Week"}, "monthDays": {"Month"}, "monthlyOccurrences": {"Month"},
		"hours": {"Day", "Week"}, "minutes": {"Day", "Week"},
	}
	for _, m := range v.Members {
		fit, known := wants[m.Name]
		if !known || !m.Value.Given() || slices.Contains(fit, out.Frequency) {
			continue
		}
		if (m.Name == "hours" || m.Name == "minutes") && out.Frequency == "Month" && monthly {
			continue // the time of day of the days that are named
		}
		if out.Frequency == "Hour" && m.Name == "minutes" {
			if out.Interval > 0 && 24%out.Interval != 0 {
				r.error(p.Of(m.Name), m.Value, "recurrence-schedule", "minutes with the frequency Hour need an interval that divides 24, not %d", out.Interval)
				continue
			}
			r.warn(p.Of(m.Name), m.Value, "recurrence-schedule", "minutes are meant for the frequencies Day and Week; with Hour each hour has them")
			continue
		}
		r.error(p.Of(m.Name), m.Value, "recurrence-schedule", "%s cannot be used with the frequency %s, only with %s", m.Name, out.Frequency, or(fit))
	}
}

func (r *reader) listOf(v *document.Value, p document.Path, name string) []*document.Value {
	m := v.Get(name)
	if !m.Given() || r.later(m) {
		return nil
	}
	if !m.Is(document.Array) {
		r.error(p.Of(name), m, "recurrence-schedule", "%s must be an array, not %s", name, shown(m))
		return nil
	}
	return m.Items
}

func (r *reader) numbers(v *document.Value, p document.Path, name string, least, most int) []int {
	var out []int
	for i, item := range r.listOf(v, p, name) {
		n, ok := item.Int()
		if r.later(item) {
			continue
		}
		if !ok || n < least || n > most || n == 0 && least < 0 {
			r.error(p.Of(name).At(i), item, "recurrence-schedule", "%s is %s; it must be a whole number from %d to %d", name, shown(item), least, most)
			continue
		}
		out = append(out, n)
	}
	return out
}
