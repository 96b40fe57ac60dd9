package ledger

// What follows judges workflows: what asked for runs, what a stand-in service outside the
// process was called for, and what the history of runs says in the end.

// Flows is all that was written down about workflows.
type Flows struct {
	Shapes    []Shape
	Asked     []Asked
	Calls     []Call // in the order of At
	Runs      []Run
	Sources   []Source
	Schedules []Schedule
	Outages   []Outage
	// Skewed says that somebody's clock was set off: nothing is too early then.
	Skewed bool
}

// Shape is what every finished run of a workflow has done.
type Shape struct {
	Workflow string
	Steps    []Step
	// Ends is the status it ends with; empty: Succeeded.
	Ends string
	// Within is the workflow whose runs start those of this one, each exactly one with
	// the same token; empty: others start them.
	Within string
}

// Step is an action that calls the stand-in.
type Step struct {
	Action string
	// Items are the iterations it is carried out in, "0" and so on; 0: once, in none.
	Items int
	// After names the step that must have ended before it begins, all its items.
	After string
	// Pause is how much later than After it begins at least, in milliseconds.
	Pause int64
}

// Asked is one request that starts a run.
type Asked struct {
	Workflow   string
	Token      string // unique in the workflow, seen again in calls and runs
	Start, End Instant
	Outcome    Outcome
}

// Said is what the stand-in made of a call.
type Said uint8

// The answers.
const (
	Lost   Said = iota // no answer: the connection was dropped on purpose, or the caller had gone
	Done               // carried out: an answer that ends the action
	Failed             // refused in a way that asks for another attempt
)

// Call is one call of the stand-in.
type Call struct {
	Workflow, Token, Run string
	Action, Item         string
	Key                  string // the idempotency key
	Attempt              int
	At, End              Instant
	Wall                 int64 // of At, Unix milliseconds
	Said                 Said
}

// Run is one run as the history has it in the end.
type Run struct {
	Workflow, Name, Token string
	Status                string
	Ended                 bool
}

// Source is what a workflow polls: items, of each of which one run is made. The token of
// the run is the item.
type Source struct {
	Workflow string
	Items    []string // that were there to be taken
}

// Schedule is a recurrence; the token of a run is the time that it was due.
type Schedule struct {
	Workflow string
	Every    int64    // milliseconds
	Due      []string // every time that fell into the run
}

// FlowKinds lists every violation by workflows, in the order they are printed.
var FlowKinds = []Kind{
	Abandoned, DoubleRun, Unfinished, WrongEnd, NotDone, DoneTwice, DoneAgain, TriedAgain,
	OtherKey, SharedKey, TooSoon, PolledTwice, PolledNever, RecurredTwice, Stranger,
}

// The violations by workflows.
const (
	Abandoned     Kind = "accepted, and no run"
	DoubleRun     Kind = "asked for once, and more than one run"
	Unfinished    Kind = "run that has not ended"
	WrongEnd      Kind = "run that ended otherwise than it must"
	NotDone       Kind = "run that ended without an action being carried out"
	DoneTwice     Kind = "action carried out twice, undisturbed"
	DoneAgain     Kind = "action carried out again after its end was recorded"
	TriedAgain    Kind = "attempt made again, undisturbed, or after one that went well"
	OtherKey      Kind = "attempts of one action with different keys"
	SharedKey     Kind = "one key for two actions"
	TooSoon       Kind = "action begun before what it waits for"
	PolledTwice   Kind = "polled item taken twice"
	PolledNever   Kind = "polled item left out"
	RecurredTwice Kind = "recurrence doubled"
	Stranger      Kind = "call or run that nobody asked for"
)

// FlowTally is what happened in one workflow.
type FlowTally struct {
	Workflow string `json:"workflow"`
	Asked    int    `json:"asked"`
	Accepted int    `json:"accepted"`
	Runs     int    `json:"runs"`
	Ended    int    `json:"ended"`
	Calls    int    `json:"calls"`
	Failed   int    `json:"failed"`   // calls that asked for another attempt, or were dropped
	Repeated int    `json:"repeated"` // attempts made again because a process ended between
	Late     int    `json:"late"`     // of these, by a process that stood still or was cut off
	Missed   int    `json:"missed"`   // recurrences without a run
}

// FlowVerdict is the answer to Flows.
type FlowVerdict struct {
	Workflows []FlowTally  `json:"workflows"`
	Outages   int          `json:"outages"`
	Counts    map[Kind]int `json:"violations"` // every kind, 0 when absent
	Findings  []Finding    `json:"findings,omitempty"`
	// MissedMost is how many recurrences in a row had no run at most.
	MissedMost int `json:"missed_most,omitempty"`
}

// Good reports whether nothing was violated.
func (v *FlowVerdict) Good() bool {
	for _, n := range v.Counts {
		if n > 0 {
			return false
		}
	}
	return true
}
