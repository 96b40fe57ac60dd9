package resource

import (
	"context"
	"errors"

	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// ErrListAgain tells a watcher that changes it has not seen are no longer remembered:
// it must list, and watch from the revision of the list.
var ErrListAgain = errors.New("changes were missed: list again")

// Change is one resource put or deleted. What was deleted with a parent has no Change
// of its own.
type Change struct {
	Revision uint64
	ID       ID
	Deleted  bool
}

// Watcher gives changes in order. It holds no buffer of its own: the registry
// remembers the newest changes for all, so a slow watcher costs nothing.
type Watcher struct {
	registry *Registry
	next     uint64 // the last revision given
}

// Watch begins behind a revision, usually the one a list came with.
func (r *Registry) Watch(since uint64) *Watcher { return &Watcher{registry: r, next: since} }

// Next waits for changes and gives all there are. The error is ErrListAgain, or a
// fault of kind Canceled when ctx ended.
func (w *Watcher) Next(ctx context.Context) ([]Change, error) {
	for {
		revealed, changed := w.registry.visible()
		changes, err := w.take(revealed)
		if err != nil || len(changes) > 0 {
			return changes, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "Watching has ended.")
		}
	}
}

// take gives the changes after next that are durable.
func (w *Watcher) take(revealed uint64) ([]Change, error) {
	var found []registry.Change
	var ok bool
	w.registry.unit.View(func() { found, ok = w.registry.state.Since(w.next) })
	if !ok {
		return nil, ErrListAgain
	}
	var changes []Change
	for _, c := range found {
		if c.Revision > revealed {
			break
		}
		w.next = c.Revision
		if id, err := ParseID(c.ID); err == nil {
			changes = append(changes, Change{c.Revision, id, c.Deleted})
		}
	}
	return changes, nil
}
