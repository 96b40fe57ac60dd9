package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"weir/service/workflow"
)

// rehearseWorkflows is `weir workflow rehearse`: it needs no server.
func rehearseWorkflows() *cobra.Command {
	var asJSON, verbose, madeUp, otherwise bool
	cmd := &cobra.Command{
		Use: "rehearse PATH...", Short: "Play workflow definitions with made-up answers from what they call", Args: cobra.MinimumNArgs(1), SilenceUsage: true,
		Long: `Plays every definition in the files and folders from its trigger to its end, by the
engine itself. Nothing is called: what triggers, connections and services would give is
made up from what the definition reads of it (an array where a Foreach goes over it, a
date where one is reckoned with, the word that a condition compares it with). Waiting
takes no time.

  weir workflow rehearse orders/workflow.json
  weir workflow rehearse my-logic-app --json

Verdicts: succeeded; as written, the definition itself ended the run otherwise
(Terminate); unsupported, an action was reached that this engine does not run; doubtful,
an action failed on a value, which may be the stand-in's fault; not ended; invalid,
see "weir workflow validate".

Exit status: 0, all succeeded or ended as written; 1, some did not; 2, a path could not
be read.`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			all, err := workflow.RehearsePaths(workflow.RehearseOptions{MadeUp: madeUp && asJSON, Otherwise: otherwise}, paths...)
			if err != nil {
				return &ended{2, err}
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				err = e.Encode(all)
			} else {
				err = writeRehearsals(cmd.OutOrStdout(), all, verbose)
			}
			if err != nil {
				return err
			}
			if slices.ContainsFunc(all, func(r workflow.Rehearsal) bool { return r.Verdict != "succeeded" && r.Verdict != "as written" }) {
				return &ended{1, fmt.Errorf("not all definitions were played to the end")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array with one object for each definition")
	cmd.Flags().BoolVar(&madeUp, "made-up", false, "with --json: tell what was made up, and the definition it is for")
	cmd.Flags().BoolVar(&otherwise, "otherwise", false, "let conditions go the other way, as far as stand-ins can")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the failed actions of runs that succeeded, too")
	return cmd
}

func writeRehearsals(w io.Writer, all []workflow.Rehearsal, verbose bool) error {
	count := map[string]int{}
	for _, r := range all {
		count[string(r.Verdict)]++
		fmt.Fprintf(w, "%s: %s: %s", r.File, r.Path, r.Verdict)
		if r.Status != "" {
			fmt.Fprintf(w, " (%s, %d actions, %d calls, %s)", r.Status, r.Ran, r.Calls, r.Took)
		}
		fmt.Fprintln(w)
		for _, p := range r.Problems {
			fmt.Fprintf(w, "  %d:%d: %s: %s [%s]\n", p.Line, p.Column, p.Path, p.Message, p.Code)
		}
		if verbose || r.Verdict != "succeeded" {
			for _, f := range r.Faults {
				fmt.Fprintf(w, "  %s (%s): %s: %s\n", f.Action, f.Type, f.Code, f.Message)
			}
		}
	}
	for _, v := range slices.Sorted(maps.Keys(count)) {
		if _, err := fmt.Fprintf(w, "%d %s\n", count[v], v); err != nil {
			return err
		}
	}
	return nil
}
