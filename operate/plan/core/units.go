package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/iso8601"
)

// unitRules are about what is declared of a group's units, and of what no group has.
func unitRules() []Rule {
	return []Rule{
		{
			ID: "unit-missing", Severity: Error, Title: "A unit of a group is not declared in a location", Needs: []need{needDocuments},
			Fix: "Declare {unit} in the location that has the group, or take it out of {group} in both: \"weir deploy FILE\". The secondary gets it from the primary.",
			check: declares(func(_ *estate, g *group, s *side, say say) {
				for _, id := range s.doc.units {
					if !s.place.holds(id) {
						what := "which is not declared in"
						if isScope(id) {
							what = "and there are no workflows in that resource group in"
						}
						say(fmt.Sprintf("the group %s has the unit %s, %s %s", g.name, id, what, s.place.Name), "unit", lastPart(id))
					}
				}
			}),
		}, {
			ID: "unit-twice", Severity: Error, Title: "A unit is in two groups", Needs: []need{needDocuments},
			Fix: "Take {unit} out of one of the groups, in both locations: two groups would move it to two places. \"weir deploy FILE\".",
			check: func(e *estate) (all []Finding) {
				first := map[string]string{}
				for i := range e.groups {
					d := e.groups[i].declaration()
					if d == nil {
						continue
					}
					for _, u := range d.units {
						key := strings.ToLower(strings.TrimSuffix(u, "/"))
						if other := first[key]; other != "" && other != e.groups[i].name {
							all = append(all, found(fmt.Sprintf("%s is in the groups %s and %s", lastPart(u), other, e.groups[i].name), "unit", lastPart(u), "group", e.groups[i].name))
						}
						first[key] = e.groups[i].name
					}
				}
				return all
			},
		}, {
			ID: "unit-late", Severity: Error, Title: "A unit was added to a group that was there already", Needs: []need{needDocuments, needGroups},
			Fix: "Declare a group of its own for what was added to {group}, in both locations: a group moves the units it was declared with at first. \"weir deploy FILE\".",
			check: says(func(_ *estate, g *group, s *side, say say) {
				if s.doc != nil && len(s.status.Units) < len(s.doc.units) && s.status.Term > 0 {
					say(fmt.Sprintf("the group %s is declared with %d units in %s, and moves %d", g.name, len(s.doc.units), s.place.Name, len(s.status.Units)))
				}
			}),
		}, {
			ID: "unit-ungrouped", Severity: Warning, Title: "Something that could be in a group is in none", Needs: []need{needDocuments},
			Fix:   "Add {unit} to the units of a group in both locations, or accept that it is lost with {location}: \"weir deploy FILE\".",
			check: ungrouped,
		}, {
			ID: "entity-one-side", Severity: Error, Title: "Something of a unit is declared in one location only", Needs: []need{needPair, needDocuments, needGroups},
			Fix: "The secondary copies what the primary declares within seconds: when it does not, \"weir group show {group} --server {url}\" says why; declare it at the primary, never at the secondary.",
			check: drift(func(a, b *side, id string, here, there *Document, say say) {
				if here == nil || there == nil {
					has, lacks := a.place.Name, b.place.Name
					if here == nil {
						has, lacks = lacks, has
					}
					say(fmt.Sprintf("%s is declared in %s and not in %s", short(id), has, lacks), "location", lacks, "peer", has)
				}
			}),
		}, {
			ID: "entity-differs", Severity: Warning, Title: "Something of a unit is declared differently in the locations", Needs: []need{needPair, needDocuments, needGroups},
			Fix: "Deploy it again at the primary of {group}, whose declaration is copied: \"weir deploy FILE\" there.",
			check: drift(func(a, b *side, id string, here, there *Document, say say) {
				if here == nil || there == nil {
					return
				}
				var differing []string
				for _, name := range sortedKeys(union(here.Properties, there.Properties)) {
					if x, y := text(here.Properties[name]), text(there.Properties[name]); x != y {
						differing = append(differing, fmt.Sprintf("%s is %s in %s and %s in %s", name, x, a.place.Name, y, b.place.Name))
					}
				}
				if here.SKU != there.SKU {
					differing = append(differing, fmt.Sprintf("the SKU is %s in %s and %s in %s", orNone(here.SKU), a.place.Name, orNone(there.SKU), b.place.Name))
				}
				if len(differing) > 0 {
					say(fmt.Sprintf("%s: %s", short(id), list(differing)), "location", b.place.Name, "peer", a.place.Name)
				}
			}),
		}, {
			ID: "expires-in-failover", Severity: Warning, Title: "Messages expire sooner than a failover may take", Needs: []need{needDocuments},
			Fix: "Give {entity} a defaultMessageTimeToLive beyond the RTO of {group}, or have it dead-letter what expires: messages run out while nobody serves them.",
			check: of(func(_ *estate, g *group, say say) {
				d, p := g.declaration(), g.reference()
				if d == nil || d.rto == nil || p == nil {
					return
				}
				for _, doc := range p.place.Documents {
					ttl, err := iso8601.Parse(doc.text("defaultMessageTimeToLive"))
					if err != nil || !d.has(doc.ID) || doc.yes("deadLetteringOnMessageExpiration") {
						continue
					}
					if ttl.Std() < time.Duration(*d.rto)*time.Second {
						say(fmt.Sprintf("messages of %s live for %s, and the RTO of %s is %s", short(doc.ID), ttl, g.name, seconds(d.rto)), "entity", lastPart(doc.ID))
					}
				}
			}),
		},
	}
}

