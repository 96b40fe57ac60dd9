package template

import (
	"errors"
	"fmt"
	"strings"

	"weir/internal/jsonc"
)

var topKeys = map[string]bool{
	"$schema": true, "contentversion": true, "languageversion": true, "apiprofile": true, "metadata": true, "definitions": true,
	"parameters": true, "variables": true, "functions": true, "resources": true, "outputs": true, "asserts": true, "imports": true, "extensions": true,
}

// Expand finds out what comes of a template with the values of its parameters.
func Expand(t *Template, given map[string]Given, o Options) (*Plan, Problems) {
	problems := &collector{}
	o.steps = new(int)
	plan := expand(t, given, o, problems)
	return plan, problems.sorted()
}

func expand(t *Template, given map[string]Given, o Options, problems *collector) *Plan {
	p := &Plan{Options: o}
	if o.depth > nestingMax {
		problems.add(Problem{Line: t.line(t.root), Sentence: fmt.Sprintf("Templates lie in each other more than %d deep.", nestingMax)})
		return p
	}
	w := newWorld(t, given, &p.Options, problems)
	w.checkTop()
	base := &env{world: w}
	p.play(t, base, o.Scope, nil)
	for _, one := range w.order {
		p.Parameters = append(p.Parameters, *one)
	}
	return p
}

func (w *world) checkTop() {
	for _, f := range w.t.root.Fields {
		if !topKeys[strings.ToLower(f.Name)] && !strings.HasPrefix(f.Name, "@") && !strings.HasPrefix(f.Name, "_") {
			w.problem(f.Value, f.Name, "a template has no %q; it has $schema, contentVersion, languageVersion, metadata, definitions, parameters, variables, functions, resources and outputs", f.Name)
		}
	}
	if schema := w.t.root.Get("$schema"); schema != nil && !strings.Contains(strings.ToLower(schema.Str()), "deploymenttemplate.json") {
		w.problem(schema, "$schema", "%q is no schema of a template", schema.Str())
	}
	for _, key := range []string{"imports", "extensions"} {
		if v := w.t.root.Get(key); v != nil && len(v.Fields) > 0 {
			w.problem(v, key, "extensions are not deployed here: only Azure's resource types are")
		}
	}
	if w.t.root.Get("resources") == nil {
		w.problem(w.t.root, "resources", "a template needs resources, be it an empty array")
	}
}

// play makes the resources and outputs of a template in an environment.
func (p *Plan) play(t *Template, base *env, scope Scope, outer *stage) {
	s := &stage{scope: scope, outer: outer, bySymbol: map[string][]*Resource{}, byName: map[string][]*Resource{}, byID: map[string]*Resource{}, byLoop: map[string][]*Resource{}}
	s.gather(base, t.root.Get("resources"))
	for _, r := range s.resources {
		r.furnish()
	}
	p.Resources = s.ordered(base.world)
	p.outputs = func(rt Runtime, without map[string]bool) ([]Output, Problems) {
		again := &collector{}
		e := *base
		world := *base.world
		options := *world.o
		options.Runtime, options.steps = rt, new(int)
		world.problems, world.o = again, &options
		e.world, e.stage, e.place = &world, s, inOutput
		outputs := e.evaluateOutputs(t.root.Get("outputs"), without)
		return outputs, again.sorted()
	}
	e := *base
	e.stage, e.place = s, inOutput
	p.Outputs = e.evaluateOutputs(t.root.Get("outputs"), nil)
}

// furnish evaluates what is put of a resource, and what it needs.
func (r *Resource) furnish() {
	if r.Off || r.ID == "" {
		return
	}
	e := *r.env
	e.place, e.refs = inProperty, &r.Refs
	r.Lines = map[string]int{}
	r.noteLines(r.decl, "")
	r.wants = e.dependsOn(r)
	if r.Existing {
		return
	}
	r.Body = e.body(r)
	if strings.EqualFold(r.Type, "Microsoft.Resources/deployments") {
		r.nest(&e)
	}
}

// noteLines remembers where the parts of a resource stand.
func (r *Resource) noteLines(v *jsonc.Value, path string) {
	for _, f := range v.Fields {
		if path == "" && !parts[strings.ToLower(f.Name)] && f.Name != "name" && f.Name != "type" {
			continue
		}
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		r.Lines[at] = r.env.world.t.lineNo(f.Line)
		if r.isDeployment() && at == "properties.template" {
			continue
		}
		r.noteLines(f.Value, at)
	}
	for i, item := range v.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.Lines[at] = r.env.world.t.lineNo(item.Line)
		r.noteLines(item, at)
	}
}

