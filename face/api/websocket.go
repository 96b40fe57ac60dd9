package api

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"weir/face/answer"
	"weir/kernel/fault"
)

const (
	// amqpPath is where Azure's SDKs look for AMQP over WebSockets.
	amqpPath = "/$servicebus/websocket"
	// socketMessageBytesMax bounds one WebSocket message. AMQP frames are far
	// smaller; clients may put several in one message.
	socketMessageBytesMax = 16 << 20
)

// amqpSubprotocols are the names AMQP goes by here: that of the Service Bus
// specification, and the one Azure's Go documentation uses.
var amqpSubprotocols = []string{"AMQPWSB10", "amqp"}

// overWebSocket hands AMQP over WebSockets to the message service.
func (a *API) overWebSocket(w http.ResponseWriter, r *http.Request) {
	if err := a.acceptable(r); err != nil {
		answer.Refuse(w, r, a.o.Logger, "", err)
		return
	}
	// acceptable has judged the origin; compression does not pay for AMQP.
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: amqpSubprotocols, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		a.o.Logger.Debug("a WebSocket handshake failed", "peer", r.RemoteAddr, "error", err)
		return // Accept has answered
	}
	conn := websocket.NetConn(a.life, socket, websocket.MessageBinary)
	socket.SetReadLimit(socketMessageBytesMax) // NetConn takes the limit away
	a.o.ServeAMQP(asOf{a.life, r.Context()}, tunnel{conn, PeerOf(r)}, r.TLS)
}

// asOf is a context that lives as the program does, and knows what a request's knew.
type asOf struct {
	context.Context
	request context.Context
}

func (c asOf) Value(key any) any { return c.request.Value(key) }

func (a *API) acceptable(r *http.Request) error {
	if a.o.ServeAMQP == nil {
		return fault.New(fault.Unavailable, "No message service runs here.")
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return fault.New(fault.Invalid, "This path speaks AMQP over WebSockets only: ask for an upgrade with the subprotocol %s.", amqpSubprotocols[0])
	}
	if offered := subprotocols(r.Header); !slices.ContainsFunc(offered, spoken) {
		return fault.New(fault.Invalid, "The WebSocket subprotocol must be %s; offered: %s.", amqpSubprotocols[0], strings.Join(append(offered, "nothing")[:max(1, len(offered))], ", "))
	}
	if origin := r.Header.Get("Origin"); origin != "" && !a.trusts(origin) {
		return fault.New(fault.Forbidden, "Web pages of %s may not connect here. Allow them with the setting web-origins.", origin)
	}
	return nil
}

func spoken(subprotocol string) bool {
	return slices.ContainsFunc(amqpSubprotocols, func(ours string) bool { return strings.EqualFold(ours, subprotocol) })
}

func subprotocols(h http.Header) []string {
	var all []string
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, name)
			}
		}
	}
	return all
}

// trusts judges a web page by its origin. Programs send none; pages of this
// machine are trusted; others must be allowed by name. That the page came from the
// host it now calls is no proof: a name can be made to point here.
func (a *API) trusts(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(a.o.WebOrigins, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(allowed, origin) || strings.EqualFold(allowed, host)
	})
}

// tunnel is a connection inside a WebSocket, with the address of the peer as the
// door saw it.
type tunnel struct {
	net.Conn
	peer net.Addr
}

// RemoteAddr is the client's address.
func (t tunnel) RemoteAddr() net.Addr { return t.peer }

// PeerOf is where a request came from. What a proxy passes on is from nowhere we
// know: above all it is not from this machine.
func PeerOf(r *http.Request) net.Addr {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if r.Header.Get(name) != "" {
			return &net.TCPAddr{}
		}
	}
	addr, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
	if err != nil {
		return &net.TCPAddr{} // no address is not loopback
	}
	return addr
}
