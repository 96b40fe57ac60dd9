package workflow

import (
	"errors"
	"slices"

	"weir/internal/dotnet"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
)

// Verdict is what Validate says of one definition.
type Verdict struct {
	// Name is what the file calls the workflow, else empty.
	Name string `json:"name,omitempty"`
	// Wrapping is what the definition was found in.
	Wrapping string    `json:"wrapping,omitempty"`
	Kind     string    `json:"kind,omitempty"`
	Path     string    `json:"path"`
	Valid    bool      `json:"valid"`
	Triggers int       `json:"triggers"`
	Actions  int       `json:"actions"`
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Code string `json:"code"`
	// Severity is error or warning; only errors make a definition invalid.
	Severity string `json:"severity"`
	// Path is the JSON path in the file.
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// Beside is what lies in the project around a file; nil lists are not known.
type Beside struct {
	Parameters, Connections []string
}

// Validate judges every definition in a file, whatever wraps them. A file without one
// gives no verdicts; one that is not JSON gives one verdict that says where it ends
// to be.
func Validate(data []byte, beside Beside) []Verdict {
	root, err := document.Parse(data)
	if err != nil {
		p := Problem{Code: "not-json", Severity: "error", Path: string(document.Root), Message: "this is not JSON: " + err.Error()}
		if s, ok := errors.AsType[*document.SyntaxError](err); ok {
			p.Line, p.Column = s.At.Line, s.At.Column
		}
		return []Verdict{{Path: p.Path, Problems: []Problem{p}}}
	}
	var all []Verdict
	for _, w := range definition.Find(root) {
		all = append(all, verdict(w, beside))
	}
	return all
}

func verdict(w definition.Wrapped, beside Beside) Verdict {
	d, problems := definition.Read(w, definition.Settings{Expressions: language{}, Zones: zone, Parameters: beside.Parameters, Connections: beside.Connections})
	out := Verdict{Name: w.Name, Wrapping: w.Wrapping, Kind: w.Kind, Path: string(w.Path), Valid: definition.Valid(problems), Problems: []Problem{}}
	if d != nil {
		out.Triggers = len(d.Triggers)
		d.Actions.Each(func(*definition.Action) { out.Actions++ })
	}
	for _, p := range problems {
		out.Problems = append(out.Problems, Problem{Code: p.Code, Severity: p.Severity.String(), Path: string(p.Path), Line: p.At.Line, Column: p.At.Column, Message: p.Message})
	}
	return out
}

// zone reports whether a name is that of a time zone.
func zone(name string) bool {
	_, ok := dotnet.Zone(name)
	return ok
}

// Errors counts the problems that make a definition invalid.
func (v Verdict) Errors() int {
	n := 0
	for _, p := range v.Problems {
		if p.Severity == "error" {
			n++
		}
	}
	return n
}

// Codes lists the codes of the errors, each once.
func (v Verdict) Codes() []string {
	var all []string
	for _, p := range v.Problems {
		if p.Severity == "error" && !slices.Contains(all, p.Code) {
			all = append(all, p.Code)
		}
	}
	return all
}
