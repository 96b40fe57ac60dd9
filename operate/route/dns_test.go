package route

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	zoneName = "bus.test."
	shop     = "shop." + zoneName
)

// named runs a DNS server between west, which is primary, at 192.0.2.1 and 2001:db8::1,
// and east at 192.0.2.2.
func named(t *testing.T, a Alias, west, east *fake) *Router {
	t.Helper()
	w, e := west.location(), east.location()
	w.Public, e.Public = []string{"192.0.2.1", "2001:db8::1", "192.0.2.1"}, []string{"192.0.2.2"}
	return answering(t, a, w, e)
}

func answering(t *testing.T, a Alias, locations ...Location) *Router {
	t.Helper()
	a.Zone, a.Listen = "Bus.test", "127.0.0.1:0"
	return start(t, Options{Alias: a, Locations: locations})
}

// put asks one question.
func put(t *testing.T, r *Router, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: limit, UDPSize: dns.MaxMsgSize}
	answer, _, err := c.Exchange(m, r.DNS())
	if err != nil {
		t.Fatalf("%v over %s: %v", m.Question, network, err)
	}
	return answer
}

func asks(t *testing.T, r *Router, name string, kind uint16) *dns.Msg {
	t.Helper()
	return put(t, r, "udp", new(dns.Msg).SetQuestion(name, kind))
}

// said writes the records of an answer without their head: "A 192.0.2.1".
func said(records []dns.RR) string {
	var all []string
	for _, rr := range records {
		all = append(all, dns.TypeToString[rr.Header().Rrtype]+" "+strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return strings.Join(all, ", ")
}

// serial is that of the zone.
func serial(t *testing.T, r *Router) uint32 {
	t.Helper()
	return asks(t, r, zoneName, dns.TypeSOA).Answer[0].(*dns.SOA).Serial
}

func TestANamespaceLeadsToItsPrimary(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{TTL: 7 * time.Second}, west, east)
	awaitActive(t, r, "west")
	for _, network := range []string{"udp", "tcp"} {
		for kind, want := range map[uint16]string{dns.TypeA: "A 192.0.2.1", dns.TypeAAAA: "AAAA 2001:db8::1"} {
			answer := put(t, r, network, new(dns.Msg).SetQuestion("sHop.BUS.test.", kind))
			if got := said(answer.Answer); got != want || !answer.Authoritative || answer.Rcode != dns.RcodeSuccess {
				t.Errorf("over %s: %q, want %q\n%s", network, got, want, answer)
				continue
			}
			head := answer.Answer[0].Header()
			if head.Name != "sHop.BUS.test." || answer.Question[0].Name != head.Name {
				t.Errorf("the case was not kept: %s", head.Name)
			}
			if head.Ttl != 7 {
				t.Errorf("it may be kept for %d s", head.Ttl)
			}
		}
	}
}

func TestASwitchChangesTheAnswer(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "west")
	before := serial(t, r)

	// The term was passed on, and nobody serves in it yet.
	west.set("orders", fakeGroup{term: 1, standing: "halted", holder: "east", units: []map[string]string{{"unit": "servicebus-shop"}}})
	awaitActive(t, r, "")
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 192.0.2.1" {
		t.Errorf("while nobody is primary: %q", got)
	}
	east.says(2, "primary")
	awaitActive(t, r, "east")
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 192.0.2.2" {
		t.Errorf("after the switch: %q", got)
	}
	if now := serial(t, r); int32(now-before) <= 0 {
		t.Errorf("the serial went from %d to %d", before, now)
	}
	// east has no address of the other kind: that is no reason to say there is no such name.
	none := asks(t, r, shop, dns.TypeAAAA)
	if none.Rcode != dns.RcodeSuccess || len(none.Answer) != 0 || len(none.Ns) != 1 {
		t.Errorf("AAAA of east: %s", none)
	}
}

// TestARouterThatComesLate is one that starts while nobody is primary.
func TestARouterThatComesLate(t *testing.T) {
	west, east := pair(t)
	west.says(1, "halted")
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "")
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 192.0.2.1" {
		t.Errorf("the holder is not answered: %q", got)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{Servers: []string{"ns1.deep.bus.test=192.0.2.53", "ns.elsewhere.test"}}, west, east)
	awaitActive(t, r, "west")
	for name, want := range map[string]int{
		"nobody." + zoneName: dns.RcodeNameError, "below." + shop: dns.RcodeNameError, "orders." + zoneName: dns.RcodeNameError,
		shop: dns.RcodeSuccess, zoneName: dns.RcodeSuccess, "ns1.deep.bus.test.": dns.RcodeSuccess, "deep.bus.test.": dns.RcodeSuccess,
	} {
		answer := asks(t, r, name, dns.TypeMX)
		if answer.Rcode != want || len(answer.Answer) != 0 || !answer.Authoritative {
			t.Errorf("%s: %s, want %s", name, dns.RcodeToString[answer.Rcode], dns.RcodeToString[want])
		}
		// A no may be kept as long as the start of authority says.
		if len(answer.Ns) != 1 || answer.Ns[0].Header().Name != zoneName || answer.Ns[0].(*dns.SOA).Minttl != 5 || answer.Ns[0].Header().Ttl != 5 {
			t.Errorf("%s: no start of authority: %v", name, answer.Ns)
		}
	}
}

