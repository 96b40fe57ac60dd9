package workflow

import (
	"context"
	"errors"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
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
	accepted, err := sp.triggers.Invoke(ctx, name, i.Trigger, trigger.Invocation{Run: i.Run, Headers: orEmptyObject(i.Headers), Body: i.Body, Tracking: i.Tracking})
	if err != nil {
		return told(err)
	}
	return nested.Reply{Accepted: accepted, Pending: !accepted}, nil
}

// told makes an answer of what refuses for good, and leaves as an error what may be
// otherwise in a moment.
func told(err error) (nested.Reply, error) {
	var refusing *trigger.Refusal
	switch {
	case errors.As(err, &refusing):
		return refused(refusing.Status, refusing.Code, refusing.Message), nil
	case fault.Is(err, fault.NotFound):
		return refused(404, "WorkflowNotFound", fault.Sentence(err)), nil
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.TooLarge):
		return refused(400, "BadRequest", fault.Sentence(err)), nil
	}
	return nested.Reply{}, err
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
	reply := nested.Reply{Pending: pending, Accepted: r.Accepted, Status: r.Status, Headers: r.Headers, Body: r.Body}
	if r.Code != "" && reply.Body == nil {
		reply.Body = refused(0, r.Code, r.Message).Body
	}
	return reply, nil
}

// Send hands a message to a Batch trigger.
func (n *Nesting) Send(ctx context.Context, m nested.Message) (nested.Reply, error) {
	sp, name, refusal, err := n.target(m.Workflow)
	if refusal != nil || err != nil {
		return *orNone(refusal), err
	}
	err = sp.triggers.Send(ctx, name, m.Trigger, trigger.Message{Batch: m.Batch, Partition: m.Partition, ID: m.ID, Key: m.Key, Content: m.Content})
	if err != nil {
		return told(err)
	}
	return nested.Reply{Accepted: true, Status: 202}, nil
}
