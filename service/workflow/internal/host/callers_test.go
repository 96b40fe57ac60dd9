package host

import (
	"context"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Whoever starts a run by name can ask for its answer by name: before it is given, after,
// after a restart in between, and as often as wanted.
func TestAnswerByName(t *testing.T) {
	s := newStage(t)
	s.put("child", `"actions": {"Hold": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "@{triggerBody()}"}}},
	  "Reply": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "headers": {"a": "b"}, "body": {"n": "@triggerBody()"}}, "runAfter": {"Hold": ["Succeeded"]}}}}`)
	s.put("silent", `"actions": {"A": {"type": "Compose", "inputs": 1}}}`)
	s.put("broken", `"actions": {"A": {"type": "Compose", "inputs": "@int('x')"}, "Reply": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}, "runAfter": {"A": ["Succeeded"]}}}}`)
	begin := func(workflow, key, unit string) string {
		t.Helper()
		name := nested.RunName("08584640926573727105946217888CU00", key, 1)
		_, err := s.Fire(s.within(), Firing{Workflow: workflow, Trigger: "in", Names: []string{name}, Outputs: []*expression.Object{expression.NewObject("body", unit)}})
		s.must(err)
		_, err = s.Fire(s.within(), Firing{Workflow: workflow, Trigger: "in", Names: []string{name}, Outputs: []*expression.Object{expression.NewObject("body", unit)}})
		if !fault.Is(err, fault.AlreadyExists) {
			t.Errorf("begun twice: %v", err)
		}
		return name
	}
	answers := func(workflow, name string, status int) {
		t.Helper()
		for range 2 {
			r, pending, err := s.Answer(s.within(), workflow, name)
			if err != nil || pending || r.Status != status {
				t.Fatalf("%s answers %+v, pending %t, %v; want %d", workflow, r, pending, err, status)
			}
		}
	}
	answers("child", begin("child", "quick", "second"), 201)
	answers("silent", begin("silent", "silent", ""), 202)
	answers("broken", begin("broken", "broken", ""), 502)

	slow := begin("child", "slow", "hour")
	ctx, cancel := context.WithTimeout(s.within(), 20*time.Millisecond)
	defer cancel()
	if r, pending, err := s.Answer(ctx, "child", slow); err != nil || !pending {
		t.Errorf("a slow one: %+v, %t, %v", r, pending, err)
	}
	soon := begin("child", "soon", "second")
	s.restart()
	answers("child", soon, 201)
	s.await("child", soon, run.Succeeded)
	s.restart()
	answers("child", soon, 201)
	if _, _, err := s.Answer(s.within(), "child", "nope"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such run: %v", err)
	}
}

// Who waits when the node loses the unit is told so, and asks the next owner.
func TestWhoWaitsIsToldOfAMove(t *testing.T) {
	s := newStage(t)
	s.put("child", `"actions": {"Hold": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}, "Reply": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}, "runAfter": {"Hold": ["Succeeded"]}}}}`)
	name := nested.RunName("08584640926573727105946217888CU00", "k", 1)
	_, err := s.Fire(s.within(), Firing{Workflow: "child", Trigger: "in", Names: []string{name}, Outputs: []*expression.Object{nil}})
	s.must(err)
	told := make(chan error, 1)
	go func() {
		_, _, err := s.Answer(s.within(), "child", name)
		told <- err
	}()
	for waiting := false; !waiting; {
		tenure := s.current()
		tenure.mu.Lock()
		waiting = len(tenure.callers) > 0
		tenure.mu.Unlock()
	}
	s.end()
	select {
	case err := <-told:
		if err == nil {
			t.Error("told that all is well")
		}
	case <-s.within().Done():
		t.Fatal("who waits is not told")
	}
}