func TestTheZoneItself(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{Servers: []string{"ns1.bus.test=192.0.2.53", "ns2.bus.test=2001:db8::53", "ns.elsewhere.test"}}, west, east)
	awaitActive(t, r, "west")
	servers := asks(t, r, zoneName, dns.TypeNS)
	if got := said(servers.Answer); got != "NS ns1.bus.test., NS ns2.bus.test., NS ns.elsewhere.test." {
		t.Errorf("NS: %s", got)
	}
	if got := said(servers.Extra); got != "AAAA 2001:db8::53, A 192.0.2.53" {
		t.Errorf("glue: %s", got)
	}
	if got := said(asks(t, r, "ns1.bus.test.", dns.TypeA).Answer); got != "A 192.0.2.53" {
		t.Errorf("a name server: %s", got)
	}
	soa, ok := asks(t, r, zoneName, dns.TypeSOA).Answer[0].(*dns.SOA)
	if !ok || soa.Ns != "ns1.bus.test." || soa.Mbox != "hostmaster.bus.test." || soa.Hdr.Name != zoneName {
		t.Errorf("SOA: %v", soa)
	}
	// Who asks for anything gets what there is, and nobody's else.
	if got := said(asks(t, r, shop, dns.TypeANY).Answer); got != "A 192.0.2.1, AAAA 2001:db8::1" {
		t.Errorf("ANY: %s", got)
	}
}

// TestAServerWithoutAName gets one, with the address it listens on.
func TestAServerWithoutAName(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "west")
	if got := said(asks(t, r, zoneName, dns.TypeNS).Answer); got != "NS ns.bus.test." {
		t.Errorf("NS: %s", got)
	}
	if got := said(asks(t, r, "ns.bus.test.", dns.TypeA).Answer); got != "A 127.0.0.1" {
		t.Errorf("its address: %s", got)
	}
}

func TestALocationThatHasAName(t *testing.T) {
	west, east := pair(t)
	w, e := west.location(), east.location()
	w.Public, e.Public = []string{"West.example.com", "192.0.2.1"}, []string{"192.0.2.2"}
	r := answering(t, Alias{}, w, e)
	awaitActive(t, r, "west")
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeTXT} {
		answer := asks(t, r, shop, kind)
		if got := said(answer.Answer); got != "CNAME west.example.com." || answer.Answer[0].Header().Name != shop || len(answer.Ns) != 0 {
			t.Errorf("%s: %s", dns.TypeToString[kind], answer)
		}
	}
}

// TestDoorsAreThePublicAddress: two doors of one host are one address.
func TestDoorsAreThePublicAddress(t *testing.T) {
	west, east := pair(t)
	w, e := west.location(), east.location()
	w.Doors = []string{"127.0.0.1:5671", "127.0.0.1:443", "127.0.0.2:5671"}
	r := answering(t, Alias{}, w, e)
	awaitActive(t, r, "west")
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 127.0.0.1, A 127.0.0.2" {
		t.Errorf("%s", got)
	}
}

func TestWhatIsRefused(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "west")
	question := func(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }
	of := func(m *dns.Msg, change func(m *dns.Msg)) *dns.Msg { change(m); return m }
	for what, one := range map[string]struct {
		m    *dns.Msg
		want int
	}{
		"another zone":   {question("shop.example.com.", dns.TypeA), dns.RcodeRefused},
		"the zone above": {question("test.", dns.TypeNS), dns.RcodeRefused},
		"a name like it": {question("shopbus.test.", dns.TypeA), dns.RcodeRefused},
		"all of another": {question("example.com.", dns.TypeANY), dns.RcodeRefused},
		"the whole zone": {question(zoneName, dns.TypeAXFR), dns.RcodeRefused},
		"its changes":    {of(question(zoneName, dns.TypeIXFR), func(m *dns.Msg) { m.Ns = nil }), dns.RcodeRefused},
		"another class":  {of(question(shop, dns.TypeA), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"an update":      {of(question(zoneName, dns.TypeSOA), func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"a notice":       {of(question(zoneName, dns.TypeSOA), func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		"two questions": {of(question(shop, dns.TypeA), func(m *dns.Msg) {
			m.Question = append(m.Question, m.Question[0])
		}), dns.RcodeFormatError},
		"a later EDNS": {of(question(shop, dns.TypeA), func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.IsEdns0().SetVersion(1)
		}), dns.RcodeBadVers},
		"two EDNS": {of(question(shop, dns.TypeA), func(m *dns.Msg) {
			m.SetEdns0(1232, false)
			m.SetEdns0(1232, false)
		}), dns.RcodeFormatError},
	} {
		for _, network := range []string{"udp", "tcp"} {
			answer := put(t, r, network, one.m.Copy())
			if answer.Rcode != one.want || len(answer.Answer) != 0 || answer.Authoritative {
				t.Errorf("%s over %s: %s, want %s", what, network, dns.RcodeToString[answer.Rcode], dns.RcodeToString[one.want])
			}
		}
	}
}
