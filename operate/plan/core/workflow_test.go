package core

import (
	"slices"
	"strings"
	"testing"
)

const (
	flowsA = "/subscriptions/s/resourceGroups/flows-a"
	flowsB = "/subscriptions/s/resourceGroups/flows-b"
	shop   = flowsA + "/providers/Microsoft.Web/sites/shop"
	logic  = "/providers/Microsoft.Logic/workflows/"
	sftp   = flowsA + "/providers/Microsoft.Web/connections/sftp"
)

// cleanFlows is clean with workflows in it: two resource groups and a site, in two groups
// that have different primaries.
func cleanFlows() Facts {
	f := clean()
	for i := range f.Places {
		p := &f.Places[i]
		west := p.Name == "west"
		p.group()["units"] = append(p.group()["units"].([]any), flowsA, shop)
		p.group()["endpoint"] = "https://flows.example.com"
		second := Document{ID: provider + typeGroup + "/mirrored", Type: typeGroup, Name: "mirrored", Properties: map[string]any{}}
		for k, v := range p.group() {
			second.Properties[k] = v
		}
		second.Properties["units"], second.Properties["primary"] = []any{flowsB}, "east"
		p.Documents = append(p.Documents, second)
		for _, name := range []string{"workflows-flows-a", "workflowapp-shop"} {
			u := p.Groups[0].Units[0]
			u.Name = name
			p.Groups[0].Units = append(p.Groups[0].Units, u)
		}
		status := p.Groups[0]
		status.Name, status.Holder, status.Config = "mirrored", "east", "c2"
		status.Voters = slices.Clone(status.Voters)
		for j := range status.Voters {
			status.Voters[j].Holder = "east"
		}
		if status.Standing = standingPrimary; west {
			status.Standing, status.LastChange = standingSecondary, nil
		}
		status.Units = []Unit{{Name: "workflows-flows-b", Role: "owner", Ready: true, Connected: true}}
		p.Groups = append(p.Groups, status)
		for _, w := range []Workflow{
			{ID: flowsA + logic + "nightly", Share: "1/2", Triggers: []Trigger{{Name: "at", Type: "Recurrence", Source: FromClock, What: "every hour"}}},
			{ID: flowsA + logic + "read", Role: activeActive, Triggers: []Trigger{{Name: "in", Type: "ServiceProvider", Source: FromQueue, Sessions: true}}},
			{ID: flowsA + logic + "take", Role: activePassive, Triggers: []Trigger{{Name: "files", Type: "ApiConnection", Source: FromCursor, What: "files of /in"}}, Needs: []WorkflowNeed{{Kind: needConnection, Name: "sftp", ID: sftp, Where: "triggers.files"}}},
			{ID: flowsA + logic + "order", Triggers: []Trigger{{Name: "manual", Type: "Request", Source: FromCall}}},
			{ID: shop + "/workflows/sell", Site: shop, Triggers: []Trigger{{Name: "hook", Type: "HttpWebhook", Source: FromHook, What: "https://shop"}}, Needs: []WorkflowNeed{{Kind: needSetting, Name: "ShopKey", Where: "actions.sell"}, {Kind: needProvider, Name: "bus", Where: "actions.sell"}}},
			{ID: flowsB + logic + "nightly", Share: "2/2", Triggers: []Trigger{{Name: "at", Type: "Recurrence", Source: FromClock, What: "every hour"}}},
			{ID: flowsB + logic + "read", Role: activeActive, Triggers: []Trigger{{Name: "in", Type: "ServiceProvider", Source: FromQueue, Sessions: true}}},
		} {
			w.Name = lastPart(w.ID)
			p.Workflows = append(p.Workflows, w)
			p.Documents = append(p.Documents, Document{ID: w.ID, Type: "Microsoft.Logic/workflows", Name: w.Name, Properties: map[string]any{}})
		}
		p.Documents = append(p.Documents,
			Document{ID: sftp, Type: "Microsoft.Web/connections", Name: "sftp", Properties: map[string]any{"of": p.Name}},
			Document{ID: shop, Type: "Microsoft.Web/sites", Name: "shop", Properties: map[string]any{}},
			Document{ID: shop + "/config/appsettings", Type: "Microsoft.Web/sites/config", Name: "appsettings", Properties: map[string]any{"names": []any{"SHOPKEY"}}},
			Document{ID: shop + "/config/connections", Type: "Microsoft.Web/sites/config", Name: "connections", Properties: map[string]any{"content": map[string]any{"serviceProviderConnections": map[string]any{"bus": map[string]any{"of": p.Name}}}}})
	}
	for _, d := range f.Drills.Records[:2] {
		d.Group, d.Config = "mirrored", "c2"
		f.Drills.Records = append(f.Drills.Records, d)
	}
	return f
}

