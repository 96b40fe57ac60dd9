package amqp

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// Credentials judges what clients show. The namespace is the one the client named.
type Credentials interface {
	// Token judges a token put for an audience. kind is the client's name for it.
	Token(ns, kind, audience, token string, peer identity.Peer) (identity.Principal, error)
	// Key judges a pair of key name and key, as SASL PLAIN carries them. Without a
	// namespace it must be good in any.
	Key(ns, name, key string, peer identity.Peer) (identity.Principal, error)
}

// Options are what the front end uses.
type Options struct {
	// Namespace finds the namespace of a host name. It gives the default one for
	// hosts that name none, and a fault of kind NotFound when there is none.
	Namespace   func(host string) (*namespace.Namespace, error)
	Credentials Credentials
	// Forward passes a connection on to the node that owns its namespace, for
	// ServeForwarded there. It owns conn from then on. Left nil, clients are asked to
	// connect again.
	Forward func(conn net.Conn, prefix []byte, info server.PeerInfo, identity []byte, to string)
	// Refused hears of what was not allowed; nil: nobody does. It returns at once.
	Refused func(Refusal)
	Logger  *slog.Logger
	Config  server.Config // frame sizes and timeouts; zero values take the engine's

	Limits Limits
}

// Refusal is something that was not allowed.
type Refusal struct {
	Namespace string          // empty before the connection has named one
	Path      string          // of the entity, empty for the namespace
	Needed    identity.Claims // any of them; 0 when a token or key was not accepted
	Who       []identity.Principal
	Peer      net.Addr
	Err       error
}

// refused tells of a refusal.
func (s *Service) refused(r Refusal) {
	if kind := fault.KindOf(r.Err); s.o.Refused != nil && (kind == fault.Unauthorized || kind == fault.Forbidden) {
		s.o.Refused(r)
	}
}

// Limits are the times after which a silent peer is let go. Zero values take
// Azure's.
type Limits struct {
	LinkIdle    time.Duration // a link without traffic; default linkIdleMax
	NoLink      time.Duration // a connection whose last link is gone; default noLinkMax
	FirstLink   time.Duration // a new connection without any; default firstLinkMax
	FirstToken  time.Duration // a connection without a token; default firstTokenMax
	NextSession time.Duration // waiting for any session, unless the client says how long; default nextSessionWait
}

// Azure's own times.
const (
	linkIdleMax     = 10 * time.Minute
	noLinkMax       = 5 * time.Minute
	firstLinkMax    = time.Minute
	firstTokenMax   = 20 * time.Second
	nextSessionWait = time.Minute
)

// largestMessageBytes is the largest message any entity may take, with what the
// broker writes around it. The engine leaves room for it in its output.
const largestMessageBytes = 100<<20 + 64<<10

// ownerWait is how long a connection waits while a namespace changes hands.
const ownerWait = 15 * time.Second

// Service serves connections.
type Service struct {
	o   Options
	log *slog.Logger

	mu    sync.Mutex
	conns map[*conn]struct{}
	gone  bool // stopping: no new ones
}

// New returns a front end. It needs no start.
func New(o Options) *Service {
	def := func(d *time.Duration, azure time.Duration) {
		if *d == 0 {
			*d = azure
		}
	}
	def(&o.Limits.LinkIdle, linkIdleMax)
	def(&o.Limits.NoLink, noLinkMax)
	def(&o.Limits.FirstLink, firstLinkMax)
	def(&o.Limits.FirstToken, firstTokenMax)
	def(&o.Limits.NextSession, nextSessionWait)
	if o.Config.MaxMessageSize == 0 {
		o.Config.MaxMessageSize = largestMessageBytes
	}
	s := &Service{o: o, log: o.Logger, conns: map[*conn]struct{}{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Serve serves one connection until it ends. info is what is known of the peer.
func (s *Service) Serve(ctx context.Context, c net.Conn, info server.PeerInfo) error {
	return server.ServeFrom(ctx, c, info, s.o.Config, &visit{s: s, info: info})
}

// ServeForwarded serves a connection that another node has passed on. It is not
// passed on again: where its namespace is owned elsewhere by now, it ends.
func (s *Service) ServeForwarded(ctx context.Context, c net.Conn, info server.PeerInfo, identity []byte) error {
	v := &visit{s: s, info: info, forwarded: true}
	return server.ServeOpened(ctx, c, s.o.Config, v, server.Peer{Info: info, Identity: identity})
}

// ServeAgain serves a connection that another node has passed on, and passes it on
// in its turn where its namespace is owned elsewhere by now. Whoever calls it
// counts how often that happened, and ends it with ServeForwarded.
func (s *Service) ServeAgain(ctx context.Context, c net.Conn, info server.PeerInfo, identity []byte) error {
	v := &visit{s: s, info: info}
	return server.ServeOpened(ctx, c, s.o.Config, v, server.Peer{Info: info, Identity: identity})
}

// Stop refuses new connections and asks the open ones to come back elsewhere, each
// when what it had given to its namespace is answered. It returns when all have
// gone, or ctx ends.
func (s *Service) Stop(ctx context.Context) {
	s.mu.Lock()
	s.gone = true
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.leave(wire.Errorf(wire.ErrConnectionForced, "The server is shutting down. Please reconnect."))
	}
	for _, c := range all {
		select {
		case <-c.wire.Done():
		case <-ctx.Done():
			return
		}
	}
}

// Connections returns how many connections are open.
func (s *Service) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// join counts a connection in; leave counts it out.
func (s *Service) join(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return wire.Errorf(wire.ErrConnectionForced, "The server is shutting down. Please reconnect.")
	}
	s.conns[c] = struct{}{}
	return nil
}

func (s *Service) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
