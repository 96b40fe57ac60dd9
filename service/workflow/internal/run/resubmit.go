package run

import (
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
)

// Earlier is a run that another one repeats from some of its actions on.
type Earlier struct {
	State *State
	Plan  *Plan
	// Values gives what it recorded.
	Values Values
	// From are the actions that are carried out anew, with all that comes after them.
	From []string
}

// Resubmit begins a run with what an earlier one has done: all but the actions it is
// resubmitted from, and those that come after them. What is taken over is recorded as
// this run's own.
func Resubmit(s *State, p *Plan, e *Env, trigger *expression.Object, from Earlier) (Outcome, error) {
	e.Limits = e.Limits.orDefault()
	m := &machine{s: s, p: p, e: e, now: e.Now.UnixMicro()}
	c := &carrier{machine: m, Earlier: from, again: map[int32]bool{}}
	for _, name := range from.From {
		if err := c.choose(name); err != nil {
			return Outcome{}, err
		}
	}
	m.emit(&Fact{Kind: Started, Size: p.Size(), Inputs: value(trigger)})
	if err := c.frame(s.frames[0], from.State.frames[0]); err != nil {
		return Outcome{}, err
	}
	for _, f := range s.frames {
		m.look(f)
	}
	return m.proceed(), nil
}

// carrier takes over what an earlier run has done.
type carrier struct {
	*machine
	Earlier
	again map[int32]bool // actions that are carried out anew, and those that hold one
}

// choose marks an action to be carried out anew.
func (c *carrier) choose(name string) error {
	index, ok := c.p.byName[fold(name)]
	if !ok {
		return fault.New(fault.NotFound, "The workflow has no action '%s' to resubmit from.", name)
	}
	if c.p.nodes[index].Is("Foreach", "Until") {
		return fault.New(fault.Invalid, "A run cannot be resubmitted from the loop '%s'; choose an action that is no loop.", name)
	}
	c.again[index] = true
	for owner := c.p.graphs[c.p.nodes[index].graph].owner; owner >= 0; owner = c.p.graphs[c.p.nodes[owner].graph].owner {
		n := &c.p.nodes[owner]
		if n.Is("Foreach", "Until") {
			return fault.New(fault.Invalid, "A run cannot be resubmitted from '%s', which lies in the loop '%s'; choose an action outside of loops.", name, n.Action.Name)
		}
		if i := c.visibleIn(c.State, c.Plan, n.Action.Name); i == nil || i.more == nil || len(i.more.frames) == 0 {
			return fault.New(fault.Invalid, "A run cannot be resubmitted from '%s': '%s', which it lies in, was not carried out.", name, n.Action.Name)
		}
		c.again[owner] = true
	}
	return nil
}

// visibleIn finds what an earlier run did for an action outside of loops.
func (c *carrier) visibleIn(s *State, p *Plan, name string) *instance {
	index, ok := p.byName[fold(name)]
	if !ok {
		return nil
	}
	old := machine{s: s, p: p}
	return old.visible(index, nil)
}

// changed says that the workflow is not what it was where that matters.
func changed(name string) error {
	return fault.New(fault.Conflict, "The action '%s' is not what it was when the run was made; resubmit the run as a whole.", name)
}

// frame takes over what was done of a graph. The actions are looked at in their order, so
// that those after one that is carried out anew are left.
func (c *carrier) frame(f, old *frame) error {
	left := len(f.instances)
	for before := left + 1; left > 0 && left < before; {
		before = left
		left = 0
		for k := range f.instances {
			i := &f.instances[k]
			if i.status != NotStarted {
				continue
			}
			taken, err := c.instance(i, old)
			if err != nil {
				return err
			}
			if !taken {
				left++
			}
		}
	}
	return nil
}

// instance takes over one action, if all before it were.
func (c *carrier) instance(i *instance, old *frame) (taken bool, err error) {
	n := &c.p.nodes[i.node]
	for _, a := range n.after {
		if before := c.s.at(Place{i.frame.id, uint32(a.node)}); !before.status.Ended() {
			return false, nil
		}
	}
	was := c.find(old, n)
	if c.again[int32(n.index)] {
		if was != nil && was.more != nil && len(was.more.frames) > 0 && c.holds(n) {
			return true, c.into(i, n, was)
		}
		return false, nil
	}
	if was == nil || !was.status.Ended() {
		return false, nil
	}
	if c.Plan.nodes[was.node].Type != n.Type {
		return false, changed(n.Action.Name)
	}
	return true, c.copy(i, n, was)
}

// holds reports whether an action that is marked is marked for one inside it.
func (c *carrier) holds(n *node) bool {
	return !slices.ContainsFunc(c.From, func(name string) bool { return fold(name) == fold(n.Action.Name) })
}

// find gives what was done of an action in a frame of the earlier run.
func (c *carrier) find(old *frame, n *node) *instance {
	for k := range old.instances {
		if i := &old.instances[k]; fold(c.Plan.nodes[i.node].Action.Name) == fold(n.Action.Name) {
			return i
		}
	}
	return nil
}

// payload is what the earlier run recorded, as a value of this one.
func (c *carrier) payload(i *instance, what int) Payload {
	ref := i.inputs
	switch what {
	case 1:
		ref = i.outputs
	case 2:
		ref = i.err
	}
	if ref.Len == 0 || c.err != nil {
		return Payload{}
	}
	v, err := c.Values.Load(ref)
	if err != nil {
		c.err = err
	}
	return value(v)
}

