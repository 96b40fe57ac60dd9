package ledger

import (
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/run"
)

// Bounds of what is recorded.
const (
	nameBytesMax       = 512
	memoryBytesMax     = 512 << 10 // a folder of ten thousand files that a trigger has seen takes 220 KB
	definitionBytesMax = 64 << 20
	forgetMax          = 1000
)

// Put is a workflow as it is deployed: its definition becomes the current version.
type Put struct {
	Name, Version     string
	Disabled          bool
	Runs, WaitingRuns int
	Definition        []byte
}

// PutWorkflow deploys a workflow, or a new version of one. Runs that are under way keep
// theirs.
func (l *Ledger) PutWorkflow(t Turn, p Put) (*Workflow, error) {
	switch {
	case p.Name == "" || len(p.Name) > nameBytesMax || p.Version == "" || len(p.Version) > nameBytesMax:
		return nil, fault.New(fault.Invalid, "A workflow and its version need names of 1 to %d bytes.", nameBytesMax)
	case len(p.Definition) == 0 || len(p.Definition) > definitionBytesMax:
		return nil, fault.New(fault.TooLarge, "The definition of '%s' has %d bytes; 1 to %d are allowed.", p.Name, len(p.Definition), definitionBytesMax)
	case p.Runs < 0 || p.WaitingRuns < 0:
		return nil, fault.New(fault.Invalid, "The limits of '%s' are below zero.", p.Name)
	}
	w := begin(factPut, t.Now())
	w.text(p.Name)
	w.text(p.Version)
	w.flag(p.Disabled)
	w.number(uint64(p.Runs))
	w.number(uint64(p.WaitingRuns))
	l.record(t, w, p.Definition)
	return l.Find(p.Name), nil
}

// named gives a workflow, or the refusal that says that there is none.
func (l *Ledger) named(name string) (*Workflow, error) {
	if w := l.Find(name); w != nil {
		return w, nil
	}
	return nil, fault.New(fault.NotFound, "There is no workflow '%s'.", name)
}

// RemoveWorkflow removes a workflow with its runs, those that are under way too.
func (l *Ledger) RemoveWorkflow(t Turn, name string) error {
	w, err := l.named(name)
	if err != nil {
		return err
	}
	f := begin(factRemoved, t.Now())
	f.number(w.Number)
	l.record(t, f, nil)
	return nil
}

// Switch enables or disables a workflow. Runs that are under way go on.
func (l *Ledger) Switch(t Turn, name string, disabled bool) error {
	w, err := l.named(name)
	if err != nil || w.Disabled == disabled {
		return err
	}
	f := begin(factSwitched, t.Now())
	f.number(w.Number)
	f.flag(disabled)
	l.record(t, f, nil)
	return nil
}

// Begin is a run that is to be.
type Begin struct {
	Workflow string
	// Name is new in its workflow.
	Name     string
	Trigger  string
	Tracking string
	Origin   string
	// Payload is the trigger; it is kept when the run must wait.
	Payload []byte
}

// BeginRun enters a run. When it need not wait, its first Advance belongs into the same
// turn. One that must wait begins when Admissible says so, with its Payload as trigger.
func (l *Ledger) BeginRun(t Turn, b Begin) (r *Run, waits bool, err error) {
	w, err := l.named(b.Workflow)
	if err != nil {
		return nil, false, err
	}
	waits = w.Runs > 0 && w.running+len(w.waiting) >= w.Runs
	switch {
	case w.Disabled:
		return nil, false, fault.New(fault.Disabled, "The workflow '%s' is disabled; enable it to run it.", w.Name)
	case b.Name == "" || len(b.Name)+len(b.Trigger)+len(b.Tracking)+len(b.Origin) > 4*nameBytesMax:
		return nil, false, fault.New(fault.Invalid, "A run of '%s' needs a name, and names of at most %d bytes.", w.Name, nameBytesMax)
	case w.byName[b.Name] != nil:
		return nil, false, fault.New(fault.AlreadyExists, "The workflow '%s' has a run '%s' already.", w.Name, b.Name)
	case waits && w.WaitingRuns > 0 && len(w.waiting) >= w.WaitingRuns:
		return nil, false, fault.New(fault.TooManyRequests, "The workflow '%s' runs %d times and %d more wait; that is all it may. Try again later.", w.Name, w.running, len(w.waiting))
	case waits && len(b.Payload) == 0:
		return nil, false, fault.New(fault.Invalid, "A run that must wait needs its trigger.")
	}
	f := begin(factBegan, t.Now())
	f.number(w.Number)
	f.text(b.Name)
	f.text(b.Trigger)
	f.text(b.Tracking)
	f.text(b.Origin)
	payload := b.Payload
	if !waits {
		payload = nil
	}
	number := l.nextRun
	l.record(t, f, payload)
	return l.runs[number], waits, nil
}

// Admissible lists runs that waited and may begin now, at most so many, in their order.
func (l *Ledger) Admissible(most int) []*Run {
	var all []*Run
	for _, w := range l.order {
		all = append(all, w.Admissible(most-len(all))...)
	}
	return all
}

