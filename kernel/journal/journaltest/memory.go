package journaltest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// Memory is a journal in memory whose faults are decided by the test. It keeps
// the records themselves, in the format and with the fence of the real log.
//
// As it is made it stores every append at once. After Hold, appends stay in the
// network until the test lets them arrive, drops them or lets their writer give
// up: then nothing in it depends on time or on goroutines, and the same calls
// give the same history. Time stamps count appends, one millisecond each.
type Memory struct {
	mu      sync.Mutex
	first   record.Position // of what is still there
	records [][]byte        // from first on; nil was dropped by Lose
	seed    record.Mark     // what it begins behind
	held    bool
	appends int64
	news    chan struct{} // closed when something was stored
}

// NewMemory makes an empty journal.
func NewMemory() *Memory {
	return &Memory{first: 1, news: make(chan struct{})}
}

// Node makes the handle that one node has of the journal: a writer and readers.
// It has the methods of *journal.Journal.
func (m *Memory) Node() *Node {
	return &Node{m: m, sees: ^record.Position(0)}
}

// Hold keeps appends in the network from now on.
func (m *Memory) Hold() { m.setHeld(true) }

// Free stores appends at once again. Those in the network stay there.
func (m *Memory) Free() { m.setHeld(false) }

func (m *Memory) setHeld(held bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = held
}

// Flip changes one bit of the record stored at a position.
func (m *Memory) Flip(at record.Position, offset int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := append([]byte(nil), m.records[at-m.first]...)
	rec[offset] ^= 1
	m.records[at-m.first] = rec
}

// Lose makes the log forget the record at a position, as a bad disk does.
func (m *Memory) Lose(at record.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[at-m.first] = nil
}

// Cut makes the log end before a position, as a disk does that lied about syncs.
func (m *Memory) Cut(at record.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = m.records[:at-m.first]
}

func (m *Memory) last() record.Position { return m.first + record.Position(len(m.records)) - 1 }

// store takes records that must follow position before; the error says why not.
func (m *Memory) store(before record.Position, records [][]byte) error {
	if m.last() != before {
		return fmt.Errorf("%w: it ends at %d, the append expects %d", journal.ErrFenced, m.last(), before)
	}
	m.records = append(m.records, records...)
	close(m.news)
	m.news = make(chan struct{})
	return nil
}

// now is the time of the next append.
func (m *Memory) now() time.Time {
	m.appends++
	return time.UnixMilli(m.appends)
}

// get returns the record at a position.
func (m *Memory) get(at record.Position) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case at < m.first:
		return nil, fmt.Errorf("memory, position %d: %w", at, journal.ErrTrimmed)
	case at > m.last():
		return nil, &record.Damage{Stream: "memory", At: at, Finding: record.Lost, Detail: fmt.Sprintf("the journal ends at %d", m.last())}
	case m.records[at-m.first] == nil:
		return nil, &record.Damage{Stream: "memory", At: at, Finding: record.Gap, Detail: "the record was lost"}
	}
	return m.records[at-m.first], nil
}

// wait returns when something was stored behind a position that node sees.
func (m *Memory) wait(ctx context.Context, n *Node, last record.Position) error {
	for {
		m.mu.Lock()
		end, news := min(m.last(), n.sees), m.news
		m.mu.Unlock()
		if end > last {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
