package host

import (
	"context"
	"time"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// View is a workflow as it is now.
type View struct {
	Declared
	// Version is the current one and Changed when it was deployed; Created, when the oldest
	// that is known was.
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
	// Before is the Next of the page before; 0: the first page. Most is how many; 0: 50.
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
	Status          run.Status
	Code            string
	Created, Ended  time.Time
	WaitsForOthers  bool
	TriggerContent  string // handles for Content; empty: there is none
	OutputsContent  string
	TriggerHideOuts bool
	// Error is why it failed; Run gives it, Runs does not.
	Error *expression.Object
}

// ActionInfo is an action of a run.
type ActionInfo struct {
	run.Record
	// Handles for Content; empty: there is nothing, or it must not be shown.
	InputsContent, OutputsContent string
	Type                          string
	Tracking                      string
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
	// Times counts equal firings in a row.
	Times int
}

// Owner tells which location decides, as the journal has it.
type Owner struct {
	Location string
	Since    time.Time
	// Before is the location that decided before this one, when it was another.
	Before string
	Epoch  uint64
}

// Workflows lists the workflows as they came.
func (h *Host) Workflows() []View { return nil }

// Workflow gives a workflow by name.
func (h *Host) Workflow(name string) (View, bool) { return View{}, false }

// Versions lists the versions of a workflow that are kept, oldest first.
func (h *Host) Versions(name string) ([]VersionInfo, error) { return nil, notYet() }

// Definition gives a version as it was declared; empty, the current one.
func (h *Host) Definition(ctx context.Context, workflow, version string) (Declared, error) {
	return Declared{}, notYet()
}

// Plan gives a version, compiled, with the values of its parameters; empty, the current one.
func (h *Host) Plan(ctx context.Context, workflow, version string) (*run.Plan, *expression.Object, error) {
	return nil, nil, notYet()
}

// Runs lists runs, the newest first. next is for the next page, 0: there is none.
func (h *Host) Runs(workflow string, q RunQuery) (runs []RunInfo, next uint64, err error) {
	return nil, 0, notYet()
}

// Run gives one run.
func (h *Host) Run(ctx context.Context, workflow, name string) (RunInfo, error) {
	return RunInfo{}, notYet()
}

// RunNumbered gives one run by its number, as callbacks know it.
func (h *Host) RunNumbered(number uint64) (RunInfo, error) { return RunInfo{}, notYet() }

// Actions lists the actions of a run that lie in no loop; Repetitions, how often one that
// does was carried out, or for a loop its iterations.
func (h *Host) Actions(ctx context.Context, workflow, name string) ([]ActionInfo, error) {
	return nil, notYet()
}

// Repetitions lists each time that an action in loops was carried out.
func (h *Host) Repetitions(ctx context.Context, workflow, name, action string) ([]ActionInfo, error) {
	return nil, notYet()
}

// Content gives what a handle stands for: JSON.
func (h *Host) Content(ctx context.Context, handle string) ([]byte, error) { return nil, notYet() }

// Trigger gives what a trigger remembers; one that remembers nothing is empty.
func (h *Host) Trigger(workflow, trigger string) (TriggerInfo, error) {
	return TriggerInfo{}, notYet()
}

// TriggerHistories lists firings of a trigger, the newest first: those that started runs,
// and the newest of those that did not.
func (h *Host) TriggerHistories(workflow, trigger string, most int) ([]TriggerHistory, error) {
	return nil, notYet()
}

// Secret gives the unit's secret, which callback addresses are signed with; false: the
// unit has not been owned yet.
func (h *Host) Secret() ([]byte, bool) { return nil, false }

// Owner tells which location decides.
func (h *Host) Owner() Owner { return Owner{} }
