package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ordered links the resources by what they need, and lists them in an order in which
// they can be put.
func (s *stage) ordered(w *world) []*Resource {
	for _, r := range s.resources {
		if !r.Off && r.ID != "" {
			r.link()
		}
	}
	return s.sorted(w)
}

// link finds the resources that one needs first.
func (r *Resource) link() {
	if r.parent != nil && !r.parent.Existing {
		r.need(r.parent)
	}
	for _, entry := range r.wants {
		found, err := r.stage.find(entry.text)
		if err != nil {
			r.env.report(entry.at, "dependsOn", err)
			continue
		}
		for _, other := range found {
			r.need(other)
		}
	}
	for _, ref := range r.Refs {
		if ref.Resource != nil {
			r.need(ref.Resource)
		}
	}
	if parent := r.stage.around(r); parent != nil { // a queue after its namespace, said or not
		r.need(parent)
	}
}

// around finds the resource of the template that one lies in.
func (s *stage) around(r *Resource) *Resource {
	id := strings.ToLower(r.ID)
	cut := strings.LastIndexByte(id, '/')
	if cut < 0 {
		return nil
	}
	cut = strings.LastIndexByte(id[:cut], '/')
	if cut < 0 {
		return nil
	}
	id = strings.TrimSuffix(id[:cut], "/providers")
	if at := strings.LastIndex(id, "/providers/"); at > 0 && !strings.Contains(id[at+len("/providers/"):], "/") {
		id = id[:at] // an extension: what it extends
	}
	return s.byID[id]
}

func (r *Resource) need(other *Resource) {
	if other != r && other.stage == r.stage && !other.Off && !slices.Contains(r.DependsOn, other) {
		r.DependsOn = append(r.DependsOn, other)
	}
}

// find resolves an entry of dependsOn: a symbolic name, a loop, an id, a type with a
// name, or a name.
func (s *stage) find(text string) ([]*Resource, error) {
	key := strings.ToLower(strings.Trim(text, "/"))
	if found := s.bySymbol[key]; found != nil {
		return found, nil
	}
	if strings.HasPrefix(text, "/") {
		if found := s.byID["/"+key]; found != nil {
			return []*Resource{found}, nil
		}
		return nil, fmt.Errorf("the resource %s is not in the template; it may only depend on what is", text)
	}
	if found, ok := s.byLoop[key]; ok {
		return found, nil
	}
	if found := s.byName[key]; found != nil {
		return found, nil // of several types, all: that is more than is needed, not less
	}
	for _, r := range s.resources { // Microsoft.ServiceBus/namespaces/NAME, or the type with all names behind it
		if r.ID == "" {
			continue
		}
		interleaved := strings.ToLower(strings.TrimPrefix(joinID("", r.Type, strings.Split(r.Name, "/")), "/providers/"))
		if interleaved == key || strings.ToLower(r.Type+"/"+r.Name) == key {
			return []*Resource{r}, nil
		}
	}
	for _, r := range s.resources { // the last part of a child's name, as old templates have it
		if r.ID != "" && strings.HasSuffix(strings.ToLower(r.Name), "/"+key) && r.parent != nil {
			return []*Resource{r}, nil
		}
	}
	if s.hasUnnamed(key) {
		return nil, nil
	}
	return nil, fmt.Errorf("%q is not in the template; it may only depend on what is", text)
}

// isAmbiguous says that an entry is a name that resources of several types have.
func (s *stage) isAmbiguous(text string) bool {
	key := strings.ToLower(strings.Trim(text, "/"))
	_, isLoop := s.byLoop[key]
	return !isLoop && s.bySymbol[key] == nil && len(different(s.byName[key])) > 1
}

// hasUnnamed says whether a resource could not be read, so that what is missing may be
// that one: it has been reported.
func (s *stage) hasUnnamed(string) bool {
	return slices.ContainsFunc(s.resources, func(r *Resource) bool { return r.ID == "" })
}

// different leaves out resources that are the same one twice, of which only one is on.
func different(found []*Resource) []string {
	var ids []string
	for _, r := range found {
		if id := strings.ToLower(r.ID); !r.Off && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// sorted puts what is needed first, keeping the order of the template, and reports
// circles.
func (s *stage) sorted(w *world) []*Resource {
	const onTheWay, through = 1, 2
	seen := map[*Resource]int{}
	var list, way []*Resource
	var visit func(r *Resource)
	visit = func(r *Resource) {
		seen[r] = onTheWay
		way = append(way, r)
		kept := r.DependsOn[:0]
		for _, other := range r.DependsOn {
			switch {
			case seen[other] == onTheWay && r.weak(other):
				continue // an id was named before the resource could be there: no order comes of that
			case seen[other] == onTheWay:
				r.env.report(r.decl, "dependsOn", errors.New(circle(way, other)))
				continue
			case seen[other] == 0:
				visit(other)
			}
			kept = append(kept, other)
		}
		r.DependsOn = kept
		way = way[:len(way)-1]
		seen[r] = through
		list = append(list, r)
	}
	for _, r := range s.resources {
		if seen[r] == 0 {
			visit(r)
		}
	}
	return list
}

// weak says whether a resource needs another only because its properties name its id
// in reference() with an API version, which makes no order in Azure either, or by a name
// that others have too.
func (r *Resource) weak(other *Resource) bool {
	if r.parent == other || r.stage.around(r) == other {
		return false
	}
	for _, entry := range r.wants {
		if found, _ := r.stage.find(entry.text); slices.Contains(found, other) && !r.stage.isAmbiguous(entry.text) {
			return false
		}
	}
	return true
}

func circle(way []*Resource, first *Resource) string {
	var names []string
	for i := slices.Index(way, first); i >= 0 && i < len(way); i++ {
		names = append(names, way[i].Label())
	}
	return "the resources need each other in a circle: " + strings.Join(append(names, first.Label()), " → ")
}
