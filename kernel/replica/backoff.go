package replica

import (
	"context"
	"time"
)

// backoff spaces attempts: from backoffMin, doubling to backoffMax.
type backoff struct{ next time.Duration }

const (
	backoffMin = 20 * time.Millisecond
	backoffMax = 2 * time.Second
)

// wait waits for the next attempt's time, or until ctx ends.
func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(b.next, backoffMin), backoffMax)
	rest(ctx, b.next)
	b.next *= 2
}

func (b *backoff) reset() { b.next = 0 }

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
