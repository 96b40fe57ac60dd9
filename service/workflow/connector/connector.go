// Package connector is the seam between the workflow engine and the world: what a
// connector is, what it is asked and what it answers.
//
// The nouns: a *connector* carries out *operations*: the attempts of actions, the looks
// of polling triggers. A *call* is one attempt; an *answer* is how it went. An *item* is
// something that a trigger found, which starts a run.
//
// What the engine promises a connector:
//
//  1. A call is made only when it is recorded on durable storage that it is made. What a
//     connector answers is recorded before anything follows from it.
//  2. A call that was made and whose answer was not recorded is made again with the same
//     Key and the same Attempt. Connectors hand the key on wherever there is a place for
//     it.
//  3. What is found is recorded in one step with the cursor that was given with it: no
//     item twice, none left out, whichever node or location looks next.
//  4. The context of a call ends with its time-out, when its run is cancelled, or when
//     another node has the workflow.
//
// What a connector promises: to be safe for use by many goroutines; to keep nothing that
// must survive; to bound what it reads; never to put a secret into an answer or an error.
// It refuses operations and inputs that it does not know, by name.
package connector

import (
	"context"
	"time"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Connector carries out operations.
type Connector interface {
	// Handles names what it is for: a type of actions and triggers ("Http"), or
	// "ServiceProvider" with the id of a provider ("ServiceProvider/serviceProviders/serviceBus").
	// Case does not count.
	Handles() []string
	// Operations declares what it can do, for validation, the guide and forms.
	Operations() []Operation
	// Do carries out one attempt.
	Do(ctx context.Context, c *Call) Answer
}

// Poller is a connector with triggers that look for something.
type Poller interface {
	Connector
	// Look looks once. It may wait up to w.Wait for something to be there.
	Look(ctx context.Context, w *Watch) Found
}

// Step is which part of an operation is carried out.
type Step uint8

// Steps.
const (
	// Try carries out the operation.
	Try Step = iota
	// Subscribe and Unsubscribe are the two halves of a webhook.
	Subscribe
	Unsubscribe
	// Ask asks Call.URL whether an asynchronous operation is done.
	Ask
)

// Call is one attempt of an action, or a half of a trigger's webhook.
type Call struct {
	Step Step
	// Type and Kind are the action's or trigger's, Options its operation options.
	Type, Kind string
	Options    []string
	// Inputs are evaluated.
	Inputs any
	// Context is what a script sees of its run: {actions, trigger, workflow}.
	Context *Object
	// URL is what an Ask asks; of an Unsubscribe, the Location that the subscribe's answer
	// gave, empty when it gave none.
	URL string
	// Callback is, of a Subscribe, the address that is to be called back, for operations
	// whose inputs do not name it.
	Callback string
	// Timeout is the time the attempt has; the context ends with it.
	Timeout time.Duration
	// Transfer and MinimumItems are of the runtime configuration: chunked transfer, and
	// up to how many items pages are followed; 0: they are not.
	Chunked    bool
	ChunkBytes int64
	// ChunkAbove is up to how many bytes a body goes whole all the same: connectors whose
	// other side need not know how workflows send chunks set it. 0: none does.
	ChunkAbove   int64
	MinimumItems int
	// Secure says that inputs or outputs must not be logged.
	Secure bool
	// Who is who asks, and how it is tracked.
	Who Who
}

// Who is the run or the trigger a call is made for.
type Who struct {
	// Workflow is the resource id of the workflow. Connections, settings and identities
	// are found from there.
	Workflow string
	// Identity is the resource id that managed identity is taken from: the workflow's or
	// its site's.
	Identity string
	// Run is the run's name, Action the action's or trigger's.
	Run, Action string
	Attempt     int32
	// Key is the same for every attempt of one action in one iteration.
	Key            string
	ClientTracking string
	ActionTracking string
	// RunTracking is the run's own, that correlates what its actions do.
	RunTracking string
}

// Answer is how an attempt went: Status, Headers and Body of what speaks HTTP, Outputs
// of what does not; Code and Message where there is no answer, and Retryable when
// another attempt may do better.
type Answer = run.Answer

// Object is a JSON object that keeps its order; values are those of the expression
// language: nil, bool, int64, float64, string, []any, *Object.
type Object = expression.Object

// Watch is what a polling trigger looks for.
type Watch struct {
	// Type, Kind, Inputs, Options, Timeout and Who are as in Call.
	Type, Kind string
	Options    []string
	Inputs     any
	Timeout    time.Duration
	Who        Who
	// Cursor is what came with what was found before; empty at first.
	Cursor []byte
	// Most bounds how many items are wanted.
	Most int
	// Wait is how long the look may wait for something.
	Wait time.Duration
}

// Found is what a look came to.
type Found struct {
	Items []Item
	// Cursor is remembered in one step with the runs of the items.
	Cursor []byte
	// After is when to look again; 0: as the recurrence says.
	After time.Duration
	// More says to look again at once.
	More bool
	// Status is the HTTP status, for the trigger's history; Code and Message why the look
	// failed, empty when it did not. Retryable failures are tried again as the retry policy
	// says.
	Status        int
	Code, Message string
	Retryable     bool
}

// Item is something found, which starts a run.
type Item struct {
	// Outputs are the trigger's: {headers, body} and the like.
	Outputs *Object
	// Key names the item as long as it may come again before it was settled: an item whose
	// key has a run already starts no other.
	Key string
	// Taken is called once the item's runs are recorded, and again when it comes again by
	// its key; when it gives no error the item comes no more. Nil: nothing is done then.
	Taken func(ctx context.Context) error
	// Settle is called when the run has ended and that is durable: done says that it
	// succeeded. Nil: there is nothing to settle. After a restart the item comes again and
	// is settled then.
	Settle func(ctx context.Context, done bool) error
	// Hold keeps the item held for somewhat longer, and says how long at least. Nil: it
	// need not be held.
	Hold func(ctx context.Context) (time.Duration, error)
}

// Operation declares something a connector can do.
type Operation struct {
	// Name is how definitions call it: the operation's id, or the type where there is one
	// only.
	Name    string
	Summary string
	// Trigger says that it starts runs.
	Trigger bool
	Inputs  []Input
	// Outputs says in a sentence what comes out.
	Outputs string
}

// Input is one input of an operation.
type Input struct {
	Name     string
	About    string
	Kind     string // string, integer, boolean, object, array, any
	Required bool
	Values   []string // when only these are allowed
}

// Refusal is an answer that no other attempt makes better.
func Refusal(code, message string) Answer { return Answer{Code: code, Message: message} }
