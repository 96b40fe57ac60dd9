package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/internal/settings"
)

// ErrNotReady ends the command when there is a finding of severity error.
var ErrNotReady = errors.New("the estate is not ready: see the errors above")

// Command is `weir plan`.
func Command() *cobra.Command {
	var f groups.Flags
	var estate, alias, resolver, drills string
	var asJSON, rules bool
	set := settings.New("WEIR_PLAN")
	f.Declare(set)
	g := set.Group("Plan")
	g.Text(&estate, "estate", "FILE", "Flows of the business and what they are made of (YAML).")
	g.Text(&drills, "evidence", "DIR", "Records of drills.")
	g.Text(&alias, "alias", "NAME", "Name that clients use; it should lead to the primary.")
	g.Text(&resolver, "resolver", "HOST:PORT", "Name server to ask for it. Not given: the system's.")
	cmd := &cobra.Command{
		Use: "plan", Short: "Say what an estate can stand, what was measured, and what is not ready", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `Asks both locations and says, for each group, who has what role, what was promised and
what was measured; for each flow, how available it is in one location and in two, and
what it depends on alone; and what is not ready for a failover, with the fix.

  weir plan --location west=... --location east=... --token-file ... --estate flows.yaml --evidence drills

The flows, in YAML (availability in percent; where: each, one or common):

  currency: EUR
  flows:
    - name: orders
      group: orders
      strategy: multi           # single, decoupled, multi, criticality
      costPerHour: 311000
      rtoSeconds: 60
      rpoSeconds: 0
      reviewed: 2026-11-01
      components:
        - {name: messaging, availability: 99.9}
        - {name: erp, availability: 99.5, where: one}
        - {name: directory, availability: 99.99, where: common}

It ends with an error when a finding is one. --rules lists what is asked.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rules {
				return listRules(cmd)
			}
			if err := set.Load(os.LookupEnv, ""); err != nil {
				return fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			gather := Gather{Alias: alias, Evidence: drills}
			var err error
			if gather.Locations, gather.TLS, err = f.Read(); err != nil {
				return err
			}
			if len(gather.Locations) == 0 {
				return errors.New("a plan needs an estate: name each location with --location")
			}
			if estate != "" {
				text, err := os.ReadFile(estate)
				if err != nil {
					return fmt.Errorf("the estate (--estate): %w", err)
				}
				if gather.Estate, err = ParseEstate(text); err != nil {
					return err
				}
			}
			if resolver != "" {
				gather.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, resolver)
				}}
			}
			r := Make(gather.Facts(cmd.Context()))
			if err := write(cmd, r, asJSON); err != nil {
				return err
			}
			if r.Worst() == Error {
				return ErrNotReady
			}
			return nil
		},
	}
	set.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "Write the report as JSON.")
	cmd.Flags().BoolVar(&rules, "rules", false, "List the rules, and ask nobody.")
	cmd.Flags().SortFlags = false
	return cmd
}

func write(cmd *cobra.Command, r Report, asJSON bool) error {
	if !asJSON {
		return r.Text(cmd.OutOrStdout())
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func listRules(cmd *cobra.Command) error {
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tSEVERITY\tWHAT SHOULD BE SO\tFIX")
	for _, r := range Rules {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.ID, r.Severity, r.Asks, r.Fix)
	}
	return t.Flush()
}
