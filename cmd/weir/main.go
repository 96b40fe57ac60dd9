// Command weir is the whole house in one binary: the server, the command line that
// speaks to it, and the tools that test and measure it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"weir/app"
	"weir/conformance/bench"
	"weir/conformance/torture"
	"weir/face/cli"
	"weir/internal/wall"
	"weir/operate/demo"
	"weir/operate/drill"
	"weir/operate/plan"
	"weir/operate/watch"
	"weir/operate/witness"
)

func main() { os.Exit(run(os.Args[1:])) }

// run runs one command line and returns the exit status.
func run(args []string) int {
	o := app.Defaults()
	o.Version, o.ScriptWorker = version(), app.ScriptWorker()
	ctx, stop := untilSignal(os.Stderr)
	defer stop()
	return cli.Run(ctx, cli.Program{
		Version: o.Version,
		Serving: app.Settings(&o),
		Serve: func(ctx context.Context, talk io.Writer) error {
			o.Talk = talk
			if err := wall.Follow(ctx, os.Getenv(wall.Env)); err != nil {
				return err
			}
			return app.Run(ctx, o)
		},
		Routing:  app.Routing(),
		Types:    app.Types(),
		Commands: tools(),
	}, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, args...)
}

// tools are the commands that live elsewhere.
func tools() []*cobra.Command {
	return []*cobra.Command{
		group("torture", "Kill real servers under real clients and check what the clients saw", torture.Command(), torture.Workflow(), torture.Locations()),
		witness.Command(),
		watch.Command(),
		demo.Command(version()),
		drill.Command(version()),
		plan.Command(app.Planning()),
		group("bench", "Measure a server of its own with real clients", bench.Command(), bench.Locations(), bench.Workflow()),
		group("workflow", "Judge workflow definitions, try their expressions, and look after runs", app.WorkflowCommands()...),
		app.ImportCommand(),
	}
}

func group(name, short string, of ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	cmd.AddCommand(of...)
	return cmd
}

// untilSignal gives a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process at once.
func untilSignal(talk io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		cancel()
		if _, ok := <-signals; ok {
			fmt.Fprintln(talk, "weir: a second signal: ending at once")
			os.Exit(130)
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel() }
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			text += " " + s.Value[:12]
		}
	}
	return text
}
