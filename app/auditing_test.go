package app

import (
	"context"
	"fmt"
	"testing"

	"weir/kernel/audit"
)

// entries asks a location's door for its audit log.
func (p *place) entries(t *testing.T, query string) []audit.Entry {
	t.Helper()
	var page audit.Page
	if err := p.ask(t.Context(), "GET", "/audit?"+query, nil, &page); err != nil {
		t.Fatal(err)
	}
	return page.Entries
}

// What was done in a location can be read in the other one, also after the location is
// gone, and what was not lost is still there when it comes back.
func TestTheAuditLogIsInBothLocations(t *testing.T) {
	west, east := twoLocations(t, nil)
	for i := range 3 {
		e := audit.Entry{Caller: "ada", Action: fmt.Sprint("write ", i), Scope: DefaultScope.String(), Door: "test", Outcome: audit.Succeeded}
		if err := west.audit.Load().Note(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	there := func() int { return len(east.entries(t, "location=west&caller=ada")) }
	until(t, func() string { return fmt.Sprintf("%d entries of west are in east", there()) }, func() bool { return there() == 3 })
	west.abort()
	if got := there(); got != 3 {
		t.Errorf("%d entries of west are in east after west is gone", got)
	}
	west.launch(t)
	if got := west.entries(t, "caller=ada&location=west"); len(got) != 3 || got[0].Action != "write 2" || got[0].Seq != got[1].Seq+1 {
		t.Errorf("after a crash west has %+v", got)
	}
}
