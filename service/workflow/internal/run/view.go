package run

import (
	"fmt"
	"strings"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
)

// Record is an action as its history shows it.
type Record struct {
	Name    string
	Node    uint32
	At      Place // where it lies, when it was begun or skipped of itself
	Path    []int32
	Status  Status
	Code    string
	Began   int64
	Ended   int64
	Inputs  record.Ref
	Outputs record.Ref
	Error   *expression.Object
	// Attempts counts those beyond the first.
	Retries int32
	// Repetitions counts the iterations of a loop.
	Repetitions int
	Phase       Phase
	Due         int64
	// HideInputs and HideOutputs say what must not be shown.
	HideInputs, HideOutputs bool
}

// accepted lists statuses as sentences do.
func accepted(s definition.Statuses) string {
	var all []string
	for _, one := range []struct {
		s    definition.Statuses
		name string
	}{{definition.Succeeded, "Succeeded"}, {definition.Failed, "Failed"}, {definition.Skipped, "Skipped"}, {definition.TimedOut, "TimedOut"}} {
		if s.Has(one.s) {
			all = append(all, one.name)
		}
	}
	return strings.Join(all, ", ")
}

// errorOf gives the error of an instance: one that is recorded, or that of its skip.
func (p *Plan) errorOf(i *instance, n *node, load func(record.Ref) any) *expression.Object {
	if i.err.Len > 0 {
		o, _ := load(i.err).(*expression.Object)
		return o
	}
	name := n.Action.Name
	skip := func(code, format string, args ...any) *expression.Object {
		return expression.NewObject("code", code, "message", fmt.Sprintf(format, args...))
	}
	switch i.why {
	case WhyCondition:
		want, actual := "", "Skipped"
		for _, a := range n.after {
			if uint32(a.node) == i.by {
				want = accepted(a.statuses)
			}
		}
		if k := int64(i.by) - int64(i.frame.first); k >= 0 && k < int64(len(i.frame.instances)) && i.frame.instances[k].status != NotStarted {
			actual = i.frame.instances[k].status.String()
		}
		return skip("ActionConditionFailed", "The execution of template action '%s' is skipped: the 'runAfter' condition for action '%s' is not satisfied. Expected status values '%s' and actual value '%s'.", name, p.Name(i.by), want, actual)
	case WhyBranch:
		return skip("ActionBranchingConditionNotSatisfied", "The execution of template action '%s' skipped: the branching condition for this action is not satisfied.", name)
	case WhyDependency:
		status, code := Skipped, codeSkipped
		if o := i.frame.owner; o != nil {
			status, code = o.status, o.code
		}
		return skip("ActionDependencyFailed", "The execution of template action '%s' is skipped: dependant action '%s' completed with status '%s' and code '%s'.", name, p.Name(i.by), status, code)
	case WhyEmpty:
		return skip("ActionRepetitionSkipped", "The execution of template action '%s' is skipped: the loop '%s' had nothing to repeat over.", name, p.Name(i.by))
	case WhyEnded:
		return skip("ActionRunEnded", "The execution of template action '%s' is skipped: the run ended before.", name)
	}
	return nil
}

// Each calls f for every action of a run: those that were carried out once for each
// time, and those that were not, with the reason, once a decision about them was made.
// Errors are given when load is; it may be nil.
func (s *State) Each(p *Plan, load func(record.Ref) any, f func(Record)) {
	if len(s.frames) > 0 {
		w := walk{s, p, load, f}
		w.frame(s.frames[0], nil)
	}
}

type walk struct {
	s    *State
	p    *Plan
	load func(record.Ref) any
	f    func(Record)
}

func (w *walk) frame(f *frame, path []int32) {
	for k := range f.instances {
		i := &f.instances[k]
		if i.status == NotStarted && w.s.Status.Ended() {
			w.never(f, i.node, WhyEnded, 0, path)
			continue
		}
		w.instance(i, path)
	}
}

