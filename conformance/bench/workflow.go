package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"weir/conformance/server"
	"weir/conformance/standin"
)

// WorkflowOptions say what to measure of workflows.
type WorkflowOptions struct {
	Binary   string
	Dir      string // for data; empty: a temporary directory
	Rounds   int
	Runs     int // of five HTTP actions, each round
	InFlight int
	Actions  int // that call nobody, each round
	Items    int // of the Foreach
	Asks     int // requests that are answered at once, one after the other
	Waiting  int // runs that wait while the server is killed; 0 leaves that out
	Temporal string
	NodeRED  string
	Say      func(string, ...any)
}

// WorkflowFigures are what one round came to.
type WorkflowFigures struct {
	RunsPerS    float64 `json:"runs_per_s"` // of five actions that call the stand-in, and a response
	RunP50Ms    float64 `json:"run_p50_ms"`
	RunP99Ms    float64 `json:"run_p99_ms"`
	CPUPerRun   float64 `json:"cpu_us_per_run"` // of the server
	ActionsPerS float64 `json:"actions_per_s"`
	CPUPerStep  float64 `json:"cpu_us_per_action"`
	ForeachS    float64 `json:"foreach_s"`
	AnswerP50Ms float64 `json:"answer_p50_ms"`
	AnswerP99Ms float64 `json:"answer_p99_ms"`
}

func (f *WorkflowFigures) fields() []*float64 {
	return []*float64{&f.RunsPerS, &f.RunP50Ms, &f.RunP99Ms, &f.CPUPerRun, &f.ActionsPerS, &f.CPUPerStep, &f.ForeachS, &f.AnswerP50Ms, &f.AnswerP99Ms}
}

// WorkflowResult is everything that was measured.
type WorkflowResult struct {
	WorkflowFigures                   // medians over the rounds
	Least           WorkflowFigures   `json:"least"`
	Most            WorkflowFigures   `json:"most"`
	Peers           map[string]*Peer  `json:"peers"`
	LeftOut         map[string]string `json:"left_out,omitempty"` // peers, and why
	Waiting         *WaitingRuns      `json:"waiting,omitempty"`
	RawJournalPerS  float64           `json:"raw_journal_per_s"` // appends of 64 KiB, synced, in messages of 1 KiB
	Rounds          int               `json:"rounds"`
	Runs            int               `json:"runs"`
	Actions         int               `json:"actions"`
	Items           int               `json:"items"`
	InFlight        int               `json:"in_flight"`
}

// WaitingRuns are runs that do nothing but wait.
type WaitingRuns struct {
	Runs       int     `json:"runs"`
	StartedPer float64 `json:"started_per_s"`
	EmptyRSS   int64   `json:"empty_rss_bytes"`
	RSS        int64   `json:"rss_bytes"`
	PerRun     float64 `json:"bytes_per_run"`           // resident memory that they added
	LivePerRun float64 `json:"live_bytes_per_run"`      // of it, what is in use after a collection
	RestartS   float64 `json:"restart_s"`               // SIGKILL and start, until a run was asked for and answered
	RestartRSS int64   `json:"restart_rss_bytes"`       //
	PerRunThen float64 `json:"bytes_per_run_restarted"` // the same after the restart
	LiveThen   float64 `json:"live_bytes_per_run_restarted"`
}

// RunWorkflow measures workflows.
func RunWorkflow(ctx context.Context, o WorkflowOptions) (*WorkflowResult, error) {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "weir-bench-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	world := standin.New(standin.Options{})
	world.Serve(l)
	defer world.Stop()
	r := &WorkflowResult{Rounds: o.Rounds, Runs: o.Runs, Actions: o.Actions, Items: o.Items, InFlight: o.InFlight, Peers: map[string]*Peer{}, LeftOut: map[string]string{}}
	at := "http://" + l.Addr().String()
	if err := r.measureRounds(ctx, o, at, world); err != nil {
		return nil, err
	}
	if o.Waiting > 0 {
		if err := r.measureWaiting(ctx, o, at); err != nil {
			return nil, fmt.Errorf("waiting runs: %w", err)
		}
	}
	return r, nil
}

