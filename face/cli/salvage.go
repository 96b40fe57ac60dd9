package cli

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/internal/groups"
)

// salvage decides about what a former primary has alone.
func (l *line) salvage() *cobra.Command {
	var list int
	var reinject, drop, resent bool
	cmd := l.remote(&cobra.Command{
		Use: "salvage GROUP", Short: "Bring back what a former primary has alone, or give it up", Args: cobra.ExactArgs(1),
		Long: `After a failover the location that was the primary may have messages and settlements
that it had not sent. When it is back it stands halted and says "salvage": ask it here
(--server, --data) what it has, and decide.

Without a choice nothing changes: the messages and settlements are counted, and --list
shows them. --reinject brings them to the present primary: messages go back into their
entities, settlements are made there too, and what both sides did is not done twice.
A message whose id has come to the present primary since is taken for one that its
sender sent again and left out, unless --resent says otherwise. --drop leaves
everything where it is. Runs of workflows come back too: those that had ended as history,
those under way go on where they were, under their names and with their keys, unless what
began them has come to the present primary as well. In both cases a ledger with every row, messages included, stays
on the disk of the location that is asked, and the location then follows.

Interrupted, call it again: what was brought back is not brought back twice.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if reinject && drop {
				return usageError{fmt.Errorf("--reinject and --drop are two choices: name one")}
			}
			var s groups.Salvaged
			if !reinject && !drop {
				if err := l.ask(cmd, "GET", fmt.Sprintf("%s/salvage?rows=%d", groupPath(args[0]), list), nil, &s); err != nil {
					return err
				}
				return l.showTail(s)
			}
			choice := groups.Drop
			if reinject {
				choice = groups.Reinject
			}
			if err := l.ask(cmd, "POST", groupPath(args[0])+"/salvage", map[string]any{"choice": choice, "resent": resent}, &s); err != nil {
				return err
			}
			return l.showTail(s)
		},
	}, "run")
	cmd.Flags().IntVar(&list, "list", 20, "How many rows to show when nothing is decided.")
	cmd.Flags().BoolVar(&reinject, "reinject", false, "Bring everything back into the present primary.")
	cmd.Flags().BoolVar(&resent, "resent", false, "With --reinject: also messages whose id has come there since.")
	cmd.Flags().BoolVar(&drop, "drop", false, "Bring nothing back.")
	return cmd
}

// showTail shows what there is, or what became of it.
func (l *line) showTail(s groups.Salvaged) error {
	if l.json {
		return l.writeJSON(s)
	}
	if len(s.Rows) > 0 {
		table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NUMBER\tWHAT\tENTITY\tSEQUENCE\tID\tSESSION\tAT\tREMARK")
		for _, r := range s.Rows {
			fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Number, r.What, r.Entity, r.Sequence, dash(r.MessageID), dash(r.Session), r.At.Local().Format("2006-01-02 15:04:05.000"), r.Why)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(l.Out)
	}
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, name := range slices.Sorted(maps.Keys(s.Tally.Counts)) {
		fmt.Fprintf(table, "%d\t%s\t\n", s.Tally.Counts[name], name)
	}
	fmt.Fprintf(table, "%d\tin all, %d bytes\t\n", s.Tally.Rows, s.Tally.Bytes)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, file := range s.Files {
		fmt.Fprintf(l.Err, "ledger: %s\n", file)
	}
	if s.Choice == "" && s.Tally.Rows > 0 {
		fmt.Fprintln(l.Err, "Nothing was changed. --reinject brings it back, --drop leaves it.")
	}
	return nil
}
