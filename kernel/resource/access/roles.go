package access

import (
	"fmt"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/identity/rights"
	"weir/kernel/resource"
)

var authorizationVersions = []string{"2022-04-01", "2022-05-01-preview", "2020-10-01-preview", "2020-04-01-preview", "2018-01-01-preview", "2018-07-01", "2015-07-01"}

// kept are properties Azure shows of both types, and ignores when they are put.
func kept() []resource.Field {
	var fields []resource.Field
	for _, name := range []string{"createdOn", "updatedOn", "createdBy", "updatedBy"} {
		fields = append(fields, resource.Field{Name: name, Kind: resource.String, ReadOnly: true, Description: "When it was made or changed, and by whom."})
	}
	return fields
}

func roleType() *resource.Type {
	actions := func(name, description string) resource.Field { return texts(name, description, 500) }
	return guidNamed(resource.Type{
		Name: TypeRole, APIVersions: authorizationVersions, Extension: true, AtTenant: true, SiblingsMax: rolesMax,
		Description: "A custom role: what somebody may do who has it. The built-in roles are there without being declared.",
		Fields: append([]resource.Field{
			{Name: "roleName", Kind: resource.String, Required: true, Range: &resource.Range{Min: 1, Max: 512}, Description: "Its name for people."},
			text("description", "What it is for."),
			{Name: "type", Kind: resource.Enum, Values: []string{"CustomRole", "BuiltInRole"}, Default: "CustomRole", Description: "Roles that are declared are custom ones."},
			{Name: "permissions", Kind: resource.List, Required: true, Range: &resource.Range{Min: 1, Max: 50}, Description: "Each grants what its actions name and its notActions do not.",
				Element: &resource.Field{Name: "permission", Kind: resource.Object, Fields: []resource.Field{
					actions("actions", "Management operations; * stands for any text."), actions("notActions", "What is left out of them."),
					actions("dataActions", "Operations on data, such as sending messages."), actions("notDataActions", "What is left out of them."),
				}}},
			texts("assignableScopes", "Scopes it may be assigned at. Not given: where it is declared.", 2000),
		}, kept()...),
		Check: checkRole,
	})
}

func checkRole(d resource.Document, v resource.View) (p resource.Problems) {
	if b, ok := rights.BuiltinRole(d.Name()); ok {
		p = problem(p, d, "name", fmt.Sprintf("This is the id of the built-in role %q, which cannot be changed.", b.Name))
	}
	if d.String("type") != "CustomRole" {
		p = problem(p, d, "properties.type", "Built-in roles are Azure's own: a declared one is a CustomRole.")
	}
	for i, scope := range list(d, "assignableScopes") {
		if id, err := resource.ParseID(scope); err != nil {
			p = problem(p, d, fmt.Sprintf("properties.assignableScopes[%d]", i), fmt.Sprintf("It is no scope: %v.", err))
		} else if base := d.ID.Base(); !base.Contains(id) && !id.Contains(base) && !base.Equal(resource.Tenant) {
			p = problem(p, d, fmt.Sprintf("properties.assignableScopes[%d]", i), fmt.Sprintf("The scope %s has nothing to do with %s, where the role is declared.", scope, base))
		}
	}
	for _, other := range v.Children(d.ID.Parent(), TypeRole) {
		if !other.ID.Equal(d.ID) && strings.EqualFold(other.String("roleName"), d.String("roleName")) {
			p = append(p, resource.Problem{Path: "properties.roleName", Kind: fault.Conflict, Code: "RoleDefinitionWithSameNameExists", Sentence: fmt.Sprintf("A custom role named %q exists already: %s.", d.String("roleName"), other.ID)})
		}
	}
	return p
}

func assignmentType() *resource.Type {
	return guidNamed(resource.Type{
		Name: TypeAssignment, APIVersions: authorizationVersions, Extension: true, AtTenant: true, SiblingsMax: assignmentsMax,
		Description: "A role given to a user, group, application or managed identity, at what it lies behind and everywhere below.",
		Fields: append([]resource.Field{
			{Name: "roleDefinitionId", Kind: resource.IDRef, Required: true, Immutable: true, Description: "Id of the role."},
			withImmutable(guidField("principalId", "Object id of who gets it.")),
			{Name: "principalType", Kind: resource.Enum, Values: []string{"User", "Group", "ServicePrincipal", "ForeignGroup", "Device"}, Default: "User", Description: "What that is."},
			text("description", "Why."),
			text("condition", "Conditions are not evaluated, so none may be given."),
			text("conditionVersion", "Goes with a condition."),
			text("delegatedManagedIdentityResourceId", "For delegated tenants, of which there are none."),
			{Name: "scope", Kind: resource.String, Description: "What it lies behind; given by the server."},
		}, kept()...),
		Prepare: sameWords,
		Check:   checkAssignment,
	})
}

