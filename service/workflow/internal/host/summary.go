package host

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// Summary is an action of a run, once: one that lies in a loop as it was the last time.
type Summary struct {
	ActionInfo
	// Times is how often it was carried out or passed over; 0 for one that lies in no loop.
	Times int
	// Tracking is its tracking id.
	Tracking string
}

// Summaries lists every action of a run once, in the order of the definition.
func (h *Host) Summaries(ctx context.Context, workflow, name string) ([]Summary, error) {
	times, last := map[uint32]int{}, map[uint32]run.Record{}
	outside, err := h.actions(ctx, workflow, name, func(r *run.Record) bool {
		if len(r.Path) > 0 {
			times[r.Node]++
			last[r.Node] = *r
		}
		return len(r.Path) == 0
	})
	if err != nil {
		return nil, err
	}
	all := make([]Summary, 0, len(outside)+len(last))
	for _, a := range outside {
		all = append(all, Summary{a, 0, run.Tracking(name, a.Name, nil)})
	}
	plan, _, err := h.planOf(ctx, workflow, name)
	if err != nil {
		return nil, err
	}
	for node, r := range last {
		a := ActionInfo{Record: r, Type: plan.Action(node).Type}
		all = append(all, Summary{a, times[node], run.Tracking(name, r.Name, r.Path)})
	}
	slices.SortFunc(all, func(a, b Summary) int { return cmp.Compare(a.Node, b.Node) })
	return all, nil
}

// planOf gives the plan that a run has.
func (h *Host) planOf(ctx context.Context, workflow, name string) (*run.Plan, *expression.Object, error) {
	i, err := h.Run(ctx, workflow, name)
	if err != nil {
		return nil, nil, err
	}
	return h.Plan(ctx, workflow, i.Version)
}

// Iterations gives, for an action that is a graph of others, the records of each time that
// it was carried out in a loop: path is the loops around it and, of a loop, its own
// iteration, in digits.
func (h *Host) Iterations(ctx context.Context, workflow, name, action string) (map[string][]ActionInfo, *run.Plan, error) {
	plan, _, err := h.planOf(ctx, workflow, name)
	if err != nil {
		return nil, nil, err
	}
	a := plan.Definition.Action(action)
	if a == nil {
		return nil, nil, fault.New(fault.NotFound, "The workflow '%s' run '%s' has no action '%s'.", workflow, name, action)
	}
	children := map[string]bool{}
	for _, g := range a.Graphs() {
		for _, child := range g.Actions {
			children[child.Name] = true
		}
	}
	records, err := h.actions(ctx, workflow, name, func(r *run.Record) bool { return len(r.Path) > 0 && children[r.Name] })
	if err != nil {
		return nil, nil, err
	}
	by := map[string][]ActionInfo{}
	for _, r := range records {
		key := PathName(r.Path)
		by[key] = append(by[key], r)
	}
	return by, plan, nil
}

// PathName is how iterations are named: six digits for each loop, from the outermost.
func PathName(path []int32) string {
	var b strings.Builder
	for k, n := range path {
		if k > 0 {
			b.WriteByte('-')
		}
		digits := "000000" + itoa(n)
		b.WriteString(digits[len(digits)-6:])
	}
	return b.String()
}

func itoa(n int32) string {
	var digits [10]byte
	at := len(digits)
	for ; n > 0 || at == len(digits); n /= 10 {
		at--
		digits[at] = byte('0' + n%10)
	}
	return string(digits[at:])
}

// Traces computes the inputs of an action once more and tells what each of their
// expressions gave; path is the iterations around it.
func (h *Host) Traces(ctx context.Context, workflow, name, action string, path []int32) ([]*expression.Trace, error) {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return nil, err
	}
	k, err := h.known(ctx, number)
	if err != nil {
		return nil, err
	}
	plan, err := k.plan()
	if err != nil {
		return nil, err
	}
	found, at := false, run.Place{}
	k.state.Each(plan, nil, func(r run.Record) {
		if sameName(r.Name, action) && slices.Equal(r.Path, path) && r.Began != 0 {
			found, at = true, r.At
		}
	})
	if !found {
		return nil, fault.New(fault.NotFound, "The workflow '%s' run '%s' has carried out no action '%s' there.", workflow, name, action)
	}
	e := &run.Env{Now: h.now(), Run: k.info.Name, ClientTracking: k.info.Tracking, Workflow: k.version.of(k.info.Name), Parameters: k.version.parameters, Values: looker{k}, Limits: h.limits.Run}
	if h.o.Setting != nil {
		e.Setting = func(name string) (any, bool) { return h.o.Setting(k.info.Workflow, name) }
	}
	return run.Trace(k.state, plan, e, at)
}

// looker gives the values of a run that is looked at.
type looker struct{ k *known }

// Load reads a value.
func (l looker) Load(ref record.Ref) (any, error) {
	data, err := l.k.bytes(ref)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return expression.ParseJSON(string(data))
}
