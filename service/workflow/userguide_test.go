package workflow

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/connector/api"
	"weir/service/workflow/connector/bus"
	"weir/service/workflow/connector/file"
	webcalls "weir/service/workflow/connector/http"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/connector/script"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// users is the page for those who use workflows; its tables are made from the code.
const users = "../../docs/workflows.md"

func attentionTable() string {
	var b strings.Builder
	b.WriteString("| kind | about | runs without it |\n|---|---|---|\n")
	for _, k := range AttentionKinds {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Kind, k.About, map[bool]string{true: "no", false: "yes"}[k.Must])
	}
	return b.String()
}

// supportTable lists types by what becomes of them.
func supportTable() string {
	var b strings.Builder
	b.WriteString("| | types |\n|---|---|\n")
	for _, list := range []struct {
		what  string
		types []definition.Type
	}{{"trigger", definition.Triggers}, {"action", definition.Actions}} {
		var runs []string
		why := map[string][]string{}
		var order []string
		for _, row := range list.types {
			if row.Support == definition.Runs {
				runs = append(runs, "`"+row.Name+"`")
				continue
			}
			key := fmt.Sprintf("%s, %s: %s", list.what, row.Support, row.Note)
			if why[key] == nil {
				order = append(order, key)
			}
			why[key] = append(why[key], "`"+row.Name+"`")
		}
		fmt.Fprintf(&b, "| %s, runs | %s |\n", list.what, strings.Join(runs, ", "))
		for _, key := range order {
			fmt.Fprintf(&b, "| %s | %s |\n", key, strings.Join(why[key], ", "))
		}
	}
	return b.String()
}

// operationsTable lists what the connectors declare.
func operationsTable() string {
	var b strings.Builder
	b.WriteString("| provider | operation | what it does | inputs (**must be there**) | what comes out |\n|---|---|---|---|---|\n")
	for _, c := range []connector.Connector{webcalls.New(webcalls.Options{}), api.New(api.Options{}), bus.New(bus.Options{}), file.New(file.Options{}), nested.New(nested.Options{}), script.New(script.Options{})} {
		of := "" // the operation is a type of its own
		if provider, ok := strings.CutPrefix(c.Handles()[0], "ServiceProvider/serviceProviders/"); ok {
			of = "`" + provider + "`"
		}
		for _, o := range c.Operations() {
			var inputs []string
			for _, in := range o.Inputs {
				name := "`" + in.Name + "`"
				if in.Required {
					name = "**" + name + "**"
				}
				inputs = append(inputs, name)
			}
			what := o.Summary
			if o.Trigger {
				what = "*trigger*: " + what
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", of, o.Name, cell(what), strings.Join(inputs, ", "), cell(o.Outputs))
		}
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }

func functionsTable() string {
	var b strings.Builder
	b.WriteString("| group | functions |\n|---|---|\n")
	group, names := "", []string{}
	row := func() {
		if group != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", group, strings.Join(names, ", "))
		}
	}
	for _, f := range expression.Functions() {
		if f.Group != group {
			row()
			group, names = f.Group, nil
		}
		names = append(names, "`"+f.Name+"`")
	}
	row()
	return b.String()
}

// bounds says what each limit is about.
var bounds = map[string]string{
	"StepsPerAdvance": "actions that a run does before others get their turn", "ForeachItemsMax": "items of a Foreach", "Repetitions": "iterations of a Foreach at the same time, where nothing is said",
	"UntilCount": "iterations of an Until, where nothing is said", "UntilCountMax": "iterations of an Until", "UntilTimeout": "time of an Until, where nothing is said",
	"RequestTimeout": "time of an attempt, where nothing is said", "RequestTimeoutStandard": "the same in a Standard project", "WaitMax": "time that a webhook, or an asynchronous call, is waited for",
	"PollInterval": "time between two questions whether an asynchronous call is done, where nothing is said", "RetryAfterMax": "time that a Retry-After is heeded for", "RetriesMax": "attempts after the first",
	"ContentBytesMax": "inputs, or outputs, of an action: `ContentSizeLimitExceeded`", "ActionBytesMax": "both together: `ActionResultSizeLimitExceeded`", "VariableBytesMax": "a variable: `VariableSizeLimitExceeded`",
	"Calls": "calls of a unit under way at once", "CallsWaiting": "calls that wait before no further run is started", "Workers": "runs of a unit that are worked on at once", "MailboxInputs": "what may wait for one run",
	"ValuesBytes": "values in memory", "ClonesKept": "states of runs in memory while calls are under way", "TurnBytes": "what is recorded at once: an action that needs nothing outside, with inputs and outputs; the beginnings of a firing's runs", "FiringRuns": "runs that one firing starts (splitOn)", "Retention": "time a run is kept after it ended",
	"ForgetEvery": "how often old runs are forgotten", "ForgetRuns": "how many at once",
}

// runLimitsTable lists the limits of runs and of units by the names they have as settings.
func runLimitsTable() string {
	var b strings.Builder
	b.WriteString("| limit | by default | what it bounds |\n|---|---|---|\n")
	for _, limits := range []any{run.DefaultLimits, host.DefaultLimits} {
		v := reflect.ValueOf(limits)
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch x := v.Field(i).Interface().(type) {
			case int, int64:
				fmt.Fprintf(&b, "| %s | %s | %s |\n", spelled(f.Name), grouped(reflect.ValueOf(x).Int()), bounds[f.Name])
			case time.Duration:
				fmt.Fprintf(&b, "| %s | %s | %s |\n", spelled(f.Name), x, bounds[f.Name])
			}
		}
	}
	return b.String()
}

// grouped writes a number so that it can be read.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
