package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/nats-io/nats.go/jetstream"

	"weir/internal/wall"
	"weir/kernel/journal/record"
)

// SnapshotBytesMax is the longest snapshot.
const SnapshotBytesMax = 2 << 30

// Snapshots keeps the two newest snapshots of a unit, in a stream of its own.
//
// A snapshot there is two batches that begin a chain of their own: the data, then
// the manifest that completes it. Data without a manifest is what a dead writer
// left and counts for nothing.
type Snapshots struct {
	*stream
	pipeline *pipeline
}

// Snapshot is a fold written down.
type Snapshot struct {
	At   Tail // everything up to here is in it
	Data []byte
	Time time.Time // when it was saved, by the writer's clock
}

// manifest completes a snapshot. It is the second batch of its chain.
type manifest struct {
	Format int      `json:"weir_snapshot"`
	Data   Position `json:"data"` // where the data begins
	Bytes  uint64   `json:"bytes"`
	Sum    uint64   `json:"xxhash64"` // of the data
	At     Tail     `json:"at"`

	here Position
	sum  uint64 // of the last record of the data
	time time.Time
}

const (
	manifestFormat  = 1
	manifestOrdinal = 2
)

// Snapshots opens the snapshots of a unit.
func (s *Store) Snapshots(ctx context.Context, unit string, generation int) (*Snapshots, error) {
	name := snapshotStreamName(unit, generation)
	l, err := s.stream(ctx, name, fmt.Sprintf("snapshots of %s, generation %d", unit, generation))
	if err != nil {
		return nil, err
	}
	p, err := s.pipeline(l)
	if err != nil {
		return nil, err
	}
	p.uncached = true
	return &Snapshots{l, p}, nil
}

// Close ends this writer. The snapshots stay.
func (s *Snapshots) Close() { s.store.ended(s.pipeline) }

// Save stores data as the snapshot at the tail. The previous snapshot is kept,
// older ones are removed. When there is one of a later tail, nothing is stored: a
// deposed owner is late. data may be used again when Save returns. Errors:
// ErrTooLarge, ErrFenced (another node saves at the same time), and those of Append.
func (s *Snapshots) Save(ctx context.Context, at Tail, data []byte) error {
	if len(data) > SnapshotBytesMax {
		return fmt.Errorf("%w: a snapshot of %d bytes, at most %d", ErrTooLarge, len(data), SnapshotBytesMax)
	}
	size, err := s.size(ctx)
	if err != nil {
		return err
	}
	previous, err := s.newest(ctx, size)
	if err != nil || previous != nil && previous.At.Last > at.Last {
		return err
	}
	m := manifest{Format: manifestFormat, Data: size.Last + 1, Bytes: uint64(len(data)), Sum: xxhash.Sum64(data), At: at}
	end, err := s.put(ctx, Tail{Last: size.Last}, data)
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if end, err = s.put(ctx, end.Next(), text); err != nil {
		return err
	}
	if err := end.Wait(ctx); err != nil {
		return fmt.Errorf("save snapshot in %s: %w", s.name, err)
	}
	if previous == nil || previous.Data <= size.First {
		return nil
	}
	return s.store.retry(ctx, "remove old snapshots from "+s.name, func(ctx context.Context) error {
		return s.js.Purge(ctx, jetstream.WithPurgeSequence(uint64(previous.Data)))
	})
}

// newest finds the newest manifest.
func (s *Snapshots) newest(ctx context.Context, size Size) (*manifest, error) {
	search := search{s: s, at: size.Last, first: size.First}
	return search.next(ctx)
}

// put sends one batch, record by record, and returns its last append.
func (s *Snapshots) put(ctx context.Context, tail Tail, data []byte) (*Pending, error) {
	c := record.Cut(tail, 0, wall.Now(), data)
	var last *Pending
	for rec, ok := c.Next(); ok; rec, ok = c.Next() {
		last = NewPending(tail.Last+1, c.Tail())
		if err := s.pipeline.enqueue(ctx, tail, [][]byte{rec}, last); err != nil {
			return nil, fmt.Errorf("save snapshot in %s: %w", s.name, err)
		}
		tail = c.Tail()
	}
	return last, nil
}

// Latest returns the newest sound snapshot; false when none was ever saved.
// A damaged one is passed over with an error in the log; when all are damaged
// the error is a *Damage.
func (s *Snapshots) Latest(ctx context.Context) (Snapshot, bool, error) {
	for {
		snap, found, err := s.latest(ctx)
		if !errors.Is(err, ErrTrimmed) {
			return snap, found, err
		}
		// Another node saved meanwhile and removed what was being read.
	}
}

func (s *Snapshots) latest(ctx context.Context) (Snapshot, bool, error) {
	size, err := s.size(ctx)
	if err != nil {
		return Snapshot{}, false, err
	}
	search := search{s: s, at: size.Last, first: size.First}
	for {
		m, err := search.next(ctx)
		if err != nil || m == nil {
			return Snapshot{}, false, cmp.Or(err, search.damage)
		}
		data, err := s.load(ctx, m)
		if err == nil {
			return Snapshot{At: m.At, Data: data, Time: m.time}, true, nil
		}
		if err := search.passOver(m.Data, err); err != nil {
			return Snapshot{}, false, err
		}
	}
}

