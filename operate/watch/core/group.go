package core

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
)

// said is what one location says of a group.
type said struct {
	at string
	groups.Status
}

// group is what all of them say.
type group struct {
	name  string
	top   uint64 // highest term that anybody has heard of
	parts []said
	leads []said // primary in that term
}

// gather puts together what locations say, by group.
func (j *judge) gather() []*group {
	byName := map[string]*group{}
	var all []*group
	for _, at := range j.names {
		for _, s := range j.seen.Locations[at].Groups {
			g := byName[s.Name]
			if g == nil {
				g = &group{name: s.Name}
				byName[s.Name], all = g, append(all, g)
			}
			g.parts = append(g.parts, said{at, s})
			g.top = max(g.top, s.Term)
		}
	}
	for _, g := range all {
		for _, p := range g.parts {
			if p.Standing == groups.Primary && p.Term == g.top {
				g.leads = append(g.leads, p)
			}
		}
	}
	return all
}

func (j *judge) group(g *group) {
	add := func(from []string, at, key string, c Condition) {
		c.Key, c.Group, c.Location, c.From = "group/"+g.name+"/"+key, g.name, at, from
		j.all = append(j.all, c)
	}
	if len(g.leads) > 1 {
		var who []string
		for _, p := range g.leads {
			who = append(who, p.at)
		}
		add(j.names, "", "two", Condition{
			Severity: Critical, Rounds: 1, What: fmt.Sprintf("%s are primary of the group %s in term %d at once", strings.Join(who, " and "), g.name, g.top),
			Do: "stop one of them now, and keep its data: what it accepted alone is salvaged later",
		})
	}
	if len(g.leads) == 0 {
		add(j.names, "", "none", j.none(g))
	} else {
		add(nil, "", "none", Condition{Over: true})
	}
	for _, p := range g.parts {
		at := []string{p.at}
		switch {
		case p.Standing == groups.Salvage:
			add(at, p.at, p.at+"/salvage", Condition{
				Severity: Error, What: fmt.Sprintf("%s has messages or settlements of the group %s alone and stands halted: there is no second copy of the group", p.at, g.name),
				Do: fmt.Sprintf("\"weir salvage %s\" there lists them, and brings them back", g.name),
			})
		case p.Standing == groups.Primary && p.Term < g.top:
			add(at, p.at, p.at+"/stale", Condition{
				Severity: Critical, What: fmt.Sprintf("%s says that it is primary of the group %s in term %d, and has not heard that term %d has begun", p.at, g.name, p.Term, g.top),
				Do: "with voters it shows nothing by now; without, keep clients away from it; mend the line between the locations",
			})
		}
	}
	for _, v := range j.voters(g) {
		add(j.names, "", "voter/"+v.name, v.Condition)
	}
	if len(g.leads) == 1 {
		for _, u := range g.leads[0].Units {
			j.unit(add, g, g.leads[0], u)
		}
	}
}

// none is that nobody serves a group, as far as can be seen from here.
func (j *judge) none(g *group) Condition {
	c := Condition{Severity: Critical, Do: fmt.Sprintf("\"weir group show %s\" at each location says what it waits for", g.name)}
	var all []string
	for _, p := range g.parts {
		all = append(all, fmt.Sprintf("%s is %s in term %d", p.at, p.Standing, p.Term))
		if p.Standing != groups.Secondary {
			continue
		}
		// Who hears the holder knows more than we do, where we do not hear it.
		if at, watched := j.seen.Locations[holder(p.Status)]; p.PeerReachable && (!watched || at.Err != "") {
			c.Unknown = true
		}
		c.Do += fmt.Sprintf("; \"weir failover %s --dry-run\" at %s says what a promotion there would lose", g.name, p.at)
	}
	c.What = fmt.Sprintf("no location is primary of the group %s (%s): its clients wait", g.name, strings.Join(all, ", "))
	return c
}

// voter is one, and whether nobody reaches it.
type voter struct {
	name string
	Condition
}

