package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// reviewEvery is how long a strategy holds before somebody looks at it again.
const reviewEvery = 90 * 24 * time.Hour

// FlowReport is what there is to say of one flow.
type FlowReport struct {
	Name        string        `json:"name"`
	Strategy    string        `json:"strategy,omitempty"`
	Criticality string        `json:"criticality,omitempty"`
	Group       string        `json:"group,omitempty"`
	Primary     string        `json:"primary,omitempty"`
	Secondary   []string      `json:"secondary"`
	RTO         Objective     `json:"rto"`
	RPO         Objective     `json:"rpo"`
	LastChange  *Change       `json:"lastChange,omitempty"`
	LastDrill   *Measured     `json:"lastDrill,omitempty"`
	LastLoss    *Measured     `json:"lastLossDrill,omitempty"`
	Paths       int           `json:"paths"`
	Available   *Availability `json:"availability,omitempty"`
	Target      float64       `json:"availabilityWanted,omitempty"`
	CostPerHour float64       `json:"costPerHour,omitempty"`
	Currency    string        `json:"currency,omitempty"`
	Single      []string      `json:"singlePoints"`
	Figures     []string      `json:"figuresFrom,omitempty"` // where availabilities are from
	Reviewed    string        `json:"reviewed,omitempty"`
	ReviewDue   string        `json:"reviewDue,omitempty"`
}

// Objective is what was wanted of a flow, declared of its group, and measured last.
type Objective struct {
	Wanted   *float64 `json:"secondsWanted,omitempty"`
	Declared *float64 `json:"secondsDeclared,omitempty"`
	// Measured is for the RTO what clients waited in the last drill of a loss, for
	// the RPO the lag now.
	Measured *float64 `json:"secondsMeasured,omitempty"`
	Messages *uint64  `json:"messagesMeasured,omitempty"` // missing after that drill's failover
}

func (e *estate) flow(f *Flow) FlowReport {
	r := FlowReport{
		Name: f.Name, Strategy: f.Strategy, Criticality: f.Criticality, Secondary: []string{}, Paths: len(f.Paths),
		CostPerHour: f.CostPerHour, Currency: f.Currency, Target: f.Target, Single: e.singlePoints(f),
		RTO: Objective{Wanted: wantedSeconds(f.RTO)}, RPO: Objective{Wanted: wantedSeconds(f.RPO)},
	}
	if !f.Reviewed.IsZero() {
		r.Reviewed, r.ReviewDue = f.Reviewed.Format(time.DateOnly), f.Reviewed.Add(reviewEvery).Format(time.DateOnly)
	}
	if g := e.groupOf(f); g != nil {
		l := e.groupLine(g)
		r.Group, r.Primary, r.Secondary, r.LastChange, r.LastDrill, r.LastLoss = l.Name, l.Primary, l.Secondary, l.LastChange, l.LastDrill, l.LastLoss
		r.RTO.Declared, r.RPO.Declared = l.RTODeclared, l.RPODeclared
		if l.LastLoss != nil {
			r.RTO.Measured, r.RPO.Messages = &l.LastLoss.RTOSeconds, &l.LastLoss.RPOMessages
		}
		if l.Lag != nil {
			r.RPO.Measured = &l.Lag.Seconds
		}
	}
	if len(f.Paths) > 0 {
		a, err := Compose(f.Paths, f.CostPerHour)
		if err != nil {
			a.Err = err.Error()
		}
		a.Counts = "oneLocationShared"
		if e.doubled(f) {
			a.Counts = "twoLocationsShared"
		}
		r.Available = &a
	}
	for _, path := range f.Paths {
		for _, c := range path {
			if line := fmt.Sprintf("%s %v %%: %s", c.Name, c.Availability, c.Source); c.Source != "" && !slices.Contains(r.Figures, line) {
				r.Figures = append(r.Figures, line)
			}
		}
	}
	return r
}

func wantedSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}

