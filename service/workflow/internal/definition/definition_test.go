package definition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/document"
)

// read reads one definition that must be without errors.
func read(t *testing.T, text string) *Definition {
	t.Helper()
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	found := Find(v)
	if len(found) != 1 {
		t.Fatalf("%d definitions", len(found))
	}
	d, problems := Read(found[0], Settings{})
	if !Valid(problems) {
		t.Fatalf("problems: %v", problems)
	}
	return d
}

const orders = `{"kind": "Stateless", "definition": {
  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {"key": {"type": "securestring"}, "count": {"type": "int", "defaultValue": 3}},
  "triggers": {"in": {"type": "request", "kind": "http", "operationOptions": "singleinstance", "splitOn": "@triggerBody()",
    "splitOnConfiguration": {"correlation": {"clientTrackingId": "@guid()"}}, "correlation": {"clientTrackingId": "@triggerBody()"},
    "conditions": [{"expression": "@equals(1, 1)"}]}},
  "staticResults": {"ok": {"status": "Succeeded", "outputs": {"statusCode": "OK"}}},
  "outputs": {"x": {"type": "String", "value": "@body('Last')"}},
  "actions": {
    "Last": {"type": "Compose", "inputs": 1, "runAfter": {"Each": ["SUCCEEDED", "Skipped"], "Choose": ["Failed"]}},
    "Each": {"type": "foreach", "foreach": "@triggerBody()", "runAfter": {"First": ["Succeeded"]}, "runtimeConfiguration": {"concurrency": {"repetitions": 7}},
      "actions": {"Call": {"type": "Http", "description": "rings", "inputs": {"method": "GET", "uri": "https://host.example",
        "retryPolicy": {"type": "Exponential", "count": 4, "interval": "PT7S", "minimumInterval": "PT5S", "maximumInterval": "PT30S"}},
        "runtimeConfiguration": {"secureData": {"properties": ["inputs"]}, "contentTransfer": {"transferMode": "chunked"}, "paginationPolicy": {"minimumItemCount": 500}, "staticResult": {"name": "ok"}, "requestOptions": {"timeout": "PT1M"}},
        "operationOptions": "DisableAsyncPattern, SuppressWorkflowHeaders", "trackedProperties": {"a": 1}, "limit": {"timeout": "PT1H"}}}},
    "Choose": {"type": "Switch", "expression": "@triggerBody()", "cases": {"A": {"case": "a", "actions": {"In A": {"type": "Compose", "inputs": 2}}}}, "default": {"actions": {}}, "runAfter": {"First": ["Succeeded"]}},
    "First": {"type": "If", "expression": {"equals": [1, 1]}, "actions": {"Yes": {"type": "Compose", "inputs": 1}}, "else": {"actions": {"No": {"type": "Compose", "inputs": 1}}}},
    "Again": {"type": "Until", "expression": "@equals(1, 1)", "limit": {"count": "10", "timeout": "PT1H"}, "actions": {}}
  }}}`

