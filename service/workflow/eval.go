package workflow

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"weir/service/workflow/internal/expression"
)

// Eval computes one expression, or one text with expressions in it, with what a
// context file says that a run knows, and gives the value as JSON. An expression may
// stand without its @. The error is in the engine's words.
func Eval(context []byte, text string) ([]byte, error) {
	c, err := readContext(context)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(text, "@") {
		// What reads as an expression is one; text around @{...} does not.
		if !strings.Contains(text, "@{") || len(expression.Check("@"+text)) == 0 {
			text = "@" + text
		}
	}
	v, err := evaluate(c, text)
	if err != nil {
		return nil, err
	}
	return expression.AppendJSON(nil, v), nil
}

func evaluate(c expression.Context, text string) (any, error) {
	t, problems := expression.Parse(text)
	if problems != nil {
		var all []error
		for i := range problems {
			all = append(all, fmt.Errorf("InvalidTemplate, column %d: %w", problems[i].Column, &problems[i].Problem))
		}
		return nil, errors.Join(all...)
	}
	v, err := t.Eval(c, expression.Budget{})
	if err == nil {
		return v, nil
	}
	if e, ok := errors.AsType[*expression.Error](err); ok && e.Column > 0 {
		return nil, fmt.Errorf("%s, column %d: %w", e.Code, e.Column, err)
	}
	return nil, fmt.Errorf("InvalidTemplate: %w", err)
}

// ContextHelp says what a context file may hold.
const ContextHelp = `A context file is a JSON object. All of its members may be missing:

  now               the current time, an ISO 8601 timestamp (else it is now)
  random            a number that random values begin from (else a random one)
  parameters, variables, appSettings, agentParameters
                    objects of names and values
  trigger           the trigger: {"name", "inputs", "outputs": {"headers", "body"} ...}
  triggerOutputs    its outputs alone;  triggerBody: the body of its outputs alone
  actions           an object of names and actions: {"inputs", "outputs", "status" ...}
  outputs, body     objects of action names and outputs, or bodies, alone
  action            the current action
  item              what item() gives;  items: an object of loops and their items
  iterationIndexes  an object of loops and their indexes
  result            an object of scopes and the results in them
  workflow          what workflow() gives;  listCallbackUrl: a URL
`

// runContext is what a context file says.
type runContext struct {
	now    time.Time
	seed   uint64
	values *expression.Object
}

// contextNames are the members that a context file may have.
var contextNames = []string{"now", "random", "parameters", "variables", "appSettings", "agentParameters", "trigger", "triggerOutputs", "triggerBody",
	"actions", "outputs", "body", "action", "item", "items", "iterationIndexes", "result", "workflow", "listCallbackUrl"}

func readContext(data []byte) (*runContext, error) {
	var v any = &expression.Object{}
	if len(data) > 0 {
		var err error
		if v, err = expression.ParseJSON(string(data)); err != nil {
			return nil, fmt.Errorf("read the context: %w", err)
		}
	}
	return contextOf(v)
}

func contextOf(v any) (*runContext, error) {
	c := &runContext{now: time.Now().UTC(), seed: rand.Uint64(), values: &expression.Object{}}
	if v == nil {
		return c, nil
	}
	o, ok := v.(*expression.Object)
	if !ok {
		return nil, errors.New("the context is no JSON object")
	}
	c.values = o
	for _, m := range o.Members {
		known := false
		for _, name := range contextNames {
			known = known || strings.EqualFold(name, m.Name)
		}
		if !known {
			return nil, fmt.Errorf("the context has a member %q, which says nothing that expressions ask for; known are %s", m.Name, strings.Join(contextNames, ", "))
		}
	}
	if now, ok := o.Get("now"); ok {
		text, _ := now.(string)
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("the context's now: %w", err)
		}
		c.now = t
	}
	if seed, ok := o.Get("random"); ok {
		n, isInt := seed.(int64)
		if !isInt {
			return nil, errors.New("the context's random is no integer")
		}
		c.seed = uint64(n)
	}
	return c, nil
}

func (c *runContext) Now() time.Time { return c.now }

// Random is splitmix64: the same context gives the same values.
func (c *runContext) Random() uint64 {
	c.seed += 0x9e3779b97f4a7c15
	z := c.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Value finds a thing where the file has it, or puts it together from its parts.
func (c *runContext) Value(kind expression.Kind, name string) (any, error) {
	found := func(v any, ok bool) (any, error) {
		if !ok {
			return nil, expression.ErrNotFound
		}
		return v, nil
	}
	switch kind {
	case expression.TheVariable:
		return found(c.in("variables", name))
	case expression.TheParameter:
		return found(c.in("parameters", name))
	case expression.TheSetting:
		return found(c.in("appSettings", name))
	case expression.TheAgentParameter:
		return found(c.in("agentParameters", name))
	case expression.TheItem:
		return found(c.values.Get("item"))
	case expression.TheLoopItem:
		return found(c.in("items", name))
	case expression.TheIterationIndex:
		return found(c.in("iterationIndexes", name))
	case expression.TheResult:
		return found(c.in("result", name))
	case expression.TheWorkflow:
		return found(c.values.Get("workflow"))
	case expression.TheCallbackURL:
		return found(c.values.Get("listCallbackUrl"))
	case expression.TheTriggerOutputs:
		return found(c.triggerOutputs())
	case expression.TheTrigger:
		if v, ok := c.values.Get("trigger"); ok {
			return v, nil
		}
		outputs, ok := c.triggerOutputs()
		return found(expression.NewObject("outputs", outputs), ok)
	case expression.TheOutputs:
		return found(c.outputs(name))
	}
	if name == "" {
		return found(c.values.Get("action"))
	}
	if v, ok := c.in("actions", name); ok {
		return v, nil
	}
	outputs, ok := c.outputs(name)
	return found(expression.NewObject("name", name, "outputs", outputs, "status", "Succeeded"), ok)
}

// in finds a name in one of the objects. Spaces in names are underscores in code.
func (c *runContext) in(where, name string) (any, bool) {
	v, _ := c.values.Get(where)
	o, ok := v.(*expression.Object)
	if !ok {
		return nil, false
	}
	if v, ok := o.Get(name); ok {
		return v, true
	}
	return o.Get(strings.ReplaceAll(name, " ", "_"))
}

func (c *runContext) triggerOutputs() (any, bool) {
	if v, ok := c.values.Get("triggerOutputs"); ok {
		return v, true
	}
	if t, ok := c.values.Get("trigger"); ok {
		if o, isObject := t.(*expression.Object); isObject {
			return o.Get("outputs")
		}
	}
	body, ok := c.values.Get("triggerBody")
	return expression.NewObject("body", body), ok
}

func (c *runContext) outputs(name string) (any, bool) {
	if v, ok := c.in("outputs", name); ok {
		return v, true
	}
	if a, ok := c.in("actions", name); ok {
		if o, isObject := a.(*expression.Object); isObject {
			return o.Get("outputs")
		}
	}
	body, ok := c.in("body", name)
	return expression.NewObject("body", body), ok
}
