package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/kernel/journal/record"
)

// behindMax is about half of how long a follower waits for its nearest replica to
// have what another is known to have.
const behindMax = 16 * time.Millisecond

// recollectMax is how long a newly elected leader may seem to lack what is known
// to have been stored, before that is called damage.
const recollectMax = 5 * time.Second

// Replay calls fn for every whole batch behind from, in order, up to the last
// position the journal has when it gets there. It returns the tail an Append
// must expect, behind whatever a dead writer left unfinished. (To follow on,
// use the Next of the last batch instead.)
// Errors: *Damage, ErrTrimmed, what fn returned, or the context's.
func (j *Journal) Replay(ctx context.Context, from Tail, fn func(Batch) error) (Tail, error) {
	r, err := j.reader(ctx, from, fn)
	if err != nil {
		return Tail{}, err
	}
	for {
		end, err := j.End(ctx)
		if err != nil {
			return Tail{}, err
		}
		if r.chain.Tail().Last >= end {
			return r.chain.Tail(), nil
		}
		if err := r.upTo(ctx, end); err != nil {
			return Tail{}, err
		}
	}
}

// Follow calls fn for every whole batch behind from, in order, and goes on with
// those that are yet to come until ctx ends or fn returns an error.
// Errors: as of Replay; never nil.
func (j *Journal) Follow(ctx context.Context, from Tail, fn func(Batch) error) error {
	r, err := j.reader(ctx, from, fn)
	if err != nil {
		return err
	}
	bell := j.bell()
	defer bell.stop()
	for end, err := j.End(ctx); ; end, err = bell.wait(ctx) {
		if err != nil {
			return err
		}
		if err := r.upTo(ctx, end); err != nil {
			return err
		}
	}
}

// reader folds records into batches and batches into fn.
type reader struct {
	l     *stream
	chain *record.Chain
	fn    func(Batch) error
}

// reader begins behind from, which must be a place in this journal.
func (l *stream) reader(ctx context.Context, from Tail, fn func(Batch) error) (*reader, error) {
	acknowledged := l.acknowledged() // before the extent, which grows
	size, err := l.reaches(ctx, max(from.Last, acknowledged.Last))
	if err != nil {
		return nil, err
	}
	if acknowledged.Last >= size.First {
		if err := l.stands(ctx, acknowledged, size.First); err != nil {
			return nil, err
		}
	}
	switch {
	case from.Last+1 < size.First:
		return nil, fmt.Errorf("journal %s begins at %d, position %d: %w", l.name, size.First, from.Last+1, ErrTrimmed)
	case from.Last >= size.First:
		if err := l.stands(ctx, from, size.First); err != nil {
			return nil, err
		}
	}
	return &reader{l, record.NewChain(from), fn}, nil
}

// reaches verifies that the journal reaches a position that was read or
// acknowledged before, and returns its extent. A leader that was just elected may
// need a moment to know what it has.
func (l *stream) reaches(ctx context.Context, at Position) (Size, error) {
	for begin := time.Now(); ; {
		size, err := l.size(ctx)
		if err != nil || size.Last >= at {
			return size, err
		}
		if !l.replicated || time.Since(begin) > recollectMax {
			return size, &Damage{Stream: l.name, At: at, Finding: record.Lost,
				Detail: fmt.Sprintf("the journal ends at %d, it has been known up to %d", size.Last, at)}
		}
		if err := pause(ctx, retryEvery); err != nil {
			return size, err
		}
	}
}

// stands verifies that the record at a tail is the one the tail ends with. Only
// records of fenced writers, which chains pass over, may be between.
func (l *stream) stands(ctx context.Context, from Tail, first Position) error {
	for at := from.Last; at >= first && from.Last-at <= record.StragglersMax; at-- {
		rec, err := l.record(ctx, at)
		if err != nil {
			return err
		}
		h, _, err := record.Decode(at, rec)
		if err != nil || h.Sum == from.Sum {
			return l.named(err)
		}
	}
	return &Damage{Stream: l.name, At: from.Last, Finding: record.Fork,
		Detail: fmt.Sprintf("the reader stands behind %016x, which is not stored there", from.Sum)}
}

