package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
)

// fine is a pair in which nothing is wrong.
func fine() Seen {
	unit := groups.Unit{Unit: "servicebus-a", Role: "owner", Ready: true, Connected: true}
	well := Probe{Asked: true, Seconds: 0.1}
	return Seen{Locations: map[string]Location{
		"west": {Data: well, Groups: []groups.Status{{Name: "orders", Term: 3, Standing: groups.Primary, Holder: "west", Peer: "east", PeerReachable: true, Units: []groups.Unit{unit}, Voters: []groups.Voter{{Name: "witness", Reachable: true}, {Name: "east", Reachable: true}}}}},
		"east": {Data: well, Groups: []groups.Status{{Name: "orders", Term: 3, Standing: groups.Secondary, Holder: "west", Peer: "west", PeerReachable: true, Units: []groups.Unit{unit}, Voters: []groups.Voter{{Name: "witness", Reachable: true}, {Name: "east", Reachable: true}, {Name: "west", Reachable: true}}}}},
	}, Peers: map[string]Peer{"http://other": {Name: "two", Silent: time.Second}}}
}

func (s Seen) west() *groups.Status { return &s.Locations["west"].Groups[0] }
func (s Seen) east() *groups.Status { return &s.Locations["east"].Groups[0] }

// at changes a location.
func (s Seen) at(name string, change func(l *Location)) {
	l := s.Locations[name]
	change(&l)
	s.Locations[name] = l
}

// gone is a location that does not answer at all.
func gone(l *Location) {
	*l = Location{Err: "refused", Health: "refused", Data: Probe{Asked: true, Stage: "send", Err: "refused"}}
}

func stuck(l *Location) { l.Data = Probe{Asked: true, Stage: "receive", Err: "no answer"} }

type trouble struct {
	want  string // keys, in their order
	spoil func(s *Seen, p *Probe)
}

// troubles are everything that can be wrong, with what is found.
func troubles() []trouble {
	return []trouble{
		{"group/orders/none location/west", func(s *Seen, _ *Probe) {
			s.at("west", gone)
			each(s, "east", func(g *groups.Status) { g.PeerReachable = false })
		}},
		{"location/west", func(s *Seen, _ *Probe) { s.at("west", gone) }}, // east hears it: it is primary all the same
		{"location/east", func(s *Seen, _ *Probe) { s.at("east", gone) }},
		{"location/west", func(s *Seen, _ *Probe) { s.at("west", func(l *Location) { l.Health = "journal: it is full" }) }},
		{"location/west/groups", func(s *Seen, _ *Probe) {
			s.at("west", func(l *Location) { l.Err, l.Groups = "the token is wrong", nil })
		}},
		{"location/west/data", func(s *Seen, _ *Probe) { s.at("west", stuck) }},
		{"location/west/data", func(s *Seen, _ *Probe) { s.at("west", stuck); s.at("east", stuck) }}, // one cause
		{"location/east/data", func(s *Seen, _ *Probe) { s.at("east", stuck) }},
		{"location/west/data/slow", func(s *Seen, _ *Probe) { s.at("west", func(l *Location) { l.Data.Seconds = 2 }) }},
		{"group/orders/two", func(s *Seen, _ *Probe) { each(s, "east", func(g *groups.Status) { g.Standing = groups.Primary }) }},
		{"group/orders/west/stale", func(s *Seen, _ *Probe) {
			each(s, "east", func(g *groups.Status) { g.Standing, g.Term, g.Holder = groups.Primary, 4, "east" })
		}},
		{"group/orders/none", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Standing = groups.Halted }) }},
		{"group/orders/east/salvage", func(s *Seen, _ *Probe) {
			each(s, "east", func(g *groups.Status) { g.Standing = groups.Salvage })
			each(s, "west", func(g *groups.Status) { g.Units[0].Connected = false }) // it follows from that
		}},
		{"group/orders/voter/witness", func(s *Seen, _ *Probe) {
			for _, at := range []string{"west", "east"} {
				each(s, at, func(g *groups.Status) { g.Voters[0] = groups.Voter{Name: "witness", Error: "refused"} })
			}
		}},
		{"", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Voters[0].Reachable = false }) }}, // east reaches it
		{"group/orders/west/degraded/servicebus-a", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Units[0].Degraded = true }) }},
		{"group/orders/west/link/servicebus-a", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Units[0].Connected = false }) }},
		{"group/orders/west/lag/servicebus-a", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Units[0].LagSeconds = 11 }) }},
		{"group/orders/west/lag/servicebus-a", func(s *Seen, _ *Probe) {
			each(s, "west", func(g *groups.Status) { g.RPOSeconds, g.Units[0].LagSeconds = 10, 6 })
		}},
		{"", func(s *Seen, _ *Probe) {
			each(s, "west", func(g *groups.Status) { g.RPOSeconds, g.Units[0].LagSeconds = 100, 20 })
		}},
		{"group/orders/west/lag/servicebus-a", func(s *Seen, _ *Probe) {
			each(s, "west", func(g *groups.Status) { g.LagBounds, g.Units[0].LagSeconds = &groups.Bounds{Seconds: 10}, 6 })
		}},
		{"group/orders/west/lag/servicebus-a", func(s *Seen, _ *Probe) {
			each(s, "west", func(g *groups.Status) { g.LagBounds, g.Units[0].LagMessages = &groups.Bounds{Messages: 100}, 51 })
		}},
		{"", func(s *Seen, _ *Probe) {
			each(s, "west", func(g *groups.Status) { g.LagBounds, g.Units[0].LagBytes = &groups.Bounds{Bytes: 100}, 50 })
		}},
		{"group/orders/west/unit/servicebus-a", func(s *Seen, _ *Probe) { each(s, "west", func(g *groups.Status) { g.Units[0].Ready = false }) }},
		{"probe", func(_ *Seen, p *Probe) { p.Err = "no answer" }},
		{"probe/slow", func(_ *Seen, p *Probe) { p.Seconds = 2 }},
		{"peer/http://other", func(s *Seen, _ *Probe) { s.Peers["http://other"] = Peer{Silent: time.Minute, Err: "refused"} }},
		{"", func(s *Seen, _ *Probe) { s.Peers["http://other"] = Peer{Silent: 29 * time.Second, Err: "refused"} }},
		{"watchdog/late", func(s *Seen, _ *Probe) { s.Late = time.Minute }},
		{"watchdog/heartbeat", func(s *Seen, _ *Probe) { s.Beat = "it answered 500" }},
	}
}

