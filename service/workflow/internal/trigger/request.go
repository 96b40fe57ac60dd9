package trigger

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// Refusal is what a caller is told whose request starts nothing.
type Refusal = fire.Refusal

// Incoming is a request to a trigger, its signature checked.
type Incoming struct {
	Method string
	// Path is what follows the trigger's address, escaped as it came.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// signed are the parameters that a callback address has itself.
var signed = []string{"api-version", "sp", "sv", "sig", "se"}

// trackingHeader is how a caller tracks a run.
const trackingHeader = "x-ms-client-tracking-id"

// Request starts a run of a Request trigger and waits for its answer. An error is a
// *Refusal in the cloud's words, or a fault.
func (m *Manager) Request(ctx context.Context, workflow, trigger string, in Incoming) (host.Reply, error) {
	w, d, err := m.called(workflow, trigger)
	if err != nil {
		return host.Reply{}, err
	}
	if !d.trigger.Is("Request", "Manual") {
		return host.Reply{}, &Refusal{Status: 400, Code: "TriggerTypeNotRequest", Message: fmt.Sprintf("The trigger '%s' of the workflow '%s' is of type '%s', which cannot be called.", trigger, workflow, d.trigger.Type)}
	}
	asked, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return host.Reply{}, w.refuse(failed)
	}
	kind := in.Header.Get("Content-Type")
	body, err := content.Read(kind, in.Body)
	if err != nil {
		return host.Reply{}, &Refusal{Status: 400, Code: fire.CodeContent, Message: fmt.Sprintf("The request content is not valid and could not be deserialized: '%s'.", strings.TrimSuffix(err.Error(), "."))}
	}
	params, refused := d.trigger.Admit(asked, fire.Request{Method: in.Method, Path: in.Path, Body: body, Has: len(in.Body) > 0, JSON: isJSON(kind)})
	if refused != nil {
		return host.Reply{}, refused
	}
	outputs := outputsOf(d.trigger, in, params, body, len(in.Body) > 0)
	return m.started(ctx, w, d, asked, outputs, in.Header.Get(trackingHeader))
}

// called finds a trigger that somebody calls.
func (m *Manager) called(workflow, trigger string) (*watch, *declared, error) {
	t := m.owned()
	if t == nil {
		return nil, nil, errNotOwned()
	}
	v, there := m.Host.Workflow(workflow)
	if there {
		// It may have been declared just now.
		if err := t.adopt(v); err != nil {
			return nil, nil, lost(context.Background(), err)
		}
	}
	w := t.find(workflow, trigger)
	if !there || w == nil || w.declared.Load().gone {
		return nil, nil, &Refusal{Status: 404, Code: "WorkflowTriggerNotFound", Message: fmt.Sprintf("The workflow '%s' trigger '%s' could not be found.", workflow, trigger)}
	}
	d := w.declared.Load()
	if d.view.Disabled {
		return nil, nil, disabled(workflow, trigger)
	}
	return w, d, nil
}

func disabled(workflow, trigger string) *Refusal {
	return &Refusal{Status: 400, Code: "WorkflowTriggerIsNotEnabled", Message: fmt.Sprintf("Could not execute workflow '%s' trigger '%s' with state 'Disabled': trigger is not enabled.", workflow, trigger)}
}

// refuse notes a trigger that failed and tells its caller.
func (w *watch) refuse(v *fire.Verdict) error {
	if err := w.note(*v); err != nil {
		return lost(context.Background(), err)
	}
	return &Refusal{Status: 400, Code: v.Code, Message: v.Message}
}

