package workflow

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ImportPath imports what lies at a path: a file with a definition, a resource or a flow,
// an exported package (.zip), a folder that is a Standard project. A deployment template
// is given to expand, which makes a JSON list of resources of it and says what it left
// open.
func ImportPath(path string, o ImportOptions, expand func(data []byte) (resources []byte, open []Attention, err error)) (*Import, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = nameOfPath(path)
	}
	switch {
	case info.IsDir():
		return importFolder(path, o)
	case isPackage(path):
		return importPackage(path, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := bounded(f, path)
	if err != nil {
		return nil, err
	}
	if expand != nil && bytes.Contains(bytes.ToLower(data), []byte("deploymenttemplate.json#")) {
		resources, open, err := expand(data)
		if err != nil {
			return nil, err
		}
		i, err := ImportResources(resources, o)
		if err != nil {
			return nil, err
		}
		if len(open) > 0 {
			i.Attention = append(i.Attention, open...)
			i.again()
		}
		return i, nil
	}
	return ImportDefinitions(data, o)
}

// again writes the report once more.
func (i *Import) again() {
	i.Files = slices.DeleteFunc(i.Files, func(f ImportFile) bool { return f.Name == "REPORT.txt" })
	i.report()
}

// nameOfPath makes the name of a workflow or a site of a path.
func nameOfPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	name := filepath.Base(abs)
	if strings.EqualFold(name, "workflow.json") || strings.EqualFold(name, "definition.json") {
		name = filepath.Base(filepath.Dir(abs))
	}
	name = strings.TrimSuffix(name, filepath.Ext(name))
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name), "-")
	if len(name) > 60 {
		name = strings.Trim(name[:60], "-")
	}
	if name == "" {
		name = "imported"
	}
	return name
}

// importFolder reads a Standard project.
func importFolder(dir string, o ImportOptions) (*Import, error) {
	files := map[string][]byte{}
	var others []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		depth := strings.Count(rel, "/")
		switch {
		case d.IsDir() && file != dir && (slices.Contains(skipped, d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir():
			return nil
		case depth == 0 && slices.Contains(ProjectFiles, rel), depth == 1 && d.Name() == "workflow.json":
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			files[rel], err = bounded(f, file)
			return err
		case len(others) < packedFilesMax:
			others = append(others, rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	i, err := ImportProject(files, others, o)
	if err != nil {
		return nil, fmt.Errorf("%s is a folder, and those are read as Standard projects (host.json, connections.json, parameters.json, local.settings.json, <name>/workflow.json): %w", dir, err)
	}
	return i, nil
}

// importPackage reads an exported package: the flows in it.
func importPackage(path string, o ImportOptions) (*Import, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer z.Close()
	if len(z.File) > packedFilesMax {
		return nil, fmt.Errorf("%s holds %d files; at most %d are read", path, len(z.File), packedFilesMax)
	}
	i := &Import{opts: o}
	var last error
	for _, f := range z.File {
		if !isJSON(f.Name) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, f.Name, err)
		}
		data, err := bounded(r, f.Name)
		r.Close()
		if err != nil {
			return nil, err
		}
		name := nameOfPath(f.Name)
		if strings.EqualFold(filepath.Base(f.Name), "definition.json") {
			name = o.Name
		}
		if err := i.read(data, name); err != nil {
			last = fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if len(i.flows) == 0 {
		if last == nil {
			last = errors.New("there is no .json file in it")
		}
		return nil, fmt.Errorf("%s holds no workflow: %w", path, last)
	}
	return i, i.group()
}
