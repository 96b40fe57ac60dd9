package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is what workflows call: an asynchronous service, one that calls back, one that
// wants to know who asks, one that is asked for items.
type world struct {
	*httptest.Server
	mu     sync.Mutex
	asked  int // of the asynchronous one
	left   int // unsubscribed
	keys   map[string]string
	items  int
	bearer []map[string]any // claims of tokens that were shown
}

func newWorld(t testing.TB) *world {
	w := &world{keys: map[string]string{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	out.Header().Set("Content-Type", "application/json")
	if key := r.Header.Get("Weir-Idempotency-Key"); key != "" && r.URL.Path != "/op" {
		w.keys[r.Header.Get("x-ms-workflow-operation-name")] = key
	}
	switch r.URL.Path {
	case "/async":
		out.Header().Set("Location", "/op")
		out.Header().Set("Retry-After", "0")
		out.WriteHeader(http.StatusAccepted)
	case "/op":
		if w.asked++; w.asked < 2 {
			out.Header().Set("Location", "/op")
			out.Header().Set("Retry-After", "0")
			out.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = io.WriteString(out, `{"numbers": [3, 1, 2]}`)
	case "/subscribe":
		var hook struct{ URL string }
		if json.Unmarshal(body, &hook) == nil {
			go func() {
				answer, err := http.Post(hook.URL, "application/json", strings.NewReader(`{"approved": true}`))
				if err == nil {
					answer.Body.Close()
				}
			}()
		}
	case "/unsubscribe":
		w.left++
	case "/secured":
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
		parts := strings.Split(token, ".")
		var claims map[string]any
		if len(parts) == 3 {
			data, _ := base64.RawURLEncoding.DecodeString(parts[1])
			_ = json.Unmarshal(data, &claims)
		}
		w.bearer = append(w.bearer, claims)
		_, _ = io.WriteString(out, `{"known": `+fmt.Sprint(claims != nil)+`}`)
	case "/items":
		if w.items++; w.items > 3 {
			out.Header().Set("Retry-After", "60")
			out.WriteHeader(http.StatusAccepted)
			return
		}
		out.Header().Set("Location", fmt.Sprintf("/items?after=%d", w.items))
		out.Header().Set("Retry-After", "0")
		fmt.Fprintf(out, `{"n": %d, "asked": %q}`, w.items, r.URL.RawQuery)
	default:
		http.NotFound(out, r)
	}
}

// flows deploys workflows to a node and calls them.
type flows struct {
	t    testing.TB
	p    *Platform
	door string
}

func (f *flows) put(name, more, triggers, actions string) {
	f.t.Helper()
	body := fmt.Sprintf(`{"location": "westeurope", %s "properties": {"definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "triggers": {%s}, "actions": {%s}}}}`, more, triggers, actions)
	if status, answer := flowAsk(f.t, "PUT", f.door+f.id(name)+"?api-version=2019-05-01", f.p.token, body); status != 200 && status != 201 {
		f.t.Fatalf("%s: %d %s", name, status, answer)
	}
}

func (f *flows) id(name string) string {
	return DefaultScope.String() + "/providers/Microsoft.Logic/workflows/" + name
}

func (f *flows) call(name, body string) (int, string) {
	f.t.Helper()
	status, answer := flowAsk(f.t, "POST", f.door+f.id(name)+"/triggers/in/listCallbackUrl?api-version=2016-06-01", f.p.token, "")
	var address struct{ Value string }
	if err := json.Unmarshal([]byte(answer), &address); err != nil || status != 200 {
		f.t.Fatalf("%d %s", status, answer)
	}
	return flowAsk(f.t, "POST", address.Value, "", body)
}

// runs counts the runs of a workflow by status.
func (f *flows) runs(name string) map[string]int {
	f.t.Helper()
	status, answer := flowAsk(f.t, "GET", f.door+f.id(name)+"/runs?api-version=2016-06-01", f.p.token, "")
	var page struct {
		Value []struct{ Properties struct{ Status string } }
	}
	if status == 404 { // the unit's first workflow comes into force a moment later
		return nil
	}
	if err := json.Unmarshal([]byte(answer), &page); err != nil || status != 200 {
		f.t.Fatalf("%d %s", status, answer)
	}
	count := map[string]int{}
	for _, r := range page.Value {
		count[r.Properties.Status]++
	}
	return count
}

// inputs is what the history shows of an action of the newest run.
func (f *flows) inputs(name, action string) string {
	f.t.Helper()
	_, answer := flowAsk(f.t, "GET", f.door+f.id(name)+"/runs?api-version=2016-06-01", f.p.token, "")
	var page struct{ Value []struct{ Name string } }
	if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Value) == 0 {
		f.t.Fatal(answer)
	}
	_, answer = flowAsk(f.t, "GET", f.door+f.id(name)+"/runs/"+page.Value[0].Name+"/actions/"+action+"?api-version=2016-06-01", f.p.token, "")
	var one struct {
		Properties struct{ InputsLink struct{ URI string } }
	}
	if err := json.Unmarshal([]byte(answer), &one); err != nil || one.Properties.InputsLink.URI == "" {
		f.t.Fatal(answer)
	}
	_, inputs := flowAsk(f.t, "GET", one.Properties.InputsLink.URI, "", "")
	return inputs
}

const request = `"in": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}`

// One definition goes through everything that calls: an asynchronous service, a webhook,
// another workflow, a script, services that want a token, and a batch.
func TestWorkflowsCallTheWorld(t *testing.T) {
	w := newWorld(t)
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	f := &flows{t, p, "http://" + p.Addrs()["http"]}
	app := DefaultScope.String() + "/providers/Weir.Identity/applications/shop"
	if status, answer := flowAsk(t, "PUT", f.door+app+"?api-version=2026-11-01", p.token, `{"properties": {}}`); status > 201 {
		t.Fatal(status, answer)
	}
	var secret struct{ ClientID, Secret string }
	if _, answer := flowAsk(t, "POST", f.door+app+"/addSecret?api-version=2026-11-01", p.token, `{"name": "s"}`); json.Unmarshal([]byte(answer), &secret) != nil || secret.Secret == "" {
		t.Fatal(answer)
	}
	f.put("child", "", request, `"R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": {"sum": "@add(triggerBody()['a'], 1)"}}}`)
	f.put("gather", "", `"all": {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {"b": {"releaseCriteria": {"messageCount": 2}}}}}`, `"A": {"type": "Compose", "inputs": "@length(triggerBody()['items'])"}`)
	f.put("orders", `"identity": {"type": "SystemAssigned"},`, request, fmt.Sprintf(`
	  "Start": {"type": "Http", "inputs": {"method": "PUT", "uri": "%[1]s/async", "body": "@triggerBody()"}},
	  "Approve": {"type": "HttpWebhook", "runAfter": {"Start": ["Succeeded"]}, "inputs": {"subscribe": {"method": "POST", "uri": "%[1]s/subscribe", "body": {"url": "@listCallbackUrl()"}}, "unsubscribe": {"method": "POST", "uri": "%[1]s/unsubscribe"}}},
	  "Child": {"type": "Workflow", "runAfter": {"Approve": ["Succeeded"]}, "inputs": {"host": {"workflow": {"id": "%[2]s"}, "triggerName": "in"}, "body": {"a": "@first(body('Start')['numbers'])"}}},
	  "Code": {"type": "JavaScriptCode", "runAfter": {"Child": ["Succeeded"]}, "inputs": {"code": "return {sorted: workflowContext.actions.Start.outputs.body.numbers.sort(), sum: workflowContext.actions.Child.outputs.body.sum, approved: workflowContext.actions.Approve.outputs.body.approved, name: workflowContext.workflow.name, n: workflowContext.trigger.outputs.body.n}"}},
	  "Identity": {"type": "Http", "runAfter": {"Code": ["Succeeded"]}, "inputs": {"method": "GET", "uri": "%[1]s/secured", "authentication": {"type": "ManagedServiceIdentity", "audience": "https://a.example"}}},
	  "Application": {"type": "Http", "runAfter": {"Identity": ["Succeeded"]}, "inputs": {"method": "GET", "uri": "%[1]s/secured", "authentication": {"type": "ActiveDirectoryOAuth", "authority": "%[3]s", "tenant": "weir", "audience": "https://b.example/", "clientId": "%[4]s", "secret": "%[5]s"}}},
	  "Each": {"type": "Foreach", "foreach": [1, 2], "runAfter": {"Application": ["Succeeded"]}, "actions": {"Send": {"type": "SendToBatch", "inputs": {"batchName": "b", "content": "@item()", "host": {"triggerName": "all", "workflow": {"id": "%[6]s"}}}}}},
	  "R": {"type": "Response", "kind": "Http", "runAfter": {"Each": ["Succeeded"]}, "inputs": {"statusCode": 200, "body": "@body('Code')"}}`,
		w.URL, f.id("child"), f.door, secret.ClientID, secret.Secret, f.id("gather")))
	status, answer := f.call("orders", `{"n": 5}`)
	if status != 200 || answer != `{"sorted":[1,2,3],"sum":4,"approved":true,"name":"orders","n":5}` {
		t.Fatalf("%d %s\n%v", status, answer, f.runs("orders"))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked != 2 || w.left != 1 {
		t.Errorf("asked %d times whether it is done, unsubscribed %d times", w.asked, w.left)
	}
	for _, action := range []string{"Start", "Approve", "Identity", "Application"} {
		if w.keys[action] == "" {
			t.Errorf("%s carried no key", action)
		}
	}
	if len(w.bearer) != 2 || w.bearer[0]["aud"] != "https://a.example" || w.bearer[1]["appid"] != secret.ClientID {
		t.Errorf("tokens of %v", w.bearer)
	}
	for f.runs("gather")["Succeeded"] != 1 {
		if t.Context().Err() != nil {
			t.Fatal("the batch is not let go")
		}
	}
	if n := f.runs("child"); n["Succeeded"] != 1 || len(n) != 1 {
		t.Errorf("the child ran %v", n)
	}
	if strings.Contains(log.String(), secret.Secret) {
		t.Error("the secret is in the log")
	}
	if inputs := f.inputs("orders", "Application"); strings.Contains(inputs, secret.Secret) || !strings.Contains(inputs, "*sanitized*") {
		t.Errorf("the history shows %s", inputs)
	}
}

// A trigger asks a service, and every answer that it gives starts a run, once.
func TestATriggerAsksTheWorld(t *testing.T) {
	w := newWorld(t)
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	f := &flows{t, p, "http://" + p.Addrs()["http"]}
	f.put("watch", "", fmt.Sprintf(`"ask": {"type": "Http", "recurrence": {"frequency": "Hour", "interval": 1}, "inputs": {"method": "GET", "uri": "%s/items"}}`, w.URL),
		`"A": {"type": "Compose", "inputs": "@triggerBody()['n']"}`)
	for deadline := time.Now().Add(30 * time.Second); f.runs("watch")["Succeeded"] < 3; {
		if time.Now().After(deadline) {
			t.Fatalf("the runs are %v", f.runs("watch"))
		}
	}
	if n := f.runs("watch")["Succeeded"]; n != 3 {
		t.Errorf("%d runs", n)
	}
}

// Workflows believe the node's own authority, and call whom the node lets them.
func TestWhomWorkflowsCall(t *testing.T) {
	w := newWorld(t)
	var log record
	o := options(t, &log)
	o.HTTPS = "localhost:0"
	p := start(t, o)
	defer http.DefaultClient.CloseIdleConnections()
	f := &flows{t, p, "http://" + p.Addrs()["http"]}
	ask := `"A": {"type": "Http", "inputs": {"method": "GET", "uri": "%s", "retryPolicy": {"type": "none"}}}, "R": {"type": "Response", "kind": "Http", "runAfter": {"A": ["Succeeded", "Failed"]}, "inputs": {"statusCode": 200, "body": "@actions('A')['code']"}}`
	f.put("own", "", request, fmt.Sprintf(ask, "https://"+p.Addrs()["https"]+"/healthz/ready"))
	if status, answer := f.call("own", "{}"); status != 200 || answer != "OK" {
		t.Errorf("the node's own door: %d %s", status, answer)
	}

	o = options(t, &log)
	o.WorkflowReachNot = []string{"127.0.0.0/8", "::1"}
	p = start(t, o)
	f = &flows{t, p, "http://" + p.Addrs()["http"]}
	f.put("shut", "", request, fmt.Sprintf(ask, w.URL+"/op"))
	if status, answer := f.call("shut", "{}"); status != 200 || answer != "AddressNotAllowed" {
		t.Errorf("shut out: %d %s", status, answer)
	}

	for _, wrong := range []func(*Options){
		func(o *Options) { o.WorkflowReach = []string{"10.0.0.0/99"} },
		func(o *Options) { o.WorkflowReachNot = []string{"localhost"} },
		func(o *Options) { o.WorkflowCAs = []string{"/nowhere"} },
	} {
		o := options(t, &log)
		wrong(&o)
		p, err := New(o)
		if err == nil {
			err = p.Start(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), "--workflow-") {
			t.Errorf("started with %v: %v", o.WorkflowReach, err)
		}
		if p != nil {
			_ = p.Stop(context.Background())
		}
	}
}
