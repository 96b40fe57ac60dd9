// Package definition reads workflow definitions as they were written for the cloud
// and says what is wrong with them: all of it, at once, before anything is stored.
//
// The nouns: a *definition* has triggers, parameters, outputs and a graph of
// actions. An *action* runs after others; a *control* action holds graphs of its
// own. A *wrapping* is the file around a definition: a project's workflow.json, a
// deployment template, a solution. A *problem* is a code, a path, a place and a
// sentence.
//
// What it promises:
//
//  1. Every problem has the JSON path of the value it is about, its line and its
//     column in the file, and says what to do. One problem hides no other.
//  2. A definition without errors can be run as far as its text can tell. A warning
//     is about something that is read and kept, but will not run here or is
//     probably not meant.
//  3. What is not known is named. No member is dropped silently.
//  4. Order is kept: of triggers, actions, cases, parameters and outputs.
//  5. A value that is known only later (an expression, a placeholder that a
//     deployment fills) is not judged before.
//
// It refuses to evaluate anything and to ask the world: expressions are judged by
// whoever is given as Expressions, time zones by whoever is given as Zones.
package definition

import (
	"strings"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/document"
)

// Host is the kind of place a definition was written for; limits differ.
type Host uint8

// Hosts.
const (
	Consumption Host = iota
	Standard
	PowerAutomate
)

var hostNames = [...]string{"consumption", "standard", "power automate"}

// String names it.
func (h Host) String() string { return hostNames[h] }

// Definition is one workflow as it was written.
type Definition struct {
	// Name is what the wrapping calls it, else empty.
	Name string
	Host Host
	// Stateless workflows keep no state between actions; only Standard has them.
	Stateless bool
	// Kind is the word the wrapping gives: Stateful, Stateless, Agent; else empty.
	Kind string

	Schema, ContentVersion, Description string

	Parameters    []*Parameter
	Triggers      []*Trigger
	Actions       *Graph
	Outputs       []*Output
	StaticResults []*StaticResult

	// Value is the whole and Path where it lies in its file.
	Value *document.Value
	Path  document.Path

	// parametersOpen says that there may be parameters that the file does not show.
	parametersOpen bool
	byName         map[string]*Action
}

// Parameter is a value that a deployment gives.
type Parameter struct {
	Name string
	// Type in the spelling of the schema: String, SecureString, Int, Float, Bool,
	// Object, SecureObject, Array.
	Type          string
	Default       *document.Value
	AllowedValues []*document.Value
	Value         *document.Value
	Path          document.Path
}

// Secure reports whether the value must never be shown.
func (p *Parameter) Secure() bool { return strings.HasPrefix(p.Type, "Secure") }

// Output is a value that a run gives back.
type Output struct {
	Name, Type string
	Value      *document.Value
	Path       document.Path
}

// StaticResult is what an action answers without being run.
type StaticResult struct {
	Name    string
	Status  string
	Code    string
	Outputs *document.Value
	Error   *document.Value
	Path    document.Path
}

// Operation is what triggers and actions have in common.
type Operation struct {
	Name string
	// Type in the spelling of the catalogue, Kind in the spelling of the file.
	Type, Kind  string
	Description string
	Inputs      *document.Value
	Tracked     *document.Value
	Options     Options
	Runtime     Runtime
	Retry       *RetryPolicy
	Limit       Limit

	Value *document.Value
	Path  document.Path

	// opaque says that the type is known only after deployment.
	opaque bool
}

// Is reports whether the operation has one of these types.
func (o *Operation) Is(types ...string) bool {
	for _, t := range types {
		if o.Type == t {
			return true
		}
	}
	return false
}

// Trigger starts runs.
type Trigger struct {
	Operation
	Recurrence  *Recurrence
	SplitOn     *document.Value
	SplitName   string
	Conditions  []Condition
	Correlation *document.Value // the client tracking id
}

// Condition must be true for a trigger to start a run.
type Condition struct {
	Expression *document.Value
	Path       document.Path
}

// Action is one step.
type Action struct {
	Operation
	// In is the graph it stands in.
	In       *Graph
	RunAfter []After

	// Expression is the condition of If (a string or a tree) and of Until, and the
	// value of Switch.
	Expression *document.Value
	// Foreach is what is repeated over.
	Foreach *document.Value
	// Actions are those of Scope, Foreach, Until and of an If that holds; Else of one
	// that does not.
	Actions, Else *Graph
	Cases         []*Case
	Default       *Graph
	Tools         []*Tool

	at int // where it stands in its graph
}

