package resource

import (
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/resource/registry"
)

// Turn is one turn of work on the unit's owner; a *replica.Turn is one.
type Turn interface {
	Now() time.Time
	Record(fact []byte) record.Ref // where the fact will be; the caller folds it itself
	Reveal(fn func())              // runs once everything recorded so far is durable
}

// Unit is what the registry needs of the unit of continuity that carries it.
type Unit interface {
	// Call does work on the owner and waits until what it recorded is durable. It
	// fails with kind NotOwner elsewhere, and when ownership is lost on the way.
	Call(ctx context.Context, work func(Turn)) error
	// View runs fn while the registry stands still, on any replica.
	View(fn func())
}

// Registry keeps the resources of a location. It is the machine of its unit (Apply,
// Snapshot, Restore, Reset) and the door to it (Put, Get, Watch and the others).
type Registry struct {
	codec
	random io.Reader
	unit   Unit
	state  *registry.State

	mu       sync.Mutex
	revealed uint64        // the last revision that is durable
	changed  chan struct{} // closed and replaced when revealed moves

	memory memory
}

// NewRegistry makes an empty registry of those types. random nil is crypto/rand.
func NewRegistry(types *Types, random io.Reader) *Registry {
	if random == nil {
		random = rand.Reader
	}
	return &Registry{codec: codec{types: types}, random: random, state: registry.New(), changed: make(chan struct{})}
}

// Bind gives the registry the unit that carries it. The machine's methods may be
// called before, the door's may not.
func (r *Registry) Bind(u Unit) { r.unit = u }

// Types are the types it knows.
func (r *Registry) Types() *Types { return r.types }

// Apply folds a durable fact.
func (r *Registry) Apply(at record.Ref, fact []byte) error {
	err := r.state.Apply(at, fact)
	r.reveal(r.state.Revision())
	return err
}

// Snapshot appends the state to dst.
func (r *Registry) Snapshot(dst []byte) []byte { return r.state.Snapshot(dst) }

// Restore replaces the state by a snapshot.
func (r *Registry) Restore(data []byte) error {
	err := r.state.Restore(data)
	r.forget(r.state.Revision())
	return err
}

// Reset empties the registry, to be folded again.
func (r *Registry) Reset() {
	r.state.Reset()
	r.forget(0)
}

// reveal makes changes up to a revision visible.
func (r *Registry) reveal(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision > r.revealed {
		r.revealed = revision
		r.wake()
	}
}

// forget starts over: what was recorded and not durable is gone.
func (r *Registry) forget(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revealed = revision
	r.wake()
}

func (r *Registry) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// visible is the last durable revision, and what is closed when it moves.
func (r *Registry) visible() (uint64, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revealed, r.changed
}

// read runs fn over a state that is durable: on the owner, what is recorded and not
// yet safe is waited for. fn may run more than once.
func (r *Registry) read(ctx context.Context, fn func(*registry.State)) error {
	for {
		_, changed := r.visible()
		var revision uint64
		r.unit.View(func() {
			revision = r.state.Revision()
			fn(r.state)
		})
		if revealed, _ := r.visible(); revision <= revealed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "The registry did not become readable in time.")
		}
	}
}

// Get finds a resource.
func (r *Registry) Get(ctx context.Context, id ID) (Document, error) {
	var entry registry.Entry
	var found bool
	var there bool
	var made Document
	err := r.read(ctx, func(s *registry.State) {
		if entry, found = s.Get(id.String()); !found {
			made, there = always(r.types, id, func(parent ID) bool { _, ok := s.Get(parent.String()); return ok })
		}
	})
	switch {
	case err != nil:
		return Document{}, err
	case there:
		return made, nil
	case !found:
		return Document{}, notFound(id)
	}
	return r.recall(entry)
}

func notFound(id ID) error {
	return fault.New(fault.NotFound, "The resource '%s' under resource group '%s' was not found.", strings.TrimPrefix(id.Type(), "/")+"/"+strings.Join(id.Names(), "/"), id.ResourceGroup())
}

