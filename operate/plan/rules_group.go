package plan

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"weir/internal/groups"
)

var declarationRules = []Rule{
	{"group-both-sides", Error, "A group is declared in both locations.", "Deploy the same group, with its pairing, where it is missing.", func(f *Facts) (all []Finding) {
		if len(f.Locations) != 2 || f.Locations[0].Err != "" || f.Locations[1].Err != "" {
			return nil
		}
		for i := range f.Locations {
			here, there := f.Locations[i].of(typeGroup), f.Locations[1-i].of(typeGroup)
			for _, name := range sortedKeys(here) {
				if _, ok := there[name]; !ok {
					all = append(all, found(name, "it is declared in %s and not in %s", f.Locations[i].Name, f.Locations[1-i].Name)...)
				}
			}
		}
		return all
	}},
	{"group-units-agree", Error, "Both sides name the same units.", "Declare the same list on both sides.", differs("units")},
	{"group-mode-agrees", Error, "Both sides declare the same mode, bounds and primary.", "Declare them alike: after a failover the other side's hold.", differs("mode", "lagMessages", "lagBytes", "lagSeconds", "whenAway", "primary")},
	{"group-voting-agrees", Error, "Both sides name the same witnesses.", "Declare the same witnesses on both sides, or two majorities may be counted.", differs("witnesses")},
	{"group-automatic-agrees", Warning, "Both sides decide alike when to take over.", "Declare automatic and failedProbes alike.", differs("automatic", "failedProbes")},
	{"group-targets-agree", Notice, "Both sides declare the same targets.", "Declare rtoSeconds and rpoSeconds alike.", differs("rtoSeconds", "rpoSeconds")},
	{"group-units-declared", Error, "The units of a group are declared.", "Declare the namespace, or take it out of the group.", eachGroupDocument(func(l *Location, d Document) (all []Finding) {
		known := map[string]bool{}
		for _, x := range l.Documents {
			known[strings.ToLower(x.ID)] = true
		}
		for _, unit := range texts(d, "units") {
			if !known[strings.ToLower(unit)] {
				all = append(all, found(d.Name, "%s does not have %s", l.Name, unit)...)
			}
		}
		return all
	})},
	{"group-pairing", Error, "A group's pairing is declared.", "Declare the pairing under that name.", eachGroupDocument(func(l *Location, d Document) []Finding {
		name, _ := d.Properties["pairing"].(string)
		if _, ok := l.of(typePairing)[strings.ToLower(name)]; !ok {
			return found(d.Name, "%s has no pairing %q", l.Name, name)
		}
		return nil
	})},
	{"pairing-endpoints", Warning, "A pairing names every node of the other location.", "Name a door of each node in endpoints.", eachLocation(func(f *Facts, l *Location) (all []Finding) {
		pairings := l.of(typePairing)
		for _, name := range sortedKeys(pairings) {
			peer, _ := pairings[name].Properties["peer"].(string)
			for _, other := range f.Locations {
				if n := len(texts(pairings[name], "endpoints")); other.Name == peer && n < len(other.Doors) {
					all = append(all, found(name, "%s reaches %s by %d of its %d doors", l.Name, peer, n, len(other.Doors))...)
				}
			}
		}
		return all
	})},
	{"group-witness", Error, "A group has a witness.", "Run \"weir witness\" in a third place and name it: without one nobody can tell a dead location from one that is cut off.", eachGroupDocument(func(l *Location, d Document) []Finding {
		if len(texts(d, "witnesses")) == 0 {
			return found(d.Name, "%s declares none: promotion is by hand, and nobody can say whether the other location still serves", l.Name)
		}
		return nil
	})},
	{"group-witness-one", Notice, "A group has three witnesses.", "Two more in places of their own let one of them be away together with a location.", eachGroupDocument(func(l *Location, d Document) []Finding {
		if len(texts(d, "witnesses")) == 1 {
			return found(d.Name, "%s declares one: while it is away the loss of a location stops the group", l.Name)
		}
		return nil
	})},
	{"group-witness-apart", Error, "A witness is on no machine of a location.", "Move it to a third place: it goes down with that location, and its vote with it.", eachLocation(func(f *Facts, l *Location) (all []Finding) {
		declared := l.of(typeGroup)
		for _, name := range sortedKeys(declared) {
			for _, w := range texts(declared[name], "witnesses") {
				u, err := url.Parse(w)
				if err != nil || loopback(u.Hostname()) {
					continue // one machine for everything: location-loopback says so
				}
				for _, other := range f.Locations {
					for _, door := range other.Doors {
						if host, _, ok := strings.Cut(door, ":"); ok && strings.EqualFold(host, u.Hostname()) {
							all = append(all, found(name, "the witness %s is where %s is", w, other.Name)...)
						}
					}
				}
			}
		}
		return all
	})},
	{"group-witness-plain", Warning, "Witnesses are asked encrypted.", "Give the witness --tls-cert and --tls-key, and name it with https.", eachGroupDocument(func(_ *Location, d Document) (all []Finding) {
		for _, w := range texts(d, "witnesses") {
			if u, err := url.Parse(w); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
				all = append(all, found(d.Name, "the witness %s is asked with its secret in the clear", w)...)
			}
		}
		return all
	})},
	{"group-targets", Notice, "A group says how long it may be away and what it may lose.", "Declare rtoSeconds and rpoSeconds: what is not promised can not be missed.", eachGroupDocument(func(l *Location, d Document) []Finding {
		if number(d, "rtoSeconds") == 0 || d.Properties["rpoSeconds"] == nil {
			return found(d.Name, "%s declares no target", l.Name)
		}
		return nil
	})},
	{"group-mode-fits", Error, "A group that may lose nothing is replicated in sync mode.", "Declare mode: sync, or a target above nothing.", eachGroupDocument(func(l *Location, d Document) []Finding {
		if d.Properties["rpoSeconds"] != nil && number(d, "rpoSeconds") == 0 && d.Properties["mode"] != "sync" {
			return found(d.Name, "%s may lose nothing (rpoSeconds: 0) and is replicated in %v mode", l.Name, d.Properties["mode"])
		}
		return nil
	})},
	{"group-bound-fits", Warning, "The bound on the lag is within what may be lost.", "Declare lagSeconds no larger than rpoSeconds.", eachGroupDocument(func(l *Location, d Document) []Finding {
		rpo, lag := number(d, "rpoSeconds"), number(d, "lagSeconds")
		if d.Properties["mode"] == "async" && rpo > 0 && (lag == 0 || lag > rpo) {
			return found(d.Name, "in %s up to %d s may be lost, and the lag is bounded at %d s (0: not at all)", l.Name, rpo, lag)
		}
		return nil
	})},
	{"group-automatic-fits", Warning, "A group that must be back soon takes over by itself.", "Declare automatic: true, or run \"weir watch --act\".", eachGroupDocument(func(l *Location, d Document) []Finding {
		if rto := number(d, "rtoSeconds"); rto > 0 && rto < handSeconds && d.Properties["automatic"] != true {
			return found(d.Name, "it must be back within %d s, and %s waits for a person", rto, l.Name)
		}
		return nil
	})},
	{"group-detection-fits", Warning, "Detection and the vote fit in the time a group may be away.", "Declare fewer failedProbes, or a longer rtoSeconds.", eachGroupDocument(func(l *Location, d Document) []Finding {
		rto, probes := number(d, "rtoSeconds"), max(number(d, "failedProbes"), 1)
		if rto > 0 && d.Properties["automatic"] == true && probes+voteSeconds > rto {
			return found(d.Name, "in %s %d probes and the vote's time-out take %d s, and it must be back within %d s", l.Name, probes, probes+voteSeconds, rto)
		}
		return nil
	})},
	{"group-away-stops", Notice, "What happens when the secondary is away is meant.", "With one node in the other location its restart stops the group: declare whenAway: degrade, or run three.", eachLocation(func(f *Facts, l *Location) (all []Finding) {
		declared := l.of(typeGroup)
		for _, name := range sortedKeys(declared) {
			d := declared[name]
			for _, other := range f.Locations {
				if d.Properties["mode"] == "sync" && d.Properties["whenAway"] != "degrade" && other.Name != l.Name && len(other.Doors) == 1 {
					all = append(all, found(name, "in sync mode %s waits for the one node of %s", l.Name, other.Name)...)
				}
			}
		}
		return all
	})},
	{"entities-both-sides", Error, "What is declared about a unit is in both locations.", "It comes from the primary by itself: see whether the locations reach each other (\"weir group show\").", eachUnit(func(group string, a, b *Location, here, there map[string]Document) (all []Finding) {
		for _, name := range sortedKeys(here) {
			if _, ok := there[name]; !ok {
				all = append(all, found(group, "%s has %s and %s has not", a.Name, name, b.Name)...)
			}
		}
		for _, name := range sortedKeys(there) {
			if _, ok := here[name]; !ok {
				all = append(all, found(group, "%s has %s and %s has not", b.Name, name, a.Name)...)
			}
		}
		return all
	})},
	{"entities-alike", Error, "What is declared about a unit is the same in both locations.", "It comes from the primary by itself: see whether the locations reach each other (\"weir group show\").", eachUnit(func(group string, a, b *Location, here, there map[string]Document) (all []Finding) {
		for _, name := range sortedKeys(here) {
			if d, ok := there[name]; ok && !reflect.DeepEqual(stable(here[name]), stable(d)) {
				all = append(all, found(group, "%s is declared differently in %s and %s", name, a.Name, b.Name)...)
			}
		}
		return all
	})},
	{"namespace-grouped", Warning, "Every namespace is in a group.", "Take it into a group, or accept that it is lost with its location.", eachLocation(func(_ *Facts, l *Location) (all []Finding) {
		spaces := l.of(typeNamespace)
		for _, name := range sortedKeys(spaces) {
			if !l.isGrouped(spaces[name].ID) {
				all = append(all, found(name, "it is in %s alone", l.Name)...)
			}
		}
		return all
	})},
}

