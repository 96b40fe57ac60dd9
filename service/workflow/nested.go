package workflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/trigger"
)

// others are the workflows of this node, as those that start each other reach them.
type others struct{ *Service }

var _ nested.Calls = others{}

// find gives the unit of a workflow.
func (o others) find(workflow string) (*space, resource.ID, error) {
	id, err := resource.ParseID(workflow)
	if err != nil {
		return nil, id, refusedCall(http.StatusBadRequest, "InvalidResourceId", "'%s' is no id of a workflow.", workflow)
	}
	sp := o.spaceOf(id)
	if sp == nil || !sp.keeps(id) {
		return nil, id, refusedCall(http.StatusNotFound, "WorkflowNotFound", "The workflow '%s' could not be found.", workflow)
	}
	if _, there := sp.host.Workflow(id.Name()); !there {
		if _, owned := sp.host.Owned(); !owned {
			return nil, id, fault.New(fault.NotOwner, "Another node decides about the workflow %s.", id.Name())
		}
		return nil, id, refusedCall(http.StatusNotFound, "WorkflowNotFound", "The workflow '%s' could not be found.", workflow)
	}
	return sp, id, nil
}

func refusedCall(status int, code, format string, args ...any) error {
	return &trigger.Refusal{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Begin starts a run, unless it is there.
func (o others) Begin(ctx context.Context, i nested.Invocation) (nested.Reply, error) {
	sp, id, err := o.find(i.Workflow)
	if err != nil {
		return told(err)
	}
	accepted, err := sp.triggers.Invoke(ctx, id.Name(), i.Trigger, trigger.Invocation{Run: i.Run, Headers: i.Headers, Body: i.Body, Tracking: i.Tracking, Depth: i.Depth})
	if err != nil {
		return told(err)
	}
	return nested.Reply{Accepted: accepted, Pending: !accepted}, nil
}

// Wait waits for what a run answers.
func (o others) Wait(ctx context.Context, workflow, run string) (nested.Reply, error) {
	sp, id, err := o.find(workflow)
	if err != nil {
		return told(err)
	}
	r, pending, err := sp.host.Await(ctx, id.Name(), run)
	switch {
	case fault.Is(err, fault.NotFound):
		return nested.Reply{Missing: true}, nil
	case err != nil:
		return nested.Reply{}, err
	}
	reply := nested.Reply{Pending: pending, Accepted: r.Accepted, Status: r.Status, Headers: r.Headers, Body: r.Body}
	if r.Code != "" && reply.Body == nil {
		reply.Body = errorBody(r.Code, r.Message)
	}
	return reply, nil
}

// Send hands a message to a Batch trigger.
func (o others) Send(ctx context.Context, m nested.Message) (nested.Reply, error) {
	sp, id, err := o.find(m.Workflow)
	if err == nil {
		err = sp.triggers.Send(ctx, id.Name(), m.Trigger, trigger.Message{Batch: m.Batch, Partition: m.Partition, ID: m.ID, Key: m.Key, Content: m.Content})
	}
	if err != nil {
		return told(err)
	}
	return nested.Reply{Accepted: true}, nil
}

// told makes an answer of what refuses for good, and leaves as an error what may be
// otherwise in a moment.
func told(err error) (nested.Reply, error) {
	var refused *trigger.Refusal
	if errors.As(err, &refused) {
		return nested.Reply{Status: refused.Status, Body: errorBody(refused.Code, refused.Message)}, nil
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return nested.Reply{Status: http.StatusNotFound, Body: errorBody("WorkflowNotFound", fault.Sentence(err))}, nil
	case fault.Invalid, fault.TooLarge:
		return nested.Reply{Status: http.StatusBadRequest, Body: errorBody("BadRequest", fault.Sentence(err))}, nil
	}
	return nested.Reply{}, err
}

func errorBody(code, message string) *expression.Object {
	return expression.NewObject("error", expression.NewObject("code", code, "message", message))
}
