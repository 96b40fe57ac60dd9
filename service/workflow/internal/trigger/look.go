package trigger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"weir/internal/dotnet"
	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/schedule"
)

// codeNoConnector is of triggers that nobody here carries out.
const codeNoConnector = "TriggerTypeNotSupported"

// lookPause is how far apart looks of triggers begin that have no recurrence.
const lookPause = time.Second

// look looks for something once, and starts the runs of what was found.
func (w *watch) look(d *declared, mem *memory) (time.Time, error) {
	now := w.clock()
	if d.view.Disabled {
		return time.Time{}, nil
	}
	if mem.Base.IsZero() {
		mem.Base = now
	}
	rule, failed := w.pace(d, mem)
	if failed != nil {
		return time.Time{}, w.note(*failed)
	}
	if rule != nil && now.Before(rule.Base()) {
		return rule.Base(), nil
	}
	if w.looked.IsZero() && rule != nil && mem.due.After(now) {
		return mem.due, nil // the former owner has looked just now
	}
	full, err := w.makeRoom(mem)
	if err != nil {
		return time.Time{}, err
	}
	if full || w.t.m.Host.Room(w.workflow) == 0 {
		return now.Add(w.t.m.limits.Pause), nil
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return w.nextLook(rule, 0), w.note(*failed)
	}
	poller, ok := w.connectorOf(d.trigger.Type, in).(connector.Poller)
	if !ok {
		return time.Time{}, w.fails(codeNoConnector, "Nothing here looks for what the trigger '%s' of type '%s' is about: its connector is not built in, or it has no trigger.", w.trigger, d.trigger.Type)
	}
	w.looked = now
	ctx, end := w.beginLook()
	defer end()
	seen := poller.Look(ctx, w.watchOf(d, mem, in, rule))
	switch {
	case w.ctx.Err() != nil:
		return time.Time{}, nil
	case w.declared.Load() != d: // it was declared anew: that one looks
		return w.clock(), nil
	case seen.Code != "":
		return w.lookFailed(d, rule, seen)
	}
	w.tries = 0
	next := w.nextLook(rule, seen.After)
	if regular := w.nextLook(rule, 0); seen.Status == statusNothing && rule != nil && !regular.IsZero() && regular.After(next) {
		next = regular // who has nothing asks for a pause, not for an earlier look
	}
	switch {
	case seen.More:
		next = w.clock()
	case rule == nil && len(seen.Items) == 0 && seen.After == 0 && w.clock().Sub(w.looked) < lookPause:
		next = w.looked.Add(w.t.m.limits.LookEvery) // it does not wait for something to be there
	}
	err = w.accept(ctx, d, mem, in, seen, next)
	if errors.Is(err, errStuck) {
		if err, next = nil, w.nextLook(rule, 0); rule == nil {
			next = w.clock().Add(w.t.m.limits.LookEvery)
		}
	}
	return next, err
}

// statusNothing is the HTTP status of those who have nothing new.
const statusNothing = 202

// pace is the rule that looks keep to; nil, they have none.
func (w *watch) pace(d *declared, mem *memory) (*schedule.Rule, *fire.Verdict) {
	spec, there, failed := d.trigger.Recurs(w.env(d))
	if failed != nil || !there {
		return nil, failed
	}
	rule, err := schedule.Make(spec, mem.Base, dotnet.Zone)
	if err != nil {
		return nil, &fire.Verdict{Status: run.Failed, Code: fire.CodeTemplate, Message: fmt.Sprintf("The recurrence of the trigger '%s' cannot be kept: %s.", w.trigger, err)}
	}
	return rule, nil
}

// nextLook is when to look again: after what was asked for, else as the recurrence says.
func (w *watch) nextLook(rule *schedule.Rule, after time.Duration) time.Time {
	now := w.clock()
	switch {
	case after > 0:
		return now.Add(after)
	case rule == nil:
		return w.looked.Add(lookPause)
	}
	next, ok := rule.Next(now, schedule.Share{})
	if !ok {
		return time.Time{}
	}
	return next.At
}

