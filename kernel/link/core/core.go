// Package core is the link between two locations as bytes and two pure state
// machines: the frames, the primary's side (Sender) and the secondary's side
// (Receiver) of one unit.
//
// It starts nothing, opens nothing and reads no clock. Its driver (package link, or
// a simulation) tells a machine what happened and when, and does what it answers.
// One goroutine at a time may use a machine.
//
// Words: a *session* is one connection from its hello on. A *mark* is the position
// and the checksum of a record: both together say which history it is. What is
// *covered* is durable in the other location, or need not be.
//
// Promises:
//
//  1. Records are taken in order: none twice, none left out, each with its own
//     checksum, whatever connections do.
//  2. An acknowledgement is taken only for what was sent in this session and bears
//     the checksum of the record at its position; acknowledged is at most durable.
//  3. What is under way is bounded by the window of the receiver and by
//     FramesInFlightMax; each frame is bounded by its kind.
//  4. In sync mode, nothing is covered that the other location has not
//     acknowledged, except while degraded, which the terms must allow.
//  5. The lag is exact in messages and bytes from the place where this owner began
//     to count, as long as at most bookEntriesMax batches are behind; beyond both
//     it is an estimate, says so, and errs on the side of more.
//  6. A peer of another history, of an older term or of another protocol is refused
//     by name.
//
// Refuses: to know what records mean, to choose who is primary, to compress.
package core

import (
	"cmp"
	"time"

	"weir/kernel/journal/record"
)

// Mark is the newest record of a log.
type Mark = record.Mark

// Limits bound a link. The zero value of each is its default.
type Limits struct {
	// WindowBytes is how much may be sent and not acknowledged; 0 is 16 MiB. Of what
	// both sides say the smaller counts.
	WindowBytes uint64
	// BeatEvery is how often each side says something at least; 0 is 200 ms.
	BeatEvery time.Duration
	// DeadAfter is how long nothing at all may come from the other side before the
	// connection is given up; 0 is 1 s. Bytes of an unfinished frame count.
	DeadAfter time.Duration
	// HelloTimeout is how long a connection may take to be agreed on; 0 is 5 s.
	HelloTimeout time.Duration
	// AwayAfter is how long the other location may be silent, or beat or connect anew and
	// acknowledge nothing that waits, before it counts as away; 0 is 3 s.
	AwayAfter time.Duration
	// CaughtUp is how old the oldest unacknowledged batch may be for a degraded link
	// to be whole again; 0 is 500 ms.
	CaughtUp time.Duration
	// PauseMax is the longest pause that Admit asks for; 0 is 50 ms.
	PauseMax time.Duration
}

// Defaults returns l with every zero value replaced by its default.
func (l Limits) Defaults() Limits {
	return Limits{
		WindowBytes:  cmp.Or(l.WindowBytes, 16<<20),
		BeatEvery:    cmp.Or(l.BeatEvery, 200*time.Millisecond),
		DeadAfter:    cmp.Or(l.DeadAfter, time.Second),
		HelloTimeout: cmp.Or(l.HelloTimeout, 5*time.Second),
		AwayAfter:    cmp.Or(l.AwayAfter, 3*time.Second),
		CaughtUp:     cmp.Or(l.CaughtUp, 500*time.Millisecond),
		PauseMax:     cmp.Or(l.PauseMax, 50*time.Millisecond),
	}
}

// Mode says what an owner waits for.
type Mode string

const (
	// Async: an owner reveals what is durable here; the lag is bounded.
	Async Mode = "async"
	// Sync: an owner reveals what is durable in both locations.
	Sync Mode = "sync"
)

// What sync mode does while the other location is away.
const (
	// Stop: nothing is revealed until it is back.
	Stop = "stop"
	// Degrade: it goes on as if async, with an alarm, until the other has caught up.
	Degrade = "degrade"
)

// Terms are what was agreed for a unit. The zero Terms are of a unit that is in no
// group: nothing is bound, nobody is served.
type Terms struct {
	Mode Mode
	// LagMessages, LagBytes and LagTime bound in async mode how far the other location
	// may be behind; 0: not bounded.
	LagMessages, LagBytes uint64
	LagTime               time.Duration
	// WhenAway is Stop (also when empty) or Degrade; in sync mode.
	WhenAway string
	// Patience is how long the other location must be away before sync mode degrades, if
	// that is longer than Limits.AwayAfter: as long as an ownership may last that nobody
	// confirms. Who goes on alone then has been confirmed since the other one fell
	// silent, so the other one does not own in the meantime, and misses nothing.
	Patience time.Duration
	// Term is the location's ownership of the group.
	Term uint64
	// Watched: the unit is in a group.
	Watched bool
}

// Lag is how far the other location is behind.
type Lag struct {
	// Messages counts facts that were appended and not acknowledged, Bytes those of
	// their batches.
	Messages, Bytes uint64
	// Time is the age of the oldest of them.
	Time time.Duration
	// Estimated: a part of it was appended before this side began to count, and is
	// counted by records.
	Estimated bool
	Connected bool
	// Acked is the last position the other location has for sure, End the last one here.
	Acked, End record.Position
	// Peer is the name of the other location, once it is known.
	Peer string
	// Degraded: sync mode goes on without the other location.
	Degraded bool
}

// Tally counts what was appended from some place on.
type Tally struct{ Messages, Bytes uint64 }

// minus is t less earlier, never below zero.
func (t Tally) minus(earlier Tally) Tally {
	return Tally{t.Messages - min(t.Messages, earlier.Messages), t.Bytes - min(t.Bytes, earlier.Bytes)}
}

func (t Tally) plus(more Tally) Tally {
	return Tally{t.Messages + more.Messages, t.Bytes + more.Bytes}
}
