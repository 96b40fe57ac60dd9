// Package http is the connector of everything that is called over HTTP: Http and
// HttpWebhook, and what is HTTP by another name (AppService, Function, ApiManagement).
//
// It promises:
//
//  1. What a body was, it is again: bytes with their type go out as they came in, and what
//     comes is typed as package content says.
//  2. Credentials go to the origin that the definition names and to no other: not with a
//     redirection, not with the address of a status or of a next page.
//  3. Answers and errors hold no credential and no query of an address.
//  4. Every request says which run and action it is of, and carries a key that is the same
//     whenever the attempt is made again, unless the definition suppresses that.
//  5. Bodies, redirections, pages, chunks and remembered tokens are bounded.
//
// It refuses addresses that only machines of a cloud should reach (Reach), inputs and kinds
// of authentication that it does not know, and identities where nobody gives tokens; each
// by name.
package http

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
)

// Limits bound what is sent and received. Zero fields get the defaults.
type Limits struct {
	// BodyBytesMax bounds a body, ChunkedBytesMax one that is transferred in chunks.
	BodyBytesMax    int64
	ChunkedBytesMax int64
	// ChunkBytes is how large a chunk is when nobody suggests a size, and at most.
	ChunkBytes int64
	// RequestsMax bounds the requests for the chunks or the pages of one body.
	RequestsMax int
	URLBytesMax int
}

// DefaultLimits are those of the cloud.
var DefaultLimits = Limits{BodyBytesMax: 104_857_600, ChunkedBytesMax: 1 << 30, ChunkBytes: 52_428_800, RequestsMax: 1000, URLBytesMax: 16_384}

// Tokens gives tokens of managed identities.
type Tokens interface {
	// Token gives an access token for an audience, and when it ends. owner is the resource
	// id of who has the identity; identity that of a user-assigned one, empty for its own.
	// It refuses an identity that is not assigned to the owner.
	Token(ctx context.Context, owner, identity, audience string) (token string, ends time.Time, err error)
}

// Options are what a connector is made of. All may be left out.
type Options struct {
	// Tokens are of managed identities; nil: they are refused.
	Tokens Tokens
	// Base gives the address that an API of a gateway or a function is called at, by its
	// resource id; nil: only what has an address itself can be called.
	Base func(ctx context.Context, resource string) (string, error)
	// Connections are those that functions and APIs of a gateway are called by; nil: there
	// are none.
	Connections connection.Finder
	// Authority issues tokens for ActiveDirectoryOAuth that names none.
	Authority string
	// Roots are the authorities whose certificates are believed; nil: the system's.
	Roots *x509.CertPool
	Reach Reach
	// Agent is how requests call themselves.
	Agent  string
	Limits Limits
	Now    func() time.Time
}

// Connector calls over HTTP.
type Connector struct {
	o       Options
	clients *clients
	tokens  *tokens
}

var _ connector.Poller = (*Connector)(nil)

// New makes a connector. It keeps connections open until Close.
func New(o Options) *Connector {
	o.Limits.BodyBytesMax = cmp.Or(o.Limits.BodyBytesMax, DefaultLimits.BodyBytesMax)
	o.Limits.ChunkedBytesMax = cmp.Or(o.Limits.ChunkedBytesMax, DefaultLimits.ChunkedBytesMax)
	o.Limits.ChunkBytes = cmp.Or(o.Limits.ChunkBytes, DefaultLimits.ChunkBytes)
	o.Limits.RequestsMax = cmp.Or(o.Limits.RequestsMax, DefaultLimits.RequestsMax)
	o.Limits.URLBytesMax = cmp.Or(o.Limits.URLBytesMax, DefaultLimits.URLBytesMax)
	o.Authority = cmp.Or(o.Authority, "https://login.microsoftonline.com/")
	o.Agent = cmp.Or(o.Agent, "weir-workflows/1.0")
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Connector{o: o, clients: newClients(o), tokens: newTokens(o.Now)}
}

// Close lets go of idle connections.
func (c *Connector) Close() { c.clients.close() }

// Handles names the types that are called over HTTP.
func (c *Connector) Handles() []string {
	return []string{"Http", "HttpWebhook", "AppService", "Function", "ApiManagement"}
}

// Do carries out one attempt.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	x, refusal := c.exchange(ctx, call)
	if refusal != nil {
		return *refusal
	}
	if x == nil { // nothing to unsubscribe from
		return connector.Answer{Status: 200}
	}
	switch {
	case call.Step == connector.Ask:
		return x.ask(ctx, call.URL)
	case call.Step != connector.Try:
		return x.answer(x.send(ctx, x.request))
	case call.Chunked && int64(len(x.request.body)) > call.ChunkAbove && (x.request.method == "POST" || x.request.method == "PUT"):
		return x.upload(ctx)
	case call.MinimumItems > 0 && x.request.method == "GET":
		return x.pages(ctx, call.MinimumItems)
	}
	return x.answer(x.fetch(ctx, x.request))
}

// ask asks whether an asynchronous operation is done. Where the status is looked at,
// redirections lead to the result and are followed.
func (x *exchange) ask(ctx context.Context, address string) connector.Answer {
	at, err := x.request.url.Parse(address)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return connector.Refusal(codeBadRequest, "The operation was accepted, but the address that was given for its status is no address of HTTP.")
	}
	r := x.next("GET", at)
	for range redirectionsMax {
		in, err := x.fetch(ctx, r)
		if err != nil {
			return x.answer(nil, err)
		}
		location := in.header.Get("Location")
		to, err := r.url.Parse(location)
		if err != nil || location == "" {
			return x.answer(in, nil)
		}
		switch in.status {
		case 301, 302, 303, 307, 308:
			r = x.next("GET", to)
			continue
		case 202:
			// Asked again from where it is now.
			in.header.Set("Location", to.String())
		}
		return x.answer(in, nil)
	}
	return connector.Refusal(codeBadRequest, fmt.Sprintf("The status of the operation was redirected more than %d times.", redirectionsMax))
}

// redirectionsMax bounds the redirections on the way to the result of an operation.
const redirectionsMax = 10

// sameOrigin reports whether two addresses are of one scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
}

func hasOption(call *connector.Call, name string) bool {
	return slices.ContainsFunc(call.Options, func(o string) bool { return strings.EqualFold(strings.TrimSpace(o), name) })
}
