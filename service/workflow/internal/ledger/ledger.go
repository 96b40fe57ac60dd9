package ledger

import (
	"container/heap"
	"sort"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/run"
)

// Turn is one turn of work on the owner: the time, and a place to write facts. All facts
// of a turn become durable together or not at all. A *replica.Turn is one.
type Turn interface {
	Now() time.Time
	RecordParts(parts ...[]byte) record.Ref
}

// Ledger is the state of one unit.
type Ledger struct {
	workflows map[string]*Workflow // by name in lower case
	order     []*Workflow          // as they came
	numbered  map[uint64]*Workflow
	runs      map[uint64]*Run
	nextRun   uint64
	nextFlow  uint64
	blocks    blocks
	due       dues // runs
	looks     dues // triggers
	owner     Owner
	secret    []byte
	parts     [][]byte
}

// New gives an empty ledger.
func New() *Ledger {
	l := &Ledger{}
	l.Reset()
	return l
}

// Reset goes back to the empty state.
func (l *Ledger) Reset() {
	*l = Ledger{workflows: map[string]*Workflow{}, numbered: map[uint64]*Workflow{}, runs: map[uint64]*Run{}, nextRun: 1, nextFlow: 1}
}

// Workflow is a definition that is deployed.
type Workflow struct {
	Number   uint64
	Name     string
	Disabled bool
	// Runs and WaitingRuns bound how many run at once and how many wait; 0: no bound.
	Runs, WaitingRuns int
	// Versions are those that are in use, oldest first; the last is the current one.
	Versions []*Version
	Triggers []*Trigger // in the order of their names
	Keys     Keys

	history []*Run // all that are kept, as they began
	byName  map[string]*Run
	running int
	waiting []*Run // not begun yet, as they came
}

// Version is a definition as it was deployed once.
type Version struct {
	ID         string
	Created    int64
	definition *block
	runs       int // that have not ended
}

// Definition is where it lies.
func (v *Version) Definition() record.Ref { return v.definition.ref }

// Current is the version that new runs have.
func (w *Workflow) Current() *Version { return w.Versions[len(w.Versions)-1] }

// Running and Waiting count the runs that have not ended.
func (w *Workflow) Running() int { return w.running }

// Waiting counts the runs that have not begun.
func (w *Workflow) Waiting() int { return len(w.waiting) }

// Trigger is what is remembered of a trigger.
type Trigger struct {
	Name   string
	Due    int64  // when it wants to be looked at, unix microseconds; 0: never
	Memory []byte // what it remembers: a cursor, a subscription
	Notes  []Note // firings that started no run, oldest first
	flow   *Workflow
	at     int // in the heap of times, from 1
}

// Run is one run: its state while it has not been archived, its archive after.
type Run struct {
	Number   uint64
	Name     string
	Trigger  string // the name of the trigger that began it
	Tracking string // the client's tracking id
	Origin   string // the run that it repeats, else empty
	Version  string
	Status   run.Status
	Code     string
	Created  int64
	Done     int64
	// Moves counts how often payloads were carried: a copy of the state that was taken
	// before knows old places.
	Moves uint32

	flow    *Workflow
	version *Version
	state   *run.State
	blocks  []*block // of the state; of a waiting run its trigger
	archive *block
	due     int64
	at      int // in the heap of times, from 1
}

// Workflow is the workflow it is of.
func (r *Run) Workflow() *Workflow { return r.flow }

// State is the run's state, nil once it is archived. It belongs to the ledger: take a
// Clone to advance it.
func (r *Run) State() *run.State { return r.state }

// Archive is where the archive lies; false, there is none yet.
func (r *Run) Archive() (record.Ref, bool) {
	if r.archive == nil {
		return record.Ref{}, false
	}
	return r.archive.ref, true
}

// Payload is where the trigger of a run lies that waits.
func (r *Run) Payload() record.Ref {
	if r.Status != run.NotStarted || len(r.blocks) == 0 {
		return record.Ref{}
	}
	return r.blocks[0].ref
}

// Find gives a workflow by name, nil when there is none.
func (l *Ledger) Find(name string) *Workflow { return l.workflows[strings.ToLower(name)] }

// Workflows lists them as they came.
func (l *Ledger) Workflows() []*Workflow { return l.order }

// Run gives a run by its number, nil when there is none.
func (l *Ledger) Run(number uint64) *Run { return l.runs[number] }

// Run gives a run by its name, nil when there is none.
func (w *Workflow) Run(name string) *Run { return w.byName[name] }