// has reports whether a resource moves with a unit of the group.
func (d *declaration) has(id string) bool {
	return slices.ContainsFunc(d.units, func(u string) bool { return covers(u, id) })
}

// covers reports whether a resource moves with a unit: with a resource group its
// workflows do, with anything else it and what lies in it, but a site's configuration.
func covers(unit, id string) bool {
	switch low := strings.ToLower(id); {
	case isScope(unit):
		return below(id, unit+workflowsPart)
	case strings.Contains(low, sitesPart) && strings.Contains(low[strings.Index(low, sitesPart):], "/config/"):
		return false
	}
	return strings.EqualFold(unit, id) || below(id, unit)
}

// Parts of ids.
const (
	workflowsPart = "/providers/microsoft.logic/workflows"
	sitesPart     = "/providers/microsoft.web/sites/"
)

// isScope reports whether an id is of a resource group rather than of something in it.
func isScope(id string) bool { return !strings.Contains(strings.ToLower(id), "/providers/") }

// holds reports whether a unit is there in a location: it is declared, or, a resource
// group, has workflows.
func (p *Place) holds(unit string) bool {
	if !isScope(unit) {
		return p.document(unit) != nil
	}
	return slices.ContainsFunc(p.Documents, func(d Document) bool { return covers(unit, d.ID) })
}

// reference is the side whose documents hold: the primary's, or else any.
func (g *group) reference() *side {
	if p := g.primary(); p != nil && p.place.documented() {
		return p
	}
	for _, s := range g.declarations() {
		return s
	}
	return nil
}

// drift has a rule look at each resource of a group's units in two locations.
func drift(look func(a, b *side, id string, here, there *Document, say say)) func(*estate) []Finding {
	return of(func(_ *estate, g *group, say say) {
		a, d := g.reference(), g.declaration()
		if a == nil || d == nil {
			return
		}
		for _, b := range g.others(a) {
			if b.doc == nil || !b.place.documented() {
				continue
			}
			ids := map[string]string{}
			for _, p := range []*Place{a.place, b.place} {
				for _, doc := range p.Documents {
					if d.has(doc.ID) && b.doc.has(doc.ID) && !isUnit(d, doc.ID) || isUnit(d, doc.ID) && a.place.document(doc.ID) != nil && b.place.document(doc.ID) != nil {
						ids[strings.ToLower(doc.ID)] = doc.ID
					}
				}
			}
			for _, key := range sortedKeys(ids) {
				look(a, b, ids[key], a.place.document(ids[key]), b.place.document(ids[key]), say)
			}
		}
	})
}

func isUnit(d *declaration, id string) bool {
	return slices.ContainsFunc(d.units, func(u string) bool { return strings.EqualFold(u, id) })
}

// ungrouped finds resources of the types that units are of, with something in them, that
// are in no group.
func ungrouped(e *estate) (all []Finding) {
	types, grouped := map[string]bool{}, map[string]bool{}
	for i := range e.groups {
		for _, s := range e.groups[i].declarations() {
			for _, u := range s.doc.units {
				grouped[strings.ToLower(u)] = true
				if d := s.place.document(u); d != nil {
					types[strings.ToLower(d.Type)] = true
				}
			}
		}
	}
	for i := range e.Places {
		p := &e.Places[i]
		for _, d := range p.Documents {
			if types[strings.ToLower(d.Type)] && !grouped[strings.ToLower(d.ID)] && p.inhabited(d.ID) {
				all = append(all, found(fmt.Sprintf("%s in %s is in no group", short(d.ID), p.Name), "location", p.Name, "unit", lastPart(d.ID)))
			}
		}
	}
	return all
}

// inhabited reports whether a resource has more in it than who may do what.
func (p *Place) inhabited(id string) bool {
	return slices.ContainsFunc(p.Documents, func(d Document) bool {
		return below(d.ID, id) && !strings.HasSuffix(strings.ToLower(d.Type), "/authorizationrules")
	})
}

// short is an id without what all have in common.
func short(id string) string {
	if _, rest, ok := strings.Cut(id, "/providers/"); ok {
		return rest
	}
	return id
}

func union(a, b map[string]any) map[string]bool {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}

// text writes a property to be compared and shown.
func text(v any) string {
	if v == nil {
		return "nothing"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
