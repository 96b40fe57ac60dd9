package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

type finder struct{ values *object }

func (f finder) Find(context.Context, string, connection.Reference) (*connection.Connection, error) {
	return &connection.Connection{Name: "files", Values: f.values}, nil
}

func parse(t testing.TB, s string) *object {
	t.Helper()
	v, err := expression.ParseJSON(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	o, _ := v.(*object)
	return o
}

// stage is a connector on a directory, with a clock of its own that is ahead of the disk's.
type stage struct {
	testing.TB
	dir string
	c   *Connector
	now time.Time
}

func newStage(t testing.TB) *stage {
	s := &stage{TB: t, dir: t.TempDir(), now: time.Now().Add(time.Hour)}
	s.c = New(Options{Connections: finder{expression.NewObject("rootFolder", s.dir)}, Now: func() time.Time { return s.now }})
	return s
}

func inputs(t testing.TB, op, parameters string) *object {
	return expression.NewObject("parameters", parse(t, parameters), "serviceProviderConfiguration", expression.NewObject("connectionName", "files", "operationId", op, "serviceProviderId", "/serviceProviders/FileSystem"))
}

func (s *stage) do(key, op, parameters string) string {
	s.Helper()
	a := s.c.Do(context.Background(), &connector.Call{Type: "ServiceProvider", Inputs: inputs(s, op, parameters), Who: connector.Who{Key: key, Attempt: 1}})
	if a.Code != "" {
		return fmt.Sprintf("%d %s", a.Status, a.Message)
	}
	return string(expression.AppendJSON(nil, a.Body))
}

func (s *stage) write(name, text string, at time.Time) {
	s.Helper()
	p := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	if !at.IsZero() {
		if err := os.Chtimes(p, at, at); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *stage) content(name string) string {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return "none"
	}
	return string(data)
}

func TestActions(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct{ key, op, parameters, want string }{
		{"1", "createFile", `{"filePath": "in/a.txt", "body": "hello"}`, `{"name":"a.txt","path":"/in/a.txt","size":5}`},
		{"1", "createFile", `{"filePath": "/in\\a.txt", "body": "hello"}`, `{"name":"a.txt","path":"/in/a.txt","size":5}`}, // the same again
		{"2", "createFile", `{"filePath": "in/a.txt", "body": "other"}`, `409 The file "in/a.txt" is there already, with other content.`},
		{"3", "getFileContentV2", `{"filePath": "in/a.txt"}`, `"hello"`},
		{"4", "createFile", `{"filePath": "in/b.json", "body": {"n": 1}}`, `{"name":"b.json","path":"/in/b.json","size":7}`},
		{"5", "getFileContent", `{"filePath": "in/b.json"}`, `{"n":1}`},
		{"6", "getFileContent", `{"filePath": "in/b.json", "inferContentType": false}`, `{"$content-type":"application/octet-stream","$content":"eyJuIjoxfQ=="}`},
		{"7", "updateFile", `{"filePath": "in/a.txt", "body": "new"}`, `{"name":"a.txt","path":"/in/a.txt","size":3}`},
		{"8", "updateFile", `{"filePath": "in/none.txt", "body": "new"}`, `404 There is no file "in/none.txt".`},
		{"9", "appendFile", `{"filePath": "in/a.txt", "body": "+1"}`, `{"name":"a.txt","path":"/in/a.txt","size":5}`},
		{"9", "appendFile", `{"filePath": "in/a.txt", "body": "+1"}`, `{"name":"a.txt","path":"/in/a.txt","size":5}`}, // the same attempt again
		{"10", "appendFile", `{"filePath": "in/a.txt", "body": "+1"}`, `{"name":"a.txt","path":"/in/a.txt","size":7}`},
		{"11", "appendFile", `{"filePath": "log.txt", "body": "x"}`, `404 There is no file "log.txt".`},
		{"12", "appendFile", `{"filePath": "log.txt", "body": "x", "createFileIfNotPresent": true}`, `{"name":"log.txt","path":"/log.txt","size":1}`},
		{"13", "copyFile", `{"source": "in/a.txt", "destination": "out/c.txt"}`, `{"name":"c.txt","path":"/out/c.txt","size":7}`},
		{"14", "copyFile", `{"source": "log.txt", "destination": "out/c.txt"}`, `409 The file "out/c.txt" is there already, with other content.`},
		{"15", "copyFile", `{"source": "log.txt", "destination": "out/c.txt", "overwrite": true}`, `{"name":"c.txt","path":"/out/c.txt","size":1}`},
		{"16", "renameFile", `{"filePath": "out/c.txt", "newName": "d.txt"}`, `{"name":"d.txt","path":"/out/d.txt","size":1}`},
		{"16", "renameFile", `{"filePath": "out/c.txt", "newName": "d.txt"}`, `{"name":"d.txt","path":"/out/d.txt","size":1}`},
		{"17", "renameFile", `{"filePath": "out/c.txt", "newName": "d.txt"}`, `404 There is no file "out/c.txt".`},
		{"18", "renameFile", `{"filePath": "out/d.txt", "newName": "../d.txt"}`, `400 The newName "../d.txt" is no name: it has no slashes.`},
		{"19", "moveFile", `{"source": "out/d.txt", "destination": "in/a.txt"}`, `409 The file "in/a.txt" is there already.`},
		{"20", "moveFile", `{"source": "out/d.txt", "destination": "done/d.txt"}`, `{"name":"d.txt","path":"/done/d.txt","size":1}`},
		{"21", "deleteFile", `{"filePath": "done/d.txt"}`, `null`},
		{"21", "deleteFile", `{"filePath": "done/d.txt"}`, `null`},
		{"22", "deleteFile", `{"filePath": "done/d.txt"}`, `404 There is no file "done/d.txt".`},
		{"23", "deleteFile", `{"filePath": "done/d.txt", "skipIfFileNotPresent": true}`, `null`},
		{"24", "deleteFile", `{"filePath": "in"}`, `400 The path "in" is a folder.`},
		{"25", "getFileContent", `{"filePath": "../secret"}`, `400 The path "../secret" leads upwards: paths are below the connection's root.`},
		{"26", "createFile", `{"filePath": ".weir-done/x", "body": ""}`, `400 The folder ".weir-done" is the connector's own.`},
		{"27", "readFile", `{}`, `400 The operation "readFile" of /serviceProviders/fileSystem is not supported: there are createFile, updateFile, appendFile, getFileContent, getFileContentV2, getFileMetadata, listFolder, deleteFile, copyFile, moveFile, renameFile, extractArchive, whenFilesAreAdded, whenFilesAreAddedOrModified.`},
		{"28", "deleteFile", `{"file": "x"}`, `400 The operation "deleteFile" has no parameter "file": it has filePath, skipIfFileNotPresent.`},
		{"29", "deleteFile", `{}`, `400 The operation "deleteFile" needs the parameter "filePath".`},
		{"30", "whenFilesAreAdded", `{}`, `400 The operation "whenFilesAreAdded" of /serviceProviders/fileSystem is a trigger, not an action.`},
	} {
		if got := s.do(c.key, c.op, c.parameters); got != c.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.op, c.parameters, got, c.want)
		}
	}
	if got := s.content("in/a.txt"); got != "new+1+1" {
		t.Errorf("appended: %s", got)
	}
	var names []string
	all := parse(t, `{"l": `+s.do("40", "listFolder", `{"folderPath": "/", "enableRecursiveListing": true}`)+`}`)
	list, _ := all.Get("l")
	for _, o := range list.([]any) {
		names = append(names, text(o.(*object), "path")+text(o.(*object), "isFolder"))
	}
	if got := strings.Join(names, " "); got != "/doneTrue /inTrue /in/a.txtFalse /in/b.jsonFalse /log.txtFalse /outTrue" {
		t.Error(got)
	}
	if got := s.do("41", "getFileMetadata", `{"filePath": "in/b.json"}`); !strings.Contains(got, `"contentType":"application/json"`) {
		t.Error(got)
	}
}

