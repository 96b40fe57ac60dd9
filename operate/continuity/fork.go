package continuity

import (
	"context"
	"errors"
	"net/http"

	"weir/kernel/fault"
	"weir/kernel/journal"
)

// standsQuestion asks the other location whether a mark lies in its history of a unit.
type standsQuestion struct {
	Unit string       `json:"unit"`
	Mark journal.Mark `json:"mark"`
	// Chained is the checksum of the newest record of the chain there; 0: not known.
	Chained uint64 `json:"chained,omitempty"`
}

// standsAnswer is the answer; Trimmed: it can not be told any more, and Began is about
// where the histories parted.
type standsAnswer struct {
	Stands  bool         `json:"stands"`
	Trimmed bool         `json:"trimmed"`
	Began   journal.Mark `json:"began"`
}

// stands answers it.
func (g *group) stands(ctx context.Context, q standsQuestion) (standsAnswer, error) {
	_, n := g.look()
	if _, ok := n.Units[q.Unit]; !ok {
		return standsAnswer{}, fault.New(fault.NotFound, "%s is not in the group here.", q.Unit)
	}
	h, err := g.c.o.History(ctx, q.Unit, n.Generation(q.Unit))
	if err != nil {
		return standsAnswer{}, err
	}
	defer h.Close()
	a := standsAnswer{Began: n.Began[q.Unit]}
	a.Stands, err = h.Stands(ctx, q.Mark)
	if errors.Is(err, journal.ErrTrimmed) {
		a.Trimmed, err = true, nil
	}
	if a.Stands && err == nil && q.Chained != 0 {
		var here uint64
		here, err = h.ChainedAt(ctx, q.Mark.At)
		a.Stands = here == 0 || here == q.Chained
	}
	return a, err
}

// parting finds where the history of a unit here has parted from the other location's:
// the newest record that both have. A chain of checksums has no gaps, so it is found by
// halving.
func (g *group) parting(ctx context.Context, cfg config, unit string, h History) (journal.Mark, error) {
	return parting(ctx, unit, h, func(m journal.Mark) (said standsAnswer, err error) {
		chained, err := h.ChainedAt(ctx, m.At)
		if err != nil {
			return said, err
		}
		err = g.ask(ctx, cfg, http.MethodPost, "/stands", standsQuestion{unit, m, chained}, &said)
		return said, err
	})
}

// parting halves; ask asks the other location about a mark.
func parting(ctx context.Context, unit string, h History, ask func(journal.Mark) (standsAnswer, error)) (journal.Mark, error) {
	size, err := h.Size(ctx)
	if err != nil {
		return journal.Mark{}, err
	}
	common := journal.Mark{}
	low, high := size.First-1, size.Last // low is common to both, or older than what is kept here
	for low < high {
		middle := high - (high-low)/2
		mark, err := h.MarkAt(ctx, middle)
		if err != nil {
			return journal.Mark{}, err
		}
		said, err := ask(mark)
		if err != nil {
			return journal.Mark{}, err
		}
		if said.Trimmed {
			return remembered(ctx, unit, h, said)
		}
		if said.Stands {
			low, common = middle, mark
		} else {
			high = middle - 1
		}
	}
	if low == size.First-1 && low > 0 {
		return journal.Mark{}, fault.New(fault.TooLarge, "The histories of %s parted before what is kept here: what this location has alone can not be told apart any more.", unit)
	}
	return common, nil
}

// remembered is where the histories parted as the other location noted it, if that lies
// in the history here.
func remembered(ctx context.Context, unit string, h History, said standsAnswer) (journal.Mark, error) {
	if ok, err := h.Stands(ctx, said.Began); err == nil && ok && said.Began.At > 0 {
		return said.Began, nil
	}
	return journal.Mark{}, fault.New(fault.TooLarge, "The other location does not keep what %s was when the histories parted: what this location has alone can not be told apart any more.", unit)
}

// ends are where the journals of the group end here, as far as they can be read.
func (g *group) ends(ctx context.Context, n note) map[string]journal.Mark {
	began := map[string]journal.Mark{}
	for unit := range n.Units {
		if m, ok := g.c.o.Members(unit); ok {
			if mark, err := m.Unit.Mark(ctx); err == nil {
				began[unit] = mark
			}
		}
	}
	return began
}
