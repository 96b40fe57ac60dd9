package app

import (
	"encoding/json"
	"strings"
	"testing"

	"weir/internal/groups"
	"weir/operate/plan"
	"weir/operate/plan/core"
)

// A plan reads what starts a workflow, and what it needs, from what a location shows.
func TestAPlanReadsWorkflows(t *testing.T) {
	const group = "/subscriptions/s/resourceGroups/g/providers/"
	var properties map[string]any
	err := json.Unmarshal([]byte(`{"state": "Disabled", "definition": {"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		"triggers": {"every": {"type": "Recurrence", "recurrence": {"frequency": "Hour", "interval": 1}}}, "actions": {"get": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['sftp']['connectionId']"}}, "method": "get", "path": "/files"}, "runAfter": {}}},
		"parameters": {"$connections": {"type": "Object", "defaultValue": {}}}},
		"parameters": {"$connections": {"value": {"sftp": {"connectionId": "`+group+`Microsoft.Web/connections/sftp-1", "connectionName": "sftp-1", "id": "x"}}}}}`), &properties)
	if err != nil {
		t.Fatal(err)
	}
	w := plannedWorkflow(core.Document{ID: group + "Microsoft.Logic/workflows/a", Type: "microsoft.logic/workflows", Name: "a", Properties: properties})
	if w == nil || w.Err != "" || !w.Disabled || len(w.Triggers) != 1 || w.Triggers[0].Source != core.FromClock {
		t.Fatalf("read: %+v", w)
	}
	if len(w.Needs) != 1 || w.Needs[0].Name != "sftp" || w.Needs[0].ID != group+"Microsoft.Web/connections/sftp-1" {
		t.Errorf("needs: %+v", w.Needs)
	}
	w = plannedWorkflow(core.Document{ID: group + "Microsoft.Web/sites/shop/Workflows/b", Type: "Microsoft.Web/sites/workflows", Properties: map[string]any{}})
	if w == nil || w.Site != group+"Microsoft.Web/sites/shop" || w.Err == "" {
		t.Errorf("of a site, without a definition: %+v", w)
	}
	if w := plannedWorkflow(core.Document{Type: "Microsoft.Web/sites"}); w != nil {
		t.Errorf("a site is read as a workflow: %+v", w)
	}
}

// What a plan judges is what a location really shows: resources at any depth, with their
// properties, and no secret.
func TestAPlanSeesWhatIsDeclared(t *testing.T) {
	p := start(t, options(t, &record{}))
	at := &place{Platform: p}
	at.deploy(t,
		document("queues", "sbemulatorns/orders", map[string]any{"maxDeliveryCount": 7}),
		map[string]any{"type": "Microsoft.Web/sites", "name": "shop", "kind": "functionapp,workflowapp", "properties": map[string]any{}},
		document("Microsoft.Web/sites/config", "shop/appsettings", map[string]any{"SHOPKEY": "a secret of the shop"}),
		document("Microsoft.Logic/workflows", "nightly", map[string]any{"definition": map[string]any{
			"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
			"triggers": map[string]any{"at": map[string]any{"type": "Recurrence", "recurrence": map[string]any{"frequency": "Day", "interval": 1}}}, "actions": map[string]any{},
		}}))
	known := Planning()
	f := plan.Look(t.Context(), plan.Options{Types: known.Types, Workflow: known.Workflow, ClockLooks: 1,
		Locations: []groups.Location{{Admin: []string{"http://" + p.Addrs()["http"]}, Token: p.Token()}}})
	seen := f.Places[0]
	if seen.Err != "" || seen.DocumentsErr != "" {
		t.Fatalf("%s, %s", seen.Err, seen.DocumentsErr)
	}
	what := map[string]string{}
	for _, d := range seen.Documents {
		text, err := json.Marshal(d.Properties)
		if err != nil {
			t.Fatal(err)
		}
		what[strings.ToLower(d.Type)] += string(text)
	}
	for typ, want := range map[string]string{"microsoft.servicebus/namespaces/queues": `"maxDeliveryCount":7`, "microsoft.web/sites/config": "SHOPKEY", "microsoft.logic/workflows": "triggers"} {
		if !strings.Contains(what[typ], want) || strings.Contains(what[typ], "a secret") {
			t.Errorf("of %s it sees %s", typ, what[typ])
		}
	}
	if len(seen.Workflows) != 1 || seen.Workflows[0].Name != "nightly" || len(seen.Workflows[0].Triggers) != 1 {
		t.Errorf("workflows: %+v", seen.Workflows)
	}
}
