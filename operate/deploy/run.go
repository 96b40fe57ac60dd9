package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// The states of deployments and of their resources.
const (
	stateRunning    = "Running"
	stateSucceeded  = "Succeeded"
	stateFailed     = "Failed"
	stateCanceled   = "Canceled"
	stateNotStarted = "NotStarted"
	stateSkipped    = "Skipped"
)

// run is a deployment that runs, or ran just now: one a template, nested ones too.
type run struct {
	d        *Deployments
	who      Asker
	prepared *prepared // of the outermost
	outer    *run
	id       resource.ID
	name     string
	mode     string
	location string
	plan     *template.Plan

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	mu         sync.Mutex
	state      string
	begun      time.Time
	changed    time.Time
	operations []*operation
	byResource map[*template.Resource]*operation
	inner      map[string]*template.Object // outputs of nested deployments, by id
	nested     []any                       // what nested deployments put
	outputs    []template.Output
	warnings   []string
	failure    *failure

	later map[string]resource.ID // what must be in force at the end; play's alone
}

// operation is what became of one resource.
type operation struct {
	id, typ, name string
	line          int
	state         string
	outcome       string // created, updated, unchanged, deleted
	at            time.Time
	took          time.Duration
	failure       *failure
}

// failure is an error as a document has it.
type failure struct {
	code, message, target string
	details               []failure
}

func failureOf(err error, target string) *failure {
	f := &failure{code: fault.KindOf(err).String(), message: fault.Sentence(err), target: target}
	for _, p := range problemsOf(err) {
		code := p.Code
		if code == "" {
			code = f.code
		}
		f.details = append(f.details, failure{code: code, message: p.String(), target: p.Path})
	}
	return f
}

func (f *failure) value() map[string]any {
	if f == nil {
		return nil
	}
	m := map[string]any{"code": f.code, "message": f.message}
	if f.target != "" {
		m["target"] = f.target
	}
	if len(f.details) > 0 {
		list := []any{}
		for i := range f.details {
			list = append(list, f.details[i].value())
		}
		m["details"] = list
	}
	return m
}

func newRun(d *Deployments, who Asker, p *prepared, id resource.ID, name, mode string, plan *template.Plan) *run {
	now := d.o.Now().UTC()
	r := &run{d: d, who: who, prepared: p, id: id, name: name, mode: mode, plan: plan, location: plan.Options.Location, done: make(chan struct{}), state: stateRunning, begun: now, changed: now,
		byResource: map[*template.Resource]*operation{}, inner: map[string]*template.Object{}, later: map[string]resource.ID{}}
	for _, one := range plan.Resources {
		op := &operation{id: one.ID, typ: one.Type, name: one.Name, line: one.Line, state: stateNotStarted, at: now}
		switch {
		case one.Off || one.Existing:
			continue
		case p.skipped[strings.ToLower(one.ID)] != "":
			op.state = stateSkipped
			op.failure = &failure{code: "Skipped", message: p.skipped[strings.ToLower(one.ID)], target: one.ID}
		}
		r.operations = append(r.operations, op)
		r.byResource[one] = op
	}
	return r
}

// begin notes that resources are being put.
func (r *run) mark(state string, took time.Duration, f *failure, all ...*template.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = r.d.o.Now().UTC()
	for _, one := range all {
		op := r.byResource[one]
		op.state, op.at, op.took, op.failure = state, r.changed, took, f
	}
}

// told notes what became of documents.
func (r *run) told(all []*template.Resource, results []resource.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	outcome := map[string]string{}
	for _, one := range results {
		switch key := one.Document.ID.Key(); {
		case one.Created:
			outcome[key] = "created"
		case one.Changed:
			outcome[key] = "updated"
		default:
			outcome[key] = "unchanged"
		}
	}
	for _, one := range all {
		if id, err := resource.ParseID(one.ID); err == nil {
			r.byResource[one].outcome = outcome[id.Key()]
		}
	}
}

func (r *run) stateOf(one *template.Resource) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if op := r.byResource[one]; op != nil {
		return op.state
	}
	return stateSkipped // off or existing: nothing to wait for
}

// outputsOf finds the outputs of a nested deployment of this run or of one around it.
func (r *run) outputsOf(id string) *template.Object {
	for at := r; at != nil; at = at.outer {
		at.mu.Lock()
		outputs := at.inner[strings.ToLower(id)]
		at.mu.Unlock()
		if outputs != nil {
			return outputs
		}
	}
	return nil
}

// play puts everything, and returns when nothing is under way any more.
func (r *run) play() {
	var waiting []*template.Resource
	for _, one := range r.plan.Resources {
		if r.stateOf(one) == stateNotStarted && r.byResource[one] != nil {
			waiting = append(waiting, one)
		}
	}
	finished := make(chan *template.Resource)
	running, oneByOne := 0, false
	for len(waiting) > 0 || running > 0 {
		if !r.over() && !oneByOne {
			if set := r.together(waiting); len(set) > 1 {
				oneByOne = !r.putSet(set)
				waiting = r.left(waiting)
				continue
			}
		}
		ready, nested := r.ready(waiting)
		if r.over() {
			ready, nested, waiting = nil, nil, nil
		}
		for _, one := range nested {
			r.mark(stateRunning, 0, nil, one)
			running++
			go func() {
				r.nest(one)
				finished <- one
			}()
		}
		r.putReady(ready)
		waiting = r.left(waiting)
		if len(ready) == 0 && running > 0 {
			<-finished
			running--
		} else if len(ready) == 0 && len(nested) == 0 {
			break // what waits needs what failed
		}
	}
}

// over says that the run was canceled, or its node ends.
func (r *run) over() bool { return r.ctx.Err() != nil || r.d.life.Err() != nil }

