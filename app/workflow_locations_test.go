package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"weir/internal/groups"
)

// outside is what workflows call: it counts calls by path and key, and holds back what it
// is told to.
type outside struct {
	*httptest.Server
	mu    sync.Mutex
	keys  map[string]map[string]int // by path
	body  map[string]string         // the last, by path
	holds bool                      // whether /slow is answered
	freed chan struct{}
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{keys: map[string]map[string]int{}, body: map[string]string{}, holds: true, freed: make(chan struct{})}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	t.Cleanup(o.free)
	return o
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	if o.keys[r.URL.Path] == nil {
		o.keys[r.URL.Path] = map[string]int{}
	}
	o.keys[r.URL.Path][r.Header.Get("Weir-Idempotency-Key")]++
	o.body[r.URL.Path] = string(body)
	holds := o.holds
	o.mu.Unlock()
	if holds && r.URL.Path == "/slow" {
		select {
		case <-o.freed:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"ok": true}`)
}

// free answers what is held back, from now on.
func (o *outside) free() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holds {
		o.holds = false
		close(o.freed)
	}
}

// came says how often a path was called, and with how many keys.
func (o *outside) came(path string) (calls, keys int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.keys[path] {
		calls += n
	}
	return calls, len(o.keys[path])
}

func (o *outside) said(path string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.body[path]
}

func (o *outside) await(t *testing.T, path string, calls int) {
	t.Helper()
	until(t, func() string {
		n, _ := o.came(path)
		return fmt.Sprintf("%d calls of %s, there were %d", calls, path, n)
	}, func() bool {
		n, _ := o.came(path)
		return n >= calls
	})
}

// runAcross has a run that waits in every way there is: for a time, for an answer, and to
// be called back. It is begun by a schedule, once.
func (o *outside) runAcross(seconds int) map[string]any {
	post := func(path string, after ...string) string {
		run := map[string][]string{}
		for _, name := range after {
			run[name] = []string{"Succeeded"}
		}
		text, _ := json.Marshal(run)
		return fmt.Sprintf(`{"type": "Http", "inputs": {"method": "POST", "uri": "%s%s", "body": {"run": "@{workflow().run.name}"}}, "runAfter": %s}`, o.URL, path, text)
	}
	definition := fmt.Sprintf(`{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		"triggers": {"once": {"type": "Recurrence", "recurrence": {"frequency": "Month", "interval": 1}}},
		"actions": {
			"First": %s,
			"Wait": {"type": "Wait", "inputs": {"interval": {"count": %d, "unit": "Second"}}, "runAfter": {"First": ["Succeeded"]}},
			"Slow": %s,
			"Hook": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "%s/subscribe", "body": {"url": "@{listCallbackUrl()}"}}}, "runAfter": {"First": ["Succeeded"]}},
			"Last": %s
		}}`, post("/first"), seconds, post("/slow", "First"), o.URL, post("/last", "Wait", "Slow", "Hook"))
	var d any
	if err := json.Unmarshal([]byte(definition), &d); err != nil {
		panic(err)
	}
	return document("Microsoft.Logic/workflows", "across", map[string]any{"definition": d})
}

// history is what a location shows of the run of a workflow: its status, and of each action.
func (p *place) history(t *testing.T) (run, status string, actions map[string]string) {
	t.Helper()
	const version = "?api-version=2016-06-01"
	path := DefaultScope.String() + "/providers/Microsoft.Logic/workflows/across/runs"
	type shown struct {
		Value []struct {
			Name       string
			Properties struct{ Status string }
		}
	}
	var runs, acted shown
	if err := p.ask(t.Context(), "GET", path+version, nil, &runs); err != nil || len(runs.Value) != 1 {
		return "", fmt.Sprintf("%d runs, %v", len(runs.Value), err), nil
	}
	run, status = runs.Value[0].Name, runs.Value[0].Properties.Status
	actions = map[string]string{}
	if err := p.ask(t.Context(), "GET", path+"/"+run+"/actions"+version, nil, &acted); err != nil {
		return run, err.Error(), nil
	}
	for _, a := range acted.Value {
		actions[a.Name] = a.Properties.Status
	}
	return run, status, actions
}

// TestARunGoesOnInTheOtherLocation: a run that waits for a time, an answer and a call back
// is switched in order, and goes on where it was: nothing that was done is done again, what
// was under way is repeated with its key, and both locations show the same history.
func TestARunGoesOnInTheOtherLocation(t *testing.T) {
	for how, mode := range map[string]string{"switch": "sync", "loss": "async"} {
		t.Run(how, func(t *testing.T) {
			o := newOutside(t)
			west, east := twoLocations(t, map[string]any{
				"mode": mode, "units": []string{DefaultScope.String()},
				"before": func(west *place) { west.deploy(t, o.runAcross(5)) },
			})
			o.await(t, "/slow", 1)
			o.await(t, "/subscribe", 1)
			callback := o.said("/subscribe")
			switch how {
			case "switch":
				if err := west.ask(t.Context(), "POST", groupPath+"/switch", map[string]any{"to": "east"}, nil); err != nil {
					t.Fatal(err)
				}
			case "loss":
				until(t, func() string { return "east to show what west has" }, func() bool {
					_, _, here := west.history(t)
					_, status, there := east.history(t)
					return status == "Running" && there["Slow"] == "Running" && there["Hook"] != "" && maps.Equal(here, there)
				})
				west.abort()
				if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, nil); err != nil {
					t.Fatal(err)
				}
			}
			east.await(t, "east to have the group", func(g groups.Status) bool { return g.Standing == "primary" })
			o.await(t, "/slow", 2) // it is repeated: nobody knows how the first one ended
			o.free()
			if calls, keys := o.came("/slow"); keys != 1 || calls < 2 {
				t.Errorf("what was under way was called %d times with %d keys", calls, keys)
			}
			call(t, callback, east)
			o.await(t, "/last", 1)
			until(t, func() string {
				_, status, actions := east.history(t)
				return fmt.Sprintf("the run's end in east: %s, %v", status, actions)
			}, func() bool {
				_, status, _ := east.history(t)
				return status == "Succeeded"
			})
			for _, path := range []string{"/first", "/subscribe", "/last"} {
				if calls, keys := o.came(path); calls != 1 || keys != 1 {
					t.Errorf("%s was called %d times with %d keys, want once", path, calls, keys)
				}
			}
			run, _, actions := east.history(t)
			for _, name := range []string{"First", "Wait", "Slow", "Hook", "Last"} {
				if actions[name] != "Succeeded" {
					t.Errorf("east shows %s as %q", name, actions[name])
				}
			}
			if how == "loss" {
				return
			}
			until(t, func() string { _, status, _ := west.history(t); return "the same history in west: " + status }, func() bool {
				same, status, there := west.history(t)
				return same == run && status == "Succeeded" && maps.Equal(there, actions)
			})
		})
	}
}

// routerURL is the endpoint of a group: nobody is there, tests call a location itself.
const routerURL = "https://router.example:8443"

// call calls what is in a subscription, at a location.
func call(t *testing.T, subscription string, at *place) {
	t.Helper()
	var said struct{ URL string }
	if err := json.Unmarshal([]byte(subscription), &said); err != nil || said.URL == "" {
		t.Fatalf("a subscription without a URL: %s", subscription)
	}
	answer, err := http.Post(at.instead(said.URL), "application/json", strings.NewReader(`{"done": true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode >= 300 {
		t.Fatalf("the call back is answered %s: %s", answer.Status, body)
	}
}

