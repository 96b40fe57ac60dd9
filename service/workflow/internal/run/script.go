package run

import (
	"regexp"
	"strings"

	"weir/service/workflow/internal/expression"
)

// scriptRefers finds the actions that a script speaks of.
var scriptRefers = regexp.MustCompile(`workflowContext\s*\.\s*actions\s*(?:\.\s*([\pL_$][\pL\pN_$]*)|\[\s*(?:"([^"\\]+)"|'([^'\\]+)')\s*\])`)

// scriptSees tells which actions a script depends on, by what its code names and what is
// declared, and whether on the trigger.
func scriptSees(inputs any) (names []string, trigger bool) {
	o, _ := inputs.(*expression.Object)
	if o == nil {
		return nil, false
	}
	v, _ := o.Get("code")
	code := expression.Text(v)
	trigger = strings.Contains(code, "trigger")
	v, _ = o.Get("explicitDependencies")
	if d, ok := v.(*expression.Object); ok {
		list, _ := d.Get("actions")
		items, _ := list.([]any)
		for _, x := range items {
			names = append(names, expression.Text(x))
		}
		include, _ := d.Get("includeTrigger")
		trigger = trigger || include == true
	}
	for _, match := range scriptRefers.FindAllStringSubmatch(code, -1) {
		names = append(names, match[1]+match[2]+match[3])
	}
	return names, trigger
}

// scriptContext is what a script sees of its run: the actions that it speaks of or that
// the definition says it depends on, the trigger and the workflow. It is made when an
// attempt is, and not recorded: the parts of it are.
func (m *machine) scriptContext(i *instance, n *node, inputs any) *expression.Object {
	s := m.scope(i, n, nil, false)
	names, trigger := scriptSees(inputs)
	actions := &expression.Object{}
	for _, name := range names {
		if _, there := actions.Exact(name); there {
			continue
		}
		if v, ok := s.action(expression.TheAction, name); ok {
			actions = actions.With(name, v)
		}
	}
	context := expression.NewObject("actions", actions)
	if trigger {
		context = context.With("trigger", m.load(m.s.Trigger))
	}
	if m.e.Workflow != nil {
		context = context.With("workflow", m.e.Workflow)
	}
	return context
}
