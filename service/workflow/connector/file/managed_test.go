package file

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

func TestTheManagedAPI(t *testing.T) {
	s := newStage(t)
	conn, _ := s.c.o.Connections.Find(t.Context(), "", connection.Reference{})
	req := func(method, path, queries string, body any) connection.Request {
		return connection.Request{Method: method, Path: path, Parts: strings.Split(strings.TrimPrefix(path, "/"), "/"), Queries: parse(t, queries), Body: body}
	}
	do := func(method, path, queries string, body any) string {
		a := s.c.Serve(t.Context(), &connector.Call{}, conn, req(method, path, queries, body))
		if a.Code != "" {
			return fmt.Sprint(a.Status, " ", a.Message)
		}
		return string(expression.AppendJSON(nil, a.Body))
	}
	for _, c := range []struct{ method, path, queries, body, want string }{
		{"POST", "/datasets/default/files", `{"folderPath": "//share/in", "name": "a.txt"}`, "hello", `{"Id":"L3NoYXJlL2luL2EudHh0","Name":"a.txt","DisplayName":"a.txt","Path":"/share/in/a.txt","Size":5,"FileLocator":"L3NoYXJlL2luL2EudHh0","IsFolder":false,"MediaType":"text/plain"}`},
		{"GET", "/datasets/default/files/L3NoYXJlL2luL2EudHh0/content", `{}`, "", `"hello"`},
		{"GET", "/datasets/default/GetFileContentByPath", `{"path": "\\share\\in\\a.txt", "inferContentType": false}`, "", `{"$content-type":"application/octet-stream","$content":"aGVsbG8="}`},
		{"PUT", "/datasets/default/files/L3NoYXJlL2luL2EudHh0", `{}`, "new", ``},
		{"POST", "/datasets/default/copyFile", `{"source": "/share/in/a.txt", "destination": "/share/out/b.txt", "overwrite": false}`, "", ``},
		{"DELETE", "/datasets/default/files/L3NoYXJlL2luL2EudHh0", `{}`, "", `null`},
		{"GET", "/datasets/default/files/L3NoYXJlL2luL2EudHh0", `{}`, "", `404 There is no file "share/in/a.txt".`},
		{"GET", "/datasets/default/nothing", `{}`, "", `400 The file system connection has no path GET /datasets/default/nothing.`},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		if got := do(c.method, c.path, c.queries, body); got != c.want && c.want != "" || strings.HasPrefix(got, "400") != strings.HasPrefix(c.want, "400") {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.method, c.path, got, c.want)
		}
	}
	if got := do("GET", "/datasets/default/folders/L3NoYXJlL291dA==", `{}`, nil); !strings.Contains(got, `"Path":"/share/out/b.txt"`) {
		t.Error(got)
	}

	old := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.write("temp/in/x.json", `{"n": 1}`, old)
	s.write("temp/in/y.txt", "y", old)
	w := &connector.Watch{}
	f := s.c.Watch(t.Context(), w, conn, req("GET", "/datasets/default/triggers/onnewfile", `{"folderId": "QzpcdGVtcFxpbg=="}`, nil)) // C:\temp\in
	if f.Code != "" || len(f.Items) != 2 {
		t.Fatalf("%+v", f)
	}
	if got := string(expression.AppendJSON(nil, f.Items[0].Outputs)); !strings.Contains(got, `"x-ms-file-path":"/temp/in/x.json"`) || !strings.Contains(got, `"body":{"n":1}`) {
		t.Error(got)
	}
	w.Cursor = f.Cursor
	if f = s.c.Watch(t.Context(), w, conn, req("GET", "/datasets/default/triggers/onnewfile", `{"folderId": "QzpcdGVtcFxpbg=="}`, nil)); len(f.Items) != 0 {
		t.Errorf("found again: %+v", f)
	}
	f = s.c.Watch(t.Context(), &connector.Watch{}, conn, req("GET", "/datasets/default/triggers/batch/onupdatedfile", `{"folderId": "QzpcdGVtcFxpbg==", "maxFileCount": 10}`, nil))
	if len(f.Items) != 1 || !strings.Contains(string(expression.AppendJSON(nil, f.Items[0].Outputs)), `"Path":"/temp/in/y.txt"`) {
		t.Errorf("%+v", f)
	}
}
