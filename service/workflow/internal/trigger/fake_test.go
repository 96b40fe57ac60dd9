package trigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// estate is a host that keeps what is recorded in memory, and can be killed before or
// after anything that it records.
type estate struct {
	t *testing.T

	mu      sync.Mutex
	owner   host.Owner
	owned   context.Context
	lose    context.CancelFunc
	changed chan struct{}
	flows   []*flow
	points  int // of what was recorded or done so far
	killAt  int
	version int
	ledger  *ledger.Ledger
}

// turn is where the ledger of an estate writes: nothing is kept but what it folds.
type turn struct{}

func (turn) Now() time.Time { return time.Now() }
func (turn) RecordParts(parts ...[]byte) record.Ref {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	return record.Ref{At: 1, Len: uint32(n)}
}

type flow struct {
	view   host.View
	plan   *run.Plan
	params *expression.Object
	runs   []*began
	notes  []host.Note
	room   int // how many runs may go on; 0: any number
}

// began is a run.
type began struct {
	name, trigger, tracking string
	outputs                 *expression.Object
	at, scheduled           time.Time
	status                  run.Status
	ended                   func(string, run.Status)
	caller                  chan<- host.Reply
}

var errKilled = errors.New("killed")

func newEstate(t *testing.T) *estate {
	e := &estate{t: t, changed: make(chan struct{}), owner: host.Owner{Location: "east"}, ledger: ledger.New()}
	return e
}

// gain makes this node the owner.
func (e *estate) gain(location string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.owner.Location
	if before == location {
		before = ""
	}
	e.owner = host.Owner{Location: location, Since: time.Now(), Before: before, Epoch: e.owner.Epoch + 1}
	e.owned, e.lose = context.WithCancel(context.Background())
	for _, f := range e.flows {
		for _, r := range f.runs {
			r.ended = nil // nobody of this ownership began it
		}
	}
	e.change()
}

// drop takes the ownership away.
func (e *estate) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose()
	e.change()
}

func (e *estate) isLost() bool {
	_, owned := e.Owned()
	return !owned
}

func (e *estate) change() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// point is a place where the node may be lost; the caller holds the lock.
func (e *estate) point() bool {
	e.points++
	if e.points == e.killAt {
		e.lose()
		e.change()
	}
	return e.owned.Err() != nil
}

// put declares a workflow with these triggers.
func (e *estate) put(name, triggers string, change ...func(*host.View)) {
	root, err := document.Parse([]byte(`{"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
  "contentVersion": "1.0.0.0", "triggers": ` + triggers + `, "actions": {}}`))
	if err != nil {
		e.t.Fatal(err)
	}
	d, problems := definition.Read(definition.Find(root)[0], definition.Settings{})
	if !definition.Valid(problems) {
		e.t.Fatalf("%v", problems)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flow(name)
	if f == nil {
		f = &flow{view: host.View{Created: time.Now()}}
		f.view.Name, f.view.ID = name, "/subscriptions/s/resourceGroups/g/providers/Microsoft.Logic/workflows/"+name
		e.flows = append(e.flows, f)
	}
	e.version++
	if _, err := e.ledger.PutWorkflow(turn{}, ledger.Put{Name: name, Version: fmt.Sprint(e.version), Definition: []byte("{}")}); err != nil {
		e.t.Fatal(err)
	}
	f.plan, f.view.Version, f.view.Changed = run.Compile(d), fmt.Sprint(e.version), time.Now()
	for _, c := range change {
		c(&f.view)
	}
	e.change()
}

func (e *estate) set(name string, c func(*flow)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c(e.flow(name))
	e.change()
}

func (e *estate) remove(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flows = slices.DeleteFunc(e.flows, func(f *flow) bool { return f.view.Name == name })
	if err := e.ledger.RemoveWorkflow(turn{}, name); err != nil {
		e.t.Fatal(err)
	}
	e.change()
}

func (e *estate) flow(name string) *flow {
	for _, f := range e.flows {
		if f.view.Name == name {
			return f
		}
	}
	return nil
}

// end ends runs, the first ones.
func (e *estate) end(name string, status run.Status, which ...int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, r := range e.flow(name).runs {
		if r.status == run.Running && (len(which) == 0 || slices.Contains(which, k)) {
			r.status = status
			if r.ended != nil {
				go r.ended(r.name, status)
			}
		}
	}
}

func (e *estate) runs(name string) []*began {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.flow(name).runs)
}

