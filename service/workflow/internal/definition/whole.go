package definition

import (
	"strings"

	"weir/service/workflow/internal/document"
)

// whole checks what only the whole definition shows.
func (r *reader) whole() {
	count := 0
	r.d.Actions.Each(func(*Action) { count++ })
	if at := r.d.Actions.Path; count > r.Limits.ActionsMax {
		r.error(at, r.d.Value, "limit-exceeded", "the workflow has %d actions, at most %d are allowed; what they say of one another is not judged", count, r.Limits.ActionsMax)
		return
	} else if count > r.Limits.ActionsCloud {
		r.warn(at, r.d.Value, "limit-exceeded", "the workflow has %d actions; the cloud allows %d", count, r.Limits.ActionsCloud)
	}
	r.d.Actions.Each(func(a *Action) {
		r.follows(a)
		r.placed(a)
	})
	r.cycles(r.d.Actions)
	v := r.variables()
	r.references(v)
}

// follows checks that an action runs after actions of its own graph.
func (r *reader) follows(a *Action) {
	for _, after := range a.RunAfter {
		if a.In.Get(after.Name) != nil || placeholders.MatchString(after.Name) {
			continue
		}
		at := &document.Value{At: a.Value.At}
		if v := a.Value.Get("runAfter"); v.Given() {
			at = v
		}
		switch other := r.d.Action(after.Name); {
		case other != nil:
			r.error(after.Path, at, "runafter-missing", "%s runs after %q, which is in another scope (%s); runAfter names actions beside it", a.Name, after.Name, other.Path)
		case r.d.trigger(after.Name) != nil && strings.EqualFold(r.d.trigger(after.Name).Kind, "Agent"):
			r.warn(after.Path, at, "runafter-missing", "%s runs after the trigger %q, which every action does", a.Name, after.Name)
		case r.d.trigger(after.Name) != nil:
			r.error(after.Path, at, "runafter-missing", "%s runs after %q, which is a trigger; actions that follow the trigger have an empty runAfter", a.Name, after.Name)
		case strings.HasSuffix(string(after.Path), ".dependsOn"):
			r.warn(after.Path, at, "runafter-missing", "%s depends on %q, and there is no such action", a.Name, after.Name)
		default:
			r.error(after.Path, at, "runafter-missing", "%s runs after %q, and there is no such action", a.Name, after.Name)
		}
	}
}

func (d *Definition) trigger(name string) *Trigger {
	for _, t := range d.Triggers {
		if fold(t.Name) == fold(name) {
			return t
		}
	}
	return nil
}

// cycles names each circle of actions once, at the first of its actions.
func (r *reader) cycles(g *Graph) {
	if g == nil {
		return
	}
	state := map[*Action]int{} // 1: on the way, 2: done
	var way []*Action
	var visit func(a *Action)
	visit = func(a *Action) {
		state[a] = 1
		way = append(way, a)
		for _, after := range a.RunAfter {
			switch before := g.Get(after.Name); {
			case before == nil || state[before] == 2:
			case state[before] == 1:
				r.cycle(before, way)
			default:
				visit(before)
			}
		}
		way = way[:len(way)-1]
		state[a] = 2
	}
	for _, a := range g.Actions {
		if state[a] == 0 {
			visit(a)
		}
		for _, inner := range a.Graphs() {
			r.cycles(inner)
		}
	}
}

func (r *reader) cycle(first *Action, way []*Action) {
	var names []string
	for i := len(way) - 1; i >= 0; i-- {
		names = append(names, way[i].Name)
		if way[i] == first {
			break
		}
	}
	names = append(names, names[0])
	at := first.Value
	if v := first.Value.Get("runAfter"); v.Given() {
		at = v
	}
	r.error(first.Path.Of("runAfter"), at, "runafter-cycle", "actions run after one another in a circle, so none of them starts: %s", strings.Join(names, " after "))
}

