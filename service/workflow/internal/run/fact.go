package run

// Kind is the kind of a fact. Numbers are stored and never used for anything else.
type Kind uint8

// Kinds of facts.
const (
	// Started: the run began. Size is how many actions the workflow's own graph has,
	// Inputs the trigger, Flag whether somebody waits for an answer.
	Started Kind = iota + 1
	// Entered: a graph began: First, Size and Iteration, in the action At. Inputs are
	// those of the action, with its first graph.
	Entered
	// Counted: a Foreach began: Count, Inputs.
	Counted
	// Acted: an action began and ended in one: Status, Code, Inputs, Outputs, Error, and
	// what it did to a variable.
	Acted
	// Attempted: an outside action is about to be tried: Attempt; Inputs the first time.
	Attempted
	// Awaited: an action waits: Phase, Due, Location; Inputs when it begins so, Outputs what
	// its subscribe was answered.
	Awaited
	// Landed: what is waited for came, and something is left to do (unsubscribe)
	// until Deadline: Status, Code, Outputs, Error; Inputs when they are known only now.
	Landed
	// Ended: an action ended: Status, Code, Outputs, Error.
	Ended
	// Passed: an action was skipped: Why, By.
	Passed
	// Replied: the trigger's caller has been answered, or is gone (Flag).
	Replied
	// Held: an attempt without an answer waits for a person.
	Held
	// Finished: the run ended: Status, Code, Outputs, Error.
	Finished
	kindsMax
)

var kindNames = [kindsMax]string{"", "started", "entered", "counted", "acted", "attempted", "awaited", "landed", "ended", "passed", "replied", "held", "finished"}

// String names it.
func (k Kind) String() string { return kindNames[min(k, kindsMax-1)] }

// Phase is what an action that is under way waits for. Numbers are stored.
type Phase uint8

// Phases.
const (
	NoPhase    Phase = iota
	Attempting       // an answer to an attempt
	Backoff          // the time of the next attempt
	Polling          // the time to ask whether it is done
	Asking           // the answer whether it is done
	Hooked           // a call back
	Leaving          // the answer to an unsubscribe
	Delaying         // a time
	Called           // the answer to a subscribe, though the call back came already
	phasesMax
)

var phaseNames = [phasesMax]string{"", "attempting", "waiting to try again", "waiting to ask", "asking", "waiting for a call", "unsubscribing", "waiting", "called before it was subscribed"}

// String says it.
func (p Phase) String() string { return phaseNames[min(p, phasesMax-1)] }

// Op is what an action does to a variable. Numbers are stored.
type Op uint8

// Operations on variables.
const (
	OpNone Op = iota
	OpSet
	OpAdd    // a number
	OpAppend // an item or a text
	opsMax
)

// Fact is one thing that happened to a run. Fields beside Kind and At count as the
// kind says.
type Fact struct {
	Kind   Kind
	At     Place
	Status Status
	Code   string

	Why Why
	By  uint32 // the action whose end made another one skip

	First, Size, Iteration, Count int32

	Attempt  int32
	Phase    Phase
	Due      int64 // unix microseconds; 0: never
	Deadline int64
	Location string

	Variable int32
	Op       Op
	Flag     bool

	Inputs, Outputs, Error Payload
}
