package workflow

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/rehearse"
	"weir/service/workflow/internal/standin"
)

// Rehearsal is how one definition was played with made-up answers.
type Rehearsal struct {
	File string `json:"file"`
	// Path is where in the file the definition stands, Name what the file calls it.
	Path string `json:"path"`
	Name string `json:"name,omitempty"`
	rehearse.Played
	// Problems are the errors of a definition that is not valid: it was not played.
	Problems []Problem `json:"problems,omitempty"`
	// MadeUp is what was made up, when it is asked for.
	MadeUp *MadeUp `json:"madeUp,omitempty"`
}

// MadeUp is a definition with what a rehearsal gives it, so that somebody else can play
// it in the same way.
type MadeUp struct {
	Definition json.RawMessage            `json:"definition"`
	Parameters json.RawMessage            `json:"parameters"`
	Trigger    json.RawMessage            `json:"trigger"`
	Actions    map[string]json.RawMessage `json:"actions"`
}

func madeUpFor(d *definition.Definition, otherwise bool) (*MadeUp, error) {
	made := standin.For(d, otherwise)
	v, err := expression.ParseJSON(string(d.Value.Raw))
	if err != nil {
		return nil, err
	}
	m := &MadeUp{Definition: expression.AppendJSON(nil, v), Parameters: expression.AppendJSON(nil, made.Parameters()), Trigger: expression.AppendJSON(nil, made.Trigger()), Actions: map[string]json.RawMessage{}}
	d.Actions.Each(func(a *definition.Action) {
		if made.Calls(a.Name) {
			m.Actions[a.Name] = expression.AppendJSON(nil, made.Answer(a.Name).Outputs)
		}
	})
	return m, nil
}

// RehearseOptions say how to rehearse.
type RehearseOptions struct {
	// MadeUp says to tell what was made up.
	MadeUp bool
	// Otherwise lets conditions go the other way, as far as stand-ins can.
	Otherwise bool
}

// Invalid is the verdict of a definition that was not played.
const Invalid = "invalid"

// RehearsePaths plays the definitions of files, and of the .json files in folders. The
// error is about a path that cannot be read.
func RehearsePaths(o RehearseOptions, paths ...string) ([]Rehearsal, error) {
	var all []Rehearsal
	for _, p := range paths {
		err := filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && file != p && slices.Contains(skipped, d.Name()):
				return fs.SkipDir
			case d.IsDir() || file != p && !isJSON(file):
				return nil
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			data, err := bounded(f, file)
			if err != nil {
				return err
			}
			one, err := Rehearse(data, o)
			if err != nil && file == p {
				return fmt.Errorf("%s: %w", file, err)
			}
			for i := range one {
				if one[i].File = file; one[i].Name == "" && strings.EqualFold(filepath.Base(file), "workflow.json") {
					one[i].Name = filepath.Base(filepath.Dir(file))
				}
			}
			all = append(all, one...)
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// dawnOfRehearsals is when rehearsals take place, so that they go the same every day.
var dawnOfRehearsals = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Rehearse plays every definition in a file.
func Rehearse(data []byte, o RehearseOptions) ([]Rehearsal, error) {
	root, err := document.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("this is not JSON: %w", err)
	}
	var all []Rehearsal
	for _, w := range definition.Find(root) {
		d, problems := definition.Read(w, definition.Settings{Expressions: language{}, Zones: zone})
		one := Rehearsal{Path: string(w.Path), Name: w.Name}
		if d == nil || !definition.Valid(problems) {
			one.Verdict = Invalid
			for _, p := range problems {
				if p.Severity == definition.Error {
					one.Problems = append(one.Problems, Problem{Code: p.Code, Severity: p.Severity.String(), Path: string(p.Path), Line: p.At.Line, Column: p.At.Column, Message: p.Message})
				}
			}
		} else {
			one.Played = rehearse.Play(d, dawnOfRehearsals, o.Otherwise)
			if o.MadeUp {
				if one.MadeUp, err = madeUpFor(d, o.Otherwise); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, one)
	}
	return all, nil
}
