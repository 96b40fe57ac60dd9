package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"weir/service/workflow"
)

// evalBytesMax bounds the files that `weir workflow eval` reads.
const evalBytesMax = 256 << 20

// EvalExpression is `weir workflow eval`: it needs no server.
func EvalExpression() *cobra.Command {
	var context, vectors string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "eval [EXPRESSION]", Short: "Compute an expression of the workflow definition language", Args: cobra.MaximumNArgs(1), SilenceUsage: true,
		Long: `Computes an expression, or a text with expressions in it, and prints its value as JSON.

  weir workflow eval "add(1, 2)"
  weir workflow eval "@{utcNow('yyyy')} is the year" --context run.json
  weir workflow eval --context run.json "body('Get_order')?['lines'][0]"
  weir workflow eval --vectors table.json

` + workflow.ContextHelp + `
With --vectors a table is computed instead: a JSON array of objects with "expression"
or "template", "expected", and a "context" if it needs one; "id", "function" and
"confidence" are reported. What is expected is a value, or {"$error": what},
{"$regex": pattern}, {"$oneOf": [values]}.

Exit status: 0, the value is printed, or all of the table is as expected; 1, the
expression failed, with the engine's words on standard error, or a line is not.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (vectors != "") == (len(args) == 1) {
				return errors.New("give an expression, or a table of them with --vectors")
			}
			if vectors != "" {
				return evalTable(cmd.OutOrStdout(), vectors, asJSON)
			}
			var data []byte
			if context != "" {
				var err error
				if data, err = readBounded(context); err != nil {
					return err
				}
			}
			value, err := workflow.Eval(data, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", value)
			return err
		},
	}
	cmd.Flags().StringVar(&context, "context", "", "what the run knows: a JSON `FILE`")
	cmd.Flags().StringVar(&vectors, "vectors", "", "a table of expressions and what they give: a JSON `FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the table's results as JSON")
	return cmd
}

// readBounded reads a file, or standard input for -.
func readBounded(name string) ([]byte, error) {
	file := os.Stdin
	if name != "-" {
		var err error
		if file, err = os.Open(name); err != nil {
			return nil, err
		}
		defer file.Close()
	}
	data, err := io.ReadAll(io.LimitReader(file, evalBytesMax+1))
	if err == nil && len(data) > evalBytesMax {
		err = fmt.Errorf("%s is larger than %d MiB", name, evalBytesMax>>20)
	}
	return data, err
}

func evalTable(out io.Writer, name string, asJSON bool) error {
	data, err := readBounded(name)
	if err != nil {
		return err
	}
	results, err := workflow.Vectors(data)
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(results)
	} else {
		err = writeTable(out, results)
	}
	if err != nil {
		return err
	}
	bad := 0
	for _, r := range results {
		if !r.OK {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d lines are not as expected", bad, len(results))
	}
	return nil
}

func writeTable(out io.Writer, results []workflow.VectorResult) error {
	good, all := map[string]int{}, map[string]int{}
	for _, r := range results {
		verdict := "not as expected"
		all[r.Confidence]++
		if r.OK {
			verdict = "ok"
			good[r.Confidence]++
		}
		if _, err := fmt.Fprintf(out, "%s %s\n  %s\n  gives %s\n", r.ID, verdict, r.Text, r.Got); err != nil {
			return err
		}
		if !r.OK {
			if _, err := fmt.Fprintf(out, "  wants %s\n", r.Expected); err != nil {
				return err
			}
		}
	}
	for _, c := range slices.Sorted(maps.Keys(all)) {
		name := c
		if name == "" {
			name = "all"
		}
		if _, err := fmt.Fprintf(out, "%s: %d of %d as expected\n", name, good[c], all[c]); err != nil {
			return err
		}
	}
	return nil
}
