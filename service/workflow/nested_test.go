package workflow

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"weir/kernel/resource"
	"weir/service/workflow/connector"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// defined is a definition of actions, started by a request.
func defined(actions string) any {
	return mustRaw(fmt.Sprintf(`{%s, "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}}, "actions": {%s}}`, schema, actions))
}

const workflows = group + "/providers/Microsoft.Logic/workflows/"

// parentOf calls a child and answers with what it got.
func parentOf(child, more string) string {
	return fmt.Sprintf(`"Child": {"type": "Workflow", "inputs": {"host": {"workflow": {"id": %q}, "triggerName": "in"}, "body": {"n": "@triggerBody()"}, "retryPolicy": {"type": "none"}}%s},
	  "R": {"type": "Response", "kind": "Http", "runAfter": {"Child": ["Succeeded", "Failed"]}, "inputs": {"statusCode": 200, "body": {"status": "@actions('Child')['status']", "code": "@actions('Child')?['code']", "outputs": "@outputs('Child')"}}}`, child, more)
}

func TestWorkflowsCallEachOther(t *testing.T) {
	h := newHouse(t)
	h.declare(workflows+"child", map[string]any{"definition": defined(`"R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "headers": {"a": "b"}, "body": "@mul(triggerBody()['n'], 2)"}},
	  "Then": {"type": "Compose", "inputs": "@int('x')", "runAfter": {"R": ["Succeeded"]}}`)})
	h.declare(workflows+"silent", map[string]any{"definition": defined(`"A": {"type": "Compose", "inputs": 1}`)})
	h.declare(workflows+"broken", map[string]any{"definition": defined(`"A": {"type": "Compose", "inputs": "@int('x')"}, "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}, "runAfter": {"A": ["Succeeded"]}}`)})
	h.declare(workflows+"slow", map[string]any{"definition": defined(`"W": {"type": "Wait", "inputs": {"interval": {"count": 3, "unit": "Second"}}}, "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": "late"}, "runAfter": {"W": ["Succeeded"]}}`)})
	h.declare(workflows+"off", map[string]any{"state": "Disabled", "definition": defined(`"R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}}`)})
	for _, k := range []struct{ child, want string }{
		{"child", `{"code":"Created","outputs":{"statusCode":201,"headers":{"a":"b"},"body":42},"status":"Succeeded"}`},
		{"silent", `{"code":"Accepted","outputs":{"statusCode":202},"status":"Succeeded"}`},
		{"broken", `{"code":"BadGateway","outputs":{"statusCode":502,"body":{"error":{"code":"NoResponse","message":"*"}}},"status":"Failed"}`},
		{"slow", `{"code":"OK","outputs":{"statusCode":200,"body":"late"},"status":"Succeeded"}`},
		{"off", `{"code":"BadRequest","outputs":{"statusCode":400,"body":{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"*"}}},"status":"Failed"}`},
		{"missing", `{"code":"NotFound","outputs":{"statusCode":404,"body":{"error":{"code":"WorkflowNotFound","message":"*"}}},"status":"Failed"}`},
	} {
		t.Run(k.child, func(t *testing.T) {
			id := h.declare(workflows+"parent", map[string]any{"definition": defined(parentOf(workflows+k.child, ""))})
			if got := masked(h.fire(id, int64(21)).Body); got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
		})
	}
}

