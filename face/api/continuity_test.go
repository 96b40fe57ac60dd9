package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"weir/kernel/audit"
	"weir/kernel/fault"
)

// Every change of location is in the audit log: who asked, for what, and what came of it.
// What would happen is not mistaken for what happened, and looking is no entry.
func TestChangesOfLocationAreNoted(t *testing.T) {
	log := &noted{}
	door := testDoor(t, func(o *Options) {
		o.Audit = log
		o.Continuity = func(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) == `{"to":"nowhere"}` {
					refuse(w, r, fault.New(fault.Conflict, "There is no location 'nowhere'."))
					return
				}
				w.Header().Set("X-Test", "kept")
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write(body)
			})
		}
	})
	const group = "/continuity/groups/orders/"
	if got := ask(t, door, "GET", group, ""); got.status != 202 || len(log.entries) != 0 {
		t.Fatalf("a look: %d %s, noted %+v", got.status, got.body, log.entries)
	}
	if got := ask(t, door, "POST", group+"switch", `{"to":"west"}`); got.status != 202 || got.body != `{"to":"west"}` {
		t.Errorf("the answer did not come through: %d %s", got.status, got.body)
	}
	ask(t, door, "POST", group+"switch", `{"to":"west","dryRun":true}`)
	if got := ask(t, door, "POST", group+"promote", `{"to":"nowhere"}`); got.status != 409 {
		t.Errorf("the refusal did not come through: %d %s", got.status, got.body)
	}
	want := []struct {
		action, reason string
		outcome        audit.Outcome
	}{
		{"switch", "", audit.Succeeded}, {"switchDryRun", "", audit.Succeeded}, {"promote", "There is no location 'nowhere'.", audit.Failed},
	}
	if len(log.entries) != len(want) {
		t.Fatalf("noted %+v", log.entries)
	}
	for i, w := range want {
		e := log.entries[i]
		if e.Action != "Weir.Continuity/groups/"+w.action+"/action" || e.Outcome != w.outcome || e.Reason != w.reason || e.Caller == "" || e.Peer == "" || !strings.HasSuffix(e.Scope, "/providers/Weir.Continuity/groups/orders") {
			t.Errorf("entry %d is %+v, want %+v", i, e, w)
		}
	}
}
