package host

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// join lets somebody wait for the answer of a run.
func (t *tenure) join(number uint64, c chan<- Reply) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return t.lost()
	}
	t.callers[number] = append(t.callers[number], c)
	return nil
}

// leave ends the waiting of one, and says whether nobody is left.
func (t *tenure) leave(number uint64, c chan<- Reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := slices.DeleteFunc(t.callers[number], func(x chan<- Reply) bool { return x == c })
	if len(rest) > 0 {
		t.callers[number] = rest
	} else {
		delete(t.callers, number)
	}
}

// dismiss takes those who wait for a run.
func (t *tenure) dismiss(number uint64) []chan<- Reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.callers[number]
	delete(t.callers, number)
	return all
}

func answerAll(all []chan<- Reply, r Reply) {
	for _, c := range all {
		answer(c, r)
	}
}

// Leave says that who waited for the answer of a run does so no more.
func (h *Host) Leave(workflow, name string) {
	t := h.current()
	if t == nil {
		return
	}
	number, err := h.runOf(workflow, name)
	if err == nil && len(t.dismiss(number)) > 0 {
		_ = t.post(number, input{Input: run.Input{Event: run.CallerLeft}})
	}
}

// Answer waits for what a run answers until ctx ends; pending says that it has not yet. It
// may be asked as often as one likes, also after the run has ended.
func (h *Host) Answer(ctx context.Context, workflow, name string) (r Reply, pending bool, err error) {
	t, err := h.tenure()
	if err != nil {
		return r, false, err
	}
	number, err := h.runOf(workflow, name)
	if err != nil {
		return r, false, err
	}
	c := make(chan Reply, 1)
	if err := t.join(number, c); err != nil {
		return r, false, err
	}
	defer t.leave(number, c)
	if r, ok, err := h.answered(number); ok || err != nil {
		return r, false, err
	}
	select {
	case r = <-c:
		if r.Status == statusMoved {
			return r, false, t.lost()
		}
		return r, false, nil
	case <-ctx.Done():
		return r, true, nil
	}
}

// answered gives what a run has answered, as its state tells.
func (h *Host) answered(number uint64) (r Reply, ok bool, err error) {
	// Reading does not end with who asks: a wait that is over at once still learns how it is.
	k, err := h.known(context.Background(), number)
	if err != nil {
		return r, false, err
	}
	plan, err := k.plan()
	if err != nil {
		return r, false, err
	}
	r.Run = k.info.Name
	switch {
	case !plan.Answers:
		r.Status, r.Accepted = 202, true
		return r, true, nil
	case k.state.Caller != run.CallerAnswered && !k.info.Status.Ended():
		return r, false, nil
	}
	r.Status, r.Code, r.Message = 502, "NoResponse", "The run ended and gave no response."
	k.state.Each(plan, nil, func(a run.Record) {
		if a.Status != run.Succeeded || plan.Action(a.Node).Type != "Response" {
			return
		}
		o, _ := k.load(a.Inputs).(*expression.Object)
		if o == nil {
			return
		}
		status, _ := o.Get("statusCode")
		if r.Status, err = strconv.Atoi(expression.Text(status)); err != nil {
			r.Status = http.StatusOK
		}
		r.Headers, _ = o.Get("headers")
		r.Body, _ = o.Get("body")
		r.Code, r.Message = "", ""
	})
	return r, true, k.err
}

// statusMoved is what callers are told when the ownership ends.
const statusMoved = 503

// nestedName reports whether a run was started by another one, as the end of its name
// tells: who waits for its answer asks again wherever it goes on.
func nestedName(name string) bool {
	at := strings.LastIndex(name, "CU")
	return at > 0 && name[at:] != "CU00"
}

// removed is told to callers of runs that are no more.
var removed = Reply{Status: 404, Code: "WorkflowNotFound", Message: "The workflow was removed while its run was under way."}
