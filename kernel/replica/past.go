package replica

import (
	"context"
	"errors"

	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// Past is the log of a unit that nobody follows any more: a former owner's, in a
// generation that was given up or is about to be.
type Past struct {
	Log interface {
		Replay(ctx context.Context, from journal.Tail, fn func(journal.Batch) error) (journal.Tail, error)
		TailAt(ctx context.Context, at journal.Position) (journal.Tail, error)
	}
	Snapshots interface {
		Before(ctx context.Context, at journal.Position) (journal.Snapshot, bool, error)
	}
}

// Fold folds the log into an empty machine up to a position, and then goes on as fn
// says: it is called for each later batch, and folds the batch by calling fold. Of a
// batch of which a part lies behind the position nothing is folded before.
// Errors: TooLarge when the log does not reach back that far any more; those of the log
// and of fn.
func (p Past) Fold(ctx context.Context, m Machine, upTo journal.Position, fn func(b journal.Batch, fold func() error) error) error {
	r := core.New(m, "")
	snap, found, err := p.Snapshots.Before(ctx, upTo)
	if err != nil {
		return err
	}
	if found {
		if err := r.Restore(snap.At, snap.Data); err != nil {
			return err
		}
	} else {
		r.Forget()
	}
	_, err = p.Log.Replay(ctx, r.Tail(), func(b journal.Batch) error {
		if b.Next.Last <= upTo {
			return r.Folded(b)
		}
		return fn(b, func() error { return r.Folded(b) })
	})
	if !found && errors.Is(err, journal.ErrTrimmed) {
		return fault.Wrap(fault.TooLarge, err, "What lies between the histories is more than was kept: it can not be told apart any more.")
	}
	return err
}

// Facts calls fn for each fact of a batch, with the place where it lies.
func Facts(b journal.Batch, fn func(ref journal.Ref, fact []byte) error) error {
	_, err := core.DecodeBatch(b, fn)
	return err
}
