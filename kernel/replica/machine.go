package replica

import (
	"context"

	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// Turn is one turn of work on the owner: Now, Epoch, Record, RecordParts, Room
// and Reveal.
type Turn = core.Turn

// Machine is what a service gives: a pure fold. The unit calls it from one
// goroutine at a time, and never while a View runs.
type Machine = core.Machine

// Compactor is a Machine whose state refers to payloads in the log. The unit
// trims the log behind the oldest of them, and when little of a long log is
// alive it has the old payloads recorded once more instead of keeping all that
// lies around them.
type Compactor interface {
	Machine
	// Horizon returns the oldest position a live payload lies at, 0 for none.
	Horizon() journal.Position
	// LiveBytes returns about how many bytes all live payloads take.
	LiveBytes() uint64
	// Live returns live payloads that lie before a position, oldest first: at
	// least one when there is one, then no more than maxBytes together.
	Live(before journal.Position, maxBytes int) []journal.Ref
	// Carry records the payload again and lets what referred to old refer to the
	// new place. It does nothing when old is dead by now.
	Carry(t *Turn, old journal.Ref, payload []byte)
}

// Log is what a unit needs of its journal. A *journal.Journal is one.
type Log interface {
	Append(ctx context.Context, expect journal.Tail, epoch uint64, batch []byte) *journal.Pending
	Replay(ctx context.Context, from journal.Tail, fn func(journal.Batch) error) (journal.Tail, error)
	Follow(ctx context.Context, from journal.Tail, fn func(journal.Batch) error) error
	Read(ctx context.Context, ref journal.Ref) ([]byte, error)
	Trim(ctx context.Context, before journal.Position) error
	Size(ctx context.Context) (journal.Size, error)
	CopyLog
}

// Snapshots is where a unit keeps its snapshots. A *journal.Snapshots is one.
type Snapshots interface {
	Save(ctx context.Context, at journal.Tail, data []byte) error
	Latest(ctx context.Context) (journal.Snapshot, bool, error)
}

// Leases says who owns which unit. A *journal.Leases is one.
type Leases interface {
	Get(ctx context.Context, unit string) (journal.Lease, bool, error)
	Acquire(ctx context.Context, want journal.Lease) (journal.Lease, error)
	Renew(ctx context.Context, held journal.Lease) (journal.Lease, error)
	Release(ctx context.Context, held journal.Lease) error
	Watch(ctx context.Context, unit string, fn func(journal.Lease)) error
}

var (
	_ Log       = (*journal.Journal)(nil)
	_ Snapshots = (*journal.Snapshots)(nil)
	_ Leases    = (*journal.Leases)(nil)
)
