package bus

import (
	"context"
	"slices"
	"strings"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
	"weir/kernel/resource"
)

// credentials judges what clients show by the authorization rules of the
// namespace they came to.
type credentials struct{ s *Service }

// signaturePrefix begins every shared access signature.
const signaturePrefix = "sharedaccesssignature "

// Token implements amqp.Credentials. A token is judged by its text: clients send
// signatures under several kinds, "jwt" among them, and tokens of identity providers
// with Bearer before them or without.
func (c credentials) Token(ns, kind, audience, token string, peer identity.Peer) (identity.Principal, error) {
	if err := c.admits(ns, peer); err != nil {
		return identity.Principal{}, err
	}
	if bearer := withoutBearer(token); c.s.o.Tokens != nil && jwt.Looks(bearer) {
		return c.bearer(ns, bearer, peer)
	}
	if !strings.HasPrefix(strings.ToLower(token), signaturePrefix) {
		return identity.Principal{}, fault.New(fault.Unauthorized, "InvalidToken: Tokens of the kind '%s' are not accepted: use a shared access signature, or a token of an identity provider (JWT).", kind)
	}
	v, err := c.verifier(ns)
	if err != nil {
		return identity.Principal{}, err
	}
	return v.Verify(token, audience, peer, wall.Now())
}

// Key implements amqp.Credentials.
func (c credentials) Key(ns, name, key string, peer identity.Peer) (p identity.Principal, err error) {
	if ns != "" {
		if err := c.admits(ns, peer); err != nil {
			return p, err
		}
		v, err := c.verifier(ns)
		if err != nil {
			return p, err
		}
		return v.VerifyKey(name, key, peer)
	}
	err = fault.New(fault.Unavailable, "No namespace is declared.")
	for _, n := range c.s.namespaces() {
		if p, err = c.Key(n.Name(), name, key, peer); err == nil {
			break
		}
	}
	return p, err
}

// keys are the authorization rules of one namespace; off when it refuses them all.
type keys struct {
	all     []identity.Rule
	off     bool
	network identity.Network
}

// admits refuses a peer that may not reach a namespace from where it is.
func (c credentials) admits(ns string, peer identity.Peer) error {
	rules, err := c.rules(ns)
	if err != nil {
		return err
	}
	return rules.network.Admits(ns, peer)
}

func (c credentials) verifier(ns string) (*identity.Verifier, error) {
	rules, err := c.rules(ns)
	if err != nil {
		return nil, err
	}
	if rules.off {
		return nil, fault.New(fault.Unauthorized, "LocalAuthDisabled: The namespace '%s' refuses shared access keys: disableLocalAuth is set.", ns)
	}
	return &identity.Verifier{Rules: func(name string) []identity.Rule { return named(rules.all, name) }}, nil
}

func (c credentials) rules(ns string) (*keys, error) {
	c.s.mu.Lock()
	sp := c.s.spaces[strings.ToLower(ns)]
	c.s.mu.Unlock()
	if sp == nil {
		return nil, fault.New(fault.NotFound, "No namespace has the name '%s'.", ns)
	}
	rules := sp.rules.Load()
	if rules == nil {
		return nil, fault.New(fault.Unavailable, "The authorization rules of '%s' are being read.", ns)
	}
	return rules, nil
}

func named(rules []identity.Rule, name string) []identity.Rule {
	var found []identity.Rule
	for _, r := range rules {
		if strings.EqualFold(r.Name, name) {
			found = append(found, r)
		}
	}
	return found
}

// aboutAccess reports whether a change can be one of who may come in: rules go with the
// entities they belong to.
func aboutAccess(c resource.Change) bool {
	typ := strings.ToLower(c.ID.Type())
	return c.Deleted || strings.EqualFold(typ, typeNamespace) || strings.EqualFold(typ, typeNetworkRules) || strings.HasSuffix(typ, strings.ToLower(authorization))
}

// followRules keeps a namespace's rules in memory.
func (s *Service) followRules(ctx context.Context, sp *space) {
	for ctx.Err() == nil {
		err := watch(ctx, s.o.Registry, sp.id, func(ctx context.Context, changes []resource.Change) error {
			if len(changes) > 0 && !slices.ContainsFunc(changes, aboutAccess) {
				return nil
			}
			docs, _, err := s.o.Registry.ListUnder(ctx, sp.id, "")
			if err != nil {
				return err
			}
			ns, err := s.o.Registry.Get(ctx, sp.id)
			if err != nil {
				return err
			}
			sp.rules.Store(&keys{all: append(accessRules(docs), identity.EmulatorRule()), off: ns.Bool("disableLocalAuth"), network: network(ns, docs)})
			return nil
		})
		if fault.Is(err, fault.NotFound) { // it was deleted, and is about to be closed
			pause(ctx, retryPause)
			continue
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("authorization rules can not be read", "namespace", sp.ns.Name(), "error", fault.Detail(err))
			pause(ctx, retryPause)
		}
	}
}