// placed checks that an action may stand where it stands.
func (r *reader) placed(a *Action) {
	at, spelled := a.Value.Fold("type")
	p := a.Path.Of(spelled)
	loop := a.loop()
	switch a.Type {
	case "Response":
		if loop != nil {
			r.error(p, at, "response-in-loop", "a Response may not stand in a loop (%s): there is one request to answer", loop.Name)
		}
		if !r.answers() {
			r.error(p, at, "response-no-request", "a Response needs a Request trigger; this workflow has none, so there is nobody to answer")
		}
		if beside := r.parallel(a); beside != nil && loop == nil {
			r.warn(p, at, "response-parallel", "a Response should not stand beside a parallel branch: %q may run at the same time, so what is answered may be decided by which is faster", beside.Name)
		}
	case "Terminate":
		if loop != nil {
			r.error(p, at, "terminate-in-loop", "a Terminate may not stand in a loop (%s)", loop.Name)
		}
	case "InitializeVariable":
		if a.In.Owner != nil {
			r.error(p, at, "init-in-scope", "a variable must be initialised outside of all other actions, not in %s", a.In.Owner.Name)
		}
	}
}

// loop gives the innermost loop around an action.
func (a *Action) loop() *Action {
	for o := a.In.Owner; o != nil; o = o.In.Owner {
		if o.Is("Foreach", "Until") {
			return o
		}
	}
	return nil
}

// answers reports whether a trigger waits for an answer, or may.
func (r *reader) answers() bool {
	for _, t := range r.d.Triggers {
		if t.opaque || t.Is("Request", "Manual") || t.Is("HttpWebhook", "ApiConnectionWebhook", "OpenApiConnectionWebhook", "ApiConnectionNotification", "OpenApiConnectionNotification") && r.d.Host == PowerAutomate {
			return true
		}
	}
	triggers, _ := r.d.Value.Fold("triggers")
	return r.later(triggers)
}

// parallel gives an action that may run at the same time as a, at any level around
// it: neither before nor after it.
func (r *reader) parallel(a *Action) *Action {
	for one := a; one != nil; one = one.In.Owner {
		for _, other := range one.In.Actions {
			if other != one && !one.In.reaches(one, other) && !one.In.reaches(other, one) && !one.In.exclusive(one, other) {
				return other
			}
		}
	}
	return nil
}

// ahead reports whether an action has ended before another one begins: it, or an
// action it stands in, is one that the other, or an action that stands around it,
// runs after.
func (d *Definition) ahead(before, a *Action) bool {
	for outer := before; outer != nil; outer = outer.In.Owner {
		for one := a; one != nil; one = one.In.Owner {
			if one.In == outer.In && one != outer && one.In.reaches(one, outer) {
				return true
			}
		}
	}
	return false
}

// variable is where a variable is initialised.
type variable struct {
	name string
	by   *Action
}

// variables lists the variables and names those that come twice.
func (r *reader) variables() map[string]variable {
	all := map[string]variable{}
	r.d.Actions.Each(func(a *Action) {
		if !a.Is("InitializeVariable") && !(a.opaque && a.Inputs.Get("variables").Given()) {
			return
		}
		r.declared(a, func(name *document.Value, p document.Path) {
			key := strings.ToLower(name.Text)
			if other, twice := all[key]; twice {
				r.error(p, name, "variable-twice", "the variable %q is initialised twice; %s does it first", name.Text, other.by.Name)
				return
			}
			all[key] = variable{name.Text, a}
		})
	})
	if len(all) > r.Limits.VariablesMax {
		r.error(r.d.Actions.Path, r.d.Value, "limit-exceeded", "%d variables, at most %d are allowed", len(all), r.Limits.VariablesMax)
	}
	return all
}

// declared calls f for the name of every variable that an action initialises.
func (r *reader) declared(a *Action, f func(name *document.Value, p document.Path)) {
	p := a.Path.Of("inputs")
	one := func(v *document.Value, p document.Path) {
		if name := v.Get("name"); name.Is(document.String) {
			f(name, p.Of("name"))
		}
	}
	list := a.Inputs.Get("variables")
	if list.Is(document.Array) {
		for i, v := range list.Items {
			one(v, p.Of("variables").At(i))
		}
		return
	}
	one(a.Inputs, p)
}
