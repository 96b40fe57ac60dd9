package nested

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

const (
	group  = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.Logic/workflows/"
	parent = "08584640926573727105946217888CU00"
)

// children stands for the other workflows: what each run answers, and when.
type children struct {
	begun    []Invocation
	sent     []Message
	answers  map[string]Reply         // by workflow
	takes    map[string]time.Duration // by workflow
	since    map[string]time.Time     // by run
	of       map[string]string        // workflow by run
	failing  int                      // how many calls fail, before or after they took effect
	accepted bool
}

func (c *children) Begin(_ context.Context, i Invocation) (Reply, error) {
	if strings.HasSuffix(i.Workflow, "/none") {
		return Reply{Status: 404, Body: expression.NewObject("error", expression.NewObject("code", "WorkflowNotFound"))}, nil
	}
	if _, there := c.since[i.Run]; !there {
		c.begun = append(c.begun, i)
		c.since[i.Run], c.of[i.Run] = time.Now(), i.Workflow
	}
	if c.failing > 0 {
		c.failing--
		return Reply{}, errors.New("the owner moves")
	}
	if c.accepted {
		return Reply{Accepted: true}, nil
	}
	return Reply{Pending: true}, nil
}

func (c *children) Wait(ctx context.Context, workflow, run string) (Reply, error) {
	if c.failing > 0 {
		c.failing--
		return Reply{}, errors.New("the owner moves")
	}
	at, there := c.since[run]
	if !there {
		return Reply{Missing: true}, nil
	}
	rest := time.Until(at.Add(c.takes[workflow]))
	select {
	case <-time.After(rest):
		return c.answers[workflow], nil
	case <-ctx.Done():
		if rest <= 0 {
			return c.answers[workflow], nil
		}
		return Reply{Pending: true}, nil
	}
}

func (c *children) Send(_ context.Context, m Message) (Reply, error) {
	c.sent = append(c.sent, m)
	return Reply{Accepted: true}, nil
}

func family() *children {
	return &children{answers: map[string]Reply{}, takes: map[string]time.Duration{}, since: map[string]time.Time{}, of: map[string]string{}}
}

