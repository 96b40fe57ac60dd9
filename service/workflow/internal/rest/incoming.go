package rest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/trigger"
)

// call is what an address asks for.
type call struct {
	id        string // of the workflow; empty: found by app and name
	app, name string
	run       string
	action    string
	content   string
	answer    bool
	version   string
	trigger   string
	relative  string // what follows a trigger's address, still escaped
}

// path is the permission that is asked for.
func (c call) path() string {
	switch {
	case c.content != "":
		return callback.ContentRead(c.run, c.content)
	case c.answer:
		return callback.AnswerRead(c.run)
	case c.action != "":
		return callback.ActionRun(c.run, c.action)
	case c.version != "":
		return callback.VersionRun(c.version, c.trigger)
	}
	return callback.TriggerRun(c.trigger)
}

// part is what accessControl calls it.
func (c call) part() string {
	switch {
	case c.content != "":
		return "contents"
	case c.action != "":
		return "actions"
	}
	return "triggers"
}

// scaleUnits is what stands before the addresses of a Standard project's runs.
const scaleUnits = "/runtime/webhooks/workflow/scaleunits/"

// Takes says whether a request is for an address by which workflows are called.
func Takes(r *http.Request) bool {
	_, ok := callOf(r.URL)
	return ok
}

// callOf reads an address:
//
//	/workflows/{id}/triggers/{t}/paths/invoke[/rel]
//	/workflows/{id}/versions/{v}/triggers/{t}/paths/invoke[/rel]
//	/workflows/{id}/runs/{r}/actions/{a}/run
//	/workflows/{id}/runs/{r}/contents/{c}
//	/workflows/{id}/runs/{r}/operations/answer
//	/api/{name}/triggers/{t}/invoke[/rel]
func callOf(u *url.URL) (c call, ok bool) {
	path := u.EscapedPath()
	if len(path) > len(scaleUnits) && strings.EqualFold(path[:len(scaleUnits)], scaleUnits) {
		_, after, _ := strings.Cut(path[len(scaleUnits):], "/")
		path = "/" + after
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	plain := make([]string, len(parts))
	for i, p := range parts {
		var err error
		if plain[i], err = url.PathUnescape(p); err != nil {
			return c, false
		}
	}
	is := func(i int, words ...string) bool {
		for k, w := range words {
			if i+k >= len(plain) || w != "" && !strings.EqualFold(plain[i+k], w) || plain[i+k] == "" {
				return false
			}
		}
		return true
	}
	rest := func(n int) string { return strings.Join(parts[min(n, len(parts)):], "/") }
	switch {
	case is(0, "api", "", "triggers", "", "invoke"):
		return call{app: u.Query().Get("app"), name: plain[1], trigger: plain[3], relative: rest(5)}, true
	case !is(0, "workflows", "") || !isID(plain[1]):
		return c, false
	case is(2, "triggers", "", "paths", "invoke"):
		return call{id: strings.ToLower(plain[1]), trigger: plain[3], relative: rest(6)}, true
	case is(2, "versions", "", "triggers", "", "paths", "invoke"):
		return call{id: strings.ToLower(plain[1]), version: plain[3], trigger: plain[5], relative: rest(8)}, true
	case is(2, "runs", "", "actions", "", "run") && len(plain) == 7:
		return call{id: strings.ToLower(plain[1]), run: plain[3], action: plain[5]}, true
	case is(2, "runs", "", "contents", "") && len(plain) == 6:
		return call{id: strings.ToLower(plain[1]), run: plain[3], content: plain[5]}, true
	case is(2, "runs", "", "operations", "answer") && len(plain) == 6:
		return call{id: strings.ToLower(plain[1]), run: plain[3], answer: true}, true
	}
	return c, false
}

func isID(s string) bool {
	return len(s) == 32 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// ServeHTTP answers a request for an address by which workflows are called.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := d.serve(w, r, false); err != nil {
		d.o.Refuse(w, r, err)
	}
}

// ServePassed is ServeHTTP for a request that another node passed on to this one: it is
// not passed on again.
func (d *Door) ServePassed(w http.ResponseWriter, r *http.Request) {
	if err := d.serve(w, r, true); err != nil {
		d.o.Refuse(w, r, err)
	}
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, passed bool) error {
	c, ok := callOf(r.URL)
	if !ok {
		return fault.New(fault.NotFound, "Nothing is served at %s.", r.URL.Path)
	}
	f, err := d.find(r.Context(), c, r)
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowNotFound")
	}
	if from := d.o.Peer(r); f.Allows != nil && !f.Allows(c.part(), from) {
		return refuse(fault.Forbidden, "AuthorizationFailed", "The client IP address '%s' is not in the allowed caller IP address ranges specified in the workflow access control configuration.", from)
	}
	place, err := f.signer().Check(r.URL.Query(), c.path(), d.o.Now())
	if err != nil {
		return unauthorized(err)
	}
	if c.content != "" || c.answer {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return fault.New(fault.MethodNotAllowed, "What is read takes GET, not %s.", r.Method)
		}
		if c.answer {
			return d.later(w, r, f, c.run)
		}
		return d.content(w, r, f, c.content)
	}
	if !passed && f.Pass != nil && f.Pass(w, r) {
		return nil
	}
	if c.action != "" {
		return d.goOn(w, r, f, c, place)
	}
	return d.fire(w, r, f, c)
}

