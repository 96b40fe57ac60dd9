package core

import (
	"time"

	"weir/kernel/journal/record"
)

// bookEntriesMax is how many batches are remembered one by one. Beyond, neighbours
// are counted as one, which is acknowledged when its last is.
const bookEntriesMax = 1 << 15

// tallyOrigin is where a tally begins: far enough from 0 to count backwards too.
// Only differences mean something.
const tallyOrigin = 1 << 60

// book remembers what was appended and is not acknowledged.
type book struct {
	floor   entry           // what is before the entries: acknowledged, or from before the count began
	average uint64          // bytes of a record before the floor, about
	entries []entry         // behind the floor, oldest first
	end     entry           // of the log, as far as it was told
	start   record.Position // what is before it is counted by records
	exact   record.Position // a count from before it is an estimate
}

// entry is one batch: the position of its last record and all that was appended
// up to and with it.
type entry struct {
	at    record.Position
	tally Tally
	time  time.Time // when it was told of
}

// begin starts to count at a position. What is before is counted by records.
func (b *book) begin(at record.Position, average uint64, now time.Time) {
	b.average, b.start, b.exact = average, at, at
	b.floor = entry{at, Tally{tallyOrigin, tallyOrigin}, now}
	b.entries, b.end = b.entries[:0], b.floor
}

// append adds a batch that ends at a position.
func (b *book) append(at record.Position, bytes, facts uint64, now time.Time) {
	b.end = entry{at, b.end.tally.plus(Tally{facts, bytes}), now}
	if len(b.entries) == bookEntriesMax {
		b.merge()
	}
	b.entries = append(b.entries, b.end)
}

// merge makes one of each two neighbours, except of the newest quarter: what is
// about to be acknowledged when the other side has caught up stays exact. Each
// keeps the time of its older half and the place of its newer.
func (b *book) merge() {
	old := len(b.entries) * 3 / 4
	kept := b.entries[:0]
	for i := 0; i+1 < old; i += 2 {
		e := b.entries[i+1]
		e.time = b.entries[i].time
		kept = append(kept, e)
	}
	b.exact = kept[len(kept)-1].at
	b.entries = append(kept, b.entries[old&^1:]...)
}

// skip adds what was appended by somebody else up to a position, counted by records.
func (b *book) skip(at record.Position, now time.Time) {
	if at > b.end.at {
		n := uint64(at - b.end.at)
		b.append(at, n*b.average, n, now)
		b.start, b.exact = at, at
	}
}

// settle forgets what is not behind a position.
func (b *book) settle(at record.Position) {
	n := 0
	for n < len(b.entries) && b.entries[n].at <= at {
		n++
	}
	if n > 0 {
		b.floor = b.entries[n-1]
		b.entries = b.entries[n:]
	}
}

// at returns what was appended up to a position: to the last whole batch behind
// the floor, by records before it.
func (b *book) at(p record.Position) Tally {
	if p < b.floor.at {
		before := uint64(b.floor.at - p)
		return b.floor.tally.minus(Tally{before, before * b.average})
	}
	got := b.floor.tally
	low, high := 0, len(b.entries) // entries before low are at or before p
	for low < high {
		if mid := (low + high) / 2; b.entries[mid].at <= p {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low > 0 {
		got = b.entries[low-1].tally
	}
	return got
}

// oldest returns when the oldest batch behind a position was told of; false when
// there is none.
func (b *book) oldest(behind record.Position) (time.Time, bool) {
	if behind < b.floor.at {
		return b.floor.time, true
	}
	for _, e := range b.entries {
		if e.at > behind {
			return e.time, true
		}
	}
	return time.Time{}, false
}
