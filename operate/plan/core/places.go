package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// clockSkewMax is what clocks of two locations may differ by: tokens, schedules and
// expiries are judged by the clock of whoever is primary.
const clockSkewMax = time.Second

// placeRules are about the locations and their nodes.
func placeRules() []Rule {
	return []Rule{
		{
			ID: "location-away", Severity: Error, Title: "A location does not answer",
			Fix: "See whether its nodes run and are reached from here (\"weir status --server URL\"); until then nothing about it is known.",
			check: func(e *estate) (all []Finding) {
				for _, p := range e.Places {
					if p.Err != "" && !p.Refused {
						all = append(all, found(fmt.Sprintf("%s does not answer: %s", p.Name, p.Err), "location", p.Name))
					}
				}
				return all
			},
		}, {
			ID: "token-refused", Severity: Error, Title: "A location does not take the administration token",
			Fix: "Name the file admin-token of a node's data directory of {location}: --token-file {location}=FILE.",
			check: func(e *estate) (all []Finding) {
				for _, p := range e.Places {
					if p.Refused {
						all = append(all, found(fmt.Sprintf("%s does not take the token that it was shown", p.Name), "location", p.Name))
					}
				}
				return all
			},
		}, {
			ID: "location-name", Severity: Error, Title: "What answers is another location than was named", Needs: []need{needNodes},
			Fix: "Name the locations as they call themselves: --location {says}=URL, or start the nodes with --location {location}.",
			check: at(func(_ *estate, p *Place, say say) {
				if p.Says != "" && p.Says != p.Name {
					say(fmt.Sprintf("what answers for %s is the location %s", p.Name, p.Says), "says", p.Says)
				}
			}),
		}, {
			ID: "node-away", Severity: Warning, Title: "A node of a location does not answer", Needs: []need{needNodes},
			Fix: "Start it again, on its data (\"weir status --server {node}\" says when it is ready).",
			check: at(func(_ *estate, p *Place, say say) {
				for _, n := range p.Nodes {
					if n.Err != "" {
						say(fmt.Sprintf("the node at %s of %s does not answer: %s", n.URL, p.Name, n.Err), "node", n.URL)
					}
				}
			}),
		}, {
			ID: "node-not-ready", Severity: Warning, Title: "A node is not ready", Needs: []need{needNodes},
			Fix: "\"weir status --server {node}\" says what it waits for.",
			check: at(func(_ *estate, p *Place, say say) {
				for _, n := range p.Nodes {
					if n.Err == "" && !n.Ready {
						say(fmt.Sprintf("the node %s of %s is not ready", n.Name, p.Name), "node", n.URL)
					}
				}
			}),
		}, {
			ID: "one-node", Severity: Info, Title: "A location has one node", Needs: []need{needNodes},
			Fix: "With three nodes a location outlives one of them without a failover: \"weir serve --help\", under --cluster-listen. If it has more, name them all with --location {location}=URL,URL.",
			check: at(func(_ *estate, p *Place, say say) {
				if len(p.knownNodes()) == 1 {
					say(p.Name + " has one node that is known here: when it is gone the location is")
				}
			}),
		}, {
			ID: "fewer-nodes", Severity: Warning, Title: "The secondary has fewer nodes than the primary", Needs: []need{needPair, needNodes, needGroups},
			Fix: "After a failover {location} carries the whole load: give it as many nodes, or measure that fewer do (\"weir bench\").",
			check: of(func(_ *estate, g *group, say say) {
				p := g.primary()
				if p == nil {
					return
				}
				has := len(p.place.knownNodes())
				for _, s := range g.others(p) {
					if n := len(s.place.knownNodes()); n > 0 && n < has {
						say(fmt.Sprintf("%s has %d known nodes, the primary %s has %d", s.place.Name, n, p.place.Name, has), "location", s.place.Name)
					}
				}
			}),
		}, {
			ID: "one-door", Severity: Info, Title: "Clients are given one door of a location that has several nodes", Needs: []need{needNodes},
			Fix: "Name the doors of all nodes with --location {location}=URL,HOST:PORT,HOST:PORT here and in \"weir route\", or put a balancer in front.",
			check: at(func(_ *estate, p *Place, say say) {
				if n := len(p.knownNodes()); n > 1 && len(p.Doors) == 1 {
					say(fmt.Sprintf("%s has %d nodes and one door for clients, %s", p.Name, n, p.Doors[0]))
				}
			}),
		}, {
			ID: "versions-differ", Severity: Warning, Title: "Nodes run different versions", Needs: []need{needNodes},
			Fix: "Bring all nodes to one version, the secondary first: an older program may not understand what a newer one wrote.",
			check: func(e *estate) []Finding {
				var versions []string
				for i := range e.Places {
					for _, n := range e.Places[i].Nodes {
						if n.Version != "" && !slices.Contains(versions, n.Version) {
							versions = append(versions, n.Version)
						}
					}
				}
				if len(versions) < 2 {
					return nil
				}
				return []Finding{found("the nodes run " + list(versions))}
			},
		}, {
			ID: "doors-differ", Severity: Warning, Title: "A kind of door is open in one location only", Needs: []need{needPair, needNodes},
			Fix: "Start the nodes of {location} with the same doors (\"weir serve --help\", under doors): clients that need {door} find none after a failover.",
			check: pairwise(func(a, b *Place, say say) {
				if len(a.Nodes) == 0 || len(b.Nodes) == 0 {
					return
				}
				have := b.doorKinds()
				for _, door := range a.doorKinds() {
					if len(have) > 0 && !slices.Contains(have, door) {
						say(fmt.Sprintf("%s has a door %s, %s has none", a.Name, door, b.Name), "location", b.Name, "door", door)
					}
				}
			}),
		}, {
			ID: "default-namespace-differs", Severity: Warning, Title: "The locations' default namespaces differ", Needs: []need{needPair, needNodes},
			Fix: "Start the nodes of both with the same --namespace: a client whose host name names none reaches another namespace after a failover.",
			check: func(e *estate) []Finding {
				said := map[string]string{}
				for i := range e.Places {
					for _, n := range e.Places[i].Nodes {
						if n.Namespace != "" {
							said[strings.ToLower(n.Namespace)] = e.Places[i].Name
						}
					}
				}
				if len(said) < 2 {
					return nil
				}
				var all []string
				for _, name := range sortedKeys(said) {
					all = append(all, name+" in "+said[name])
				}
				return []Finding{found("the default namespace is " + list(all))}
			},
		}, {
			ID: "clock-skew", Severity: Error, Title: "The clocks of the locations differ", Needs: []need{needPair, needClocks},
			Fix: "Have both synchronise with the same time servers (NTP): schedules, expiries and tokens are judged by the clock of whoever is primary.",
			check: func(e *estate) (all []Finding) {
				for i := range e.Places {
					for j := range i {
						a, b := e.Places[j], e.Places[i]
						if a.Clock == nil || b.Clock == nil {
							continue
						}
						// What the difference is at least, whatever the true clocks are.
						least := max(b.Clock.Least-a.Clock.Most, a.Clock.Least-b.Clock.Most)
						if least > clockSkewMax {
							all = append(all, found(fmt.Sprintf("the clocks of %s and %s are at least %.1f s apart", a.Name, b.Name, least.Seconds()), "location", b.Name, "peer", a.Name))
						}
					}
				}
				return all
			},
		},
	}
}

// pairwise has a rule look at each location in comparison to each other one.
func pairwise(look func(a, b *Place, say say)) func(*estate) []Finding {
	return func(e *estate) (all []Finding) {
		for i := range e.Places {
			for j := range e.Places {
				if i != j && e.Places[i].Err == "" && e.Places[j].Err == "" {
					look(&e.Places[i], &e.Places[j], collect(&all))
				}
			}
		}
		return all
	}
}

// doorKinds are the kinds of doors that some node has open.
func (p *Place) doorKinds() []string {
	var all []string
	for _, n := range p.Nodes {
		for _, d := range n.Doors {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	slices.Sort(all)
	return all
}