func (r *run) left(waiting []*template.Resource) []*template.Resource {
	return slices.DeleteFunc(slices.Clone(waiting), func(one *template.Resource) bool { return r.stateOf(one) != stateNotStarted })
}

// together finds what can be put as one: resources whose values are known, that need
// nothing but what is there and each other. The registry puts parents first.
func (r *run) together(waiting []*template.Resource) []*template.Resource {
	in := map[*template.Resource]bool{}
	var set []*template.Resource
	for _, one := range waiting { // in order: what is needed comes first
		if one.Nested != nil || len(one.Refs) > 0 || len(set) == batchMax {
			continue
		}
		ok := true
		for _, other := range one.DependsOn {
			ok = ok && (in[other] || r.satisfied(other))
		}
		if ok {
			in[one] = true
			set = append(set, one)
		}
	}
	return set
}

// satisfied says that a resource need not be waited for any more, and is there.
func (r *run) satisfied(one *template.Resource) bool {
	state := r.stateOf(one)
	return state == stateSucceeded || state == stateSkipped
}

func (r *run) ready(waiting []*template.Resource) (plain, nested []*template.Resource) {
	for _, one := range waiting {
		if slices.ContainsFunc(one.DependsOn, func(other *template.Resource) bool { return !r.satisfied(other) }) {
			continue
		}
		if one.Nested != nil {
			nested = append(nested, one)
		} else if len(plain) < batchMax {
			plain = append(plain, one)
		}
	}
	return plain, nested
}

// putSet puts resources as one; false when that was refused and nothing was put.
func (r *run) putSet(set []*template.Resource) bool {
	docs := make([]resource.Document, 0, len(set))
	for _, one := range set {
		doc, _, _, err := r.d.document(one, one.Body, r.prepared.skip)
		if err != nil {
			return false
		}
		docs = append(docs, doc)
	}
	r.mark(stateRunning, 0, nil, set...)
	begun := r.d.o.Now()
	results, err := r.putAll(docs)
	if err != nil {
		r.mark(stateNotStarted, 0, nil, set...)
		return false
	}
	r.told(set, results)
	r.mark(stateSucceeded, r.d.o.Now().Sub(begun), nil, set...)
	return true
}

// putReady evaluates resources and puts them: all as one, and where that is refused in
// halves, until it is known which of them cannot be put.
func (r *run) putReady(ready []*template.Resource) {
	var set []*template.Resource
	var docs []resource.Document
	for _, one := range ready {
		r.mark(stateRunning, 0, nil, one)
		r.prepared.evaluating.Lock()
		body, problems := one.Evaluate(&asking{r.ctx, r})
		r.prepared.evaluating.Unlock()
		if len(problems) > 0 {
			r.mark(stateFailed, 0, failureOf(invalid(problems), one.ID), one)
			continue
		}
		doc, unknown, _, err := r.d.document(one, body, r.prepared.skip)
		if err == nil && len(unknown) > 0 {
			err = fmt.Errorf("the value of %s is not known even now", strings.Join(unknown, ", "))
		}
		if err != nil {
			r.mark(stateFailed, 0, &failure{code: "InvalidTemplate", message: err.Error() + ".", target: one.ID}, one)
			continue
		}
		set, docs = append(set, one), append(docs, doc)
	}
	r.putHalves(set, docs)
}

func (r *run) putHalves(set []*template.Resource, docs []resource.Document) {
	if len(set) == 0 {
		return
	}
	begun := r.d.o.Now()
	results, err := r.putAll(docs)
	switch {
	case err == nil:
		r.told(set, results)
		r.mark(stateSucceeded, r.d.o.Now().Sub(begun), nil, set...)
	case len(set) == 1:
		r.mark(stateFailed, r.d.o.Now().Sub(begun), failureOf(err, set[0].ID), set[0])
	default:
		half := len(set) / 2
		r.putHalves(set[:half], docs[:half])
		r.putHalves(set[half:], docs[half:])
	}
}

// nest runs a deployment of the template.
func (r *run) nest(one *template.Resource) {
	begun := r.d.o.Now()
	r.prepared.evaluating.Lock()
	nested, problems := one.Nest(&asking{r.ctx, r})
	r.prepared.evaluating.Unlock()
	fail := func(f *failure) { r.mark(stateFailed, r.d.o.Now().Sub(begun), f, one) }
	if len(problems) > 0 {
		fail(failureOf(invalid(problems), one.ID))
		return
	}
	id, err := resource.ParseID(one.ID)
	if err != nil {
		fail(&failure{code: "InvalidTemplate", message: err.Error() + ".", target: one.ID})
		return
	}
	inner := newRun(r.d, r.who, r.prepared, id, nested.Name, nested.Mode, nested.Plan)
	inner.outer, inner.ctx, inner.cancel = r, r.ctx, r.cancel
	if err := r.d.open(inner); err != nil {
		fail(failureOf(err, one.ID))
		return
	}
	inner.whole()
	if inner.failure != nil {
		fail(&failure{code: "DeploymentFailed", message: fmt.Sprintf("The deployment %s in the template failed.", one.Name), target: one.ID, details: []failure{*inner.failure}})
		return
	}
	outputs := &template.Object{}
	for _, o := range inner.outputs {
		outputs.Set(o.Name, template.NewObject("type", o.Type, "value", o.Value))
	}
	r.mu.Lock()
	r.inner[strings.ToLower(one.ID)] = outputs
	r.mu.Unlock()
	r.mark(stateSucceeded, r.d.o.Now().Sub(begun), nil, one)
	r.mu.Lock()
	r.byResource[one].outcome = "deployed"
	r.warnings = append(r.warnings, inner.warnings...)
	r.nested = append(r.nested, inner.put()...)
	r.mu.Unlock()
}
