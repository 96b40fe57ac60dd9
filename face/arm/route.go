package arm

import (
	"net/http"
	"net/url"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// route finds what a path names and lets it answer. A path is a scope, then words of
// the scope's own, or a providers part with a type and names behind it, or several.
func (q *request) route() (reply, error) {
	segments, err := segmentsOf(q.Request)
	if err != nil {
		return reply{}, err
	}
	scope, rest, err := front(segments)
	if err != nil {
		return reply{}, err
	}
	q.target = scope.String()
	last := -1
	for i := 0; i < len(rest); i += 2 {
		if strings.EqualFold(rest[i], "providers") {
			last = i
		}
	}
	if last < 0 {
		return q.inScope(scope, rest)
	}
	base := scope
	if last > 0 {
		if base, err = parseID(strings.TrimSuffix(scope.String(), "/") + "/" + strings.Join(rest[:last], "/")); err != nil {
			return reply{}, err
		}
	}
	return q.behind(base, rest[last+1:])
}

// segmentsOf splits a path. Clients that leave a part out write two slashes, and some
// write a whole scope as one segment, its slashes escaped.
func segmentsOf(r *http.Request) ([]string, error) {
	var all []string
	for s := range strings.SplitSeq(r.URL.EscapedPath(), "/") {
		if s == "" {
			continue
		}
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, fault.New(fault.Invalid, "The path segment %q cannot be read.", s)
		}
		if len(all) > 0 && strings.Contains(plain, "/") {
			return nil, fault.New(fault.Invalid, "A name in an id holds no '/': write '~' for it.")
		}
		all = append(all, strings.FieldsFunc(plain, func(r rune) bool { return r == '/' })...)
	}
	return all, nil
}

// front takes the scope off a path.
func front(segments []string) (scope resource.ID, rest []string, err error) {
	scope, rest = resource.Tenant, segments
	if len(rest) > 1 && strings.EqualFold(rest[0], "subscriptions") {
		if scope, err = parseID("/subscriptions/" + rest[1]); err != nil {
			return scope, nil, err
		}
		rest = rest[2:]
		if len(rest) > 1 && strings.EqualFold(rest[0], "resourceGroups") {
			scope, err = parseID(scope.String() + "/resourceGroups/" + rest[1])
			rest = rest[2:]
		}
	}
	return scope, rest, err
}

func parseID(text string) (resource.ID, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		text := err.Error()
		return id, fault.New(fault.Invalid, "%s%s.", strings.ToUpper(text[:1]), text[1:])
	}
	return id, nil
}

// inScope answers a scope itself and the words it has beside providers.
func (q *request) inScope(scope resource.ID, rest []string) (reply, error) {
	isGroup, isSubscription := scope.ResourceGroup() != "", scope.Type() == resource.TypeSubscription
	word, more := "", []string(nil)
	if len(rest) > 0 {
		word, more = strings.ToLower(rest[0]), rest[1:]
	}
	switch {
	case word == "" && scope.Equal(resource.Tenant):
	case word == "":
		return q.scopeItself(scope)
	case word == "tenants" && scope.Equal(resource.Tenant) && len(more) == 0:
		return q.tenants()
	case word == "subscriptions" && scope.Equal(resource.Tenant) && len(more) == 0:
		return q.scopes(scope)
	case word == "resourcegroups" && isSubscription && len(more) == 0:
		return q.scopes(scope)
	case word == "resources" && !scope.Equal(resource.Tenant) && len(more) == 0:
		return q.resources(scope)
	case word == "locations" && isSubscription && len(more) == 0:
		return q.locations(scope)
	case word == "tagnames" && isSubscription && len(more) == 0:
		return q.tagNames(scope)
	case word == statusWord && isSubscription && len(more) == 1, word == resultWord && isSubscription && len(more) == 1:
		return q.operation(scope, word, more[0])
	case word == "deployments" && isGroup && len(more) > 1: // as clients ask for operations
		return q.deployment(scope, more)
	case word == "tagnames":
		return reply{}, fault.New(fault.Unsupported, "Names of tags are not declared ahead: put tags on what they are about.")
	case word == "exporttemplate" && isGroup && len(more) == 0:
		return q.exportScope(scope)
	case word == "moveresources", word == "validatemoveresources":
		return reply{}, fault.New(fault.Unsupported, "Resources do not move between groups here: deploy them to the other group and delete them in this one.")
	}
	return reply{}, fault.New(fault.NotFound, "Nothing is served at %s.", q.URL.Path)
}