// sameWords writes where an assignment is, and what cannot change as it is: the id of a
// role may be given under any scope, that of a principal in any case.
func sameWords(d, old *resource.Document, _ resource.PrepareContext) error {
	if id, ok := d.Properties["principalId"].(string); ok {
		d.Properties["principalId"] = strings.ToLower(id)
	}
	d.Properties["scope"] = d.ID.Base().String()
	if old != nil && roleID(*old) == roleID(*d) {
		d.Properties["roleDefinitionId"] = old.String("roleDefinitionId")
	}
	return nil
}

func withImmutable(f resource.Field) resource.Field {
	f.Required, f.Immutable = true, true
	return f
}

func checkAssignment(d resource.Document, v resource.View) (p resource.Problems) {
	if d.String("condition") != "" {
		p = problem(p, d, "properties.condition", "Conditions on role assignments are not evaluated here, and an assignment without its condition would grant more: assign a narrower role or scope.")
	}
	if d.String("delegatedManagedIdentityResourceId") != "" {
		p = problem(p, d, "properties.delegatedManagedIdentityResourceId", "There are no delegated tenants here.")
	}
	role, ok := roleOf(d, v)
	switch {
	case !ok:
		p = append(p, resource.Problem{Path: "properties.roleDefinitionId", Kind: fault.NotFound, Code: "RoleDefinitionDoesNotExist", Line: d.Line("properties.roleDefinitionId"),
			Sentence: fmt.Sprintf("The role definition '%s' does not exist: built-in roles are listed at {scope}/providers/%s.", d.String("roleDefinitionId"), TypeRole)})
	case !assignable(role, d.ID.Base()):
		p = problem(p, d, "properties.roleDefinitionId", fmt.Sprintf("The role %q may be assigned at %s, not at %s.", role.Name, strings.Join(role.Assignable, ", "), d.ID.Base()))
	}
	for _, other := range v.Children(d.ID.Parent(), TypeAssignment) {
		if !other.ID.Equal(d.ID) && strings.EqualFold(other.String("principalId"), d.String("principalId")) && strings.EqualFold(roleID(other), roleID(d)) {
			p = append(p, resource.Problem{Kind: fault.Conflict, Code: "RoleAssignmentExists", Sentence: "The role assignment already exists: " + other.ID.String() + "."})
		}
	}
	return p
}

func assignable(r rights.Role, at resource.ID) bool {
	for _, scope := range r.Assignable {
		if id, err := resource.ParseID(scope); err == nil && (id.Equal(resource.Tenant) || id.Contains(at)) {
			return true
		}
	}
	return false
}

// roleID is the GUID of an assignment's role.
func roleID(d resource.Document) string {
	id := d.String("roleDefinitionId")
	return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
}

// roleOf finds the role of an assignment: a built-in one under any scope, or a custom
// one as it is named, or declared at or above the assignment's own scope.
func roleOf(d resource.Document, v resource.View) (rights.Role, bool) {
	id, err := resource.ParseID(d.String("roleDefinitionId"))
	if err != nil || !strings.EqualFold(id.Type(), TypeRole) {
		return rights.Role{}, false
	}
	if r, ok := rights.BuiltinRole(id.Name()); ok {
		return r, true
	}
	for _, place := range rolePlaces(id, d.ID.Base()) {
		if doc, ok := v.Get(place); ok {
			return customRole(doc), true
		}
	}
	return rights.Role{}, false
}

// rolePlaces are the ids a custom role may have that an assignment names, the nearest
// first. A role of the same GUID elsewhere is another one.
func rolePlaces(id, scope resource.ID) []resource.ID {
	places := []resource.ID{id}
	for at := scope; !at.IsZero(); at = at.Parent() {
		if other, err := at.Extension(TypeRole, id.Name()); err == nil {
			places = append(places, other)
		}
	}
	return places
}

// customRole reads a declared role.
func customRole(d resource.Document) rights.Role {
	r := rights.Role{ID: d.ID.Key(), Name: d.String("roleName"), Description: d.String("description"), Custom: true, Assignable: list(d, "assignableScopes")}
	if len(r.Assignable) == 0 {
		r.Assignable = []string{d.ID.Base().String()}
	}
	permissions, _ := d.Properties["permissions"].([]any)
	for _, one := range permissions {
		if m, ok := one.(map[string]any); ok {
			r.Permissions = append(r.Permissions, rights.Permission{
				Actions: textsOf(m["actions"]), NotActions: textsOf(m["notActions"]), DataActions: textsOf(m["dataActions"]), NotDataActions: textsOf(m["notDataActions"]),
			})
		}
	}
	return r
}
