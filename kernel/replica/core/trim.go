package core

import "weir/kernel/journal/record"

// Bounds knows how far the log may be trimmed: behind the second newest snapshot,
// so that a damaged newest one has a fallback and a slow follower keeps its place
// for a while, and behind the oldest live payload. The zero value trims nothing.
type Bounds struct {
	older, newer record.Position // ends of the two newest snapshots
	horizon      record.Position // oldest position a live payload lies at
}

// Restored says that the replica stands on a snapshot taken at at.
func (b *Bounds) Restored(at record.Tail) { *b = Bounds{newer: at.Last} }

// Saved says that a snapshot taken at at is stored and that no payload before
// horizon was live when it was taken.
func (b *Bounds) Saved(at record.Tail, horizon record.Position) {
	if at.Last > b.newer {
		b.older, b.newer = b.newer, at.Last
	}
	b.Moved(horizon)
}

// Moved says that everything that made payloads before horizon dead is durable.
func (b *Bounds) Moved(horizon record.Position) { b.horizon = max(b.horizon, horizon) }

// Before returns the position to trim before.
func (b *Bounds) Before() record.Position { return min(b.older+1, b.horizon) }

// Held reports that live payloads, not snapshots, hold the log's beginning.
func (b *Bounds) Held() bool { return b.horizon <= b.older }

// CarryBefore is the position before which live payloads hold the log.
func (b *Bounds) CarryBefore() record.Position { return b.older + 1 }

// Carrying live payloads forward: when the log is much larger than what lives in
// it, until it is not.
const (
	// CarryLogBytesMin is the size up to which a log is left alone, where nobody
	// says otherwise.
	CarryLogBytesMin = 256 << 20
	// carryStartRatio and carryStopRatio are log bytes for each live byte. The cost
	// of carrying is one live byte written for every three that were dead.
	carryStartRatio = 4
	carryStopRatio  = 2
)

// CarryDue reports whether live payloads should be carried forward in a log that
// is left alone up to leaveBytes. under says that it is being done already: it then
// goes on to a lower mark.
func CarryDue(logBytes, liveBytes, leaveBytes uint64, under bool) bool {
	if under {
		return logBytes > carryStopRatio*liveBytes+leaveBytes/2
	}
	return logBytes > leaveBytes && logBytes > carryStartRatio*liveBytes
}
