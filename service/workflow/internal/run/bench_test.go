package run

import (
	"runtime"
	"strings"
	"testing"

	"weir/service/workflow/internal/expression"
)

const loopOf = `{"actions": {
  "I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "list", "type": "array"}]}},
  "Each": {"type": "Foreach", "foreach": "@range(0, COUNT)", "runAfter": {"I": ["Succeeded"]}, "actions": {
    "Add": {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}}}},
  "Out": {"type": "Compose", "inputs": "@length(variables('list'))", "runAfter": {"Each": ["Succeeded"]}}},
 "outputs": {"o": {"type": "Int", "value": "@outputs('Out')"}}}`

// A loop of thousands that appends to a variable is linear, near enough: variables are
// kept in parts, and written whole only now and then.
func TestLongLoops(t *testing.T) {
	s := newStage(t, strings.ReplaceAll(loopOf, "COUNT", "5000"))
	s.advance(Input{Event: Start, Trigger: expression.NewObject()})
	v, _ := s.Load(s.s.Outputs)
	if got := jsonOf(v); got != `{"o":{"type":"Int","value":5000}}` {
		t.Fatal(got)
	}
	if n := len(s.s.vars[0].parts); n > partsMax {
		t.Errorf("the variable has %d parts", n)
	}
	if n := len(s.log); n > 2<<20 {
		t.Errorf("the payloads take %d bytes", n)
	}
	s.agree()
}

// BenchmarkLoop tells how long an iteration takes, facts written and folded twice.
func BenchmarkLoop(b *testing.B) {
	text := strings.ReplaceAll(loopOf, "COUNT", "5000")
	for b.Loop() {
		s := newStage(b, text)
		s.advance(Input{Event: Start, Trigger: expression.NewObject()})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/iteration")
}

// BenchmarkFive is a run of five actions, one of them outside.
func BenchmarkFive(b *testing.B) {
	s := newStage(b, `{"actions": {"A": {"type": "Compose", "inputs": "@triggerBody()"}, "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/@{outputs('A')?['n']}"}, "runAfter": {"A": ["Succeeded"]}},
	  "C": {"type": "ParseJson", "inputs": {"content": "@body('B')", "schema": {"type": "object"}}, "runAfter": {"B": ["Succeeded"]}}, "D": {"type": "If", "expression": {"equals": [1, 1]}, "actions": {"E": {"type": "Compose", "inputs": "@body('C')"}}, "runAfter": {"C": ["Succeeded"]}}}}`)
	body := expression.NewObject("n", int64(1))
	for b.Loop() {
		s.s, s.other, s.log, s.facts = &State{}, &State{}, s.log[:0], nil
		for _, e := range s.advance(Input{Event: Start, Trigger: expression.NewObject("outputs", expression.NewObject("body", body))}) {
			s.advance(Input{Event: Answered, At: e.At, Attempt: 1, Answer: Answer{Status: 200, Body: body}})
		}
		if s.s.Status != Succeeded {
			b.Fatal(s.s.Status)
		}
	}
}

// A run that waits takes little, and what the log keeps of it less.
func TestRunsThatWaitAreSmall(t *testing.T) {
	s := newStage(t, `{"actions": {"A": {"type": "Compose", "inputs": "@triggerBody()"}, "B": {"type": "Compose", "inputs": 1, "runAfter": {"A": ["Succeeded"]}}, "C": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}, "runAfter": {"B": ["Succeeded"]}},
	  "D": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}, "runAfter": {"C": ["Succeeded"]}}, "E": {"type": "Scope", "actions": {"F": {"type": "Compose", "inputs": 1}}, "runAfter": {"D": ["Succeeded"]}}}}`)
	s.advance(Input{Event: Start, Trigger: expression.NewObject("outputs", expression.NewObject("body", strings.Repeat("x", 10_000)))})
	snapshot := s.s.Snapshot(nil)
	const runs = 1000
	var before, after runtime.MemStats
	states := make([]*State, runs)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for k := range states {
		states[k] = &State{}
		if err := states[k].Restore(snapshot); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / runs
	t.Logf("a run that waits takes %d bytes of memory and %d of a snapshot", each, len(snapshot))
	if each > 2048 || len(snapshot) > 256 {
		t.Errorf("a run that waits takes %d bytes of memory and %d of a snapshot; 2048 and 256 are meant to do", each, len(snapshot))
	}
	runtime.KeepAlive(states)
}
