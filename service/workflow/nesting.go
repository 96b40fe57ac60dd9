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
// it is one of, and bound to it then. What another node decides about is asked of that one.
type Nesting struct{ s *Service }

var _ nested.Calls = (*Nesting)(nil)

// Bind says which engine runs the workflows. It is called before that starts.
func (n *Nesting) Bind(s *Service) { n.s = s }

// errAway says that another node decides about a workflow.
var errAway = fault.New(fault.Unavailable, "another node has the workflow")

// target finds a workflow. The error is errAway with its unit when another node decides
// about it, or a refusal.
func (n *Nesting) target(id string) (*space, string, error) {
	parsed, err := resource.ParseID(id)
	if err != nil {
		return nil, "", &trigger.Refusal{Status: 400, Code: "InvalidWorkflowId", Message: fault.Sentence(err)}
	}
	missing := &trigger.Refusal{Status: 404, Code: "WorkflowNotFound", Message: "There is no workflow " + id + "."}
	sp := n.s.spaceOf(parsed)
	if sp == nil || !sp.keeps(parsed) {
		return nil, "", missing
	}
	if _, owned := sp.host.Owned(); !owned {
		return sp, parsed.Name(), errAway
	}
	if _, ok := sp.host.Workflow(parsed.Name()); !ok {
		return nil, "", missing
	}
	return sp, parsed.Name(), nil
}

// Begin starts a run, unless it is there.
func (n *Nesting) Begin(ctx context.Context, i nested.Invocation) (nested.Reply, error) {
	sp, _, err := n.target(i.Workflow)
	if errors.Is(err, errAway) {
		return n.away(ctx, sp, beginning(i))
	}
	return n.begin(ctx, i)
}

func (n *Nesting) begin(ctx context.Context, i nested.Invocation) (nested.Reply, error) {
	sp, name, err := n.target(i.Workflow)
	if err != nil {
		return told(err)
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
	sp, _, err := n.target(workflow)
	if errors.Is(err, errAway) {
		return n.away(ctx, sp, waiting(ctx, workflow, run))
	}
	return n.wait(ctx, workflow, run)
}

func (n *Nesting) wait(ctx context.Context, workflow, run string) (nested.Reply, error) {
	sp, name, err := n.target(workflow)
	if err != nil {
		return told(err)
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
	sp, _, err := n.target(m.Workflow)
	if errors.Is(err, errAway) {
		return n.away(ctx, sp, sending(m))
	}
	return n.send(ctx, m)
}

func (n *Nesting) send(ctx context.Context, m nested.Message) (nested.Reply, error) {
	sp, name, err := n.target(m.Workflow)
	if err != nil {
		return told(err)
	}
	err = sp.triggers.Send(ctx, name, m.Trigger, trigger.Message{Batch: m.Batch, Partition: m.Partition, ID: m.ID, Key: m.Key, Content: m.Content})
	if err != nil {
		return told(err)
	}
	return nested.Reply{Accepted: true, Status: 202}, nil
}
