package trigger

import (
	"context"
	"fmt"
	"net/http"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/run"
)

// Invocation is a call by another workflow.
type Invocation struct {
	// Run is the name of the run that it starts: one that is there is taken for it.
	Run      string
	Headers  *expression.Object
	Body     any
	Tracking string
}

// Invoke starts a run of a Request trigger for another workflow, under the name that it
// asks for. It does not wait for an answer: accepted says that there will be none. Without
// a trigger it is the only one that can be called.
func (m *Manager) Invoke(ctx context.Context, workflow, trigger string, in Invocation) (accepted bool, err error) {
	if trigger == "" {
		if trigger, err = m.callable(workflow); err != nil {
			return false, err
		}
	}
	w, d, err := m.called(workflow, trigger)
	if err != nil {
		return false, err
	}
	if !d.trigger.Is("Request", "Manual") {
		return false, &Refusal{Status: 400, Code: "TriggerTypeNotRequest", Message: fmt.Sprintf("The trigger '%s' of the workflow '%s' is of type '%s', which other workflows cannot call.", trigger, workflow, d.trigger.Type)}
	}
	asked, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return false, w.refuse(failed)
	}
	_, encoded := contentOf(in.Body)
	if _, refused := d.trigger.Admit(asked, fire.Request{Method: fire.Method(asked), Body: in.Body, Has: in.Body != nil, JSON: !encoded}); refused != nil {
		return false, refused
	}
	outputs := expression.NewObject("headers", in.Headers)
	if in.Body != nil {
		outputs = outputs.With("body", in.Body)
	}
	v := d.trigger.Decide(w.env(d), fire.Input{Inputs: asked, Outputs: outputs, Tracking: in.Tracking})
	switch v.Status {
	case run.Failed:
		return false, w.refuse(&v)
	case run.Skipped:
		return true, w.note(v)
	}
	f := w.firing(v, asked)
	f.Names = make([]string, len(f.Outputs))
	for k := range f.Names {
		f.Names[k] = nameAfter(in.Run, k)
	}
	_, err = m.Host.Fire(ctx, f)
	switch {
	case fault.Is(err, fault.AlreadyExists):
		return false, nil
	case fault.Is(err, fault.Disabled):
		return false, disabled(workflow, trigger)
	case fault.Is(err, fault.TooManyRequests):
		return false, &Refusal{Status: http.StatusTooManyRequests, Code: "WorkflowRunQuotaExceeded", Message: fault.Sentence(err)}
	}
	return d.trigger.Splits(), err
}

// contentOf reports whether a body is content in a type of its own.
func contentOf(body any) (*expression.Object, bool) {
	o, ok := body.(*expression.Object)
	if !ok {
		return nil, false
	}
	_, encoded := o.Exact("$content-type")
	return o, encoded
}

// callable finds the only trigger of a workflow that can be called.
func (m *Manager) callable(workflow string) (string, error) {
	t := m.owned()
	if t == nil {
		return "", errNotOwned()
	}
	if v, there := m.Host.Workflow(workflow); there {
		if err := t.adopt(v); err != nil {
			return "", lost(context.Background(), err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	found, several := "", false
	for k, w := range t.watches {
		if d := w.declared.Load(); k.workflow == workflow && !d.gone && d.trigger.Is("Request", "Manual") {
			several = found != ""
			found = k.trigger
		}
	}
	if found == "" || several {
		return "", &Refusal{Status: 404, Code: "WorkflowTriggerNotFound", Message: fmt.Sprintf("The workflow '%s' has no trigger, or more than one, that other workflows can call; name it in host.triggerName.", workflow)}
	}
	return found, nil
}
