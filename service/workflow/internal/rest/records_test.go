package rest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the records in testdata")

// TestRecords runs the definitions in testdata/*.json and compares the run that is shown,
// with its actions, with the .golden file beside each: statuses, codes, the reasons of
// skips, and the shape. What differs every time is written as a word.
func TestRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("no definitions: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c struct{ Definition, Body json.RawMessage }
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			s := newStage(t)
			const name = "recorded"
			inner := strings.TrimSpace(string(c.Definition))
			s.put(name, strings.TrimSuffix(strings.TrimPrefix(inner, "{"), "}"))
			made := s.start(name, string(c.Body))
			s.ended(name, made)
			record := s.json("GET", prefix+name+"/runs/"+made+"?$expand=properties/actions", "")
			order := names(s.json("GET", prefix+name+"/runs/"+made+"/actions?$top=100", ""))
			got := settled(indented(record), made) + "in order: " + strings.Join(order, ", ") + "\n"
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the record is another; run with -update and read what changed:\n%s", got)
			}
		})
	}
}

var (
	times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	guids = regexp.MustCompile(`"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"`)
	uris  = regexp.MustCompile(`"http://127[^"]*"`)
	sizes = regexp.MustCompile(`("contentSize": )\d{3,}`) // of headers
)

// settled writes words for what differs every time.
func settled(text, name string) string {
	text = strings.ReplaceAll(text, name, "NAME")
	text = times.ReplaceAllString(text, `"TIME"`)
	text = guids.ReplaceAllString(text, `"GUID"`)
	text = uris.ReplaceAllString(text, `"URI"`)
	text = regexp.MustCompile(`\d{20}`).ReplaceAllString(text, "VERSION")
	return sizes.ReplaceAllString(text, "${1}SIZE")
}