// TestWhatMustNotBeRepeatedWaitsForAPerson: a call whose end nobody knows after a switch, of
// an action that must not be repeated, is held; a person has it made again, or says how it
// was answered.
func TestWhatMustNotBeRepeatedWaitsForAPerson(t *testing.T) {
	o := newOutside(t)
	careful := o.answering("careful", "/slow")
	act := careful["properties"].(map[string]any)["definition"].(map[string]any)["actions"].(map[string]any)["Act"].(map[string]any)
	act["metadata"] = map[string]any{"weir.idempotent": false}
	west, east := twoLocations(t, map[string]any{
		"mode": "sync", "units": []string{DefaultScope.String()}, "endpoint": routerURL, "before": func(west *place) { west.deploy(t, careful) },
	})
	// Addresses that are given away lead to the router, and are the same wherever one asks.
	given := west.callback(t, "careful")
	if !strings.HasPrefix(given, routerURL+"/") {
		t.Errorf("a callback URL of west leads to %s", given)
	}
	west.order(t, "careful", "again")
	west.order(t, "careful", "answered")
	o.await(t, "/slow", 2)
	if err := west.ask(t.Context(), "POST", groupPath+"/switch", map[string]any{"to": "east"}, nil); err != nil {
		t.Fatal(err)
	}
	names := func() map[string]string { // of runs, by tracking id
		var runs struct {
			Value []struct {
				Name       string
				Properties struct {
					Correlation struct{ ClientTrackingID string }
				}
			}
		}
		if err := east.ask(t.Context(), "GET", DefaultScope.String()+"/providers/Microsoft.Logic/workflows/careful/runs?api-version=2016-06-01", nil, &runs); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, r := range runs.Value {
			all[r.Properties.Correlation.ClientTrackingID] = r.Name
		}
		return all
	}()
	decide := func(order string, body any) error {
		return east.ask(t.Context(), "POST", DefaultScope.String()+"/providers/Microsoft.Logic/workflows/careful/runs/"+names[order]+"/actions/Act/repeat?api-version=2016-06-01", body, nil)
	}
	until(t, func() string { return "a person to be asked" }, func() bool {
		return decide("answered", map[string]any{"answer": map[string]any{"statusCode": 200, "body": map[string]any{"paid": true}}}) == nil
	})
	until(t, func() string { return fmt.Sprintf("the answered run to end: %v", east.tracked(t, "careful")) }, func() bool {
		return east.tracked(t, "careful")["answered"] == "Succeeded"
	})
	if calls, _ := o.came("/slow"); calls != 2 {
		t.Errorf("it was called %d times before anybody said so", calls)
	}
	if now := east.callback(t, "careful"); now != given {
		t.Errorf("east gives another callback URL than west did:\n%s\n%s", now, given)
	}
	if err := decide("answered", nil); err == nil {
		t.Error("something is decided about twice")
	}
	o.free()
	if err := decide("again", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	until(t, func() string { return fmt.Sprintf("the repeated run to end: %v", east.tracked(t, "careful")) }, func() bool {
		return east.tracked(t, "careful")["again"] == "Succeeded"
	})
	if calls, keys := o.came("/slow"); calls != 3 || keys != 2 {
		t.Errorf("/slow was called %d times with %d keys", calls, keys)
	}
}
