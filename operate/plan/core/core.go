// Package core judges whether an estate of two locations is ready to lose one of them:
// what was seen of it goes in, and a report comes out.
//
// It is pure: facts, flows and the time are arguments, and the same facts give the same
// report.
//
// Promises:
//
//  1. What was not seen is not judged: a location that does not answer is one finding,
//     not one for each thing it did not say; and the report lists the rules that could
//     not be held against everything, and why.
//  2. Every finding comes with a sentence that says what to do, and with the command.
//  3. An availability is always shown twice: as if nothing was shared, which it never
//     is, and with the components that are.
//
// It refuses to score: there is no number for readiness, only what is wrong.
package core

import (
	"slices"
	"strings"
	"time"
)

// Schema is the version of reports.
const Schema = "weir.plan/1"

// Severity is how bad a finding is.
type Severity string

// The severities: an error means that a failover fails, loses more than was declared, or
// takes longer; a warning, that it may; an info is good to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Info}, s) }

// Rule is one thing that should be so.
type Rule struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // what is wrong when it is found
	Needs    []need   `json:"needs,omitempty"`
	// Fix says what to do; {group}, {location} and the like stand for what a finding is about.
	Fix   string `json:"fix"`
	check func(*estate) []Finding
}

// Finding is one place where a rule does not hold.
type Finding struct {
	Rule     string            `json:"rule"`
	Severity Severity          `json:"severity"`
	What     string            `json:"what"`
	Fix      string            `json:"fix"`
	About    map[string]string `json:"about,omitempty"` // group, location, unit, flow, ...
}

// found makes a finding; about are names and values in turn.
func found(what string, about ...string) Finding {
	f := Finding{What: what, About: map[string]string{}}
	for i := 0; i+1 < len(about); i += 2 {
		if about[i+1] != "" {
			f.About[about[i]] = about[i+1]
		}
	}
	return f
}

// Unjudged are rules that could not be held against everything.
type Unjudged struct {
	Why   string   `json:"why"`
	Rules []string `json:"rules"`
}

// Report is what there is to say.
type Report struct {
	Schema    string         `json:"schema"`
	At        time.Time      `json:"at"`
	Locations []PlaceLine    `json:"locations"`
	Groups    []GroupLine    `json:"groups"`
	Workflows []WorkflowLine `json:"workflows"`
	Flows     []FlowReport   `json:"flows"`
	Findings  []Finding      `json:"findings"`
	Unjudged  []Unjudged     `json:"unjudged"`
	// Unseen is what no rule can know, because no location says it.
	Unseen []string `json:"unseen"`
}

// unseen is said whatever was found: a report without a finding is not yet readiness.
var unseen = []string{
	"memory, disk and throughput of the secondary: servers do not say what they have left; after a failover it carries the whole load (\"weir bench\" measures a machine)",
	"whether the secrets of pairings and witnesses are the same on both sides: nobody shows them; a link that is refused is all there is to see",
	"whether outside systems, firewalls and people let clients of the other location in: only a drill shows that",
}

// Count is how many findings there are of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Judge holds all rules against what was seen.
func Judge(now time.Time, f Facts) *Report {
	e := newEstate(now, f)
	r := &Report{
		Schema: Schema, At: now.UTC(), Locations: []PlaceLine{}, Groups: []GroupLine{}, Workflows: []WorkflowLine{}, Flows: []FlowReport{},
		Findings: []Finding{}, Unjudged: []Unjudged{}, Unseen: unseen,
	}
	for i := range f.Places {
		r.Locations = append(r.Locations, e.placeLine(&e.Places[i]))
	}
	for i := range e.groups {
		r.Groups = append(r.Groups, e.groupLine(&e.groups[i]))
	}
	for _, w := range e.workflows() {
		r.Workflows = append(r.Workflows, e.workflowLine(w))
	}
	for i := range f.Flows {
		r.Flows = append(r.Flows, e.flow(&e.Flows[i]))
	}
	for _, rule := range Rules() {
		for _, x := range rule.check(e) {
			r.Findings = append(r.Findings, e.finish(rule, x))
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
	r.Unjudged = append(r.Unjudged, e.unjudged()...)
	return r
}

// finish fills a finding in from its rule.
func (e *estate) finish(rule Rule, x Finding) Finding {
	x.Rule, x.Severity = rule.ID, rule.Severity
	if p := e.place(x.About["location"]); p != nil && len(p.Admin) > 0 {
		x.About["url"] = p.Admin[0]
	}
	pairs := []string{}
	for _, name := range sortedKeys(x.About) {
		pairs = append(pairs, "{"+name+"}", x.About[name])
	}
	x.Fix = strings.NewReplacer(pairs...).Replace(rule.Fix)
	return x
}

// unjudged gathers what rules lack, by reason.
func (e *estate) unjudged() []Unjudged {
	var all []Unjudged
	for _, rule := range Rules() {
		for _, n := range rule.Needs {
			for _, why := range needs[n].lacks(e) {
				i := slices.IndexFunc(all, func(u Unjudged) bool { return u.Why == why })
				if i < 0 {
					i, all = len(all), append(all, Unjudged{Why: why})
				}
				if !slices.Contains(all[i].Rules, rule.ID) {
					all[i].Rules = append(all[i].Rules, rule.ID)
				}
			}
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
