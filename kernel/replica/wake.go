package replica

import (
	"math"
	"sync/atomic"
	"time"
)

// waker keeps the earliest time OnWake was asked for.
type waker struct {
	at     atomic.Int64 // nanoseconds since 1970; 0 is none
	signal chan struct{}
}

// ask asks for a time; the earliest counts.
func (w *waker) ask(at time.Time) {
	if at.IsZero() {
		return
	}
	ns := max(at.UnixNano(), 1)
	for {
		old := w.at.Load()
		if old != 0 && old <= ns {
			return
		}
		if w.at.CompareAndSwap(old, ns) {
			poke(w.signal)
			return
		}
	}
}

// due reports whether the time asked for has come, and takes it then.
func (w *waker) due(now time.Time) bool {
	at := w.at.Load()
	return at != 0 && at <= now.UnixNano() && w.at.CompareAndSwap(at, 0)
}

// next returns the time asked for in nanoseconds since 1970, the largest there is
// for none.
func (w *waker) next() int64 {
	if at := w.at.Load(); at != 0 {
		return at
	}
	return math.MaxInt64
}
