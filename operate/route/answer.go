package route

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const (
	// udpBytesMax is the largest answer over UDP, whatever the client could take: larger
	// ones are cut into fragments on the way, which get lost.
	udpBytesMax = 1232

	soaRefresh, soaRetry, soaExpire = 60, 10, 86400 // seconds; nobody copies this zone
)

// acceptable takes queries alone, and of them those the library's rule takes: one
// question, and no sections that only other messages have.
func acceptable(head dns.Header) dns.MsgAcceptAction {
	if opcode := int(head.Bits>>11) & 0xF; head.Bits&(1<<15) == 0 && opcode != dns.OpcodeQuery {
		return dns.MsgRejectNotImplemented
	}
	return dns.DefaultMsgAcceptFunc(head)
}

// ServeDNS answers one question.
func (z *zone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := z.reply(query)
	limit := dns.MaxMsgSize
	if w.LocalAddr().Network() == "udp" {
		limit = dns.MinMsgSize
		if opt := query.IsEdns0(); opt != nil {
			limit = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpBytesMax)
		}
	}
	reply.Truncate(limit)
	if err := w.WriteMsg(reply); err != nil {
		z.log.Debug("a DNS answer could not be sent", "client", w.RemoteAddr().String(), "error", err)
	}
}

// reply makes the answer to one message.
func (z *zone) reply(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetReply(query)
	// The head of a message that ends behind it can announce a question that is not there.
	if len(query.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		return reply
	}
	if opts := options(query); opts > 0 {
		reply.SetEdns0(udpBytesMax, false)
		if opts > 1 {
			reply.Rcode = dns.RcodeFormatError
			return reply
		}
		if query.IsEdns0().Version() != 0 {
			reply.Rcode = dns.RcodeBadVers
			return reply
		}
	}
	q := query.Question[0]
	if q.Qclass != dns.ClassINET || !dns.IsSubDomain(z.name, dns.CanonicalName(q.Name)) || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		reply.Rcode = dns.RcodeRefused
		return reply
	}
	reply.Authoritative = true
	z.answer(reply, q)
	return reply
}

// options counts the EDNS records of a message; more than one is an error.
func options(m *dns.Msg) int {
	n := 0
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			n++
		}
	}
	return n
}

// answer fills in what is known about a name of the zone.
func (z *zone) answer(reply *dns.Msg, q dns.Question) {
	name := dns.CanonicalName(q.Name)
	if name == z.name {
		z.apex(reply, q)
		return
	}
	for _, s := range z.servers {
		if s.name == name {
			z.records(reply, q, s.at)
			return
		}
	}
	now := z.look()
	group, known := now.names[strings.TrimSuffix(name, "."+z.name)]
	switch {
	case !now.complete: // it may exist
		reply.Rcode, reply.Authoritative = dns.RcodeServerFailure, false
	case !known && z.above(name): // a name server is below it, so it exists, empty
		reply.Ns = append(reply.Ns, z.soa(z.name))
	case !known && !now.heard: // a location that never answered may have it
		reply.Rcode, reply.Authoritative = dns.RcodeServerFailure, false
	case !known:
		reply.Rcode = dns.RcodeNameError
		reply.Ns = append(reply.Ns, z.soa(z.name))
	default:
		at, ok := z.places[now.groups[group].last]
		if !ok { // it exists, and was nowhere yet
			reply.Rcode, reply.Authoritative = dns.RcodeServerFailure, false
			return
		}
		z.records(reply, q, at)
	}
}

// above reports whether a name of the zone is a step on the way to a name server: a
// resolver that heard there is no such name would not ask for what is below it.
func (z *zone) above(name string) bool {
	return slices.ContainsFunc(z.servers, func(s server) bool { return dns.IsSubDomain(name, s.name) })
}

// records answers with what a name leads to, or says that there is nothing of that type.
func (z *zone) records(reply *dns.Msg, q dns.Question, at answer) {
	if at.name != "" { // a name that leads to another has no other records
		reply.Answer = append(reply.Answer, &dns.CNAME{Hdr: z.head(q.Name, dns.TypeCNAME), Target: at.name})
		return
	}
	for _, addr := range at.addrs {
		if rr := z.address(q.Name, addr); q.Qtype == rr.Header().Rrtype || q.Qtype == dns.TypeANY {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	if len(reply.Answer) == 0 {
		reply.Ns = append(reply.Ns, z.soa(z.name))
	}
}

func (z *zone) address(name string, addr netip.Addr) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: z.head(name, dns.TypeA), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: z.head(name, dns.TypeAAAA), AAAA: addr.AsSlice()}
}

// apex answers for the zone itself.
func (z *zone) apex(reply *dns.Msg, q dns.Question) {
	if q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeANY {
		reply.Answer = append(reply.Answer, z.soa(q.Name))
	}
	if q.Qtype == dns.TypeNS || q.Qtype == dns.TypeANY {
		for _, s := range z.servers {
			reply.Answer = append(reply.Answer, &dns.NS{Hdr: z.head(q.Name, dns.TypeNS), Ns: s.name})
			for _, addr := range s.at.addrs {
				reply.Extra = slices.Insert(reply.Extra, 0, z.address(s.name, addr))
			}
		}
	}
	if len(reply.Answer) == 0 {
		reply.Ns = append(reply.Ns, z.soa(z.name))
	}
}

// soa is the start of authority; its last number is how long a no may be believed.
func (z *zone) soa(name string) dns.RR {
	return &dns.SOA{
		Hdr: z.head(name, dns.TypeSOA), Ns: z.servers[0].name, Mbox: "hostmaster." + z.name,
		Serial: z.since + z.look().changes, Refresh: soaRefresh, Retry: soaRetry, Expire: soaExpire, Minttl: z.ttl,
	}
}

func (z *zone) head(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: z.ttl}
}
