package core

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	provider = "/subscriptions/s/resourceGroups/g/providers/"
	unitID   = provider + "Microsoft.ServiceBus/namespaces/orders"
)

func days(n int) time.Time { return now.AddDate(0, 0, n) }

func clean() Facts {
	rto, rpo := 2*time.Minute, time.Minute
	return Facts{
		Places: []Place{location("west", "east", 1), location("east", "west", 2)},
		Flows: []Flow{{
			Name: "order to invoice", Group: "orders", Entities: []string{"orders/in", "orders/events/audit"},
			RPO: &rpo, RTO: &rto, CostPerHour: 311000, Currency: "EUR", Strategy: "multi", Reviewed: days(-30),
			Ordered: true, Once: true, Target: 99.9,
			Paths: [][]Component{{
				{Name: "gateway", Availability: 99.95, Where: Both}, {Name: "bus", Availability: 99.9, Where: Both}, {Name: "dns", Availability: 99.99, Where: Common},
			}},
		}},
		Drills: Drills{Given: true, Records: []Drill{
			{File: "a.json", Group: "orders", Kind: "switch", At: days(-2), RTOSeconds: 0.1, Signer: "f00d", Config: "c1"},
			{File: "b.json", Group: "orders", Kind: "isolation", At: days(-3), RTOSeconds: 5.5, Signer: "f00d", Config: "c1"},
			{File: "c.json", Group: "orders", Kind: "isolation", At: days(-40), RTOSeconds: 600, LostAfterward: 1, Broken: []string{"everything"}, Config: "c0"},
		}},
		Aliases: []Alias{{Name: "orders.bus.example.com", Addresses: []string{"198.51.100.1"}, TTL: 5 * time.Second, TTLKnown: true}},
	}
}

func location(name, peer string, n int) Place {
	host := func(i int) string { return fmt.Sprintf("%s-%d.example.com", name, i) }
	p := Place{
		Name: name, Says: name, Doors: []string{host(1) + ":5671", host(2) + ":5671", host(3) + ":5671"},
		Clock: &Clock{Least: -200 * time.Millisecond, Most: 300 * time.Millisecond}, Addresses: []string{fmt.Sprintf("198.51.100.%d", n)},
		Ends:      []End{{Address: host(1) + ":8443", Host: host(1), NotBefore: days(-10), NotAfter: days(200)}},
		Groups:    []Status{standing(name, peer)},
		Documents: documents(peer),
	}
	for i := range 3 {
		p.Admin = append(p.Admin, "https://"+host(i+1)+":8443")
		p.Nodes = append(p.Nodes, Node{URL: p.Admin[i], Name: host(i + 1), Version: "v1", Ready: true, Namespace: "orders", Doors: []string{"amqps", "https"}, Owners: []string{host(1)}})
	}
	return p
}

func standing(name, peer string) Status {
	s := Status{Name: "orders", Holder: "west", Standing: standingSecondary, Mode: "async", Peer: peer, Term: 3, PeerReachable: true, Automatic: true, Config: "c1"}
	role := "standby"
	if name == "west" {
		s.Standing, role = standingPrimary, "owner"
		s.LastChange = &Change{Kind: "switch", From: "east", To: "west", At: days(-2), Seconds: 0.07}
	}
	s.Units = []Unit{{Name: "servicebus-orders", Role: role, Ready: true, Connected: true, LagMessages: 3, LagBytes: 900, LagSeconds: 0.2}}
	for _, v := range []string{"west", "east", "https://w1.example.net:7800", "https://w2.example.net:7800", "https://w3.example.net:7800"} {
		s.Voters = append(s.Voters, Voter{Name: v, Reachable: true, Term: 3, Holder: "west"})
	}
	return s
}

