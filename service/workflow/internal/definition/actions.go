package definition

import (
	"strings"

	"weir/service/workflow/internal/document"
)

// graph reads a set of actions; depth counts from one.
func (r *reader) graph(owner *Action, v *document.Value, p document.Path, depth int) *Graph {
	g := &Graph{Owner: owner, Path: p, byName: map[string]*Action{}}
	switch {
	case depth > r.Limits.DepthMax:
		r.error(p, v, "limit-exceeded", "actions lie %d deep in one another, at most %d is allowed", depth, r.Limits.DepthMax)
		return g
	case depth == r.Limits.DepthCloud+1:
		r.warn(p, v, "limit-exceeded", "actions lie %d deep in one another; the cloud allows %d", depth, r.Limits.DepthCloud)
	}
	for _, m := range v.Members {
		at := p.Of(m.Name)
		var a *Action
		switch {
		case m.Value.Is(document.Object):
			a = r.action(g, m, at, depth)
		case r.later(m.Value):
			r.warn(at, m.Value, "placeholder", "the action %q is known only after deployment and judged then", m.Name)
			a = &Action{Operation: Operation{Name: m.Name, Value: m.Value, Path: at, opaque: true}, In: g}
		default:
			r.error(at, m.Value, "not-an-object", "an action must be an object, not %s", shown(m.Value))
			continue
		}
		g.Actions = append(g.Actions, a)
		g.byName[fold(m.Name)] = a
		if other := r.d.byName[fold(m.Name)]; other != nil && a.Is("AgentHandoff") && other.Is("AgentHandoff") {
			continue // agents hand over to one another by these
		} else if other != nil {
			r.error(at, &document.Value{At: m.At}, "duplicate-name", "another action is called %q, at %s; names must differ in the whole workflow", m.Name, other.Path)
		} else {
			r.d.byName[fold(m.Name)] = a
		}
	}
	return g
}

func (r *reader) action(in *Graph, m document.Member, p document.Path, depth int) *Action {
	v := m.Value
	r.members(v, p, "an action", actionMembers...)
	o, _ := r.operation(m.Name, m, p, Actions, "action")
	a := &Action{Operation: o, In: in}
	a.RunAfter = r.runAfter(v, p)
	r.preview(a)
	switch a.Type {
	case "Scope":
		a.Actions = r.inner(a, v, p, "actions", depth, false)
	case "Foreach":
		a.Foreach = r.required(v, p, "foreach", "a Foreach needs what it repeats over: an array or an expression")
		if f := a.Foreach; f.Given() && !f.Is(document.Array) && !r.later(f) {
			r.error(p.Of("foreach"), f, "wrong-type", "foreach must be an array or an expression that gives one, not %s", shown(f))
		}
		a.Actions = r.inner(a, v, p, "actions", depth, true)
	case "Until":
		a.Expression = r.condition(v, p, "an Until needs the expression that ends it")
		a.Actions = r.inner(a, v, p, "actions", depth, true)
		if l := v.Get("limit"); l.Is(document.Object) && !l.Get("count").Given() && !l.Get("timeout").Given() {
			r.error(p.Of("limit"), l, "missing-member", "the limit of an Until has neither count nor timeout; give one or leave limit out")
		}
	case "If":
		a.Expression = r.condition(v, p, "an If needs an expression")
		a.Actions = r.inner(a, v, p, "actions", depth, false)
		if branch := r.objectOf(v, p, "else"); branch != nil {
			a.Else = r.inner(a, branch, p.Of("else"), "actions", depth, false)
		}
	case "Switch":
		r.switchOf(a, v, p, depth)
	case "Agent", "NestedAgent":
		if tools := r.objectOf(v, p, "tools"); tools != nil {
			for _, t := range tools.Members {
				at := p.Of("tools").Of(t.Name)
				a.Tools = append(a.Tools, &Tool{Name: t.Name, Path: at, Actions: r.inner(a, t.Value, at, "actions", depth, false)})
			}
		}
	default:
		if actions := v.Get("actions"); actions.Is(document.Object) {
			if !a.opaque {
				r.warn(p.Of("actions"), actions, "unknown-member", "%s holds no actions; these never run", a.Type)
			}
			a.Actions = r.inner(a, v, p, "actions", depth, false)
		}
		if a.opaque {
			r.branches(a, v, p, depth)
		}
	}
	return a
}

// branches reads what an action whose type is not known holds beside its actions.
func (r *reader) branches(a *Action, v *document.Value, p document.Path, depth int) {
	if branch := v.Get("else").Get("actions"); branch.Is(document.Object) {
		a.Else = r.graph(a, branch, p.Of("else").Of("actions"), depth+1)
	}
	if branch := v.Get("default").Get("actions"); branch.Is(document.Object) {
		a.Default = r.graph(a, branch, p.Of("default").Of("actions"), depth+1)
	}
	if cases := v.Get("cases"); cases.Is(document.Object) {
		for _, m := range cases.Members {
			at := p.Of("cases").Of(m.Name)
			if actions := m.Value.Get("actions"); actions.Is(document.Object) {
				a.Cases = append(a.Cases, &Case{Name: m.Name, Value: m.Value.Get("case"), Path: at, Actions: r.graph(a, actions, at.Of("actions"), depth+1)})
			}
		}
	}
}

// required gives a member that must be there.
func (r *reader) required(v *document.Value, p document.Path, name, why string) *document.Value {
	m, spelled := v.Fold(name)
	if !m.Given() {
		r.error(p.Of(spelled), v, "missing-member", "%s", why)
	}
	return m
}

