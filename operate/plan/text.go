package plan

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"weir/operate/plan/core"
)

// Text writes a report for a terminal.
func Text(out io.Writer, r *core.Report) error {
	p := &page{out: out}
	p.line("plan of %s", r.At.Local().Format("2006-01-02 15:04:05"))
	p.locations(r.Locations)
	p.groups(r.Groups)
	p.workflows(r.Workflows)
	for i := range r.Flows {
		p.flow(&r.Flows[i])
	}
	p.findings(r.Findings)
	p.unjudged(r.Unjudged)
	p.line("\nnot to be seen from here")
	for _, one := range r.Unseen {
		p.line("  %s", one)
	}
	p.line("\n%s, %s, %s", plural(r.Count(core.Error), "error"), plural(r.Count(core.Warning), "warning"), plural(r.Count(core.Info), "info"))
	return p.err
}

// page writes until a write fails.
type page struct {
	out io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// table writes rows of cells in columns, below a line between it and what was before.
func (p *page) table(rows ...[]string) {
	if p.err != nil {
		return
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	p.err = t.Flush() // writes to memory
	for line := range strings.Lines(text.String()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
}

func (p *page) locations(all []core.PlaceLine) {
	rows := [][]string{{"LOCATION", "NODES", "VERSION", "CLOCK HERE", "CERTIFICATE UNTIL", "STATE"}}
	for _, l := range all {
		clock, state := "-", "answers"
		if l.AheadSeconds != nil {
			clock = fmt.Sprintf("%+.1f s", *l.AheadSeconds)
		}
		if l.Err != "" {
			state = "away: " + l.Err
		}
		rows = append(rows, []string{l.Name, fmt.Sprint(len(l.Nodes)), dash(l.Version), clock, dash(l.CertUntil), state})
	}
	p.line("")
	p.table(rows...)
}

func (p *page) groups(all []core.GroupLine) {
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"GROUP", "PRIMARY", "SECONDARY", "MODE", "WITNESSES", "RTO", "RPO", "LAG NOW", "LAST CHANGE", "LAST DRILL"}}
	for _, g := range all {
		mode, lag, change := g.Mode, "-", "-"
		if g.Automatic {
			mode += ", automatic"
		}
		if l := g.Lag; l != nil {
			lag = fmt.Sprintf("%.1f s, %d messages", l.Seconds, l.Messages)
		}
		if c := g.LastChange; c != nil {
			change = fmt.Sprintf("%s to %s %s, %.2f s", c.Kind, c.To, c.At.UTC().Format(time.DateOnly), c.Seconds)
		}
		rows = append(rows, []string{
			g.Name, dash(g.Primary), dash(strings.Join(g.Secondary, ", ")), dash(mode), fmt.Sprint(g.Witnesses), objective(g.RTODeclared), objective(g.RPODeclared), lag, change, drilled(g.LastDrill),
		})
	}
	p.line("")
	p.table(rows...)
}

// workflowsShown bounds the table; JSON has them all.
const workflowsShown = 50

func (p *page) workflows(all []core.WorkflowLine) {
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"WORKFLOW", "GROUP", "STARTED BY", "ROLE", "ACTIVE", "STANDS BY", "WHEN IT MOVES"}}
	for _, w := range all[:min(len(all), workflowsShown)] {
		role := w.Role
		if w.Share != "" {
			role = strings.TrimPrefix(role+", share "+w.Share, ", ")
		}
		rows = append(rows, []string{w.Name, dash(w.Group), dash(w.Source), dash(role), dash(w.Active), dash(w.Standby), w.Moved})
	}
	p.line("")
	p.table(rows...)
	if more := len(all) - workflowsShown; more > 0 {
		p.line("  and %s more (--json has them all)", plural(more, "workflow"))
	}
}

func drilled(m *core.Measured) string {
	if m == nil {
		return "-"
	}
	text := fmt.Sprintf("%s %.1f days ago: %.2f s, %d missing", m.Kind, m.DaysAgo, m.RTOSeconds, m.RPOMessages)
	if !m.Held {
		text += ", NOT everything held"
	}
	return text
}

