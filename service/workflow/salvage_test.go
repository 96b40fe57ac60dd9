package workflow

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
	"weir/kernel/replica"
	"weir/kernel/replica/replicatest"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	runs "weir/service/workflow/internal/run"
)

// partner is what workflows call: it answers when it is let.
type partner struct {
	mu    sync.Mutex
	keys  map[string]int
	hold  chan struct{} // open while calls are not answered
	heard chan string
}

func (p *partner) Handles() []string                 { return []string{"Http"} }
func (p *partner) Operations() []connector.Operation { return nil }

func (p *partner) Do(ctx context.Context, c *connector.Call) connector.Answer {
	p.mu.Lock()
	p.keys[c.Who.Key]++
	hold := p.hold
	p.mu.Unlock()
	select {
	case p.heard <- c.Who.Run:
	case <-ctx.Done():
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return connector.Answer{Code: "Gone", Message: "the run is not here any more"}
		}
	}
	return connector.Answer{Status: 200, Body: "ok"}
}

func (p *partner) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.keys)
}

// seat is a unit of workflows in one location.
type seat struct {
	*host.Host
	unit    *replica.Unit
	at      *replicatest.Location
	partner *partner
}

const seatHead = `{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "triggers": {"in": {"type": "Request", "kind": "Http", "inputs": {}}}, "actions": `

func newSeat(t *testing.T, name string) *seat {
	t.Helper()
	s := &seat{at: replicatest.NewLocation(), partner: &partner{keys: map[string]int{}, heard: make(chan string, 1000)}}
	set, err := host.NewSet(s.partner)
	if err != nil {
		t.Fatal(err)
	}
	s.Host = host.New(host.Options{Unit: "unit", Scope: "/g", Location: name, Connectors: set})
	o := s.at.Options("n1", s.Machine())
	o.OnGain, o.OnWake = s.Gained, s.Woken
	s.unit = replica.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	wait := s.Start(ctx, s.unit)
	s.unit.Start()
	t.Cleanup(func() { s.unit.Abort(); cancel(); wait() })
	for changed := s.Changed(); ; changed = s.Changed() {
		if _, owned := s.Owned(); owned {
			return s
		}
		select {
		case <-changed:
		case <-patience(t).Done():
			t.Fatalf("%s does not own its unit", name)
		}
	}
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s *seat) put(t *testing.T, name, version, actions string) {
	t.Helper()
	if err := s.Put(patience(t), host.Declared{Name: name, ID: "/g/" + name, Version: version, Definition: []byte(seatHead + actions + "}")}); err != nil {
		t.Fatal(err)
	}
}

// fire starts a run with a body; ended tells its end.
func (s *seat) fire(t *testing.T, workflow, body string) (name string, ended <-chan runs.Status) {
	t.Helper()
	told := make(chan runs.Status, 1)
	names, err := s.Fire(patience(t), host.Firing{
		Workflow: workflow, Trigger: "in", Tracking: []string{"order " + body},
		Outputs: []*expression.Object{expression.NewObject("body", body)}, Ended: func(_ string, st runs.Status) { told <- st },
	})
	if err != nil {
		t.Fatal(err)
	}
	return names[0], told
}

func (s *seat) status(t *testing.T, workflow, name string) runs.Status {
	t.Helper()
	r, err := s.Run(patience(t), workflow, name)
	if err != nil {
		t.Fatal(err)
	}
	return r.Status
}

// noSnapshots is a log without snapshots.
type noSnapshots struct{}

func (noSnapshots) Before(context.Context, journal.Position) (journal.Snapshot, bool, error) {
	return journal.Snapshot{}, false, nil
}

// whole is a log that is read from its beginning.
type whole struct{ *journaltest.Node }

func (whole) TailAt(context.Context, journal.Position) (journal.Tail, error) {
	return journal.Tail{}, nil
}

