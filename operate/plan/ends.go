package plan

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/operate/plan/core"
)

// ends looks at the certificates of the HTTPS doors and of the doors that clients use. A
// door that speaks no TLS has none, and one on this machine's loopback is not for clients
// elsewhere.
func (p *place) ends(ctx context.Context) []core.End {
	type door struct {
		address, host string
		clients       bool
	}
	var doors []door
	for _, text := range p.seen.Admin {
		if u, err := url.Parse(text); err == nil && strings.EqualFold(u.Scheme, "https") {
			port := u.Port()
			if port == "" {
				port = "443"
			}
			doors = append(doors, door{address: net.JoinHostPort(u.Hostname(), port), host: u.Hostname()})
		}
	}
	for _, text := range p.seen.Doors {
		if host, _, err := net.SplitHostPort(text); err == nil && !ownMachine(host) {
			doors = append(doors, door{address: text, host: host, clients: true})
		}
	}
	found := make([]*core.End, len(doors))
	var looked sync.WaitGroup
	for i, d := range doors {
		looked.Go(func() {
			chain := p.handshake(ctx, d.address, d.host)
			if len(chain) == 0 {
				return
			}
			e := p.judged(chain, d.host)
			e.Address = d.address
			for _, alias := range p.o.Aliases {
				if d.clients && chain[0].VerifyHostname(alias) != nil {
					e.Misses = append(e.Misses, alias)
				}
			}
			found[i] = &e
		})
	}
	looked.Wait()
	var all []core.End
	for _, e := range found {
		if e != nil {
			all = append(all, *e)
		}
	}
	return all
}

// ownMachine reports whether a host is this machine's loopback interface.
func ownMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// handshake gives the chain that a door shows; none: it speaks no TLS, or not to us.
func (p *place) handshake(ctx context.Context, address, host string) []*x509.Certificate {
	ctx, cancel := context.WithTimeout(ctx, p.o.Within)
	defer cancel()
	// Trust is judged afterwards: what is wrong with a certificate is to be told.
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: host, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	if secured, ok := conn.(*tls.Conn); ok {
		return secured.ConnectionState().PeerCertificates
	}
	return nil
}

// judged says what is to be said of a chain.
func (p *place) judged(chain []*x509.Certificate, host string) core.End {
	leaf := chain[0]
	e := core.End{Host: host, HostErr: leaf.VerifyHostname(host) != nil}
	between := x509.NewCertPool()
	e.NotBefore, e.NotAfter = leaf.NotBefore, leaf.NotAfter
	for _, c := range chain[1:] {
		between.AddCert(c)
		if c.NotAfter.Before(e.NotAfter) {
			e.NotAfter = c.NotAfter
		}
	}
	var roots *x509.CertPool // nil: the system's
	if p.o.Trust != nil {
		roots = p.o.Trust.RootCAs
	}
	// As of a day on which it holds: that it ended is told apart.
	day := time.Now()
	if day.After(e.NotAfter) {
		day = e.NotAfter
	}
	if day.Before(e.NotBefore) {
		day = e.NotBefore
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: day}); err != nil {
		e.Untrusted = strings.TrimPrefix(err.Error(), "x509: ")
	}
	return e
}

// addresses are the IP addresses of the location's hosts; nil: one is not known.
func (p *place) addresses(ctx context.Context) []string {
	var all []string
	for _, text := range slices.Concat(p.seen.Doors, p.seen.Admin) {
		host, _, err := net.SplitHostPort(text)
		if u, bad := url.Parse(text); bad == nil && u.Host != "" {
			host, err = u.Hostname(), nil
		}
		if err != nil {
			return nil
		}
		found, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return nil
		}
		for _, ip := range found {
			if !slices.Contains(all, ip) {
				all = append(all, ip)
			}
		}
	}
	return all
}
