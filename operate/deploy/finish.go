package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// whole runs a deployment from its first resource to its place in the history.
func (r *run) whole() {
	defer r.d.close(r)
	r.play()
	r.d.inForce(r.ctx, slices.Collect(maps.Values(r.later)))
	if r.mode == "Complete" && !r.unfinished() {
		r.deleteOthers()
	}
	r.conclude()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), appliedWait)
	defer cancel()
	if err := r.d.keep(ctx, r.document()); err != nil {
		r.d.o.Logger.Warn("what became of a deployment could not be kept", "deployment", r.id.String(), "error", fault.Detail(err))
	}
}

// unfinished says whether something was not put.
func (r *run) unfinished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over() || slices.ContainsFunc(r.operations, func(o *operation) bool { return o.state != stateSucceeded && o.state != stateSkipped })
}

// conclude evaluates the outputs and says how it ended.
func (r *run) conclude() {
	var outputs []template.Output
	var problems template.Problems
	without := map[string]bool{}
	for _, o := range r.plan.Outputs {
		for _, ref := range o.Refs {
			if r.prepared.reachable(ref.ID) != "" {
				without[o.Name] = true
			}
		}
	}
	if !r.unfinished() {
		r.prepared.evaluating.Lock()
		outputs, problems = r.plan.Evaluate(&asking{r.ctx, r}, without)
		r.prepared.evaluating.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = r.d.o.Now().UTC()
	r.outputs = outputs
	counts := map[string]int{}
	var failed []failure
	for _, o := range r.operations {
		if o.state == stateRunning { // its end was not waited for
			o.state = stateFailed
		}
		counts[o.state]++
		if o.state == stateFailed && o.failure != nil && len(failed) < 100 {
			f := *o.failure
			if f.target == "" {
				f.target = o.id
			}
			failed = append(failed, f)
		}
	}
	told := fmt.Sprintf("%d of %d resources were put, %d failed, %d were not begun", counts[stateSucceeded], len(r.operations), counts[stateFailed], counts[stateNotStarted])
	switch {
	case r.state == stateCanceled:
		r.failure = &failure{code: "DeploymentCanceled", message: "The deployment was canceled: " + told + ".", details: failed}
	case r.over():
		r.state = stateFailed
		r.failure = &failure{code: "DeploymentInterrupted", message: "The server was stopped while the deployment ran: " + told + ". Deploy again: what is there already is left as it is.", details: failed}
	case counts[stateFailed]+counts[stateNotStarted] > 0:
		r.state = stateFailed
		r.failure = &failure{code: "DeploymentFailed", message: "At least one resource could not be put: " + told + ". What was put stays; deploy again when the cause is mended.", details: failed}
	case len(problems) > 0:
		r.state = stateFailed
		f := failureOf(invalid(problems), "")
		r.failure = &failure{code: "DeploymentOutputEvaluationFailed", message: "Everything was put, and an output cannot be evaluated: " + f.message, details: f.details}
	default:
		r.state = stateSucceeded
	}
}

// put puts resources as one, under the name of whoever deploys.
func (d *Deployments) put(ctx context.Context, who Asker, docs []resource.Document) ([]resource.Result, error) {
	ids := make([]resource.ID, 0, len(docs))
	for _, doc := range docs {
		if err := d.may(ctx, who, doc.Type()+"/write", doc.ID.String()); err != nil {
			return nil, err
		}
		ids = append(ids, doc.ID)
	}
	if d.o.Decided != nil {
		if err := d.o.Decided(ids...); err != nil {
			return nil, err
		}
	}
	results, err := d.o.Registry.PutEach(ctx, docs)
	outcome := audit.Succeeded
	if err != nil {
		if len(docs) > 1 {
			return nil, err // it is tried again in parts, and those are noted
		}
		outcome = audit.Failed
	}
	d.noteAll(ctx, who, docs, outcome, err)
	return results, err
}

// putAll puts resources as one. What is at the top (a namespace) is waited for until it is
// in force, for others may ask it what it says of itself; what lies in it is waited for
// at the end.
func (r *run) putAll(docs []resource.Document) ([]resource.Result, error) {
	results, err := r.d.put(r.ctx, r.who, docs)
	if err != nil {
		return nil, err
	}
	var now []resource.ID
	for _, doc := range docs {
		top := topOf(doc.ID)
		if top.Equal(doc.ID) {
			now = append(now, top)
			delete(r.later, top.Key())
		} else {
			r.later[top.Key()] = top
		}
	}
	r.d.inForce(r.ctx, now)
	return results, nil
}

// topOf is the resource at the top that one lies in.
func topOf(id resource.ID) resource.ID {
	top := id
	for up := top.Parent(); len(up.Names()) > 0; up = up.Parent() {
		top = up
	}
	return top
}

// noteWriters is how many entries wait for the log at once.
const noteWriters = 32

func (d *Deployments) noteAll(ctx context.Context, who Asker, docs []resource.Document, outcome audit.Outcome, err error) {
	if d.o.Audit == audit.Nowhere {
		return
	}
	var all sync.WaitGroup
	turn := make(chan struct{}, noteWriters)
	for _, doc := range docs {
		turn <- struct{}{}
		all.Go(func() {
			d.note(ctx, who, doc.Type()+"/write", doc.ID.String(), outcome, err)
			<-turn
		})
	}
	all.Wait()
}

// inForce waits until what was put is served.
func (d *Deployments) inForce(ctx context.Context, ids []resource.ID) {
	if d.o.Applied == nil || len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, appliedWait)
	defer cancel()
	for _, id := range ids {
		if err := d.o.Applied(ctx, id); err != nil {
			d.o.Logger.Warn("what was deployed is declared and not in force yet", "resource", id.String(), "error", fault.Detail(err))
		}
	}
}