const (
	handSeconds = 300 // sooner than that no person decides
	voteSeconds = 5   // until a grant has run out
)

// counted are properties that a location counts rather than keeps.
var counted = map[string]bool{
	"messageCount": true, "sizeInBytes": true, "countDetails": true, "accessedAt": true, "createdAt": true, "updatedAt": true, "subscriptionCount": true,
}

// stable are the properties of a document that are declared.
func stable(d Document) map[string]any {
	all := map[string]any{}
	for k, v := range d.Properties {
		if !counted[k] {
			all[k] = v
		}
	}
	return all
}

// eachStatus asks what every location says of every group.
func eachStatus(fn func(l *Location, g *groups.Status) []Finding) func(*Facts) []Finding {
	return eachLocation(func(_ *Facts, l *Location) (all []Finding) {
		for i := range l.Groups {
			all = append(all, fn(l, &l.Groups[i])...)
		}
		return all
	})
}

// eachName asks what the locations that answer say of a group together.
func eachName(fn func(name string, said map[string]*groups.Status) []Finding) func(*Facts) []Finding {
	return func(f *Facts) (all []Finding) {
		for _, name := range f.names() {
			said := map[string]*groups.Status{}
			for i := range f.Locations {
				if g := f.Locations[i].group(name); g != nil {
					said[f.Locations[i].Name] = g
				}
			}
			if len(said) == len(f.Locations) {
				all = append(all, fn(name, said)...)
			}
		}
		return all
	}
}

