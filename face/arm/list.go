package arm

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// pageMax is how many resources one answer of a list holds.
const pageMax = 500

// children lists what lies in a resource.
func (q *request) children(in resource.ID, step string) (reply, error) {
	t, err := q.known(in.Type() + "/" + step)
	if err != nil {
		return reply{}, err
	}
	if err := q.may(t.Name+"/read", in); err != nil {
		return reply{}, err
	}
	if _, err := q.o.Registry.Get(q.Context(), in); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = answer.Coded("ParentResourceNotFound", q.missing(in, err))
		}
		return reply{}, err
	}
	if t.Absent != "" {
		return list[any](nil)
	}
	if query := q.URL.Query(); query.Get("$filter") == "" && query.Get("$skip") == "" && t.Always == "" {
		return q.pageOf(in, t)
	}
	docs, _, err := q.o.Registry.List(q.Context(), in, t.Name)
	if err != nil {
		return reply{}, err
	}
	return q.page(docs, nil)
}

// pageOf is page for what is not filtered: only what is shown is read.
func (q *request) pageOf(in resource.ID, t *resource.Type) (reply, error) {
	after, err := q.after()
	if err != nil {
		return reply{}, err
	}
	top, err := number(q.URL.Query(), "$top", pageMax)
	if err != nil {
		return reply{}, err
	}
	docs, more, err := q.o.Registry.Page(q.Context(), in, t.Name, after, min(top, pageMax))
	if err != nil {
		return reply{}, err
	}
	return q.shown(docs, more, nil)
}

// providerWord answers {scope}/providers/{provider}/{word}: the list of a type, or what a
// provider does.
func (q *request) providerWord(base resource.ID, provider, word string) (reply, error) {
	switch {
	case q.Method == http.MethodPost:
		return q.providerAction(base, provider, word)
	case q.Method != http.MethodGet:
		return reply{}, q.only("A collection", http.MethodGet)
	case strings.EqualFold(word, "operations") && base.Equal(resource.Tenant):
		return q.providerOperations(provider)
	case strings.EqualFold(word, "resourceTypes") && base.IsScope():
		return q.providerTypes(base, provider)
	case strings.EqualFold(word, "providerPermissions") && base.IsScope():
		return list[any](nil)
	}
	t, err := q.known(provider + "/" + word)
	if err != nil {
		return reply{}, err
	}
	if b := q.o.Beside[strings.ToLower(t.Name)]; b != nil {
		if err := q.may(t.Name+"/read", base); err != nil {
			return reply{}, err
		}
		docs, err := b.List(q.Context(), base, q.URL.Query().Get("$filter"))
		if err != nil {
			return reply{}, err
		}
		return q.pageUnfiltered(docs, nil)
	}
	return q.ofType(t, base)
}

// ofType lists a top-level type, or an extension's, at a scope or on a resource, with
// all that lies deeper.
func (q *request) ofType(t *resource.Type, base resource.ID) (reply, error) {
	q.listed = base.String()
	if err := q.exists(base); err != nil {
		return reply{}, err
	}
	docs, _, err := q.o.Registry.ListUnder(q.Context(), base, t.Name)
	if err != nil {
		return reply{}, err
	}
	if docs, err = q.visible(t.Name+"/read", base, docs); err != nil {
		return reply{}, err
	}
	return q.page(docs, nil)
}

// exists refuses to look into a resource or a group that is not there. Any name is good
// as a subscription.
func (q *request) exists(id resource.ID) error {
	if id.Equal(resource.Tenant) || id.Type() == resource.TypeSubscription {
		return nil
	}
	if id.IsScope() {
		there, err := q.groupThere(id)
		if !there && err == nil {
			err = noGroup(id)
		}
		return err
	}
	_, err := q.o.Registry.Get(q.Context(), id)
	if fault.Is(err, fault.NotFound) {
		return q.missing(id, err)
	}
	return err
}

// groupThere says whether a group is there: declared, lived in, or the default one.
func (q *request) groupThere(id resource.ID) (bool, error) {
	_, there, err := q.o.Registry.Scope(q.Context(), id)
	return there || id.Equal(q.o.Default), err
}

func noGroup(id resource.ID) error {
	return answer.Coded("ResourceGroupNotFound", fault.New(fault.NotFound, "Resource group '%s' could not be found.", id.Name()))
}

// visible leaves out what the caller may not read. Who may read all there is at the
// scope is not asked about each; who may read nothing is refused.
func (q *request) visible(action string, scope resource.ID, docs []resource.Document) ([]resource.Document, error) {
	refusal := q.may(action, scope)
	if refusal == nil {
		return docs, nil
	}
	docs = slices.DeleteFunc(docs, func(d resource.Document) bool { return !q.allows(action, d.ID) })
	if len(docs) == 0 {
		return nil, refusal
	}
	return docs, nil
}

