package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"weir/face/answer"
	"weir/kernel/audit"
	"weir/kernel/fault"
)

// continuityRoot is what changes of location are asked for below.
const continuityRoot = "/continuity/"

// continuityBodyMax bounds what is looked at of a request before it is carried out.
const continuityBodyMax = 1 << 20

// continuityNoteMax is how long an answer waits for its entry.
const continuityNoteMax = 2 * time.Second

// routeContinuity lets administrators ask for changes of location, and notes each.
func (a *API) routeContinuity() {
	if a.o.Continuity == nil {
		return
	}
	h := a.o.Continuity(func(w http.ResponseWriter, r *http.Request, err error) {
		if refused, ok := r.Context().Value(refusalKey{}).(*error); ok {
			*refused = err
		}
		answer.Refuse(w, r, a.o.Logger, "", err)
	})
	a.mux.HandleFunc(continuityRoot, a.admitted(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || a.own(r) {
			h.ServeHTTP(w, r)
			return
		}
		a.noteContinuity(w, r, h)
	}))
}

// refusalKey is where a request's handler leaves why it refused.
type refusalKey struct{}

// noteContinuity carries out a change, writes it into the audit log, and answers then. An
// audit log that cannot take it does not hold up the answer: who moves a group because
// things are broken must hear what came of it. The process's own log has the entry.
func (a *API) noteContinuity(w http.ResponseWriter, r *http.Request, h http.Handler) {
	action := a.continuityAction(w, r)
	var refused error
	held := heldAnswer{ResponseWriter: w, status: http.StatusOK}
	h.ServeHTTP(&held, r.WithContext(context.WithValue(r.Context(), refusalKey{}, &refused)))
	c := callerOf(r.Context())
	group, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, continuityRoot+"groups/"), "/")
	e := audit.Entry{
		Caller: c.Principal.String(), Object: c.Principal.ObjectID(), Action: action, Scope: a.o.Scope.String() + "/providers/Weir.Continuity/groups/" + group,
		Door: "continuity", Peer: c.Peer, Outcome: audit.Succeeded, Correlation: w.Header().Get("x-ms-request-id"),
	}
	if held.status >= http.StatusBadRequest {
		e.Outcome, e.Code = audit.Failed, http.StatusText(held.status)
	}
	if refused != nil {
		e.Code, e.Reason = answer.Code(refused), fault.Sentence(refused)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), continuityNoteMax)
	defer cancel()
	_ = a.o.Audit.Note(limit, e) // it says so itself when it cannot
	held.send()
}

// continuityAction names what is asked for. What only asks what would happen is told
// apart from what happens.
func (a *API) continuityAction(w http.ResponseWriter, r *http.Request) string {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, continuityBodyMax))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
	var asked struct {
		DryRun bool `json:"dryRun"`
	}
	_ = json.Unmarshal(body, &asked) // the handler refuses what is none
	verb := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if asked.DryRun {
		verb += "DryRun"
	}
	return "Weir.Continuity/groups/" + verb + "/action"
}

// broken ends a body as it ended when it was looked at.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}

// heldAnswer keeps an answer back.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader keeps the status.
func (h *heldAnswer) WriteHeader(status int) { h.status = status }

// Write keeps the body.
func (h *heldAnswer) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *heldAnswer) send() {
	h.ResponseWriter.WriteHeader(h.status)
	_, _ = h.ResponseWriter.Write(h.body.Bytes()) // the client may be gone
}