// raiseWorkflows starts a server with the workflows that are measured.
func raiseWorkflows(ctx context.Context, o WorkflowOptions, name, standIn string) (*workflows, error) {
	dir := filepath.Join(o.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	deploy := filepath.Join(dir, "estate.json")
	if err := server.WriteEstate(deploy, workflowEstate(standIn)); err != nil {
		return nil, err
	}
	s, err := server.New(server.Options{Binary: o.Binary, Dir: dir, Deploy: deploy, Args: []string{"--pprof"}})
	if err != nil {
		return nil, err
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	w, err := newWorkflows(ctx, s)
	if err != nil {
		_ = s.Stop()
		return nil, fmt.Errorf("%w\n%s", err, s.LogTail())
	}
	return w, nil
}

func (r *WorkflowResult) measureRounds(ctx context.Context, o WorkflowOptions, standIn string, world *standin.Service) error {
	w, err := raiseWorkflows(ctx, o, "server", standIn)
	if err != nil {
		return err
	}
	defer w.server.Stop()
	warm := o
	warm.Runs, warm.Actions, warm.Items, warm.Asks = min(o.Runs, 200), min(o.Actions, 2000), min(o.Items, 100), min(o.Asks, 50)
	if _, err := w.measure(ctx, warm, world); err != nil {
		return fmt.Errorf("warm: %w\n%s", err, w.server.LogTail())
	}
	var all []WorkflowFigures
	var journals []float64
	for n := range o.Rounds {
		journal, err := rawJournal(ctx, filepath.Join(o.Dir, "raw-journal"))
		if err != nil {
			return fmt.Errorf("raw journal: %w", err)
		}
		f, err := w.measure(ctx, o, world)
		if err != nil {
			return fmt.Errorf("round %d: %w\n%s", n+1, err, w.server.LogTail())
		}
		o.Say("round %d: %.0f runs/s (p50 %.1f ms, p99 %.1f), %.0f actions/s, %d items in %.2f s, answers in %.2f ms (p99 %.2f); raw journal %.0f/s",
			n+1, f.RunsPerS, f.RunP50Ms, f.RunP99Ms, f.ActionsPerS, o.Items, f.ForeachS, f.AnswerP50Ms, f.AnswerP99Ms, journal)
		all, journals = append(all, f), append(journals, journal)
		r.measurePeers(ctx, o, standIn)
	}
	r.RawJournalPerS = median(journals)
	r.WorkflowFigures, r.Least, r.Most = foldWorkflows(all, median), foldWorkflows(all, slices.Min[[]float64]), foldWorkflows(all, slices.Max[[]float64])
	for _, p := range r.Peers {
		p.sum()
	}
	return nil
}

func foldWorkflows(all []WorkflowFigures, how func([]float64) float64) (out WorkflowFigures) {
	for i, field := range out.fields() {
		var values []float64
		for n := range all {
			values = append(values, *all[n].fields()[i])
		}
		if len(values) > 0 {
			*field = how(values)
		}
	}
	return out
}

// waitRequest is how many runs that wait one request starts.
const waitRequest = 500

// measureWaiting starts runs that wait on a fresh server, kills it and times its return.
func (r *WorkflowResult) measureWaiting(ctx context.Context, o WorkflowOptions, standIn string) error {
	w, err := raiseWorkflows(ctx, o, "waiting", standIn)
	if err != nil {
		return err
	}
	defer w.server.Stop()
	m := &WaitingRuns{}
	if _, err := w.asks(ctx, 20); err != nil {
		return err
	}
	if m.EmptyRSS, err = restingRSS(ctx, w.server); err != nil {
		return err
	}
	empty, err := live(ctx, w.server)
	if err != nil {
		return err
	}
	began := time.Now()
	for m.Runs < o.Waiting {
		n := min(waitRequest, o.Waiting-m.Runs)
		if err := w.wait(ctx, n); err != nil {
			return fmt.Errorf("after %d: %w\n%s", m.Runs, err, w.server.LogTail())
		}
		m.Runs += n
	}
	m.StartedPer = float64(m.Runs) / time.Since(began).Seconds()
	if m.RSS, err = restingRSS(ctx, w.server); err != nil {
		return err
	}
	m.PerRun = float64(m.RSS-m.EmptyRSS) / float64(m.Runs)
	full, err := live(ctx, w.server)
	if err != nil {
		return err
	}
	m.LivePerRun = float64(full-empty) / float64(m.Runs)
	o.Say("%d runs wait, started %.0f/s; %.0f bytes of memory each, %.0f of them in use; resident %d MB", m.Runs, m.StartedPer, m.PerRun, m.LivePerRun, m.RSS>>20)
	began = time.Now()
	if err := w.server.Kill(); err != nil {
		return err
	}
	if err := w.server.Start(ctx); err != nil {
		return err
	}
	if err := w.firstAnswer(ctx); err != nil {
		return err
	}
	m.RestartS = time.Since(began).Seconds()
	if m.RestartRSS, err = restingRSS(ctx, w.server); err != nil {
		return err
	}
	m.PerRunThen = float64(m.RestartRSS-m.EmptyRSS) / float64(m.Runs)
	if full, err = live(ctx, w.server); err != nil {
		return err
	}
	m.LiveThen = float64(full-empty) / float64(m.Runs)
	o.Say("answered %.2f s after the kill; resident %d MB, %.0f bytes of heap in use a run", m.RestartS, m.RestartRSS>>20, m.LiveThen)
	r.Waiting = m
	return nil
}
