package rest

import (
	"strings"
	"testing"
)

const echo = manual + `"actions": {
	"Take": {"type": "Compose", "inputs": "@add(triggerBody()?['n'], 1)"},
	"Answer": {"type": "Response", "inputs": {"statusCode": 201, "headers": {"x-own": "h"}, "body": {"n": "@outputs('Take')"}}, "runAfter": {"Take": ["Succeeded"]}}
}, "outputs": {"twice": {"type": "Int", "value": "@mul(outputs('Take'), 2)"}}`

// A call of a Request trigger is answered by the run, which its history then shows.
func TestCall(t *testing.T) {
	s := newStage(t)
	s.put("orders", echo)
	where := s.json("POST", prefix+"orders/triggers/manual/listCallbackUrl", "")
	if at(where, "method") != "POST" || at(where, "queries", "sv") != "1.0" || at(where, "queries", "sp") != "/triggers/manual/run" || !strings.HasPrefix(at(where, "value").(string), at(where, "basePath").(string)+"?api-version=2016-10-01&sp=") {
		t.Errorf("called at %v", where)
	}
	g := s.gets(201, `{"n":5}`, "POST", at(where, "value").(string), `{"n": 4}`, "x-ms-client-tracking-id", "mine")
	name := g.header.Get("x-ms-workflow-run-id")
	if g.header.Get("x-own") != "h" || name == "" || g.header.Get("x-ms-client-tracking-id") != "mine" || g.header.Get("x-ms-workflow-name") != "orders" || g.header.Get("x-ms-trigger-history-name") != name || !strings.HasPrefix(g.header.Get("x-ms-workflow-system-id"), "/locations/west/workflows/") {
		t.Errorf("answered with %v", g.header)
	}
	o := s.ended("orders", name)
	if at(o, "id") != prefix+"orders/runs/"+name || at(o, "type") != "Microsoft.Logic/workflows/runs" || at(o, "name") != name ||
		at(o, "properties", "status") != "Succeeded" || at(o, "properties", "correlation", "clientTrackingId") != "mine" || at(o, "properties", "trigger", "name") != "manual" ||
		at(o, "properties", "outputs", "twice", "value") != 10.0 || at(o, "properties", "code") != nil || at(o, "properties", "endTime") == nil {
		t.Errorf("the run is %s", indented(o))
	}
	if got := s.fetch(at(o, "properties", "trigger", "outputsLink")); !strings.Contains(got, `"body":{"n":4}`) || strings.Contains(got, "sig") {
		t.Errorf("the trigger's outputs are %s", got)
	}
	a := s.json("GET", prefix+"orders/runs/"+name+"/actions/Take", "")
	if at(a, "properties", "status") != "Succeeded" || at(a, "properties", "code") != "OK" || at(a, "properties", "canResubmit") != true || at(a, "properties", "correlation", "actionTrackingId") == nil ||
		s.fetch(at(a, "properties", "inputsLink")) != "5" || s.fetch(at(a, "properties", "outputsLink")) != "5" {
		t.Errorf("the action is %s", indented(a))
	}
	if hash := at(a, "properties", "outputsLink", "contentHash", "value"); hash != "5No7f7vOI0XXdysGdKMY1Q==" || at(a, "properties", "outputsLink", "contentVersion") != `"5No7f7vOI0XXdysGdKMY1Q=="` {
		t.Errorf("the content hashes to %v", hash)
	}
	list := s.json("GET", prefix+"orders/runs/"+name+"/actions", "")
	if rows, _ := at(list, "value").([]any); len(rows) != 2 || at(rows, 0, "name") != "Take" || at(rows, 1, "properties", "canResubmit") != false {
		t.Errorf("the actions are %s", indented(list))
	}
	traces := s.json("POST", prefix+"orders/runs/"+name+"/actions/Take/listExpressionTraces", "")
	if at(traces, "inputs", 0, "value") != 5.0 || at(traces, "inputs", 0, "text") == nil || at(traces, "inputs", 0, "subexpressions") == nil {
		t.Errorf("the traces are %s", indented(traces))
	}
	expanded := s.json("GET", prefix+"orders/runs/"+name+"?$expand=properties/actions,workflow/properties", "")
	if at(expanded, "properties", "actions", "Take", "status") != "Succeeded" || at(expanded, "properties", "workflow", "properties", "definition", "contentVersion") != "1.0.0.0" {
		t.Errorf("expanded: %s", indented(expanded))
	}
}

