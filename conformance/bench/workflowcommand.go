package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Workflow is `workflow`, to be put under `weir bench`.
func Workflow() *cobra.Command {
	var (
		o      WorkflowOptions
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "workflow",
		Short: "measure workflows on a server of this binary, beside Temporal and Node-RED",
		Long: `Starts this binary as a server of its own in a temporary directory and measures
workflows, each asked for by a request and answered by its Response: runs of five
actions that call an HTTP server in this process, actions that call nobody (Compose and
variables, a hundred a run), a Foreach that appends to a variable, requests that are
answered at once, and runs that wait: their memory, and how long the server takes to be
back after a kill. All is durable when it counts. Figures are medians of the rounds.

Each round does the same with the peers that are there: Temporal's own server on a
synced SQLite file with a worker beside it, which is durable too, and Node-RED, which
keeps nothing. How to get them:

  GOMAXPROCS=1 go build -C conformance/bench/temporal -o /tmp/temporal-peer .
  cp -r conformance/bench/nodered /tmp/node-red && npm install --prefix /tmp/node-red

  weir bench workflow --temporal /tmp/temporal-peer --node-red /tmp/node-red`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			o.Binary = binary
			o.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			r, err := RunWorkflow(cmd.Context(), o)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), asJSON)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Rounds, "rounds", 3, "rounds to take the median of")
	f.IntVar(&o.Runs, "runs", 3000, "runs of five calls, each round")
	f.IntVar(&o.InFlight, "in-flight", 64, "runs at a time")
	f.IntVar(&o.Actions, "actions", 50_000, "actions that call nobody, each round")
	f.IntVar(&o.Items, "items", 5000, "items of the Foreach")
	f.IntVar(&o.Asks, "asks", 1000, "requests that are answered at once, one after the other")
	f.IntVar(&o.Waiting, "waiting", 100_000, "runs that wait while the server is killed (0: leave that out)")
	f.StringVar(&o.Temporal, "temporal", "", "the peer that was built from conformance/bench/temporal (default: leave it out)")
	f.StringVar(&o.NodeRED, "node-red", "", "the folder where Node-RED was installed (default: leave it out)")
	f.StringVar(&o.Dir, "dir", "", "where data goes (default: a temporary directory)")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return cmd
}

// print writes the result as JSON or as a table for people.
func (r *WorkflowResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\truns/s\tp50 ms\tp99 ms\tactions/s\tanswer p50 ms\tp99 ms\tkeeps\t")
	line := func(name string, f PeerFigures) {
		fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t%s\t\n", name, f.RunsPerS, f.RunP50Ms, f.RunP99Ms, f.ActionsPerS, f.AnswerP50Ms, f.AnswerP99Ms, f.Keeps)
	}
	line("weir", PeerFigures{"its journal, synced", r.RunsPerS, r.RunP50Ms, r.RunP99Ms, r.ActionsPerS, r.AnswerP50Ms, r.AnswerP99Ms})
	for _, name := range slices.Sorted(maps.Keys(r.Peers)) {
		line(name, r.Peers[name].PeerFigures)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, name := range slices.Sorted(maps.Keys(r.Peers)) {
		p := r.Peers[name]
		fmt.Fprintf(w, "weir to %s: %.2f of its runs/s", name, ratio(r.RunsPerS, p.RunsPerS))
		if p.ActionsPerS > 0 {
			fmt.Fprintf(w, ", %.1f of its actions/s", ratio(r.ActionsPerS, p.ActionsPerS))
		}
		fmt.Fprintf(w, ", %.2f of its answering time\n", ratio(r.AnswerP50Ms, p.AnswerP50Ms))
	}
	for _, name := range slices.Sorted(maps.Keys(r.LeftOut)) {
		fmt.Fprintf(w, "%s was left out: %s\n", name, r.LeftOut[name])
	}
	fmt.Fprintf(w, "a Foreach over %d items that appends to a variable: %.2f s\n", r.Items, r.ForeachS)
	fmt.Fprintf(w, "processor time of the server: %.0f µs a run of five calls, %.1f µs an action that calls nobody\n", r.CPUPerRun, r.CPUPerStep)
	if m := r.Waiting; m != nil {
		fmt.Fprintf(w, "%d runs that wait: started %.0f/s, %.0f bytes of heap in use each with what is cached, %.0f after a restart; %.0f and %.0f of resident memory; answering again %.2f s after a kill\n",
			m.Runs, m.StartedPer, m.LivePerRun, m.LiveThen, m.PerRun, m.PerRunThen, m.RestartS)
	}
	fmt.Fprintf(w, "medians of %d rounds; %d runs and %d actions a round, %d in flight; raw journal %.0f messages of 1 KiB a second\n",
		r.Rounds, r.Runs, r.Actions, r.InFlight, r.RawJournalPerS)
	return nil
}
