package resource

import (
	"fmt"
	"strings"
	"unicode"

	"weir/kernel/resource/registry"
)

// ID names a resource the way ARM does:
//
//	/subscriptions/{s}/resourceGroups/{g}/providers/{provider}/{type}/{name}/{type}/{name}…
//
// A scope alone is an ID too: the tenant, which is "/" and holds all the others, a
// subscription, a resource group. An extension resource has a providers part behind
// what it extends, which is a resource or any scope: /providers/{provider}/{type}/{name}
// lies in the tenant. IDs keep the case their author wrote and are equal without regard
// to it: compare Key, or use Equal. A name holds no '/'; where the world outside has
// one, as queues may, it is written '~'.
type ID struct {
	text     string
	key      string
	segments []string // of text, without the empty one before the first '/'
}

// Limits of an ID.
const (
	idCharsMax      = 2048
	segmentCharsMax = 260
)

// Tenant is the scope that holds everything.
var Tenant = newID(nil)

// The types of scopes.
const (
	TypeTenant       = "Microsoft.Resources/tenants"
	TypeSubscription = "Microsoft.Resources/subscriptions"
	TypeGroup        = "Microsoft.Resources/resourceGroups"
)

// ParseID reads an id and says what is wrong with one that is not.
func ParseID(text string) (ID, error) {
	bad := func(format string, args ...any) (ID, error) {
		return ID{}, fmt.Errorf("the id %q %s", shorten(text), fmt.Sprintf(format, args...))
	}
	if text == "/" {
		return Tenant, nil
	}
	if !strings.HasPrefix(text, "/") {
		return bad("must begin with /subscriptions/ or /providers/")
	}
	if len(text) > idCharsMax {
		return bad("is longer than %d characters", idCharsMax)
	}
	segments := strings.Split(text[1:], "/")
	for i, s := range segments {
		if problem := segmentProblem(s); problem != "" {
			if i > 0 {
				return bad("has %s after %q", problem, segments[i-1])
			}
			return bad("has %s", problem)
		}
	}
	if !strings.EqualFold(segments[0], "subscriptions") && !isProviders(segments, 0) {
		return bad("must begin with /subscriptions/ or /providers/")
	}
	if problem := layoutProblem(segments); problem != "" {
		return bad("%s", problem)
	}
	return newID(segments), nil
}

