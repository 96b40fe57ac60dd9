package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

// zones knows the zones of the tests by names of Windows.
func zones(name string) (*time.Location, bool) {
	iana, ok := map[string]string{"UTC": "UTC", "W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York",
		"Samoa Standard Time": "Pacific/Apia", "Lord Howe Standard Time": "Australia/Lord_Howe", "Paraguay Standard Time": "America/Asuncion"}[name]
	if !ok {
		return nil, false
	}
	l, err := time.LoadLocation(iana)
	return l, err == nil
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func rule(t *testing.T, s Spec, enabled string) *Rule {
	t.Helper()
	r, err := Make(s, at(enabled), zones)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNext(t *testing.T) {
	const berlin = "W. Europe Standard Time"
	for _, c := range []struct {
		name, enabled string
		spec          Spec
		after         string
		want          string // instants with a space between them
	}{
		{"from when it was enabled", "2024-01-01T10:00:30Z", Spec{Frequency: "Minute", Interval: 5}, "2024-01-01T10:00:29Z", "2024-01-01T10:00:30Z 2024-01-01T10:05:30Z"},
		{"a start that is long ago catches nothing up", "2024-01-01T10:00:00Z", Spec{Frequency: "Hour", Interval: 6, StartTime: "2020-01-01T01:00:00Z"}, "2024-01-01T10:00:00Z", "2024-01-01T13:00:00Z 2024-01-01T19:00:00Z"},
		{"a start that is still to come", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, StartTime: "2024-02-01T06:00:00Z"}, "2024-01-01T10:00:00Z", "2024-02-01T06:00:00Z 2024-02-02T06:00:00Z"},
		{"a start without an offset is of the zone", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, StartTime: "2024-07-01T06:00:00", TimeZone: berlin}, "2024-01-01T10:00:00Z", "2024-07-01T04:00:00Z"},
		{"days keep their time of day over a clock change", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, StartTime: "2024-03-30T06:00:00", TimeZone: berlin}, "2024-03-29T10:00:00Z", "2024-03-30T05:00:00Z 2024-03-31T04:00:00Z"},
		{"a time that is left out moves by the gap", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, Hours: []int{2}, Minutes: []int{30}, TimeZone: berlin}, "2024-03-30T10:00:00Z", "2024-03-31T01:30:00Z 2024-04-01T00:30:00Z"},
		{"two that the gap brings together are one", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, Hours: []int{2, 3}, Minutes: []int{30}, TimeZone: berlin}, "2024-03-30T10:00:00Z", "2024-03-31T01:30:00Z 2024-04-01T00:30:00Z 2024-04-01T01:30:00Z"},
		{"a time that comes twice is due once", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, Hours: []int{2}, Minutes: []int{30}, TimeZone: berlin}, "2024-10-26T10:00:00Z", "2024-10-27T00:30:00Z 2024-10-28T01:30:00Z"},
		{"a day that is left out", "2011-12-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, Hours: []int{12}, Minutes: []int{0}, TimeZone: "Samoa Standard Time"}, "2011-12-29T21:00:00Z", "2011-12-29T22:00:00Z 2011-12-30T22:00:00Z 2011-12-31T22:00:00Z"},
		{"hours take the minute of the start", "2024-01-01T10:17:00Z", Spec{Frequency: "Day", Interval: 1, Hours: []int{5, 17}}, "2024-01-01T10:17:00Z", "2024-01-01T17:17:00Z 2024-01-02T05:17:00Z"},
		{"minutes are of every hour", "2024-01-01T10:17:00Z", Spec{Frequency: "Day", Interval: 1, Minutes: []int{15, 45}}, "2024-01-01T10:17:00Z", "2024-01-01T10:45:00Z 2024-01-01T11:15:00Z"},
		{"minutes of every sixth hour", "2024-01-01T10:17:00Z", Spec{Frequency: "Hour", Interval: 6, Minutes: []int{0, 30}}, "2024-01-01T10:17:00Z", "2024-01-01T10:30:00Z 2024-01-01T16:00:00Z 2024-01-01T16:30:00Z 2024-01-01T22:00:00Z 2024-01-01T22:30:00Z 2024-01-02T04:00:00Z"},
		{"every second week counts from the start's", "2024-01-01T10:00:00Z", Spec{Frequency: "Week", Interval: 2, StartTime: "2024-01-03T08:00:00Z", WeekDays: []string{"Monday", "Friday"}}, "2024-01-01T10:00:00Z", "2024-01-05T08:00:00Z 2024-01-15T08:00:00Z 2024-01-19T08:00:00Z 2024-01-29T08:00:00Z"},
		{"a month from its last day", "2024-01-01T10:00:00Z", Spec{Frequency: "Month", Interval: 1, StartTime: "2024-01-31T08:00:00Z"}, "2024-01-01T10:00:00Z", "2024-01-31T08:00:00Z 2024-02-29T08:00:00Z 2024-03-31T08:00:00Z"},
		{"days that a month does not have", "2024-01-01T10:00:00Z", Spec{Frequency: "Month", Interval: 1, MonthDays: []int{31, -1, 30}, Hours: []int{8}, Minutes: []int{0}}, "2024-02-01T10:00:00Z", "2024-02-29T08:00:00Z 2024-03-30T08:00:00Z 2024-03-31T08:00:00Z 2024-04-30T08:00:00Z"},
		{"the last Friday and the first Monday", "2024-01-01T10:00:00Z", Spec{Frequency: "Month", Interval: 1, Occurrences: []Nth{{"Friday", -1}, {"Monday", 1}}, Hours: []int{8}, Minutes: []int{0}}, "2024-01-02T10:00:00Z", "2024-01-26T08:00:00Z 2024-02-05T08:00:00Z 2024-02-23T08:00:00Z"},
		{"a fifth Friday that few months have", "2024-01-01T10:00:00Z", Spec{Frequency: "Month", Interval: 1, Occurrences: []Nth{{"Friday", 5}}, Hours: []int{8}, Minutes: []int{0}}, "2024-01-02T10:00:00Z", "2024-03-29T08:00:00Z 2024-05-31T08:00:00Z"},
		{"an end", "2024-01-01T10:00:00Z", Spec{Frequency: "Day", Interval: 1, StartTime: "2024-01-05T00:00:00Z", EndTime: "2024-01-06T00:00:00Z"}, "2024-01-01T10:00:00Z", "2024-01-05T00:00:00Z 2024-01-06T00:00:00Z none"},
		{"a day that never comes", "2024-02-01T10:00:00Z", Spec{Frequency: "Month", Interval: 12, StartTime: "2024-02-01T00:00:00Z", MonthDays: []int{30}}, "2024-01-01T10:00:00Z", "none"},
		{"the 29th of February", "2021-03-01T10:00:00Z", Spec{Frequency: "Year", Interval: 1, StartTime: "2021-02-01T00:00:00Z", MonthDays: []int{29}}, "2021-03-01T10:00:00Z", "2024-02-29T00:00:00Z 2028-02-29T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, now := rule(t, c.spec, c.enabled), at(c.after)
			for _, want := range strings.Fields(c.want) {
				o, ok := r.Next(now, Share{})
				got := "none"
				if ok {
					got = o.At.UTC().Format(time.RFC3339)
				}
				if got != want {
					t.Fatalf("after %s comes %s, want %s", now.UTC().Format(time.RFC3339), got, want)
				}
				now = o.At
			}
		})
	}
}