func documents(peer string) []Document {
	doc := func(typ, id, sku string, properties map[string]any) Document {
		return Document{ID: id, Type: typ, Name: lastPart(id), SKU: sku, Properties: properties}
	}
	entity := func(extra map[string]any) map[string]any {
		all := map[string]any{"defaultMessageTimeToLive": "P14D", "requiresSession": true, "requiresDuplicateDetection": true}
		for k, v := range extra {
			all[k] = v
		}
		return all
	}
	const bus = "Microsoft.ServiceBus/namespaces"
	return []Document{
		doc(typePairing, provider+typePairing+"/"+peer, "", map[string]any{"peer": peer, "endpoints": []any{peer + "-1.example.com:5671", peer + "-2.example.com:5671"}}),
		doc(typeGroup, provider+typeGroup+"/orders", "", map[string]any{
			"pairing": peer, "primary": "west", "units": []any{unitID}, "mode": "async", "lagMessages": 10000.0, "lagBytes": 1e9, "lagSeconds": 60.0, "whenAway": "stop",
			"witnesses": []any{"https://w1.example.net:7800", "https://w2.example.net:7800", "https://w3.example.net:7800"},
			"automatic": true, "failedProbes": 3.0, "rtoSeconds": 60.0, "rpoSeconds": 60.0,
		}),
		doc(bus, unitID, "Premium", map[string]any{}),
		doc(bus+"/authorizationRules", unitID+"/authorizationRules/root", "", map[string]any{"rights": []any{"Send"}}),
		doc(bus+"/queues", unitID+"/queues/in", "", entity(nil)),
		doc(bus+"/topics", unitID+"/topics/events", "", map[string]any{"requiresDuplicateDetection": true}),
		doc(bus+"/topics/subscriptions", unitID+"/topics/events/subscriptions/audit", "", map[string]any{"requiresSession": true}),
		doc(bus, provider+bus+"/default", "Standard", map[string]any{}),
		doc(bus+"/authorizationRules", provider+bus+"/default/authorizationRules/root", "", map[string]any{}),
	}
}

// group gives what the document of the group says in a place, to be spoiled.
func (p *Place) group() map[string]any { return p.named("orders", typeGroup).Properties }

func (p *Place) pairing() map[string]any {
	for _, d := range p.Documents {
		if d.Type == typePairing {
			return d.Properties
		}
	}
	return nil
}

func (p *Place) named(name, typ string) *Document {
	for i := range p.Documents {
		if p.Documents[i].Name == name && (typ == "" || p.Documents[i].Type == typ) {
			return &p.Documents[i]
		}
	}
	return nil
}

func (p *Place) drop(name, typ string) {
	p.Documents = slices.DeleteFunc(p.Documents, func(d Document) bool { return d.Name == name && d.Type == typ })
}

func rulesOf(r *Report) []string {
	var all []string
	for _, f := range r.Findings {
		if !slices.Contains(all, f.Rule) {
			all = append(all, f.Rule)
		}
	}
	slices.Sort(all)
	return all
}

func TestACleanEstateFindsNothing(t *testing.T) {
	r := Judge(now, clean())
	for _, f := range r.Findings {
		t.Errorf("%s: %s", f.Rule, f.What)
	}
	for _, u := range r.Unjudged {
		t.Errorf("not judged: %s %v", u.Why, u.Rules)
	}
	if !reflect.DeepEqual(r, Judge(now, clean())) {
		t.Error("the same facts give another report")
	}
}

// TestEachRuleFindsItsDefect seeds one defect at a time and wants its rule, and no
// other but those that say the same defect from their side.
func TestEachRuleFindsItsDefect(t *testing.T) {
	cases := append(defects(), workflowDefects()...)
	seen := map[string]bool{}
	for _, c := range cases {
		seen[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			f := clean()
			if c.on != nil {
				f = c.on()
			}
			c.spoil(&f, &f.Places[0], &f.Places[1])
			r := Judge(now, f)
			want := append([]string{c.rule}, c.also...)
			slices.Sort(want)
			if got := rulesOf(r); !slices.Equal(got, want) {
				t.Errorf("finds %v, wants %v", got, want)
				for _, f := range r.Findings {
					t.Logf("%s: %s", f.Rule, f.What)
				}
			}
			for _, f := range r.Findings {
				if strings.ContainsAny(f.Fix, "{}") {
					t.Errorf("%s leaves a place open in its fix: %s (it knows %v)", f.Rule, f.Fix, f.About)
				}
				if f.What == "" || strings.Contains(f.What, "%!") {
					t.Errorf("%s says %q", f.Rule, f.What)
				}
			}
		})
	}
	for _, rule := range Rules() {
		if !seen[rule.ID] {
			t.Errorf("no defect is seeded for the rule %s: add one to defects()", rule.ID)
		}
	}
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.ID == "" || r.Title == "" || r.Fix == "" || r.check == nil || r.Severity.rank() < 0 {
			t.Errorf("the rule %q lacks something", r.ID)
		}
		if seen[r.ID] {
			t.Errorf("the rule %s is there twice", r.ID)
		}
		seen[r.ID] = true
		for _, n := range r.Needs {
			if needs[n].lacks == nil {
				t.Errorf("%s needs %q, which is not described", r.ID, n)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d rules", len(seen))
	}
}

