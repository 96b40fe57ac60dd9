// Package nested is the connector of workflows that start each other: Workflow (and
// InvokeWorkflow, its other name), and messages for Batch triggers (SendToBatch, Batch).
//
// It promises:
//
//  1. One attempt starts one run, however often it is made again: the name of the child's
//     run follows from the parent's run, the action's key and the attempt. A further attempt
//     takes up the run of an earlier one that still goes on, and starts another only when
//     that one has failed.
//  2. What the child's Response gives is the action's answer. A child that takes long does
//     not hold a call: the action waits as for any asynchronous operation, and asks.
//  3. Workflows start each other to a bounded depth, which the last two digits of a run's
//     name count: ...CU00 was started from outside, ...CU01 by such a run, and so on.
//
// It refuses workflows of other subscriptions and inputs that it does not know, by name.
package nested

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// Object is a JSON object.
type Object = expression.Object

// Invocation asks for a run of another workflow.
type Invocation struct {
	// Workflow is its resource id, Trigger the name of its trigger: empty, the only one that
	// can be called.
	Workflow, Trigger string
	// Run is the name that the run gets. A run of this name that is there is the one.
	Run     string
	Headers *Object
	Body    any
	// Tracking is what the parent's client tracks it by.
	Tracking string
	// Parent is the resource id of the workflow that asks.
	Parent string
}

// Message is one for a Batch trigger.
type Message struct {
	Workflow, Trigger    string
	Batch, Partition, ID string
	// Key is the same when a message is sent again.
	Key     string
	Content any
	Parent  string
}

// Reply is what a run answered.
type Reply struct {
	// Missing says that there is no such run, Pending that it has not answered yet.
	Missing, Pending bool
	// Accepted says that the workflow has no Response to wait for.
	Accepted bool
	Status   int
	Headers  any
	Body     any
}

// Calls reaches other workflows. Errors are for what may be otherwise in a moment; what is
// refused is a Reply with a status.
type Calls interface {
	// Begin starts a run, unless it is there.
	Begin(ctx context.Context, i Invocation) (Reply, error)
	// Wait waits for what a run answers until the context ends, and tells then how far it is.
	Wait(ctx context.Context, workflow, run string) (Reply, error)
	// Send hands a message to a Batch trigger.
	Send(ctx context.Context, m Message) (Reply, error)
}

// Limits bound nesting. Zero fields get the defaults.
type Limits struct {
	// Depth is how deep workflows start each other, at most 99.
	Depth int
	// Patience is how long a call waits for the child before it asks later.
	Patience time.Duration
	// AskAfter and AskAfterMax are how long it rests between: every time half as long again.
	AskAfter, AskAfterMax time.Duration
	// Pause is how long it rests when the other workflow cannot be reached.
	Pause time.Duration
}

// DefaultLimits are what zero fields mean.
var DefaultLimits = Limits{Depth: 30, Patience: 2 * time.Second, AskAfter: time.Second, AskAfterMax: time.Minute, Pause: 200 * time.Millisecond}

// Options are what a connector is made of.
type Options struct {
	Calls  Calls
	Limits Limits
}

// Connector starts other workflows.
type Connector struct {
	calls  Calls
	limits Limits
}

var _ connector.Connector = (*Connector)(nil)

// New makes a connector.
func New(o Options) *Connector {
	l, d := o.Limits, DefaultLimits
	l.Depth = min(cmp.Or(l.Depth, d.Depth), 99)
	l.Patience, l.Pause = cmp.Or(l.Patience, d.Patience), cmp.Or(l.Pause, d.Pause)
	l.AskAfter, l.AskAfterMax = cmp.Or(l.AskAfter, d.AskAfter), cmp.Or(l.AskAfterMax, d.AskAfterMax)
	return &Connector{o.Calls, l}
}

// Handles names the types.
func (c *Connector) Handles() []string {
	return []string{"Workflow", "InvokeWorkflow", "SendToBatch", "Batch"}
}

// Operations declares what there is.
func (c *Connector) Operations() []connector.Operation {
	host := connector.Input{Name: "host", Kind: "object", Required: true, About: "{workflow: {id}, triggerName}: the resource id of the workflow, or its name where it is of the same site or resource group; the trigger may be left out where one can be called"}
	call := []connector.Input{host,
		{Name: "headers", Kind: "object", About: "given to the child's trigger"},
		{Name: "body", Kind: "any", About: "given to the child's trigger"},
		{Name: "retryPolicy", Kind: "object", About: "as of Http"}}
	const answered = "what the child's Response gives: statusCode, headers, body. A child without one: statusCode 202."
	batch := []connector.Input{
		{Name: "batchName", Kind: "string", Required: true, About: "which configuration of the Batch trigger"},
		{Name: "content", Kind: "any", Required: true, About: "the message"},
		host,
		{Name: "partitionName", Kind: "string", About: "messages are gathered apart by it"},
		{Name: "messageId", Kind: "string", About: "names the message; left out, one follows from the run"},
	}
	return []connector.Operation{
		{Name: "Workflow", Summary: "Run another workflow and take its answer", Inputs: call, Outputs: answered},
		{Name: "InvokeWorkflow", Summary: "Run another workflow, by the action's other name", Inputs: call, Outputs: answered},
		{Name: "SendToBatch", Summary: "Hand a message to a Batch trigger", Inputs: batch, Outputs: "statusCode 202 when the message is recorded."},
		{Name: "Batch", Summary: "Hand a message to a Batch trigger, by the action's older name", Inputs: batch, Outputs: "statusCode 202 when the message is recorded."},
	}
}

