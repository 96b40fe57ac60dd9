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

// fine is a pair in which nothing is wrong.
func fine() Seen {
	unit := groups.Unit{Unit: "servicebus-a", Role: "owner", Ready: true, Connected: true}
	return Seen{Locations: map[string]Location{
		"west": {Groups: []groups.Status{{Name: "orders", Term: 3, Standing: groups.Primary, Peer: "east", PeerReachable: true, Units: []groups.Unit{unit}, Voters: []groups.Voter{{Name: "witness", Reachable: true}}}}},
		"east": {Groups: []groups.Status{{Name: "orders", Term: 3, Standing: groups.Secondary, Peer: "west", PeerReachable: true, Units: []groups.Unit{unit}}}},
	}, Peers: map[string]Peer{"http://other": {Silent: time.Second}}}
}

func (s Seen) west() *groups.Status { return &s.Locations["west"].Groups[0] }
func (s Seen) east() *groups.Status { return &s.Locations["east"].Groups[0] }

func TestEachConditionIsFound(t *testing.T) {
	good := Probe{Asked: true, Seconds: 0.1}
	limits := Limits{Slow: time.Second, Lag: 10 * time.Second}
	if got := Judge(fine(), good, limits); len(got) > 0 {
		t.Fatalf("a pair that is fine: %+v", got)
	}
	for want, spoil := range map[string]func(s *Seen, p *Probe){
		"location/west":                           func(s *Seen, _ *Probe) { s.Locations["west"] = Location{Err: "refused"} },
		"group/orders/two":                        func(s *Seen, _ *Probe) { s.east().Standing = groups.Primary },
		"group/orders/none":                       func(s *Seen, _ *Probe) { s.west().Standing = groups.Halted },
		"group/orders/east/salvage":               func(s *Seen, _ *Probe) { s.east().Standing = groups.Salvage },
		"group/orders/west/voter/witness":         func(s *Seen, _ *Probe) { s.west().Voters[0].Reachable = false },
		"group/orders/west/degraded/servicebus-a": func(s *Seen, _ *Probe) { s.west().Units[0].Degraded = true },
		"group/orders/west/link/servicebus-a":     func(s *Seen, _ *Probe) { s.west().Units[0].Connected = false },
		"group/orders/west/lag/servicebus-a":      func(s *Seen, _ *Probe) { s.west().Units[0].LagSeconds = 11 },
		"group/orders/west/unit/servicebus-a":     func(s *Seen, _ *Probe) { s.west().Units[0].Ready = false },
		"probe":                                   func(_ *Seen, p *Probe) { p.Err = "no answer" },
		"probe/slow":                              func(_ *Seen, p *Probe) { p.Seconds = 2 },
		"peer/http://other":                       func(s *Seen, _ *Probe) { s.Peers["http://other"] = Peer{Silent: time.Minute} },
	} {
		s, p := fine(), good
		spoil(&s, &p)
		got := Judge(s, p, limits)
		if len(got) != 1 || got[0].Key != want || got[0].What == "" || got[0].Do == "" {
			t.Errorf("%s: found %+v", want, got)
		}
	}
}

// Whatever comes and goes, an alarm is raised exactly when its condition has held long
// enough, and cleared once.
func TestAlarmsAreRaisedAndClearedOnce(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		limits := Limits{Rounds: 1 + random.IntN(4), Good: 1 + random.IntN(3)}
		a := New(limits)
		held, gone, up := 0, 0, false
		for round := range 200 {
			var c []Condition
			if holds := random.IntN(3) > 0; holds {
				c = []Condition{{Key: "x"}}
				held, gone = held+1, 0
			} else {
				held, gone = 0, gone+1
			}
			want := ""
			switch {
			case !up && held == limits.Rounds:
				up, want = true, "raised"
			case up && gone == limits.Good:
				up, want = false, "cleared"
			}
			var got []string
			for _, e := range a.Step(dawn.Add(time.Duration(round)*time.Second), c) {
				got = append(got, e.Kind)
			}
			if strings.Join(got, ",") != want {
				t.Fatalf("seed %d, round %d: %v, want %q", seed, round, got, want)
			}
			if n := len(a.Up()); (n == 1) != up {
				t.Fatalf("seed %d, round %d: %d up", seed, round, n)
			}
		}
	}
}

func TestAnAlarmIsRepeated(t *testing.T) {
	a := New(Limits{Rounds: 1, Remind: time.Minute})
	var got []string
	for second := 0; second <= 150; second += 10 {
		for _, e := range a.Step(dawn.Add(time.Duration(second)*time.Second), []Condition{{Key: "x"}}) {
			got = append(got, fmt.Sprint(e.Kind, " ", second))
		}
	}
	if text := strings.Join(got, ", "); text != "raised 0, still 60, still 120" {
		t.Error(text)
	}
}

func TestAWatchdogActsOnlyWhenTheOtherLocationAgrees(t *testing.T) {
	down := []Alarm{{Condition: Condition{Key: "location/west"}}}
	s := fine()
	s.Locations["west"] = Location{Err: "refused"}
	if to, _ := MayAct(s, down, "orders"); to != "" {
		t.Errorf("%s is promoted although it hears west", to)
	}
	s.east().PeerReachable = false
	if to, _ := MayAct(s, nil, "orders"); to != "" {
		t.Error("it acts before the alarm")
	}
	if to, _ := MayAct(s, down, "others"); to != "" {
		t.Error("it acts for another group")
	}
	if to, why := MayAct(s, down, "orders"); to != "east" || why == "" {
		t.Errorf("promotes %q because %q", to, why)
	}
}
