// Package standin makes up what the services around a workflow could answer, so that a
// definition can be played without them.
//
// The nouns: a *shape* is what is known of a value that nobody has yet: the members that
// expressions select from it, that a Foreach goes over it, that it is compared with a
// word. A *root* is where such values come from: the trigger, and every action that
// calls something.
//
// What it promises:
//
//  1. What it makes depends on the definition alone.
//  2. A value is of the kind that every reader of it in the definition can use, as far
//     as the text tells: an array where it is gone over, a text of dates where dates are
//     reckoned, JSON in a text that is parsed. A JSON schema that the definition has for it is heeded.
//  3. Where the definition compares a value with a word, the value is that word.
//
// It refuses to know any service: what a definition does not read is not made up.
package standin

import (
	"strings"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Made is what was made up for a definition.
type Made struct {
	d       *definition.Definition
	trigger *shape
	actions map[string]*shape
	unset   map[string]*shape // parameters without a value
	set     map[string]*shape // app settings
	named   []string
}

// For works out the shapes of what a definition reads.
// With otherwise the values that are compared with a word are not that word.
func For(d *definition.Definition, otherwise bool) *Made {
	r := newReader(d)
	r.otherwise = otherwise
	for range passes {
		r.pass()
	}
	return &Made{d, r.trigger, r.actions, r.parameters, r.settings, r.named}
}

// Trigger gives the outputs of the trigger.
func (m *Made) Trigger() *expression.Object {
	if len(m.d.Triggers) > 0 && m.d.Triggers[0].Is("Recurrence", "SlidingWindow") && len(m.trigger.names) == 0 {
		return &expression.Object{}
	}
	o, _ := m.trigger.made("trigger").(*expression.Object)
	if o == nil {
		o = &expression.Object{}
	}
	return o
}

// Calls reports whether an action's outputs come from something outside.
func (m *Made) Calls(action string) bool { return m.actions[fold(action)] != nil }

// Outputs gives the outputs of an action that calls something: {statusCode, headers,
// body}.
func (m *Made) Outputs(action string) *expression.Object {
	s := m.actions[fold(action)]
	if s == nil {
		s = &shape{}
	}
	o, _ := s.made("outputs").(*expression.Object)
	if o == nil {
		o = &expression.Object{}
	}
	if _, ok := o.Get("statusCode"); !ok {
		o = o.With("statusCode", int64(200))
	}
	if _, ok := o.Get("headers"); !ok {
		o = o.With("headers", expression.NewObject("Content-Type", "application/json"))
	}
	if _, ok := o.Get("body"); !ok {
		o = o.With("body", &expression.Object{})
	}
	return o
}

// Setting gives an app setting, which is always a text.
func (m *Made) Setting(name string) string {
	if s := m.set[strings.ToLower(name)]; s != nil {
		return expression.Text(s.made(name))
	}
	return name
}

// Parameters gives values of the parameters that have none.
func (m *Made) Parameters() *expression.Object {
	o := &expression.Object{}
	for _, name := range m.named {
		o = o.With(name, m.unset[strings.ToLower(name)].made(name))
	}
	return o
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

// Answer gives what an action's service could answer.
func (m *Made) Answer(action string) run.Answer {
	a := run.Answer{Status: 200}
	o := m.Outputs(action)
	if v, ok := o.Get("statusCode"); ok {
		if n, ok := v.(int64); ok && n >= 200 && n < 300 && n != 202 {
			a.Status = int(n)
		}
	}
	a.Outputs = o.With("statusCode", int64(a.Status))
	return a
}