var groupRules = []Rule{
	{"group-one-primary", Error, "A group has one primary.", "Two: stop one at once and keep its data. None: \"weir group show\" says why, \"weir failover\" promotes one.", eachName(func(name string, said map[string]*groups.Status) []Finding {
		var primaries []string
		for _, at := range sortedKeys(said) {
			if said[at].Standing == groups.Primary {
				primaries = append(primaries, at)
			}
		}
		if len(primaries) != 1 {
			return found(name, "it has %d: %s", len(primaries), strings.Join(primaries, ", "))
		}
		return nil
	})},
	{"group-terms-agree", Warning, "Both locations know the same term.", "The one that is behind does not hear the other: see whether they reach each other.", eachName(func(name string, said map[string]*groups.Status) []Finding {
		terms := map[uint64]bool{}
		for _, g := range said {
			terms[g.Term] = true
		}
		if len(terms) > 1 {
			return found(name, "the locations know different terms")
		}
		return nil
	})},
	{"group-at-rest", Warning, "Nothing is under way in a group.", "Wait for it to end; a switch that was interrupted is asked for again.", eachStatus(func(l *Location, g *groups.Status) []Finding {
		if g.Phase != "" && g.Standing != groups.Salvage {
			return found(g.Name, "it is %s in %s", g.Phase, l.Name)
		}
		return nil
	})},
	{"group-salvage", Error, "No location has anything alone.", "\"weir salvage\" there lists it, and brings it back.", eachStatus(func(l *Location, g *groups.Status) []Finding {
		if g.Standing == groups.Salvage {
			return found(g.Name, "%s has messages or settlements that the primary does not have, and follows nobody", l.Name)
		}
		return nil
	})},
	{"group-isolated", Warning, "No drill keeps a location away.", "It ends by itself; POST .../isolate with 0 seconds ends it now.", eachStatus(func(l *Location, g *groups.Status) []Finding {
		if g.IsolatedUntil != nil {
			return found(g.Name, "%s is isolated until %s", l.Name, g.IsolatedUntil.UTC().Format("15:04:05"))
		}
		return nil
	})},
	{"link-connected", Error, "The secondary copies every unit.", "See whether it runs and reaches the primary, and whether both know the pairing's secret.", eachUnitStatus(groups.Secondary, func(l *Location, g *groups.Status, u groups.Unit) []Finding {
		if !u.Connected {
			return found(g.Name, "%s does not copy %s (%s)", l.Name, u.Unit, u.Reason)
		}
		return nil
	})},
	{"link-lag", Warning, "The secondary is less than half of what may be lost behind.", "See whether the line or the secondary is slow.", eachUnitStatus(groups.Primary, func(l *Location, g *groups.Status, u groups.Unit) []Finding {
		if g.RPOSeconds > 0 && u.LagSeconds > float64(g.RPOSeconds)/2 {
			return found(g.Name, "%s is %.1f s behind %s, and %d s may be lost", u.Unit, u.LagSeconds, l.Name, g.RPOSeconds)
		}
		return nil
	})},
	{"sync-whole", Error, "Sync mode waits for the secondary.", "Bring the secondary or the line to it back: what is acknowledged now is in one location.", eachUnitStatus(groups.Primary, func(l *Location, g *groups.Status, u groups.Unit) []Finding {
		if u.Degraded {
			return found(g.Name, "%s goes on in %s alone", u.Unit, l.Name)
		}
		return nil
	})},
	{"unit-ready", Error, "Every unit is ready.", "\"weir status\" there says more.", eachUnitStatus("", func(l *Location, g *groups.Status, u groups.Unit) []Finding {
		if !u.Ready || u.Role == "broken" {
			return found(g.Name, "%s is %s in %s (%s)", u.Unit, u.Role, l.Name, u.Reason)
		}
		return nil
	})},
	{"voters-answer", Error, "Every voter answers.", "Start it again, on its data; see whether the secret is the same everywhere.", eachStatus(func(l *Location, g *groups.Status) (all []Finding) {
		for _, v := range g.Voters {
			if !v.Reachable {
				all = append(all, found(g.Name, "%s does not reach %s: %s", l.Name, v.Name, v.Error)...)
			}
		}
		return all
	})},
	{"voters-agree", Warning, "A majority of the voters knows the holder.", "See whether the others were away for long; they learn with the next change.", eachStatus(func(l *Location, g *groups.Status) []Finding {
		agree := 0
		for _, v := range g.Voters {
			if v.Holder == g.Holder {
				agree++
			}
		}
		if len(g.Voters) > 0 && agree <= len(g.Voters)/2 {
			return found(g.Name, "for %s %d of %d voters say that %s holds it", l.Name, agree, len(g.Voters), g.Holder)
		}
		return nil
	})},
}