// Admissible lists those of one workflow.
func (w *Workflow) Admissible(most int) []*Run {
	var all []*Run
	for k, r := range w.waiting {
		if len(all) >= most || w.Runs > 0 && w.running+k >= w.Runs {
			break
		}
		if len(r.blocks) > 0 {
			all = append(all, r)
		}
	}
	return all
}

// Room is how many more runs may be entered: each runs or waits. -1: any number.
func (w *Workflow) Room() int {
	if w.Runs == 0 || w.WaitingRuns == 0 {
		return -1
	}
	return max(w.Runs+w.WaitingRuns-w.running-len(w.waiting), 0)
}

// Admits reports whether so many runs may be entered.
func (w *Workflow) Admits(runs int) error {
	if room := w.Room(); room >= 0 && runs > room {
		return fault.New(fault.TooManyRequests, "The workflow '%s' runs %d times and %d more wait; at most %d and %d may. Try again later.", w.Name, w.running, len(w.waiting), w.Runs, w.WaitingRuns)
	}
	return nil
}

// Decided is what a run has decided, written: it is made outside a turn.
type Decided struct {
	Facts          []*run.Fact
	head, payloads []byte
}

// Decide writes what a run has decided.
func Decide(facts []*run.Fact) Decided {
	head, payloads := run.Append(nil, nil, facts)
	return Decided{facts, head, payloads}
}

// Bytes is how much it takes.
func (d Decided) Bytes() int { return len(d.head) + len(d.payloads) }

// Advance records what a run has decided, and gives the facts with the places of their payloads,
// so that the copy of the state that was advanced can be settled.
func (l *Ledger) Advance(t Turn, number uint64, facts []*run.Fact) ([]*run.Fact, error) {
	return l.Record(t, number, t.Now().UnixMicro(), Decide(facts))
}

// Record is Advance for what was decided at a time (unix microseconds) before the turn.
func (l *Ledger) Record(t Turn, number uint64, at int64, d Decided) ([]*run.Fact, error) {
	r := l.runs[number]
	switch {
	case r == nil:
		return nil, fault.New(fault.NotFound, "There is no run %d; it may have been removed with its workflow.", number)
	case r.Status.Ended():
		return nil, fault.New(fault.Conflict, "The run '%s' has ended.", r.Name)
	case len(d.Facts) == 0:
		return nil, nil
	}
	f := begin(factAdvanced, time.UnixMicro(at))
	f.number(number)
	f.number(uint64(len(d.head)))
	f.b = append(f.b, d.head...)
	ref := l.record(t, f, d.payloads)
	base := ref
	base.Off += ref.Len - uint32(len(d.payloads))
	base.Len = uint32(len(d.payloads))
	return run.Read(d.head, base)
}

// ArchiveRun records the archive of a run that has ended; nothing else of it is kept.
func (l *Ledger) ArchiveRun(t Turn, number uint64, archive []byte) error {
	r := l.runs[number]
	switch {
	case r == nil:
		return fault.New(fault.NotFound, "There is no run %d.", number)
	case !r.Status.Ended() || len(archive) == 0:
		return fault.New(fault.Conflict, "The run '%s' has not ended.", r.Name)
	case r.archive != nil:
		return nil
	}
	f := begin(factArchived, t.Now())
	f.number(number)
	l.record(t, f, archive)
	return nil
}

// Unarchived lists runs that have ended and are not archived, at most so many: an owner
// begins with them.
func (l *Ledger) Unarchived(most int) []*Run {
	var all []*Run
	for _, w := range l.order {
		for _, r := range w.history {
			if len(all) < most && r.Status.Ended() && r.archive == nil {
				all = append(all, r)
			}
		}
	}
	return all
}

// Forget forgets runs that ended before a time (unix microseconds), at most so many, and says how many.
func (l *Ledger) Forget(t Turn, before int64, most int) int {
	most, done := min(most, forgetMax), 0
	for _, w := range append([]*Workflow(nil), l.order...) {
		var gone []uint64
		for _, r := range w.history {
			if r.Created >= before || done+len(gone) >= most {
				break
			}
			if r.Status.Ended() && r.Done < before {
				gone = append(gone, r.Number)
			}
		}
		if len(gone) == 0 {
			continue
		}
		f := begin(factForgotten, t.Now())
		f.number(w.Number)
		f.number(uint64(len(gone)))
		for _, n := range gone {
			f.number(n)
		}
		l.record(t, f, nil)
		done += len(gone)
	}
	return done
}

// SetTrigger records what a trigger remembers and when it wants to be looked at.
func (l *Ledger) SetTrigger(t Turn, workflow, trigger string, due int64, memory []byte) error {
	w, err := l.named(workflow)
	if err != nil {
		return err
	}
	if trigger == "" || len(trigger) > nameBytesMax || len(memory) > memoryBytesMax {
		return fault.New(fault.TooLarge, "A trigger of '%s' has a name of %d bytes and remembers %d; at most %d and %d are allowed.", w.Name, len(trigger), len(memory), nameBytesMax, memoryBytesMax)
	}
	f := begin(factTrigger, t.Now())
	f.number(w.Number)
	f.text(trigger)
	f.signed(due)
	f.text(string(memory))
	l.record(t, f, nil)
	return nil
}
