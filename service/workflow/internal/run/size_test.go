package run

import (
	"fmt"
	"strings"
	"testing"

	"weir/service/workflow/internal/expression"
)

// TestValuesAreBounded has limits that small values reach.
func TestValuesAreBounded(t *testing.T) {
	limits := Limits{ContentBytesMax: 200, ActionBytesMax: 300, VariableBytesMax: 100}
	long := strings.Repeat("x", 190)
	for _, c := range []struct{ name, actions, code string }{
		{"inputs of a call", `"a": {"type": "Http", "inputs": {"method": "POST", "uri": "https://x", "body": "@{concat('` + long + `', '` + long + `')}"}}`, codeContentTooLarge},
		{"outputs of a Compose", `"a": {"type": "Compose", "inputs": "@concat('` + long + `', '` + long + `')"}`, codeContentTooLarge},
		{"inputs and outputs together", `"a": {"type": "Compose", "inputs": "@concat('` + long + `', '')"}`, codeResultTooLarge},
		{"items of a Foreach", `"a": {"type": "Foreach", "foreach": "@range(1, 100)", "actions": {}}`, codeContentTooLarge},
		{"a variable that is set", `"v": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "v", "type": "string"}]}}, "a": {"type": "SetVariable", "inputs": {"name": "v", "value": "@concat('` + long[:120] + `')"}, "runAfter": {"v": ["Succeeded"]}}`, codeVariableTooLarge},
		{"a variable that grows", `"v": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "v", "type": "array"}]}}, "a": {"type": "Until", "expression": "@equals(1, 2)", "limit": {"count": 60}, "actions": {"b": {"type": "AppendToArrayVariable", "inputs": {"name": "v", "value": "ten bytes"}}}, "runAfter": {"v": ["Succeeded"]}}`, codeVariableTooLarge},
		{"what just fits", `"a": {"type": "Compose", "inputs": "@concat('` + long[:140] + `', '')"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, `{"actions": {`+c.actions+`}}`)
			in := Input{Event: Start, Trigger: &expression.Object{}}
			for more := true; more; in = (Input{Event: Go}) {
				e := s.env()
				e.Limits = limits
				o := Advance(s.s, s.p, e, in)
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				s.record(o.Facts)
				more = o.More
			}
			s.agree()
			s.show()
			all := strings.Join(s.out, "\n")
			if c.code == "" && s.s.Status != Succeeded || c.code != "" && !strings.Contains(all, fmt.Sprintf("Failed %s", c.code)) {
				t.Errorf("the run %s; wants %q in\n%s", s.s.Status, c.code, all)
			}
		})
	}
}
