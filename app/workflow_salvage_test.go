package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"weir/internal/groups"
)

// answering is a workflow that is called, and calls the outside for every order.
func (o *outside) answering(name, path string) map[string]any {
	var d any
	err := json.Unmarshal(fmt.Appendf(nil, `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0",
		"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
		"actions": {"Act": {"type": "Http", "inputs": {"method": "POST", "uri": "%s%s", "body": "@triggerBody()"}, "runAfter": {}}}}`, o.URL, path), &d)
	if err != nil {
		panic(err)
	}
	return document("Microsoft.Logic/workflows", name, map[string]any{"definition": d})
}

// callback is the callback URL of a workflow, as this location gives it.
func (p *place) callback(t *testing.T, workflow string) string {
	t.Helper()
	var to struct{ Value string }
	path := DefaultScope.String() + "/providers/Microsoft.Logic/workflows/" + workflow + "/triggers/manual/listCallbackUrl?api-version=2016-06-01"
	if err := p.ask(t.Context(), "POST", path, nil, &to); err != nil || to.Value == "" {
		t.Fatalf("where to call %s: %q, %v", workflow, to.Value, err)
	}
	return to.Value
}

// instead is a callback URL at this location's own door.
func (p *place) instead(address string) string {
	rest := address[strings.Index(address, "://")+3:]
	return "http://" + p.Addrs()["http"] + rest[strings.IndexByte(rest, '/'):]
}

// order calls a workflow at this location with an order.
func (p *place) order(t *testing.T, workflow, order string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.instead(p.callback(t, workflow)), strings.NewReader(fmt.Sprintf(`{"order": %q}`, order)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-ms-client-tracking-id", order)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusAccepted {
		t.Fatalf("the order %s is answered %s: %s", order, answer.Status, body)
	}
}

// tracked are the runs of a workflow: status by tracking id.
func (p *place) tracked(t *testing.T, workflow string) map[string]string {
	t.Helper()
	var runs struct {
		Value []struct {
			Properties struct {
				Status      string
				Correlation struct{ ClientTrackingID string }
			}
		}
	}
	if err := p.ask(t.Context(), "GET", DefaultScope.String()+"/providers/Microsoft.Logic/workflows/"+workflow+"/runs?api-version=2016-06-01", nil, &runs); err != nil {
		return nil
	}
	all := map[string]string{}
	for _, r := range runs.Value {
		all[r.Properties.Correlation.ClientTrackingID] = r.Properties.Status
	}
	return all
}

// TestRunsThatAFormerPrimaryHasAlone: west begins and ends runs while nobody hears of it,
// and comes back. What had ended is history in east, what was under way goes on there with
// its key, and what came to east as well is left out; each is a row of the ledger.
func TestRunsThatAFormerPrimaryHasAlone(t *testing.T) {
	o := newOutside(t)
	west, east := twoLocations(t, map[string]any{
		"mode": "async", "units": []string{DefaultScope.String()},
		"before": func(west *place) { west.deploy(t, o.answering("quick", "/quick"), o.answering("lasting", "/slow")) },
	})
	west.order(t, "quick", "both")
	until(t, func() string { return fmt.Sprintf("east to show the first run: %v", east.tracked(t, "quick")) }, func() bool { return east.tracked(t, "quick")["both"] == "Succeeded" })
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 300}, nil); err != nil {
		t.Fatal(err)
	}
	east.await(t, "east to hear nothing from west", func(g groups.Status) bool { return !connected(g) })
	west.order(t, "quick", "ended")
	west.order(t, "lasting", "under way")
	west.order(t, "lasting", "sent again")
	until(t, func() string { return fmt.Sprintf("the run in west: %v", west.tracked(t, "quick")) }, func() bool { return west.tracked(t, "quick")["ended"] == "Succeeded" })
	o.await(t, "/slow", 2)
	if err := east.ask(t.Context(), "POST", groupPath+"/promote", map[string]any{"force": true}, nil); err != nil {
		t.Fatal(err)
	}
	east.await(t, "east to have the group", func(g groups.Status) bool { return g.Standing == groups.Primary })
	east.order(t, "lasting", "sent again")
	o.await(t, "/slow", 3)
	if err := west.ask(t.Context(), "POST", groupPath+"/isolate", map[string]any{"seconds": 0}, nil); err != nil {
		t.Fatal(err)
	}
	west.await(t, "west to see that it has records alone", func(g groups.Status) bool { return g.Standing == groups.Salvage })

	var listed, done groups.Salvaged
	if err := west.ask(t.Context(), "GET", groupPath+"/salvage?rows=100", nil, &listed); err != nil {
		t.Fatal(err)
	}
	if listed.Tally.Counts["run"] != 3 {
		t.Errorf("west lists %+v, %+v", listed.Tally, listed.Rows)
	}
	if err := west.ask(t.Context(), "POST", groupPath+"/salvage", map[string]any{"choice": "reinject"}, &done); err != nil {
		t.Fatal(err)
	}
	if c := done.Tally.Counts; c["run kept"] != 1 || c["run goes on"] != 1 || c["run came again"] != 1 {
		t.Errorf("salvaged %+v", done.Tally)
	}
	west.await(t, "west to follow", func(g groups.Status) bool { return g.Standing == groups.Secondary && connected(g) })
	o.await(t, "/slow", 4)
	o.free()
	for _, at := range []*place{east, west} {
		until(t, func() string {
			return fmt.Sprintf("all runs to end in %s: %v, %v", at.o.Location, at.tracked(t, "quick"), at.tracked(t, "lasting"))
		}, func() bool {
			quick, lasting := at.tracked(t, "quick"), at.tracked(t, "lasting")
			return quick["both"] == "Succeeded" && quick["ended"] == "Succeeded" && lasting["under way"] == "Succeeded" && lasting["sent again"] == "Succeeded" && len(lasting) == 2
		})
	}
	if calls, _ := o.came("/quick"); calls != 2 {
		t.Errorf("/quick was called %d times, want once for each run", calls)
	}
	// West had called for both; east for what came again, under a key of its own, and once
	// more for what went on, with west's.
	if calls, keys := o.came("/slow"); calls != 4 || keys != 3 {
		t.Errorf("/slow was called %d times with %d keys", calls, keys)
	}
}
