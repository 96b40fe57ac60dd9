package plan

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"weir/internal/groups"
	"weir/kernel/resource"
)

const (
	token  = "a token of administration"
	scope  = "/subscriptions/s/resourceGroups/g"
	bus    = "Microsoft.ServiceBus/namespaces"
	orders = scope + "/providers/" + bus + "/orders"
)

// busTypes are types as a service would bring them.
var busTypes = []*resource.Type{
	{Name: bus, Fields: []resource.Field{{Name: "status", ReadOnly: true}}},
	{Name: bus + "/queues", Fields: []resource.Field{{Name: "messageCount", ReadOnly: true}, {Name: "status"}}},
}

// fake is a location made of answers.
type fake struct {
	name, peer string
	status     groups.Status
	documents  []map[string]any
	*httptest.Server
}

func newFake(t *testing.T, name, peer string, secured bool) *fake {
	t.Helper()
	f := &fake{name: name, peer: peer, status: groups.Status{
		Name: "orders", Term: 3, Holder: "west", Standing: groups.Secondary, Mode: "async", Peer: peer, PeerReachable: true, Automatic: true, RTOSeconds: 60, RPOSeconds: 60,
		Voters: []groups.Voter{{Name: "west", Reachable: true, Term: 3, Holder: "west"}, {Name: "east", Reachable: true, Term: 3, Holder: "west"}, {Name: "https://w1.example.net:7800", Reachable: true, Term: 3, Holder: "west"}},
		Units:  []groups.Unit{{Unit: "servicebus-orders", Role: "standby", Ready: true, Connected: true}},
	}}
	if name == "west" {
		f.status.Standing, f.status.Units[0].Role = groups.Primary, "owner"
		f.status.Units[0].LagMessages, f.status.Units[0].LagSeconds = 12, 0.25
		f.status.LastChange = &groups.Change{Kind: "switch", From: "east", To: "west", At: time.Date(2026, 11, 19, 8, 0, 0, 0, time.UTC), Seconds: 0.07}
	}
	document := func(typ, id string, properties map[string]any) {
		f.documents = append(f.documents, map[string]any{"id": id, "type": typ, "name": id[strings.LastIndexByte(id, '/')+1:], "properties": properties})
	}
	document("Weir.Continuity/pairings", scope+"/providers/Weir.Continuity/pairings/"+peer, map[string]any{"peer": peer, "endpoints": []string{peer + ".example.com:5671"}})
	document("Weir.Continuity/groups", scope+"/providers/Weir.Continuity/groups/orders", map[string]any{
		"pairing": peer, "primary": "west", "units": []string{orders}, "mode": "async", "lagSeconds": 60, "whenAway": "stop", "witnesses": []string{"https://w1.example.net:7800"},
		"automatic": true, "failedProbes": 3, "rtoSeconds": 60, "rpoSeconds": 60,
	})
	document(bus, orders, map[string]any{"status": name})
	document(bus+"/queues", orders+"/queues/incoming", map[string]any{"messageCount": len(name + peer + name), "status": "Active", "requiresSession": true, "requiresDuplicateDetection": false})
	if secured {
		f.Server = httptest.NewTLSServer(f)
	} else {
		f.Server = httptest.NewServer(f)
	}
	t.Cleanup(f.Close)
	return f
}

// ServeHTTP answers as a location does. It wants the token, but for its health.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case r.URL.Path == "/healthz/live":
	case r.Method != http.MethodGet:
		http.Error(w, `{"error":{"message":"a plan changes nothing"}}`, http.StatusMethodNotAllowed)
	case r.Header.Get("Authorization") != "Bearer "+token:
		http.Error(w, `{"error":{"message":"this is not the token"}}`, http.StatusUnauthorized)
	case r.URL.Path == "/status":
		answer(map[string]any{
			"version": "v1", "node": f.name + "-1", "ready": true, "scope": scope, "namespace": "orders",
			"doors": map[string]string{"https": "127.0.0.1:1", "amqps": "127.0.0.1:2"}, "units": []any{map[string]any{"role": "owner", "owner": f.name + "-1"}, map[string]any{"role": "standby", "owner": f.peer}},
		})
	case r.URL.Path == groups.Path:
		listed := f.status
		listed.Voters = nil
		answer(groups.List{Location: f.name, Value: []groups.Status{listed}})
	case r.URL.Path == groups.Path+"/orders":
		answer(f.status)
	case r.URL.Path == "/subscriptions/s/resources":
		f.page(w, r)
	default:
		http.NotFound(w, r)
	}
}

// page shows two documents at a time, and names the next page by an address that only
// the location itself knows.
func (f *fake) page(w http.ResponseWriter, r *http.Request) {
	skip, next := 0, ""
	_, _ = fmt.Sscan(r.URL.Query().Get("$skip"), &skip)
	end := min(skip+2, len(f.documents))
	if end < len(f.documents) {
		next = fmt.Sprintf("http://inside.invalid%s?%%24expand=whole&%%24skip=%d", r.URL.Path, end)
	}
	shown := f.documents[skip:end]
	if r.URL.Query().Get("$expand") != "whole" { // as ARM lists them
		shown = nil
		for _, d := range f.documents[skip:end] {
			shown = append(shown, map[string]any{"id": d["id"], "type": d["type"], "name": d["name"]})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"value": shown, "nextLink": next})
}

func (f *fake) location() groups.Location {
	return groups.Location{Name: f.name, Admin: []string{f.URL}, Token: token}
}

// trusting trusts the certificate of httptest.
func trusting(f *fake) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(f.Certificate())
	return &tls.Config{RootCAs: pool}
}

// nameServer answers for one name.
func nameServer(t *testing.T, name string, records ...string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		said := new(dns.Msg)
		said.SetReply(q)
		if q.Question[0].Name != name {
			said.Rcode = dns.RcodeNameError
		}
		for _, text := range records {
			if rr, err := dns.NewRR(text); err == nil && said.Rcode == 0 && (rr.Header().Rrtype == q.Question[0].Qtype || rr.Header().Rrtype == dns.TypeCNAME) {
				said.Answer = append(said.Answer, rr)
			}
		}
		_ = w.WriteMsg(said)
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	return conn.LocalAddr().String()
}
