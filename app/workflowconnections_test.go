package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is an API that workflows are connected to: a list of orders that are asked for, a
// place to write to, and webhooks that are called at once.
type shop struct {
	mu     sync.Mutex
	orders []int
	saved  []string
	hooks  map[string]string // by id, the address; empty: unsubscribed
	wrong  []string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("X-Key") != "sesame" {
		s.wrong = append(s.wrong, "no key: "+r.URL.Path)
	}
	w.Header().Set("Content-Type", "application/json")
	switch at := r.Method + " " + r.URL.Path; {
	case at == "GET /v1/orders/new":
		after := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
		var found []map[string]int
		for _, n := range s.orders {
			if n > after {
				found = append(found, map[string]int{"n": n})
			}
		}
		if len(s.orders) > 0 {
			after = s.orders[len(s.orders)-1]
		}
		w.Header().Set("Location", fmt.Sprintf("/v1/orders/new?after=%d", after))
		if len(found) == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_ = json.NewEncoder(w).Encode(found)
	case at == "POST /v1/hooks":
		var hook struct{ To string }
		_ = json.Unmarshal(body, &hook)
		id := fmt.Sprint(len(s.hooks))
		s.hooks[id] = hook.To
		w.Header().Set("Location", "/v1/hooks/"+id)
		w.WriteHeader(http.StatusCreated)
		go func() {
			answer, err := http.Post(hook.To, "application/json", strings.NewReader(`{"price": 7}`))
			if err == nil {
				answer.Body.Close()
			}
		}()
	case strings.HasPrefix(at, "DELETE /v1/hooks/"):
		s.hooks[strings.TrimPrefix(at, "DELETE /v1/hooks/")] = ""
	case strings.HasPrefix(at, "PUT /v1/saved/"):
		s.saved = append(s.saved, strings.TrimPrefix(at, "PUT /v1/saved/")+" "+string(body))
		fmt.Fprint(w, `{"ok": true}`)
	default:
		s.wrong = append(s.wrong, at)
		w.WriteHeader(http.StatusNotFound)
	}
}

const shopSwagger = `{"swagger": "2.0", "consumes": ["application/json"], "securityDefinitions": {"api_key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "security": [{"api_key": []}],
  "paths": {"/orders/new": {"get": {"operationId": "NewOrders", "x-ms-trigger": "batch", "parameters": []}},
   "/hooks": {"post": {"operationId": "AskPrice", "parameters": [{"name": "hook", "in": "body", "schema": {"type": "object", "properties": {"to": {"type": "string", "x-ms-notification-url": true}}}}]}},
   "/saved/{id}": {"put": {"operationId": "Save", "parameters": [{"name": "id", "in": "path", "required": true, "type": "string"}, {"name": "item", "in": "body", "schema": {"type": "object"}}]}}}}`