// tail lists what a seat has behind a position.
func (s *seat) tail(t *testing.T, after journal.Position) []groups.Row {
	t.Helper()
	var all []groups.Row
	log := s.at.Log.Node()
	err := Tail(patience(t), "unit", replica.Past{Log: whole{log}, Snapshots: noSnapshots{}}, log, after, func(r groups.Row) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const (
	quick = `{"Say": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}}`
	slow  = `{"Pay": {"type": "Http", "inputs": {"method": "POST", "uri": "https://bank.example/pay", "body": "@triggerBody()"}, "runAfter": {}}}`
)

// TestRunsThatALostPrimaryHadAlone: those that had ended are history in the present primary,
// those under way go on there with their names and keys, and what came again is left out.
func TestRunsThatALostPrimaryHadAlone(t *testing.T) {
	lost, present := newSeat(t, "west"), newSeat(t, "east")
	for _, s := range []*seat{lost, present} {
		s.put(t, "quick", "v1", quick)
		s.put(t, "slow", "v1", slow)
		s.put(t, "changed", "v1", slow)
	}
	parted := lost.unit.Position()
	lost.partner.hold = make(chan struct{})
	done, ended := lost.fire(t, "quick", "1")
	<-ended
	under, _ := lost.fire(t, "slow", "2")
	<-lost.partner.heard
	again, _ := lost.fire(t, "slow", "3")
	<-lost.partner.heard
	lost.put(t, "changed", "v2", slow)
	other, _ := lost.fire(t, "changed", "4")
	<-lost.partner.heard

	rows := lost.tail(t, parted)
	what := map[string]string{}
	for _, r := range rows {
		what[r.MessageID] = r.Kind + " " + r.What + " " + r.Entity + " " + r.Session
	}
	for name, want := range map[string]string{
		done: "run ended Succeeded quick order 1", under: "run under way slow order 2", again: "run under way slow order 3", other: "run under way changed order 4",
	} {
		if what[name] != want {
			t.Errorf("the tail has %q, want %q", what[name], want)
		}
	}

	_, ended = present.fire(t, "slow", "3") // its sender has sent it again
	if got := <-ended; got != runs.Succeeded {
		t.Fatal(got)
	}
	present.partner.hold = nil
	verdicts := func() map[string]string {
		t.Helper()
		got, err := salvage(patience(t), present.Host, comings{}, false, rows)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, r := range got {
			all[r.MessageID] = r.Verdict
		}
		return all
	}
	got := verdicts()
	for name, want := range map[string]string{done: verdictKept, under: verdictGoesOn, again: verdictAgain, other: verdictAnew} {
		if got[name] != want {
			t.Errorf("the run %s: %q, want %q", what[name], got[name], want)
		}
	}
	for present.partner.count() < 3 {
		select {
		case <-present.partner.heard:
		case <-patience(t).Done():
			t.Fatal("the runs do not go on")
		}
	}
	if s := present.status(t, "quick", done); s != runs.Succeeded {
		t.Errorf("what had ended is %s", s)
	}
	lost.partner.mu.Lock()
	present.partner.mu.Lock()
	same := 0
	for key := range lost.partner.keys {
		same += present.partner.keys[key]
	}
	present.partner.mu.Unlock()
	lost.partner.mu.Unlock()
	if same != 2 {
		t.Errorf("%d calls were repeated with their keys, want 2", same)
	}
	if r, err := present.Run(patience(t), "slow", under); err != nil || r.Tracking != "order 2" {
		t.Errorf("its tracking id: %q, %v", r.Tracking, err)
	}
	// A salvage that is called again repeats nothing.
	again2 := verdicts()
	for _, name := range []string{done, under, other} {
		if again2[name] != groups.VerdictBefore {
			t.Errorf("called again: the run %s: %q", what[name], again2[name])
		}
	}
	if n := present.partner.count(); n != 3 {
		t.Errorf("%d keys", n)
	}
	if _, err := present.Run(patience(t), "slow", again); err == nil {
		t.Error("what came again is there twice")
	}
}

// A message is the same message whatever number it was delivered under.
func TestWhatIsTheSameComing(t *testing.T) {
	message := func(id string, sequence int64) *expression.Object {
		return expression.NewObject("outputs", expression.NewObject("body", []any{expression.NewObject("messageId", id, "sequenceNumber", sequence)}))
	}
	if comingOf("t", "x", message("a", 1)) != comingOf("t", "y", message("a", 2)) {
		t.Error("a message that was brought back is another one")
	}
	for _, other := range []*expression.Object{message("b", 1), expression.NewObject("outputs", expression.NewObject("body", "a")), expression.NewObject()} {
		if comingOf("t", "x", message("a", 1)) == comingOf("t", "x", other) {
			t.Errorf("%v is the same as a message", other)
		}
	}
	at := func(when string) *expression.Object {
		return expression.NewObject("outputs", nil, "scheduledTime", when)
	}
	if comingOf("t", "", at("1")) == comingOf("t", "", at("2")) || comingOf("t", "", at("1")) == comingOf("u", "", at("1")) || comingOf("t", "x", at("1")) != comingOf("t", "y", at("1")) {
		t.Error("two times, or two triggers, are the same")
	}
	request := func(host string) *expression.Object {
		return expression.NewObject("outputs", expression.NewObject("headers", expression.NewObject("Host", host), "body", "order"))
	}
	if comingOf("t", "mine", request("west")) != comingOf("t", "mine", request("east")) || comingOf("t", "mine", request("west")) == comingOf("t", "yours", request("west")) {
		t.Error("requests are not told by what their senders track them by")
	}
}

// What a trigger remembers here decides whether it does a time or an item again, and then
// the lost primary's run is left out; --resent brings it all the same.
func TestWhatATriggerFindsAgainIsLeftOut(t *testing.T) {
	lost, present := newSeat(t, "west"), newSeat(t, "east")
	since := present.Owner().Since
	times := strings.Replace(seatHead, `{"type": "Request", "kind": "Http", "inputs": {}}`, `{"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}`, 1)
	items := strings.Replace(seatHead, `{"type": "Request", "kind": "Http", "inputs": {}}`, `{"type": "Http", "recurrence": {"frequency": "Minute", "interval": 5}, "inputs": {"method": "GET", "uri": "https://shop.example/items"}}`, 1)
	for _, s := range []*seat{lost, present} {
		for name, head := range map[string]string{"times": times, "items": items} {
			if err := s.Put(patience(t), host.Declared{Name: name, ID: "/g/" + name, Version: "v1", Definition: []byte(head + quick + "}")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	parted := lost.unit.Position()
	fire := func(s *seat, workflow string, at time.Time, body any) string {
		t.Helper()
		ended := make(chan struct{})
		names, err := s.Fire(patience(t), host.Firing{
			Workflow: workflow, Trigger: "in", Scheduled: at, Outputs: []*expression.Object{expression.NewObject("body", body)}, Ended: func(string, runs.Status) { close(ended) },
		})
		if err != nil {
			t.Fatal(err)
		}
		<-ended
		return names[0]
	}
	late := fire(lost, "times", since.Add(-time.Hour), nil)
	both := fire(lost, "times", since.Add(-2*time.Hour), nil)
	soon := fire(lost, "times", since.Add(time.Hour), nil)
	item := fire(lost, "items", time.Time{}, "item 5")
	fire(present, "times", since.Add(-2*time.Hour), nil)
	for _, c := range []struct {
		resent bool
		want   map[string]string
	}{
		{false, map[string]string{late: verdictKept, both: verdictAgain, soon: verdictLooked, item: verdictLooked}},
		{true, map[string]string{late: groups.VerdictBefore, both: verdictKept, soon: verdictKept, item: verdictKept}},
	} {
		got, err := salvage(patience(t), present.Host, comings{}, c.resent, lost.tail(t, parted))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			if want := c.want[r.MessageID]; r.Kind == tailRun && r.Verdict != want {
				t.Errorf("resent %v: the run %s of %s: %q, want %q", c.resent, r.MessageID, r.Entity, r.Verdict, want)
			}
		}
	}
}

// TestWhatIsLookedForIsNotBroughtBack: a trigger that looks has here the memory from before
// the histories parted, and finds the same again. Messages go by their ids.
func TestWhatIsLookedForIsNotBroughtBack(t *testing.T) {
	lost, present := newSeat(t, "west"), newSeat(t, "east")
	looking := strings.Replace(seatHead, `{"type": "Request", "kind": "Http", "inputs": {}}`,
		`{"type": "Http", "recurrence": {"frequency": "Day", "interval": 1}, "inputs": {"method": "GET", "uri": "https://shop.example/new"}}`, 1)
	for _, s := range []*seat{lost, present} {
		err := s.Put(patience(t), host.Declared{Name: "looks", ID: "/g/looks", Version: "v1", Definition: []byte(looking + slow + "}")})
		if err != nil {
			t.Fatal(err)
		}
	}
	parted := lost.unit.Position()
	lost.partner.hold = make(chan struct{})
	item, _ := lost.fire(t, "looks", "1")
	<-lost.partner.heard
	names, err := lost.Fire(patience(t), host.Firing{Workflow: "looks", Trigger: "in", Tracking: []string{"m"}, Outputs: []*expression.Object{
		expression.NewObject("body", expression.NewObject("messageId", "m1", "sequenceNumber", int64(7))),
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-lost.partner.heard
	got, err := salvage(patience(t), present.Host, comings{}, false, lost.tail(t, parted))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{}
	for _, r := range got {
		verdicts[r.MessageID] = r.Verdict
	}
	if verdicts[item] != verdictLooked || verdicts[names[0]] != verdictGoesOn {
		t.Errorf("the item: %q, the message: %q", verdicts[item], verdicts[names[0]])
	}
}