func call(t testing.TB, kind, inputs string, attempt int32) *connector.Call {
	t.Helper()
	v, err := expression.ParseJSON(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return &connector.Call{Type: kind, Inputs: v, Who: connector.Who{Workflow: group + "orders", Run: parent, Action: "Child", Attempt: attempt, Key: "k1", ClientTracking: "ct"}}
}

func said(a connector.Answer) string {
	if a.Code != "" {
		return fmt.Sprintf("%s again %t late %t: %s", a.Code, a.Retryable, a.Timeout, a.Message)
	}
	headers := ""
	if a.Headers != nil {
		headers = " " + string(expression.AppendJSON(nil, a.Headers))
	}
	return fmt.Sprintf("%d%s %s", a.Status, headers, expression.AppendJSON(nil, a.Body))
}

const one = `{"host": {"workflow": {"id": "` + group + `child"}, "triggerName": "manual"}, "headers": {"a": "b"}, "body": {"n": 1}}`

func TestAnswer(t *testing.T) {
	f := family()
	f.answers[group+"child"] = Reply{Status: 201, Headers: expression.NewObject("x", "y"), Body: "done"}
	c := New(Options{Calls: f})
	if got := said(c.Do(t.Context(), call(t, "Workflow", one, 1))); got != `201 {"x":"y"} "done"` {
		t.Errorf("got %s", got)
	}
	i := f.begun[0]
	if i.Workflow != group+"child" || i.Trigger != "manual" || i.Run != RunName(parent, "k1", 1) || i.Tracking != "ct" {
		t.Errorf("%+v", i)
	}
	if got := string(expression.AppendJSON(nil, i.Headers)); got != `{"a":"b","x-ms-client-tracking-id":"ct","x-ms-workflow-name":"orders","x-ms-workflow-run-id":"`+parent+`","x-ms-workflow-operation-name":"Child"}` {
		t.Errorf("the child is given %s", got)
	}
	// By its name alone, as in a site.
	if got := said(c.Do(t.Context(), call(t, "InvokeWorkflow", `{"host": {"workflow": {"id": "child"}}}`, 1))); got != `201 {"x":"y"} "done"` {
		t.Errorf("by its name: %s", got)
	}
	f.accepted = true
	if got := said(c.Do(t.Context(), call(t, "Workflow", strings.ReplaceAll(one, "child", "silent"), 1))); got != "202 null" {
		t.Errorf("without a Response: %s", got)
	}
	if got := said(c.Do(t.Context(), call(t, "Workflow", strings.ReplaceAll(one, "child", "none"), 1))); got != `404 {"error":{"code":"WorkflowNotFound"}}` {
		t.Errorf("without a workflow: %s", got)
	}
}

// However often an attempt is made, and whatever is not known of it, one run is started;
// a further attempt goes on with it until it has failed.
func TestOneRunForAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := family()
		f.answers[group+"child"] = Reply{Status: 200, Body: "slow"}
		f.takes[group+"child"] = time.Minute
		f.failing = 2 // begun, but nobody said so
		c := New(Options{Calls: f})
		for range 3 {
			if a := c.Do(t.Context(), call(t, "Workflow", one, 1)); a.Status != 202 {
				t.Fatalf("%+v", a)
			}
		}
		if a := c.Do(t.Context(), call(t, "Workflow", one, 2)); a.Status != 202 || !strings.Contains(expression.Text(a.Headers.Members[0].Value), RunName(parent, "k1", 1)) {
			t.Fatalf("the second attempt: %+v", a)
		}
		time.Sleep(time.Minute)
		if got := said(c.Do(t.Context(), call(t, "Workflow", one, 3))); got != `200 "slow"` {
			t.Errorf("the third: %s", got)
		}
		if len(f.begun) != 1 {
			t.Fatalf("%d runs were started", len(f.begun))
		}
		f.answers[group+"child"] = Reply{Status: 500}
		if a := c.Do(t.Context(), call(t, "Workflow", one, 2)); a.Status != 202 || len(f.begun) != 2 || f.begun[1].Run != RunName(parent, "k1", 2) {
			t.Errorf("after a failure: %+v, %d runs", a, len(f.begun))
		}
	})
}

// A child that takes long is asked for, ever more seldom, and not held a call for.
func TestLongChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := family()
		f.answers[group+"child"] = Reply{Status: 200, Body: "late"}
		f.takes[group+"child"] = 10 * time.Minute
		c := New(Options{Calls: f})
		x := call(t, "Workflow", one, 1)
		a := c.Do(t.Context(), x)
		asked, longest := 0, time.Duration(0)
		for a.Status == 202 {
			location, _ := a.Headers.Get("Location")
			after, _ := a.Headers.Get("Retry-After")
			var seconds int
			fmt.Sscan(after.(string), &seconds)
			longest = max(longest, time.Duration(seconds)*time.Second)
			time.Sleep(time.Duration(seconds) * time.Second)
			asked++
			a = c.Do(t.Context(), &connector.Call{Step: connector.Ask, Type: "Workflow", URL: location.(string), Who: x.Who})
		}
		if got := said(a); got != `200 "late"` || asked > 25 || longest != time.Minute {
			t.Errorf("%s, asked %d times, at most every %s", got, asked, longest)
		}
	})
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := family()
		f.takes[group+"child"] = time.Hour
		c := New(Options{Calls: f})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		x := call(t, "Workflow", one, 1)
		x.Options = []string{"DisableAsyncPattern"}
		if a := c.Do(ctx, x); a.Code != "ActionTimedOut" || !a.Timeout || time.Since(time.Time{}) < 0 {
			t.Errorf("a synchronous call: %+v", a)
		}
		f.failing = 1 << 30
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if a := c.Do(late, call(t, "Workflow", one, 1)); a.Code != "WorkflowUnavailable" || !a.Timeout || !a.Retryable {
			t.Errorf("nobody to be reached: %+v", a)
		}
		f.failing = 0
		if a := c.Do(t.Context(), &connector.Call{Step: connector.Ask, URL: group + "child/runs/nope", Who: connector.Who{Action: "Child"}}); a.Code != "WorkflowRunNotFound" {
			t.Errorf("a run that is gone: %+v", a)
		}
	})
}