// An append that a crash cut short is completed where it began, and one that a crash kept
// from being told is not made twice, also when others append the same.
func TestAnAppendThatACrashCutShort(t *testing.T) {
	who := func(key string) connector.Who { return connector.Who{Key: key, Attempt: 1} }
	again := func(s *stage, key, text string) {
		t.Helper()
		if got := s.do(key, "appendFile", `{"filePath": "log", "body": "`+text+`"}`); !strings.HasPrefix(got, "{") {
			t.Fatal(got)
		}
	}
	for _, c := range []struct{ name, before, after, want string }{
		{"not begun", "abc", "abc", "abc12345"},
		{"half", "abc", "abc12", "abc12345"},
		{"whole", "abc", "abc12345", "abc12345"},
		{"another was there first", "abc", "abcXY", "abcXY12345"},
		{"and one more behind", "abc", "abc12345more", "abc12345more"},
	} {
		s := newStage(t)
		s.write("log", c.before, time.Time{})
		conn, _ := s.c.o.Connections.Find(t.Context(), "", connection.Reference{})
		d, err := s.c.open(conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.noteEnd(who("k"), "log", int64(len(c.before)), false); err != nil {
			t.Fatal(err)
		}
		d.root.Close()
		s.write("log", c.after, time.Time{})
		s.write(marks+"/.weir-half", `{"from":3,"done":true,"at":"log"}`, time.Time{}) // the mark the crash came before
		again(s, "k", "12345")
		again(s, "k", "12345")
		if got := s.content("log"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// The same text of another one, which came first after the crash.
	s := newStage(t)
	s.write("log", "", time.Time{})
	conn, _ := s.c.o.Connections.Find(t.Context(), "", connection.Reference{})
	d, _ := s.c.open(conn)
	defer d.root.Close()
	if err := d.noteEnd(who("k"), "log", 0, false); err != nil {
		t.Fatal(err)
	}
	again(s, "other", "line")
	again(s, "k", "line")
	if got := s.content("log"); got != "lineline" {
		t.Error(got)
	}
}

func TestAppendsAtTheSameTimeAllCount(t *testing.T) {
	s := newStage(t)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			s.do(fmt.Sprint(i), "appendFile", `{"filePath": "log", "body": "0123456789", "createFileIfNotPresent": true}`)
		})
	}
	all.Wait()
	if got := s.content("log"); got != strings.Repeat("0123456789", 50) {
		t.Errorf("%d bytes", len(got))
	}
}

