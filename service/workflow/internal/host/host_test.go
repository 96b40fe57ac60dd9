package host

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// world is what lies outside: it counts every call by its key.
type world struct {
	mu       sync.Mutex
	calls    map[string]int // by key: how often tried
	attempts map[string]map[int32]bool
	done     map[string]int // by key: how often answered with success
	do       func(ctx context.Context, c *connector.Call) connector.Answer
}

func newWorld() *world {
	return &world{calls: map[string]int{}, attempts: map[string]map[int32]bool{}, done: map[string]int{}}
}

func (w *world) Handles() []string                 { return []string{"Http", "HttpWebhook"} }
func (w *world) Operations() []connector.Operation { return nil }

func (w *world) Do(ctx context.Context, c *connector.Call) connector.Answer {
	w.mu.Lock()
	w.calls[c.Who.Key]++
	do := w.do
	w.mu.Unlock()
	if do != nil {
		return do(ctx, c)
	}
	return connector.Answer{Status: 200, Body: "ok"}
}

// stage is a host on a log in memory.
type stage struct {
	*Host
	t     testing.TB
	at    *replicatest.Location
	unit  *replica.Unit
	node  *journaltest.Node
	world *world
	limit Limits
	trim  bool // snapshots and carries often
	end   func()

	// On disk: where, the store there, and the connectors in place of the world.
	dir   string
	store *journal.Store
	more  []connector.Connector
}

func newStage(t testing.TB) *stage {
	s := &stage{t: t, at: replicatest.NewLocation(), world: newWorld()}
	s.open()
	return s
}

