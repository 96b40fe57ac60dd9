// Package arm is Azure Resource Manager's HTTP door: what management clients and
// tools call below /subscriptions, /providers and /tenants.
//
// What it promises:
//  1. Paths, verbs, conditions, pages, operations and errors are Azure's, so that its
//     clients run unchanged. Types come as data from kernel/resource: none is known here
//     by name but the scopes, locks, tags and deployments that are the door's own.
//  2. Nothing is read or changed before Authorize has allowed it, under Azure's name of
//     the operation; what was changed or revealed is noted in the audit log before it is
//     answered, and so is what was refused.
//  3. A change is answered when it is durable and in force. An operation that lasts
//     longer is answered with where to ask, and asking there tells the truth.
//  4. Keys leave only by the actions that are for it.
//
// What it refuses: what Azure has and Weir has not, by name.
package arm

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"weir/face/answer"
	"weir/kernel/audit"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// AsIsHeader is set by a node on a document of its own request that is a copy: see
// resource.Condition.
const AsIsHeader = "Weir-As-Is"

// Options are what the door stands on.
type Options struct {
	Registry *resource.Registry
	// Default is where resources are declared whose documents name no scope: its
	// subscription is listed even when nothing lies in it.
	Default resource.ID
	// Location is the name of this location; TenantID that of the directory.
	Location, TenantID string

	// Caller says who asks. nil: everybody is the administrator, whom somebody else let in.
	Caller func(*http.Request) (identity.Principal, error)
	// Authorize says whether they may: action in Azure's names, such as
	// Microsoft.ServiceBus/namespaces/queues/write, scope an id. nil: they may.
	Authorize func(p identity.Principal, action, scope string) error
	// Audit takes what was changed, revealed or refused. nil: nobody reads it.
	Audit audit.Log
	// Peer is the address a request came from. nil: what the connection says.
	Peer func(*http.Request) string

	// Secure says whether a request's caller came in TLS. nil: what the connection says.
	Secure func(*http.Request) bool

	// Counts gives the properties a service counts rather than keeps. nil: there are none.
	Counts func(resource.Document) map[string]any
	// Applied returns when what is declared around a resource is in force. nil: nothing to
	// wait for.
	Applied func(ctx context.Context, id resource.ID) error
	// Settled says whether what is declared of a resource, or that it is deleted, is in
	// force. nil: it is at once.
	Settled func(id resource.ID) bool
	// Host gives the host and port by which clients reach what a resource stands for, from
	// those the caller reached this server by. nil: the same.
	Host func(called string, id resource.ID) string
	// Decided refuses a change of resources that another location decides about. nil: none does.
	Decided func(r *http.Request, ids ...resource.ID) error
	// Own says whether a request is a node's own, which nobody asked it for: locks do not
	// hold it. nil: none is.
	Own func(*http.Request) bool

	// Beside gives resources that the registry does not keep, or keeps among others, by
	// type: built-in role definitions. nil: there are none.
	Beside map[string]Beside
	// Under serves what lies below resources of a type and is no resource: their runs, say.
	Under map[string]Under
	// Deployments carries out templates. nil: there are none.
	Deployments Deployments

	Logger *slog.Logger
}

// Beside are resources of a type that come from elsewhere than the registry.
type Beside interface {
	// Get finds one; when it is not there, the registry is asked.
	Get(ctx context.Context, id resource.ID) (resource.Document, bool, error)
	// List gives the whole list of a type at a scope or in a resource, in place of the
	// registry's. filter is $filter, as it came.
	List(ctx context.Context, in resource.ID, filter string) ([]resource.Document, error)
}

// Under serves what lies below the resources of a type: what is asked for is the
// resource's id and the rest of the path.
type Under struct {
	// Operation is what Azure calls a request, such as Microsoft.Logic/workflows/runs/read;
	// empty for one that is not served here. The resource need not be there.
	Operation func(method string, id resource.ID, rest []string) string
	// Serve answers a request whose caller may do that, or gives the error to answer.
	Serve func(w http.ResponseWriter, r *http.Request, id resource.ID, rest []string) error
}

// tenantID stands for the directory when nobody gave one.
const tenantID = "00000000-0000-0000-0000-000000000000"

// Door is the handler of this door.
type Door struct{ o Options }

// New builds the door.
func New(o Options) *Door {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = audit.Nowhere
	}
	if o.TenantID == "" {
		o.TenantID = tenantID
	}
	beside := map[string]Beside{}
	for typ, b := range o.Beside {
		beside[strings.ToLower(typ)] = b
	}
	o.Beside = beside
	under := map[string]Under{}
	for typ, u := range o.Under {
		under[strings.ToLower(typ)] = u
	}
	o.Under = under
	return &Door{o}
}

// Owns says whether a path belongs to this door.
func Owns(path string) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch strings.ToLower(first) {
	case "subscriptions", "providers", "tenants":
		return true
	}
	return false
}

// reply is an answer: nil body is none. One that was served is on its way already.
type reply struct {
	served bool
	status int
	header map[string]string
	body   any
}

func ok(body any) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

// list is the shape of a list that comes in one page.
func list[T any](items []T) (reply, error) {
	if items == nil {
		items = []T{}
	}
	return ok(map[string]any{"value": items})
}

// ServeHTTP answers one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, w: w, o: &d.o, correlation: r.Header.Get("x-ms-correlation-request-id")}
	if q.correlation == "" {
		q.correlation = w.Header().Get("x-ms-request-id")
	}
	w.Header().Set("x-ms-correlation-request-id", q.correlation)
	if id := r.Header.Get("x-ms-client-request-id"); id != "" && strings.EqualFold(r.Header.Get("x-ms-return-client-request-id"), "true") {
		w.Header().Set("x-ms-client-request-id", id)
	}
	p, err := q.answer()
	if err = q.note(err); err != nil {
		if q.allow != "" {
			w.Header().Set("Allow", q.allow)
		}
		answer.Refuse(w, r, d.o.Logger, q.target, err)
		return
	}
	if p.served {
		return
	}
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	if p.body == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(p.status)
		return
	}
	answer.JSON(w, p.status, p.body)
}
