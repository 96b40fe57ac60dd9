package trigger

import (
	"context"
	"fmt"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// Run carries a trigger out because a person asks for it: what has times fires now, what
// looks looks now, what is called is called with nothing. It gives the name of the run;
// none, when there was nothing to start one with.
func (m *Manager) Run(ctx context.Context, workflow, trigger string) (string, error) {
	t := m.owned()
	if t == nil {
		return "", errNotOwned()
	}
	w, d, err := m.called(workflow, trigger)
	if err != nil {
		return "", err
	}
	outputs := &expression.Object{}
	switch stepOf(d.trigger) {
	case stepLook:
		t.mu.Lock()
		if w.looking == nil {
			t.poke(w, m.Now())
		}
		t.mu.Unlock()
		return "", nil
	case stepBatch:
		return "", w.releaseAll(d)
	case stepWindow:
		end := w.clock()
		outputs = expression.NewObject("windowStartTime", end.Format(time.RFC3339Nano), "windowEndTime", end.Format(time.RFC3339Nano))
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return "", w.refuse(failed)
	}
	v := d.trigger.Decide(w.env(d), fire.Input{Inputs: in, Outputs: outputs})
	if v.Status == run.Failed {
		return "", w.refuse(&v)
	}
	f := w.firing(v, in)
	f.Scheduled = w.clock()
	names, err := m.Host.Fire(ctx, f)
	if err != nil || len(names) == 0 {
		return "", lost(ctx, err)
	}
	return names[0], nil
}

// Reset makes a trigger forget what it remembers: it looks from the beginning, counts
// anew and subscribes anew. Items in hand stay in hand.
func (m *Manager) Reset(ctx context.Context, workflow, trigger string) error {
	return m.change(ctx, workflow, trigger, func(d *declared, mem *memory) error {
		next := memory{Serial: mem.Serial + 1, Hook: mem.Hook, Keys: mem.Keys, Batch: mem.Batch, read: mem.read}
		if next.Hook != nil {
			next.Hook.Print = "" // another one is made
		}
		if stepOf(d.trigger) == stepRecur {
			// It counts from now and does not fire at once: nobody has asked for a run.
			next.Off = true
		}
		*mem = next
		return nil
	})
}

// SetState gives a polling trigger the cursor of another one.
func (m *Manager) SetState(ctx context.Context, workflow, trigger, fromWorkflow, fromTrigger string) error {
	return m.change(ctx, workflow, trigger, func(d *declared, mem *memory) error {
		if stepOf(d.trigger) != stepLook {
			return fault.New(fault.Invalid, "The trigger '%s' is of type '%s'; only a trigger that looks for something has a state that can be set.", trigger, d.trigger.Type)
		}
		other := m.owned().find(fromWorkflow, fromTrigger)
		if other == nil || other.declared.Load().gone {
			return fault.New(fault.NotFound, "There is no trigger '%s' of a workflow '%s' here to take the state from.", fromTrigger, fromWorkflow)
		}
		if from := other.declared.Load().trigger; from.Type != d.trigger.Type {
			return fault.New(fault.Invalid, "The state of a trigger of type '%s' means nothing to one of type '%s'.", from.Type, d.trigger.Type)
		}
		source, err := other.recall()
		if err != nil {
			return err
		}
		mem.Cursor = source.Cursor
		return nil
	})
}

// change changes what a trigger remembers, between two of its steps.
func (m *Manager) change(ctx context.Context, workflow, trigger string, f func(*declared, *memory) error) error {
	t := m.owned()
	if t == nil {
		return errNotOwned()
	}
	w := t.find(workflow, trigger)
	if w == nil || w.declared.Load().gone {
		return fault.New(fault.NotFound, "The workflow '%s' has no trigger '%s'.", workflow, trigger)
	}
	t.mu.Lock()
	if w.looking != nil {
		w.looking()
	}
	t.mu.Unlock()
	w.memory.Lock()
	defer w.memory.Unlock()
	mem, err := w.recall()
	if err != nil {
		return err
	}
	if err := f(w.declared.Load(), mem); err != nil {
		return err
	}
	if _, err := w.commit(host.Firing{}, mem, time.Time{}); err != nil {
		return lost(ctx, fmt.Errorf("record what a trigger remembers: %w", err))
	}
	t.now(w)
	return nil
}
