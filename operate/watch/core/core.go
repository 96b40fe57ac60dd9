// Package core decides what a watchdog says: which conditions hold in what it has seen,
// and when a condition becomes an alarm, is repeated, and is over.
//
// It is pure: what was seen and the time are arguments, and the same rounds give the
// same alarms.
//
// Promises:
//
//  1. A condition is an alarm after it has held in as many rounds in a row as its kind
//     asks for, and not before; it is over after as many without it.
//  2. An alarm is raised once, repeated while it lasts, and cleared once.
//  3. What was not seen is not judged: a location that does not answer is one alarm, not
//     one for each thing it did not say.
//
// It refuses to act.
package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
)

// Severity is how bad an alarm is.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"
	Error    Severity = "error"
	Critical Severity = "critical"
)

// Seen is what one round saw.
type Seen struct {
	Locations map[string]Location
	Peers     map[string]Peer // other watchdogs, by URL
}

// Location is what was seen of one.
type Location struct {
	Err    string // why it did not answer; empty: it did
	Groups []groups.Status
}

// Peer is what was seen of another watchdog.
type Peer struct {
	Err    string
	Silent time.Duration // since its last round
}

// Probe is a message that was to go through.
type Probe struct {
	Asked   bool
	Err     string
	Seconds float64
}

// Limits are what a watchdog holds against.
type Limits struct {
	Rounds  int           // with a condition until it is an alarm; 3
	Good    int           // without it until that is over; 2
	Remind  time.Duration // between repetitions; 0: never
	Slow    time.Duration // a probe is slow; 0: never
	Silence time.Duration // of another watchdog; 30 s
	Lag     time.Duration // behind which a secondary is late; 0: never
}

// Defaults fills in what is not set.
func (l Limits) Defaults() Limits {
	if l.Rounds == 0 {
		l.Rounds = 3
	}
	if l.Good == 0 {
		l.Good = 2
	}
	if l.Silence == 0 {
		l.Silence = 30 * time.Second
	}
	return l
}

// Condition is something that should not be so.
type Condition struct {
	Key      string   `json:"key"` // names it for ever
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Do       string   `json:"do"` // what to do about it
	Rounds   int      `json:"-"`  // until it is an alarm; 0: as many as usual
}

// Judge says which conditions hold.
func Judge(s Seen, p Probe, l Limits) []Condition {
	j := &judge{limits: l.Defaults()}
	names := make([]string, 0, len(s.Locations))
	for name := range s.Locations {
		names = append(names, name)
	}
	slices.Sort(names)
	byGroup := map[string]map[string]groups.Status{}
	for _, name := range names {
		at := s.Locations[name]
		if at.Err != "" {
			j.add("location/"+name, Critical, fmt.Sprintf("the location %s does not answer: %s", name, at.Err), "see whether its nodes run and are reached; if it is gone for good, \"weir failover GROUP\" at the other location promotes that one")
			continue
		}
		for _, g := range at.Groups {
			if byGroup[g.Name] == nil {
				byGroup[g.Name] = map[string]groups.Status{}
			}
			byGroup[g.Name][name] = g
		}
	}
	groupNames := make([]string, 0, len(byGroup))
	for name := range byGroup {
		groupNames = append(groupNames, name)
	}
	slices.Sort(groupNames)
	for _, name := range groupNames {
		j.group(name, byGroup[name], len(byGroup[name]) == len(s.Locations))
	}
	j.probe(p)
	j.peers(s.Peers)
	return j.all
}

type judge struct {
	limits Limits
	all    []Condition
}

func (j *judge) add(key string, severity Severity, what, do string) {
	j.all = append(j.all, Condition{Key: key, Severity: severity, What: what, Do: do})
}

// group judges what the locations say of one group; whole: all of them say something.
func (j *judge) group(name string, said map[string]groups.Status, whole bool) {
	primaries := map[uint64][]string{}
	any := false
	places := make([]string, 0, len(said))
	for at := range said {
		places = append(places, at)
	}
	slices.Sort(places)
	for _, at := range places {
		g := said[at]
		if g.Standing == groups.Primary {
			any = true
			primaries[g.Term] = append(primaries[g.Term], at)
		}
		j.one(name, at, g)
	}
	for term, who := range primaries {
		if len(who) > 1 {
			j.all = append(j.all, Condition{
				Key: "group/" + name + "/two", Severity: Critical, Rounds: 1,
				What: fmt.Sprintf("%s are primary of the group %s in term %d at once", strings.Join(who, " and "), name, term),
				Do:   "stop one of them now, and keep its data: what it accepted alone is salvaged later",
			})
		}
	}
	if !any && whole {
		j.add("group/"+name+"/none", Critical, fmt.Sprintf("no location is primary of the group %s", name), fmt.Sprintf("\"weir group show %s\" at both says why; \"weir failover %s\" promotes one", name, name))
	}
}

