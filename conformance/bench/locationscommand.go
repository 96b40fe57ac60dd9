package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/conformance/server"
)

// Locations is `locations`, to be put under `weir bench`.
func Locations() *cobra.Command {
	var (
		o       PairOptions
		network string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "locations",
		Short: "measure two locations: what copying costs a send, the lag, and how long switches and losses are felt",
		Long: `Starts two locations and a witness of this binary on this machine, with a round trip
between them, and measures them through one address: the latency of an acknowledged send
in a location alone, with async and with sync copying; how far an async secondary is
behind at half of the rate that the pair was seen to carry; how long clients of the SDK
are without an answer around planned switches; and how long after the loss of the primary
the first message is accepted, when a person promotes the other location and when it
notices by itself. Beside each figure stands the goal that the design set; a ratio below
one is better than the goal. Nothing is judged: all of it shares one machine.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			if o.Namespaces, err = server.WantsNetworks(network); err != nil {
				return err
			}
			o.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			r, err := RunPair(cmd.Context(), o)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), asJSON)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Nodes, "nodes", 1, "1 node, or 3, in each location")
	f.DurationVar(&o.RTT, "rtt", 40*time.Millisecond, "round trip between the locations")
	f.StringVar(&network, "network", server.NetworkAuto, "what lies between the locations: namespaces (a network each; as root on Linux), proxy, or auto")
	f.IntVar(&o.Sends, "sends", 500, "messages to take a latency of")
	f.DurationVar(&o.Load, "load", 8*time.Second, "how long a load goes on")
	f.IntVar(&o.Switches, "switches", 10, "planned switches, in each mode")
	f.IntVar(&o.Losses, "losses", 5, "losses of the primary, of each kind")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return cmd
}

// goals are what the design wants to be reached at 40 ms, in milliseconds.
func (r *PairResult) goals() []struct {
	name      string
	p50, p99  float64
	goal      float64
	aboutGoal string
} {
	return []struct {
		name      string
		p50, p99  float64
		goal      float64
		aboutGoal string
	}{
		{"send, a location alone", r.Alone.P50, r.Alone.P99, 0, ""},
		{"send, async", r.Async.P50, r.Async.P99, 0, ""},
		{"send, sync", r.Sync.P50, r.Sync.P99, 0, ""},
		{"sync adds", r.AddedP50Ms, r.AddedP99Ms, r.LineMs + 2, "a round trip and 2 ms"},
		{fmt.Sprintf("lag, async, at %.0f messages/s", r.CarriedPerS/2), r.Lag.P50, r.Lag.P99, 1000, "1 s"},
		{fmt.Sprintf("no answer around a switch, sync (%d)", r.Switch.Count), r.Switch.P50, r.Switch.P99, 5000, "5 s"},
		{fmt.Sprintf("no answer around a switch, async (%d)", r.SwitchAsync.Count), r.SwitchAsync.P50, r.SwitchAsync.P99, 5000, "5 s"},
		{"the command to switch, sync", r.Switching.P50, r.Switching.P99, 0, ""},
		{fmt.Sprintf("promoted by hand: to the first accepted send (%d)", r.Promotion.Count), r.Promotion.P50, r.Promotion.P99, 30_000, "30 s"},
		{fmt.Sprintf("primary killed: to the first accepted send (%d)", r.Fault.Count), r.Fault.P50, r.Fault.P99, 60_000, "60 s"},
		{"of it, until it is noticed", r.Detection.P50, r.Detection.P99, 15_000, "15 s"},
		{"of it, vote and taking over", r.VoteAndServe.P50, r.VoteAndServe.P99, 0, ""},
	}
}

// print writes the result as JSON or as a table for people.
func (r *PairResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tp50 ms\tp99 ms\tgoal\tp99 to goal\t")
	for _, g := range r.goals() {
		against := ""
		if g.goal > 0 {
			against = fmt.Sprintf("%.2f", g.p99/g.goal)
		}
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%s\t%s\t\n", g.name, g.p50, g.p99, g.aboutGoal, against)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d nodes in each location, %.0f ms round trip (%s; measured %.1f ms), all on this machine; the async pair carried %.0f messages of 1 KiB a second\n",
		r.Nodes, r.RTTMs, r.Network, r.LineMs, r.CarriedPerS)
	return nil
}