// behind answers what stands behind a providers part.
func (q *request) behind(base resource.ID, tail []string) (reply, error) {
	switch len(tail) {
	case 0:
		return q.providers(base)
	case 1:
		return q.provider(base, tail[0])
	}
	prefix := strings.TrimSuffix(base.String(), "/") + "/providers/"
	if typ := strings.ToLower(tail[0] + "/" + tail[1]); base.IsScope() && typ == "microsoft.resources/deployments" {
		return q.deployment(base, tail[2:])
	} else if typ == strings.ToLower(typeTags) {
		return q.tags(base, tail[2:])
	}
	if p, served, err := q.under(prefix, tail); served || err != nil {
		return p, err
	}
	if len(tail)%2 == 1 {
		id, err := parseID(prefix + strings.Join(tail, "/"))
		if err != nil {
			return reply{}, err
		}
		return q.item(id)
	}
	if len(tail) == 2 {
		return q.providerWord(base, tail[0], tail[1])
	}
	step := tail[len(tail)-1]
	id, err := parseID(prefix + strings.Join(tail[:len(tail)-1], "/"))
	if err != nil {
		return reply{}, err
	}
	q.target = id.String()
	switch q.Method {
	case http.MethodGet:
		return q.children(id, step)
	case http.MethodPost:
		return q.act(id, step)
	}
	return reply{}, q.only("A collection takes GET and an action POST: "+step, http.MethodGet, http.MethodPost)
}

// under lets what lies below a resource be served by who knows it.
func (q *request) under(prefix string, tail []string) (p reply, served bool, err error) {
	for typ, at := tail[0]+"/"+tail[1], 3; at < len(tail); at += 2 {
		if u, ok := q.o.Under[strings.ToLower(typ)]; ok {
			id, err := parseID(prefix + strings.Join(tail[:at], "/"))
			if err != nil {
				return reply{}, true, err
			}
			if action := u.Operation(q.Method, id, tail[at:]); action != "" {
				q.target = id.String()
				if err := q.may(action, id); err != nil {
					return reply{}, true, err
				}
				return reply{served: true}, true, u.Serve(q.w, q.Request, id, tail[at:])
			}
		}
		typ += "/" + tail[at]
	}
	return reply{}, false, nil
}

// known finds a type, or says which there are.
func (q *request) known(typ string) (*resource.Type, error) {
	types := q.o.Registry.Types()
	if t, ok := types.Lookup(typ); ok {
		return t, nil
	}
	provider, _, _ := strings.Cut(typ, "/")
	var names []string
	for _, t := range types.Present() {
		if p, _, _ := strings.Cut(t.Name, "/"); strings.EqualFold(p, provider) {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil, answer.Coded("InvalidResourceNamespace", fault.New(fault.NotFound, "The resource namespace '%s' is invalid: there are %s.", provider, strings.Join(q.providerNames(), ", ")))
	}
	return nil, answer.Coded("InvalidResourceType", fault.New(fault.NotFound, "The resource type %s could not be found: there is no resource type %s here; there are %s.", typ, typ, strings.Join(names, ", ")))
}

// absent is the refusal of a type Azure has and Weir has not.
func absent(t *resource.Type) error {
	return fault.New(fault.Unsupported, "Weir has no %s: %s", t.Name, t.Absent)
}
