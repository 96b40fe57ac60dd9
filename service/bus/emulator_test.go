package bus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/kernel/resource"
)

// TestEmulatorFiles reads the files in testdata/emulator and compares what comes of
// them, once declared, with the .golden file beside each.
func TestEmulatorFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/emulator/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			docs, recognised, err := importEmulator(data, declaredIn)
			if !recognised {
				t.Fatal("not recognised")
			}
			if err != nil {
				compare(t, strings.TrimSuffix(file, ".json")+".golden", err.Error()+"\n")
				return
			}
			r := declared(t)
			results, err := r.PutAll(t.Context(), docs)
			if err != nil {
				t.Fatal(err)
			}
			again, err := r.PutAll(t.Context(), docs)
			if err != nil || strings.Count(outcome(again), "unchanged") != len(again) {
				t.Errorf("declared again: %s (%v)", outcome(again), err)
			}
			compare(t, strings.TrimSuffix(file, ".json")+".golden", outcome(results)+"\n"+entitiesOf(t, r, docs[0].ID))
		})
	}
}

// Other files are left to others.
func TestEmulatorRecognises(t *testing.T) {
	for _, text := range []string{`{"type": "a.b/c", "name": "n"}`, "type: a.b/c\nname: n\n", "{", "[]", "", `{"Userconfigs": 1}`} {
		if docs, recognised, err := importEmulator([]byte(text), declaredIn); recognised {
			t.Errorf("%q gave %v, %v", text, docs, err)
		}
	}
}

// FuzzEmulator: never a panic, and what is read can be held against its type.
func FuzzEmulator(f *testing.F) {
	files, _ := filepath.Glob("testdata/emulator/*.json")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	types, err := resource.NewTypes(Types()...)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, recognised, err := importEmulator(data, declaredIn)
		if !recognised && (err != nil || docs != nil) {
			t.Fatalf("not recognised, and %v, %v", docs, err)
		}
		if err != nil {
			return
		}
		for _, d := range docs {
			typ, ok := types.Lookup(d.Type())
			if !ok {
				t.Fatalf("a document of type %s", d.Type())
			}
			if _, problems := typ.Normalise(d, nil); len(problems) > 0 {
				t.Fatalf("%s has %v", d.ID, problems)
			}
		}
	})
}
