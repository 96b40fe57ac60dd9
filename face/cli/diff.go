package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// driftError says that something is not as its template has it.
type driftError struct{ places, resources int }

func (e driftError) Error() string {
	where := ""
	if e.places > 1 {
		where = fmt.Sprintf(" in %d locations", e.places)
	}
	return fmt.Sprintf("%s not as the template has it%s; weir deploy puts that right", pluralIs(e.resources, "resource"), where)
}

func pluralIs(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

// ExitStatus is that of an answer people wait for: there is drift.
func (driftError) ExitStatus() int { return exitFailed }

// change is what a deployment would do to a resource.
type change struct {
	ResourceID string `json:"resourceId"`
	ChangeType string `json:"changeType"`
	Reason     string `json:"unsupportedReason,omitempty"`
	Delta      []struct {
		Path   string `json:"path"`
		Type   string `json:"propertyChangeType"`
		Before any    `json:"before"`
		After  any    `json:"after"`
	} `json:"delta"`
}

func (l *line) diff() *cobra.Command {
	var f templateFlags
	var other line
	var otherParameters []string
	cmd := l.remote(&cobra.Command{
		Use: "diff TEMPLATE", Short: "Say what is not as a template has it", Args: cobra.ExactArgs(1),
		Long: `Hold what is deployed against a template, resource by resource and property by
property, and change nothing. The exit status is 1 when something differs, 0 when
everything is as the template has it.

One template and a file of parameters for each location make two locations alike: with
--other-server (or --other-data) the second one is held against the template too, with
the parameters of --other-parameters, or the same.`,
		Example: `  weir diff main.json -p west.parameters.json
  weir diff main.json -p west.parameters.json --other-server https://east:8443 --other-parameters east.parameters.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := l.read(args[0])
			if err != nil {
				return err
			}
			if readTemplate(data) == nil {
				return usageError{fmt.Errorf("%s is no template: its $schema is not deploymentTemplate.json", args[0])}
			}
			places := []*line{l}
			parameters := [][]string{f.parameters}
			if other.server != "" || other.data != "" {
				other.Streams, other.client, other.json = l.Streams, l.client, l.json
				if other.data == "" {
					other.data = l.data
				}
				places = append(places, &other)
				if len(otherParameters) == 0 {
					otherParameters = f.parameters
				}
				parameters = append(parameters, otherParameters)
			}
			var drift driftError
			for i, place := range places {
				f.parameters = parameters[i]
				n, err := place.drift(cmd.Context(), args[0], data, f, len(places) > 1)
				if err != nil {
					return err
				}
				if drift.resources += n; n > 0 {
					drift.places++
				}
			}
			if drift.resources > 0 {
				return drift
			}
			fmt.Fprintln(l.Err, "everything is as the template has it")
			return nil
		},
	}, "look")
	f.add(cmd)
	cmd.Flags().StringVar(&other.server, "other-server", "", "HTTP door of a second location, to be held against the template too.")
	cmd.Flags().StringVar(&other.data, "other-data", "", "Data directory of its server, where its address and token are found.")
	cmd.Flags().StringVar(&other.token, "other-token", "", "Its administration token. Not given: the file admin-token of --other-data.")
	cmd.Flags().StringArrayVar(&otherParameters, "other-parameters", nil, "As --parameters, for the second location.")
	return cmd
}

// drift shows what one location has otherwise, and counts it.
func (l *line) drift(ctx context.Context, file string, data []byte, f templateFlags, named bool) (int, error) {
	d, err := l.door()
	if err != nil {
		return 0, err
	}
	one, err := l.deploymentOf(ctx, d, file, data, f)
	if err != nil {
		return 0, err
	}
	changes, err := l.changesOf(ctx, d, one)
	if err != nil {
		return 0, err
	}
	changes.Properties.Changes = slices.DeleteFunc(changes.Properties.Changes, func(c change) bool {
		return c.ChangeType == "NoChange" || c.ChangeType == "Ignore"
	})
	n := 0
	for _, c := range changes.Properties.Changes {
		if c.ChangeType != "Unsupported" {
			n++
		}
	}
	heading := ""
	if named {
		heading = d.url
	}
	return n, l.showChanges(changes, heading)
}

// foreseen is the answer to what would change.
type foreseen struct {
	Status     string `json:"status"`
	Properties struct {
		Changes     []change `json:"changes"`
		Diagnostics []struct {
			Message string `json:"message"`
		} `json:"diagnostics,omitempty"`
	} `json:"properties"`
}

func (l *line) changesOf(ctx context.Context, d *door, one deployment) (foreseen, error) {
	var answer foreseen
	err := d.call(ctx, "POST", one.path+"/whatIf?api-version=2024-11-01", one.body, &answer)
	return answer, err
}

// marks are how kinds of changes are told from each other at a glance.
var marks = map[string]string{"Create": "+", "Modify": "~", "Delete": "-", "NoChange": "=", "Ignore": "*", "Unsupported": "x", "Array": "~"}

func (l *line) showChanges(f foreseen, heading string) error {
	if l.json {
		return l.writeJSON(f)
	}
	if heading != "" {
		fmt.Fprintf(l.Out, "%s\n", heading)
	}
	counts := map[string]int{}
	for _, c := range f.Properties.Changes {
		counts[c.ChangeType]++
		fmt.Fprintf(l.Out, "%s %s\n", marks[c.ChangeType], shortID(c.ResourceID))
		if c.Reason != "" {
			fmt.Fprintf(l.Out, "    %s\n", c.Reason)
		}
		for _, one := range c.Delta {
			switch one.Type {
			case "Create":
				fmt.Fprintf(l.Out, "    + %s: %s\n", one.Path, shown(one.After))
			case "Delete":
				fmt.Fprintf(l.Out, "    - %s: %s\n", one.Path, shown(one.Before))
			default:
				fmt.Fprintf(l.Out, "    ~ %s: %s => %s\n", one.Path, shown(one.Before), shown(one.After))
			}
		}
	}
	for _, d := range f.Properties.Diagnostics {
		fmt.Fprintf(l.Err, "warning: %s\n", d.Message)
	}
	var parts []string
	for _, kind := range []string{"Create", "Modify", "Delete", "NoChange", "Ignore", "Unsupported"} {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, map[string]string{"Create": "to create", "Modify": "to change", "Delete": "to delete", "NoChange": "as it is", "Ignore": "not in the template", "Unsupported": "not here"}[kind]))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintln(l.Err, strings.Join(parts, ", "))
	}
	return nil
}

// shortID leaves out of an id what all of them have.
func shortID(id string) string {
	if _, rest, ok := strings.Cut(id, "/providers/"); ok {
		return rest
	}
	return id
}

func shown(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
