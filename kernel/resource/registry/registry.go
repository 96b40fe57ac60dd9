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
	// children gives the keys under a key. A key that only leads to deeper ones
	// is linked too, so that a delete finds them.
	children map[string]map[string]struct{}
	changes  []Change // the newest, oldest first
}

type node struct {
	entry Entry
	key   string
}

// New makes an empty registry.
func New() *State {
	s := &State{}
	s.Reset()
	return s
}

// Reset empties the registry.
func (s *State) Reset() {
	*s = State{nodes: map[string]*node{}, children: map[string]map[string]struct{}{}}
}

// Key is the form of an id that is compared: letters' case does not matter.
func Key(id string) string { return strings.ToLower(id) }

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

// Children lists the resources directly in another, or in a scope, by id.
func (s *State) Children(parent string) []Entry {
	under := s.children[Key(parent)]
	nodes := make([]*node, 0, len(under))
	for key := range under {
		if n, ok := s.nodes[key]; ok {
			nodes = append(nodes, n)
		}
	}
	return entries(nodes)
}

// Count is how many resources lie directly in another, or in a scope, with a type
// whose last part is this one.
func (s *State) Count(parent, lastPart string) int {
	n := 0
	for key := range s.children[Key(parent)] {
		before, _ := cutLast(key)
		if _, part := cutLast(before); strings.EqualFold(part, lastPart) && s.nodes[key] != nil {
			n++
		}
	}
	return n
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
	s.nodes[n.key] = n
	for key := n.key; key != ""; {
		parent := parentKey(key)
		if s.children[parent] == nil {
			s.children[parent] = map[string]struct{}{}
		}
		s.children[parent][key] = struct{}{}
		key = parent
	}
}

func (s *State) delete(key string) {
	for child := range s.children[key] {
		s.delete(child)
	}
	delete(s.nodes, key)
	// Take away the links that lead nowhere now.
	for key != "" && s.nodes[key] == nil && len(s.children[key]) == 0 {
		parent := parentKey(key)
		delete(s.children, key)
		delete(s.children[parent], key)
		key = parent
	}
}
