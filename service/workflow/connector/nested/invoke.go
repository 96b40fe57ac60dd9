package nested

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// attemptsMax bounds the earlier attempts whose runs are looked for.
const attemptsMax = 100

// invoke starts a run of another workflow, or takes up the one that was started.
func (c *Connector) invoke(ctx context.Context, call *connector.Call, inputs *Object) connector.Answer {
	if a := known(call, inputs, "host", "headers", "body", "retryPolicy"); a != nil {
		return *a
	}
	workflow, trigger, refusal := target(call, inputs)
	if refusal != nil {
		return *refusal
	}
	if Depth(call.Who.Run) >= c.limits.Depth {
		return connector.Refusal("WorkflowNestingTooDeep", fmt.Sprintf("'%s' would be the start of the workflow %s in a chain of %d workflows that start each other; more are not started. Look for one that starts itself.", call.Who.Action, workflow, c.limits.Depth))
	}
	v, _ := inputs.Get("headers")
	headers, ok := v.(*Object)
	if v != nil && !ok {
		return bad("The headers of '%s' are no object.", call.Who.Action)
	}
	run, earlier, err := c.earlier(ctx, call, workflow)
	if err != nil {
		return c.left(ctx, call, workflow, err)
	}
	if earlier == nil {
		body, _ := inputs.Get("body")
		i := Invocation{Workflow: workflow, Trigger: trigger, Run: run, Headers: c.tracked(headers, call), Body: body, Tracking: call.Who.ClientTracking, Parent: call.Who.Workflow}
		r, err := c.begin(ctx, i)
		if err != nil {
			return c.left(ctx, call, workflow, err)
		}
		earlier = &r
	}
	if !earlier.Pending {
		return reply(*earlier)
	}
	patience := c.limits.Patience
	for _, o := range call.Options {
		if strings.EqualFold(o, "DisableAsyncPattern") {
			patience = 365 * 24 * time.Hour // as long as the attempt has
		}
	}
	return c.wait(ctx, call, workflow, run, patience, 0)
}

// earlier finds the run of this attempt or of one before it that has not failed. Without
// one it gives the name of the run that is to be started.
func (c *Connector) earlier(ctx context.Context, call *connector.Call, workflow string) (string, *Reply, error) {
	mine := RunName(call.Who.Run, call.Who.Key, call.Who.Attempt)
	now, cancel := context.WithCancel(ctx)
	cancel()
	for n := call.Who.Attempt - 1; n > 0 && n > call.Who.Attempt-attemptsMax; n-- {
		name := RunName(call.Who.Run, call.Who.Key, n)
		r, err := c.calls.Wait(now, workflow, name)
		if err != nil {
			return "", nil, err
		}
		if !r.Missing && (r.Pending || r.Accepted || r.Status < 300) {
			return name, &r, nil
		}
	}
	return mine, nil, nil
}

// tracked are the headers that the child's trigger gets: those of the definition, and whose
// child it is.
func (c *Connector) tracked(headers *Object, call *connector.Call) *Object {
	o := &Object{}
	if headers != nil {
		o.Members = append(o.Members, headers.Members...)
	}
	set := func(name, value string) {
		if _, there := o.Get(name); !there && value != "" {
			o.Members = append(o.Members, expression.Member{Name: name, Value: value})
		}
	}
	set("x-ms-client-tracking-id", call.Who.ClientTracking)
	set("x-ms-workflow-name", call.Who.Workflow[strings.LastIndexByte(call.Who.Workflow, '/')+1:])
	set("x-ms-workflow-run-id", call.Who.Run)
	set("x-ms-workflow-operation-name", call.Who.Action)
	set("x-ms-action-tracking-id", call.Who.ActionTracking)
	return o
}

// begin starts a run. Where that cannot be said for certain it is tried again, under the
// same name, as long as there is time.
func (c *Connector) begin(ctx context.Context, i Invocation) (Reply, error) {
	for {
		r, err := c.calls.Begin(ctx, i)
		if err == nil || ctx.Err() != nil {
			return r, err
		}
		rest := time.NewTimer(c.limits.Pause)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return r, err
		}
	}
}

// left is the answer when the time was over before the other workflow was reached.
func (c *Connector) left(ctx context.Context, call *connector.Call, workflow string, err error) connector.Answer {
	a := unreached(call, workflow, err)
	a.Timeout = ctx.Err() == context.DeadlineExceeded
	return a
}

// wait waits for the child's answer, for a while; then it says where to ask.
func (c *Connector) wait(ctx context.Context, call *connector.Call, workflow, run string, patience time.Duration, asked int) connector.Answer {
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := c.calls.Wait(limit, workflow, run)
	switch {
	case ctx.Err() == context.DeadlineExceeded && (err != nil || r.Pending):
		return connector.Answer{Code: "ActionTimedOut", Timeout: true, Message: fmt.Sprintf("The workflow %s did not answer '%s' in time; its run %s goes on.", workflow, call.Who.Action, run)}
	case err != nil && ctx.Err() != nil:
		return unreached(call, workflow, err)
	case err != nil:
		r.Pending = true // its run is there; whoever owns it now will be asked
	case r.Missing:
		return connector.Refusal("WorkflowRunNotFound", fmt.Sprintf("The run %s of the workflow %s that '%s' waits for is not there any more.", run, workflow, call.Who.Action))
	}
	if !r.Pending {
		return reply(r)
	}
	after := c.askAfter(asked)
	headers := expression.NewObject("Location", fmt.Sprintf("%s/runs/%s?asked=%d", workflow, run, asked), "Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))), "x-ms-workflow-run-id", run)
	return connector.Answer{Status: 202, Headers: headers}
}

// askAfter is how long to rest before the next question: half as long again as before the
// last one. The time that the child began at would not do: its name tells its parent's.
func (c *Connector) askAfter(asked int) time.Duration {
	after := c.limits.AskAfter
	for range asked {
		if after += after / 2; after >= c.limits.AskAfterMax {
			return c.limits.AskAfterMax
		}
	}
	return after
}

// askedMax is more often than makes a difference.
const askedMax = 100

// ask asks a child that took long. The place says how often that was done.
func (c *Connector) ask(ctx context.Context, call *connector.Call) connector.Answer {
	workflow, run, ok := cutLast(call.URL, "/runs/")
	if !ok {
		return connector.Refusal("BadRequest", fmt.Sprintf("'%s' waits for a run that its place does not name.", call.Who.Action))
	}
	run, count, _ := strings.Cut(run, "?asked=")
	asked, _ := strconv.Atoi(count)
	return c.wait(ctx, call, workflow, run, c.limits.Patience, min(max(asked, 0), askedMax)+1)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i <= 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}
