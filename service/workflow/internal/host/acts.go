package host

import (
	"context"
	"errors"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// ask gives a run an input and waits until what came of it is durable.
func (h *Host) ask(ctx context.Context, number uint64, in run.Input) error {
	t, err := h.tenure()
	if err != nil {
		return err
	}
	told := make(chan error, 1)
	done := func(err error) {
		select {
		case told <- err:
		default:
		}
	}
	if err := t.post(number, input{Input: in, done: done}); err != nil {
		return err
	}
	select {
	case err := <-told:
		return err
	case <-t.ctx.Done():
		return t.lost()
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "%s did not answer in time; the request may have taken effect.", h.o.Unit)
	}
}

// runOf finds a run by its name.
func (h *Host) runOf(workflow, name string) (number uint64, err error) {
	h.unit.View(func() {
		w := h.ledger.Find(workflow)
		if w == nil {
			err = noWorkflow(workflow)
			return
		}
		r := w.Run(name)
		if r == nil {
			err = noRun(w.Name, name)
			return
		}
		number = r.Number
	})
	return number, err
}

func noWorkflow(name string) error {
	return fault.New(fault.NotFound, "There is no workflow '%s'.", name)
}

func noRun(workflow, name string) error {
	return fault.New(fault.NotFound, "The workflow '%s' has no run '%s'; it may be older than runs are kept.", workflow, name)
}

// Cancel ends a run.
func (h *Host) Cancel(ctx context.Context, workflow, name string) error {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return err
	}
	if err = h.ask(ctx, number, run.Input{Event: run.Cancel}); errors.Is(err, errNothing) {
		return fault.New(fault.Conflict, "The run '%s' has ended.", name)
	}
	return err
}

// CalledBack goes on with what waits for a call. A fault of kind Conflict says that nothing
// waits there any more.
func (h *Host) CalledBack(ctx context.Context, number uint64, at run.Place, a run.Answer) error {
	err := h.ask(ctx, number, run.Input{Event: run.CalledBack, At: at, Answer: a})
	if errors.Is(err, errNothing) {
		return fault.New(fault.Conflict, "Nothing waits for this call any more.")
	}
	return err
}

// Repeat decides about an attempt that is held: it is made again, or, with an answer, taken
// for answered.
func (h *Host) Repeat(ctx context.Context, workflow, name string, at run.Place, a *run.Answer) error {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return err
	}
	in := run.Input{Event: run.Repeat, At: at}
	if a != nil {
		attempt, err := h.attemptOf(number, at)
		if err != nil {
			return err
		}
		in = run.Input{Event: run.Answered, At: at, Attempt: attempt, Answer: *a}
	}
	if err = h.ask(ctx, number, in); errors.Is(err, errNothing) {
		return fault.New(fault.Conflict, "No attempt is held there.")
	}
	return err
}

// attemptOf is the attempt that is held at a place.
func (h *Host) attemptOf(number uint64, at run.Place) (attempt int32, err error) {
	err = fault.New(fault.Conflict, "No attempt is held there.")
	h.unit.View(func() {
		if r := h.ledger.Run(number); r != nil && r.State() != nil {
			if n, held := r.State().Held(at); held {
				attempt, err = n, nil
			}
		}
	})
	return attempt, err
}

// Resubmit starts a run of the current version with the trigger of another one, and gives
// its name. With actions, it begins with those; the actions before them keep the results
// that they had.
func (h *Host) Resubmit(ctx context.Context, workflow, name string, actions []string) (string, error) {
	number, err := h.runOf(workflow, name)
	if err != nil {
		return "", err
	}
	k, err := h.known(ctx, number)
	if err != nil {
		return "", err
	}
	f := Firing{Workflow: workflow, Trigger: k.info.Trigger, Origin: k.info.Name}
	if k.info.Tracking != k.info.Name { // the client's own
		f.Tracking = []string{k.info.Tracking}
	}
	if k.info.Origin != "" {
		f.Origin = k.info.Origin
	}
	trigger, _ := k.load(k.state.Trigger).(*expression.Object)
	if k.err != nil {
		return "", k.err
	}
	var outputs *expression.Object
	if trigger != nil {
		v, _ := trigger.Get("outputs")
		outputs, _ = v.(*expression.Object)
		f.Inputs, _ = trigger.Get("inputs")
	}
	f.Outputs = []*expression.Object{outputs}
	if len(actions) > 0 {
		if k.info.Status == run.NotStarted {
			return "", fault.New(fault.Conflict, "The run '%s' has not begun; resubmit it as a whole.", name)
		}
		plan, err := k.plan()
		if err != nil {
			return "", err
		}
		f.earlier = &run.Earlier{State: k.state, Plan: plan, Values: k, From: actions}
	}
	names, err := h.Fire(ctx, f)
	if err != nil {
		return "", err
	}
	return names[0], nil
}
