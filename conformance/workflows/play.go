package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// played is what the command says of one definition that it rehearsed.
type played struct {
	File, Path, Name, Verdict, Status, Code string
	Ran, Calls                              int
	Faults                                  []fault   `json:",omitempty"`
	Problems                                []problem `json:",omitempty"`
	// Category is that of the manifest beside the files, if there is one.
	Category string `json:",omitempty"`
	// MadeUp is what was made up for it, when it is to be played again.
	MadeUp *madeUp `json:",omitempty"`
}

type fault struct{ Action, Type, Code, Message string }

// verdicts are how a run can have gone, the best first.
var verdicts = []string{"succeeded", "as written", "doubtful", "unsupported", "not ended", "invalid"}

// play is `workflows run`: every definition is carried out to its end, with stand-ins
// for what it calls.
func play(args []string) error {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	asJSON := flags.Bool("json", false, "print what came of every definition as JSON")
	verbose := flags.Bool("v", false, "list every definition that did not succeed, with why")
	real := flags.String("real", "security,consumption,powerautomate,standard", "the categories of the manifest that count as real, of which nine tenths must meet no missing feature")
	onNode := flags.Bool("node", false, "play them on a real node too, and compare how they end")
	otherwise := flags.Bool("otherwise", false, "let conditions go the other way, as far as stand-ins can")
	most := flags.Int("most", 0, "play at most so many on the node, spread over all; 0: all")
	flags.Parse(args)
	if flags.NArg() == 0 {
		return fmt.Errorf("run: files or folders with definitions are needed")
	}
	work, err := os.MkdirTemp("", "weir-workflows-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	weir, err := binary(work)
	if err != nil {
		return err
	}
	all, err := rehearse(weir, flags.Args(), *onNode, *otherwise)
	if err != nil {
		return err
	}
	if *onNode {
		there, err := playOnNode(weir, work, onlyReal(all, *most))
		if err != nil {
			return err
		}
		if *asJSON {
			return encode(there)
		}
		if !printOnNode(os.Stdout, there) {
			os.Exit(1)
		}
		return nil
	}
	if *asJSON {
		return encode(all)
	}
	if !printPlayed(os.Stdout, all, strings.Split(*real, ","), *verbose) {
		os.Exit(1)
	}
	return nil
}

func encode(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(v)
}

func rehearse(weir string, paths []string, madeUp, otherwise bool) ([]played, error) {
	args := []string{"workflow", "rehearse", "--json"}
	if madeUp {
		args = append(args, "--made-up")
	}
	if otherwise {
		args = append(args, "--otherwise")
	}
	cmd := exec.Command(weir, append(args, paths...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if len(out) == 0 && err != nil {
		return nil, fmt.Errorf("%s workflow rehearse: %w", weir, err)
	}
	var all []played
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("what weir workflow rehearse --json prints: %w", err)
	}
	categories := map[string]map[string]string{}
	for i := range all {
		dir := filepath.Dir(all[i].File)
		if categories[dir] == nil {
			categories[dir] = manifestOf(dir)
		}
		all[i].Category = categories[dir][filepath.Base(all[i].File)]
	}
	return all, nil
}

// manifestOf gives the categories of the files in a folder.
func manifestOf(dir string) map[string]string {
	all := map[string]string{}
	data, err := os.ReadFile(filepath.Join(dir, "MANIFEST.json"))
	if err != nil {
		return all
	}
	var entries []entry
	if json.Unmarshal(data, &entries) == nil {
		for _, e := range entries {
			all[filepath.Base(e.File)] = e.Category
		}
	}
	return all
}

// printPlayed prints the table and says whether it is good enough.
func printPlayed(w io.Writer, all []played, real []string, verbose bool) bool {
	count := map[string]map[string]int{}
	features := map[string][]string{}
	add := func(category string, p played) {
		if count[category] == nil {
			count[category] = map[string]int{}
		}
		count[category][p.Verdict]++
		count[category]["all"]++
	}
	isReal := func(p played) bool { return p.Category == "" || slices.Contains(real, p.Category) }
	for _, p := range all {
		add(p.Category, p)
		if isReal(p) && p.Verdict != "invalid" {
			add("real", p)
		}
		for _, f := range p.Faults {
			if p.Verdict == "unsupported" && f.Code == "ActionTypeNotSupported" && !slices.Contains(features[f.Type], p.File) {
				features[f.Type] = append(features[f.Type], p.File)
			}
		}
	}
	fmt.Fprintf(w, "%-16s %6s", "category", "all")
	for _, v := range verdicts {
		fmt.Fprintf(w, " %12s", v)
	}
	fmt.Fprintln(w)
	for _, c := range slices.Sorted(maps.Keys(count)) {
		if c == "" || c == "real" && len(count) == 2 {
			continue
		}
		fmt.Fprintf(w, "%-16s %6d", c, count[c]["all"])
		for _, v := range verdicts {
			fmt.Fprintf(w, " %12d", count[c][v])
		}
		fmt.Fprintln(w)
	}
	n := count["real"]
	if n["all"] == 0 {
		fmt.Fprintln(w, "\nnone of them is valid")
		return false
	}
	share := func(k int) float64 { return 100 * float64(k) / float64(n["all"]) }
	ended := n["all"] - n["unsupported"] - n["not ended"]
	fmt.Fprintf(w, "\nof %d real ones %.1f %% went to their end without meeting a feature that is not there; %.1f %% ended as they want, %.1f %% on a value that did not fit\n",
		n["all"], share(ended), share(n["succeeded"]+n["as written"]), share(n["doubtful"]))
	if len(features) > 0 {
		fmt.Fprintln(w, "\nfeatures that were met and are not there (definitions):")
		for _, f := range slices.SortedFunc(maps.Keys(features), func(a, b string) int {
			if len(features[a]) != len(features[b]) {
				return len(features[b]) - len(features[a])
			}
			return strings.Compare(a, b)
		}) {
			fmt.Fprintf(w, "%6d %s\n", len(features[f]), f)
		}
	}
	if verbose {
		printWhy(w, all)
	}
	return share(ended) >= 90
}

func printWhy(w io.Writer, all []played) {
	for _, p := range all {
		if p.Verdict == "succeeded" || p.Verdict == "invalid" {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s (%s %s)\n", p.File, p.Verdict, p.Status, p.Code)
		for _, f := range p.Faults {
			fmt.Fprintf(w, "  %s (%s): %s: %s\n", f.Action, f.Type, f.Code, f.Message)
		}
	}
}
