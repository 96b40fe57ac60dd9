package arm

import (
	"context"
	"encoding/json"

	"weir/kernel/identity"
	"weir/kernel/resource"
)

// Deployments carries out templates. A scope is the tenant, a subscription or a resource
// group; documents have ARM's shape. Refusals are faults, or resource.Problems in one.
type Deployments interface {
	// Put checks a deployment whole and begins it; body is the request's, with its
	// properties. The document it gives has a provisioningState: Accepted or Running while
	// it lasts, Succeeded, Failed or Canceled when it is over.
	Put(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (doc json.RawMessage, created bool, err error)
	Get(ctx context.Context, scope resource.ID, name string) (json.RawMessage, error)
	List(ctx context.Context, scope resource.ID) ([]json.RawMessage, error)
	// Delete takes a deployment out of the history; what it deployed stays.
	Delete(ctx context.Context, who Asker, scope resource.ID, name string) error
	Cancel(ctx context.Context, who Asker, scope resource.ID, name string) error
	// Validate gives the answer of validate: the deployment as it would be, with its
	// validated resources.
	Validate(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error)
	// WhatIf gives the answer of whatIf: {"status", "properties": {"changes": […]}}.
	WhatIf(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error)
	// Export gives the template a deployment was made from: {"template": {…}}.
	Export(ctx context.Context, scope resource.ID, name string) (json.RawMessage, error)
	// ExportScope makes a template of what is in a resource group.
	ExportScope(ctx context.Context, who Asker, scope resource.ID, body []byte) (json.RawMessage, error)
	// Operations are the resources of a deployment and what became of them, newest last.
	Operations(ctx context.Context, scope resource.ID, name string) ([]json.RawMessage, error)
}

// Asker is who asked for something that goes on behind the answer: each resource of a
// deployment is authorised and noted under their name.
type Asker struct {
	Principal   identity.Principal
	Peer        string // the address they asked from
	Correlation string // x-ms-correlation-request-id, or the request's own id
}
