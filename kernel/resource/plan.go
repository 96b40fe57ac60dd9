package resource

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// bodyBytesMax bounds one stored resource.
const bodyBytesMax = 512 << 10

// plan decides what a request changes: all its documents, or nothing.
type plan struct {
	codec
	state    *registry.State
	random   io.Reader
	view     View
	steps    []step
	declared map[string]bool // keys of what the request holds, sound or not
	asIs     bool            // see Condition
	guarded  bool            // locks hold
	each     bool            // companions come whatever else the request declares beside them
	problems Problems
}

// step is one document on its way into the registry.
type step struct {
	typ   *Type
	doc   Document
	isNew bool
	body  []byte // nil: it is there already, just so
}

func newPlan(state *registry.State, c codec, random io.Reader) *plan {
	return &plan{codec: c, state: state, random: random, view: newView(state, c), declared: map[string]bool{}}
}

// put takes in the documents of one request, parents before children.
func (p *plan) put(docs []Document) error {
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b Document) int { return cmp.Compare(len(a.ID.segments), len(b.ID.segments)) })
	brought := map[string]bool{} // types by parent that the request brings itself
	for _, d := range docs {
		brought[d.ID.Parent().Key()+" "+strings.ToLower(d.Type())] = true
		p.declared[d.ID.Key()] = true
	}
	for len(docs) > 0 {
		d := docs[0]
		docs = docs[1:]
		added, err := p.take(d)
		if err != nil {
			return err
		}
		for _, companion := range added {
			if p.each && !p.declared[companion.ID.Key()] || !p.each && !brought[companion.ID.Parent().Key()+" "+strings.ToLower(companion.Type())] {
				docs = append(docs, companion)
			}
		}
	}
	p.check()
	p.problems.Sort()
	return p.problems.Fault()
}

// take holds one document against its type, and tells what comes with it.
func (p *plan) take(d Document) (companions []Document, err error) {
	t, ok := p.types.Lookup(d.Type())
	if !ok {
		p.problem(d, fault.Invalid, "There is no resource type %s here: known are %s.", d.Type(), p.typeNames())
		return nil, nil
	}
	if t.Absent != "" {
		p.problem(d, fault.Unsupported, "Weir has no %s: %s", t.Name, t.Absent)
		return nil, nil
	}
	var old *Document
	if have, exists, err := p.view.find(d.ID); err != nil {
		return nil, err
	} else if exists {
		old, d.ID = &have, have.ID
	} else {
		d.ID = d.ID.withType(t.Name)
	}
	if problem := t.misplaced(d.ID); problem != "" {
		p.problem(d, fault.Invalid, "%s", problem)
		return nil, nil
	}
	if parent := d.ID.Parent(); !parent.IsZero() && !parent.IsScope() && !p.declared[parent.Key()] {
		if _, exists := p.view.Get(parent); !exists {
			p.problem(d, fault.NotFound, "Its parent, %s %q, does not exist: declare it first.", lastPart(parent.Type()), strings.Join(parent.Names(), "/"))
			p.problems[len(p.problems)-1].Code = "ParentResourceNotFound"
		}
	}
	if t.Prepare != nil && !p.asIs {
		d = d.Clone()
		if err := t.Prepare(&d, old, PrepareContext{View: p.view, Random: p.random}); err != nil {
			return nil, err
		}
	}
	before := old
	if p.asIs {
		before = nil
	}
	normal, problems := t.Normalise(d, before)
	p.view.request.add(normal)
	if len(problems) > 0 {
		p.problems = append(p.problems, problems...)
		return nil, nil
	}
	p.steps = append(p.steps, step{typ: t, doc: normal, isNew: old == nil})
	if old == nil && t.Companions != nil && !p.asIs {
		companions = t.Companions(normal)
	}
	return companions, nil
}

