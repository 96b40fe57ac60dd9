package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheMarksAreRead gives the runner marks of each kind and what a validator might
// have said, and reads its table.
func TestTheMarksAreRead(t *testing.T) {
	no := false
	entries := []entry{
		{File: "a.json", Path: "x/a-clean/workflow.json", Category: "lint"},
		{File: "b.json", Path: "x/runafter-cycle-invalid/workflow.json", Category: "lint"},
		{File: "c.json", Path: "x/uri-invalid/workflow.json", Category: "lint"},
		{File: "d.json", Path: "x/unsaid/workflow.json", Category: "lint"},
		{File: "e.json", Path: "y/real.json", Category: "real"},
		{File: "f.json", Path: "y/said.json", Category: "real", Valid: &no, Reason: "recurrence"},
		{File: "g.json", Path: "tests/fixtures/clean/arm-copy-zero-clean/workflow.json", Category: "lint"},
	}
	bad := func(code string) report { return report{Problems: []problem{{Code: code, Severity: "error"}}} }
	ok := report{Valid: true}
	tally := judge(entries, map[string]report{"a.json": ok, "b.json": bad("runafter-cycle"), "c.json": bad("wrong-type"), "d.json": ok, "e.json": ok, "f.json": bad("recurrence-schedule"), "g.json": bad("unknown-action-type")})
	want := row{doubted: 1, valid: 2, loaded: 2, invalid: 3, refused: 3, rightly: 2, unmarked: 1}
	if got := tally.total(); got != want || tally.good() {
		t.Errorf("the tally is %+v, want %+v; good is %v", got, want, tally.good())
	}
	var b bytes.Buffer
	tally.print(&b, true)
	for _, line := range []string{"load rate 100.00 %, refused 100.0 %, for the right reason 66.7 %", "invalid, but refused for another reason: wrong-type", "doubted: tests/fixtures"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("the table lacks %q:\n%s", line, b.String())
		}
	}
	if settled := judge(entries[6:], map[string]report{"g.json": ok}); settled.good() {
		t.Error("a doubt that is settled passes")
	}
}

func TestDefinitionsAreWrappedByTheirKind(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	for _, name := range []string{"a.json", "b.json"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(`{"actions": {}}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := wrap(from, to, []entry{{File: "a.json"}, {File: "b.json", Kind: "Stateless"}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(to, "b.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind       string
		Definition map[string]any
	}
	if err := json.Unmarshal(data, &got); err != nil || got.Kind != "Stateless" || got.Definition["actions"] == nil {
		t.Errorf("wrapped as %s: %v", data, err)
	}
	if data, _ := os.ReadFile(filepath.Join(to, "a.json")); string(data) != `{"actions": {}}` {
		t.Errorf("one without a kind is changed: %s", data)
	}
}
