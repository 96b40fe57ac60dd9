// Package accesstest gives tests a registry in memory with the types of package access,
// and an index that follows it. It promises what a started node does, without a journal:
// what is put is durable at once. It refuses to be shared between tests.
package accesstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
)

// Scope is a resource group to put things in.
var Scope = resource.MustID("/subscriptions/s/resourceGroups/g")

// Store is the registry.
type Store struct {
	*resource.Registry
	t *testing.T
}

// New makes a registry and an index that follows it until the test ends.
func New(t *testing.T, o access.Options, types ...*resource.Type) (*Store, *access.Index) {
	t.Helper()
	all, err := resource.NewTypes(append(access.Types(Scope), types...)...)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{resource.NewRegistry(all, nil), t}
	s.Bind(&unit{})
	if o.Scope.IsZero() {
		o.Scope = Scope
	}
	x := access.NewIndex(s.Registry, o)
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Stop)
	return s, x
}

// Declare puts a resource; it must work. It gives what is kept.
func (s *Store) Declare(id string, properties map[string]any) resource.Document {
	s.t.Helper()
	r, err := s.Put(s.t.Context(), resource.Document{ID: resource.MustID(id), Properties: properties}, resource.Condition{})
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Document
}

// Remove deletes a resource; it must work.
func (s *Store) Remove(id string) {
	s.t.Helper()
	if err := s.Delete(s.t.Context(), resource.MustID(id), resource.Condition{}); err != nil {
		s.t.Fatal(err)
	}
}

// Settle returns when the index is as new as the registry.
func (s *Store) Settle(x *access.Index) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, revision, err := s.List(ctx, resource.Tenant, "")
	if err == nil {
		err = x.Settled(ctx, revision)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// unit carries the registry.
type unit struct {
	mu sync.Mutex
	at uint64
}

func (u *unit) Call(_ context.Context, work func(resource.Turn)) error {
	t := &turn{u: u}
	u.mu.Lock()
	work(t)
	u.mu.Unlock()
	for _, reveal := range t.reveals {
		reveal()
	}
	return nil
}

func (u *unit) View(fn func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	fn()
}

type turn struct {
	u       *unit
	reveals []func()
}

func (t *turn) Now() time.Time { return time.Now() }
func (t *turn) Record([]byte) record.Ref {
	t.u.at++
	return record.Ref{At: record.Position(t.u.at)}
}
func (t *turn) Reveal(fn func()) { t.reveals = append(t.reveals, fn) }