// open starts a host on the log, as a process does that starts.
func (s *stage) open() {
	s.t.Helper()
	outside := s.more
	if s.world != nil {
		outside = append(outside, s.world)
	}
	set, err := NewSet(outside...)
	s.must(err)
	s.Host = New(Options{Unit: "unit", Scope: "/g", Location: "here", Connectors: set, Limits: s.limit, Logger: slog.New(slog.NewTextHandler(testWriter{s.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	o := replica.Options{Unit: "unit", Node: "n1", Machine: s.Machine(), OnGain: s.Gained, OnWake: s.Woken}
	if s.dir != "" {
		s.unit = s.openDisk(o)
	} else {
		o = s.at.Options("n1", s.Machine())
		s.node = s.at.Log.Node()
		o.Log, o.OnGain, o.OnWake = s.node, s.Gained, s.Woken
		if s.trim {
			o.SnapshotEveryBytes, o.CarryLogBytesMin = 64<<10, 64<<10
		}
		s.unit = replica.New(o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	wait := s.Start(ctx, s.unit)
	s.unit.Start()
	ended := false
	s.end = func() {
		if !ended {
			ended = true
			s.unit.Abort()
			cancel()
			wait()
			if s.store != nil {
				s.must(s.store.Close(context.Background()))
			}
		}
	}
	s.t.Cleanup(s.end)
	for changed := s.Changed(); ; changed = s.Changed() {
		if _, owned := s.Owned(); owned {
			return
		}
		select {
		case <-changed:
		case <-s.within().Done():
			s.t.Fatal("the unit is not owned")
		}
	}
}

// restart ends the process as a crash does, and starts it again.
func (s *stage) restart() {
	s.t.Helper()
	s.end()
	s.open()
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

const schema = `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}}, `

// put deploys a workflow whose definition goes on after its triggers.
func (s *stage) put(name, rest string) {
	s.t.Helper()
	s.must(s.Put(s.within(), Declared{Name: name, ID: "/g/" + name, Definition: []byte(schema + rest)}))
}

// fire starts a run with a body, and gives its name and its end.
func (s *stage) fire(workflow string, body any) (string, <-chan run.Status) {
	s.t.Helper()
	ended := make(chan run.Status, 1)
	names, err := s.Fire(s.within(), Firing{Workflow: workflow, Trigger: "in", Outputs: []*expression.Object{expression.NewObject("body", body)}, Ended: func(_ string, st run.Status) { ended <- st }})
	s.must(err)
	return names[0], ended
}

func (s *stage) ends(name string, ended <-chan run.Status, want run.Status) {
	s.t.Helper()
	select {
	case got := <-ended:
		if got != want {
			s.t.Errorf("the run %s ended %s, want %s", name, got, want)
		}
	case <-s.within().Done():
		s.t.Fatalf("the run %s did not end", name)
	}
}

// await waits until a run has a status, without its Ended: after a restart.
func (s *stage) await(workflow, name string, want run.Status) RunInfo {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		i, err := s.Run(s.within(), workflow, name)
		s.must(err)
		if i.Status == want {
			return i
		}
		if i.Status.Ended() {
			s.t.Fatalf("the run %s is %s (%s), want %s", name, i.Status, i.Code, want)
		}
		s.must(s.unit.Call(s.within(), func(*replica.Turn) {}))
	}
	s.t.Fatalf("the run %s is not %s", name, want)
	return RunInfo{}
}

const five = `"actions": {
  "A": {"type": "Compose", "inputs": "@triggerBody()"},
  "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/@{outputs('A')}"}, "runAfter": {"A": ["Succeeded"]}},
  "C": {"type": "Compose", "inputs": "@body('B')", "runAfter": {"B": ["Succeeded"]}},
  "D": {"type": "Http", "inputs": {"method": "POST", "uri": "https://there.example", "body": "@outputs('C')"}, "runAfter": {"C": ["Succeeded"]}},
  "E": {"type": "Compose", "inputs": "@body('D')", "runAfter": {"D": ["Succeeded"]}}},
  "outputs": {"o": {"type": "String", "value": "@outputs('E')"}}}`

func TestARunGoesThrough(t *testing.T) {
	s := newStage(t)
	s.put("Orders", five)
	name, ended := s.fire("orders", "x")
	s.ends(name, ended, run.Succeeded)
	i := s.await("orders", name, run.Succeeded)
	if text, err := s.Content(s.within(), i.OutputsContent); err != nil || string(text) != `{"o":{"type":"String","value":"ok"}}` {
		t.Errorf("the outputs are %s, %v", text, err)
	}
	actions, err := s.Actions(s.within(), "orders", name)
	s.must(err)
	var got []string
	for _, a := range actions {
		got = append(got, fmt.Sprintf("%s %s %s", a.Name, a.Type, a.Status))
	}
	if text := strings.Join(got, ", "); text != "A Compose Succeeded, B Http Succeeded, C Compose Succeeded, D Http Succeeded, E Compose Succeeded" {
		t.Error(text)
	}
	text, err := s.Content(s.within(), actions[1].InputsContent)
	if err != nil || !strings.Contains(string(text), "https://there.example/x") {
		t.Errorf("the inputs are %s, %v", text, err)
	}
	if len(s.world.calls) != 2 {
		t.Errorf("%d calls", len(s.world.calls))
	}
	s.restart()
	s.await("orders", name, run.Succeeded)
	if again, err := s.Content(s.within(), actions[1].InputsContent); err != nil || string(again) != string(text) {
		t.Errorf("after a restart the inputs are %s, %v", again, err)
	}
}

func TestACallerIsAnswered(t *testing.T) {
	s := newStage(t)
	s.put("Ask", `"actions": {"R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 201, "body": "@triggerBody()"}}}}`)
	s.put("Tell", `"actions": {"C": {"type": "Compose", "inputs": 1}}}`)
	ask := func(workflow string) Reply {
		caller := make(chan Reply, 1)
		_, err := s.Fire(s.within(), Firing{Workflow: workflow, Trigger: "in", Outputs: []*expression.Object{expression.NewObject("body", "hello")}, Caller: caller})
		s.must(err)
		select {
		case r := <-caller:
			return r
		case <-s.within().Done():
			t.Fatal("no answer")
		}
		return Reply{}
	}
	if r := ask("ask"); r.Status != 201 || r.Body != "hello" || r.Run == "" || r.Accepted {
		t.Errorf("the answer is %+v", r)
	}
	if r := ask("tell"); r.Status != 202 || !r.Accepted {
		t.Errorf("the answer is %+v", r)
	}
}

func TestTimersAndRunsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, at: replicatest.NewLocation(), world: newWorld(), limit: Limits{Retention: 3 * time.Hour}}
		s.open()
		s.put("Later", `"actions": {"W": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}, "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}, "runAfter": {"W": ["Succeeded"]}}}}`)
		name, ended := s.fire("later", "x")
		other, _ := s.fire("later", "y")
		s.must(s.Cancel(s.within(), "later", other))
		s.await("later", other, run.Cancelled)
		if err := s.Cancel(s.within(), "later", other); err == nil {
			t.Error("a run was cancelled twice")
		}
		time.Sleep(59 * time.Minute)
		s.restart()
		if i, err := s.Run(s.within(), "later", name); err != nil || i.Status != run.Running {
			t.Errorf("before its time the run is %s, %v", i.Status, err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if i, err := s.Run(s.within(), "later", name); err != nil || i.Status != run.Succeeded || i.Ended.Sub(i.Created) < time.Hour {
			t.Errorf("after its time the run is %s, %v", i.Status, err)
		}
		if len(ended) != 0 {
			t.Error("an end was told after a restart")
		}
		if len(s.world.calls) != 1 {
			t.Errorf("%d calls, one is wanted", len(s.world.calls))
		}
		time.Sleep(4 * time.Hour)
		if runs, _, err := s.Runs("later", RunQuery{}); err != nil || len(runs) != 0 {
			t.Errorf("%d runs are kept beyond their time, %v", len(runs), err)
		}
	})
}
