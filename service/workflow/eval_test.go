package workflow

import (
	"strings"
	"testing"
)

const someRun = `{
  "now": "2025-09-25T05:18:31.3384797Z",
  "random": 7,
  "parameters": {"limit": 10, "names": ["a", "b"]},
  "variables": {"total": 2.5},
  "triggerBody": {"order": {"id": 42}},
  "outputs": {"Get_it": {"statusCode": 200, "headers": {"x": "y"}, "body": {"value": [{"n": 1}, {"n": 2}]}}},
  "actions": {"Done": {"status": "Failed", "outputs": {"body": "late"}}},
  "items": {"Each": {"k": "v"}},
  "item": 3,
  "iterationIndexes": {"Until": 4},
  "result": {"Try": [{"name": "Done", "status": "Failed"}]},
  "workflow": {"name": "orders"},
  "listCallbackUrl": "http://localhost/x",
  "appSettings": {"key": "set"}
}`

func TestEval(t *testing.T) {
	for text, want := range map[string]string{
		"add(parameters('limit'), variables('total'))":  `12.5`,
		"@triggerBody()?['order'].id":                   `42`,
		"trigger().outputs.body.order.id":               `42`,
		"body('Get it')['value'][1].n":                  `2`,
		"outputs('Get_it')?['body/value']":              `[{"n":1},{"n":2}]`,
		"outputs('Get_it').statusCode":                  `200`,
		"actions('Done').status":                        `"Failed"`,
		"actions('Get_it').outputs.headers.X":           `"y"`,
		"body('Done')":                                  `"late"`,
		"items('Each').k":                               `"v"`,
		"item()":                                        `3`,
		"iterationIndexes('Until')":                     `4`,
		"first(result('Try'))['status']":                `"Failed"`,
		"workflow().name":                               `"orders"`,
		"listCallbackUrl()":                             `"http://localhost/x"`,
		"appsetting('key')":                             `"set"`,
		"Order @{triggerBody()['order']['id']} in @@{}": `"Order 42 in @{}"`,
		"concat('a@{b', '}')":                           `"a@{b}"`,
		"utcNow()":                                      `"2025-09-25T05:18:31.3384797Z"`,
		"equals(guid(), guid())":                        `false`,
	} {
		got, err := Eval([]byte(someRun), text)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, wants %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"body('Other')":        "'Other' is not defined in the template, or has not run yet",
		"variables('missing')": "the variable 'missing' is not initialized",
		"parameters('p')":      "The workflow parameter 'p' is not found.",
		"add(1":                "expected token 'RightParenthesis' and actual 'EndOfData'",
		"Hello":                "expected token 'LeftParenthesis'",
		"triggerBody().order.": "expected token 'Identifier'",
		"triggerBody().other":  "property 'other' doesn't exist, available properties are 'order'",
	} {
		if got, err := Eval([]byte(someRun), text); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "InvalidTemplate") {
			t.Errorf("%s: %s, %v, wants an error with %q", text, got, err, want)
		}
	}
	for context, want := range map[string]string{`[1]`: "no JSON object", `{"nwo": 1}`: `member "nwo"`, `{"now": "noon"}`: "now", `{`: "read the context"} {
		if _, err := Eval([]byte(context), "add(1, 2)"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("context %s: %v, wants an error with %q", context, err, want)
		}
	}
}

func TestVectors(t *testing.T) {
	results, err := Vectors([]byte(`[
	  {"id": "1", "expression": "add(1, 2)", "expected": 3, "confidence": "own"},
	  {"id": "2", "template": "a@{item()}", "context": {"item": 1}, "expected": "a1"},
	  {"id": "3", "expression": "add(1)", "expected": {"$error": "arity"}},
	  {"id": "4", "expression": "guid()", "expected": {"$regex": "^[0-9a-f-]{36}$"}},
	  {"id": "5", "expression": "rand(1, 3)", "expected": {"$oneOf": [1, 2]}},
	  {"id": "6", "expression": "xpath(xml('<a><b>x</b></a>'), '//b')", "expected": ["x"]},
	  {"id": "7", "expression": "add(1, 2)", "expected": 4},
	  {"id": "8", "expression": "add(1, 2)", "expected": {"$error": "any"}},
	  {"id": "8", "expression": "add(1, 2)", "expected": 3, "context": {"unheard": "of"}},
	  {"id": "9", "expression": "json('{\"a\": 1, \"b\": 0.1}')", "expected": {"b": 0.1, "a": 1}}
	]`))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if want := r.ID != "7" && r.ID != "8"; r.OK != want {
			t.Errorf("line %d: %+v, wants ok %v", i+1, r, want)
		}
	}
	for _, table := range []string{`{}`, `[1]`, `[{"expression": "a()"}]`, `[{"expression": 1, "expected": 1}]`, `[`} {
		if _, err := Vectors([]byte(table)); err == nil {
			t.Errorf("the table %s was taken", table)
		}
	}
}
