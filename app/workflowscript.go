package app

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"weir/service/workflow/connector/script"
)

// scriptWorker is the process that the scripts of workflows run in: a node starts it, and
// kills it when a script takes longer or more than it may.
func scriptWorker() *cobra.Command {
	return &cobra.Command{
		Use: "script-worker", Short: "Run the scripts that a node sends (nodes start this themselves)", Hidden: true, Args: cobra.NoArgs, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			// What tells the node to end goes to all of its processes. The node lets scripts
			// come to their end, and with it gone there is nothing more to read.
			signal.Ignore(os.Interrupt, syscall.SIGTERM)
			return script.Serve(os.Stdin, os.Stdout)
		},
	}
}

// ScriptWorker is the command line that starts one, of this very program.
func ScriptWorker() []string {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{program, "workflow", "script-worker"}
}
