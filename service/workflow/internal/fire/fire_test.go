package fire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// compiled compiles the only trigger of a definition around its text.
func compiled(t *testing.T, trigger string) *Trigger {
	t.Helper()
	root, err := document.Parse([]byte(`{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
  "contentVersion": "1.0.0.0", "parameters": {"every": {"type": "int", "defaultValue": 7}, "secret": {"type": "string", "defaultValue": "d"}, "hidden": {"type": "securestring", "defaultValue": "h"}},
  "triggers": {"in": ` + trigger + `}, "actions": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, problems := definition.Read(definition.Find(root)[0], definition.Settings{})
	if !definition.Valid(problems) {
		t.Fatalf("%v", problems)
	}
	return Compile(d, d.Triggers[0])
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := expression.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var env = &Env{Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Random: 1,
	Workflow: expression.NewObject("name", "orders"), Callback: func() string { return "https://here/callback" },
	Setting: func(name string) (any, bool) { return "set " + name, name == "there" }}

// What a trigger becomes, one line each: the outputs, and what is made of them.
func TestDecide(t *testing.T) {
	const items = `{"headers": {"h": "1"}, "body": {"value": [{"id": 1, "ok": true}, {"id": 2, "ok": false}, {"id": 3, "ok": true}]}}`
	for name, c := range map[string]struct{ trigger, outputs, want string }{
		"one run of what says nothing": {`{"type": "Request"}`, `{"body": 1}`, `Succeeded OK; {"body":1} as theirs`},
		"conditions all hold":          {`{"type": "Request", "conditions": [{"expression": "@equals(triggerBody(), 1)"}, {"expression": {"greater": ["@triggerBody()", 0]}}]}`, `{"body": 1}`, `Succeeded OK; {"body":1} as theirs`},
		"one does not":                 {`{"type": "Request", "conditions": [{"expression": "@equals(triggerBody(), 1)"}, {"expression": "@greater(triggerBody(), 5)"}]}`, `{"body": 1}`, `Skipped TriggerConditionNotMet, 1 skipped, greater(triggerBody(), 5) false`},
		"what is secret is not told":   {`{"type": "Request", "conditions": [{"expression": {"equals": ["@parameters('hidden')", "@triggerBody()"]}}]}`, `{"body": 1}`, `Skipped TriggerConditionNotMet, 1 skipped, triggerBody() 1`},
		"what is secured is not told":  {`{"type": "Request", "runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}, "conditions": [{"expression": "@equals(triggerBody(), 2)"}]}`, `{"body": 1}`, `Skipped TriggerConditionNotMet, 1 skipped`},
		"a condition fails":            {`{"type": "Request", "conditions": [{"expression": "@triggerBody().x"}]}`, `{"body": 1}`, `Failed InvalidTemplate: Unable to process template language expressions in trigger 'in' conditions[0].expression at line`},
		"a tracking id":                {`{"type": "Request", "correlation": {"clientTrackingId": "@concat('order-', triggerBody())"}}`, `{"body": 1}`, `Succeeded OK; {"body":1} as order-1`},
		"a tracking id that fails":     {`{"type": "Request", "correlation": {"clientTrackingId": "@triggerBody()['x']"}}`, `{"body": 1}`, `Failed InvalidTemplate: Unable to process template language expressions in trigger 'in' correlation.clientTrackingId`},
		"a run for each item, its conditions and its tracking id": {`{"type": "Request", "splitOn": "@triggerBody()?['value']", "splitOnConfiguration": {"correlation": {"clientTrackingId": "@string(triggerBody()['id'])"}},
			"conditions": [{"expression": "@triggerBody()['ok']"}]}`, items, `Succeeded OK, 1 skipped, triggerBody()['ok'] false; {"headers":{"h":"1"},"body":{"id":1,"ok":true}} as 1; {"headers":{"h":"1"},"body":{"id":3,"ok":true}} as 3`},
		"nothing to split":     {`{"type": "Request", "splitOn": "@triggerBody()?['value']"}`, `{"body": {"value": []}}`, `Skipped OK: The array that 'splitOn' gave is empty; no run was made.`},
		"what cannot be split": {`{"type": "Request", "splitOn": "@triggerBody()?['value']"}`, `{"body": {}}`, `Failed InvalidSplitOn: The expression of the 'splitOn' property of the trigger 'in' must give an array; it gave null.`},
		"too much with concurrency": {`{"type": "Request", "splitOn": "@range(0, 101)", "runtimeConfiguration": {"concurrency": {"runs": 2}}}`, `{"body": {}}`,
			`Failed SplitOnItemsLimitExceeded: The 'splitOn' property of the trigger 'in' gave 101 items; at most 100 are allowed while its concurrency is limited.`},
	} {
		v := compiled(t, c.trigger).Decide(env, Input{Outputs: parsed(t, c.outputs).(*expression.Object), Tracking: "theirs"})
		if got := told(v); got != c.want && (!strings.HasSuffix(c.want, "line") && !strings.HasSuffix(c.want, "Id") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func told(v Verdict) string {
	s := v.Status.String() + " " + v.Code
	if v.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", v.Skipped)
		for _, trace := range v.Traces {
			s += fmt.Sprintf(", %s %s", trace.Text, expression.AppendJSON(nil, trace.Value))
		}
	} else if v.Message != "" {
		s += ": " + v.Message
	}
	for _, p := range v.Parts {
		s += fmt.Sprintf("; %s as %s", expression.AppendJSON(nil, p.Outputs), p.Tracking)
	}
	return s
}

// Parts are bounded at a hundred thousand.
func TestSplitsAreBounded(t *testing.T) {
	c := compiled(t, `{"type": "Request", "splitOn": "@triggerBody()"}`)
	many := make([]any, SplitMax+1)
	if v := c.Decide(env, Input{Outputs: expression.NewObject("body", many)}); v.Code != CodeSplitMost {
		t.Errorf("%d items: %s", len(many), v.Code)
	}
	if v := c.Decide(env, Input{Outputs: expression.NewObject("body", many[1:])}); len(v.Parts) != SplitMax {
		t.Errorf("%d items give %d parts, %s", SplitMax, len(v.Parts), v.Code)
	}
}

func TestInputs(t *testing.T) {
	c := compiled(t, `{"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "https://x/", "body": {"to": "@{listCallbackUrl()}", "at": "@utcNow('yyyy')", "p": "@parameters('secret')", "s": "@appsetting('there')", "w": "@workflow().name"}},
    "retryPolicy": {"type": "fixed", "count": 2, "interval": "PT@{parameters('every')}S"}}}`)
	in, failed := c.Evaluate(env)
	if failed != nil {
		t.Fatal(failed.Message)
	}
	want := `{"subscribe":{"method":"POST","uri":"https://x/","body":{"to":"https://here/callback","at":"2026","p":"d","s":"set there","w":"orders"}}}`
	if got := string(expression.AppendJSON(nil, in)); got != want {
		t.Errorf("inputs %s", got)
	}
	policy, failed := c.Retry(env)
	if failed != nil {
		t.Fatal(failed.Message)
	}
	for n, want := range []string{1: "7s true", 2: "7s true", 3: "0s false"} {
		if d, again, err := RetryAfter(policy, "in", n, 1); n > 0 && (err != nil || fmt.Sprint(d, again) != want) {
			t.Errorf("wait %d is %s %t, %v", n, d, again, err)
		}
	}
	broken := compiled(t, `{"type": "Http", "inputs": {"method": "GET", "uri": "@parameters('none')"}, "recurrence": {"frequency": "Minute", "interval": 1}}`)
	if _, failed := broken.Evaluate(env); failed == nil || failed.Status != run.Failed || failed.Code != CodeTemplate {
		t.Errorf("inputs that fail: %+v", failed)
	}
}

func TestRecurrences(t *testing.T) {
	c := compiled(t, `{"type": "Recurrence", "recurrence": {"frequency": "@toLower('Month')", "interval": "@parameters('every')", "timeZone": "UTC", "startTime": "2026-01-01T00:00:00Z",
    "schedule": {"hours": [1, "@add(1, 1)"], "minutes": [30], "monthlyOccurrences": [{"dayOfWeek": "Friday", "occurrence": -1}]}}}`)
	s, there, failed := c.Recurs(env)
	if failed != nil || !there {
		t.Fatal(failed)
	}
	if got := fmt.Sprintf("%+v", s); got != `{Frequency:month Interval:7 StartTime:2026-01-01T00:00:00Z EndTime: TimeZone:UTC Hours:[1 2] Minutes:[30] WeekDays:[] MonthDays:[] Occurrences:[{Day:Friday N:-1}]}` {
		t.Errorf("recurrence %s", got)
	}
	if d, err := Delay(parsed(t, `{"delay": "PT5M"}`)); d != 5*time.Minute || err != nil {
		t.Errorf("delay %s, %v", d, err)
	}
	if _, err := Delay(parsed(t, `{"delay": "soon"}`)); err == nil {
		t.Error("a delay of 'soon' is taken")
	}
}

func TestBatches(t *testing.T) {
	got := Batches(parsed(t, `{"mode": "Inline", "configurations": {"orders": {"releaseCriteria": {"messageCount": 10, "batchSize": 5000}}, "late": {"releaseCriteria": {"recurrence": {"frequency": "Hour", "interval": 2}}}}}`))
	if len(got) != 2 || got[0].Name != "orders" || got[0].Messages != 10 || got[0].Bytes != 5000 || got[0].Recurs != nil || got[1].Recurs == nil || got[1].Recurs.Interval != 2 {
		t.Errorf("batches %+v", got)
	}
}

func TestAdmit(t *testing.T) {
	const schema = `"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}`
	plain, get := `{"type": "Request", "inputs": {`+schema+`}}`, `{"type": "Request", "inputs": {"method": "GET", "relativePath": "/orders/{id}/of-{name}.json"}}`
	strict := `{"type": "Request", "operationOptions": "EnableSchemaValidation", "inputs": {` + schema + `}}`
	body := func(text string) Request {
		return Request{Method: "POST", Body: parsed(t, text), Has: true, JSON: true}
	}
	for _, c := range []struct {
		trigger string
		r       Request
		want    string
	}{
		{plain, body(`{"name": 1}`), "null"},
		{plain, Request{Method: "get"}, "400 TriggerRequestMethodNotValid: The HTTP method of a request to the trigger 'in' of type 'Request' is not valid: expected 'POST' and actual 'GET'."},
		{plain, Request{Method: "POST", Path: "x"}, "404 TriggerRelativePathNotMatched: The path 'x' of the request does not match the relative path '' of the trigger 'in'."},
		{get, Request{Method: "GET", Path: "Orders/a%2Fb/of-me.json"}, `{"id":"a/b","name":"me"}`},
		{get, Request{Method: "GET", Path: "orders/1"}, "404 TriggerRelativePathNotMatched: The path 'orders/1' of the request does not match the relative path '/orders/{id}/of-{name}.json' of the trigger 'in'."},
		{get, Request{Method: "GET", Path: "orders/1/of-.json"}, "404 TriggerRelativePathNotMatched: The path 'orders/1/of-.json' of the request does not match the relative path '/orders/{id}/of-{name}.json' of the trigger 'in'."},
		{strict, body(`{"id": 1}`), "null"},
		{`{"type": "Request", "kind": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['x']['connectionId']"}}}}`, body(`1`), "null"},
		{strict, body(`{"name": 1}`), "400 TriggerInputSchemaMismatch: The input body for trigger 'in' of type 'Request' did not match its schema definition. Error details: 'Required properties are missing from object: id.,Invalid type. Expected String but got Integer.'."},
		{strict, Request{Method: "POST", Body: "x", Has: true}, "400 InvalidRequestContent: The input body for trigger 'in' of type 'Request' must be of type JSON, as its schema is checked; send it with the content type 'application/json'."},
	} {
		trigger := compiled(t, c.trigger)
		in, failed := trigger.Evaluate(env)
		if failed != nil {
			t.Fatal(failed.Message)
		}
		params, refused := trigger.Admit(in, c.r)
		var got string
		switch {
		case refused != nil:
			got = fmt.Sprintf("%d %s: %s", refused.Status, refused.Code, refused)
		case params == nil:
			got = "null"
		default:
			got = string(expression.AppendJSON(nil, params))
		}
		if got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.r, got, c.want)
		}
	}
}
