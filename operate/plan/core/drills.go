package core

import (
	"fmt"
	"time"
)

// drillEvery is how often a group should be drilled.
const drillEvery = 7 * 24 * time.Hour

// drillRules are about the evidence that a group can do what is declared.
func drillRules() []Rule {
	evidence := []need{needDrills}
	const again = "\"weir drill {group} --kind {kind}\""
	return []Rule{
		{
			ID: "drill-missing", Severity: Warning, Title: "A group was never drilled", Needs: evidence,
			Fix: "\"weir drill {group} --kind switch\" rehearses a change of location and brings the group home; --out is where its record goes.",
			check: of(func(e *estate, g *group, say say) {
				if e.Drills.Given && len(e.drills(g.name)) == 0 {
					say(fmt.Sprintf("there is no record of a drill of %s", g.name))
				}
			}),
		}, {
			ID: "drill-old", Severity: Warning, Title: "The last drill was long ago", Needs: evidence,
			Fix: "\"weir drill {group}\" again, from a timer best: what was measured then was another program, network and load.",
			check: newest(func(e *estate, g *group, d Drill, say say) {
				if age := e.now.Sub(d.At); age > drillEvery {
					say(fmt.Sprintf("the last drill of %s (%s) was %.0f days ago", g.name, d.Kind, age.Hours()/24))
				}
			}),
		}, {
			ID: "drill-planned-only", Severity: Warning, Title: "Only planned switches of a group were drilled", Needs: evidence,
			Fix: "\"weir drill {group} --kind isolation\" rehearses the loss of the primary: detection, the vote, and what async mode leaves behind are not in a planned switch.",
			check: of(func(e *estate, g *group, say say) {
				if e.lastDrill(g.name, anyDrill) != nil && e.lastDrill(g.name, ofLoss) == nil {
					say(fmt.Sprintf("there is no record of a drill of %s in which the primary was lost", g.name))
				}
			}),
		}, {
			ID: "drill-broken", Severity: Error, Title: "In the last drill something did not hold", Needs: evidence,
			Fix: "The report beside {file} shows when it happened. Repair it and drill again: " + again + ".",
			check: newestOfEach(func(_ *estate, g *group, d Drill, say say) {
				if len(d.Broken) > 0 {
					say(fmt.Sprintf("the last drill of %s (%s): %s", g.name, d.Kind, list(d.Broken)), "file", d.File, "kind", d.Kind)
				}
			}),
		}, {
			ID: "drill-over-rto", Severity: Error, Title: "The last drill took longer than the RTO", Needs: evidence,
			Fix: "The report beside {file} shows where the time went. Make it faster, or declare an RTO of {group} that is kept; then again: " + again + ".",
			check: newestOfEach(func(_ *estate, g *group, d Drill, say say) {
				if c := g.declaration(); c != nil && c.rto != nil && d.RTOSeconds > *c.rto {
					say(fmt.Sprintf("clients of %s waited %.1f s in the last drill (%s); the RTO is %s", g.name, d.RTOSeconds, d.Kind, seconds(c.rto)), "file", d.File, "kind", d.Kind)
				}
			}),
		}, {
			ID: "drill-lost", Severity: Error, Title: "The last drill lost what may not be lost", Needs: evidence,
			Fix: "The report beside {file} counts it. With an RPO of 0 the mode of {group} must be sync and whenAway stop; drill again: " + again + ".",
			check: newestOfEach(func(_ *estate, g *group, d Drill, say say) {
				c, p := g.declaration(), g.primary()
				otherwise := p != nil && d.Config != "" && p.status.Config != d.Config // it may have been async then
				zero := c != nil && !otherwise && (c.rpo != nil && *c.rpo == 0 || c.mode == "sync" && c.whenAway != "degrade")
				switch {
				case zero && d.RPOMessages > 0:
					say(fmt.Sprintf("%d acknowledged orders were missing after the failover in the last drill of %s (%s)", d.RPOMessages, g.name, d.Kind), "file", d.File, "kind", d.Kind)
				case d.LostAfterward > 0:
					say(fmt.Sprintf("%d orders were lost for good in the last drill of %s (%s)", d.LostAfterward, g.name, d.Kind), "file", d.File, "kind", d.Kind)
				}
			}),
		}, {
			ID: "drill-config", Severity: Warning, Title: "A group is declared otherwise than when it was drilled", Needs: []need{needDrills, needGroups},
			Fix: "\"weir drill {group}\" again: what was measured holds for what was declared then.",
			check: newest(func(_ *estate, g *group, d Drill, say say) {
				if p := g.primary(); p != nil && d.Config != "" && p.status.Config != "" && d.Config != p.status.Config {
					say(fmt.Sprintf("the group %s is declared otherwise than in the last drill", g.name))
				}
			}),
		}, {
			ID: "evidence-changed", Severity: Error, Title: "A record of a drill can not be believed", Needs: evidence,
			Fix: "\"weir drill verify {file}\" says why. Take the record out, and find out who changed it.",
			check: func(e *estate) (all []Finding) {
				for _, b := range e.Drills.Bad {
					all = append(all, found(b.Why, "file", b.File))
				}
				return all
			},
		}, {
			ID: "evidence-unsigned", Severity: Info, Title: "The last drill of a group is not signed", Needs: evidence,
			Fix: "Records that \"weir drill {group}\" writes are signed; {file} is not, and anybody may have written it.",
			check: newest(func(_ *estate, g *group, d Drill, say say) {
				if d.Signer == "" {
					say(fmt.Sprintf("the record of the last drill of %s is not signed", g.name), "file", d.File)
				}
			}),
		},
	}
}

// newest has a rule look at the last drill of each group.
func newest(look func(e *estate, g *group, d Drill, say say)) func(*estate) []Finding {
	return of(func(e *estate, g *group, say say) {
		if all := e.drills(g.name); len(all) > 0 {
			look(e, g, all[0], say)
		}
	})
}

// newestOfEach has a rule look at the last drill of each kind of each group: a planned
// switch that went well says nothing about a loss that did not.
func newestOfEach(look func(e *estate, g *group, d Drill, say say)) func(*estate) []Finding {
	return of(func(e *estate, g *group, say say) {
		seen := map[string]bool{}
		for _, d := range e.drills(g.name) {
			if !seen[d.Kind] {
				look(e, g, d, say)
			}
			seen[d.Kind] = true
		}
	})
}
