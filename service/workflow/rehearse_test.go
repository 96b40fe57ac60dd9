package workflow

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const head = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",`

func TestRehearsalsFitWhatIsRead(t *testing.T) {
	for _, c := range []struct{ name, triggers, actions, verdict, says string }{
		{"a list that is gone over, of things with members", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"each": {"type": "Foreach", "foreach": "@body('get')?['value']", "runAfter": {"get": ["Succeeded"]}, "actions": {"say": {"type": "Compose", "inputs": "@add(items('each')['price'], 1)"}}},
			 "get": {"type": "Http", "inputs": {"method": "GET", "uri": "https://x"}}`, "succeeded", ""},
		{"dates, texts that are split, JSON in base64", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"a": {"type": "Compose", "inputs": "@addDays(triggerBody()['when'], 1)"},
			 "b": {"type": "Compose", "inputs": "@split(triggerBody()['id'], '/')[8]"},
			 "c": {"type": "Compose", "inputs": "@json(base64ToString(triggerBody()['token']))['claims']['name']"},
			 "d": {"type": "Compose", "inputs": "@int(triggerBody()['count'])"}`, "succeeded", ""},
		{"what a schema asks for", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"parse": {"type": "ParseJson", "inputs": {"content": "@body('get')", "schema": {"type": "object", "required": ["n", "m"], "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "object", "required": ["z"]}}}}}, "runAfter": {"get": ["Succeeded"]}},
			 "get": {"type": "Http", "inputs": {"method": "GET", "uri": "https://x"}}`, "succeeded", ""},
		{"a loop that waits for a word", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"until": {"type": "Until", "expression": "@equals(body('ask')?['state'], 'done')", "limit": {"count": 3, "timeout": "PT1H"}, "actions": {"ask": {"type": "Http", "inputs": {"method": "GET", "uri": "https://x"}}}}`, "succeeded", ""},
		{"a webhook is called back", `{"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}`,
			`"hook": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "https://x", "body": "@listCallbackUrl()"}, "unsubscribe": {"method": "POST", "uri": "https://x"}}},
			 "use": {"type": "Compose", "inputs": "@body('hook')['answer']['name']", "runAfter": {"hook": ["Succeeded"]}}`, "succeeded", ""},
		{"the definition's own end", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"end": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "Bad", "message": "so"}}}`, "as written", ""},
		{"what is not there", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"x": {"type": "Xslt", "inputs": {"content": "a", "map": {"name": "m"}}}`, "unsupported", "ActionTypeNotSupported"},
		{"what cannot be", `{"type": "Request", "kind": "Http", "inputs": {}}`,
			`"x": {"type": "Compose", "inputs": "@div(1, 0)"}`, "doubtful", "divide"},
		{"what is not valid", `{"type": "Request", "kind": "Http", "inputs": {}}`, `"x": {"type": "Nothing"}`, "invalid", "unknown-action-type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := fmt.Sprintf(`{%s "triggers": {"t": %s}, "actions": {%s}}`, head, c.triggers, c.actions)
			all, err := Rehearse([]byte(text), RehearseOptions{})
			if err != nil || len(all) != 1 {
				t.Fatalf("%v, %v", all, err)
			}
			if got := all[0]; string(got.Verdict) != c.verdict || !strings.Contains(fmt.Sprint(got.Faults, got.Problems), c.says) {
				t.Errorf("%s, wants %s with %q: %+v", got.Verdict, c.verdict, c.says, got)
			}
			again, _ := Rehearse([]byte(text), RehearseOptions{})
			if fmt.Sprint(again) != fmt.Sprint(all) {
				t.Errorf("another rehearsal goes otherwise: %v, %v", all, again)
			}
		})
	}
}

func TestRehearsalsOfFolders(t *testing.T) {
	dir := t.TempDir()
	text := fmt.Sprintf(`{"kind": "Stateful", "definition": {%s "triggers": {"t": {"type": "Request"}}, "actions": {"a": {"type": "Compose", "inputs": 1}}}}`, head)
	for name, data := range map[string]string{"orders/workflow.json": text, "host.json": `{"version": "2.0"}`, "notes.txt": "no"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := RehearsePaths(RehearseOptions{}, dir)
	if err != nil || len(all) != 1 || all[0].Name != "orders" || all[0].Verdict != "succeeded" || all[0].Ran != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := RehearsePaths(RehearseOptions{}, filepath.Join(dir, "nobody.json")); err == nil {
		t.Error("a path that is not there is passed over")
	}
}