// What is wrong with a call is said in the cloud's words, and nothing is started.
func TestCallsThatAreRefused(t *testing.T) {
	s := newStage(t)
	s.put("orders", echo)
	good := s.callURL("orders", "manual")
	change := func(name, value string) string {
		u := mustURL(good)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	s.gets(401, "DirectApiAuthorizationRequired", "POST", change("sig", "x"), `{}`)
	s.gets(401, "DirectApiAuthorizationRequired", "POST", strings.Split(good, "?")[0], `{}`)
	s.gets(404, "WorkflowNotFound", "POST", s.server.URL+"/workflows/"+strings.Repeat("0", 32)+"/triggers/manual/paths/invoke?sig=x", `{}`)
	s.gets(400, "TriggerRequestMethodNotValid", "GET", good, "")
	s.gets(401, "", "POST", strings.Replace(good, "/triggers/manual/", "/triggers/other/", 1), `{}`)
	s.gets(404, "TriggerRelativePath", "POST", strings.Replace(good, "/paths/invoke", "/paths/invoke/more", 1), `{}`)
	s.gets(400, "InvalidRequestContent", "POST", good, `{"n": `)
	if list := s.json("GET", prefix+"orders/runs", ""); len(at(list, "value").([]any)) != 0 {
		t.Errorf("runs were started: %v", list)
	}
	s.gets(200, "", "POST", prefix+"orders/regenerateAccessKey", `{"keyType": "Primary"}`)
	s.gets(401, "was regenerated", "POST", good, `{"n": 1}`)
	s.gets(201, "", "POST", s.callURL("orders", "manual"), `{"n": 1}`)
	past := s.ask("POST", prefix+"orders/listCallbackUrl", `{"notAfter": "2020-01-01T00:00:00Z"}`)
	if past.status != 400 || !strings.Contains(past.body, "has passed") {
		t.Errorf("%d %s", past.status, past.body)
	}
}

// A run goes on when the webhook of an action is called, once.
func TestActionCalledBack(t *testing.T) {
	s := newStage(t)
	s.put("hooks", manual+`"actions": {
		"Wait for it": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "http://there/subscribe", "body": "@listCallbackUrl()"}, "unsubscribe": {}}},
		"Then": {"type": "Compose", "inputs": "@body('Wait for it')", "runAfter": {"Wait for it": ["Succeeded"]}}}`)
	name := s.start("hooks", `{}`)
	where := s.hook("hooks", name, "Wait_for_it")
	s.gets(401, "", "POST", strings.Replace(where, "at=", "at=1", 1), `{"x": 1}`)
	s.gets(200, "", "POST", where, `{"x": 1}`)
	if o := s.ended("hooks", name); at(o, "properties", "status") != "Succeeded" {
		t.Errorf("%s", indented(o))
	}
	then := s.json("GET", prefix+"hooks/runs/"+name+"/actions/Then", "")
	if got := s.fetch(at(then, "properties", "outputsLink")); got != `{"x":1}` {
		t.Errorf("the webhook gave %s", got)
	}
	s.gets(409, "WorkflowRunActionNotWaiting", "POST", where, `{"x": 2}`)
}

// A Response that is asynchronous is asked for at an address that the call was answered with.
func TestAnswerLater(t *testing.T) {
	s := newStage(t)
	s.put("slow", manual+`"actions": {
		"Wait for it": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "http://there/subscribe", "body": "@listCallbackUrl()"}, "unsubscribe": {}}},
		"Answer": {"type": "Response", "operationOptions": "Asynchronous", "inputs": {"statusCode": 203, "headers": {"x-own": "h"}, "body": "@body('Wait for it')"}, "runAfter": {"Wait for it": ["Succeeded"]}}}`)
	g := s.gets(202, "", "POST", s.callURL("slow", "manual"), `{}`)
	where, name := g.header.Get("Location"), g.header.Get("x-ms-workflow-run-id")
	if where == "" || g.header.Get("Retry-After") == "" {
		t.Fatalf("answered with %v", g.header)
	}
	if again := s.gets(202, "", "GET", where, ""); again.header.Get("Location") != where {
		t.Errorf("asked again at %q", again.header.Get("Location"))
	}
	s.gets(401, "", "GET", strings.Replace(where, "sig=", "sig=x", 1), "")
	s.gets(405, "", "POST", where, "{}")
	s.gets(200, "", "POST", s.hook("slow", name, "Wait_for_it"), `{"x": 1}`)
	s.ended("slow", name)
	if got := s.gets(203, `{"x":1}`, "GET", where, ""); got.header.Get("x-own") != "h" || got.header.Get("x-ms-workflow-run-id") != name {
		t.Errorf("answered with %v", got.header)
	}
	s.put("slow", manual+`"actions": {"Fail": {"type": "Http", "inputs": {"method": "GET", "uri": "http://there/fail", "retryPolicy": {"type": "none"}}},
		"Answer": {"type": "Response", "operationOptions": "Asynchronous", "inputs": {"statusCode": 200}, "runAfter": {"Fail": ["Succeeded"]}}}`)
	g = s.gets(202, "", "POST", s.callURL("slow", "manual"), `{}`)
	s.ended("slow", g.header.Get("x-ms-workflow-run-id"))
	s.gets(502, "NoResponse", "GET", g.header.Get("Location"), "")
}
