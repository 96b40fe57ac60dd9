package deploy

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"weir/internal/jsonc"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

func isNotFound(err error) bool { return fault.Is(err, fault.NotFound) }

// ExportScope makes a template of what is in a resource group: everything, or what the
// request lists.
func (d *Deployments) ExportScope(ctx context.Context, who Asker, scope resource.ID, body []byte) (json.RawMessage, error) {
	wanted, err := listed(body)
	if err != nil {
		return nil, err
	}
	docs, _, err := d.o.Registry.ListUnder(ctx, scope, "")
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(docs, func(a, b resource.Document) int {
		return strings.Count(a.ID.String(), "/") - strings.Count(b.ID.String(), "/")
	})
	resources := []any{}
	exported := map[string]bool{}
	for _, doc := range docs {
		t, ok := d.o.Registry.Types().Lookup(doc.Type())
		if !ok || strings.EqualFold(doc.Type(), deploymentType) || doc.ID.IsScope() || len(wanted) > 0 && !slices.ContainsFunc(wanted, func(id resource.ID) bool { return id.Contains(doc.ID) }) {
			continue
		}
		resources = append(resources, exportOne(t, t.Redact(doc), exported))
		exported[doc.ID.Key()] = true
	}
	return json.Marshal(map[string]any{"template": map[string]any{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"parameters": map[string]any{}, "variables": map[string]any{}, "resources": resources,
	}})
}

// listed reads which resources are asked for; none is all of them.
func listed(body []byte) ([]resource.ID, error) {
	if len(body) == 0 {
		return nil, nil
	}
	v, err := jsonc.Parse(body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The request cannot be read: %s.", err)
	}
	list := v.Get("resources")
	if list == nil {
		return nil, nil
	}
	var ids []resource.ID
	for _, item := range list.Items {
		if item.Str() == "*" {
			return nil, nil
		}
		id, err := resource.ParseID(item.Str())
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s.", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func exportOne(t *resource.Type, doc resource.Document, before map[string]bool) map[string]any {
	one := map[string]any{"type": doc.Type(), "name": escaped(strings.Join(doc.ID.Names(), "/"))}
	if len(t.APIVersions) > 0 {
		one["apiVersion"] = t.APIVersions[0]
	}
	if base := doc.ID.Base(); !base.IsScope() {
		one["scope"] = base.String()
	}
	for name, v := range flatOf(doc) {
		if name == "properties" {
			declared := map[string]any{}
			for property, value := range v.(map[string]any) {
				if !readOnly(t.Fields, "properties."+property) {
					declared[property] = value
				}
			}
			v = declared
		}
		one[name] = escapedAll(v)
	}
	if parent := doc.ID.Parent(); before[parent.Key()] {
		one["dependsOn"] = []any{parent.String()}
	}
	return one
}

// escaped keeps text that looks like an expression from being one.
func escaped(s string) string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return "[" + s
	}
	return s
}

func escapedAll(v any) any {
	switch v := v.(type) {
	case string:
		return escaped(v)
	case map[string]any:
		m := map[string]any{}
		for name, item := range v {
			m[name] = escapedAll(item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = escapedAll(v[i])
		}
		return list
	}
	return v
}
