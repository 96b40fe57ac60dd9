package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"weir/kernel/journal/record"
)

const (
	// aheadRecords and aheadBytes are how far a reader that goes from record to
	// record is read ahead of.
	aheadRecords = 32
	aheadBytes   = 1 << 20
)

// Read returns the bytes at ref, verified. They may be shared: do not write to
// them, and copy what is kept for long (a slice keeps its whole record alive).
// Errors: *Damage, ErrTrimmed.
func (j *Journal) Read(ctx context.Context, ref Ref) ([]byte, error) {
	if ref.Len == 0 {
		return nil, nil
	}
	from, to := uint64(ref.Off), uint64(ref.Off)+uint64(ref.Len)
	if to > BatchBytesMax || ref.At == 0 {
		return nil, fmt.Errorf("journal %s: no batch has bytes %d to %d", j.name, from, to)
	}
	if from/record.PartBytes == (to-1)/record.PartBytes {
		return j.piece(ctx, ref.At, from, to)
	}
	data := make([]byte, 0, ref.Len)
	for from < to {
		end := min(to, (from/record.PartBytes+1)*record.PartBytes)
		piece, err := j.piece(ctx, ref.At, from, end)
		if err != nil {
			return nil, err
		}
		data = append(data, piece...)
		from = end
	}
	return data, nil
}

// piece returns bytes from to to of the batch at first, all in one record.
func (j *Journal) piece(ctx context.Context, first Position, from, to uint64) ([]byte, error) {
	part := from / record.PartBytes
	rec, err := j.record(ctx, first+Position(part))
	if err != nil {
		return nil, err
	}
	body := rec[record.HeaderBytes:]
	from, to = from-part*record.PartBytes, to-part*record.PartBytes
	if to > uint64(len(body)) || uint64(record.PartOf(rec)) != part {
		return nil, fmt.Errorf("journal %s: the batch at %d has no bytes %d to %d in part %d", j.name, first, from, to, part)
	}
	return body[from:to:to], nil
}

// record returns a verified record, from the cache or from the log.
func (l *stream) record(ctx context.Context, at Position) ([]byte, error) {
	for {
		if rec, ahead, ok := l.store.cache.get(l, at); ok {
			if ahead != 0 && !l.store.cache.has(l, ahead) {
				l.store.background(func(ctx context.Context) { l.prefetch(ctx, ahead) })
			}
			return rec, nil
		}
		n := 1
		if l.store.cache.has(l, at-1) {
			n = aheadRecords
		}
		rec, err := l.load(ctx, at, n)
		if rec != nil || err != nil {
			return rec, err
		}
	}
}

// load reads n records from position at on into the cache and returns the first.
// When somebody else is loading that one, it waits for them and returns nil.
func (l *stream) load(ctx context.Context, at Position, n int) ([]byte, error) {
	done, mine := l.loading.begin(at)
	if !mine {
		select {
		case <-done:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer l.loading.end(at)
	got, err := l.fetch(ctx, at, n, aheadBytes)
	if err != nil {
		return nil, err
	}
	if len(got) == 0 || got[0].at != at {
		got = []stored{{at: at}}
	}
	if got[0].rec, err = l.sound(ctx, at, got[0].rec); err != nil {
		return nil, err
	}
	l.keep(got, n > 1)
	return got[0].rec, nil
}

// prefetch reads the records from position at on into the cache, as far as they
// can be had.
func (l *stream) prefetch(ctx context.Context, at Position) {
	if _, mine := l.loading.begin(at); !mine {
		return
	}
	defer l.loading.end(at)
	if got, err := l.fetch(ctx, at, aheadRecords, aheadBytes); err == nil && len(got) > 0 && got[0].at == at {
		l.keep(got, true)
	}
}

// keep puts records that were read together into the cache, as far as they are
// sound. With ahead, the use of the first is the moment to read what follows.
func (l *stream) keep(got []stored, ahead bool) {
	n := 0
	for n < len(got) && got[n].at == got[0].at+Position(n) {
		if _, _, err := record.Decode(got[n].at, got[n].rec); err != nil {
			break
		}
		n++
	}
	for i := n - 1; i >= 0; i-- {
		next := Position(0)
		if i == 0 && ahead {
			next = got[0].at + Position(n)
		}
		l.store.cache.add(l, got[i].at, got[i].rec, next)
	}
}

// sound verifies the record that a replica gave for a position (nil: it had
// none). When it is not sound, the stream's leader is asked for its copy.
func (l *stream) sound(ctx context.Context, at Position, rec []byte) ([]byte, error) {
	if rec != nil {
		if _, _, err := record.Decode(at, rec); err == nil {
			return rec, nil
		}
	}
	rec, err := l.fromLeader(ctx, at)
	if errors.Is(err, errNotStored) {
		return nil, l.missing(ctx, at, err)
	}
	if err != nil {
		return nil, err
	}
	if _, _, err = record.Decode(at, rec); err != nil {
		return nil, l.named(err)
	}
	return rec, nil
}

// missing says what it means that the log has no record at a position.
func (l *stream) missing(ctx context.Context, at Position, cause error) error {
	size, err := l.size(ctx)
	switch {
	case err != nil:
		return err
	case at < size.First:
		return fmt.Errorf("journal %s, position %d: %w", l.name, at, ErrTrimmed)
	case at > size.Last:
		return &Damage{Stream: l.name, At: at, Finding: record.Lost, Detail: fmt.Sprintf("the journal ends at %d", size.Last)}
	}
	return &Damage{Stream: l.name, At: at, Finding: record.Gap,
		Detail: fmt.Sprintf("the log holds %d to %d and can not give it: %v", size.First, size.Last, cause)}
}

// named puts the stream's name into a *Damage.
func (l *stream) named(err error) error {
	if d, ok := errors.AsType[*Damage](err); ok {
		d.Stream = l.name
	}
	return err
}

// flights makes sure that one record is loaded once at a time.
type flights struct {
	mu  sync.Mutex
	now map[Position]chan struct{}
}

// begin claims a position; when it is claimed already, done ends with that claim.
func (f *flights) begin(at Position) (done <-chan struct{}, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.now[at]; ok {
		return c, false
	}
	if f.now == nil {
		f.now = map[Position]chan struct{}{}
	}
	f.now[at] = make(chan struct{})
	return f.now[at], true
}

func (f *flights) end(at Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.now[at])
	delete(f.now, at)
}
