package definition

import (
	"slices"
	"strings"

	"weir/service/workflow/internal/document"
)

// parameterTypes are the types of parameters, in the spelling of the schema, and the
// kinds of JSON value that each may have.
var parameterTypes = []struct {
	name  string
	kinds []document.Kind
}{
	{"String", []document.Kind{document.String}},
	{"SecureString", []document.Kind{document.String}},
	{"Int", []document.Kind{document.Number}},
	{"Float", []document.Kind{document.Number}},
	{"Bool", []document.Kind{document.Bool}},
	{"Object", []document.Kind{document.Object}},
	{"SecureObject", []document.Kind{document.Object}},
	{"Array", []document.Kind{document.Array}},
}

func (r *reader) parameters() {
	v, spelled := r.d.Value.Fold("parameters")
	p := r.d.Path.Of(spelled)
	if !v.Given() {
		r.d.parametersOpen = r.elsewhere()
		return
	}
	if !v.Is(document.Object) {
		r.d.parametersOpen = true
		if !r.later(v) {
			r.error(p, v, "not-an-object", "parameters must be an object, not %s", shown(v))
		}
		return
	}
	if len(v.Members) > r.Limits.ParametersMax {
		r.error(p, v, "limit-exceeded", "%d parameters are declared, at most %d are allowed", len(v.Members), r.Limits.ParametersMax)
	}
	own := 0
	for _, m := range v.Members {
		r.parameter(m, p.Of(m.Name))
		if m.Name != "$connections" {
			own++
		}
	}
	r.d.parametersOpen = own == 0 && r.elsewhere()
	r.given()
}

// given names parameters that nothing gives a value: in a Standard project that is
// parameters.json, or their default.
func (r *reader) given() {
	if r.d.Host != Standard || r.bare || r.Settings.Parameters == nil {
		return
	}
	for _, p := range r.d.Parameters {
		if !p.Default.Given() && p.Name != "$connections" && !hasFold(r.Settings.Parameters, p.Name) {
			r.error(p.Path, p.Value, "parameter-missing", "the parameter %q has no default, and parameters.json gives it no value", p.Name)
		}
	}
}

// elsewhere reports whether a file that this is not may declare parameters: one of
// a Standard project, which we do not see.
func (r *reader) elsewhere() bool {
	return r.Settings.Parameters == nil && (r.d.Host == Standard || r.bare)
}

func (r *reader) parameter(m document.Member, p document.Path) {
	out := &Parameter{Name: m.Name, Path: p, Value: m.Value}
	r.d.Parameters = append(r.d.Parameters, out)
	v := m.Value
	if !v.Is(document.Object) {
		if !r.later(v) {
			r.error(p, v, "not-an-object", "the parameter %q must be an object with a type, not %s", m.Name, shown(v))
		}
		return
	}
	r.members(v, p, "a parameter", "type", "defaultValue", "allowedValues", "metadata", "description", "value")
	typ := v.Get("type")
	out.Default = v.Get("defaultValue")
	if allowed := v.Get("allowedValues"); allowed.Is(document.Array) {
		out.AllowedValues = allowed.Items
	} else if allowed.Given() && !r.later(allowed) {
		r.error(p.Of("allowedValues"), allowed, "wrong-type", "allowedValues must be an array, not %s", shown(allowed))
	}
	word, ok := typ.Str()
	switch {
	case !typ.Given():
		r.error(p.Of("type"), v, "parameter-type", "the parameter %q has no type; it may be %s", m.Name, parameterTypeNames())
		return
	case r.later(typ):
		return
	case !ok:
		r.error(p.Of("type"), typ, "parameter-type", "the type of the parameter %q must be a string, not %s", m.Name, shown(typ))
		return
	}
	for _, t := range parameterTypes {
		if !strings.EqualFold(t.name, word) {
			continue
		}
		out.Type = t.name
		if d := out.Default; d.Given() && !slices.Contains(t.kinds, d.Kind) && !r.later(d) {
			r.error(p.Of("defaultValue"), d, "parameter-type", "the parameter %q is of type %s and its default is %s", m.Name, t.name, shown(d))
		}
		if len(out.AllowedValues) > 0 && out.Default.Given() && !r.later(out.Default) &&
			!slices.ContainsFunc(out.AllowedValues, func(a *document.Value) bool { return string(a.Raw) == string(out.Default.Raw) }) {
			r.warn(p.Of("defaultValue"), out.Default, "parameter-type", "the default of %q is not one of its allowed values", m.Name)
		}
		return
	}
	r.error(p.Of("type"), typ, "parameter-type", "there is no parameter type %q; it may be %s", word, parameterTypeNames())
}

