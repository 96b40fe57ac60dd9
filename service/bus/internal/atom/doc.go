// Package atom is the admin API of a Service Bus namespace: the Atom entries by which
// the administration clients of Azure Service Bus make, read, change and delete queues,
// topics, subscriptions and rules.
//
// Words: an *entry* is one entity in XML, a *feed* is a list of entries, a
// *description* is the element in an entry that holds the entity's fields. Entities
// are resource documents; this package translates, and decides nothing about them.
//
// What it promises:
//
//  1. Every field of a description that clients of api-versions 2017-04 to 2024-05
//     know comes back as it was put, in the order of the data contract. An element
//     nobody knows is refused by name; one that only the service sets is passed over.
//  2. A change is answered when it is in force: the links of a changed entity have
//     been detached, and what was declared can be used.
//  3. A subscription is never there with other rules than the request asked for.
//  4. Nothing is read or changed without a valid token, and without Manage nothing is
//     told but that there is no such entity, as Azure does.
//  5. Odd contracts are kept, for clients depend on them: an entity that is not there
//     is an empty feed with status 200, and the texts of refusals are Azure's where a
//     client's tests compare them.
//  6. Requests are bounded: body, depth and number of elements.
//
// What it refuses: to keep anything, to know who owns the namespace (requests reach it
// there), filters on lists, anonymous access, and partitioned subscriptions.
package atom

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"weir/internal/wall"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/service/bus/internal/answer"
)

// Registry is what the admin API needs of the registry of resources.
type Registry interface {
	Get(ctx context.Context, id resource.ID) (resource.Document, error)
	List(ctx context.Context, parent resource.ID, typ string) ([]resource.Document, uint64, error)
	Window(ctx context.Context, parent resource.ID, typ string, skip, top int) (docs []resource.Document, more bool, err error)
	Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error)
	Delete(ctx context.Context, id resource.ID, c resource.Condition) error
}

// Options are what the admin API stands on.
type Options struct {
	Registry Registry
	// PutAll puts several documents, all of them or none.
	PutAll func(ctx context.Context, docs []resource.Document) error
	// Applied returns when what is declared around a resource is in force and can be
	// read here.
	Applied func(ctx context.Context, id resource.ID) error
	// Counts gives the properties of an entity that are counted, by their names in ARM;
	// nil where they are not known.
	Counts func(d resource.Document) map[string]any
	// Elsewhere refuses a change of what another location decides about; nil: none does.
	Elsewhere func(id resource.ID) error
	// Guard refuses what locks forbid; verb is write or delete. nil: there are no locks.
	Guard func(ctx context.Context, id resource.ID, verb string) error
	// Token judges the token of a request to a namespace.
	Token func(ns, kind, audience, token string, peer identity.Peer) (identity.Principal, error)
	Audit audit.Log // nil: nobody keeps one
	// Logger hears of what is ours to mend; nil: nobody.
	Logger *slog.Logger
}

// Service answers requests of the admin API.
type Service struct {
	o Options
}

// New builds the admin API.
func New(o Options) *Service {
	if o.Audit == nil {
		o.Audit = audit.Nowhere
	}
	if o.Elsewhere == nil {
		o.Elsewhere = func(resource.ID) error { return nil }
	}
	if o.Guard == nil {
		o.Guard = func(context.Context, resource.ID, string) error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o}
}

// call is one request.
type call struct {
	s      *Service
	w      http.ResponseWriter
	r      *http.Request
	ns     resource.ID
	caller answer.Caller
	query  query
	target target
	who    identity.Principal
	now    time.Time
	sku    string // of the namespace, once it was looked at
}

// Serve answers a request about a namespace that this node owns.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, ns resource.ID, caller answer.Caller) {
	c := &call{s: s, w: w, r: r, ns: ns, caller: caller, now: wall.Now()}
	if err := c.answer(); err != nil {
		c.refuse(err)
	}
}

func (c *call) answer() (err error) {
	if c.target, err = parseTarget(c.ns, c.r.URL.Path); err != nil {
		return err
	}
	if c.query, err = parseQuery(c.r.URL.RawQuery); err != nil {
		return err
	}
	if err := c.admit(); err != nil {
		return err
	}
	switch c.r.Method {
	case http.MethodGet:
		return c.read()
	case http.MethodPut:
		return c.put()
	case http.MethodDelete:
		return c.remove()
	}
	c.w.Header().Set("Allow", "GET, PUT, DELETE")
	return fault.New(fault.MethodNotAllowed, "An entity takes GET, PUT and DELETE, and no %s.", c.r.Method)
}