// Graphs lists the graphs an action holds, in the order of the file.
func (a *Action) Graphs() []*Graph {
	var all []*Graph
	add := func(g *Graph) {
		if g != nil {
			all = append(all, g)
		}
	}
	add(a.Actions)
	add(a.Else)
	for _, c := range a.Cases {
		add(c.Actions)
	}
	add(a.Default)
	for _, t := range a.Tools {
		add(t.Actions)
	}
	return all
}

// Case is one way of a Switch.
type Case struct {
	Name    string
	Value   *document.Value
	Actions *Graph
	Path    document.Path
}

// Tool is what an agent may call.
type Tool struct {
	Name    string
	Actions *Graph
	Path    document.Path
}

// After is one predecessor and the ends of it that are waited for.
type After struct {
	Name     string
	Statuses Statuses
	Path     document.Path
}

// Statuses is a set of ends of an action.
type Statuses uint8

// Ends of an action.
const (
	Succeeded Statuses = 1 << iota
	Failed
	Skipped
	TimedOut
)

var statusNames = map[string]Statuses{"succeeded": Succeeded, "failed": Failed, "skipped": Skipped, "timedout": TimedOut}

// Has reports whether an end is in the set.
func (s Statuses) Has(one Statuses) bool { return s&one != 0 }

// Graph is a set of actions that run after one another.
type Graph struct {
	// Owner is the control action that holds it, nil for the workflow's own.
	Owner   *Action
	Actions []*Action
	Path    document.Path

	byName map[string]*Action
	// before has for each action the set of those that it runs after, see reaches.
	before map[*Action]bits
}

// Get gives the action of this graph that a name means.
func (g *Graph) Get(name string) *Action { return g.byName[fold(name)] }

// Order lists the actions so that each comes after all it runs after, otherwise as
// in the file. Actions of a circle, and those after them, are left out.
func (g *Graph) Order() []*Action {
	const onTheWay, placed, stuck = 1, 2, 3
	state, order := make(map[*Action]int, len(g.Actions)), make([]*Action, 0, len(g.Actions))
	var place func(a *Action) bool
	place = func(a *Action) bool {
		if s := state[a]; s != 0 {
			return s == placed
		}
		state[a] = onTheWay
		for _, after := range a.RunAfter {
			if before := g.Get(after.Name); before != nil && !place(before) {
				state[a] = stuck
			}
		}
		if state[a] == stuck {
			return false
		}
		state[a] = placed
		order = append(order, a)
		return true
	}
	for _, a := range g.Actions {
		place(a)
	}
	return order
}

// Each calls f for every action of the graph and of those inside it, outer before
// inner, in the order of the file.
func (g *Graph) Each(f func(*Action)) {
	if g == nil {
		return
	}
	for _, a := range g.Actions {
		f(a)
		for _, inner := range a.Graphs() {
			inner.Each(f)
		}
	}
}

// Action gives the action that a name means, at whatever depth.
func (d *Definition) Action(name string) *Action { return d.byName[fold(name)] }

// Parameter gives the parameter that a name means.
func (d *Definition) Parameter(name string) *Parameter {
	for _, p := range d.Parameters {
		if strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

// fold makes one name of the spellings that mean the same: case is not told apart,
// and designers write _ for a space.
func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

// Limit bounds how often and how long. A value that is an expression stays one.
type Limit struct {
	Count, Timeout *document.Value
	Path           document.Path
}

// RetryPolicy says what is done about an attempt that failed.
type RetryPolicy struct {
	Type                       string // default, none, fixed, exponential
	Count                      int
	Interval, Minimum, Maximum iso8601.Duration
	// Value holds what was written; a member that is an expression is zero above.
	Value *document.Value
}

// Runtime is runtimeConfiguration; zero means not given.
type Runtime struct {
	Runs, WaitingRuns, Repetitions int
	MinimumItems                   int
	Chunked                        bool
	ChunkSize                      int
	SecureInputs, SecureOutputs    bool
	StaticResult                   string
	StaticEnabled                  bool
	RequestTimeout                 *document.Value
}

// Recurrence is when a trigger looks; every member may be an expression, so that the
// typed form is made when it is deployed.
type Recurrence struct {
	Frequency string
	Interval  int
	StartTime string
	EndTime   string
	TimeZone  string
	Schedule  Schedule
	Value     *document.Value
	Path      document.Path
}

// Schedule narrows a recurrence.
type Schedule struct {
	Given              bool
	Hours, Minutes     []int
	WeekDays           []string
	MonthDays          []int
	MonthlyOccurrences []Occurrence
}

// Occurrence is the n-th weekday of a month; negative counts from its end.
type Occurrence struct {
	Day string
	N   int
}
