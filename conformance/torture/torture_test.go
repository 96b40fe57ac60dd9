package torture

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// A short torture of each kind of location; `weir torture bus` is the long one.
func TestTorture(t *testing.T) {
	for _, c := range []struct {
		name         string
		nodes, kills int
		mode         string
	}{{"one server", 1, 5, ""}, {"three nodes", 3, 2, ""}, {"two locations", 1, 3, "sync"}} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			say := func(format string, args ...any) {
				t.Logf("%5.1fs %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
			}
			report, err := Run(context.Background(), Options{
				Binary: servertest.Binary(t), Nodes: c.nodes, Kills: c.kills, Mode: c.mode, Seed: 20, Rate: 100, Hurry: true, Say: say,
			})
			if err != nil {
				t.Fatal(err)
			}
			var table strings.Builder
			if err := report.print(&table, false); err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", table.String())
			if !report.Good() || report.Kills != c.kills {
				t.Errorf("%d kills, violations: %v", report.Kills, report.Verdict.Counts)
			}
		})
	}
}
