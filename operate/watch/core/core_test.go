package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
)

var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Whatever comes, goes and is not seen, an alarm is raised exactly when its condition
// has held long enough, and cleared once.
func TestAlarmsAreRaisedAndClearedOnce(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		limits := Limits{Rounds: 1 + random.IntN(4), Good: 1 + random.IntN(3)}
		a := New(limits)
		held, gone, up := 0, 0, false
		for round := range 200 {
			var c []Condition
			s := Seen{Locations: map[string]Location{"west": {}}}
			switch what := random.IntN(10); {
			case what < 5:
				c = []Condition{{Key: "x", From: []string{"west"}}, {Key: "x"}} // found twice is found
				held, gone = held+1, 0
			case what == 5: // it is over, whoever was heard
				s.Locations["west"] = Location{Err: "refused"}
				c = []Condition{{Key: "x", Over: true}}
				held, gone = 0, gone+1
			case what < 8:
				held, gone = 0, gone+1
			case what == 8: // it says that it does not know
				c = []Condition{{Key: "x", Unknown: true}}
			default: // who would say so was not heard
				s.Locations["west"] = Location{Err: "refused"}
				if held == 0 && !up {
					gone++ // nothing is remembered that could be held
				}
			}
			want := ""
			switch {
			case !up && held == limits.Rounds:
				up, want = true, Raised
			case up && gone == limits.Good:
				up, want = false, Cleared
			}
			var got []string
			for _, e := range a.Step(dawn.Add(time.Duration(round)*time.Second), s, c) {
				got = append(got, e.Kind)
			}
			if strings.Join(got, ",") != want {
				t.Fatalf("seed %d, round %d: %v, want %q", seed, round, got, want)
			}
			if n := len(a.Up()); (n == 1) != up {
				t.Fatalf("seed %d, round %d: %d up", seed, round, n)
			}
			if !up && held == 0 && len(a.byKey) != 0 {
				t.Fatalf("seed %d, round %d: it remembers %v", seed, round, a.byKey)
			}
		}
	}
}

// TestARandomPair plays random rounds of a pair: between two raises of one key there is a
// clear, what is critical by itself comes at once, and a partial round tells of nothing
// but the watchdog.
func TestARandomPair(t *testing.T) {
	raised := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		limits := Limits{Rounds: 1 + random.IntN(3), Good: 1 + random.IntN(3), Slow: time.Second, Late: time.Second, Remind: 10 * time.Second}
		a, up := New(limits), map[string]bool{}
		for round := range 150 {
			s, p := fine(), Probe{Asked: true, Seconds: 0.1}
			for range random.IntN(3) {
				all := troubles()
				all[random.IntN(len(all))].spoil(&s, &p)
			}
			if random.IntN(10) == 0 {
				s = Seen{Partial: true, Late: 5 * time.Second}
			}
			found := Judge(s, p, limits)
			for _, e := range a.Step(dawn.Add(time.Duration(round)*time.Second), s, found) {
				key := e.Alarm.Key
				switch {
				case e.Kind == Raised && up[key], e.Kind != Raised && !up[key]:
					t.Fatalf("seed %d, round %d: %s is %s, up: %v", seed, round, key, e.Kind, up[key])
				case s.Partial && key != own:
					t.Fatalf("seed %d, round %d: a partial round told of %s", seed, round, key)
				case e.Alarm.Since.IsZero() || (e.Kind == Cleared) == e.Alarm.Until.IsZero():
					t.Fatalf("seed %d, round %d: times of %+v", seed, round, e)
				}
				up[key] = e.Kind != Cleared
				raised++
			}
			for _, c := range found {
				if c.Rounds == 1 && !up[c.Key] {
					t.Fatalf("seed %d, round %d: %s did not come at once", seed, round, c.Key)
				}
			}
		}
	}
	if raised < 1000 {
		t.Errorf("only %d events: the rounds are too tame", raised)
	}
}

func TestAnAlarmIsRepeated(t *testing.T) {
	a := New(Limits{Rounds: 1, Remind: time.Minute})
	var got []string
	for second := 0; second <= 150; second += 10 {
		for _, e := range a.Step(dawn.Add(time.Duration(second)*time.Second), Seen{}, []Condition{{Key: "x"}}) {
			got = append(got, fmt.Sprint(e.Kind, " ", second))
			if !e.Alarm.Since.Equal(dawn) {
				t.Errorf("it began at %s", e.Alarm.Since)
			}
		}
	}
	if text := strings.Join(got, ", "); text != "raised 0, still 60, still 120" {
		t.Error(text)
	}
}

// TestWhatIsNotSeenLasts: a location that stands halted with messages of its own, and
// then does not answer, has not been salvaged.
func TestWhatIsNotSeenLasts(t *testing.T) {
	a := New(Limits{Rounds: 1, Good: 1})
	step := func(change func(s *Seen)) string {
		s := fine()
		change(&s)
		var got []string
		for _, e := range a.Step(dawn, s, Judge(s, Probe{}, Limits{})) {
			got = append(got, e.Kind+" "+e.Alarm.Key)
		}
		return strings.Join(got, ", ")
	}
	if got := step(func(s *Seen) { s.east().Standing = "salvage" }); got != "raised group/orders/east/salvage" {
		t.Error(got)
	}
	if got := step(func(s *Seen) { s.Locations["east"] = Location{Err: "refused", Health: "refused"} }); got != "raised location/east" {
		t.Error(got)
	}
	if got := step(func(s *Seen) {
		s.Locations["east"] = Location{Err: "refused", Health: "refused"}
		each(s, "west", func(g *groups.Status) { g.Standing = groups.Halted })
	}); got != "raised group/orders/none" {
		t.Error(got)
	}
	// That there is a primary again is known, although east is still away.
	if got := step(func(s *Seen) { s.Locations["east"] = Location{Err: "refused", Health: "refused"} }); got != "cleared group/orders/none" {
		t.Error(got)
	}
	if got := step(func(s *Seen) {}); got != "cleared group/orders/east/salvage, cleared location/east" {
		t.Error(got)
	}
}
