// Templates deploys every Azure Resource Manager template of a folder, unchanged, to a
// started server, each to a resource group of its own, and says what became of it.
//
//	go run ./conformance/templates [-keep DIR] [-v] [-only TEXT] DIR
//
// What a template asks of whoever deploys it is given: the values of NAME.parameters.json
// beside NAME.json, where they are values, and made-up ones for the rest. Types that Weir
// does not have are left out (--skip-unknown). A template that puts something into a
// namespace it expects to be there is given that namespace first, and the report says so.
//
// The templates are other people's: they are read from a folder outside the project.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"weir/conformance/server"
)

func main() {
	keep := flag.String("keep", "", "directory for the server's data (default: a temporary one)")
	only := flag.String("only", "", "deploy only files whose name has this in it")
	verbose := flag.Bool("v", false, "print everything the command line says")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./conformance/templates [-keep DIR] [-v] [-only TEXT] DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, flag.Arg(0), *keep, *only, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "templates:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, folder, keep, only string, verbose bool) (failed int, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return 0, err
	}
	if keep == "" {
		if keep, err = os.MkdirTemp("", "weir-templates-"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(keep)
	}
	binary := filepath.Join(keep, "weir")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "weir/cmd/weir").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build weir: %w\n%s", err, out)
	}
	s, err := server.New(server.Options{Binary: binary, Dir: filepath.Join(keep, "node")})
	if err != nil {
		return 0, err
	}
	if err := s.Start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	d := &deployer{binary: binary, data: s.Data()}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RESULT\tPUT\tLEFT OUT\tTEMPLATE\tNOTE")
	counts := map[string]int{}
	for i, file := range files {
		if strings.HasSuffix(file, ".parameters.json") || !strings.Contains(file, only) || ctx.Err() != nil {
			continue
		}
		r := d.deploy(ctx, file, fmt.Sprintf("t%03d", i))
		counts[r.result]++
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", r.result, r.put, r.left, filepath.Base(file), r.note)
		if verbose && r.said != "" {
			fmt.Fprintf(os.Stderr, "== %s\n%s\n", filepath.Base(file), r.said)
		}
	}
	if err := table.Flush(); err != nil {
		return 0, err
	}
	fmt.Printf("\n%d deployed, %d with nothing that is here, %d refused or failed\n", counts[deployed], counts[nothing], counts[refused])
	return counts[refused], ctx.Err()
}

// The results.
const (
	deployed = "deployed"
	nothing  = "nothing"
	refused  = "REFUSED"
)

// deployTime bounds one template.
const deployTime = time.Minute

type report struct {
	result    string
	put, left int
	note      string
	said      string
}

// deployer runs the command line against the server.
type deployer struct{ binary, data string }

func (d *deployer) weir(ctx context.Context, args ...string) (out, talk string, err error) {
	ctx, cancel := context.WithTimeout(ctx, deployTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--data", d.data)...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}
