package identity

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"weir/kernel/fault"
)

// Network says from where a namespace may be reached. The zero Network is open.
//
// The rules are those of Microsoft.ServiceBus/namespaces/networkRuleSets: a peer whose
// address a rule names is treated as the narrowest such rule says, any other as the
// default does.
type Network struct {
	DefaultDeny bool
	Rules       []AddressRule
	// Internal refuses what came through a door for other networks: public network access
	// is disabled.
	Internal bool
}

// AddressRule admits or refuses a range of addresses.
type AddressRule struct {
	Range netip.Prefix
	Deny  bool
}

// PeerAt is a peer whose connection came from an address.
func PeerAt(remote net.Addr, loopback, external bool) Peer {
	p := Peer{Loopback: loopback, External: external}
	if remote == nil {
		return p
	}
	if at, err := netip.ParseAddrPort(remote.String()); err == nil {
		p.Addr = at.Addr()
	}
	return p
}

// AddressRulesMax is how many rules a namespace may have, as in Azure.
const AddressRulesMax = 128

// ParseAddressRange reads an address or a range in CIDR notation.
func ParseAddressRange(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is no address: write one as 203.0.113.7, or a range as 203.0.113.0/24", text)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no range of addresses: write one as 203.0.113.0/24", text)
	}
	return p.Masked(), nil
}

// Admits refuses, with a fault of kind Forbidden, a peer that may not reach the
// namespace.
func (n Network) Admits(namespace string, peer Peer) error {
	if n.Internal && peer.External {
		return fault.New(fault.Forbidden, "The namespace '%s' is not reached from other networks: publicNetworkAccess is Disabled.", namespace)
	}
	deny, bits := n.DefaultDeny, -1
	addr := peer.Addr.Unmap().WithZone("")
	for _, r := range n.Rules {
		if r.Range.Bits() > bits && r.Range.Contains(addr) {
			deny, bits = r.Deny, r.Range.Bits()
		}
	}
	if deny {
		return fault.New(fault.Forbidden, "Ip has been prevented to connect to the endpoint: the network rules of the namespace '%s' do not admit the address %s.", namespace, addr)
	}
	return nil
}