func TestReadKeepsWhatWasWritten(t *testing.T) {
	d := read(t, orders)
	if d.Host != Standard || !d.Stateless || d.ContentVersion != "1.0.0.0" {
		t.Errorf("the head is %+v", d)
	}
	if p := d.Parameter("KEY"); p == nil || p.Type != "SecureString" || !p.Secure() || d.Parameter("count").Secure() {
		t.Errorf("the parameter is %+v", p)
	}
	in := d.Triggers[0]
	if in.Type != "Request" || !in.Options.Has("SingleInstance") || in.SplitOn.Text != "@triggerBody()" || in.SplitName != "@guid()" || len(in.Conditions) != 1 || in.Correlation == nil {
		t.Errorf("the trigger is %+v", in)
	}
	call := d.Action("call")
	want := RetryPolicy{Type: "exponential", Count: 4, Interval: 7 * iso8601.Second, Minimum: 5 * iso8601.Second, Maximum: 30 * iso8601.Second, Value: call.Retry.Value}
	if *call.Retry != want {
		t.Errorf("the retry policy is %+v", *call.Retry)
	}
	r := call.Runtime
	if !r.SecureInputs || r.SecureOutputs || !r.Chunked || r.MinimumItems != 500 || r.StaticResult != "ok" || !r.StaticEnabled || r.RequestTimeout == nil {
		t.Errorf("the runtime configuration is %+v", r)
	}
	if !slices.Equal(call.Options, Options{"DisableAsyncPattern", "SuppressWorkflowHeaders"}) || call.Description != "rings" || call.Limit.Timeout.Text != "PT1H" || call.Tracked == nil {
		t.Errorf("the call is %+v", call.Operation)
	}
	if call.Path != "$.definition.actions.Each.actions.Call" || call.In.Owner.Name != "Each" || call.In.Owner.Runtime.Repetitions != 7 {
		t.Errorf("the call stands at %s in %s", call.Path, call.In.Owner.Name)
	}
	if last := d.Action("Last").RunAfter; len(last) != 2 || last[0].Name != "Each" || last[0].Statuses != Succeeded|Skipped || !last[1].Statuses.Has(Failed) || last[1].Statuses.Has(Succeeded) {
		t.Errorf("runAfter is %+v", last)
	}
	if len(d.Outputs) != 1 || len(d.StaticResults) != 1 || d.StaticResults[0].Status != "Succeeded" {
		t.Errorf("outputs %v, static results %v", d.Outputs, d.StaticResults)
	}
}

func TestOrderAndDepth(t *testing.T) {
	d := read(t, orders)
	var order, all []string
	for _, a := range d.Actions.Order() {
		order = append(order, a.Name)
	}
	d.Actions.Each(func(a *Action) { all = append(all, a.Name) })
	if s := strings.Join(order, " "); s != "First Each Choose Last Again" {
		t.Errorf("the order is %s", s)
	}
	at := map[string]int{}
	for i, name := range order {
		at[name] = i
	}
	for _, a := range d.Actions.Actions {
		for _, after := range a.RunAfter {
			if at[after.Name] > at[a.Name] {
				t.Errorf("%s comes before %s", a.Name, after.Name)
			}
		}
	}
	if s := strings.Join(all, " "); s != "Last Each Call Choose In A First Yes No Again" {
		t.Errorf("all are %s", s)
	}
	if got := len(circle(t).Order()); got != 1 {
		t.Errorf("%d actions of a circle and beside it are in the order", got)
	}
	if d.Action("in_a") == nil || d.Actions.Get("in a") != nil {
		t.Error("an inner action is found at the top, or not at all")
	}
}