// misplaced says why a resource of this type cannot be where its id puts it.
func (t *Type) misplaced(id ID) string {
	switch base := id.Base(); {
	case id.IsScope() || t.Extension:
	case !base.IsScope():
		return fmt.Sprintf("A resource of type %s extends no other: it lies in a resource group.", t.Name)
	case base.Equal(Tenant) && !t.AtTenant:
		return fmt.Sprintf("A resource of type %s lies in a resource group: its id begins with /subscriptions/.", t.Name)
	}
	return ""
}

// check looks at each document among all the others, and at what there may be of it.
func (p *plan) check() {
	counted := map[string]bool{}
	for i := range p.steps {
		s := &p.steps[i]
		if s.typ.Check != nil {
			p.problems = append(p.problems, s.typ.Check(s.doc, p.view).of(s.doc.ID)...)
		}
		parent := s.doc.ID.Parent()
		if place := parent.Key() + " " + s.typ.Name; s.typ.SiblingsMax > 0 && s.isNew && !counted[place] {
			counted[place] = true
			if n := p.view.Count(parent, s.typ.Name); n > s.typ.SiblingsMax {
				p.problem(s.doc, fault.QuotaExceeded, "There would be %d %s here, and there may be %d at most.", n, lastPart(s.typ.Name), s.typ.SiblingsMax)
			}
		}
		if s.typ.Unique && s.isNew {
			p.unique(s)
		}
		p.compare(s)
		if p.guarded && s.body != nil {
			if locked, ok := errors.AsType[Problems](guard(p.state, s.doc.ID, "write")); ok {
				p.problems = append(p.problems, locked.of(s.doc.ID)...)
			}
		}
	}
}

// unique refuses a name that another resource of the type has.
func (p *plan) unique(s *step) {
	if other, taken := p.view.namesake(s.doc.ID); taken {
		p.problem(s.doc, fault.Conflict, "The name %q is taken: %s has it. Choose another.", s.doc.Name(), other)
	}
}

// find is View.Get, with what is there although nobody declared it.
func (p *plan) find(id ID) (Document, bool) {
	if d, ok := p.view.Get(id); ok {
		return d, true
	}
	return always(p.types, id, func(parent ID) bool { _, ok := p.view.Get(parent); return ok })
}

// always gives a resource that is there with its defaults, if it is one.
func always(types *Types, id ID, exists func(parent ID) bool) (Document, bool) {
	t, ok := types.Lookup(id.Type())
	if !ok || t.Always == "" || !strings.EqualFold(t.Always, id.Name()) || !exists(id.Parent()) {
		return Document{}, false
	}
	d, _ := t.Normalise(Document{ID: id.withType(t.Name)}, nil)
	return d, true
}

// compare finds out whether anything changes.
func (p *plan) compare(s *step) {
	body, err := p.encode(s.doc)
	if err != nil || len(body) > bodyBytesMax {
		p.problem(s.doc, fault.TooLarge, "The resource is larger than %d KiB.", bodyBytesMax>>10)
		return
	}
	if have, ok := p.state.Get(s.doc.ID.String()); !ok || string(have.Body) != string(body) {
		s.body = body
	}
}

func (p *plan) problem(d Document, kind fault.Kind, format string, args ...any) {
	found := Problems{{Line: d.Line(""), Kind: kind, Sentence: fmt.Sprintf(format, args...)}}
	p.problems = append(p.problems, found.of(d.ID)...)
}

func (p *plan) typeNames() string {
	var names []string
	for _, t := range p.types.Present() {
		names = append(names, t.Name)
	}
	return alternatives(names)
}

func lastPart(typ string) string { return typ[strings.LastIndexByte(typ, '/')+1:] }

// withType writes the type in the id as its declaration does.
func (id ID) withType(name string) ID {
	segments := slices.Clone(id.segments)
	at := id.provider()
	if at < 0 {
		return id
	}
	for i, part := range strings.Split(name, "/") {
		segments[at+1+max(0, 2*i-1)] = part
	}
	return newID(segments)
}
