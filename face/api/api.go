// Package api is the HTTP door: resources in the shape of Azure Resource Manager,
// deployment of document files, the state of the node, health, metrics, and AMQP
// over WebSockets.
//
// What it promises:
//  1. Everything that manages needs the administration token, compared in constant
//     time, or a caller somebody else vouches for (Options.Caller), who may what
//     Options.Authorize allows. Open to all: the page at /, health, metrics, and the
//     WebSocket, whose clients sign in over AMQP.
//  2. Every error is ARM's: {"error":{"code","message","target","details"}}, see
//     face/answer. Private causes stay in the log.
//  3. Bodies, headers and WebSocket messages are bounded.
//  4. Keys leave only by POST {id}/listKeys and its like, never by GET or list.
//
// What it refuses: web pages of foreign origin on the WebSocket, unless allowed by
// name. It knows no resource type: types come as data from kernel/resource.
//
//	GET    /                          what this is and where to go, for people
//	GET    /healthz/live, /healthz/ready, /health (as the emulator answers)
//	GET    /metrics
//	GET    /status                    node, units, roles, owners, epochs, positions
//	GET    /audit                     who did what, and who was refused
//	POST   /deploy?name=FILE          apply a document file of any known form
//	*      /subscriptions/, /providers/, /tenants   Azure Resource Manager (face/arm)
//	GET    /$servicebus/websocket     AMQP over WebSockets (AMQPWSB10)
//	GET    /debug/pprof/...           when switched on
//	*      what Options.Mounts take: what workflows are called by, for instance
//	*      everything else, and what is certainly the message service's: its own API
package api

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/http/pprof"
	"runtime/debug"
	"strings"

	"weir/face/answer"
	"weir/face/arm"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// Options are what the door stands on.
type Options struct {
	Registry  *resource.Registry
	Scope     resource.ID         // where documents are put that name no scope
	Importers []resource.Importer // of foreign files
	// Counts gives the properties a service counts rather than keeps, to be shown
	// with a resource. nil: there are none.
	Counts func(resource.Document) map[string]any

	// Location is the name of this location; TenantID of the directory, if it has one.
	Location, TenantID string

	// Caller says who asks a management door. nil: whoever has the administration token.
	Caller func(*http.Request) (identity.Principal, error)
	// Authorize says whether they may: action in Azure's names, scope an id; a refusal is
	// a fault with Azure's sentence. nil: they may.
	Authorize func(p identity.Principal, action, scope string) error
	// Audit takes every management operation that changes or reveals, and every refused
	// one. nil: nobody reads it.
	Audit audit.Log
	// Host, Settled, Beside, Under and Deployments are face/arm's.
	Host        func(called string, id resource.ID) string
	Settled     func(id resource.ID) bool
	Beside      map[string]arm.Beside
	Under       map[string]arm.Under
	Deployments arm.Deployments
	// Alias gives the path below /subscriptions that a management request stands for which
	// has another form; empty: it has none. nil: none has.
	Alias func(*http.Request) string
	// Mounts are what services serve to everybody: each judges who may. The first that
	// takes a request answers it.
	Mounts []Mount

	// Applied returns when what is declared around a resource is in force, as far as
	// this node decides for it: a change is answered behind it. nil: nothing to wait for.
	Applied func(ctx context.Context, id resource.ID) error

	Token   string        // of administration
	Status  func() Status // of this node
	Version string

	Live, Ready, Health http.HandlerFunc // see operate/telemetry
	Metrics             http.Handler

	// ServeAMQP serves a connection until it ends; nil when no service speaks AMQP.
	ServeAMQP func(ctx context.Context, conn net.Conn, state *tls.ConnectionState)
	// Bus answers requests of the message service's own API, and Mine tells of a request
	// that it is certainly one of them; others are its when nobody here knows their path.
	// It bounds what it reads. peer is where the request came from. nil: there is none.
	Bus  func(w http.ResponseWriter, r *http.Request, peer net.Addr)
	Mine func(r *http.Request) bool
	// Owner gives the way to the node that owns the registry, which answers what
	// manages it; a nil way when that is this node. nil: it always is.
	Owner func(ctx context.Context) (http.RoundTripper, error)
	// FromNode reports whether a request came from another node of the location,
	// which has judged it. nil: none does.
	FromNode func(*http.Request) bool

	// Elsewhere refuses a change of a resource that another location decides about. nil:
	// none does.
	Elsewhere func(id resource.ID) error

	// Continuity gives the handler below /continuity/, for administrators; nil: none.
	Continuity func(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler

	// AuditLog gives the handler of GET /audit, for administrators; nil: none.
	AuditLog func(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler

	WebOrigins []string // origins or hosts whose pages may open the WebSocket; "*" is all
	Pprof      bool
	Logger     *slog.Logger
}

// Mount is a service's own part of this door. It bounds what it reads.
type Mount struct {
	Takes func(*http.Request) bool
	Serve http.Handler
}

// OwnHeader is set on requests that a node makes for itself rather than for somebody
// who asked it to.
const OwnHeader = "Weir-Own-Request"

// bodyBytesMax bounds a request's body; ARM's own limit.
const bodyBytesMax = 4 << 20

// API is the door's handler.
type API struct {
	o    Options
	mux  *http.ServeMux
	arm  http.HandlerFunc
	life context.Context
}

// New builds the door. WebSocket connections live until life ends.
func New(life context.Context, o Options) *API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Audit == nil {
		o.Audit = audit.Nowhere
	}
	a := &API{o: o, mux: http.NewServeMux(), life: life}
	a.arm = a.identified(a.byOwner(a.armDoor().ServeHTTP))
	routeHealth(a.mux, o)
	a.mux.HandleFunc("GET /{$}", a.page)
	a.mux.HandleFunc("GET "+amqpPath, a.overWebSocket)
	a.mux.HandleFunc("GET /status", a.allowed(readsStatus, a.status))
	a.mux.HandleFunc("POST /deploy", a.identified(a.byOwner(a.deploy)))
	a.routeContinuity()
	if o.AuditLog != nil {
		h := o.AuditLog(func(w http.ResponseWriter, r *http.Request, err error) { answer.Refuse(w, r, o.Logger, "", err) })
		a.mux.HandleFunc("/audit", a.admitted(h.ServeHTTP))
	}
	a.mux.HandleFunc("/", a.nothing)
	if o.Pprof {
		a.routeProfiles()
	}
	return a
}

func routeHealth(mux *http.ServeMux, o Options) {
	mux.HandleFunc("GET /healthz/live", o.Live)
	mux.HandleFunc("GET /healthz/ready", o.Ready)
	mux.HandleFunc("GET /health", o.Health)
	mux.Handle("GET /metrics", o.Metrics)
}

// Starting is the door of a node that has no registry yet: health and metrics, and
// patience is asked for the rest.
func Starting(o Options) http.Handler {
	quiet := slog.New(slog.DiscardHandler) // that it starts is no news
	mux := http.NewServeMux()
	routeHealth(mux, o)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer.Refuse(w, r, quiet, "", fault.New(fault.Unavailable, "The server is starting; /healthz/ready says when it is ready."))
	})
	return mux
}

