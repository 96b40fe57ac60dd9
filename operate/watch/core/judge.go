package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
)

// Judge says which conditions hold, by key.
func Judge(s Seen, p Probe, l Limits) []Condition {
	j := &judge{limits: l.Defaults(), seen: s, names: slices.Sorted(maps.Keys(s.Locations))}
	j.ourselves()
	if !s.Partial {
		for _, name := range j.names {
			j.location(name, s.Locations[name])
		}
		for _, g := range j.gather() {
			j.group(g)
		}
		j.probe(p)
		j.peers()
	}
	slices.SortFunc(j.all, func(a, b Condition) int { return strings.Compare(a.Key, b.Key) })
	return j.all
}

type judge struct {
	limits Limits
	seen   Seen
	names  []string // of the locations, sorted
	all    []Condition
}

// ourselves judges the watchdog.
func (j *judge) ourselves() {
	if j.limits.Late > 0 && j.seen.Late > j.limits.Late {
		j.all = append(j.all, Condition{
			Key: own, Severity: Warning, Rounds: 1,
			What: fmt.Sprintf("this watchdog is behind by %s: what it says may be old", short(j.seen.Late)),
			Do:   "its machine is overloaded or stood still; give it a place of its own",
		})
	}
	if j.seen.Beat != "" {
		j.all = append(j.all, Condition{
			Key: "watchdog/heartbeat", Severity: Warning,
			What: "the service that waits for this watchdog's heartbeat does not take it: " + j.seen.Beat,
			Do:   "it will soon say that the watchdog is silent; see to --heartbeat",
		})
	}
}

// location judges what belongs to one location.
func (j *judge) location(name string, at Location) {
	down := Condition{Key: "location/" + name, Severity: Critical, Location: name}
	switch {
	case at.Health != "" && at.Err != "":
		down.What = fmt.Sprintf("the location %s does not answer: %s", name, at.Health)
		down.Do = "see whether its nodes run and are reached"
		if at.Data.Asked && at.Data.Err == "" {
			down.Severity = Error // clients do not notice
			down.What = fmt.Sprintf("the HTTP doors of the location %s do not answer, though messages go through it: %s", name, at.Health)
		} else if group, other := j.led(name); group != "" {
			down.Do += fmt.Sprintf("; if it stays away, \"weir failover %s --dry-run\" at %s says what a promotion there would lose", group, other)
		}
	case at.Health != "":
		down.What = fmt.Sprintf("the location %s says that it is not well: %s", name, at.Health)
		down.Do = "\"weir status\" there says what it waits for"
	case at.Err != "":
		down.Key, down.Severity = "location/"+name+"/groups", Error
		down.What = fmt.Sprintf("the location %s is well and does not say how its groups are: %s", name, at.Err)
		down.Do = "see to that; nobody watches the groups there meanwhile"
	default:
		down.Key = ""
	}
	if down.Key != "" {
		j.all = append(j.all, down)
	}
	if at.Health != "" { // whether it would say is not known
		j.unknown("location/" + name + "/groups")
	}
	if at.Data.Asked {
		j.data(name, at)
	}
}

// led is a group that a location has by the word of another one, and that other one.
func (j *judge) led(name string) (group, other string) {
	for _, at := range j.names {
		for _, g := range j.seen.Locations[at].Groups {
			if at != name && g.Standing == groups.Secondary && holder(g) == name {
				return g.Name, at
			}
		}
	}
	return "", ""
}

// holder is who has a group by the word of a secondary.
func holder(g groups.Status) string {
	if g.Holder != "" {
		return g.Holder
	}
	return g.Peer
}