// one judges what one location says.
func (j *judge) one(name, at string, g groups.Status) {
	key := "group/" + name + "/" + at + "/"
	if g.Standing == groups.Salvage {
		j.add(key+"salvage", Error, fmt.Sprintf("%s has messages or settlements of the group %s alone and stands halted", at, name), fmt.Sprintf("\"weir salvage %s\" there lists them, and brings them back", name))
	}
	if g.Standing != groups.Primary {
		return
	}
	for _, v := range g.Voters {
		if !v.Reachable {
			j.add(key+"voter/"+v.Name, Warning, fmt.Sprintf("%s does not reach the voter %s of the group %s: with another one gone nobody may own it", at, v.Name, name), "start it again, on its data")
		}
	}
	for _, u := range g.Units {
		switch {
		case u.Degraded:
			j.add(key+"degraded/"+u.Unit, Error, fmt.Sprintf("%s goes on in sync mode without the other location: what is acknowledged now is in %s alone", u.Unit, at), "bring the other location or the line to it back")
		case !u.Connected:
			j.add(key+"link/"+u.Unit, Error, fmt.Sprintf("nobody copies %s from %s (%s)", u.Unit, at, u.Reason), "bring the other location or the line to it back; in async mode writes are refused when the bound on the lag is reached")
		case j.limits.Lag > 0 && u.LagSeconds > j.limits.Lag.Seconds():
			j.add(key+"lag/"+u.Unit, Warning, fmt.Sprintf("the copy of %s is %.1f s and %d messages behind", u.Unit, u.LagSeconds, u.LagMessages), "see whether the line or the other location is slow")
		case !u.Ready:
			j.add(key+"unit/"+u.Unit, Error, fmt.Sprintf("%s is %s at %s and does not serve (%s)", u.Unit, u.Role, at, u.Reason), "\"weir status\" there says more")
		}
	}
}

func (j *judge) probe(p Probe) {
	switch {
	case !p.Asked:
	case p.Err != "":
		j.add("probe", Critical, "a message did not go through: "+p.Err, "clients are hit: see the other alarms, then \"weir group list\" at both locations")
	case j.limits.Slow > 0 && p.Seconds > j.limits.Slow.Seconds():
		j.add("probe/slow", Warning, fmt.Sprintf("a message took %.2f s to go through", p.Seconds), "see the metrics of the primary")
	}
}

func (j *judge) peers(all map[string]Peer) {
	for url, p := range all {
		switch {
		case p.Err != "":
			j.add("peer/"+url, Error, fmt.Sprintf("the watchdog %s does not answer: %s", url, p.Err), "start it again: nobody but you watches what it watches")
		case p.Silent > j.limits.Silence:
			j.add("peer/"+url, Error, fmt.Sprintf("the watchdog %s has seen nothing for %.0f s", url, p.Silent.Seconds()), "see its log; it may be stuck")
		}
	}
	slices.SortFunc(j.all, func(a, b Condition) int { return strings.Compare(a.Key, b.Key) })
}

// Alarm is a condition that lasts.
type Alarm struct {
	Condition
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // of one that is over
	told  time.Time
	held  int // rounds in a row with it
	gone  int // and without
	up    bool
}

// Event is something to tell.
type Event struct {
	Kind  string `json:"kind"` // raised, still, cleared
	Alarm Alarm  `json:"alarm"`
}

// Alarms are those of one watchdog.
type Alarms struct {
	limits Limits
	byKey  map[string]*Alarm
}

// New returns none.
func New(l Limits) *Alarms { return &Alarms{limits: l.Defaults(), byKey: map[string]*Alarm{}} }

// Step takes the conditions of a round and says what is to be told.
func (a *Alarms) Step(now time.Time, holding []Condition) []Event {
	here := map[string]bool{}
	var events []Event
	for _, c := range holding {
		if here[c.Key] {
			continue
		}
		here[c.Key] = true
		x := a.byKey[c.Key]
		if x == nil {
			x = &Alarm{Since: now}
			a.byKey[c.Key] = x
		}
		x.Condition, x.gone = c, 0
		x.held++
		need := c.Rounds
		if need == 0 {
			need = a.limits.Rounds
		}
		switch {
		case !x.up && x.held >= need:
			x.up, x.told = true, now
			events = append(events, Event{"raised", *x})
		case x.up && a.limits.Remind > 0 && now.Sub(x.told) >= a.limits.Remind:
			x.told = now
			events = append(events, Event{"still", *x})
		}
	}
	for _, key := range a.keys() {
		x := a.byKey[key]
		if here[key] {
			continue
		}
		x.held = 0
		x.gone++
		switch {
		case !x.up:
			delete(a.byKey, key)
		case x.gone >= a.limits.Good:
			x.Until = now
			events = append(events, Event{"cleared", *x})
			delete(a.byKey, key)
		}
	}
	return events
}

func (a *Alarms) keys() []string {
	keys := make([]string, 0, len(a.byKey))
	for key := range a.byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Up are the alarms that last, by key.
func (a *Alarms) Up() []Alarm {
	var all []Alarm
	for _, key := range a.keys() {
		if x := a.byKey[key]; x.up {
			all = append(all, *x)
		}
	}
	return all
}

// MayAct says which location a watchdog that may act promotes for a group, and why; ""
// for none: the primary has not answered for as many rounds as an alarm takes, and the
// other location hears nothing of it either.
func MayAct(s Seen, up []Alarm, group string) (promote, why string) {
	down := map[string]bool{}
	for _, a := range up {
		if name, ok := strings.CutPrefix(a.Key, "location/"); ok {
			down[name] = true
		}
	}
	for name, at := range s.Locations {
		for _, g := range at.Groups {
			if at.Err == "" && g.Name == group && g.Standing == groups.Secondary && !g.PeerReachable && g.Phase == "" && down[g.Peer] {
				return name, fmt.Sprintf("%s does not answer, and %s hears nothing of it either", g.Peer, name)
			}
		}
	}
	return "", ""
}
