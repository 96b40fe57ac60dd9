package access

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/identity/rights"
	"weir/kernel/resource"
)

// Roles gives role definitions, the built-in ones among them, to the door that lists
// resources.
type Roles struct{ Index *Index }

// Get finds a built-in role, under any scope.
func (r Roles) Get(_ context.Context, id resource.ID) (resource.Document, bool, error) {
	role, ok := rights.BuiltinRole(id.Name())
	if !ok {
		return resource.Document{}, false, nil
	}
	return builtinDocument(id, role), true, nil
}

// List gives the roles that may be assigned at a scope. The filter is
// roleName eq '…', type eq '…', atScopeAndBelow(), or two of them with and.
func (r Roles) List(_ context.Context, in resource.ID, filter string) ([]resource.Document, error) {
	wanted, err := parseFilter(filter, "rolename", "type", "atscopeandbelow", "atscope")
	if err != nil {
		return nil, err
	}
	var all []resource.Document
	at := in
	if s := in.Subscription(); s != "" { // Azure writes the ids of roles with the subscription alone
		at = resource.MustID("/subscriptions/" + s)
	}
	for _, role := range rights.Builtin() {
		id, err := at.Extension(TypeRole, role.ID)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%v", err)
		}
		all = append(all, builtinDocument(id, role))
	}
	for _, doc := range r.Index.Directory().roles {
		if role := customRole(doc); assignable(role, in) || wanted["atscopeandbelow"] != nil && in.Contains(doc.ID.Base()) {
			all = append(all, doc)
		}
	}
	var list []resource.Document
	for _, doc := range all {
		if is(wanted["rolename"], doc.String("roleName")) && is(wanted["type"], doc.String("type")) {
			list = append(list, doc)
		}
	}
	return list, nil
}

func is(want *string, have string) bool { return want == nil || strings.EqualFold(*want, have) }

func builtinDocument(id resource.ID, r rights.Role) resource.Document {
	values := func(list []string) []any {
		all := []any{}
		for _, s := range list {
			all = append(all, s)
		}
		return all
	}
	var permissions []any
	for _, p := range r.Permissions {
		permissions = append(permissions, map[string]any{"actions": values(p.Actions), "notActions": values(p.NotActions), "dataActions": values(p.DataActions), "notDataActions": values(p.NotDataActions)})
	}
	return resource.Document{ID: id, Properties: map[string]any{
		"roleName": r.Name, "description": r.Description, "type": "BuiltInRole", "permissions": permissions, "assignableScopes": values(r.Assignable),
	}}
}

// Assignments lists role assignments as Azure does.
type Assignments struct{ Index *Index }

// Get leaves it to the registry, which has them all.
func (a Assignments) Get(context.Context, resource.ID) (resource.Document, bool, error) {
	return resource.Document{}, false, nil
}

// List gives the assignments at a scope, above it and below it. The filter leaves some
// out: atScope() those below, principalId eq '…' those of others, assignedTo('…') those
// of others who are no group of theirs.
func (a Assignments) List(_ context.Context, in resource.ID, filter string) ([]resource.Document, error) {
	wanted, err := parseFilter(filter, "atscope", "principalid", "assignedto", "roledefinitionid")
	if err != nil {
		return nil, err
	}
	d := a.Index.Directory()
	var list []resource.Document
	for _, doc := range d.assignments {
		base := doc.ID.Base()
		above := base.Equal(resource.Tenant) || base.Contains(in)
		below := in.Equal(resource.Tenant) || in.Contains(base)
		who := doc.String("principalId")
		switch {
		case !above && !below, wanted["atscope"] != nil && !above,
			!is(wanted["principalid"], who), !is(wanted["roledefinitionid"], doc.String("roleDefinitionId")),
			wanted["assignedto"] != nil && !is(wanted["assignedto"], who) && !d.inGroup(*wanted["assignedto"], who):
			continue
		}
		list = append(list, doc)
	}
	return list, nil
}

// inGroup says whether somebody here is in a group.
func (d *Directory) inGroup(object, group string) bool {
	in := func(o string, groups []string) bool {
		if !strings.EqualFold(o, object) {
			return false
		}
		for _, g := range groups {
			if strings.EqualFold(g, group) {
				return true
			}
		}
		return false
	}
	for _, u := range d.users {
		if in(u.Object, u.Groups) {
			return true
		}
	}
	for _, a := range d.apps {
		if in(a.Object, a.Groups) {
			return true
		}
	}
	return false
}

var filterTerm = regexp.MustCompile(`^(?i)(?:(\w+)\s+eq\s+'([^']*)'|(\w+)\(\s*(?:'([^']*)')?\s*\))$`)

// parseFilter reads terms joined by and; each is known by its name in lower case.
func parseFilter(filter string, known ...string) (map[string]*string, error) {
	terms := map[string]*string{}
	if strings.TrimSpace(filter) == "" {
		return terms, nil
	}
	for _, term := range regexp.MustCompile(`(?i)\s+and\s+`).Split(strings.TrimSpace(filter), -1) {
		m := filterTerm.FindStringSubmatch(strings.TrimSpace(term))
		name, value := "", ""
		if m != nil {
			name, value = strings.ToLower(m[1]+m[3]), m[2]+m[4]
		}
		ok := false
		for _, k := range known {
			ok = ok || k == name
		}
		if !ok {
			return nil, fault.New(fault.Invalid, "The filter %s cannot be used here: %s.", fmt.Sprintf("%.100q", term), "known are "+strings.Join(known, ", "))
		}
		terms[name] = &value
	}
	return terms, nil
}
