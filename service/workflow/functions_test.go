package workflow

import (
	"encoding/json"
	"os"
	"testing"

	"weir/service/workflow/internal/expression"
)

// TestEveryDocumentedFunctionHasAnExample computes a table with what the documentation says
// of each function, in examples of our own.
func TestEveryDocumentedFunctionHasAnExample(t *testing.T) {
	data, err := os.ReadFile("testdata/functions.json")
	if err != nil {
		t.Fatal(err)
	}
	results, err := Vectors(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s: %s gives %s, want %s", r.ID, r.Text, r.Got, r.Expected)
		}
	}
	var rows []struct{ Function string }
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, r := range rows {
		has[r.Function] = true
	}
	for _, f := range expression.Functions() {
		if f.Origin == expression.Documented && !has[f.Name] {
			t.Errorf("%s has no example in testdata/functions.json", f.Name)
		}
	}
}
