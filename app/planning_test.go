package app

import (
	"encoding/json"
	"testing"

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
