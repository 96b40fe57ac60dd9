package bus

import (
	"context"
	"strings"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// Tokens judges tokens of identity providers, and says what their subjects may do.
type Tokens interface {
	// Verify judges a token shown at a door that takes the given audiences.
	Verify(ctx context.Context, token string, audiences []string, peer identity.Peer, now time.Time) (identity.Principal, error)
	// Allows says whether a principal may do something at a scope; data says that it is
	// a data action.
	Allows(p identity.Principal, action, scope string, data bool) bool
}

// What the rights of Service Bus are called among data actions. Azure's data roles name
// them with wildcards.
const (
	actionSend   = typeNamespace + "/messages/send/action"
	actionListen = typeNamespace + "/messages/receive/action"
	actionManage = typeNamespace + "/messages/manage/action"
)

// Audience is what clients of every namespace ask tokens for.
const Audience = "https://servicebus.azure.net"

// audiences are what tokens for a namespace may be made for.
func audiences(ns string) []string {
	host := strings.ToLower(ns) + ".servicebus.windows.net"
	return []string{Audience, "https://" + host, "sb://" + host}
}

// verifyWait bounds the wait for keys of an identity provider.
const verifyWait = 10 * time.Second

// bearer judges a token of an identity provider. Namespaces that refuse local keys take
// these all the same.
func (c credentials) bearer(ns, token string, peer identity.Peer) (identity.Principal, error) {
	c.s.mu.Lock()
	sp := c.s.spaces[strings.ToLower(ns)]
	c.s.mu.Unlock()
	if sp == nil {
		return identity.Principal{}, fault.New(fault.NotFound, "No namespace has the name '%s'.", ns)
	}
	ctx, cancel := context.WithTimeout(context.Background(), verifyWait)
	defer cancel()
	p, err := c.s.o.Tokens.Verify(ctx, token, audiences(ns), peer, wall.Now())
	if err != nil {
		return identity.Principal{}, err
	}
	p.Grants = grants{c.s.o.Tokens, p, sp.id}
	return p, nil
}

// withoutBearer takes the scheme off a token that came with one.
func withoutBearer(token string) string {
	const scheme = "bearer "
	token = strings.TrimSpace(token)
	if len(token) > len(scheme) && strings.EqualFold(token[:len(scheme)], scheme) {
		token = strings.TrimSpace(token[len(scheme):])
	}
	return token
}

// grants is what a token allows in one namespace, by the roles of its subject.
type grants struct {
	tokens Tokens
	p      identity.Principal
	ns     resource.ID
}

// Permits implements identity.Grants. Entities can also be managed by who may change
// them as resources.
func (g grants) Permits(entity string, need identity.Claims) bool {
	for _, one := range [...]struct {
		claim  identity.Claims
		action string
	}{{identity.Send, actionSend}, {identity.Listen, actionListen}, {identity.Manage, actionManage}} {
		if need&one.claim != 0 && !g.anywhere(entity, one.action, true) && !(one.claim == identity.Manage && g.mayWrite(entity)) {
			return false
		}
	}
	return true
}

// mayWrite says whether the entity may be changed as a resource.
func (g grants) mayWrite(entity string) bool { return g.Manages(entity, "write") }

// Manages implements identity.Grants: by the control actions of the resource's type.
func (g grants) Manages(path, verb string) bool {
	for _, id := range g.places(path) {
		typ := typeNamespace
		if rest, ok := strings.CutPrefix(strings.ToLower(id), g.ns.Key()+"/"); ok {
			typ += "/" + typesIn(rest)
		}
		typ += listed(path)
		if g.tokens.Allows(g.p, typ+"/"+verb, id, false) {
			return true
		}
	}
	return false
}

// listed is the type of what a path lists, behind the type of what it lies in; empty
// for what is no list.
func listed(path string) string {
	if of, ok := strings.CutPrefix(path, "$resources/"); ok {
		return "/" + of
	}
	for _, of := range []string{"/subscriptions", "/rules"} {
		if strings.HasSuffix(path, of) {
			return of
		}
	}
	return ""
}

// typesIn leaves the types of a path of types and names.
func typesIn(path string) string {
	var types []string
	for i, part := range strings.Split(path, "/") {
		if i%2 == 0 {
			types = append(types, part)
		}
	}
	return strings.Join(types, "/")
}

func (g grants) anywhere(entity, action string, data bool) bool {
	for _, id := range g.places(entity) {
		if g.tokens.Allows(g.p, action, id, data) {
			return true
		}
	}
	return false
}

// places are the ids a path may have as a resource. Queues and topics share their
// names, so that at most one of two is there. Lists are what they lie in; those of queues
// and of topics are the namespace.
func (g grants) places(path string) []string {
	ns := g.ns.String()
	if path == "" || strings.HasPrefix(path, "$") {
		return []string{ns}
	}
	topic, below, ok := strings.Cut(path+"/", "/subscriptions/")
	topic = ns + "/topics/" + idName(strings.TrimSuffix(topic, "/"))
	switch subscription, rule, inRule := strings.Cut(below, "/rules/"); {
	case !ok:
		name := idName(path)
		return []string{ns + "/queues/" + name, ns + "/topics/" + name}
	case below == "":
		return []string{topic}
	case !inRule || rule == "":
		return []string{topic + "/subscriptions/" + strings.TrimSuffix(subscription, "/")}
	default:
		return []string{topic + "/subscriptions/" + subscription + "/rules/" + strings.TrimSuffix(rule, "/")}
	}
}
