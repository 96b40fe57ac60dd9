package core

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	week = 7 * 24 * time.Hour
	year = 365 * 24 * time.Hour
)

// combinationsMax bounds the ways through a flow, over all locations: what is exact is
// also exponential.
const combinationsMax = 12

// Figure is an availability and what it means.
type Figure struct {
	Percent         float64 `json:"percent"`
	SecondsAWeek    float64 `json:"downSecondsAWeek"`
	HoursAYear      float64 `json:"downHoursAYear"`
	CostAYear       float64 `json:"costAYear,omitempty"`
	unavailableness float64
}

// Availability is what a flow's components make of it, in four ways.
type Availability struct {
	// One location alone, and two of which one is enough: as if nothing were shared but
	// what only one location has, and with the components that are common to both.
	OneIndependent Figure `json:"oneLocationIndependent"`
	OneShared      Figure `json:"oneLocationShared"`
	TwoIndependent Figure `json:"twoLocationsIndependent"`
	TwoShared      Figure `json:"twoLocationsShared"`
	// Common are the components behind the difference.
	Common []string `json:"common"`
	// Counts names the figure that holds for the flow as it is.
	Counts     string   `json:"counts"`
	Assumption []string `json:"assumptions"`
	Err        string   `json:"error,omitempty"`
}

var assumptions = []string{
	"independent: components and locations fail independently of each other, and nothing is common to both locations; that is never so, and the figure is a bound",
	"shared: components declared common fail for both locations at once; all else is still independent",
	"one of two locations is enough, and a change of location takes no time: add the measured RTO for each one you expect in a year",
}

// way is a set of components that together serve a flow, each in its place.
type way map[string]float64 // "place/name" to unavailability

// ways lists what serves a flow over some locations. shared: with what is common.
func ways(paths [][]Component, places []string, shared bool) []way {
	var all []way
	for _, path := range paths {
		for _, place := range places {
			w := way{}
			for _, c := range path {
				off := 1 - c.Availability/100
				switch c.Where {
				case Common:
					if shared {
						w["common/"+c.Name] = off
					}
				case Both, "":
					w[place+"/"+c.Name] = off
				default: // one location has it, and the other one reaches it there
					w[c.Where+"/"+c.Name] = off
				}
			}
			if !slices.ContainsFunc(all, func(x way) bool { return same(x, w) }) {
				all = append(all, w)
			}
		}
	}
	return all
}

func same(a, b way) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return true
}

// down is the probability that none of some ways is whole, exactly: it conditions on
// one component after the other.
func down(all []way) float64 {
	if len(all) == 0 {
		return 1
	}
	// The component that most ways need is decided first, so that few branches are left.
	counts := map[string]int{}
	for _, w := range all {
		if len(w) == 0 {
			return 0 // whole whatever happens
		}
		for name := range w {
			counts[name]++
		}
	}
	pick := ""
	for _, name := range sortedKeys(counts) {
		if pick == "" || counts[name] > counts[pick] {
			pick = name
		}
	}
	if counts[pick] == 1 { // nothing is shared any more
		product := 1.0
		for _, w := range all {
			product *= serial(w)
		}
		return product
	}
	var off float64
	var up, without []way
	for _, w := range all {
		p, needed := w[pick]
		if !needed {
			up, without = append(up, w), append(without, w)
			continue
		}
		off = p
		rest := way{}
		for name, q := range w {
			if name != pick {
				rest[name] = q
			}
		}
		up = append(up, rest)
	}
	return off*down(without) + (1-off)*down(up)
}

// serial is the probability that a way is not whole, without losing the digits of small
// figures to a difference of ones.
func serial(w way) float64 {
	off := 0.0
	for _, name := range sortedKeys(w) {
		off += w[name] - off*w[name]
	}
	return off
}

func figure(off, costPerHour float64) Figure {
	hours := off * year.Hours()
	return Figure{Percent: 100 * (1 - off), SecondsAWeek: off * week.Seconds(), HoursAYear: hours, CostAYear: hours * costPerHour, unavailableness: off}
}

// Compose is what components make of a flow that two locations serve.
func Compose(paths [][]Component, costPerHour float64) (Availability, error) {
	a := Availability{Common: []string{}, Assumption: assumptions}
	if len(paths) == 0 {
		return a, errors.New("it declares no path")
	}
	if 2*len(paths) > combinationsMax {
		return a, fmt.Errorf("it declares %d paths, and more than %d are not computed", len(paths), combinationsMax/2)
	}
	for _, path := range paths {
		for _, c := range path {
			if c.Where == Common && !slices.Contains(a.Common, c.Name) {
				a.Common = append(a.Common, c.Name)
			}
		}
	}
	one, two := []string{"here"}, []string{"here", "there"}
	a.OneIndependent = figure(down(ways(paths, one, false)), costPerHour)
	a.OneShared = figure(down(ways(paths, one, true)), costPerHour)
	a.TwoIndependent = figure(down(ways(paths, two, false)), costPerHour)
	a.TwoShared = figure(down(ways(paths, two, true)), costPerHour)
	return a, nil
}