// times says when runs began, as seconds after a time.
func (e *estate) times(name string, from time.Time) string {
	var all []string
	for _, r := range e.runs(name) {
		all = append(all, fmt.Sprint(int(r.at.Sub(from).Round(time.Second)/time.Second)))
	}
	return strings.Join(all, " ")
}

// bodies says what the runs have for a body.
func (e *estate) bodies(name string) string {
	var all []string
	for _, r := range e.runs(name) {
		b, _ := r.outputs.Get("body")
		all = append(all, expression.Text(b))
	}
	return strings.Join(all, " ")
}

func (e *estate) notes(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, n := range e.flow(name).notes {
		all = append(all, n.Status.String()+" "+n.Code)
	}
	return strings.Join(all, ", ")
}

func (e *estate) Owned() (context.Context, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.owned, e.owned != nil && e.owned.Err() == nil
}

func (e *estate) Owner() host.Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.owner
}

func (e *estate) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

func (e *estate) Workflows() []host.View {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []host.View
	for _, f := range e.flows {
		all = append(all, f.view)
	}
	return all
}

func (e *estate) Workflow(name string) (host.View, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flow(name); f != nil {
		return f.view, true
	}
	return host.View{}, false
}

func (e *estate) Definition(_ context.Context, workflow, _ string) (host.Declared, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flow(workflow); f != nil {
		return f.view.Declared, nil
	}
	return host.Declared{}, fault.New(fault.NotFound, "none")
}

func (e *estate) Plan(_ context.Context, workflow, _ string) (*run.Plan, *expression.Object, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flow(workflow)
	if f == nil {
		return nil, nil, fault.New(fault.NotFound, "none")
	}
	return f.plan, f.params, nil
}

func (e *estate) Trigger(workflow, trigger string) (host.TriggerInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flow(workflow) == nil {
		return host.TriggerInfo{}, fault.New(fault.NotFound, "none")
	}
	for _, t := range e.ledger.Find(workflow).Triggers {
		if t.Name == trigger {
			return host.TriggerInfo{Name: trigger, Memory: t.Memory, Due: time.UnixMicro(t.Due)}, nil
		}
	}
	return host.TriggerInfo{}, nil
}

func (e *estate) Triggers(workflow string) ([]host.TriggerInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []host.TriggerInfo
	for _, t := range e.ledger.Find(workflow).Triggers {
		all = append(all, host.TriggerInfo{Name: t.Name, Memory: t.Memory})
	}
	return all, nil
}

func (e *estate) Run(_ context.Context, workflow, name string) (host.RunInfo, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.flow(workflow); f != nil {
		for _, r := range f.runs {
			if r.name == name {
				return host.RunInfo{Name: name, Status: r.status}, nil
			}
		}
	}
	return host.RunInfo{}, fault.New(fault.NotFound, "There is no run '%s'.", name)
}

func (e *estate) Room(workflow string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flow(workflow)
	if f == nil || f.room == 0 {
		return -1
	}
	left := f.room
	for _, r := range f.runs {
		if r.status == run.Running {
			left--
		}
	}
	return max(left, 0)
}

func (e *estate) Leave(workflow, name string) {}

