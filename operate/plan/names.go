package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"

	"weir/operate/plan/core"
)

// resolverFile names the system's servers.
const resolverFile = "/etc/resolv.conf"

// resolve looks a name up, at a server if one is known: only a server says how long its
// answer may be kept.
func resolve(ctx context.Context, o Options, name string) core.Alias {
	a := core.Alias{Name: name}
	server := o.Resolver
	if server == "" {
		if system, err := dns.ClientConfigFromFile(resolverFile); err == nil && len(system.Servers) > 0 {
			server = net.JoinHostPort(system.Servers[0], cmp.Or(system.Port, "53"))
		}
	}
	err := errors.New("no name server is known")
	if server != "" {
		err = answer(ctx, o, server, &a)
	}
	if err != nil && o.Resolver == "" { // a file of hosts may know it
		a.Addresses, err = net.DefaultResolver.LookupHost(ctx, name)
		a.TTLKnown = false
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// answer asks a server for the addresses of a name, and for how long they hold.
func answer(ctx context.Context, o Options, server string, a *core.Alias) error {
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := new(dns.Msg)
		q.SetQuestion(dns.Fqdn(a.Name), kind)
		said, err := exchange(ctx, o, server, q)
		if err != nil {
			return fmt.Errorf("ask %s: %w", server, err)
		}
		if said.Rcode != dns.RcodeSuccess {
			return fmt.Errorf("%s answers %s", server, dns.RcodeToString[said.Rcode])
		}
		for _, rr := range said.Answer {
			ttl := time.Duration(rr.Header().Ttl) * time.Second
			switch rr := rr.(type) {
			case *dns.A:
				a.Addresses = append(a.Addresses, rr.A.String())
			case *dns.AAAA:
				a.Addresses = append(a.Addresses, rr.AAAA.String())
			case *dns.CNAME: // what it leads to holds for no longer than it
			default:
				continue
			}
			if !a.TTLKnown || ttl < a.TTL {
				a.TTL, a.TTLKnown = ttl, true
			}
		}
	}
	if len(a.Addresses) == 0 {
		return fmt.Errorf("%s knows no address of it", server)
	}
	slices.Sort(a.Addresses)
	a.Addresses = slices.Compact(a.Addresses)
	return nil
}

// exchange asks over UDP, and over TCP when the answer does not fit.
func exchange(ctx context.Context, o Options, server string, q *dns.Msg) (*dns.Msg, error) {
	said, _, err := (&dns.Client{Timeout: o.Within}).ExchangeContext(ctx, q, server)
	if err == nil && said.Truncated {
		said, _, err = (&dns.Client{Net: "tcp", Timeout: o.Within}).ExchangeContext(ctx, q, server)
	}
	return said, err
}