// eachUnitStatus asks about each unit where a location has a standing; "" for any.
func eachUnitStatus(standing string, fn func(l *Location, g *groups.Status, u groups.Unit) []Finding) func(*Facts) []Finding {
	return eachStatus(func(l *Location, g *groups.Status) (all []Finding) {
		if standing != "" && g.Standing != standing {
			return nil
		}
		for _, u := range g.Units {
			all = append(all, fn(l, g, u)...)
		}
		return all
	})
}

var evidenceRules = []Rule{
	{"drill-recent", Warning, "Every group was rehearsed within a week.", "\"weir drill GROUP\" rehearses, and leaves a record.", func(f *Facts) (all []Finding) {
		if !f.Drills {
			return nil
		}
		for _, name := range f.names() {
			switch e := f.newest(name); {
			case e == nil:
				all = append(all, found(name, "there is no record of a drill")...)
			case f.Now.Sub(e.At) > week:
				all = append(all, found(name, "the newest drill was on %s", e.At.Format("2006-01-02"))...)
			}
		}
		return all
	}},
	{"drill-held", Error, "The newest drill of a group held what was to hold.", "The record says what did not.", func(f *Facts) (all []Finding) {
		for _, name := range f.names() {
			if e := f.newest(name); e != nil && !e.Good {
				all = append(all, found(name, "%s: not everything held", e.File)...)
			}
		}
		return all
	}},
	{"drill-rto", Error, "A group was back in time when it was last rehearsed.", "Promise less, or see which step took long.", func(f *Facts) (all []Finding) {
		for _, name := range f.names() {
			e := f.newest(name)
			for _, l := range f.Locations {
				if g := l.group(name); e != nil && g != nil && g.Standing == groups.Primary && g.RTOSeconds > 0 && e.RTOSeconds > float64(g.RTOSeconds) {
					all = append(all, found(name, "clients waited %.1f s, and %d s are promised", e.RTOSeconds, g.RTOSeconds)...)
				}
			}
		}
		return all
	}},
	{"drill-believed", Warning, "Records are what was signed.", "Ask who changed them; rehearse again.", func(f *Facts) (all []Finding) {
		for _, e := range f.Evidence {
			if e.Err != "" {
				all = append(all, found(e.File, "%s", e.Err)...)
			}
		}
		return all
	}},
}

