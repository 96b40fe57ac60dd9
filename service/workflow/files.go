package workflow

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"weir/service/workflow/internal/document"
)

// fileBytesMax is the largest file that is read, packedFilesMax how many files a
// package may hold.
const (
	fileBytesMax   = 64 << 20
	packedFilesMax = 10_000
)

// Report is what is said of one file.
type Report struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Problems []Problem `json:"problems"`
	// Definitions are those found in the file, in its order.
	Definitions []Verdict `json:"definitions"`
}

// Validation is what is said of all files together.
type Validation struct {
	Reports []Report
	// Skipped are JSON files in folders that hold no definition.
	Skipped int
}

// Valid reports whether every file is.
func (v Validation) Valid() bool {
	return !slices.ContainsFunc(v.Reports, func(r Report) bool { return !r.Valid })
}

// skipped are folders that hold no definitions of the user's own.
var skipped = []string{".git", "node_modules", "bin", "obj", "__pycache__"}

// ValidatePaths judges files, and in folders and exported packages (.zip) every .json
// file that holds a definition. A file that is named must hold one. The error is about
// a path that cannot be read.
func ValidatePaths(paths ...string) (Validation, error) {
	var out Validation
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return out, err
		}
		if !info.IsDir() {
			if err := out.file(p, true); err != nil {
				return out, err
			}
			continue
		}
		err = filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && file != p && slices.Contains(skipped, d.Name()):
				return fs.SkipDir
			case d.IsDir() || !isJSON(file) && !isPackage(file):
				return nil
			}
			switch err := out.file(file, false); {
			case err != nil && isPackage(file):
				out.Skipped++ // an archive of something else
			case err != nil:
				out.unread(file, err)
			}
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// unread reports a file of a folder that could not be read, so that the others are.
func (out *Validation) unread(path string, err error) {
	p := Problem{Code: "unreadable", Severity: "error", Path: string(document.Root), Line: 1, Column: 1, Message: err.Error()}
	out.Reports = append(out.Reports, Report{File: path, Problems: []Problem{p}, Definitions: []Verdict{}})
}

func isJSON(path string) bool    { return strings.EqualFold(filepath.Ext(path), ".json") }
func isPackage(path string) bool { return strings.EqualFold(filepath.Ext(path), ".zip") }

func (out *Validation) file(path string, named bool) error {
	if isPackage(path) {
		return out.pack(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := bounded(f, path)
	if err != nil {
		return err
	}
	out.judge(path, data, beside(path), named)
	return nil
}

// bounded reads a file that is not too large.
func bounded(r io.Reader, path string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, fileBytesMax+1))
	if err == nil && len(data) > fileBytesMax {
		return nil, fmt.Errorf("%s has more than the %d bytes that are read", path, fileBytesMax)
	}
	return data, err
}

// pack judges what an exported package holds: each of its .json files is like one in a
// folder, and is called by the package's path with its own after it.
func (out *Validation) pack(path string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer z.Close()
	if len(z.File) > packedFilesMax {
		return fmt.Errorf("%s holds %d files; at most %d are read", path, len(z.File), packedFilesMax)
	}
	for _, f := range z.File {
		if !isJSON(f.Name) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
		name := path + "/" + f.Name
		data, err := bounded(r, name)
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out.judge(name, data, Beside{}, false)
	}
	return nil
}

// judge adds what is said of one file.
func (out *Validation) judge(path string, data []byte, beside Beside, named bool) {
	r := Report{File: path, Valid: true, Problems: []Problem{}, Definitions: Validate(data, beside)}
	unread := len(r.Definitions) == 1 && slices.Contains(r.Definitions[0].Codes(), "not-json")
	meant := named || strings.EqualFold(filepath.Base(path), "workflow.json") || bytes.Contains(data, []byte("workflowdefinition.json"))
	if (len(r.Definitions) == 0 || unread) && !meant {
		out.Skipped++
		return
	}
	if len(r.Definitions) == 0 {
		r.Valid, r.Definitions = false, []Verdict{}
		r.Problems = append(r.Problems, Problem{Code: "no-definition", Severity: "error", Path: "$", Line: 1, Column: 1,
			Message: "there is no workflow definition in this file: neither one alone, nor a Standard workflow.json, nor a template or a resource with Microsoft.Logic/workflows, nor a Power Automate flow"})
	}
	for i := range r.Definitions {
		if d := &r.Definitions[i]; d.Name == "" && strings.EqualFold(filepath.Base(path), "workflow.json") {
			d.Name = filepath.Base(filepath.Dir(path)) // a Standard project names workflows by their folders
		}
		r.Valid = r.Valid && r.Definitions[i].Valid
		r.Problems = append(r.Problems, r.Definitions[i].Problems...)
		r.Definitions[i].Problems = nil
	}
	out.Reports = append(out.Reports, r)
}

// beside reads what the project around a file has, when it has the marks of one.
func beside(path string) Beside {
	var b Beside
	dir := filepath.Dir(path)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		found := false
		for _, name := range []string{"parameters.json", "workflowparameters.json"} {
			if v := project(d, name); v != nil {
				found = true
				for _, m := range v.Members {
					b.Parameters = append(b.Parameters, m.Name)
				}
			}
		}
		if v := project(d, "connections.json"); v != nil {
			found = true
			b.Connections = []string{}
			for _, list := range v.Members {
				for _, m := range list.Value.Members {
					b.Connections = append(b.Connections, m.Name)
				}
			}
		}
		_, err := os.Stat(filepath.Join(d, "host.json"))
		if found || !errors.Is(err, fs.ErrNotExist) {
			if b.Parameters == nil && err == nil {
				b.Parameters = []string{}
			}
			return b
		}
	}
	return b
}

// project reads a file of a project; nil, there is none of use. A file of ARM
// parameters beside a template is none.
func project(dir, name string) *document.Value {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	v, err := document.Parse(data)
	if err != nil || !v.Is(document.Object) || v.Get("$schema") != nil {
		return nil
	}
	return v
}
