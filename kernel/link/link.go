// Package link carries the journal of a unit from the primary location to the
// secondary, record by record over one connection, and tells the primary's owner
// how far the other location is. What is decided here is decided by package core;
// this is the shell around it: goroutines, connections, compression.
//
// A Sender is the primary's side of one unit on one node, a Receiver the
// secondary's. The secondary dials.
//
// Promises:
//
//  1. What package core promises: records in order, none twice, none left out,
//     acknowledged when they are durable, lags exact where they say so.
//  2. A Sender without terms binds nobody and serves nobody.
//  3. A connection that is cut costs nothing but time: the next begins behind what
//     is durable. All that was being stored is awaited first, so that the log here
//     is written by one connection at a time.
//  4. A dead peer is noticed within Limits.DeadAfter, a slow one is not taken for
//     dead as long as bytes come.
//  5. Serve and Run end all goroutines they started before they return.
//
// Refuses: to find the peer or to prove who it is (the connection was opened and
// proven before), to store a seed, to decide who is primary.
package link

import (
	"context"
	"log/slog"

	"weir/kernel/journal"
	"weir/kernel/link/core"
	"weir/kernel/replica"
)

// The values of a link live in package core, where pure packages can have them.
type (
	// Limits bound a link; the zero value is the default.
	Limits = core.Limits
	// Mode is Async or Sync.
	Mode = core.Mode
	// Terms are what was agreed for a unit.
	Terms = core.Terms
	// Lag is how far the other location is behind.
	Lag = core.Lag
	// Received is what a secondary knows.
	Received = core.Received
	// Refusal is the error of a secondary that is not served.
	Refusal = core.Refusal
)

// Modes, and what sync mode does while the other location is away.
const (
	Async   = core.Async
	Sync    = core.Sync
	Stop    = core.Stop
	Degrade = core.Degrade
)

// Errors that end a connection.
var (
	ErrStale    = core.ErrStale
	ErrSilent   = core.ErrSilent
	ErrMoved    = core.ErrMoved
	ErrProtocol = core.ErrProtocol
)

// Log is what a Sender needs of the primary's journal. A *journal.Journal is one.
type Log interface {
	Records(ctx context.Context, after journal.Mark, fn func(recs [][]byte, end journal.Position) error) error
	Stands(ctx context.Context, m journal.Mark) (bool, error)
	ChainedAt(ctx context.Context, at journal.Position) (uint64, error)
	Size(ctx context.Context) (journal.Size, error)
}

// Snapshots is where seeds come from. A *journal.Snapshots is one.
type Snapshots interface {
	Latest(ctx context.Context) (journal.Snapshot, bool, error)
}

// Observer is told what a link does, for metrics. Its methods are called on the
// link's goroutines and must be quick and not block. Embed Unobserved to implement
// only some of them.
type Observer interface {
	// Sent: records were sent, of bytes together, in a frame of wire bytes.
	Sent(records, bytes, wire int)
	// Acknowledged: the other location has more than before.
	Acknowledged(lag Lag)
	// Connected: a session began or ended.
	Connected(connected bool)
	// Degraded: sync mode goes on without the other location, or no longer.
	Degraded(degraded bool)
}

// Unobserved is an Observer that does nothing.
type Unobserved struct{}

// Sent does nothing.
func (Unobserved) Sent(int, int, int) {}

// Acknowledged does nothing.
func (Unobserved) Acknowledged(Lag) {}

// Connected does nothing.
func (Unobserved) Connected(bool) {}

// Degraded does nothing.
func (Unobserved) Degraded(bool) {}

var (
	_ Observer        = Unobserved{}
	_ Log             = (*journal.Journal)(nil)
	_ Snapshots       = (*journal.Snapshots)(nil)
	_ replica.Barrier = (*Sender)(nil)
	_ replica.Source  = (*Receiver)(nil)
)

func loggerOr(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
