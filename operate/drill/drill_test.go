package drill

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/operate/evidence"
)

func TestEveryKindGoesHome(t *testing.T) {
	for _, kind := range Kinds {
		synctest.Test(t, func(t *testing.T) {
			p := newPair()
			p.auto = kind == Isolation
			r, err := rehearse(t.Context(), p, kind)
			if err != nil || !r.Good() {
				t.Fatalf("%s: %v, %+v", kind, err, r)
			}
			if p.primary != "west" || p.isolated != "" || p.parted != "" || r.From != "west" || r.To != "east" || r.TermTo != 2 {
				t.Errorf("%s ended with %+v, %+v", kind, p, r)
			}
			if gone := kind != Switch; gone != (r.RPOMessages == 2) || gone != (r.DetectionSeconds > 0 || r.Salvaged != nil) {
				t.Errorf("%s measured %+v", kind, r)
			}
		})
	}
}

// check says what is wrong with how a drill ended that may have failed.
func check(p *pair, r *evidence.Record, err error) string {
	home := p.primary == "west" && p.parted == ""
	said := ""
	if err != nil {
		said = err.Error()
	}
	switch {
	case p.silent == "" && p.isolated != "":
		return p.isolated + " stays isolated"
	case p.isolated != "" && !strings.Contains(said, "ends by itself at"):
		return p.isolated + " stays isolated, and nobody is told for how long"
	case err == nil && (!home || !r.Good()):
		return "nothing is said"
	case err != nil && r != nil && r.Good():
		return "it failed, and the record says that everything held"
	case home && p.silent == "" && strings.Contains(said, "weir "):
		return "all is well, and somebody is told to do something"
	case err == nil || p.silent != "" && strings.Contains(said, p.silent+" does not say how it is"):
		return ""
	case p.primary == "east" && !strings.Contains(said, "weir switch orders --to west"):
		return "east has the group, and nobody is told how to bring it home"
	case p.parted != "" && !strings.Contains(said, "weir salvage orders --reinject"):
		return p.parted + " has records alone, and nobody is told how to bring them back"
	}
	return ""
}

// Whatever call fails, and however, the isolation ends, and who rehearses is told what is
// left to do.
func TestABrokenDrillSaysHowToGoHome(t *testing.T) {
	for _, kind := range Kinds {
		for how := refused; how <= silenced; how++ {
			n, whole := 0, false
			for !whole {
				n++
				synctest.Test(t, func(t *testing.T) {
					p := newPair()
					p.auto, p.fail, p.how, p.slow = kind == Isolation, n, how, 2*time.Second
					r, err := rehearse(t.Context(), p, kind)
					if wrong := check(p, r, err); wrong != "" {
						t.Errorf("%s, call %d fails (%d): %s: %v", kind, n, how, wrong, err)
					}
					whole = p.calls < n
				})
			}
			if n < 7 { // two shows at first, two switches, two that follow
				t.Errorf("%s makes %d calls", kind, n-1)
			}
		}
	}
}

// An interrupt at any moment is a failure like any other, and what was not done is not
// evidence.
func TestAnInterruptedDrillCleansUp(t *testing.T) {
	const step = 500 * time.Millisecond
	for _, kind := range Kinds {
		for after, whole := step, false; !whole; after += step {
			synctest.Test(t, func(t *testing.T) {
				p := newPair()
				p.auto = kind == Isolation
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				r, err := rehearse(ctx, p, kind)
				if err != nil && !strings.Contains(err.Error(), "interrupted") && !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
					t.Errorf("%s, interrupted after %s: it says %v", kind, after, err)
				}
				if wrong := check(p, r, err); wrong != "" {
					t.Errorf("%s, interrupted after %s: %s: %v", kind, after, wrong, err)
				}
				if after < steadyDefault && (r != nil || err == nil) {
					t.Errorf("%s, interrupted after %s: there is a record of nothing: %+v", kind, after, r)
				}
				whole = err == nil
			})
		}
	}
}

// What clients saw is what the record says, and the way home is not counted in.
func TestTheOutageIsThatOfTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto, p.rto, p.rpo, p.longWay = true, 6, 3, 8*time.Second
		r, err := rehearse(t.Context(), p, Isolation)
		if err != nil || !r.Good() {
			t.Fatalf("%v, %+v", err, r)
		}
		// It is taken over after 5 s, which is seen at the next look.
		if math.Abs(r.RTOSeconds-5) > 0.25 {
			t.Errorf("clients waited %.2f s", r.RTOSeconds)
		}
	})
	for what, set := range map[string]func(*pair){"clients were served": func(p *pair) { p.rto = 4 }, "what was missing was taken": func(p *pair) { p.rpo = 2 }} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair()
			p.auto = true
			set(p)
			r, err := rehearse(t.Context(), p, Isolation)
			if err != nil {
				t.Fatal(err)
			}
			if i := named(r, what); i == nil || i.Held {
				t.Errorf("%s: longer than was declared, and the record says %+v", what, r.Invariants)
			}
		})
	}
}

