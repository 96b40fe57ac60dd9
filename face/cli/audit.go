package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/kernel/audit"
)

// audit is `weir audit`.
func (l *line) audit() *cobra.Command {
	asked := map[string]*string{}
	var top int
	var refused bool
	cmd := l.remote(&cobra.Command{
		Use: "audit", Short: "Show who did what, and who was refused", Args: cobra.NoArgs,
		Long: `Shows the audit log of the location, the newest entry first: management operations,
and refusals at every door. Entries of paired locations are copied here and shown
with the location they happened in. Refusals that differ in nothing but their time
are one line, with how many there were.

  weir audit --since 1h
  weir audit --outcome Refused --scope /subscriptions/S/resourceGroups/G`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"top": {strconv.Itoa(top)}}
			for name, text := range asked {
				if *text != "" {
					query.Set(name, *text)
				}
			}
			if refused {
				query.Set("outcome", string(audit.Refused))
			}
			d, err := l.door()
			if err != nil {
				return err
			}
			var page audit.Page
			if err := d.call(cmd.Context(), "GET", "/audit?"+query.Encode(), nil, &page); err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(page)
			}
			return l.showAudit(page.Entries)
		},
	}, "trust")
	f := cmd.Flags()
	for name, about := range map[string]string{
		"since": "From then on: a time as 2026-03-01T12:00:00Z, or how long ago it was, as 90m.", "until": "Before then.",
		"outcome": "Succeeded, Failed or Refused.", "caller": "By that name or object id.", "scope": "Of that resource, and all in it.",
		"action": "Actions that begin so: Microsoft.ServiceBus/namespaces/queues/write.", "location": "What happened in that location.",
	} {
		asked[name] = f.String(name, "", about)
	}
	f.BoolVar(&refused, "refused", false, "Short for --outcome Refused.")
	f.IntVar(&top, "top", 50, "At most so many entries.")
	return cmd
}

func (l *line) showAudit(entries []audit.Entry) error {
	if len(entries) == 0 {
		fmt.Fprintln(l.Out, "No entries.")
		return nil
	}
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME\tLOCATION\tWHO\tFROM\tDOOR\tWHAT\tWHERE\tOUTCOME")
	for _, e := range entries {
		outcome := string(e.Outcome)
		if e.Count > 1 {
			outcome += fmt.Sprintf(" (%d times)", e.Count)
		}
		if e.Reason != "" {
			outcome += ": " + e.Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.Local().Format("2006-01-02 15:04:05"), e.Location, dash(e.Caller), dash(e.Peer), e.Door, e.Action, e.Scope, outcome)
	}
	return table.Flush()
}
