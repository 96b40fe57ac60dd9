package host

import "context"

// Declared is a workflow as it was declared.
type Declared struct {
	Name string
	// ID is its resource id.
	ID string
	// Kind is Stateful or Stateless for a Standard workflow, else empty.
	Kind string
	// Definition is its definition, Parameters {name: {value}} or {name: value}; both JSON.
	Definition []byte
	Parameters []byte
	Disabled   bool
	// Version names what is deployed; empty: one is made of the rest.
	Version string
	// Location and Tags are what workflow() shows.
	Location string
	Tags     map[string]string
	// Runs and WaitingRuns bound how many runs go on and wait at once, over what the
	// definition's triggers say; 0: what they say.
	Runs, WaitingRuns int
}

// Put makes a workflow equal to what is declared. Nothing happens when it is. It returns
// when it is in force and durable. Owner only.
func (h *Host) Put(ctx context.Context, d Declared) error { return notYet() }

// Remove removes a workflow with its runs. One that is not there is no error. Owner only.
func (h *Host) Remove(ctx context.Context, name string) error { return notYet() }