func (e *estate) Fire(ctx context.Context, f host.Firing) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owned.Err() != nil || ctx.Err() != nil || e.point() {
		return nil, errKilled
	}
	w := e.flow(f.Workflow)
	if w == nil {
		return nil, fault.New(fault.NotFound, "There is no workflow '%s'.", f.Workflow)
	}
	if f.Check != nil {
		var t *ledger.Trigger
		for _, one := range e.ledger.Find(f.Workflow).Triggers {
			if one.Name == f.Trigger {
				t = one
			}
		}
		if err := f.Check(t); err != nil {
			return nil, err
		}
	}
	going := 0
	for _, r := range w.runs {
		if r.status == run.Running {
			going++
		}
	}
	switch {
	case len(f.Outputs) > 0 && w.view.Disabled:
		return nil, fault.New(fault.Disabled, "disabled")
	case w.room > 0 && going+len(f.Outputs) > w.room:
		return nil, fault.New(fault.TooManyRequests, "no room")
	}
	if f.Also != nil {
		if err := f.Also(e.ledger, turn{}); err != nil {
			return nil, err
		}
	}
	var names []string
	for k, o := range f.Outputs {
		r := &began{name: fmt.Sprintf("run%d", len(w.runs)), trigger: f.Trigger, outputs: o, at: time.Now(), scheduled: f.Scheduled, status: run.Running, ended: f.Ended, caller: f.Caller}
		if k < len(f.Names) {
			r.name = f.Names[k]
		}
		if k < len(f.Tracking) {
			r.tracking = f.Tracking[k]
		}
		if slices.ContainsFunc(w.runs, func(old *began) bool { return old.name == r.name }) {
			e.t.Errorf("two runs are named %s", r.name)
		}
		w.runs, names = append(w.runs, r), append(names, r.name)
	}
	if f.SetMemory {
		if err := e.ledger.SetTrigger(turn{}, f.Workflow, f.Trigger, f.Due.UnixMicro(), f.Memory); err != nil {
			return nil, err
		}
	}
	if f.History != nil {
		w.notes = append(w.notes, *f.History)
	}
	if e.point() {
		return nil, errKilled
	}
	return names, nil
}

// outside is every connector in one: what looks find and calls answer is scripted.
type outside struct {
	e     *estate
	mu    sync.Mutex
	looks func(w *connector.Watch) connector.Found
	calls func(c *connector.Call) connector.Answer
	log   []string
}

func (o *outside) Find(kind, provider string) connector.Connector {
	if kind == "ApiManagement" {
		return nil
	}
	return o
}
func (o *outside) Handles() []string                 { return []string{"Http"} }
func (o *outside) Operations() []connector.Operation { return nil }
func (o *outside) Do(_ context.Context, c *connector.Call) connector.Answer {
	o.e.mu.Lock()
	lost := o.e.point()
	o.e.mu.Unlock()
	if lost {
		return connector.Answer{Code: "Lost", Retryable: true}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls(c)
}
func (o *outside) Look(_ context.Context, w *connector.Watch) connector.Found {
	o.e.mu.Lock()
	lost := o.e.point()
	o.e.mu.Unlock()
	if lost {
		return connector.Found{Code: "Lost", Retryable: true}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.looks(w)
}

func (o *outside) said(format string, args ...any) {
	o.log = append(o.log, fmt.Sprintf(format, args...))
}

// told gives what was said, and forgets it.
func (o *outside) told() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := strings.Join(o.log, "; ")
	o.log = nil
	return s
}

// stage runs a test in a bubble of its own time with a manager that is stopped at its end.
func stage(t *testing.T, f func(e *estate, m *Manager, o *outside)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEstate(t)
		o := &outside{e: e}
		ctx, cancel := context.WithCancel(context.Background())
		m, wait := e.start(ctx, o)
		f(e, m, o)
		cancel()
		wait()
	})
}

func (e *estate) start(ctx context.Context, o *outside) (*Manager, func()) {
	n := uint64(0)
	m := New(Options{Host: e, Connectors: o, Limits: Limits{LookEvery: time.Second}, Logger: slog.New(slog.DiscardHandler), Random: func() uint64 { e.mu.Lock(); defer e.mu.Unlock(); n += 1000; return n + uint64(e.points)<<20 },
		Callback: func(v host.View, trigger string) string {
			return "https://" + e.Owner().Location + "/" + v.Name + "/" + trigger
		}})
	return m, m.Start(ctx)
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