// voters judges those that somebody named; one that any location reaches is there.
func (j *judge) voters(g *group) []voter {
	reached, why := map[string]bool{}, map[string]string{}
	var names []string
	for _, p := range g.parts {
		for _, v := range p.Voters {
			if _, seen := why[v.Name]; !seen {
				names = append(names, v.Name)
			}
			reached[v.Name] = reached[v.Name] || v.Reachable
			why[v.Name] = cmp.Or(why[v.Name], v.Error)
		}
	}
	slices.Sort(names)
	var all []voter
	for _, name := range names {
		if reached[name] {
			all = append(all, voter{name, Condition{Over: true}})
			continue
		}
		c := Condition{
			Severity: Warning, What: fmt.Sprintf("no location reaches the voter %s of the group %s: with another one gone nobody may own it", name, g.name),
			Do: "start it again, on its data", Unknown: j.away(name),
		}
		if why[name] != "" {
			c.What += " (" + why[name] + ")"
		}
		all = append(all, voter{name, c})
	}
	return all
}

// nameless is how a location lists a voter that it gave up waiting for.
const nameless = "a voter"

// away reports whether a name is that of a location that was not heard: an alarm of its
// own tells that. A voter without a name may be one.
func (j *judge) away(name string) bool {
	if name == nameless {
		return slices.ContainsFunc(j.names, func(at string) bool { return j.seen.Locations[at].Err != "" })
	}
	at, watched := j.seen.Locations[name]
	return watched && at.Err != ""
}

// unit judges one unit at the primary.
func (j *judge) unit(add func(from []string, at, key string, c Condition), g *group, p said, u groups.Unit) {
	here := func(key string, c Condition) { add([]string{p.at}, p.at, p.at+"/"+key+"/"+u.Unit, c) }
	reason := ""
	if u.Reason != "" {
		reason = " (" + u.Reason + ")"
	}
	switch {
	case u.Degraded:
		here("degraded", Condition{
			Severity: Error, What: fmt.Sprintf("%s goes on in sync mode without the other location: what is acknowledged now is in %s alone", u.Unit, p.at),
			Do: "bring the other location or the line to it back; sync holds again by itself",
		})
	case !u.Connected:
		parted := slices.ContainsFunc(g.parts, func(q said) bool { return q.Standing == groups.Salvage })
		here("link", Condition{
			Severity: Error, What: fmt.Sprintf("nobody copies %s from %s%s", u.Unit, p.at, reason), Unknown: j.away(p.Peer) || parted,
			Do: "bring the other location or the line to it back; in async mode writes are refused when the bound on the lag is reached",
		})
	}
	if what := j.late(p.Status, u); what != "" {
		here("lag", Condition{
			Severity: Warning, Do: "see whether the line or the other location is slow; above its bound the group refuses writes",
			What: fmt.Sprintf("the copy of %s is %.1f s and %d messages behind, more than %s: a failover now would lose that", u.Unit, u.LagSeconds, u.LagMessages, what),
		})
	}
	if !u.Ready {
		here("unit", Condition{Severity: Error, What: fmt.Sprintf("%s is %s at %s and does not serve%s", u.Unit, u.Role, p.at, reason), Do: "\"weir status\" there says more"})
	}
}

// late says what a copy is further behind than it should be; empty: nothing. Where the
// group declares bounds, their share counts, for above them it refuses writes.
func (j *judge) late(g groups.Status, u groups.Unit) string {
	share := float64(j.limits.LagShare) / 100
	bound, what := j.limits.Lag, fmt.Sprintf("%s (--lag)", j.limits.Lag)
	if g.RPOSeconds > 0 && share > 0 {
		bound = time.Duration(float64(g.RPOSeconds) * share * float64(time.Second))
		what = fmt.Sprintf("%s (%d %% of the declared RPO)", bound, j.limits.LagShare)
	}
	of := func(declared, have float64, unit string) (string, bool) {
		return fmt.Sprintf("%.0f %s (%d %% of the declared bound)", declared*share, unit, j.limits.LagShare), declared*share > 0 && have > declared*share
	}
	if bound > 0 && u.LagSeconds > bound.Seconds() {
		return what
	}
	if b := g.LagBounds; b != nil {
		for _, c := range []struct {
			declared, have float64
			unit           string
		}{{b.Seconds, u.LagSeconds, "s"}, {float64(b.Messages), float64(u.LagMessages), "messages"}, {float64(b.Bytes), float64(u.LagBytes), "bytes"}} {
			if what, is := of(c.declared, c.have, c.unit); is {
				return what
			}
		}
	}
	return ""
}
