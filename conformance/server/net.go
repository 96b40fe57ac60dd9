package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// Net is a network of its own that processes run in. A nil one is the machine's.
//
// Who is outside reaches its processes as somebody on the same machine would: dial
// opens connections from inside, on the loopback interface there. So clients and
// operators are not touched by what happens to the lines between namespaces.
type Net struct {
	name string
	addr string // on the lines
	http *http.Client
	namespace
}

// Addr is where the others reach it.
func (n *Net) Addr() string { return n.addr }

func (n *Net) client() *http.Client {
	if n == nil {
		return http.DefaultClient
	}
	return n.http
}

// listenOn is the host that a process listens on: every interface, when there is more
// than one.
func (n *Net) listenOn(host string) string {
	if n == nil {
		return host
	}
	return ""
}

// dial connects from inside.
func (n *Net) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	if n == nil {
		return d.DialContext(ctx, network, addr)
	}
	return n.dialInside(ctx, network, addr)
}

// listen listens inside, so that processes there reach us.
func (n *Net) listen(addr string) (net.Listener, error) {
	if n == nil {
		return net.Listen("tcp", addr)
	}
	return n.listenInside(addr)
}

// Networks says why this process can not give other ones networks of their own; nil:
// it can.
func Networks() error {
	n, err := newNet("trial", "10.127.255.1")
	if err != nil {
		return fmt.Errorf("networks of their own take Linux, root (or the capabilities NET_ADMIN and SYS_ADMIN), /dev/net/tun and the program ip: %w", err)
	}
	return n.close()
}

// What a command is told about the network between two locations.
const (
	NetworkAuto       = "auto" // namespaces where they can be had
	NetworkProxy      = "proxy"
	NetworkNamespaces = "namespaces"
)

// WantsNetworks says whether each location is to have a network of its own. That it is
// to and can not is an error; nothing said is proxy.
func WantsNetworks(said string) (bool, error) {
	switch said {
	case NetworkNamespaces:
		return true, Networks()
	case NetworkAuto:
		return Networks() == nil, nil
	case NetworkProxy, "":
		return false, nil
	}
	return false, fmt.Errorf("--network may be %s, %s or %s, not %q", NetworkAuto, NetworkNamespaces, NetworkProxy, said)
}
