package host

import (
	"context"

	"weir/kernel/fault"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// asksLater reports whether who started a run asks for its answer by the run's name, now
// and after a restart: another workflow. Nobody need be connected for its Response to count.
func asksLater(name string) bool { return nested.Depth(name) > 0 }

// Await waits for what a run answers, until the context ends: then it is pending. An answer
// that was given before is given again.
func (h *Host) Await(ctx context.Context, workflow, name string) (r Reply, pending bool, err error) {
	t, err := h.tenure()
	if err != nil {
		return r, false, err
	}
	number := h.numberOf(workflow, name)
	if number == 0 {
		return r, false, fault.New(fault.NotFound, "The workflow '%s' has no run '%s'.", workflow, name)
	}
	// First a place for the answer, then the look whether it was given: so none is missed.
	c := make(chan Reply, 1)
	var place chan<- Reply = c
	t.mu.Lock()
	if !t.ended {
		t.callers[number] = place
	}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		if t.callers[number] == place {
			delete(t.callers, number)
		}
		t.mu.Unlock()
	}()
	open := false
	h.unit.View(func() {
		if r := h.ledger.Run(number); r != nil {
			open = waits(r)
		}
	})
	if !open {
		r, err = h.answered(ctx, number)
		return r, false, err
	}
	select {
	case r = <-c:
	case <-ctx.Done():
		select {
		case r = <-c: // in the same moment
		default:
			return r, true, nil
		}
	}
	if t.ctx.Err() != nil && r.Code == codeMoved {
		return r, false, fault.New(fault.NotOwner, "%s", r.Message)
	}
	return r, false, nil
}

// codeMoved is what callers are told whose run goes on at another node.
const codeMoved = "ServiceUnavailable"

// waits reports whether a run has still to answer.
func waits(r *ledger.Run) bool {
	s := r.State()
	if s == nil {
		return !r.Status.Ended()
	}
	return s.Caller == run.CallerWaits && !s.Status.Ended() || s.Status == run.NotStarted
}

// answered gives what a run has answered.
func (h *Host) answered(ctx context.Context, number uint64) (Reply, error) {
	k, err := h.known(ctx, number)
	if err != nil {
		return Reply{}, err
	}
	plan, err := k.plan()
	if err != nil {
		return Reply{}, err
	}
	r := Reply{Run: k.info.Name}
	if !plan.Answers {
		r.Status, r.Accepted = 202, true
		return r, nil
	}
	r.Status, r.Code, r.Message = 502, "NoResponse", "The run ended and gave no response."
	k.state.Each(plan, nil, func(one run.Record) {
		if one.Status != run.Succeeded || one.Outputs.Len == 0 || !plan.Action(one.Node).Is("Response") {
			return
		}
		o, ok := k.load(one.Outputs).(*expression.Object)
		if !ok {
			return
		}
		status, _ := o.Get("statusCode")
		r.Headers, _ = o.Get("headers")
		r.Body, _ = o.Get("body")
		r.Code, r.Message = "", ""
		switch n := status.(type) {
		case int64:
			r.Status = int(n)
		default:
			r.Status = 200
		}
	})
	return r, k.err
}
