package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"weir/kernel/resource"
)

// The kinds of changes, of a resource and of its properties, in Azure's words.
const (
	changeCreate      = "Create"
	changeModify      = "Modify"
	changeDelete      = "Delete"
	changeNone        = "NoChange"
	changeIgnore      = "Ignore"
	changeUnsupported = "Unsupported"
	changeArray       = "Array"
)

// change is what a deployment would do to one resource.
type change struct {
	ResourceID string          `json:"resourceId"`
	ChangeType string          `json:"changeType"`
	Reason     string          `json:"unsupportedReason,omitempty"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
	Delta      []difference    `json:"delta,omitempty"`
}

// difference is a property that would change.
type difference struct {
	Path     string       `json:"path"`
	Type     string       `json:"propertyChangeType"`
	Before   any          `json:"before"`
	After    any          `json:"after"`
	Children []difference `json:"children,omitempty"`
}

// WhatIf says what a deployment would change, property by property.
func (d *Deployments) WhatIf(ctx context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, error) {
	p, results, err := d.prepare(ctx, who, scope, name, body, true)
	if err != nil {
		return nil, err
	}
	after := map[string]resource.Document{}
	for _, one := range results {
		after[one.Document.ID.Key()] = one.Document
	}
	changes := []change{}
	for _, one := range p.puts {
		doc, whole := after[one.doc.ID.Key()]
		if !whole {
			doc = one.doc
		}
		c, err := d.compare(ctx, doc, one.unknown, whole)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	for _, id := range sorted(p.skipped) {
		changes = append(changes, change{ResourceID: id, ChangeType: changeUnsupported, Reason: p.skipped[id]})
	}
	more, err := d.untouched(ctx, p)
	if err != nil {
		return nil, err
	}
	changes = append(changes, more...)
	if strings.EqualFold(p.format, "ResourceIdOnly") {
		for i := range changes {
			changes[i].Before, changes[i].After, changes[i].Delta = nil, nil, nil
		}
	}
	properties := map[string]any{"correlationId": who.Correlation, "changes": changes}
	if len(p.warnings) > 0 {
		diagnostics := []any{}
		for _, w := range p.warnings {
			diagnostics = append(diagnostics, map[string]any{"level": "Warning", "code": "LeftOut", "message": w})
		}
		properties["diagnostics"] = diagnostics
	}
	return json.Marshal(map[string]any{"status": stateSucceeded, "properties": properties})
}

// compare holds a document as it would be against what is there. One that is not whole has
// no defaults yet: what it does not say stays as it is.
func (d *Deployments) compare(ctx context.Context, doc resource.Document, unknown []string, whole bool) (change, error) {
	c := change{ResourceID: doc.ID.String(), ChangeType: changeCreate}
	t, _ := d.o.Registry.Types().Lookup(doc.Type())
	next := t.Redact(doc)
	have, err := d.have(ctx, doc.ID)
	if err != nil {
		return c, err
	}
	if c.After, err = payload(next); err != nil || have == nil {
		return c, err
	}
	now := t.Redact(*have)
	if c.Before, err = payload(now); err != nil {
		return c, err
	}
	c.Delta = differences(flatOf(now), flatOf(next), "")
	c.Delta = slices.DeleteFunc(c.Delta, func(one difference) bool {
		return readOnly(t.Fields, one.Path) || within(one.Path, unknown) || !whole && one.Type == changeDelete
	})
	for _, path := range unknown { // what is there may be what it will be: only what is not there is a change for sure
		if at(flatOf(now), path) == nil {
			c.Delta = append(c.Delta, difference{Path: path, Type: changeCreate, After: "(known once it is deployed)"})
		}
	}
	c.ChangeType = changeModify
	if len(c.Delta) == 0 {
		c.ChangeType = changeNone
	}
	return c, nil
}

// at finds a value by its path; nil when it is not there.
func at(m map[string]any, path string) any {
	var v any = m
	for _, name := range strings.Split(path, ".") {
		inner, ok := v.(map[string]any)
		if !ok {
			return v // in a list: near enough
		}
		name, _, _ = strings.Cut(name, "[")
		v = inner[name]
	}
	return v
}

// have reads a resource; nil when it is not there.
func (d *Deployments) have(ctx context.Context, id resource.ID) (*resource.Document, error) {
	if id.IsScope() {
		doc, there, err := d.o.Registry.Scope(ctx, id)
		if err != nil || !there {
			return nil, err
		}
		return &doc, nil
	}
	doc, err := d.o.Registry.Get(ctx, id)
	if isNotFound(err) {
		return nil, nil
	}
	return &doc, err
}

// readOnly says that a path is what the service says and nobody declares.
func readOnly(fields []resource.Field, path string) bool {
	name, ok := strings.CutPrefix(path, "properties.")
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, ".")
	return slices.ContainsFunc(fields, func(f resource.Field) bool { return f.ReadOnly && f.Name == name })
}

// flatOf is what may differ of a document.
func flatOf(doc resource.Document) map[string]any {
	m := map[string]any{}
	if doc.Location != "" {
		m["location"] = strings.ReplaceAll(strings.ToLower(doc.Location), " ", "")
	}
	if doc.Kind != "" {
		m["kind"] = doc.Kind
	}
	if len(doc.Tags) > 0 {
		tags := map[string]any{}
		for k, v := range doc.Tags {
			tags[k] = v
		}
		m["tags"] = tags
	}
	if doc.SKU != nil {
		sku := map[string]any{"name": doc.SKU.Name}
		if doc.SKU.Tier != "" {
			sku["tier"] = doc.SKU.Tier
		}
		if doc.SKU.Capacity != 0 {
			sku["capacity"] = doc.SKU.Capacity
		}
		m["sku"] = sku
	}
	if len(doc.Identity) > 0 {
		m["identity"] = doc.Identity
	}
	if len(doc.Properties) > 0 {
		m["properties"] = doc.Properties
	}
	return m
}

// differences lists the leaves in which two objects differ, by path.
func differences(before, after map[string]any, path string) []difference {
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	var list []difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := strings.TrimPrefix(path+"."+name, ".")
		a, hadIt := before[name]
		b, hasIt := after[name]
		list = append(list, leaf(at, a, b, hadIt, hasIt)...)
	}
	return list
}

func leaf(at string, a, b any, hadIt, hasIt bool) []difference {
	a, b = opened(a), opened(b)
	inner, isObject := a.(map[string]any)
	other, bothObjects := b.(map[string]any)
	if isObject && bothObjects {
		return differences(inner, other, at)
	}
	listA, isList := a.([]any)
	listB, bothLists := b.([]any)
	switch {
	case isList && bothLists:
		var children []difference
		for i := range max(len(listA), len(listB)) {
			var x, y any
			if i < len(listA) {
				x = listA[i]
			}
			if i < len(listB) {
				y = listB[i]
			}
			children = append(children, leaf(strconv.Itoa(i), x, y, i < len(listA), i < len(listB))...)
		}
		if len(children) == 0 {
			return nil
		}
		return []difference{{Path: at, Type: changeArray, Before: a, After: b, Children: children}}
	case !hadIt:
		return []difference{{Path: at, Type: changeCreate, After: b}}
	case !hasIt:
		return []difference{{Path: at, Type: changeDelete, Before: a}}
	case fmt.Sprint(a) == fmt.Sprint(b):
		return nil
	}
	return []difference{{Path: at, Type: changeModify, Before: a, After: b}}
}

// opened gives the value of a JSON text.
func opened(v any) any {
	if raw, ok := v.(resource.Raw); ok {
		return raw.Any()
	}
	return v
}

// openedIn is opened for the values in another.
func openedIn(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, item := range v {
			m[name] = openedIn(item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = openedIn(item)
		}
		return list
	}
	return opened(v)
}

// payload is a document as what-if shows it.
func payload(doc resource.Document) (json.RawMessage, error) {
	doc.ETag = ""
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	delete(m, "systemData")
	return json.Marshal(m)
}

// untouched lists what is in the resource group and not in the template: ignored, or
// with Complete deleted.
func (d *Deployments) untouched(ctx context.Context, p *prepared) ([]change, error) {
	if p.scope.ResourceGroup() == "" {
		return nil, nil
	}
	ids, err := d.others(ctx, p.scope, p.plan)
	if err != nil {
		return nil, err
	}
	var list []change
	for _, id := range ids {
		c := change{ResourceID: id.String(), ChangeType: changeIgnore}
		if p.mode == "Complete" {
			c.ChangeType = changeDelete
		}
		doc, err := d.show(ctx, id)
		if err != nil {
			return nil, err
		}
		if c.Before, err = payload(doc); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}
