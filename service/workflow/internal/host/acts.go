package host

import (
	"context"
	"errors"

	"weir/kernel/fault"
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
