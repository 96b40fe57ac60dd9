package identity

import (
	"net/netip"
	"testing"

	"weir/kernel/fault"
)

func TestNetwork(t *testing.T) {
	rules := func(deny bool, ranges ...string) []AddressRule {
		var all []AddressRule
		for _, text := range ranges {
			r, err := ParseAddressRange(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, AddressRule{r, deny})
		}
		return all
	}
	office := Network{DefaultDeny: true, Rules: append(rules(false, "203.0.113.0/24", "2001:db8::/32"), rules(true, "203.0.113.66")...)}
	for _, c := range []struct {
		name  string
		n     Network
		addr  string
		outer bool
		ok    bool
	}{
		{"open", Network{}, "198.51.100.1", true, true},
		{"no address", Network{}, "", false, true},
		{"in the range", office, "203.0.113.7", true, true},
		{"as IPv6 writes it", office, "::ffff:203.0.113.7", true, true},
		{"IPv6", office, "2001:db8::1%eth0", true, true},
		{"the narrower rule counts", office, "203.0.113.66", true, false},
		{"outside", office, "203.0.114.7", true, false},
		{"no address, default deny", office, "", false, false},
		{"loopback is no exception", office, "127.0.0.1", false, false},
		{"internal from here", Network{Internal: true}, "10.0.0.1", false, true},
		{"internal from elsewhere", Network{Internal: true}, "10.0.0.1", true, false},
		{"one bad address", Network{Rules: rules(true, "10.0.0.1")}, "10.0.0.1", false, false},
	} {
		addr, _ := netip.ParseAddr(c.addr)
		err := c.n.Admits("n", Peer{Addr: addr, External: c.outer})
		if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, bad := range []string{"", "203.0.113.0/33", "203.0.113", "fe80::1%eth0", "a/8"} {
		if r, err := ParseAddressRange(bad); err == nil {
			t.Errorf("%q is read as %s", bad, r)
		}
	}
}
