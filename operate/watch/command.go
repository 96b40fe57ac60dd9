package watch

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/operate/watch/core"
)

// Command is `weir watch`.
func Command() *cobra.Command {
	f := defaults()
	set := f.settings()
	cmd := &cobra.Command{
		Use: "watch", Short: "Watch both locations from outside, alarm, and act where told to", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `A watchdog, to be run in a third place. Each round it asks both locations whether they
are well and how their groups are, and sends a message through a queue of its own as a
client would. What is wrong for three rounds is an alarm: written to the log, posted to
webhooks, handed to a command; it is over after two rounds without.

  weir watch --location west=... --location east=... --token-file ... \
    --connection-file probe.txt --webhook https://chat.example.com/hook --act orders

probe.txt holds the connection string of applications; --connection-file west=FILE sends a
message through one location. The queue is declared once, at the primary:

  echo '{type: Microsoft.ServiceBus/namespaces/queues, name: NAMESPACE/weir-probe,
    properties: {requiresSession: true, lockDuration: PT5S, defaultMessageTimeToLive: PT1M}}' | weir deploy -

A workflow that answers (Request trigger, Response action) can be asked as well:
--workflow-file [NAME=]FILE holds its callback URL. It may look at what it depends on, and
answer 503 when that is away.

Nothing is louder than silence: run two that name each other with --peer, or give a
--heartbeat. --once looks once, says what it found and ends.

Settings come from flags, then the environment (WEIR_WATCH_...), then the file named by
--config: a YAML mapping whose keys are the flags without their dashes.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.config == "" {
				f.config = os.Getenv(set.Env("config"))
			}
			if err := set.Load(os.LookupEnv, f.config); err != nil {
				return fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			o, err := f.options(cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			if f.once {
				return New(o).Once(cmd.Context(), cmd.OutOrStdout())
			}
			w := New(o)
			if err := w.Start(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Watching %d locations every %s. Ctrl-C ends it.\n", len(o.Locations), o.Every)
			if w.Addr() != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "Other watchdogs ask this one at %s.\n", w.Addr())
			}
			<-cmd.Context().Done()
			w.Stop()
			return nil
		},
	}
	cmd.Flags().StringVar(&f.config, "config", "", "YAML file with settings [$"+set.Env("config")+"]")
	set.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&f.once, "once", false, "Look once, write what is wrong, and end: with status 1 when something is.")
	cmd.Flags().SortFlags = false
	return cmd
}

// Once looks once and writes what is wrong. It tells nobody else, and acts never.
func (w *Watchdog) Once(ctx context.Context, out io.Writer) error {
	w.began = time.Now() // since when others are silent
	s := w.look(ctx)
	wrong := 0
	for _, url := range w.o.Peers {
		if p := s.seen.Peers[url]; p.Err != "" {
			wrong++
			fmt.Fprintf(out, "the watchdog at %s does not answer: %s\n", url, p.Err)
		}
	}
	for _, l := range w.o.Locations {
		at := s.seen.Locations[l.Name]
		line := l.Name + ": well"
		if at.Health != "" {
			line = l.Name + ": not well"
		}
		for _, g := range at.Groups {
			line += fmt.Sprintf("; %s in %s, term %d", g.Standing, g.Name, g.Term)
		}
		fmt.Fprintln(out, line+passed(at.Data))
	}
	if s.message.Asked {
		fmt.Fprintln(out, "applications: "+strings.TrimPrefix(passed(s.message), "; "))
	}
	for _, c := range core.Judge(s.seen, s.message, w.o.Limits) {
		if c.Holds() {
			wrong++
			fmt.Fprintf(out, "%s: %s\n  %s\n", c.Severity, c.What, c.Do)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d things are wrong; a watchdog that runs waits %d rounds until that is an alarm", wrong, w.o.Limits.Defaults().Rounds)
	}
	return nil
}

// passed says what became of a message.
func passed(p core.Probe) string {
	switch {
	case !p.Asked:
		return ""
	case p.Err != "":
		return "; clients do not get through (" + p.Stage + ")"
	}
	return fmt.Sprintf("; clients get through in %.0f ms", p.Seconds*1000)
}
