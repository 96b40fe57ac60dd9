package journaltest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// MemorySnapshots keeps the two newest snapshots in memory. It has the methods of
// *journal.Snapshots.
type MemorySnapshots struct {
	mu   sync.Mutex
	kept []journal.Snapshot
	bad  int // how many of the newest are damaged
}

// Save is as that of journal.Snapshots.
func (s *MemorySnapshots) Save(_ context.Context, at record.Tail, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.kept); n > 0 && s.kept[n-1].At.Last > at.Last {
		return nil
	}
	s.kept = append(s.kept, journal.Snapshot{At: at, Data: slices.Clone(data), Time: time.UnixMilli(int64(at.Last))})
	if len(s.kept) > 2 {
		s.kept = s.kept[1:]
	}
	s.bad = 0
	return nil
}

// Latest is as that of journal.Snapshots.
func (s *MemorySnapshots) Latest(context.Context) (journal.Snapshot, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sound := len(s.kept) - s.bad
	switch {
	case len(s.kept) == 0:
		return journal.Snapshot{}, false, nil
	case sound <= 0:
		return journal.Snapshot{}, false, &record.Damage{Stream: "memory snapshots", Finding: record.BadSum, Detail: "all were damaged by the test"}
	}
	return s.kept[sound-1], true, nil
}

// Damage makes the newest snapshot that is sound unreadable.
func (s *MemorySnapshots) Damage() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad++
}

// MemoryLeases keeps leases in memory. It has the methods of *journal.Leases.
type MemoryLeases struct {
	mu       sync.Mutex
	revision uint64
	leases   map[string]journal.Lease
	watchers map[*leaseWatcher]bool
}

type leaseWatcher struct {
	unit string
	news chan struct{}
	told map[string]uint64 // revision last told, by unit
}

// NewMemoryLeases makes leases without any entry.
func NewMemoryLeases() *MemoryLeases {
	return &MemoryLeases{leases: map[string]journal.Lease{}, watchers: map[*leaseWatcher]bool{}}
}

// Get is as that of journal.Leases.
func (l *MemoryLeases) Get(_ context.Context, unit string) (journal.Lease, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease, ok := l.leases[unit]
	return lease, ok, nil
}

// Acquire is as that of journal.Leases.
func (l *MemoryLeases) Acquire(_ context.Context, want journal.Lease) (journal.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leases[want.Unit].Revision != want.Revision {
		return journal.Lease{}, fmt.Errorf("lease of %s: %w", want.Unit, journal.ErrLeaseChanged)
	}
	l.revision++
	want.Revision = l.revision
	l.leases[want.Unit] = want
	for w := range l.watchers {
		select {
		case w.news <- struct{}{}:
		default:
		}
	}
	return want, nil
}

// Renew is as that of journal.Leases.
func (l *MemoryLeases) Renew(ctx context.Context, held journal.Lease) (journal.Lease, error) {
	return l.Acquire(ctx, held)
}

// Release is as that of journal.Leases.
func (l *MemoryLeases) Release(ctx context.Context, held journal.Lease) error {
	held.Node, held.Address = "", ""
	_, err := l.Acquire(ctx, held)
	return err
}

// Watch is as that of journal.Leases.
func (l *MemoryLeases) Watch(ctx context.Context, unit string, fn func(journal.Lease)) error {
	w := &leaseWatcher{unit: unit, news: make(chan struct{}, 1), told: map[string]uint64{}}
	l.mu.Lock()
	l.watchers[w] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, w)
	}()
	for {
		for _, lease := range l.untold(w) {
			fn(lease)
		}
		select {
		case <-w.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// untold returns what a watcher has not been told, oldest change first.
func (l *MemoryLeases) untold(w *leaseWatcher) []journal.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []journal.Lease
	for unit, lease := range l.leases {
		if (w.unit == "" || w.unit == unit) && w.told[unit] != lease.Revision {
			w.told[unit] = lease.Revision
			all = append(all, lease)
		}
	}
	slices.SortFunc(all, func(a, b journal.Lease) int { return int(a.Revision) - int(b.Revision) })
	return all
}
