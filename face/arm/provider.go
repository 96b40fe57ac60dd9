package arm

import (
	"net/http"
	"slices"
	"sort"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// own are the types the door itself answers for, beside those of the registry.
var own = []*resource.Type{
	{Name: typeTags, APIVersions: []string{"2021-04-01", "2020-10-01"}},
	{Name: typeDeployments, APIVersions: []string{"2025-04-01", "2024-11-01", "2024-03-01", "2023-07-01", "2022-09-01", "2021-04-01", "2020-10-01", "2020-06-01", "2019-10-01"}, Actions: []resource.Action{
		{Name: "cancel"}, {Name: "validate"}, {Name: "whatIf"}, {Name: "exportTemplate"},
	}},
	{Name: "Microsoft.Resources/tenants", APIVersions: []string{"2022-12-01"}},
	{Name: "Microsoft.Resources/providers", APIVersions: []string{"2021-04-01"}},
}

// offered are all types by provider, in the order of their names.
func (q *request) offered() map[string][]*resource.Type {
	all := map[string][]*resource.Type{}
	for _, t := range append(q.o.Registry.Types().Present(), own...) {
		provider, _, _ := strings.Cut(t.Name, "/")
		key := strings.ToLower(provider)
		if !slices.ContainsFunc(all[key], func(have *resource.Type) bool { return strings.EqualFold(have.Name, t.Name) }) {
			all[key] = append(all[key], t)
		}
	}
	return all
}

func (q *request) providerNames() []string {
	var names []string
	for _, types := range q.offered() {
		name, _, _ := strings.Cut(types[0].Name, "/")
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// providers lists what there is, at the tenant or a subscription.
func (q *request) providers(base resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of providers", http.MethodGet)
	}
	if err := q.may(opSubscriptions+"/providers/read", base); err != nil {
		return reply{}, err
	}
	offered := q.offered()
	var all []any
	for _, name := range q.providerNames() {
		all = append(all, q.describe(base, offered[strings.ToLower(name)]))
	}
	return list(all)
}

// provider shows one.
func (q *request) provider(base resource.ID, name string) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("A provider", http.MethodGet)
	}
	types, err := q.typesOf(name)
	if err != nil {
		return reply{}, err
	}
	if err := q.may(opSubscriptions+"/providers/read", base); err != nil {
		return reply{}, err
	}
	return ok(q.describe(base, types))
}

func (q *request) typesOf(provider string) ([]*resource.Type, error) {
	if types := q.offered()[strings.ToLower(provider)]; types != nil {
		return types, nil
	}
	_, err := q.known(provider + "/x")
	return nil, err
}

func (q *request) describe(base resource.ID, types []*resource.Type) map[string]any {
	name, _, _ := strings.Cut(types[0].Name, "/")
	var described []any
	for _, t := range types {
		described = append(described, q.describeType(t))
	}
	return map[string]any{
		"id": strings.TrimSuffix(base.String(), "/") + "/providers/" + name, "namespace": name,
		"registrationState": "Registered", "registrationPolicy": "RegistrationFree", "resourceTypes": described,
	}
}

func (q *request) describeType(t *resource.Type) map[string]any {
	_, name, _ := strings.Cut(t.Name, "/")
	capabilities := "None"
	if t.Located {
		capabilities = "SupportsTags, SupportsLocation"
	}
	if t.Extension {
		capabilities = "SupportsExtension"
	}
	locations := []string{}
	if t.Located {
		locations = append(locations, q.o.Location)
	}
	versions := t.APIVersions
	if versions == nil {
		versions = []string{}
	}
	body := map[string]any{"resourceType": name, "locations": locations, "apiVersions": versions, "capabilities": capabilities}
	if len(versions) > 0 {
		body["defaultApiVersion"] = versions[0]
	}
	return body
}

// providerTypes lists the types of one.
func (q *request) providerTypes(base resource.ID, provider string) (reply, error) {
	types, err := q.typesOf(provider)
	if err != nil {
		return reply{}, err
	}
	if err := q.may(opSubscriptions+"/providers/read", base); err != nil {
		return reply{}, err
	}
	var all []any
	for _, t := range types {
		all = append(all, q.describeType(t))
	}
	return list(all)
}

// providerOperations lists what may be done, as roles name it.
func (q *request) providerOperations(provider string) (reply, error) {
	types, err := q.typesOf(provider)
	if err != nil {
		return reply{}, err
	}
	if err := q.may(opSubscriptions+"/providers/read", resource.Tenant); err != nil {
		return reply{}, err
	}
	var all []any
	add := func(t *resource.Type, verb, words string) {
		name, typ, _ := strings.Cut(t.Name, "/")
		all = append(all, map[string]any{
			"name": t.Name + "/" + verb, "isDataAction": false, "origin": "user,system",
			"display": map[string]any{"provider": name, "resource": typ, "operation": words, "description": words + ": " + t.Name + "."},
		})
	}
	for _, t := range types {
		add(t, "read", "Read")
		add(t, "write", "Create or update")
		add(t, "delete", "Delete")
		for _, a := range t.Actions {
			add(t, a.Name+"/action", a.Name)
		}
	}
	return list(all)
}

// providerAction does what a provider does beside keeping resources.
func (q *request) providerAction(base resource.ID, provider, word string) (reply, error) {
	types, err := q.typesOf(provider)
	if err != nil {
		return reply{}, err
	}
	name, _, _ := strings.Cut(types[0].Name, "/")
	switch strings.ToLower(word) {
	case "register", "unregister": // nothing is to be registered
		if err := q.may(name+"/"+strings.ToLower(word)+"/action", base); err != nil {
			return reply{}, err
		}
		return ok(q.describe(base, types))
	case "checkresourcename":
		return q.checkResourceName()
	case "checknameavailability":
		return q.checkName(base, name, types)
	}
	return reply{}, fault.New(fault.NotFound, "The provider %s has the actions register and checkNameAvailability, not %q.", name, word)
}

// checkResourceName says whether a name may be used at all; here every one may.
func (q *request) checkResourceName() (reply, error) {
	body, err := q.object()
	if err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"name": body["name"], "type": body["type"], "status": "Allowed"})
}

// checkName says whether a name is free, of a type whose names are unique.
func (q *request) checkName(base resource.ID, provider string, types []*resource.Type) (reply, error) {
	if err := q.may(provider+"/checkNameAvailability/action", base); err != nil {
		return reply{}, err
	}
	body, err := q.object()
	if err != nil {
		return reply{}, err
	}
	name, _ := body["name"].(string)
	typ, _ := body["type"].(string)
	i := slices.IndexFunc(types, func(t *resource.Type) bool { return t.Unique && (typ == "" || strings.EqualFold(typ, t.Name)) })
	switch {
	case i < 0:
		return reply{}, fault.New(fault.Invalid, "Names of %s are not unique here: there is nothing to check.", provider)
	case name == "":
		return reply{}, answer.Coded("InvalidRequestContent", fault.New(fault.Invalid, "The body says which name to check: {\"name\": \"…\"}."))
	}
	found := func(free bool, reason, message string) (reply, error) {
		return ok(map[string]any{"nameAvailable": free, "reason": reason, "message": message})
	}
	if problem := types[i].NameProblem(name); problem != "" {
		return found(false, "InvalidName", problem)
	}
	_, taken, err := q.o.Registry.Named(q.Context(), types[i].Name, name)
	switch {
	case err != nil:
		return reply{}, err
	case taken: // where, is the business of those who may see it
		return found(false, "NameInUse", "The name '"+name+"' is in use.")
	}
	return found(true, "None", "")
}
