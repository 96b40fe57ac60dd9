package template

import (
	"errors"
	"fmt"
	"strings"

	"weir/internal/jsonc"
)

// nest expands the template in a deployment of the template.
func (r *Resource) nest(e *env) {
	properties := r.decl.Get("properties")
	if properties == nil || properties.Kind != jsonc.Object {
		e.report(r.decl, "properties", errors.New("a deployment needs properties with mode and template"))
		return
	}
	for _, refused := range []string{"templateLink", "parametersLink"} {
		if link := properties.Get(refused); link != nil {
			e.report(link, "properties."+refused, fmt.Errorf("what is linked is not fetched: put it in its place (a compiled Bicep module is one file already), or give a relativePath to weir deploy, which reads it from beside the template"))
			return
		}
	}
	t := properties.Get("template")
	if t == nil || t.Kind != jsonc.Object {
		e.report(properties, "properties.template", errors.New("a deployment needs a template, which is an object"))
		return
	}
	mode := "Incremental"
	if m := properties.Get("mode"); m != nil {
		s, err := e.str(m, "a mode")
		if err != nil || !strings.EqualFold(s, "Incremental") && !strings.EqualFold(s, "Complete") {
			e.report(m, "properties.mode", fmt.Errorf("the mode must be Incremental or Complete, and is %q", s))
		}
		if strings.EqualFold(s, "Complete") {
			mode = "Complete"
		}
	}
	r.Nested = &Nested{Name: r.Name, Mode: mode}
	r.Nested.Plan = r.expandNested(e, e.world.problems)
}

// Nest expands the template of a deployment with what is deployed.
func (r *Resource) Nest(rt Runtime) (*Nested, Problems) {
	e, again := r.env.at(rt)
	e.place = inProperty
	plan := r.expandNested(e, again)
	return &Nested{Name: r.Nested.Name, Mode: r.Nested.Mode, Plan: plan}, again.sorted()
}

func (r *Resource) expandNested(e *env, problems *collector) *Plan {
	properties := r.decl.Get("properties")
	inner := &Template{root: properties.Get("template"), base: e.world.t.base, flat: e.world.t.flat}
	o := *e.world.o
	o.Name, o.Scope, o.depth, o.Mode = r.Name, r.Scope, o.depth+1, ""
	o.Runtime = nil // its resources are not there yet; what is given to it is
	if v := r.decl.Get("location"); v != nil {
		o.Location, _ = e.str(v, "a location")
	}
	if !r.isInner(e, properties) {
		return r.expandOuter(e, inner, o)
	}
	given := r.given(e, properties.Get("parameters"))
	sub := &collector{}
	plan := expand(inner, given, o, sub)
	for _, p := range sub.list {
		if p.Resource == "" {
			p.Resource = r.Label()
		}
		problems.add(p)
	}
	return plan
}

// isInner says whether expressions of the nested template are evaluated in it.
func (r *Resource) isInner(e *env, properties *jsonc.Value) bool {
	v := properties.Get("expressionEvaluationOptions").Get("scope")
	if v == nil {
		return false
	}
	s, err := e.str(v, "a scope of evaluation")
	if err != nil {
		e.report(v, "properties.expressionEvaluationOptions.scope", err)
	}
	return strings.EqualFold(s, "inner")
}

// expandOuter expands a nested template that names what the one around it declares.
func (r *Resource) expandOuter(e *env, inner *Template, o Options) *Plan {
	if o.depth > nestingMax {
		e.report(r.decl, "properties.template", fmt.Errorf("templates lie in each other more than %d deep", nestingMax))
		return &Plan{Options: o}
	}
	for _, own := range []string{"parameters", "variables"} {
		if v := inner.root.Get(own); v != nil && len(v.Fields) > 0 && r.decl.Get("properties").Get("parameters") != nil && own == "parameters" {
			e.report(v, "properties.template."+own, errors.New("this nested template has parameters of its own, which only count with expressionEvaluationOptions: {scope: inner}"))
			return &Plan{Options: o}
		}
	}
	p := &Plan{Options: o}
	base := *e
	base.refs, base.subject, base.path = nil, "", ""
	world := *e.world
	options := o
	world.o = &options
	world.t = &Template{root: inner.root, base: inner.base, flat: inner.flat}
	// Functions that tell of the deployment or its scope mean the one around.
	options.Name, options.Scope, options.Location = e.world.o.Name, e.world.o.Scope, e.world.o.Location
	base.world = &world
	p.play(inner, &base, o.Scope, r.stage)
	return p
}

