package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A workflow is well when it answers, and what it answers counts: one that only accepts,
// says no or takes too long is not. Its address is a secret and in no sentence.
func TestAWorkflowThatAnswers(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.HasPrefix(r.Header.Get("x-ms-client-tracking-id"), "weir-probe-") || (r.Method == "POST") != (len(body) > 0) {
			t.Errorf("%s with %q, tracked as %q", r.Method, body, r.Header.Get("x-ms-client-tracking-id"))
		}
		switch r.URL.Path {
		case "/well":
			io.WriteString(w, "fine")
		case "/accepts":
			w.WriteHeader(http.StatusAccepted)
		case "/no":
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error": {"code": "X", "message": "the store is away"}}`)
		case "/hangs":
			<-held
		case "/away":
			http.Redirect(w, r, "/well", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(held) })
	for path, want := range map[string]string{
		"/well": "", "GET /well": "", "/accepts": "needs a Response action", "/no": "503 Service Unavailable: the store is away", "/hangs": "no answer within", "/away": "it answers 302",
	} {
		method, address := ReadWorkflow(strings.Replace(path, "/", server.URL+"/", 1) + "?sig=SECRET\n")
		p, err := NewWorkflow(Workflow{URL: address, Method: method, Within: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		r := p.Check(t.Context())
		if r.OK != (want == "") || !strings.Contains(r.Error, want) || !r.OK && r.Stage != "workflow" || strings.Contains(r.Error, "SECRET") {
			t.Errorf("%s: %+v, want %q", path, r, want)
		}
	}
	server.CloseClientConnections()
	p, err := NewWorkflow(Workflow{URL: "http://127.0.0.1:1/?sig=SECRET"})
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Check(t.Context()); r.OK || strings.Contains(r.Error, "SECRET") {
		t.Errorf("nobody listens: %+v", r)
	}
	for _, bad := range []string{"", "west.example.com", "ftp://a/b"} {
		if _, err := NewWorkflow(Workflow{URL: bad}); err == nil {
			t.Errorf("%q is taken for a callback URL", bad)
		}
	}
}

// Of several probes the first that fails is told, and the slowest counts.
func TestSeveralProbesAreOne(t *testing.T) {
	fine, slow, broken := fixed(Result{OK: true, Seconds: 1}), fixed(Result{OK: true, Seconds: 3}), fixed(Result{Stage: "send", Error: "no", Seconds: 2})
	if r := (All{fine, slow}).Check(t.Context()); !r.OK || r.Seconds != 3 {
		t.Errorf("all well: %+v", r)
	}
	if r := (All{fine, broken, slow}).Check(t.Context()); r.OK || r.Stage != "send" || r.Error != "no" || r.Seconds != 3 {
		t.Errorf("one broken: %+v", r)
	}
}

// fixed is a probe that always finds the same.
type fixed Result

func (f fixed) Check(context.Context) Result { return Result(f) }
