package host

import (
	"log/slog"
	"time"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Options say what a unit is and what it may use.
type Options struct {
	// Unit is the unit's name, Scope the resource id of the group or the site.
	Unit, Scope string
	// Location is where this node is: it is recorded with every ownership, so that a
	// takeover by another location can be told.
	Location string
	// Connectors carry out what actions want done outside.
	Connectors *Set
	// CallbackURL gives the address that resumes what waits; nil: there are none.
	CallbackURL func(Callback) string
	// Setting gives an app setting of the site, for a workflow by name; nil: there are none.
	Setting func(workflow, name string) (any, bool)
	// Parameters gives what the site says of parameters here and now; it counts over what is
	// declared. Nil, or nil given: nothing.
	Parameters func(workflow string) *expression.Object
	// Identity is the resource id that managed identity is taken from; empty: the
	// workflow's own.
	Identity string
	Limits   Limits
	Logger   *slog.Logger
	Now      func() time.Time
	// Random gives 64 random bits; nil: those of the system.
	Random func() uint64
}

// Limits bound a unit. Zero fields get the defaults.
type Limits struct {
	// Run bounds every run.
	Run run.Limits
	// Calls is how many calls are under way at once, CallsWaiting how many may wait before
	// no further run is started.
	Calls, CallsWaiting int
	// Workers is how many runs are worked on at the same time.
	Workers int
	// MailboxInputs is how much may wait for one run.
	MailboxInputs int
	// ValuesBytes bounds the cache of values, ClonesKept the copies of states that are kept
	// while calls are under way.
	ValuesBytes int64
	ClonesKept  int
	// TurnBytes is how much is recorded at once: one step of a run, or the beginning of all
	// runs of a firing. The journal bounds it: see replica.Turn.
	TurnBytes int
	// FiringRuns is how many runs one firing starts at most.
	FiringRuns int
	// Retention is how long a run is kept after it ended; below zero: for ever.
	Retention time.Duration
	// ForgetEvery is how often runs are forgotten, ForgetRuns how many at once.
	ForgetEvery time.Duration
	ForgetRuns  int
}

// DefaultLimits are what zero fields mean.
var DefaultLimits = Limits{
	Calls: 512, CallsWaiting: 20_000, Workers: 64, MailboxInputs: 100_000, ValuesBytes: 128 << 20, ClonesKept: 10_000, TurnBytes: 110 << 20, FiringRuns: 100_000,
	Retention: 90 * 24 * time.Hour, ForgetEvery: time.Minute, ForgetRuns: 1000,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	number := func(at *int, v int) {
		if v != 0 {
			*at = v
		}
	}
	span := func(at *time.Duration, v time.Duration) {
		if v != 0 {
			*at = v
		}
	}
	number(&d.Calls, l.Calls)
	number(&d.CallsWaiting, l.CallsWaiting)
	number(&d.Workers, l.Workers)
	number(&d.MailboxInputs, l.MailboxInputs)
	number(&d.ClonesKept, l.ClonesKept)
	number(&d.TurnBytes, l.TurnBytes)
	number(&d.FiringRuns, l.FiringRuns)
	number(&d.ForgetRuns, l.ForgetRuns)
	span(&d.Retention, l.Retention)
	span(&d.ForgetEvery, l.ForgetEvery)
	if l.ValuesBytes != 0 {
		d.ValuesBytes = l.ValuesBytes
	}
	d.Run = l.Run
	return d
}

// Callback is what the address that resumes an action is made of.
type Callback struct {
	// Secret is the unit's, Keys the generations of the workflow's keys.
	Secret []byte
	Keys   Keys
	// Workflow is its resource id.
	Workflow string
	Run      string
	Number   uint64
	Action   string
	At       run.Place
	Key      string
}

// Keys are the generations of the two keys of a workflow: each regeneration adds one.
type Keys struct{ Primary, Secondary uint64 }
