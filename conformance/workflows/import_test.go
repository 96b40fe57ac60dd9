package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const schema = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0"`

// imported runs weir import and gives the folder it wrote.
func imported(t *testing.T, path string, status int) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(servertest.Binary(t), "import", path, "--out", out)
	said, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("weir import ends with %d, want %d: %v\n%s", got, status, err, said)
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// called starts a run by the address of a trigger and gives the answer.
func callTrigger(t *testing.T, s *server.Server, id, trigger string) string {
	t.Helper()
	code, body, err := s.Ask(t.Context(), http.MethodPost, id+"/triggers/"+trigger+"/listCallbackUrl?api-version=2022-03-01", nil)
	if err != nil || code != http.StatusOK {
		t.Fatalf("listCallbackUrl: %d %s %v", code, body, err)
	}
	_, at, _ := strings.Cut(string(body), `"value":"`)
	at, _, _ = strings.Cut(at, `"`)
	at = strings.ReplaceAll(at, `\u0026`, "&")
	resp, err := http.Post(at, "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the trigger answers %d %s %v", resp.StatusCode, answer, err)
	}
	return string(answer)
}

// TestWhatIsImportedRuns imports a workflow with a connection, and a Standard project,
// deploys what came of them and runs it.
func TestWhatIsImportedRuns(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s with %s%s", r.URL.Path, r.Header.Get("X-API-Key"), r.Header.Get("X-Setting"))
	}))
	defer there.Close()
	s := servertest.Start(t, nil)
	run := func(args ...string) {
		t.Helper()
		if out, err := s.Run(t.Context(), append(args, "--data", s.Data())...); err != nil {
			t.Fatalf("weir %v: %v\n%s", args, err, out)
		}
	}

	bare := filepath.Join(t.TempDir(), "people.json")
	write(t, bare, `{`+schema+`, "parameters": {"$connections": {"type": "Object", "defaultValue": {}}},
		"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
		"actions": {"get": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['crm_1']['connectionId']"}}, "method": "get", "path": "/v2/people"}},
			"answer": {"type": "Response", "inputs": {"statusCode": 200, "body": "@body('get')"}, "runAfter": {"get": ["Succeeded"]}}}}`)
	out := imported(t, bare, 1)
	connections := filepath.Join(out, "connections.yaml")
	data, err := os.ReadFile(connections)
	if err != nil {
		t.Fatal(err)
	}
	// What a person fills in.
	text := strings.NewReplacer(`# backendService: {serviceUrl: "https://..."}`, `backendService: {serviceUrl: "`+there.URL+`/base"}`, "# connectionParameters:", "connectionParameters:",
		`# parameterValues: {api_key: "..."}`, `parameterValues: {api_key: "sesame"}`).Replace(string(data))
	write(t, connections, text)
	run("deploy", connections, filepath.Join(out, "workflows.json"))
	if got := callTrigger(t, s, server.WorkflowID("people"), "manual"); got != "/base/v2/people with sesame" {
		t.Errorf("the workflow answers %q", got)
	}

	project := filepath.Join(t.TempDir(), "shop")
	write(t, filepath.Join(project, "host.json"), `{"version": "2.0"}`)
	write(t, filepath.Join(project, "parameters.json"), `{"to": {"type": "String", "value": "`+there.URL+`/orders"}}`)
	write(t, filepath.Join(project, "local.settings.json"), `{"Values": {"FUNCTIONS_WORKER_RUNTIME": "node", "MARK": "a setting"}}`)
	write(t, filepath.Join(project, "orders", "workflow.json"), `{"kind": "Stateful", "definition": {`+schema+`, "triggers": {"r": {"type": "Request", "kind": "Http", "inputs": {}}},
		"actions": {"get": {"type": "Http", "inputs": {"method": "GET", "uri": "@parameters('to')", "headers": {"X-Setting": "@appsetting('MARK')"}}},
			"answer": {"type": "Response", "inputs": {"statusCode": 200, "body": "@body('get')"}, "runAfter": {"get": ["SUCCEEDED"]}}}}}`)
	out = imported(t, project, 0)
	run("deploy", filepath.Join(out, "site.json"), filepath.Join(out, "settings.json"))
	site := server.Scope + "/providers/Microsoft.Web/sites/shop/hostruntime/runtime/webhooks/workflow/api/management/workflows/orders"
	if got := callTrigger(t, s, site, "r"); got != "/orders with a setting" {
		t.Errorf("the project's workflow answers %q", got)
	}
}
