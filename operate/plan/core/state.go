package core

import (
	"fmt"
)

// stateRules are about how the groups are at this moment.
func stateRules() []Rule {
	return []Rule{
		{
			ID: "two-primaries", Severity: Error, Title: "Two locations say that they are primary", Needs: []need{needPair, needGroups},
			Fix: "Stop the one with the lower term now and keep its data: \"weir group show {group}\" at both shows the terms; what it accepted alone is salvaged later (\"weir salvage {group}\").",
			check: of(func(_ *estate, g *group, say say) {
				var all []string
				for _, s := range g.statuses() {
					if s.status.Standing == standingPrimary {
						all = append(all, fmt.Sprintf("%s in term %d", s.place.Name, s.status.Term))
					}
				}
				if len(all) > 1 {
					say("primary of " + g.name + ": " + list(all))
				}
			}),
		}, {
			ID: "no-primary", Severity: Error, Title: "No location is primary", Needs: []need{needPair, needGroups},
			Fix: "\"weir group show {group}\" at each location says why; \"weir failover {group} --dry-run\" at the one to be promoted says what that would lose.",
			check: of(func(_ *estate, g *group, say say) {
				said := g.statuses()
				if len(said) > 0 && len(said) == len(g.sides) && len(said) > 1 && g.primary() == nil {
					say(fmt.Sprintf("nobody serves the group %s", g.name))
				}
			}),
		}, {
			ID: "salvage-due", Severity: Error, Title: "A former primary has messages that the present one lacks", Needs: []need{needGroups},
			Fix: "\"weir salvage {group} --server {url}\" counts them, --reinject brings them back; until then nothing is copied and there is no secondary.",
			check: says(func(_ *estate, g *group, s *side, say say) {
				if s.status.Standing == standingSalvage {
					say(fmt.Sprintf("%s has messages or settlements of %s alone and stands halted", s.place.Name, g.name))
				}
			}),
		}, {
			ID: "change-unfinished", Severity: Warning, Title: "A change of location is under way or was interrupted", Needs: []need{needGroups},
			Fix: "Wait, or ask for the same again: \"weir switch {group} --to LOCATION\" goes on where it was interrupted.",
			check: says(func(_ *estate, g *group, s *side, say say) {
				if s.status.Phase != "" && s.status.Standing != standingSalvage {
					say(fmt.Sprintf("the group %s in %s is in the phase %q", g.name, s.place.Name, s.status.Phase))
				}
			}),
		}, {
			ID: "isolated", Severity: Warning, Title: "A drill keeps a location apart", Needs: []need{needGroups},
			Fix: "Wait for the drill (\"weir drill\") to end; left over from one that died, the isolation ends by itself at the time named.",
			check: says(func(e *estate, g *group, s *side, say say) {
				if until := s.status.IsolatedUntil; until.After(e.now) {
					say(fmt.Sprintf("%s is kept apart from the other location and the voters of %s until %s", s.place.Name, g.name, until.UTC().Format("15:04:05 MST")))
				}
			}),
		}, {
			ID: "terms-differ", Severity: Warning, Title: "The locations are in different terms", Needs: []need{needPair, needGroups},
			Fix: "Right after a change that is so for a moment. When it lasts, {location} does not hear the other one: see the endpoints and the secret of its pairing.",
			check: of(func(_ *estate, g *group, say say) {
				all := g.statuses()
				for i := 1; i < len(all); i++ {
					a, b := all[0], all[i]
					if primaries(a, b) || a.status.Term == b.status.Term && a.status.Holder == b.status.Holder {
						continue
					}
					if b.status.Term > a.status.Term {
						a, b = b, a
					}
					say(fmt.Sprintf("%s says that %s holds term %d of %s, %s that %s holds term %d",
						a.place.Name, orNone(a.status.Holder), a.status.Term, g.name, b.place.Name, orNone(b.status.Holder), b.status.Term), "location", b.place.Name)
				}
			}),
		}, {
			ID: "unit-broken", Severity: Error, Title: "A unit is broken", Needs: []need{needGroups},
			Fix: "The journal of {unit} in {location} is damaged or does not match: the log of its node names the record. Bring the disk back, or let a healthy copy serve: \"weir switch {group} --to {peer}\".",
			check: says(func(_ *estate, _ *group, s *side, say say) {
				for _, u := range s.status.Units {
					if u.Role == "broken" {
						say(fmt.Sprintf("%s is broken in %s%s", u.Name, s.place.Name, because(u.Reason)), "unit", u.Name)
					}
				}
			}),
		}, {
			ID: "unit-not-ready", Severity: Error, Title: "A unit of a group is not ready", Needs: []need{needGroups},
			Fix: "\"weir status --server {url}\" says what {unit} waits for.",
			check: says(func(_ *estate, _ *group, s *side, say say) {
				for _, u := range s.status.Units {
					if !u.Ready && u.Role != "broken" {
						say(fmt.Sprintf("%s is %s and not ready in %s%s", u.Name, orNone(u.Role), s.place.Name, because(u.Reason)), "unit", u.Name)
					}
				}
			}),
		}, {
			ID: "peer-unreachable", Severity: Error, Title: "A location does not reach the other one", Needs: []need{needGroups},
			Fix: "See that the endpoints of the pairing in {location} are doors of {peer} that it reaches, and declare the pairing with one secret in both: a secret that differs can not be seen from here. \"weir deploy --server {url} FILE\".",
			check: says(func(e *estate, g *group, s *side, say say) {
				if p := e.place(s.status.Peer); p != nil && p.Err != "" && !p.Refused {
					return // it is away: that is a finding
				}
				if s.status.Standing == standingSecondary && !s.status.PeerReachable {
					say(fmt.Sprintf("%s does not reach %s for the group %s", s.place.Name, s.status.Peer, g.name))
				}
			}),
		}, {
			ID: "link-away", Severity: Error, Title: "Nobody copies a unit", Needs: []need{needGroups},
			Fix: "Bring {peer} or the line to it back: \"weir group show {group} --server URL\" there says what its link waits for. In async mode writes are refused when the bound on the lag is reached.",
			check: owns(func(_ *estate, _ *group, s *side, u *Unit, say say) {
				if !u.Connected && !u.Degraded {
					say(fmt.Sprintf("nobody copies %s from %s%s", u.Name, s.place.Name, because(u.Reason)))
				}
			}),
		}, {
			ID: "sync-degraded", Severity: Error, Title: "Sync mode goes on without the secondary", Needs: []need{needGroups},
			Fix: "Bring {peer} or the line to it back: what is acknowledged now is in {location} alone. Sync holds again when it has caught up (\"weir group show {group}\").",
			check: owns(func(_ *estate, _ *group, s *side, u *Unit, say say) {
				if u.Degraded {
					say(fmt.Sprintf("%s is acknowledged in %s alone", u.Name, s.place.Name))
				}
			}),
		},
		lagRule(), rpoRule(),
	}
}

