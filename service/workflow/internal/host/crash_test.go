package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

const crashing = `"actions": {
  "I": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 0}]}},
  "A": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/a"}, "runAfter": {"I": ["Succeeded"]}},
  "Each": {"type": "Foreach", "foreach": "@range(0, 3)", "runAfter": {"A": ["Succeeded"]}, "actions": {
    "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/b@{item()}"}},
    "Add": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 1}, "runAfter": {"B": ["Succeeded"]}}}},
  "C": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example/c"}, "runAfter": {"Each": ["Succeeded"]}}},
  "outputs": {"n": {"type": "Int", "value": "@variables('n')"}}}`

// deed is one action of one run, outside.
type deed struct{ run, uri string }

// witness is a world that remembers who asked for what, how often and with which key.
type witness struct {
	gate  sync.RWMutex // held while nothing may be asked
	mu    sync.Mutex
	asked map[deed]int
	keys  map[deed]string
	wrong []string
}

func (w *witness) do(ctx context.Context, c *connector.Call) connector.Answer {
	uri, _ := c.Inputs.(*expression.Object).Get("uri")
	d := deed{c.Who.Run, expression.Text(uri)}
	w.gate.RLock()
	defer w.gate.RUnlock()
	if ctx.Err() != nil {
		return connector.Answer{Code: "Cancelled", Message: "The call was called off."}
	}
	w.mu.Lock()
	w.asked[d]++
	n := w.asked[d]
	key := fmt.Sprint(c.Who.Key, " ", c.Who.Attempt)
	if before := w.keys[d]; before != "" && before != key {
		w.wrong = append(w.wrong, fmt.Sprintf("%v is asked with the keys %s and %s", d, before, key))
	}
	w.keys[d] = key
	w.mu.Unlock()
	timer := time.NewTimer(time.Duration((n+len(d.run)+int(d.run[len(d.run)-5]))%3) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return connector.Answer{Status: 200, Body: uri}
	case <-ctx.Done():
		return connector.Answer{Code: "Cancelled", Message: "The call was called off."}
	}
}

func (w *witness) count() map[deed]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[deed]int{}
	for d, n := range w.asked {
		all[d] = n
	}
	return all
}

// Processes that die at any moment leave every run to the next one: each ends once, with
// every action carried out; what was answered and recorded is not asked again, and what is
// asked again comes with the same key and the same attempt.
func TestCrashesLoseNothing(t *testing.T) {
	const runs, crashes = 60, 15
	rng := rand.New(rand.NewPCG(7, 7))
	s := &stage{t: t, at: replicatest.NewLocation(), world: newWorld()}
	w := &witness{asked: map[deed]int{}, keys: map[deed]string{}}
	s.world.do, s.limit.Calls = w.do, 8
	s.open()
	s.put("Orders", crashing)
	var names []string
	for n := range runs {
		name, _ := s.fire("orders", fmt.Sprint(n))
		names = append(names, name)
		for range rng.IntN(30) {
			s.must(s.unit.Call(s.within(), func(*replica.Turn) {}))
		}
		if n%(runs/crashes) != 0 {
			continue
		}
		s.end()
		w.gate.Lock()
		s.open()
		before, done := w.count(), s.done(names) // before what was under way is taken up
		w.gate.Unlock()
		if n == runs-1 || n%2 == 0 {
			s.takenUp()
		}
		for d := range done {
			if now := w.count()[d]; now != before[d] {
				t.Errorf("%v had ended before the crash and is asked again: %d times, then %d", d, before[d], now)
			}
		}
	}
	for _, name := range names {
		i := s.await("orders", name, run.Succeeded)
		if text, err := s.Content(s.within(), i.OutputsContent); err != nil || string(text) != `{"n":{"type":"Int","value":3}}` {
			t.Errorf("the run %s ends with %s, %v", name, text, err)
		}
	}
	all, _, err := s.Runs("orders", RunQuery{Most: 10 * runs})
	s.must(err)
	asked := w.count()
	if len(all) != runs || len(asked) != 5*runs || len(w.wrong) > 0 {
		t.Errorf("%d runs for %d firings; %d actions, %d are wanted; %v", len(all), runs, len(asked), 5*runs, w.wrong)
	}
	again := 0
	for _, n := range asked {
		again += n - 1
	}
	t.Logf("%d of %d calls were made again after %d crashes", again, len(asked), crashes)
}