// holds is the figure that counts for the flow as it is.
func (a *Availability) holds() Figure {
	if a.Counts == "twoLocationsShared" {
		return a.TwoShared
	}
	return a.OneShared
}

// groupOf is the group that a flow uses: the one it names, or that of its units.
func (e *estate) groupOf(f *Flow) *group {
	for i := range e.groups {
		g := &e.groups[i]
		if f.Group != "" {
			if strings.EqualFold(g.name, f.Group) {
				return g
			}
			continue
		}
		if d := g.declaration(); d != nil && slices.ContainsFunc(f.units(), d.includes) {
			return g
		}
	}
	return nil
}

// units are the units a flow uses, those of its entities among them.
func (f *Flow) units() []string {
	all := slices.Clone(f.Units)
	for _, entity := range f.Entities {
		if namespace, _, ok := strings.Cut(entity, "/"); ok && !slices.Contains(all, namespace) {
			all = append(all, namespace)
		}
	}
	return all
}

// includes reports whether a unit, by name or id, is in the group.
func (d *declaration) includes(unit string) bool {
	return slices.ContainsFunc(d.units, func(u string) bool { return strings.EqualFold(u, unit) || strings.EqualFold(lastPart(u), unit) })
}

// documented reports whether every location has shown what is declared there.
func (e *estate) documented() bool {
	for i := range e.Places {
		if !e.Places[i].documented() {
			return false
		}
	}
	return true
}

// doubled reports whether two locations can serve a flow, as far as is known: its group is
// declared in both, or somebody has not shown what it declares.
func (e *estate) doubled(f *Flow) bool {
	g := e.groupOf(f)
	if g == nil {
		return !e.documented() && (f.Group != "" || len(f.units()) > 0)
	}
	if len(g.declarations()) != 1 {
		return true
	}
	for _, s := range g.sides {
		if s.pairing == nil {
			continue
		}
		if p := e.place(s.pairing.peer); p == nil || !p.documented() {
			return true
		}
	}
	return false
}

// crossed are the components that every path of a flow goes through, in its order.
func (f *Flow) crossed() []Component {
	var all []Component
	for i, path := range f.Paths {
		if i == 0 {
			all = slices.Clone(path)
			continue
		}
		all = slices.DeleteFunc(all, func(c Component) bool {
			return !slices.ContainsFunc(path, func(o Component) bool { return o.Name == c.Name && o.Where == c.Where })
		})
	}
	return all
}

// onlyIn are components that one location has and every path needs.
func (f *Flow) onlyIn() []Component {
	return slices.DeleteFunc(f.crossed(), func(c Component) bool { return c.Where == Both || c.Where == Common || c.Where == "" })
}

// singlePoints are what takes a flow down alone, in words.
func (e *estate) singlePoints(f *Flow) []string {
	all := []string{}
	for _, c := range f.crossed() {
		if c.Where == Common {
			all = append(all, c.Name+", common to both locations")
		}
	}
	for _, c := range f.onlyIn() {
		all = append(all, c.Name+", in "+c.Where+" only")
	}
	g := e.groupOf(f)
	if g == nil && e.doubled(f) {
		return all
	}
	if g == nil {
		return append(all, "the one location that it is in")
	}
	if !e.doubled(f) {
		all = append(all, "the one location that the group "+g.name+" is in")
	}
	if d := g.declaration(); d != nil && len(d.witnesses) == 1 {
		all = append(all, "the witness "+d.witnesses[0]+", when a location is away")
	}
	for _, s := range g.sides {
		if nodes := s.place.knownNodes(); len(nodes) == 1 {
			all = append(all, "the node "+nodes[0]+" of "+s.place.Name+", until the other location takes over")
		} else if len(s.place.Doors) == 1 {
			all = append(all, "the door "+s.place.Doors[0]+" of "+s.place.Name+", until the other location takes over")
		}
		if s.pairing != nil && len(s.pairing.endpoints) == 1 {
			all = append(all, "the endpoint "+s.pairing.endpoints[0]+" of the pairing in "+s.place.Name+", for the copy")
		}
	}
	return all
}