// Definitions as they are written for the cloud, on a real node: an order is found by a
// polling trigger, its price comes by a webhook, it is saved, written to a file and sent
// to a queue; from there another workflow takes it.
func TestWorkflowsUseConnections(t *testing.T) {
	there := &shop{hooks: map[string]string{}, orders: []int{1, 2}}
	server := httptest.NewServer(there)
	defer server.Close()
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	door, root := "http://"+p.Addrs()["http"], t.TempDir()
	put := func(path, body string) {
		t.Helper()
		if status, answer := flowAsk(t, "PUT", door+DefaultScope.String()+"/providers/"+path, p.token, body); status >= 300 {
			t.Fatal(path, status, answer)
		}
	}
	put("Microsoft.ServiceBus/namespaces/sbemulatorns/queues/orders?api-version=2021-11-01", `{"properties": {"lockDuration": "PT1M"}}`)
	put("Microsoft.Web/customApis/shop?api-version=2016-06-01", fmt.Sprintf(`{"properties": {"backendService": {"serviceUrl": %q}, "swagger": %s, "connectionParameters": {"api_key": {"type": "securestring"}}}}`, server.URL+"/v1", shopSwagger))
	put("Microsoft.Web/connections/shop-1?api-version=2016-06-01", `{"properties": {"api": {"id": "/subscriptions/x/providers/Microsoft.Web/locations/westeurope/managedApis/shop"}, "parameterValues": {"api_key": "sesame"}}}`)
	put("Microsoft.Web/connections/files?api-version=2016-06-01", fmt.Sprintf(`{"properties": {"api": {"id": "/serviceProviders/fileSystem"}, "parameterValues": {"rootFolder": %q}}}`, root))
	put("Microsoft.Web/connections/servicebus?api-version=2016-06-01", fmt.Sprintf(`{"properties": {"api": {"id": "/x/managedApis/servicebus"}, "parameterValues": {"connectionString": "Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;"}}}`, p.Addrs()["amqp"]))
	connections := fmt.Sprintf(`{"$connections": {"value": {"shop": {"connectionId": "%[1]s/shop-1", "connectionName": "shop-1", "id": "/subscriptions/x/providers/Microsoft.Web/locations/westeurope/managedApis/shop"}, "servicebus": {"connectionId": "%[1]s/servicebus", "connectionName": "servicebus", "id": "/x/managedApis/servicebus"}}}}`, DefaultScope.String()+"/providers/Microsoft.Web/connections")
	put("Microsoft.Logic/workflows/find?api-version=2016-06-01", `{"location": "westeurope", "properties": {"parameters": `+connections+`, "definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "parameters": {"$connections": {"type": "Object", "defaultValue": {}}},
	  "triggers": {"New_orders": {"type": "ApiConnection", "recurrence": {"frequency": "Second", "interval": 1}, "splitOn": "@triggerBody()",
	    "inputs": {"host": {"connection": {"name": "@parameters('$connections')['shop']['connectionId']"}}, "method": "get", "path": "/orders/new"}}},
	  "actions": {
	    "Price": {"type": "OpenApiConnectionWebhook", "inputs": {"host": {"apiId": "/providers/Microsoft.PowerApps/apis/shop", "connectionName": "shop", "operationId": "AskPrice"}, "parameters": {}}},
	    "Save": {"type": "OpenApiConnection", "runAfter": {"Price": ["Succeeded"]}, "inputs": {"host": {"connectionName": "shop", "operationId": "Save", "apiId": "/providers/Microsoft.PowerApps/apis/shop"}, "parameters": {"id": "order-@{triggerBody()?['n']}", "item/price": "@body('Price')?['price']"}}},
	    "Write": {"type": "ServiceProvider", "runAfter": {"Save": ["Succeeded"]}, "inputs": {"parameters": {"filePath": "orders/@{triggerBody()?['n']}.json", "body": "@body('Price')"}, "serviceProviderConfiguration": {"connectionName": "files", "operationId": "createFile", "serviceProviderId": "/serviceProviders/FileSystem"}}},
	    "Send": {"type": "ApiConnection", "runAfter": {"Write": ["Succeeded"]}, "inputs": {"host": {"connection": {"name": "@parameters('$connections')['servicebus']['connectionId']"}}, "method": "post", "path": "/@{encodeURIComponent(encodeURIComponent('orders'))}/messages", "queries": {"systemProperties": "None"}, "body": {"ContentData": "@{base64(string(triggerBody()))}", "ContentType": "application/json"}}}}}}}`)
	put("Microsoft.Logic/workflows/take?api-version=2016-06-01", `{"location": "westeurope", "properties": {"definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "triggers": {"Messages": {"type": "ServiceProvider", "splitOn": "@triggerOutputs()?['body']", "inputs": {"parameters": {"queueName": "orders"}, "serviceProviderConfiguration": {"connectionName": "servicebus", "operationId": "peekLockQueueMessagesV2", "serviceProviderId": "/serviceProviders/serviceBus"}}}},
	  "actions": {"Write": {"type": "ServiceProvider", "inputs": {"parameters": {"filePath": "taken/@{triggerBody()?['contentData']?['n']}.txt", "body": "@{triggerBody()?['messageId']}"}, "serviceProviderConfiguration": {"connectionName": "files", "operationId": "createFile", "serviceProviderId": "/serviceProviders/fileSystem"}}}}}}}`)
	there.mu.Lock()
	there.orders = append(there.orders, 3)
	there.mu.Unlock()

	arrived := func() bool {
		taken, _ := os.ReadDir(filepath.Join(root, "taken"))
		written, _ := os.ReadDir(filepath.Join(root, "orders"))
		return len(taken) == 3 && len(written) == 3
	}
	for end := time.Now().Add(time.Minute); !arrived(); {
		if time.Now().After(end) {
			_, found := flowAsk(t, "GET", door+DefaultScope.String()+"/providers/Microsoft.Logic/workflows/find/runs?api-version=2016-06-01", p.token, "")
			_, taken := flowAsk(t, "GET", door+DefaultScope.String()+"/providers/Microsoft.Logic/workflows/take/runs?api-version=2016-06-01", p.token, "")
			_, history := flowAsk(t, "GET", door+DefaultScope.String()+"/providers/Microsoft.Logic/workflows/find/triggers/New_orders/histories?api-version=2016-06-01", p.token, "")
			t.Fatalf("not all orders arrived: %v\nfind %s\ntake %s\nhistories %s", there.saved, found, taken, history)
		}
		time.Sleep(50 * time.Millisecond)
	}
	there.mu.Lock()
	defer there.mu.Unlock()
	if len(there.saved) != 3 || len(there.wrong) > 0 {
		t.Errorf("saved %v, wrong %v", there.saved, there.wrong)
	}
	for id, at := range there.hooks {
		if at != "" {
			t.Errorf("the subscription %s was left", id)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(root, "orders", "3.json")); string(data) != `{"price":7}` {
		t.Errorf("the file holds %s", data)
	}
}

// A Standard project with connections.json: files that arrive are sent to a topic of this
// location, by its id and as the site's identity, and written from there.
func TestAProjectUsesFilesAndMessages(t *testing.T) {
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	door, root := "http://"+p.Addrs()["http"], t.TempDir()
	put := func(path, body string) {
		t.Helper()
		if status, answer := flowAsk(t, "PUT", door+DefaultScope.String()+"/providers/"+path, p.token, body); status >= 300 {
			t.Fatal(path, status, answer)
		}
	}
	const bus = "Microsoft.ServiceBus/namespaces/sbemulatorns"
	put(bus+"/topics/orders?api-version=2021-11-01", `{"properties": {}}`)
	put(bus+"/topics/orders/subscriptions/all?api-version=2021-11-01", `{"properties": {"lockDuration": "PT1M"}}`)
	put("Microsoft.Web/sites/orders?api-version=2022-03-01", `{"kind": "functionapp,workflowapp", "location": "west", "identity": {"type": "SystemAssigned"}, "properties": {}}`)
	put("Microsoft.Web/sites/orders/config/appsettings?api-version=2022-03-01", fmt.Sprintf(`{"properties": {"ROOT": %q, "BUS": %q}}`, root, DefaultScope.String()+"/providers/"+bus))
	put("Microsoft.Web/sites/orders/config/connections?api-version=2022-03-01", `{"properties": {"serviceProviderConnections": {
	  "files": {"serviceProvider": {"id": "/serviceProviders/fileSystem"}, "parameterValues": {"rootFolder": "@appsetting('ROOT')", "settleSeconds": "0.1"}},
	  "bus": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterSetName": "ManagedServiceIdentity", "parameterValues": {"authProvider": {"Type": "ManagedServiceIdentity"}, "namespaceId": "@appsetting('BUS')"}}}}}`)
	if err := os.Mkdir(filepath.Join(root, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	flow := func(name, trigger, actions string) {
		t.Helper()
		put("Microsoft.Web/sites/orders/workflows/"+name+"?api-version=2022-03-01", `{"kind": "Stateful", "properties": {"kind": "Stateful", "definition": {
		  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		  "triggers": {"T": `+trigger+`}, "actions": `+actions+`}}}`)
	}
	op := func(connection, provider, operation, parameters string) string {
		return `{"parameters": ` + parameters + `, "serviceProviderConfiguration": {"connectionName": "` + connection + `", "operationId": "` + operation + `", "serviceProviderId": "/serviceProviders/` + provider + `"}}`
	}
	flow("arrive", `{"type": "ServiceProvider", "recurrence": {"frequency": "Second", "interval": 1}, "splitOn": "@triggerOutputs()?['body']", "inputs": `+op("files", "fileSystem", "whenFilesAreAdded", `{"folderPath": "/in", "maxFileCount": 50}`)+`}`,
		`{"Read": {"type": "ServiceProvider", "inputs": `+op("files", "fileSystem", "getFileContentV2", `{"filePath": "@triggerBody()?['path']"}`)+`},
		  "Send": {"type": "ServiceProvider", "runAfter": {"Read": ["Succeeded"]}, "inputs": `+op("bus", "serviceBus", "sendMessage", `{"entityName": "orders", "message": {"contentData": "@body('Read')", "contentType": "application/json", "messageId": "@triggerBody()?['name']"}}`)+`},
		  "Remove": {"type": "ServiceProvider", "runAfter": {"Send": ["Succeeded"]}, "inputs": `+op("files", "fileSystem", "deleteFile", `{"filePath": "@triggerBody()?['path']"}`)+`}}`)
	flow("write", `{"type": "ServiceProvider", "splitOn": "@triggerOutputs()?['body']", "inputs": `+op("bus", "serviceBus", "peekLockTopicMessagesV2", `{"topicName": "orders", "subscriptionName": "all"}`)+`}`,
		`{"Write": {"type": "ServiceProvider", "inputs": `+op("files", "fileSystem", "createFile", `{"filePath": "out/@{triggerBody()?['messageId']}", "body": "@triggerBody()?['contentData']"}`)+`}}`)
	const orders = 20
	for n := range orders {
		if err := os.WriteFile(filepath.Join(root, "in", fmt.Sprintf("%d.json", n)), fmt.Appendf(nil, `{"n":%d}`, n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	left := func(dir string) int {
		all, _ := os.ReadDir(filepath.Join(root, dir))
		return len(all)
	}
	for end := time.Now().Add(time.Minute); left("out") < orders || left("in") > 0; {
		if time.Now().After(end) {
			manage := door + DefaultScope.String() + "/providers/Microsoft.Web/sites/orders/hostruntime/runtime/webhooks/workflow/api/management/workflows/"
			_, one := flowAsk(t, "GET", manage+"arrive/runs?api-version=2022-03-01", p.token, "")
			_, two := flowAsk(t, "GET", manage+"write/triggers/T/histories?api-version=2022-03-01", p.token, "")
			t.Fatalf("%d wait, %d are written\n%s\n%s", left("in"), left("out"), one, two)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if data, _ := os.ReadFile(filepath.Join(root, "out", "7.json")); string(data) != `{"n":7}` {
		t.Errorf("the file holds %s", data)
	}
	// A message is settled once its run has ended.
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		_, answer := flowAsk(t, "GET", door+DefaultScope.String()+"/providers/"+bus+"/topics/orders/subscriptions/all?api-version=2021-11-01", p.token, "")
		if strings.Contains(answer, `"messageCount":0`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the subscription: %s", answer)
		}
	}
}
