package journal

import (
	"context"
	"errors"
	"fmt"

	"weir/kernel/journal/record"
)

// Mark is the newest record that a journal stores.
type Mark = record.Mark

// Mark returns the newest record that the journal stores, as the stream's leader
// knows it. Of a journal that was seeded and holds nothing yet it is where the seed
// ends.
func (j *Journal) Mark(ctx context.Context) (Mark, error) {
	size, err := j.size(ctx)
	if err != nil || size.Last == 0 {
		return Mark{}, err
	}
	if size.Last < size.First {
		return j.seeded(ctx, size)
	}
	rec, err := j.record(ctx, size.Last)
	if err != nil {
		return Mark{}, err
	}
	h, _, err := record.Decode(size.Last, rec)
	return Mark{At: size.Last, Sum: h.Sum}, j.named(err)
}

// seeded is the mark of a journal that holds nothing: the place of its snapshot.
func (j *Journal) seeded(ctx context.Context, size Size) (Mark, error) {
	s, err := j.store.Snapshots(ctx, j.unit, j.generation)
	if err != nil {
		return Mark{}, err
	}
	defer s.Close()
	snap, found, err := s.Latest(ctx)
	if err == nil && (!found || snap.At.Last != size.Last) {
		err = &Damage{Stream: j.name, At: size.Last, Finding: record.Lost, Detail: "the journal is empty and the snapshot it began with is gone"}
	}
	return Mark{At: size.Last, Sum: snap.At.Sum}, err
}

// Copy stores records of the same journal in another location as they are, at the
// same positions: behind after. They are verified one by one; that they continue
// each other is for readers to see, as with every record. Copies are fenced by their
// position and may be chained before the first is acknowledged, as appends are: give
// the mark that the Next of one stands for (its Last and Sum) to the following.
// recs must not be written to afterwards.
func (j *Journal) Copy(ctx context.Context, after Mark, recs [][]byte) *Pending {
	mark, epoch, err := record.MarkOf(after.At+1, recs)
	pending := NewPending(after.At+1, Tail{Last: mark.At, Sum: mark.Sum, Epoch: epoch})
	if err == nil {
		j.pipeline.forgive()
		err = j.pipeline.enqueue(ctx, Tail{Last: after.At, Sum: after.Sum}, recs, pending)
	}
	if err != nil {
		pending.Resolve(j.named(err))
	}
	return pending
}

// forgive forgets that an earlier chain failed: who copies decides nothing, so to
// try again from the same place is right.
func (p *pipeline) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.failed = nil
	}
}

// Stands reports whether a mark lies in this journal's history. Error: ErrTrimmed
// when that can not be told any more.
func (j *Journal) Stands(ctx context.Context, m Mark) (bool, error) {
	size, err := j.size(ctx)
	switch {
	case err != nil || m.At == 0:
		return m == Mark{}, err
	case m.At > size.Last:
		return false, nil
	case m.At+1 < size.First:
		return false, fmt.Errorf("journal %s begins at %d, position %d: %w", j.name, size.First, m.At, ErrTrimmed)
	case m.At < size.First:
		return j.precedes(ctx, m, size)
	}
	rec, err := j.record(ctx, m.At)
	if err != nil {
		return false, err
	}
	h, _, err := record.Decode(m.At, rec)
	if err != nil || h.Sum == m.Sum {
		return err == nil, j.named(err)
	}
	// A copy that began with a snapshot knows the chain, not what a fenced writer left.
	chained, err := j.ChainedAt(ctx, m.At)
	return err == nil && chained == m.Sum, err
}

// ChainedAt returns the checksum of the newest record at or before a position that is of
// the chain: see record.ChainedAt. It reads a few hundred records at most. 0: it can not
// be told.
func (j *Journal) ChainedAt(ctx context.Context, at Position) (uint64, error) {
	size, err := j.size(ctx)
	if err != nil || at == 0 {
		return 0, err
	}
	if size.Last < size.First && at == size.Last {
		seed, err := j.seeded(ctx, size)
		return seed.Sum, err
	}
	if at < size.First || at > size.Last {
		return 0, nil
	}
	return record.ChainedAt(at, size.First, func(at Position) (record.Header, error) {
		rec, err := j.record(ctx, at)
		if err != nil {
			return record.Header{}, err
		}
		h, _, err := record.Decode(at, rec)
		return h, j.named(err)
	})
}

