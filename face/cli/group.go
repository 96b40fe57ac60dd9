package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/internal/groups"
)

// lossText says what is expected to be lost.
func lossText(loss groups.Loss) string {
	if !loss.Known {
		return "not known: this location has never heard from the other one since it started"
	}
	known := fmt.Sprintf("about %d messages and settlements (%d bytes) that the other location said it had, when it was last heard of %.1f s ago", loss.Messages, loss.Bytes, loss.Seconds)
	if loss.UnknownSeconds == 0 {
		return known + "; it acknowledges nothing that is not here"
	}
	return known + fmt.Sprintf(", and what it acknowledged since: up to %.1f s of accepted work more, which nobody here can know (cut off from its voters too, it stops after about 3 s; without voters it does not)", loss.UnknownSeconds)
}

func groupPath(name string) string { return groups.Path + "/" + url.PathEscape(name) }

// group is the noun for what changes location together.
func (l *line) group() *cobra.Command {
	cmd := &cobra.Command{
		Use: "group", Short: "Continuity groups: what changes location together", GroupID: "look",
		Long: `A continuity group is a set of namespaces that live in one location and stand by in
another. Every command speaks to one location (--server, --data); any of the two
will do, except where it says otherwise.`,
	}
	cmd.AddCommand(l.groupList(), l.groupShow())
	return cmd
}

func (l *line) groupList() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "list", Short: "List the groups this location knows", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer groups.List
			if err := l.ask(cmd, "GET", groups.Path, nil, &answer); err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(answer)
			}
			table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "GROUP\tTERM\tPRIMARY\tHERE\tMODE\tLAG\tSTATE")
			for _, g := range answer.Value {
				fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", g.Name, g.Term, dash(g.Holder), g.Standing, g.Mode, lagText(g), stateText(g))
			}
			return table.Flush()
		},
	}, "")
}

func (l *line) groupShow() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "show GROUP", Short: "Show a group: standing, voters, units, lag, last change", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var g groups.Status
			if err := l.ask(cmd, "GET", groupPath(args[0]), nil, &g); err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(g)
			}
			return l.showGroup(g)
		},
	}, "")
}

// lagText is the longest lag of the units'.
func lagText(g groups.Status) string {
	var messages uint64
	seconds := 0.0
	for _, u := range g.Units {
		messages, seconds = max(messages, u.LagMessages), max(seconds, u.LagSeconds)
	}
	return fmt.Sprintf("%d messages, %.1f s", messages, seconds)
}

// stateText is what is to be known of a group in a word or two.
func stateText(g groups.Status) string {
	if g.Phase != "" {
		return g.Phase
	}
	for _, u := range g.Units {
		switch {
		case u.Degraded:
			return "degraded: " + u.Unit + " is not replicated"
		case !u.Connected:
			return "not connected: " + u.Unit
		}
	}
	return "replicating"
}

func (l *line) showGroup(g groups.Status) error {
	fmt.Fprintf(l.Out, "group %s, term %d, primary %s; here it is %s; %s to %s: %s\n", g.Name, g.Term, dash(g.Holder), g.Standing, g.Mode, dash(g.Peer), stateText(g))
	for _, v := range g.Voters {
		said := fmt.Sprintf("says %s holds term %d", dash(v.Holder), v.Term)
		if !v.Reachable {
			said = "can not be reached: " + v.Error
		}
		fmt.Fprintf(l.Out, "  voter %s %s\n", v.Name, said)
	}
	if c := g.LastChange; c != nil {
		fmt.Fprintf(l.Out, "  last change: %s to %s at %s, %.2f s\n", c.Kind, c.To, c.At.Local().Format("2006-01-02 15:04:05"), c.Seconds)
	}
	fmt.Fprintln(l.Out)
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "UNIT\tROLE\tPOSITION\tOTHER\tLAG MESSAGES\tLAG BYTES\tLAG SECONDS\tLINK")
	for _, u := range g.Units {
		link := "connected"
		if !u.Connected {
			link = dash(strings.TrimSpace("away " + u.Reason))
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%.2f\t%s\n", u.Unit, u.Role, u.Position, u.PeerPosition, u.LagMessages, u.LagBytes, u.LagSeconds, link)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if g.Advice != "" {
		fmt.Fprintln(l.Err, g.Advice)
	}
	return nil
}

