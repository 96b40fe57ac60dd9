// Workflows holds the validator of workflow definitions against a folder of
// definitions that others wrote.
//
//	go run ./conformance/workflows [-v] [-spoil N] PATH
//	go run ./conformance/workflows run [-v] [-json] [-real CATEGORIES] [-otherwise] [-node [-most N]] PATH...
//
// With run the definitions are carried out: by `weir workflow rehearse`, which makes up
// what triggers, connections and services give from what each definition reads of it.
// It prints how each category ended and which features were met that are not there, and
// ends with status 1 when less than nine tenths of the real ones reach their end
// without such a feature. PATHs need no manifest; without one all definitions are real.
//
// With -node those that were played to an end are deployed to a real node as well, each
// with what it calls replaced by HTTP calls of a stand-in that gives the same answers
// (ApiConnection actions stay what they are, and have a connection to it),
// its trigger by one that can be called, and its waits by none; and each must end there
// as it did in the rehearsal.
//
// Without run:
//
// PATH holds definitions, one in each JSON file, and a MANIFEST.json: a list of
// entries with file, path (where it comes from), category and kind. An entry is
// marked by its members valid (true or false) and reason, or else by its path: one
// that speaks of "invalid" is invalid, for the reason that its other words tell; one
// that speaks of "clean" is valid; all others of a category that has such marks are
// counted apart, and those of the other categories are valid, since people run them.
//
// With -spoil N it makes each of a list of mistakes in N of the valid definitions and
// sees whether the validator names that mistake.
//
// The file doubts.txt lists definitions whose mark does not hold for the definition
// alone, each with the reason; they are counted apart.
//
// Each definition is put into the wrapping that its kind asks for and given to the
// real `weir workflow validate`. It prints how many of the valid ones load and how
// many of the invalid ones are refused, and for the right reason; and ends with
// status 1 when not all valid ones load, or less than nine tenths of the invalid ones
// are refused rightly.
package main

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// entry is one line of the manifest.
type entry struct {
	File, Path, Category, Kind string
	Valid                      *bool
	Reason                     string
}

// report is what the command says of one file.
type report struct {
	File     string
	Valid    bool
	Problems []problem
}

type problem struct{ Code, Severity, Path, Message string }

func main() {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		if err := play(os.Args[2:]); err != nil {
			fail(err)
		}
		return
	}
	each := flag.Int("spoil", 0, "make each known mistake in so many of the valid definitions, and see whether it is named")
	verbose := flag.Bool("v", false, "list every definition that is judged otherwise than it is marked")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "workflows [flags] FOLDER   judges the definitions of a folder with a MANIFEST.json that marks them valid or invalid\n"+
			"workflows run PATH...      plays definitions to their end with made-up answers (run -h says more)")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		fail(fmt.Errorf("name one folder with a MANIFEST.json, or 'run PATH...' to play definitions; -h says more"))
	}
	good, err := run(flag.Arg(0), *each, *verbose)
	if err != nil {
		fail(err)
	}
	if !good {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "workflows:", err)
	os.Exit(2)
}

func run(dir string, each int, verbose bool) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, "MANIFEST.json"))
	if err != nil {
		return false, err
	}
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return false, fmt.Errorf("MANIFEST.json: %w", err)
	}
	work, err := os.MkdirTemp("", "weir-workflows-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	weir, err := binary(work)
	if err != nil {
		return false, err
	}
	wrapped := filepath.Join(work, "wrapped")
	if err := wrap(dir, wrapped, entries); err != nil {
		return false, err
	}
	reports, err := validate(weir, wrapped)
	if err != nil {
		return false, err
	}
	t := judge(entries, reports)
	t.print(os.Stdout, verbose)
	if each == 0 {
		return t.good(), nil
	}
	valid := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { r, found := reports[e.File]; return !found || !r.Valid })
	spoiled := filepath.Join(work, "spoiled")
	made, err := spoil(dir, spoiled, valid, each)
	if err != nil {
		return false, err
	}
	if reports, err = validate(weir, spoiled); err != nil {
		return false, err
	}
	named := printSpoiled(os.Stdout, made, reports, verbose)
	return t.good() && named, nil
}