func (r *Resource) isDeployment() bool {
	return strings.EqualFold(r.Type, "Microsoft.Resources/deployments")
}

// body evaluates the parts of a resource that are put.
func (e *env) body(r *Resource) *Object {
	o := &Object{}
	for _, f := range r.decl.Fields {
		if !parts[strings.ToLower(f.Name)] {
			continue
		}
		part := *e
		part.path = f.Name
		if r.isDeployment() && strings.EqualFold(f.Name, "properties") {
			continue // see nest
		}
		v, _ := part.walked(f.Value)
		o.Set(f.Name, v)
	}
	return o
}

// Evaluate gives what is put of a resource with what is deployed.
func (r *Resource) Evaluate(rt Runtime) (*Object, Problems) {
	if len(r.Refs) == 0 {
		return r.Body, nil
	}
	e, again := r.env.at(rt)
	e.place = inProperty
	return e.body(r), again.sorted()
}

// at is the environment with a runtime, and problems of its own.
func (e *env) at(rt Runtime) (*env, *collector) {
	again := &collector{}
	inner, world := *e, *e.world
	options := *world.o
	options.Runtime, options.steps = rt, new(int)
	world.o, world.problems = &options, again
	inner.world = &world
	return &inner, again
}

// dependsOn evaluates the entries.
func (e *env) dependsOn(r *Resource) []want {
	list := r.decl.Get("dependsOn")
	if list == nil {
		return nil
	}
	in := e.in(inIdentity)
	var wants []want
	take := func(v any, at *jsonc.Value) {
		s, ok := v.(string)
		if e.excused(v) {
			return
		}
		if !ok {
			e.report(at, "dependsOn", fmt.Errorf("an entry must be a string that is known before anything is deployed, and is %s", describe(v)))
			return
		}
		wants = append(wants, want{s, at})
	}
	whole := list.Items
	if list.Kind == jsonc.Text { // an expression that gives the array
		whole = []*jsonc.Value{list}
	}
	for _, item := range whole {
		v, err := in.literalOrExpression(item)
		if err != nil {
			if !errors.Is(err, errReported) {
				e.report(item, "dependsOn", err)
			}
			continue
		}
		if many, ok := v.([]any); ok {
			for _, one := range many {
				take(one, item)
			}
			continue
		}
		if v != nil {
			take(v, item)
		}
	}
	return wants
}

// evaluateOutputs gives the outputs, as far as they are known.
func (e *env) evaluateOutputs(decls *jsonc.Value, without map[string]bool) []Output {
	if decls == nil {
		return nil
	}
	var outputs []Output
	for _, f := range decls.Fields {
		if without[f.Name] {
			continue
		}
		one := *e
		one.path = "outputs." + f.Name
		o := Output{Name: f.Name, Line: e.world.t.lineNo(f.Line)}
		one.refs = &o.Refs
		if c := f.Value.Get("condition"); c != nil {
			v, err := one.in(inIdentity).literalOrExpression(c)
			if e.excused(v) { // it may be there
				outputs = append(outputs, Output{Name: f.Name, Value: &Unknown{Text: "(known later)"}, Line: o.Line})
				continue
			}
			if on, ok := v.(bool); !ok && err == nil {
				err = fmt.Errorf("a condition must be a boolean that is known before anything is deployed, and is %s", describe(v))
			} else if !on && err == nil {
				continue
			}
			if err != nil {
				one.report(c, one.path+".condition", err)
				continue
			}
		}
		schema, err := e.world.resolve(f.Value)
		if err != nil {
			one.report(f.Value, one.path, err)
			continue
		}
		o.Type = schema.Get("type").Str()
		o.Secure = strings.HasPrefix(strings.ToLower(o.Type), "secure")
		one.path += ".value"
		failed := false
		switch loop, value := f.Value.Get("copy"), f.Value.Get("value"); {
		case value != nil:
			o.Value, failed = one.walked(value)
		case loop != nil:
			o.Value, failed = one.loopValue(loop)
		default:
			one.report(f.Value, one.path, errors.New("an output needs a value, or a copy loop that makes one"))
			failed = true
		}
		if failed {
			if e.world.open {
				o.Value = &Unknown{Text: "(known later)"}
				outputs = append(outputs, o)
			}
			continue
		}
		if Known(o.Value) && o.Value != nil {
			for _, problem := range e.world.check(f.Value, o.Value, "") {
				one.report(f.Value, one.path, errors.New(problem))
			}
		}
		outputs = append(outputs, o)
	}
	return outputs
}
