package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/operate/continuity"
)

// ticking is one share of a schedule, in a resource group of its own, which tells the
// outside each time that was due.
func (o *outside) ticking(group, share string, start time.Time, every int) map[string]any {
	var d any
	err := json.Unmarshal(fmt.Appendf(nil, `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		"triggers": {"at": {"type": "Recurrence", "recurrence": {"frequency": "Second", "interval": %d, "startTime": %q}}},
		"actions": {"Tell": {"type": "Http", "inputs": {"method": "POST", "uri": "%s/tick/@{trigger()?['scheduledTime']}"}, "runAfter": {}}}}`, every, start.UTC().Format(time.RFC3339), o.URL), &d)
	if err != nil {
		panic(err)
	}
	id := "/subscriptions/" + DefaultScope.Subscription() + "/resourceGroups/" + group + "/providers/Microsoft.Logic/workflows/tick"
	return map[string]any{"id": id, "type": "Microsoft.Logic/workflows", "name": "tick", "tags": map[string]any{"weir-share": share}, "properties": map[string]any{"definition": d}}
}

// ticks are the times that were told, in order, and how often each.
func (o *outside) ticks() (times []time.Time, often map[time.Time]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	often = map[time.Time]int{}
	for path, keys := range o.keys {
		if text, ok := strings.CutPrefix(path, "/tick/"); ok {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				often[at] = len(keys)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(often), time.Time.Compare), often
}

// TestAScheduleIsSharedByTwoLocations: two workflows have half of the times of a schedule
// each, in two groups with different primaries. When a location is lost its half moves: the
// other one does both, and no time twice.
func TestAScheduleIsSharedByTwoLocations(t *testing.T) {
	const every = 1
	o := newOutside(t)
	unit := func(name string) string {
		return "/subscriptions/" + DefaultScope.Subscription() + "/resourceGroups/" + name
	}
	start := time.Now().Add(2 * time.Second).Truncate(time.Second)
	west, east := twoLocations(t, map[string]any{
		"mode": "async", "units": []string{unit("half-a")},
		"before": func(west *place) { west.deploy(t, o.ticking("half-a", "1/2", start, every)) },
	})
	east.deploy(t, o.ticking("half-b", "2/2", start, every))
	for _, p := range []*place{west, east} {
		p.deploy(t, document(continuity.TypeGroup, "other", map[string]any{"pairing": "other", "primary": "east", "units": []string{unit("half-b")}}))
	}
	told := func(n int, since time.Time) func() bool {
		return func() bool {
			times, _ := o.ticks()
			count := 0
			for _, at := range times {
				if at.After(since) {
					count++
				}
			}
			return count >= n
		}
	}
	until(t, func() string { return "the schedule to be done by both" }, told(5, time.Time{}))
	east.await(t, "east to copy", connected)
	lost := time.Now()
	west.abort()
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, nil); err != nil {
		t.Fatal(err)
	}
	east.await(t, "east to have the half of west", func(g groups.Status) bool { return g.Standing == groups.Primary })
	moved := time.Now()
	until(t, func() string { times, _ := o.ticks(); return fmt.Sprintf("both halves in east: %v", times) }, told(6, moved.Add(time.Second)))
	times, often := o.ticks()
	before, after := [2]int{}, [2]int{} // by half: a time belongs to one by its number
	for _, at := range times {
		if often[at] != 1 {
			t.Errorf("the time %s was done %d times", at, often[at])
		}
		half := int(at.Sub(start)/(every*time.Second)) % 2
		if at.Before(lost) {
			before[half]++
		} else if at.After(moved) {
			after[half]++
		}
	}
	if before[0] == 0 || before[1] == 0 || after[0] == 0 || after[1] == 0 {
		t.Errorf("of each half %v times were done before the loss, and %v after it: %v", before, after, times)
	}
}
