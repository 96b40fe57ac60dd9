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
//  3. What was not seen is not judged: it counts neither for an alarm nor against it.
//  4. One cause is one alarm where that can be told: what follows from a location that
//     is down is not raised beside it.
//  5. A promotion is only proposed for a primary that fails now and has failed for as
//     long as an alarm takes, and that the other location does not hear either.
//
// It refuses to act.
package core

import (
	"slices"
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
	Beat      string          // why the heartbeat was not taken; empty: it was
	Late      time.Duration   // that the watchdog itself is behind
	// Partial is a round that saw nothing but the watchdog itself.
	Partial bool
}

// Location is what was seen of one.
type Location struct {
	Err    string // why it did not say how its groups are; empty: it did
	Health string // why it is not well, or did not say; empty: it is well
	Data   Probe  // through its own doors
	Groups []groups.Status
}

// Peer is what was seen of another watchdog.
type Peer struct {
	Name   string
	Err    string        // why it did not answer this time
	Silent time.Duration // since its last round, or since it answered last
}

// Probe is a message that was to go through.
type Probe struct {
	Asked   bool
	Stage   string // that failed
	Err     string
	Seconds float64
}

// Limits are what a watchdog holds against.
type Limits struct {
	Rounds   int           // with a condition until it is an alarm; 3
	Good     int           // without it until that is over; 2
	Remind   time.Duration // between repetitions; 0: never
	Slow     time.Duration // a probe is slow; 0: never
	Silence  time.Duration // of another watchdog; 30 s
	Late     time.Duration // of this watchdog; 0: never
	Lag      time.Duration // behind which a secondary is late, where no RPO is declared; 0: never
	LagShare int           // percent of the declared RPO and bounds behind which it is late; 0: Lag counts
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
	Location string   `json:"location,omitempty"`
	Group    string   `json:"group,omitempty"`
	What     string   `json:"what"`
	Do       string   `json:"do"` // what to do about it
	Rounds   int      `json:"-"`  // until it is an alarm; 0: as many as usual
	// From are locations that would say so: unless all of them were heard, that the
	// condition is missing means nothing.
	From []string `json:"-"`
	// Unknown is a condition that may hold; this round does not tell.
	Unknown bool `json:"-"`
	// Over is one that does not hold for certain, whoever was not heard.
	Over bool `json:"-"`
}

// Holds reports whether it holds for certain.
func (c Condition) Holds() bool { return !c.Unknown && !c.Over }

// Alarm is a condition that lasts.
type Alarm struct {
	Condition
	Since time.Time `json:"since"`          // the first of the rounds with it
	Until time.Time `json:"until,omitzero"` // of one that is over
	told  time.Time
	held  int // rounds in a row with it
	gone  int // and without
	up    bool
}

// Kinds of events.
const (
	Raised  = "raised"
	Still   = "still"
	Cleared = "cleared"
	Acted   = "acted"   // the watchdog had a location promoted
	Refused = "refused" // it asked for that, and was refused
)

// Event is something to tell.
type Event struct {
	Kind  string `json:"kind"`
	Alarm Alarm  `json:"alarm"`
}

// Alarms are those of one watchdog.
type Alarms struct {
	limits Limits
	byKey  map[string]*Alarm
}

// New returns none.
func New(l Limits) *Alarms { return &Alarms{limits: l.Defaults(), byKey: map[string]*Alarm{}} }

// Step takes the conditions that Judge found in what was seen, and says what is to be
// told.
func (a *Alarms) Step(now time.Time, s Seen, found []Condition) []Event {
	here := map[string]Condition{}
	var events []Event
	for _, c := range found {
		if _, twice := here[c.Key]; twice {
			continue
		}
		here[c.Key] = c
		if e, told := a.holds(now, c); told {
			events = append(events, e)
		}
	}
	for _, key := range a.keys() {
		if c, ok := here[key]; ok && !c.Over || !ok && !s.heard(a.byKey[key].Condition) {
			continue
		}
		if e, told := a.missing(now, key); told {
			events = append(events, e)
		}
	}
	return events
}

// holds counts a round with a condition.
func (a *Alarms) holds(now time.Time, c Condition) (Event, bool) {
	if !c.Holds() {
		return Event{}, false
	}
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
		return Event{Raised, *x}, true
	case x.up && a.limits.Remind > 0 && now.Sub(x.told) >= a.limits.Remind:
		x.told = now
		return Event{Still, *x}, true
	}
	return Event{}, false
}

// missing counts a round without one.
func (a *Alarms) missing(now time.Time, key string) (Event, bool) {
	x := a.byKey[key]
	x.held = 0
	x.gone++
	if x.up && x.gone < a.limits.Good {
		return Event{}, false
	}
	delete(a.byKey, key)
	x.Until = now
	return Event{Cleared, *x}, x.up
}

// own is the key of the only alarm that a partial round tells about.
const own = "watchdog/late"

// heard reports whether a round would have told of a condition.
func (s *Seen) heard(c Condition) bool {
	if s.Partial {
		return c.Key == own
	}
	for _, name := range c.From {
		if at, ok := s.Locations[name]; !ok || at.Err != "" {
			return false
		}
	}
	return true
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