func (p *Place) flow(id string) *Workflow {
	for i := range p.Workflows {
		if p.Workflows[i].ID == id {
			return &p.Workflows[i]
		}
	}
	return nil
}

// second gives what the document of the second group says, to be spoiled.
func (p *Place) second() map[string]any { return p.named("mirrored", typeGroup).Properties }

func workflowDefects() []defect {
	// flow spoils a workflow, alike in both locations.
	flow := func(id string, spoil func(w *Workflow)) func(*Facts, *Place, *Place) {
		return func(_ *Facts, west, east *Place) { spoil(west.flow(id)); spoil(east.flow(id)) }
	}
	both := func(spoil func(p *Place)) func(*Facts, *Place, *Place) {
		return func(_ *Facts, west, east *Place) { spoil(west); spoil(east) }
	}
	nightlyB, readA := flowsB+logic+"nightly", flowsA+logic+"read"
	return []defect{
		{"workflow-unread", flow(flowsA+logic+"order", func(w *Workflow) { *w = Workflow{ID: w.ID, Name: w.Name, Err: "it has no triggers"} }), nil, cleanFlows},
		{"workflow-ungrouped", func(_ *Facts, west, _ *Place) {
			west.Workflows = append(west.Workflows, Workflow{ID: provider + "Microsoft.Logic/workflows/forgotten", Name: "forgotten"})
		}, nil, cleanFlows},
		{"workflow-stateless", flow(flowsA+logic+"order", func(w *Workflow) { w.Stateless = true }), nil, cleanFlows},
		{"workflow-held", flow(flowsA+logic+"order", func(w *Workflow) { w.Held = []string{"Pay"} }), nil, cleanFlows},
		{"workflow-role", flow(flowsA+logic+"take", func(w *Workflow) { w.Role = activeActive }), []string{"workflow-role-alone"}, cleanFlows},
		{"workflow-role", flow(flowsA+logic+"take", func(w *Workflow) { w.Role = "both" }), nil, cleanFlows},
		{"workflow-role", flow(nightlyB, func(w *Workflow) { w.Role = passiveActive }), nil, cleanFlows},
		{"workflow-role-alone", flow(flowsA+logic+"order", func(w *Workflow) { w.Role = activeActive }), nil, cleanFlows},
		{"share-unread", flow(nightlyB, func(w *Workflow) { w.Share = "3/2" }), []string{"shares-missing"}, cleanFlows},
		{"share-of-nothing", flow(flowsA+logic+"order", func(w *Workflow) { w.Share = "1/1" }), nil, cleanFlows},
		{"shares-missing", flow(nightlyB, func(w *Workflow) { w.Share = "" }), nil, cleanFlows},
		{"shares-doubled", flow(nightlyB, func(w *Workflow) { w.Share = "1/2" }), []string{"shares-missing"}, cleanFlows},
		{"shares-differ", flow(nightlyB, func(w *Workflow) { w.Triggers[0].What = "every day" }), nil, cleanFlows},
		{"twins-one-primary", both(func(p *Place) { p.second()["primary"] = "west" }), nil, cleanFlows},
		{"twins-one-group", both(func(p *Place) {
			p.second()["units"] = []any{provider + "Microsoft.ServiceBus/namespaces/default"}
			p.group()["units"] = append(p.group()["units"].([]any), flowsB)
			p.Groups[0].Units = append(p.Groups[0].Units, p.Groups[1].Units...)
		}), nil, cleanFlows},
		{"unit-twice", both(func(p *Place) {
			p.second()["units"] = []any{flowsB, shop}
			p.Groups[1].Units = append(p.Groups[1].Units, p.Groups[0].Units[2])
		}), nil, cleanFlows},
		{"unit-late", both(func(p *Place) { p.Groups[0].Units = p.Groups[0].Units[:2] }), nil, cleanFlows},
		{"consumers-order", flow(readA, func(w *Workflow) { w.Triggers[0].Sessions = false }), nil, cleanFlows},
		{"webhook-twice", both(func(p *Place) {
			p.Workflows = append(p.Workflows, Workflow{ID: flowsB + logic + "sell", Name: "sell", Triggers: p.flow(shop + "/workflows/sell").Triggers})
		}), nil, cleanFlows},
		{"poll-twice", both(func(p *Place) {
			p.Workflows = append(p.Workflows, Workflow{ID: flowsB + logic + "take", Name: "take", Triggers: p.flow(flowsA + logic + "take").Triggers})
		}), nil, cleanFlows},
		{"callback-address", both(func(p *Place) { p.group()["endpoint"] = nil }), nil, cleanFlows},
		{"callback-host", both(func(p *Place) { p.group()["endpoint"] = "https://west-2.example.com:8443" }), nil, cleanFlows},
		{"endpoint-differs", func(_ *Facts, _, east *Place) { east.group()["endpoint"] = "https://other.example.com" }, nil, cleanFlows},
		{"taken-and-lost", flow(flowsA+logic+"take", func(w *Workflow) { w.Triggers[0].Takes = true }), nil, cleanFlows},
		{"connection-missing", func(_ *Facts, _, east *Place) { east.drop("sftp", "Microsoft.Web/connections") }, nil, cleanFlows},
		{"connection-missing", func(_ *Facts, _, east *Place) { east.drop("connections", "Microsoft.Web/sites/config") }, nil, cleanFlows},
		{"setting-missing", func(_ *Facts, _, east *Place) {
			east.document(shop + "/config/appsettings").Properties["names"] = []any{"Other"}
		}, nil, cleanFlows},
		{"identity-missing", flow(flowsA+logic+"order", func(w *Workflow) {
			w.Needs = []WorkflowNeed{{Kind: needIdentity, Name: "orders", ID: flowsA + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders", Where: "identity"}}
		}), nil, cleanFlows},
		{"unit-missing", func(_ *Facts, west, east *Place) {
			for _, p := range []*Place{west, east} {
				p.Documents = slices.DeleteFunc(p.Documents, func(d Document) bool { return strings.HasPrefix(d.ID, flowsB) })
			}
		}, nil, cleanFlows},
		{"entity-one-side", func(_ *Facts, _, east *Place) { east.drop("order", "Microsoft.Logic/workflows") }, nil, cleanFlows},
	}
}

// What a location has for itself may differ, and workflows that are declared alike find
// nothing.
func TestCleanWorkflowsFindNothing(t *testing.T) {
	r := Judge(now, cleanFlows())
	for _, f := range r.Findings {
		t.Errorf("%s: %s", f.Rule, f.What)
	}
	roles := map[string]string{}
	for _, w := range r.Workflows {
		roles[w.Group+" "+w.Name] = w.Role + " " + w.Active
		if w.Moved == "" || w.Source == "" {
			t.Errorf("nothing is said of %+v", w)
		}
	}
	for name, want := range map[string]string{
		"orders nightly": "active-active west", "mirrored nightly": "active-active east", "orders take": "active-passive west", "orders sell": "active-passive west",
	} {
		if roles[name] != want {
			t.Errorf("%s: %q, want %q", name, roles[name], want)
		}
	}
	if len(r.Workflows) != 7 {
		t.Errorf("%d workflows", len(r.Workflows))
	}
	f := cleanFlows()
	for i := range f.Places {
		f.Places[i].second()["primary"] = "east"
		f.Places[i].flow(flowsB + logic + "read").Role = ""
	}
	for _, w := range Judge(now, f).Workflows {
		if w.ID == flowsB+logic+"read" && w.Role != passiveActive {
			t.Errorf("a workflow whose group is at home in the second location is %s", w.Role)
		}
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]bool{"1/2": true, "2/2": true, " 1 / 3 ": true, "0/2": false, "3/2": false, "1": false, "a/b": false, "": false, "1/17": false} {
		if _, _, ok := share(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}
