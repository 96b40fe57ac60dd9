package plan

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
)

var now = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

const unitID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/shop"

// fine is an estate about which there is nothing to say.
func fine() *Facts {
	zero := int64(0)
	f := &Facts{
		Now: now, Drills: true,
		Evidence: []Evidence{{File: "a.json", Group: "orders", Kind: "switch", At: now.Add(-time.Hour), RTOSeconds: 3, Good: true}},
		Alias:    &Alias{Name: "shop.example.com", Addresses: []string{"192.0.2.1"}, Leads: map[string][]string{"west": {"192.0.2.1"}, "east": {"192.0.2.9"}}},
		Estate: Estate{Flows: []Flow{{
			Name: "orders", Group: "orders", Strategy: "multi", RTOSeconds: 60, RPOSeconds: &zero, Reviewed: "2030-05-01",
			Components: []Component{{"messaging", 99.9, Each}},
		}}},
	}
	for _, name := range []string{"west", "east"} {
		peer := map[string]string{"west": "east", "east": "west"}[name]
		g := groups.Status{
			Name: "orders", Term: 2, Holder: "west", Standing: groups.Secondary, Mode: "sync", Peer: peer, PeerReachable: true, Automatic: true, RTOSeconds: 60,
			Voters: []groups.Voter{{Name: "west", Reachable: true, Holder: "west"}, {Name: "east", Reachable: true, Holder: "west"}, {Name: "w", Reachable: true, Holder: "west"}},
			Units:  []groups.Unit{{Unit: "servicebus-shop", Role: "owner", Ready: true, Connected: true}},
		}
		if name == "west" {
			g.Standing = groups.Primary
		}
		f.Locations = append(f.Locations, Location{
			Name: name, Version: "1", Admin: []string{"https://" + name + ".example.com:8443"}, Doors: []string{name + "-1:5671", name + "-2:5671"},
			Groups:       []groups.Status{g},
			Certificates: []Certificate{{URL: "https://" + name + ".example.com:8443", Expires: now.Add(90 * 24 * time.Hour)}},
			Documents: []Document{
				{ID: unitID, Name: "shop", Type: typeNamespace, Properties: map[string]any{}},
				{ID: unitID + "/queues/orders", Name: "orders", Type: typeNamespace + "/queues", Properties: map[string]any{"lockDuration": "PT1M", "messageCount": float64(len(name))}},
				{ID: "/x/" + peer, Name: peer, Type: typePairing, Properties: map[string]any{"peer": peer, "endpoints": []any{"a:1", "b:1"}}},
				{ID: "/x/orders", Name: "orders", Type: typeGroup, Properties: map[string]any{
					"pairing": peer, "primary": "west", "units": []any{unitID}, "mode": "sync", "whenAway": "degrade", "lagSeconds": float64(300), "automatic": true, "failedProbes": float64(3),
					"witnesses": []any{"https://w1:1", "https://w2:1", "https://w3:1"}, "rtoSeconds": float64(60), "rpoSeconds": float64(0),
				}},
			},
		})
	}
	return f
}

func (f *Facts) west() *Location         { return &f.Locations[0] }
func (f *Facts) east() *Location         { return &f.Locations[1] }
func (f *Facts) primary() *groups.Status { return &f.west().Groups[0] }
func (f *Facts) second() *groups.Status  { return &f.east().Groups[0] }
func (f *Facts) flow() *Flow             { return &f.Estate.Flows[0] }

// both changes a property of the group on both sides.
func (f *Facts) both(name string, value any) {
	for i := range f.Locations {
		f.Locations[i].Documents[3].Properties[name] = value
	}
}

