package host

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/replica"
	"weir/service/workflow/connector"
	webcalls "weir/service/workflow/connector/http"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// onDisk is a host on a log on disk, as a server has it.
func onDisk(tb testing.TB, all ...connector.Connector) *stage {
	tb.Helper()
	dir := tb.TempDir()
	s := &stage{t: tb, dir: dir, more: all}
	s.open()
	return s
}

// openDisk opens the unit in a directory.
func (s *stage) openDisk(o replica.Options) *replica.Unit {
	store, err := journal.Open(s.within(), journal.Options{Dir: s.dir, Node: "n1"})
	s.must(err)
	s.store = store
	o.Log, o.Snapshots, o.Leases = nil, nil, nil
	unit, err := replica.Open(s.within(), store, o)
	s.must(err)
	return unit
}

// fireAll starts runs from several callers and waits until all have ended.
func (s *stage) fireAll(workflow string, runs, callers int) {
	s.t.Helper()
	var ended, firing sync.WaitGroup
	ended.Add(runs)
	jobs := make(chan int)
	for range callers {
		firing.Go(func() {
			for n := range jobs {
				_, err := s.Fire(context.Background(), Firing{Workflow: workflow, Trigger: "in", Outputs: []*expression.Object{expression.NewObject("body", int64(n))}, Ended: func(_ string, st run.Status) {
					if st != run.Succeeded {
						s.t.Errorf("a run is %s", st)
					}
					ended.Done()
				}})
				if err != nil {
					s.t.Error(err)
					ended.Done()
				}
			}
		})
	}
	for n := range runs {
		jobs <- n
	}
	close(jobs)
	firing.Wait()
	ended.Wait()
}

// BenchmarkFiveActions is runs of five actions, two of them calls over HTTP.
func BenchmarkFiveActions(b *testing.B) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer there.Close()
	s := onDisk(b, webcalls.New(webcalls.Options{}))
	s.put("Orders", strings.ReplaceAll(five, "https://there.example", there.URL))
	b.ResetTimer()
	s.fireAll("orders", b.N, 64)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(5*float64(b.N)/b.Elapsed().Seconds(), "actions/s")
}

// BenchmarkDurableActions is runs whose ten calls cost nothing outside: what the engine and
// the log can do.
func BenchmarkDurableActions(b *testing.B) {
	s := onDisk(b, newWorld())
	const each = 10
	s.put("Calls", fmt.Sprintf(`"actions": {"Each": {"type": "Foreach", "foreach": "@range(0, %d)", "actions": {"B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}}}}}}`, each))
	b.ResetTimer()
	s.fireAll("calls", b.N, 64)
	b.ReportMetric(each*float64(b.N)/b.Elapsed().Seconds(), "actions/s")
}

// BenchmarkLongLoop is a loop of 5,000 items that appends each to a variable.
func BenchmarkLongLoop(b *testing.B) {
	s := onDisk(b, newWorld())
	s.put("Loop", `"actions": {
	  "I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "list", "type": "array"}]}},
	  "Each": {"type": "Foreach", "foreach": "@range(0, 5000)", "runAfter": {"I": ["Succeeded"]}, "actions": {
	    "Add": {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}}}}}`+"}")
	b.ResetTimer()
	for b.Loop() {
		s.fireAll("loop", 1, 1)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/loop")
}

// BenchmarkWaitingRestart restarts a unit in which 100,000 runs wait.
func BenchmarkWaitingRestart(b *testing.B) {
	const runs, batch = 100_000, 5000
	s := onDisk(b, newWorld())
	s.put("Later", `"actions": {"A": {"type": "Compose", "inputs": "@triggerBody()"}, "W": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}, "runAfter": {"A": ["Succeeded"]}}}}`)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	outputs := make([]*expression.Object, batch)
	for n := range outputs {
		outputs[n] = expression.NewObject("body", "an order of some length, as they come")
	}
	for range runs / batch {
		_, err := s.Fire(context.Background(), Firing{Workflow: "later", Trigger: "in", Outputs: outputs})
		s.must(err)
	}
	s.idle()
	s.values.forget()
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := float64(after.HeapAlloc-before.HeapAlloc) / runs
	s.must(s.unit.Stop(s.within()))
	for b.Loop() {
		s.end()
		began := time.Now()
		s.open()
		owned := time.Since(began)
		s.idle()
		b.ReportMetric(owned.Seconds(), "s-to-own")
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/restart")
	b.ReportMetric(bytes, "B/run")
}
