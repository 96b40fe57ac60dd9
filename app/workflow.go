package app

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/service/workflow"
)

// WorkflowCommands are the commands of `weir workflow`: they need no server.
func WorkflowCommands() []*cobra.Command {
	return []*cobra.Command{validateWorkflows(), rehearseWorkflows(), EvalExpression(), scriptWorker()}
}

// ended is an error that says with which status the process ends.
type ended struct {
	status int
	error
}

// ExitStatus is what the process ends with.
func (e *ended) ExitStatus() int { return e.status }

func validateWorkflows() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate PATH...", Short: "Say what is wrong with workflow definitions, all of it", Args: cobra.MinimumNArgs(1), SilenceUsage: true,
		Long: `Reads files, and in folders and exported packages (.zip) every .json file that holds a
definition, and names every problem with its JSON path, line and column. Nothing is
stored and no server is asked.

  weir workflow validate orders/workflow.json
  weir workflow validate my-logic-app --json

A definition may stand alone, in a Standard project (<name>/workflow.json, beside which
host.json, parameters.json and connections.json are looked at), in a resource or a
deployment template with Microsoft.Logic/workflows, or in a Power Automate flow.

Exit status: 0, no errors; 1, there are some; 2, a path could not be read. Warnings are
about what is read and kept, but will not run here or is probably not meant.`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			v, err := workflow.ValidatePaths(paths...)
			if err != nil {
				return &ended{2, err}
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), v)
			} else {
				err = writeText(cmd.OutOrStdout(), v)
			}
			if err == nil && !v.Valid() {
				return &ended{1, fmt.Errorf("not all definitions are valid")}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array with one object for each file")
	return cmd
}

func writeJSON(w io.Writer, v workflow.Validation) error {
	reports := v.Reports
	if reports == nil {
		reports = []workflow.Report{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(reports)
}

func writeText(w io.Writer, v workflow.Validation) error {
	errors, warnings, bad := 0, 0, 0
	for _, r := range v.Reports {
		for _, p := range r.Problems {
			if p.Severity == "error" {
				errors++
			} else {
				warnings++
			}
			fmt.Fprintf(w, "%s:%d:%d: %s: %s: %s [%s]\n", r.File, p.Line, p.Column, p.Severity, p.Path, p.Message, p.Code)
		}
		if !r.Valid {
			bad++
		}
	}
	_, err := fmt.Fprintf(w, "%d files with definitions, %d of them not valid: %d errors, %d warnings; %d other files\n", len(v.Reports), bad, errors, warnings, v.Skipped)
	return err
}
