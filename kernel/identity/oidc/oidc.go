// Package oidc believes tokens of identity providers: of those it was told to trust,
// and of the location's own issuer.
//
// It promises:
//
//  1. A token is good when a key of its issuer signed it, its time has come and is not
//     over, and it was made for one of the audiences of the door it was shown at. The
//     signature is judged first: nobody learns more from a forged token.
//  2. Keys are fetched by discovery, kept, over a restart too where there is a Shelf, and
//     used while the provider is down, for KeysKeptFor. A key id that is not known fetches them anew, no more often than
//     fetchEvery; who shows invented ids does not make us knock at the provider.
//  3. Everything that is fetched is bounded, in size and time, and comes by HTTPS or
//     from this machine.
//  4. Nobody becomes somebody whom this location knows by a token from elsewhere: an
//     object id of its own is believed from its own issuer alone.
//
// It refuses to say what a subject may do: package rights does.
package oidc

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/identity/jwt"
)

// Skews: how far clocks may be apart.
const (
	expirySkew = 10 * time.Second // as for shared access signatures
	earlySkew  = 5 * time.Minute  // a token may seem to come from the future by this much
)

// Issuer is an identity provider whose tokens are believed.
type Issuer struct {
	URL       string   // as tokens name it (iss)
	KeysURL   string   // of its key set; empty: discovery finds it
	Audiences []string // accepted at every door beside the door's own
	// Directory says that its object ids and groups (oid, groups) are taken as they
	// are, as of an Entra tenant. Otherwise both are made from issuer and subject.
	Directory bool
}

// Aliases are the issuer's names: an Entra tenant has one for each version of token.
func (i Issuer) Aliases() []string {
	names := []string{i.URL}
	u, err := url.Parse(i.URL)
	if err != nil || !EntraHost(u.Hostname()) {
		return names
	}
	if tenant, _, _ := strings.Cut(strings.Trim(u.Path, "/"), "/"); tenant != "" {
		names = append(names, "https://sts.windows.net/"+tenant+"/")
	}
	return names
}

// EntraHost says whether a host is that of a Microsoft Entra cloud.
func EntraHost(host string) bool {
	switch strings.ToLower(host) {
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn":
		return true
	}
	return false
}

// Local is the location's own issuer.
type Local interface {
	// SigningKey finds a key of its own by its id, among those that are in use.
	SigningKey(kid string, now time.Time) (jwt.Key, bool)
	// Issued says whether the claims, under a key of its own, are those of an access
	// token it made, for somebody who is still there.
	Issued(c *jwt.Claims) error
	// Knows says whether an object id is of somebody here.
	Knows(object string) bool
}

// Verifier judges tokens.
type Verifier struct {
	local Local
	fetch fetcher

	mu      sync.Mutex
	issuers map[string]*source // by every name
	running sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

// New makes a verifier that trusts the local issuer, where there is one.
func New(local Local, o FetchOptions) *Verifier {
	v := &Verifier{local: local, fetch: newFetcher(o), issuers: map[string]*source{}}
	v.life, v.end = context.WithCancel(context.Background())
	return v
}

// Stop ends fetches under way.
func (v *Verifier) Stop() {
	v.end()
	v.running.Wait()
}

// Trust replaces the providers that are trusted. Keys of those that stay are kept.
func (v *Verifier) Trust(list []Issuer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := map[string]*source{}
	for _, i := range list {
		var s *source
		if have := v.issuers[i.URL]; have != nil && have.is(i) {
			s = have
		} else {
			s = &source{issuer: i, verifier: v}
			s.keys, s.seen = v.fetch.taken(i)
		}
		for _, name := range i.Aliases() {
			next[name] = s
		}
	}
	v.issuers = next
}

// Verify judges a token shown at a door that takes the given audiences. Refusals are
// of kind Unauthorized, or Unavailable when the provider's keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, text string, audiences []string, peer identity.Peer, now time.Time) (identity.Principal, error) {
	t, err := jwt.Parse(text)
	if err != nil {
		return identity.Principal{}, refuse("MalformedToken: The token cannot be read: %s.", err)
	}
	if v.local != nil {
		if key, ok := v.local.SigningKey(t.Header.KeyID, now); ok {
			return v.own(&t, key, audiences, peer, now)
		}
	}
	s := v.source(t.Claims.Issuer)
	if s == nil {
		return identity.Principal{}, refuse("InvalidIssuer: Tokens of the issuer '%s' are not accepted here. An administrator can trust it with a resource of type Weir.Identity/issuers.", shown(t.Claims.Issuer))
	}
	if err := s.signed(ctx, &t, now); err != nil {
		return identity.Principal{}, err
	}
	if err := timely(&t.Claims, now); err != nil {
		return identity.Principal{}, err
	}
	if !t.Claims.For(audiences) && !t.Claims.For(s.issuer.Audiences) {
		return identity.Principal{}, wrongAudience(&t.Claims, audiences)
	}
	p := principal(&t.Claims, s.issuer.Directory)
	if p.Subject.Object == "" {
		return identity.Principal{}, refuse("InvalidToken: The token names nobody: it has neither oid nor sub.")
	}
	if v.local != nil {
		for _, id := range p.Subject.Principals() {
			if v.local.Knows(id) {
				return identity.Principal{}, refuse("InvalidToken: The object id '%s' belongs to this location's own directory and is not accepted from the issuer '%s'.", id, shown(t.Claims.Issuer))
			}
		}
	}
	return p, nil
}

// own judges a token of the local issuer.
func (v *Verifier) own(t *jwt.Token, key jwt.Key, audiences []string, peer identity.Peer, now time.Time) (identity.Principal, error) {
	if err := t.Verify(key); err != nil {
		return identity.Principal{}, refuse("InvalidSignature: The token has an invalid signature.")
	}
	if err := timely(&t.Claims, now); err != nil {
		return identity.Principal{}, err
	}
	if !t.Claims.For(audiences) {
		return identity.Principal{}, wrongAudience(&t.Claims, audiences)
	}
	if err := v.local.Issued(&t.Claims); err != nil {
		return identity.Principal{}, err
	}
	if t.Claims.LoopbackFor != "" && !peer.Loopback {
		return identity.Principal{}, refuse("InvalidToken: The token of the default identity is accepted from the server's own machine only.")
	}
	return principal(&t.Claims, true), nil
}

func (v *Verifier) source(issuer string) *source {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.issuers[issuer]
}

func timely(c *jwt.Claims, now time.Time) error {
	switch {
	case c.Expires.IsZero():
		return refuse("InvalidToken: The token does not say when it ends (exp).")
	case now.After(c.Expires.Add(expirySkew)):
		return identity.Expired(c.Expires.Time)
	case c.NotBefore.After(now.Add(earlySkew)) || c.IssuedAt.After(now.Add(earlySkew)):
		return refuse("InvalidToken: The token is not good yet: is the clock of its issuer right, or ours?")
	}
	return nil
}

func wrongAudience(c *jwt.Claims, audiences []string) error {
	return refuse("InvalidAudience: The token was made for '%s'. This door takes tokens for %s.", shown(strings.Join(c.Audience, "', '")), strings.Join(audiences, ", "))
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Unauthorized, format, args...)
}

// shown keeps what a stranger wrote short and on one line.
func shown(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, text)
}
