package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// Alias says what the DNS server answers for. An empty Zone is no DNS server.
type Alias struct {
	Zone    string        // NAMESPACE.Zone leads to the location where the namespace is active
	Listen  string        // HOST:PORT, for UDP and TCP
	TTL     time.Duration // whole seconds; 5 s
	Servers []string      // names of the zone's servers, NAME or NAME=ADDRESS; none: ns.Zone with the address of Listen
}

const (
	ttlDefault   = 5 * time.Second
	ttlMax       = time.Hour
	dnsListen    = "127.0.0.1:5353"
	dnsConnsMax  = 256              // over TCP, at once
	dnsIdle      = 10 * time.Second // such a connection may be silent
	dnsTimeout   = 5 * time.Second  // to read or write one message
	questionMax  = 4096             // bytes of a question over UDP; longer ones are cut, and refused
	bindAttempts = 10               // to find one port that is free for UDP and TCP
)

// zone is the DNS server.
type zone struct {
	name    string // fully qualified, lower case
	ttl     uint32
	listen  string
	servers []server
	places  map[string]answer // by location
	look    func() picture
	log     *slog.Logger
	since   uint32 // part of the serial, which grows over restarts too

	udp, tcp *dns.Server
	wait     sync.WaitGroup
}

// server is a name server of the zone.
type server struct {
	name string
	at   answer
}

// answer is what a name leads to: another name, or addresses.
type answer struct {
	name  string // fully qualified
	addrs []netip.Addr
}

func newZone(a Alias, locations []Location, look func() picture, log *slog.Logger) (*zone, error) {
	if a.TTL == 0 {
		a.TTL = ttlDefault
	}
	if a.Listen == "" {
		a.Listen = dnsListen
	}
	z := &zone{
		name: dns.CanonicalName(a.Zone), ttl: uint32(a.TTL / time.Second), listen: a.Listen, places: map[string]answer{}, look: look, log: log,
		since: uint32(time.Now().Unix()),
	}
	if _, ok := dns.IsDomainName(a.Zone); !ok || z.name == "." {
		return nil, fmt.Errorf("%q is no zone: write it as bus.example.com", a.Zone)
	}
	if a.TTL < time.Second || a.TTL > ttlMax || a.TTL%time.Second != 0 {
		return nil, fmt.Errorf("DNS answers can not live for %s: say whole seconds, up to %s; long ones keep clients at a location that is gone", a.TTL, ttlMax)
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return nil, fmt.Errorf("%q is no address for the DNS server: write it as HOST:PORT", a.Listen)
	}
	for _, l := range locations {
		at, err := z.public(l)
		if err != nil {
			return nil, err
		}
		z.places[l.Name] = at
	}
	z.servers, err = z.nameServers(a.Servers, host)
	return z, err
}

// public is what DNS answers for a location: its addresses, or one name, since a name
// can lead to one other only and has no addresses beside it. What is left out is told.
func (z *zone) public(l Location) (answer, error) {
	hosts := l.Public
	if len(hosts) == 0 {
		for _, door := range l.Doors {
			host, _, _ := net.SplitHostPort(door) // checked by New
			hosts = append(hosts, host)
		}
	}
	var a answer
	for _, host := range hosts {
		if addr, err := netip.ParseAddr(host); err == nil {
			// Doors of one host are one address: an answer has no record twice.
			if addr = addr.Unmap().WithZone(""); !slices.Contains(a.addrs, addr) {
				a.addrs = append(a.addrs, addr)
			}
			continue
		}
		name := dns.CanonicalName(host)
		if _, ok := dns.IsDomainName(host); !ok {
			return a, fmt.Errorf("%q of the location %s is neither an address nor a name", host, l.Name)
		}
		if dns.IsSubDomain(z.name, name) {
			return a, fmt.Errorf("the location %s can not be reached as %s: names below %s lead to locations, not from them", l.Name, host, z.name)
		}
		if a.name == "" {
			a.name = name
		} else if a.name != name {
			z.log.Warn("a name leads to one other only; give all addresses of the location instead (--public)", "location", l.Name, "answered", a.name, "left_out", host)
		}
	}
	if a.name != "" && len(a.addrs) > 0 {
		z.log.Warn("a location is answered with its name alone: a name that leads to another has no addresses (--public)", "location", l.Name, "answered", a.name, "left_out", a.addrs)
		a.addrs = nil
	}
	return a, nil
}