func (d *Door) find(ctx context.Context, c call, r *http.Request) (*Flow, error) {
	if c.id != "" {
		return d.o.ByID(ctx, c.id)
	}
	app := c.app
	if app == "" { // the project's own host name
		app, _, _ = strings.Cut(r.Host, ".")
	}
	f, err := d.o.InApp(ctx, app, c.name)
	if fault.Is(err, fault.NotFound) && c.app == "" {
		return d.o.InApp(ctx, "", c.name)
	}
	return f, err
}

// read takes a request in: without its signature and what nodes say to each other.
func (d *Door) read(w http.ResponseWriter, r *http.Request) (in trigger.Incoming, err error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return in, refuse(fault.TooLarge, "RequestEntityTooLarge", "The body is larger than %d bytes.", tooBig.Limit)
	}
	if err != nil {
		return in, fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	in = trigger.Incoming{Method: r.Method, Query: r.URL.Query(), Header: r.Header.Clone(), Body: data}
	for _, name := range [...]string{"api-version", "sp", "sv", "sig", "se", "at", "app"} {
		in.Query.Del(name)
	}
	for name := range in.Header {
		if strings.HasPrefix(name, "Weir-") && name != "Weir-Idempotency-Key" {
			in.Header.Del(name)
		}
	}
	in.Header.Set("Host", r.Host)
	if r.ContentLength > 0 {
		in.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return in, nil
}

// fire lets a trigger hear of a request, and answers what the run does.
func (d *Door) fire(w http.ResponseWriter, r *http.Request, f *Flow, c call) error {
	plan, _, err := f.Runs.Plan(r.Context(), f.Name, "")
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowNotFound")
	}
	t := triggerNamed(plan, c.trigger)
	if t == nil {
		return noTrigger(f.Name, c.trigger)
	}
	if v, _ := f.Runs.Workflow(f.Name); c.version != "" && c.version != v.Version {
		return refuse(fault.NotFound, "WorkflowVersionNotFound", "The workflow '%s' runs its current version, '%s', and not '%s' any more: ask for its callback URL again.", f.Name, v.Version, c.version)
	}
	in, err := d.read(w, r)
	if err != nil {
		return err
	}
	in.Path = c.relative
	fire := f.Triggers.Request
	if !t.Is("Request", "Manual") {
		if !called(t) {
			return refuse(fault.Invalid, "TriggerTypeNotSupported", "The trigger '%s' is of type '%s', which nobody calls.", t.Name, t.Type)
		}
		fire = f.Triggers.Delivered
	}
	reply, err := fire(r.Context(), f.Name, t.Name, in)
	if err != nil {
		return settling(r.Context(), told(err), f.Name)
	}
	if reply.Accepted && reply.Run != "" && plan.AnswersLater {
		w.Header().Set("Location", d.caller(r, f).Answer(reply.Run).String())
	}
	return d.reply(w, r, f, in.Header.Get(trackingHeader), reply)
}

// later answers with the Response of a run that its caller asks for; while there is none
// yet, with where to ask again.
func (d *Door) later(w http.ResponseWriter, r *http.Request, f *Flow, name string) error {
	i, err := f.Runs.Run(r.Context(), f.Name, name)
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowRunNotFound")
	}
	all, err := f.Runs.Summaries(r.Context(), f.Name, name)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Type != "Response" || a.Status != run.Succeeded {
			continue
		}
		if a.InputsContent == "" {
			return refuse(fault.NotFound, "ContentNotFound", "The answer of the run '%s' is secure: it is given to nobody later.", name)
		}
		text, err := f.Runs.Content(r.Context(), a.InputsContent)
		if err != nil {
			return err
		}
		v, err := expression.ParseJSON(string(text))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "The answer of the run '%s' cannot be read.", name)
		}
		given, _ := v.(*expression.Object)
		if given == nil {
			break
		}
		status, _ := given.Get("statusCode")
		code, _ := strconv.Atoi(expression.Text(status))
		headers, _ := given.Get("headers")
		body, _ := given.Get("body")
		return d.reply(w, r, f, i.Tracking, host.Reply{Run: name, Status: code, Headers: headers, Body: body})
	}
	reply := host.Reply{Run: name, Accepted: true}
	if i.Status.Ended() {
		reply = host.Reply{Run: name, Status: http.StatusBadGateway, Code: "NoResponse", Message: "The run ended and gave no response."}
	} else {
		w.Header().Set("Location", d.caller(r, f).Answer(name).String())
	}
	return d.reply(w, r, f, i.Tracking, reply)
}

