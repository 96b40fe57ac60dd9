// Package script is the connector of JavaScriptCode: a script in a workflow that computes
// something of what the run has done.
//
// It promises:
//
//  1. A script sees workflowContext (actions, trigger, workflow) and the language's own
//     objects, and nothing else: no files, no network, no timers, no require.
//  2. What it returns is the action's body, as JSON; what it throws is the action's error,
//     with its line.
//  3. It has its time, and not more: with a worker, a process of its own is killed when the
//     time is over, whatever the script does. Without one the engine is interrupted, which
//     it notices between two steps of the script, not within a built-in function.
//  4. It has its memory, and not more: a worker ends itself when its heap outgrows the
//     bound, looked at every few milliseconds, and on Linux the kernel refuses what goes
//     far beyond. Without a worker only single texts and buffers are bounded.
//  5. Scripts know nothing of each other: each has an engine of its own.
//
// A node runs scripts in workers; without is for tests and tools. It refuses code, contexts
// and results that are larger than it bounds.
package script

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// Codes of scripts that failed.
const (
	codeRuntime = "InlineCodeScriptRuntimeFailure"
	codeParsing = "InlineCodeParsingFailure"
	codeTimeout = "InlineCodeExecutionTimeout"
	codeModify  = "InlineCodeCannotModifyWorkflowContext"
	codeMember  = "InlineCodeInvalidProperty"
	codeMissing = "InlineCodeOperationMissing"
	codeMemory  = "InlineCodeMemoryLimitReached"
	codeSize    = "InlineCodeSizeLimitReached"
	codeBroken  = "InlineCodeInternalFailure"
	codeInputs  = "InvalidInputs"
)

// Limits bound a script. Zero fields get the defaults.
type Limits struct {
	// Time is how long a script may run.
	Time time.Duration
	// MemoryBytesMax bounds the heap of a worker.
	MemoryBytesMax int64
	// TextBytesMax bounds a text or a buffer that a script makes at once.
	TextBytesMax int64
	// DataBytesMax bounds what a script is given and what it returns.
	DataBytesMax int64
	CodeBytesMax int
	// AtOnce is how many scripts run at a time; others wait.
	AtOnce int
}

// DefaultLimits are those of the cloud where it has some.
var DefaultLimits = Limits{Time: 5 * time.Second, MemoryBytesMax: 512 << 20, TextBytesMax: 64 << 20, DataBytesMax: 50 << 20, CodeBytesMax: 100_000, AtOnce: 4}

// Options are what a connector is made of. All may be left out.
type Options struct {
	// Worker is the command line of a process that calls Serve; empty: scripts run in this
	// process.
	Worker []string
	Limits Limits
}

// Connector runs scripts.
type Connector struct {
	limits Limits
	pool   *pool
	places chan struct{}
}

var _ connector.Connector = (*Connector)(nil)

// New makes a connector. Workers are started when they are needed and live until Close.
func New(o Options) *Connector {
	l := o.Limits.whole()
	c := &Connector{limits: l, places: make(chan struct{}, l.AtOnce)}
	if len(o.Worker) > 0 {
		c.pool = &pool{command: o.Worker, limits: l, rest: restTime}
	}
	return c
}

func (l Limits) whole() Limits {
	l.Time = cmp.Or(l.Time, DefaultLimits.Time)
	l.MemoryBytesMax = cmp.Or(l.MemoryBytesMax, DefaultLimits.MemoryBytesMax)
	l.TextBytesMax = cmp.Or(l.TextBytesMax, DefaultLimits.TextBytesMax)
	l.DataBytesMax = cmp.Or(l.DataBytesMax, DefaultLimits.DataBytesMax)
	l.CodeBytesMax = cmp.Or(l.CodeBytesMax, DefaultLimits.CodeBytesMax)
	l.AtOnce = cmp.Or(l.AtOnce, DefaultLimits.AtOnce)
	return l
}

// Close ends the workers.
func (c *Connector) Close() {
	if c.pool != nil {
		c.pool.close()
	}
}

// Handles names the type.
func (c *Connector) Handles() []string { return []string{"JavaScriptCode"} }

// Operations declares the one operation.
func (c *Connector) Operations() []connector.Operation {
	return []connector.Operation{{Name: "JavaScriptCode", Summary: "Run a script on what the run has done", Inputs: []connector.Input{
		{Name: "code", Kind: "string", Required: true, About: "the body of a function that sees workflowContext and returns the result, at most 100,000 characters"},
		{Name: "explicitDependencies", Kind: "object", About: "{actions, includeTrigger}: what workflowContext holds beside what the code names itself"},
	}, Outputs: "body: what the script returned, as JSON; none when it returned nothing."}}
}

// Do runs a script.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	inputs, _ := call.Inputs.(*expression.Object)
	if inputs == nil {
		return connector.Refusal(codeInputs, fmt.Sprintf("The inputs of '%s' are no object.", call.Who.Action))
	}
	for _, m := range inputs.Members {
		if !strings.EqualFold(m.Name, "code") && !strings.EqualFold(m.Name, "explicitDependencies") {
			return connector.Refusal(codeInputs, fmt.Sprintf("The inputs of '%s' have a member '%s', which is not known; known are code and explicitDependencies.", call.Who.Action, m.Name))
		}
	}
	v, _ := inputs.Get("code")
	code, ok := v.(string)
	switch {
	case !ok || strings.TrimSpace(code) == "":
		return connector.Refusal(codeInputs, fmt.Sprintf("The inputs of '%s' have no code.", call.Who.Action))
	case len(code) > c.limits.CodeBytesMax:
		return connector.Refusal(codeSize, fmt.Sprintf("The code of '%s' has more than %d characters.", call.Who.Action, c.limits.CodeBytesMax))
	}
	j := job{Code: code, Context: "{}"}
	if call.Context != nil {
		j.Context = string(expression.AppendJSON(nil, call.Context))
	}
	if int64(len(j.Context)) > c.limits.DataBytesMax {
		return connector.Refusal(codeSize, fmt.Sprintf("What the script of '%s' is given has %d bytes; at most %d are. Depend on fewer actions, or take parts of them in a Compose before.", call.Who.Action, len(j.Context), c.limits.DataBytesMax))
	}
	select {
	case c.places <- struct{}{}:
	case <-ctx.Done():
		return connector.Answer{Code: codeTimeout, Message: "The script waited for its turn in vain: too many others run.", Timeout: true, Retryable: true}
	}
	defer func() { <-c.places }()
	var d done
	if c.pool != nil {
		d = c.pool.run(ctx, j)
	} else {
		d = perform(ctx, j, c.limits)
	}
	return d.answer(call.Who.Action)
}

// job is what a script is given; done is what came of it.
type job struct {
	Code    string `json:"code"`
	Context string `json:"context"`
}

type done struct {
	// Result is JSON, empty for none.
	Result  string `json:"result,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Again   bool   `json:"again,omitempty"`
}

func (d *done) answer(action string) connector.Answer {
	if d.Code != "" {
		return connector.Answer{Code: d.Code, Retryable: d.Again, Timeout: false,
			Message: fmt.Sprintf("The inline code action '%s' execution failed, with error '%s'.", action, d.Message)}
	}
	outputs := &expression.Object{}
	if d.Result != "" {
		v, err := expression.ParseJSON(d.Result)
		if err != nil {
			return connector.Refusal(codeRuntime, fmt.Sprintf("The inline code action '%s' execution failed, with error 'what it returned is no JSON: %v'.", action, err))
		}
		outputs = outputs.With("body", v)
	}
	return connector.Answer{Outputs: outputs}
}
