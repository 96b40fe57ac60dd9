package core

import (
	"slices"
	"strings"
	"time"
)

// PlaceLine is a location in the report.
type PlaceLine struct {
	Name    string   `json:"name"`
	Err     string   `json:"error,omitempty"`
	Nodes   []string `json:"nodes"`
	Version string   `json:"version,omitempty"`
	Doors   []string `json:"doors"`
	// AheadSeconds is how far its clock is ahead of the one here, in the middle of what
	// can be said; nil: not known.
	AheadSeconds *float64 `json:"clockAheadSeconds,omitempty"`
	CertUntil    string   `json:"certificateUntil,omitempty"` // the first that ends
}

// GroupLine is a group in the report.
type GroupLine struct {
	Name        string   `json:"name"`
	Primary     string   `json:"primary,omitempty"`
	Secondary   []string `json:"secondary"`
	Term        uint64   `json:"term"`
	Mode        string   `json:"mode"`
	Automatic   bool     `json:"automatic"`
	Witnesses   int      `json:"witnesses"`
	Units       []string `json:"units"`
	RTODeclared *float64 `json:"rtoSecondsDeclared,omitempty"`
	RPODeclared *float64 `json:"rpoSecondsDeclared,omitempty"`
	// What the primary says now of how far the copy is behind; nil: nobody says.
	Lag        *Lag      `json:"lag,omitempty"`
	LastChange *Change   `json:"lastChange,omitempty"`
	LastDrill  *Measured `json:"lastDrill,omitempty"`
	// LastLoss is the last drill in which the primary was lost, rather than switched.
	LastLoss *Measured `json:"lastLossDrill,omitempty"`
}

// Lag is how far a copy is behind.
type Lag struct {
	Messages uint64  `json:"messages"`
	Bytes    uint64  `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

// Measured is what a drill found.
type Measured struct {
	Kind        string    `json:"kind"`
	At          time.Time `json:"at"`
	DaysAgo     float64   `json:"daysAgo"`
	RPOMessages uint64    `json:"rpoMessages"`
	RTOSeconds  float64   `json:"rtoSeconds"`
	Held        bool      `json:"held"` // everything that was to hold
	Signed      bool      `json:"signed"`
}

func (e *estate) placeLine(p *Place) PlaceLine {
	l := PlaceLine{Name: p.Name, Err: p.Err, Nodes: p.knownNodes(), Doors: p.Doors}
	if l.Nodes == nil {
		l.Nodes = []string{}
	}
	if l.Doors == nil {
		l.Doors = []string{}
	}
	for _, n := range p.Nodes {
		if l.Version == "" {
			l.Version = n.Version
		}
	}
	if p.Clock != nil {
		ahead := (p.Clock.Least + p.Clock.Most).Seconds() / 2
		l.AheadSeconds = &ahead
	}
	for _, end := range p.Ends {
		if day := end.NotAfter.UTC().Format(time.DateOnly); l.CertUntil == "" || day < l.CertUntil {
			l.CertUntil = day
		}
	}
	return l
}

func (e *estate) groupLine(g *group) GroupLine {
	l := GroupLine{Name: g.name, Secondary: []string{}, Units: []string{}}
	for _, s := range g.statuses() {
		if s.status.Standing == standingSecondary {
			l.Secondary = append(l.Secondary, s.place.Name)
		}
		l.Mode, l.Automatic = s.status.Mode, s.status.Automatic
		l.Term = max(l.Term, s.status.Term)
	}
	if d := g.declaration(); d != nil {
		l.Mode, l.Automatic, l.Witnesses, l.RTODeclared, l.RPODeclared = d.mode, d.automatic, len(d.witnesses), d.rto, d.rpo
		for _, u := range d.units {
			l.Units = append(l.Units, lastPart(u))
		}
	}
	if p := g.primary(); p != nil {
		l.Primary, l.LastChange = p.place.Name, p.status.LastChange
		l.Lag = lagOf(p.status)
	}
	l.LastDrill, l.LastLoss = e.lastDrill(g.name, anyDrill), e.lastDrill(g.name, ofLoss)
	return l
}

// lagOf is the longest lag of a group's units.
func lagOf(s *Status) *Lag {
	l := &Lag{}
	for _, u := range s.Units {
		l.Messages, l.Bytes, l.Seconds = max(l.Messages, u.LagMessages), max(l.Bytes, u.LagBytes), max(l.Seconds, u.LagSeconds)
	}
	return l
}

// drills are a group's, the newest first.
func (e *estate) drills(group string) []Drill {
	var all []Drill
	for _, d := range e.Drills.Records {
		if strings.EqualFold(d.Group, group) {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b Drill) int { return b.At.Compare(a.At) })
	return all
}

// kindSwitch is the kind of drills in which nothing is lost.
const kindSwitch = "switch"

func anyDrill(Drill) bool { return true }

func ofLoss(d Drill) bool { return d.Kind != kindSwitch }

// lastDrill is the newest drill of a group of some kinds.
func (e *estate) lastDrill(group string, of func(Drill) bool) *Measured {
	for _, d := range e.drills(group) {
		if of(d) {
			return &Measured{
				Kind: d.Kind, At: d.At, DaysAgo: e.now.Sub(d.At).Hours() / 24, RPOMessages: d.RPOMessages, RTOSeconds: d.RTOSeconds,
				Held: len(d.Broken) == 0, Signed: d.Signer != "",
			}
		}
	}
	return nil
}