// done lists what has ended, as the journal has it.
func (s *stage) done(names []string) map[deed]bool {
	all := map[deed]bool{}
	for _, name := range names {
		list, err := s.Actions(s.within(), "orders", name)
		s.must(err)
		inner, err := s.Repetitions(s.within(), "orders", name, "B")
		s.must(err)
		for _, a := range append(list, inner...) {
			if a.Type != "Http" || a.Status != run.Succeeded {
				continue
			}
			text, err := s.Content(s.within(), a.InputsContent)
			s.must(err)
			v, err := expression.ParseJSON(string(text))
			s.must(err)
			uri, _ := v.(*expression.Object).Get("uri")
			all[deed{name, expression.Text(uri)}] = true
		}
	}
	return all
}

// takenUp waits a little: until every run that was left is asked for or has ended.
func (s *stage) takenUp() {
	for range 50 {
		s.must(s.unit.Call(s.within(), func(*replica.Turn) {}))
	}
}

func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	s := newStage(t)
	s.put("Orders", `"actions": {"A": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}}}}`)
	s.at.Log.Hold()
	started := make(chan struct{})
	go func() {
		defer close(started)
		s.fire("orders", "x")
	}()
	for decided := false; !decided; {
		s.unit.View(func() { decided = s.ledger.Find("orders").Running() == 1 })
	}
	select {
	case <-started:
		t.Error("a firing was answered before it was durable")
	default:
	}
	s.world.mu.Lock()
	if n := len(s.world.calls); n != 0 {
		t.Errorf("%d calls were made before it was durable that they are made", n)
	}
	s.world.mu.Unlock()
	s.at.Log.Free()
	for s.node.Complete() {
	}
	select {
	case <-started:
	case <-s.within().Done():
		t.Fatal("the firing is not answered")
	}
}

// A thousand runs that wait are taken up, cost nothing while they wait, and go on.
func TestRunsThatWaitOutliveTheProcess(t *testing.T) {
	const runs = 1000
	s := newStage(t)
	s.put("Later", `"actions": {"H": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "https://there.example"}}}, "B": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}, "runAfter": {"H": ["Succeeded"]}}}}`)
	outputs := make([]*expression.Object, runs)
	for n := range outputs {
		outputs[n] = expression.NewObject("body", int64(n))
	}
	names, err := s.Fire(s.within(), Firing{Workflow: "later", Trigger: "in", Outputs: outputs})
	s.must(err)
	s.idle()
	s.restart()
	s.idle()
	if n := len(s.world.calls); n != runs {
		t.Errorf("%d subscriptions for %d runs", n, runs)
	}
	for _, name := range names {
		i, err := s.Run(s.within(), "later", name)
		s.must(err)
		actions, err := s.Actions(s.within(), "later", name)
		s.must(err)
		s.must(s.CalledBack(s.within(), i.Number, actions[0].At, run.Answer{Status: 200, Body: "now"}))
	}
	for _, name := range names {
		s.await("later", name, run.Succeeded)
	}
}

// idle waits until nothing is to be done.
func (s *stage) idle() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		s.must(s.unit.Call(s.within(), func(*replica.Turn) {}))
		t := s.current()
		t.mu.Lock()
		rest := len(t.workers) + t.calls.len() + t.calling
		t.mu.Unlock()
		if rest == 0 {
			return
		}
	}
	s.t.Fatal("the unit does not come to rest")
}

