package bench

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"weir/conformance/server"
)

// PeerFigures are what a peer came to in one round. What it has not got is 0.
type PeerFigures struct {
	Keeps       string  `json:"keeps"` // what it keeps of runs when its process ends
	RunsPerS    float64 `json:"runs_per_s"`
	RunP50Ms    float64 `json:"run_p50_ms"`
	RunP99Ms    float64 `json:"run_p99_ms"`
	ActionsPerS float64 `json:"actions_per_s"`
	AnswerP50Ms float64 `json:"answer_p50_ms"`
	AnswerP99Ms float64 `json:"answer_p99_ms"`
}

// Peer is another engine, measured in the same rounds.
type Peer struct {
	PeerFigures // medians
	rounds      []PeerFigures
}

func (p *Peer) sum() {
	if len(p.rounds) == 0 {
		return
	}
	p.Keeps = p.rounds[0].Keeps
	for _, of := range []func(*PeerFigures) *float64{
		func(f *PeerFigures) *float64 { return &f.RunsPerS },
		func(f *PeerFigures) *float64 { return &f.RunP50Ms },
		func(f *PeerFigures) *float64 { return &f.RunP99Ms },
		func(f *PeerFigures) *float64 { return &f.ActionsPerS },
		func(f *PeerFigures) *float64 { return &f.AnswerP50Ms },
		func(f *PeerFigures) *float64 { return &f.AnswerP99Ms },
	} {
		var values []float64
		for i := range p.rounds {
			values = append(values, *of(&p.rounds[i]))
		}
		*of(&p.PeerFigures) = median(values)
	}
}

// Names of peers.
const (
	temporalPeer = "Temporal"
	nodeREDPeer  = "Node-RED"
)

// measurePeers has each peer do the same in this round. One that fails is left out from
// then on, with the reason.
func (r *WorkflowResult) measurePeers(ctx context.Context, o WorkflowOptions, standIn string) {
	for _, p := range []struct {
		name, where, how string
		run              func(context.Context, WorkflowOptions, string) (PeerFigures, error)
	}{
		{temporalPeer, o.Temporal, "GOMAXPROCS=1 go build -C conformance/bench/temporal -o PATH . (six minutes), then --temporal PATH", runTemporal},
		{nodeREDPeer, o.NodeRED, "npm install in a copy of conformance/bench/nodered, then --node-red FOLDER", runNodeRED},
	} {
		if p.where == "" {
			r.LeftOut[p.name] = p.how
		}
		if r.LeftOut[p.name] != "" {
			continue
		}
		f, err := p.run(ctx, o, standIn)
		if err != nil {
			r.LeftOut[p.name] = err.Error()
			delete(r.Peers, p.name)
			o.Say("%s: %v", p.name, err)
			continue
		}
		o.Say("%s: %.0f runs/s (p50 %.1f ms, p99 %.1f), %.0f actions/s, answers in %.2f ms (p99 %.2f); keeps %s",
			p.name, f.RunsPerS, f.RunP50Ms, f.RunP99Ms, f.ActionsPerS, f.AnswerP50Ms, f.AnswerP99Ms, f.Keeps)
		if r.Peers[p.name] == nil {
			r.Peers[p.name] = &Peer{}
		}
		r.Peers[p.name].rounds = append(r.Peers[p.name].rounds, f)
	}
}

// Peers are slower: they get a share of the work, enough to be measured.
const (
	temporalRuns  = 500
	temporalSteps = 3000
	temporalAsks  = 200
)

func runTemporal(ctx context.Context, o WorkflowOptions, standIn string) (f PeerFigures, err error) {
	dir, err := os.MkdirTemp(o.Dir, "temporal-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, o.Temporal, "--stand-in", standIn, "--dir", dir, "--in-flight", fmt.Sprint(o.InFlight),
		"--runs", fmt.Sprint(min(o.Runs, temporalRuns)), "--activities", fmt.Sprint(min(o.Actions, temporalSteps)), "--asks", fmt.Sprint(min(o.Asks, temporalAsks)))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return f, fmt.Errorf("%s: %w: %.1000s", o.Temporal, err, said.String())
	}
	return f, json.Unmarshal(out, &f)
}

//go:embed nodered/flows.json
var nodeREDFlows string

// nodeREDSettings keep it on this machine and quiet.
const nodeREDSettings = `module.exports = {uiHost: "127.0.0.1", uiPort: %d, flowFile: "flows.json", httpAdminRoot: false, credentialSecret: false, logging: {console: {level: "error"}}};`

// nodeREDWithin bounds its start.
const nodeREDWithin = time.Minute

func runNodeRED(ctx context.Context, o WorkflowOptions, standIn string) (f PeerFigures, err error) {
	dir, err := os.MkdirTemp(o.Dir, "node-red-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, err
	}
	addr := l.Addr().String()
	l.Close()
	settings := fmt.Sprintf(nodeREDSettings, l.Addr().(*net.TCPAddr).Port)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "flows.json"), []byte(strings.ReplaceAll(nodeREDFlows, "STAND_IN", standIn)), 0o644),
		os.WriteFile(filepath.Join(dir, "settings.js"), []byte(settings), 0o644),
	)
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(o.NodeRED, "node_modules/node-red/red.js"), "--userDir", dir, "--settings", filepath.Join(dir, "settings.js"))
	var said strings.Builder
	cmd.Stderr, cmd.Stdout = &said, &said
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %.1000s", err, said.String())
		}
	}()
	return measureNodeRED(ctx, o, addr)
}

func measureNodeRED(ctx context.Context, o WorkflowOptions, addr string) (f PeerFigures, err error) {
	client := caller()
	defer client.CloseIdleConnections()
	ask := func(path string) func(int) error {
		return func(i int) error {
			status, body, err := server.Post(ctx, client, addr, path, "", fmt.Appendf(nil, `{"id":"run-%d"}`, i))
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%s answered %d: %.300s", path, status, body)
			}
			return err
		}
	}
	for limit := time.Now().Add(nodeREDWithin); ask("/answers")(0) != nil; {
		if time.Now().After(limit) {
			return f, fmt.Errorf("no answer within %s", nodeREDWithin)
		}
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if _, err := many(min(o.Runs, 200), o.InFlight, ask("/calls")); err != nil {
		return f, err
	}
	began := time.Now()
	took, err := many(o.Runs, o.InFlight, ask("/calls"))
	if err != nil {
		return f, err
	}
	f.RunsPerS, f.RunP50Ms, f.RunP99Ms = float64(o.Runs)/time.Since(began).Seconds(), at(took, 0.5), at(took, 0.99)
	took, err = many(o.Asks, 1, ask("/answers"))
	f.AnswerP50Ms, f.AnswerP99Ms, f.Keeps = at(took, 0.5), at(took, 0.99), "nothing"
	return f, err
}