// deleteOthers deletes what is in the resource group and not in the template.
func (r *run) deleteOthers() {
	scope := r.id.Scope()
	others, err := r.d.others(r.ctx, scope, r.plan)
	if err != nil {
		r.fail("Complete", err)
		return
	}
	for _, id := range others {
		op := &operation{id: id.String(), typ: id.Type(), name: strings.Join(id.Names(), "/"), state: stateSucceeded, outcome: "deleted", at: r.d.o.Now().UTC()}
		action := id.Type() + "/delete"
		err := r.d.may(r.ctx, r.who, action, id.String())
		if err == nil && r.d.o.Decided != nil {
			err = r.d.o.Decided(id)
		}
		if err == nil {
			err = r.d.o.Registry.Delete(r.ctx, id, resource.Condition{Guarded: true})
			if fault.Is(err, fault.NotFound) {
				err = nil // it went with what it lay in
			}
			outcome := audit.Succeeded
			if err != nil {
				outcome = audit.Failed
			}
			r.d.note(r.ctx, r.who, action, id.String(), outcome, err)
		}
		if err != nil {
			op.state, op.outcome, op.failure = stateFailed, "", failureOf(err, id.String())
		}
		r.mu.Lock()
		r.operations = append(r.operations, op)
		r.mu.Unlock()
	}
}

func (r *run) fail(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, &operation{name: what, state: stateFailed, at: r.d.o.Now().UTC(), failure: failureOf(err, "")})
}

// others finds what Complete deletes, the innermost first: what is in the group and not
// in the template, but for what comes of itself with something that is, what extends
// it, and deployments.
func (d *Deployments) others(ctx context.Context, scope resource.ID, plan *template.Plan) ([]resource.ID, error) {
	keep := map[string]bool{}
	var note func(plan *template.Plan)
	note = func(plan *template.Plan) {
		for _, one := range plan.Resources {
			if one.Off || one.ID == "" {
				continue
			}
			if one.Nested != nil {
				note(one.Nested.Plan)
			}
			if id, err := resource.ParseID(one.ID); err == nil {
				for up := id; !up.IsZero() && !up.IsScope(); up = up.Parent() { // what it lies in stays too
					keep[up.Key()] = true
				}
			}
		}
	}
	note(plan)
	docs, _, err := d.o.Registry.ListUnder(ctx, scope, "")
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		if t, ok := d.o.Registry.Types().Lookup(doc.Type()); ok && t.Companions != nil && keep[doc.ID.Key()] {
			for _, companion := range t.Companions(doc) {
				keep[companion.ID.Key()] = true
			}
		}
	}
	var list []resource.ID
	gone := map[string]bool{}
	for _, doc := range docs {
		t, ok := d.o.Registry.Types().Lookup(doc.Type())
		if !ok || t.Extension || keep[doc.ID.Key()] {
			continue
		}
		if gone[doc.ID.Parent().Key()] { // it goes with what it lies in
			gone[doc.ID.Key()] = true
			continue
		}
		gone[doc.ID.Key()] = true
		list = append(list, doc.ID)
	}
	slices.SortFunc(list, func(a, b resource.ID) int { return strings.Compare(a.Key(), b.Key()) })
	return slices.DeleteFunc(list, func(id resource.ID) bool { return gone[id.Parent().Key()] }), nil
}
