package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"weir/internal/groups"
)

// Finding is something that is not ready.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	About    string   `json:"about"` // group, location or flow
	What     string   `json:"what"`
	Fix      string   `json:"fix"`
}

// GroupReport is what there is to say of a group.
type GroupReport struct {
	Name         string            `json:"name"`
	Roles        map[string]string `json:"roles"` // by location
	Mode         string            `json:"mode"`
	RTODeclared  int64             `json:"rtoDeclaredSeconds,omitempty"`
	RPODeclared  int64             `json:"rpoDeclaredSeconds,omitempty"`
	LagSeconds   float64           `json:"lagSeconds"`
	LagMessages  uint64            `json:"lagMessages"`
	LastChange   *groups.Change    `json:"lastChange,omitempty"`
	LastEvidence *Evidence         `json:"lastEvidence,omitempty"`
}

// FlowReport is what there is to say of a flow.
type FlowReport struct {
	Name         string       `json:"name"`
	Strategy     string       `json:"strategy"`
	Availability Availability `json:"availability"`
	CostOne      float64      `json:"costOneLocation,omitempty"` // a year
	CostTwo      float64      `json:"costTwoLocations,omitempty"`
	Alone        []string     `json:"singlePointsOfFailure,omitempty"`
}

// Report is all of it.
type Report struct {
	At       time.Time     `json:"at"`
	Groups   []GroupReport `json:"groups"`
	Flows    []FlowReport  `json:"flows"`
	Currency string        `json:"currency,omitempty"`
	Findings []Finding     `json:"findings"`
	Rules    int           `json:"rules"` // that were asked
}

// Make judges facts.
func Make(f Facts) Report {
	r := Report{At: f.Now, Groups: []GroupReport{}, Flows: []FlowReport{}, Findings: []Finding{}, Currency: f.Estate.Currency, Rules: len(Rules)}
	for _, name := range f.names() {
		r.Groups = append(r.Groups, f.groupReport(name))
	}
	for _, flow := range f.Estate.Flows {
		r.Flows = append(r.Flows, flowReport(flow))
	}
	for _, rule := range Rules {
		for _, x := range rule.Check(&f) {
			x.Rule, x.Severity = rule.ID, rule.Severity
			if x.Fix == "" {
				x.Fix = rule.Fix
			}
			r.Findings = append(r.Findings, x)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return order(a.Severity) - order(b.Severity) })
	return r
}

// Worst is the worst severity of the findings; empty: there are none.
func (r *Report) Worst() Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}

func (f *Facts) groupReport(name string) GroupReport {
	r := GroupReport{Name: name, Roles: map[string]string{}}
	for i := range f.Locations {
		l := &f.Locations[i]
		g := l.group(name)
		if g == nil {
			r.Roles[l.Name] = "unknown"
			continue
		}
		r.Roles[l.Name] = g.Standing
		if g.Standing != groups.Primary && r.Mode != "" {
			continue
		}
		r.Mode, r.RTODeclared, r.RPODeclared, r.LastChange = g.Mode, g.RTOSeconds, g.RPOSeconds, g.LastChange
		for _, u := range g.Units {
			r.LagSeconds, r.LagMessages = max(r.LagSeconds, u.LagSeconds), max(r.LagMessages, u.LagMessages)
		}
	}
	r.LastEvidence = f.newest(name)
	return r
}

// newest is the newest evidence of a group that is believed.
func (f *Facts) newest(group string) *Evidence {
	var last *Evidence
	for i := range f.Evidence {
		e := &f.Evidence[i]
		if e.Err == "" && e.Group == group && (last == nil || e.At.After(last.At)) {
			last = e
		}
	}
	return last
}

func flowReport(f Flow) FlowReport {
	r := FlowReport{Name: f.Name, Strategy: f.Strategy, Availability: Compute(f.Components)}
	if f.CostPerHour > 0 {
		r.CostOne, r.CostTwo = Cost(r.Availability.One, f.CostPerHour), Cost(r.Availability.Two, f.CostPerHour)
	}
	for _, c := range f.Components {
		if c.Where != Each {
			r.Alone = append(r.Alone, c.Name)
		}
	}
	return r
}

// Text writes a report for people.
func (r *Report) Text(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tROLES\tMODE\tRPO DECLARED\tLAG NOW\tRTO DECLARED\tLAST MEASURED")
	for _, g := range r.Groups {
		roles := make([]string, 0, len(g.Roles))
		for _, at := range sortedKeys(g.Roles) {
			roles = append(roles, at+" "+g.Roles[at])
		}
		measured := "never"
		if e := g.LastEvidence; e != nil {
			measured = fmt.Sprintf("%.1f s, %d messages (%s, %s)", e.RTOSeconds, e.RPOMessages, e.Kind, e.At.Local().Format("2006-01-02"))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.1f s, %d messages\t%s\t%s\n", g.Name, strings.Join(roles, ", "), g.Mode, seconds(g.RPODeclared), g.LagSeconds, g.LagMessages, seconds(g.RTODeclared), measured)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.flowsText(out)
	fmt.Fprintln(out)
	if len(r.Findings) == 0 {
		fmt.Fprintf(out, "%d rules were asked, and found nothing.\n", r.Rules)
		return nil
	}
	for _, x := range r.Findings {
		fmt.Fprintf(out, "%-7s  %s: %s\n         %s  [%s]\n", x.Severity, x.About, x.What, x.Fix, x.Rule)
	}
	fmt.Fprintf(out, "\n%d findings of %d rules.\n", len(r.Findings), r.Rules)
	return nil
}

func (r *Report) flowsText(out io.Writer) {
	for _, f := range r.Flows {
		a := f.Availability
		fmt.Fprintf(out, "\nflow %s (%s)\n", f.Name, f.Strategy)
		fmt.Fprintf(out, "  in one location            %.4f %%, down %s a week\n", 100*a.One, short(Downtime(a.One, week)))
		fmt.Fprintf(out, "  in two, all independent    %.6f %%, down %s a week: nothing in common, which is never so\n", 100*a.Independent, short(Downtime(a.Independent, week)))
		fmt.Fprintf(out, "  in two, with what is alone %.4f %%, down %s a week\n", 100*a.Two, short(Downtime(a.Two, week)))
		if f.CostOne > 0 {
			fmt.Fprintf(out, "  expected cost a year       %.0f %s in one location, %.0f in two\n", f.CostOne, r.Currency, f.CostTwo)
		}
		if len(f.Alone) > 0 {
			fmt.Fprintf(out, "  single points of failure   %s\n", strings.Join(f.Alone, ", "))
		}
	}
}

func seconds(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d s", n)
}

// short writes a time in the unit that suits it.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%.1f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
