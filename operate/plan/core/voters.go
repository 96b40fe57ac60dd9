package core

import (
	"fmt"
	"slices"
	"strings"
)

// voterRules are about who decides which location owns.
func voterRules() []Rule {
	return []Rule{
		{
			ID: "no-witness", Severity: Warning, Title: "A group has no witness", Needs: []need{needDocuments},
			Fix: "Run \"weir witness\" in a third place and name it in witnesses of {group}, in both locations: without one nothing is promoted but by hand, and nobody but you can know whether the other location still serves.",
			check: of(func(_ *estate, g *group, say say) {
				if d := g.declaration(); d != nil && len(d.witnesses) == 0 {
					say(fmt.Sprintf("the group %s has no witness", g.name))
				}
			}),
		}, {
			ID: "one-witness", Severity: Info, Title: "A group has one witness", Needs: []need{needDocuments},
			Fix: "That outlives any one of the three places. With three witnesses in three places (\"weir witness\") a location and a witness may be away at once.",
			check: of(func(_ *estate, g *group, say say) {
				if d := g.declaration(); d != nil && len(d.witnesses) == 1 {
					say(fmt.Sprintf("the group %s has one witness: while it is away, the loss of a location takes the group", g.name))
				}
			}),
		}, {
			ID: "two-witnesses", Severity: Warning, Title: "A group has an even number of witnesses", Needs: []need{needDocuments},
			Fix: "Name one witness of {group}, or three: two decide no more than one, and there is one more that can fail.",
			check: of(func(_ *estate, g *group, say say) {
				if d := g.declaration(); d != nil && len(d.witnesses) == 2 {
					say(fmt.Sprintf("the group %s has 2 witnesses", g.name))
				}
			}),
		}, {
			ID: "witness-shares-host", Severity: Warning, Title: "A witness is on a host of a location", Needs: []need{needDocuments},
			Fix: "Run the witness {witness} in a third place (\"weir witness\"): there it goes down with {location}, and the other location has no majority.",
			check: of(func(e *estate, g *group, say say) {
				if g.declaration() == nil {
					return
				}
				for _, w := range g.declaration().witnesses {
					var beside []string
					for i := range e.Places {
						if p := &e.Places[i]; shared([]string{hostOf(w)}, p.hosts()) != "" {
							beside = append(beside, p.Name)
						}
					}
					if len(beside) > 0 {
						say(fmt.Sprintf("the witness %s of %s is on a host of %s", w, g.name, strings.Join(beside, " and ")), "witness", w, "location", beside[0])
					}
				}
			}),
		}, {
			ID: "witnesses-share-host", Severity: Warning, Title: "Witnesses share a host", Needs: []need{needDocuments},
			Fix: "Run each witness of {group} on a host of its own (\"weir witness\"): together they fail as one.",
			check: of(func(_ *estate, g *group, say say) {
				if g.declaration() == nil {
					return
				}
				seen := map[string]bool{}
				for _, w := range g.declaration().witnesses {
					if host := hostOf(w); seen[host] {
						say(fmt.Sprintf("the group %s has more than one witness on %s", g.name, host))
						return
					}
					seen[hostOf(w)] = true
				}
			}),
		}, {
			ID: "witness-plain", Severity: Warning, Title: "A witness is asked unencrypted", Needs: []need{needDocuments},
			Fix: "Start it with --tls-cert and --tls-key (\"weir witness --help\") and name it with https:// in {group}: its secret crosses a network in plain text.",
			check: of(func(_ *estate, g *group, say say) {
				if g.declaration() == nil {
					return
				}
				for _, w := range g.declaration().witnesses {
					if strings.HasPrefix(strings.ToLower(w), "http://") && !loopback(hostOf(w)) {
						say(fmt.Sprintf("the witness %s of %s is asked in plain text", w, g.name), "witness", w)
					}
				}
			}),
		}, {
			ID: "witness-away", Severity: Warning, Title: "A location does not reach a witness", Needs: []need{needGroups},
			Fix: "Start {witness} again, on its data (\"weir witness --data DIR\"), and see that {location} reaches it and has its secret.",
			check: says(func(_ *estate, g *group, s *side, say say) {
				for _, v := range s.status.Voters {
					if !v.Reachable && strings.Contains(v.Name, "://") {
						say(fmt.Sprintf("%s does not reach the witness %s of %s%s", s.place.Name, v.Name, g.name, because(v.Err)), "witness", v.Name)
					}
				}
			}),
		}, {
			ID: "no-majority", Severity: Error, Title: "A location hears no majority of the voters", Needs: []need{needGroups},
			Fix: "Bring the voters back or the lines to them: the primary stops when it hears no majority, and the secondary can not take over. \"weir group show {group} --server {url}\" lists them.",
			check: says(func(_ *estate, g *group, s *side, say say) {
				heard := 0
				for _, v := range s.status.Voters {
					if v.Reachable {
						heard++
					}
				}
				if n := len(s.status.Voters); n > 0 && heard <= n/2 {
					say(fmt.Sprintf("%s hears %d of the %d voters of %s", s.place.Name, heard, n, g.name))
				}
			}),
		}, {
			ID: "voters-disagree", Severity: Warning, Title: "The voters of a group disagree", Needs: []need{needGroups},
			Fix: "Right after a change that is so for a moment. A witness that stays behind may have been started on other data than its own: start it again with the right --data.",
			check: of(func(_ *estate, g *group, say say) {
				for _, s := range g.statuses() {
					var said []string
					for _, v := range s.status.Voters {
						one := fmt.Sprintf("term %d is %s's", v.Term, orNone(v.Holder))
						if v.Reachable && !slices.Contains(said, one) {
							said = append(said, one)
						}
					}
					if len(said) > 1 {
						say(fmt.Sprintf("the voters of %s say: %s", g.name, list(said)), "location", s.place.Name)
						return
					}
				}
			}),
		},
	}
}
