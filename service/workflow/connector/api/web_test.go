package api

import (
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/connector/http"
	"weir/service/workflow/internal/expression"
)

const pets = `{"swagger": "2.0", "basePath": "/ignored", "consumes": ["application/json"],
 "securityDefinitions": {"api_key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "security": [{"api_key": []}],
 "paths": {
  "/pets/{id}": {"put": {"operationId": "Save", "parameters": [{"name": "id", "in": "path", "required": true, "type": "string", "x-ms-url-encoding": "double"}, {"name": "pet", "in": "body", "schema": {"type": "object"}}]}},
  "/upload": {"post": {"operationId": "Upload", "consumes": ["multipart/form-data"], "parameters": [{"name": "title", "in": "formData", "type": "string"}, {"name": "count", "in": "formData", "type": "integer"}]}},
  "/form": {"post": {"operationId": "Form", "consumes": ["application/x-www-form-urlencoded"], "parameters": [{"name": "a b", "in": "formData", "type": "string"}]}},
  "/pages": {"get": {"operationId": "Pages", "x-ms-pageable": {"nextLinkName": "more"}, "parameters": []}},
  "/new": {"get": {"operationId": "New", "x-ms-trigger": "batch", "parameters": []}}}}`

// Through the connector of the Http action, to an API that looks at everything.
func TestOverTheWire(t *testing.T) {
	var at string
	there := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Header.Get("X-Key") != "sesame" {
			w.WriteHeader(401)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/pages":
			if r.URL.Query().Get("p") == "2" {
				fmt.Fprint(w, `{"value": [3]}`)
				return
			}
			fmt.Fprintf(w, `{"value": [1, 2], "more": "%s/v1/pages?p=2"}`, at)
		case "/v1/upload":
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				w.WriteHeader(400)
				return
			}
			fmt.Fprintf(w, `{"title": %q, "count": %q}`, r.FormValue("title"), r.FormValue("count"))
		case "/v1/form":
			fmt.Fprintf(w, `{"a b": %q}`, r.PostFormValue("a b"))
		case "/v1/new":
			w.Header().Set("Location", "/v1/new?after=7")
			if r.URL.Query().Get("after") == "7" {
				w.Header().Set("Retry-After", "9")
				w.WriteHeader(202)
				return
			}
			fmt.Fprint(w, `[6, 7]`)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, `{"path": %q, "type": %q, "body": %s}`, r.Method+" "+r.URL.EscapedPath(), r.Header.Get("Content-Type"), body)
		}
	}))
	defer there.Close()
	at = there.URL
	calls := http.New(http.Options{})
	defer calls.Close()
	c := New(Options{HTTP: calls, Connections: finder{"pets": {Name: "pets", API: "pets", Base: at + "/v1", Swagger: parse(t, pets), Version: "1", Values: parse(t, `{"api_key": "sesame"}`), Hidden: []string{"sesame"}}}})
	for _, test := range []struct {
		op, parameters, want string
		most                 int
	}{
		{"Save", `{"id": "a/b", "pet/name": "Rex"}`, `{"path":"PUT /v1/pets/a%252Fb","type":"application/json","body":{"name":"Rex"}}`, 0},
		{"Upload", `{"title": "x y", "count": 3}`, `{"title":"x y","count":"3"}`, 0},
		{"Form", `{"a b": "c&d"}`, `{"a b":"c&d"}`, 0},
		{"Pages", `{}`, `{"value":[1,2,3]}`, 100},
	} {
		a := c.Do(t.Context(), &connector.Call{Type: "OpenApiConnection", MinimumItems: test.most, Inputs: parse(t, `{"host": {"connectionName": "pets", "operationId": "`+test.op+`"}, "parameters": `+test.parameters+`}`)})
		if got := string(expression.AppendJSON(nil, a.Body)); got != test.want || a.Status != 200 {
			t.Errorf("%s: %d %s %s %s", test.op, a.Status, a.Code, a.Message, got)
		}
	}
	w := &connector.Watch{Type: "OpenApiConnection", Inputs: parse(t, `{"host": {"connectionName": "pets", "operationId": "New"}}`)}
	f := c.Look(t.Context(), w)
	if len(f.Items) != 1 || !strings.Contains(string(expression.AppendJSON(nil, f.Items[0].Outputs)), `"body":[6,7]`) {
		t.Fatalf("%+v", f)
	}
	w.Cursor = f.Cursor
	if f = c.Look(t.Context(), w); len(f.Items) != 0 || f.Status != 202 || f.After.Seconds() != 9 {
		t.Errorf("%+v", f)
	}
	there.Close()
	a := c.Do(t.Context(), &connector.Call{Type: "ApiConnection", Inputs: parse(t, `{"host": {"connection": {"name": "pets"}}, "path": "/gone"}`)})
	if a.Code == "" || !a.Retryable || strings.Contains(a.Message, "sesame") {
		t.Errorf("%+v", a)
	}
	if _, err := (finder{}).Find(t.Context(), "", connection.Reference{}); err == nil {
		t.Error("no connection is one")
	}
}
