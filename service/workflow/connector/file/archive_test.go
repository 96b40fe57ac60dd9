package file

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"
)

func archive(t *testing.T, entries ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e[0])
		if err == nil {
			_, err = f.Write([]byte(e[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtractArchive(t *testing.T) {
	s := newStage(t)
	s.write("in.zip", archive(t, [2]string{"a.txt", "new"}, [2]string{"sub/", ""}, [2]string{"sub/b.txt", "b"}), time.Time{})
	s.write("evil.zip", archive(t, [2]string{"../../evil.txt", "x"}), time.Time{})
	s.write("bad.zip", "no archive", time.Time{})
	s.write("out/a.txt", "old", time.Time{})
	for _, c := range []struct{ parameters, want, content string }{
		{`{"folderPath": "out", "filePath": "in.zip"}`, `409 The file "out/a.txt" is there already, with other content.`, "old"},
		{`{"folderPath": "out", "filePath": "in.zip", "overwrite": "Skip"}`, `"path":"/out/sub/b.txt","actualFileSize":1`, "old"},
		{`{"folderPath": "out", "filePath": "in.zip", "overwrite": "Overwrite"}`, `"path":"/out/sub","actualFileSize":0`, "new"},
		{`{"folderPath": "out", "filePath": "in.zip"}`, `"path":"/out/sub/b.txt"`, "new"}, // the same again
		{`{"folderPath": "out", "filePath": "evil.zip"}`, `400 The path "../../evil.txt" leads upwards`, "new"},
		{`{"folderPath": "out", "filePath": "bad.zip"}`, `400 The archive is no zip archive`, "new"},
		{`{"folderPath": "out", "filePath": "in.zip", "overwrite": "yes"}`, `400 The overwrite is "yes": it is Fail, Skip or Overwrite.`, "new"},
	} {
		if got := s.do("", "extractArchive", c.parameters); !strings.Contains(got, c.want) || s.content("out/a.txt") != c.content {
			t.Errorf("%s\ngot  %s, %s\nwant %s", c.parameters, got, s.content("out/a.txt"), c.want)
		}
	}
	if s.content("out/sub/b.txt") != "b" {
		t.Error("the inner file is not there")
	}
}
