package core

import (
	"fmt"
	"slices"
	"strconv"
)

// declaredRules are about what each location declares of groups and pairings.
func declaredRules() []Rule {
	return []Rule{
		{
			ID: "no-groups", Severity: Warning, Title: "No continuity group is declared", Needs: []need{needDocuments},
			Fix: "Declare a pairing and a group in both locations: docs/locations.md, \"weir deploy FILE\". Until then nothing is copied.",
			check: func(e *estate) []Finding {
				known := 0
				for i := range e.Places {
					if e.Places[i].documented() && e.Places[i].spoken() {
						known++
					}
				}
				if len(e.groups) > 0 || known == 0 || known < len(e.Places) {
					return nil
				}
				return []Finding{found("no location declares a group: what they hold is in one location each")}
			},
		}, {
			ID: "group-one-side", Severity: Error, Title: "A group is declared in one location only", Needs: []need{needPair, needDocuments},
			Fix: "Declare the group {group} in {location} too, with the pairing that leads to {peer}: \"weir deploy --server {url} FILE\".",
			check: of(func(_ *estate, g *group, say say) {
				all := g.declarations()
				if len(all) != 1 {
					return
				}
				for _, s := range g.others(all[0]) {
					if s.place.documented() && s.doc == nil {
						say(fmt.Sprintf("the group %s is declared in %s and not in %s", g.name, all[0].place.Name, s.place.Name), "location", s.place.Name, "peer", all[0].place.Name)
					}
				}
			}),
		}, {
			ID: "pairing-missing", Severity: Error, Title: "A group names a pairing that is not declared", Needs: []need{needDocuments},
			Fix: "Declare the pairing {pairing} in {location}: \"weir deploy --server {url} FILE\", type " + typePairing + ".",
			check: declares(func(_ *estate, g *group, s *side, say say) {
				if s.pairing == nil {
					say(fmt.Sprintf("the group %s in %s names the pairing %s, which is not declared there", g.name, s.place.Name, s.doc.pairing), "pairing", s.doc.pairing)
				}
			}),
		}, {
			ID: "pairing-crossed", Severity: Error, Title: "A pairing does not lead to the other location of its group", Needs: []need{needPair, needDocuments},
			Fix: "Set peer of the pairing {pairing} in {location} to the name of the other location, {peer}: \"weir deploy --server {url} FILE\".",
			check: of(func(_ *estate, g *group, say say) {
				all := g.declarations()
				for _, s := range all {
					for _, other := range all {
						if s != other && len(all) == 2 && s.pairing != nil && s.pairing.peer != other.place.Name {
							say(fmt.Sprintf("in %s the group %s is paired with %q; it is %s that declares it as well", s.place.Name, g.name, s.pairing.peer, other.place.Name),
								"location", s.place.Name, "peer", other.place.Name, "pairing", s.pairing.name)
						}
					}
				}
			}),
		}, {
			ID: "one-endpoint", Severity: Warning, Title: "A pairing knows one node of a location that has several", Needs: []need{needPair, needDocuments, needNodes},
			Fix: "Name a door of each node of {peer} as endpoints of the pairing {pairing} in {location}: the link ends with the one node that it knows.",
			check: declares(func(e *estate, g *group, s *side, say say) {
				if s.pairing == nil || len(s.pairing.endpoints) != 1 {
					return
				}
				if p := e.place(s.pairing.peer); p != nil && len(p.knownNodes()) > 1 {
					say(fmt.Sprintf("in %s the pairing %s has the one endpoint %s, and %s has %d nodes", s.place.Name, s.pairing.name, s.pairing.endpoints[0], p.Name, len(p.knownNodes())),
						"peer", p.Name, "pairing", s.pairing.name)
				}
			}),
		}, {
			ID: "endpoint-loopback", Severity: Error, Title: "A pairing leads to the location's own machine, and the other location is elsewhere", Needs: []need{needPair, needDocuments},
			Fix: "Name an address of {peer} that {location} reaches as endpoint of the pairing {pairing}: \"weir deploy --server {url} FILE\".",
			check: endpoints(func(host string, p *Place) bool { return loopback(host) && !slices.ContainsFunc(p.hosts(), loopback) },
				"is the own machine of who dials it"),
		}, {
			ID: "endpoint-private", Severity: Warning, Title: "A pairing leads to a private address, and the other location has public ones", Needs: []need{needPair, needDocuments},
			Fix: "See that there is a private line from {location} to {peer}, which the endpoint of the pairing {pairing} needs, or name a public address.",
			check: endpoints(func(host string, p *Place) bool {
				return private(host) && len(p.hosts()) > 0 && !slices.ContainsFunc(p.hosts(), notPublic)
			},
				"means something within one network only"),
		}, {
			ID: "group-empty", Severity: Warning, Title: "A group has no units", Needs: []need{needDocuments},
			Fix: "Name the namespaces that change location together as units of {group}, in both locations: \"weir deploy FILE\".",
			check: declares(func(_ *estate, g *group, s *side, say say) {
				if len(s.doc.units) == 0 {
					say(fmt.Sprintf("the group %s has no units in %s", g.name, s.place.Name))
				}
			}),
		},
	}
}

func notPublic(host string) bool { return !public(host) }

// endpoints has a rule look at each endpoint of a group's pairing, and the location it
// should lead to.
func endpoints(wrong func(host string, p *Place) bool, why string) func(*estate) []Finding {
	return declares(func(e *estate, _ *group, s *side, say say) {
		if s.pairing == nil {
			return
		}
		p := e.place(s.pairing.peer)
		for _, endpoint := range s.pairing.endpoints {
			if p != nil && wrong(hostOf(endpoint), p) {
				say(fmt.Sprintf("in %s the endpoint %s of the pairing %s %s", s.place.Name, endpoint, s.pairing.name, why), "peer", p.Name, "pairing", s.pairing.name)
			}
		}
	})
}

// differRules are about what both locations must declare alike.
func differRules() []Rule {
	return []Rule{
		differ("mode-differs", Error, "mode", func(d *declaration) string { return d.mode },
			"What is promised to a sender would depend on who is primary."),
		differ("primary-differs", Error, "first primary", func(d *declaration) string { return d.primary },
			"Each location would begin with another primary."),
		differ("lag-differs", Warning, "bound on the lag", func(d *declaration) string {
			return fmt.Sprintf("%.0f messages, %.0f bytes, %.0f s", d.lagMessages, d.lagBytes, d.lagSeconds)
		}, "How much may be lost would depend on who is primary."),
		differ("when-away-differs", Warning, "whenAway", func(d *declaration) string { return d.whenAway },
			"What happens without the secondary would depend on who is primary."),
		differ("units-differ", Error, "units", func(d *declaration) string { return setOf(d.units) },
			"A unit that one location leaves out is not copied, or not taken over."),
		differ("witnesses-differ", Error, "witnesses", func(d *declaration) string { return setOf(d.witnesses) },
			"Locations that ask different voters could both be told that they own."),
		differ("automatic-differs", Warning, "automatic take-over", func(d *declaration) string {
			return strconv.FormatBool(d.automatic) + fmt.Sprintf(" after %.0f probes", d.failedProbes)
		}, "Only one direction would fail over by itself, or at another time."),
		differ("objectives-differ", Warning, "RTO and RPO", func(d *declaration) string {
			return "RTO " + orNone(seconds(d.rto)) + ", RPO " + orNone(seconds(d.rpo))
		}, "What a failover is held against would depend on who is asked."),
	}
}
