package replica

import (
	"time"

	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

// Observer is told what a unit does, for metrics. Its methods are called on the
// unit's goroutines and must be quick and not block. Embed Unobserved to implement
// only some of them.
type Observer interface {
	// Turns: n turns were taken in one go.
	Turns(n int)
	// Appended: a batch became durable; took is from submission to the answer.
	Appended(bytes, facts int, took time.Duration)
	// Revealed: n reveals ran; took is from the first turn of their batch.
	Revealed(n int, took time.Duration)
	// Folded: a follower folded a batch, lag after it was written.
	Folded(bytes int, lag time.Duration)
	// Snapshot: one was saved. The machine stood still for pause; saving took took.
	Snapshot(bytes int, pause, took time.Duration)
	// Trimmed: the log was trimmed and is of this size now.
	Trimmed(size journal.Size)
	// Carried: old payloads were recorded once more.
	Carried(payloads, bytes int)
	// Role: the replica's role or epoch changed.
	Role(role core.Role, epoch uint64)
}

// Unobserved is an Observer that does nothing.
type Unobserved struct{}

// Turns does nothing.
func (Unobserved) Turns(int) {}

// Appended does nothing.
func (Unobserved) Appended(int, int, time.Duration) {}

// Revealed does nothing.
func (Unobserved) Revealed(int, time.Duration) {}

// Folded does nothing.
func (Unobserved) Folded(int, time.Duration) {}

// Snapshot does nothing.
func (Unobserved) Snapshot(int, time.Duration, time.Duration) {}

// Trimmed does nothing.
func (Unobserved) Trimmed(journal.Size) {}

// Carried does nothing.
func (Unobserved) Carried(int, int) {}

// Role does nothing.
func (Unobserved) Role(core.Role, uint64) {}

var _ Observer = Unobserved{}
