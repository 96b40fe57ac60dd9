package host

import (
	"context"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
)

// Resubmit starts a run with the trigger of another one, and gives its name: with the
// current version of the workflow. With actions, it is the version of the other run, and
// begins with those; the actions before them keep the results that they had.
func (h *Host) Resubmit(ctx context.Context, workflow, name string, actions []string) (string, error) {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return "", err
	}
	k, err := h.known(ctx, number)
	if err != nil {
		return "", err
	}
	if len(actions) > 0 {
		return h.resubmitFrom(ctx, k, actions)
	}
	trigger, _ := k.load(k.state.Trigger).(*expression.Object)
	if k.err != nil {
		return "", k.err
	}
	f := Firing{Workflow: k.info.Workflow, Trigger: k.info.Trigger, Origin: k.origin(), Outputs: []*expression.Object{nil}}
	if trigger != nil {
		outputs, _ := trigger.Get("outputs")
		f.Outputs[0], _ = outputs.(*expression.Object)
		f.Inputs, _ = trigger.Get("inputs")
	}
	if k.info.Tracking != k.info.Name { // the client's own
		f.Tracking = []string{k.info.Tracking}
	}
	names, err := h.Fire(ctx, f)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// origin is the run that a repeated one goes back to.
func (k *known) origin() string {
	if k.info.Origin != "" {
		return k.info.Origin
	}
	return k.info.Name
}

// resubmitFrom enters a run as it was before some of its actions.
func (h *Host) resubmitFrom(ctx context.Context, k *known, actions []string) (string, error) {
	if v, ok := h.Workflow(k.info.Workflow); !ok || v.Disabled {
		return "", fault.New(fault.Disabled, "The workflow '%s' is disabled; enable it to run it.", k.info.Workflow)
	}
	plan, err := k.plan()
	if err != nil {
		return "", err
	}
	now := h.now()
	if err := k.state.Rewind(plan, actions, now.UnixMicro()); err != nil {
		return "", err
	}
	archive, err := k.state.Archive(k.bytes)
	if err != nil {
		return "", err
	}
	a := ledger.Adopted{
		Workflow: k.info.Workflow, Version: k.info.Version, Name: RunName(now, h.o.Random()), Trigger: k.info.Trigger, Tracking: k.info.Tracking,
		Origin: k.origin(), Created: now.UnixMicro(), Archive: archive,
	}
	said, err := h.Adopt(ctx, []ledger.Adopted{a})
	switch {
	case err != nil:
		return "", err
	case fault.Is(said[0], fault.PreconditionFailed):
		return "", fault.New(fault.Conflict, "The workflow '%s' does not keep the version '%s' any more, which the run '%s' is of: repeat the run as a whole.", a.Workflow, a.Version, k.info.Name)
	}
	return a.Name, said[0]
}
