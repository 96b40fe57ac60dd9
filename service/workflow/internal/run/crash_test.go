package run

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
)

// estates are definitions that together use all that a run can do.
var estates = []string{
	`{"actions": {
	  "I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "sum", "type": "integer", "value": 0}, {"name": "list", "type": "array"}]}},
	  "Each": {"type": "Foreach", "foreach": "@range(0, 7)", "runAfter": {"I": ["Succeeded"]}, "runtimeConfiguration": {"concurrency": {"repetitions": 3}}, "actions": {
	    "Call": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/@{item()}"}},
	    "Add": {"type": "IncrementVariable", "inputs": {"name": "sum", "value": "@item()"}, "runAfter": {"Call": ["Succeeded"]}},
	    "List": {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}, "runAfter": {"Call": ["Succeeded", "Failed"]}}}},
	  "Out": {"type": "Compose", "inputs": "@concat(string(variables('sum')), '/', string(length(variables('list'))))", "runAfter": {"Each": ["Succeeded", "Failed"]}}},
	 "outputs": {"o": {"type": "String", "value": "@outputs('Out')"}}}`,
	`{"actions": {
	  "I": {"type": "InitializeVariable", "inputs": {"name": "n", "type": "integer", "value": 0}},
	  "U": {"type": "Until", "expression": "@greaterOrEquals(variables('n'), 4)", "runAfter": {"I": ["Succeeded"]}, "actions": {
	    "Inc": {"type": "IncrementVariable", "inputs": {"name": "n"}},
	    "Odd": {"type": "If", "expression": "@equals(mod(variables('n'), 2), 1)", "runAfter": {"Inc": ["Succeeded"]},
	      "actions": {"Ask": {"type": "Http", "inputs": {"method": "PUT", "uri": "https://there.example"}}},
	      "else": {"actions": {"Rest": {"type": "Wait", "inputs": {"interval": {"count": 3, "unit": "Second"}}}}}}}},
	  "Hook": {"type": "HttpWebhook", "runAfter": {"U": ["Succeeded"]}, "inputs": {"subscribe": {"method": "POST", "uri": "https://there.example"}, "unsubscribe": {"method": "DELETE", "uri": "https://there.example"}}},
	  "S": {"type": "Scope", "runAfter": {"Hook": ["Succeeded"]}, "actions": {"Bad": {"type": "Compose", "inputs": "@int('x')"}, "Never": {"type": "Compose", "inputs": 1, "runAfter": {"Bad": ["Succeeded"]}}}},
	  "Catch": {"type": "Switch", "expression": "@result('S')[0]['code']", "runAfter": {"S": ["Failed"]}, "cases": {"t": {"case": "InvalidTemplate", "actions": {"Yes": {"type": "Compose", "inputs": "@variables('n')"}}}}, "default": {"actions": {"No": {"type": "Compose", "inputs": 0}}}}},
	 "outputs": {"o": {"type": "Int", "value": "@outputs('Yes')"}}}`,
}

// world is what is outside of a run: it answers by what is asked, so that the same call
// gets the same answer whenever it comes.
type world struct {
	open   []Effect
	called map[string]int // attempts by key and number
}

func (w *world) hear(all []Effect) {
	for _, e := range all {
		switch e.Kind {
		case Call, Subscribe, Unsubscribe, Poll:
			w.called[fmt.Sprintf("%d %s#%d", e.Kind, e.Key, e.Attempt)]++
			w.open = append(w.open, e)
		}
	}
}

// answer gives an input for one of the open effects.
func (w *world) answer(n int) Input {
	e := w.open[n]
	w.open = slices.Delete(w.open, n, n+1)
	in := Input{Event: Answered, At: e.At, Attempt: e.Attempt, Answer: Answer{Status: 200, Body: "fine"}}
	last := e.Key[len(e.Key)-1]
	switch {
	case e.Kind == Call && e.Attempt == 1 && last < '8':
		in.Answer.Status = 503
	case e.Kind == Call && last == 'e':
		in.Answer.Status = 404
	case e.Kind == Call && last == 'd':
		in.Answer.Status, in.Answer.Headers = 202, expression.NewObject("Location", "https://there.example/op")
	}
	return in
}

// history plays a run to its end with lots drawn; crash says after which step a crash
// keeps only some of the facts of that step.
type history struct {
	*stage
	w    *world
	lots *rand.Rand
	done map[string]int // ends of instances, by place
}

