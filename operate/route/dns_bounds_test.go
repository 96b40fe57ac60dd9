package route

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestLongAnswersAreCut to what the client takes, and come whole over TCP.
func TestLongAnswersAreCut(t *testing.T) {
	west, east := pair(t)
	w, e := west.location(), east.location()
	e.Public = []string{"192.0.2.2"}
	for i := range 100 {
		w.Public = append(w.Public, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String())
	}
	r := answering(t, Alias{}, w, e)
	awaitActive(t, r, "west")
	for size, most := range map[uint16]int{0: 512, 100: 512, 800: 800, 1232: 1232, 65535: 1232} {
		m := new(dns.Msg).SetQuestion(shop, dns.TypeA)
		if size > 0 {
			m.SetEdns0(size, false)
		}
		answer := put(t, r, "udp", m)
		answer.Compress = true // as it was on its way
		packed, err := answer.Pack()
		if err != nil || !answer.Truncated || len(packed) > most || len(packed) < most/2 {
			t.Errorf("who takes %d got %d bytes, cut: %v, %v", size, len(packed), answer.Truncated, err)
		}
		if opt := answer.IsEdns0(); (opt != nil) != (size > 0) || opt != nil && opt.UDPSize() != udpBytesMax {
			t.Errorf("who takes %d got the option %v", size, opt)
		}
	}
	if whole := put(t, r, "tcp", new(dns.Msg).SetQuestion(shop, dns.TypeA)); len(whole.Answer) != 100 || whole.Truncated {
		t.Errorf("over TCP: %d records, cut: %v", len(whole.Answer), whole.Truncated)
	}
}

// TestNobodyIsToldNoTooEarly: a no is kept by resolvers, so it waits for all locations.
func TestNobodyIsToldNoTooEarly(t *testing.T) {
	west, east := pair(t)
	west.silence(true)
	east.set("orders", fakeGroup{term: 1, standing: "secondary"}) // it does not know the namespace
	r := named(t, Alias{}, west, east)
	eventually(t, "both were asked", func() bool { return r.look().complete })
	for _, name := range []string{shop, "nobody." + zoneName} {
		if answer := asks(t, r, name, dns.TypeA); answer.Rcode != dns.RcodeServerFailure || answer.Authoritative {
			t.Errorf("%s while west was never heard of: %s", name, answer)
		}
	}
	west.silence(false)
	awaitActive(t, r, "west")
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 192.0.2.1" {
		t.Errorf("%q", got)
	}
	west.silence(true) // what it said is held to
	seen := west.asked()
	eventually(t, "west was asked in vain", func() bool { return west.asked() > seen+2 })
	if answer := asks(t, r, "nobody."+zoneName, dns.TypeA); answer.Rcode != dns.RcodeNameError {
		t.Errorf("nobody: %s", answer)
	}
}

// TestWhatIsNoQuestion sends bytes that are none, over both ways, and asks again.
func TestWhatIsNoQuestion(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "west")
	good, err := new(dns.Msg).SetQuestion(shop, dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	response := append([]byte{}, good...)
	response[2] |= 0x80
	loop := append(append([]byte{}, good[:12]...), 0xC0, 12, 0, 1, 0, 1) // a name that points at itself
	for _, packet := range [][]byte{{}, {1}, good[:11], good[:12], good[:len(good)-1], response, loop, make([]byte, 9000), []byte(strings.Repeat("\xff", 600))} {
		udp, err := net.Dial("udp", r.DNS())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = udp.Write(packet)
		udp.Close()
		tcp, err := net.Dial("tcp", r.DNS())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = tcp.Write(append([]byte{byte(len(packet) >> 8), byte(len(packet))}, packet...))
		tcp.Close()
		for _, network := range []string{"udp", "tcp"} {
			if got := said(put(t, r, network, new(dns.Msg).SetQuestion(shop, dns.TypeA)).Answer); got != "A 192.0.2.1" {
				t.Fatalf("after %d bytes that are no question, over %s: %q", len(packet), network, got)
			}
		}
	}
}

// TestConnectionsToDNSAreBounded: above the bound they wait, and are not refused.
func TestConnectionsToDNSAreBounded(t *testing.T) {
	west, east := pair(t)
	r := named(t, Alias{}, west, east)
	awaitActive(t, r, "west")
	room := r.alias.tcp.Listener.(*bounded).room
	var all []net.Conn
	for range dnsConnsMax {
		conn, err := net.Dial("tcp", r.DNS())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all = append(all, conn)
	}
	eventually(t, "the room is taken", func() bool { return len(room) == dnsConnsMax })
	late := make(chan error, 1)
	go func() {
		c := dns.Client{Net: "tcp", Timeout: limit}
		answer, _, err := c.Exchange(new(dns.Msg).SetQuestion(shop, dns.TypeA), r.DNS())
		if err == nil && len(answer.Answer) != 1 {
			err = fmt.Errorf("answered %s", answer)
		}
		late <- err
	}()
	if got := said(asks(t, r, shop, dns.TypeA).Answer); got != "A 192.0.2.1" { // over UDP
		t.Errorf("%q", got)
	}
	select {
	case err := <-late:
		t.Errorf("the one above the bound did not wait: %v", err)
	default:
	}
	all[0].Close()
	if err := <-late; err != nil {
		t.Error(err)
	}
}