// circle is a graph of which only one action ever starts.
func circle(t *testing.T) *Graph {
	t.Helper()
	v, err := document.Parse([]byte(`{"triggers": {}, "actions": {"After": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Failed"]}},
	  "A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Failed"]}}, "B": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Failed"]}}, "Alone": {"type": "Compose", "inputs": 1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := Read(Find(v)[0], Settings{})
	return d.Actions
}

// nosy is an Expressions that hears every text and finds fault with one word.
type nosy struct{ heard *[]string }

func (n nosy) Check(text string) []Fault {
	*n.heard = append(*n.heard, text)
	if i := strings.Index(text, "bad"); i >= 0 {
		return []Fault{{Column: i + 1, Message: "no", Mild: strings.Contains(text, "mild")}}
	}
	return nil
}

func (nosy) Calls(string) []Call { return nil }

func TestEveryExpressionIsHeard(t *testing.T) {
	text := `{"triggers": {"t": {"type": "Http", "inputs": {"method": "@m", "uri": "@u"}, "recurrence": {"frequency": "@f", "interval": "@i"}, "splitOn": "@s()", "conditions": [{"expression": "@c()"}], "trackedProperties": {"a": "@t()"}}},
	  "outputs": {"o": {"type": "String", "value": "@o()"}},
	  "actions": {"A": {"type": "Compose", "inputs": ["plain", {"b": "x @{bad} y", "c": "@mild bad"}]},
	    "B": {"type": "Foreach", "foreach": "@each()", "actions": {}}, "C": {"type": "Until", "expression": "@until()", "limit": {"count": "@n()", "timeout": "@d()"}, "actions": {}},
	    "D": {"type": "If", "expression": {"equals": ["@l()", 1]}, "actions": {}, "trackedProperties": {"x": "@p()"}},
	    "E": {"type": "Switch", "expression": "@w()", "cases": {"k": {"case": "@k()", "actions": {}}}}}}`
	v, err := document.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	_, problems := Read(Find(v)[0], Settings{Expressions: nosy{&heard}})
	for _, want := range []string{"@m", "@u", "@f", "@i", "@s()", "@c()", "@t()", "@o()", "x @{bad} y", "@each()", "@until()", "@n()", "@d()", "@l()", "@p()", "@w()", "@k()"} {
		if !slices.Contains(heard, want) {
			t.Errorf("%s was not judged", want)
		}
	}
	if slices.Contains(heard, "plain") {
		t.Error("a plain string was judged")
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s %s %s", p.Severity, p.Code, p.Path))
	}
	if s := strings.Join(got, "; "); s != "error expression $.actions.A.inputs[1].b; warning expression $.actions.A.inputs[1].c" {
		t.Errorf("problems: %s", s)
	}
}

func TestLimitsAreSettings(t *testing.T) {
	v, _ := document.Parse([]byte(`{"triggers": {"t": {"type": "Request"}}, "actions": {"A": {"type": "Compose", "inputs": 1}, "B": {"type": "Scope", "actions": {"C": {"type": "Compose", "inputs": 1}}}}}`))
	l := LimitsOf(Consumption, false)
	for code, change := range map[string]func(*Limits){
		"the workflow has 3 actions": func(l *Limits) { l.ActionsMax = 2 },
		"actions lie 2 deep":         func(l *Limits) { l.DepthMax = 1 },
		"1 triggers are declared":    func(l *Limits) { l.TriggersMax = 0 },
		"has 1 characters":           func(l *Limits) { l.NameCharsMax = 0 },
	} {
		tight := l
		change(&tight)
		_, problems := Read(Find(v)[0], Settings{Limits: tight})
		if !slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Code == "limit-exceeded" && p.Severity == Error && strings.Contains(p.Message, code)
		}) {
			t.Errorf("%s: said %v", code, problems)
		}
	}
}

func TestAPlaceholderIsAnErrorInTheEnd(t *testing.T) {
	v, _ := document.Parse([]byte(`{"triggers": {"t": {"type": "Request"}}, "actions": {"A": {"type": "{{type}}"}}}`))
	for _, final := range []bool{false, true} {
		if _, problems := Read(Find(v)[0], Settings{Final: final}); Valid(problems) == final || len(problems) != 1 || problems[0].Code != "placeholder" {
			t.Errorf("final %v: said %v", final, problems)
		}
	}
}

func TestTheScheduleOfARecurrence(t *testing.T) {
	d := read(t, `{"triggers": {"t": {"type": "Recurrence", "recurrence": {"frequency": "month", "interval": "2", "startTime": "2024-05-01T06:00:00", "timeZone": "UTC",
	  "schedule": {"hours": ["6", 18], "minutes": [30], "monthDays": [-1], "monthlyOccurrences": [{"dayOfWeek": "friday", "occurrence": -1}]}}}}, "actions": {}}`)
	s := d.Triggers[0].Recurrence.Spec()
	if got := fmt.Sprintf("%+v", s); got != "{Frequency:Month Interval:2 StartTime:2024-05-01T06:00:00 EndTime: TimeZone:UTC Hours:[6 18] Minutes:[30] WeekDays:[] MonthDays:[-1] Occurrences:[{Day:Friday N:-1}]}" {
		t.Errorf("the spec is %s", got)
	}
}
