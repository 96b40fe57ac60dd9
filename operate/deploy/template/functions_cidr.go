package template

import (
	"fmt"
	"math/big"
	"net/netip"
)

func cidrFunctions() []*function {
	return []*function{
		{name: "parseCidr", group: "CIDR", least: 1, most: 1, usage: "parseCidr(network)", summary: "What there is to know of a network such as 10.144.0.0/20.", run: ofText(func(s string) (any, error) {
			network, err := parsePrefix(s)
			if err != nil {
				return nil, err
			}
			return describePrefix(network), nil
		})},
		{name: "cidrSubnet", group: "CIDR", least: 3, most: 3, usage: "cidrSubnet(network, length, index)", summary: "One of the networks of that prefix length in a network.", run: cidrSubnet},
		{name: "cidrHost", group: "CIDR", least: 2, most: 2, usage: "cidrHost(network, index)", summary: "One of the usable addresses of a network, from 0.", run: cidrHost},
	}
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%s is no network: write one as 10.144.0.0/20", describe(s))
	}
	return p.Masked(), nil
}

// plus is the address so many behind another.
func plus(a netip.Addr, n *big.Int) (netip.Addr, bool) {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), n)
	bytes := make([]byte, len(a.AsSlice()))
	if sum.Sign() < 0 || len(sum.Bytes()) > len(bytes) {
		return a, false
	}
	return netip.AddrFromSlice(sum.FillBytes(bytes))
}

// size is how many addresses there are below a prefix length.
func size(a netip.Addr, bits int) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(a.BitLen()-bits))
}

// usable are the first and the last address that a host may have: in IPv4, all but the
// network's own and the broadcast's.
func usable(p netip.Prefix) (first, last netip.Addr) {
	one := big.NewInt(1)
	last, _ = plus(p.Addr(), new(big.Int).Sub(size(p.Addr(), p.Bits()), one))
	if !p.Addr().Is4() || p.Bits() >= 31 {
		return p.Addr(), last
	}
	first, _ = plus(p.Addr(), one)
	last, _ = plus(last, big.NewInt(-1))
	return first, last
}

func describePrefix(p netip.Prefix) any {
	zero := netip.IPv6Unspecified()
	if p.Addr().Is4() {
		zero = netip.IPv4Unspecified()
	}
	ones := new(big.Int).Sub(size(zero, 0), size(zero, p.Bits()))
	mask, _ := plus(zero, ones)
	first, last := usable(p)
	o := NewObject("network", p.Addr().String(), "netmask", mask.String())
	if p.Addr().Is4() {
		broadcast, _ := plus(p.Addr(), new(big.Int).Sub(size(zero, p.Bits()), big.NewInt(1)))
		o.Set("broadcast", broadcast.String())
	}
	o.Set("firstUsable", first.String())
	o.Set("lastUsable", last.String())
	o.Set("cidr", int64(p.Bits()))
	return o
}

func cidrSubnet(_ *env, args []any) (any, error) {
	s, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	p, err := parsePrefix(s)
	if err != nil {
		return nil, err
	}
	bits, err := asInt(args, 1)
	if err != nil {
		return nil, err
	}
	index, err := asInt(args, 2)
	if err != nil {
		return nil, err
	}
	if bits < int64(p.Bits()) || bits > int64(p.Addr().BitLen()) {
		return nil, fmt.Errorf("the new length must be %d to %d, and is %d", p.Bits(), p.Addr().BitLen(), bits)
	}
	offset := new(big.Int).Mul(big.NewInt(index), size(p.Addr(), int(bits)))
	if index < 0 || offset.Cmp(size(p.Addr(), p.Bits())) >= 0 {
		return nil, fmt.Errorf("%s has no network %d of length %d", p, index, bits)
	}
	at, _ := plus(p.Addr(), offset)
	return netip.PrefixFrom(at, int(bits)).String(), nil
}

func cidrHost(_ *env, args []any) (any, error) {
	s, err := asText(args, 0)
	if err != nil {
		return nil, err
	}
	p, err := parsePrefix(s)
	if err != nil {
		return nil, err
	}
	index, err := asInt(args, 1)
	if err != nil {
		return nil, err
	}
	first, last := usable(p)
	at, ok := plus(first, big.NewInt(index))
	if index < 0 || !ok || last.Less(at) {
		return nil, fmt.Errorf("%s has no host %d", p, index)
	}
	return at.String(), nil
}
