package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Command is `bus`, to be put under `weir bench`.
func Command() *cobra.Command {
	var (
		o      Options
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "bus",
		Short: "measure a Service Bus server of this binary: sends, receives, latency, processor, memory, restart",
		Long: `Starts this binary as a server of its own in a temporary directory and measures
it with go-amqp from this process: durable messages of 1 KiB, confirmed to the
sender, received and settled, over 1 and 4 links. Each round also measures a raw
journal and a raw synced file on the same disk. Figures are medians.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			o.Binary = binary
			o.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			r, err := Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), asJSON)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Messages, "messages", 50_000, "messages of each send and each receive")
	f.IntVar(&o.Rounds, "rounds", 5, "rounds to take the median of")
	f.IntVar(&o.InFlight, "in-flight", 200, "unconfirmed sends, and unsettled messages, over all links")
	f.IntVar(&o.Backlog, "backlog", 1_000_000, "messages to fill a queue with for memory and restart (0: leave that out)")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return cmd
}

// print writes the result as JSON or as a table for people.
func (r *Result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "links\tsends/s\tp50 ms\tp99 ms\tserver µs\tmessages per sync\treceives/s\tsettle p50 ms\tp99 ms\tserver µs\t")
	for _, links := range linkCounts {
		row(t, fmt.Sprint(links), r.ByLinks[fmt.Sprint(links)])
	}
	if r.AtBacklog != nil {
		row(t, fmt.Sprintf("%d behind %d", headlineLinks, r.BacklogMessages), *r.AtBacklog)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nraw journal %.0f messages/s, raw synced file %.0f messages/s (64 KiB at a time); sends are %.2f and %.2f of these\n",
		r.RawJournalPerS, r.RawSyncPerS, r.SendToJournal, r.SendToSync)
	if r.BacklogMessages > 0 {
		fmt.Fprintf(w, "backlog of %d: %.0f bytes of memory a message, %d MB resident, %d MB after a restart; first message %.2f s after a kill\n",
			r.BacklogMessages, r.BacklogPer, r.BacklogRSS>>20, r.RestartRSS>>20, r.RestartS)
	}
	fmt.Fprintf(w, "medians of %d rounds of %d messages, %d in flight; client: %s\n", r.Rounds, r.Messages, r.InFlight, r.Client)
	return nil
}

func row(w io.Writer, name string, f Figures) {
	fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t%.2f\t%.2f\t%.1f\t\n",
		name, f.SendPerS, f.SendP50Ms, f.SendP99Ms, f.CPUPerSend, f.MessagesPerSync, f.ReceivePerS, f.SettleP50Ms, f.SettleP99Ms, f.CPUPerReceive)
}
