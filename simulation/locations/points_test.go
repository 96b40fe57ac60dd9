package locations_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/simulation/locations"
)

// TestACrashAnywhere ends processes at each point between two steps of a change, again
// and again: what follows leaves one location with the group or none, and asking again
// completes it.
func TestACrashAnywhere(t *testing.T) {
	points := map[string]bool{}
	play := func(seed uint64, at string) map[string]int {
		r := locations.Play(locations.Options{Seed: seed, Length: 40 * time.Second, Slant: locations.Slant{Hasty: true, EndAt: at}})
		if len(r.Violations) > 0 {
			t.Errorf("ended %s: %s", at, r)
		}
		return r.Counts
	}
	for n := range uint64(24) {
		for k := range play(n, "") {
			if at, is := strings.CutPrefix(k, "at: "); is {
				points[at] = true
			}
		}
	}
	ended := 0
	for _, at := range slices.Sorted(maps.Keys(points)) {
		for n := range uint64(max(6, *seeds/30)) {
			ended += play(*first+100+n, at)["ended at: "+at]
		}
	}
	t.Logf("%d points, %d processes ended at them", len(points), ended)
	if len(points) < 20 || ended < 3*len(points) {
		t.Errorf("%d processes ended at %d points: too little happens", ended, len(points))
	}
}
