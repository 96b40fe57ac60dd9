package core

import "time"

// defect is something wrong, the rule that must find it, and those that see the same
// thing from their side.
type defect struct {
	rule  string
	spoil func(f *Facts, west, east *Place)
	also  []string
	on    func() Facts // nil: clean
}

func defects() []defect {
	// both spoils how the group is declared, alike in both locations.
	both := func(name string, value any) func(*Facts, *Place, *Place) {
		return func(_ *Facts, west, east *Place) { west.group()[name], east.group()[name] = value, value }
	}
	east := func(name string, value any) func(*Facts, *Place, *Place) {
		return func(_ *Facts, _, east *Place) { east.group()[name] = value }
	}
	many := func(all ...func(*Facts, *Place, *Place)) func(*Facts, *Place, *Place) {
		return func(f *Facts, west, east *Place) {
			for _, one := range all {
				one(f, west, east)
			}
		}
	}
	flow := func(spoil func(f *Flow)) func(*Facts, *Place, *Place) {
		return func(f *Facts, _, _ *Place) { spoil(&f.Flows[0]) }
	}
	drill := func(spoil func(d *Drill)) func(*Facts, *Place, *Place) {
		return func(f *Facts, _, _ *Place) { spoil(&f.Drills.Records[0]) }
	}
	alias := func(spoil func(a *Alias)) func(*Facts, *Place, *Place) {
		return func(f *Facts, _, _ *Place) { spoil(&f.Aliases[0]) }
	}
	return []defect{
		{"location-away", func(_ *Facts, _, east *Place) {
			*east = Place{Name: "east", Admin: east.Admin, Err: "connection refused"}
		}, nil, nil},
		{"token-refused", func(_ *Facts, _, east *Place) {
			*east = Place{Name: "east", Admin: east.Admin, Err: "401", Refused: true}
		}, nil, nil},
		{"location-name", func(_ *Facts, _, east *Place) { east.Says = "north" }, nil, nil},
		{"node-away", func(_ *Facts, _, east *Place) { east.Nodes[2].Err = "timeout" }, nil, nil},
		{"node-not-ready", func(_ *Facts, _, east *Place) { east.Nodes[2].Ready = false }, nil, nil},
		{"one-node", func(_ *Facts, west, east *Place) { west.Nodes, east.Nodes = west.Nodes[:1], east.Nodes[:1] }, nil, nil},
		{"fewer-nodes", func(_ *Facts, _, east *Place) { east.Nodes = east.Nodes[:2] }, nil, nil},
		{"one-door", func(_ *Facts, west, _ *Place) { west.Doors = west.Doors[:1] }, nil, nil},
		{"versions-differ", func(_ *Facts, _, east *Place) { east.Nodes[0].Version = "v2" }, nil, nil},
		{"doors-differ", func(_ *Facts, _, east *Place) {
			for i := range east.Nodes {
				east.Nodes[i].Doors = []string{"https"}
			}
		}, nil, nil},
		{"default-namespace-differs", func(_ *Facts, _, east *Place) {
			for i := range east.Nodes {
				east.Nodes[i].Namespace = "other"
			}
		}, nil, nil},
		{"clock-skew", func(_ *Facts, _, east *Place) {
			east.Clock = &Clock{Least: 1500 * time.Millisecond, Most: 1600 * time.Millisecond}
		}, nil, nil},

		{"plain-admin", func(_ *Facts, _, east *Place) { east.Admin[0] = "http://east-1.example.com:8080" }, nil, nil},
		{"shared-host", func(_ *Facts, west, east *Place) { east.Doors[2] = "west-2.example.com:15671" }, nil, nil},
		{"certificate-ended", func(_ *Facts, _, east *Place) { east.Ends[0].NotAfter = days(-1) }, nil, nil},
		{"certificate-ends", func(_ *Facts, _, east *Place) { east.Ends[0].NotAfter = days(29) }, nil, nil},
		{"certificate-untrusted", func(_ *Facts, _, east *Place) { east.Ends[0].Untrusted = "unknown authority" }, nil, nil},
		{"certificate-name", func(_ *Facts, _, east *Place) { east.Ends[0].HostErr = true }, nil, nil},
		{"certificate-alias", func(_ *Facts, _, east *Place) { east.Ends[0].Misses = []string{"orders.bus.example.com"} }, nil, nil},

		{"no-groups", func(f *Facts, west, east *Place) {
			for _, p := range []*Place{west, east} {
				p.drop("orders", typeGroup)
				p.Groups = nil
			}
			f.Flows, f.Drills.Records = nil, nil
		}, nil, nil},
		{"group-one-side", func(_ *Facts, _, east *Place) {
			east.drop("orders", typeGroup)
			east.Groups = nil
		}, []string{"flow-not-doubled", "flow-availability"}, nil},
		{"pairing-missing", func(_ *Facts, _, east *Place) { east.drop("west", typePairing) }, nil, nil},
		{"pairing-crossed", func(_ *Facts, _, east *Place) { east.pairing()["peer"] = "north" }, nil, nil},
		{"one-endpoint", func(_ *Facts, _, east *Place) { east.pairing()["endpoints"] = []any{"west-1.example.com:5671"} }, nil, nil},
		{"endpoint-loopback", func(_ *Facts, _, east *Place) {
			east.pairing()["endpoints"] = []any{"127.0.0.1:5671", "west-2.example.com:5671"}
		}, nil, nil},
		{"endpoint-private", func(_ *Facts, west, east *Place) {
			west.Admin, west.Doors = []string{"https://198.51.100.1:8443"}, []string{"198.51.100.1:5671", "198.51.100.2:5671"}
			east.pairing()["endpoints"] = []any{"10.1.2.3:5671", "198.51.100.1:5671"}
		}, nil, nil},
		{"group-empty", func(f *Facts, west, east *Place) {
			west.group()["units"], east.group()["units"] = []any{}, []any{}
			f.Flows[0].Entities = nil
		}, nil, nil},

		{"mode-differs", east("mode", "sync"), nil, nil},
		{"primary-differs", east("primary", "east"), nil, nil},
		{"lag-differs", east("lagSeconds", 30.0), nil, nil},
		{"when-away-differs", east("whenAway", "degrade"), nil, nil},
		{"units-differ", func(_ *Facts, _, east *Place) {
			east.group()["units"] = []any{unitID, provider + "Microsoft.ServiceBus/namespaces/default"}
		}, []string{"unit-late"}, nil},
		{"witnesses-differ", east("witnesses", []any{"https://w1.example.net:7800"}), nil, nil},
		{"automatic-differs", east("failedProbes", 5.0), nil, nil},
		{"objectives-differ", east("rpoSeconds", nil), nil, nil},

		{"unit-missing", func(_ *Facts, _, east *Place) { east.drop("orders", "Microsoft.ServiceBus/namespaces") }, nil, nil},
		{"unit-ungrouped", func(_ *Facts, west, _ *Place) {
			west.Documents = append(west.Documents, Document{ID: provider + "Microsoft.ServiceBus/namespaces/default/queues/forgotten", Type: "Microsoft.ServiceBus/namespaces/queues", Name: "forgotten"})
		}, nil, nil},
		{"entity-one-side", func(_ *Facts, _, east *Place) { east.drop("in", "Microsoft.ServiceBus/namespaces/queues") }, nil, nil},
		{"entity-differs", func(_ *Facts, _, east *Place) { east.named("in", "").Properties["maxDeliveryCount"] = 3.0 }, nil, nil},
		{"expires-in-failover", func(_ *Facts, west, east *Place) {
			west.named("in", "").Properties["defaultMessageTimeToLive"] = "PT30S"
			east.named("in", "").Properties["defaultMessageTimeToLive"] = "PT30S"
		}, nil, nil},

		{"two-primaries", func(_ *Facts, _, east *Place) { east.Groups[0].Standing = standingPrimary }, nil, nil},
		{"no-primary", func(_ *Facts, west, _ *Place) { west.Groups[0].Standing = "halted" }, nil, nil},
		{"salvage-due", func(_ *Facts, _, east *Place) { east.Groups[0].Standing = standingSalvage }, nil, nil},
		{"change-unfinished", func(_ *Facts, _, east *Place) { east.Groups[0].Phase = "taking" }, nil, nil},
		{"isolated", func(_ *Facts, west, _ *Place) { west.Groups[0].IsolatedUntil = now.Add(time.Minute) }, nil, nil},
		{"terms-differ", func(_ *Facts, _, east *Place) { east.Groups[0].Term = 2 }, nil, nil},
		{"unit-broken", func(_ *Facts, _, east *Place) {
			east.Groups[0].Units[0].Role, east.Groups[0].Units[0].Ready = "broken", false
		}, nil, nil},
		{"unit-not-ready", func(_ *Facts, _, east *Place) { east.Groups[0].Units[0].Ready = false }, nil, nil},
		{"peer-unreachable", func(_ *Facts, _, east *Place) { east.Groups[0].PeerReachable = false }, nil, nil},
		{"link-away", func(_ *Facts, west, _ *Place) { west.Groups[0].Units[0].Connected = false }, nil, nil},
		{"sync-degraded", func(_ *Facts, west, _ *Place) {
			west.Groups[0].Units[0].Connected, west.Groups[0].Units[0].Degraded = false, true
		}, nil, nil},
		{"lag-half", func(_ *Facts, west, _ *Place) { west.Groups[0].Units[0].LagMessages = 5001 }, nil, nil},
		{"lag-over-rpo", func(_ *Facts, west, east *Place) {
			both("lagSeconds", 20.0)(nil, west, east)
			both("rpoSeconds", 20.0)(nil, west, east)
			west.Groups[0].Units[0].LagSeconds = 21
		}, []string{"lag-half"}, nil},

		{"no-witness", both("witnesses", []any{}), nil, nil},
		{"one-witness", both("witnesses", []any{"https://w1.example.net:7800"}), nil, nil},
		{"two-witnesses", both("witnesses", []any{"https://w1.example.net:7800", "https://w2.example.net:7800"}), nil, nil},
		{"witness-shares-host", both("witnesses", []any{"https://w1.example.net:7800", "https://w2.example.net:7800", "https://WEST-1.example.com:7800"}), nil, nil},
		{"witnesses-share-host", both("witnesses", []any{"https://w1.example.net:7800", "https://w2.example.net:7800", "https://w1.example.net:7801"}), nil, nil},
		{"witness-plain", both("witnesses", []any{"https://w1.example.net:7800", "https://w2.example.net:7800", "http://w3.example.net:7800"}), nil, nil},
		{"witness-away", func(_ *Facts, west, _ *Place) { west.Groups[0].Voters[2].Reachable = false }, nil, nil},
		{"no-majority", func(_ *Facts, west, _ *Place) {
			for i := 2; i < 5; i++ {
				west.Groups[0].Voters[i].Reachable = false
			}
		}, []string{"witness-away"}, nil},
		{"voters-disagree", func(_ *Facts, west, _ *Place) { west.Groups[0].Voters[4].Term = 2 }, nil, nil},

		{"objectives-missing", both("rpoSeconds", nil), nil, nil},
		{"automatic-off", both("automatic", false), nil, nil},
		{"detection-over-rto", both("failedProbes", 56.0), nil, nil},
		{"rpo-zero-async", both("rpoSeconds", 0.0), nil, nil},
		{"rpo-zero-degrade", many(both("rpoSeconds", 0.0), both("mode", "sync"), both("whenAway", "degrade")), nil, nil},
		{"bound-over-rpo", both("lagSeconds", 61.0), nil, nil},
		{"stop-on-one-node", func(_ *Facts, west, east *Place) {
			both("mode", "sync")(nil, west, east)
			east.Nodes = east.Nodes[:1]
		}, []string{"one-node", "fewer-nodes"}, nil},
		{"change-over-rto", func(_ *Facts, west, _ *Place) { west.Groups[0].LastChange.Seconds = 61 }, nil, nil},

		{"drill-missing", func(f *Facts, _, _ *Place) { f.Drills.Records = nil }, nil, nil},
		{"drill-old", func(f *Facts, _, _ *Place) { f.Drills.Records[0].At, f.Drills.Records[1].At = days(-8), days(-9) }, nil, nil},
		{"drill-planned-only", func(f *Facts, _, _ *Place) { f.Drills.Records = f.Drills.Records[:1] }, nil, nil},
		{"drill-broken", drill(func(d *Drill) { d.Broken = []string{"nothing acknowledged is missing"} }), nil, nil},
		{"drill-over-rto", func(f *Facts, _, _ *Place) { f.Drills.Records[1].RTOSeconds = 61 }, nil, nil},
		{"drill-lost", func(f *Facts, west, east *Place) {
			many(both("mode", "sync"), both("rpoSeconds", 0.0))(f, west, east)
			f.Drills.Records[1].RPOMessages = 1
			f.Flows[0].RPO = nil
		}, nil, nil},
		{"drill-config", drill(func(d *Drill) { d.Config = "c2" }), nil, nil},
		{"evidence-changed", func(f *Facts, _, _ *Place) { f.Drills.Bad = []BadRecord{{File: "x.json", Why: "it was changed"}} }, nil, nil},
		{"evidence-unsigned", drill(func(d *Drill) { d.Signer = "" }), nil, nil},

		{"alias-unresolved", alias(func(a *Alias) { *a = Alias{Name: a.Name, Err: "no such host"} }), nil, nil},
		{"alias-standby", alias(func(a *Alias) { a.Addresses = []string{"198.51.100.2"} }), nil, nil},
		{"alias-elsewhere", alias(func(a *Alias) { a.Addresses = []string{"203.0.113.9"} }), nil, nil},
		{"alias-ttl", alias(func(a *Alias) { a.TTL = 31 * time.Second }), nil, nil},

		{"flow-review", flow(func(f *Flow) { f.Reviewed = days(-91) }), nil, nil},
		{"flow-group-missing", flow(func(f *Flow) { f.Group = "invoices" }), []string{"flow-availability"}, nil},
		{"flow-unit-ungrouped", flow(func(f *Flow) { f.Units = []string{"default"} }), nil, nil},
		{"flow-entity-missing", flow(func(f *Flow) { f.Entities = []string{"orders/out"} }), nil, nil},
		{"flow-single-point", flow(func(f *Flow) {
			f.Paths[0] = append(f.Paths[0], Component{Name: "database", Availability: 99.99, Where: "west"})
		}), nil, nil},
		{"flow-strategy", flow(func(f *Flow) { f.Strategy = "criticality" }), nil, nil},
		{"flow-not-doubled", flow(func(f *Flow) { f.Group, f.Entities = "", nil }), []string{"flow-availability"}, nil},
		{"flow-rto", flow(func(f *Flow) { d := 10 * time.Second; f.RTO = &d }), nil, nil},
		{"flow-rpo", flow(func(f *Flow) { d := time.Second; f.RPO = &d }), nil, nil},
		{"flow-availability", flow(func(f *Flow) { f.Target = 99.999 }), nil, nil},
		{"flow-order", func(_ *Facts, west, east *Place) {
			for _, p := range []*Place{west, east} {
				p.named("in", "").Properties["requiresSession"] = false
			}
		}, nil, nil},
		{"flow-repetition", func(_ *Facts, west, east *Place) {
			for _, p := range []*Place{west, east} {
				p.named("in", "").Properties["requiresDuplicateDetection"] = false
			}
		}, nil, nil},
	}
}
