package app

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weir/face/api"
	"weir/internal/sniff"
)

// Bounds of the HTTP side.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = time.Minute
	idleTimeout    = 2 * time.Minute
	headerBytesMax = 64 << 10
)

// web is the HTTP side of all doors: one server, whose handler changes from the one
// that answers during the start to the whole API.
type web struct {
	p       *Platform
	server  *http.Server
	handler atomic.Pointer[http.Handler]
	nodes   *nodeListener
}

func newWeb(p *Platform) *web {
	w := &web{p: p, nodes: &nodeListener{conns: make(chan net.Conn), closed: make(chan struct{})}}
	w.server = &http.Server{
		Handler:           http.HandlerFunc(w.serveHTTP),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		ConnContext:       connContext,
		ConnState:         connState,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	w.answer(api.Starting(p.surface()))
	return w
}

func (w *web) answer(h http.Handler) { w.handler.Store(&h) }

func (w *web) serveHTTP(out http.ResponseWriter, r *http.Request) {
	r.TLS, _ = r.Context().Value(tlsKey{}).(*tls.ConnectionState)
	if peer, ok := r.Context().Value(peerKey{}).(string); ok {
		if !w.p.answerAudit(out, r, peer) {
			w.p.continuity.PeerHandler(peer).ServeHTTP(out, r) // and nothing else
		}
		return
	}
	if w.p.answerAudit(out, r, "") {
		return
	}
	if about, ok := r.Context().Value(busKey{}).(introduction); ok {
		w.p.serveBusFor(out, r, about) // and nothing else
		return
	}
	r = staying(r)
	if w.p.issue(out, r) {
		return
	}
	(*w.handler.Load()).ServeHTTP(out, r)
}

// serve answers on a listener until it closes.
func (w *web) serve(ln net.Listener) error {
	err := w.server.Serve(spellingListener{ln})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// requestGrace is how long requests under way may take when the platform ends.
const requestGrace = 5 * time.Second

// stop waits for requests under way, a little while, then ends them.
func (w *web) stop(ctx context.Context) error {
	w.nodes.Close()
	ctx, cancel := context.WithTimeout(ctx, requestGrace)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.p.log.Info("requests were cut short", "error", err)
		return w.server.Close()
	}
	return nil
}

// takeNode answers HTTP on a connection from another node.
func (w *web) takeNode(conn net.Conn) {
	select {
	case w.nodes.conns <- nodeConn{conn}:
	case <-w.nodes.closed:
		conn.Close()
	}
}

// nodeConn is a connection from another node of the location, which has proved it.
type nodeConn struct{ net.Conn }

// takePeer answers HTTP on a connection from another location.
func (w *web) takePeer(conn net.Conn, peer string) {
	select {
	case w.nodes.conns <- peerConn{conn, peer}:
	case <-w.nodes.closed:
		conn.Close()
	}
}

// peerConn is a connection from another location, which has proved its pairing.
type peerConn struct {
	net.Conn
	peer string
}

// nodeListener gives connections from nodes to the HTTP server.
type nodeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *nodeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *nodeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *nodeListener) Addr() net.Addr { return &net.TCPAddr{} }

type (
	tlsKey      struct{}
	nodeKey     struct{}
	peerKey     struct{}
	externalKey struct{}
	busKey      struct{}
	spellingKey struct{}
)

// external reports whether what comes in a context came through a door for other
// networks.
func external(ctx context.Context) bool { return ctx.Value(externalKey{}) != nil }

// connContext notes what the door knows of a connection where handlers find it.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	switch c := conn.(type) {
	case *spellingConn:
		return connContext(context.WithValue(ctx, spellingKey{}, c), c.Conn)
	case *sniff.Conn:
		if c.External() {
			ctx = context.WithValue(ctx, externalKey{}, true)
		}
		return context.WithValue(ctx, tlsKey{}, c.TLS())
	case nodeConn:
		return context.WithValue(ctx, nodeKey{}, true)
	case peerConn:
		return context.WithValue(ctx, peerKey{}, c.peer)
	case busConn:
		return context.WithValue(ctx, busKey{}, c.about)
	}
	return ctx
}
