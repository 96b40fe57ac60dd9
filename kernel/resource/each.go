package resource

import "context"

// PutEach declares many resources, all of them or none, as if they were put one after the
// other: what comes with a new resource comes with it even where the request declares
// others of its type there, which PutAll takes for the whole list. Locks hold.
func (r *Registry) PutEach(ctx context.Context, docs []Document) ([]Result, error) {
	return r.change(ctx, func(p *plan) error { return p.putEach(docs) })
}

// Try says what PutEach would do, or why it would not, and does nothing.
func (r *Registry) Try(ctx context.Context, docs []Document) ([]Result, error) {
	var results []Result
	var refusal error
	err := r.unit.Call(ctx, func(Turn) {
		p := newPlan(r.state, r.codec, r.random)
		if refusal = p.putEach(docs); refusal != nil {
			return
		}
		for _, s := range p.steps {
			results = append(results, Result{Document: s.doc, Created: s.isNew, Changed: s.body != nil})
		}
	})
	if err != nil {
		return nil, err
	}
	return results, refusal
}

func (p *plan) putEach(docs []Document) error {
	p.guarded, p.each = true, true
	return p.put(docs)
}