// changeGroup is the planned switch.
func (l *line) changeGroup() *cobra.Command {
	var to string
	cmd := l.remote(&cobra.Command{
		Use: "switch GROUP --to LOCATION", Short: "Move a group to its other location, losing nothing", Args: cobra.ExactArgs(1),
		Long: `Move a group to its other location in order: the primary stops taking work, everything
it acknowledged reaches the other location, and that one takes over. Nothing is lost
and nothing is repeated but messages that were locked. Both locations must be up; when
one is not, see "weir failover". Called again after an interruption, it goes on.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.change(cmd, groupPath(args[0])+"/switch", map[string]any{"to": to})
		},
	}, "run")
	cmd.Flags().StringVar(&to, "to", "", "Location that is to become the primary.")
	return cmd
}

// failover is the forced promotion.
func (l *line) failover() *cobra.Command {
	var force, dryRun bool
	cmd := l.remote(&cobra.Command{
		Use: "failover GROUP", Short: "Make this location the primary although the other one is gone", Args: cobra.ExactArgs(1),
		Long: `Make the location that is asked (--server, --data) the primary of a group without the
other one's help. First it says what is expected to be lost: what the other location
acknowledged and had not sent. With voters it goes on only when a majority agrees
that the other location does not hold the group any more. Where no majority can be
asked, --force says that you know the other location does not serve; Weir can not
know that, and if it does serve, both accept messages.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := groupPath(args[0]) + "/promote"
			var expected groups.Expected
			if err := l.ask(cmd, "POST", path, map[string]any{"dryRun": true}, &expected); err != nil {
				return err
			}
			if expected.Loss != nil {
				fmt.Fprintf(l.Err, "Expected loss: %s.\n", lossText(*expected.Loss))
			}
			if expected.Votes != "" {
				fmt.Fprintln(l.Err, expected.Votes)
			}
			if dryRun {
				if l.json {
					return l.writeJSON(expected)
				}
				return nil
			}
			return l.change(cmd, path, map[string]any{"force": force})
		},
	}, "run")
	cmd.Flags().BoolVar(&force, "force", false, "Go on without a majority of voters: you know that the other location does not serve.")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "Say what is expected to be lost, and do nothing.")
	return cmd
}

// rejoin lets a location that lost its group follow again.
func (l *line) rejoin() *cobra.Command {
	var discard bool
	cmd := l.remote(&cobra.Command{
		Use: "rejoin GROUP --discard", Short: "Let a former primary follow, giving up what it had not sent", Args: cobra.ExactArgs(1),
		Long: `Let the location that is asked follow the present primary, after a failover that it did
not take part in. What it had accepted and not sent stays in its old journal on disk,
and is in nobody's queues. --discard says that this is meant.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.change(cmd, groupPath(args[0])+"/rejoin", map[string]any{"discard": discard})
		},
	}, "run")
	cmd.Flags().BoolVar(&discard, "discard", false, "Give up what was not sent.")
	return cmd
}

// change asks for a change and follows it to its end.
func (l *line) change(cmd *cobra.Command, path string, order any) error {
	var c groups.Change
	if err := l.ask(cmd, "POST", path, order, &c); err != nil {
		return err
	}
	if l.json {
		return l.writeJSON(c)
	}
	if c.To == "" {
		fmt.Fprintln(l.Err, "It goes on; \"weir group show\" tells how far it is.")
		return nil
	}
	for _, s := range c.Steps {
		fmt.Fprintf(l.Err, "  %-24s %7.3f s\n", s.Name, s.Seconds)
	}
	if c.ExpectedLoss != nil {
		fmt.Fprintf(l.Err, "Expected loss: %s.\n", lossText(*c.ExpectedLoss))
	}
	fmt.Fprintf(l.Out, "%s is the primary, term %d, after %.3f s\n", c.To, c.Term, c.Seconds)
	return nil
}

// ask is one call with a body that is an object.
func (l *line) ask(cmd *cobra.Command, method, path string, body, result any) error {
	d, err := l.door()
	if err != nil {
		return err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return d.call(cmd.Context(), method, path, text, result)
}