func primaries(a, b *side) bool {
	return a.status.Standing == standingPrimary && b.status.Standing == standingPrimary
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func lagRule() Rule {
	return Rule{
		ID: "lag-half", Severity: Warning, Title: "A copy is behind by more than half of the bound", Needs: []need{needGroups, needDocuments},
		Fix: "See whether the line or {peer} is slow (\"weir group show {group}\"); writes are slowed from half of the bound on and refused above it.",
		check: owns(func(_ *estate, g *group, s *side, u *Unit, say say) {
			if s.doc == nil || s.doc.mode == "sync" || !u.Connected {
				return
			}
			for _, one := range []struct {
				is, bound float64
				of        string
			}{{float64(u.LagMessages), s.doc.lagMessages, "messages"}, {float64(u.LagBytes), s.doc.lagBytes, "bytes"}, {u.LagSeconds, s.doc.lagSeconds, "s"}} {
				if one.bound > 0 && one.is > one.bound/2 {
					say(fmt.Sprintf("%s is %.0f %s behind; the bound is %.0f", u.Name, one.is, one.of, one.bound))
					return
				}
			}
		}),
	}
}

func rpoRule() Rule {
	return Rule{
		ID: "lag-over-rpo", Severity: Error, Title: "A copy is further behind than the RPO", Needs: []need{needGroups, needDocuments},
		Fix: "A failover now would lose more than was declared. See whether the line or {peer} is slow, and let lagSeconds of {group} be below its RPO, so that writes wait instead.",
		check: owns(func(_ *estate, g *group, s *side, u *Unit, say say) {
			if s.doc != nil && s.doc.rpo != nil && *s.doc.rpo > 0 && u.LagSeconds > *s.doc.rpo {
				say(fmt.Sprintf("%s is %.1f s behind; the RPO of %s is %s", u.Name, u.LagSeconds, g.name, seconds(s.doc.rpo)))
			}
		}),
	}
}
