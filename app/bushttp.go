package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"weir/face/api"
	"weir/internal/hop"
	"weir/service/bus"
	"weir/service/workflow"
)

// serveBus answers a request to the Service Bus that came to a door.
func (p *Platform) serveBus(w http.ResponseWriter, r *http.Request, peer net.Addr) {
	r.Header.Del(namesHeader) // it is nodes' to say
	outside := external(r.Context())
	p.bus.ServeHTTP(w, r, bus.Asked{
		Peer: peer, Loopback: hop.Loopback(peer) && !outside, External: outside, TLS: r.TLS != nil, Spelling: spellingOf(r),
	})
}

// passHTTP lets the node at an address, in this location or another, answer a request
// about a unit it owns. The client's own credentials go along: they are judged there.
func (p *Platform) passHTTP(w http.ResponseWriter, r *http.Request, unit, to string) {
	about := introduction{Kind: hopBus, From: p.o.Node, Hops: 1, Unit: unit}
	names := spellingOf(r)
	if before, ok := r.Context().Value(busKey{}).(introduction); ok {
		before.Kind, before.From, before.Unit = about.Kind, about.From, about.Unit
		about = before
		about.Hops++
	} else {
		peer := api.PeerOf(r)
		about.Peer, about.External, about.TLS = peer.String(), external(r.Context()), r.TLS != nil
		about.Loopback = hop.Loopback(peer) && !about.External
	}
	away := p.busAway
	if workflow.Keeps(unit) {
		away = p.workflowsAway
	}
	if !p.reaches(to) {
		away(w, r, nil)
		return
	}
	there, err := p.hop(r.Context(), to, about)
	if err != nil {
		if !p.keepRequest(w, r, unit, to) {
			away(w, r, err)
		}
		return
	}
	way := &http.Transport{
		DisableKeepAlives: true, // the owner may be another one next time
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return there, nil },
	}
	defer there.Close()
	proxy := httputil.ReverseProxy{
		Transport: way,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = "http", "owner"
			pr.Out.Host = r.Host
			tellSpelling(pr.Out.Header, names)
		},
		ModifyResponse: func(answer *http.Response) error {
			answer.Header.Del("x-ms-request-id") // ours is on it
			answer.Header.Del("X-Content-Type-Options")
			return nil
		},
		ErrorHandler: away,
		ErrorLog:     slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	proxy.ServeHTTP(w, r)
}

// keepRequest holds a request that could not be passed on, and of which nothing was read,
// until ownership has moved, and starts over with it, once. It reports whether it did.
func (p *Platform) keepRequest(w http.ResponseWriter, r *http.Request, unit, from string) bool {
	if r.Context().Value(keptKey{}) != nil || r.Context().Err() != nil || !p.awaitTakeover(from, time.Now().Add(takeoverWait)) {
		return false
	}
	r = r.WithContext(context.WithValue(r.Context(), keptKey{}, true))
	about, passed := r.Context().Value(busKey{}).(introduction)
	switch {
	case passed:
		p.serveBusFor(w, r, about)
	case workflow.Keeps(unit):
		(*p.web.handler.Load()).ServeHTTP(w, r)
	default:
		p.serveBus(w, r, api.PeerOf(r))
	}
	return true
}

// keptKey marks requests that were held once.
type keptKey struct{}

// busAway asks the client to try again.
func (p *Platform) busAway(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		p.log.Info("a request could not be passed on", "path", r.URL.Path, "error", err)
	}
	bus.Away(w, r)
}

// takeBus answers requests that another node passed on.
func (p *Platform) takeBus(conn net.Conn, about introduction, location string) {
	select {
	case <-p.ready:
	default: // just started, so it owns nothing: the client tries again
		conn.Close()
		return
	}
	if location != "" {
		release, err := p.continuity.Pass(location, conn)
		if err != nil {
			conn.Close()
			return
		}
		conn = &released{conn, release}
	}
	select {
	case p.web.nodes.conns <- busConn{conn, about}:
	case <-p.web.nodes.closed:
		conn.Close()
	}
}

// busConn is a connection from another node with requests to the Service Bus.
type busConn struct {
	net.Conn
	about introduction
}

// serveBusFor answers a request that another node passed on.
func (p *Platform) serveBusFor(w http.ResponseWriter, r *http.Request, about introduction) {
	if workflow.Keeps(about.Unit) {
		p.serveWorkflowsFor(w, r)
		return
	}
	w.Header().Set("x-ms-request-id", rand.Text())
	p.bus.ServeHTTP(w, r, bus.Asked{
		Peer: addrOf(about.Peer), Loopback: about.Loopback, External: about.External, TLS: about.TLS, Stay: about.Hops >= hopsMost, Spelling: spellingOf(r),
	})
}
