package rest

import (
	"net/url"
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/service/workflow/internal/callback"
)

// FuzzFilter: a filter is read or refused as one, and nothing breaks.
func FuzzFilter(f *testing.F) {
	f.Add("status eq 'Failed' and (status eq 'x' or status eq 'y')")
	f.Add("startTime ge 2026-01-01T00:00:00Z and trigger eq 'it''s'")
	f.Add("((")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := runsFilter(text); err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzCallOf: an address that is read asks for a permission of its own, and names a
// workflow.
func FuzzCallOf(f *testing.F) {
	id := callback.ID("x")
	for _, path := range []string{"/workflows/" + id + "/triggers/t/paths/invoke/a%2Fb", "/workflows/" + id + "/runs/r/actions/a/run", "/api/wf/triggers/t/invoke?app=x", "/workflows/" + id + "/versions/v/triggers/t/paths/invoke",
		"/workflows/" + id + "/runs/r/contents/c", "/workflows/" + id + "/runs/r/operations/answer", "/runtime/webhooks/workflow/scaleUnits/prod-00/workflows/" + id + "/runs/r/contents/c", "/workflows//triggers//paths/invoke"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		c, ok := callOf(u)
		if !ok {
			return
		}
		if !strings.HasPrefix(c.path(), "/") || (c.id == "") == (c.name == "") || c.id != "" && !isID(c.id) || c.trigger == "" && c.run == "" {
			t.Fatalf("%q is read as %+v", text, c)
		}
	})
}
