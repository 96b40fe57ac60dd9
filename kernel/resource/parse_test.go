package resource

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParseFiles reads each file in testdata/parse and compares what comes of it,
// documents or problems, with the .golden file beside it.
func TestParseFiles(t *testing.T) {
	files := parseFiles()
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file+".golden", showParsed(ParseFile(data, scope)))
		})
	}
}

func parseFiles() []string {
	yaml, _ := filepath.Glob("testdata/parse/*.yaml")
	json, _ := filepath.Glob("testdata/parse/*.json")
	return append(yaml, json...)
}

func showParsed(docs []Document, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, d := range docs {
		text, err := json.Marshal(d)
		if err != nil {
			return err.Error()
		}
		b.Write(append(text, '\n'))
	}
	return b.String()
}

func TestImporters(t *testing.T) {
	own := func(data []byte) ([]Document, bool, error) {
		return []Document{{ID: scope}}, strings.HasPrefix(string(data), "mine"), errors.New("half")
	}
	if docs, err := ParseFile([]byte("mine: 1"), scope, own); len(docs) != 1 || err == nil {
		t.Errorf("%v, %v", docs, err)
	}
	if _, err := ParseFile([]byte("yours: 1"), scope, own); err == nil || !strings.Contains(err.Error(), `no field "yours"`) {
		t.Errorf("%v", err)
	}
	if _, err := ParseFile([]byte("{type: a.b/c, name: n}"), ID{}); err == nil {
		t.Error("a name without a scope has an id")
	}
}

func TestDocumentJSON(t *testing.T) {
	const text = `{"id":"/subscriptions/s/resourceGroups/g/providers/a.b/c/d","name":"d","type":"a.b/c","location":"l","tags":{"x":"y"},"kind":"k","sku":{"name":"S","capacity":2},"identity":{"type":"None"},"properties":{"n":1,"o":{"p":[1.5,null]}},"etag":"1f"}`
	var d Document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(d)
	if err != nil || string(again) != text {
		t.Errorf("%s (%v)", again, err)
	}
	if d.Int("n") != 1 || d.Bool("n") || d.String("n") != "" {
		t.Errorf("%v", d.Properties)
	}
	clone := d.Clone()
	clone.Properties["o"].(map[string]any)["p"].([]any)[0] = "changed"
	clone.SKU.Name, clone.Tags["x"] = "changed", "changed"
	if again, _ := json.Marshal(d); string(again) != text {
		t.Errorf("the clone shares with its original: %s", again)
	}
	for _, bad := range []string{"[]", `{"type":"a.b/c","name":"d"}`, "5"} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// FuzzParse: never a panic; what parses can be written and read again.
func FuzzParse(f *testing.F) {
	for _, file := range parseFiles() {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, problems := Parse(data, scope)
		if (len(docs) > 0) && len(problems) > 0 {
			t.Fatal("documents and problems at once")
		}
		for _, d := range docs {
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			again, problems := Parse(text, scope)
			if len(problems) > 0 || len(again) != 1 || !again[0].ID.Equal(d.ID) {
				t.Fatalf("%s is read again with %v", text, problems)
			}
		}
	})
}
