package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const sdk = "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

// testPackage is a package of the SDK that has live tests, with the name of its compiled
// test.
type testPackage struct{ path, binary string }

var (
	rootPackage = testPackage{".", "root.test"}
	packages    = []testPackage{{"./admin", "admin.test"}, rootPackage, {"./internal", "internal.test"}}
)

// outputFile is where everything the tests print goes.
const outputFile = "output.txt"

// prepare copies the module, compiles its tests and builds weir.
func prepare(ctx context.Context, dir string) error {
	source, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", sdk)
	if err != nil {
		return err
	}
	copied := filepath.Join(dir, "sdk")
	if err := os.RemoveAll(copied); err != nil {
		return err
	}
	if err := os.CopyFS(copied, os.DirFS(strings.TrimSpace(source))); err != nil {
		return fmt.Errorf("copy the module: %w", err)
	}
	if err := makeWritable(copied); err != nil {
		return err
	}
	for _, pkg := range packages {
		if _, err := output(ctx, copied, "go", "test", "-mod=mod", "-c", "-o", filepath.Join(dir, pkg.binary), pkg.path); err != nil {
			return err
		}
	}
	if os.Getenv(binaryVariable) == "" {
		_, err = output(ctx, "", "go", "build", "-o", filepath.Join(dir, "weir"), "weir/cmd/weir")
	}
	return err
}

// binaryVariable names the environment variable that gives a ready weir.
const binaryVariable = "WEIR_BINARY"

// weirBinary is the server to start: the one that was given, or the one built.
func weirBinary(dir string) string {
	if given := os.Getenv(binaryVariable); given != "" {
		return given
	}
	return filepath.Join(dir, "weir")
}

// makeWritable undoes the write protection of the module cache.
func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said.Bytes())
	}
	return string(out), nil
}

// runTests runs the compiled tests with the environment they ask for at a host.
func runTests(ctx context.Context, dir, run string, env func(host string) []string) error {
	out, err := os.Create(filepath.Join(dir, outputFile))
	if err != nil {
		return err
	}
	defer out.Close()
	for _, pkg := range packages {
		fmt.Fprintln(os.Stderr, "running the tests of", sdk, pkg.path)
		if err := runPackage(ctx, dir, pkg, out, env(standard), "-test.run="+run, "-test.skip=^"+distantTest+"$"); err != nil {
			return err
		}
	}
	if wanted, err := regexp.MatchString(run, distantTest); err != nil || !wanted {
		return err
	}
	return runPackage(ctx, dir, rootPackage, out, env(distant), "-test.run=^"+distantTest+"$")
}

// runPackage runs tests of one package. That some fail is no error.
func runPackage(ctx context.Context, dir string, pkg testPackage, out io.Writer, env []string, flags ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, pkg.binary), append([]string{"-test.v", "-test.timeout=45m"}, flags...)...)
	cmd.Dir = filepath.Join(dir, "sdk", pkg.path)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// results are the outcomes of top-level tests: PASS, FAIL or SKIP.
type results map[string]string

var outcome = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)

func readResults(dir string) (results, error) {
	f, err := os.Open(filepath.Join(dir, outputFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := results{}
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadString('\n')
		if m := outcome.FindStringSubmatch(line); m != nil {
			all[m[2]] = m[1]
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

//go:embed covered.txt
var coveredText string

// readCovered reads the names of the tests that must pass.
func readCovered() (names []string, err error) {
	for line := range strings.Lines(coveredText) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("covered.txt names no test")
	}
	return names, nil
}

// judge prints what passed, failed and was skipped, and reports whether every
// covered test passed. When all tests were asked for, one that did not run
// counts as failed.
func (r results) judge(w io.Writer, covered []string, all bool, outputPath string) (good bool) {
	count := map[string]int{}
	for _, outcome := range r {
		count[outcome]++
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped of the SDK's own tests\n", count["PASS"], count["FAIL"], count["SKIP"])
	var bad []string
	passed := 0
	for _, name := range covered {
		switch outcome, ran := r[name]; {
		case outcome == "PASS":
			passed++
		case ran || all:
			bad = append(bad, fmt.Sprintf("  %-5s %s", outcome, name))
		}
	}
	fmt.Fprintf(w, "%d of %d covered tests passed\n", passed, len(covered))
	for _, line := range bad {
		fmt.Fprintln(w, line)
	}
	var beyond []string
	for name, outcome := range r {
		if outcome == "FAIL" && !slices.Contains(covered, name) {
			beyond = append(beyond, name)
		}
	}
	slices.Sort(beyond)
	for _, name := range beyond {
		fmt.Fprintln(w, "  failed, not covered:", name)
	}
	if len(bad) > 0 {
		fmt.Fprintln(w, "output is in", outputPath)
	}
	return len(bad) == 0
}
