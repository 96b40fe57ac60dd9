package host

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// limited is a workflow of which one runs and two wait.
const limited = `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
 "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}, "runtimeConfiguration": {"concurrency": {"runs": 1, "maximumWaitingRuns": 2}}}},
 "actions": {"A": {"type": "Http", "inputs": {"method": "POST", "uri": "https://there.example", "body": "@triggerBody()"}}}}`

func TestRunsThatMustWaitGoInTheirOrder(t *testing.T) {
	s := newStage(t)
	var order []string
	hold := make(chan struct{})
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		body, _ := c.Inputs.(*expression.Object).Get("body")
		order = append(order, expression.Text(body)) // one at a time
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return connector.Answer{Status: 200}
	}
	s.must(s.Put(s.within(), Declared{Name: "One", ID: "/g/one", Definition: []byte(limited)}))
	type started struct {
		name  string
		ended <-chan run.Status
	}
	var all []started
	for _, body := range []string{"a", "b", "c"} {
		name, ended := s.fire("one", body)
		all = append(all, started{name, ended})
	}
	if room := s.Room("one"); room != 0 {
		t.Errorf("there is room for %d", room)
	}
	_, err := s.Fire(s.within(), Firing{Workflow: "one", Trigger: "in", Outputs: []*expression.Object{{}}, SetMemory: true, Memory: []byte("m")})
	if m, _ := s.Trigger("one", "in"); !fault.Is(err, fault.TooManyRequests) || len(m.Memory) != 0 {
		t.Errorf("%v, and the trigger remembers %q", err, m.Memory)
	}
	if i, _ := s.Run(s.within(), "one", all[1].name); i.Status != run.NotStarted {
		t.Errorf("the second is %s", i.Status)
	}
	s.must(s.Cancel(s.within(), "one", all[1].name))
	close(hold)
	s.ends(all[0].name, all[0].ended, run.Succeeded)
	s.ends(all[1].name, all[1].ended, run.Cancelled)
	s.ends(all[2].name, all[2].ended, run.Succeeded)
	if got := strings.Join(order, " "); got != "a c" {
		t.Errorf("the calls are %s", got)
	}
}

// What waited for others when the process died begins in the next one.
func TestRunsThatWaitedBeginInTheNextProcess(t *testing.T) {
	s := newStage(t)
	block := make(chan struct{})
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return connector.Answer{Status: 200}
	}
	s.must(s.Put(s.within(), Declared{Name: "One", ID: "/g/one", Definition: []byte(limited)}))
	first, _ := s.fire("one", "a")
	second, _ := s.fire("one", "b")
	s.end()
	close(block)
	s.open()
	s.await("one", first, run.Succeeded)
	s.await("one", second, run.Succeeded)
}

func TestAnAttemptThatMustNotBeRepeatedIsHeld(t *testing.T) {
	s := newStage(t)
	asked := make(chan struct{}, 10)
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		asked <- struct{}{}
		if c.Who.Attempt > 1 {
			return connector.Answer{Status: 200}
		}
		<-ctx.Done()
		return connector.Answer{}
	}
	s.put("Pay", `"actions": {"A": {"type": "Http", "metadata": {"weir.idempotent": false}, "inputs": {"method": "POST", "uri": "https://there.example"}}}}`)
	var names []string
	for range 2 {
		name, _ := s.fire("pay", 1)
		names = append(names, name)
		<-asked
	}
	s.restart()
	held := func(name string) ActionInfo {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
			actions, err := s.Actions(s.within(), "pay", name)
			s.must(err)
			if len(actions) == 1 && actions[0].Status == run.Suspended {
				return actions[0]
			}
			s.must(s.unit.Call(s.within(), func(*replica.Turn) {}))
		}
		t.Fatalf("%s is not held", name)
		return ActionInfo{}
	}
	at := held(names[0]).At
	held(names[1])
	if len(asked) != 0 {
		t.Error("it was asked again")
	}
	s.must(s.Repeat(s.within(), "pay", names[0], at, nil))
	s.await("pay", names[0], run.Succeeded)
	s.must(s.Repeat(s.within(), "pay", names[1], at, &run.Answer{Status: 200, Body: "paid"}))
	s.await("pay", names[1], run.Succeeded)
	if len(asked) != 1 {
		t.Errorf("it was asked %d times again", len(asked))
	}
	if err := s.Repeat(s.within(), "pay", names[1], at, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("repeated again: %v", err)
	}
}

func TestCallersAreToldWhenTheOwnershipEnds(t *testing.T) {
	s := newStage(t)
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		<-ctx.Done()
		return connector.Answer{}
	}
	s.put("Ask", `"actions": {"A": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}}, "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}, "runAfter": {"A": ["Succeeded"]}}}}`)
	caller := make(chan Reply, 1)
	_, err := s.Fire(s.within(), Firing{Workflow: "ask", Trigger: "in", Outputs: []*expression.Object{{}}, Caller: caller})
	s.must(err)
	s.end()
	select {
	case r := <-caller:
		if r.Status != 503 {
			t.Errorf("told %+v", r)
		}
	case <-s.within().Done():
		t.Fatal("the caller is not told")
	}
	if _, err := s.Fire(s.within(), Firing{Workflow: "ask", Trigger: "in", Outputs: []*expression.Object{{}}}); !fault.Is(err, fault.NotOwner) {
		t.Errorf("fired without the unit: %v", err)
	}
}

