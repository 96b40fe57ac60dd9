package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exported = `{
	"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
	"parameters": {"name": {"type": "string"}, "mail": {"type": "string", "defaultValue": "office365"}},
	"resources": [
		{"type": "Microsoft.Web/connections", "apiVersion": "2016-06-01", "name": "[parameters('mail')]", "location": "[resourceGroup().location]",
			"properties": {"api": {"id": "[subscriptionResourceId('Microsoft.Web/locations/managedApis', 'west', 'office365')]"}}},
		{"type": "Microsoft.Logic/workflows", "apiVersion": "2019-05-01", "name": "[parameters('name')]", "location": "west", "dependsOn": ["[resourceId('Microsoft.Web/connections', parameters('mail'))]"],
			"properties": {"state": "Enabled", "definition": {"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
				"parameters": {"$connections": {"type": "Object", "defaultValue": {}}},
				"triggers": {"r": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}},
				"actions": {"key": {"type": "Compose", "inputs": "[reference('/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v', '2022-07-01').vaultUri]"}, "text": {"type": "Compose", "inputs": "[[not an expression]"},
					"send": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['office365']['connectionId']"}}, "method": "post", "path": "/v2/Mail"}}}},
				"parameters": {"$connections": {"value": {"office365": {"connectionId": "[resourceId('Microsoft.Web/connections', parameters('mail'))]", "id": "[subscriptionResourceId('Microsoft.Web/locations/managedApis', 'west', 'office365')]"}}}}}},
		{"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2022-09-01", "name": "store", "location": "west", "properties": {}}]}`

// TestImportOfAnExportedTemplate imports a template whose parameter has no value, and
// then with one.
func TestImportOfAnExportedTemplate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(path, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := ImportCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		err := cmd.Execute()
		if e, ok := errors.AsType[*ended](err); ok {
			return out.String(), e.status
		} else if err != nil {
			t.Fatal(err)
		}
		return out.String(), 0
	}
	if said, status := run(path); status != 1 || !strings.Contains(said, `-p name=VALUE`) || !strings.Contains(said, "reference(") || !strings.Contains(said, "storageAccounts") {
		t.Errorf("ends with %d and says:\n%s", status, said)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if said, status := run(path, "-p", "name=mails", "-g", "shop", "--out", dir, "--json"); status != 1 || strings.Contains(said, "-p name=VALUE") {
		t.Errorf("ends with %d and says:\n%s", status, said)
	}
	data, err := os.ReadFile(filepath.Join(dir, "workflows.json"))
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		Name       string
		Properties struct {
			Definition struct {
				Actions map[string]struct{ Inputs any }
			}
			Parameters map[string]struct {
				Value map[string]struct{ ConnectionID string }
			}
		}
	}
	if err := json.Unmarshal(data, &docs); err != nil || len(docs) != 1 || docs[0].Name != "mails" {
		t.Fatalf("%v: %s", err, data)
	}
	if got := docs[0].Properties.Definition.Actions["text"].Inputs; got != "[not an expression]" {
		t.Errorf("an escaped bracket becomes %v", got)
	}
	if got := docs[0].Properties.Parameters["$connections"].Value["office365"].ConnectionID; !strings.HasSuffix(got, "/resourceGroups/shop/providers/Microsoft.Web/connections/office365") {
		t.Errorf("the connection is %q", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "resources.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("resources.json, which may hold secrets: %v, %v", info, err)
	}
	if said, status := run(path, "-p", "name=mails", "--out", dir); status != 2 {
		t.Errorf("files are written over: %d\n%s", status, said)
	}
	if _, status := run(filepath.Join(dir, "REPORT.txt")); status != 2 {
		t.Errorf("a text is imported: %d", status)
	}
}
