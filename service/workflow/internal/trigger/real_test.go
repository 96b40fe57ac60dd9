package trigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
)

// real is a host on a log in memory with its triggers, as a node has them.
type real struct {
	t *testing.T
	*host.Host
	m    *Manager
	at   *replicatest.Location
	name string
	o    *outside
	end  func()
}

// hosted runs a test with a real host in a bubble of its own time.
func hosted(t *testing.T, f func(r *real)) {
	synctest.Test(t, func(t *testing.T) {
		r := &real{t: t, at: replicatest.NewLocation(), name: "east", o: &outside{e: newEstate(t)}}
		r.o.e.gain("east")
		r.open()
		f(r)
		r.end()
	})
}

func (r *real) open() {
	set, err := host.NewSet(r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	r.Host = host.New(host.Options{Unit: "unit", Scope: "/g", Location: r.name, Connectors: set, Logger: logger})
	o := r.at.Options("n1", r.Machine())
	o.OnGain, o.OnWake = r.Gained, r.Woken
	unit := replica.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	wait := r.Start(ctx, unit)
	r.m = New(Options{Host: r.Host, Connectors: r.o, Location: r.name, Logger: logger, Callback: func(v host.View, trigger string) string { return "https://" + r.name + "/" + v.Name + "/" + trigger }})
	waitToo := r.m.Start(ctx)
	unit.Start()
	r.end = func() {
		unit.Abort()
		cancel()
		wait()
		waitToo()
	}
	after(time.Second)
	if _, owned := r.Owned(); !owned {
		r.t.Fatal("the unit is not owned")
	}
}

// again ends the process as a crash does and starts it again after a while.
func (r *real) again(pause time.Duration) {
	r.end()
	after(pause)
	r.open()
}

func (r *real) put(name, triggers, actions string) {
	r.t.Helper()
	definition := `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "triggers": ` + triggers + `, "actions": ` + actions + `}`
	if err := r.Put(context.Background(), host.Declared{Name: name, ID: "/g/" + name, Definition: []byte(definition)}); err != nil {
		r.t.Fatal(err)
	}
	after(100 * time.Millisecond)
}

// outputs gives what an action of each run gave, the oldest first.
func (r *real) outputs(workflow, action string) string {
	r.t.Helper()
	infos, _, err := r.Runs(workflow, host.RunQuery{Most: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for k := len(infos) - 1; k >= 0; k-- {
		actions, err := r.Actions(context.Background(), workflow, infos[k].Name)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, a := range actions {
			if a.Name == action {
				data, err := r.Content(context.Background(), a.OutputsContent)
				if err != nil {
					r.t.Fatal(err)
				}
				all = append(all, string(data))
			}
		}
	}
	return strings.Join(all, " ")
}

func request(method, path, kind, body string) Incoming {
	in := Incoming{Method: method, Path: path, Header: http.Header{"X-One": {"1"}, "Authorization": {"Bearer secret"}}, Query: url.Values{"sig": {"secret"}, "q": {"a", "b"}}, Body: []byte(body)}
	if kind != "" {
		in.Header.Set("Content-Type", kind)
	}
	return in
}

// A request is answered by the workflow's Response, with everything that it brought.
func TestRequests(t *testing.T) {
	hosted(t, func(r *real) {
		r.put("echo", `{"in": {"type": "Request", "kind": "Http", "inputs": {"method": "PUT", "relativePath": "/orders/{id}"}}}`,
			`{"answer": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "body": "@triggerOutputs()"}, "runAfter": {}}}`)
		for _, c := range []struct{ kind, body, want string }{
			{"application/json", `{"b": [1, 2.5]}`, `{"headers":{"Content-Type":"application/json","X-One":"1"},"queries":{"q":"a,b"},"relativePathParameters":{"id":"7"},"body":{"b":[1,2.5]}}`},
			{"text/plain", "héllo", `{"headers":{"Content-Type":"text/plain","X-One":"1"},"queries":{"q":"a,b"},"relativePathParameters":{"id":"7"},"body":"héllo"}`},
			{"", "", `{"headers":{"X-One":"1"},"queries":{"q":"a,b"},"relativePathParameters":{"id":"7"}}`},
		} {
			reply, err := r.m.Request(context.Background(), "echo", "in", request("PUT", "orders/7", c.kind, c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(expression.AppendJSON(nil, reply.Body)); reply.Status != 201 || reply.Run == "" || got != c.want {
				t.Errorf("%d of %q\n got %s\nwant %s", reply.Status, reply.Run, got, c.want)
			}
		}
		reply, err := r.m.Request(context.Background(), "echo", "in", request("PUT", "orders/7", "application/octet-stream", "\x00\x01"))
		if err != nil || !strings.Contains(string(expression.AppendJSON(nil, reply.Body)), `"$content":"AAE="`) {
			t.Errorf("bytes come as %s, %v", expression.AppendJSON(nil, reply.Body), err)
		}
		r.put("silent", `{"in": {"type": "Request", "kind": "Http", "inputs": {}, "conditions": [{"expression": "@not(empty(triggerBody()))"}]}}`, `{}`)
		reply, err = r.m.Request(context.Background(), "silent", "in", request("POST", "", "text/plain", "x"))
		if err != nil || reply.Status != 202 || !reply.Accepted || reply.Run == "" {
			t.Errorf("without a Response: %+v, %v", reply, err)
		}
		reply, err = r.m.Request(context.Background(), "silent", "in", request("POST", "", "", ""))
		if err != nil || reply.Status != 202 || !reply.Accepted || reply.Run != "" {
			t.Errorf("what a condition skips: %+v, %v", reply, err)
		}
		r.put("many", `{"in": {"type": "Request", "kind": "Http", "inputs": {}, "splitOn": "@triggerBody()"}}`, `{"c": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}}`)
		reply, err = r.m.Request(context.Background(), "many", "in", request("POST", "", "application/json", `[1, 2, 3]`))
		if err != nil || reply.Status != 202 || !reply.Accepted {
			t.Errorf("what is split: %+v, %v", reply, err)
		}
		after(time.Second)
		expect(t, r.outputs("many", "c"), "1 2 3")
	})
}

func TestRequestsRefused(t *testing.T) {
	hosted(t, func(r *real) {
		r.put("a", `{"in": {"type": "Request", "kind": "Http", "operationOptions": "EnableSchemaValidation", "inputs": {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}}, "tick": {"type": "Recurrence", "recurrence": {"frequency": "Month", "interval": 1}}}`, `{}`)
		r.put("off", `{"in": {"type": "Request", "kind": "Http", "inputs": {}}}`, `{}`)
		if err := r.Put(context.Background(), host.Declared{Name: "off", ID: "/g/off", Disabled: true, Definition: []byte(`{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "triggers": {"in": {"type": "Request"}}, "actions": {}}`)}); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		for _, c := range []struct {
			workflow, trigger string
			in                Incoming
			want              string
		}{
			{"none", "in", request("POST", "", "", ""), "404 WorkflowTriggerNotFound"},
			{"a", "none", request("POST", "", "", ""), "404 WorkflowTriggerNotFound"},
			{"a", "tick", request("POST", "", "", ""), "400 TriggerTypeNotRequest"},
			{"off", "in", request("POST", "", "", ""), "400 WorkflowTriggerIsNotEnabled"},
			{"a", "in", request("GET", "", "", ""), "400 TriggerRequestMethodNotValid"},
			{"a", "in", request("POST", "x", "", ""), "404 TriggerRelativePathNotMatched"},
			{"a", "in", request("POST", "", "application/json", `{"n": "x"}`), "400 TriggerInputSchemaMismatch"},
			{"a", "in", request("POST", "", "application/json", `{"n": `), "400 InvalidRequestContent"},
			{"a", "in", request("POST", "", "text/plain", `x`), "400 InvalidRequestContent"},
		} {
			_, err := r.m.Request(context.Background(), c.workflow, c.trigger, c.in)
			refused, ok := errors.AsType[*Refusal](err)
			if !ok || fmt.Sprint(refused.Status, " ", refused.Code) != c.want {
				t.Errorf("%s %s: %v, wants %s", c.workflow, c.trigger, err, c.want)
			}
		}
	})
}

// The triggers of a real host: their times, their memories and their histories.
func TestTriggersOfAHost(t *testing.T) {
	hosted(t, func(r *real) {
		r.put("ticks", `{"tick": {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 1}}}`, `{"c": {"type": "Compose", "inputs": "@trigger()['scheduledTime']", "runAfter": {}}}`)
		r.o.looks = feed(10)
		r.put("polls", polls, `{"c": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}}`)
		after(90 * time.Second)
		r.again(10 * time.Minute)
		after(time.Minute)
		expect(t, r.outputs("polls", "c"), "0 1 2 3 4 5 6 7 8 9")
		if got := strings.Fields(r.outputs("ticks", "c")); len(got) != 4 {
			t.Errorf("the recurrence fired at %v", got)
		}
		info, err := r.Trigger("ticks", "tick")
		if err != nil || info.Due.Sub(time.Now()) > time.Minute || info.Due.Before(time.Now()) {
			t.Errorf("it is due at %s, %v", info.Due, err)
		}
		histories, err := r.TriggerHistories("polls", "p", 100)
		if err != nil || len(histories) < 11 {
			t.Errorf("%d firings are in the history, %v", len(histories), err)
		}
	})
}

// Another location takes over: what was due before is not fired there, windows are all
// there, and who calls back is told the new address.
func TestATakeover(t *testing.T) {
	hosted(t, func(r *real) {
		began := time.Now()
		s := newService(r.o)
		r.put("ticks", `{"tick": {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 1}}}`, `{"c": {"type": "Compose", "inputs": "@trigger()['scheduledTime']", "runAfter": {}}}`)
		r.put("windows", `{"w": {"type": "SlidingWindow", "recurrence": {"frequency": "Minute", "interval": 1}}}`, `{"c": {"type": "Compose", "inputs": "@trigger()['outputs']['windowEndTime']", "runAfter": {}}}`)
		r.put("hooks", hooks, `{}`)
		after(90*time.Second - time.Since(began))
		expect(t, s.has(), "https://east/hooks/h")
		r.name = "west"
		r.again(5 * time.Minute)
		after(2 * time.Minute)
		expect(t, s.has(), "https://west/hooks/h")
		for workflow, want := range map[string]string{"ticks": "0 1 7 8", "windows": "1 2 3 4 5 6 7 8"} {
			var got []string
			for _, at := range strings.Fields(r.outputs(workflow, "c")) {
				x, err := time.Parse(time.RFC3339Nano, strings.Trim(at, `"`))
				if err != nil {
					t.Error(err)
				}
				got = append(got, fmt.Sprint(int(x.Sub(began)/time.Minute)))
			}
			expect(t, strings.Join(got, " "), want)
		}
	})
}

// Items with locks, a trigger that lets two runs go on at once and one wait, and a crash:
// each item has one run, and is settled when that has ended.
func TestItemsOfAHost(t *testing.T) {
	hosted(t, func(r *real) {
		q := &queue{lock: 20 * time.Second}
		r.o.looks = q.look
		q.send("a", "b", "c", "d", "e")
		r.put("w", strings.Replace(pushed, `"kind": "Push"`, `"kind": "Push", "runtimeConfiguration": {"concurrency": {"runs": 2, "maximumWaitingRuns": 1}}`, 1),
			`{"c": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}, "w": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Minute"}}, "runAfter": {"c": ["Succeeded"]}}}`)
		after(30 * time.Second)
		expect(t, r.outputs("w", "c"), `"a" "b"`)
		r.again(10 * time.Second)
		after(6 * time.Minute)
		expect(t, r.outputs("w", "c"), `"a" "b" "c" "d" "e"`)
		if got := strings.Split(q.told(), ", "); len(got) != 5 || strings.Contains(q.told(), "false") {
			t.Errorf("settled %v", got)
		}
	})
}

var _ connector.Poller = (*outside)(nil)