// defects has for each rule a change of the fine estate that it finds.
var defects = map[string]func(f *Facts){
	"location-answers":  func(f *Facts) { f.east().Err = "refused" },
	"location-two":      func(f *Facts) { f.Locations = f.Locations[:1] },
	"location-versions": func(f *Facts) { f.east().Version = "2" },
	"location-clock":    func(f *Facts) { f.east().Skew = -time.Minute },
	"location-one-door": func(f *Facts) { f.west().Doors, f.east().Doors = f.west().Doors[:1], f.east().Doors[:1] },
	"location-fewer-nodes": func(f *Facts) {
		f.east().Doors = append(f.east().Doors, "east-3:5671")
		f.west().Documents[2].Properties["endpoints"] = []any{"a", "b", "c"}
	},
	"location-plain":      func(f *Facts) { f.east().Admin = []string{"http://east.example.com:8080"} },
	"location-loopback":   func(f *Facts) { f.east().Doors[0] = "127.0.0.1:5672" },
	"certificate-trusted": func(f *Facts) { f.east().Certificates[0].Err = "unknown authority" },
	"certificate-expiry":  func(f *Facts) { f.east().Certificates[0].Expires = now.Add(24 * time.Hour) },
	"alias-resolves":      func(f *Facts) { f.Alias.Err = "no such host" },
	"alias-active":        func(f *Facts) { f.Alias.Addresses = []string{"192.0.2.9"} },
	"group-both-sides":    func(f *Facts) { f.east().Documents = f.east().Documents[:3] },
	"group-units-agree":   func(f *Facts) { f.east().Documents[3].Properties["units"] = []any{strings.ToUpper(unitID)} },
	"group-mode-agrees":   func(f *Facts) { f.east().Documents[3].Properties["lagSeconds"] = float64(1) },
	"group-voting-agrees": func(f *Facts) {
		f.east().Documents[3].Properties["witnesses"] = []any{"https://w1:1", "https://w2:1", "https://w4:1"}
	},
	"group-automatic-agrees": func(f *Facts) { f.east().Documents[3].Properties["failedProbes"] = float64(4) },
	"group-targets-agree":    func(f *Facts) { f.east().Documents[3].Properties["rtoSeconds"] = float64(61) },
	"group-units-declared":   func(f *Facts) { f.both("units", []any{unitID, "/other"}) },
	"group-pairing":          func(f *Facts) { f.west().Documents[3].Properties["pairing"] = "north" },
	"pairing-endpoints":      func(f *Facts) { f.west().Documents[2].Properties["endpoints"] = []any{"a"} },
	"group-witness":          func(f *Facts) { f.both("witnesses", []any{}) },
	"group-witness-one":      func(f *Facts) { f.both("witnesses", []any{"https://w1:1"}) },
	"group-witness-apart":    func(f *Facts) { f.both("witnesses", []any{"https://w1:1", "https://w2:1", "https://east-1:1"}) },
	"group-witness-plain":    func(f *Facts) { f.both("witnesses", []any{"https://w1:1", "https://w2:1", "http://w3:1"}) },
	"group-targets":          func(f *Facts) { f.both("rtoSeconds", nil) },
	"group-mode-fits":        func(f *Facts) { f.both("mode", "async") },
	"group-bound-fits":       func(f *Facts) { f.both("mode", "async"); f.both("rpoSeconds", float64(10)) },
	"group-automatic-fits":   func(f *Facts) { f.both("automatic", false) },
	"group-detection-fits":   func(f *Facts) { f.both("failedProbes", float64(60)) },
	"group-away-stops": func(f *Facts) {
		f.both("whenAway", "stop")
		for i := range f.Locations {
			f.Locations[i].Doors = f.Locations[i].Doors[:1]
		}
	},
	"entities-both-sides": func(f *Facts) { f.east().Documents = slices.Delete(f.east().Documents, 1, 2) },
	"entities-alike":      func(f *Facts) { f.east().Documents[1].Properties["lockDuration"] = "PT2M" },
	"namespace-grouped": func(f *Facts) {
		f.west().Documents = append(f.west().Documents, Document{ID: "/lonely", Name: "lonely", Type: typeNamespace})
	},
	"group-one-primary": func(f *Facts) { f.second().Standing = groups.Primary },
	"group-terms-agree": func(f *Facts) { f.second().Term = 1 },
	"group-at-rest":     func(f *Facts) { f.primary().Phase = "handing-over" },
	"group-salvage":     func(f *Facts) { f.second().Standing = groups.Salvage },
	"group-isolated":    func(f *Facts) { f.primary().IsolatedUntil = &now },
	"link-connected":    func(f *Facts) { f.second().Units[0].Connected = false },
	"link-lag":          func(f *Facts) { f.primary().RPOSeconds = 10; f.primary().Units[0].LagSeconds = 6 },
	"sync-whole":        func(f *Facts) { f.primary().Units[0].Degraded = true },
	"unit-ready":        func(f *Facts) { f.primary().Units[0].Ready = false },
	"voters-answer":     func(f *Facts) { f.primary().Voters[2].Reachable = false },
	"voters-agree":      func(f *Facts) { f.primary().Voters[1].Holder = ""; f.primary().Voters[2].Holder = "" },
	"drill-recent":      func(f *Facts) { f.Evidence[0].At = now.Add(-8 * 24 * time.Hour) },
	"drill-held":        func(f *Facts) { f.Evidence[0].Good = false },
	"drill-rto":         func(f *Facts) { f.Evidence[0].RTOSeconds = 61 },
	"drill-believed":    func(f *Facts) { f.Evidence = append(f.Evidence, Evidence{File: "b.json", Err: "it was changed"}) },
	"flow-alone":        func(f *Facts) { f.flow().Components = append(f.flow().Components, Component{"erp", 99, One}) },
	"flow-common":       func(f *Facts) { f.flow().Components = append(f.flow().Components, Component{"dns", 99, Common}) },
	"flow-group":        func(f *Facts) { f.flow().Group = "nobody's" },
	"flow-strategy":     func(f *Facts) { f.flow().Strategy = "" },
	"flow-multi":        func(f *Facts) { f.flow().Group = "" },
	"flow-reviewed":     func(f *Facts) { f.flow().Reviewed = "2030-01-01" },
	"flow-target":       func(f *Facts) { f.flow().RTOSeconds = 30 },
}

