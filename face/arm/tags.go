package arm

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

const typeTags = "Microsoft.Resources/tags"

// tagsMax is how many tags a resource has, ARM's own limit.
const tagsMax = 50

// tags answers {scope}/providers/Microsoft.Resources/tags/default: the tags of a
// resource, a group or a subscription as a thing of their own.
func (q *request) tags(of resource.ID, rest []string) (reply, error) {
	if len(rest) != 1 || !strings.EqualFold(rest[0], "default") || of.Equal(resource.Tenant) {
		return reply{}, fault.New(fault.NotFound, "The tags of a resource, a group or a subscription are at …/providers/%s/default.", typeTags)
	}
	q.target = of.String()
	verb := map[string]string{http.MethodGet: "read", http.MethodPut: "write", http.MethodPatch: "write", http.MethodDelete: "delete"}[q.Method]
	if verb == "" {
		return reply{}, q.only("Tags", "GET", "PUT", "PATCH", "DELETE")
	}
	if err := q.may(typeTags+"/"+verb, of); err != nil {
		return reply{}, err
	}
	have, err := q.tagged(of)
	if err != nil {
		return reply{}, err
	}
	if q.Method == http.MethodGet {
		return ok(tagsBody(of, have.Tags))
	}
	tags, err := q.newTags(have.Tags)
	if err != nil {
		return reply{}, err
	}
	if err := q.putTags(of, have, tags); err != nil {
		return reply{}, err
	}
	if q.Method == http.MethodDelete {
		return reply{status: http.StatusOK}, nil
	}
	return ok(tagsBody(of, tags))
}

// tagged reads what the tags are of.
func (q *request) tagged(of resource.ID) (resource.Document, error) {
	if of.IsScope() {
		d, _, err := q.o.Registry.Scope(q.Context(), of)
		if err == nil {
			err = q.exists(of)
		}
		return d, err
	}
	t, err := q.known(of.Type())
	if err != nil {
		return resource.Document{}, err
	}
	return q.find(t, of)
}

func tagsBody(of resource.ID, tags map[string]string) map[string]any {
	if tags == nil {
		tags = map[string]string{}
	}
	return map[string]any{
		"id": of.String() + "/providers/" + typeTags + "/default", "name": "default", "type": typeTags,
		"properties": map[string]any{"tags": tags},
	}
}

// newTags gives the tags as they will be. Names are compared without regard to case.
func (q *request) newTags(have map[string]string) (map[string]string, error) {
	if q.Method == http.MethodDelete {
		return nil, nil
	}
	data, err := answer.Read(q.Request)
	if err != nil {
		return nil, err
	}
	var body struct {
		Operation  string `json:"operation"`
		Properties struct {
			Tags map[string]string `json:"tags"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, answer.Coded("InvalidRequestContent", fault.Wrap(fault.Invalid, err, "The body must be {\"properties\": {\"tags\": {…}}}, in a PATCH with \"operation\": Merge, Replace or Delete; tags are texts."))
	}
	given := body.Properties.Tags
	tags := maps.Clone(have)
	if tags == nil {
		tags = map[string]string{}
	}
	operation := strings.ToLower(body.Operation)
	switch {
	case q.Method == http.MethodPut, operation == "replace":
		tags = given
	case operation == "merge":
		for name, value := range given {
			maps.DeleteFunc(tags, func(n, _ string) bool { return strings.EqualFold(n, name) })
			tags[name] = value
		}
	case operation == "delete":
		for name, value := range given {
			maps.DeleteFunc(tags, func(n, v string) bool { return strings.EqualFold(n, name) && (value == "" || v == value) })
		}
	default:
		return nil, fault.New(fault.Invalid, "The operation %q is none: use Merge, Replace or Delete.", body.Operation)
	}
	if len(tags) > tagsMax {
		return nil, fault.New(fault.Invalid, "There would be %d tags, and there may be %d at most.", len(tags), tagsMax)
	}
	return tags, nil
}

// putTags stores tags. A scope that nobody declared is declared with them.
func (q *request) putTags(of resource.ID, have resource.Document, tags map[string]string) error {
	condition, err := q.condition()
	if err != nil {
		return err
	}
	if err := q.decided(of); err != nil {
		return err
	}
	if of.IsScope() && have.ETag == "" {
		_, err = q.o.Registry.Put(q.Context(), resource.Document{ID: of, Tags: tags}, condition)
		return err
	}
	change := map[string]any{}
	for name := range have.Tags {
		change[name] = nil // a merge leaves what it does not name
	}
	for name, value := range tags {
		change[name] = value
	}
	patch, err := json.Marshal(map[string]any{"tags": change})
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "The tags cannot be read.")
	}
	_, err = q.o.Registry.Patch(q.Context(), of, patch, condition)
	return err
}

// tagNames lists the tags in use in a subscription, with how often each is.
func (q *request) tagNames(scope resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of tag names", http.MethodGet)
	}
	if err := q.may("Microsoft.Resources/subscriptions/tagNames/read", scope); err != nil {
		return reply{}, err
	}
	docs, _, err := q.o.Registry.ListUnder(q.Context(), scope, "")
	if err != nil {
		return reply{}, err
	}
	counts := map[string]map[string]int{}
	for _, d := range docs {
		for name, value := range d.Tags {
			if counts[name] == nil {
				counts[name] = map[string]int{}
			}
			counts[name][value]++
		}
	}
	var all []any
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		id := scope.String() + "/tagNames/" + name
		total, values := 0, []any{}
		for _, value := range slices.Sorted(maps.Keys(counts[name])) {
			n := counts[name][value]
			total += n
			values = append(values, map[string]any{"id": id + "/tagValues/" + value, "tagValue": value, "count": map[string]any{"type": "Total", "value": n}})
		}
		all = append(all, map[string]any{"id": id, "tagName": name, "count": map[string]any{"type": "Total", "value": total}, "values": values})
	}
	return list(all)
}
