package link_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// shelf is a log in memory: a primary's and a secondary's. It verifies what it is
// given as the real one does.
type shelf struct {
	mu    sync.Mutex
	first record.Position
	recs  [][]byte
	tail  record.Tail  // behind what is stored
	seed  journal.Mark // what the log begins behind
	news  chan struct{}
	stuck chan struct{} // while it is there, copies become durable when it closes
	fails error
}

func newShelf() *shelf { return &shelf{first: 1, news: make(chan struct{})} }

// begun is a log that begins behind a seed.
func begun(at record.Tail) *shelf {
	s := newShelf()
	s.first, s.tail, s.seed = at.Last+1, at, journal.Mark{At: at.Last, Sum: at.Sum}
	return s
}

// append is an owner's append; it returns the position of its last record.
func (s *shelf) append(epoch uint64, data []byte) record.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	recs, next := record.Split(s.tail, epoch, time.Now(), data)
	s.recs, s.tail = append(s.recs, recs...), next
	s.rouse()
	return next.Last
}

func (s *shelf) rouse() {
	close(s.news)
	s.news = make(chan struct{})
}

func (s *shelf) mark() journal.Mark { return journal.Mark{At: s.tail.Last, Sum: s.tail.Sum} }

// Mark is as that of journal.Journal.
func (s *shelf) Mark(context.Context) (journal.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark(), nil
}

// Copy is as that of journal.Journal.
func (s *shelf) Copy(_ context.Context, after journal.Mark, recs [][]byte) *journal.Pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := journal.NewPending(after.At+1, record.Tail{Last: after.At + record.Position(len(recs))})
	err := s.fails
	if err == nil && after != s.mark() {
		err = fmt.Errorf("%w: behind %+v, it ends at %+v", journal.ErrFenced, after, s.mark())
	}
	for _, rec := range recs {
		h, _, e := record.Decode(s.tail.Last+1, rec)
		if err == nil && e == nil && h.Before != s.tail.Sum {
			e = &record.Damage{At: h.At, Finding: record.Fork, Detail: "does not continue"}
		}
		if err = orErr(err, e); err == nil {
			s.recs = append(s.recs, bytes.Clone(rec))
			s.tail.Last, s.tail.Sum, s.tail.Epoch, s.tail.Batch = h.At, h.Sum, h.Epoch, h.Ordinal
		}
	}
	s.rouse()
	if stuck := s.stuck; stuck != nil {
		go func() {
			<-stuck
			p.Resolve(err)
		}()
		return p
	}
	p.Resolve(err)
	return p
}

func orErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Stands is as that of journal.Journal.
func (s *shelf) Stands(_ context.Context, m journal.Mark) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m == s.seed:
		return true, nil
	case m.At+1 < s.first:
		return false, journal.ErrTrimmed
	case m.At > s.tail.Last:
		return false, nil
	case m.At < s.first:
		return true, nil
	}
	h, _, err := record.Decode(m.At, s.recs[m.At-s.first])
	return h.Sum == m.Sum, err
}

// ChainedAt is as that of journal.Journal, of a log in which nobody left anything.
func (s *shelf) ChainedAt(_ context.Context, at journal.Position) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at < s.first || at > s.tail.Last || len(s.recs) == 0 {
		return 0, nil
	}
	h, _, err := record.Decode(at, s.recs[at-s.first])
	return h.Sum, err
}

// Size is as that of journal.Journal.
func (s *shelf) Size(context.Context) (journal.Size, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := journal.Size{First: s.first, Last: s.tail.Last}
	for _, rec := range s.recs {
		size.Bytes += uint64(len(rec))
	}
	return size, nil
}

// Records is as that of journal.Journal.
func (s *shelf) Records(ctx context.Context, after journal.Mark, fn func([][]byte, record.Position) error) error {
	next := after.At + 1
	for {
		s.mu.Lock()
		if next < s.first {
			s.mu.Unlock()
			return journal.ErrTrimmed
		}
		var run [][]byte
		size := 0
		for i := int(next - s.first); i < len(s.recs) && size < 1<<20; i++ {
			run = append(run, s.recs[i])
			size += len(s.recs[i])
		}
		end, news := s.tail.Last, s.news
		s.mu.Unlock()
		if len(run) > 0 {
			if err := fn(run, end); err != nil {
				return err
			}
			next += record.Position(len(run))
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// trim removes what lies before a position.
func (s *shelf) trim(before record.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recs = s.recs[before-s.first:]
	s.first = before
}

func (s *shelf) all() (record.Position, [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, append([][]byte(nil), s.recs...)
}

// await waits until the log reaches a position.
func (s *shelf) await(t *testing.T, at record.Position) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		end, news := s.tail.Last, s.news
		s.mu.Unlock()
		if end >= at {
			return
		}
		select {
		case <-news:
		case <-limit:
			t.Fatalf("the log ends at %d, %d was waited for", end, at)
		}
	}
}

// equal holds two logs against each other, byte for byte.
func equal(t *testing.T, a, b *shelf) {
	t.Helper()
	first, recs := a.all()
	firstB, recsB := b.all()
	if first != firstB || len(recs) != len(recsB) {
		t.Fatalf("%d records from %d on, %d from %d on", len(recs), first, len(recsB), firstB)
	}
	for i := range recs {
		if !bytes.Equal(recs[i], recsB[i]) {
			t.Fatalf("record %d differs", first+record.Position(i))
		}
	}
}
