package watch

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/internal/settings"
	"weir/operate/probe"
)

// flags are a watchdog as an operator writes it.
type flags struct {
	groups.Flags
	o                          Options
	connection, connectionFile string
	exec, config               string
	rounds, good               int
	within                     time.Duration
}

const withinDefault = 10 * time.Second

// Command is `weir watch`.
func Command() *cobra.Command {
	f := flags{o: Options{Every: everyDefault, CoolDown: coolDownDefault}, rounds: 3, good: 2, within: withinDefault}
	f.o.Name, _ = os.Hostname() // a watchdog without a name still watches
	f.o.Limits.Silence = 30 * time.Second
	set := settings.New("WEIR_WATCH")
	f.Declare(set)
	g := set.Group("Watching")
	g.Text(&f.o.Name, "name", "NAME", "What this watchdog calls itself.")
	g.Duration(&f.o.Every, "every", "Time between two rounds.")
	g.Secret(&f.connection, "connection", "Connection string that a message is sent with through the queue "+probe.Queue+", to the address applications use. Not given: no message is sent.")
	g.Text(&f.connectionFile, "connection-file", "FILE", "File with that connection string.")
	g.Duration(&f.within, "within", "How long that message may take.")
	g.Duration(&f.o.Limits.Slow, "slow", "From when on it is slow; 0: never.")
	g.Duration(&f.o.Limits.Lag, "lag", "From when on a secondary is late; 0: never.")
	g = set.Group("Telling")
	g.Strings(&f.o.Webhooks, "webhook", "URL", "Gets each event as JSON by POST. Tried 8 times.")
	g.Text(&f.exec, "exec", "COMMAND", "Gets each event as JSON on standard input. Words are separated by spaces.")
	g.Duration(&f.o.Limits.Remind, "remind", "Repeat an alarm that lasts so often; 0: never.")
	g = set.Group("Acting")
	g.Strings(&f.o.Act, "act", "GROUP", "Promote the other location of this group when its primary does not answer here, and is not heard there either; a majority of the voters must agree.")
	g.Duration(&f.o.CoolDown, "cool-down", "Time between two promotions of one group.")
	g = set.Group("Watching the watchdogs")
	g.Text(&f.o.Listen, "listen", "HOST:PORT", "Where other watchdogs ask this one (GET /watch). Not given: nowhere.")
	g.Strings(&f.o.Peers, "peer", "URL", "Another watchdog.")
	g.Duration(&f.o.Limits.Silence, "silence", "From when on another watchdog is silent.")
	g.Text(&f.o.Heartbeat, "heartbeat", "URL", "Called after each round; let a service that alarms when the calls cease listen there.")
	cmd := &cobra.Command{
		Use: "watch", Short: "Watch both locations from outside, alarm, and act where told to", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `A watchdog, to be run in a third place. Each round it asks both locations how their
groups are, and sends a message through a queue of its own as a client would. What is
wrong for three rounds is an alarm: written to the log, posted to webhooks, handed to a
command; it is over after two rounds without.

  weir watch --location west=... --location east=... --token-file ... \
    --connection-file probe.txt --webhook https://chat.example.com/hook --act orders

Nothing is louder than silence: run two that name each other with --peer, or give a
--heartbeat.

Settings come from flags, then the environment (WEIR_WATCH_...), then the file named by
--config: a YAML mapping whose keys are the flags without their dashes.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.config == "" {
				f.config = os.Getenv(set.Env("config"))
			}
			if err := set.Load(os.LookupEnv, f.config); err != nil {
				return fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			w := New(o)
			if err := w.Start(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Watching %d locations every %s. Ctrl-C ends it.\n", len(o.Locations), o.Every)
			<-cmd.Context().Done()
			w.Stop()
			return nil
		},
	}
	cmd.Flags().StringVar(&f.config, "config", "", "YAML file with settings [$"+set.Env("config")+"]")
	set.AddFlags(cmd.Flags())
	cmd.Flags().IntVar(&f.rounds, "rounds", f.rounds, "Rounds in a row that something is wrong until it is an alarm.")
	cmd.Flags().IntVar(&f.good, "good", f.good, "Rounds without it until that is over.")
	cmd.Flags().SortFlags = false
	return cmd
}

func (f *flags) options(cmd *cobra.Command) (Options, error) {
	o := f.o
	var err error
	if o.Locations, _, err = f.Read(); err != nil {
		return o, err
	}
	if len(o.Locations) == 0 {
		return o, errors.New("a watchdog needs something to watch: name each location with --location")
	}
	if o.Every <= 0 || f.rounds < 1 || f.good < 1 {
		return o, errors.New("--every, --rounds and --good are more than nothing")
	}
	o.Limits.Rounds, o.Limits.Good = f.rounds, f.good
	if f.connectionFile != "" {
		data, err := os.ReadFile(f.connectionFile)
		if err != nil {
			return o, fmt.Errorf("the connection string (--connection-file): %w", err)
		}
		f.connection = strings.TrimSpace(string(data))
	}
	if f.connection != "" {
		o.Probe = probe.Message{Connection: f.connection, Within: f.within}
	}
	o.Exec = strings.Fields(f.exec)
	o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	return o, nil
}