// nameServers are those of the NS records.
func (z *zone) nameServers(given []string, host string) ([]server, error) {
	if len(given) == 0 {
		one := server{name: "ns." + z.name}
		if addr, err := netip.ParseAddr(host); err == nil && !addr.IsUnspecified() {
			one.at.addrs = []netip.Addr{addr.Unmap().WithZone("")}
		} else {
			z.log.Warn("the name server of the zone has no address that others could be told: name it, as NAME=ADDRESS", "name", one.name)
		}
		return []server{one}, nil
	}
	var all []server
	for _, text := range given {
		name, at, hasAddress := strings.Cut(text, "=")
		one := server{name: dns.CanonicalName(name)}
		if _, ok := dns.IsDomainName(name); !ok || one.name == "." || one.name == z.name {
			return nil, fmt.Errorf("%q is no name of a name server", name)
		}
		if hasAddress {
			addr, err := netip.ParseAddr(at)
			if err != nil {
				return nil, fmt.Errorf("%q is no address of the name server %s", at, name)
			}
			one.at.addrs = []netip.Addr{addr.Unmap().WithZone("")}
		}
		all = append(all, one)
	}
	return all, nil
}

// start binds UDP and TCP at one port and serves both.
func (z *zone) start() error {
	conn, listener, err := bindBoth(z.listen)
	if err != nil {
		return err
	}
	z.udp = &dns.Server{PacketConn: conn, Handler: z, UDPSize: questionMax, MsgAcceptFunc: acceptable, ReadTimeout: dnsTimeout, WriteTimeout: dnsTimeout}
	z.tcp = &dns.Server{
		Listener: &bounded{Listener: listener, room: make(chan struct{}, dnsConnsMax), closed: make(chan struct{})},
		Handler:  z, MsgAcceptFunc: acceptable, ReadTimeout: dnsTimeout, WriteTimeout: dnsTimeout, IdleTimeout: func() time.Duration { return dnsIdle },
	}
	for _, s := range []*dns.Server{z.udp, z.tcp} {
		started, ended := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		z.wait.Go(func() {
			err := s.ActivateAndServe()
			if err != nil {
				z.log.Error("a DNS server ended", "error", err)
			}
			ended <- err
		})
		select {
		case <-started:
		case err := <-ended:
			return errors.Join(err, conn.Close(), listener.Close())
		}
	}
	return nil
}

// bindBoth binds one port for UDP and TCP. A port that the system chose for one may be
// taken for the other: then it is asked for another.
func bindBoth(address string) (net.PacketConn, net.Listener, error) {
	_, port, err := net.SplitHostPort(address)
	for range bindAttempts {
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err != nil {
			return nil, nil, err
		}
		var conn net.PacketConn
		if conn, err = net.ListenPacket("udp", listener.Addr().String()); err == nil {
			return conn, listener, nil
		}
		listener.Close()
		if port != "0" || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, nil, err
}

func (z *zone) addr() string {
	if z.udp == nil {
		return z.listen
	}
	return z.udp.PacketConn.LocalAddr().String()
}

func (z *zone) stop(ctx context.Context) error {
	if z.udp == nil {
		return nil
	}
	err := errors.Join(z.udp.ShutdownContext(ctx), z.tcp.ShutdownContext(ctx))
	if err == nil {
		z.wait.Wait()
	}
	return err
}

// bounded takes so many connections at once; the others stay in the kernel's queue.
type bounded struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for room, then for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.room <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { <-b.room })}, nil
}

// Close ends Accept too where it waits for room.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// counted gives its room back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
