// Package fire says what becomes of a trigger that has something: which runs begin,
// with what outputs and under what tracking ids, or why none does.
//
// The nouns: a *trigger* here is one of a definition, compiled. A *verdict* is what
// comes of its outputs: parts, of each of which a run is made, or a reason for the
// trigger's history. A *refusal* is what a caller is told whose request does not fit.
//
// What it promises:
//
//  1. The same trigger, environment and outputs give the same verdict everywhere.
//  2. splitOn comes first: conditions and tracking ids are asked of each part, and
//     speak of its item where they speak of the body.
//  3. All conditions must hold. One that does not skips the part and is told of with
//     what its expressions gave.
//  4. Codes and sentences are those that people know from the cloud, as far as they
//     are known.
//
// It refuses to ask the world, to read a clock and to draw lots: they come in.
package fire

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// SplitMax bounds the parts of one verdict, SplitConcurrentMax those of a trigger that
// bounds how many of its runs run at once.
const (
	SplitMax           = 100_000
	SplitConcurrentMax = 100
)

// Codes of verdicts.
const (
	CodeOK        = "OK"
	CodeTemplate  = "InvalidTemplate"
	CodeCondition = "TriggerConditionNotMet"
	CodeSplit     = "InvalidSplitOn"
	CodeSplitMost = "SplitOnItemsLimitExceeded"
)

// Trigger is a trigger of a definition, compiled. It is not changed once it is made.
type Trigger struct {
	*definition.Trigger
	of         *definition.Definition
	inputs     program
	retry      program
	recurrence program
	split      program
	splitName  program
	tracking   program
	conditions []program
	schema     *expression.Object
}

// Compile makes a trigger of a definition that was read without errors.
func Compile(d *definition.Definition, t *definition.Trigger) *Trigger {
	c := &Trigger{Trigger: t, of: d}
	without := []string{"retryPolicy", "schema"}
	if t.Is("Request", "Manual") {
		// What a designer leaves there of connections does not keep anybody from calling.
		without = append(without, "host", "parameters", "operationId", "headersSchema")
	}
	c.inputs = compile(t.Inputs, expression.Parse, without...)
	if policy, _ := t.Inputs.Fold("retryPolicy"); policy.Given() {
		c.retry = compile(policy, expression.Parse)
	}
	if t.Recurrence != nil {
		c.recurrence = compile(t.Recurrence.Value, expression.Parse)
	}
	c.split = compile(t.SplitOn, expression.Parse)
	if t.SplitName != "" {
		c.splitName = compile(&document.Value{Kind: document.String, Text: t.SplitName}, expression.Parse)
	}
	c.tracking = compile(t.Correlation, expression.Parse)
	for _, one := range t.Conditions {
		c.conditions = append(c.conditions, compile(one.Expression, expression.ParseCondition))
	}
	if schema, _ := t.Inputs.Fold("schema"); schema.Is(document.Object) {
		c.schema, _ = run.ValueOf(schema).(*expression.Object)
	}
	return c
}

// Env is what a trigger knows beside its definition.
type Env struct {
	Now    time.Time
	Random uint64
	// Workflow is what workflow() gives, Parameters are the deployed values.
	Workflow   *expression.Object
	Parameters *expression.Object
	// Setting gives an app setting; nil, there are none.
	Setting func(name string) (any, bool)
	// Callback is what listCallbackUrl() gives; nil or empty, there is none.
	Callback func() string
}

// Input is what a trigger has.
type Input struct {
	// Inputs are the trigger's, evaluated.
	Inputs  any
	Outputs *expression.Object
	// Tracking is how the caller tracks it; the definition's own words come first.
	Tracking string
}

// Part is what one run is made of.
type Part struct {
	Outputs *expression.Object
	// Tracking is the client's tracking id; empty, the run's name is taken.
	Tracking string
}

// Verdict is what comes of a trigger's outputs.
type Verdict struct {
	Status run.Status // Succeeded, Skipped or Failed
	Parts  []Part
	// Skipped counts the parts whose conditions do not hold.
	Skipped       int
	Code, Message string
	// Traces tell of the condition that skipped the first part that was.
	Traces []*expression.Trace
}

// Decide says what becomes of a trigger's outputs.
func (t *Trigger) Decide(e *Env, in Input) Verdict {
	parts, v := t.parts(e, in)
	if v.Status == run.Failed || v.Status == run.Skipped {
		return v
	}
	v = Verdict{Status: run.Succeeded, Code: CodeOK}
	for k, outputs := range parts {
		in.Outputs = outputs
		s := t.scope(e, in, uint64(k))
		if failed := t.part(s, in, &v); failed != nil {
			return *failed
		}
	}
	if len(v.Parts) == 0 {
		v.Status, v.Code = run.Skipped, CodeCondition
		v.Message = fmt.Sprintf("The conditions of the trigger '%s' do not hold; no run was made.", t.Name)
	}
	return v
}

