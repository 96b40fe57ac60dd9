package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/conformance/server"
	"weir/conformance/torture/ledger"
)

// errViolated ends the command with a failure after the table has said why.
var errViolated = errors.New("the server did not keep its word; see the table")

// Command is `bus`, to be put under `weir torture`.
func Command() *cobra.Command {
	o := Options{}
	cmd := command(&o, &cobra.Command{
		Use:   "bus",
		Short: "kill real servers under real Service Bus clients and check what the clients saw",
		Long: `Starts this binary as one server or as three nodes, in directories of its own,
lets clients of the Azure SDK for Go work on queues, sessions, a topic and
schedules, kills the process that owns the namespace with SIGKILL again and
again, drains every queue, and checks the whole history: nothing that was
acknowledged may be missing, nothing that was completed may come again, and
sessions keep their order. It ends with a failure on any other outcome.`,
	})
	cmd.Flags().IntVar(&o.Kills, "kills", 50, "how often the owner is killed")
	return cmd
}

// Workflow is `workflow`, to be put under `weir torture`.
func Workflow() *cobra.Command {
	o := Options{Workflows: true, Alone: true}
	cmd := command(&o, &cobra.Command{
		Use:   "workflow",
		Short: "kill real servers in the middle of workflows and check what the world outside saw",
		Long: `Starts this binary as one server or as three nodes, and has thousands of runs of
workflows go on in it: request and response, loops, timers, webhooks, asynchronous calls,
runs within runs, a polled source with a cursor, a recurrence. What they call stands
outside the process: it fails, drops and delays some calls, and writes each one down with
its key and the number of its attempt. The process that owns the workflows is killed with
SIGKILL again and again. At the end every run must have ended: every accepted request in
exactly one run, every polled item in exactly one, each action carried out once; an
attempt may have been made again only when a process ended between, with the same number
and the same key, and never after what follows it began. It ends with a failure on any
other outcome.`,
	})
	cmd.Flags().IntVar(&o.Kills, "kills", 50, "how often the owner is killed")
	flowFlags(cmd, &o, 20)
	return cmd
}

// flowFlags are those of workflows.
func flowFlags(cmd *cobra.Command, o *Options, rate int) {
	cmd.Flags().IntVar(&o.FlowRate, "runs", rate, "runs a second that are asked for, of each workflow")
}

// Locations is `locations`, to be put under `weir torture`.
func Locations() *cobra.Command {
	o := Options{}
	cmd := command(&o, &cobra.Command{
		Use:   "locations",
		Short: "move a group between two real locations under real clients and check what the clients saw",
		Long: `Starts two locations of one node or of three, and a witness, lets the clients of
"weir torture bus" work on them through one address, and does to them what the world
does: planned switches, SIGKILL and SIGSTOP of the primary, a primary that hears of
nobody, a cut link, a slow link, a dead witness, several changes and promotions at once,
the way home while it catches up, wall clocks that step by up to ten minutes. As root also
full disks; and with --network namespaces lines that are cut one way or lose packets. What
the machine does not allow is left out, and the report says so. A location that
comes back and has something alone is salvaged. With --mode sync nothing acknowledged may
be missing, whatever happens. With --mode async the tail is now brought back and now
given up, and what is missing or comes again must be in the ledgers of the salvages, each
message, and nothing may be in them that nobody did.`,
	})
	cmd.Flags().IntVar(&o.Kills, "failovers", 20, "how often something happens to the pair")
	cmd.Flags().StringVar(&o.Mode, "mode", "sync", "how the locations replicate: sync or async")
	cmd.Flags().StringVar(&o.WhenAway, "when-away", "", "what a sync primary does while the secondary is away: stop or degrade (default: the seed decides)")
	cmd.Flags().StringVar(&o.Network, "network", server.NetworkAuto, "what lies between the locations: namespaces (a network each; as root on Linux), proxy, or auto")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "do only this, by name (see the report); several with commas")
	cmd.Flags().DurationVar(&o.RTT, "rtt", 0, "round trip between the locations")
	cmd.Flags().BoolVar(&o.Workflows, "workflows", false, "have workflows at work as well, those of weir torture workflow (--mode sync)")
	cmd.Flags().BoolVar(&o.Alone, "workflows-alone", false, "have nothing but workflows at work")
	flowFlags(cmd, &o, 5)
	return cmd
}