func TestRefusals(t *testing.T) {
	c := New(Options{Calls: family()})
	deep := call(t, "Workflow", one, 1)
	deep.Who.Run = strings.TrimSuffix(parent, "00") + "30"
	if a := c.Do(t.Context(), deep); a.Code != "WorkflowNestingTooDeep" || !strings.Contains(a.Message, "30 workflows") {
		t.Errorf("too deep: %+v", a)
	}
	for _, k := range []struct{ kind, inputs, says string }{
		{"Workflow", `[]`, "no object"},
		{"Workflow", `{}`, "no host"},
		{"Workflow", `{"host": {"workflow": {}}}`, "names no workflow"},
		{"Workflow", `{"host": {"workflow": {"id": "a/b"}}}`, "no id and no name"},
		{"Workflow", `{"host": {"workflow": {"id": "/subscriptions/s2/resourceGroups/g/providers/Microsoft.Logic/workflows/x"}}}`, "another subscription"},
		{"Workflow", `{"host": {"workflow": {"id": "x"}}, "extra": 1}`, "'extra'"},
		{"Workflow", `{"host": {"workflow": {"id": "x"}}, "headers": 1}`, "headers"},
		{"SendToBatch", `{"host": {"workflow": {"id": "x"}}, "content": 1}`, "batchName"},
		{"SendToBatch", `{"host": {"workflow": {"id": "x"}}, "batchName": "b"}`, "content"},
	} {
		if a := c.Do(t.Context(), call(t, k.kind, k.inputs, 1)); a.Code != "InvalidInputs" || !strings.Contains(a.Message, k.says) {
			t.Errorf("%s %s: %+v, want it to say %q", k.kind, k.inputs, a, k.says)
		}
	}
	if a := New(Options{}).Do(t.Context(), call(t, "Workflow", one, 1)); a.Code != "NotSupported" {
		t.Errorf("without others: %+v", a)
	}
}

func TestBatch(t *testing.T) {
	f := family()
	c := New(Options{Calls: f})
	inputs := `{"batchName": "b", "content": {"n": 1}, "partitionName": "p", "host": {"triggerName": "Batch_messages", "workflow": {"id": "` + group + `gather"}}}`
	for range 2 {
		if got := said(c.Do(t.Context(), call(t, "SendToBatch", inputs, 1))); got != "202 null" {
			t.Errorf("got %s", got)
		}
	}
	for _, m := range f.sent {
		if m.Workflow != group+"gather" || m.Trigger != "Batch_messages" || m.Batch != "b" || m.Partition != "p" || m.ID != "k1" || m.Key != "k1" {
			t.Errorf("%+v", m)
		}
	}
}

func TestNames(t *testing.T) {
	a := RunName(parent, "k", 1)
	if len(a) != len(parent) || !strings.HasSuffix(a, "CU01") || Depth(a) != 1 || Depth(parent) != 0 || Depth(RunName(a, "k", 1)) != 2 {
		t.Errorf("%s", a)
	}
	if a != RunName(parent, "k", 1) || a == RunName(parent, "k", 2) || a == RunName(parent, "l", 1) {
		t.Error("names do not follow from the attempt")
	}
	seen := map[string]bool{}
	for i := range 20_000 {
		seen[RunName(parent, fmt.Sprint(i), 1)] = true
	}
	if len(seen) != 20_000 {
		t.Errorf("%d names for 20000 runs", len(seen))
	}
}
