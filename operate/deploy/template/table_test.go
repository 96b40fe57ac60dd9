package template

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFunctionTable keeps the functions in the guide: -update writes them there.
func TestFunctionTable(t *testing.T) {
	const page, begin, end = "../../../docs/templates.md", "-update -->\n", "<!-- end of functions -->"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the functions", page)
	}
	var b strings.Builder
	b.WriteString("\n| group | function | what it gives |\n|---|---|---|\n")
	for _, f := range Functions() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", f.Group, f.Usage, f.Summary)
	}
	whole := before + begin + b.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if whole != string(data) {
		t.Errorf("the functions in %s are not those of the program: run with -update and read the difference", page)
	}
}

// FuzzTemplate: whatever a template is, it is expanded or refused in words.
func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"estate", "symbolic", "subscription", "wrong"} {
		data, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, s string) {
		read, problems := Read([]byte(s))
		if read == nil {
			if len(problems) == 0 {
				t.Fatal("neither read nor refused")
			}
			return
		}
		plan, problems := Expand(read, nil, world0())
		for _, p := range problems {
			if p.Sentence == "" || p.Line < 0 || p.Line > strings.Count(s, "\n")+1 {
				t.Fatalf("a problem without words, or on line %d: %+v", p.Line, p)
			}
		}
		if len(problems) == 0 {
			_ = told(plan, nil)
		}
	})
}
