package ledger

import (
	"fmt"
	"slices"
	"testing"
)

// told builds a history of workflows one instant at a time.
type told struct {
	Flows
	at Instant
}

func (b *told) now() Instant { b.at++; return b.at }

// call tells of one call.
func (b *told) call(workflow, token, action, item string, attempt int, said Said) *Call {
	at := b.now()
	b.Calls = append(b.Calls, Call{
		Workflow: workflow, Token: token, Run: "run-" + token, Action: action, Item: item, Attempt: attempt, Said: said,
		Key: fmt.Sprint(workflow, token, action, item), At: at, End: b.now(), Wall: int64(at) * 100,
	})
	return &b.Calls[len(b.Calls)-1]
}

func (b *told) outage(late bool, what func()) {
	start := b.now()
	what()
	b.Outages = append(b.Outages, Outage{Start: start, End: b.now(), Late: late})
}

func (b *told) asked(workflow, token string, outcome Outcome) {
	b.Asked = append(b.Asked, Asked{Workflow: workflow, Token: token, Start: b.now(), End: b.now(), Outcome: outcome})
}

func (b *told) ended(workflow, token string) {
	b.Runs = append(b.Runs, Run{Workflow: workflow, Name: "run-" + token, Token: token, Status: "Succeeded", Ended: true})
}

// good is a history of a service that kept its word: steps with a retry, a repetition
// after a kill and one by a process that stood still, items of a source and a recurrence
// that was missed once, and a run within a run.
func good() *told {
	b := &told{Flows: Flows{
		Shapes: []Shape{
			{Workflow: "steps", Steps: []Step{{Action: "first"}, {Action: "each", Items: 2, After: "first"}, {Action: "last", After: "each", Pause: 100}}},
			{Workflow: "child", Within: "steps", Steps: []Step{{Action: "only"}}},
			{Workflow: "polls", Steps: []Step{{Action: "take"}}},
			{Workflow: "recurs"},
		},
		Sources:   []Source{{Workflow: "polls", Items: []string{"1", "2"}}},
		Schedules: []Schedule{{Workflow: "recurs", Every: 1000, Due: []string{"00", "01", "02", "03"}}},
	}}
	for _, token := range []string{"a", "b"} {
		b.asked("steps", token, Confirmed)
		b.call("steps", token, "first", "", 1, Failed)
		b.call("steps", token, "first", "", 2, Done)
		b.call("steps", token, "each", "0", 1, Done)
		b.call("steps", token, "each", "1", 1, Lost)
		b.outage(false, func() { b.call("steps", token, "each", "1", 1, Done) })
		b.call("child", token, "only", "", 1, Done)
		b.ended("child", token)
		b.outage(true, func() {
			b.call("steps", token, "last", "", 1, Done)
			b.call("steps", token, "each", "1", 1, Done)
		})
		b.ended("steps", token)
	}
	b.asked("steps", "refused", Refused)
	b.asked("steps", "unknown", Unknown)
	for _, item := range []string{"1", "2"} {
		b.call("polls", item, "take", "", 1, Done)
		b.ended("polls", item)
	}
	for _, due := range []string{"00", "01", "03"} {
		b.ended("recurs", due)
	}
	return b
}

func TestGoodFlows(t *testing.T) {
	v := CheckFlows(&good().Flows)
	if !v.Good() {
		t.Fatalf("%+v", v.Findings)
	}
	if v.MissedMost != 1 || v.Workflows[0].Repeated != 4 || v.Workflows[0].Late != 2 || v.Workflows[0].Failed != 4 || v.Workflows[0].Accepted != 2 {
		t.Errorf("%+v, at most %d missed", v.Workflows, v.MissedMost)
	}
	if len(v.Counts) != len(FlowKinds) {
		t.Errorf("%d kinds of %d are told", len(v.Counts), len(FlowKinds))
	}
}

