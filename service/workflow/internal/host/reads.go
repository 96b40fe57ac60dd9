package host

import (
	"context"
	"slices"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// View is a workflow as it is now.
type View struct {
	// Declared is as Definition gives it, without the definition and its parameters.
	Declared
	// Changed is when the current version was deployed; Created, when the oldest was that is
	// known.
	Created, Changed time.Time
	Running, Waiting int
	Keys             Keys
}

// VersionInfo is a definition as it was deployed once.
type VersionInfo struct {
	ID      string
	Created time.Time
}

// RunQuery says which runs are wanted: the newest first, those before a number.
type RunQuery struct {
	// Before is the next of the page before; 0: the first page. Most is how many; 0: 50.
	Before uint64
	Most   int
	// Status, Trigger, Tracking and Origin restrict; empty: any.
	Status   []run.Status
	Trigger  string
	Tracking string
	Origin   string
	// After and Until restrict when it was created: from, and before.
	After, Until time.Time
}

// runsPage is how many runs a page has unless it is said.
const runsPage = 50

// RunInfo is a run as its history shows it.
type RunInfo struct {
	Number   uint64
	Workflow string
	Name     string
	Trigger  string
	Tracking string
	Origin   string
	Version  string
	// Status is NotStarted while it waits for others to end.
	Status         run.Status
	Code           string
	Created, Ended time.Time
	// Handles for Content; empty: there is nothing, or it must not be shown.
	TriggerContent, OutputsContent string
	// Error is why it failed; Run gives it, Runs does not.
	Error *expression.Object
}

// TriggerInfo is a trigger as it is now.
type TriggerInfo struct {
	Name   string
	Memory []byte
	Due    time.Time // zero: never
}

// TriggerHistory is one firing of a trigger.
type TriggerHistory struct {
	// Name is the run's, when it started one, else made of the time.
	Name          string
	Run           string // empty: it started none
	Status        run.Status
	Code, Message string
	Began, Ended  time.Time
	Tracking      string
	Origin        string
	// Times counts equal firings in a row.
	Times int
	// OutputsContent is the handle of the trigger, when it started a run.
	OutputsContent string
}

// Owner tells which location decides, as the journal has it.
type Owner struct {
	Location string
	Since    time.Time
	// Before is the location that decided before this one, when it was another.
	Before string
	Epoch  uint64
}

// moment is a time of the ledger.
func moment(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

func viewOf(w *ledger.Workflow) View {
	return View{
		Declared: Declared{Name: w.Name, Disabled: w.Disabled, Version: w.Current().ID, Runs: w.Runs, WaitingRuns: w.WaitingRuns},
		Created:  moment(w.Versions[0].Created), Changed: moment(w.Current().Created),
		Running: w.Running(), Waiting: w.Waiting(), Keys: Keys(w.Keys),
	}
}

// Workflows lists the workflows as they came.
func (h *Host) Workflows() (all []View) {
	h.unit.View(func() {
		for _, w := range h.ledger.Workflows() {
			all = append(all, viewOf(w))
		}
	})
	return all
}

// Workflow gives a workflow by name.
func (h *Host) Workflow(name string) (v View, ok bool) {
	h.unit.View(func() {
		if w := h.ledger.Find(name); w != nil {
			v, ok = viewOf(w), true
		}
	})
	return v, ok
}

// Versions lists the versions of a workflow that are kept, oldest first.
func (h *Host) Versions(name string) (all []VersionInfo, err error) {
	err = h.see(name, func(w *ledger.Workflow) {
		for _, v := range w.Versions {
			all = append(all, VersionInfo{v.ID, moment(v.Created)})
		}
	})
	return all, err
}

// see calls f with a workflow while the ledger stands still.
func (h *Host) see(name string, f func(*ledger.Workflow)) error {
	found := false
	h.unit.View(func() {
		if w := h.ledger.Find(name); w != nil {
			found = true
			f(w)
		}
	})
	if !found {
		return noWorkflow(name)
	}
	return nil
}

// Definition gives a version as it was declared; empty, the current one.
func (h *Host) Definition(ctx context.Context, workflow, version string) (Declared, error) {
	d, err := h.version(ctx, workflow, version)
	if err != nil {
		return Declared{}, err
	}
	return d.Declared, nil
}

// Plan gives a version, compiled, with the values of its parameters; empty, the current one.
func (h *Host) Plan(ctx context.Context, workflow, version string) (*run.Plan, *expression.Object, error) {
	d, err := h.version(ctx, workflow, version)
	if err != nil {
		return nil, nil, err
	}
	return d.plan, h.parametersOf(d), nil
}

// WorkflowObject is what workflow() gives in a trigger's expressions.
func (h *Host) WorkflowObject(ctx context.Context, workflow string) (*expression.Object, error) {
	d, err := h.version(ctx, workflow, "")
	if err != nil {
		return nil, err
	}
	return d.about, nil
}

func infoOf(r *ledger.Run) RunInfo {
	i := RunInfo{
		Number: r.Number, Workflow: r.Workflow().Name, Name: r.Name, Trigger: r.Trigger, Tracking: r.Tracking, Origin: r.Origin,
		Version: r.Version, Status: r.Status, Code: r.Code, Created: moment(r.Created), Ended: moment(r.Done),
		TriggerContent: contentTrigger(r.Number),
	}
	if r.Status.Ended() {
		i.OutputsContent = contentOutputs(r.Number)
	}
	return i
}

func (q *RunQuery) wants(r *ledger.Run) bool {
	switch {
	case len(q.Status) > 0 && !slices.Contains(q.Status, r.Status),
		q.Trigger != "" && !strings.EqualFold(q.Trigger, r.Trigger),
		q.Tracking != "" && q.Tracking != r.Tracking,
		q.Origin != "" && q.Origin != r.Origin,
		!q.After.IsZero() && r.Created < q.After.UnixMicro(),
		!q.Until.IsZero() && r.Created >= q.Until.UnixMicro():
		return false
	}
	return true
}

// looksMax is how many runs are looked at for one page: everything else waits meanwhile.
const looksMax = 50_000

// Runs lists runs, the newest first. next is for the next page, 0: there is none. A page
// may have fewer runs than wanted, or none, and a next one.
func (h *Host) Runs(workflow string, q RunQuery) (runs []RunInfo, next uint64, err error) {
	if q.Most <= 0 {
		q.Most = runsPage
	}
	err = h.see(workflow, func(w *ledger.Workflow) {
		looked := 0
		w.HistoryBefore(q.Before, func(r *ledger.Run) bool {
			looked++
			switch {
			case looked > looksMax:
				next = r.Number + 1
				return false
			case !q.After.IsZero() && r.Created < q.After.UnixMicro():
				return false
			case !q.wants(r):
				return true
			case len(runs) == q.Most:
				next = runs[len(runs)-1].Number
				return false
			}
			runs = append(runs, infoOf(r))
			return true
		})
	})
	return runs, next, err
}

// Run gives one run.
func (h *Host) Run(ctx context.Context, workflow, name string) (RunInfo, error) {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return RunInfo{}, err
	}
	i, err := h.RunNumbered(number)
	if err != nil || i.Status != run.Failed && i.Status != run.Cancelled && i.Status != run.TimedOut {
		return i, err
	}
	k, err := h.known(ctx, number)
	if err != nil {
		return i, err
	}
	i.Error, _ = k.load(k.state.Error).(*expression.Object)
	return i, nil
}

// RunNumbered gives one run by its number, as callbacks know it.
func (h *Host) RunNumbered(number uint64) (i RunInfo, err error) {
	err = fault.New(fault.NotFound, "There is no such run; it may be older than runs are kept.")
	h.unit.View(func() {
		if r := h.ledger.Run(number); r != nil {
			i, err = infoOf(r), nil
		}
	})
	return i, err
}

// known is a run that is looked at: its state, its plan, and where its payloads are.
type known struct {
	h       *Host
	ctx     context.Context
	info    RunInfo
	version *deployed
	state   *run.State
	archive []byte // the payloads of a run that is archived
	err     error
}

// known takes a run up to be looked at.
func (h *Host) known(ctx context.Context, number uint64) (*known, error) {
	for try := 1; ; try++ {
		k := &known{h: h, ctx: ctx}
		var at record.Ref
		var waits record.Ref
		h.unit.View(func() {
			r := h.ledger.Run(number)
			if r == nil {
				return
			}
			k.info = infoOf(r)
			if ref, ok := r.Archive(); ok {
				at = ref
				return
			}
			if s := r.State(); s != nil {
				k.state = s.Clone()
				return
			}
			k.state, waits = &run.State{}, r.Payload()
			k.state.Trigger = waits
		})
		if k.info.Number == 0 {
			return nil, fault.New(fault.NotFound, "There is no such run; it may be older than runs are kept.")
		}
		if at.Len > 0 {
			data, err := h.read(ctx, at)
			if err != nil && try < triesMax && ctx.Err() == nil {
				continue // it may have been carried to another place in between
			}
			if err != nil {
				return nil, err
			}
			if k.state, k.archive, err = run.Unarchive(data); err != nil {
				return nil, err
			}
		}
		return k, nil
	}
}

// plan sees to the plan.
func (k *known) plan() (*run.Plan, error) {
	v, err := k.h.version(k.ctx, k.info.Workflow, k.info.Version)
	if err != nil {
		return nil, err
	}
	k.version = v
	return v.plan, nil
}

// bytes gives a payload as it was recorded.
func (k *known) bytes(ref record.Ref) ([]byte, error) {
	switch {
	case ref.Len == 0:
		return nil, nil
	case k.archive != nil:
		return k.archive[ref.Off : ref.Off+ref.Len], nil
	}
	return k.h.values.bytes(k.ctx, ref)
}

// Load gives a payload as a value.
func (k *known) Load(ref record.Ref) (any, error) {
	data, err := k.bytes(ref)
	if err != nil {
		return nil, err
	}
	return expression.ParseJSON(string(data))
}

// load gives a payload as a value; nil when it cannot be had, which err then says.
func (k *known) load(ref record.Ref) any {
	data, err := k.bytes(ref)
	if err == nil && len(data) > 0 {
		var v any
		if v, err = expression.ParseJSON(string(data)); err == nil {
			return v
		}
	}
	if err != nil && k.err == nil {
		k.err = err
	}
	return nil
}

// Trigger gives what a trigger remembers; one that remembers nothing is empty.
func (h *Host) Trigger(workflow, trigger string) (i TriggerInfo, err error) {
	i.Name = trigger
	err = h.see(workflow, func(w *ledger.Workflow) {
		if t := find(w, trigger); t != nil {
			i = TriggerInfo{t.Name, append([]byte(nil), t.Memory...), moment(t.Due)}
		}
	})
	return i, err
}

// Triggers lists what triggers of a workflow remember, also of those that its definition
// has no more.
func (h *Host) Triggers(workflow string) (all []TriggerInfo, err error) {
	err = h.see(workflow, func(w *ledger.Workflow) {
		for _, t := range w.Triggers {
			all = append(all, TriggerInfo{t.Name, append([]byte(nil), t.Memory...), moment(t.Due)})
		}
	})
	return all, err
}

// Room is how many more runs a workflow takes now; -1: any number.
func (h *Host) Room(workflow string) (room int) {
	room = -1
	_ = h.see(workflow, func(w *ledger.Workflow) { room = w.Room() })
	return room
}

// historiesPage is how many firings are listed unless it is said.
const historiesPage = 50

// TriggerHistories lists firings of a trigger, the newest first: those that started runs,
// and the newest of those that did not.
func (h *Host) TriggerHistories(workflow, trigger string, most int) (all []TriggerHistory, err error) {
	if most <= 0 {
		most = historiesPage
	}
	err = h.see(workflow, func(w *ledger.Workflow) {
		looked := 0
		w.History(func(r *ledger.Run) bool {
			looked++
			if strings.EqualFold(r.Trigger, trigger) {
				all = append(all, TriggerHistory{Name: r.Name, Run: r.Name, Status: run.Succeeded, Code: "OK", Began: moment(r.Created), Ended: moment(r.Created), Tracking: r.Tracking, Origin: r.Origin, Times: 1, OutputsContent: contentTrigger(r.Number)})
			}
			return len(all) < most && looked < looksMax
		})
		t := find(w, trigger)
		if t == nil {
			return
		}
		for k, n := range t.Notes {
			all = append(all, TriggerHistory{Name: RunName(moment(n.Began), uint64(k)), Status: n.Status, Code: n.Code, Message: n.Message, Began: moment(n.Began), Ended: moment(n.Done), Tracking: n.Tracking, Times: n.Times})
		}
	})
	slices.SortStableFunc(all, func(a, b TriggerHistory) int { return b.Began.Compare(a.Began) })
	return all[:min(len(all), most)], err
}

// Secret gives the unit's secret, which callback addresses are signed with; false: the
// unit has not been owned yet.
func (h *Host) Secret() (secret []byte, ok bool) {
	h.unit.View(func() { secret = h.ledger.Secret() })
	return secret, secret != nil
}

// Owner tells which location decides.
func (h *Host) Owner() Owner {
	var o ledger.Owner
	h.unit.View(func() { o = h.ledger.Owner() })
	return Owner{o.Location, moment(o.Since), o.Before, o.Epoch}
}
