package rest

import (
	"sync/atomic"

	"weir/kernel/fault"
)

// bodiesBytesMax bounds what the bodies of all requests under way may take together.
const bodiesBytesMax = 1 << 30

// budget counts bytes that are promised.
type budget struct{ taken atomic.Int64 }

// take promises bytes to a request, until the function it returns is called.
func (b *budget) take(n int64) (giveBack func(), err error) {
	if b.taken.Add(n) > bodiesBytesMax {
		b.taken.Add(-n)
		return nil, fault.New(fault.Busy, "Requests with large bodies are under way. Please try again.")
	}
	return func() { b.taken.Add(-n) }, nil
}
