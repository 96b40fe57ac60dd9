package host

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/service/workflow/internal/ledger"
)

// Declared is a workflow as it was declared.
type Declared struct {
	Name string
	// ID is its resource id.
	ID string
	// Kind is Stateful or Stateless for a Standard workflow, else empty.
	Kind string
	// Definition is its definition, Parameters {name: {value}} or {name: value}; both JSON.
	Definition []byte
	Parameters []byte
	Disabled   bool
	// Version names what is deployed; empty: one is made of the rest.
	Version string
	// Location and Tags are what workflow() shows.
	Location string
	Tags     map[string]string
	// Runs and WaitingRuns bound how many runs go on and wait at once, over what the
	// definition's triggers say; 0: what they say.
	Runs, WaitingRuns int
}

// Check says what is wrong with what is declared, nil when it can be put.
func Check(d Declared) error {
	_, err := compile(d)
	return err
}

// Put makes a workflow equal to what is declared. Nothing happens when it is. It returns
// when it is in force and durable. Owner only.
func (h *Host) Put(ctx context.Context, d Declared) error {
	t, err := h.tenure()
	if err != nil {
		return err
	}
	block, err := d.encode()
	if err != nil {
		return err
	}
	if d.Version == "" {
		d.Version = versionName(block)
	}
	same, switched := false, false
	h.unit.View(func() {
		if w := h.ledger.Find(d.Name); w != nil {
			same, switched = w.Current().ID == d.Version && w.Name == d.Name, w.Disabled != d.Disabled
		}
	})
	if same && !switched {
		return nil
	}
	x, err := compile(d)
	if err != nil {
		return err
	}
	runs, waiting := x.concurrency()
	var refused error
	err = t.call(ctx, func(rt *replica.Turn) {
		if same {
			refused = h.ledger.Switch(rt, d.Name, d.Disabled)
		} else {
			_, refused = h.ledger.PutWorkflow(rt, ledger.Put{Name: d.Name, Version: d.Version, Disabled: d.Disabled, Runs: runs, WaitingRuns: waiting, Definition: block})
		}
		if w := h.ledger.Find(d.Name); w != nil {
			t.admit(rt, w) // it may allow more at once now
		}
	})
	if err = errors.Join(refused, err); err == nil {
		h.announce()
	}
	return err
}

// versionName makes the name of a version of what is deployed: 20 digits.
func versionName(block []byte) string {
	sum := sha256.Sum256(block)
	return fmt.Sprintf("%020d", binary.BigEndian.Uint64(sum[:8]))
}

// Switch enables or disables a workflow. Owner only.
func (h *Host) Switch(ctx context.Context, name string, disabled bool) error {
	t, err := h.tenure()
	if err != nil {
		return err
	}
	var refused error
	err = t.call(ctx, func(rt *replica.Turn) { refused = h.ledger.Switch(rt, name, disabled) })
	if err = errors.Join(refused, err); err == nil {
		h.announce()
	}
	return err
}

// Remove removes a workflow with its runs. One that is not there is no error. Owner only.
func (h *Host) Remove(ctx context.Context, name string) error {
	t, err := h.tenure()
	if err != nil {
		return err
	}
	var open []uint64
	var refused error
	err = t.call(ctx, func(rt *replica.Turn) {
		w := h.ledger.Find(name)
		if w == nil {
			return
		}
		w.History(func(r *ledger.Run) bool {
			if !r.Status.Ended() {
				open = append(open, r.Number)
			}
			return true
		})
		refused = h.ledger.RemoveWorkflow(rt, name)
	})
	if err = errors.Join(refused, err); err != nil {
		return err
	}
	for _, n := range open {
		t.abandon(n)
	}
	h.announce()
	return nil
}

// RegenerateKey makes callback addresses that were signed with a key worthless: "Primary"
// or "Secondary".
func (h *Host) RegenerateKey(ctx context.Context, workflow, key string) error {
	t, err := h.tenure()
	if err != nil {
		return err
	}
	if key != "Primary" && key != "Secondary" {
		return fault.New(fault.Invalid, "The key type '%s' is not known; it is Primary or Secondary.", key)
	}
	var refused error
	err = t.call(ctx, func(rt *replica.Turn) { refused = h.ledger.RegenerateKey(rt, workflow, key == "Secondary") })
	return errors.Join(refused, err)
}