// History calls f for the runs that are kept, the newest first, until it says false.
func (w *Workflow) History(f func(*Run) bool) { w.HistoryBefore(0, f) }

// HistoryBefore is History for the runs with lower numbers; 0: all of them.
func (w *Workflow) HistoryBefore(number uint64, f func(*Run) bool) {
	n := len(w.history)
	if number > 0 {
		n = sort.Search(n, func(k int) bool { return w.history[k].Number >= number })
	}
	for n--; n >= 0 && f(w.history[n]); n-- {
	}
}

// Unfinished calls f for every run that has not ended, as they began: what an owner
// takes up when it begins.
func (l *Ledger) Unfinished(f func(*Run)) {
	for _, w := range l.order {
		for _, r := range w.history {
			if !r.Status.Ended() {
				f(r)
			}
		}
	}
}

// trigger gives what is remembered of a trigger; missing ones are made.
func (w *Workflow) trigger(name string) *Trigger {
	at := 0
	for ; at < len(w.Triggers) && w.Triggers[at].Name <= name; at++ {
		if w.Triggers[at].Name == name {
			return w.Triggers[at]
		}
	}
	t := &Trigger{Name: name, flow: w}
	w.Triggers = append(w.Triggers, nil)
	copy(w.Triggers[at+1:], w.Triggers[at:])
	w.Triggers[at] = t
	return t
}

// Workflow is the workflow it is of.
func (t *Trigger) Workflow() *Workflow { return t.flow }

// NextDue is the earliest time that a run wants to be woken, 0 for none.
func (l *Ledger) NextDue() int64 { return l.due.next() }

// NextLook is the earliest time that a trigger wants to be looked at, 0 for none.
func (l *Ledger) NextLook() int64 { return l.looks.next() }

func (d dues) next() int64 {
	if len(d) == 0 {
		return 0
	}
	return d[0].when()
}

// Overdue lists runs that are due at a time, at most so many, in no particular order. They
// stay due until what is recorded of them says something else.
func (l *Ledger) Overdue(now int64, most int) []*Run {
	var all []*Run
	l.due.overdue(0, now, most, func(d due) int { all = append(all, d.run); return len(all) })
	return all
}

// ToLook lists triggers that are due, as Overdue does runs.
func (l *Ledger) ToLook(now int64, most int) []*Trigger {
	var all []*Trigger
	l.looks.overdue(0, now, most, func(d due) int { all = append(all, d.trigger); return len(all) })
	return all
}

func (d dues) overdue(n int, now int64, most int, add func(due) int) bool {
	if n >= len(d) || d[n].when() > now {
		return true
	}
	return add(d[n]) < most && d.overdue(2*n+1, now, most, add) && d.overdue(2*n+2, now, most, add)
}

// due is one entry of the heap of times.
type due struct {
	run     *Run
	trigger *Trigger
}

func (d due) when() int64 {
	if d.run != nil {
		return d.run.due
	}
	return d.trigger.Due
}

func (d due) place(at int) {
	if d.run != nil {
		d.run.at = at
		return
	}
	d.trigger.at = at
}

type dues []due

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].when() < d[j].when() }
func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place(i + 1)
	d[j].place(j + 1)
}
func (d *dues) Push(x any) {
	*d = append(*d, x.(due))
	x.(due).place(len(*d))
}
func (d *dues) Pop() any {
	last := (*d)[len(*d)-1]
	(*d)[len(*d)-1] = due{}
	*d = (*d)[:len(*d)-1]
	last.place(0)
	return last
}

func (d *dues) reschedule(x due, at int, when int64) {
	switch {
	case at == 0 && when != 0:
		heap.Push(d, x)
	case at != 0 && when == 0:
		heap.Remove(d, at-1)
	case at != 0:
		heap.Fix(d, at-1)
	}
}

// wake sets when a run wants to be woken.
func (l *Ledger) wake(r *Run, when int64) {
	at := r.at
	if when == 0 && at != 0 {
		l.due.reschedule(due{run: r}, at, 0)
		r.due = 0
		return
	}
	r.due = when
	l.due.reschedule(due{run: r}, at, when)
}

func (l *Ledger) wakeTrigger(t *Trigger, when int64) {
	at := t.at
	if when == 0 && at != 0 {
		l.looks.reschedule(due{trigger: t}, at, 0)
		t.Due = 0
		return
	}
	t.Due = when
	l.looks.reschedule(due{trigger: t}, at, when)
}

func badFact(format string, args ...any) error {
	return fault.New(fault.Damaged, "A fact of the workflows' journal cannot be folded: "+format+".", args...)
}
