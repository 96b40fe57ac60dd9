package app

import (
	"context"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
)

// workflowTokens gives workflows the tokens of their managed identities.
type workflowTokens struct{ *Platform }

// Token gives a token for an audience. owner is the workflow or its site, identity the
// resource id of a user-assigned identity that it must have, empty for its own: that is the
// identity which programs on this machine have.
func (p workflowTokens) Token(ctx context.Context, owner, identity, audience string) (token string, ends time.Time, err error) {
	id, err := resource.ParseID(owner)
	if err != nil {
		return "", ends, err
	}
	d, err := p.registry.Get(ctx, id)
	if err != nil {
		return "", ends, err
	}
	by, err := identityOf(d, identity)
	if err != nil {
		return "", ends, err
	}
	w := p.who.Load()
	if w == nil {
		return "", ends, fault.New(fault.Unavailable, "Identities are not read yet.")
	}
	m, ok := w.Directory().Managed(by)
	switch {
	case !ok && identity == "":
		return "", ends, fault.New(fault.Forbidden, "This server has no default identity (--default-identity), which %s would use. Assign it a user-assigned identity and name it in the action's authentication.", d.Name())
	case !ok:
		return "", ends, fault.New(fault.NotFound, "The identity %s is not declared.", identity)
	}
	return w.issuer.ForManaged(ctx, adminURL(p.Addrs()), m, audience)
}

// identityOf checks that a resource has an identity, and gives what the directory knows it
// by.
func identityOf(d resource.Document, identity string) (string, error) {
	kinds, _ := d.Identity["type"].(string)
	if identity == "" {
		if !strings.Contains(strings.ToLower(kinds), "systemassigned") {
			return "", fault.New(fault.Forbidden, "%s has no identity of its own. Deploy it with \"identity\": {\"type\": \"SystemAssigned\"}, or name a user-assigned identity in the action's authentication.", d.Name())
		}
		return access.DefaultClientID, nil
	}
	assigned, _ := d.Identity["userAssignedIdentities"].(map[string]any)
	for name := range assigned {
		if strings.EqualFold(strings.Trim(name, "/"), strings.Trim(identity, "/")) {
			return identity, nil
		}
	}
	return "", fault.New(fault.Forbidden, "The identity %s is not assigned to %s. Deploy it with \"identity\": {\"type\": \"UserAssigned\", \"userAssignedIdentities\": {%q: {}}}.", identity, d.Name(), identity)
}
