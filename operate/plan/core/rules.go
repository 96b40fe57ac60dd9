package core

import (
	"fmt"
	"slices"
	"strings"
)

// Rules are all rules, in the order they are held. A service that comes adds its own to
// one of the lists, or a list.
func Rules() []Rule {
	return slices.Concat(placeRules(), wayRules(), declaredRules(), differRules(), unitRules(), stateRules(), voterRules(), objectiveRules(), drillRules(), aliasRules(), flowRules(), workflowRules())
}

// say takes a finding; about are names and values in turn.
type say func(what string, about ...string)

// at has a rule look at each location that answers.
func at(look func(e *estate, p *Place, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for i := range e.Places {
			if p := &e.Places[i]; p.Err == "" {
				look(e, p, collect(&all, "location", p.Name))
			}
		}
		return all
	}
}

// of has a rule look at each group.
func of(look func(e *estate, g *group, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for i := range e.groups {
			look(e, &e.groups[i], collect(&all, "group", e.groups[i].name))
		}
		return all
	}
}

// declares has a rule look at each group where it is declared.
func declares(look func(e *estate, g *group, s *side, say say)) func(*estate) []Finding {
	return of(func(e *estate, g *group, say say) {
		for _, s := range g.declarations() {
			look(e, g, s, func(what string, about ...string) { say(what, append(about, "location", s.place.Name)...) })
		}
	})
}

// says has a rule look at each group where a location says how it is.
func says(look func(e *estate, g *group, s *side, say say)) func(*estate) []Finding {
	return of(func(e *estate, g *group, say say) {
		for _, s := range g.statuses() {
			look(e, g, s, func(what string, about ...string) {
				say(what, append(about, "location", s.place.Name, "peer", s.status.Peer)...)
			})
		}
	})
}

// owns has a rule look at each unit where it is served.
func owns(look func(e *estate, g *group, s *side, u *Unit, say say)) func(*estate) []Finding {
	return says(func(e *estate, g *group, s *side, say say) {
		if s.status.Standing != standingPrimary {
			return
		}
		for i := range s.status.Units {
			u := &s.status.Units[i]
			look(e, g, s, u, func(what string, about ...string) { say(what, append(about, "unit", u.Name)...) })
		}
	})
}

// through has a rule look at each flow.
func through(look func(e *estate, f *Flow, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for i := range e.Flows {
			look(e, &e.Flows[i], collect(&all, "flow", e.Flows[i].Name))
		}
		return all
	}
}

func collect(all *[]Finding, always ...string) say {
	return func(what string, about ...string) { *all = append(*all, found(what, append(about, always...)...)) }
}

// both calls fn with the first declaration of a group and each further one.
func both(look func(a, b *side, say say)) func(*estate) []Finding {
	return of(func(_ *estate, g *group, say say) {
		all := g.declarations()
		for i := 1; i < len(all); i++ {
			look(all[0], all[i], func(what string, about ...string) {
				say(what, append(about, "location", all[i].place.Name, "peer", all[0].place.Name)...)
			})
		}
	})
}

// differ is a rule about one thing that both declarations must say alike.
func differ(id string, severity Severity, what string, of func(*declaration) string, why string) Rule {
	return Rule{
		ID: id, Severity: severity, Title: "The locations declare a group's " + what + " differently", Needs: []need{needPair, needDocuments},
		Fix: why + " Declare it alike in both: \"weir deploy --server {url} FILE\".",
		check: both(func(a, b *side, say say) {
			if x, y := of(a.doc), of(b.doc); x != y {
				say(fmt.Sprintf("%s: %s in %s, %s in %s", what, orNone(x), a.place.Name, orNone(y), b.place.Name))
			}
		}),
	}
}

func orNone(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func list(all []string) string { return strings.Join(all, ", ") }

// seconds writes a declared time; "" when there is none.
func seconds(n *float64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%g s", *n)
}

// setOf makes a list that is compared without order or case.
func setOf(all []string) string {
	var low []string
	for _, s := range all {
		low = append(low, strings.ToLower(strings.TrimSuffix(s, "/")))
	}
	slices.Sort(low)
	return list(low)
}
