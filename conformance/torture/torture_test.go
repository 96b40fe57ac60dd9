package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// A short torture of each kind of location; `weir torture bus` is the long one.
func TestTorture(t *testing.T) {
	for _, c := range []struct {
		name         string
		nodes, kills int
		mode         string
		network      string
		only         []string
	}{
		{"one server", 1, 5, "", "", nil},
		{"three nodes", 3, 2, "", "", nil},
		{"two locations", 1, 3, "sync", "", []string{"planned switch", "the primary is killed", "a clock is stepped"}},
		{"two locations, as root", 1, 2, "sync", server.NetworkNamespaces, []string{"a disk is full", "the primary is cut off from everybody"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.network == server.NetworkNamespaces {
				if err := errors.Join(server.Networks(), server.Disks()); err != nil {
					t.Skip(err)
				}
			}
			began := time.Now()
			say := func(format string, args ...any) {
				t.Logf("%5.1fs %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
			}
			report, err := Run(context.Background(), Options{
				Binary: servertest.Binary(t), Nodes: c.nodes, Kills: c.kills, Mode: c.mode, Network: c.network, Only: c.only, Seed: 20, Rate: 100, Hurry: true, Say: say,
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

// What can not be done here is left out by name, and what does not exist is refused.
func TestBlowsAreChosen(t *testing.T) {
	all, leftOut, err := choose(nil, machine{disks: errors.New("no disks here")})
	if err != nil || needs(all, needsDisks) || needs(all, needsNamespaces) || len(leftOut) != 4 {
		t.Errorf("%d blows, left out %q, %v", len(all), leftOut, err)
	}
	if all, leftOut, err = choose(nil, machine{namespaces: true}); err != nil || !needs(all, needsDisks) || !needs(all, needsNamespaces) || len(leftOut) > 0 {
		t.Errorf("%d blows, left out %q, %v", len(all), leftOut, err)
	}
	if _, _, err = choose([]string{"an earthquake"}, machine{}); err == nil || !strings.Contains(err.Error(), "a disk is full") {
		t.Errorf("an unknown blow: %v", err)
	}
	if _, _, err = choose([]string{"a disk is full"}, machine{disks: errors.New("no disks here")}); err == nil || !strings.Contains(err.Error(), "no disks here") {
		t.Errorf("nothing is left to do: %v", err)
	}
	for _, o := range []Options{{WhenAway: "pray"}, {Network: "pigeons"}} {
		o.Mode, o.Dir, o.Say = "sync", t.TempDir(), t.Logf
		if _, err := raisePair(context.Background(), o, newRecorder()); err == nil || !strings.Contains(err.Error(), "may be") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A drawn clock is off by what it may be, either way.
func TestDrawnClocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	ahead, behind := 0, 0
	for range 1000 {
		off, pace := drawClock(random)
		if off.Abs() < stepMin || off.Abs() > stepMax+time.Millisecond || pace < 1-paceMost || pace > 1+paceMost {
			t.Fatalf("%v at %v", off, pace)
		}
		if off > time.Minute {
			ahead++
		} else if off < -time.Minute {
			behind++
		}
	}
	if ahead < 100 || behind < 100 {
		t.Errorf("%d ahead and %d behind by more than a minute, of 1000", ahead, behind)
	}
}

// A short torture of workflows; `weir torture workflow` is the long one.
func TestTortureOfWorkflows(t *testing.T) {
	for _, c := range []struct {
		name  string
		kills int
		mode  string
		only  []string
	}{
		{"one server", 4, "", nil},
		{"two locations", 2, "sync", []string{"planned switch", "the primary is killed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			say := func(format string, args ...any) {
				t.Logf("%5.1fs %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
			}
			report, err := Run(context.Background(), Options{
				Binary: servertest.Binary(t), Nodes: 1, Kills: c.kills, Mode: c.mode, Only: c.only, Seed: 20, Workflows: true, Alone: true, FlowRate: 5, Say: say,
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
				t.Errorf("%d kills, violations: %v", report.Kills, report.Workflows.Counts)
			}
		})
	}
}
