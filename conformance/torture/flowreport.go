package torture

import (
	"fmt"
	"io"
	"text/tabwriter"

	"weir/conformance/torture/ledger"
)

// findingsShown bounds how many findings a report for people has.
const findingsShown = 20

// printWorkflows writes what came of the workflows.
func (r *Report) printWorkflows(w io.Writer) error {
	v := r.Workflows
	if v == nil {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workflow\tasked for\taccepted\truns\tended\tcalls\tfailed\trepeated\tof these late\tmissed\t")
	for _, f := range v.Workflows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", f.Workflow, f.Asked, f.Accepted, f.Runs, f.Ended, f.Calls, f.Failed, f.Repeated, f.Late, f.Missed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if v.MissedMost > 0 {
		fmt.Fprintf(w, "at most %d recurrences in a row were missed\n", v.MissedMost)
	}
	fmt.Fprintln(w)
	for _, kind := range ledger.FlowKinds {
		fmt.Fprintf(w, "%8d  %s\n", v.Counts[kind], kind)
	}
	for i, f := range v.Findings {
		if i == findingsShown {
			fmt.Fprintf(w, "and %d more\n", len(v.Findings)-i)
			break
		}
		fmt.Fprintf(w, "%s: %s %s: %s\n", f.Kind, f.Place, f.ID, f.Detail)
	}
	fmt.Fprintln(w)
	return nil
}
