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
	return c.wait(ctx, call, workflow, run, patience)
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
func (c *Connector) wait(ctx context.Context, call *connector.Call, workflow, run string, patience time.Duration) connector.Answer {
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
	after := c.askAfter(run)
	headers := expression.NewObject("Location", workflow+"/runs/"+run, "Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))), "x-ms-workflow-run-id", run)
	return connector.Answer{Status: 202, Headers: headers}
}

// askAfter is how long to rest: a quarter of the time that the child has taken.
func (c *Connector) askAfter(run string) time.Duration {
	return min(max(c.now().Sub(began(run))/4, c.limits.AskAfter), c.limits.AskAfterMax)
}

// ticksAtEpoch is 1970 in steps of 100 ns since the year 1, which names of runs count.
const ticksAtEpoch = 621_355_968_000_000_000

// began is about when a run began, as its name tells.
func began(run string) time.Time {
	ticks, err := strconv.ParseInt(run[:min(len(run), 20)], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, (math.MaxInt64-ticks-ticksAtEpoch)*100)
}

// ask asks a child that took long.
func (c *Connector) ask(ctx context.Context, call *connector.Call) connector.Answer {
	i := strings.LastIndex(call.URL, "/runs/")
	if i <= 0 {
		return connector.Refusal("BadRequest", fmt.Sprintf("'%s' waits for a run that its place does not name.", call.Who.Action))
	}
	return c.wait(ctx, call, call.URL[:i], call.URL[i+len("/runs/"):], c.limits.Patience)
}
