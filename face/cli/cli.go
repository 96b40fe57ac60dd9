// Package cli is the command line: weir NOUN VERB. It speaks to a server over its
// HTTP door, and starts one with weir serve.
//
// What it promises:
//  1. Data goes to standard output, talk to standard error; with --json the data
//     is JSON whose fields stay.
//  2. Exit status 0 is done, 1 is refused or failed, 2 is a command line that was
//     not understood, 3 an answer that says no: what was asked about is not in order.
//  3. Errors are sentences that say what to do next.
//  4. Nouns come from the resource types it is given: a new type needs no code here.
//
// What it refuses: to hold state of its own, or to print keys unless asked for keys.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/rendezvous"
	"weir/internal/settings"
	"weir/kernel/resource"
)

// Program is what the command line is made of.
type Program struct {
	Version string
	// Serving are the settings of weir serve. Serve runs a server with them until
	// ctx ends.
	Serving *settings.Set
	Serve   func(ctx context.Context, talk io.Writer) error
	Routing Routing // weir route
	// Types give the nouns.
	Types []*resource.Type
	// Commands live elsewhere and are added as they are.
	Commands []*cobra.Command
}

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a command line that was not understood.
type usageError struct{ error }

// line is one run of the command line.
type line struct {
	Streams
	program Program
	client  *settings.Set
	data    string // data directory of the server on this machine
	server  string // URL; empty: find it by the data directory
	token   string
	json    bool
}

// Run runs one command line and returns the exit status.
func Run(ctx context.Context, p Program, s Streams, args ...string) int {
	l := &line{Streams: s, program: p, data: rendezvous.DefaultDir()}
	root := l.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var ends interface{ ExitStatus() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ends):
		fmt.Fprintf(s.Err, "weir: %v\n", err)
		return ends.ExitStatus()
	case errors.As(err, new(usageError)):
		fmt.Fprintf(s.Err, "weir: %v\nTry: weir help\n", err)
		return exitUsage
	}
	fmt.Fprintf(s.Err, "weir: %v\n", err)
	return exitFailed
}

const about = `Weir is Service Bus and Logic Apps on your own machines: Azure's SDKs connect to
it as they are, workflow definitions run as they are, and what it has acknowledged or
begun survives the loss of a process, a node or a location.

  weir serve                     start it; the first start says what to do next
  weir deploy estate.yaml        declare queues, topics, subscriptions, workflows
  weir deploy main.json -p FILE  deploy an Azure Resource Manager template
  weir diff main.json -p FILE    say what is not as the template has it
  weir queue show orders         look at one, with its message counts
  weir set queue orders lockDuration=PT30S     make or change one
  weir workflow runs orders      runs of a workflow; workflow run shows one
  weir keys                      connection strings
  weir identity                  users, applications, and who has which role
  weir login                     sign in as yourself, in place of the administration token
  weir ca > weir-ca.pem          the certificate authority clients should trust
  weir help settings             every setting: flag, environment, file key, default`

func (l *line) root() *cobra.Command {
	root := &cobra.Command{
		Use: "weir", Short: "Service Bus and Logic Apps on your own machines", Long: about,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return l.settle(cmd) },
	}
	root.SetIn(l.In)
	root.SetOut(l.Out)
	root.SetErr(l.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	l.client = l.declare()
	root.AddGroup(&cobra.Group{ID: "run", Title: "Running:"}, &cobra.Group{ID: "look", Title: "Declaring and looking:"}, &cobra.Group{ID: "trust", Title: "Keys and trust:"})
	root.AddCommand(
		l.serve(), l.status(), l.version(), l.settingsTopic(),
		l.deploy(), l.diff(), l.get(), l.list(), l.set(), l.remove(), l.lock(),
		l.group(), l.changeGroup(), l.failover(), l.salvage(), l.rejoin(),
		l.keys(), l.ca(), l.identity(), l.login(), l.logout(), l.audit(),
	)
	root.AddCommand(l.route()...)
	root.AddCommand(l.nouns()...)
	root.AddCommand(l.program.Commands...)
	for _, cmd := range l.program.Commands {
		if cmd.Name() == "workflow" {
			cmd.AddCommand(l.workflowVerbs()...)
		}
	}
	usageOnly(root)
	return root
}

// declare makes the settings of commands that speak to a server.
func (l *line) declare() *settings.Set {
	set := settings.New("WEIR")
	g := set.Group("Finding the server")
	g.Text(&l.data, "data", "DIR", "Data directory of the server, where its address and token are found.")
	g.Text(&l.server, "server", "URL", "HTTP door of the server. Not given: what the data directory says, or http://127.0.0.1:8080.")
	g.Secret(&l.token, "token", "Administration token. Not given: the file admin-token of the data directory.")
	return set
}

// settle decides the settings of a command that has them; weir serve has its own.
func (l *line) settle(cmd *cobra.Command) error {
	if cmd.Flags().Lookup("server") == nil {
		return nil
	}
	if err := l.client.Load(os.LookupEnv, ""); err != nil {
		return usageError{err}
	}
	return nil
}

// remote gives a command the flags of those that speak to a server.
func (l *line) remote(cmd *cobra.Command, group string) *cobra.Command {
	cmd.GroupID = group
	l.client.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&l.json, "json", false, "Write JSON.")
	return cmd
}

// usageOnly makes wrong arguments usage errors, and a noun without its verb show
// its help.
func usageOnly(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w; usage: %s", err, c.UseLine())}
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.RunE == nil && cmd.Run == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("%q is no command%s", strings.Join(append(strings.Fields(c.CommandPath())[1:], args[0]), " "), suggestion(c, args[0]))}
			}
			return c.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		usageOnly(sub)
	}
}

func suggestion(c *cobra.Command, wrong string) string {
	c.SuggestionsMinimumDistance = 2
	if names := c.SuggestionsFor(wrong); len(names) > 0 {
		return "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return ""
}
