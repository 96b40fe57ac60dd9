package app

import (
	"context"
	"sync"

	"weir/kernel/journal"
	"weir/kernel/link"
)

// linkLog is a unit's journal and snapshots as its link reads them. They are opened
// when the first secondary comes: most units are in no group.
type linkLog struct {
	store      *journal.Store
	unit       string
	generation int

	mu        sync.Mutex
	closed    bool
	log       *journal.Journal
	snapshots *journal.Snapshots
}

var (
	_ link.Log       = (*linkLog)(nil)
	_ link.Snapshots = (*linkLog)(nil)
)

// opened returns what is read from.
func (l *linkLog) opened(ctx context.Context) (*journal.Journal, *journal.Snapshots, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, context.Canceled // the unit was opened again, on another log
	}
	if l.log != nil {
		return l.log, l.snapshots, nil
	}
	log, err := l.store.Journal(ctx, l.unit, l.generation)
	if err != nil {
		return nil, nil, err
	}
	snapshots, err := l.store.Snapshots(ctx, l.unit, l.generation)
	if err != nil {
		log.Close()
		return nil, nil, err
	}
	l.log, l.snapshots = log, snapshots
	return log, snapshots, nil
}

// close lets go of what was opened.
func (l *linkLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.log != nil {
		l.log.Close()
		l.snapshots.Close()
		l.log, l.snapshots = nil, nil
	}
}

// Records implements link.Log.
func (l *linkLog) Records(ctx context.Context, after journal.Mark, fn func([][]byte, journal.Position) error) error {
	log, _, err := l.opened(ctx)
	if err != nil {
		return err
	}
	return log.Records(ctx, after, fn)
}

// Stands implements link.Log.
func (l *linkLog) Stands(ctx context.Context, m journal.Mark) (bool, error) {
	log, _, err := l.opened(ctx)
	if err != nil {
		return false, err
	}
	return log.Stands(ctx, m)
}

// ChainedAt implements link.Log.
func (l *linkLog) ChainedAt(ctx context.Context, at journal.Position) (uint64, error) {
	log, _, err := l.opened(ctx)
	if err != nil {
		return 0, err
	}
	return log.ChainedAt(ctx, at)
}

// Size implements link.Log.
func (l *linkLog) Size(ctx context.Context) (journal.Size, error) {
	log, _, err := l.opened(ctx)
	if err != nil {
		return journal.Size{}, err
	}
	return log.Size(ctx)
}

// Latest implements link.Snapshots.
func (l *linkLog) Latest(ctx context.Context) (journal.Snapshot, bool, error) {
	_, snapshots, err := l.opened(ctx)
	if err != nil {
		return journal.Snapshot{}, false, err
	}
	return snapshots.Latest(ctx)
}