func objective(n *float64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%g s", *n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (p *page) flow(f *core.FlowReport) {
	p.line("\nflow %s", f.Name)
	strategy := dash(f.Strategy)
	if f.Criticality != "" {
		strategy += ", " + f.Criticality
	}
	reviewed := "never reviewed"
	if f.Reviewed != "" {
		reviewed = "reviewed " + f.Reviewed + ", again by " + f.ReviewDue
	}
	p.line("  strategy %s; %s", strategy, reviewed)
	if f.Group != "" {
		p.line("  group %s: primary %s, secondary %s", f.Group, dash(f.Primary), dash(strings.Join(f.Secondary, ", ")))
	} else {
		p.line("  in no group")
	}
	rto, rpo := "-", "-"
	if f.LastLoss != nil {
		rto = drilled(f.LastLoss)
	} else if f.LastDrill != nil {
		rto = "no loss; " + drilled(f.LastDrill)
	}
	if m := f.RPO.Measured; m != nil {
		rpo = fmt.Sprintf("%.1f s behind now", *m)
	}
	p.table([]string{"  ", "WANTED", "DECLARED", "MEASURED"},
		[]string{"  RTO", objective(f.RTO.Wanted), objective(f.RTO.Declared), rto},
		[]string{"  RPO", objective(f.RPO.Wanted), objective(f.RPO.Declared), rpo})
	p.availability(f)
	if len(f.Single) > 0 {
		p.line("  single points:")
		for _, one := range f.Single {
			p.line("    %s", one)
		}
	}
}

func (p *page) availability(f *core.FlowReport) {
	a := f.Available
	if a == nil {
		return
	}
	if a.Err != "" {
		p.line("  availability is not computed: %s", a.Err)
		return
	}
	shared := "nothing is declared common"
	if len(a.Common) > 0 {
		shared = strings.Join(a.Common, ", ")
	}
	one, two, counts := "", "  <- this flow", a.TwoShared
	if a.Counts == "oneLocationShared" {
		one, two, counts = two, one, a.OneShared
	}
	p.table([]string{"  AVAILABILITY", "IF ALL FAILED INDEPENDENTLY", "WITH WHAT IS SHARED: " + shared},
		[]string{"  one location", spoken(a.OneIndependent), spoken(a.OneShared) + one},
		[]string{"  two locations", spoken(a.TwoIndependent), spoken(a.TwoShared) + two})
	p.line("  expected downtime %s a year%s", lasting(counts.HoursAYear*3600), cost(f, counts))
	if f.Target > 0 {
		p.line("  wanted %v %%", f.Target)
	}
	for _, one := range f.Figures {
		if !strings.HasSuffix(one, ": declared") {
			p.line("  %s", one)
		}
	}
	p.line("  assumed:")
	for _, one := range a.Assumption {
		p.line("    %s", one)
	}
}

func cost(f *core.FlowReport, of core.Figure) string {
	if f.CostPerHour == 0 {
		return ""
	}
	return fmt.Sprintf(", about %s %s at %s %s an hour", f.Currency, thousands(of.CostAYear), f.Currency, thousands(f.CostPerHour))
}

// thousands writes an amount that people can read.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(n))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// spoken writes an availability with as many digits as say something.
func spoken(f core.Figure) string {
	digits := 4
	if off := 100 - f.Percent; off > 0 {
		digits = min(9, max(4, 2-int(math.Floor(math.Log10(off)))))
	}
	return fmt.Sprintf("%.*f %%, %s a week", digits, f.Percent, lasting(f.SecondsAWeek))
}

func lasting(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.2f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.2f min", seconds/60)
	}
	return fmt.Sprintf("%.2f h", seconds/3600)
}

func (p *page) findings(all []core.Finding) {
	if len(all) == 0 {
		p.line("\nno rule of readiness is broken, of those that could be judged")
		return
	}
	p.line("\nfindings")
	for _, f := range all {
		p.line("%-7s  %s (%s)", strings.ToUpper(string(f.Severity)), f.What, f.Rule)
		p.line("         do: %s", f.Fix)
	}
}

func (p *page) unjudged(all []core.Unjudged) {
	if len(all) > 0 {
		p.line("\nnot judged, or not everywhere")
	}
	for _, u := range all {
		names := strings.Join(u.Rules, ", ")
		if len(u.Rules) > 6 {
			names = strings.Join(u.Rules[:6], ", ") + fmt.Sprintf(" and %d more", len(u.Rules)-6)
		}
		p.line("  %s\n    %s", u.Why, names)
	}
}

// listRules writes the table of rules.
func (f *flags) listRules(out io.Writer) error {
	all := core.Rules()
	if f.json {
		return writeJSON(out, all)
	}
	p := &page{out: out}
	rows := [][]string{{"RULE", "SEVERITY", "FOUND WHEN", "NEEDS"}}
	for _, r := range all {
		var needs []string
		for _, n := range r.Needs {
			needs = append(needs, n.Text())
		}
		rows = append(rows, []string{r.ID, string(r.Severity), r.Title, dash(strings.Join(needs, "; "))})
	}
	p.table(rows...)
	return p.err
}
