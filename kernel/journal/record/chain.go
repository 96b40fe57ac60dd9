package record

import "time"

// Chain follows a journal record by record: it verifies that each continues the
// one before and puts batches together. An error leaves it where it stood, so
// that another copy of the same position may be tried.
type Chain struct {
	tail       Tail
	open       open
	stored     uint64 // checksum of the last record read, of the chain or not
	stragglers int    // since the last record of the chain
}

// open is a batch of which some records have come.
type open struct {
	first Position
	parts uint32 // how many have come
	data  []byte
}

// NewChain begins behind from.
func NewChain(from Tail) *Chain { return &Chain{tail: from, stored: from.Sum} }

// Tail returns where an append must continue: behind every record given so far,
// those of an unfinished batch included.
func (c *Chain) Tail() Tail { return c.tail }

// Stray reports whether a record, if it is sound, would be passed over as the first
// of a fenced writer's, and which predecessor it names. Who can read the log again
// should see that this predecessor is not what is stored before it: if it is, what
// was read there belongs to another history, and nothing may be passed over.
func (c *Chain) Stray(rec []byte) (before uint64, stray bool) {
	h, err := peek(c.tail.Last+1, rec)
	return h.Before, err == nil && h.Before != c.tail.Sum && h.Before != c.stored
}

// Add takes the record stored at position at. It returns a batch when this
// record completes one. The batch may share memory with rec. The error is a
// *Damage.
func (c *Chain) Add(at Position, rec []byte) (Batch, bool, error) {
	if at != c.tail.Last+1 {
		return Batch{}, false, c.misses(at)
	}
	h, body, err := Decode(at, rec)
	if err != nil {
		return Batch{}, false, err
	}
	if h.Before != c.tail.Sum {
		return Batch{}, false, c.passOver(h)
	}
	if err := c.continues(h); err != nil {
		return Batch{}, false, err
	}
	c.tail.Last, c.tail.Sum, c.tail.Epoch = at, h.Sum, h.Epoch
	c.stored, c.stragglers = h.Sum, 0
	data := c.collect(h, body)
	if !h.IsLast() {
		return Batch{}, false, nil
	}
	c.open = open{}
	c.tail.Batch++
	return Batch{At: h.First(), Next: c.tail, Epoch: h.Epoch, Data: data, Time: time.Unix(0, h.Time)}, true, nil
}

// misses names what it means that the record at position at comes next.
func (c *Chain) misses(at Position) error {
	want := c.tail.Last + 1
	if at < want {
		return damaged(at, Misplaced, "position %d was read before", at)
	}
	return damaged(want, Gap, "positions %d to %d are missing", want, at-1)
}

// passOver steps over a sound record that does not continue the chain. The log
// lets only one writer's records follow each other, except by an accident of
// numbers: a writer with several appends under way loses the first, another
// writer's record takes its place, and the next fits by position. That writer was
// told of no success. Its epoch says nothing: it may be any writer of late.
func (c *Chain) passOver(h Header) error {
	if c.stragglers == StragglersMax {
		return damaged(h.At, Fork, "the chain ends in %016x of epoch %d, %d records do not continue it, this one is of epoch %d",
			c.tail.Sum, c.tail.Epoch, StragglersMax+1, h.Epoch)
	}
	c.stragglers++
	c.tail.Last, c.stored = h.At, h.Sum
	return nil
}

// continues holds a chained record against the batch it should belong to.
func (c *Chain) continues(h Header) error {
	switch {
	case h.Epoch < c.tail.Epoch:
		return damaged(h.At, Fork, "epoch %d follows epoch %d", h.Epoch, c.tail.Epoch)
	case h.Ordinal != c.tail.Batch+1:
		return damaged(h.At, Torn, "batch %d follows batch %d", h.Ordinal, c.tail.Batch)
	case h.Total > BatchBytesMax:
		return damaged(h.At, BadHeader, "a batch of %d bytes, the longest is %d", h.Total, BatchBytesMax)
	case h.Part > 0 && (c.open.parts != h.Part || c.open.first != h.First()):
		return damaged(h.At, Torn, "part %d of a batch of which %d parts came before", h.Part, c.open.parts)
	}
	return nil
}

// collect adds the body to the open batch and returns what there is of it. A
// first part drops a batch that was left unfinished.
func (c *Chain) collect(h Header, body []byte) []byte {
	if h.Parts == 1 {
		return body
	}
	if h.Part == 0 {
		c.open = open{first: h.At, data: make([]byte, 0, h.Total)}
	}
	c.open.parts++
	c.open.data = append(c.open.data, body...)
	return c.open.data
}