// condition gives an expression that is a string or a tree of and, or, not and
// comparisons.
func (r *reader) condition(v *document.Value, p document.Path, why string) *document.Value {
	e := r.required(v, p, "expression", why)
	if e.Given() && !e.Is(document.String) && !e.Is(document.Object) && !e.Is(document.Bool) {
		r.error(p.Of("expression"), e, "wrong-type", "expression must be a string with an expression, or an object of and, or, not and comparisons, not %s", shown(e))
	}
	r.tree(e, p.Of("expression"))
	return e
}

// inner reads the graph of a control action. One that may not be left out is an
// empty object at least.
func (r *reader) inner(a *Action, v *document.Value, p document.Path, name string, depth int, must bool) *Graph {
	m, spelled := v.Fold(name)
	if m.Is(document.Object) {
		return r.graph(a, m, p.Of(spelled), depth+1)
	}
	switch {
	case m.Given() && !r.later(m):
		r.error(p.Of(spelled), m, "not-an-object", "%s must be an object of actions, not %s", name, shown(m))
	case !m.Given():
		severity := Warning
		if must {
			severity = Error
		}
		r.say(severity, p.Of(spelled), v, "missing-member", "%s has no actions; write {} if nothing is to be done", last(p))
	}
	return &Graph{Owner: a, Path: p.Of(spelled), byName: map[string]*Action{}}
}

func (r *reader) switchOf(a *Action, v *document.Value, p document.Path, depth int) {
	a.Expression = r.required(v, p, "expression", "a Switch needs an expression")
	if e := a.Expression; e.Is(document.Object) || e.Is(document.Array) {
		r.error(p.Of("expression"), e, "wrong-type", "the expression of a Switch must be a string or a number, not %s", shown(e))
	}
	if branch := r.objectOf(v, p, "default"); branch != nil {
		a.Default = r.inner(a, branch, p.Of("default"), "actions", depth, false)
	}
	cases, _ := v.Fold("cases")
	if !cases.Given() {
		severity := Error
		if a.Default != nil {
			severity = Warning
		}
		r.say(severity, p.Of("cases"), v, "missing-member", "a Switch has no cases")
		return
	}
	if cases = r.objectOf(v, p, "cases"); cases == nil {
		return
	}
	if len(cases.Members) > r.Limits.SwitchCasesMax {
		r.error(p.Of("cases"), cases, "limit-exceeded", "%d cases, at most %d are allowed", len(cases.Members), r.Limits.SwitchCasesMax)
	}
	seen := map[string]string{}
	for _, m := range cases.Members {
		at := p.Of("cases").Of(m.Name)
		if !m.Value.Is(document.Object) {
			r.error(at, m.Value, "not-an-object", "a case must be an object with case and actions, not %s", shown(m.Value))
			continue
		}
		value := m.Value.Get("case")
		c := &Case{Name: m.Name, Value: value, Path: at, Actions: r.inner(a, m.Value, at, "actions", depth, false)}
		a.Cases = append(a.Cases, c)
		switch {
		case value == nil:
			r.error(at.Of("case"), m.Value, "missing-member", "the case %q does not say which value it is for", m.Name)
		case value.Is(document.Object) || value.Is(document.Array):
			r.error(at.Of("case"), value, "wrong-type", "a case must be a string or a number, not %s", shown(value))
		default:
			if other, twice := seen[string(value.Raw)]; twice {
				r.error(at.Of("case"), value, "wrong-value", "the cases %q and %q are for the same value", other, m.Name)
			}
			seen[string(value.Raw)] = m.Name
		}
	}
}

// runAfter reads the predecessors of an action.
func (r *reader) runAfter(v *document.Value, p document.Path) []After {
	m, spelled := v.Fold("runAfter")
	at := p.Of(spelled)
	if !m.Given() || r.later(m) {
		return nil
	}
	if !m.Is(document.Object) {
		r.error(at, m, "runafter-shape", "runAfter must be an object of names with lists of statuses, not %s", shown(m))
		return nil
	}
	var all []After
	for _, before := range m.Members {
		after := After{Name: before.Name, Path: at.Of(before.Name)}
		all = append(all, after)
		one := &all[len(all)-1]
		list := before.Value
		switch {
		case r.later(list):
			one.Statuses = Succeeded
		case !list.Is(document.Array):
			r.error(after.Path, list, "runafter-shape", "runAfter wants a list of statuses for %q, such as [\"Succeeded\"], not %s", before.Name, shown(list))
		case len(list.Items) == 0:
			r.error(after.Path, list, "runafter-status", "the list of statuses for %q is empty; name at least one of Succeeded, Failed, Skipped, TimedOut", before.Name)
		}
		for i, item := range list.Items {
			word, _ := item.Str()
			status := statusNames[strings.ToLower(word)]
			if status == 0 && !r.later(item) {
				r.error(after.Path.At(i), item, "runafter-status", "no action ends as %s; runAfter may wait for Succeeded, Failed, Skipped and TimedOut", shown(item))
			}
			one.Statuses |= status
		}
	}
	return all
}

// preview reads the order that definitions of 2015 give by conditions.
func (r *reader) preview(a *Action) {
	list := a.Value.Get("conditions")
	if !list.Is(document.Array) {
		return
	}
	p := a.Path.Of("conditions")
	r.warn(p, list, "unknown-schema", "conditions of actions are those of the schema of 2015; dependsOn is read as runAfter")
	for i, item := range list.Items {
		if name, ok := item.Get("dependsOn").Str(); ok && !r.later(item.Get("dependsOn")) {
			a.RunAfter = append(a.RunAfter, After{Name: name, Statuses: Succeeded, Path: p.At(i).Of("dependsOn")})
		}
	}
}
