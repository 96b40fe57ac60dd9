package expression

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scripts give into them; read the difference")

// world is a context for tests: everything it knows is in one object.
type world struct {
	known  *Object
	random uint64
}

func (w *world) Now() time.Time { return time.Date(2025, 9, 25, 5, 18, 31, 338479700, time.UTC) }
func (w *world) Random() uint64 { w.random += 0x123456789abcdef1; return w.random }

var places = map[Kind]string{TheTrigger: "trigger", TheTriggerOutputs: "triggerOutputs", TheAction: "actions", TheOutputs: "outputs", TheVariable: "variables", TheParameter: "parameters",
	TheSetting: "settings", TheAgentParameter: "agent", TheItem: "item", TheLoopItem: "items", TheIterationIndex: "indexes", TheResult: "results", TheWorkflow: "workflow", TheCallbackURL: "url"}

func (w *world) Value(kind Kind, name string) (any, error) {
	v, ok := w.known.Get(places[kind])
	if o, isObject := v.(*Object); isObject && name != "" {
		v, ok = o.Get(name)
	}
	if name == "broken" {
		return nil, errors.New("the content store is away")
	}
	if !ok {
		return nil, ErrNotFound
	}
	return v, nil
}

const worldJSON = `{
  "parameters": {"age": 42, "null": null, "list": [1, 2, 3]}, "variables": {"v": "text", "i": 1}, "settings": {"key": "set"}, "agent": {"p": 1},
  "trigger": {"name": "manual", "outputs": {"body": {"id": 7}}},
  "triggerOutputs": {"headers": {"Content-Type": "application/json"}, "body": {"id": 7, "a b": [10, 20], "Mixed": {"Case": 1}}},
  "outputs": {"Get": {"statusCode": 200, "body": {"value": [{"n": 1}, {"n": 2}]}}, "None": {}, "Form": {"body": {"$content-type": "application/x-www-form-urlencoded", "$content": "", "$formdata": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "b", "value": "3"}]}},
    "Parts": {"body": {"$content-type": "multipart/form-data", "$content": "", "$multipart": [{"headers": {"Content-Disposition": "form-data; name=\"one\""}, "body": "first"}, {"headers": {"Content-Disposition": "form-data; name=two"}, "body": {"$content-type": "text/plain", "$content": "aGk="}}]}}},
  "actions": {"Get": {"name": "Get", "status": "Succeeded", "outputs": {"statusCode": 200}}},
  "item": {"k": 1}, "items": {"Loop": "x"}, "indexes": {"Until": 3}, "results": {"Scope": [{"name": "A"}]}, "workflow": {"run": {"name": "0858"}}, "url": "http://localhost/back"
}`

func newWorld(t testing.TB) *world {
	v, err := ParseJSON(worldJSON)
	if err != nil {
		t.Fatal(err)
	}
	return &world{known: v.(*Object)}
}

// compute gives the value of a text as JSON, or ! and the error.
func compute(w *world, text string, b Budget) string {
	template, problems := Parse(text)
	if problems != nil {
		var all []string
		for _, p := range problems {
			all = append(all, fmt.Sprintf("! at %d: %s", p.Column, p.Message))
		}
		return strings.Join(all, "\n")
	}
	v, err := template.Eval(w, b)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return "! an error that is no *Error: " + err.Error()
		}
		return fmt.Sprintf("! at %d: %s", e.Column, e.Message)
	}
	return string(AppendJSON(nil, v))
}

// TestScripts plays testdata/*.txt: a line with > is a text, what follows is what it
// gives. What stands without @ is an expression.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	called := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		w := newWorld(t)
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "> "):
				text := line[2:]
				if !strings.Contains(file, "template") {
					text = "@" + text
				}
				for _, f := range References(text).Functions {
					called[f] = true
				}
				fmt.Fprintf(&out, "%s\n%s\n", line, compute(w, strings.ReplaceAll(text, `\n`, "\n"), Budget{}))
			case line == "" || strings.HasPrefix(line, "#"):
				fmt.Fprintln(&out, line)
			}
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got := strings.Split(out.String(), "\n"); out.String() != string(data) {
			for i, want := range strings.Split(string(data), "\n") {
				if i >= len(got) || got[i] != want {
					t.Errorf("%s, line %d: wants %s, gives %s", file, i+1, want, strings.Join(got[min(i, len(got)-1):min(i+1, len(got))], ""))
					break
				}
			}
		}
	}
	for _, f := range Functions() {
		if !called[f.Name] {
			t.Errorf("no script calls %s", f.Name)
		}
	}
}