func (w *watch) watchOf(d *declared, mem *memory, in any, rule *schedule.Rule) *connector.Watch {
	l := w.t.m.limits
	o := &connector.Watch{Type: d.trigger.Type, Kind: d.trigger.Kind, Inputs: in, Options: d.trigger.Options, Timeout: l.LookTime, Cursor: mem.Cursor,
		Who: w.who(d, w.t.m.keyOf(w.key, mem.Serial), w.tries), Most: min(l.LookItems, l.KeysKept-len(mem.Keys))}
	if room := w.t.m.Host.Room(w.workflow); room > 0 && !d.trigger.Splits() {
		o.Most = min(o.Most, room)
	}
	if rule == nil {
		o.Wait = l.LookWait
	}
	return o
}

// beginLook gives the context of a look, which ends also when the trigger is declared
// anew.
func (w *watch) beginLook() (context.Context, func()) {
	ctx, cancel := context.WithTimeout(w.ctx, w.t.m.limits.LookTime)
	w.t.mu.Lock()
	w.looking = cancel
	w.t.mu.Unlock()
	return ctx, func() {
		cancel()
		w.t.mu.Lock()
		w.looking = nil
		w.t.mu.Unlock()
	}
}

// lookFailed waits as the retry policy says, and notes the failure when it says no more.
func (w *watch) lookFailed(d *declared, rule *schedule.Rule, seen connector.Found) (time.Time, error) {
	if seen.Retryable {
		w.tries++
		policy, failed := d.trigger.Retry(w.env(d))
		if failed != nil {
			return w.nextLook(rule, 0), w.note(*failed)
		}
		wait, again, err := fire.RetryAfter(policy, w.trigger, w.tries, w.t.m.Random())
		if err != nil {
			return time.Time{}, w.fails("InvalidRetryPolicy", "%s", err)
		}
		if again {
			return w.clock().Add(max(wait, seen.After)), nil
		}
	}
	w.tries = 0
	err := w.fails(seen.Code, "%s", seen.Message)
	if rule == nil && seen.After == 0 {
		seen.After = w.t.m.limits.LookEvery
	}
	return w.nextLook(rule, seen.After), err
}

// catch is what a look has found, on its way to being recorded.
type catch struct {
	firing  host.Firing
	keys    []keyed
	hands   []*hand
	settle  []connector.Item // of what needs no run
	skipped *fire.Verdict
}