// Do carries out one attempt.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	if c.calls == nil {
		return connector.Refusal("NotSupported", fmt.Sprintf("'%s' starts another workflow, and there are none here.", call.Who.Action))
	}
	if call.Step == connector.Ask {
		return c.ask(ctx, call)
	}
	inputs, _ := call.Inputs.(*Object)
	if inputs == nil {
		return bad("The inputs of '%s' are no object.", call.Who.Action)
	}
	if strings.EqualFold(call.Type, "SendToBatch") || strings.EqualFold(call.Type, "Batch") {
		return c.send(ctx, call, inputs)
	}
	return c.invoke(ctx, call, inputs)
}

func bad(format string, args ...any) connector.Answer {
	return connector.Refusal("InvalidInputs", fmt.Sprintf(format, args...))
}

// known refuses members that mean nothing here.
func known(call *connector.Call, inputs *Object, names ...string) *connector.Answer {
	for _, m := range inputs.Members {
		found := false
		for _, n := range names {
			found = found || strings.EqualFold(n, m.Name)
		}
		if !found {
			a := bad("The inputs of '%s' have a member '%s', which is not known; known are %s.", call.Who.Action, m.Name, strings.Join(names, ", "))
			return &a
		}
	}
	return nil
}

func text(o *Object, name string) string {
	v, _ := o.Get(name)
	return strings.TrimSpace(expression.Text(v))
}

// target reads which workflow and trigger are meant.
func target(call *connector.Call, inputs *Object) (workflow, trigger string, refusal *connector.Answer) {
	refuse := func(format string, args ...any) (string, string, *connector.Answer) {
		a := bad(format, args...)
		return "", "", &a
	}
	v, _ := inputs.Get("host")
	host, _ := v.(*Object)
	if host == nil {
		return refuse("The inputs of '%s' have no host.", call.Who.Action)
	}
	v, _ = host.Get("workflow")
	if o, ok := v.(*Object); ok {
		workflow = text(o, "id")
	}
	for _, name := range []string{"id", "workflowId", "workflowReferenceName"} {
		if workflow == "" {
			workflow = text(host, name)
		}
	}
	if workflow == "" {
		return refuse("The host of '%s' names no workflow: give host.workflow.id.", call.Who.Action)
	}
	own := call.Who.Workflow
	if !strings.HasPrefix(workflow, "/") {
		if strings.ContainsAny(workflow, "/?#") {
			return refuse("'%s' is no id and no name of a workflow.", workflow)
		}
		workflow = own[:strings.LastIndexByte(own, '/')+1] + workflow
	}
	if !strings.EqualFold(subscription(workflow), subscription(own)) {
		return refuse("'%s' starts the workflow %s, which is of another subscription. Call its URL with an Http action instead.", call.Who.Action, workflow)
	}
	return workflow, text(host, "triggerName"), nil
}

func subscription(id string) string {
	parts := strings.SplitN(strings.TrimPrefix(id, "/"), "/", 3)
	if len(parts) > 1 && strings.EqualFold(parts[0], "subscriptions") {
		return parts[1]
	}
	return ""
}

// send hands a message to a Batch trigger.
func (c *Connector) send(ctx context.Context, call *connector.Call, inputs *Object) connector.Answer {
	if a := known(call, inputs, "batchName", "content", "host", "partitionName", "messageId", "retryPolicy", "mode"); a != nil {
		return *a
	}
	workflow, trigger, refusal := target(call, inputs)
	if refusal != nil {
		return *refusal
	}
	content, there := inputs.Get("content")
	m := Message{Workflow: workflow, Trigger: trigger, Batch: text(inputs, "batchName"), Partition: text(inputs, "partitionName"), ID: text(inputs, "messageId"), Key: call.Who.Key, Content: content, Parent: call.Who.Workflow}
	if m.Batch == "" || !there {
		return bad("The inputs of '%s' need batchName and content.", call.Who.Action)
	}
	if m.ID == "" {
		m.ID = call.Who.Key
	}
	r, err := c.calls.Send(ctx, m)
	if err != nil {
		return unreached(call, workflow, err)
	}
	return reply(r)
}

// unreached is the answer when the other workflow cannot be spoken to.
func unreached(call *connector.Call, workflow string, err error) connector.Answer {
	a := connector.Answer{Code: "WorkflowUnavailable", Retryable: true, Message: fmt.Sprintf("'%s' could not reach the workflow %s: %v", call.Who.Action, workflow, err)}
	return a
}

func reply(r Reply) connector.Answer {
	if r.Accepted {
		return connector.Answer{Status: 202}
	}
	a := connector.Answer{Status: cmp.Or(r.Status, 200), Body: r.Body}
	a.Headers, _ = r.Headers.(*Object)
	return a
}

// runTicks is how far the name of a child's run may lie beside its parent's: a second, in
// the steps of 100 ns that names count.
const runTicks = 10_000_000

// RunName is the name of the run that an attempt starts: it sorts beside its parent's, and
// its last two digits count the depth. Two attempts have the same one by chance once in
// 10^16.
func RunName(parent, key string, attempt int32) string {
	sum := sha256.Sum256([]byte(parent + "\n" + key + "\n" + strconv.Itoa(int(attempt))))
	lot := binary.BigEndian.Uint64(sum[:8])
	ticks, _ := strconv.ParseUint(parent[:min(len(parent), 20)], 10, 64)
	ticks -= min(binary.BigEndian.Uint64(sum[8:16])%runTicks, ticks)
	return fmt.Sprintf("%020d%09dCU%02d", ticks, lot%1_000_000_000, min(Depth(parent)+1, 99))
}

// Depth is how many workflows started each other up to a run.
func Depth(run string) int {
	if i := strings.LastIndex(run, "CU"); i > 0 {
		if n, err := strconv.Atoi(run[i+2:]); err == nil && n > 0 {
			return n
		}
	}
	return 0
}
