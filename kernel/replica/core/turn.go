package core

import (
	"fmt"
	"time"

	"weir/kernel/journal/record"
)

// Turn is one turn of work on the owner: the time, and the place to record facts
// and reveals. It is good only inside the function it was given to.
type Turn struct {
	r      *Replica
	active bool
}

// Now returns the unit's time. It never runs backwards (promise 5) and is the
// same throughout the turn.
func (t *Turn) Now() time.Time { return t.r.clock.time() }

// Epoch returns the number of the ownership this turn belongs to.
func (t *Turn) Epoch() uint64 { return t.r.epoch }

// Record copies the fact into the open batch and returns where it will lie. The
// caller folds it into the machine itself, at once.
func (t *Turn) Record(fact []byte) record.Ref {
	t.check(len(fact))
	off, n := t.r.opened().add(fact)
	return record.Ref{At: t.r.next.Last + 1, Off: uint32(off), Len: uint32(n)}
}

// RecordParts is Record for a fact that lies in pieces: a head and a payload.
func (t *Turn) RecordParts(parts ...[]byte) record.Ref {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	t.check(n)
	off, n := t.r.opened().add(parts...)
	return record.Ref{At: t.r.next.Last + 1, Off: uint32(off), Len: uint32(n)}
}

// Room returns how many bytes of facts this turn may still record; at least
// TurnBytesMax at its beginning.
func (t *Turn) Room() int {
	return record.BatchBytesMax - len(t.r.open.data) - headBytes - lengthBytesMax
}

// lengthBytesMax is the longest prefix of a fact that fits a batch.
const lengthBytesMax = 5

func (t *Turn) check(n int) {
	must(t.active, "a turn was used after it ended")
	if n > t.Room() {
		panic(fmt.Sprintf("replica/core: a fact of %d bytes where %d are left: bound what one turn records by Turn.Room", n, t.Room()))
	}
}

// Reveal asks for fn to run once everything recorded so far is durable: in order,
// and at once when nothing is pending. fn is dropped when the ownership ends
// before. It must not block and must not wait for another turn.
func (t *Turn) Reveal(fn func()) {
	must(t.active, "a turn was used after it ended")
	r := t.r
	switch {
	case r.open.count > 0:
		r.open.reveals = append(r.open.reveals, fn)
	case len(r.flight) > 0:
		last := r.flight[len(r.flight)-1]
		last.reveals = append(last.reveals, fn)
	default:
		r.ready.Reveals = append(r.ready.Reveals, fn)
	}
}

// Turn runs work as one turn at the given reading of the owner's clock and
// reports whether it did: only an owner takes turns.
func (r *Replica) Turn(now time.Time, work func(*Turn)) bool {
	if r.role != Owner {
		return false
	}
	must(r.ready.Append == nil && !r.unsubmitted(), "turn: an append was not submitted")
	r.clock.read(now)
	facts, reveals := r.open.count, len(r.open.reveals)
	r.turn.active = true
	work(&r.turn)
	r.turn.active = false
	if r.open.count == facts && len(r.open.reveals) > reveals {
		r.open.urgent = true
	}
	return true
}

// opened returns the open batch, begun if it was not.
func (r *Replica) opened() *batch {
	if r.open.data == nil {
		if r.spare == nil {
			r.spare = make([]byte, 0, spareBytes)
		}
		r.open.begin(r.epoch, r.spare)
		r.spare = nil
	}
	return &r.open
}

const (
	// spareBytes is what a new batch's memory begins with.
	spareBytes = 64 << 10
	// spareBytesMax is the largest memory kept for the next batch: one rare large
	// batch is not paid for ever after.
	spareBytesMax = 2 * gatherBytesMax
)
