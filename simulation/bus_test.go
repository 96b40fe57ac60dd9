package simulation_test

import (
	"flag"
	"runtime"
	"sync"
	"testing"
	"time"

	"weir/simulation"
)

var (
	seeds  = flag.Int("seeds", 200, "how many histories TestBus plays")
	first  = flag.Uint64("first", 0, "the first seed")
	seed   = flag.Int64("seed", -1, "play this one history, and tell it")
	length = flag.Duration("length", 4*time.Second, "simulated time during which clients work and faults happen")
)

// TestBus plays histories of a namespace. A failing one is told again by
// go test ./simulation -run TestBus -seed N -v.
func TestBus(t *testing.T) {
	if *seed >= 0 {
		r := simulation.Bus(simulation.Options{Seed: uint64(*seed), Length: *length, Tell: func(s string) { t.Log(s) }})
		report(t, r)
		return
	}
	work, results := make(chan uint64), make(chan simulation.Result)
	var players sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for n := range work {
				results <- simulation.Bus(simulation.Options{Seed: n, Length: *length})
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
	total := map[string]int{}
	for r := range results {
		report(t, r)
		for k, n := range r.Counts {
			total[k] += n
		}
	}
	t.Logf("%d histories: %v", *seeds, total)
	for _, what := range []string{"confirmed", "delivered", "settled", "rolled back"} {
		if total[what] == 0 {
			t.Errorf("nothing was %s in all the histories: the simulation tests nothing", what)
		}
	}
}

// TestOneSeedIsOneHistory: the same seed gives the same trace, or a failing seed
// would be worth nothing.
func TestOneSeedIsOneHistory(t *testing.T) {
	for n := range uint64(5) {
		a := simulation.Bus(simulation.Options{Seed: n, Length: time.Second})
		b := simulation.Bus(simulation.Options{Seed: n, Length: time.Second})
		if a.Trace != b.Trace || a.Lines != b.Lines {
			t.Errorf("seed %d: %s, then %s", n, a, b)
		}
	}
}

func report(t *testing.T, r simulation.Result) {
	t.Helper()
	if len(r.Violations) > 0 {
		t.Error(r.String())
	}
}