// Before returns the newest sound snapshot that was taken at or before a position;
// false when there is none.
func (s *Snapshots) Before(ctx context.Context, at Position) (Snapshot, bool, error) {
	size, err := s.size(ctx)
	if err != nil {
		return Snapshot{}, false, err
	}
	search := search{s: s, at: size.Last, first: size.First}
	for {
		m, err := search.next(ctx)
		if err != nil || m == nil {
			return Snapshot{}, false, cmp.Or(err, search.damage)
		}
		if m.At.Last > at {
			continue
		}
		data, err := s.load(ctx, m)
		if err == nil {
			return Snapshot{At: m.At, Data: data, Time: m.time}, true, nil
		}
		if err := search.passOver(m.Data, err); err != nil {
			return Snapshot{}, false, err
		}
	}
}

// search goes backward from manifest to manifest.
type search struct {
	s         *Snapshots
	at, first Position
	damage    error // the first that was met
}

// next returns the manifest at or before the place the search has come to; nil
// when there is none left.
func (f *search) next(ctx context.Context) (*manifest, error) {
	for f.at >= f.first {
		m, err := f.look(ctx)
		if err == nil && m != nil {
			f.at = m.Data - 1
			return m, nil
		}
		if err != nil {
			err = f.passOver(f.at, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// look reads the record the search has come to. When it is not a manifest but
// data without one, it steps over that.
func (f *search) look(ctx context.Context) (*manifest, error) {
	rec, err := f.s.record(ctx, f.at)
	if err != nil {
		return nil, err
	}
	h, body, err := record.Decode(f.at, rec)
	if err != nil {
		return nil, f.s.named(err)
	}
	if h.Ordinal == manifestOrdinal {
		return f.s.decode(h, body)
	}
	f.s.store.log.Warn("passing over an unfinished snapshot", "stream", f.s.name, "position", h.First())
	f.at = h.First() - 1
	return nil, nil
}

// passOver goes on before position begin when err is damage, and otherwise
// returns err.
func (f *search) passOver(begin Position, err error) error {
	if _, ok := errors.AsType[*Damage](err); !ok {
		return err
	}
	f.s.store.log.Error("a snapshot is damaged, falling back to the one before", "stream", f.s.name, "position", begin, "error", err)
	f.damage = cmp.Or(f.damage, err)
	f.at = begin - 1
	return nil
}

// decode reads a manifest and holds it against its place.
func (s *Snapshots) decode(h record.Header, body []byte) (*manifest, error) {
	m := &manifest{here: h.At, sum: h.Before, time: time.Unix(0, h.Time)}
	if err := json.Unmarshal(body, m); err != nil || m.Format != manifestFormat {
		return nil, &Damage{Stream: s.name, At: h.At, Finding: record.NewerFormat,
			Detail: fmt.Sprintf("a snapshot of format %d, this program reads format %d", m.Format, manifestFormat)}
	}
	if m.Bytes > SnapshotBytesMax || m.Data+Position(record.Parts(int(m.Bytes))) != m.here {
		return nil, &Damage{Stream: s.name, At: h.At, Finding: record.Torn,
			Detail: fmt.Sprintf("the manifest of %d bytes from position %d is not behind them", m.Bytes, m.Data)}
	}
	return m, nil
}

// load reads and verifies the data of a snapshot.
func (s *Snapshots) load(ctx context.Context, m *manifest) ([]byte, error) {
	data := make([]byte, 0, m.Bytes)
	sum := uint64(0)
	for next := m.Data; next < m.here; {
		got, err := s.run(ctx, next, m.here-1)
		if err != nil {
			return nil, err
		}
		for _, r := range got {
			var body []byte
			if body, sum, err = s.part(ctx, next, sum, r); err != nil {
				return nil, err
			}
			data = append(data, body...)
			next++
		}
	}
	if sum != m.sum || xxhash.Sum64(data) != m.Sum {
		return nil, &Damage{Stream: s.name, At: m.here, Finding: record.BadSum, Detail: "the whole snapshot does not match its manifest"}
	}
	return data, nil
}

// part verifies one record of a snapshot that must follow a sum.
func (s *Snapshots) part(ctx context.Context, at Position, before uint64, r stored) ([]byte, uint64, error) {
	if r.at != at {
		r.rec = nil
	}
	rec, err := s.sound(ctx, at, r.rec)
	if err != nil {
		return nil, 0, err
	}
	h, body, err := record.Decode(at, rec)
	if err == nil && h.Before != before {
		err = &Damage{At: at, Finding: record.Fork, Detail: "the parts of the snapshot do not follow each other"}
	}
	return body, h.Sum, s.named(err)
}
