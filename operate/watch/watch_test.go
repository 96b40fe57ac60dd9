package watch

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/groups"
	"weir/operate/probe"
)

// pass lets time pass, and what was due then come to rest.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func wants(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.take(); !slices.Equal(got, want) {
		t.Fatalf("told %q, want %q", got, want)
	}
}

func TestALostLocationIsToldAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.watchdog(t, func(o *Options) { o.Act = []string{"orders"} })
		pass(time.Minute)
		wants(t, w)

		w.set(func(w *world) { w.silent["west"] = true })
		pass(19 * time.Second) // three rounds, of which the last waits for its time-out
		wants(t, w, "raised location/west")
		if w.number(&w.promoted) != 0 {
			t.Error("promoted although east hears west")
		}
		w.set(func(w *world) { w.status["east"].PeerReachable = false })
		pass(11 * time.Second)
		wants(t, w, "acted act/orders")
		pass(time.Minute)
		wants(t, w)
		if w.number(&w.promoted) != 1 {
			t.Errorf("promoted %d times", w.number(&w.promoted))
		}

		w.set(func(w *world) {
			w.silent["west"] = false
			*w.status["west"] = groups.Status{Name: "orders", Term: 2, Standing: groups.Secondary, Holder: "east", Peer: "east", PeerReachable: true}
		})
		pass(15 * time.Second)
		wants(t, w, "cleared location/west")
	})
}

// TestARefusalIsToldOnceAndTriedAgain, and a promotion is followed by the cool-down.
func TestARefusalIsToldOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.watchdog(t, func(o *Options) { o.Act, o.CoolDown = []string{"ORDERS"}, 2*time.Minute })
		w.set(func(w *world) {
			w.silent["west"], w.status["east"].PeerReachable, w.refusal = true, false, "no majority"
		})
		pass(time.Minute)
		wants(t, w, "raised group/orders/none", "raised location/west", "refused act/ORDERS")
		if w.number(&w.promoted) < 3 || w.number(&w.promoted) > 12 {
			t.Errorf("asked %d times within a minute", w.number(&w.promoted))
		}
		w.set(func(w *world) { w.refusal, w.promoted = "", 0 })
		pass(25 * time.Second)
		wants(t, w, "acted act/ORDERS", "cleared group/orders/none")
		w.set(func(w *world) { w.status["east"].Standing, w.status["east"].Holder = groups.Secondary, "west" })
		pass(90 * time.Second) // within the cool-down
		if w.number(&w.promoted) != 1 {
			t.Errorf("promoted %d times within the cool-down", w.number(&w.promoted))
		}
		pass(time.Minute)
		if w.number(&w.promoted) != 2 {
			t.Errorf("promoted %d times after it", w.number(&w.promoted))
		}
	})
}

// TestTheDataPathIsWhatCounts: everything says that it is well, and no message passes.
func TestTheDataPathIsWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var broken atomic.Bool
		through := message(func(context.Context) probe.Result {
			if broken.Load() {
				return probe.Result{Stage: "receive", Error: "nothing came"}
			}
			return probe.Result{OK: true, Seconds: 0.01}
		})
		dog := w.watchdog(t, func(o *Options) {
			o.Data = map[string]probe.Probe{"west": through, "east": through}
			o.Probe, o.Act = through, []string{"orders"}
		})
		broken.Store(true)
		pass(11 * time.Second)
		wants(t, w, "raised location/west/data", "raised probe") // east passes on to west: one cause
		w.set(func(w *world) { w.status["east"].PeerReachable = false })
		pass(6 * time.Second)
		wants(t, w, "acted act/orders")
		if up := dog.Show().Alarms; len(up) != 2 {
			t.Errorf("it shows %+v", up)
		}
		broken.Store(false)
		pass(11 * time.Second)
		if got := w.take(); !slices.Contains(got, "cleared probe") || !slices.Contains(got, "cleared location/west/data") {
			t.Errorf("told %q", got)
		}
	})
}

