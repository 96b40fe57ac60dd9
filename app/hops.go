package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"time"

	"weir/face/api"
	"weir/internal/hop"
	"weir/internal/sniff"
	"weir/wire/amqp/server"
)

// introduction is what a node says of a connection it passes on.
type introduction struct {
	Kind string `json:"kind"`           // hopAMQP or hopHTTP
	From string `json:"from"`           // the node that passes it on
	Hops int    `json:"hops"`           // how often it was passed on, this time included
	Unit string `json:"unit,omitempty"` // whose owner is meant: of a link or a request between locations
	// Location is the other location that a node of this one passes on.
	Location string `json:"location,omitempty"`
	// Of an AMQP client, as the door saw it:
	Peer       string `json:"peer,omitempty"`
	Loopback   bool   `json:"loopback,omitempty"`
	External   bool   `json:"external,omitempty"`
	TLS        bool   `json:"tls,omitempty"`
	ServerName string `json:"serverName,omitempty"`
	Identity   []byte `json:"identity,omitempty"` // what SASL found out, in the service's own words
}

const (
	hopAMQP = "amqp"
	hopHTTP = "http"
	hopLink = "link" // the records of a unit, for another location
	hopBus  = "bus"  // a client's request to the Service Bus over HTTP
)

// forward passes an AMQP connection on to the node at address to, and returns when
// it has ended. prefix is what the client sent from its open frame on.
func (p *Platform) forward(conn net.Conn, prefix []byte, info server.PeerInfo, identity []byte, to string) {
	about := introduction{Kind: hopAMQP, From: p.o.Node, Hops: hopsOf(conn) + 1, Peer: info.Remote.String(), Loopback: info.Loopback, External: info.External, Identity: identity}
	if info.TLS != nil {
		about.TLS, about.ServerName = true, info.TLS.ServerName
	}
	if !p.reaches(to) {
		if err := p.bus.ServeForwarded(p.life, repeat(conn, prefix), info, identity); err != nil { // sends it away
			p.log.Debug("a connection broke", "peer", info.Remote.String(), "error", err)
		}
		return
	}
	there, err := p.hop(p.life, to, about)
	if err == nil {
		err = enter(there, prefix)
		if err != nil {
			there.Close()
		}
	}
	if err != nil {
		p.log.Info("a connection could not be passed on", "to", to, "error", err)
		p.keep(conn, prefix, info, identity, to)
		return
	}
	hop.Join(p.life, conn, there)
}

// reaches says whether this node shares a secret with the one at an address.
func (p *Platform) reaches(to string) bool {
	_, elsewhere := p.continuity.At(to)
	return elsewhere || len(p.secret) > 0
}

// hop dials the node at an address. In another location any node will do: where that
// one does not answer, the others are tried.
func (p *Platform) hop(ctx context.Context, to string, about introduction) (net.Conn, error) {
	text, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	pairing, elsewhere := p.continuity.At(to)
	if !elsewhere {
		return hop.Dial(ctx, to, "", p.secret, text)
	}
	there, err := hop.Dial(ctx, to, p.o.Location, []byte(pairing.Secret), text)
	for _, other := range pairing.Endpoints {
		if err == nil {
			break
		}
		if other != to {
			there, err = hop.Dial(ctx, other, p.o.Location, []byte(pairing.Secret), text)
		}
	}
	if err != nil {
		return nil, err
	}
	release, err := p.continuity.Pass(pairing.Peer, there)
	if err != nil {
		there.Close()
		return nil, err
	}
	return &released{there, release}, nil
}

// released is a connection that tells when it is closed.
type released struct {
	net.Conn
	release func()
}

// Close closes it.
func (c *released) Close() error {
	c.release()
	return c.Conn.Close()
}

// CloseWrite ends one direction.
func (c *released) CloseWrite() error { return closeWrite(c.Conn) }

// enterTimeout bounds how long the other node may take for the protocol header.
const enterTimeout = 5 * time.Second

// enter repeats to the other node what the client has said: the protocol header,
// whose answer the client has already, and the frames from open on.
func enter(there net.Conn, prefix []byte) error {
	there.SetDeadline(time.Now().Add(enterTimeout))
	defer there.SetDeadline(time.Time{})
	if _, err := there.Write(append(slices.Clip(server.Header()), prefix...)); err != nil {
		return err
	}
	answer := make([]byte, len(server.Header()))
	for n := 0; n < len(answer); {
		m, err := there.Read(answer[n:])
		if err != nil {
			return err
		}
		n += m
	}
	return nil
}

// hopsMost is how often a connection is passed on before it must stay where it is.
// Once is the rule; while ownership moves, what nodes know of it differs.
const hopsMost = 3

// takeoverWait is how long a connection waits for another node to take over from
// one that cannot be reached; takeoverEvery is how often it looks.
const (
	takeoverWait  = 15 * time.Second
	takeoverEvery = 20 * time.Millisecond
)

// keep holds a connection that could not be passed on until ownership has moved,
// and starts over with it; when it does not move in time, the service sends the
// client away in a way it understands.
func (p *Platform) keep(conn net.Conn, prefix []byte, info server.PeerInfo, identity []byte, from string) {
	again := repeat(conn, prefix)
	serve := p.bus.ServeForwarded
	if p.awaitTakeover(from, again.until) {
		serve = p.bus.ServeAgain
	}
	if err := serve(p.life, again, info, identity); err != nil {
		p.log.Debug("a connection broke", "peer", info.Remote.String(), "error", err)
	}
}