// each changes the group at a location that was heard, into a copy of its own.
func each(s *Seen, at string, change func(g *groups.Status)) {
	s.at(at, func(l *Location) {
		l.Groups = slices.Clone(l.Groups)
		for i := range l.Groups {
			change(&l.Groups[i])
		}
	})
}

var limits = Limits{Slow: time.Second, Lag: 10 * time.Second, LagShare: 50, Late: 15 * time.Second}

// holding are the keys of what holds for certain.
func holding(all []Condition) string {
	var keys []string
	for _, c := range all {
		if c.Holds() {
			keys = append(keys, c.Key)
		}
	}
	return strings.Join(keys, " ")
}

func TestEachConditionIsFound(t *testing.T) {
	if got := Judge(fine(), Probe{Asked: true, Seconds: 0.1}, limits); holding(got) != "" {
		t.Fatalf("a pair that is fine: %+v", got)
	}
	for _, c := range troubles() {
		s, p := fine(), Probe{Asked: true, Seconds: 0.1}
		c.spoil(&s, &p)
		got := Judge(s, p, limits)
		if holding(got) != c.want {
			t.Errorf("want %q, found %q", c.want, holding(got))
		}
		for _, one := range got {
			if one.Holds() && (one.What == "" || one.Do == "" || one.Severity == "" || strings.Contains(one.What+one.Do, "%!")) {
				t.Errorf("it does not say enough: %+v", one)
			}
		}
	}
}

// TestAPromotionNeedsAll: a primary that fails now and has failed long enough, and
// another location that does not hear it and may win the vote.
func TestAPromotionNeedsAll(t *testing.T) {
	lasts := func(key string) []Alarm { return []Alarm{{Condition: Condition{Key: key}}} }
	lost := func() Seen {
		s := fine()
		s.at("west", gone)
		each(&s, "east", func(g *groups.Status) { g.PeerReachable, g.Voters[2].Reachable = false, false })
		return s
	}
	for _, key := range []string{"location/west", "location/west/data"} {
		if to, why := MayAct(lost(), lasts(key), "Orders"); to != "east" || why == "" {
			t.Errorf("%s: promotes %q because %q", key, to, why)
		}
	}
	for what, change := range map[string]func(s *Seen){
		"east hears west": func(s *Seen) { each(s, "east", func(g *groups.Status) { g.PeerReachable = true }) },
		"clients get through west": func(s *Seen) {
			s.at("west", func(l *Location) { l.Data = Probe{Asked: true} })
		},
		"west is well again": func(s *Seen) { *s = fine() },
		"east is out of date": func(s *Seen) {
			s.at("west", func(l *Location) { l.Groups = []groups.Status{{Name: "orders", Term: 4}} })
		},
		"east is not a secondary": func(s *Seen) { each(s, "east", func(g *groups.Status) { g.Standing = groups.Salvage }) },
		"a change is under way":   func(s *Seen) { each(s, "east", func(g *groups.Status) { g.Phase = "handing over" }) },
		"east has no majority": func(s *Seen) {
			each(s, "east", func(g *groups.Status) { g.Voters = []groups.Voter{{Reachable: true}, {}} })
		},
		"east does not answer":       func(s *Seen) { s.at("east", gone) },
		"the holder is not watched":  func(s *Seen) { each(s, "east", func(g *groups.Status) { g.Holder = "north" }) },
		"the round saw nothing":      func(s *Seen) { s.Partial = true },
		"clients were not tried; it": func(s *Seen) { s.at("west", func(l *Location) { l.Data, l.Health = Probe{}, "" }) },
	} {
		s := lost()
		change(&s)
		if to, _ := MayAct(s, lasts("location/west"), "orders"); to != "" {
			t.Errorf("promotes %s although %s", to, what)
		}
	}
	for what, up := range map[string][]Alarm{"nothing lasts": nil, "only its groups are unknown": lasts("location/west/groups"), "it is slow": lasts("location/west/data/slow"), "the other one is down": lasts("location/east")} {
		if to, _ := MayAct(lost(), up, "orders"); to != "" {
			t.Errorf("promotes %s although %s", to, what)
		}
	}
	if to, _ := MayAct(lost(), lasts("location/west"), "others"); to != "" {
		t.Error("it acts for another group")
	}
}