// Clients that are never served again are the longest outage, not the shortest.
func TestAnOutageThatDoesNotEndIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto, p.rto, p.gone = true, 70, true
		r, err := rehearse(t.Context(), p, Isolation)
		if err == nil || r == nil {
			t.Fatalf("nobody was served: %v, %+v", err, r)
		}
		if i := named(r, "clients were served"); i == nil || i.Held || r.RTOSeconds < 60 {
			t.Errorf("nobody was served, and the record says %.2f s, %+v", r.RTOSeconds, r.Invariants)
		}
	})
}

// A tail that is longer than what can be asked for leaves orders uncounted.
func TestWhatWasNotCountedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto, p.hidden = true, 7
		r, err := rehearse(t.Context(), p, Isolation)
		if err != nil {
			t.Fatal(err)
		}
		if i := named(r, "everything that was alone"); i == nil || i.Held || !strings.Contains(i.Was, "7 rows") {
			t.Errorf("7 rows were not shown, and the record says %+v", r.Invariants)
		}
	})
}

// In sync mode the new primary may wait for the isolated one: the drill lets it come back.
func TestAPrimaryThatWaitsForTheOtherIsNotLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto, p.mode, p.stop = true, "sync", true
		began := time.Now()
		r, err := rehearse(t.Context(), p, Isolation)
		if err != nil || p.primary != "west" || p.isolated != "" {
			t.Fatalf("%v, %+v", err, p)
		}
		if d := time.Since(began); d > time.Minute || r.RTOSeconds < 5+syncServedWithin.Seconds()-0.5 || r.RTOSeconds > 5+syncServedWithin.Seconds()+0.5 {
			t.Errorf("it took %s, and clients waited %.1f s", d, r.RTOSeconds)
		}
	})
}

// exact is a crowd that knows when: the old primary acknowledged "taken too", the new one
// "taken".
type exact struct{ crowd }

func (x exact) TookBy(id string, by time.Time) bool {
	if x.p.at.IsZero() || by.Before(x.p.at) || by.After(x.p.at.Add(5*time.Second+lookEvery)) {
		return false // it is not the moment of the change
	}
	return id == "taken too"
}

// A send without an answer that was made again is not missing, although it is in the log
// of the former primary too.
func TestWhatWasSentAgainIsNotMissing(t *testing.T) {
	for _, kind := range []string{Isolation, Forced} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair()
			p.auto = kind == Isolation
			r, err := Run(t.Context(), Options{Group: "orders", Kind: kind, Places: places(p), Traffic: exact{crowd{p}}})
			if err != nil || r.RPOMessages != 1 {
				t.Errorf("%s: %d orders were missing: %v", kind, r.RPOMessages, err)
			}
		})
	}
}

// Two primaries are seen although nobody waits for the one that should not be.
func TestTwoPrimariesAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto, p.both = true, true
		r, err := rehearse(t.Context(), p, Isolation)
		if err != nil {
			t.Fatal(err)
		}
		if i := named(r, "one location at most"); i == nil || i.Held {
			t.Errorf("two were primary in term 2, and the record says %+v", r.Invariants)
		}
	})
}

func TestADrillBeginsAtRest(t *testing.T) {
	for why, set := range map[string]func(*pair){
		"does not follow":      func(p *pair) { p.sickly = true },
		"no primary and":       func(p *pair) { p.primary, p.term, p.parted = "east", 2, "west" },
		"not automatic":        func(p *pair) { p.auto = false },
		"has no witness":       func(p *pair) { p.voters = nil },
		"witness is silent":    func(p *pair) { p.voters[2].Reachable = false },
		"is isolated until":    func(p *pair) { p.isolated, p.until = "west", time.Now().Add(time.Minute) },
		"is in sync mode":      func(p *pair) { p.mode, p.stops = "sync", true },
		"does not say how the": func(p *pair) { p.silent = "east" },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair()
			p.auto = true
			set(p)
			was := p.isolated
			if r, err := rehearse(t.Context(), p, Isolation); err == nil || !strings.Contains(err.Error(), why) || r != nil || p.isolated != was {
				t.Errorf("%s: %v, %+v", why, err, r)
			}
		})
	}
}