// settling gives an error of a moment at which the workflow is taken up by this node, or
// let go, as one to try again on: its trigger is in the plan, and its caller still waits.
func settling(ctx context.Context, err error, name string) error {
	said, _ := errors.AsType[refusal](err)
	if said.code == "WorkflowTriggerNotFound" || errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fault.Wrap(fault.Unavailable, err, "The workflow '%s' is changing hands. Please try again.", name)
	}
	return err
}

// trackingHeader is how a caller tracks a run.
const trackingHeader = "x-ms-client-tracking-id"

// runHeaders say which run a request started.
func (d *Door) runHeaders(w http.ResponseWriter, f *Flow, name, tracking string) {
	v, _ := f.Runs.Workflow(f.Name)
	if tracking == "" {
		tracking = name
	}
	for header, value := range map[string]string{
		"x-ms-workflow-run-id": name, "x-ms-workflow-name": f.Name, "x-ms-workflow-id": callback.ID(f.ID.String()), "x-ms-workflow-version": v.Version,
		"x-ms-client-tracking-id": tracking, "x-ms-trigger-history-name": name, "x-ms-execution-location": d.o.Location, "x-ms-workflow-system-id": "/locations/" + d.o.Location + "/workflows/" + callback.ID(f.ID.String()),
	} {
		if value != "" {
			w.Header().Set(header, value)
		}
	}
}

// retryAfterSeconds is when to ask again how a run goes that was accepted.
const retryAfterSeconds = "10"

// reply answers a request with what its run answered.
func (d *Door) reply(w http.ResponseWriter, r *http.Request, f *Flow, tracking string, a host.Reply) error {
	if a.Run != "" {
		d.runHeaders(w, f, a.Run, tracking)
	}
	switch {
	case a.Accepted:
		if w.Header().Get("Location") != "" {
			w.Header().Set("Retry-After", retryAfterSeconds)
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	case a.Code != "":
		status := a.Status
		if status == 0 {
			status = http.StatusBadGateway
		}
		w.Header().Set("x-ms-error-code", a.Code)
		writeJSON(w, status, object{"error": object{"code": a.Code, "message": a.Message}})
		return nil
	}
	data, kind, err := content.Write(a.Body, headerText(a.Headers, "Content-Type"))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The body of the response cannot be written.")
	}
	if h, ok := a.Headers.(*expression.Object); ok {
		for _, name := range h.Names() {
			value, _ := h.Get(name)
			switch http.CanonicalHeaderKey(name) {
			case "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Trailer", "Keep-Alive":
				continue // the transport's own
			}
			w.Header().Set(name, expression.Text(value))
		}
	}
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead && a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		_, _ = w.Write(data) // the client may be gone
	}
	return nil
}

func headerText(headers any, name string) string {
	h, ok := headers.(*expression.Object)
	if !ok {
		return ""
	}
	v, _ := h.Get(name)
	if v == nil {
		return ""
	}
	return expression.Text(v)
}

// headersOf are headers as workflows know them: those that came more than once in one text.
func headersOf(h http.Header) *expression.Object {
	var pairs []any
	for _, name := range slices.Sorted(maps.Keys(h)) {
		pairs = append(pairs, name, strings.Join(h[name], ", "))
	}
	return expression.NewObject(pairs...)
}

// goOn lets an action go on that waits for a call.
func (d *Door) goOn(w http.ResponseWriter, r *http.Request, f *Flow, c call, place string) error {
	at, ok := callback.ParsePlace(place)
	if !ok {
		return unauthorized(fault.New(fault.Unauthorized, "The authentication credentials are not valid: the address names no place."))
	}
	in, err := d.read(w, r)
	if err != nil {
		return err
	}
	answer := run.Answer{Status: http.StatusOK, Headers: headersOf(in.Header)}
	if len(in.Body) > 0 {
		kind := in.Header.Get("Content-Type")
		if answer.Body, err = content.Read(kind, in.Body); err != nil {
			return invalid("The request content is not what its content type '%s' says.", kind)
		}
	}
	i, err := f.Runs.Run(r.Context(), f.Name, c.run)
	if fault.Is(err, fault.NotFound) {
		return noRun(f.Name, c.run)
	}
	if err != nil {
		return err
	}
	err = f.Runs.CalledBack(r.Context(), i.Number, run.Place{Frame: at.Frame, Node: at.Node}, answer)
	switch {
	case fault.Is(err, fault.Conflict):
		return refuse(fault.Conflict, "WorkflowRunActionNotWaiting", "The workflow '%s' run '%s' action '%s' does not wait for a call any more.", f.Name, c.run, c.action)
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