func playHistory(t *testing.T, definition string, seed uint64, crashes bool) *history {
	h := &history{stage: newStage(t, definition), w: &world{called: map[string]int{}}, lots: rand.New(rand.NewPCG(seed, 7)), done: map[string]int{}}
	in := Input{Event: Start, Trigger: expression.NewObject("name", "in")}
	for steps := 0; ; steps++ {
		if steps > 2000 {
			t.Fatalf("seed %d: the run does not end", seed)
		}
		e := h.env()
		if crashes {
			e.Limits.StepsPerAdvance = 1 + h.lots.IntN(12)
		}
		o := Advance(h.s, h.p, e, in)
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if crashes && h.lots.IntN(3) == 0 {
			// A crash: of this step any prefix is durable, and nothing was carried out.
			kept := o.Facts[:h.lots.IntN(len(o.Facts)+1)]
			h.keep(kept)
			h.s = h.restored()
			if in.Event == Start && len(kept) == 0 {
				continue
			}
			// What was called may be called again, and late answers may come.
			if in = (Input{Event: Recover}); h.lots.IntN(2) == 0 {
				h.w.open = nil
			}
			if h.s.Status.Ended() {
				return h
			}
			continue
		}
		h.keep(o.Facts)
		h.agree()
		h.w.hear(o.Effects)
		if h.s.Status.Ended() {
			return h
		}
		if o.More {
			in = Input{Event: Go}
			continue
		}
		in = h.next()
	}
}

func (h *history) keep(facts []*Fact) {
	for _, f := range facts {
		switch f.Kind {
		case Acted, Ended, Passed:
			key := fmt.Sprint(f.At)
			if h.done[key]++; h.done[key] > 1 {
				h.t.Errorf("%s ended twice", h.p.Name(f.At.Node))
			}
		}
	}
	h.record2(facts)
}

// record2 records facts that may be a prefix: the state that was advanced further is
// thrown away then.
func (h *history) record2(facts []*Fact) {
	head, payload := Append(nil, nil, facts)
	base := record.Ref{At: 1, Off: uint32(len(h.log)), Len: uint32(len(payload))}
	h.log = append(h.log, payload...)
	read, err := Read(head, base)
	if err != nil {
		h.t.Fatal(err)
	}
	for k, f := range read {
		h.s.Settle(facts[k], f)
		if err := h.other.Fold(h.now.UnixMicro(), f); err != nil {
			h.t.Fatal(err)
		}
	}
}

// restored is the state that somebody else folded.
func (h *history) restored() *State {
	if h.other.Status == NotStarted {
		h.other = &State{}
		return &State{}
	}
	return h.other.Clone()
}

// next draws what happens: an answer, a call back, or time.
func (h *history) next() Input {
	if n := len(h.w.open); n > 0 {
		return h.w.answer(h.lots.IntN(n))
	}
	for _, i := range h.s.waits {
		if i.more.phase == Hooked {
			return Input{Event: CalledBack, At: i.place(), Answer: Answer{Status: 200, Body: "called"}}
		}
	}
	due := h.s.NextDue()
	if due == 0 {
		h.t.Fatal("nothing is under way, and the run has not ended")
	}
	h.now = time.UnixMicro(due).UTC()
	return Input{Event: Tick}
}

// told is what a run came to: everything but times and places of payloads.
func (h *history) told() string {
	load := func(ref record.Ref) any { v, _ := h.Load(ref); return v }
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", h.s.Status, h.s.Code, jsonOf(load(h.s.Outputs)))
	h.s.Each(h.p, load, func(r Record) {
		fmt.Fprintf(&b, "%s %v %s %s %s\n", r.Name, r.Path, r.Status, r.Code, jsonOf(load(r.Outputs)))
	})
	return b.String()
}

// TestCrashesChangeNothing plays runs that are cut off again and again, at any fact, and
// go on from what was kept. They come to what a run comes to that nothing happens to; no
// action ends twice, and a call is only repeated with its own number and key.
func TestCrashesChangeNothing(t *testing.T) {
	for n, definition := range estates {
		calm := playHistory(t, definition, 1, false)
		want, calls := calm.told(), slices.Sorted(maps.Keys(calm.w.called))
		for call, times := range calm.w.called {
			if times != 1 && !strings.HasPrefix(call, fmt.Sprint(Poll)) {
				t.Errorf("estate %d: %s was called %d times though nothing happened", n, call, times)
			}
		}
		if !strings.HasPrefix(want, "Succeeded") && !strings.HasPrefix(want, "Failed") {
			t.Fatalf("estate %d: %s", n, want)
		}
		for seed := range uint64(150) {
			h := playHistory(t, definition, seed, true)
			if got := h.told(); got != want {
				t.Fatalf("estate %d, seed %d: %s", n, seed, diff(want, got))
			}
			if got := slices.Sorted(maps.Keys(h.w.called)); !slices.Equal(got, calls) {
				t.Fatalf("estate %d, seed %d: the calls are %v, want %v", n, seed, got, calls)
			}
		}
	}
}
