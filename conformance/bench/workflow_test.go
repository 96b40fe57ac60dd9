package bench

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// What is measured are workflows without a fault.
func TestMeasuredWorkflowsAreValid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "estate.json")
	var all []server.Resource
	all = append(all, workflowEstate("http://127.0.0.1:1")...)
	if err := server.WriteEstate(file, all); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(servertest.Binary(t), "workflow", "validate", "--json", file).CombinedOutput()
	if err != nil || strings.Count(string(out), `"valid": true`) == 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The peers that are not there are left out, with how to get them.
func TestPeersThatAreNotThere(t *testing.T) {
	r := &WorkflowResult{Peers: map[string]*Peer{}, LeftOut: map[string]string{}}
	r.measurePeers(t.Context(), WorkflowOptions{Dir: t.TempDir(), Temporal: filepath.Join(t.TempDir(), "nothing"), Say: t.Logf}, "")
	if len(r.Peers) != 0 || !strings.Contains(r.LeftOut[nodeREDPeer], "npm install") || !strings.Contains(r.LeftOut[temporalPeer], "no such file") {
		t.Errorf("%v, left out %v", r.Peers, r.LeftOut)
	}
	var table strings.Builder
	if err := r.print(&table, false); err != nil || !strings.Contains(table.String(), "Node-RED was left out: npm install") {
		t.Errorf("%v\n%s", err, &table)
	}
}

// A peer's figures are medians of its rounds.
func TestPeersAreFolded(t *testing.T) {
	p := &Peer{rounds: []PeerFigures{{Keeps: "all", RunsPerS: 1}, {RunsPerS: 5}, {RunsPerS: 3}}}
	if p.sum(); p.RunsPerS != 3 || p.Keeps != "all" {
		t.Errorf("%+v", p.PeerFigures)
	}
}

// A small measurement, to see that every figure is there. None is judged.
func TestEveryWorkflowFigureIsThere(t *testing.T) {
	r, err := RunWorkflow(t.Context(), WorkflowOptions{
		Binary: servertest.Binary(t), Dir: t.TempDir(), Rounds: 1, Runs: 60, InFlight: 16, Actions: 1000, Items: 200, Asks: 30, Waiting: 1000, Say: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	var asJSON, table strings.Builder
	if err := errors.Join(r.print(&asJSON, true), r.print(&table, false)); err != nil {
		t.Fatal(err)
	}
	var figures map[string]any
	if err := json.Unmarshal([]byte(asJSON.String()), &figures); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"runs_per_s", "run_p99_ms", "actions_per_s", "foreach_s", "answer_p50_ms", "raw_journal_per_s", "waiting"} {
		if v, ok := figures[key]; !ok || v == 0. {
			t.Errorf("%s is %v", key, v)
		}
	}
	if r.Waiting.RestartS <= 0 || r.Waiting.Runs != 1000 {
		t.Errorf("%+v", r.Waiting)
	}
	t.Logf("\n%s", &table)
}