// alongside are rules that find the same defect from another side.
var alongside = map[string][]string{
	"location-answers":     {"group-one-primary"},
	"location-two":         nil,
	"group-both-sides":     {"namespace-grouped"},
	"group-away-stops":     {"location-one-door"},
	"group-units-declared": nil,
}

func TestEachRuleFindsItsDefect(t *testing.T) {
	if len(Rules) < 30 {
		t.Errorf("%d rules", len(Rules))
	}
	f := fine()
	r := Make(*f)
	if len(r.Findings) > 0 {
		t.Fatalf("about an estate that is fine: %+v", r.Findings)
	}
	seen := map[string]bool{}
	for _, rule := range Rules {
		if seen[rule.ID] || rule.Asks == "" || rule.Fix == "" || order(rule.Severity) < 0 {
			t.Errorf("%s: known already, or not whole: %+v", rule.ID, rule)
		}
		seen[rule.ID] = true
		spoil := defects[rule.ID]
		if spoil == nil {
			t.Errorf("%s: there is no defect that it finds", rule.ID)
			continue
		}
		f := fine()
		spoil(f)
		r := Make(*f)
		found := false
		for _, x := range r.Findings {
			found = found || x.Rule == rule.ID
			if x.Rule != rule.ID && !slices.Contains(alongside[rule.ID], x.Rule) {
				t.Errorf("%s: found by %s too: %s", rule.ID, x.Rule, x.What)
			}
			if x.What == "" || x.About == "" || x.Fix == "" {
				t.Errorf("%s: a finding says too little: %+v", rule.ID, x)
			}
		}
		if !found {
			t.Errorf("%s: not found: %+v", rule.ID, r.Findings)
		}
	}
}

// The vector of the service's own guidance: four services in a row are away 26 minutes a
// week in one location and 4 seconds in two, if those have nothing in common.
func TestAvailability(t *testing.T) {
	a := Compute([]Component{{"a", 99.9, Each}, {"b", 99.9, Each}, {"c", 99.95, Each}, {"d", 99.99, Each}})
	near := func(got, want float64) bool { return math.Abs(got-want) < want*0.001 }
	if !near(100*a.One, 99.7402) || !near(Downtime(a.One, week).Minutes(), 26.19) || !near(Downtime(a.Independent, week).Seconds(), 4.08) || a.Two != a.Independent {
		t.Errorf("%+v: %s, %s", a, Downtime(a.One, week), Downtime(a.Independent, week))
	}
	a = Compute([]Component{{"a", 99.9, Each}, {"b", 99.9, Each}, {"c", 99.95, Each}, {"directory", 99.99, Common}})
	if a.Two >= 0.9999 || a.Two < 0.99989 || a.Two >= a.Independent || !near(100*a.One, 99.7402) {
		t.Errorf("with something in common: %+v", a)
	}
	if c := Cost(0.999, 311_000); !near(c, 8.76*311_000) {
		t.Errorf("a year at 99.9 %% costs %.0f", c)
	}
}

func TestTheReportSaysIt(t *testing.T) {
	f := fine()
	f.flow().CostPerHour, f.Estate.Currency = 1000, "EUR"
	defects["flow-alone"](f)
	defects["group-salvage"](f)
	var out bytes.Buffer
	r := Make(*f)
	if err := r.Text(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"orders", "east salvage, west primary", "3.0 s, 0 messages (switch, 2030-06-01)", "single points of failure   erp", "EUR in one location", "error    orders: east has messages", "weir salvage", "warning  orders: erp is in one place", "2 findings of"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Index(out.String(), "error ") > strings.Index(out.String(), "warning ") || r.Worst() != Error {
		t.Error("the worst does not come first")
	}
}

func TestEstatesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"flows: [{name: a, components: [{name: x, availability: 99.9}]}]": "",
		"flows: [{name: a, components: [{name: messaging}]}]":             "",
		"flows: [{name: a, components: [{name: x}]}]":                     "percentage",
		"flows: [{name: a}]": "components",
		"flows: [{name: a, strategy: hope, components: [{name: messaging}]}]": "strategy",
		"flows: [{name: a, reviewed: soon, components: [{name: messaging}]}]": "2026-01-31",
		"flows: [{name: a, components: [{name: messaging, where: nowhere}]}]": "common",
		"flows: [{name: a, speed: 3}]":                                        "speed",
	} {
		e, err := ParseEstate([]byte(text))
		if want == "" && (err != nil || e.Flows[0].Components[0].Availability != 99.9 || e.Flows[0].Components[0].Where != Each) {
			t.Errorf("%s: %v, %+v", text, err, e)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
