package host

import (
	"context"
	"errors"
	"time"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// Firing is what came of a trigger: runs, a note in its history, what it remembers.
type Firing struct {
	Workflow, Trigger string
	// Outputs are the trigger's, one run each. None: no run is started.
	Outputs []*expression.Object
	// Inputs are the trigger's, evaluated, and Scheduled the time that a recurrence gave: what
	// trigger() shows of them. Nil and zero: there are none.
	Inputs    any
	Scheduled time.Time
	// Tracking are the tracking ids of the runs; where there is none, it is the run's name.
	// Names are names for the runs, the same way.
	Tracking []string
	Names    []string
	// Origin is the run that is repeated, else empty.
	Origin string
	// Memory is what the trigger remembers from now on, and Due when it wants to be looked
	// at (zero: never), when SetMemory is set. They are recorded in one step with the runs.
	SetMemory bool
	Memory    []byte
	Due       time.Time
	// Check is asked in that step, before anything is recorded; an error ends it. The
	// trigger is nil when it remembers nothing yet.
	Check func(*ledger.Trigger) error
	// Also records what belongs into the same step, after Check and before the runs; nil:
	// nothing.
	Also func(*ledger.Ledger, ledger.Turn) error
	// Caller gets the answer of the run, when there is one output. It must have room for one
	// answer. Nil: nobody waits.
	Caller chan<- Reply
	// Ended is called when a run has ended and that is durable; not after a restart. It must
	// not block.
	Ended func(run string, s run.Status)
	// History is noted when no run is started.
	History *Note

	earlier *run.Earlier // what a run is resubmitted from
}

// Note is a firing that started no run, in a trigger's history.
type Note struct {
	// Status is Skipped, Failed or Succeeded.
	Status        run.Status
	Code, Message string
	// Tracking is the client's tracking id.
	Tracking string
	// Began is when it was looked; zero: now.
	Began time.Time
}

// Reply is the answer of a run to its caller.
type Reply struct {
	Status  int
	Headers any
	Body    any
	// Run is the run's name.
	Run string
	// Accepted says that the workflow has no Response: it goes on, and nobody need wait.
	Accepted bool
	// Code and Message say why there is no answer of the run's own.
	Code, Message string
}

// errOld says that a workflow was deployed anew while a firing was made ready.
var errOld = errors.New("the workflow has another version now")

// Fire records what came of a trigger and starts its runs. It returns their names when
// all of it is durable. The runs that it starts are all there, or none is.
func (h *Host) Fire(ctx context.Context, f Firing) ([]string, error) {
	t, err := h.tenure()
	if err != nil {
		return nil, err
	}
	if len(f.Outputs) > h.limits.FiringRuns {
		return nil, fault.New(fault.TooLarge, "A firing of the trigger '%s' of '%s' starts %d runs; at most %d may be started at once.", f.Trigger, f.Workflow, len(f.Outputs), h.limits.FiringRuns)
	}
	if len(f.Outputs) > 0 {
		if err := t.room(); err != nil {
			return nil, err
		}
	}
	for {
		names, err := t.fire(ctx, &f)
		if err != nil && t.ctx.Err() != nil && fault.KindOf(err) == fault.Internal {
			err = t.lost() // what it needed was called off
		}
		if !errors.Is(err, errOld) || ctx.Err() != nil {
			return names, err
		}
	}
}

// fire makes the first Advance of every run, and records all of it in one turn.
func (t *tenure) fire(ctx context.Context, f *Firing) (names []string, err error) {
	h := t.h
	var v *deployed
	var ready []*opening
	bytes := 0
	if len(f.Outputs) > 0 {
		if v, err = h.version(ctx, f.Workflow, ""); err != nil {
			return nil, err
		}
	}
	for k := range f.Outputs {
		most := h.limits.TurnBytes
		l := t.prepare(f, v, k, 0)
		if l.out.Err == nil && f.earlier == nil && l.decided.Bytes() > most/turnParts {
			l = t.prepare(f, v, k, 1) // its first action may be left for later
		}
		if l.out.Err != nil {
			return nil, l.out.Err
		}
		if bytes += l.decided.Bytes() + len(l.begin.Payload); bytes > most {
			return nil, fault.New(fault.TooLarge, "A firing of the trigger '%s' of '%s' starts %d runs with more than %d bytes at once; take fewer or smaller items.", f.Trigger, f.Workflow, len(f.Outputs), most)
		}
		ready, names = append(ready, l), append(names, l.w.name)
	}
	var refused error
	err = t.call(ctx, func(rt *replica.Turn) { refused = t.enter(rt, f, v, ready) })
	if err = errors.Join(refused, err); err != nil {
		return nil, err
	}
	if f.Caller != nil && v != nil && !v.plan.Answers {
		answer(f.Caller, Reply{Status: 202, Accepted: true, Run: names[0]})
	}
	return names, nil
}

// opening is a run that is about to begin.
type opening struct {
	step
	begin ledger.Begin
}

// prepare makes the first Advance of a run, which is thrown away should it have to wait.
func (t *tenure) prepare(f *Firing, v *deployed, k, steps int) *opening {
	h := t.h
	pick := func(list []string) string {
		if k < len(list) {
			return list[k]
		}
		return ""
	}
	name := pick(f.Names)
	if name == "" {
		name = RunName(h.now(), h.o.Random())
	}
	tracking := pick(f.Tracking)
	if tracking == "" {
		tracking = name
	}
	w := &worker{t: t, name: name, tracking: tracking, version: v, state: &run.State{}}
	w.secret, w.keys = h.keysOf(v.Name)
	e := w.env(steps)
	trigger := triggerOf(f, name, tracking, e.Now, f.Outputs[k])
	in := run.Input{Event: run.Start, Trigger: trigger, Waits: f.Caller != nil || nestedName(name)}
	l := &opening{step: step{w: w, at: e.Now.UnixMicro()}}
	var err error
	if f.earlier != nil {
		l.out, err = run.Resubmit(w.state, v.plan, e, trigger, *f.earlier)
	} else {
		l.out = run.Advance(w.state, v.plan, e, in)
	}
	if err != nil {
		l.out.Err = err
	}
	if l.out.Err == nil {
		l.decided = ledger.Decide(l.out.Facts)
	}
	l.begin = ledger.Begin{Workflow: v.Name, Name: name, Trigger: f.Trigger, Tracking: tracking, Origin: f.Origin}
	if runs, _ := v.concurrency(); runs > 0 {
		l.begin.Payload = expression.AppendJSON(nil, trigger)
	}
	return l
}

// triggerOf is the trigger as trigger() gives it.
func triggerOf(f *Firing, name, tracking string, now time.Time, outputs *expression.Object) *expression.Object {
	const stamp = "2006-01-02T15:04:05.0000000Z"
	at := now.UTC().Format(stamp)
	o := expression.NewObject("name", f.Trigger)
	if f.Inputs != nil {
		o = o.With("inputs", f.Inputs)
	}
	o = o.With("startTime", at).With("endTime", at)
	if !f.Scheduled.IsZero() {
		o = o.With("scheduledTime", f.Scheduled.UTC().Format(stamp))
	}
	o = o.With("trackingId", name).With("clientTrackingId", tracking)
	origin := f.Origin
	if origin == "" {
		origin = name
	}
	o = o.With("originHistoryName", origin).With("code", "OK").With("status", "Succeeded")
	if outputs != nil {
		o = o.With("outputs", outputs)
	}
	return o
}

// keysOf gives what callback addresses of a workflow are signed with.
func (h *Host) keysOf(workflow string) (secret []byte, keys Keys) {
	h.unit.View(func() {
		secret = h.ledger.Secret()
		if w := h.ledger.Find(workflow); w != nil {
			keys = Keys(w.Keys)
		}
	})
	return secret, keys
}

// enter is the turn of a firing: all is checked first and recorded after.
func (t *tenure) enter(rt *replica.Turn, f *Firing, v *deployed, ready []*opening) error {
	h := t.h
	w := h.ledger.Find(f.Workflow)
	switch {
	case w == nil:
		return fault.New(fault.NotFound, "There is no workflow '%s'.", f.Workflow)
	case v != nil && (v.flow != w.Number || v.Version != w.Current().ID):
		return errOld
	case len(ready) > 0 && w.Disabled:
		return fault.New(fault.Disabled, "The workflow '%s' is disabled; enable it to run it.", w.Name)
	}
	if f.Check != nil {
		if err := f.Check(find(w, f.Trigger)); err != nil {
			return err
		}
	}
	if err := w.Admits(len(ready)); err != nil {
		return err
	}
	if f.earlier != nil && w.Runs > 0 && w.Running()+w.Waiting() >= w.Runs {
		return fault.New(fault.TooManyRequests, "The workflow '%s' runs %d times, which is all that it may. A run that is resubmitted from an action cannot wait; try again later.", w.Name, w.Running())
	}
	for _, l := range ready {
		if w.Run(l.begin.Name) != nil {
			if len(f.Names) > 0 {
				return fault.New(fault.AlreadyExists, "The workflow '%s' has a run '%s' already.", w.Name, l.begin.Name)
			}
			return errOld // by lot; another one will do
		}
	}
	if f.Also != nil {
		if err := f.Also(h.ledger, rt); err != nil {
			return err
		}
	}
	for _, l := range ready {
		if err := t.enterRun(rt, f, l); err != nil {
			return err
		}
	}
	if f.History != nil && len(ready) == 0 {
		if err := h.note(rt, f); err != nil {
			return err
		}
	}
	if f.SetMemory {
		due := int64(0)
		if !f.Due.IsZero() {
			due = f.Due.UnixMicro()
		}
		return h.ledger.SetTrigger(rt, f.Workflow, f.Trigger, due, f.Memory)
	}
	return nil
}

func find(w *ledger.Workflow, trigger string) *ledger.Trigger {
	for _, t := range w.Triggers {
		if t.Name == trigger {
			return t
		}
	}
	return nil
}

func (h *Host) note(rt *replica.Turn, f *Firing) error {
	n := f.History
	began := n.Began
	if began.IsZero() {
		began = rt.Now()
	}
	return h.ledger.NoteFiring(rt, f.Workflow, f.Trigger, ledger.Note{Status: n.Status, Code: n.Code, Message: n.Message, Tracking: n.Tracking, Began: began.UnixMicro()})
}

// enterRun enters one run, with its first step unless it must wait.
func (t *tenure) enterRun(rt *replica.Turn, f *Firing, l *opening) error {
	r, waits, err := t.h.ledger.BeginRun(rt, l.begin)
	if err != nil {
		return err
	}
	w := l.w
	w.number = r.Number
	t.mu.Lock()
	if !t.ended {
		if f.Caller != nil && w.version.plan.Answers {
			t.callers[w.number] = append(t.callers[w.number], f.Caller)
		}
		if f.Ended != nil {
			t.endings[w.number] = f.Ended
		}
		if !waits {
			t.workers[w.number] = w
		}
	}
	t.mu.Unlock()
	if waits {
		return nil
	}
	w.keep()
	if err := l.record(rt); err != nil {
		return err
	}
	next := input{Input: run.Input{Event: run.Go}}
	switch {
	case r.Status.Ended():
		next = input{archive: true}
	case !l.out.More && w.flying > 0:
		return nil
	}
	_ = t.post(w.number, next) // the mailbox of a run that begins has room
	return nil
}
