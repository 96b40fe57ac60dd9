package record

import "time"

// Cutter cuts one batch into its records, one at a time, so that a long one
// need not be held twice.
type Cutter struct {
	tail  Tail
	epoch uint64
	rest  []byte
	head  Header
}

// Cut begins to cut batch into the records that append it to tail, under the
// writer's epoch, at the writer's time.
func Cut(tail Tail, epoch uint64, now time.Time, batch []byte) *Cutter {
	return &Cutter{tail: tail, epoch: epoch, rest: batch, head: Header{
		Parts:   uint32(Parts(len(batch))),
		Total:   uint32(len(batch)),
		Ordinal: tail.Batch + 1,
		Epoch:   epoch,
		Time:    now.UnixNano(),
	}}
}

// Next returns the next record in a slice of its own; false after the last.
func (c *Cutter) Next() ([]byte, bool) {
	h := &c.head
	if h.Part == h.Parts {
		return nil, false
	}
	body := c.rest[:min(len(c.rest), PartBytes)]
	c.rest = c.rest[len(body):]
	h.At, h.Before = c.tail.Last+1, c.tail.Sum
	var header [HeaderBytes]byte
	rec := append(header[:], body...) // one allocation, not cleared before it is written
	c.tail.Last, c.tail.Sum, c.tail.Epoch = h.At, h.seal(rec), c.epoch
	h.Part++
	if h.Part == h.Parts {
		c.tail.Batch++
	}
	return rec, true
}

// Tail returns the tail behind the last record that Next gave.
func (c *Cutter) Tail() Tail { return c.tail }

// Split returns all the records that append batch to tail, and the tail behind
// them. The records are copies: batch may be used again.
func Split(tail Tail, epoch uint64, now time.Time, batch []byte) ([][]byte, Tail) {
	c := Cut(tail, epoch, now, batch)
	records := make([][]byte, 0, Parts(len(batch)))
	for rec, ok := c.Next(); ok; rec, ok = c.Next() {
		records = append(records, rec)
	}
	return records, c.Tail()
}
