package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// flowAsk makes one request and gives status and body.
func flowAsk(t testing.TB, method, url, token, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}

// calling is a workflow that calls an address, and answers with what it got.
func calling(uri string) string {
	return fmt.Sprintf(`{"location": "westeurope", "properties": {"definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
	  "actions": {"Call": {"type": "Http", "inputs": {"method": "POST", "uri": %q, "body": "@triggerBody()"}},
	    "Response": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "body": "@body('Call')"}, "runAfter": {"Call": ["Succeeded"]}}}}}}`, uri)
}

func TestAWorkflowIsDeployedAndCalled(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"got": %s, "key": %t}`, body, r.Header.Get("Weir-Idempotency-Key") != "")
	}))
	defer there.Close()
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	door := "http://" + p.Addrs()["http"]
	id := DefaultScope.String() + "/providers/Microsoft.Logic/workflows/orders"
	if status, body := flowAsk(t, "PUT", door+id+"?api-version=2016-06-01", p.token, calling(there.URL)); status != 201 && status != 200 {
		t.Fatal(status, body)
	}
	status, body := flowAsk(t, "POST", door+id+"/triggers/manual/listCallbackUrl?api-version=2016-06-01", p.token, "")
	if status != 200 {
		t.Fatal(status, body)
	}
	var address struct{ Value string }
	if err := json.Unmarshal([]byte(body), &address); err != nil {
		t.Fatal(err)
	}
	if status, body = flowAsk(t, "POST", address.Value, "", `{"n": 1}`); status != 201 || body != `{"got":{"n":1},"key":true}` {
		t.Errorf("the call of %s: %d %s", address.Value, status, body)
	}
	if status, body = flowAsk(t, "POST", strings.Replace(address.Value, "sig=", "sig=x", 1), "", `{}`); status != 401 {
		t.Errorf("a wrong signature: %d %s", status, body)
	}
	if status, body = flowAsk(t, "GET", door+id+"/runs?api-version=2016-06-01", p.token, ""); status != 200 || strings.Count(body, `"status":"Succeeded"`) < 1 {
		t.Errorf("the runs: %d %s", status, body)
	}
}

// Whichever node is asked, the one that has the workflow answers.
func TestWorkflowsAreServedByEveryNode(t *testing.T) {
	if testing.Short() {
		t.Skip("three nodes take seconds to find each other")
	}
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `"done"`) }))
	defer there.Close()
	nodes := threeNodes(t)
	defer http.DefaultClient.CloseIdleConnections()
	id := DefaultScope.String() + "/providers/Microsoft.Logic/workflows/orders"
	const version = "?api-version=2016-06-01"
	at := func(n *Platform, path string) string { return "http://" + n.Addrs()["http"] + path }
	if status, body := flowAsk(t, "PUT", at(nodes[0], id+version), nodes[0].token, calling(there.URL)); status != 201 && status != 200 {
		t.Fatal(status, body)
	}
	for _, n := range nodes {
		settled(t, func() bool { return n.servicesReady() == nil && len(n.workflows.Units()) == 1 })
	}
	for k, n := range nodes {
		status, body := flowAsk(t, "POST", at(n, id+"/triggers/manual/listCallbackUrl"+version), n.token, "")
		var address struct{ Value string }
		if err := json.Unmarshal([]byte(body), &address); status != 200 || err != nil {
			t.Fatalf("node %d: %d %s", k, status, body)
		}
		if status, body = flowAsk(t, "POST", address.Value, "", `{}`); status != 201 {
			t.Errorf("the call at node %d: %d %s", k, status, body)
		}
		if status, body = flowAsk(t, "POST", at(n, id+"/triggers/manual/run"+version), n.token, `{}`); status != 202 && status != 200 {
			t.Errorf("the run at node %d: %d %s", k, status, body)
		}
	}
}

// settled waits until something is so.
func settled(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for limit := time.After(time.Minute); !so(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not come to be so")
		}
	}
}
