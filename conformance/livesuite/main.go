// Livesuite runs the Go SDK's own live tests against a weir server.
//
//	go run ./conformance/livesuite [-run REGEXP] [-keep DIR]
//
// The module's tests are copied out of the module cache, unchanged, and
// compiled. They dial fixed ports, so they run in a network namespace of their
// own, where those ports are free and the cloud's host names lead to one server
// with two namespaces, a Standard and a Premium one. Nothing in front of it is a
// double: the admin API and the tokens of managed identity are the server's own.
// One test measures the time a network takes, and gets a slower one (region.go).
//
// It prints how many tests passed, failed and were skipped, and fails when a
// test that covered.txt names did not pass. It needs Linux, with root or user
// namespaces, and the Go module proxy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	run := flag.String("run", ".", "which tests to run")
	keep := flag.String("keep", "", "directory for the copy, the server's data and all output (default: a temporary one)")
	inside := flag.Bool("inside", false, "used by the command itself: the network is private")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := *keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "weir-livesuite-"); err != nil {
			fail(err)
		}
		defer os.RemoveAll(dir)
	}
	if *inside {
		if err := runInside(ctx, dir, *run); err != nil {
			fail(err)
		}
		return
	}
	good, err := runAll(ctx, dir, *run)
	if err != nil {
		fail(err)
	}
	if !good {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "livesuite:", err)
	os.Exit(2)
}

// runAll prepares, runs the tests in their private network and judges.
func runAll(ctx context.Context, dir, run string) (good bool, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	fmt.Fprintln(os.Stderr, "compiling the SDK's tests and weir")
	if err := prepare(ctx, dir); err != nil {
		return false, err
	}
	if err := enterPrivateNetwork(ctx, "-inside", "-keep", dir, "-run", run); err != nil {
		return false, err
	}
	results, err := readResults(dir)
	if err != nil {
		return false, err
	}
	covered, err := readCovered()
	if err != nil {
		return false, err
	}
	return results.judge(os.Stdout, covered, run == ".", filepath.Join(dir, outputFile)), nil
}
