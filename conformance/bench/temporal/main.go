// Command temporal is a peer for `weir bench workflow`: Temporal's own server, as a
// development server has it (all services in one process, SQLite, one shard), with a
// worker beside it in the same process, measured on the same work: a workflow of five
// activities that each call an HTTP server.
//
// It is a module of its own, so that Weir does not depend on what Temporal depends on.
//
//	GOMAXPROCS=1 go build -C conformance/bench/temporal -o /tmp/temporal-peer .
//
// It prints one JSON object. The file is synced at every commit (WAL, synchronous FULL),
// unless --memory says that nothing is kept.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// options say what to measure.
type options struct {
	standIn  string
	dir      string
	memory   bool
	runs     int
	inFlight int
	steps    int
	asks     int
}

// figures are what it came to.
type figures struct {
	Keeps         string  `json:"keeps"`
	RunsPerS      float64 `json:"runs_per_s"`       // of five activities that call the stand-in
	RunP50Ms      float64 `json:"run_p50_ms"`       // with that many in flight
	RunP99Ms      float64 `json:"run_p99_ms"`       //
	ActivitiesPer float64 `json:"actions_per_s"`    // of activities that do nothing, a hundred a run
	AnswerP50Ms   float64 `json:"answer_p50_ms"`    // one at a time: start a workflow that answers at once, have its result
	AnswerP99Ms   float64 `json:"answer_p99_ms"`    //
	StartedS      float64 `json:"server_started_s"` // until the first workflow was done
}

func main() {
	var o options
	flag.StringVar(&o.standIn, "stand-in", "", "base address of the HTTP server that activities call")
	flag.StringVar(&o.dir, "dir", "", "where the SQLite file goes")
	flag.BoolVar(&o.memory, "memory", false, "keep nothing: SQLite in memory")
	flag.IntVar(&o.runs, "runs", 1000, "workflows of five activities")
	flag.IntVar(&o.inFlight, "in-flight", 64, "workflows at a time")
	flag.IntVar(&o.steps, "activities", 2000, "activities that do nothing")
	flag.IntVar(&o.asks, "asks", 100, "workflows that answer at once, one after the other")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	began := time.Now()
	s, front, err := raise(o.dir, o.memory)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }()
	c, err := dial(ctx, front)
	if err != nil {
		return err
	}
	defer c.Close()
	p := &peer{options: o, client: c, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	w := worker.New(c, queue, worker.Options{MaxConcurrentWorkflowTaskPollers: 8, MaxConcurrentActivityTaskPollers: 16})
	w.RegisterWorkflowWithOptions(p.calls, workflow.RegisterOptions{Name: "calls"})
	w.RegisterWorkflowWithOptions(p.steps, workflow.RegisterOptions{Name: "steps"})
	w.RegisterWorkflowWithOptions(p.answers, workflow.RegisterOptions{Name: "answers"})
	w.RegisterActivityWithOptions(p.call, activity.RegisterOptions{Name: "call"})
	w.RegisterActivityWithOptions(p.nothing, activity.RegisterOptions{Name: "nothing"})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	f, err := p.measure(ctx, began)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// dial connects when the server is there.
func dial(ctx context.Context, front string) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: front, Namespace: namespace, Logger: silent{}})
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const queue = "bench"

// callsEach is how many activities a workflow has that calls out; stepsEach how many
// one has whose activities do nothing.
const (
	callsEach = 5
	stepsEach = 100
)

// peer holds the workflows and the activities.
type peer struct {
	options
	client client.Client
	http   *http.Client
}

func within(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
}

func (p *peer) calls(ctx workflow.Context, id string) error {
	ctx = within(ctx)
	for n := range callsEach {
		if err := workflow.ExecuteActivity(ctx, "call", fmt.Sprintf("%s/%d", id, n)).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) steps(ctx workflow.Context) error {
	ctx = within(ctx)
	for range stepsEach {
		if err := workflow.ExecuteActivity(ctx, "nothing").Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) answers(workflow.Context) (string, error) { return "ok", nil }

func (p *peer) nothing(context.Context) error { return nil }

// call makes the call that the HTTP actions of the other side make.
func (p *peer) call(ctx context.Context, id string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.standIn+"/call/bench", strings.NewReader(fmt.Sprintf(`{"id":%q}`, id)))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the stand-in answered %s", resp.Status)
	}
	return string(body), err
}

func (p *peer) measure(ctx context.Context, began time.Time) (f figures, err error) {
	f.Keeps = "SQLite file, WAL, synchronous FULL"
	if p.memory {
		f.Keeps = "nothing: SQLite in memory"
	}
	if _, err := p.many(ctx, 1, 1, "answers"); err != nil {
		return f, err
	}
	f.StartedS = time.Since(began).Seconds()
	if _, err := p.many(ctx, min(p.runs, 50), p.inFlight, "calls"); err != nil { // warm
		return f, err
	}
	start := time.Now()
	took, err := p.many(ctx, p.runs, p.inFlight, "calls")
	if err != nil {
		return f, err
	}
	f.RunsPerS, f.RunP50Ms, f.RunP99Ms = float64(p.runs)/time.Since(start).Seconds(), at(took, 0.5), at(took, 0.99)

	start = time.Now()
	runs := max(p.options.steps/stepsEach, 1)
	if _, err := p.many(ctx, runs, p.inFlight, "steps"); err != nil {
		return f, err
	}
	f.ActivitiesPer = float64(runs*stepsEach) / time.Since(start).Seconds()

	took, err = p.many(ctx, p.asks, 1, "answers")
	f.AnswerP50Ms, f.AnswerP99Ms = at(took, 0.5), at(took, 0.99)
	return f, err
}

// many runs a workflow so often, some at a time, and returns how long each took.
func (p *peer) many(ctx context.Context, n, inFlight int, name string) (took []time.Duration, err error) {
	turns := make(chan int)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range inFlight {
		all.Go(func() {
			for i := range turns {
				start := time.Now()
				failed := p.one(ctx, name, i)
				mu.Lock()
				took = append(took, time.Since(start))
				if err == nil {
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	all.Wait()
	slices.Sort(took)
	return took, err
}

func (p *peer) one(ctx context.Context, name string, n int) error {
	var args []any
	if name == "calls" {
		args = append(args, fmt.Sprintf("temporal-%d", n))
	}
	r, err := p.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, name, args...)
	if err != nil {
		return err
	}
	return r.Get(ctx, nil)
}

// at is a quantile of sorted times, in milliseconds.
func at(sorted []time.Duration, quantile float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(quantile*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}

// silent is a logger for what nobody reads.
type silent struct{}

var _ sdklog.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
