package standin

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"weir/conformance/torture/ledger"
)

// engine is the smallest that runs workflows of two steps: it is there to be judged.
type engine struct {
	t     *testing.T
	at    string
	flows ledger.Flows
	now   func() ledger.Instant
}

// step carries an action out and tries again until it is done.
func (e *engine) step(token, action string) {
	for attempt := 1; attempt < 50; attempt++ {
		if e.attempt(token, action, attempt) {
			return
		}
	}
	e.t.Fatal("fifty attempts")
}

func (e *engine) attempt(token, action string, attempt int) (done bool) {
	url := fmt.Sprintf("%s/call/two/%s?token=%s&run=run-%s", e.at, action, token, token)
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set(KeyHeader, token+action)
	req.Header.Set(AttemptHeader, fmt.Sprint(attempt))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// run asks for a run and ends it.
func (e *engine) run(token string, steps ...string) {
	e.flows.Asked = append(e.flows.Asked, ledger.Asked{Workflow: "two", Token: token, Start: e.now(), End: e.now(), Outcome: ledger.Confirmed})
	for _, action := range steps {
		e.step(token, action)
	}
	e.flows.Runs = append(e.flows.Runs, ledger.Run{Workflow: "two", Name: "run-" + token, Token: token, Status: "Succeeded", Ended: true})
}

// What the stand-in writes down is what the ledger judges: an engine that keeps its word
// is found good, one that does not is found out.
func TestAnEngineIsJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(e *engine)
		kind ledger.Kind // that is found; empty: nothing
	}{
		{"keeps its word", func(*engine) {}, ""},
		{"repeats after a kill", func(e *engine) {
			start := e.now()
			e.flows.Outages = append(e.flows.Outages, ledger.Outage{Start: start, End: start + 100})
			for done := false; !done; {
				done = e.attempt("t3", "second", 1)
			}
		}, ""},
		{"repeats for no reason", func(e *engine) { e.attempt("t3", "second", 1) }, ledger.DoneTwice},
		{"leaves an action out", func(e *engine) { e.run("short", "first") }, ledger.NotDone},
		{"turns them round", func(e *engine) { e.run("round", "second", "first") }, ledger.TooSoon},
		{"forgets a run", func(e *engine) { e.flows.Runs = e.flows.Runs[:2]; e.flows.Runs = append(e.flows.Runs, ledger.Run{}) }, ledger.Abandoned},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s *Service
			e := &engine{t: t, now: func() ledger.Instant { return s.options.Now() }, flows: ledger.Flows{
				Shapes: []ledger.Shape{{Workflow: "two", Steps: []ledger.Step{{Action: "first"}, {Action: "second", After: "first"}}}},
			}}
			o := Options{}
			if c.kind == "" {
				o = Options{Failing: 200, Dropping: 100, Slow: 100, SlowMost: time.Millisecond, Seed: 1}
			}
			s, e.at = raised(t, o)
			for n := range 4 {
				e.run(fmt.Sprintf("t%d", n), "first", "second")
			}
			c.harm(e)
			e.flows.Calls = s.Calls()
			v := ledger.CheckFlows(&e.flows)
			if c.kind == "" && !v.Good() || c.kind != "" && v.Counts[c.kind] == 0 {
				t.Errorf("%v: %+v", v.Counts, v.Findings)
			}
		})
	}
}