// enterAs begins a graph as the earlier run did, and gives the frame.
func (c *carrier) enterAs(i *instance, n *node, was *frame, inputs Payload) (*frame, error) {
	which := slices.IndexFunc(c.Plan.nodes[was.owner.node].inner, func(g int32) bool { return c.Plan.graphs[g].first == was.first })
	if which < 0 || which >= len(n.inner) || c.p.graphs[n.inner[which]].size != c.Plan.graphs[c.Plan.nodes[was.owner.node].inner[which]].size {
		return nil, changed(n.Action.Name)
	}
	g := c.p.graphs[n.inner[which]]
	c.emit(&Fact{Kind: Entered, At: i.place(), First: g.first, Size: g.size, Iteration: was.iteration, Inputs: inputs})
	return c.s.frames[len(c.s.frames)-1], nil
}

// into goes into an action that holds one that is carried out anew.
func (c *carrier) into(i *instance, n *node, was *instance) error {
	old := was.more.frames[len(was.more.frames)-1]
	f, err := c.enterAs(i, n, old, c.payload(was, 0))
	if err != nil {
		return err
	}
	return c.frame(f, old)
}

// copy takes over an action that has ended.
func (c *carrier) copy(i *instance, n *node, was *instance) error {
	switch {
	case was.why != WhyNone:
		by := int32(-1)
		if int(was.by) < len(c.Plan.nodes) {
			if at, ok := c.p.byName[fold(c.Plan.Name(was.by))]; ok {
				by = at
			}
		}
		if by < 0 {
			return changed(n.Action.Name)
		}
		c.emit(&Fact{Kind: Passed, At: i.place(), Why: was.why, By: uint32(by)})
		return nil
	case was.more != nil && len(was.more.frames) > 0:
		return c.whole(i, n, was)
	}
	f := &Fact{Kind: Acted, At: i.place(), Status: was.status, Code: was.code, Inputs: c.payload(was, 0), Outputs: c.payload(was, 1), Error: c.payload(was, 2)}
	if n.isVariable() && was.status == Succeeded {
		if err := c.vary(n, f); err != nil {
			return err
		}
	}
	c.emit(f)
	return nil
}

// whole takes over an action with all that it holds.
func (c *carrier) whole(i *instance, n *node, was *instance) error {
	inputs := c.payload(was, 0)
	if n.Is("Foreach") {
		c.emit(&Fact{Kind: Counted, At: i.place(), Count: was.more.count, Inputs: inputs})
		inputs = Payload{}
	}
	for _, old := range was.more.frames {
		f, err := c.enterAs(i, n, old, inputs)
		if err != nil {
			return err
		}
		inputs = Payload{}
		if err := c.frame(f, old); err != nil {
			return err
		}
		for k := range f.instances {
			if x := &f.instances[k]; !x.status.Ended() && c.find(old, &c.p.nodes[x.node]) == nil {
				return changed(c.p.Name(x.node))
			}
		}
	}
	c.emit(&Fact{Kind: Ended, At: i.place(), Status: was.status, Code: was.code, Outputs: c.payload(was, 1), Error: c.payload(was, 2)})
	return nil
}

// counted reports whether outputs say what a variable came to.
func counted(outputs Payload) bool {
	o, _ := outputs.Value.(*expression.Object)
	if o == nil {
		return false
	}
	_, ok := o.Exact("body")
	return ok
}

// vary makes the fact do to a variable what the action did.
func (c *carrier) vary(n *node, f *Fact) error {
	o, _ := f.Inputs.Value.(*expression.Object)
	if o == nil {
		return nil
	}
	gave := f.Outputs
	f.Outputs = Payload{}
	name, _ := o.Get("name")
	if list, ok := o.Exact("variables"); ok {
		all, _ := list.([]any)
		first := &expression.Object{}
		if len(all) > 0 {
			first, _ = all[0].(*expression.Object)
		}
		if f.Count = int32(len(all)); f.Count == 0 || first == nil {
			f.Count = 0
			return nil
		}
		name, _ = first.Get("name")
	} else {
		f.Count = 1
	}
	v, ok := c.p.byVariable[strings.ToLower(expression.Text(name))]
	if !ok || int(v+f.Count) > len(c.p.variables) {
		return changed(n.Action.Name)
	}
	f.Variable = v
	switch {
	case n.Is("IncrementVariable", "DecrementVariable"):
		if f.Op = OpAdd; counted(gave) {
			f.Op, f.Flag, f.Outputs = OpSet, true, gave
		}
	case n.Is("AppendToArrayVariable", "AppendToStringVariable"):
		f.Op = OpAppend
	default:
		f.Op = OpSet
	}
	if f.Op != OpSet && int(v) < len(c.s.vars) && len(c.s.vars[v].parts) >= partsMax {
		old, _ := c.variableValue(v)
		x, _ := o.Get("value")
		d := c.p.variables[v]
		f.Outputs = value(expression.NewObject("name", d.name, "value", applied(old, f.Op, x, d.kind)))
		f.Op, f.Flag = OpSet, true
	}
	return nil
}
