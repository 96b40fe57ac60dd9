package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// mark remembers, outside the log, how far a journal was acknowledged by this
// node. A server that finds a damaged record near the end of its newest file
// after a crash takes it for the torn end of an unfinished write and cuts the
// journal there, with the sound records behind it. The mark is how that is seen.
//
// It is written behind the acknowledgement and not synced: after the death of the
// process it is at most a moment old, after a power cut possibly more. A mark that
// is too old finds less; none is ever ahead of what was stored safely.
type mark struct {
	file *os.File

	mu    sync.Mutex
	tail  Tail
	dirty chan struct{} // has one element while tail is not written
}

// marksDir is where the marks are, below the store's directory.
const marksDir = "acknowledged"

const markBytes = 5 * 8

// mark opens the mark of a stream. Without a directory, or when acknowledged
// appends may be lost by agreement, there is none.
func (s *Store) mark(stream string) (*mark, error) {
	if s.lock == nil || s.o.Sync != SyncAlways {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if m := s.marks[stream]; m != nil {
		return m, nil
	}
	m, err := openMark(filepath.Join(s.o.Dir, marksDir), stream)
	if err != nil {
		return nil, fmt.Errorf("open the mark of %s: %w", stream, err)
	}
	s.marks[stream] = m
	s.work.Go(func() { m.keep(s.life, s.log.Warn) })
	return m, nil
}

func openMark(dir, stream string) (*mark, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, stream), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	b := make([]byte, markBytes)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, err
	}
	return &mark{file: f, tail: readMark(b), dirty: make(chan struct{}, 1)}, nil
}

// readMark decodes a mark; a torn one counts as none.
func readMark(b []byte) Tail {
	le := binary.LittleEndian
	if xxhash.Sum64(b[8:]) != le.Uint64(b) {
		return Tail{}
	}
	return Tail{Last: Position(le.Uint64(b[8:])), Sum: le.Uint64(b[16:]), Batch: le.Uint64(b[24:]), Epoch: le.Uint64(b[32:])}
}

func encodeMark(tail Tail) []byte {
	le := binary.LittleEndian
	b := make([]byte, 8, markBytes)
	b = le.AppendUint64(b, uint64(tail.Last))
	b = le.AppendUint64(b, tail.Sum)
	b = le.AppendUint64(b, tail.Batch)
	b = le.AppendUint64(b, tail.Epoch)
	le.PutUint64(b, xxhash.Sum64(b[8:]))
	return b
}

// note remembers that everything up to tail is acknowledged. It does not wait for
// the disk.
func (m *mark) note(tail Tail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if tail.Last <= m.tail.Last {
		return
	}
	m.tail = tail
	select {
	case m.dirty <- struct{}{}:
	default:
	}
}

// get returns what was noted last, also before a crash.
func (m *mark) get() Tail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tail
}

// keep writes the mark whenever it has moved, until ctx ends.
func (m *mark) keep(ctx context.Context, warn func(string, ...any)) {
	defer m.file.Close()
	for {
		select {
		case <-m.dirty:
			if err := m.write(); err != nil {
				warn("the mark of acknowledged appends can not be written", "file", m.file.Name(), "error", err)
			}
		case <-ctx.Done():
			m.write()
			return
		}
	}
}

func (m *mark) write() error {
	tail := m.get()
	_, err := m.file.WriteAt(encodeMark(tail), 0)
	return err
}

// acknowledged is how far this node was told that the journal is stored.
func (l *stream) acknowledged() Tail {
	if l.mark == nil {
		return Tail{}
	}
	return l.mark.get()
}