// resources lists what lies in a subscription or a group, whatever it is: top-level
// resources, as ARM has it; those of another type when the filter names it.
func (q *request) resources(scope resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of resources", http.MethodGet)
	}
	if err := q.exists(scope); err != nil {
		return reply{}, err
	}
	docs, _, err := q.o.Registry.ListUnder(q.Context(), scope, "")
	if err != nil {
		return reply{}, err
	}
	filter, err := parseFilter(q.URL.Query().Get("$filter"))
	if err != nil {
		return reply{}, err
	}
	whole := q.expands(expandWhole)
	docs = slices.DeleteFunc(docs, func(d resource.Document) bool {
		t, known := q.o.Registry.Types().Lookup(d.Type())
		return d.ID.IsScope() || !known || !whole && (t.Extension || t.Parent() != "") && !filter.names(d.Type())
	})
	if docs, err = q.visible("Microsoft.Resources/subscriptions/resources/read", scope, docs); err != nil {
		return reply{}, err
	}
	if whole {
		docs = slices.DeleteFunc(docs, func(d resource.Document) bool { return !q.allows(d.Type()+"/read", d.ID) })
		return q.page(docs, nil)
	}
	return q.page(docs, q.brief)
}

// expandWhole asks for all that lies in a scope, at any depth, each as it would be shown
// alone: what who compares locations needs. Azure has no word for it.
const expandWhole = "whole"

// expands reports whether the request's $expand has a word.
func (q *request) expands(word string) bool {
	return slices.ContainsFunc(strings.Split(q.URL.Query().Get("$expand"), ","), func(one string) bool { return strings.EqualFold(strings.TrimSpace(one), word) })
}

// brief is a resource in the list of all: without its properties, and with what $expand
// asks for.
func (q *request) brief(d resource.Document) any {
	shown := map[string]any{"id": d.ID.String(), "name": d.Name(), "type": d.Type()}
	for name, value := range map[string]string{"location": d.Location, "kind": d.Kind} {
		if value != "" {
			shown[name] = value
		}
	}
	if d.SKU != nil {
		shown["sku"] = d.SKU
	}
	if len(d.Tags) > 0 {
		shown["tags"] = d.Tags
	}
	if d.Identity != nil {
		shown["identity"] = d.Identity
	}
	for name := range strings.SplitSeq(q.URL.Query().Get("$expand"), ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "createdtime":
			shown["createdTime"] = moment(d.Created)
		case "changedtime":
			shown["changedTime"] = moment(d.Updated)
		case "provisioningstate":
			shown["provisioningState"] = q.state(d)
		}
	}
	return shown
}

// page filters a list and gives the part of it that is asked for, with a link to what
// follows. show makes what is shown of a document; nil is the whole of it.
func (q *request) page(docs []resource.Document, show func(resource.Document) any) (reply, error) {
	filter, err := parseFilter(q.URL.Query().Get("$filter"))
	if err != nil {
		return reply{}, err
	}
	docs = slices.DeleteFunc(docs, func(d resource.Document) bool { return !filter.matches(d, q) })
	return q.pageUnfiltered(docs, show)
}

func (q *request) pageUnfiltered(docs []resource.Document, show func(resource.Document) any) (reply, error) {
	query := q.URL.Query()
	slices.SortFunc(docs, func(a, b resource.Document) int { return strings.Compare(a.ID.Key(), b.ID.Key()) })
	skip, err := number(query, "$skip", 0)
	if err != nil {
		return reply{}, err
	}
	top, err := number(query, "$top", pageMax)
	if err != nil {
		return reply{}, err
	}
	after, err := q.after()
	if err != nil {
		return reply{}, err
	}
	docs = docs[min(skip, len(docs)):]
	if after != "" {
		from, found := slices.BinarySearchFunc(docs, after, func(d resource.Document, key string) int { return strings.Compare(d.ID.Key(), key) })
		if found {
			from++
		}
		docs = docs[from:]
	}
	top = min(top, pageMax)
	more := len(docs) > top
	return q.shown(docs[:min(top, len(docs))], more, show)
}

// after is the key of the last resource of the page before, from its $skiptoken.
func (q *request) after() (string, error) {
	token := q.URL.Query().Get("$skiptoken")
	key, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", fault.New(fault.Invalid, "The $skiptoken %q is not one this server gave.", token)
	}
	return string(key), nil
}

// shown is one page, with a link to the next when more follow.
func (q *request) shown(docs []resource.Document, more bool, show func(resource.Document) any) (reply, error) {
	if show == nil {
		show = func(d resource.Document) any { return q.public(d) }
	}
	all := make([]any, 0, len(docs))
	for _, d := range docs {
		all = append(all, show(d))
	}
	body := map[string]any{"value": all}
	if more && len(docs) > 0 {
		body["nextLink"] = q.next(docs[len(docs)-1])
	}
	return ok(body)
}

// next is the link to what follows a resource. It names the resource, so that what is
// made or deleted meanwhile shifts no page.
func (q *request) next(last resource.Document) string {
	query := q.URL.Query()
	query.Del("$skip") // it is behind us
	query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(last.ID.Key())))
	return q.origin() + q.URL.EscapedPath() + "?" + query.Encode()
}

func number(query url.Values, name string, otherwise int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "%s must be a whole number, not %q.", name, text)
	}
	return n, nil
}
