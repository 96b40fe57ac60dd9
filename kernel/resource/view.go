package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/kernel/resource/registry"
)

// View is the registry as it will be once a request is through, for checks that
// look beyond one document. It is good during the check alone.
type View struct {
	codec
	state   *registry.State
	request *request
}

// request is what is to be put, and what was found out while looking around in it.
type request struct {
	docs   map[string]Document // by key
	places map[string][]ID     // by key of the parent
	ids    map[string][]ID     // answers of View.IDs, until something is added
	counts map[string]int      // and of View.Count
}

func newView(state *registry.State, c codec) View {
	return View{c, state, &request{docs: map[string]Document{}, places: map[string][]ID{}, ids: map[string][]ID{}, counts: map[string]int{}}}
}

func (r *request) add(d Document) {
	key := d.ID.Key()
	if _, again := r.docs[key]; !again {
		parent := d.ID.Parent().Key()
		r.places[parent] = append(r.places[parent], d.ID)
	}
	r.docs[key] = d
	clear(r.ids)
	clear(r.counts)
}

// Get finds a resource.
func (v View) Get(id ID) (Document, bool) {
	d, ok, err := v.find(id)
	return d, ok && err == nil
}

// find is Get for those who must not take what cannot be read for what is not there.
func (v View) find(id ID) (Document, bool, error) {
	if d, ok := v.request.docs[id.Key()]; ok {
		return d, true, nil
	}
	e, ok := v.state.Get(id.String())
	if !ok {
		return Document{}, false, nil
	}
	d, err := v.decode(e)
	return d, true, err
}

// IDs lists the resources of a type directly in another resource or a scope. An empty
// type means any.
func (v View) IDs(parent ID, typ string) []ID {
	place := parent.Key() + " " + strings.ToLower(typ)
	if ids, ok := v.request.ids[place]; ok {
		return ids
	}
	var ids []ID
	var entries []registry.Entry
	if typ == "" {
		entries = v.state.Children(parent.String())
	} else {
		entries = v.state.ChildrenOf(parent.String(), stepIn(parent, typ))
	}
	for _, e := range entries {
		if _, replaced := v.request.docs[registry.Key(e.ID)]; replaced {
			continue
		}
		if id, err := ParseID(e.ID); err == nil && isType(id, typ) {
			ids = append(ids, id)
		}
	}
	for _, id := range v.request.places[parent.Key()] {
		if isType(id, typ) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ID) int { return strings.Compare(a.Key(), b.Key()) })
	v.request.ids[place] = ids
	return ids
}

// Count is how many IDs there are, found without reading them. The type is full.
func (v View) Count(parent ID, typ string) int {
	place := parent.Key() + " " + strings.ToLower(typ)
	if n, ok := v.request.counts[place]; ok {
		return n
	}
	n := v.state.Count(parent.String(), stepIn(parent, typ))
	for _, id := range v.request.places[parent.Key()] {
		if _, replaces := v.state.Get(id.String()); isType(id, typ) && !replaces {
			n++
		}
	}
	v.request.counts[place] = n
	return n
}

// Children reads the resources that IDs lists.
func (v View) Children(parent ID, typ string) []Document {
	var list []Document
	for _, id := range v.IDs(parent, typ) {
		if d, ok := v.Get(id); ok {
			list = append(list, d)
		}
	}
	return list
}

// namesake finds another resource of a top-level type with the name of this one.
func (v View) namesake(id ID) (ID, bool) {
	for _, d := range v.request.docs {
		if isType(d.ID, id.Type()) && strings.EqualFold(d.Name(), id.Name()) && !d.ID.Equal(id) {
			return d.ID, true
		}
	}
	other, taken := named(v.state, id.Type(), id.Name())
	return other, taken && !other.Equal(id)
}

func named(s *registry.State, typ, name string) (ID, bool) {
	at := "/providers/" + typ + "/" + name
	for _, subscription := range s.Links("/", "subscriptions") {
		for _, group := range append(s.Links(subscription, "resourceGroups"), subscription) {
			if e, ok := s.Get(group + at); ok {
				id, err := ParseID(e.ID)
				return id, err == nil
			}
		}
	}
	return ID{}, false
}

func isType(id ID, typ string) bool { return typ == "" || strings.EqualFold(id.Type(), typ) }

// decode reads what the registry stored, sealed secrets as they are.
func decode(e registry.Entry) (Document, error) {
	id, err := ParseID(e.ID)
	if err != nil {
		return Document{}, fmt.Errorf("stored resource: %w", err)
	}
	var stored declared
	decoder := json.NewDecoder(bytes.NewReader(e.Body))
	decoder.UseNumber()
	if err := decoder.Decode(&stored); err != nil {
		return Document{}, fmt.Errorf("stored resource %s: %w", id, err)
	}
	numbers(stored.Properties)
	numbers(stored.Identity)
	return Document{
		ID: id, Location: stored.Location, Tags: stored.Tags, Kind: stored.Kind, SKU: stored.SKU,
		Identity: stored.Identity, Properties: stored.Properties,
		ETag: etagOf(e.Revision), Created: e.Created, Updated: e.Updated,
	}, nil
}

func etagOf(revision uint64) string { return strconv.FormatUint(revision, 16) }

// numbers makes int64 and float64 of json.Number, in place.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = numbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = numbers(item)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