// command makes a command that tortures and prints the report.
func command(o *Options, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Args, cmd.SilenceUsage = cobra.NoArgs, true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		binary, err := os.Executable()
		if err != nil {
			return err
		}
		o.Binary = binary
		o.Workflows = o.Workflows || o.Alone
		if o.Seed == 0 {
			o.Seed = rand.Uint64()
		}
		began := time.Now()
		o.Say = func(format string, args ...any) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		}
		report, err := Run(cmd.Context(), *o)
		if err != nil {
			return err
		}
		if err := report.print(cmd.OutOrStdout(), asJSON); err != nil {
			return err
		}
		if !report.Good() {
			return errViolated
		}
		return nil
	}
	f := cmd.Flags()
	f.IntVar(&o.Nodes, "nodes", 1, "1 server, or 3 nodes, for each location")
	f.DurationVar(&o.Duration, "duration", 0, "go on with the load at least this long")
	f.Uint64Var(&o.Seed, "seed", 0, "what clients and killer choose (0: by chance)")
	f.IntVar(&o.Rate, "rate", 150, "messages a second and sending client")
	f.StringVar(&o.Dir, "dir", "", "where data and logs go and stay (default: a temporary directory, kept after a failure)")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// print writes the report as JSON or as a table for people.
func (r *Report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Verdict.Places) > 0 {
		fmt.Fprintln(t, "place\tsent\tacknowledged\tdelivered\tsettled\tredelivered\tduplicates\tlost in flight\t")
	}
	for _, p := range r.Verdict.Places {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", p.Place, p.Sent, p.Acknowledged, p.Delivered, p.Settled, p.Redelivered, p.Duplicates, p.LostInFlight)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	c := r.Recovery
	fmt.Fprintf(w, "\n%d outages, %d nodes, seed %d, %.0f s\n", r.Kills, r.Nodes, r.Seed, r.Seconds)
	if c.FlowingMax > 0 {
		fmt.Fprintf(w, "ready after %.2f s (at most %.2f), clients served after %.2f s (at most %.2f)\n", c.ReadyMedian, c.ReadyMax, c.FlowingMedian, c.FlowingMax)
	}
	if r.Lines != "" {
		fmt.Fprintln(w, r.Lines)
	}
	if c.Switches > 0 {
		fmt.Fprintf(w, "%d planned switches, clients served after %.2f s (at most %.2f)\n", c.Switches, c.SwitchedMedian, c.SwitchedMax)
	}
	if c.Takeovers > 0 {
		fmt.Fprintf(w, "%d takeovers, clients served by another node or location after %.2f s (at most %.2f)\n", c.Takeovers, c.TakenMedian, c.TakenMax)
	}
	c.printBlows(w)
	if early := r.Verdict.EarliestMs; early > 0 {
		fmt.Fprintf(w, "a scheduled message came up to %.1f s too soon, by clocks that were set off\n", float64(early)/1000)
	}
	if a := r.Verdict.Accounts; a.Tails > 0 {
		fmt.Fprintf(w, "%d tails with %d messages and %d settlements, at most %d rows; %d came back, %d acknowledged were lost and %d settled came again as their ledgers say\n",
			a.Tails, a.Messages, a.Settlements, a.Largest, a.Back, a.Lost, a.Repeated)
	}
	if len(r.Verdict.Places) > 0 {
		fmt.Fprintf(w, "porcupine on order and holders of sessions: %v\n", r.Linear)
	}
	for _, what := range append(r.Linear.Illegal, r.Linear.Undecided...) {
		fmt.Fprintf(w, "  %s\n", what)
	}
	fmt.Fprintln(w)
	if err := r.printWorkflows(w); err != nil {
		return err
	}
	r.printViolations(w)
	return nil
}

// printBlows says what was done to a pair.
func (c *Recovery) printBlows(w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(c.Blows)) {
		b := c.Blows[name]
		fmt.Fprintf(w, "%6d  %s: all well after %.2f s (at most %.2f)\n", b.Count, name, b.Median, b.Max)
	}
	for _, why := range c.LeftOut {
		fmt.Fprintf(w, "  none  %s\n", why)
	}
}

func (r *Report) printViolations(w io.Writer) {
	if len(r.Verdict.Places) > 0 {
		for _, kind := range ledger.Kinds {
			fmt.Fprintf(w, "%8d  %s\n", r.Verdict.Counts[kind], kind)
		}
	}
	fmt.Fprintln(w)
	kinds := make([]string, 0, len(r.Errors))
	for kind := range r.Errors {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		f := r.Errors[kind]
		fmt.Fprintf(w, "%8d  calls failed: %s, the first with: %s\n", f.Count, kind, strings.ReplaceAll(f.First, "\n", " "))
	}
	for i, f := range r.Verdict.Findings {
		if i == 20 {
			fmt.Fprintf(w, "and %d more\n", len(r.Verdict.Findings)-i)
			break
		}
		fmt.Fprintf(w, "%s: %s %s: %s\n", f.Kind, f.Place, f.ID, f.Detail)
	}
	if r.Dir != "" {
		fmt.Fprintf(w, "data, logs and history are in %s\n", r.Dir)
	}
}
