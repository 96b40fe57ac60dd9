package replica

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/wall"
	"weir/kernel/journal"
)

const (
	// revealsMax bounds the reveals that wait; the decider takes no turn while
	// there are more.
	revealsMax = 1 << 16
	// revealsPerLook is how many reveals run between two looks at the lease.
	revealsPerLook = 32
)

// revealer runs the reveals of one ownership, in order, on a goroutine of its
// own, as long as the lease is safe.
type revealer struct {
	gate    *gate
	barrier Barrier
	watch   Observer

	mu      sync.Mutex
	waiting []reveals
	count   int
	room    chan struct{} // closed when count is under the bound again

	signal chan struct{}
	quit   chan struct{}
	ended  atomic.Bool
	done   chan struct{}
}

// reveals are those of one batch, when the first of its turns was taken, and the last
// record that must be where the other location needs it.
type reveals struct {
	fns    []func()
	opened time.Time
	at     journal.Position
}

func startRevealer(g *gate, b Barrier, watch Observer) *revealer {
	r := &revealer{gate: g, barrier: b, watch: watch, signal: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	return r
}

// add gives reveals whose facts are durable.
func (r *revealer) add(rs reveals) {
	r.mu.Lock()
	r.waiting = append(r.waiting, rs)
	r.count += len(rs.fns)
	r.mu.Unlock()
	poke(r.signal)
}

// full returns a channel that closes when there is room again, nil when there is
// room.
func (r *revealer) full() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count < revealsMax {
		return nil
	}
	if r.room == nil {
		r.room = make(chan struct{})
	}
	return r.room
}

// stop drops what has not run and returns when nothing runs any more.
func (r *revealer) stop() {
	if !r.ended.Swap(true) {
		close(r.quit)
	}
	<-r.done
}

// drain waits until all that was given has run; false when ctx ends, the lease is
// lost or the unit is to be something else again before.
func (r *revealer) drain(ctx context.Context, at journal.Position, lost, changed, revoked <-chan struct{}) bool {
	ran := make(chan struct{})
	r.add(reveals{fns: []func(){func() { close(ran) }}, opened: wall.Now(), at: at})
	select {
	case <-ran:
		return true
	case <-lost:
	case <-changed:
	case <-revoked:
	case <-ctx.Done():
	}
	return false
}

func (r *revealer) run() {
	defer close(r.done)
	for {
		select {
		case <-r.quit:
			return
		case <-r.signal:
		}
		for {
			rs, ok := r.next()
			if !ok {
				break
			}
			if !r.reveal(rs) {
				return
			}
		}
	}
}

func (r *revealer) next() (reveals, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return reveals{}, false
	}
	rs := r.waiting[0]
	r.waiting[0] = reveals{}
	r.waiting = r.waiting[1:]
	return rs, true
}

// reveal runs the reveals of one batch and reports false when the ownership
// ended meanwhile.
func (r *revealer) reveal(rs reveals) bool {
	if !r.covered(rs.at) {
		return false
	}
	for i, fn := range rs.fns {
		if i%revealsPerLook == 0 && !r.gate.pass(r.quit) {
			return false
		}
		if r.ended.Load() {
			return false
		}
		fn()
	}
	r.watch.Revealed(len(rs.fns), time.Since(rs.opened))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count -= len(rs.fns); r.count < revealsMax && r.room != nil {
		close(r.room)
		r.room = nil
	}
	return true
}

// covered waits until the other location is as far as it must be; false when the
// ownership ends before.
func (r *revealer) covered(at journal.Position) bool {
	for wait := r.barrier.Covered(at); wait != nil; wait = r.barrier.Covered(at) {
		select {
		case <-wait:
		case <-r.quit:
			return false
		}
	}
	return true
}

// gate lets reveals pass while the lease and the location's permit are safe: the lease
// until some time after the last renewal, by the local monotonic clock.
type gate struct {
	permit *Permit

	mu      sync.Mutex
	until   time.Time
	changed chan struct{}
}

func newGate(p *Permit) *gate { return &gate{permit: p, changed: make(chan struct{})} }

// extend moves the time up to which the lease is safe; the zero time closes the
// gate.
func (g *gate) extend(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = until
	close(g.changed)
	g.changed = make(chan struct{})
}

// pass waits until both are safe and reports false when quit closes first.
func (g *gate) pass(quit <-chan struct{}) bool {
	for {
		g.mu.Lock()
		safe, changed := wall.Now().Before(g.until), g.changed
		g.mu.Unlock()
		permitted, news := g.permit.holds()
		if safe && permitted {
			return true
		}
		select {
		case <-quit:
			return false
		case <-changed:
		case <-news:
		}
	}
}
