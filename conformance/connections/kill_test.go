// Package connections_test tries workflows that watch files and messages on real
// processes that are killed.
package connections_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const definition = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0"`

// operation writes the inputs of a built-in operation.
func operation(connection, provider, name, parameters string) string {
	return `{"type": "ServiceProvider", "inputs": {"parameters": ` + parameters + `, "serviceProviderConfiguration": {"connectionName": "` + connection + `", "operationId": "` + name + `", "serviceProviderId": "/serviceProviders/` + provider + `"}}`
}

func after(action, predecessor string) string {
	return action + `, "runAfter": {"` + predecessor + `": ["Succeeded"]}}`
}

// TestKilledWhileFilesArrive has files taken to a queue and from there into a log, and kills
// the node again and again: every file is in the log once.
func TestKilledWhileFilesArrive(t *testing.T) {
	srv := servertest.Start(t, nil)
	root := t.TempDir()
	put := func(path string, body string) {
		t.Helper()
		if !json.Valid([]byte(body)) {
			t.Fatal(body)
		}
		status, answer, err := srv.Ask(t.Context(), "PUT", server.Scope+"/providers/"+path, []byte(body))
		if err != nil || status >= 300 {
			t.Fatalf("%s: %d %s %v", path, status, answer, err)
		}
	}
	const bus = "Microsoft.ServiceBus/namespaces/" + server.Namespace
	put(bus+"/queues/arrived?api-version=2021-11-01", `{"properties": {"requiresDuplicateDetection": true, "lockDuration": "PT10S", "maxDeliveryCount": 100}}`)
	const site = "Microsoft.Web/sites/orders"
	put(site+"?api-version=2022-03-01", `{"kind": "functionapp,workflowapp", "location": "west", "identity": {"type": "SystemAssigned"}, "properties": {}}`)
	put(site+"/config/connections?api-version=2022-03-01", fmt.Sprintf(`{"properties": {"serviceProviderConnections": {
	  "files": {"serviceProvider": {"id": "/serviceProviders/fileSystem"}, "parameterValues": {"rootFolder": %q, "settleSeconds": "0.1"}},
	  "bus": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterValues": {"authProvider": {"Type": "ManagedServiceIdentity"}, "namespaceId": %q}}}}}`, root, server.Scope+"/providers/"+bus))
	for _, dir := range []string{"in"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	flow := func(name, trigger, actions string) {
		t.Helper()
		put(site+"/workflows/"+name+"?api-version=2022-03-01", `{"properties": {"kind": "Stateful", "definition": {`+definition+`, "triggers": {"T": `+trigger+`}, "actions": `+actions+`}}}`)
	}
	flow("take", operation("files", "fileSystem", "whenFilesAreAdded", `{"folderPath": "/in", "maxFileCount": 20}`)+`, "recurrence": {"frequency": "Second", "interval": 1}, "splitOn": "@triggerOutputs()?['body']"}`,
		`{"Read": `+operation("files", "fileSystem", "getFileContentV2", `{"filePath": "@triggerBody()?['path']"}`)+`}, "Send": `+
			after(operation("bus", "serviceBus", "sendMessage", `{"entityName": "arrived", "message": {"contentData": "@body('Read')", "messageId": "@triggerBody()?['name']"}}`), "Read")+`, "Remove": `+
			after(operation("files", "fileSystem", "deleteFile", `{"filePath": "@triggerBody()?['path']"}`), "Send")+`}`)
	flow("log", operation("bus", "serviceBus", "peekLockQueueMessagesV2", `{"queueName": "arrived"}`)+`, "splitOn": "@triggerOutputs()?['body']"}`,
		`{"Log": `+operation("files", "fileSystem", "appendFile", `{"filePath": "log", "body": "@concat(triggerBody()?['messageId'], ' ', triggerBody()?['contentData'], decodeUriComponent('%0A'))", "createFileIfNotPresent": true}`)+`}}`)

	const files, kills = 150, 3
	written := make(chan error, 1)
	go func() {
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := range files {
			<-tick.C
			if err := os.WriteFile(filepath.Join(root, "in", fmt.Sprintf("f%03d.txt", n)), fmt.Appendf(nil, "content %d", n), 0o644); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for range kills {
		before := len(lines(root))
		wait(t, 30*time.Second, func() bool { return len(lines(root)) >= min(before+15, files) })
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	wait(t, time.Minute, func() bool {
		left, _ := os.ReadDir(filepath.Join(root, "in"))
		return len(left) == 0 && len(lines(root)) >= files
	})
	got := lines(root)
	slices.Sort(got)
	for n := range files {
		if want := fmt.Sprintf("f%03d.txt content %d", n, n); n >= len(got) || got[n] != want {
			t.Fatalf("line %d is %q, want %q; there are %d", n, got[min(n, len(got)-1)], want, len(got))
		}
	}
	if len(got) != files {
		t.Errorf("%d lines of %d files", len(got), files)
	}
}

func lines(root string) []string {
	data, err := os.ReadFile(filepath.Join(root, "log"))
	if err != nil || len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// wait looks now and then whether something has come about.
func wait(t *testing.T, most time.Duration, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(most); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it did not come about within %s", most)
		}
	}
}