// withoutLinks ends a test where a link cannot be made, which is a failure but on Windows,
// where not everybody may.
func withoutLinks(t *testing.T, err error) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip(err)
	}
	t.Fatal(err)
}

func TestNoPathLeavesTheRoot(t *testing.T) {
	s := newStage(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(s.dir, "link")); err != nil {
		withoutLinks(t, err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(s.dir, "secret")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ op, parameters string }{
		{"getFileContent", `{"filePath": "link/secret"}`}, {"getFileContent", `{"filePath": "secret"}`}, {"createFile", `{"filePath": "link/new", "body": "x"}`},
		{"updateFile", `{"filePath": "secret", "body": "y"}`}, {"deleteFile", `{"filePath": "link/secret"}`}, {"listFolder", `{"folderPath": "link"}`},
		{"getFileContent", `{"filePath": "a/../../secret"}`}, {"copyFile", `{"source": "secret", "destination": "mine"}`}, {"moveFile", `{"source": "secret", "destination": "mine"}`},
	} {
		a := s.c.Do(t.Context(), &connector.Call{Inputs: inputs(t, c.op, c.parameters)})
		if a.Code == "" || a.Retryable || strings.Contains(a.Message, outside) {
			t.Errorf("%s %s: %+v", c.op, c.parameters, a)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(outside, "secret")); string(data) != "x" {
		t.Error("it was written to")
	}
	if all, _ := os.ReadDir(outside); len(all) != 1 {
		t.Error("something was made there")
	}
	if got := s.do("", "listFolder", `{"folderPath": "/"}`); got != "[]" {
		t.Errorf("links are listed: %s", got)
	}
}

func TestRootsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	for _, d := range []string{"data/keys", "files", "data-of-others"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(data, filepath.Join(dir, "way")); err != nil {
		withoutLinks(t, err)
	}
	t.Chdir(dir) // directories may be said from where the node was started
	at := func(name string) string { return `{"rootFolder": "` + filepath.Join(dir, name) + `"}` }
	for _, c := range []struct{ values, want string }{
		{`{}`, "has no rootFolder"}, {`{"rootFolder": "relative"}`, "is no absolute path"}, {`{"rootFolder": "/tmp/.."}`, "keeps its own data"},
		{at("none"), "is not there"}, {at("."), "keeps its own data"}, {at("data"), "keeps its own data"}, {at("data/keys"), "keeps its own data"}, {at("way/keys"), "keeps its own data"},
		{at("data-of-others"), "is not in a directory that this node lets workflows use: " + filepath.Join(dir, "files")},
		{`{"rootFolder": "` + filepath.Join(dir, "files") + `", "settleSeconds": "x"}`, "is no number"},
	} {
		c2 := New(Options{Connections: finder{parse(t, c.values)}, Below: []string{filepath.Join(dir, "files")}, Never: []string{"data"}})
		a := c2.Do(t.Context(), &connector.Call{Inputs: inputs(t, "deleteFile", `{"filePath": "x"}`)})
		if a.Code != connection.CodeMissing || !strings.Contains(a.Message, c.want) {
			t.Errorf("%s: %+v, want %s", c.values, a, c.want)
		}
	}
}

// watch looks as a trigger does, keeping the cursor.
type watch struct {
	*stage
	op, parameters string
	cursor         []byte
}

func (w *watch) look() (names []string, f connector.Found) {
	w.Helper()
	f = w.c.Look(context.Background(), &connector.Watch{Inputs: inputs(w, w.op, w.parameters), Cursor: w.cursor})
	if f.Code != "" {
		w.Fatalf("%s %s", f.Code, f.Message)
	}
	w.cursor = f.Cursor
	for _, i := range f.Items {
		body, _ := i.Outputs.Get("body")
		for _, o := range body.([]any) {
			names = append(names, text(o.(*object), "name"))
		}
	}
	return names, f
}

func (w *watch) finds(want ...string) connector.Found {
	w.Helper()
	got, f := w.look()
	if !slices.Equal(got, want) {
		w.Errorf("found %v, want %v", got, want)
	}
	return f
}

func TestEveryFileIsFoundOnce(t *testing.T) {
	s := newStage(t)
	same := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &watch{stage: s, op: "whenFilesAreAdded", parameters: `{"folderPath": "/in", "maxFileCount": 2}`}
	for _, n := range []string{"c", "a", "b"} { // equal times
		s.write("in/"+n, "x", same)
	}
	s.write("in/deep/x", "not in the folder itself", same)
	if f := w.finds("a", "b"); !f.More {
		t.Error("there is more")
	}
	w.finds("c")
	w.finds()
	before := string(w.cursor)
	w.finds()
	if string(w.cursor) != before {
		t.Error("the cursor changes although nothing does")
	}
	s.write("in/d", "x", same.Add(-time.Hour)) // an old time
	w.finds("d")
	s.write("in/a", "longer", time.Time{}) // written to: not new
	w.finds()
	// The same name again, between two looks.
	if err := os.Remove(filepath.Join(s.dir, "in/b")); err != nil {
		t.Fatal(err)
	}
	s.write("in/b", "another", time.Time{})
	w.finds("b")
	// A name that was away.
	if err := os.Rename(filepath.Join(s.dir, "in/c"), filepath.Join(s.dir, "c")); err != nil {
		t.Fatal(err)
	}
	w.finds()
	if err := os.Rename(filepath.Join(s.dir, "c"), filepath.Join(s.dir, "in/c")); err != nil {
		t.Fatal(err)
	}
	w.finds("c")
	w.finds()
}

func TestModifiedFilesAreFound(t *testing.T) {
	s := newStage(t)
	w := &watch{stage: s, op: "whenFilesAreAddedOrModified", parameters: `{"folderPath": "in", "oldFileCutOffTimestamp": "2025-06-01T00:00:00"}`}
	old := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	s.write("in/old", "x", old)
	s.write("in/a", "x", old.AddDate(1, 0, 0))
	w.finds("a")
	s.write("in/a", "y", old.AddDate(1, 0, 1))
	s.write("in/old", "y", old.AddDate(1, 0, 2))
	w.finds("a", "old")
	w.finds()
}

func TestAFileThatIsBeingWrittenIsLeft(t *testing.T) {
	s := newStage(t)
	w := &watch{stage: s, op: "whenFilesAreAddedOrModified", parameters: `{"folderPath": "in"}`}
	s.write("in/a", "x", time.Time{})
	info, _ := os.Stat(filepath.Join(s.dir, "in/a"))
	s.now = info.ModTime().Add(500 * time.Millisecond)
	if f := w.finds(); f.After <= time.Second || f.After > 2*time.Second {
		t.Errorf("looks again after %s", f.After)
	}
	s.now = s.now.Add(2 * time.Second)
	w.finds("a")
	s.write("in/a", "longer", time.Time{})
	info, _ = os.Stat(filepath.Join(s.dir, "in/a"))
	s.now = info.ModTime()
	w.finds()
	s.now = s.now.Add(2 * time.Second)
	w.finds("a")
	w.finds()
}

// Another node sees the same files by other numbers, and finds none of them new.
func TestAnotherNodeFindsNothingTwice(t *testing.T) {
	s := newStage(t)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		s.write(fmt.Sprintf("in/%d", i), "x", at)
	}
	w := &watch{stage: s, op: "whenFilesAreAdded", parameters: `{"folderPath": "in", "maxFileCount": 100}`}
	w.look()
	for i := range 20 { // copied with their times
		name := fmt.Sprintf("in/%d", i)
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
		s.write(name, "x", at)
	}
	w.finds()
}

func TestLookRefuses(t *testing.T) {
	s := newStage(t)
	for parameters, want := range map[string]string{
		`{"folderPath": "none"}`:                                `There is no folder "none".`,
		`{"folderPath": "/", "maxFileCount": 1000}`:             "from 1 to 100",
		`{"folderPath": "/", "oldFileCutOffTimestamp": "soon"}`: "is no time",
		`{"folderPath": "../x"}`:                                "leads upwards",
		`{"folder": "x"}`:                                       "has no parameter",
	} {
		f := s.c.Look(t.Context(), &connector.Watch{Inputs: inputs(t, "whenFilesAreAdded", parameters), Cursor: []byte("kept")})
		if f.Code == "" || !strings.Contains(f.Message, want) || string(f.Cursor) != "kept" {
			t.Errorf("%s: %+v", parameters, f)
		}
	}
}
