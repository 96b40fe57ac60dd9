package journaltest

import (
	"context"
	"errors"
	"fmt"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// Seed makes an empty journal that begins behind a place, as Store.Seed does.
func Seed(at record.Tail) *Memory {
	m := NewMemory()
	m.first, m.seed = at.Last+1, record.Mark{At: at.Last, Sum: at.Sum}
	return m
}

// Mark is as that of journal.Journal.
func (n *Node) Mark(context.Context) (journal.Mark, error) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return n.m.mark()
}

func (m *Memory) mark() (journal.Mark, error) {
	if len(m.records) == 0 {
		return m.seed, nil
	}
	mark, _, err := record.MarkOf(m.last(), m.records[len(m.records)-1:])
	return mark, err
}

// Copy is as that of journal.Journal. While appends are held so are copies.
func (n *Node) Copy(_ context.Context, after journal.Mark, recs [][]byte) *journal.Pending {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	mark, epoch, err := record.MarkOf(after.At+1, recs)
	p := journal.NewPending(after.At+1, record.Tail{Last: mark.At, Sum: mark.Sum, Epoch: epoch})
	if d, ok := errors.AsType[*record.Damage](err); ok {
		d.Stream = "memory"
		p.Resolve(d)
		return p
	}
	if len(n.network) == 0 {
		n.failed = nil
	}
	n.next = p.Next()
	msg := &Message{node: n, before: after.At, records: recs, pending: p}
	n.network = append(n.network, msg)
	if !n.m.held {
		n.deliver(msg)
		n.answer()
	}
	return p
}

// ChainedAt is as that of journal.Journal.
func (n *Node) ChainedAt(_ context.Context, at journal.Position) (uint64, error) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	m := n.m
	if at < m.first || at > m.last() {
		return 0, nil
	}
	return record.ChainedAt(at, m.first, func(at journal.Position) (record.Header, error) {
		h, _, err := record.Decode(at, m.records[at-m.first])
		return h, err
	})
}

// Stands is as that of journal.Journal.
func (n *Node) Stands(_ context.Context, mark journal.Mark) (bool, error) {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	switch m := n.m; {
	case mark.At == 0:
		return mark == record.Mark{}, nil
	case mark.At > m.last():
		return false, nil
	case mark.At+1 < m.first:
		return false, fmt.Errorf("memory, position %d: %w", mark.At, journal.ErrTrimmed)
	case mark.At < m.first && len(m.records) == 0:
		return mark == m.seed, nil
	case mark.At < m.first:
		h, _, err := record.Decode(m.first, m.records[0])
		if err == nil && h.Before != mark.Sum {
			err = fmt.Errorf("memory, position %d: %w", mark.At, journal.ErrTrimmed)
		}
		return err == nil, err
	default:
		h, _, err := record.Decode(mark.At, m.records[mark.At-m.first])
		return err == nil && h.Sum == mark.Sum, err
	}
}

// runRecords is how many records one run of Records holds at most.
const runRecords = 64

// Records is as that of journal.Journal.
func (n *Node) Records(ctx context.Context, after journal.Mark, fn func(recs [][]byte, end journal.Position) error) error {
	stands, err := n.Stands(ctx, after)
	if err == nil && !stands {
		err = &record.Damage{Stream: "memory", At: after.At, Finding: record.Fork, Detail: fmt.Sprintf("the copy ends in %016x", after.Sum)}
	}
	for next := after.At + 1; err == nil; {
		if err = n.m.wait(ctx, n, next-1); err != nil {
			break
		}
		end := n.end()
		var run [][]byte
		for next <= end && len(run) < runRecords && err == nil {
			var rec []byte
			if rec, err = n.m.get(next); err == nil {
				if _, _, err = record.Decode(next, rec); err == nil {
					run, next = append(run, rec), next+1
				}
			}
		}
		if len(run) > 0 {
			if failed := fn(run, end); failed != nil {
				err = failed
			}
		}
	}
	return err
}