// awaitTakeover reports whether all that was owned at an address has a new owner, or
// the old one anew, before the deadline.
func (p *Platform) awaitTakeover(address string, until time.Time) bool {
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	tick := time.NewTicker(takeoverEvery)
	defer tick.Stop()
	before := map[string]uint64{}
	for _, u := range p.unitsOfServices() {
		before[u.Unit] = u.Epoch
	}
	for p.stuckAt(address, before) {
		select {
		case <-tick.C:
		case <-limit.C:
			return false
		case <-p.life.Done():
			return false
		}
	}
	return true
}

// passed is a connection that came from another node.
type passed struct {
	net.Conn
	hops int
}

// CloseWrite ends one direction.
func (c *passed) CloseWrite() error { return closeWrite(c.Conn) }

// repeated is a connection played from an earlier point: it reads again what was
// read, and does not write again what was answered.
type repeated struct {
	net.Conn
	head   []byte
	silent int
	until  time.Time // when waiting for an owner must end
}

// repeat plays a connection from its protocol header and open frame on.
func repeat(conn net.Conn, prefix []byte) *repeated {
	until := time.Now().Add(takeoverWait)
	if before, ok := conn.(*repeated); ok {
		conn, until = before.Conn, before.until
	}
	header := server.Header()
	return &repeated{Conn: conn, head: append(slices.Clip(header), prefix...), silent: len(header), until: until}
}

func (r *repeated) Read(b []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.head)
	r.head = r.head[n:]
	return n, nil
}

func (r *repeated) Write(b []byte) (int, error) {
	skipped := min(r.silent, len(b))
	r.silent -= skipped
	if skipped == len(b) {
		return skipped, nil
	}
	n, err := r.Conn.Write(b[skipped:])
	return n + skipped, err
}

// CloseWrite ends one direction.
func (r *repeated) CloseWrite() error { return closeWrite(r.Conn) }

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}

// hopsOf is how often a connection has been passed on.
func hopsOf(conn net.Conn) int {
	switch c := conn.(type) {
	case *passed:
		return c.hops
	case *repeated:
		return hopsOf(c.Conn)
	}
	return 0
}

// takeHop serves what another node passes on.
func (p *Platform) takeHop(conn *sniff.Conn) {
	peer, text, err := hop.Receive(conn, conn.TLS(), p.secretOf)
	var about introduction
	if err == nil {
		err = json.Unmarshal(text, &about)
	}
	if err != nil {
		p.log.Warn("a connection that claims to come from a node was refused", "peer", conn.RemoteAddr().String(), "error", err)
		conn.Close()
		return
	}
	switch about.Kind {
	case hopAMQP:
		if peer != "" {
			release, err := p.continuity.Pass(peer, conn)
			if err != nil {
				conn.Close()
				return
			}
			defer release()
		}
		p.takeForwarded(conn, about)
	case hopLink:
		p.takeLink(conn, about)
	case hopBus:
		p.takeBus(conn, about, peer)
	case hopHTTP:
		if peer == "" {
			peer = about.Location
		}
		if peer == "" {
			p.web.takeNode(conn)
			return
		}
		about.Location = peer
		if !p.toOwner(conn, about) {
			p.web.takePeer(conn, peer)
		}
	default:
		p.log.Warn("another node passed on what this one does not know", "from", about.From, "kind", about.Kind)
		conn.Close()
	}
}

func (p *Platform) takeForwarded(conn net.Conn, about introduction) {
	select {
	case <-p.ready:
	default: // just started, so it owns nothing: let the other node look again
		conn.Close()
		return
	}
	info := server.PeerInfo{Remote: addrOf(about.Peer), Loopback: about.Loopback, External: about.External}
	if about.TLS {
		info.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: about.ServerName}
	}
	serve := p.bus.ServeAgain
	if about.Hops >= hopsMost {
		serve = p.bus.ServeForwarded
	}
	if err := serve(p.life, &passed{conn, about.Hops}, info, about.Identity); err != nil {
		p.log.Debug("a connection broke", "peer", about.Peer, "from", about.From, "error", err)
	}
}

func addrOf(text string) net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return &net.TCPAddr{}
	}
	return addr
}

// hopTransport asks another node's HTTP door, as a node.
func hopTransport(address string, secret []byte) http.RoundTripper {
	return &http.Transport{
		DisableKeepAlives: true, // the owner may be another one next time
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			about, err := json.Marshal(introduction{Kind: hopHTTP})
			if err != nil {
				return nil, err
			}
			return hop.Dial(ctx, address, "", secret, about)
		},
	}
}

// address is where other nodes reach this one.
func (p *Platform) address() string {
	if p.o.Advertise != "" {
		return p.o.Advertise
	}
	first := p.doors.list[0].sockets[0].Addr().String()
	host, port, err := net.SplitHostPort(first)
	if err != nil || !wildcard(host) {
		return first
	}
	if own, _, err := net.SplitHostPort(p.o.ClusterListen); err == nil && !wildcard(own) {
		return net.JoinHostPort(own, port)
	}
	return first
}

// ownRequests marks what a node asks another one for itself: it is asked who it is by
// nobody else.
type ownRequests struct{ http.RoundTripper }

// RoundTrip asks.
func (o ownRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(api.OwnHeader, "1")
	return o.RoundTripper.RoundTrip(r)
}