// parameterType gives the spelling of a type's name, or nothing.
func parameterType(name string) string {
	for _, t := range parameterTypes {
		if strings.EqualFold(t.name, name) {
			return t.name
		}
	}
	return ""
}

func parameterTypeNames() string {
	var names []string
	for _, t := range parameterTypes {
		names = append(names, t.name)
	}
	return or(names)
}

func (r *reader) outputs() {
	v := r.objectOf(r.d.Value, r.d.Path, "outputs")
	if v == nil {
		return
	}
	p := r.d.Path.Of("outputs")
	if len(v.Members) > r.Limits.OutputsMax {
		r.error(p, v, "limit-exceeded", "%d outputs are declared, at most %d are allowed", len(v.Members), r.Limits.OutputsMax)
	}
	for _, m := range v.Members {
		at := p.Of(m.Name)
		out := &Output{Name: m.Name, Path: at, Value: m.Value.Get("value")}
		r.d.Outputs = append(r.d.Outputs, out)
		if !m.Value.Is(document.Object) {
			if !r.later(m.Value) {
				r.error(at, m.Value, "not-an-object", "the output %q must be an object with a type and a value, not %s", m.Name, shown(m.Value))
			}
			continue
		}
		out.Type = r.textOf(m.Value, at, "type")
		if typ := m.Value.Get("type"); typ.Is(document.String) && !r.later(typ) && parameterType(out.Type) == "" {
			r.error(at.Of("type"), typ, "parameter-type", "there is no type %q of outputs; it may be %s", out.Type, parameterTypeNames())
		} else if !typ.Given() {
			r.warn(at.Of("type"), m.Value, "missing-member", "the output %q has no type; it may be %s", m.Name, parameterTypeNames())
		}
		if m.Value.Get("value") == nil {
			r.error(at.Of("value"), m.Value, "missing-member", "the output %q has no value", m.Name)
		}
	}
}

// resultStatuses are the ends that a static result may have.
var resultStatuses = []string{"Succeeded", "Failed", "Skipped", "TimedOut", "Cancelled"}

func (r *reader) staticResults() {
	v := r.objectOf(r.d.Value, r.d.Path, "staticResults")
	if v == nil {
		return
	}
	p := r.d.Path.Of("staticResults")
	for _, m := range v.Members {
		at := p.Of(m.Name)
		out := &StaticResult{Name: m.Name, Path: at}
		r.d.StaticResults = append(r.d.StaticResults, out)
		if !m.Value.Is(document.Object) {
			if !r.later(m.Value) {
				r.error(at, m.Value, "not-an-object", "the static result %q must be an object with a status, not %s", m.Name, shown(m.Value))
			}
			continue
		}
		r.fields(m.Value, at, []Field{word("status", resultStatuses...).must(), text("code"), object("outputs"), object("error"), text("trackingId")})
		out.Status, _ = m.Value.Get("status").Str()
		out.Code, _ = m.Value.Get("code").Str()
		out.Outputs, out.Error = m.Value.Get("outputs"), m.Value.Get("error")
		if code := out.Outputs.Get("statusCode"); code.Given() {
			checkAnyStatusCode(r, code, at.Of("outputs").Of("statusCode"))
		}
	}
}

func (r *reader) triggers() {
	v := r.objectOf(r.d.Value, r.d.Path, "triggers")
	p := r.d.Path.Of("triggers")
	if v == nil || len(v.Members) == 0 {
		if t, _ := r.d.Value.Fold("triggers"); !r.later(t) {
			r.warn(p, r.d.Value, "trigger-missing", "the workflow has no trigger: nothing starts it")
		}
		return
	}
	if len(v.Members) > r.Limits.TriggersMax {
		r.error(p, v, "limit-exceeded", "%d triggers are declared, at most %d are allowed", len(v.Members), r.Limits.TriggersMax)
	}
	names := map[string]bool{}
	for _, m := range v.Members {
		at := p.Of(m.Name)
		if names[fold(m.Name)] {
			r.error(at, &document.Value{At: m.At}, "duplicate-name", "two triggers are called %q, give one another name", m.Name)
		}
		names[fold(m.Name)] = true
		if !m.Value.Is(document.Object) {
			if !r.later(m.Value) {
				r.error(at, m.Value, "not-an-object", "a trigger must be an object, not %s", shown(m.Value))
			}
			continue
		}
		r.d.Triggers = append(r.d.Triggers, r.trigger(m, at))
	}
}