func TestFiringsThatStartNothingAreNoted(t *testing.T) {
	s := newStage(t)
	s.put("Orders", five)
	note := func(n Note, memory string, check func(*ledger.Trigger) error) error {
		_, err := s.Fire(s.within(), Firing{Workflow: "orders", Trigger: "in", History: &n, SetMemory: true, Memory: []byte(memory), Check: check})
		return err
	}
	s.must(note(Note{Status: run.Skipped}, "1", func(tr *ledger.Trigger) error {
		if tr != nil {
			return fmt.Errorf("it remembers already")
		}
		return nil
	}))
	s.must(note(Note{Status: run.Skipped}, "2", nil))
	s.must(note(Note{Status: run.Failed, Code: "Unauthorized", Message: "no"}, "3", nil))
	if err := note(Note{Status: run.Failed}, "4", func(tr *ledger.Trigger) error { return fmt.Errorf("it remembers %s", tr.Memory) }); err == nil || err.Error() != "it remembers 3" {
		t.Error(err)
	}
	name, ended := s.fire("orders", "x")
	s.ends(name, ended, run.Succeeded)
	s.restart()
	all, err := s.TriggerHistories("orders", "in", 0)
	s.must(err)
	var got []string
	for _, h := range all {
		got = append(got, fmt.Sprintf("%s %s %d %t", h.Status, h.Code, h.Times, h.Run != ""))
	}
	if text := strings.Join(got, ", "); text != "Succeeded OK 1 true, Failed Unauthorized 1 false, Skipped  2 false" {
		t.Error(text)
	}
	if m, err := s.Trigger("orders", "in"); err != nil || string(m.Memory) != "3" {
		t.Errorf("it remembers %q, %v", m.Memory, err)
	}
}

func TestSecretsHaveNoContent(t *testing.T) {
	s := newStage(t)
	s.put("Secret", `"actions": {"A": {"type": "Compose", "inputs": "very secret", "runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}, "B": {"type": "Compose", "inputs": "@outputs('A')", "runAfter": {"A": ["Succeeded"]}}}}`)
	name, ended := s.fire("secret", 1)
	s.ends(name, ended, run.Succeeded)
	i, err := s.Run(s.within(), "secret", name)
	s.must(err)
	actions, err := s.Actions(s.within(), "secret", name)
	s.must(err)
	for _, a := range actions {
		if a.InputsContent != "" || a.OutputsContent != "" {
			t.Errorf("%s shows %s, %s", a.Name, a.InputsContent, a.OutputsContent)
		}
		for _, what := range []string{"inputs", "outputs"} {
			if text, err := s.Content(s.within(), contentOf(i.Number, a.At, what)); err == nil {
				t.Errorf("the %s of %s are shown: %s", what, a.Name, text)
			}
		}
	}
	for _, handle := range []string{"", "1", "x-trigger", "1-2", "1-0-9-inputs", "1-9-0-outputs", "99-trigger", "1-0-0-secrets"} {
		if _, err := s.Content(s.within(), handle); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", handle, err)
		}
	}
}

func TestPagesOfRuns(t *testing.T) {
	s := newStage(t)
	s.put("Orders", `"actions": {"A": {"type": "Compose", "inputs": 1}}}`)
	outputs := make([]*expression.Object, 25)
	for n := range outputs {
		outputs[n] = expression.NewObject("body", int64(n))
	}
	names, err := s.Fire(s.within(), Firing{Workflow: "orders", Trigger: "in", Outputs: outputs, Tracking: []string{"mine"}})
	s.must(err)
	var got []string
	q := RunQuery{Most: 10}
	for page := 0; page < 3; page++ {
		runs, next, err := s.Runs("orders", q)
		s.must(err)
		for _, r := range runs {
			got = append([]string{r.Name}, got...)
		}
		if q.Before = next; next == 0 {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%d of %d runs, or in another order", len(got), len(names))
	}
	if runs, _, _ := s.Runs("orders", RunQuery{Tracking: "mine"}); len(runs) != 1 || runs[0].Name != names[0] {
		t.Errorf("%d runs are tracked by that", len(runs))
	}
	if runs, _, _ := s.Runs("orders", RunQuery{Status: []run.Status{run.Failed}}); len(runs) != 0 {
		t.Errorf("%d runs failed", len(runs))
	}
	if _, _, err := s.Runs("nobody", RunQuery{}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	s.idle()
	s.must(s.Remove(s.within(), "orders"))
	s.must(s.Remove(s.within(), "orders"))
	if _, err := s.Run(s.within(), "orders", names[0]); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// What is too much to be recorded at once is recorded bit by bit; what is too much in itself
// ends its run, and nothing else.
func TestRunsThatRecordMuch(t *testing.T) {
	s := &stage{t: t, at: replicatest.NewLocation(), world: newWorld(), limit: Limits{TurnBytes: 64 << 10}}
	s.open()
	// Each action records its inputs and its outputs.
	s.put("Much", `"actions": {"Each": {"type": "Foreach", "foreach": "@range(0, 40)", "actions": {"C": {"type": "Compose", "inputs": "@{triggerBody()}@{item()}"}}}}}`)
	for _, one := range []struct {
		bytes int
		want  run.Status
	}{{1000, run.Succeeded}, {20_000, run.Succeeded}, {40_000, run.Cancelled}} {
		name, ended := s.fire("much", strings.Repeat("x", one.bytes))
		s.ends(name, ended, one.want)
		s.idle()
	}
	outputs := make([]*expression.Object, 5)
	for n := range outputs {
		outputs[n] = expression.NewObject("body", strings.Repeat("x", 20_000))
	}
	if _, err := s.Fire(s.within(), Firing{Workflow: "much", Trigger: "in", Outputs: outputs}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("fired at once: %v", err)
	}
	if runs, _, err := s.Runs("much", RunQuery{}); err != nil || len(runs) != 3 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}
