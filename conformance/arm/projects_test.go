package arm_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"weir/conformance/server"
)

// asks asks the server's door with the administration token, and wants a status.
func (s *stage) asks(status int, method, path, body string) string {
	s.Helper()
	r, err := http.NewRequestWithContext(s.ctx, method, "https://"+s.server.HTTPSAddr()+path, strings.NewReader(body))
	s.must(err)
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	got, err := s.options.Transport.Do(r)
	s.must(err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	s.must(err)
	if got.StatusCode != status {
		s.Errorf("%s %s: %d %s, want %d", method, path, got.StatusCode, data, status)
	}
	return string(data)
}

// TestProject: a Standard project is declared as a site with its configuration and its
// workflows, called by its own addresses, and looked after by its own management.
func TestProject(t *testing.T) {
	l := newLogic(t)
	const site = server.Scope + "/providers/Microsoft.Web/sites/shop"
	l.asks(http.StatusCreated, http.MethodPut, site+"?api-version=2022-09-01", `{"kind": "functionapp,workflowapp", "location": "local", "properties": {"siteConfig": {"appSettings": [{"name": "greeting", "value": "hello"}]}}}`)
	l.asks(http.StatusCreated, http.MethodPut, site+"/config/appsettings?api-version=2022-09-01", `{"properties": {"greeting": "good day", "key": "hush"}}`)
	if shown := l.asks(http.StatusOK, http.MethodGet, site+"/config/appsettings", ""); strings.Contains(shown, "hush") || !strings.Contains(shown, `"names":["greeting","key"]`) {
		t.Errorf("settings shown as %s", shown)
	}
	if listed := l.asks(http.StatusOK, http.MethodPost, site+"/config/appsettings/list", ""); !strings.Contains(listed, "hush") {
		t.Errorf("settings listed as %s", listed)
	}
	definition := `{"definition": {"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		"triggers": {"called": {"type": "Request", "kind": "Http", "inputs": {"method": "GET", "relativePath": "/greet/{who}"}}},
		"actions": {"answer": {"type": "Response", "inputs": {"statusCode": 200, "body": "@concat(appsetting('greeting'), ' ', triggerOutputs()['relativePathParameters']['who'])"}}}}, "kind": "Stateful"}`
	l.asks(http.StatusCreated, http.MethodPut, site+"/workflows/greet?api-version=2022-09-01", `{"properties": {"files": {"workflow.json": `+definition+`}}}`)

	// The management of the project, through Resource Manager and at its own address.
	const management = "/runtime/webhooks/workflow/api/management/workflows"
	for _, base := range []string{site + "/hostruntime" + management, management} {
		if list := l.asks(http.StatusOK, http.MethodGet, base+"?api-version=2018-11-01", ""); !strings.HasPrefix(list, "[{") || !strings.Contains(list, `"name":"greet"`) {
			t.Errorf("%s lists %s", base, list)
		}
		var where struct{ Value, Method string }
		l.must(json.Unmarshal([]byte(l.asks(http.StatusOK, http.MethodPost, base+"/greet/triggers/called/listCallbackUrl?api-version=2018-11-01", "")), &where))
		if where.Method != http.MethodGet || !strings.Contains(where.Value, "/api/greet/triggers/called/invoke/greet/{who}?api-version=2022-05-01&") {
			t.Fatalf("called at %+v", where)
		}
		r, err := http.NewRequestWithContext(l.ctx, http.MethodGet, strings.Replace(where.Value, "{who}", "Ada", 1), nil)
		l.must(err)
		got, err := l.options.Transport.Do(r)
		l.must(err)
		said, err := io.ReadAll(got.Body)
		l.must(err)
		got.Body.Close()
		if got.StatusCode != http.StatusOK || string(said) != "good day Ada" {
			t.Errorf("%d %s", got.StatusCode, said)
		}
		run := got.Header.Get("x-ms-workflow-run-id")
		shown := l.asks(http.StatusOK, http.MethodGet, base+"/greet/runs/"+run+"?$expand=properties/actions&api-version=2018-11-01", "")
		if !strings.Contains(shown, `"id":"/workflows/greet/runs/`+run+`"`) || !strings.Contains(shown, `"answer":{`) {
			t.Errorf("the run is %s", shown)
		}
	}
	r, err := http.NewRequestWithContext(l.ctx, http.MethodGet, "https://"+l.server.HTTPSAddr()+management, nil)
	l.must(err)
	got, err := l.options.Transport.Do(r)
	l.must(err)
	got.Body.Close()
	if got.StatusCode != http.StatusUnauthorized {
		t.Errorf("the management without a token: %d", got.StatusCode)
	}
}

// TestWorkflowOfTemplate: a template declares a workflow and gives where it is called.
func TestWorkflowOfTemplate(t *testing.T) {
	l := newLogic(t)
	template := `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
	"parameters": {"name": {"type": "string"}, "key": {"type": "securestring"}},
	"resources": [{"type": "Microsoft.Logic/workflows", "apiVersion": "2019-05-01", "name": "[parameters('name')]", "location": "[resourceGroup().location]", "properties": {"state": "Enabled",
		"definition": {"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
			"parameters": {"key": {"type": "securestring"}}, "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
			"actions": {"z": {"type": "Compose", "inputs": "[concat('from ', parameters('name'))]"}, "a": {"type": "Response", "inputs": {"statusCode": 200, "body": "@outputs('z')"}, "runAfter": {"z": ["Succeeded"]}}}},
		"parameters": {"key": {"value": "[parameters('key')]"}}}}],
	"outputs": {"url": {"type": "string", "value": "[listCallbackURL(concat(resourceId('Microsoft.Logic/workflows', parameters('name')), '/triggers/manual'), '2019-05-01').value]"},
		"endpoint": {"type": "string", "value": "[reference(resourceId('Microsoft.Logic/workflows', parameters('name')), '2019-05-01').accessEndpoint]"}}}`
	body := `{"properties": {"mode": "Incremental", "template": ` + template + `, "parameters": {"name": {"value": "orders"}, "key": {"value": "hush-hush"}}}}`
	const at = server.Scope + "/providers/Microsoft.Resources/deployments/first"
	l.asks(http.StatusCreated, http.MethodPut, at, body)
	var d struct {
		Properties struct {
			ProvisioningState string
			Outputs           map[string]struct{ Value string }
			Error             any
		}
	}
	for d.Properties.ProvisioningState != "Succeeded" && d.Properties.ProvisioningState != "Failed" && l.ctx.Err() == nil {
		l.must(json.Unmarshal([]byte(l.asks(http.StatusOK, http.MethodGet, at, "")), &d))
	}
	url := d.Properties.Outputs["url"].Value
	if d.Properties.ProvisioningState != "Succeeded" || !strings.HasPrefix(url, d.Properties.Outputs["endpoint"].Value+"/triggers/manual/paths/invoke?") {
		t.Fatalf("%+v", d.Properties)
	}
	if status, said, _ := l.call(url, `{}`); status != http.StatusOK || said != "from orders" {
		t.Errorf("%d %s", status, said)
	}
	shown := l.asks(http.StatusOK, http.MethodGet, server.Scope+"/providers/Microsoft.Logic/workflows/orders", "")
	if z, a := strings.Index(shown, `"z":{"type":"Compose"`), strings.Index(shown, `"a":{"type":"Response"`); z < 0 || a < z || strings.Contains(shown, "hush") {
		t.Errorf("shown as %s", shown)
	}
}