func (w *walk) instance(i *instance, path []int32) {
	if i.status == NotStarted {
		return
	}
	n := &w.p.nodes[i.node]
	r := Record{Name: n.Action.Name, Node: i.node, At: i.place(), Path: path, Status: i.status, Code: i.code, Began: i.began, Ended: i.ended, Inputs: i.inputs, Outputs: i.outputs, HideInputs: n.hideInputs, HideOutputs: n.hideOutputs}
	if !i.status.Ended() && w.s.Status.Ended() {
		r.Status, r.Code, r.Ended = Cancelled, codeCancelled, w.s.Done
	}
	if x := i.more; x != nil {
		r.Phase, r.Due, r.Retries = x.phase, x.due, max(x.attempt-1, 0)
		if n.Is("Foreach", "Until") {
			r.Repetitions = len(x.frames)
		}
	}
	if i.err.Len == 0 || w.load != nil {
		r.Error = w.p.errorOf(i, n, w.load)
	}
	w.f(r)
	entered := map[int32]bool{}
	if i.more != nil {
		for _, f := range i.more.frames {
			inner := path
			if f.iteration >= 0 {
				inner = append(path[:len(path):len(path)], f.iteration)
			}
			entered[f.first] = true
			w.frame(f, inner)
		}
	}
	if !i.status.Ended() && (i.more == nil || len(i.more.frames) == 0) {
		return
	}
	for _, g := range n.inner {
		if graph := w.p.graphs[g]; graph.size > 0 && !entered[graph.first] {
			why := WhyBranch
			switch {
			case i.status == Skipped || i.status == Failed:
				why = WhyDependency
			case n.Is("Foreach", "Until"):
				why = WhyEmpty
			}
			w.untaken(graph, why, i, path)
		}
	}
}

// untaken tells of a graph that was not carried out.
func (w *walk) untaken(g graph, why Why, in *instance, path []int32) {
	by := in.node
	f := &frame{owner: in, first: g.first, instances: make([]instance, g.size)}
	for k := range f.instances {
		n := &w.p.nodes[g.first+int32(k)]
		one, cause := why, by
		for _, a := range n.after {
			if !a.statuses.Has(definition.Skipped) {
				one, cause = WhyCondition, uint32(a.node)
				break
			}
		}
		w.never(f, uint32(n.index), one, cause, path)
	}
}

// never tells of an action that was not carried out, and of those in it.
func (w *walk) never(f *frame, node uint32, why Why, by uint32, path []int32) {
	n := &w.p.nodes[node]
	i := &instance{status: Skipped, node: node, why: why, by: by, code: codeSkipped, frame: f}
	w.f(Record{Name: n.Action.Name, Node: node, Path: path, Status: Skipped, Code: codeSkipped, Error: w.p.errorOf(i, n, w.load)})
	for _, g := range n.inner {
		w.untaken(w.p.graphs[g], WhyDependency, i, path)
	}
}

// Held gives the attempt that is held at a place, for a person to decide about.
func (s *State) Held(at Place) (attempt int32, held bool) {
	i := s.at(at)
	if i == nil || i.status != Suspended || i.more == nil {
		return 0, false
	}
	return i.more.attempt, true
}

// Payload gives where the inputs or the outputs lie of what is at a place.
func (s *State) Payload(at Place, outputs bool) record.Ref {
	i := s.at(at)
	switch {
	case i == nil:
		return record.Ref{}
	case outputs:
		return i.outputs
	}
	return i.inputs
}

// ErrorAt gives the error of what is at a place; nil when it has none.
func (s *State) ErrorAt(at Place, p *Plan, load func(record.Ref) any) *expression.Object {
	if i := s.at(at); i != nil && i.err.Len > 0 {
		return p.errorOf(i, &p.nodes[i.node], load)
	}
	return nil
}

// Nodes is how many actions the plan has.
func (p *Plan) Nodes() int { return len(p.nodes) }

// Hides reports whether the inputs or the outputs of an action must not be shown.
func (p *Plan) Hides(node uint32, outputs bool) bool {
	if outputs {
		return p.nodes[node].hideOutputs
	}
	return p.nodes[node].hideInputs
}
