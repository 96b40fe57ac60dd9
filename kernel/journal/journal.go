package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"weir/kernel/journal/record"
)

// The values of a journal live in package record, where pure packages can have
// them without the log that stores them.
type (
	// Position is a record's place in a journal, from 1.
	Position = record.Position
	// Ref names bytes inside a batch.
	Ref = record.Ref
	// Tail is the end of a chain of records.
	Tail = record.Tail
	// Batch is one whole, verified batch.
	Batch = record.Batch
	// Damage is the error of a reader that met something it must not fold.
	Damage = record.Damage
)

// BatchBytesMax is the longest batch that Append takes.
const BatchBytesMax = record.BatchBytesMax

var (
	// ErrFenced: the journal does not end where the append expects, another writer
	// has appended. The batch is in nobody's fold. The owner has lost the journal:
	// drop the state, fold again.
	ErrFenced = errors.New("journal: fenced by another writer")
	// ErrUnknown: no answer came in time, the batch may be stored or not. Treat
	// it as lost ownership: drop the state, fold again, see.
	ErrUnknown = errors.New("journal: outcome of the append is unknown")
	// ErrRefused: the log refused the append (no space, which is ErrFull too, journal
	// deleted, store closed), the batch is in nobody's fold.
	ErrRefused = errors.New("journal: append refused")
	// ErrTrimmed: the position was trimmed away. A reader restores a newer snapshot.
	ErrTrimmed = errors.New("journal: position was trimmed away")
	// ErrTooLarge: the batch is longer than BatchBytesMax. Nothing was stored.
	ErrTooLarge = errors.New("journal: batch too large")
)

// Journal is one journal of a Store. It is safe for concurrent use; appends of
// one chain come from one goroutine at a time.
type Journal struct {
	*stream
	pipeline   *pipeline
	unit       string
	generation int
}

// Journal opens the journal of a unit, and makes it when there is none. Every
// call gives a writer of its own.
func (s *Store) Journal(ctx context.Context, unit string, generation int) (*Journal, error) {
	l, err := s.stream(ctx, streamName(unit, generation), about(unit, generation))
	if err != nil {
		return nil, err
	}
	if l.mark, err = s.mark(l.name); err != nil {
		return nil, err
	}
	p, err := s.pipeline(l)
	if err != nil {
		return nil, err
	}
	return &Journal{l, p, unit, generation}, nil
}

// about is what an operator reads of the stream.
func about(unit string, generation int) string {
	return fmt.Sprintf("journal of %s, generation %d", unit, generation)
}

// stream is one JetStream stream of records.
type stream struct {
	store   *Store
	name    string
	subject string
	js      jetstream.Stream
	loading flights

	replicated bool  // there are copies of it on other nodes
	mark       *mark // nil where none is kept
}

// Append adds batch behind expect, under the writer's epoch: every ownership has
// a higher one than the last. It returns at once, or when there is room in the
// pipeline: ctx bounds that wait alone. Appends may be chained before the first
// is acknowledged: give the Next of one as expect of the following; when one
// fails, all that were chained to it fail. batch may be used again when Append
// returns.
func (j *Journal) Append(ctx context.Context, expect Tail, epoch uint64, batch []byte) *Pending {
	var err error
	switch {
	case len(batch) > BatchBytesMax:
		err = fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(batch), BatchBytesMax)
	case epoch < expect.Epoch:
		err = fmt.Errorf("%w: epoch %d after epoch %d", ErrFenced, epoch, expect.Epoch)
	default:
		return j.pipeline.append(ctx, expect, epoch, batch)
	}
	pending := NewPending(expect.Last+1, expect)
	pending.Resolve(err)
	return pending
}

// Name returns the name of the stream, for logs and metrics.
func (j *Journal) Name() string { return j.name }

// Size is how much a journal holds: its first and last position (First > Last
// when it is empty) and the bytes they take.
type Size struct {
	First, Last Position
	Bytes       uint64
}

// Size returns the journal's extent.
func (j *Journal) Size(ctx context.Context) (Size, error) { return j.size(ctx) }

// End returns the last position of the journal, 0 when nothing was ever appended.
func (j *Journal) End(ctx context.Context) (Position, error) {
	size, err := j.size(ctx)
	return size.Last, err
}

func (l *stream) size(ctx context.Context) (size Size, err error) {
	err = l.store.retry(ctx, "ask for the extent of "+l.name, func(ctx context.Context) (err error) {
		size, err = l.extent(ctx)
		return err
	})
	return size, err
}

// Close ends this writer and what it has under way (ErrUnknown). The journal stays.
func (j *Journal) Close() { j.store.ended(j.pipeline) }

// Trim removes the batches before the one that holds position before. The last
// batch always stays. A reader that stands exactly where the journal now begins
// goes on; one further back gets ErrTrimmed.
func (j *Journal) Trim(ctx context.Context, before Position) error {
	size, err := j.size(ctx)
	if err != nil {
		return err
	}
	at := min(before, size.Last)
	if at <= size.First {
		return nil
	}
	rec, err := j.record(ctx, at)
	if errors.Is(err, ErrTrimmed) {
		return nil // somebody else was faster
	}
	if err != nil {
		return fmt.Errorf("trim %s: %w", j.name, err)
	}
	first := at - Position(record.PartOf(rec))
	return j.store.retry(ctx, "trim "+j.name, func(ctx context.Context) error {
		return j.js.Purge(ctx, jetstream.WithPurgeSequence(uint64(first)))
	})
}