// MustID is ParseID for ids that are written in the program.
func MustID(text string) ID {
	id, err := ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

// newID writes the words of the layout as ARM does, and the rest as it came.
func newID(segments []string) ID {
	segments = append([]string(nil), segments...)
	for i := range segments {
		switch {
		case isProviders(segments, i):
			segments[i] = "providers"
		case i == 0:
			segments[0] = "subscriptions"
		case i == 2 && strings.EqualFold(segments[2], "resourceGroups") && segments[0] == "subscriptions":
			segments[2] = "resourceGroups"
		}
	}
	text := "/" + strings.Join(segments, "/")
	return ID{text, registry.Key(text), segments}
}

func isProviders(segments []string, i int) bool {
	return i%2 == 0 && strings.EqualFold(segments[i], "providers")
}

func segmentProblem(s string) string {
	if s == "" {
		return "an empty segment"
	}
	if len(s) > segmentCharsMax {
		return fmt.Sprintf("a segment of more than %d characters", segmentCharsMax)
	}
	if s == "." || s == ".." {
		return fmt.Sprintf("the segment %q, which is no name,", s)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.IsSpace(r) && r != ' ' || r == unicode.ReplacementChar || strings.ContainsRune("?#%\\<>&", r) {
			return fmt.Sprintf("the character %q", r)
		}
	}
	return ""
}

// layoutProblem checks that types and names pair up after the scope.
func layoutProblem(segments []string) string {
	if len(segments)%2 == 1 {
		return fmt.Sprintf("ends with %q: a name is missing after it", segments[len(segments)-1])
	}
	i := 0
	if !isProviders(segments, 0) {
		i = 2
	}
	if i == 2 && len(segments) > 2 && strings.EqualFold(segments[2], "resourceGroups") {
		i = 4
	}
	if i < len(segments) && !isProviders(segments, i) {
		return fmt.Sprintf("has %q where /providers/ was expected", segments[i])
	}
	for ; i < len(segments); i += 2 {
		if !isProviders(segments, i) {
			continue
		}
		if !strings.Contains(segments[i+1], ".") {
			return fmt.Sprintf("names the provider %q: expected one such as Microsoft.ServiceBus", segments[i+1])
		}
		if i+2 >= len(segments) || isProviders(segments, i+2) {
			return fmt.Sprintf("ends with the provider %q: a type and a name are missing after it", segments[i+1])
		}
	}
	return ""
}

// shorten keeps what an error quotes readable.
func shorten(s string) string {
	if len(s) > 120 {
		return s[:117] + "..."
	}
	return s
}

// String is the id as its author wrote it.
func (id ID) String() string { return id.text }

// Key is the form to compare and to use in maps.
func (id ID) Key() string { return id.key }

// IsZero says whether this is no id at all.
func (id ID) IsZero() bool { return id.text == "" }

// Equal compares without regard to case.
func (id ID) Equal(other ID) bool { return id.key == other.key && id.IsZero() == other.IsZero() }

// Subscription is the name after /subscriptions/, empty in the tenant.
func (id ID) Subscription() string {
	if len(id.segments) > 1 && id.segments[0] == "subscriptions" {
		return id.segments[1]
	}
	return ""
}

// ResourceGroup is the name of the resource group, empty above one.
func (id ID) ResourceGroup() string {
	if len(id.segments) > 2 && id.segments[0] == "subscriptions" && id.segments[2] == "resourceGroups" {
		return id.segments[3]
	}
	return ""
}

// provider is the index of the last providers segment, -1 for a scope.
func (id ID) provider() int {
	for i := len(id.segments) - 2; i >= 0; i -= 2 {
		if isProviders(id.segments, i) {
			return i
		}
	}
	return -1
}

// Type is the full type, such as Microsoft.ServiceBus/namespaces/queues; of a scope
// it is the type ARM gives it.
func (id ID) Type() string {
	at := id.provider()
	switch {
	case id.IsZero():
		return ""
	case at >= 0:
		parts := []string{id.segments[at+1]}
		for i := at + 2; i < len(id.segments); i += 2 {
			parts = append(parts, id.segments[i])
		}
		return strings.Join(parts, "/")
	case len(id.segments) == 4:
		return TypeGroup
	case len(id.segments) == 2:
		return TypeSubscription
	}
	return TypeTenant
}

// Name is the last segment; the tenant has none.
func (id ID) Name() string {
	if len(id.segments) == 0 {
		return ""
	}
	return id.segments[len(id.segments)-1]
}

// Names are the names of the resource and those above it up to its provider,
// outermost first: namespace, topic, subscription.
func (id ID) Names() []string {
	at := id.provider()
	if at < 0 {
		return nil
	}
	var names []string
	for i := at + 3; i < len(id.segments); i += 2 {
		names = append(names, id.segments[i])
	}
	return names
}

// IsScope says whether the id is the tenant, a subscription or a resource group.
func (id ID) IsScope() bool { return !id.IsZero() && id.provider() < 0 }

// Parent is the resource, or the scope, this one lies in; what an extension extends;
// zero for the tenant.
func (id ID) Parent() ID {
	n := len(id.segments) - 2
	if at := id.provider(); at >= 0 && n == at+2 {
		n = at
	}
	if n < 0 {
		return ID{}
	}
	return newID(id.segments[:n])
}

// Base is what stands before the last providers part: the scope a resource lies in,
// or what an extension extends. A scope is its own.
func (id ID) Base() ID {
	if at := id.provider(); at >= 0 {
		return newID(id.segments[:at])
	}
	return id
}

// Scope is the tenant, subscription or resource group the resource lies in.
func (id ID) Scope() ID {
	switch {
	case id.IsZero():
		return ID{}
	case id.ResourceGroup() != "":
		return newID(id.segments[:4])
	case id.Subscription() != "":
		return newID(id.segments[:2])
	}
	return Tenant
}

// prefix is what the ids of all that lies in this one begin with.
func (id ID) prefix() string {
	if len(id.segments) == 0 {
		return ""
	}
	return id.text
}

// Child is the id of a resource in this one. In a scope its type is full; in a
// resource it is either full or what is behind the parent's.
func (id ID) Child(typ, name string) (ID, error) {
	if id.IsScope() {
		return id.Extension(typ, name)
	}
	if rest, ok := cutPrefixFold(typ, id.Type()+"/"); ok {
		typ = rest
	}
	return ParseID(id.text + "/" + typ + "/" + name)
}

// Extension is the id of a resource behind a providers part of its own: of a full type
// in a scope, or of an extension's type on a resource.
func (id ID) Extension(typ, name string) (ID, error) {
	if id.IsScope() && len(id.segments) == 0 && strings.EqualFold(typ, TypeSubscription) {
		return ParseID("/subscriptions/" + name)
	}
	if id.IsScope() && len(id.segments) == 2 && strings.EqualFold(typ, TypeGroup) {
		return ParseID(id.text + "/resourceGroups/" + name)
	}
	return ParseID(id.prefix() + "/providers/" + typ + "/" + name)
}

// Contains says whether other is this resource or lies in it.
func (id ID) Contains(other ID) bool {
	rest, ok := strings.CutPrefix(other.Key(), id.Key())
	return ok && (rest == "" || rest[0] == '/')
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// Resource gives the id of a resource by its full type and its names, one for each
// step of the type: ("Microsoft.ServiceBus/namespaces/queues", "ns/orders").
func (id ID) Resource(typ, names string) (ID, error) {
	provider, types, ok := strings.Cut(typ, "/")
	steps, parts := strings.Split(types, "/"), strings.Split(names, "/")
	if !ok || !strings.Contains(provider, ".") {
		return ID{}, fmt.Errorf("the type %q must be full, such as Microsoft.ServiceBus/namespaces", shorten(typ))
	}
	if len(steps) != len(parts) {
		return ID{}, fmt.Errorf("the name %q has %d parts and its type %s needs %d: one for each step, with '/' between them", shorten(names), len(parts), typ, len(steps))
	}
	if len(steps) == 1 {
		return id.Extension(typ, names)
	}
	text := id.prefix() + "/providers/" + provider
	for i := range steps {
		text += "/" + steps[i] + "/" + parts[i]
	}
	return ParseID(text)
}
