package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/internal/settings"
	"weir/kernel/resource"
	"weir/operate/plan/core"
)

// Exit statuses of the command, beside 0: nothing that is an error was found.
const (
	ExitUsage    = 2
	ExitNotReady = 3
)

// Exit is an error with the status that the process ends with.
type Exit struct {
	Status int
	error
}

// ExitStatus is the status that the process ends with.
func (e *Exit) ExitStatus() int { return e.Status }

func (e *Exit) Unwrap() error { return e.error }

// flags are a plan as an operator writes it.
type flags struct {
	groups.Flags
	estate, evidence, resolver string
	aliases                    []string
	within                     time.Duration
	json, rules                bool
}

// Knowledge is what the program's services know of resources.
type Knowledge struct {
	// Types tell what is declared of a resource from what is counted.
	Types []*resource.Type
	// Workflow reads a resource as a workflow, nil when it is none.
	Workflow func(d core.Document) *core.Workflow
}

// Command is `weir plan`.
func Command(known Knowledge) *cobra.Command {
	f := flags{within: withinDefault}
	set := settings.New("WEIR_PLAN")
	f.Declare(set)
	g := set.Group("Plan")
	g.Text(&f.estate, "estate", "FILE", "Flows and what they go through (YAML), to be held against what exists.")
	g.Text(&f.evidence, "evidence", "DIR", "Directory with the records that \"weir drill\" wrote.")
	g.Strings(&f.aliases, "alias", "NAME", "Name that clients use, to be looked up; again for further names.")
	g.Text(&f.resolver, "resolver", "HOST:PORT", "Name server to ask for aliases. Not given: the system's.")
	g.Duration(&f.within, "within", "How long one question may take.")
	cmd := &cobra.Command{
		Use: "plan", Short: "Say whether the estate is ready to lose a location, and what to do about it", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `Looks at all locations from outside, changes nothing, and says for each group and flow:
who is primary, RPO and RTO as wanted, declared and last measured, the availability that
its components make, what is single; and which rules of readiness do not hold, each with
what to do.

  weir plan --estate estate.yaml --evidence drills --alias orders.bus.example.com \
    --location west=https://west.example.com:8443,west.example.com:5671 --token-file west=west-token \
    --location east=https://east.example.com:8443,east.example.com:5671 --token-file east=east-token

A location that does not answer is a finding, and what else is known is judged. Exit
status: 0, no finding is an error; 3, some are; 2, the command line or a file was not
understood. "weir plan --rules" lists the rules.

A file of an estate declares flows and what they go through:

` + indent(example) + `
An availability is a percentage, or the name of a figure that providers usually promise
for one region (look up what holds for you): ` + strings.Join(usualNames(), ", ") + `.

Where is both (each location has its own; the default), the name of the one location that
has it, or common: one thing that both depend on, as DNS, identity or a shared line.
Availability is shown as if all failed independently, and with what is common.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := set.Load(os.LookupEnv, ""); err != nil {
				return &Exit{ExitUsage, fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
			}
			if f.rules {
				return f.listRules(cmd.OutOrStdout())
			}
			return f.run(cmd, known)
		},
	}
	set.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&f.json, "json", false, "Write JSON.")
	cmd.Flags().BoolVar(&f.rules, "rules", false, "List the rules and ask nobody.")
	cmd.Flags().SortFlags = false
	return cmd
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// options makes the options of a look, reading the files that are named.
func (f *flags) options() (Options, error) {
	o := Options{Evidence: f.evidence, Aliases: f.aliases, Resolver: f.resolver, Within: f.within}
	places, trust, err := f.Read()
	if err != nil {
		return o, err
	}
	if len(places) == 0 {
		return o, errors.New("name each location, where it is asked and where clients go: --location NAME=URL,HOST:PORT")
	}
	o.Locations, o.Trust = places, trust
	names := make([]string, 0, len(places))
	for i, l := range places {
		if slices.Contains(names, l.Name) {
			return o, fmt.Errorf("the location %s is named twice: give all its URLs and doors to one --location, with commas", l.Name)
		}
		for j, url := range l.Admin {
			places[i].Admin[j] = strings.TrimSuffix(url, "/")
		}
		names = append(names, l.Name)
	}
	if _, _, err := net.SplitHostPort(f.resolver); f.resolver != "" && err != nil {
		return o, fmt.Errorf("--resolver %s: write HOST:PORT", f.resolver)
	}
	if f.evidence != "" {
		if _, err := os.Stat(f.evidence); err != nil {
			return o, fmt.Errorf("the records of drills (--evidence): %w", err)
		}
	}
	if f.estate != "" {
		o.Flows, err = readEstate(f.estate, names)
	}
	return o, err
}

func (f *flags) run(cmd *cobra.Command, known Knowledge) error {
	o, err := f.options()
	if err != nil {
		return &Exit{ExitUsage, err}
	}
	groups.WarnOf(cmd.ErrOrStderr(), o.Locations)
	o.Types, o.Workflow = known.Types, known.Workflow
	r := core.Judge(time.Now(), Look(cmd.Context(), o))
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if f.json {
		err = writeJSON(cmd.OutOrStdout(), r)
	} else {
		err = Text(cmd.OutOrStdout(), r)
	}
	if n := r.Count(core.Error); n > 0 && err == nil {
		return &Exit{ExitNotReady, fmt.Errorf("not ready: %s", plural(n, "error"))}
	}
	return err
}

func writeJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// plural counts things in words.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