// The log is trimmed behind what lives; what still waits is carried, and goes on from there.
func TestTheLogIsTrimmed(t *testing.T) {
	s := &stage{t: t, at: replicatest.NewLocation(), world: newWorld(), trim: true}
	s.open()
	s.put("Later", `"actions": {"A": {"type": "Compose", "inputs": "@triggerBody()"}, "H": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "https://there.example"}}, "runAfter": {"A": ["Succeeded"]}},
	  "B": {"type": "Http", "inputs": {"method": "POST", "uri": "https://there.example", "body": "@outputs('A')"}, "runAfter": {"H": ["Succeeded"]}}}, "outputs": {"o": {"type": "String", "value": "@outputs('A')"}}`+"}")
	s.put("Orders", five)
	body := strings.Repeat("x", 5000)
	waiting, _ := s.fire("later", body)
	s.idle()
	var first uint64
	for n := 0; n < 400; n++ {
		name, ended := s.fire("orders", body)
		s.ends(name, ended, run.Succeeded)
		s.must(s.Cancel(s.within(), "later", s.fireAndWait("later")))
		s.forgetAll()
		s.unit.View(func() { first = uint64(s.ledger.Horizon()) })
		if i, _ := s.RunNumbered(1); first > 100 && i.Name == waiting {
			break
		}
	}
	if first <= 100 {
		t.Fatalf("the oldest block lies at %d: nothing was carried", first)
	}
	s.values.forget()
	actions, err := s.Actions(s.within(), "later", waiting)
	s.must(err)
	s.must(s.CalledBack(s.within(), 1, actions[1].At, run.Answer{Status: 200}))
	i := s.await("later", waiting, run.Succeeded)
	if text, err := s.Content(s.within(), i.OutputsContent); err != nil || !strings.Contains(string(text), body) {
		t.Errorf("the outputs have %d bytes, %v", len(text), err)
	}
}

// fireAndWait starts a run that waits.
func (s *stage) fireAndWait(workflow string) string {
	name, _ := s.fire(workflow, "y")
	s.idle()
	return name
}

// forgetAll forgets every run that has ended.
func (s *stage) forgetAll() {
	s.must(s.unit.Call(s.within(), func(rt *replica.Turn) { s.ledger.Forget(rt, rt.Now().Add(time.Hour).UnixMicro(), 1000) }))
}

// A run is recovered once in an ownership. Later, what it has under way is known: it is not
// begun again, whatever is shown when.
func TestWhatIsKnownToBeUnderWayIsNotBegunAgain(t *testing.T) {
	s := newStage(t)
	s.put("Orders", `"actions": {"A": {"type": "Http", "inputs": {"method": "GET", "uri": "https://there.example"}}}}`)
	began, release := make(chan struct{}, 10), make(chan struct{})
	s.world.do = func(ctx context.Context, c *connector.Call) connector.Answer {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return connector.Answer{Status: 200}
	}
	name, _ := s.fire("orders", "x")
	<-began
	s.restart()
	<-began // asked again, as it must
	i, err := s.Run(s.within(), "orders", name)
	s.must(err)
	s.at.Log.Hold()
	recorded := make(chan error, 1)
	go func() {
		_, err := s.Fire(s.within(), Firing{Workflow: "orders", Trigger: "in", SetMemory: true, Memory: []byte("m")})
		recorded <- err
	}()
	for remembered := false; !remembered; {
		m, err := s.Trigger("orders", "in")
		s.must(err)
		remembered = string(m.Memory) == "m"
	}
	s.must(s.current().post(i.Number, input{Input: run.Input{Event: run.Recover}}))
	close(release)
	for ended := false; !ended; {
		s.unit.View(func() { ended = s.ledger.Run(i.Number).Status.Ended() })
	}
	s.at.Log.Free()
	for s.node.Complete() {
	}
	s.must(<-recorded)
	s.await("orders", name, run.Succeeded)
	s.idle()
	if len(began) != 0 {
		t.Errorf("it was asked %d times more", len(began))
	}
}
