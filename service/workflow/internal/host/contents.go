package host

import (
	"context"
	"fmt"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// ActionInfo is an action of a run.
type ActionInfo struct {
	run.Record
	Type string
	// Handles for Content; empty: there is nothing, or it must not be shown.
	InputsContent, OutputsContent string
}

// A handle names a payload by what it is, not by where it lies: places move.
func contentTrigger(number uint64) string { return fmt.Sprintf("%d-trigger", number) }
func contentOutputs(number uint64) string { return fmt.Sprintf("%d-outputs", number) }

func contentOf(number uint64, at run.Place, what string) string {
	return fmt.Sprintf("%d-%d-%d-%s", number, at.Frame, at.Node, what)
}

// Actions lists the actions of a run that lie in no loop; Repetitions, how often one that
// does was carried out.
func (h *Host) Actions(ctx context.Context, workflow, name string) ([]ActionInfo, error) {
	return h.actions(ctx, workflow, name, func(r *run.Record) bool { return len(r.Path) == 0 })
}

// Repetitions lists each time that an action in loops was carried out.
func (h *Host) Repetitions(ctx context.Context, workflow, name, action string) ([]ActionInfo, error) {
	return h.actions(ctx, workflow, name, func(r *run.Record) bool { return len(r.Path) > 0 && sameName(r.Name, action) })
}

func (h *Host) actions(ctx context.Context, workflow, name string, wants func(*run.Record) bool) ([]ActionInfo, error) {
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
	var all []ActionInfo
	// Errors are read of those that are wanted only.
	k.state.Each(plan, nil, func(r run.Record) {
		if wants(&r) {
			all = append(all, k.action(plan, r))
		}
	})
	for n := range all {
		if all[n].Error == nil {
			all[n].Error = k.state.ErrorAt(all[n].At, plan, k.load)
		}
	}
	return all, k.err
}

func (k *known) action(plan *run.Plan, r run.Record) ActionInfo {
	a := ActionInfo{Record: r, Type: plan.Action(r.Node).Type}
	if r.Inputs.Len > 0 && !r.HideInputs {
		a.InputsContent = contentOf(k.info.Number, r.At, "inputs")
	}
	if r.Outputs.Len > 0 && !r.HideOutputs {
		a.OutputsContent = contentOf(k.info.Number, r.At, "outputs")
	}
	return a
}

// Content gives what a handle stands for: JSON. What is marked as secret is refused.
func (h *Host) Content(ctx context.Context, handle string) ([]byte, error) {
	bad := fault.New(fault.NotFound, "There is no content '%s'.", handle)
	var number uint64
	var at run.Place
	var what string
	if n, _ := fmt.Sscanf(handle, "%d-%d-%d-%s", &number, &at.Frame, &at.Node, &what); n != 4 {
		if n, _ = fmt.Sscanf(handle, "%d-%s", &number, &what); n != 2 || what != "trigger" && what != "outputs" {
			return nil, bad
		}
		return h.ofRun(ctx, number, what, bad)
	}
	if what != "inputs" && what != "outputs" {
		return nil, bad
	}
	k, err := h.known(ctx, number)
	if err != nil {
		return nil, err
	}
	plan, err := k.plan()
	if err != nil {
		return nil, err
	}
	if int(at.Node) >= plan.Nodes() || plan.Hides(at.Node, what == "outputs") {
		return nil, bad
	}
	data, err := k.given(k.state.Payload(at, what == "outputs"), bad)
	if err != nil || what == "outputs" {
		return data, err
	}
	// Without what proves who asks.
	v, err := expression.ParseJSON(string(data))
	if err != nil {
		return nil, err
	}
	return expression.AppendJSON(nil, plan.Shown(at.Node, v)), nil
}

// ofRun gives what a run began with or ended with.
func (h *Host) ofRun(ctx context.Context, number uint64, what string, bad error) ([]byte, error) {
	k, err := h.known(ctx, number)
	if err != nil {
		return nil, err
	}
	plan, err := k.plan()
	if err != nil {
		return nil, err
	}
	if what == "outputs" {
		return k.given(k.state.Outputs, bad)
	}
	for _, t := range plan.Definition.Triggers {
		if sameName(t.Name, k.info.Trigger) && t.Runtime.SecureOutputs {
			return nil, bad
		}
	}
	return k.given(k.state.Trigger, bad)
}

func (k *known) given(ref record.Ref, bad error) ([]byte, error) {
	if ref.Len == 0 {
		return nil, bad
	}
	return k.bytes(ref)
}