// started fires a request and waits for what its run answers.
func (m *Manager) started(ctx context.Context, w *watch, d *declared, asked any, outputs *expression.Object, tracking string) (host.Reply, error) {
	v := d.trigger.Decide(w.env(d), fire.Input{Inputs: asked, Outputs: outputs, Tracking: tracking})
	switch v.Status {
	case run.Failed:
		return host.Reply{}, w.refuse(&v)
	case run.Skipped:
		return host.Reply{Status: http.StatusAccepted, Accepted: true}, lost(ctx, w.note(v))
	}
	f := w.firing(v, asked)
	answer := make(chan host.Reply, 1)
	if !d.trigger.Splits() {
		f.Caller = answer
	}
	names, err := m.Host.Fire(ctx, f)
	switch {
	case fault.Is(err, fault.Disabled):
		return host.Reply{}, disabled(w.workflow, w.trigger)
	case fault.Is(err, fault.TooManyRequests):
		return host.Reply{}, &Refusal{Status: 429, Code: "WorkflowRunQuotaExceeded", Message: fault.Sentence(err)}
	case err != nil:
		return host.Reply{}, lost(ctx, err)
	}
	if f.Caller == nil {
		return host.Reply{Status: http.StatusAccepted, Accepted: true, Run: names[0]}, nil
	}
	return m.answered(ctx, w, names[0], answer)
}

// answered waits for the answer of a run, as long as a caller waits.
func (m *Manager) answered(ctx context.Context, w *watch, name string, answer <-chan host.Reply) (host.Reply, error) {
	wait := m.limits.Reply
	if w.declared.Load().view.Kind != "" {
		wait = m.limits.StandardReply
	}
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case r := <-answer:
		if r.Run == "" {
			r.Run = name
		}
		return r, nil
	case <-limit.Done():
	}
	select {
	case r := <-answer: // in the same moment
		return r, nil
	default:
	}
	m.Host.Leave(w.workflow, name)
	if ctx.Err() != nil {
		return host.Reply{Run: name}, ctx.Err()
	}
	return host.Reply{Status: http.StatusGatewayTimeout, Run: name, Code: "GatewayTimeout", Message: fmt.Sprintf("The workflow run '%s' did not answer within %s. It goes on; nobody waits for its answer any more.", name, wait)}, nil
}

// outputsOf makes of a request what triggerOutputs() gives.
func outputsOf(t *fire.Trigger, in Incoming, params *expression.Object, body any, has bool) *expression.Object {
	o := expression.NewObject("headers", headersOf(t, in.Header))
	if q := queriesOf(in.Query); len(q.Members) > 0 {
		o = o.With("queries", q)
	}
	if params != nil {
		o = o.With("relativePathParameters", params)
	}
	if has {
		o = o.With("body", body)
	}
	return o
}

// headersOf gives the headers as workflows know them; who the caller is stays out unless
// the definition wants it.
func headersOf(t *fire.Trigger, h http.Header) *expression.Object {
	o := &expression.Object{}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.EqualFold(name, "Authorization") && !t.Options.Has("IncludeAuthorizationHeadersInOutputs") {
			continue
		}
		o.Members = append(o.Members, expression.Member{Name: name, Value: strings.Join(h[name], ", ")})
	}
	return o
}

func queriesOf(q url.Values) *expression.Object {
	o := &expression.Object{}
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(signed, name) {
			o.Members = append(o.Members, expression.Member{Name: name, Value: strings.Join(q[name], ",")})
		}
	}
	return o
}

func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json") || kind == "text/json"
}

// Delivered fires a trigger that was called back: a webhook or a notification.
func (m *Manager) Delivered(ctx context.Context, workflow, trigger string, in Incoming) (host.Reply, error) {
	w, d, err := m.called(workflow, trigger)
	if err != nil {
		return host.Reply{}, err
	}
	if stepOf(d.trigger) != stepHook {
		return m.Request(ctx, workflow, trigger, in)
	}
	body, err := content.Read(in.Header.Get("Content-Type"), in.Body)
	if err != nil {
		return host.Reply{}, &Refusal{Status: 400, Code: fire.CodeContent, Message: fmt.Sprintf("The request content is not valid and could not be deserialized: '%s'.", strings.TrimSuffix(err.Error(), "."))}
	}
	outputs := outputsOf(d.trigger, in, nil, body, len(in.Body) > 0)
	if inputs, failed := d.trigger.Evaluate(w.env(d)); failed == nil && fetches(d, inputs) {
		if outputs, err = w.fetch(ctx, d, inputs); err != nil || outputs == nil {
			return host.Reply{Status: 202, Accepted: true}, err
		}
	}
	return m.started(ctx, w, d, nil, outputs, in.Header.Get(trackingHeader))
}
