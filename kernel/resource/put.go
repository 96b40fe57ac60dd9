package resource

import (
	"context"
	"encoding/json"
	"strings"

	"weir/internal/source"
	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// Condition is what must hold for a change to be made. The zero Condition always does.
type Condition struct {
	IfMatch     string // the resource must be there with this etag, or any for "*"
	IfNoneMatch bool   // the resource must not be there
	// Guarded refuses what a lock forbids. Those who manage resources ask for it; what a
	// service does of itself, or for those who use it, locks do not hold.
	Guarded bool
	// AsIs puts a document that was prepared already, in another location: nothing in it
	// is drawn or completed, what was fixed at first may differ from what is here, and
	// nothing comes with it.
	AsIs bool
}

// Result is what became of one document.
type Result struct {
	Document Document
	Created  bool
	Changed  bool // false: it was there already, just so
}

// Put declares one resource whole: what the document leaves out gets its default.
func (r *Registry) Put(ctx context.Context, d Document, c Condition) (Result, error) {
	results, err := r.change(ctx, func(p *plan) error {
		p.guarded, p.asIs = c.Guarded, c.AsIs
		if err := r.holds(d.ID, c); err != nil {
			return err
		}
		return p.put([]Document{d})
	})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// PutAll declares many resources, all of them or none. Results are in the order in
// which the resources were made, parents first, companions among them. Locks hold.
func (r *Registry) PutAll(ctx context.Context, docs []Document) ([]Result, error) {
	return r.change(ctx, func(p *plan) error {
		p.guarded = true
		return p.put(docs)
	})
}

// PutAllOfService is PutAll for a service that acts by itself or for those who use it:
// locks do not hold.
func (r *Registry) PutAllOfService(ctx context.Context, docs []Document) ([]Result, error) {
	return r.change(ctx, func(p *plan) error { return p.put(docs) })
}

// Patch merges a JSON document (RFC 7396) into a resource: null takes a property
// away, which gives it its default again.
func (r *Registry) Patch(ctx context.Context, id ID, patch []byte, c Condition) (Result, error) {
	values, err := source.Parse(patch)
	if err != nil {
		return Result{}, fault.Wrap(fault.Invalid, err, "The patch cannot be read: %s.", err)
	}
	if len(values) != 1 || values[0].Kind != source.Map {
		return Result{}, fault.New(fault.Invalid, "A patch is one object, such as {\"properties\": {\"lockDuration\": \"PT1M\"}}.")
	}
	changes := &source.Value{Kind: source.Map}
	for _, f := range values[0].Fields {
		switch f.Name {
		case "id", "name", "type", "etag", "systemData": // what a client got and sends back
		default:
			changes.Fields = append(changes.Fields, f)
		}
	}
	results, err := r.change(ctx, func(p *plan) error {
		p.guarded = c.Guarded
		if err := r.holds(id, c); err != nil {
			return err
		}
		have, ok := p.find(id)
		if !ok {
			return notFound(id)
		}
		merged, err := merge(have, changes)
		if err != nil {
			return err
		}
		return p.put([]Document{merged})
	})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

func merge(have Document, changes *source.Value) (Document, error) {
	current, err := json.Marshal(have.declared())
	if err != nil {
		return Document{}, err
	}
	values, err := source.Parse(current)
	if err != nil {
		return Document{}, err
	}
	whole := values[0].Merge(changes)
	whole.Fields = append(whole.Fields, source.Field{Name: "id", Value: &source.Value{Kind: source.Text, Scalar: have.ID.String()}})
	docs, problems := (&reader{}).read([]*source.Value{whole})
	for i := range problems {
		problems[i].Line = 0 // lines of a text nobody wrote
	}
	if err := problems.Fault(); err != nil {
		return Document{}, err
	}
	docs[0].ForgetLines()
	return docs[0], nil
}

// Delete removes a resource and everything in it.
func (r *Registry) Delete(ctx context.Context, id ID, c Condition) error {
	var refusal error
	err := r.unit.Call(ctx, func(t Turn) {
		if refusal = r.holds(id, c); refusal != nil {
			return
		}
		_, declared := r.state.Get(id.String())
		if !declared && !(id.IsScope() && r.state.Holds(id.String())) {
			refusal = notFound(id)
			return
		}
		if c.Guarded {
			if refusal = guard(r.state, id, "delete"); refusal != nil {
				return
			}
		}
		refusal = r.record(t, registry.Deleted(t.Now(), id.String()))
		r.revealWith(t)
	})
	if err != nil {
		return err
	}
	return refusal
}

// Act runs an action of a resource's type. A ReadOnly lock holds actions too.
func (r *Registry) Act(ctx context.Context, id ID, action string, body map[string]any) (map[string]any, error) {
	var answer map[string]any
	_, err := r.change(ctx, func(p *plan) error {
		have, ok := p.find(id)
		if !ok {
			return notFound(id)
		}
		run, err := r.action(id, action)
		if err != nil {
			return err
		}
		if err := guard(r.state, id, "write"); err != nil {
			return err
		}
		replace := func(d Document) error { return p.put([]Document{d}) }
		answer, err = run(ActionContext{Replace: replace, Random: r.random, Host: hostOf(ctx)}, have, body)
		return err
	})
	return answer, err
}

type hostKey struct{}

// CalledAt notes the name by which a caller reached the server, for actions that tell
// others where it is.
func CalledAt(ctx context.Context, host string) context.Context {
	return context.WithValue(ctx, hostKey{}, host)
}

func hostOf(ctx context.Context) string {
	host, _ := ctx.Value(hostKey{}).(string)
	return host
}

func (r *Registry) action(id ID, name string) (func(ActionContext, Document, map[string]any) (map[string]any, error), error) {
	t, ok := r.types.Lookup(id.Type())
	if ok {
		for _, a := range t.Actions {
			if strings.EqualFold(a.Name, name) {
				return a.Run, nil
			}
		}
	}
	return nil, fault.New(fault.NotFound, "Resources of type %s have no action %q.", id.Type(), name)
}

// holds checks a condition on the owner.
func (r *Registry) holds(id ID, c Condition) error {
	e, ok := r.state.Get(id.String())
	switch {
	case c.IfNoneMatch && ok:
		return fault.New(fault.PreconditionFailed, "The resource %s exists already.", id)
	case c.IfMatch == "":
		return nil
	case !ok:
		return fault.New(fault.PreconditionFailed, "The resource %s does not exist, so it has no etag to match.", id)
	}
	if want := strings.Trim(strings.TrimPrefix(c.IfMatch, "W/"), `"`); want != "*" && want != etagOf(e.Revision) {
		return fault.New(fault.PreconditionFailed, "The resource %s has changed: its etag is %q, not %q. Read it again.", id, etagOf(e.Revision), want)
	}
	return nil
}

// change plans on the owner and records what the plan found to do.
func (r *Registry) change(ctx context.Context, decide func(*plan) error) ([]Result, error) {
	var results []Result
	var refusal error
	err := r.unit.Call(ctx, func(t Turn) {
		p := newPlan(r.state, r.codec, r.random)
		if refusal = decide(p); refusal != nil {
			return
		}
		results, refusal = r.carryOut(t, p)
	})
	if err != nil {
		return nil, err
	}
	return results, refusal
}

func (r *Registry) carryOut(t Turn, p *plan) ([]Result, error) {
	var results []Result
	for _, s := range p.steps {
		id := s.doc.ID.String()
		if s.body != nil {
			if err := r.record(t, registry.Put(t.Now(), id, s.body)); err != nil {
				return nil, err
			}
		}
		e, _ := r.state.Get(id)
		d, err := r.decode(e)
		if err != nil {
			return nil, err
		}
		results = append(results, Result{Document: d, Created: s.isNew, Changed: s.body != nil})
	}
	r.revealWith(t)
	return results, nil
}

// record writes a fact and folds it at once: later work of the owner sees it, others
// when it is revealed.
func (r *Registry) record(t Turn, fact []byte) error {
	return r.state.Apply(t.Record(fact), fact)
}

func (r *Registry) revealWith(t Turn) {
	revision := r.state.Revision()
	t.Reveal(func() { r.reveal(revision) })
}
