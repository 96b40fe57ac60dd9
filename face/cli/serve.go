package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (l *line) serve() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run a server", GroupID: "run", Args: cobra.NoArgs,
		Long: `Run a server until it is told to end (Ctrl-C or SIGTERM), which it then does in
order; a second signal ends it at once.

Settings come from flags, then the environment (WEIR_...), then the file named by
--config: a YAML mapping whose keys are the flags without their dashes.
"weir help settings" lists them all.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" {
				config = os.Getenv(l.program.Serving.Env("config"))
			}
			if err := l.program.Serving.Load(os.LookupEnv, config); err != nil {
				return usageError{fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))}
			}
			return l.program.Serve(cmd.Context(), l.Err)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "YAML file with settings [$WEIR_CONFIG]")
	l.program.Serving.AddFlags(cmd.Flags())
	cmd.Flags().SortFlags = false
	return cmd
}

// settingsTopic is a page of the manual: weir help settings.
func (l *line) settingsTopic() *cobra.Command {
	cmd := &cobra.Command{
		Use: "settings", Short: "Every setting of weir serve, as a table", Args: cobra.NoArgs, GroupID: "run",
		Long: "Every setting of weir serve as Markdown: flag, environment variable, default, unit, meaning.",
		RunE: func(*cobra.Command, []string) error { return l.settingsPage() },
	}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { _ = l.settingsPage() })
	return cmd
}

const settingsIntroduction = `# Settings

A flag wins over the environment, the environment over the file given by
--config, the file over the default. The key in the file is the flag without its
dashes. Durations carry a unit (30s, 5m, 1h30m, 7d), sizes too (64KiB, 10MB, 1GiB).

`

func (l *line) settingsPage() error {
	fmt.Fprint(l.Out, settingsIntroduction)
	return l.program.Serving.WriteTable(l.Out)
}

func (l *line) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", GroupID: "run", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(l.Out, l.program.Version)
			return err
		},
	}
}