// accept starts the runs of what a look has found, and remembers the cursor with them and
// when the next look is due.
func (w *watch) accept(ctx context.Context, d *declared, mem *memory, in any, seen connector.Found, due time.Time) error {
	var all []*catch
	fresh := map[string]bool{}
	for _, item := range seen.Items {
		if item.Key != "" && (fresh[item.Key] || w.attach(mem, item)) {
			continue
		}
		fresh[item.Key] = true
		c, err := w.catch(d, in, item)
		if err != nil {
			return err
		}
		if c != nil {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return w.nothing(d, mem, seen, due)
	}
	cursor := seen.Cursor
	err := w.record(mem, join(all), cursor, due)
	for fault.Is(err, fault.TooManyRequests) {
		// There is no room for all: those with a key may go one by one, the others together.
		if all, err = w.oneByOne(mem, all, cursor, due); len(all) == 0 || err != nil && !fault.Is(err, fault.TooManyRequests) {
			break
		}
		select {
		case <-time.After(w.t.m.limits.Pause):
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-w.t.ctx.Done():
			return w.ctx.Err()
		}
		if ctx.Err() != nil && w.declared.Load() != d {
			return nil // declared anew: it is found again
		}
		err = w.record(mem, join(all), cursor, due)
	}
	return err
}

// catch makes of an item the runs that it starts.
func (w *watch) catch(d *declared, in any, item connector.Item) (*catch, error) {
	v := d.trigger.Decide(w.env(d), fire.Input{Inputs: in, Outputs: item.Outputs})
	if most := d.view.Runs + d.view.WaitingRuns; d.view.Runs > 0 && d.view.WaitingRuns > 0 && len(v.Parts) > most {
		// There would never be room for it.
		v = fire.Verdict{Status: run.Failed, Code: fire.CodeSplitMost, Message: fmt.Sprintf("The 'splitOn' property of the trigger '%s' gave %d items, and the workflow takes %d runs at most: %d at once and %d that wait. Raise maximumWaitingRuns.", w.trigger, len(v.Parts), most, d.view.Runs, d.view.WaitingRuns)}
	}
	switch {
	case v.Status == run.Failed && item.Key != "":
		// It stays where it is and comes again.
		return nil, w.note(v)
	case v.Status == run.Failed:
		return nil, w.stuck(v)
	case len(v.Parts) == 0:
		return &catch{settle: []connector.Item{item}, skipped: &v}, nil
	}
	c := &catch{firing: w.firing(v, in)}
	first := runName(w.clock(), w.t.m.Random(), len(v.Parts))
	for k := range v.Parts {
		c.firing.Names = append(c.firing.Names, nameAfter(first, k))
	}
	if item.Key != "" {
		c.keys = []keyed{{Key: item.Key, First: first, Runs: len(v.Parts) - 1, At: w.clock()}}
	}
	if item.Settle != nil || item.Taken != nil {
		c.hands = []*hand{newHand(item, c.firing.Names)}
	}
	return c, nil
}

// join makes one of several.
func join(all []*catch) *catch {
	one := &catch{}
	for _, c := range all {
		one.firing.Outputs = append(one.firing.Outputs, c.firing.Outputs...)
		one.firing.Tracking = append(one.firing.Tracking, c.firing.Tracking...)
		one.firing.Names = append(one.firing.Names, c.firing.Names...)
		one.keys = append(one.keys, c.keys...)
		one.hands = append(one.hands, c.hands...)
		one.settle = append(one.settle, c.settle...)
		one.firing.Inputs = c.firing.Inputs
		if one.skipped == nil {
			one.skipped = c.skipped
		}
	}
	return one
}

// oneByOne records those that have a key, each alone, as far as there is room, and
// gives the rest. The cursor goes on with the last of all.
func (w *watch) oneByOne(mem *memory, all []*catch, cursor []byte, due time.Time) ([]*catch, error) {
	for k, c := range all {
		if len(c.keys) == 0 && len(c.firing.Outputs) > 0 {
			return all[k:], fault.New(fault.TooManyRequests, "There is no room for the runs of what was found.")
		}
		at := mem.Cursor
		if k == len(all)-1 {
			at = cursor
		}
		if err := w.record(mem, c, at, due); err != nil {
			return all[k:], err
		}
	}
	return nil, nil
}

// record records runs, keys and cursor in one step, and takes the items in hand.
func (w *watch) record(mem *memory, c *catch, cursor []byte, due time.Time) error {
	next := *mem
	next.Cursor = cursor
	next.Keys = append(w.hands.unsettled(mem.Keys), c.keys...)
	f := c.firing
	f.Ended = w.hands.ended
	if len(f.Outputs) == 0 && c.skipped != nil {
		f.History = &host.Note{Status: c.skipped.Status, Code: c.skipped.Code, Message: message(*c.skipped), Began: w.clock()}
	}
	w.hands.expect(c.hands)
	if _, err := w.commit(f, &next, due); err != nil {
		w.hands.forget(c.hands)
		return err
	}
	*mem = next
	w.hands.sweep(mem.Keys)
	for _, h := range c.hands {
		w.t.wait.Add(1)
		go w.keep(h)
	}
	for _, item := range c.settle {
		if item.Settle != nil || item.Taken != nil {
			w.t.wait.Add(1)
			go w.keep(newHand(item, nil))
		}
	}
	return nil
}

// nothing remembers the cursor of a look that found nothing new, and notes it.
func (w *watch) nothing(d *declared, mem *memory, seen connector.Found, due time.Time) error {
	noted := len(seen.Items) == 0 && d.trigger.Recurrence != nil
	v := fire.Verdict{Status: run.Skipped, Code: run.StatusName(seen.Status)}
	if seen.Status == 0 {
		v.Code = fire.CodeOK
	}
	if bytes.Equal(mem.Cursor, seen.Cursor) {
		if noted {
			return w.note(v)
		}
		return nil
	}
	mem.Cursor = seen.Cursor
	f := host.Firing{}
	if noted {
		f = w.firing(v, nil)
	}
	_, err := w.commit(f, mem, due)
	return err
}

// keyOf is the key of what a trigger asks, the same until its memory was reset.
func (m *Manager) keyOf(k key, serial uint64) string {
	return fmt.Sprintf("%s/%s/%d", k.workflow, k.trigger, serial)
}
