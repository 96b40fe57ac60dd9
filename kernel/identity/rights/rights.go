// Package rights decides who may do what where, as Azure's role-based access control
// does: role definitions, assignments of them at scopes, and the decision.
//
// It promises:
//
//  1. Nothing is allowed that no assignment grants. An assignment is good at its scope
//     and everywhere below it.
//  2. A permission grants an action that one of its actions names and none of its
//     notActions does; data actions likewise. What one role leaves out another may
//     grant: a notAction is no denial.
//  3. Actions, scopes and ids are compared without case; '*' stands for any text.
//  4. A decision costs as much as the scope is deep and as the caller has roles there,
//     not as there are assignments.
//  5. Who may change identities could make themselves anybody: that needs the right to
//     assign roles besides (see guarded).
//
// It refuses to know who somebody is, and where assignments are kept.
package rights

import (
	"strings"
)

// Permission is one part of a role.
type Permission struct {
	Actions, NotActions         []string
	DataActions, NotDataActions []string
}

// Role is a role definition.
type Role struct {
	ID          string // the GUID it is known by; of a custom role, its whole resource id, for anybody may choose a GUID
	Name        string // such as Contributor
	Description string
	Custom      bool
	Permissions []Permission
	Assignable  []string // scopes it may be assigned at
}

// Assignment grants a role to a principal at a scope.
type Assignment struct {
	Principal string // object id
	Role      string // ID of the role
	Scope     string // resource id; "/" is everything
}

// Request asks whether somebody may do something.
type Request struct {
	Principals []string // object ids: of the caller, and of the groups it is in
	Action     string   // Microsoft.ServiceBus/namespaces/queues/write
	Data       bool     // it is a data action
	Scope      string   // resource id
}

// Index answers requests. It does not change once built: a new one takes its place.
type Index struct {
	grants map[string]map[string][]*compiled // by principal, then by scope
	roles  map[string]*compiled
}

// compiled is a role made ready for matching.
type compiled struct {
	id    string
	parts []part
}

type part struct{ actions, notActions, dataActions, notDataActions []pattern }

// NewIndex builds the index. The built-in roles are known; assignments of unknown
// roles grant nothing.
func NewIndex(custom []Role, assignments []Assignment) *Index {
	x := &Index{grants: map[string]map[string][]*compiled{}, roles: map[string]*compiled{}}
	for _, list := range [][]Role{custom, builtin} { // a built-in role cannot be replaced
		for _, r := range list {
			x.roles[strings.ToLower(r.ID)] = compile(r)
		}
	}
	for _, a := range assignments {
		role := x.roles[strings.ToLower(a.Role)]
		if role == nil {
			continue
		}
		principal, scope := strings.ToLower(a.Principal), scopeKey(a.Scope)
		at := x.grants[principal]
		if at == nil {
			at = map[string][]*compiled{}
			x.grants[principal] = at
		}
		if !holds(at[scope], role) {
			at[scope] = append(at[scope], role)
		}
	}
	return x
}

func holds(list []*compiled, role *compiled) bool {
	for _, have := range list {
		if have == role {
			return true
		}
	}
	return false
}

// Allows decides.
func (x *Index) Allows(r Request) bool {
	if x == nil || r.Action == "" {
		return false
	}
	action, scope := strings.ToLower(r.Action), scopeKey(r.Scope)
	if !x.allows(r.Principals, action, scope, r.Data) {
		return false
	}
	return r.Data || !guarded(action) || x.allows(r.Principals, assignRoles, scope, false)
}

// assignRoles is the action that gives others rights.
const assignRoles = "microsoft.authorization/roleassignments/write"

// guarded are the actions by which somebody could become somebody else: identities of
// the local issuer, whom it trusts, the keys workloads show and the platforms they come
// from. Azure keeps the first outside of resources altogether.
func guarded(action string) bool {
	switch {
	case strings.HasPrefix(action, "weir.identity/"):
		return !strings.HasSuffix(action, "/read")
	case strings.HasPrefix(action, "microsoft.managedidentity/userassignedidentities/"):
		return strings.HasSuffix(action, "workloadkey/action") || strings.Contains(action, "/federatedidentitycredentials/") && !strings.HasSuffix(action, "/read")
	}
	return false
}

func (x *Index) allows(principals []string, action, scope string, data bool) bool {
	for _, principal := range principals {
		at := x.grants[strings.ToLower(principal)]
		if at == nil {
			continue
		}
		for place := scope; ; place = above(place) {
			for _, role := range at[place] {
				if role.grants(action, data) {
					return true
				}
			}
			if place == "" {
				break
			}
		}
	}
	return false
}

// scopeKey is a scope without case and without a slash at its end; everything is "".
func scopeKey(scope string) string { return strings.TrimRight(strings.ToLower(scope), "/") }

// above is the next scope up: one segment less. Cutting segments and not pairs costs
// a few look-ups more and cannot miss a scope of whatever layout.
func above(scope string) string { return scope[:strings.LastIndexByte(scope, '/')] }

func (c *compiled) grants(action string, data bool) bool {
	for i := range c.parts {
		p := &c.parts[i]
		yes, no := p.actions, p.notActions
		if data {
			yes, no = p.dataActions, p.notDataActions
		}
		if anyMatch(yes, action) && !anyMatch(no, action) {
			return true
		}
	}
	return false
}

func compile(r Role) *compiled {
	c := &compiled{id: r.ID}
	for _, p := range r.Permissions {
		c.parts = append(c.parts, part{patterns(p.Actions), patterns(p.NotActions), patterns(p.DataActions), patterns(p.NotDataActions)})
	}
	return c
}
