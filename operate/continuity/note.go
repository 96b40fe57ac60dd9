package continuity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"weir/internal/groups"
	"weir/kernel/journal"
)

// Phases of a note: what is under way.
const (
	phaseNone     = ""
	phaseHandOver = "handing-over" // a planned switch away from here
	phaseParted   = "parted"       // the histories have parted: the log here waits for a decision
)

// note is where a group stands in this location. It is changed by compare and swap.
type note struct {
	Term   uint64              `json:"term"`
	Holder string              `json:"holder"`
	Phase  string              `json:"phase,omitempty"`
	To     string              `json:"to,omitempty"` // of a hand-over
	Units  map[string]unitNote `json:"units"`
	Last   *groups.Change      `json:"last,omitempty"`
	// Began are about where the journals ended here when this location took the term: what
	// a former primary has behind them is its own.
	Began map[string]journal.Mark `json:"began,omitempty"`
	// Tails are what this location had alone and has not decided about; it follows meanwhile.
	Tails map[string]tailNote `json:"tails,omitempty"`
	// Isolated is until when an operator keeps the group away from the other location.
	Isolated time.Time `json:"isolated,omitzero"`
	// Unsafe: the term was taken without a majority.
	Unsafe bool `json:"unsafe,omitempty"`

	revision uint64
}

// unitNote is one unit's.
type unitNote struct {
	Generation int `json:"generation"`
	// Caught: this generation was complete once, here or as the primary's. Until then the
	// bound on the lag says nothing about it, and it does not take over by itself.
	Caught bool `json:"caught,omitempty"`
}

// tailNote is where a unit's tail lies: in an old generation, behind where the histories
// parted.
type tailNote struct {
	Generation int          `json:"generation"`
	After      journal.Mark `json:"after"`
}

func (n note) generation(unit string) int {
	return n.Units[unit].Generation
}

// steps times a change.
type steps struct {
	began, last time.Time
	change      groups.Change
}

func begin(c groups.Change) *steps {
	now := time.Now()
	c.At = now
	return &steps{began: now, last: now, change: c}
}

func (s *steps) done(name string) {
	now := time.Now()
	s.change.Steps = append(s.change.Steps, groups.Step{Name: name, Seconds: now.Sub(s.last).Seconds()})
	s.change.Seconds, s.last = now.Sub(s.began).Seconds(), now
}

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
	n.revision = revision
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
		n.revision, err = c.o.Notes.Put(ctx, noteKey(group), data, n.revision)
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
		_, revision, err := c.o.Notes.Get(ctx, unitKey(unit))
		if err != nil {
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
			return n.generation(unit), true, nil
		}
	}
	return own.Generation, false, nil
}
