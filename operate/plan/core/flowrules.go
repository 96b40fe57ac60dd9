package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// flowRules hold what exists against what the owners of flows want.
func flowRules() []Rule {
	flows := []need{needFlows}
	return []Rule{
		{
			ID: "flow-review", Severity: Warning, Title: "The strategy of a flow was not looked at for a quarter", Needs: flows,
			Fix: "Look at the strategy, RTO, RPO and cost of {flow} with its owners, and write the day into reviewed of the file that \"weir plan --estate\" reads.",
			check: through(func(e *estate, f *Flow, say say) {
				switch {
				case f.Reviewed.IsZero():
					say(fmt.Sprintf("the strategy of %s was never reviewed", f.Name))
				case e.now.Sub(f.Reviewed) > reviewEvery:
					say(fmt.Sprintf("the strategy of %s was reviewed on %s, %.0f days ago", f.Name, f.Reviewed.Format(time.DateOnly), e.now.Sub(f.Reviewed).Hours()/24))
				}
			}),
		}, {
			ID: "flow-group-missing", Severity: Error, Title: "A flow uses a group that there is none of", Needs: []need{needFlows, needDocuments},
			Fix: "Declare {group} in both locations (\"weir deploy FILE\"), or correct the group of {flow} in the file of the estate.",
			check: through(func(e *estate, f *Flow, say say) {
				if f.Group != "" && e.groupOf(f) == nil && e.documented() {
					say(fmt.Sprintf("%s uses the group %s, which no location declares", f.Name, f.Group), "group", f.Group)
				}
			}),
		}, {
			ID: "flow-unit-ungrouped", Severity: Error, Title: "A flow uses a unit that does not change location with the rest", Needs: []need{needFlows, needDocuments},
			Fix: "Add {unit} to the units of the group of {flow}, in both locations: \"weir deploy FILE\". Units of one flow belong into one group: only those change location together.",
			check: through(func(e *estate, f *Flow, say say) {
				g := e.groupOf(f)
				if g == nil && (f.Group != "" || f.Strategy == "single" || !e.documented()) || g != nil && g.declaration() == nil {
					return
				}
				for _, u := range f.units() {
					if g == nil || !g.declaration().includes(u) {
						say(fmt.Sprintf("%s uses %s, which is not in its group", f.Name, lastPart(u)), "unit", lastPart(u))
					}
				}
			}),
		}, {
			ID: "flow-entity-missing", Severity: Error, Title: "A flow uses an entity that a location does not have", Needs: []need{needFlows, needDocuments},
			Fix: "Declare {entity} at the primary (\"weir deploy FILE\"), from where it is copied, or correct {flow} in the file of the estate.",
			check: through(func(e *estate, f *Flow, say say) {
				g := e.groupOf(f)
				if g == nil || g.reference() == nil {
					return
				}
				for _, name := range f.Entities {
					if p := g.reference().place; p.documented() && p.entity(name) == nil {
						say(fmt.Sprintf("%s uses %s, which %s does not have", f.Name, name, p.Name), "entity", name, "location", p.Name)
					}
				}
			}),
		}, {
			ID: "flow-single-point", Severity: Warning, Title: "A flow depends on something that one location has", Needs: flows,
			Fix: "Give {component} a twin in the other location, or a second path around it: it is lost with {place}, and {flow} with it.",
			check: through(func(e *estate, f *Flow, say say) {
				if !e.doubled(f) && f.Strategy != "multi" {
					return
				}
				for _, c := range f.onlyIn() {
					say(fmt.Sprintf("every path of %s goes through %s, which is in %s only", f.Name, c.Name, c.Where), "component", c.Name, "place", c.Where)
				}
			}),
		}, {
			ID: "flow-strategy", Severity: Warning, Title: "A flow has no strategy that is understood", Needs: flows,
			Fix: "Choose a strategy for {flow} in the file of the estate: single, decoupled, multi, or criticality with how critical it is.",
			check: through(func(_ *estate, f *Flow, say say) {
				switch {
				case !slices.Contains(Strategies, f.Strategy):
					say(fmt.Sprintf("the strategy of %s is %s", f.Name, orNone(f.Strategy)))
				case f.Strategy == "criticality" && f.Criticality == "":
					say(fmt.Sprintf("the strategy of %s is by criticality, and how critical it is is not said", f.Name))
				}
			}),
		}, {
			ID: "flow-not-doubled", Severity: Error, Title: "A flow wants two locations and is in one", Needs: []need{needFlows, needDocuments},
			Fix: "Put the units of {flow} into a group that both locations declare (docs/locations.md, \"weir deploy FILE\"), or change its strategy.",
			check: through(func(e *estate, f *Flow, say say) {
				if g := e.groupOf(f); f.Strategy == "multi" && (g == nil && f.Group == "" && len(f.units()) == 0 || g != nil && !e.doubled(f) && e.allDocumented(g)) {
					say(fmt.Sprintf("%s is to be in two locations, and nothing of it is in a group of two", f.Name))
				}
			}),
		}, {
			ID: "flow-rto", Severity: Error, Title: "A flow wants to be served sooner than its group promises", Needs: []need{needFlows, needDocuments},
			Fix: "Set rtoSeconds of {group} to what {flow} wants, in both locations (\"weir deploy FILE\"), and prove it: \"weir drill {group}\".",
			check: objective(func(f *Flow, g *group, d *declaration, say say) {
				if f.RTO != nil && d.rto != nil && f.RTO.Seconds() < *d.rto {
					say(fmt.Sprintf("%s wants an RTO of %s, and that of %s is %s", f.Name, f.RTO, g.name, seconds(d.rto)))
				}
			}),
		}, {
			ID: "flow-rpo", Severity: Error, Title: "A flow may lose less than its group promises", Needs: []need{needFlows, needDocuments},
			Fix: "Set rpoSeconds of {group} to what {flow} wants, in both locations, and lagSeconds or the mode with it: \"weir deploy FILE\".",
			check: objective(func(f *Flow, g *group, d *declaration, say say) {
				if f.RPO != nil && d.rpo != nil && f.RPO.Seconds() < *d.rpo {
					say(fmt.Sprintf("%s wants an RPO of %s, and that of %s is %s", f.Name, f.RPO, g.name, seconds(d.rpo)))
				}
			}),
		}, {
			ID: "flow-availability", Severity: Warning, Title: "A flow's components are less available than it wants", Needs: flows,
			Fix: "Look at what {flow} has in common for both locations: there a second provider, or a path around, counts most. Or want less.",
			check: through(func(e *estate, f *Flow, say say) {
				if r := e.flow(f); f.Target > 0 && r.Available != nil && r.Available.Err == "" && r.Available.holds().Percent < f.Target {
					say(fmt.Sprintf("%s wants %v %%; with what both locations share its components make %.5f %%", f.Name, f.Target, r.Available.holds().Percent))
				}
			}),
		}, {
			ID: "flow-order", Severity: Error, Title: "A flow must be in order, and goes through an entity without sessions", Needs: []need{needFlows, needDocuments},
			Fix: "Declare {entity} anew with requiresSession: true, and have senders set a session id: without, competing receivers and a failover change the order.",
			check: entities(func(f *Flow, d *Document, name string, say say) {
				if _, can := d.Properties["requiresSession"]; f.Ordered && can && !d.yes("requiresSession") {
					say(fmt.Sprintf("%s must be in order, and %s has no sessions", f.Name, name), "entity", name)
				}
			}),
		}, {
			ID: "flow-repetition", Severity: Warning, Title: "A flow must not repeat, and an entity takes what was sent twice", Needs: []need{needFlows, needDocuments},
			Fix: "Declare {entity} anew with requiresDuplicateDetection: true, and have senders set message ids: after a failover they send again what was not acknowledged.",
			check: entities(func(f *Flow, d *Document, name string, say say) {
				if _, can := d.Properties["requiresDuplicateDetection"]; f.Once && can && !d.yes("requiresDuplicateDetection") {
					say(fmt.Sprintf("%s must not repeat, and %s does not detect duplicates", f.Name, name), "entity", name)
				}
			}),
		},
	}
}