func (r *reader) trigger(m document.Member, p document.Path) *Trigger {
	v := m.Value
	r.members(v, p, "a trigger", triggerMembers...)
	o, row := r.operation(m.Name, m, p, Triggers, "trigger")
	t := &Trigger{Operation: o}
	recurrence, _ := v.Fold("recurrence")
	switch {
	case recurrence.Given():
		t.Recurrence = r.recurrence(recurrence, p.Of("recurrence"))
	case row != nil && row.Recurs == must:
		r.error(p.Of("recurrence"), v, "missing-member", "a trigger of type %s needs a recurrence", row.Name)
	}
	if t.Is("SlidingWindow") && t.Recurrence != nil && t.Recurrence.Schedule.Given {
		r.error(p.Of("recurrence").Of("schedule"), recurrence.Get("schedule"), "recurrence-schedule", "a sliding window has no schedule: its windows lie one after the other")
	}
	r.splitOn(t, v, p)
	t.Conditions = r.conditions(v, p)
	if c := r.objectOf(v, p, "correlation"); c != nil {
		r.members(c, p.Of("correlation"), "correlation", "clientTrackingId", "clientKeywords")
		t.Correlation = c.Get("clientTrackingId")
		if t.Correlation.Given() && !t.Correlation.Is(document.String) {
			r.error(p.Of("correlation").Of("clientTrackingId"), t.Correlation, "wrong-type", "clientTrackingId must be a string, not %s", shown(t.Correlation))
		}
	}
	if r.d.Stateless {
		switch {
		case t.Is("SlidingWindow"):
			r.error(p.Of("type"), v.Get("type"), "stateless", "a stateless workflow keeps no window between runs: SlidingWindow needs a stateful one")
		case t.Is("ApiConnection", "ApiConnectionWebhook", "ApiConnectionNotification"):
			r.error(p.Of("type"), v.Get("type"), "stateless", "a stateless workflow keeps nothing between runs: a trigger of type %s needs a stateful one", t.Type)
		case t.Is("HttpWebhook", "Batch", "Http"):
			r.warn(p.Of("type"), v.Get("type"), "stateless", "a stateless workflow keeps nothing between runs: a trigger of type %s is better in a stateful one", t.Type)
		}
	}
	return t
}

func (r *reader) splitOn(t *Trigger, v *document.Value, p document.Path) {
	s, spelled := v.Fold("splitOn")
	if !s.Given() {
		return
	}
	if text, ok := s.Str(); !ok {
		r.error(p.Of(spelled), s, "wrong-type", "splitOn must be a string with an expression, not %s", shown(s))
		return
	} else if !r.later(s) {
		r.error(p.Of(spelled), s, "wrong-value", "splitOn is %q; it must be an expression that gives an array, such as @triggerBody()?['value']", text)
		return
	}
	t.SplitOn = s
	if c := r.objectOf(v, p, "splitOnConfiguration"); c != nil {
		correlation := c.Get("correlation")
		id, _ := correlation.Get("clientTrackingId").Str()
		t.SplitName = id
	}
}

// conditions reads what must hold for a trigger to start a run.
func (r *reader) conditions(v *document.Value, p document.Path) []Condition {
	list, spelled := v.Fold("conditions")
	at := p.Of(spelled)
	if !list.Given() || r.later(list) {
		return nil
	}
	if !list.Is(document.Array) {
		r.error(at, list, "wrong-type", "conditions must be an array of objects with an expression, not %s", shown(list))
		return nil
	}
	var all []Condition
	for i, item := range list.Items {
		if !item.Is(document.Object) {
			if !r.later(item) {
				r.error(at.At(i), item, "wrong-type", "a condition must be an object with an expression, not %s", shown(item))
			}
			continue
		}
		expression := item.Get("expression")
		if expression.Given() && !expression.Is(document.String) && !expression.Is(document.Object) {
			r.error(at.At(i).Of("expression"), expression, "wrong-type", "a condition's expression must be a string, not %s", shown(expression))
		}
		all = append(all, Condition{Expression: expression, Path: at.At(i)})
	}
	return all
}