// given evaluates the parameters of a nested template.
func (r *Resource) given(e *env, list *jsonc.Value) map[string]Given {
	given := map[string]Given{}
	if list == nil {
		return given
	}
	if list.Kind == jsonc.Text { // an expression that gives all of them
		part := *e
		part.path = "properties.parameters"
		v, _ := part.walked(list)
		o, _ := v.(*Object)
		for name, one := range o.All {
			if holder, ok := one.(*Object); ok {
				value, _ := holder.Get("value")
				given[name] = Given{Value: value}
			}
		}
		return given
	}
	for _, f := range list.Fields {
		part := *e
		part.path = "properties.parameters." + f.Name
		switch {
		case f.Value.Get("reference") != nil:
			given[f.Name] = Given{Refused: refusedVault(literal(f.Value.Get("reference")))}
		case f.Value.Kind == jsonc.Object && f.Value.Get("value") != nil:
			part.path += ".value"
			v, failed := part.walked(f.Value.Get("value"))
			if failed {
				v = &Unknown{Text: "(wrong)", failed: true}
			}
			given[f.Name] = Given{Value: v, Line: e.world.t.lineNo(f.Line)}
		default:
			v, failed := part.walked(f.Value)
			holder, ok := v.(*Object)
			value, has := holder.Get("value")
			if u, unknown := v.(*Unknown); unknown && !failed {
				value, has, ok = u, true, true
			}
			if !failed && (!ok || !has) {
				e.report(f.Value, part.path, errors.New("a parameter is given as an object with a value"))
			}
			if failed || !has {
				value = &Unknown{Text: "(wrong)", failed: true}
			}
			given[f.Name] = Given{Value: value, Line: e.world.t.lineNo(f.Line)}
		}
	}
	return given
}

func refusedVault(reference any) string {
	o, _ := reference.(*Object)
	name := o.Str("secretName")
	vault := o.Obj("keyVault").Str("id")
	return fmt.Sprintf("the value refers to the secret %q of the key vault %q, which is not read here: give the value itself", name, vault)
}

// ReadParameters reads the parameters of a deployment, or a file of them: its schema is
// deploymentParameters.json, or it is the object of parameters alone.
func ReadParameters(v *jsonc.Value) (map[string]Given, Problems) {
	given, problems := map[string]Given{}, Problems{}
	if v == nil || v.Kind == jsonc.Null {
		return given, nil
	}
	if v.Get("$schema") != nil || v.Get("contentVersion") != nil {
		v = v.Get("parameters")
	}
	if v == nil {
		return given, nil
	}
	if v.Kind != jsonc.Object {
		return nil, Problems{{Path: "parameters", Line: v.Line, Sentence: "Parameters are an object of objects with a value."}}
	}
	for _, f := range v.Fields {
		switch {
		case f.Value.Get("reference") != nil:
			given[f.Name] = Given{Refused: refusedVault(literal(f.Value.Get("reference"))), Line: f.Line}
		case f.Value.Kind == jsonc.Object && f.Value.Get("value") != nil:
			given[f.Name] = Given{Value: literal(f.Value.Get("value")), Line: f.Line}
		case f.Value.Get("expression") != nil:
			given[f.Name] = Given{Refused: "the value is an expression of a file of parameters, which is not evaluated here: give the value itself", Line: f.Line}
		default:
			problems = append(problems, Problem{Path: "parameters." + f.Name, Line: f.Line, Sentence: fmt.Sprintf("A parameter is given as {\"value\": ...}, and '%s' is %s.", f.Name, f.Value.Kind)})
		}
	}
	return given, problems
}
