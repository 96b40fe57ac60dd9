package core

import (
	"slices"
	"strings"
	"time"
)

// Resource types of continuity, as they are declared.
const (
	typePairing = "Weir.Continuity/pairings"
	typeGroup   = "Weir.Continuity/groups"
)

// estate is the facts, put together by group.
type estate struct {
	Facts
	now    time.Time
	groups []group
}

// group is a continuity group in all locations that have to do with it.
type group struct {
	name  string
	sides []side
}

// side is a group in one location.
type side struct {
	place   *Place
	doc     *declaration // nil: not declared there, or not known
	pairing *pairing     // nil likewise
	status  *Status      // nil: the location does not say
}

// declaration is a group as one location declares it.
type declaration struct {
	pairing, primary, mode, whenAway  string
	endpoint                          string
	units, witnesses                  []string
	lagMessages, lagBytes, lagSeconds float64
	automatic                         bool
	failedProbes                      float64
	rto, rpo                          *float64 // seconds; nil: not declared
}

type pairing struct {
	name, peer string
	endpoints  []string
}

// documented reports whether a place has shown what is declared there.
func (p *Place) documented() bool { return p.Err == "" && p.DocumentsErr == "" }

// spoken reports whether a place has said how its groups are.
func (p *Place) spoken() bool { return p.Err == "" && p.GroupsErr == "" }

func newEstate(now time.Time, f Facts) *estate {
	e := &estate{Facts: f, now: now}
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range e.Places {
		for _, d := range e.Places[i].Documents {
			if strings.EqualFold(d.Type, typeGroup) {
				add(strings.ToLower(d.Name))
			}
		}
		for _, s := range e.Places[i].Groups {
			add(strings.ToLower(s.Name))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		e.groups = append(e.groups, e.gather(name))
	}
	return e
}

// gather puts a group together from the locations that declare it, that say something
// of it, and that others name as its other end.
func (e *estate) gather(name string) group {
	g := group{name: name}
	peers := map[string]bool{}
	var all []side
	for i := range e.Places {
		s := e.side(&e.Places[i], name)
		all = append(all, s)
		if s.pairing != nil {
			peers[s.pairing.peer] = true
		}
		if s.status != nil {
			peers[s.status.Peer] = true
		}
	}
	for _, s := range all {
		if s.doc != nil || s.status != nil || peers[s.place.Name] || len(e.Places) == 2 {
			g.sides = append(g.sides, s)
		}
	}
	return g
}

func (e *estate) side(p *Place, name string) side {
	s := side{place: p}
	for i := range p.Groups {
		if strings.EqualFold(p.Groups[i].Name, name) {
			s.status = &p.Groups[i]
		}
	}
	for _, d := range p.Documents {
		if strings.EqualFold(d.Type, typeGroup) && strings.EqualFold(d.Name, name) {
			s.doc = declared(d)
		}
	}
	for _, d := range p.Documents {
		if s.doc != nil && strings.EqualFold(d.Type, typePairing) && strings.EqualFold(d.Name, s.doc.pairing) {
			s.pairing = &pairing{name: d.Name, peer: d.text("peer"), endpoints: d.texts("endpoints")}
		}
	}
	return s
}

func declared(d Document) *declaration {
	return &declaration{
		pairing: d.text("pairing"), primary: d.text("primary"), mode: d.text("mode"), whenAway: d.text("whenAway"), endpoint: d.text("endpoint"),
		units: d.texts("units"), witnesses: d.texts("witnesses"),
		lagMessages: d.number("lagMessages"), lagBytes: d.number("lagBytes"), lagSeconds: d.number("lagSeconds"),
		automatic: d.yes("automatic"), failedProbes: d.number("failedProbes"), rto: d.maybe("rtoSeconds"), rpo: d.maybe("rpoSeconds"),
	}
}

func (d Document) text(property string) string {
	s, _ := d.Properties[property].(string)
	return s
}

func (d Document) yes(property string) bool {
	b, _ := d.Properties[property].(bool)
	return b
}

func (d Document) maybe(property string) *float64 {
	switch n := d.Properties[property].(type) {
	case float64:
		return &n
	case int:
		f := float64(n)
		return &f
	}
	return nil
}

func (d Document) number(property string) float64 {
	if n := d.maybe(property); n != nil {
		return *n
	}
	return 0
}

func (d Document) texts(property string) []string {
	list, _ := d.Properties[property].([]any)
	var all []string
	for _, one := range list {
		if s, ok := one.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (e *estate) place(name string) *Place {
	for i := range e.Places {
		if name != "" && e.Places[i].Name == name {
			return &e.Places[i]
		}
	}
	return nil
}

// primary is the side that has the group, the newest term first; nil: none says so.
func (g *group) primary() *side {
	var best *side
	for i := range g.sides {
		s := g.sides[i].status
		if s != nil && s.Standing == standingPrimary && (best == nil || s.Term > best.status.Term) {
			best = &g.sides[i]
		}
	}
	return best
}

// others are the sides beside one.
func (g *group) others(s *side) []*side {
	var all []*side
	for i := range g.sides {
		if g.sides[i].place != s.place {
			all = append(all, &g.sides[i])
		}
	}
	return all
}

// declaration is what holds for the group: what its primary declares, or else whoever does.
func (g *group) declaration() *declaration {
	if p := g.primary(); p != nil && p.doc != nil {
		return p.doc
	}
	for i := range g.sides {
		if g.sides[i].doc != nil {
			return g.sides[i].doc
		}
	}
	return nil
}

// declarations are the sides that declare it.
func (g *group) declarations() []*side {
	var all []*side
	for i := range g.sides {
		if g.sides[i].doc != nil {
			all = append(all, &g.sides[i])
		}
	}
	return all
}

// statuses are the sides that say how it is.
func (g *group) statuses() []*side {
	var all []*side
	for i := range g.sides {
		if g.sides[i].status != nil {
			all = append(all, &g.sides[i])
		}
	}
	return all
}

// document finds a resource in a location.
func (p *Place) document(id string) *Document {
	for i := range p.Documents {
		if strings.EqualFold(p.Documents[i].ID, id) {
			return &p.Documents[i]
		}
	}
	return nil
}

// below reports whether a resource lies in another.
func below(id, ancestor string) bool {
	return len(id) > len(ancestor) && strings.EqualFold(id[:len(ancestor)+1], ancestor+"/")
}

// knownNodes are the nodes of a location that answered or that others name.
func (p *Place) knownNodes() []string {
	var all []string
	for _, n := range p.Nodes {
		for _, name := range append([]string{n.Name}, n.Owners...) {
			if name != "" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// lastPart is a resource's own name.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
