package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// prepared is a deployment that was checked and may begin.
type prepared struct {
	request
	plan     *template.Plan
	skipped  map[string]string // why a resource is left out, by its id in lower case
	warnings []string
	puts     []put    // everything that is put, nested deployments' too
	nested   []string // ids of nested deployments

	// evaluating is held while something of the template is evaluated: nested deployments
	// run side by side, and share what the template declares.
	evaluating sync.Mutex
}

// put is one resource as it will be put, as far as that is known.
type put struct {
	resource *template.Resource
	doc      resource.Document
	unknown  []string
}

// prepare reads and checks a deployment whole. live asks for the values of what is there
// already where the template refers to it: as it is now, not as it will be.
func (d *Deployments) prepare(ctx context.Context, who Asker, scope resource.ID, name string, body []byte, live bool) (*prepared, []resource.Result, error) {
	r, err := d.read(scope, name, body)
	if err != nil {
		return nil, nil, err
	}
	p := &prepared{request: r, skipped: map[string]string{}}
	var problems template.Problems
	p.plan, problems = template.Expand(r.template, r.given, d.options(ctx, who, r))
	if len(problems) > 0 {
		return nil, nil, invalid(problems)
	}
	problems = d.classify(p, p.plan, problems)
	if len(problems) > 0 {
		return nil, nil, invalid(problems)
	}
	look := &probing{d: d, p: p, outputs: map[string]*template.Object{}}
	if live {
		look.live = &asking{ctx, newRun(d, who, p, p.id, p.name, p.mode, p.plan)}
	}
	if problems = look.plan(p.plan); len(problems) > 0 {
		return nil, nil, invalid(problems)
	}
	results, err := d.try(ctx, who, p)
	return p, results, err
}

// classify finds resources of types that are not here.
func (d *Deployments) classify(p *prepared, plan *template.Plan, problems template.Problems) template.Problems {
	for _, r := range plan.Resources {
		if r.Off || r.ID == "" {
			continue
		}
		if r.Nested != nil {
			problems = d.classify(p, r.Nested.Plan, problems)
			continue
		}
		why := d.absent(r.Type)
		if why == "" && !r.Existing {
			why = p.extends(r.ID)
		}
		switch {
		case why == "":
		case r.Existing:
			p.skipped[strings.ToLower(r.ID)] = why
		case p.skip:
			p.skipped[strings.ToLower(r.ID)] = why
			p.warnings = append(p.warnings, fmt.Sprintf("left out: %s (line %d): %s", r.Label(), r.Line, why))
		default:
			problems = append(problems, template.Problem{Resource: r.Label(), Path: "type", Line: r.Lines["type"], Sentence: why + " --skip-unknown (properties.skipUnknown) leaves out what is not here."})
		}
	}
	return problems
}

// absent says why a type cannot be deployed; empty when it can.
func (d *Deployments) absent(typ string) string {
	t, ok := d.o.Registry.Types().Lookup(typ)
	if !ok {
		return fmt.Sprintf("There is no resource type %s here.", typ)
	}
	if t.Absent != "" {
		return fmt.Sprintf("Weir has no %s: %s", t.Name, t.Absent)
	}
	return ""
}

// extends says that a resource goes with one that is left out.
func (p *prepared) extends(id string) string {
	for at := strings.ToLower(id); ; {
		cut := strings.LastIndexByte(at, '/')
		if cut <= 0 {
			return ""
		}
		at = strings.TrimSuffix(at[:cut], "/providers")
		if p.skipped[at] != "" {
			return "It belongs to " + at + ", which is left out."
		}
	}
}

// reachable says why something cannot be asked for; empty when it can.
func (p *prepared) reachable(id string) string {
	low := strings.ToLower(id)
	if why := p.skipped[low]; why != "" {
		return why
	}
	if why := p.extends(id); why != "" {
		return why
	}
	return ""
}

// probing is a Runtime for before: it evaluates what is open with what can be known before
// anything is put: which resources can be asked, and outputs of nested deployments.
type probing struct {
	d       *Deployments
	p       *prepared
	outputs map[string]*template.Object // of nested deployments, by id
	live    *asking                     // asks what is there; nil: nothing is asked
}