// MarkAt returns the mark of a position that is stored. Error: ErrTrimmed when it is not
// any more.
func (j *Journal) MarkAt(ctx context.Context, at Position) (Mark, error) {
	if at == 0 {
		return Mark{}, nil
	}
	h, err := j.header(ctx, at)
	return Mark{At: at, Sum: h.Sum}, err
}

// TailAt returns the tail behind the last batch that is whole at a position, to read on
// from. Error: ErrTrimmed when it is not stored any more.
func (j *Journal) TailAt(ctx context.Context, at Position) (Tail, error) {
	for at > 0 {
		h, err := j.header(ctx, at)
		if err != nil {
			return Tail{}, err
		}
		if h.IsLast() {
			return Tail{Last: at, Sum: h.Sum, Batch: h.Ordinal, Epoch: h.Epoch}, nil
		}
		at = h.First() - 1
	}
	return Tail{}, nil
}

// header reads what a stored record says of itself.
func (j *Journal) header(ctx context.Context, at Position) (record.Header, error) {
	size, err := j.size(ctx)
	switch {
	case err != nil:
		return record.Header{}, err
	case at > size.Last:
		return record.Header{}, fmt.Errorf("journal %s ends at %d, before position %d", j.name, size.Last, at)
	case at < size.First:
		return record.Header{}, fmt.Errorf("journal %s begins at %d, position %d: %w", j.name, size.First, at, ErrTrimmed)
	}
	rec, err := j.record(ctx, at)
	if err != nil {
		return record.Header{}, err
	}
	h, _, err := record.Decode(at, rec)
	return h, j.named(err)
}

// precedes reports whether the first record that is left continues a mark. When it
// does not, it may be one that chains with an earlier one: nobody can tell any more.
func (j *Journal) precedes(ctx context.Context, m Mark, size Size) (bool, error) {
	if size.Last < size.First {
		seed, err := j.seeded(ctx, size)
		return seed == m, err
	}
	rec, err := j.record(ctx, size.First)
	if err != nil {
		return false, err
	}
	h, _, err := record.Decode(size.First, rec)
	if err == nil && h.Before != m.Sum {
		err = fmt.Errorf("journal %s begins at %d: %w", j.name, size.First, ErrTrimmed)
	}
	return err == nil, j.named(err)
}

// Records calls fn with runs of records behind after, in order and verified one by
// one, those that no reader folds included, and goes on with what is yet to come
// until ctx ends or fn returns an error. end is the journal's last position known
// then. The records are shared: do not write to them.
// Errors: *Damage (a Fork when after is not in this history), ErrTrimmed, what fn
// returned, or the context's; never nil.
func (j *Journal) Records(ctx context.Context, after Mark, fn func(recs [][]byte, end Position) error) error {
	stands, err := j.Stands(ctx, after)
	if err != nil {
		return err
	}
	if !stands {
		return &Damage{Stream: j.name, At: after.At, Finding: record.Fork,
			Detail: fmt.Sprintf("the copy ends in %016x, which is not stored there", after.Sum)}
	}
	bell := j.bell()
	defer bell.stop()
	next := after.At + 1
	for end, err := j.End(ctx); ; end, err = bell.wait(ctx) {
		if err != nil {
			return err
		}
		if next, err = j.records(ctx, next, end, fn); err != nil {
			return err
		}
	}
}

// runBytes is about how much one run of Records holds.
const runBytes = 1 << 20

// records gives fn what lies from next to end, and returns the position behind it.
func (j *Journal) records(ctx context.Context, next, end Position, fn func([][]byte, Position) error) (Position, error) {
	for next <= end {
		got, err := j.fetch(ctx, next, fetchRecordsMax, runBytes)
		if err != nil {
			return next, err
		}
		run, err := j.verified(ctx, next, got)
		if err != nil {
			return next, err
		}
		if err := fn(run, end); err != nil {
			return next, err
		}
		next += Position(len(run))
		end = max(end, next-1)
	}
	return next, nil
}

// verified are the records from position next on without a gap, at least one: what
// the nearest replica can not give the leader has.
func (j *Journal) verified(ctx context.Context, next Position, got []stored) ([][]byte, error) {
	var run [][]byte
	for _, s := range got {
		if s.at != next+Position(len(run)) {
			break
		}
		if _, _, err := record.Decode(s.at, s.rec); err != nil {
			break
		}
		run = append(run, s.rec)
	}
	if len(run) > 0 {
		return run, nil
	}
	rec, err := j.sound(ctx, next, nil)
	return [][]byte{rec}, err
}

// ErrSeeded: a journal is there already, and does not begin where it was to.
var ErrSeeded = errors.New("journal: another journal of that generation is there")
