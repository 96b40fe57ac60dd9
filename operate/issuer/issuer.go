// Package issuer is the identity provider of a location that has no other: it gives
// tokens to applications, to people who sign in, and to workloads by managed identity,
// at the paths where the libraries of Azure look for Microsoft Entra.
//
// It promises:
//
//  1. Tokens go to who proved to be somebody in the directory: with a secret, a key, a
//     password, a workload key; or, where that is switched on, by asking from this
//     machine. Who is disabled or gone gets none, and the tokens it has are refused.
//  2. Whether a name exists or its secret is wrong looks the same, and takes as long.
//     Failures are counted and slowed down; hashing is never done for many at once.
//  3. A code is good once, for minutes, with its verifier; a refresh token until the
//     password changes. Nothing but the signing keys is kept for either.
//  4. Signing keys are random, live in the registry as secrets, are published before
//     they are used and believed until the last token under them has ended.
//  5. What it remembers (codes used, devices, failures) is bounded.
//
// It refuses to decide what anybody may do, and requests for managed identity that a
// proxy or a web page passed on.
package issuer

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
)

// Store is where signing keys are kept: the registry, wherever its owner is.
type Store interface {
	Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error)
	Delete(ctx context.Context, id resource.ID, c resource.Condition) error
}

// Options are what the issuer stands on.
type Options struct {
	Directory func() *access.Directory
	Store     Store
	Scope     resource.ID                     // where signing keys are put
	Settled   func(ctx context.Context) error // returns when Directory is as new as the registry
	// URL is the issuer's address; empty: the one it was asked at.
	URL string
	// Federated judges tokens of other platforms, made for one of the audiences; nil: none
	// is good.
	Federated func(ctx context.Context, token string, audiences []string) (identity.Principal, error)
	// Loopback says whether a request came from a program on this machine; nil: none did.
	Loopback func(*http.Request) bool
	// Managed gives tokens of managed identities to whoever asks from this machine.
	Managed bool
	Refused func(r *http.Request, who, why string) // of tokens that were not given; nil: nobody is told
	Now     func() time.Time                       // nil: the clock
	Random  io.Reader                              // nil: crypto/rand
	Logger  *slog.Logger
}

// Issuer answers at the paths of an identity provider.
type Issuer struct {
	o   Options
	log *slog.Logger

	keys     sync.Mutex    // one goroutine makes a key
	hashing  chan struct{} // a place for each hash that is computed
	failures *limiter
	used     *once
	proven   *memory
	devices  devices
}

// hashesAtOnce bounds the processor time that wrong secrets can take.
const hashesAtOnce = 2

// New makes an issuer.
func New(o Options) *Issuer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Issuer{o: o, log: o.Logger, hashing: make(chan struct{}, hashesAtOnce), failures: newLimiter(), used: newOnce(), proven: newMemory(), devices: newDevices()}
}

// Paths of managed identity.
const (
	PathAppService = "/msi/token"
	PathIMDS       = "/metadata/identity/oauth2/token"
)

// tenants are the names of the directory in paths: its id, a word for people, and what
// clients put who leave the choice to the provider.
var tenants = []string{access.TenantID, "weir", "common", "organizations"}

// Serves says whether a path is one of the issuer's.
func Serves(path string) bool {
	if path == PathAppService || path == PathIMDS {
		return true
	}
	_, _, ok := split(path)
	return ok
}

// split takes a path apart into the tenant and what is asked of it.
func split(path string) (tenant, rest string, ok bool) {
	tenant, rest, ok = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return "", "", false
	}
	for _, known := range tenants {
		if strings.EqualFold(tenant, known) {
			switch first, _, _ := strings.Cut(rest, "/"); first {
			case "oauth2", "v2.0", "discovery", ".well-known":
				return tenant, rest, true
			}
		}
	}
	return "", "", false
}

// bodyBytesMax bounds a request's form.
const bodyBytesMax = 64 << 10

// ServeHTTP implements http.Handler.
func (s *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	switch r.URL.Path {
	case PathAppService:
		s.appService(w, r)
		return
	case PathIMDS:
		s.imds(w, r)
		return
	}
	_, rest, _ := split(r.URL.Path)
	switch strings.TrimSuffix(rest, "/") {
	case "v2.0/.well-known/openid-configuration", ".well-known/openid-configuration":
		s.discovery(w, r)
	case "discovery/v2.0/keys", "discovery/keys":
		s.keySet(w, r)
	case "discovery/instance":
		s.instances(w, r)
	case "oauth2/v2.0/token", "oauth2/token":
		s.token(w, r)
	case "oauth2/v2.0/authorize", "oauth2/authorize":
		s.authorize(w, r)
	case "oauth2/v2.0/devicecode", "oauth2/devicecode":
		s.deviceCode(w, r)
	case "oauth2/device":
		s.devicePage(w, r)
	case "oauth2/v2.0/logout", "oauth2/logout":
		writePage(w, http.StatusOK, messagePage, "There is no session to end here: close the program that you signed in with.")
	default:
		fail(w, http.StatusNotFound, oauthError{"invalid_request", 900561, "Nothing is served at this path of the identity provider."})
	}
}

// base is the address of the issuer, as the client sees it.
func (s *Issuer) base(r *http.Request) string {
	if s.o.URL != "" {
		return strings.TrimSuffix(s.o.URL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// issuerURL is how tokens name the issuer.
func (s *Issuer) issuerURL(r *http.Request) string {
	return s.base(r) + "/" + access.TenantID + "/v2.0"
}