// binary gives the weir command: the one WEIR_BINARY names, or one built from the
// sources around us.
func binary(work string) (string, error) {
	if path := os.Getenv("WEIR_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(work, "weir")
	cmd := exec.Command("go", "build", "-o", path, "weir/cmd/weir")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}

// wrap copies the definitions, each in the wrapping that its kind asks for.
func wrap(from, to string, entries []entry) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, filepath.Base(e.File)))
		if err != nil {
			return err
		}
		if e.Kind != "" {
			data = fmt.Appendf(nil, "{%q: %q, %q: %s}", "kind", e.Kind, "definition", data)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(e.File)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// validate asks the command about a folder.
func validate(weir, dir string) (map[string]report, error) {
	cmd := exec.Command(weir, "workflow", "validate", "--json", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if len(out) == 0 && err != nil {
		return nil, fmt.Errorf("%s workflow validate: %w", weir, err)
	}
	var list []report
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("what weir workflow validate --json prints: %w", err)
	}
	all := map[string]report{}
	for _, r := range list {
		all[filepath.Base(r.File)] = r
	}
	return all, nil
}

// marked says whether a definition is valid, and for which reason not; known is false
// for one that is not marked.
func (e entry) marked(labelled map[string]bool) (valid, known bool, reason string) {
	path := strings.ToLower(e.Path)
	switch {
	case e.Valid != nil:
		return *e.Valid, true, e.Reason
	case !labelled[e.Category]:
		return true, true, ""
	case strings.Contains(path, "invalid"):
		return false, true, path
	case strings.Contains(path, "clean"):
		return true, true, ""
	}
	return false, false, ""
}

//go:embed doubts.txt
var doubtsFile string

// doubts are the definitions whose mark is doubted, by where they come from.
func doubts() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(doubtsFile) {
		path, why, ok := strings.Cut(strings.TrimSpace(line), " | ")
		if ok && !strings.HasPrefix(line, "#") {
			all[path] = why
		}
	}
	return all
}

// labelled lists the categories whose paths mark their definitions.
func labelled(entries []entry) map[string]bool {
	count := map[string][2]int{}
	for _, e := range entries {
		c := count[e.Category]
		c[0]++
		if p := strings.ToLower(e.Path); strings.Contains(p, "invalid") || strings.Contains(p, "clean") {
			c[1]++
		}
		count[e.Category] = c
	}
	out := map[string]bool{}
	for name, c := range count {
		out[name] = c[1]*3 > c[0]
	}
	return out
}

// reasons are the codes that fit a word of a mark; the first word that is found
// counts.
var reasons = []struct {
	word  string
	codes []string
}{
	{"trackedproperties", []string{"tracked", "action-outside", "callback-outside"}}, {"tracked-properties", []string{"tracked", "action-outside", "callback-outside"}},
	{"runafter", []string{"runafter"}}, {"cycle", []string{"runafter-cycle"}},
	{"response", []string{"response", "unknown-member"}}, {"terminate", []string{"terminate", "wrong-value"}},
	{"retrypolicy", []string{"retry-policy"}}, {"retry", []string{"retry-policy"}},
	{"recurrence", []string{"recurrence", "time-zone"}}, {"schedule", []string{"recurrence", "stateless"}}, {"sliding", []string{"duration", "recurrence"}},
	{"stateless", []string{"stateless", "limit-exceeded"}},
	{"uri", []string{"uri", "method"}}, {"method", []string{"method"}}, {"trace", []string{"method"}},
	{"javascript", []string{"dependency", "wrong-type", "missing-member"}},
	{"setvariable", []string{"variable", "missing-member", "not-an-object"}}, {"variable", []string{"variable", "missing-member", "wrong-value", "init-in-scope"}}, {"initialize", []string{"variable", "init-in-scope"}},
	{"duplicate", []string{"duplicate"}}, {"parameter", []string{"parameter"}},
	{"action-type", []string{"unknown-action-type"}}, {"trigger-type", []string{"unknown-trigger-type"}}, {"type", []string{"wrong-type", "unknown", "wrong-value", "concurrency", "static-result"}},
	{"operation-options", []string{"unknown-option"}}, {"limit", []string{"limit-exceeded", "wrong-type", "missing-member", "duration"}}, {"count", []string{"limit-exceeded"}},
	{"runtime", []string{"limit-exceeded", "concurrency", "static-result", "wrong"}}, {"dedup", []string{"limit-exceeded"}},
	{"static", []string{"static-result", "missing-member"}}, {"secure", []string{"wrong"}},
	{"result", []string{"reference"}}, {"item", []string{"item-outside-loop"}}, {"iteration", []string{"iteration-outside"}}, {"output", []string{"reference"}},
	{"arity", []string{"expression"}}, {"interpolation", []string{"expression"}}, {"suffix", []string{"expression"}}, {"wdl", []string{"expression", "reference", "unknown"}},
	{"connection", []string{"connection", "missing-member", "wrong"}},
	{"shape", []string{"wrong", "not-an-object", "missing", "unknown"}}, {"schema", []string{"wrong", "not-an-object", "missing", "unknown"}},
	{"inputs", []string{"wrong", "missing", "not-an-object"}}, {"leaves", []string{"wrong", "missing"}}, {"fields", []string{"wrong", "missing"}}, {"accesskey", []string{"wrong-value"}},
}

// right reports whether one of the errors fits the reason of a mark. A reason that
// has none of the words is met by any error.
func right(reason string, r report) bool {
	for _, row := range reasons {
		if !strings.Contains(strings.ToLower(reason), row.word) {
			continue
		}
		return slices.ContainsFunc(r.Problems, func(p problem) bool {
			return p.Severity == "error" && slices.ContainsFunc(row.codes, func(c string) bool { return strings.HasPrefix(p.Code, c) })
		})
	}
	return !r.Valid
}
