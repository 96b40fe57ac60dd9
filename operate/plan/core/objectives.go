package core

import (
	"fmt"
)

// What an automatic failover takes at least: probes, one a second, and the vote's time-out.
const (
	probeSeconds = 1
	voteSeconds  = 5
)

// manualSeconds is the RTO below which nobody promotes by hand in time.
const manualSeconds = 300

// objectiveRules hold how a group is declared against what is wanted of it.
func objectiveRules() []Rule {
	return []Rule{
		{
			ID: "objectives-missing", Severity: Warning, Title: "A group has no RTO or RPO", Needs: []need{needDocuments},
			Fix: "Declare rtoSeconds and rpoSeconds of {group} in both locations (\"weir deploy FILE\"): a failover is judged by what was wanted before it.",
			check: wanted(func(g *group, d *declaration, say say) {
				switch {
				case d.rto == nil && d.rpo == nil:
					say(fmt.Sprintf("the group %s has neither RTO nor RPO", g.name))
				case d.rto == nil:
					say(fmt.Sprintf("the group %s has no RTO", g.name))
				case d.rpo == nil:
					say(fmt.Sprintf("the group %s has no RPO", g.name))
				}
			}),
		}, {
			ID: "automatic-off", Severity: Warning, Title: "A short RTO, and nothing takes over by itself", Needs: []need{needDocuments},
			Fix: "Set automatic: true of {group} in both locations (it needs a witness), or declare an RTO that a person can keep: \"weir deploy FILE\".",
			check: wanted(func(g *group, d *declaration, say say) {
				if d.rto != nil && *d.rto < manualSeconds && !d.automatic {
					say(fmt.Sprintf("the RTO of %s is %s, and somebody has to type \"weir failover %s\"", g.name, seconds(d.rto), g.name))
				}
			}),
		}, {
			ID: "detection-over-rto", Severity: Error, Title: "Noticing the loss takes longer than the RTO", Needs: []need{needDocuments},
			Fix: "Lower failedProbes of {group} or raise rtoSeconds, in both locations: \"weir deploy FILE\".",
			check: wanted(func(g *group, d *declaration, say say) {
				if takes := d.failedProbes*probeSeconds + voteSeconds; d.rto != nil && d.automatic && takes > *d.rto {
					say(fmt.Sprintf("%.0f probes and the vote take %.0f s; the RTO of %s is %s", d.failedProbes, takes, g.name, seconds(d.rto)))
				}
			}),
		}, {
			ID: "rpo-zero-async", Severity: Error, Title: "Nothing may be lost, and the mode is async", Needs: []need{needDocuments},
			Fix: "Set mode: sync of {group} in both locations, or an RPO above 0: in async mode what was not sent is lost with the primary. \"weir deploy FILE\".",
			check: wanted(func(g *group, d *declaration, say say) {
				if d.rpo != nil && *d.rpo == 0 && d.mode != "sync" {
					say(fmt.Sprintf("the RPO of %s is 0 and its mode is %s", g.name, d.mode))
				}
			}),
		}, {
			ID: "rpo-zero-degrade", Severity: Warning, Title: "Nothing may be lost, and sync mode degrades", Needs: []need{needDocuments},
			Fix: "Set whenAway: stop of {group} in both locations, or accept that a primary that goes on alone and is then lost loses what it acknowledged: \"weir deploy FILE\".",
			check: wanted(func(g *group, d *declaration, say say) {
				if d.rpo != nil && *d.rpo == 0 && d.mode == "sync" && d.whenAway == "degrade" {
					say(fmt.Sprintf("the RPO of %s is 0, and without the secondary it goes on alone after 3 s", g.name))
				}
			}),
		}, {
			ID: "bound-over-rpo", Severity: Error, Title: "The copy may be further behind than the RPO", Needs: []need{needDocuments},
			Fix: "Set lagSeconds of {group} to at most its RPO, in both locations: \"weir deploy FILE\".",
			check: wanted(func(g *group, d *declaration, say say) {
				if d.rpo == nil || *d.rpo == 0 || d.mode == "sync" {
					return
				}
				switch {
				case d.lagSeconds == 0:
					say(fmt.Sprintf("the lag of %s is not bounded in time (lagSeconds: 0), and its RPO is %s", g.name, seconds(d.rpo)))
				case d.lagSeconds > *d.rpo:
					say(fmt.Sprintf("the copy of %s may be %.0f s behind (lagSeconds), and its RPO is %s", g.name, d.lagSeconds, seconds(d.rpo)))
				}
			}),
		}, {
			ID: "stop-on-one-node", Severity: Warning, Title: "Sync mode stops when one node of the secondary is away", Needs: []need{needDocuments, needNodes, needGroups},
			Fix: "Give {location} three nodes, or set whenAway: degrade of {group}: with stop, nothing is acknowledged while its one node restarts.",
			check: of(func(_ *estate, g *group, say say) {
				d, p := g.declaration(), g.primary()
				if d == nil || p == nil || d.mode != "sync" || d.whenAway == "degrade" {
					return
				}
				for _, s := range g.others(p) {
					if len(s.place.knownNodes()) == 1 {
						say(fmt.Sprintf("%s has one node, and without it nothing of %s is acknowledged", s.place.Name, g.name), "location", s.place.Name)
					}
				}
			}),
		}, {
			ID: "change-over-rto", Severity: Warning, Title: "The last change took longer than the RTO", Needs: []need{needGroups, needDocuments},
			Fix: "\"weir group show {group} --json\" has the steps of the change with their times; \"weir drill {group}\" measures it again.",
			check: of(func(_ *estate, g *group, say say) {
				d, p := g.declaration(), g.primary()
				if d == nil || p == nil || d.rto == nil || p.status.LastChange == nil {
					return
				}
				if c := p.status.LastChange; c.Seconds > *d.rto {
					say(fmt.Sprintf("the last change of %s (%s to %s) took %.1f s; its RTO is %s", g.name, c.Kind, c.To, c.Seconds, seconds(d.rto)))
				}
			}),
		},
	}
}

// wanted has a rule look at how each group is declared.
func wanted(look func(g *group, d *declaration, say say)) func(*estate) []Finding {
	return of(func(_ *estate, g *group, say say) {
		if d := g.declaration(); d != nil {
			look(g, d, say)
		}
	})
}