func TestMakeRefuses(t *testing.T) {
	for want, s := range map[string]Spec{
		"frequency":          {Frequency: "Fortnight", Interval: 1},
		"interval":           {Frequency: "Day"},
		"time zone":          {Frequency: "Day", Interval: 1, TimeZone: "Europe/Berlin"},
		"startTime":          {Frequency: "Day", Interval: 1, StartTime: "tomorrow"},
		"endTime":            {Frequency: "Day", Interval: 1, EndTime: "never"},
		"cannot be used":     {Frequency: "Minute", Interval: 1, Hours: []int{1}},
		"hour outside":       {Frequency: "Day", Interval: 1, Hours: []int{24}},
		"no day of the week": {Frequency: "Week", Interval: 1, WeekDays: []string{"Funday"}},
		"divides 24":         {Frequency: "Hour", Interval: 5, Minutes: []int{1}},
		"monthly occurrence": {Frequency: "Month", Interval: 1, Occurrences: []Nth{{"Monday", 0}}},
	} {
		if _, err := Make(s, at("2024-01-01T00:00:00Z"), zones); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v does not speak of %q", s, err, want)
		}
	}
}

func TestWindowsLeaveNoneOut(t *testing.T) {
	w := WindowsOf(rule(t, Spec{Frequency: "Hour", Interval: 1, StartTime: "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"), 30*time.Minute)
	first, ok := w.First()
	if !ok || first.Due != at("2024-01-01T01:30:00Z") {
		t.Fatalf("the first window is %+v", first)
	}
	end, now := first.Start, at("2024-01-03T00:15:00Z")
	var all []Window
	for {
		more := w.DueBy(end, now, 10)
		if len(more) > 10 {
			t.Fatalf("%d windows at once", len(more))
		}
		if len(more) == 0 {
			break
		}
		all, end = append(all, more...), more[len(more)-1].End
	}
	if len(all) != 47 { // the 48th has ended and is not due yet
		t.Fatalf("%d windows are due", len(all))
	}
	for i, one := range all {
		if want := at("2024-01-01T00:00:00Z").Add(time.Duration(i) * time.Hour); one.Start != want || one.End != want.Add(time.Hour) || one.Number != int64(i) {
			t.Fatalf("window %d is %+v", i, one)
		}
	}
}

func ExampleRule_Next() {
	zone := func(string) (*time.Location, bool) { return time.UTC, true }
	r, _ := Make(Spec{Frequency: "Week", Interval: 1, WeekDays: []string{"Monday"}, Hours: []int{6}, Minutes: []int{0}}, time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), zone)
	o, _ := r.Next(time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), Share{})
	fmt.Println(o.At)
	// Output: 2024-05-06 06:00:00 +0000 UTC
}
