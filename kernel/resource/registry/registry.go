// Package registry is the state of a location's resource registry: every declared
// resource, as a fold over the facts that put and deleted them.
//
// It promises:
//
//  1. It is pure: equal facts in equal order give equal states and equal snapshots,
//     byte for byte. Times are in the facts.
//  2. Apply never refuses a fact this version knows. What may be put is decided
//     before the fact is written, by the package above.
//  3. Revisions grow by one with every fact; an entry carries the revision of its
//     last change, which is its etag.
//  4. Deleting a resource deletes everything under it, in one fact.
//  5. The newest changes are remembered, up to changesMax of them; whoever asks for
//     older ones is told to list again.
//
// It refuses to know what a resource means: a body is bytes to it.
package registry

import (
	"slices"
	"strings"
	"time"

	"weir/kernel/journal/record"
)

// changesMax is how many changes Since can go back.
const changesMax = 4096

// Entry is one resource.
type Entry struct {
	ID       string // as its author wrote it
	Revision uint64
	Created  time.Time
	Updated  time.Time
	Body     []byte // never changed once it is here
}

// Change is one resource put or deleted. A resource deleted with its parent has no
// Change of its own.
type Change struct {
	Revision uint64
	ID       string
	Deleted  bool
}

// State is the registry. It is not safe for use by several goroutines while one
// of them applies.
type State struct {
	revision uint64
	nodes    map[string]*node // by key
	// places gives what is under a key, by step: what stands between the two ids but
	// for the name, as queues or providers/microsoft.servicebus/namespaces. A key that
	// only leads to deeper ones is linked too, so that a delete finds them.
	places  map[string]map[string]*place
	types   map[string]map[string]*node // by key of the type, then by key
	changes []Change                    // the newest, oldest first
}

type node struct {
	entry Entry
	key   string
}

// place is what is under a key by one step.
type place struct {
	keys  map[string]struct{}
	nodes int // how many of the keys are resources
}

// New makes an empty registry.
func New() *State {
	s := &State{}
	s.Reset()
	return s
}

// Reset empties the registry.
func (s *State) Reset() {
	*s = State{nodes: map[string]*node{}, places: map[string]map[string]*place{}, types: map[string]map[string]*node{}}
}

// Key is the form of an id that is compared: letters' case does not matter. The
// tenant, "/", has the empty key: what all keys begin with.
func Key(id string) string {
	if id == "/" {
		return ""
	}
	return strings.ToLower(id)
}

// parentKey is the key of the resource or scope an id lies in: without its last
// type and name, and without the provider those began.
func parentKey(key string) string {
	parent := key
	for range 2 {
		i := strings.LastIndexByte(parent, '/')
		if i < 0 {
			return ""
		}
		parent = parent[:i]
	}
	rest, provider := cutLast(parent)
	if scope, word := cutLast(rest); word == "providers" && provider != "" {
		return scope
	}
	return parent
}