func (a *API) routeProfiles() {
	a.mux.HandleFunc("GET /debug/pprof/", a.admitted(pprof.Index))
	a.mux.HandleFunc("GET /debug/pprof/cmdline", a.admitted(pprof.Cmdline))
	a.mux.HandleFunc("GET /debug/pprof/profile", a.admitted(pprof.Profile))
	a.mux.HandleFunc("GET /debug/pprof/symbol", a.admitted(pprof.Symbol))
	a.mux.HandleFunc("GET /debug/pprof/trace", a.admitted(pprof.Trace))
}

// ServeHTTP answers one request: bounded, with an id that a log can be searched
// for, and with a refusal in place of a panic.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := rand.Text()
	w.Header().Set("x-ms-request-id", id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if broken := recover(); broken != nil && broken != http.ErrAbortHandler {
			a.o.Logger.Error("a request broke the program", "request", id, "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
			answer.Refuse(w, r, a.o.Logger, "", fault.New(fault.Internal, "The request could not be completed; the log has more under %s.", id))
		}
	}()
	if m := a.mount(r); m != nil {
		m.ServeHTTP(w, r)
		return
	}
	if path := a.alias(r); path != "" {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = path, ""
	}
	if a.forBus(r) {
		a.o.Bus(w, r, PeerOf(r))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	if arm.Owns(r.URL.Path) { // in any case, and with slashes that the mux would mend
		a.arm(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// mount finds the service whose part of the door a request is for; nil: none's.
func (a *API) mount(r *http.Request) http.Handler {
	for _, m := range a.o.Mounts {
		if m.Takes(r) {
			return m.Serve
		}
	}
	return nil
}

func (a *API) alias(r *http.Request) string {
	if a.o.Alias == nil {
		return ""
	}
	return a.o.Alias(r)
}

// forBus reports whether a request is the message service's: entities may be called as
// paths here are.
func (a *API) forBus(r *http.Request) bool {
	if a.o.Bus == nil || strings.EqualFold(r.URL.Path, amqpPath) {
		return false
	}
	if a.o.Mine(r) {
		return true
	}
	_, pattern := a.mux.Handler(r)
	return pattern == "/" && !arm.Owns(r.URL.Path) && r.Header.Get("Authorization") != ""
}

// byOwner lets the node that owns the registry answer.
func (a *API) byOwner(here http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if a.o.Owner == nil {
			here(w, r)
			return
		}
		way, err := a.o.Owner(r.Context())
		switch {
		case err != nil:
			answer.Refuse(w, r, a.o.Logger, "", err)
		case way != nil:
			a.passOn(w, r, way)
		default:
			here(w, r)
		}
	}
}

// passOn lets another node answer.
func (a *API) passOn(w http.ResponseWriter, r *http.Request, way http.RoundTripper) {
	proxy := httputil.ReverseProxy{
		Transport: way,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", r.Host
			p.Out.Host = r.Host
			p.Out.Header.Del("Authorization") // it is this node's; the way there has its own
			p.Out.Header.Del(OwnHeader)
			vouch(p)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			answer.Refuse(w, r, a.o.Logger, "", fault.Wrap(fault.Unavailable, err, "The node that owns the registry could not be reached."))
		},
		ModifyResponse: func(given *http.Response) error {
			given.Header.Del("x-ms-request-id") // ours is on it
			given.Header.Del("X-Content-Type-Options")
			return nil
		},
	}
	proxy.ServeHTTP(w, r)
}

// decided refuses a change of what another location decides about. What a node of this
// location changes for itself is what it has from there.
func (a *API) decided(r *http.Request, ids ...resource.ID) error {
	if a.o.Elsewhere == nil || a.own(r) {
		return nil
	}
	for _, id := range ids {
		if err := a.o.Elsewhere(id); err != nil {
			return err
		}
	}
	return nil
}

// own says whether a request is one that a node makes for itself.
func (a *API) own(r *http.Request) bool {
	return a.fromNode(r) && r.Header.Get(OwnHeader) != ""
}

func (a *API) fromNode(r *http.Request) bool { return a.o.FromNode != nil && a.o.FromNode(r) }

// armDoor builds the Resource Manager door.
func (a *API) armDoor() *arm.Door {
	return arm.New(arm.Options{
		Registry: a.o.Registry, Default: a.o.Scope, Location: a.o.Location, TenantID: a.o.TenantID,
		Caller:    func(r *http.Request) (identity.Principal, error) { return callerOf(r.Context()).Principal, nil },
		Peer:      func(r *http.Request) string { return callerOf(r.Context()).Peer },
		Secure:    func(r *http.Request) bool { return callerOf(r.Context()).Secure },
		Authorize: a.o.Authorize, Audit: a.o.Audit,
		Counts: a.o.Counts, Applied: a.o.Applied, Settled: a.o.Settled, Host: a.o.Host,
		Decided: a.decided, Own: a.own, Beside: a.o.Beside, Under: a.o.Under, Deployments: a.o.Deployments, Logger: a.o.Logger,
	})
}

func (a *API) nothing(w http.ResponseWriter, r *http.Request) {
	answer.Refuse(w, r, a.o.Logger, r.URL.Path, fault.New(fault.NotFound, "Nothing is served at %s. GET / says what is.", r.URL.Path))
}

// page tells a person what this is and where to go.
func (a *API) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, pageText, a.o.Version)
}

const pageText = `Weir %s: a Service Bus that speaks AMQP 1.0 to Azure's own SDKs, and an
engine that runs Logic Apps definitions.

This port also takes AMQP (plain, in TLS, and in WebSockets), so one connection
string is enough:

  Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;

  /healthz/ready     is it ready, and if not, why not
  /metrics           figures for Prometheus
  /status            units, owners, positions                      (token)
  /deploy            POST a YAML or JSON file, or a Config.json    (token)
  /subscriptions/... resources by id, as in Azure Resource Manager (token)
  /workflows/...     triggers and actions of workflows, at signed addresses
  /{entity}          the admin API of Azure's Service Bus clients   (key)
  /{entity}/messages send and receive with plain HTTP              (key)
  /workflows/...     where workflows are called; weir workflow url  (signed)

The token is in the file admin-token of the server's data directory:

  curl -H "Authorization: Bearer $(cat ~/.local/state/weir/admin-token)" http://localhost:8080/status

On the command line: weir help
`
