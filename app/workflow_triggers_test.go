package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// source is what triggers of a node are about: it takes subscriptions, has items to poll,
// and hears what the runs say.
type source struct {
	*httptest.Server
	mu      sync.Mutex
	hooks   map[string]string   // by key: the address that is called back
	heard   map[string][]string // by workflow
	service http.ServeMux
}

func newSource(t *testing.T) *source {
	s := &source{hooks: map[string]string{}, heard: map[string][]string{}}
	read := func(r *http.Request) string { b, _ := io.ReadAll(r.Body); return string(b) }
	s.service.HandleFunc("POST /hooks", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks[r.Header.Get("Weir-Idempotency-Key")] = strings.Trim(read(r), `"`)
		w.Header().Set("Location", "/hooks/1")
		w.WriteHeader(http.StatusCreated)
	})
	s.service.HandleFunc("DELETE /hooks", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.hooks)
	})
	s.service.HandleFunc("GET /items", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.URL.Query().Get("after"), &n)
		w.Header().Set("Location", fmt.Sprintf("/items?after=%d", min(n+2, 6)))
		w.Header().Set("Retry-After", "0")
		if n >= 6 {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `[{"n": %d}, {"n": %d}]`, n+1, n+2)
	})
	s.service.HandleFunc("POST /heard/{workflow}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard[r.PathValue("workflow")] = append(s.heard[r.PathValue("workflow")], read(r))
	})
	s.Server = httptest.NewServer(&s.service)
	t.Cleanup(s.Close)
	return s
}

func (s *source) of(workflow string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.heard[workflow])
	slices.Sort(all)
	return all
}

// telling is a workflow that tells the source what a trigger gave.
func (s *source) telling(name, trigger, what string) string {
	return fmt.Sprintf(`{"location": "westeurope", "properties": {"definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "triggers": {"in": %s}, "actions": {"Tell": {"type": "Http", "inputs": {"method": "POST", "uri": "%s/heard/%s", "body": %q}}}}}}`, trigger, s.URL, name, what)
}

// TestTriggers: every kind of trigger on a node as people have it: subscribed and called
// back, polled with a cursor, at its times, in windows, and gathered in a batch.
func TestTriggers(t *testing.T) {
	s := newSource(t)
	var log record
	p := start(t, options(t, &log))
	defer http.DefaultClient.CloseIdleConnections()
	door := "http://" + p.Addrs()["http"]
	const version = "?api-version=2016-06-01"
	at := func(name string) string {
		return door + DefaultScope.String() + "/providers/Microsoft.Logic/workflows/" + name
	}
	put := func(name, text string) {
		t.Helper()
		if status, body := flowAsk(t, "PUT", at(name)+version, p.token, text); status >= 300 {
			t.Fatal(name, status, body)
		}
	}
	hear := func(workflow string, enough func([]string) bool) {
		t.Helper()
		until(t, func() string { return fmt.Sprintf("what %s tells: %v", workflow, s.of(workflow)) }, func() bool { return enough(s.of(workflow)) })
	}
	every := `"recurrence": {"frequency": "Second", "interval": 1}`
	put("hooks", s.telling("hooks", fmt.Sprintf(`{"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "%s/hooks", "body": "@listCallbackUrl()"}, "unsubscribe": {"method": "DELETE", "uri": "%s/hooks"}}}`, s.URL, s.URL), "@{triggerBody()['x']}"))
	put("polls", s.telling("polls", fmt.Sprintf(`{"type": "Http", %s, "inputs": {"method": "GET", "uri": "%s/items"}, "splitOn": "@triggerBody()"}`, every, s.URL), "@{triggerBody()['n']}"))
	put("ticks", s.telling("ticks", `{"type": "Recurrence", `+every+`}`, "@{trigger()['scheduledTime']}"))
	put("windows", s.telling("windows", `{"type": "SlidingWindow", `+every+`}`, "@{trigger()['outputs']['windowStartTime']} @{trigger()['outputs']['windowEndTime']}"))
	put("batch", s.telling("batch", `{"type": "Batch", "inputs": {"mode": "Inline", "configurations": {"b": {"releaseCriteria": {"messageCount": 2}}}}}`, "@{triggerBody()['partitionName']}: @{join(triggerBody()['items'], ' ')}"))
	put("sends", fmt.Sprintf(`{"location": "westeurope", "properties": {"definition": {
	  "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
	  "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
	  "actions": {"Send": {"type": "SendToBatch", "inputs": {"batchName": "b", "content": "@triggerBody()", "partitionName": "p", "messageId": "@{triggerBody()}", "host": {"triggerName": "in", "workflow": {"id": "%s/providers/Microsoft.Logic/workflows/batch"}}}},
	    "Response": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}, "runAfter": {"Send": ["Succeeded"]}}}}}}`, DefaultScope))

	var address struct{ Value string }
	status, body := flowAsk(t, "POST", at("sends")+"/triggers/manual/listCallbackUrl"+version, p.token, "")
	if err := json.Unmarshal([]byte(body), &address); status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	for n := range 2 {
		if status, body := flowAsk(t, "POST", address.Value, "", fmt.Sprint(n)); status != 200 {
			t.Fatal("sent to the batch:", status, body)
		}
	}
	hear("batch", func(all []string) bool { return len(all) == 1 && strings.HasPrefix(all[0], "p: ") })

	hooked := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, address := range s.hooks {
			return address
		}
		return ""
	}
	until(t, func() string { return "a subscription" }, func() bool { return hooked() != "" })
	if status, body := flowAsk(t, "POST", hooked(), "", `{"x": "called back"}`); status >= 300 {
		t.Error("called back:", status, body)
	}
	hear("hooks", func(all []string) bool { return slices.Equal(all, []string{"called back"}) })

	hear("polls", func(all []string) bool { return slices.Equal(all, []string{"1", "2", "3", "4", "5", "6"}) })
	hear("ticks", func(all []string) bool { return len(all) >= 3 && len(slices.Compact(slices.Clone(all))) == len(all) })
	hear("windows", func(all []string) bool {
		for k := 1; k < len(all); k++ {
			if _, end, _ := strings.Cut(all[k-1], " "); !strings.HasPrefix(all[k], end+" ") {
				t.Fatalf("windows %v", all)
			}
		}
		return len(all) >= 3
	})
	if status, body := flowAsk(t, "DELETE", at("hooks")+version, p.token, ""); status >= 300 {
		t.Error(status, body)
	}
	until(t, func() string { return "the end of the subscription" }, func() bool { return hooked() == "" })
	if status, body := flowAsk(t, "POST", at("ticks")+"/triggers/in/run"+version, p.token, ""); status >= 300 {
		t.Error("run by hand:", status, body)
	}
}
