package locations_test

import (
	"flag"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/simulation"
	"weir/simulation/locations"
)

var (
	seeds  = flag.Int("seeds", 200, "how many histories TestLocations plays")
	first  = flag.Uint64("first", 0, "the first seed")
	seed   = flag.Int64("seed", -1, "play this one history, and tell it")
	length = flag.Duration("length", 60*time.Second, "simulated time during which faults and changes happen")
	hasty  = flag.Bool("hasty", false, "operators ask for something all the time")
	endAt  = flag.String("endat", "", "the point at which processes end")
	nodes  = flag.Int("nodes", 0, "nodes of each location; 0: the seed says")
	voters = flag.Int("witnesses", 0, "witnesses; 0: the seed says, -1: none")
	synced = flag.Bool("sync", false, "sync mode that stops while the other location is away")
	alone  = flag.Bool("automatic", false, "the secondary takes over by itself")
	today  = flag.Bool("today", false, "play by the rules that operate/continuity has today")
)

func options(seed uint64) locations.Options {
	o := locations.Options{Seed: seed, Length: *length, Slant: locations.Slant{Hasty: *hasty, EndAt: *endAt, Nodes: *nodes, Witnesses: *voters, Sync: *synced, Automatic: *alone}}
	if *today {
		o.Rules = locations.Today
	}
	return o
}

// TestLocations plays histories of a group. A failing one is told again by
// go test ./simulation/locations -run TestLocations -seed N -v.
func TestLocations(t *testing.T) {
	if *seed >= 0 {
		o := options(uint64(*seed))
		o.Tell = func(s string) { t.Log(s) }
		r := locations.Play(o)
		r.Tail = nil
		report(t, r)
		return
	}
	work, results := make(chan uint64), make(chan simulation.Result)
	var players sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for n := range work {
				results <- locations.Play(options(n))
			}
		})
	}
	go func() {
		for n := range uint64(*seeds) {
			work <- *first + n
		}
		close(work)
		players.Wait()
		close(results)
	}()
	total, failed := map[string]int{}, 0
	for r := range results {
		if report(t, r); len(r.Violations) > 0 {
			failed++
		}
		for k, n := range r.Counts {
			total[k] += n
		}
	}
	t.Logf("%d histories, %d failed", *seeds, failed)
	for _, k := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%8d %s", total[k], k)
	}
	for _, what := range []string{"sent", "settled", "delivered", "promoted", "switched", "claim a term that was passed on", "parted", "rejoined", "seeded", "terms"} {
		if total[what] == 0 && *seeds >= 100 {
			t.Errorf("nothing was %s in all the histories: they show nothing of it", what)
		}
	}
	for k, n := range total {
		if at, is := strings.CutPrefix(k, "at: "); is && n >= 200 && total["ended at: "+at] == 0 {
			t.Errorf("no process ever ended %s, in %d times", at, n)
		}
	}
}

// TestOneSeedIsOneHistory: the same seed gives the same trace, or a failing seed would
// be worth nothing.
func TestOneSeedIsOneHistory(t *testing.T) {
	traces := map[uint64]uint64{}
	for n := range uint64(8) {
		o := locations.Options{Seed: n, Length: 20 * time.Second, Rules: locations.Rules{}}
		a, b := locations.Play(o), locations.Play(o)
		if a.Trace != b.Trace || a.Lines != b.Lines || !maps.Equal(a.Counts, b.Counts) {
			t.Errorf("seed %d: %s, then %s", n, a, b)
		}
		if other, is := traces[a.Trace]; is {
			t.Errorf("seeds %d and %d are one history", other, n)
		}
		traces[a.Trace] = n
	}
}

func report(t *testing.T, r simulation.Result) {
	t.Helper()
	if len(r.Violations) > 0 {
		t.Error(r.String())
	}
}