// upTo folds everything up to position end. One goroutine reads ahead of the one
// that verifies and folds.
func (r *reader) upTo(ctx context.Context, end Position) error {
	next := r.next()
	if next > end {
		return nil
	}
	chunks := make(chan []stored, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(chunks)
		for next <= end {
			got, err := r.l.run(ctx, next, end)
			if err != nil {
				return err
			}
			select {
			case chunks <- got:
				next = got[len(got)-1].at + 1
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for got := range chunks {
			if err := r.fold(ctx, got); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// run reads some records from position next on, at least one: when the nearest
// replica has none, also not after the little while by which it may be behind,
// the one the leader has.
func (l *stream) run(ctx context.Context, next, end Position) ([]stored, error) {
	n := min(uint64(end-next+1), fetchRecordsMax)
	for wait := time.Millisecond; ; wait *= 2 {
		got, err := l.fetch(ctx, next, int(n), fetchBytesMax)
		if err != nil || len(got) > 0 {
			return got, err
		}
		if !l.replicated || wait > behindMax {
			break
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
	rec, err := l.sound(ctx, next, nil)
	return []stored{{next, rec}}, err
}

// fold takes records in order. What the nearest replica does not have, or has
// damaged, is taken from the leader.
func (r *reader) fold(ctx context.Context, got []stored) error {
	for _, s := range got {
		for next := r.next(); next < s.at; next = r.next() {
			if err := r.mend(ctx, next); err != nil {
				return err
			}
		}
		err := r.take(ctx, s.at, s.rec)
		if d, ok := errors.AsType[*Damage](err); ok && (d.Finding == record.BadHeader || d.Finding == record.BadSum) {
			err = r.mend(ctx, s.at)
		}
		if err != nil {
			return r.l.named(err)
		}
	}
	return ctx.Err()
}

// next is the position the chain needs.
func (r *reader) next() Position { return r.chain.Tail().Last + 1 }

// mend takes the record at position at from the leader. Its error is the final
// word: damaged, missing or trimmed away.
func (r *reader) mend(ctx context.Context, at Position) error {
	rec, err := r.l.sound(ctx, at, nil)
	if err != nil {
		return err
	}
	r.l.store.log.Error("a replica can not give a record that the leader has", "stream", r.l.name, "position", at)
	return r.take(ctx, at, rec)
}

// take adds one record to the chain and calls fn for the batch it completes.
func (r *reader) take(ctx context.Context, at Position, rec []byte) error {
	if before, stray := r.chain.Stray(rec); stray {
		if err := r.orphaned(ctx, at, before); err != nil {
			return err
		}
	}
	b, whole, err := r.chain.Add(at, rec)
	if err != nil {
		return err
	}
	r.l.store.cache.add(r.l, at, rec, 0)
	if !whole {
		return nil
	}
	return r.fn(b)
}

// orphaned verifies that a record which does not continue the chain continues
// nothing that is stored. If it does, the log has another record before it than
// was read there: the histories have parted.
func (r *reader) orphaned(ctx context.Context, at Position, before uint64) error {
	rec, err := r.l.fromLeader(ctx, at-1)
	if errors.Is(err, errNotStored) {
		return nil // trimmed away since it was read
	}
	if err != nil {
		return err
	}
	h, _, err := record.Decode(at-1, rec)
	if err == nil && h.Sum == before {
		err = &Damage{At: at, Finding: record.Fork,
			Detail: fmt.Sprintf("it follows %016x, read before it was %016x", before, r.chain.Tail().Sum)}
	}
	r.l.store.log.Warn("passing over a record that a fenced writer left", "stream", r.l.name, "position", at)
	return r.l.named(err)
}