// TestWhatWasNotSeenIsNotJudged takes one location away: nothing may be said of it but
// that, and the rules that would have looked at it are named.
func TestWhatWasNotSeenIsNotJudged(t *testing.T) {
	f := clean()
	f.Places[1] = Place{Name: "east", Admin: f.Places[1].Admin, Doors: f.Places[1].Doors, Err: "connection refused"}
	f.Places[0].Groups[0].Units[0].Connected = false
	r := Judge(now, f)
	if got := rulesOf(r); !slices.Equal(got, []string{"link-away", "location-away"}) {
		t.Errorf("finds %v", got)
	}
	i := slices.IndexFunc(r.Unjudged, func(u Unjudged) bool { return u.Why == "east does not answer" })
	if i < 0 || !slices.Contains(r.Unjudged[i].Rules, "mode-differs") {
		t.Errorf("not judged: %+v", r.Unjudged)
	}

	// With nothing at all, everything that needs something is named.
	r = Judge(now, Facts{})
	if len(r.Findings) > 0 || len(r.Unjudged) < 4 {
		t.Errorf("of nothing: %v, not judged: %+v", rulesOf(r), r.Unjudged)
	}

	// One location alone has no other to be compared with.
	f = clean()
	f.Places = f.Places[:1]
	if got := rulesOf(Judge(now, f)); len(got) > 0 {
		t.Errorf("with one location named: %v", got)
	}
}

func TestSinglePoints(t *testing.T) {
	f := clean()
	a, b, mail := Component{Name: "a", Where: Both}, Component{Name: "b", Where: "west"}, Component{Name: "mail", Where: "east"}
	dns := Component{Name: "dns", Where: Common}
	// mail is in one place, and there is a path around it.
	f.Flows[0].Paths = [][]Component{{a, b, dns}, {a, b, mail, dns}}
	f.Places[0].Nodes = f.Places[0].Nodes[:1]
	f.Places[1].Doors = f.Places[1].Doors[:1]
	got := Judge(now, f).Flows[0].Single
	want := []string{
		"dns, common to both locations", "b, in west only", "the node west-1.example.com of west, until the other location takes over",
		"the door east-1.example.com:5671 of east, until the other location takes over",
	}
	if !slices.Equal(got, want) {
		t.Errorf("single: %q", got)
	}
	f.Flows[0].Group, f.Flows[0].Entities = "", nil
	if got := Judge(now, f).Flows[0].Single; !slices.Contains(got, "the one location that it is in") {
		t.Errorf("in no group: %q", got)
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"https://West.example.com:8443/": "west.example.com", "https://[2001:db8::1]:8443": "2001:db8::1", "10.0.0.1:5671": "10.0.0.1",
		"http://user@host/path": "host", "[::1]:5671": "::1", "name": "name", "::1": "::1",
	} {
		if got := hostOf(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	for host, want := range map[string][3]bool{ // loopback, private, public
		"127.0.0.1": {true, false, false}, "localhost": {true, false, false}, "::1": {true, false, false}, "10.1.2.3": {false, true, false},
		"172.20.0.1": {false, true, false}, "172.32.0.1": {false, false, true}, "192.168.1.1": {false, true, false}, "fd00::1": {false, true, false},
		"198.51.100.1": {false, false, true}, "2001:db8::1": {false, false, true}, "west.example.com": {}, "127.example.com": {},
	} {
		if got := [3]bool{loopback(host), private(host), public(host)}; got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
