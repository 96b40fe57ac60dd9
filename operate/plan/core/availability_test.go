package core

import (
	"math"
	"slices"
	"testing"
)

func close(a, b float64) bool { return math.Abs(a-b) < 0.005 }

func TestAvailability(t *testing.T) {
	four := []Component{{Name: "a", Availability: 99.9, Where: Both}, {Name: "b", Availability: 99.9, Where: Both}, {Name: "c", Availability: 99.95, Where: Both}, {Name: "d", Availability: 99.99, Where: Both}}
	a, err := Compose([][]Component{four}, 311000)
	if err != nil {
		t.Fatal(err)
	}
	if !close(a.OneIndependent.Percent, 99.7402) || !close(a.OneIndependent.SecondsAWeek/60, 26.19) || !close(a.TwoIndependent.SecondsAWeek, 4.08) {
		t.Errorf("one location: %.4f %%, %.2f min a week; two: %.2f s a week", a.OneIndependent.Percent, a.OneIndependent.SecondsAWeek/60, a.TwoIndependent.SecondsAWeek)
	}
	if a.TwoShared != a.TwoIndependent || a.OneShared != a.OneIndependent {
		t.Error("nothing is common, and it makes a difference")
	}
	// 22.76 h a year at 311,000 an hour.
	if !close(a.OneIndependent.HoursAYear, 22.7563) || math.Abs(a.OneIndependent.CostAYear-7077208) > 100 {
		t.Errorf("%.4f h and %.0f a year", a.OneIndependent.HoursAYear, a.OneIndependent.CostAYear)
	}

	// DNS at 99.99 % takes a minute a week whatever is behind it.
	a, _ = Compose([][]Component{append(slices.Clone(four), Component{Name: "dns", Availability: 99.99, Where: Common})}, 0)
	if !close(a.TwoIndependent.SecondsAWeek, 4.08) || !close(a.TwoShared.SecondsAWeek, 64.56) || a.OneShared.SecondsAWeek <= a.OneIndependent.SecondsAWeek {
		t.Errorf("two locations: %.2f s a week alone, %.2f s with DNS", a.TwoIndependent.SecondsAWeek, a.TwoShared.SecondsAWeek)
	}
	if !slices.Equal(a.Common, []string{"dns"}) {
		t.Errorf("common: %v", a.Common)
	}

	// What one location has is needed by the other one as well: 1-(1-0.001)(1-0.001^2).
	a, _ = Compose([][]Component{{{Name: "x", Availability: 99.9, Where: Both}, {Name: "db", Availability: 99.9, Where: "west"}}}, 0)
	if math.Abs(a.TwoIndependent.unavailableness-0.001000999) > 1e-9 {
		t.Errorf("a database in one location: %v", a.TwoIndependent.unavailableness)
	}
}

// TestAvailabilityIsExact compares with every combination of what may be up or down.
func TestAvailabilityIsExact(t *testing.T) {
	paths := [][]Component{
		{{Name: "in", Availability: 90, Where: Both}, {Name: "mail", Availability: 80, Where: "west"}, {Name: "dns", Availability: 95, Where: Common}},
		{{Name: "in", Availability: 90, Where: Both}, {Name: "fax", Availability: 70, Where: Both}, {Name: "dns", Availability: 95, Where: Common}},
		{{Name: "hand", Availability: 50, Where: "east"}, {Name: "dns", Availability: 95, Where: Common}},
	}
	all := ways(paths, []string{"here", "there"}, true)
	odds := map[string]float64{}
	for _, w := range all {
		for name, off := range w {
			odds[name] = off
		}
	}
	names, want := sortedKeys(odds), 0.0
	for mask := range 1 << len(names) {
		p, up := 1.0, map[string]bool{}
		for i, name := range names {
			if up[name] = mask>>i&1 == 1; up[name] {
				p *= 1 - odds[name]
			} else {
				p *= odds[name]
			}
		}
		whole := slices.ContainsFunc(all, func(w way) bool {
			for name := range w {
				if !up[name] {
					return false
				}
			}
			return true
		})
		if !whole {
			want += p
		}
	}
	if got := down(all); math.Abs(got-want) > 1e-12 {
		t.Errorf("%.12f, counted out %.12f", got, want)
	}
	if _, err := Compose(slices.Repeat(paths, 3), 0); err == nil {
		t.Error("more paths than are computed are taken")
	}
}
