package host

import (
	"context"
	"strings"
	"testing"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/run"
)

const resubmitted = `"actions": {
  "I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "list", "type": "array"}]}},
  "A": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/a"}, "runAfter": {"I": ["Succeeded"]}},
  "Each": {"type": "Foreach", "foreach": "@range(0, 3)", "runAfter": {"A": ["Succeeded"]}, "actions": {
    "Add": {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}}}},
  "Skip": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Failed"]}},
  "S": {"type": "Scope", "runAfter": {"Each": ["Succeeded"], "Skip": ["Skipped"]}, "actions": {
    "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/b"}},
    "C": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/c", "retryPolicy": {"type": "none"}}, "runAfter": {"B": ["Succeeded"]}}}},
  "D": {"type": "Compose", "inputs": "@{body('B')} @{body('C')} @{length(variables('list'))} @{triggerBody()}", "runAfter": {"S": ["Succeeded"]}}},
  "outputs": {"o": {"type": "String", "value": "@outputs('D')"}}}`

// What is before an action keeps its results, variables too; what is not is done again.
func TestARunIsResubmitted(t *testing.T) {
	s := newStage(t)
	w := &witness{asked: map[deed]int{}, keys: map[deed]string{}}
	broken := true
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		if c.Who.Action == "C" && broken {
			return connector.Answer{Status: 400, Body: "no"}
		}
		a := w.do(ctx, c)
		a.Body = strings.ToLower(c.Who.Action)
		return a
	}
	s.put("Orders", resubmitted)
	name, ended := s.fire("orders", "x")
	s.ends(name, ended, run.Failed)
	broken = false
	for _, one := range []struct {
		from  []string
		calls int
	}{{nil, 3}, {[]string{"C"}, 1}, {[]string{"S"}, 2}, {[]string{"Skip", "b"}, 2}} {
		again, err := s.Resubmit(s.within(), "orders", name, one.from)
		s.must(err)
		i := s.await("orders", again, run.Succeeded)
		text, err := s.Content(s.within(), i.OutputsContent)
		if err != nil || string(text) != `{"o":{"type":"String","value":"b c 3 x"}}` || i.Origin != name {
			t.Errorf("from %v: %s of %s, %v", one.from, text, i.Origin, err)
		}
		calls := 0
		for d := range w.count() {
			if d.run == again {
				calls++
			}
		}
		if calls != one.calls {
			t.Errorf("from %v: %d calls, want %d", one.from, calls, one.calls)
		}
		actions, err := s.Actions(s.within(), "orders", again)
		s.must(err)
		var all []string
		for _, a := range actions {
			all = append(all, a.Name+" "+a.Status.String())
		}
		if got := strings.Join(all, ", "); got != "I Succeeded, A Succeeded, Each Succeeded, Skip Skipped, S Succeeded, B Succeeded, C Succeeded, D Succeeded" {
			t.Errorf("from %v: %s", one.from, got)
		}
	}
	for _, from := range []string{"Nobody", "Add", "Each"} {
		if _, err := s.Resubmit(s.within(), "orders", name, []string{from}); err == nil {
			t.Errorf("resubmitted from %s", from)
		}
	}
	s.restart()
	if _, _, err := s.Runs("orders", RunQuery{}); err != nil {
		t.Error(err)
	}
}
