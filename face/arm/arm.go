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

	"weir/kernel/audit"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// Options are what the door stands on.
type Options struct {
	Registry *resource.Registry
	// Default is where resources are declared whose documents name no scope: its
	// subscription is listed even when nothing lies in it.
	Default resource.ID
	// Location is the name of this location.
	Location string

	// Caller says who asks. nil: everybody is the administrator, whom somebody else let in.
	Caller func(*http.Request) (identity.Principal, error)
	// Authorize says whether they may: action in Azure's names, such as
	// Microsoft.ServiceBus/namespaces/queues/write, scope an id. nil: they may.
	Authorize func(p identity.Principal, action, scope string) error
	// Audit takes what was changed, revealed or refused. nil: nobody reads it.
	Audit audit.Log

	// Counts gives the properties a service counts rather than keeps. nil: there are none.
	Counts func(resource.Document) map[string]any
	// Applied returns when what is declared around a resource is in force. nil: nothing to
	// wait for.
	Applied func(ctx context.Context, id resource.ID) error
	// Decided refuses a change of a resource that another location decides about. nil: none does.
	Decided func(r *http.Request, ids ...resource.ID) error
	// Own says whether a request is a node's own, which nobody asked it for: it is neither
	// held by locks nor asked who it is. nil: none is.
	Own func(*http.Request) bool

	// Beside gives resources that the registry does not keep, or keeps among others, by
	// type: built-in role definitions. nil: there are none.
	Beside map[string]Beside
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