var flowRules = []Rule{
	{"flow-alone", Warning, "No part of a flow is alone.", "Have one in each location, or accept what it costs.", eachFlow(func(_ *Facts, flow Flow) (all []Finding) {
		for _, c := range flow.Components {
			if c.Where == One {
				all = append(all, found(flow.Name, "%s is in one place: when it is away so is the flow", c.Name)...)
			}
		}
		return all
	})},
	{"flow-common", Notice, "What both locations depend on is known.", "Cache what it says (tokens, names), so that it may be away for a while.", eachFlow(func(_ *Facts, flow Flow) (all []Finding) {
		for _, c := range flow.Components {
			if c.Where == Common {
				all = append(all, found(flow.Name, "both locations depend on %s: two locations are no better than it is", c.Name)...)
			}
		}
		return all
	})},
	{"flow-group", Error, "A flow's group exists.", "Declare the group, or name the one it uses.", eachFlow(func(f *Facts, flow Flow) []Finding {
		for _, name := range f.names() {
			if strings.EqualFold(name, flow.Group) {
				return nil
			}
		}
		if flow.Group == "" {
			return nil
		}
		return found(flow.Name, "nobody knows the group %s", flow.Group)
	})},
	{"flow-strategy", Notice, "A flow has a strategy.", "Say single, decoupled, multi or criticality, as its importance asks for.", eachFlow(func(_ *Facts, flow Flow) []Finding {
		if flow.Strategy == "" {
			return found(flow.Name, "none is named")
		}
		return nil
	})},
	{"flow-multi", Error, "A flow over several locations is in a group.", "Name its group, or call it single.", eachFlow(func(_ *Facts, flow Flow) []Finding {
		if flow.Strategy == "multi" && flow.Group == "" {
			return found(flow.Name, "it is to be in several locations, and names no group")
		}
		return nil
	})},
	{"flow-reviewed", Warning, "A flow's strategy was reviewed within a quarter.", "Review it, and write the day into the file.", eachFlow(func(f *Facts, flow Flow) []Finding {
		at, err := parseDay(flow.Reviewed)
		if err != nil || f.Now.Sub(at) > quarter {
			return found(flow.Name, "it was reviewed %s", orNever(flow.Reviewed))
		}
		return nil
	})},
	{"flow-target", Error, "A group promises what its flow needs.", "Promise it in the group, or need less.", eachFlow(func(f *Facts, flow Flow) (all []Finding) {
		for _, l := range f.Locations {
			g := l.group(strings.ToLower(flow.Group))
			if g == nil || g.Standing != groups.Primary {
				continue
			}
			if flow.RTOSeconds > 0 && (g.RTOSeconds == 0 || g.RTOSeconds > flow.RTOSeconds) {
				all = append(all, found(flow.Name, "it must be back within %d s, and %s promises %s", flow.RTOSeconds, g.Name, seconds(g.RTOSeconds))...)
			}
			if flow.RPOSeconds != nil && *flow.RPOSeconds == 0 && g.Mode != "sync" {
				all = append(all, found(flow.Name, "it may lose nothing, and %s is replicated in %s mode", g.Name, g.Mode)...)
			}
		}
		return all
	})},
}

func eachFlow(fn func(f *Facts, flow Flow) []Finding) func(*Facts) []Finding {
	return func(f *Facts) (all []Finding) {
		for _, flow := range f.Estate.Flows {
			all = append(all, fn(f, flow)...)
		}
		return all
	}
}

func orNever(day string) string {
	if day == "" {
		return "never"
	}
	return fmt.Sprintf("on %s", day)
}