// Each way to break a good history is found, and nothing else is.
func TestBrokenFlows(t *testing.T) {
	callOf := func(b *told, token, action, item string) *Call {
		for i := range b.Calls {
			if k := &b.Calls[i]; k.Token == token && k.Action == action && k.Item == item && k.Said == Done {
				return k
			}
		}
		return nil
	}
	runOf := func(b *told, workflow, token string) int {
		return slices.IndexFunc(b.Runs, func(r Run) bool { return r.Workflow == workflow && r.Token == token })
	}
	forget := func(b *told, workflow, token string) {
		at := runOf(b, workflow, token)
		b.Runs = slices.Delete(b.Runs, at, at+1)
		b.Calls = slices.DeleteFunc(b.Calls, func(k Call) bool { return k.Workflow == workflow && k.Token == token })
	}
	for _, c := range []struct {
		name string
		kind Kind
		harm func(b *told)
	}{
		{"an accepted request has no run", Abandoned, func(b *told) { forget(b, "steps", "a"); forget(b, "child", "a") }},
		{"a run within a run is missing", Abandoned, func(b *told) { forget(b, "child", "a") }},
		{"two runs for one request", DoubleRun, func(b *told) { b.Runs = append(b.Runs, b.Runs[runOf(b, "steps", "a")]); b.ended("child", "a") }},
		{"two runs for a request without an answer", DoubleRun, func(b *told) {
			b.Shapes[0].Steps, b.Shapes[1].Within = nil, "none"
			b.Calls, b.Asked = nil, []Asked{{Workflow: "steps", Token: "unknown"}}
			b.Runs = nil
			b.Sources, b.Schedules = nil, nil
			b.ended("steps", "unknown")
			b.ended("steps", "unknown")
		}},
		{"two runs within one", DoubleRun, func(b *told) { b.Runs = append(b.Runs, b.Runs[runOf(b, "child", "a")]) }},
		{"a run goes on for ever", Unfinished, func(b *told) { r := &b.Runs[runOf(b, "steps", "a")]; r.Ended, r.Status = false, "Running" }},
		{"a run failed", WrongEnd, func(b *told) { b.Runs[runOf(b, "steps", "a")].Status = "Failed" }},
		{"an action was left out", NotDone, func(b *told) {
			b.Calls = slices.DeleteFunc(b.Calls, func(k Call) bool { return k.Token == "b" && k.Action == "last" })
		}},
		{"an action was carried out twice", DoneTwice, func(b *told) { b.call("polls", "1", "take", "", 1, Done) }},
		{"an action was carried out again after its end", DoneAgain, func(b *told) {
			b.outage(false, func() { b.call("steps", "a", "first", "", 2, Done) })
		}},
		{"a failed attempt came again with its number", TriedAgain, func(b *told) { callOf(b, "a", "first", "").Attempt = 1 }},
		{"another attempt after one that went well", TriedAgain, func(b *told) {
			b.outage(false, func() { b.call("polls", "1", "take", "", 2, Done) })
		}},
		{"attempts went back", TriedAgain, func(b *told) {
			b.outage(false, func() { b.call("polls", "1", "take", "", 0, Done) })
		}},
		{"another key for the same action", OtherKey, func(b *told) { callOf(b, "a", "first", "").Key = "other" }},
		{"one key for two actions", SharedKey, func(b *told) { callOf(b, "1", "take", "").Key = callOf(b, "2", "take", "").Key }},
		{"begun before what it waits for", TooSoon, func(b *told) { callOf(b, "a", "first", "").End = callOf(b, "a", "each", "0").End }},
		{"a delay was cut short", TooSoon, func(b *told) { callOf(b, "a", "last", "").Wall -= 1000 }},
		{"a polled item came twice", PolledTwice, func(b *told) {
			b.Runs = append(b.Runs, Run{Workflow: "polls", Name: "again", Token: "1", Status: "Succeeded", Ended: true})
			b.Shapes[2].Steps = nil
			b.Calls = slices.DeleteFunc(b.Calls, func(k Call) bool { return k.Workflow == "polls" })
		}},
		{"a polled item was left out", PolledNever, func(b *told) { forget(b, "polls", "1") }},
		{"a recurrence came twice", RecurredTwice, func(b *told) { b.ended("recurs", "01") }},
		{"a run out of nowhere", Stranger, func(b *told) { b.ended("recurs", "77") }},
		{"a run of a refused request", Stranger, func(b *told) {
			b.Shapes[0].Steps = nil
			b.Calls = slices.DeleteFunc(b.Calls, func(k Call) bool { return k.Workflow == "steps" })
			b.ended("steps", "refused")
			b.Shapes[1].Within = "none"
			b.Asked = append(b.Asked, Asked{Workflow: "child", Token: "a"}, Asked{Workflow: "child", Token: "b"})
		}},
		{"a call of no run", Stranger, func(b *told) { b.call("polls", "9", "take", "", 1, Done) }},
		{"a call that is no part of the workflow", Stranger, func(b *told) { b.call("polls", "1", "give", "", 1, Done) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := good()
			c.harm(b)
			v := CheckFlows(&b.Flows)
			for kind, n := range v.Counts {
				if kind == c.kind && n == 0 || kind != c.kind && n > 0 {
					t.Errorf("%d times %q", n, kind)
				}
			}
			if t.Failed() {
				t.Logf("%+v", v.Findings)
			}
		})
	}
}

// With a clock that was set off nothing is too early.
func TestSkewedClocksExcuse(t *testing.T) {
	b := good()
	b.Skewed = true
	b.Flows.Calls[len(b.Calls)-1].Wall = 0
	for i := range b.Calls {
		if b.Calls[i].Action == "last" {
			b.Calls[i].Wall -= 1000
		}
	}
	if v := CheckFlows(&b.Flows); !v.Good() {
		t.Errorf("%+v", v.Findings)
	}
}