func cutLast(path string) (before, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// Revision is the number of facts folded so far.
func (s *State) Revision() uint64 { return s.revision }

// Len is the number of resources.
func (s *State) Len() int { return len(s.nodes) }

// Get finds a resource.
func (s *State) Get(id string) (Entry, bool) {
	n, ok := s.nodes[Key(id)]
	if !ok {
		return Entry{}, false
	}
	return n.entry, true
}

// stepOf is what leads from a parent's key to a child's, but for the name.
func stepOf(parent, key string) string {
	before, _ := cutLast(key)
	return strings.TrimPrefix(before[len(parent):], "/")
}

// Children lists the resources directly in another, or in a scope, by id.
func (s *State) Children(parent string) []Entry {
	var nodes []*node
	for _, p := range s.places[Key(parent)] {
		nodes = s.gather(nodes, p)
	}
	return entries(nodes)
}

// ChildrenOf lists those of Children a step leads to, such as queues, or
// providers/microsoft.servicebus/namespaces.
func (s *State) ChildrenOf(parent, step string) []Entry {
	return entries(s.gather(nil, s.places[Key(parent)][strings.ToLower(step)]))
}

// PageOf gives those of ChildrenOf whose keys come after one, max of them at most, and
// says whether more follow.
func (s *State) PageOf(parent, step, after string, max int) (page []Entry, more bool) {
	p := s.places[Key(parent)][strings.ToLower(step)]
	if p == nil {
		return nil, false
	}
	keys := make([]string, 0, len(p.keys))
	for key := range p.keys {
		if key > after && s.nodes[key] != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if more = len(keys) > max; more {
		keys = keys[:max]
	}
	for _, key := range keys {
		page = append(page, s.nodes[key].entry)
	}
	return page, more
}

func (s *State) gather(nodes []*node, p *place) []*node {
	if p == nil {
		return nodes
	}
	for key := range p.keys {
		if n, ok := s.nodes[key]; ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Count is how many ChildrenOf there are.
func (s *State) Count(parent, step string) int {
	if p := s.places[Key(parent)][strings.ToLower(step)]; p != nil {
		return p.nodes
	}
	return 0
}

// Holds says whether anything lies in a resource or a scope.
func (s *State) Holds(id string) bool { return len(s.places[Key(id)]) > 0 }

// Links lists the ids a step leads to from a parent, resources or not: a resource
// group is there when something lies in it, declared or not. Spelled as somebody did.
func (s *State) Links(parent, step string) []string {
	p := s.places[Key(parent)][strings.ToLower(step)]
	if p == nil {
		return nil
	}
	ids := make([]string, 0, len(p.keys))
	for key := range p.keys {
		if n := s.first(key); n != nil {
			ids = append(ids, n.entry.ID[:len(key)])
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(Key(a), Key(b)) })
	return ids
}

// first is the resource of a key, or else the first of all that lie under it.
func (s *State) first(key string) *node {
	if n, ok := s.nodes[key]; ok {
		return n
	}
	var found *node
	for _, p := range s.places[key] {
		for child := range p.keys {
			if n := s.first(child); n != nil && (found == nil || n.key < found.key) {
				found = n
			}
		}
	}
	return found
}

// Under lists every resource in another or in a scope, however deep, by id.
func (s *State) Under(ancestor string) []Entry {
	if Key(ancestor) == "" {
		return s.All()
	}
	return entries(s.under(Key(ancestor), nil))
}

// UnderOf lists those of Under that are of a type, such as
// microsoft.servicebus/namespaces/queues.
func (s *State) UnderOf(ancestor, typ string) []Entry {
	prefix := Key(ancestor) + "/"
	var nodes []*node
	for key, n := range s.types[Key(typ)] {
		if strings.HasPrefix(key, prefix) {
			nodes = append(nodes, n)
		}
	}
	return entries(nodes)
}

// typeOf is the key of a resource's type: the provider behind the last providers, and
// what pairs with names behind it. Scopes have the types ARM gives them.
func typeOf(key string) string {
	segments := strings.Split(key, "/")[1:]
	at := -1
	for i := 0; i < len(segments); i += 2 {
		if segments[i] == "providers" {
			at = i
		}
	}
	switch {
	case at < 0 && len(segments) == 4:
		return "microsoft.resources/resourcegroups"
	case at < 0:
		return "microsoft.resources/subscriptions"
	}
	var typ strings.Builder
	for i, part := range segments[at+1:] {
		if i == 0 || i%2 == 1 {
			if i > 0 {
				typ.WriteByte('/')
			}
			typ.WriteString(part)
		}
	}
	return typ.String()
}

func (s *State) under(key string, nodes []*node) []*node {
	for _, p := range s.places[key] {
		for child := range p.keys {
			if n, ok := s.nodes[child]; ok {
				nodes = append(nodes, n)
			}
			nodes = s.under(child, nodes)
		}
	}
	return nodes
}

// All lists every resource, by id.
func (s *State) All() []Entry {
	nodes := make([]*node, 0, len(s.nodes))
	for _, n := range s.nodes {
		nodes = append(nodes, n)
	}
	return entries(nodes)
}

func entries(nodes []*node) []Entry {
	slices.SortFunc(nodes, func(a, b *node) int { return strings.Compare(a.key, b.key) })
	list := make([]Entry, len(nodes))
	for i, n := range nodes {
		list[i] = n.entry
	}
	return list
}

// Since gives the changes after a revision, oldest first. It is not ok when some of
// them are no longer remembered, or the revision is one this registry never had.
func (s *State) Since(revision uint64) (changes []Change, ok bool) {
	if revision > s.revision || s.revision-revision > uint64(len(s.changes)) {
		return nil, false
	}
	return slices.Clone(s.changes[len(s.changes)-int(s.revision-revision):]), true
}

// Apply folds one fact.
func (s *State) Apply(_ record.Ref, fact []byte) error {
	f, err := decode(fact)
	if err != nil {
		return err
	}
	s.revision++
	if f.deleted {
		s.delete(Key(f.id))
	} else {
		s.put(f)
	}
	if len(s.changes) == changesMax {
		s.changes = slices.Delete(s.changes, 0, changesMax/4)
	}
	s.changes = append(s.changes, Change{s.revision, f.id, f.deleted})
	return nil
}

func (s *State) put(f fact) {
	key := Key(f.id)
	e := Entry{ID: f.id, Revision: s.revision, Created: f.at, Updated: f.at, Body: f.body}
	if old, ok := s.nodes[key]; ok {
		e.Created = old.entry.Created
	}
	s.insert(&node{e, key})
}

func (s *State) insert(n *node) {
	_, again := s.nodes[n.key]
	s.nodes[n.key] = n
	typ := typeOf(n.key)
	if s.types[typ] == nil {
		s.types[typ] = map[string]*node{}
	}
	s.types[typ][n.key] = n
	for key := n.key; key != ""; {
		parent := parentKey(key)
		p := s.place(parent, stepOf(parent, key))
		if key == n.key && !again {
			p.nodes++
		}
		p.keys[key] = struct{}{}
		key = parent
	}
}

func (s *State) place(parent, step string) *place {
	if s.places[parent] == nil {
		s.places[parent] = map[string]*place{}
	}
	if s.places[parent][step] == nil {
		s.places[parent][step] = &place{keys: map[string]struct{}{}}
	}
	return s.places[parent][step]
}

func (s *State) delete(key string) {
	for _, p := range s.places[key] {
		for child := range p.keys {
			s.delete(child)
		}
	}
	if _, ok := s.nodes[key]; ok {
		delete(s.nodes, key)
		delete(s.types[typeOf(key)], key)
		parent := parentKey(key)
		s.place(parent, stepOf(parent, key)).nodes--
	}
	// Take away the links that lead nowhere now.
	for key != "" && s.nodes[key] == nil && len(s.places[key]) == 0 {
		parent := parentKey(key)
		step := stepOf(parent, key)
		delete(s.places, key)
		if p := s.places[parent][step]; p != nil {
			if delete(p.keys, key); len(p.keys) == 0 {
				delete(s.places[parent], step)
			}
		}
		key = parent
	}
}
