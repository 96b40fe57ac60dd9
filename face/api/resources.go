package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// target is what a path under /subscriptions names.
type target struct {
	id     resource.ID // a resource, or where a collection lies
	step   string      // the last segment of a collection or an action; empty for a resource
	nested string      // full type of a collection's resources; empty when step is no type
}

// resources answers everything under /subscriptions.
func (a *API) resources(w http.ResponseWriter, r *http.Request) {
	t, err := a.parse(r)
	if err == nil {
		err = a.route(w, r, t)
	}
	if err != nil {
		refuse(w, r, a.o.Logger, t.id.String(), err)
	}
}

func (a *API) route(w http.ResponseWriter, r *http.Request, t target) error {
	if t.step != "" {
		switch r.Method {
		case http.MethodGet:
			return a.list(w, r, t)
		case http.MethodPost:
			return a.act(w, r, t)
		}
		w.Header().Set("Allow", "GET, POST")
		return fault.New(fault.MethodNotAllowed, "A collection takes GET, an action POST; %s takes neither %s.", t.step, r.Method)
	}
	if t.id.IsScope() {
		return fault.New(fault.Unsupported, "%s is a scope: resources can be listed and put in it, but it is none itself here.", t.id)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return a.get(w, r, t.id)
	case http.MethodPut:
		return a.put(w, r, t.id)
	case http.MethodPatch:
		return a.patch(w, r, t.id)
	case http.MethodDelete:
		return a.remove(w, r, t.id)
	}
	w.Header().Set("Allow", "GET, PUT, PATCH, DELETE")
	return fault.New(fault.MethodNotAllowed, "A resource takes GET, PUT, PATCH and DELETE, and its actions POST.")
}

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}(-\d{2})?(-preview)?$`)

// parse finds out what a request names. An api-version may be left out; one that is
// given must look like one, and any is answered the same.
func (a *API) parse(r *http.Request) (target, error) {
	if v := r.URL.Query().Get("api-version"); v != "" && !apiVersion.MatchString(v) {
		return target{}, fault.New(fault.Invalid, "The api-version %q is none: write one as 2024-01-01, or leave it out.", v)
	}
	if strings.Contains(strings.ToUpper(r.URL.EscapedPath()), "%2F") {
		return target{}, fault.New(fault.Invalid, "A name in an id holds no '/': write '~' for it.")
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if strings.Count(path, "/")%2 == 0 { // names pair up with types
		id, err := resource.ParseID(path)
		return target{id: id}, invalid(err)
	}
	cut := strings.LastIndexByte(path, '/')
	parent, step := path[:cut], path[cut+1:]
	if scope, provider, ok := topLevel(parent); ok {
		id, err := resource.ParseID(scope)
		return target{id: id, step: step, nested: provider + "/" + step}, invalid(err)
	}
	if parent == "" {
		return target{}, fault.New(fault.Unsupported, "Subscriptions are not listed here; every name is good as one.")
	}
	id, err := resource.ParseID(parent)
	if err != nil {
		return target{}, invalid(err)
	}
	t := target{id: id, step: step}
	if !id.IsScope() {
		t.nested = id.Type() + "/" + step
	}
	return t, nil
}

// topLevel splits {scope}/providers/{provider}.
func topLevel(parent string) (scope, provider string, ok bool) {
	segments := strings.Split(parent, "/")
	n := len(segments)
	if n < 4 || !strings.EqualFold(segments[n-2], "providers") {
		return "", "", false
	}
	return strings.Join(segments[:n-2], "/"), segments[n-1], true
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	return fault.New(fault.Invalid, "%s%s.", strings.ToUpper(text[:1]), text[1:])
}

// known refuses types nobody brought, and says which there are.
func (a *API) known(typ string) (*resource.Type, error) {
	t, ok := a.o.Registry.Types().Lookup(typ)
	if ok {
		return t, nil
	}
	var names []string
	for _, t := range a.o.Registry.Types().All() {
		names = append(names, t.Name)
	}
	return nil, fault.New(fault.NotFound, "There is no resource type %s here; there are %s.", typ, strings.Join(names, ", "))
}

func (a *API) get(w http.ResponseWriter, r *http.Request, id resource.ID) error {
	if _, err := a.known(id.Type()); err != nil {
		return err
	}
	d, err := a.o.Registry.Get(r.Context(), id)
	if err != nil {
		return err
	}
	a.show(w, http.StatusOK, d)
	return nil
}

// show answers with one resource.
func (a *API) show(w http.ResponseWriter, status int, d resource.Document) {
	w.Header().Set("ETag", strconv.Quote(d.ETag))
	writeJSON(w, status, a.public(d))
}

// public takes secrets out of a document and puts what the service counts in.
func (a *API) public(d resource.Document) resource.Document {
	if t, ok := a.o.Registry.Types().Lookup(d.Type()); ok {
		d = t.Redact(d)
	}
	if a.o.Counts == nil {
		return d
	}
	if counts := a.o.Counts(d); len(counts) > 0 {
		d = d.Clone()
		if d.Properties == nil {
			d.Properties = map[string]any{}
		}
		maps.Copy(d.Properties, counts)
	}
	return d
}

func (a *API) put(w http.ResponseWriter, r *http.Request, id resource.ID) error {
	condition, err := conditionOf(r)
	if err != nil {
		return err
	}
	body, err := read(r)
	if err != nil {
		return err
	}
	d, err := document(body, id)
	if err != nil {
		return err
	}
	if err := a.decided(r, id); err != nil {
		return err
	}
	result, err := a.o.Registry.Put(r.Context(), d, condition)
	if err != nil {
		return err
	}
	a.applied(r, result.Document)
	status := http.StatusOK
	if result.Created {
		status = http.StatusCreated
	}
	a.show(w, status, result.Document)
	return nil
}

// document reads a body as the resource the path names. What the body repeats of
// the path must agree with it.
func document(body []byte, id resource.ID) (resource.Document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return resource.Document{}, fault.Wrap(fault.Invalid, err, "The body must be one JSON object, such as {\"properties\": {}}.")
	}
	for name, want := range map[string]string{"id": id.String(), "name": id.Name(), "type": id.Type()} {
		var given string
		if raw, ok := fields[name]; ok && (json.Unmarshal(raw, &given) != nil || !strings.EqualFold(given, want)) {
			return resource.Document{}, fault.New(fault.Invalid, "The %s in the body is %s, the path says %q.", name, raw, want)
		}
		delete(fields, name)
	}
	fields["id"], _ = json.Marshal(id.String()) // a string always marshals
	whole, err := json.Marshal(fields)
	if err != nil {
		return resource.Document{}, fault.Wrap(fault.Invalid, err, "The body cannot be read.")
	}
	docs, problems := resource.Parse(whole, resource.ID{})
	for i := range problems {
		problems[i].Line = 0 // of a text its author did not write
	}
	if err := problems.Fault(); err != nil {
		return resource.Document{}, err
	}
	if len(docs) != 1 {
		return resource.Document{}, fault.New(fault.Invalid, "The body declares %d resources; POST /deploy takes several.", len(docs))
	}
	return docs[0], nil
}

func conditionOf(r *http.Request) (resource.Condition, error) {
	c := resource.Condition{IfMatch: r.Header.Get("If-Match")}
	switch none := r.Header.Get("If-None-Match"); none {
	case "":
	case "*":
		c.IfNoneMatch = true
	default:
		return c, fault.New(fault.Invalid, "If-None-Match may only be \"*\": the resource must not exist yet.")
	}
	return c, nil
}

// read reads a body of bounded size.
func read(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, fault.New(fault.TooLarge, "The body is larger than %d bytes.", tooBig.Limit)
		}
		return nil, fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	return body, nil
}

func (a *API) patch(w http.ResponseWriter, r *http.Request, id resource.ID) error {
	condition, err := conditionOf(r)
	if err != nil {
		return err
	}
	body, err := read(r)
	if err != nil {
		return err
	}
	if err := a.decided(r, id); err != nil {
		return err
	}
	result, err := a.o.Registry.Patch(r.Context(), id, body, condition)
	if err != nil {
		return err
	}
	a.applied(r, result.Document)
	a.show(w, http.StatusOK, result.Document)
	return nil
}

// remove deletes a resource; one that is not there is as good as deleted.
func (a *API) remove(w http.ResponseWriter, r *http.Request, id resource.ID) error {
	condition, err := conditionOf(r)
	if err != nil {
		return err
	}
	if err := a.decided(r, id); err != nil {
		return err
	}
	switch err := a.o.Registry.Delete(r.Context(), id, condition); {
	case fault.Is(err, fault.NotFound):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		return err
	default:
		a.applied(r, resource.Document{ID: id})
		w.WriteHeader(http.StatusOK)
	}
	return nil
}

// pageMax is how many resources one answer of a list holds.
const pageMax = 500

func (a *API) list(w http.ResponseWriter, r *http.Request, t target) error {
	docs, err := a.find(r, t)
	if err != nil {
		return err
	}
	skip, top, err := window(r.URL.Query())
	if err != nil {
		return err
	}
	docs = docs[min(skip, len(docs)):]
	answer := struct {
		Value    []resource.Document `json:"value"`
		NextLink string              `json:"nextLink,omitempty"`
	}{Value: []resource.Document{}}
	if len(docs) > top {
		docs = docs[:top]
		answer.NextLink = nextLink(r, skip+top)
	}
	for _, d := range docs {
		answer.Value = append(answer.Value, a.public(d))
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// find lists what lies directly in a resource or resource group, or anywhere in a
// subscription.
func (a *API) find(r *http.Request, t target) ([]resource.Document, error) {
	typ := t.nested
	if t.id.IsScope() && strings.EqualFold(t.step, "resources") && typ == "" {
		docs, _, err := a.o.Registry.ListUnder(r.Context(), t.id, "")
		return docs, err
	}
	if _, err := a.known(typ); err != nil {
		return nil, err
	}
	if t.id.IsScope() {
		docs, _, err := a.o.Registry.ListUnder(r.Context(), t.id, typ)
		return docs, err
	}
	if _, err := a.o.Registry.Get(r.Context(), t.id); err != nil {
		return nil, err
	}
	docs, _, err := a.o.Registry.List(r.Context(), t.id, typ)
	return docs, err
}

// window reads $skip and $top.
func window(query url.Values) (skip, top int, err error) {
	top = pageMax
	for name, into := range map[string]*int{"$skip": &skip, "$top": &top} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, bad := strconv.Atoi(text)
		if bad != nil || n < 0 {
			return 0, 0, fault.New(fault.Invalid, "%s must be a whole number, not %q.", name, text)
		}
		*into = n
	}
	return skip, min(top, pageMax), nil
}

func nextLink(r *http.Request, skip int) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	query := r.URL.Query()
	query.Set("$skip", strconv.Itoa(skip))
	return fmt.Sprintf("%s://%s%s?%s", scheme, r.Host, r.URL.EscapedPath(), query.Encode())
}

// act runs an action of a resource: POST {id}/listKeys.
func (a *API) act(w http.ResponseWriter, r *http.Request, t target) error {
	if _, err := a.known(t.id.Type()); err != nil {
		return err
	}
	data, err := read(r)
	if err != nil {
		return err
	}
	var body map[string]any
	if len(data) > 0 {
		if err := json.Unmarshal(data, &body); err != nil {
			return fault.Wrap(fault.Invalid, err, "The body of an action must be one JSON object, or nothing.")
		}
	}
	answer, err := a.o.Registry.Act(r.Context(), t.id, t.step, body)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
