package continuity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"weir/kernel/journal"
	"weir/operate/continuity/core"
)

// The words of package core.
type (
	note     = core.Note
	unitNote = core.Unit
	tailNote = core.Tail
	marks    = core.Marks
)

func noteKey(group string) string { return "group/" + group }

// note reads a group's; revision 0: there is none yet.
func (c *Controller) note(ctx context.Context, group string) (n note, err error) {
	data, revision, err := c.o.Notes.Get(ctx, noteKey(group))
	if err != nil || revision == 0 {
		return note{}, err
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return note{}, fmt.Errorf("the note of the group %s can not be read: %w", group, err)
	}
	n.Revision = revision
	return n, nil
}

// change changes a note until that is not in anybody's way; fn says false when there
// is nothing to change any more.
func (c *Controller) change(ctx context.Context, group string, fn func(*note) bool) (note, error) {
	for {
		n, err := c.note(ctx, group)
		if err != nil {
			return note{}, err
		}
		if !fn(&n) {
			return n, nil
		}
		data, err := json.Marshal(n)
		if err != nil {
			return note{}, err
		}
		n.Revision, err = c.o.Notes.Put(ctx, noteKey(group), data, n.Revision)
		if errors.Is(err, journal.ErrNoteChanged) {
			continue
		}
		return n, err
	}
}

// unitKey is where the generation of a unit's journal is kept, also when its group is
// gone.
func unitKey(unit string) string { return "unit/" + unit }

// keepGeneration notes in which generation a unit's journal is opened from now on.
func (c *Controller) keepGeneration(ctx context.Context, unit string, generation int) error {
	data, err := json.Marshal(unitNote{Generation: generation})
	if err != nil {
		return err
	}
	for {
		had, revision, err := c.o.Notes.Get(ctx, unitKey(unit))
		if err != nil || bytes.Equal(had, data) {
			return err
		}
		if _, err = c.o.Notes.Put(ctx, unitKey(unit), data, revision); !errors.Is(err, journal.ErrNoteChanged) {
			return err
		}
	}
}

// Placement says in which generation a unit's journal is to be opened here, and
// whether the unit is in a group: then it stands halted until the controller speaks.
func Placement(ctx context.Context, notes interface {
	Get(ctx context.Context, key string) ([]byte, uint64, error)
}, groups []string, unit string) (generation int, grouped bool, err error) {
	data, revision, err := notes.Get(ctx, unitKey(unit))
	if err != nil {
		return 0, false, err
	}
	var own unitNote
	if revision != 0 {
		if err := json.Unmarshal(data, &own); err != nil {
			return 0, false, fmt.Errorf("the note of the unit %s can not be read: %w", unit, err)
		}
	}
	for _, group := range groups {
		data, revision, err := notes.Get(ctx, noteKey(group))
		if err != nil {
			return 0, false, err
		}
		var n note
		if revision == 0 || json.Unmarshal(data, &n) != nil {
			continue
		}
		if _, in := n.Units[unit]; in {
			return n.Generation(unit), true, nil
		}
	}
	return own.Generation, false, nil
}
