package atom

import (
	"net/url"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// kind is what a path of the admin API names.
type kind uint8

const (
	root kind = iota // the namespace's root, which lists nothing
	namespaceInfo
	queueOrTopic
	subscription
	rule
	queues // lists
	topics
	subscriptions
	rules
)

// target is what a request is about.
type target struct {
	kind     kind
	path     string // as clients name the entity, or the list
	topic    string // of a subscription or a rule, and of lists of them
	name     string // of the entity itself
	parent   resource.ID
	ids      []resource.ID // of the entity: a queue and a topic are named alike
	listType string
}

// The resource types behind the entities.
const (
	typeNamespace    = "Microsoft.ServiceBus/namespaces"
	typeQueue        = typeNamespace + "/queues"
	typeTopic        = typeNamespace + "/topics"
	typeSubscription = typeTopic + "/subscriptions"
	typeRule         = typeSubscription + "/rules"
	authorization    = "authorizationRules"
)

// parseTarget reads a path. Names of queues and topics may hold slashes, those of
// subscriptions and rules may not.
func parseTarget(ns resource.ID, path string) (target, error) {
	path = strings.Trim(path, "/")
	switch low := strings.ToLower(path); {
	case path == "":
		return target{kind: root, parent: ns}, nil
	case low == "$namespaceinfo":
		return target{kind: namespaceInfo, path: path, parent: ns}, nil
	case low == "$resources/queues":
		return target{kind: queues, path: path, parent: ns, listType: typeQueue}, nil
	case low == "$resources/topics":
		return target{kind: topics, path: path, parent: ns, listType: typeTopic}, nil
	case strings.HasPrefix(low, "$"):
		return target{}, fault.New(fault.NotFound, "Nothing is served at /%s: lists are at /$Resources/Queues and /$Resources/Topics.", path)
	}
	return parseEntity(ns, path)
}

func parseEntity(ns resource.ID, path string) (t target, err error) {
	topic, rest, below := cutFold(path, "/subscriptions/")
	if !below {
		if topic, below = cutSuffixFold(path, "/subscriptions"); below {
			t = target{kind: subscriptions, path: path, topic: topic, listType: typeSubscription}
			t.parent, err = child(ns, "topics", topic)
			return t, err
		}
		t = target{kind: queueOrTopic, path: path, name: path, parent: ns}
		for _, typ := range []string{"queues", "topics"} {
			id, err := child(ns, typ, path)
			if err != nil {
				return t, err
			}
			t.ids = append(t.ids, id)
		}
		return t, nil
	}
	t = target{kind: subscription, path: path, topic: topic}
	if t.parent, err = child(ns, "topics", topic); err != nil {
		return t, err
	}
	name, ruleName, inRule := cutFold(rest, "/rules/")
	if !inRule {
		name, inRule = cutSuffixFold(rest, "/rules")
		if inRule {
			t.kind, t.listType = rules, typeRule
		} else {
			name = rest
		}
	} else {
		t.kind = rule
	}
	id, err := child(t.parent, "subscriptions", name)
	if err != nil {
		return t, err
	}
	t.name, t.ids = name, []resource.ID{id}
	if t.kind == rules {
		t.parent = id
	}
	if t.kind == rule {
		t.parent, t.name = id, ruleName
		id, err = child(id, "rules", ruleName)
		t.ids = []resource.ID{id}
	}
	return t, err
}

// child is the id of an entity; a name with slashes has '~' for them there.
func child(parent resource.ID, typ, name string) (resource.ID, error) {
	id, err := parent.Child(typ, strings.ReplaceAll(name, "/", "~"))
	if err != nil {
		return id, fault.Wrap(fault.Invalid, err, "The entity name '%s' is not allowed: %s.", name, err)
	}
	return id, nil
}

// cutFold cuts around the last sep, given in lower case.
func cutFold(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(strings.ToLower(s), sep)
	if i < 0 || len(strings.ToLower(s)) != len(s) {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if at := len(s) - len(suffix); at >= 0 && strings.EqualFold(s[at:], suffix) {
		return s[:at], true
	}
	return s, false
}

// query is what stands behind the '?'.
type query struct {
	version string // api-version, as it was given
	skip    int
	top     int
	paged   bool // $top was given
}

// Pages of lists.
const (
	pageDefault = 100
	pageMax     = 1000
)

// parseQuery reads it. A name nobody knows is refused; the Go client begins with one '?'
// or '&' too many.
func parseQuery(raw string) (query, error) {
	q := query{top: pageDefault}
	values, err := url.ParseQuery(strings.TrimLeft(raw, "?&"))
	if err != nil {
		return q, fault.Wrap(fault.Invalid, err, "The query of the request cannot be read.")
	}
	for name, given := range values {
		if name = strings.TrimLeft(name, "?"); name == "" {
			continue
		}
		text := given[len(given)-1]
		switch strings.ToLower(name) {
		case "api-version":
			q.version = text
		case "enrich", "timeout":
		case "$skip", "$top":
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return q, fault.New(fault.Invalid, "%s must be a whole number, not '%s'.", name, text)
			}
			if strings.EqualFold(name, "$skip") {
				q.skip = n
			} else {
				q.top, q.paged = min(n, pageMax), true
			}
		default:
			return q, fault.New(fault.Invalid, "The query parameter '%s' is not known here: api-version, $skip, $top and enrich are.", name)
		}
	}
	if q.version != "" && !versionLike(q.version) {
		return q, fault.New(fault.Invalid, "The api-version '%s' is none: write one as 2021-05.", q.version)
	}
	return q, nil
}

// versionLike is YYYY-MM, and whatever may follow.
func versionLike(v string) bool {
	return len(v) >= 7 && v[4] == '-' && strings.Trim(v[:4]+v[5:7], "0123456789") == ""
}

// since reports whether the client knows what a version brought. One that names no
// version knows everything.
func (q query) since(version string) bool { return q.version == "" || q.version >= version }