func (l *probing) plan(plan *template.Plan) (problems template.Problems) {
	for _, r := range plan.Resources {
		switch {
		case r.Off || r.Existing || r.ID == "" || l.p.skipped[strings.ToLower(r.ID)] != "":
		case r.Nested != nil:
			l.p.nested = append(l.p.nested, r.ID)
			nested, more := r.Nest(l)
			problems = append(problems, more...)
			problems = append(problems, l.plan(nested.Plan)...)
			outputs := &template.Object{}
			for _, o := range nested.Plan.Outputs {
				if l.usable(o) == "" {
					outputs.Set(o.Name, template.NewObject("type", o.Type, "value", o.Value))
				}
			}
			l.outputs[strings.ToLower(r.ID)] = outputs
		default:
			body, more := r.Evaluate(l)
			problems = append(problems, more...)
			if len(more) > 0 {
				continue
			}
			doc, unknown, left, err := l.d.document(r, body, l.p.skip)
			if err != nil {
				problems = append(problems, template.Problem{Resource: r.Label(), Line: r.Line, Sentence: err.Error() + "."})
				continue
			}
			for _, name := range left {
				l.p.warnings = append(l.p.warnings, fmt.Sprintf("not kept: %s of %s (line %d): a resource here has no such part", name, r.Label(), r.Line))
			}
			l.p.puts = append(l.p.puts, put{r, doc, unknown})
		}
	}
	for _, o := range plan.Outputs {
		if why := l.usable(o); why != "" {
			l.p.warnings = append(l.p.warnings, fmt.Sprintf("left out: the output %s (line %d): it needs what is not here. %s", o.Name, o.Line, why))
		}
	}
	return problems
}

// usable says why an output cannot be given; empty when it can.
func (l *probing) usable(o template.Output) string {
	for _, ref := range o.Refs {
		if why := l.p.reachable(ref.ID); why != "" {
			return why
		}
	}
	return ""
}

// Reference refuses what is left out, and leaves open the rest but outputs.
func (l *probing) Reference(id, version string, full bool) (any, error) {
	if why := l.p.reachable(id); why != "" {
		return nil, fmt.Errorf("reference() of %s can not be given: %s", id, why)
	}
	if outputs := l.outputs[strings.ToLower(id)]; outputs != nil {
		properties := template.NewObject("outputs", outputs, "provisioningState", "Succeeded")
		if full {
			return template.NewObject("id", id, "properties", properties), nil
		}
		return properties, nil
	}
	if l.live != nil {
		if v, err := l.live.Reference(id, version, full); err == nil {
			return v, nil
		}
	}
	return &template.Unknown{Text: "[reference('" + id + "')]"}, nil
}

// List refuses what is left out.
func (l *probing) List(action, id, _ string, _ any) (any, error) {
	if why := l.p.reachable(id); why != "" {
		return nil, fmt.Errorf("%s of %s can not be given: %s", action, id, why)
	}
	return &template.Unknown{Text: "[" + action + "('" + id + "')]"}, nil
}

// try holds everything that is known against the registry, and asks whether whoever
// deploys may put it.
func (d *Deployments) try(ctx context.Context, who Asker, p *prepared) ([]resource.Result, error) {
	for _, id := range p.nested {
		if err := d.may(ctx, who, deploymentType+"/write", id); err != nil {
			return nil, err
		}
	}
	docs := make([]resource.Document, 0, len(p.puts))
	unknown := map[string][]string{}
	var ids []resource.ID
	for _, one := range p.puts {
		docs = append(docs, one.doc)
		unknown[label(one.doc)] = one.unknown
		ids = append(ids, one.doc.ID)
		if err := d.may(ctx, who, one.doc.Type()+"/write", one.doc.ID.String()); err != nil {
			return nil, err
		}
	}
	if d.o.Decided != nil {
		if err := d.o.Decided(ids...); err != nil {
			return nil, err
		}
	}
	if len(docs) == 0 {
		return nil, nil
	}
	results, err := d.o.Registry.Try(ctx, docs)
	if err == nil {
		return results, nil
	}
	problems := problemsOf(err)
	if len(problems) == 0 {
		return nil, err
	}
	// What is missing because it is not known yet is no problem yet.
	real := slices.DeleteFunc(slices.Clone(problems), func(one resource.Problem) bool {
		return one.Path != "" && within(one.Path, unknown[one.ID])
	})
	if len(real) == 0 {
		return d.tryRest(ctx, docs, problems)
	}
	for i := range real {
		if p.flat() {
			real[i].Line = 0
		}
	}
	return nil, real.Fault()
}

// tryRest tries again without the resources that cannot be judged yet, and what lies in
// them: for what would become of the others.
func (d *Deployments) tryRest(ctx context.Context, docs []resource.Document, problems resource.Problems) ([]resource.Result, error) {
	open := map[string]bool{}
	for _, one := range problems {
		open[one.ID] = true
	}
	rest := slices.DeleteFunc(slices.Clone(docs), func(doc resource.Document) bool {
		return slices.ContainsFunc(docs, func(other resource.Document) bool { return open[label(other)] && other.ID.Contains(doc.ID) })
	})
	if len(rest) == 0 {
		return nil, nil
	}
	results, err := d.o.Registry.Try(ctx, rest)
	if len(problemsOf(err)) > 0 {
		return nil, nil // what is left out is missed: it is judged when it is put
	}
	return results, err
}

// flat says that lines tell nothing: the template came on one.
func (p *prepared) flat() bool { return !strings.Contains(p.text, "\n") }

// label is what the registry's problems call a document.
func label(d resource.Document) string {
	return d.ID.Type() + " " + strings.Join(d.ID.Names(), "/")
}
