package host

import (
	"context"
	"time"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// Firing is what came of a trigger: runs, a note in its history, what it remembers.
type Firing struct {
	Workflow, Trigger string
	// Outputs are the trigger's, one run each. None: no run is started.
	Outputs []*expression.Object
	// Tracking are the tracking ids of the runs; where there is none, one is made. Names are
	// names for the runs, the same way.
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
	// Caller gets the answer of the run, when there is one output. It must have room for one
	// answer. Nil: nobody waits.
	Caller chan<- Reply
	// Ended is called when a run has ended and that is durable; not after a restart. It must
	// not block.
	Ended func(run string, s run.Status)
	// History is noted when no run is started.
	History *Note
	// Disabled allows a run of a workflow that is disabled (a person started it).
	Disabled bool
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

// Fire records what came of a trigger and starts its runs. It returns their names when
// all of it is durable.
func (h *Host) Fire(ctx context.Context, f Firing) ([]string, error) { return nil, notYet() }

// Leave says that who waited for the answer of a run does so no more.
func (h *Host) Leave(workflow, name string) {}
