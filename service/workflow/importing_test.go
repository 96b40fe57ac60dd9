package workflow

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/kernel/resource"
)

const callsMail = `{` + head + `
	"parameters": {"$connections": {"type": "Object", "defaultValue": {}}, "limit": {"type": "Int"}, "key": {"type": "SecureString"}},
	"triggers": {"r": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}},
	"actions": {
		"send": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['office365_1']['connectionId']"}}, "method": "post", "path": "/v2/Mail"}},
		"map": {"type": "Xslt", "inputs": {"content": "x", "map": {"name": "m"}}},
		"call": {"type": "Http", "inputs": {"method": "GET", "uri": "https://x", "authentication": {"type": "Basic", "username": "u", "password": "open"}}},
		"me": {"type": "Http", "inputs": {"method": "GET", "uri": "https://x", "authentication": {"type": "ManagedServiceIdentity"}}}}}`

func fileOf(t *testing.T, i *Import, name string) string {
	t.Helper()
	for _, f := range i.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	t.Fatalf("no file %s", name)
	return ""
}

// documents reads what is deployed, as the server reads it.
func documents(t *testing.T, i *Import) (all []string) {
	t.Helper()
	for _, f := range i.Files {
		if !f.Deploy {
			continue
		}
		docs, problems := resource.Parse(f.Data, resource.MustID("/subscriptions/s/resourceGroups/g"))
		if len(problems) > 0 {
			t.Errorf("%s cannot be deployed: %v", f.Name, problems)
		}
		for _, d := range docs {
			all = append(all, d.Type()+" "+d.Name())
		}
	}
	return all
}

func kindsOf(i *Import) (all []string) {
	for _, a := range i.Attention {
		if !slices.Contains(all, a.Kind) {
			all = append(all, a.Kind)
		}
	}
	return all
}

