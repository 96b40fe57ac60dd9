package workflow

import (
	"archive/zip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts holds verdicts against testdata/validate. Each script is an archive of
// definitions, each followed by what is said of it. A definition's name ends in what
// is written: .actions and .triggers are put into a definition with a Request trigger
// and without actions; .json is a whole file.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/validate/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) { play(t, script) })
	}
}

func play(t *testing.T, script string) {
	a, err := txtar.ParseFile(script)
	if err != nil {
		t.Fatal(err)
	}
	var out []txtar.File
	for i := 0; i < len(a.Files); i++ {
		f := a.Files[i]
		got := said(t, f)
		want := ""
		if i+1 < len(a.Files) && a.Files[i+1].Name == "said" {
			i++
			want = string(a.Files[i].Data)
		}
		out = append(out, f, txtar.File{Name: "said", Data: []byte(got)})
		if got != want && !*update {
			t.Errorf("%s: said\n%swant\n%s", f.Name, got, want)
		}
	}
	if *update {
		a.Files = out
		if err := os.WriteFile(script, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func said(t *testing.T, f txtar.File) string {
	t.Helper()
	data := string(f.Data)
	switch filepath.Ext(f.Name) {
	case ".actions":
		data = `{"triggers":{"manual":{"type":"Request","kind":"Http"}},"actions":` + data + `}`
	case ".triggers":
		data = `{"actions":{},"triggers":` + data + `}`
	}
	var b strings.Builder
	for _, v := range Validate([]byte(data), Beside{}) {
		if v.Wrapping != "definition" && v.Wrapping != "" {
			fmt.Fprintf(&b, "%s %s: %d triggers, %d actions\n", v.Wrapping, v.Path, v.Triggers, v.Actions)
		}
		if v.Valid && len(v.Problems) == 0 {
			b.WriteString("valid\n")
		}
		for _, p := range v.Problems {
			if p.Code == "expression" { // in the words of the expression language
				fmt.Fprintf(&b, "%s %s %s\n", p.Severity, p.Code, p.Path)
				continue
			}
			fmt.Fprintf(&b, "%s %s %s: %s\n", p.Severity, p.Code, p.Path, p.Message)
		}
	}
	return b.String()
}

// TestEveryProblemHasItsPlace checks that what is said points at a line of the file
// and at a value that is there, or at the place of one that is missing.
func TestEveryProblemHasItsPlace(t *testing.T) {
	data := []byte(`{
  "triggers": {},
  "actions": {
    "A": {"type": "Compose", "inputs": "@body('B')"},
    "B": {"type": "Nothing", "runAfter": {"C": []}}
  }
}`)
	var lines []string
	for _, v := range Validate(data, Beside{}) {
		for _, p := range v.Problems {
			lines = append(lines, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Code))
		}
	}
	want := "1:1 trigger-missing, 4:40 reference-not-ahead, 5:19 unknown-action-type, 5:42 runafter-missing, 5:48 runafter-status"
	if got := strings.Join(lines, ", "); got != want {
		t.Errorf("said %s, want %s", got, want)
	}
}

func TestWhatIsNotJSONSaysWhere(t *testing.T) {
	v := Validate([]byte("{\n  \"actions\": {,}\n}"), Beside{})
	if len(v) != 1 || v[0].Valid || v[0].Problems[0].Code != "not-json" || v[0].Problems[0].Line != 2 {
		t.Errorf("said %+v", v)
	}
}

func TestFilesOfAProject(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	workflow := `{"kind":"Stateful","definition":{"triggers":{"t":{"type":"Request"}},"actions":{
		"A":{"type":"Compose","inputs":"@parameters('%s')"},
		"B":{"type":"ServiceProvider","inputs":{"parameters":{},"serviceProviderConfiguration":{"connectionName":"%s","operationId":"x","serviceProviderId":"/serviceProviders/serviceBus"}}}}}}`
	write("app/host.json", "{}")
	write("app/parameters.json", `{"Known":{"type":"String","value":"x"}}`)
	write("app/connections.json", `{"serviceProviderConnections":{"bus":{}}}`)
	write("app/Good/workflow.json", fmt.Sprintf(workflow, "known", "bus"))
	write("app/Bad/workflow.json", fmt.Sprintf(workflow, "Unknown", "train"))
	write("app/Ungiven/workflow.json", `{"kind":"Stateful","definition":{"parameters":{"p":{"type":"String"},"known":{"type":"String"}},"triggers":{"t":{"type":"Request"}},"actions":{}}}`)
	write("app/node_modules/x/workflow.json", "{")
	write("app/other.json", `{"a":1}`)
	v, err := ValidatePaths(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range v.Reports {
		name, _ := filepath.Rel(dir, r.File)
		var codes []string
		for _, p := range r.Problems {
			codes = append(codes, p.Code)
		}
		got = append(got, fmt.Sprintf("%s %v %v", filepath.ToSlash(name), r.Valid, codes))
	}
	want := "app/Bad/workflow.json false [parameter-missing connection-missing]; app/Good/workflow.json true []; app/Ungiven/workflow.json false [parameter-missing]"
	if s := strings.Join(got, "; "); s != want || v.Valid() || v.Skipped != 4 {
		t.Errorf("said %s, %d skipped; want %s", s, v.Skipped, want)
	}
	if name := v.Reports[1].Definitions[0].Name; name != "Good" {
		t.Errorf("the workflow of the folder Good is called %q", name)
	}
	if _, err := ValidatePaths(filepath.Join(dir, "none")); err == nil {
		t.Error("a path that is not there is no error")
	}
	named, err := ValidatePaths(filepath.Join(dir, "app", "other.json"))
	if err != nil || named.Valid() || named.Reports[0].Problems[0].Code != "no-definition" {
		t.Errorf("a named file without a definition: %+v, %v", named, err)
	}
}

func TestAnExportedPackage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Orders.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{
		"manifest.json":           `{"schema": "1.0"}`,
		"Workflows/Orders-1.json": `{"properties": {"connectionReferences": {}, "definition": {"triggers": {"t": {"type": "Request"}}, "actions": {"A": {"type": "Gone"}}}}}`,
		"readme.txt":              "{",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	if z.Close() != nil || f.Close() != nil {
		t.Fatal("the package is not written")
	}
	v, err := ValidatePaths(path)
	if err != nil || len(v.Reports) != 1 || v.Skipped != 1 || v.Valid() {
		t.Fatalf("said %+v, %v", v, err)
	}
	if r := v.Reports[0]; r.File != path+"/Workflows/Orders-1.json" || r.Definitions[0].Wrapping != "Power Automate flow" || r.Problems[0].Code != "unknown-action-type" {
		t.Errorf("said %+v", r)
	}
	if err := os.WriteFile(path, []byte("no package"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ValidatePaths(path); err == nil {
		t.Error("a broken package is no error")
	}
	if v, err := ValidatePaths(filepath.Dir(path)); err != nil || len(v.Reports) != 0 || v.Skipped != 1 {
		t.Errorf("an archive of something else in a folder: %+v, %v", v, err)
	}
}

// FuzzValidate looks for files that break the reader, and checks that what is said of
// them can be sent: every problem has a code, a place and a path.
func FuzzValidate(f *testing.F) {
	scripts, _ := filepath.Glob("testdata/validate/*.txtar")
	for _, script := range scripts {
		a, err := txtar.ParseFile(script)
		if err != nil {
			f.Fatal(err)
		}
		for _, one := range a.Files {
			if strings.HasSuffix(one.Name, ".actions") {
				f.Add([]byte(`{"triggers":{},"actions":` + string(one.Data) + `}`))
			} else if one.Name != "said" {
				f.Add(one.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range Validate(data, Beside{}) {
			if _, err := json.Marshal(v); err != nil {
				t.Fatal(err)
			}
			if v.Valid != (v.Errors() == 0) {
				t.Fatalf("valid is %v with %d errors", v.Valid, v.Errors())
			}
			for _, p := range v.Problems {
				if p.Code == "" || p.Message == "" || !strings.HasPrefix(p.Path, "$") || p.Line < 1 || p.Column < 1 {
					t.Fatalf("a problem without its place: %+v", p)
				}
			}
		}
	})
}
