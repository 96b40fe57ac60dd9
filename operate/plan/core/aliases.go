package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ttlMax is how long a resolver may keep a name that has to move; where an RTO is shorter
// than twice that, half of the RTO.
const ttlMax = time.Minute

// aliasRules are about the names that clients use.
func aliasRules() []Rule {
	alias := []need{needAlias}
	return []Rule{
		{
			ID: "alias-unresolved", Severity: Error, Title: "A name that clients use does not resolve", Needs: alias,
			Fix: "See that its zone leads to \"weir route --zone ZONE --dns :53\" (NS record at the parent), or that its record exists; --resolver HOST:PORT asks another server.",
			check: named(func(_ *estate, a Alias, say say) {
				if a.Err != "" {
					say(fmt.Sprintf("%s: %s", a.Name, a.Err))
				}
			}),
		}, {
			ID: "alias-standby", Severity: Warning, Title: "A name that clients use leads to a location that stands by", Needs: []need{needAlias, needGroups},
			Fix: "Have {alias} follow the group: \"weir route --zone ZONE\" answers with where a namespace is active. The standby passes clients on, as long as it is up.",
			check: named(func(e *estate, a Alias, say say) {
				g := e.behind(a)
				if g == nil || g.primary() == nil || meets(a.Addresses, g.primary().place.Addresses) {
					return
				}
				for _, s := range g.others(g.primary()) {
					if meets(a.Addresses, s.place.Addresses) {
						say(fmt.Sprintf("%s leads to %s, and %s is active in %s", a.Name, s.place.Name, g.name, g.primary().place.Name), "location", s.place.Name, "group", g.name)
						return
					}
				}
			}),
		}, {
			ID: "alias-elsewhere", Severity: Info, Title: "A name that clients use leads to neither location", Needs: alias,
			Fix: "That is right when {alias} leads to a router (\"weir route --listen\") or a balancer; then that is what must not be a single one.",
			check: named(func(e *estate, a Alias, say say) {
				for i := range e.Places {
					if p := &e.Places[i]; a.Err != "" || len(a.Addresses) == 0 || len(p.Addresses) == 0 || meets(a.Addresses, p.Addresses) {
						return
					}
				}
				if len(e.Places) > 0 {
					say(fmt.Sprintf("%s leads to %s, where none of the locations is", a.Name, list(a.Addresses)))
				}
			}),
		}, {
			ID: "alias-ttl", Severity: Warning, Title: "Resolvers may keep a name for too long", Needs: []need{needAlias, needTTL},
			Fix: "Lower the time to live of {alias} (--ttl of \"weir route\"): for so long after a failover clients go to where it was.",
			check: named(func(e *estate, a Alias, say say) {
				limit, why := ttlMax, "more than a minute"
				if g := e.behind(a); g != nil && g.declaration() != nil && g.declaration().rto != nil {
					if half := time.Duration(*g.declaration().rto * float64(time.Second) / 2); half < limit {
						limit, why = half, fmt.Sprintf("more than half of the RTO of %s", g.name)
					}
				}
				if a.Err == "" && a.TTLKnown && a.TTL > limit {
					say(fmt.Sprintf("%s may be kept for %s, %s", a.Name, a.TTL, why))
				}
			}),
		},
	}
}

// behind is the group that an alias is of: that of the namespace its first label names;
// else the only one there is.
func (e *estate) behind(a Alias) *group {
	label, _, _ := strings.Cut(strings.ToLower(a.Name), ".")
	for i := range e.groups {
		if d := e.groups[i].declaration(); d != nil {
			for _, u := range d.units {
				if strings.EqualFold(lastPart(u), label) {
					return &e.groups[i]
				}
			}
		}
	}
	if len(e.groups) == 1 {
		return &e.groups[0]
	}
	return nil
}

func meets(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// named has a rule look at each alias.
func named(look func(e *estate, a Alias, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for _, a := range e.Aliases {
			look(e, a, collect(&all, "alias", a.Name))
		}
		return all
	}
}
