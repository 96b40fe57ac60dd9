package workflow

import (
	"context"
	"errors"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/trigger"
)

// Nesting lets workflows start each other. It is made before the engine, whose connectors
// it is one of, and bound to it then.
type Nesting struct{ s *Service }

var _ nested.Calls = (*Nesting)(nil)

// Bind says which engine runs the workflows. It is called before that starts.
func (n *Nesting) Bind(s *Service) { n.s = s }

// target finds a workflow that this node decides for.
func (n *Nesting) target(id string) (*space, string, *nested.Reply, error) {
	refuse := func(status int, code, message string) (*space, string, *nested.Reply, error) {
		return nil, "", &nested.Reply{Status: status, Body: expression.NewObject("error", expression.NewObject("code", code, "message", message))}, nil
	}
	parsed, err := resource.ParseID(id)
	if err != nil {
		return refuse(400, "InvalidWorkflowId", fault.Sentence(err))
	}
	sp := n.s.spaceOf(parsed)
	if sp == nil || !sp.keeps(parsed) {
		return refuse(404, "WorkflowNotFound", "There is no workflow "+id+".")
	}
	if _, owned := sp.host.Owned(); !owned {
		return nil, "", nil, fault.New(fault.Unavailable, "another node has the workflow %s", id)
	}
	if _, ok := sp.host.Workflow(parsed.Name()); !ok {
		return refuse(404, "WorkflowNotFound", "There is no workflow "+id+".")
	}
	return sp, parsed.Name(), nil, nil
}

// Begin starts a run, unless it is there.
func (n *Nesting) Begin(ctx context.Context, i nested.Invocation) (nested.Reply, error) {
	sp, name, refusal, err := n.target(i.Workflow)
	if refusal != nil || err != nil {
		return *orNone(refusal), err
	}
	plan, _, err := sp.host.Plan(ctx, name, "")
	if err != nil {
		return nested.Reply{}, err
	}
	chosen := ""
	for _, t := range plan.Definition.Triggers {
		if strings.EqualFold(t.Name, i.Trigger) || i.Trigger == "" && t.Is("Request", "Manual") {
			chosen = t.Name
			break
		}
	}
	if chosen == "" {
		return refused(404, "TriggerNotFound", "The workflow "+i.Workflow+" has no trigger that another workflow can call."), nil
	}
	outputs := expression.NewObject("headers", orEmptyObject(i.Headers))
	if i.Body != nil {
		outputs = outputs.With("body", i.Body)
	}
	caller := make(chan host.Reply, 1)
	_, err = sp.host.Fire(ctx, host.Firing{Workflow: name, Trigger: chosen, Outputs: []*expression.Object{outputs}, Names: []string{i.Run}, Tracking: []string{i.Tracking}, Caller: caller})
	switch {
	case err == nil, fault.Is(err, fault.AlreadyExists):
	case fault.Is(err, fault.Disabled):
		return refused(400, "WorkflowDisabled", fault.Sentence(err)), nil
	case fault.Is(err, fault.TooManyRequests):
		return refused(429, "TooManyRequests", fault.Sentence(err)), nil
	default:
		return nested.Reply{}, err
	}
	if plan.Answers {
		return nested.Reply{Pending: true}, nil
	}
	return nested.Reply{Accepted: true, Status: 202}, nil
}

func orNone(r *nested.Reply) *nested.Reply {
	if r == nil {
		return &nested.Reply{}
	}
	return r
}

func orEmptyObject(o *expression.Object) *expression.Object {
	if o == nil {
		return &expression.Object{}
	}
	return o
}

func refused(status int, code, message string) nested.Reply {
	return nested.Reply{Status: status, Body: expression.NewObject("error", expression.NewObject("code", code, "message", message))}
}

// Wait waits for what a run answers.
func (n *Nesting) Wait(ctx context.Context, workflow, run string) (nested.Reply, error) {
	sp, name, refusal, err := n.target(workflow)
	if refusal != nil || err != nil {
		return *orNone(refusal), err
	}
	r, pending, err := sp.host.Answer(ctx, name, run)
	switch {
	case fault.Is(err, fault.NotFound):
		return nested.Reply{Missing: true}, nil
	case err != nil:
		return nested.Reply{}, err
	}
	return nested.Reply{Pending: pending, Accepted: r.Accepted, Status: r.Status, Headers: r.Headers, Body: r.Body}, nil
}

// Send hands a message to a Batch trigger.
func (n *Nesting) Send(ctx context.Context, m nested.Message) (nested.Reply, error) {
	sp, name, refusal, err := n.target(m.Workflow)
	if refusal != nil || err != nil {
		return *orNone(refusal), err
	}
	err = sp.triggers.Send(ctx, name, m.Trigger, trigger.Message{Batch: m.Batch, Partition: m.Partition, ID: m.ID, Key: m.Key, Content: m.Content})
	var refusing *trigger.Refusal
	if errors.As(err, &refusing) {
		return refused(refusing.Status, refusing.Code, refusing.Message), nil
	}
	if err != nil {
		return nested.Reply{}, err
	}
	return nested.Reply{Accepted: true, Status: 202}, nil
}