func TestImportOfADefinition(t *testing.T) {
	i, err := ImportDefinitions([]byte(callsMail), ImportOptions{Name: "mail"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Microsoft.Web/customApis office365", "Microsoft.Web/connections office365_1", "Microsoft.Logic/workflows mail"}
	if got := documents(t, i); !slices.Equal(got, want) {
		t.Errorf("the documents are %v, want %v", got, want)
	}
	if got := kindsOf(i); !slices.Equal(got, []string{"unsupported", "connection", "parameter", "identity", "secret"}) || i.Ready() {
		t.Errorf("attention is about %v, ready is %v", got, i.Ready())
	}
	if text := fileOf(t, i, "workflows.json"); !strings.Contains(text, `"connectionId": "office365_1"`) {
		t.Errorf("the workflow does not say which connection is meant:\n%s", text)
	}
	if text := fileOf(t, i, "REPORT.txt"); strings.Contains(text, "open") && strings.Contains(text, `"open"`) || !strings.Contains(text, "weir deploy connections.yaml") {
		t.Errorf("the report:\n%s", text)
	}
}

func TestImportOfAFlowInAPackage(t *testing.T) {
	flow := `{"name": "1", "properties": {"displayName": "Say hello", "connectionReferences": {"shared_teams": {"connectionName": "x-1", "id": "/providers/Microsoft.PowerApps/apis/shared_teams"}}, "definition": {` + head + `
		"triggers": {"manual": {"type": "Request", "kind": "Button", "inputs": {}}},
		"actions": {"Post": {"type": "OpenApiConnection", "inputs": {"host": {"apiId": "/providers/Microsoft.PowerApps/apis/shared_teams", "connectionName": "shared_teams", "operationId": "PostMessage"}, "parameters": {}}}}}}}`
	path := filepath.Join(t.TempDir(), "export.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{"Microsoft.Flow/flows/1/definition.json": flow, "manifest.json": `{"schema": "1.0"}`} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	i, err := ImportPath(path, ImportOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, i); !slices.Contains(got, "Microsoft.Web/connections shared_teams") || !slices.Equal(i.Workflows, []string{"Say hello"}) {
		t.Errorf("the documents are %v, the workflows %v", got, i.Workflows)
	}
}

func TestImportOfAProject(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	for name, text := range map[string]string{
		"host.json":            `{"version": "2.0", /* limits */ "extensions": {"workflow": {"settings": {"Runtime.Backend.Foo": "1"}}}}`,
		"connections.json":     `{"serviceProviderConnections": {"bus": {"parameterValues": {"connectionString": "@appsetting('BUS')"}, "serviceProvider": {"id": "/serviceProviders/serviceBus"}}}}`,
		"parameters.json":      `{"to": {"type": "String", "value": "@appsetting('TO')"}}`,
		"local.settings.json":  `{"Values": {"AzureWebJobsStorage": "x", "BUS": "Endpoint=sb://x/;SharedAccessKey=hush"}}`,
		"Artifacts/Maps/m.xsl": "x",
		"orders/workflow.json": `{"kind": "Stateful", "definition": {` + head + `"triggers": {"r": {"type": "Request"}}, "actions": {
			"a": {"type": "ServiceProvider", "inputs": {"parameters": {}, "serviceProviderConfiguration": {"connectionName": "bus", "operationId": "sendMessage", "serviceProviderId": "/serviceProviders/serviceBus"}}},
			"b": {"type": "ServiceProvider", "inputs": {"parameters": {}, "serviceProviderConfiguration": {"connectionName": "gone", "operationId": "x", "serviceProviderId": "/serviceProviders/sap"}}}}}}`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i, err := ImportPath(dir, ImportOptions{Providers: []string{"serviceBus"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Microsoft.Web/sites shop", "Microsoft.Web/sites/workflows orders", "Microsoft.Web/sites/config appsettings", "Microsoft.Web/sites/config connections", "Microsoft.Web/sites/config parameters"}
	if got := documents(t, i); !slices.Equal(got, want) {
		t.Errorf("the documents are %v, want %v", got, want)
	}
	report := fileOf(t, i, "REPORT.txt")
	for _, part := range []string{`the app setting "TO" is read`, `no built-in connector "sap"`, "Artifacts/Maps/m.xsl", "AzureWebJobsStorage", "Runtime.Backend.Foo"} {
		if !strings.Contains(report, part) {
			t.Errorf("the report says nothing of %q:\n%s", part, report)
		}
	}
	data, _ := json.Marshal(i)
	if strings.Contains(string(data)+report, "hush") {
		t.Error("the report shows a secret")
	}
	for _, f := range i.Files {
		if strings.Contains(string(f.Data), "hush") != (f.Name == "settings.json") || f.Name == "settings.json" && !f.Secret {
			t.Errorf("%s: secret %v", f.Name, f.Secret)
		}
	}
}

func TestImportOfResources(t *testing.T) {
	i, err := ImportResources([]byte(`[{"type": "Microsoft.Logic/workflows", "name": "w", "apiVersion": "2019-05-01", "location": "west", "tags": {"a": "b"}, "properties": {"state": "Disabled", "definition": `+callsMail+`,
		"parameters": {"limit": {"value": 3}, "$connections": {"value": {"office365_1": {"connectionId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/connections/mine", "id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/office365"}}}}}},
		{"type": "Microsoft.Web/connections", "name": "mine", "apiVersion": "2016-06-01", "properties": {"api": {"id": "x/managedApis/office365"}}},
		{"type": "Microsoft.Storage/storageAccounts", "name": "store"}]`), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := documents(t, i); !slices.Equal(got, []string{"Microsoft.Web/connections mine", "Microsoft.Logic/workflows w"}) {
		t.Errorf("the documents are %v", got)
	}
	if text := fileOf(t, i, "workflows.json"); !strings.Contains(text, `"Disabled"`) || !strings.Contains(text, `connections/mine"`) || !strings.Contains(text, `"location": "west"`) {
		t.Errorf("the workflow lost something:\n%s", text)
	}
	if !slices.Contains(kindsOf(i), "left-out") {
		t.Errorf("nobody tells of the storage account: %v", i.Attention)
	}
	if _, err := ImportResources([]byte(`[]`), ImportOptions{}); err == nil {
		t.Error("a template without workflows is imported")
	}
}