// data judges what clients see of one location. Where it stands by it passes them on, so
// that what fails behind it is told of the primary.
func (j *judge) data(name string, at Location) {
	key := "location/" + name + "/data"
	switch {
	case at.Data.Err != "" && (at.Health != "" || j.follows(at)):
		j.unknown(key, key+"/slow")
	case at.Data.Err != "":
		j.unknown(key + "/slow")
		j.all = append(j.all, Condition{
			Key: key, Severity: Critical, Location: name,
			What: fmt.Sprintf("the location %s says that it is well, and %s", name, hit(at.Data)),
			Do:   "clients are hit too: see its log; \"weir switch GROUP --to LOCATION\" moves a group in order",
		})
	case j.slow(at.Data):
		j.all = append(j.all, Condition{
			Key: key + "/slow", Severity: Warning, Location: name,
			What: fmt.Sprintf("a message took %.2f s to go through the location %s", at.Data.Seconds, name),
			Do:   "see its metrics, its disk, and the lag: from half of a bound on writes are slowed on purpose",
		})
	}
}

// hit says what does not go through a location.
func hit(p Probe) string {
	if p.Stage == workflowStage {
		return "its workflow does not answer as it should: " + p.Err
	}
	return fmt.Sprintf("no message goes through it: %s failed: %s", p.Stage, p.Err)
}

// missed says what did not go through the address of applications.
func missed(p Probe) string {
	if p.Stage == workflowStage {
		return "a workflow does not answer as it should: " + p.Err
	}
	return fmt.Sprintf("a message did not go through: %s: %s", p.Stage, p.Err)
}

// workflowStage is the stage of a probe that calls a workflow.
const workflowStage = "workflow"

// follows reports whether a location passes clients on to a primary that is not known to
// be well.
func (j *judge) follows(at Location) bool {
	for _, g := range at.Groups {
		if g.Standing == groups.Primary {
			return false
		}
	}
	for _, g := range at.Groups {
		primary, watched := j.seen.Locations[holder(g)]
		if !watched {
			continue
		}
		leads := slices.ContainsFunc(primary.Groups, func(p groups.Status) bool { return p.Name == g.Name && p.Standing == groups.Primary })
		if !leads || primary.Health != "" || primary.Data.Err != "" {
			return true
		}
	}
	return false
}

func (j *judge) slow(p Probe) bool {
	return j.limits.Slow > 0 && p.Seconds > j.limits.Slow.Seconds()
}

// probe judges the message through the address that applications use.
func (j *judge) probe(p Probe) {
	switch {
	case !p.Asked:
	case p.Err != "":
		j.unknown("probe/slow")
		j.all = append(j.all, Condition{
			Key: "probe", Severity: Critical, What: missed(p),
			Do: "clients are hit: see the other alarms, then \"weir group list\" at both locations; when those are well, the way to them (weir route, DNS)",
		})
	case j.slow(p):
		j.all = append(j.all, Condition{Key: "probe/slow", Severity: Warning, What: fmt.Sprintf("a message took %.2f s to go through", p.Seconds), Do: "see the metrics of the primary"})
	}
}

// peers judges other watchdogs. Silence was waited for already.
func (j *judge) peers() {
	for _, url := range slices.Sorted(maps.Keys(j.seen.Peers)) {
		p := j.seen.Peers[url]
		if p.Silent <= j.limits.Silence {
			continue
		}
		c := Condition{Key: "peer/" + url, Severity: Error, Rounds: 1, Do: "start it again (weir watch): nobody watches this watchdog meanwhile"}
		name := strings.TrimSpace(p.Name + " at " + url)
		if c.What = fmt.Sprintf("the watchdog %s has seen nothing for %s", strings.TrimPrefix(name, "at "), short(p.Silent)); p.Err != "" {
			c.What = fmt.Sprintf("the watchdog %s is silent for %s: %s", strings.TrimPrefix(name, "at "), short(p.Silent), p.Err)
		}
		j.all = append(j.all, c)
	}
}

// unknown marks conditions that this round does not tell.
func (j *judge) unknown(keys ...string) {
	for _, key := range keys {
		j.all = append(j.all, Condition{Key: key, Unknown: true})
	}
}

// short writes a duration as people say it.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