// A workflow that starts itself comes to an end.
func TestWorkflowsEndStartingThemselves(t *testing.T) {
	h := newHouse(t)
	id := h.declare(workflows+"loop", map[string]any{"definition": defined(parentOf(workflows+"loop", ""))})
	h.fire(id, int64(1))
	runs, _, err := h.spaceOf(id).host.Runs("loop", host.RunQuery{Most: 200})
	if err != nil || len(runs) != 31 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// A parent that goes on after a restart finds the child that it had started, and no second one is.
func TestAChildIsStartedOnce(t *testing.T) {
	h := newHouse(t)
	child := h.declare(workflows+"child", map[string]any{"definition": defined(`"W": {"type": "Wait", "inputs": {"interval": {"count": 4, "unit": "Second"}}}, "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": "done"}, "runAfter": {"W": ["Succeeded"]}}`)})
	id := h.declare(workflows+"parent", map[string]any{"definition": defined(`"Child": {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "child"}}, "body": 1}}`)})
	names, err := h.spaceOf(id).host.Fire(h.within(), host.Firing{Workflow: "parent", Trigger: "in", Outputs: nothing})
	h.must(err)
	for {
		runs, _, err := h.spaceOf(child).host.Runs("child", host.RunQuery{})
		h.must(err)
		if len(runs) > 0 {
			break
		}
	}
	h.must(h.Service.Stop(h.within()))
	h.start()
	h.must(h.awaitSettled(h.within(), id))
	for {
		i, err := h.spaceOf(id).host.Run(h.within(), "parent", names[0])
		h.must(err)
		if i.Status.Ended() {
			if i.Status != run.Succeeded {
				t.Errorf("the parent is %+v", i)
			}
			break
		}
		if h.within().Err() != nil {
			t.Fatal("the parent does not end")
		}
		h.must(h.awaitSettled(h.within(), id))
	}
	runs, _, err := h.spaceOf(child).host.Runs("child", host.RunQuery{})
	if err != nil || len(runs) != 1 || runs[0].Status != run.Succeeded {
		t.Errorf("the children are %+v, %v", runs, err)
	}
}

func TestMessagesForABatch(t *testing.T) {
	h := newHouse(t)
	gather := h.declare(workflows+"gather", map[string]any{"definition": mustRaw(fmt.Sprintf(`{%s, "triggers": {"all": {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {"b": {"releaseCriteria": {"messageCount": 3}}}}}},
	  "actions": {"A": {"type": "Compose", "inputs": "@length(triggerBody()['items'])"}}}`, schema))})
	id := h.declare(workflows+"send", map[string]any{"definition": defined(`"Each": {"type": "Foreach", "foreach": "@triggerBody()", "actions": {
	  "Send": {"type": "SendToBatch", "inputs": {"batchName": "b", "content": {"n": "@item()"}, "host": {"triggerName": "all", "workflow": {"id": "` + workflows + `gather"}}}}}},
	  "R": {"type": "Response", "kind": "Http", "runAfter": {"Each": ["Succeeded", "Failed"]}, "inputs": {"statusCode": 200, "body": "@actions('Each')['status']"}}`)})
	if r := h.fire(id, []any{int64(1), int64(2), int64(3)}); r.Body != "Succeeded" {
		t.Fatalf("%+v", r)
	}
	for {
		runs, _, err := h.spaceOf(gather).host.Runs("gather", host.RunQuery{})
		h.must(err)
		if len(runs) == 1 && runs[0].Status.Ended() {
			if runs[0].Status != run.Succeeded {
				t.Errorf("%+v", runs[0])
			}
			return
		}
		if h.within().Err() != nil {
			t.Fatal("no batch is let go")
		}
		h.must(h.awaitSettled(h.within(), id))
	}
}

// nothing is one firing without a body.
var nothing = []*expression.Object{{}}

var sentence = regexp.MustCompile(`"message":"[^"]+"`)

// masked is a value as JSON, without what sentences say.
func masked(v any) string {
	return sentence.ReplaceAllString(string(expression.AppendJSON(nil, v)), `"message":"*"`)
}

// second starts a second node of the location, which owns nothing, and passes on to the
// first what that one decides about.
func (h *house) second() *Nesting {
	h.t.Helper()
	door := h.Service.Door(Doors{Refuse: func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 500) }})
	var n Nesting
	s, err := New(Options{
		Registry: here{h.registry}, Open: h.openUnit, Node: "n2", Address: "there", Location: "north", Connectors: []connector.Connector{echo{}, nested.New(nested.Options{Calls: &n})}, Logger: h.logger(),
		PassHTTP: func(w http.ResponseWriter, r *http.Request, unit, to string) {
			if to != "here" || !door.TakesPassed(r) {
				http.Error(w, "not here", 404)
				return
			}
			door.ServePassed(w, r)
		},
	})
	h.must(err)
	n.Bind(s)
	h.must(s.Start(h.t.Context()))
	h.t.Cleanup(func() { _ = s.Stop(context.Background()) })
	for s.spaceOf(resource.MustID(workflows+"child")) == nil {
		h.must(h.within().Err())
		h.must(h.Applied(h.within(), resource.MustID(workflows+"child")))
	}
	return &n
}

// What another node decides about is asked of that node: the same run, however often.
func TestWorkflowsOfAnotherNode(t *testing.T) {
	h := newHouse(t)
	h.declare(workflows+"child", map[string]any{"definition": defined(`"W": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Second"}}}, "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "headers": {"a": "b"}, "body": "@triggerBody()"}, "runAfter": {"W": ["Succeeded"]}}`)})
	gather := h.declare(workflows+"gather", map[string]any{"definition": mustRaw(fmt.Sprintf(`{%s, "triggers": {"all": {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {"b": {"releaseCriteria": {"messageCount": 1}}}}}}, "actions": {}}`, schema))})
	n := h.second()
	name := nested.RunName("08584640926573727105946217888CU00", "k", 1)
	for range 2 {
		r, err := n.Begin(h.within(), nested.Invocation{Workflow: workflows + "child", Run: name, Body: "hé"})
		if err != nil || !r.Pending {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	gone, cancel := context.WithCancel(h.within())
	cancel()
	if r, err := n.Wait(gone, workflows+"child", name); err != nil || !r.Pending {
		t.Errorf("at once: %+v, %v", r, err)
	}
	r, err := n.Wait(h.within(), workflows+"child", name)
	if err != nil || r.Status != 201 || r.Body != "hé" || masked(r.Headers) != `{"a":"b"}` {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := n.Wait(h.within(), workflows+"child", "08584640926573727105946217888CU01"); err != nil || !r.Missing {
		t.Errorf("no such run: %+v, %v", r, err)
	}
	if r, err := n.Begin(h.within(), nested.Invocation{Workflow: workflows + "none", Run: name}); err != nil || r.Status != 404 {
		t.Errorf("no such workflow: %+v, %v", r, err)
	}
	if r, err := n.Send(h.within(), nested.Message{Workflow: workflows + "gather", Trigger: "all", Batch: "b", ID: "1", Key: "k", Content: int64(1)}); err != nil || !r.Accepted {
		t.Errorf("a message: %+v, %v", r, err)
	}
	runs, _, err := h.spaceOf(gather).host.Runs("child", host.RunQuery{})
	if err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}