// TestALookThatHangs: the watchdog says that it is late, and others see it.
func TestALookThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var hangs atomic.Bool
		dog := w.watchdog(t, func(o *Options) {
			o.Heartbeat = "http://beat"
			o.Probe = message(func(ctx context.Context) probe.Result {
				if hangs.Load() {
					select {
					case <-ctx.Done():
					case <-time.After(40 * time.Second):
					}
				}
				return probe.Result{OK: true}
			})
		})
		pass(time.Second)
		hangs.Store(true)
		w.set(func(w *world) { w.beats = 0 })
		pass(30 * time.Second)
		wants(t, w, "raised watchdog/late")
		if s := dog.Show(); s.Silent < 20 || w.number(&w.beats) != 0 {
			t.Errorf("it looks alive: silent for %.0f s, %d heartbeats", s.Silent, w.number(&w.beats))
		}
		hangs.Store(false)
		pass(40 * time.Second)
		wants(t, w, "cleared watchdog/late")
	})
}

func TestWatchdogsMissEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		dog := w.watchdog(t, func(o *Options) { o.Peers = []string{"http://two"} })
		pass(time.Minute)
		wants(t, w)
		w.set(func(w *world) { w.silent["two"] = true })
		pass(25 * time.Second)
		wants(t, w)
		pass(15 * time.Second)
		wants(t, w, "raised peer/http://two")
		w.set(func(w *world) { w.silent["two"] = false })
		pass(11 * time.Second)
		wants(t, w, "cleared peer/http://two")

		// It answers, and its own rounds have stopped.
		w.set(func(w *world) { w.other.Silent = 31 })
		pass(6 * time.Second)
		wants(t, w, "raised peer/http://two")
		w.set(func(w *world) { w.other.Silent = 0 })
		pass(11 * time.Second)
		wants(t, w, "cleared peer/http://two")

		// It is this one: nobody else watches.
		w.set(func(w *world) { w.other.Instance = dog.instance })
		pass(40 * time.Second)
		wants(t, w, "raised peer/http://two")
	})
}

func TestTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.watchdog(t, func(o *Options) { o.Heartbeat = "http://beat" })
		pass(51 * time.Second)
		if w.number(&w.beats) != 11 {
			t.Errorf("%d heartbeats in eleven rounds", w.number(&w.beats))
		}
		w.set(func(w *world) { w.fails["beat"] = 500 })
		pass(20 * time.Second)
		wants(t, w, "raised watchdog/heartbeat")
		w.set(func(w *world) { w.fails["beat"], w.silent["beat"] = 0, true }) // nor does one that hangs hold up a round
		pass(30 * time.Second)
		wants(t, w)
		w.set(func(w *world) { w.silent["beat"] = false })
		pass(20 * time.Second)
		wants(t, w, "cleared watchdog/heartbeat")
	})
}

// TestAHeartbeatThatHangs does not hold up the rounds.
func TestAHeartbeatThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set(func(w *world) { w.silent["beat"] = true })
		dog := w.watchdog(t, func(o *Options) { o.Heartbeat, o.Every = "http://beat", time.Second })
		pass(20500 * time.Millisecond)
		if n := dog.Show().Rounds; n != 21 {
			t.Errorf("%d rounds in 21 s", n)
		}
	})
}

// TestEverybodyIsSilent: rounds end all the same, and say so.
func TestEverybodyIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set(func(w *world) { w.silent["west"], w.silent["east"] = true, true })
		dog := w.watchdog(t, func(o *Options) {})
		pass(20 * time.Second)
		wants(t, w, "raised location/east", "raised location/west")
		if n := dog.Show().Rounds; n < 4 {
			t.Errorf("%d rounds in 20 s", n)
		}
	})
}

func TestOnce(t *testing.T) {
	w := newWorld()
	var said strings.Builder
	look := func() error {
		said.Reset()
		dog := w.watchdog(t, func(o *Options) { o.Every = time.Hour })
		return dog.Once(t.Context(), &said)
	}
	if err := look(); err != nil || !strings.Contains(said.String(), "west: well; primary in orders, term 1") {
		t.Errorf("%v: %s", err, said.String())
	}
	w.set(func(w *world) { w.status["east"].Standing = groups.Salvage })
	if err := look(); err == nil || !strings.Contains(said.String(), "weir salvage orders") {
		t.Errorf("%v: %s", err, said.String())
	}
}
