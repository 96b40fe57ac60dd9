package host

import (
	"context"
	"errors"

	"weir/kernel/replica"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// Adopt enters runs of another history of the unit, each under its name and as far as it
// came there, and lets those go on that had not ended. It says of each why it was not
// taken. All become durable together.
func (h *Host) Adopt(ctx context.Context, all []ledger.Adopted) ([]error, error) {
	t, err := h.tenure()
	if err != nil {
		return nil, err
	}
	var said []error
	err = t.call(ctx, func(rt *replica.Turn) {
		said = make([]error, len(all))
		var open []uint64
		flows := map[*ledger.Workflow]bool{}
		for k, a := range all {
			r, err := h.ledger.Adopt(rt, a)
			switch {
			case err != nil:
				said[k] = err
			case r.State() != nil:
				open = append(open, r.Number)
				t.found(r.Number)
			case !r.Status.Ended():
				flows[r.Workflow()] = true
			}
		}
		rt.Reveal(func() {
			for _, number := range open {
				_ = t.post(number, input{Input: run.Input{Event: run.Recover}}) // when the ownership ends, the next one does it
			}
		})
		for w := range flows {
			t.admit(rt, w)
		}
	})
	return said, err
}

// Beginning is what began a run.
type Beginning struct {
	Run, Trigger, Tracking string
	Given                  *expression.Object // as trigger() gives it
}

// Begun gives what began the runs of a workflow that have a number from first on, at most
// so many: what to compare with to tell whether something has come twice. When this location
// began to decide does not count: it may have been killed and promoted since.
func (h *Host) Begun(ctx context.Context, workflow string, first uint64, most int) (all []Beginning, err error) {
	var numbers []uint64
	h.unit.View(func() {
		w := h.ledger.Find(workflow)
		if w == nil {
			err = noWorkflow(workflow)
			return
		}
		w.History(func(r *ledger.Run) bool {
			if r.Number >= first {
				numbers = append(numbers, r.Number)
			}
			return r.Number > first && len(numbers) < most
		})
	})
	for _, n := range numbers {
		k, gone := h.known(ctx, n)
		if gone != nil {
			continue // it was forgotten meanwhile
		}
		if o, ok := k.load(k.state.Trigger).(*expression.Object); ok {
			all = append(all, Beginning{Run: k.info.Name, Trigger: k.info.Trigger, Tracking: k.info.Tracking, Given: o})
		}
		err = errors.Join(err, k.err)
	}
	return all, err
}
