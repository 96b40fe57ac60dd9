package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/kernel/resource"
)

// lock is weir lock: what may not be deleted, or changed.
func (l *line) lock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lock", Short: "Keep resources from being deleted or changed", GroupID: "look",
		Long: `A lock holds a resource, a group or a subscription, and everything in it, until it is
taken away: CanNotDelete against deleting, ReadOnly against every change. It holds
those who manage, here, over the APIs and with templates; clients go on sending and
receiving.`,
	}
	cmd.AddCommand(l.lockSet(), l.lockList(), l.lockRemove())
	return cmd
}

// on is the flags that say what a lock lies on.
type on struct {
	whereabouts
	text string
}

func (o *on) flags(l *line, cmd *cobra.Command) {
	o.whereabouts.flags(cmd)
	cmd.Flags().StringVar(&o.text, "on", "", "What it lies on: an id, or TYPE/NAME as queue/orders. Not given: the server's default resource group.")
	_ = cmd.RegisterFlagCompletionFunc("on", func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		typ, name, named := strings.Cut(begun, "/")
		if !named {
			words, _ := l.completeTarget(&o.whereabouts)(cmd, nil, begun)
			for i := range words {
				words[i] = strings.Replace(words[i], "\t", "/\t", 1)
			}
			return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		names, directive := l.completeTarget(&o.whereabouts)(cmd, []string{typ}, name)
		for i := range names {
			names[i] = typ + "/" + names[i]
		}
		return names, directive
	}) // the flag is there
}

// id is what the lock lies on.
func (o *on) id(l *line, cmd *cobra.Command, d *door) (string, error) {
	if o.text == "" {
		w, err := o.settled(cmd.Context(), d, false)
		return w.scope, err
	}
	args := []string{o.text}
	if typ, name, ok := strings.Cut(o.text, "/"); ok && typ != "" {
		args = []string{typ, name}
	}
	id, _, _, err := l.target(cmd.Context(), d, o.whereabouts, args)
	return id, err
}

func lockID(on, name string) string {
	return strings.TrimSuffix(on, "/") + "/providers/" + resource.TypeLock + "/" + name
}

func (l *line) lockSet() *cobra.Command {
	var o on
	var level, notes string
	cmd := l.remote(&cobra.Command{
		Use: "set NAME", Short: "Lock something, or change a lock", Args: cobra.ExactArgs(1),
		Example: "  weir lock set keep --on queue/orders --notes \"ask the shop team\"\n  weir lock set frozen --level ReadOnly",
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			at, err := o.id(l, cmd, d)
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]any{"properties": map[string]any{"level": level, "notes": notes}})
			if err != nil {
				return err
			}
			if err := d.call(cmd.Context(), "PUT", path(lockID(at, args[0])), body, nil); err != nil {
				return err
			}
			fmt.Fprintf(l.Err, "locked %s (%s)\n", at, level)
			return nil
		},
	}, "")
	o.flags(l, cmd)
	cmd.Flags().StringVar(&level, "level", "CanNotDelete", "CanNotDelete or ReadOnly.")
	cmd.Flags().StringVar(&notes, "notes", "", "Why it is locked.")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"CanNotDelete", "ReadOnly"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (l *line) lockList() *cobra.Command {
	var o on
	cmd := l.remote(&cobra.Command{
		Use: "list", Short: "List the locks of something and of all that lies in it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			at, err := o.id(l, cmd, d)
			if err != nil {
				return err
			}
			all, err := collect(cmd.Context(), d, strings.TrimSuffix(lockID(at, ""), "/"))
			if err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(map[string]any{"value": all})
			}
			table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "NAME\tLEVEL\tON\tNOTES")
			for _, raw := range all {
				var one entry
				if err := json.Unmarshal(raw, &one); err != nil {
					return fmt.Errorf("read the answer: %w", err)
				}
				held, _, _ := strings.Cut(one.ID, "/providers/"+resource.TypeLock)
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", one.Name, cell(one.Properties["level"]), held, cell(one.Properties["notes"]))
			}
			return table.Flush()
		},
	}, "")
	o.flags(l, cmd)
	return cmd
}

func (l *line) lockRemove() *cobra.Command {
	var o on
	cmd := l.remote(&cobra.Command{
		Use: "delete NAME", Short: "Take a lock away", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			at, err := o.id(l, cmd, d)
			if err != nil {
				return err
			}
			var there json.RawMessage
			if err := d.call(cmd.Context(), "GET", path(lockID(at, args[0])), nil, &there); err != nil {
				return err // so that a slip of the pen is no success
			}
			if err := d.call(cmd.Context(), "DELETE", path(lockID(at, args[0])), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(l.Err, "unlocked %s\n", at)
			return nil
		},
	}, "")
	o.flags(l, cmd)
	return cmd
}