// part asks the conditions and the tracking id of one part.
func (t *Trigger) part(s *scope, in Input, v *Verdict) *Verdict {
	for k := range t.conditions {
		c := &t.conditions[k]
		if !c.given {
			continue
		}
		what := fmt.Sprintf("conditions[%d].expression", k)
		if c.Template == nil {
			return t.fails(c, what, nil)
		}
		holds, err := c.EvalCondition(s, expression.Budget{})
		if err != nil {
			return t.fails(c, what, err)
		}
		if !holds {
			if v.Skipped++; v.Skipped == 1 {
				v.Traces = t.traces(c, s)
			}
			return nil
		}
	}
	name, what := &t.tracking, "correlation.clientTrackingId"
	if t.split.given && t.splitName.given {
		name, what = &t.splitName, "splitOnConfiguration.correlation.clientTrackingId"
	}
	tracking := in.Tracking
	if name.given {
		id, failed := t.eval(s, name, what)
		if failed != nil {
			return failed
		}
		tracking = expression.Text(id)
	}
	v.Parts = append(v.Parts, Part{in.Outputs, tracking})
	return nil
}

// traces tells what the expressions of a condition gave, but for those that might tell of
// something secret.
func (t *Trigger) traces(c *program, s *scope) []*expression.Trace {
	if t.Runtime.SecureInputs || t.Runtime.SecureOutputs {
		return nil
	}
	_, all, _ := c.EvalTraced(s, expression.Budget{})
	return slices.DeleteFunc(all, func(one *expression.Trace) bool {
		refs := expression.References("@" + one.Text)
		return slices.ContainsFunc(refs.Parameters, func(r expression.Ref) bool {
			p := t.of.Parameter(r.Name)
			return p != nil && p.Secure()
		})
	})
}

// parts splits the outputs, when the trigger says so.
func (t *Trigger) parts(e *Env, in Input) ([]*expression.Object, Verdict) {
	if in.Outputs == nil {
		in.Outputs = &expression.Object{}
	}
	if !t.split.given {
		return []*expression.Object{in.Outputs}, Verdict{}
	}
	on, failed := t.eval(t.scope(e, in, 0), &t.split, "splitOn")
	if failed != nil {
		return nil, *failed
	}
	items, ok := on.([]any)
	most := t.SplitMost()
	switch {
	case !ok:
		return nil, Verdict{Status: run.Failed, Code: CodeSplit, Message: fmt.Sprintf("The expression of the 'splitOn' property of the trigger '%s' must give an array; it gave %s.", t.Name, kindOf(on))}
	case len(items) > most:
		return nil, Verdict{Status: run.Failed, Code: CodeSplitMost, Message: fmt.Sprintf("The 'splitOn' property of the trigger '%s' gave %d items; at most %d are allowed%s.", t.Name, len(items), most, map[bool]string{true: " while its concurrency is limited"}[most == SplitConcurrentMax])}
	case len(items) == 0:
		return nil, Verdict{Status: run.Skipped, Code: CodeOK, Message: "The array that 'splitOn' gave is empty; no run was made."}
	}
	parts := make([]*expression.Object, len(items))
	for k, item := range items {
		parts[k] = in.Outputs.With("body", item)
	}
	return parts, Verdict{}
}

// Splits says that several runs may come of one thing found.
func (t *Trigger) Splits() bool { return t.split.given }

// SplitMost is how many runs may come of one thing found.
func (t *Trigger) SplitMost() int {
	if t.Runtime.Runs > 0 || t.Options.Has("SingleInstance") {
		return SplitConcurrentMax
	}
	return SplitMax
}

// Evaluate computes the trigger's inputs. What is wrong is a verdict.
func (t *Trigger) Evaluate(e *Env) (any, *Verdict) {
	if !t.inputs.given {
		return nil, nil
	}
	return t.eval(t.scope(e, Input{}, 0), &t.inputs, "inputs")
}

// Retry computes the trigger's retry policy; nil is the standard one.
func (t *Trigger) Retry(e *Env) (*expression.Object, *Verdict) {
	if !t.retry.given {
		return nil, nil
	}
	v, failed := t.eval(t.scope(e, Input{}, 0), &t.retry, "inputs.retryPolicy")
	o, _ := v.(*expression.Object)
	return o, failed
}

func (t *Trigger) eval(s *scope, p *program, what string) (any, *Verdict) {
	if p.Template == nil {
		return nil, t.fails(p, what, nil)
	}
	v, err := p.Eval(s, expression.Budget{})
	if err != nil {
		return nil, t.fails(p, what, err)
	}
	return v, nil
}

func (t *Trigger) fails(p *program, what string, err error) *Verdict {
	why := p.broken
	if err != nil {
		why = err.Error()
	}
	return &Verdict{Status: run.Failed, Code: CodeTemplate, Message: fmt.Sprintf("Unable to process template language expressions in trigger '%s' %s at line '%d' and column '%d': '%s'.", t.Name, what, p.at.Line, p.at.Column, strings.TrimSuffix(why, "."))}
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case *expression.Object:
		return "an object"
	}
	return "a number"
}

// program is a template, or why there is none.
type program struct {
	*expression.Template
	broken string
	at     document.Position
	given  bool
}

func compile(v *document.Value, parse func(any) (*expression.Template, []expression.Place), without ...string) program {
	if !v.Given() {
		return program{}
	}
	from := run.ValueOf(v)
	if o, ok := from.(*expression.Object); ok && len(without) > 0 {
		kept := &expression.Object{}
		for _, m := range o.Members {
			if !slices.ContainsFunc(without, func(name string) bool { return strings.EqualFold(name, m.Name) }) {
				kept.Members = append(kept.Members, m)
			}
		}
		from = kept
	}
	p := program{at: v.At, given: true}
	t, problems := parse(from)
	if p.Template = t; t == nil {
		p.broken = "The template cannot be parsed."
		if len(problems) > 0 {
			p.broken = problems[0].Message
		}
	}
	return p
}
