package arm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// What scopes are called in operations.
const (
	opSubscriptions = "Microsoft.Resources/subscriptions"
	opGroups        = "Microsoft.Resources/subscriptions/resourceGroups"
)

func opOf(scope resource.ID) string {
	if scope.ResourceGroup() != "" {
		return opGroups
	}
	return opSubscriptions
}

// tenants lists the one directory there is.
func (q *request) tenants() (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of tenants", http.MethodGet)
	}
	if err := q.may("Microsoft.Resources/tenants/read", resource.Tenant); err != nil {
		return reply{}, err
	}
	return list([]map[string]any{{
		"id": "/tenants/" + q.o.TenantID, "tenantId": q.o.TenantID, "displayName": "Weir", "tenantCategory": "Home", "tenantType": "AAD",
	}})
}

// scopes lists subscriptions or the groups of one, declared or lived in.
func (q *request) scopes(in resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of subscriptions or groups", http.MethodGet)
	}
	docs, err := q.o.Registry.Scopes(q.Context(), in)
	if err != nil {
		return reply{}, err
	}
	if byDefault := subscriptionOf(q.o.Default); in.Equal(resource.Tenant) && !slices.ContainsFunc(docs, func(d resource.Document) bool { return d.ID.Equal(byDefault) }) {
		docs = append(docs, resource.Document{ID: byDefault})
	}
	action := opGroups + "/read"
	if in.Equal(resource.Tenant) {
		// Everybody may ask which subscriptions there are for them; there may be none.
		docs = slices.DeleteFunc(docs, func(d resource.Document) bool { return !q.allows(opSubscriptions+"/read", d.ID) })
	} else if docs, err = q.visible(action, in, docs); err != nil {
		return reply{}, err
	}
	return q.page(docs, func(d resource.Document) any { return q.scopeBody(d) })
}

func subscriptionOf(id resource.ID) resource.ID {
	for id.ResourceGroup() != "" {
		id = id.Parent()
	}
	return id
}

// scopeBody is a subscription or a group as ARM shows it.
func (q *request) scopeBody(d resource.Document) map[string]any {
	if d.ID.ResourceGroup() != "" {
		location := d.Location
		if location == "" {
			location = q.o.Location
		}
		body := map[string]any{
			"id": d.ID.String(), "name": d.Name(), "type": d.Type(), "location": location,
			"properties": map[string]any{"provisioningState": "Succeeded"},
		}
		if d.Tags != nil {
			body["tags"] = d.Tags
		}
		return body
	}
	name := d.String("displayName")
	if name == "" {
		name = d.Name()
	}
	body := map[string]any{
		"id": d.ID.String(), "subscriptionId": d.Name(), "tenantId": q.o.TenantID, "displayName": name, "state": "Enabled",
		"authorizationSource": "RoleBased", "managedByTenants": []any{},
		"subscriptionPolicies": map[string]any{"locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off"},
	}
	if d.Tags != nil {
		body["tags"] = d.Tags
	}
	return body
}

// scopeItself answers a subscription or a group.
func (q *request) scopeItself(id resource.ID) (reply, error) {
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return q.scopeGet(id)
	case http.MethodPut, http.MethodPatch:
		return q.scopePut(id)
	case http.MethodDelete:
		return q.scopeDelete(id)
	}
	return reply{}, q.only("A subscription or a group", "GET", "HEAD", "PUT", "PATCH", "DELETE")
}

func (q *request) scopeGet(id resource.ID) (reply, error) {
	if err := q.may(opOf(id)+"/read", id); err != nil {
		return reply{}, err
	}
	d, there, err := q.o.Registry.Scope(q.Context(), id)
	switch {
	case err != nil:
		return reply{}, err
	case !there && id.ResourceGroup() != "" && !id.Equal(q.o.Default):
		return reply{}, noGroup(id)
	case q.Method == http.MethodHead:
		return reply{status: http.StatusNoContent}, nil
	}
	return reply{status: http.StatusOK, header: etag(d), body: q.scopeBody(d)}, nil
}

// scopePut declares a scope, or with PATCH changes what is declared of it, which is
// nothing when somebody only lives in it.
func (q *request) scopePut(id resource.ID) (reply, error) {
	if err := q.may(opOf(id)+"/write", id); err != nil {
		return reply{}, err
	}
	condition, err := q.condition()
	if err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	have, there, err := q.o.Registry.Scope(q.Context(), id)
	if err != nil {
		return reply{}, err
	}
	var result resource.Result
	if q.Method == http.MethodPatch && have.ETag != "" {
		result, err = q.o.Registry.Patch(q.Context(), id, body, condition)
	} else {
		var d resource.Document
		if d, err = scopeDocument(body, id); err == nil {
			result, err = q.o.Registry.Put(q.Context(), d, condition)
		}
	}
	if err != nil {
		return reply{}, err
	}
	status := http.StatusOK
	if !there && q.Method == http.MethodPut {
		status = http.StatusCreated
	}
	return reply{status: status, header: etag(result.Document), body: q.scopeBody(result.Document)}, nil
}

// scopeDocument reads a scope. A subscription's name for people stands outside its
// properties, as ARM shows it.
func scopeDocument(body []byte, id resource.ID) (resource.Document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return document(body, id)
	}
	for name := range fields {
		switch {
		case strings.EqualFold(name, "displayName") && id.ResourceGroup() == "":
			fields["properties"] = json.RawMessage(`{"displayName":` + string(fields[name]) + `}`)
			delete(fields, name)
		case string(fields[name]) == "null":
			delete(fields, name)
		}
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		return resource.Document{}, fault.Wrap(fault.Invalid, err, "The body cannot be read.")
	}
	return document(whole, id)
}

// scopeDelete deletes a scope with all that lies in it.
func (q *request) scopeDelete(id resource.ID) (reply, error) {
	if err := q.may(opOf(id)+"/delete", id); err != nil {
		return reply{}, err
	}
	condition, err := q.condition()
	if err != nil {
		return reply{}, err
	}
	under, _, err := q.o.Registry.ListUnder(q.Context(), id, "")
	if err != nil {
		return reply{}, err
	}
	ids := make([]resource.ID, len(under))
	for i, d := range under {
		ids[i] = d.ID
	}
	if err := q.decided(ids...); err != nil {
		return reply{}, err
	}
	switch err := q.o.Registry.Delete(q.Context(), id, condition); {
	case fault.Is(err, fault.NotFound) && id.ResourceGroup() != "":
		return reply{}, noGroup(id)
	case err != nil:
		return reply{}, err
	}
	for _, one := range ids {
		if one.Parent().IsScope() {
			q.applied(one)
		}
	}
	return q.gone(id), nil
}

// locations lists where resources may be put: here.
func (q *request) locations(scope resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of locations", http.MethodGet)
	}
	if err := q.may(opSubscriptions+"/locations/read", scope); err != nil {
		return reply{}, err
	}
	name := q.o.Location
	return list([]map[string]any{{
		"id": scope.String() + "/locations/" + name, "name": name, "type": "Region", "displayName": name, "regionalDisplayName": name,
		"metadata": map[string]any{"regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": "Weir"},
	}})
}
