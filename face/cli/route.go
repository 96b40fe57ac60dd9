package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/settings"
)

// Routing is weir route: its settings, and what runs a router with them until ctx ends.
type Routing struct {
	Settings *settings.Set // nil: there is no such command
	Run      func(ctx context.Context, talk io.Writer) error
}

// route is the command, where the program has one.
func (l *line) route() []*cobra.Command {
	routing := l.program.Routing
	if routing.Settings == nil {
		return nil
	}
	var config string
	cmd := &cobra.Command{
		Use: "route", Short: "Pass clients to the location that is active, and answer DNS for an alias", GroupID: "run", Args: cobra.NoArgs,
		Long: `Give clients one address for namespaces that can change location: as a router, as
DNS, or both. It asks every location whether it is primary, twice a second.

The router passes connections on as they are: TLS is not ended, so certificates must
carry the name clients use. While a group changes location new connections wait, and
those to the former primary are closed, so that clients dial again.

  weir route --listen :5671 \
    --location west=https://west.example.com:8443,west.example.com:5671 --token-file west=west-token \
    --location east=https://east.example.com:8443,east.example.com:5671 --token-file east=east-token

DNS leads NAMESPACE.ZONE to the location where the namespace is active:

  weir route --zone bus.example.com --dns :53 --name-server ns.bus.example.com=192.0.2.53 --location ...

Settings come from flags, then the environment (WEIR_ROUTE_...), then the file named by
--config: a YAML mapping whose keys are the flags without their dashes.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" {
				config = os.Getenv(routing.Settings.Env("config"))
			}
			if err := routing.Settings.Load(os.LookupEnv, config); err != nil {
				return usageError{fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
			}
			return routing.Run(cmd.Context(), l.Err)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "YAML file with settings [$"+routing.Settings.Env("config")+"]")
	routing.Settings.AddFlags(cmd.Flags())
	cmd.Flags().SortFlags = false
	return []*cobra.Command{cmd}
}