// List gives the resources of a type directly in another resource or a scope, by id,
// and the revision to watch from. An empty type means any.
func (r *Registry) List(ctx context.Context, parent ID, typ string) ([]Document, uint64, error) {
	docs, revision, err := r.list(ctx, typ, func(s *registry.State) []registry.Entry {
		if typ == "" {
			return s.Children(parent.String())
		}
		return s.ChildrenOf(parent.String(), stepIn(parent, typ))
	})
	if t, ok := r.types.Lookup(typ); ok && err == nil && t.Always != "" && len(docs) == 0 {
		id, bad := parent.Child(lastPart(t.Name), t.Always)
		if bad != nil {
			return nil, 0, damaged(bad)
		}
		if d, err := r.Get(ctx, id); err == nil {
			docs = append(docs, d)
		}
	}
	return docs, revision, err
}

// Window is a part of List, for those who count from its beginning: up to top resources of
// a type behind the first skip, and whether others follow. Only those are read.
func (r *Registry) Window(ctx context.Context, parent ID, typ string, skip, top int) (docs []Document, more bool, err error) {
	docs, _, err = r.list(ctx, typ, func(s *registry.State) []registry.Entry {
		all := s.ChildrenOf(parent.String(), stepIn(parent, typ))
		rest := all[min(max(skip, 0), len(all)):]
		page := rest[:min(max(top, 0), len(rest))]
		more = len(page) < len(rest)
		return page
	})
	return docs, more, err
}

// Named finds a resource of a top-level type by its name, whatever group it lies in.
func (r *Registry) Named(ctx context.Context, typ, name string) (id ID, found bool, err error) {
	err = r.read(ctx, func(s *registry.State) { id, found = named(s, typ, name) })
	return id, found, err
}

// ListUnder gives the resources of a type anywhere in another resource or a scope.
func (r *Registry) ListUnder(ctx context.Context, ancestor ID, typ string) ([]Document, uint64, error) {
	return r.list(ctx, typ, func(s *registry.State) []registry.Entry {
		if typ == "" {
			return s.Under(ancestor.String())
		}
		return s.UnderOf(ancestor.String(), typ)
	})
}

// Newer is ListUnder for who has asked before: the resources that were put since the
// revision given then, the keys of all there are, and the revision to give next time. Only
// the new ones are read.
func (r *Registry) Newer(ctx context.Context, ancestor ID, since uint64) (docs []Document, keys map[string]struct{}, revision uint64, err error) {
	docs, revision, err = r.list(ctx, "", func(s *registry.State) []registry.Entry {
		all := s.Under(ancestor.String())
		if since > s.Revision() {
			since = 0 // it was emptied, and is being folded again
		}
		keys = make(map[string]struct{}, len(all))
		var newer []registry.Entry
		for _, e := range all {
			keys[registry.Key(e.ID)] = struct{}{}
			if e.Revision > since {
				newer = append(newer, e)
			}
		}
		return newer
	})
	return docs, keys, revision, err
}

// Page gives those resources of a type directly in another resource or a scope whose
// keys come after one, by id, max of them at most, and whether more follow. Only what is
// given is read, however many there are.
func (r *Registry) Page(ctx context.Context, parent ID, typ, after string, max int) (docs []Document, more bool, err error) {
	var entries []registry.Entry
	err = r.read(ctx, func(s *registry.State) { entries, more = s.PageOf(parent.String(), stepIn(parent, typ), after, max) })
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		d, err := r.recall(e)
		if err != nil {
			return nil, false, damaged(err)
		}
		docs = append(docs, d)
	}
	return docs, more, nil
}

// stepIn is how a type's resources are linked to what they lie in: by what stands
// between the id of that and their name.
func stepIn(parent ID, typ string) string {
	switch rest, ok := cutPrefixFold(typ, parent.Type()+"/"); {
	case ok && !parent.IsScope():
		return strings.ToLower(rest)
	case strings.EqualFold(typ, TypeSubscription):
		return "subscriptions"
	case strings.EqualFold(typ, TypeGroup):
		return "resourcegroups"
	}
	return "providers/" + strings.ToLower(typ)
}

func (r *Registry) list(ctx context.Context, typ string, find func(*registry.State) []registry.Entry) ([]Document, uint64, error) {
	var entries []registry.Entry
	var revision uint64
	err := r.read(ctx, func(s *registry.State) { entries, revision = find(s), s.Revision() })
	if err != nil {
		return nil, 0, err
	}
	docs := make([]Document, 0, len(entries))
	for _, e := range entries {
		d, err := r.recall(e)
		if err != nil {
			return nil, 0, err
		}
		docs = append(docs, d)
	}
	return docs, revision, nil
}

func damaged(err error) error {
	return fault.Wrap(fault.Damaged, err, "A stored resource cannot be read.")
}
