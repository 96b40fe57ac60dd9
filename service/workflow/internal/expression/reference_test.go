package expression

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const referencePage = "../../../../docs/reference/workflow-functions.md"

// reference writes the page of all functions.
func reference() string {
	var b strings.Builder
	b.WriteString("# Workflow functions\n\nGenerated from the table that the engine runs. A `?` marks a parameter that may be\nmissing, `...` further ones of the same kind. Names are taken in any case. What the\nlanguage is, and where it differs from the cloud, says [the guide](../workflow-expressions.md).\n")
	group := ""
	for _, f := range Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n## %s\n\n| function | gives | known from |\n|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Signature, f.About, [...]string{"documentation", "designer", "definitions that run"}[f.Origin])
	}
	fmt.Fprintf(&b, "\n%d functions.\n", len(Functions()))
	return b.String()
}

func TestReferencePage(t *testing.T) {
	want := reference()
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(referencePage); err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (-update writes it): %v", referencePage, err)
	}
}

func TestTheTableIsWhole(t *testing.T) {
	if n := len(Functions()); n < 135 {
		t.Errorf("%d functions", n)
	}
	seen := map[string]bool{}
	for _, f := range Functions() {
		if seen[strings.ToLower(f.Name)] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[strings.ToLower(f.Name)] = true
		if f.About == "" || (f.run == nil) == (f.lazy == nil) {
			t.Errorf("%s: needs a line for the manual and one implementation", f.Name)
		}
	}
	for _, name := range []string{"ENCODEURICOMPONENT", "utcnow", "AppSetting"} {
		if Lookup(name) == nil {
			t.Errorf("%s is not found", name)
		}
	}
}
