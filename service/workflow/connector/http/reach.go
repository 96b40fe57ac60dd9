package http

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Reach says which addresses may be called. What is never reached unless Only names it:
// link-local addresses, where clouds tell machines their secrets, and the like.
type Reach struct {
	// Only, when given, are the addresses that may be called; Never are further ones that
	// may not.
	Only, Never []netip.Prefix
}

// metadata are addresses beyond the link-local ones where clouds tell machines their secrets.
var metadata = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"), netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
}

// translated is where addresses of IPv4 stand in those of IPv6.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// unreachable is the refusal of an address.
type unreachable struct {
	at  netip.Addr
	why string
}

func (e *unreachable) Error() string {
	return fmt.Sprintf("the address %s may not be called: %s", e.at, e.why)
}

// check refuses an address that may not be called.
func (r *Reach) check(at netip.Addr) error {
	at = at.WithZone("").Unmap()
	if translated.Contains(at) {
		b := at.As16()
		at = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range r.Never {
		if p.Contains(at) {
			return &unreachable{at, "the configuration excludes " + p.String()}
		}
	}
	if len(r.Only) > 0 {
		for _, p := range r.Only {
			if p.Contains(at) {
				return nil
			}
		}
		return &unreachable{at, "the configuration allows others only"}
	}
	switch {
	case at.IsLinkLocalUnicast(), at.IsLinkLocalMulticast(), at.IsInterfaceLocalMulticast():
		return &unreachable{at, "it is link-local, where clouds tell machines their secrets"}
	case at.IsMulticast(), at.IsUnspecified():
		return &unreachable{at, "it is no address of one machine"}
	}
	for _, m := range metadata {
		if at == m {
			return &unreachable{at, "clouds tell machines their secrets there"}
		}
	}
	return nil
}

// control checks the address that a connection is really made to: what a name stood for
// when it was looked at may not be what it stands for now.
func (r *Reach) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	return r.check(at)
}
