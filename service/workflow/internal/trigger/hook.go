package trigger

import (
	"context"
	"encoding/json"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// States of a subscription.
const (
	subscribing   = "subscribing"
	subscribed    = "subscribed"
	unsubscribing = "unsubscribing"
)

// hookAgain is when a subscription that was refused is asked for again.
const hookAgain = 15 * time.Minute

// hookCheck is how often it is seen whether a subscription still has the address that
// callers reach this node by, should nobody have said that it Moved.
const hookCheck = 5 * time.Minute

// hooked is a subscription as it is remembered: what it was asked for with, so that the
// same can be asked again, and ended when the declaration is another one.
type hooked struct {
	State string `json:"state"`
	// Print is of the declaration, Address what is called back.
	Print   string          `json:"print"`
	Address string          `json:"address"`
	Type    string          `json:"type"`
	Kind    string          `json:"kind,omitempty"`
	Options []string        `json:"options,omitempty"`
	Inputs  json.RawMessage `json:"inputs"`
	// Key goes out with it, Place is the Location that the answer gave.
	Key   string `json:"key"`
	Place string `json:"place,omitempty"`
}

// hook brings the subscription to what is declared, step by step: each is recorded
// before it is taken.
func (w *watch) hook(d *declared, mem *memory) (time.Time, error) {
	wanted := !d.view.Disabled && !d.gone && stepOf(d.trigger) == stepHook
	for {
		h := mem.Hook
		fits := h != nil && h.Print == d.print && h.Address == w.callback(d)
		switch {
		case h == nil && !wanted:
			return time.Time{}, nil
		case h == nil:
			if failed := w.wantHook(d, mem); failed != nil {
				return w.clock().Add(hookAgain), w.note(*failed)
			}
		case h.State == unsubscribing:
			if next, err := w.unsubscribe(d, mem); !next.IsZero() || err != nil {
				return next, err
			}
		case !wanted || !fits:
			h.State = unsubscribing
			w.tries = 0
			if _, err := w.commit(noFiring, mem, time.Time{}); err != nil {
				return time.Time{}, err
			}
		case h.State == subscribing:
			return w.subscribe(d, mem)
		default:
			return w.clock().Add(hookCheck), nil
		}
		if w.ctx.Err() != nil {
			return time.Time{}, nil
		}
	}
}

// wantHook records that a subscription is about to be made.
func (w *watch) wantHook(d *declared, mem *memory) *fire.Verdict {
	fails := func(code, message string) *fire.Verdict {
		return &fire.Verdict{Status: run.Failed, Code: code, Message: message}
	}
	address := w.callback(d)
	if address == "" {
		return fails("CallbackAddressMissing", "There is no address that the trigger '"+w.trigger+"' can be called back at; its subscription is not made.")
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return failed
	}
	mem.Serial++
	mem.Hook = &hooked{State: subscribing, Print: d.print, Address: address, Type: d.trigger.Type, Kind: d.trigger.Kind, Options: d.trigger.Options,
		Inputs: expression.AppendJSON(nil, in), Key: w.t.m.keyOf(w.key, mem.Serial)}
	w.tries = 0
	if _, err := w.commit(noFiring, mem, time.Time{}); err != nil {
		return fails("SubscriptionNotRecorded", fault.Sentence(err))
	}
	return nil
}

// subscribe asks for the subscription that was recorded, and records the answer.
func (w *watch) subscribe(d *declared, mem *memory) (time.Time, error) {
	a, refused := w.call(connector.Subscribe, d, mem.Hook)
	if refused != nil {
		return w.clock().Add(hookAgain), w.note(*refused)
	}
	if a.Code != "" || a.Status >= 400 {
		wait, again := w.callAgain(d, a)
		if again {
			return w.clock().Add(wait), nil
		}
		return w.clock().Add(wait), w.note(told(a, "The subscription of the trigger '"+w.trigger+"' was not made"))
	}
	w.tries = 0
	mem.Hook.State = subscribed
	if a.Headers != nil {
		place, _ := a.Headers.Get("Location")
		mem.Hook.Place = expression.Text(place)
	}
	_, err := w.commit(noFiring, mem, time.Time{})
	return w.clock().Add(hookCheck), err
}

// unsubscribe ends the subscription that is remembered, and forgets it. One that cannot
// be ended is given up, once the retry policy says no more: it must not stand in the way.
func (w *watch) unsubscribe(d *declared, mem *memory) (time.Time, error) {
	a, refused := w.call(connector.Unsubscribe, d, mem.Hook)
	f := host.Firing{}
	switch {
	case refused != nil:
		f = w.firing(*refused, nil)
	case a.Status == 404 || a.Status == 410: // it is not there any more
	case a.Code != "" || a.Status >= 400:
		if wait, again := w.callAgain(d, a); again {
			return w.clock().Add(wait), nil
		}
		f = w.firing(told(a, "A subscription of the trigger '"+w.trigger+"' could not be ended, and is given up"), nil)
	}
	w.tries = 0
	mem.Hook = nil
	_, err := w.commit(f, mem, time.Time{})
	return time.Time{}, err
}

// callAgain says when to try again what failed, and whether the retry policy says so.
func (w *watch) callAgain(d *declared, a run.Answer) (time.Duration, bool) {
	if a.Retryable || a.Timeout || a.Status == 408 || a.Status == 429 || a.Status >= 500 {
		w.tries++
		var policy *expression.Object
		if !d.gone {
			policy, _ = d.trigger.Retry(w.env(d))
		}
		if wait, again, err := fire.RetryAfter(policy, w.trigger, w.tries, w.t.m.Random()); again && err == nil {
			return wait, true
		}
	}
	w.tries = 0
	return hookAgain, false
}

func told(a run.Answer, what string) fire.Verdict {
	v := fire.Verdict{Status: run.Failed, Code: a.Code, Message: what + ": " + a.Message}
	if v.Code == "" {
		v.Code = run.StatusName(a.Status)
		v.Message = what + ": the answer was " + v.Code + "."
	}
	return v
}

// call carries out a half of a webhook as it is remembered.
func (w *watch) call(step connector.Step, d *declared, h *hooked) (run.Answer, *fire.Verdict) {
	in, err := expression.ParseJSON(string(h.Inputs))
	if err != nil {
		return run.Answer{}, &fire.Verdict{Status: run.Failed, Code: "InvalidInputs", Message: "What the subscription was made with cannot be read: " + err.Error()}
	}
	c := w.connectorOf(h.Type, in)
	if c == nil {
		return run.Answer{}, &fire.Verdict{Status: run.Failed, Code: codeNoConnector, Message: "Nothing here subscribes triggers of type '" + h.Type + "'."}
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.t.m.limits.CallTime)
	defer cancel()
	one := &connector.Call{Step: step, Type: h.Type, Kind: h.Kind, Options: h.Options, Inputs: in, Timeout: w.t.m.limits.CallTime, Who: w.who(d, h.Key, w.tries), Callback: h.Address}
	one.Secure = !d.gone && (d.trigger.Runtime.SecureInputs || d.trigger.Runtime.SecureOutputs)
	if step == connector.Unsubscribe {
		one.URL = h.Place
	}
	a := c.Do(ctx, one)
	if w.ctx.Err() != nil {
		return run.Answer{Code: "Cancelled", Message: "The node has the workflow no more.", Retryable: true}, nil
	}
	return a, nil
}

// Moved says that the address under which callers reach this node is another one:
// subscriptions are made anew where theirs has changed.
func (m *Manager) Moved() {
	t := m.owned()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.watches {
		if w.step == stepHook {
			t.poke(w, m.Now())
		}
	}
}

// Leave ends the subscriptions of a workflow that is about to be removed, as far as ctx
// and CallTime allow. What is not ended by then is named by the error.
func (m *Manager) Leave(ctx context.Context, workflow string) error {
	t := m.owned()
	if t == nil {
		return errNotOwned()
	}
	ctx, cancel := context.WithTimeout(ctx, m.limits.CallTime)
	defer cancel()
	var all []*watch
	t.each(workflow, func(w *watch) { all = append(all, w) })
	for _, w := range all {
		if err := w.leave(ctx); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The subscription of the trigger '%s' of '%s' could not be ended.", w.trigger, workflow)
		}
	}
	return nil
}

func (w *watch) leave(ctx context.Context) error {
	w.memory.Lock()
	defer w.memory.Unlock()
	mem, err := w.recall()
	if err != nil || mem.Hook == nil {
		return err
	}
	d := *w.declared.Load()
	d.gone = true
	w.declared.Store(&d)
	for ctx.Err() == nil {
		next, err := w.hook(&d, mem)
		if err != nil || mem.Hook == nil {
			return err
		}
		select {
		case <-time.After(next.Sub(w.clock())):
		case <-ctx.Done():
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
	return ctx.Err()
}
