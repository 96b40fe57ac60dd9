package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/face/api"
)

func (l *line) status() *cobra.Command {
	return l.remote(&cobra.Command{
		Use: "status", Short: "Show the node: doors, units, owners, positions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s api.Status
			d, err := l.door()
			if err != nil {
				return err
			}
			if err := d.call(cmd.Context(), "GET", "/status", nil, &s); err != nil {
				return err
			}
			if l.json {
				return l.writeJSON(s)
			}
			return l.showStatus(s)
		},
	}, "run")
}

func (l *line) showStatus(s api.Status) error {
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
	}
	fmt.Fprintf(l.Out, "node %s of the location %s, version %s, up since %s, %s\n", s.Node, dash(s.Location), s.Version, s.Started.Local().Format("2006-01-02 15:04:05"), ready)
	for _, name := range slices.Sorted(maps.Keys(s.Doors)) {
		fmt.Fprintf(l.Out, "  %-6s %s\n", name, s.Doors[name])
	}
	fmt.Fprintln(l.Out)
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "UNIT\tROLE\tOWNER\tEPOCH\tPOSITION\tSTATE")
	for _, u := range s.Units {
		state := "ready"
		if !u.Ready {
			state = u.Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\n", u.Name, u.Role, dash(u.Owner), u.Epoch, u.Position, state)
	}
	return table.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// writeJSON writes data the one way --json does: indented, nothing escaped.
func (l *line) writeJSON(data any) error {
	encoder := json.NewEncoder(l.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(data)
}

// plural counts things in words.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(noun, "s"))
}
