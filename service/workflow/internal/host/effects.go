package host

import (
	"context"
	"fmt"

	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// call is an effect that a connector carries out.
type call struct {
	w       *worker
	e       run.Effect
	version *deployed
	// callback is the address that a webhook is called back at.
	callback string
	cancel   context.CancelFunc // while it is under way
	aborted  bool
}

func outside(k run.EffectKind) bool {
	return k == run.Call || k == run.Subscribe || k == run.Unsubscribe || k == run.Poll
}

// expect counts calls that are to come, so that the worker keeps its copy of the state
// until they are answered. In the turn that records that they are made.
func (w *worker) expect(effects []run.Effect) {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	for _, e := range effects {
		if outside(e.Kind) {
			w.flying++
		}
	}
}

// carryOut begins the effects of a step that is durable. It never waits.
func (t *tenure) carryOut(w *worker, effects []run.Effect) {
	for _, e := range effects {
		switch {
		case outside(e.Kind):
			c := &call{w: w, e: e, version: w.version}
			if e.Kind == run.Subscribe && t.h.o.CallbackURL != nil {
				c.callback = t.h.o.CallbackURL(w.callback(e.At, e.Key))
			}
			t.launch(c)
		case e.Kind == run.Abort:
			t.abort(w, e.At)
		case e.Kind == run.Reply:
			t.reply(w, e)
		}
	}
}

// reply answers the caller of a run.
func (t *tenure) reply(w *worker, e run.Effect) {
	answerAll(t.dismiss(w.number), Reply{Status: e.Status, Headers: e.Headers, Body: e.Body, Code: e.Code, Run: w.name})
}

// launch puts a call in line.
func (t *tenure) launch(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	for _, x := range c.w.calls {
		if x.e.At == c.e.At && x.e.Kind == c.e.Kind && x.e.Attempt == c.e.Attempt && !x.aborted {
			c.w.flying-- // it is under way already
			return
		}
	}
	c.w.calls = append(c.w.calls, c)
	t.calls.push(c)
	if t.calling < t.h.limits.Calls {
		t.calling++
		t.busy.Go(t.makeCalls)
	}
}

// abort gives up what is under way at a place.
func (t *tenure) abort(w *worker, at run.Place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range w.calls {
		if c.e.At == at && c.e.Kind != run.Unsubscribe {
			c.aborted = true
			if c.cancel != nil {
				c.cancel()
			}
		}
	}
}

// abandon gives up all that is under way of runs that are no more.
func (t *tenure) abandon(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.workers[number]; w != nil {
		for _, c := range w.calls {
			c.aborted = true
			if c.cancel != nil {
				c.cancel()
			}
		}
	}
	answerAll(t.callers[number], removed)
	delete(t.callers, number)
	delete(t.endings, number)
}

// makeCalls makes calls, one after the other, while there are any.
func (t *tenure) makeCalls() {
	for {
		t.mu.Lock()
		c, ok := t.calls.pop()
		if !ok || t.ended {
			t.calling--
			t.mu.Unlock()
			return
		}
		var a run.Answer
		if !c.aborted {
			ctx, cancel := context.WithTimeout(t.ctx, c.e.Timeout)
			c.cancel = cancel
			t.mu.Unlock()
			a = t.make(ctx, c)
			cancel()
			t.mu.Lock()
		}
		t.landed(c, a)
		t.mu.Unlock()
	}
}

// landed hands an answer to the run. With the lock held.
func (t *tenure) landed(c *call, a run.Answer) {
	w := c.w
	for k, x := range w.calls {
		if x == c {
			last := len(w.calls) - 1
			w.calls[k], w.calls[last] = w.calls[last], nil
			w.calls = w.calls[:last]
			break
		}
	}
	w.flying--
	if t.ended {
		return
	}
	if t.workers[w.number] == nil {
		t.workers[w.number] = w
	}
	if !c.aborted {
		w.inbox = append(w.inbox, input{Input: run.Input{Event: run.Answered, At: c.e.At, Attempt: c.e.Attempt, Answer: a}})
		t.queue(w)
		return
	}
	if w.flying == 0 && !w.queued && len(w.inbox) == 0 {
		t.drop(w)
		delete(t.workers, w.number)
	}
}

var steps = map[run.EffectKind]connector.Step{run.Call: connector.Try, run.Subscribe: connector.Subscribe, run.Unsubscribe: connector.Unsubscribe, run.Poll: connector.Ask}

// make carries out one call.
func (t *tenure) make(ctx context.Context, c *call) (a run.Answer) {
	h, e, o := t.h, &c.e, &c.e.Action.Operation
	to := h.o.Connectors.Find(o.Type, provider(e.Inputs))
	if to == nil {
		return connector.Refusal("ActionTypeNotSupported", fmt.Sprintf("The action '%s' is of type '%s', and nothing here carries that out.", o.Name, o.Type))
	}
	defer func() {
		if p := recover(); p != nil {
			// What it was given may be secret; where it went wrong is not.
			h.log.Error("a connector failed", "unit", h.o.Unit, "type", o.Type, "action", o.Name, "panic", fmt.Sprintf("%T", p))
			a = connector.Refusal("InternalServerError", fmt.Sprintf("The action '%s' failed in a way that it must not; this is a fault of the connector for '%s'.", o.Name, o.Type))
		}
	}()
	a = to.Do(ctx, &connector.Call{
		Step: steps[e.Kind], Type: o.Type, Kind: o.Kind, Options: o.Options, Inputs: e.Inputs, URL: e.URL, Timeout: e.Timeout,
		Chunked: o.Runtime.Chunked, ChunkBytes: int64(o.Runtime.ChunkSize), MinimumItems: o.Runtime.MinimumItems, Secure: e.Secure,
		Who: connector.Who{
			Workflow: c.version.ID, Identity: h.identity(c.version), Run: c.w.name, Action: o.Name, Attempt: e.Attempt, Key: e.Key,
			ClientTracking: c.w.tracking, ActionTracking: e.Tracking,
			RunTracking: c.w.name,
		},
		Context: e.Context, Callback: c.callback,
	})
	if ctx.Err() == context.DeadlineExceeded && a.Status == 0 && a.Outputs == nil {
		a.Timeout = true
		if a.Code == "" {
			a.Code, a.Message = "ActionTimedOut", fmt.Sprintf("The action '%s' got no answer within %s.", o.Name, e.Timeout)
		}
	}
	return a
}

func (h *Host) identity(v *deployed) string {
	if h.o.Identity != "" {
		return h.o.Identity
	}
	return v.ID
}

// provider is the id of the provider that a ServiceProvider's inputs name.
func provider(inputs any) string {
	o, _ := inputs.(*expression.Object)
	if o == nil {
		return ""
	}
	v, _ := o.Get("serviceProviderConfiguration")
	if o, _ = v.(*expression.Object); o == nil {
		return ""
	}
	id, _ := o.Get("serviceProviderId")
	return expression.Text(id)
}

// busy refuses new runs while too many calls wait.
func (t *tenure) room() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.calls.len(); n >= t.h.limits.CallsWaiting {
		return fault.New(fault.TooManyRequests, "%d calls of runs wait already; that is all that may. Try again later.", n)
	}
	return nil
}
