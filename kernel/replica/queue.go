package replica

import (
	"context"
	"sync"

	"weir/kernel/fault"
)

// queueMax bounds the pieces of work that wait for the decider.
const queueMax = 1024

// queue holds the work that waits for the decider. It takes work for one
// ownership at a time and is closed between them: work that was given to an
// ownership never runs in another.
type queue struct {
	unit   string
	mu     sync.Mutex
	works  []func(*Turn)
	tenure *tenure       // the ownership that takes work, nil for none
	room   chan struct{} // closed when there is room again; nil while nobody waits
	signal chan struct{} // holds one token while there may be work
}

func newQueue(unit string) *queue { return &queue{unit: unit, signal: make(chan struct{}, 1)} }

// push adds work and returns the ownership that will do it. It waits for room
// until ctx ends.
func (q *queue) push(ctx context.Context, work func(*Turn)) (*tenure, error) {
	for {
		t, room, err := q.offer(work)
		if room == nil {
			return t, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, q.busy(ctx.Err())
		}
	}
}

// try adds work if there is room.
func (q *queue) try(work func(*Turn)) error {
	_, room, err := q.offer(work)
	if room != nil {
		return q.busy(nil)
	}
	return err
}

// offer adds work, or returns a channel that closes when there is room for it.
func (q *queue) offer(work func(*Turn)) (t *tenure, room <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.tenure == nil:
		return nil, nil, fault.New(fault.NotOwner, "This node does not own %s.", q.unit)
	case len(q.works) == queueMax:
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return nil, q.room, nil
	}
	q.works = append(q.works, work)
	if len(q.works) == 1 {
		poke(q.signal)
	}
	return q.tenure, nil, nil
}

func (q *queue) busy(cause error) error {
	return fault.Wrap(fault.Busy, cause, "Too much work waits for %s.", q.unit)
}

// take returns all the work that waits, in order. It keeps reuse, which is empty,
// as memory for the work to come.
func (q *queue) take(reuse []func(*Turn)) []func(*Turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	works := q.works
	q.works = reuse
	q.makeRoom()
	return works
}

// open lets the queue take work for an ownership.
func (q *queue) open(t *tenure) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.works, q.tenure = nil, t
}

// close refuses further work and returns what was waiting.
func (q *queue) close() []func(*Turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.works
	q.works, q.tenure = nil, nil
	q.makeRoom()
	return rest
}

func (q *queue) makeRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// poke puts a token into a channel of capacity one, if there is none.
func poke(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