// allDocumented reports whether every location of a group has shown what is declared.
func (e *estate) allDocumented(g *group) bool {
	return !slices.ContainsFunc(g.sides, func(s side) bool { return !s.place.documented() })
}

// objective has a rule look at each flow and how its group is declared.
func objective(look func(f *Flow, g *group, d *declaration, say say)) func(*estate) []Finding {
	return through(func(e *estate, f *Flow, say say) {
		if g := e.groupOf(f); g != nil && g.declaration() != nil {
			look(f, g, g.declaration(), func(what string, about ...string) { say(what, append(about, "group", g.name)...) })
		}
	})
}

// entities has a rule look at each entity of each flow.
func entities(look func(f *Flow, d *Document, name string, say say)) func(*estate) []Finding {
	return through(func(e *estate, f *Flow, say say) {
		g := e.groupOf(f)
		if g == nil || g.reference() == nil {
			return
		}
		for _, name := range f.Entities {
			if d := g.reference().place.entity(name); d != nil {
				look(f, d, name, say)
			}
		}
	})
}

// entity finds a resource by the names on its way: NAMESPACE/QUEUE, NAMESPACE/TOPIC/SUBSCRIPTION.
func (p *Place) entity(names string) *Document {
	for i := range p.Documents {
		if strings.EqualFold(namesOf(p.Documents[i].ID), names) {
			return &p.Documents[i]
		}
	}
	return nil
}

// namesOf are the names in an id, without types: every second part behind the provider.
func namesOf(id string) string {
	parts := strings.Split(short(id), "/")
	var names []string
	for i := 2; i < len(parts); i += 2 {
		names = append(names, parts[i])
	}
	return strings.Join(names, "/")
}
