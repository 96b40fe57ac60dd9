// Package run is one run of a workflow: what has been done, what comes next, and what
// somebody outside must do for it.
//
// The nouns: a *plan* is a definition, compiled. A *frame* is one time that a graph of
// actions is carried out: the workflow's own, a branch, one iteration. An *instance* is
// an action in a frame; a *place* is where it lies. A *fact* is one thing that happened
// to a run; the *state* is the fold of its facts. An *effect* is what the shell does
// once the facts before it are durable; an *input* is what the shell says has happened.
//
// What it promises:
//
//  1. Advance is a function: the same state, plan, environment and input give the same
//     facts and effects. It changes the state only by folding those very facts.
//  2. A fold needs neither the plan nor a payload: a follower keeps states of runs whose
//     definitions it has never read.
//  3. After any prefix of its facts a run can go on: Recover gives the effects that are
//     outstanding and does what nothing outside is needed for. No action that has ended
//     is done again; one whose attempt is not answered is tried again with the same
//     number and the same key, unless its metadata says that it must not be.
//  4. Advance is bounded: it does as many steps as it is allowed and says whether
//     there is more.
//  5. Statuses, codes and sentences are those that people know from the cloud.
//
// It refuses to wait, to call, to read a clock or to draw lots: all of that comes in.
package run

import "weir/kernel/journal/record"

// Status is how far an action or a run is, or how it ended.
type Status uint8

// Statuses. Numbers are stored.
const (
	NotStarted Status = iota
	Running
	Waiting
	Succeeded
	Failed
	Skipped
	TimedOut
	Cancelled
	Suspended // for a person to decide
	statusesMax
)

var statusNames = [statusesMax]string{"NotSpecified", "Running", "Waiting", "Succeeded", "Failed", "Skipped", "TimedOut", "Cancelled", "Suspended"}

// String is how the cloud spells it.
func (s Status) String() string {
	if s < statusesMax {
		return statusNames[s]
	}
	return "Unknown"
}

// Ended reports whether nothing comes after it.
func (s Status) Ended() bool {
	return s == Succeeded || s == Failed || s == Skipped || s == TimedOut || s == Cancelled
}

// Codes of actions and runs.
const (
	codeOK            = "OK"
	codeNone          = "NotSpecified"
	codeSkipped       = "ActionSkipped"
	codeFailed        = "ActionFailed"
	codeTemplate      = "InvalidTemplate"
	codeEvaluation    = "ExpressionEvaluationFailed"
	codeTimedOut      = "ActionTimedOut"
	codeNoCaller      = "ActionResponseSkipped"
	codeCallerGone    = "ActionResponseTimedOut"
	codeCancelled     = "WorkflowRunCancelled"
	codeTerminated    = "Terminated"
	codeUnsupported   = "ActionTypeNotSupported"
	codeBadInput      = "InvalidInputs"
	codeInvalidSchema = "ValidationFailed"
)

// Why is why an action was skipped. Numbers are stored.
type Why uint8

// Reasons.
const (
	WhyNone       Why = iota
	WhyCondition      // its runAfter is not satisfied
	WhyBranch         // its branch was not taken
	WhyDependency     // what it stands in was skipped
	WhyEmpty          // the loop it stands in had no item
	WhyEnded          // the run ended before
	whysMax
)

// Place is where an instance lies: the frame, and the action in the plan.
type Place struct{ Frame, Node uint32 }

// Payload is a value of a run: the value while it is fresh, where it lies once it is
// recorded, or both.
type Payload struct {
	Value any
	Ref   record.Ref
	given bool
}

// Given reports whether there is one: null is a value.
func (p Payload) Given() bool { return p.given }

func value(v any) Payload { return Payload{Value: v, given: true} }
