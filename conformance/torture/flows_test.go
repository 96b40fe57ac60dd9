package torture

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
	"weir/conformance/torture/ledger"
)

// The workflows under torture are without a fault, and every step of a shape is an action
// of its workflow.
func TestTorturedWorkflowsAreValid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "estate.json")
	estate := flowEstate("http://127.0.0.1:1")
	if err := server.WriteEstate(file, estate); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(servertest.Binary(t), "workflow", "validate", "--json", file).CombinedOutput()
	if err != nil || strings.Count(string(out), `"valid": true`) == 0 {
		t.Errorf("%v\n%s", err, out)
	}
	if shapes := flowShapes(); len(shapes) != len(estate) {
		t.Errorf("%d shapes of %d workflows", len(shapes), len(estate))
	}
}

// The times of a recurrence are counted from the first run to the last, in their form.
func TestScheduleCounts(t *testing.T) {
	at := func(token string) ledger.Run { return ledger.Run{Workflow: flowTicks, Token: token} }
	s := schedule([]ledger.Run{at("2026-11-21T12:00:04.0000000Z"), at("2026-11-21T12:00:00.0000000Z"), at("none")})
	want := "2026-11-21T12:00:00.0000000Z 2026-11-21T12:00:02.0000000Z 2026-11-21T12:00:04.0000000Z"
	if got := strings.Join(s.Due, " "); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	if s := schedule(nil); len(s.Due) != 0 {
		t.Errorf("%v", s.Due)
	}
}
