package host

import (
	"context"
	"sync"

	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/service/workflow/internal/run"
)

// tenure is one ownership: what is under way in it, which ends with it.
type tenure struct {
	h      *Host
	epoch  uint64
	ctx    context.Context
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu       sync.Mutex
	ended    bool
	workers  map[uint64]*worker // by the number of the run
	ready    fifo[*worker]      // with something in their mailboxes
	hands    int                // goroutines that let runs go on
	kept     int                // copies of states that are kept
	callers  map[uint64][]chan<- Reply
	endings  map[uint64]func(string, run.Status)
	calls    fifo[*call] // that wait
	calling  int         // goroutines that call
	starting map[uint64]bool
	resting  map[uint64]bool // runs that cannot go on and are tried again later: no time wakes them

	// Only turns use these.
	sweep  int64 // when runs that are due were looked for, unix microseconds
	forget int64 // when runs are forgotten next
}

func newTenure(h *Host, epoch uint64) *tenure {
	t := &tenure{h: h, epoch: epoch, workers: map[uint64]*worker{}, callers: map[uint64][]chan<- Reply{}, endings: map[uint64]func(string, run.Status){}, starting: map[uint64]bool{}, resting: map[uint64]bool{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// reign takes everything up, and lasts as long as the ownership.
func (t *tenure) reign() {
	lost := t.h.unit.Lost()
	if o := t.h.unit.Ownership(); !o.Self || o.Epoch != t.epoch {
		t.cancel()
		return
	}
	t.h.crown(t, true)
	t.busy.Go(t.takeUp)
	select {
	case <-lost:
	case <-t.ctx.Done():
	case <-t.h.life.Done():
	}
	t.end()
	t.busy.Wait()
}

// end lets go of all that is under way. Callers are told to try again.
func (t *tenure) end() {
	t.cancel()
	t.h.crown(t, false)
	t.mu.Lock()
	first := !t.ended
	t.ended = true
	callers := t.callers
	t.callers = nil
	if first {
		t.workers, t.endings = nil, nil
		t.ready, t.calls = fifo[*worker]{}, fifo[*call]{}
	}
	t.mu.Unlock()
	for _, c := range callers {
		answerAll(c, Reply{Status: statusMoved, Code: "ServiceUnavailable", Message: "The workflow moves to another node; its run goes on there. Try again."})
	}
}

func answer(c chan<- Reply, r Reply) {
	select {
	case c <- r:
	default: // nobody has room for it: a caller of two answers takes the first
	}
}

// do queues work for a turn of this ownership and no other.
func (t *tenure) do(work func(*replica.Turn)) error {
	return t.h.unit.Do(func(rt *replica.Turn) { t.turn(rt, work) })
}

// call is do that waits until what was recorded is durable.
func (t *tenure) call(ctx context.Context, work func(*replica.Turn)) error {
	ran := false
	err := t.h.unit.Call(ctx, func(rt *replica.Turn) { ran = t.turn(rt, work) })
	if err == nil && !ran {
		return t.lost()
	}
	return err
}

func (t *tenure) turn(rt *replica.Turn, work func(*replica.Turn)) bool {
	if t.h.reigning != t {
		return false
	}
	t.h.saw(rt)
	work(rt)
	t.h.wake(rt)
	return true
}

func (t *tenure) lost() error {
	return fault.New(fault.Unavailable, "This node has lost %s; the request may have taken effect.", t.h.o.Unit)
}

// post gives a run an input. It never waits.
func (t *tenure) post(number uint64, in input) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return t.lost()
	}
	w := t.worker(number)
	if len(w.inbox) >= t.h.limits.MailboxInputs {
		return fault.New(fault.Busy, "Too much waits for run %d.", number)
	}
	if in.Event == run.Tick && !in.archive && !in.start {
		if w.ticking || t.resting[number] {
			if !w.queued && w.flying == 0 && len(w.inbox) == 0 {
				delete(t.workers, number)
			}
			return nil
		}
		w.ticking = true
	}
	w.inbox = append(w.inbox, in)
	t.queue(w)
	return nil
}

// worker gives who works on a run. With the lock held.
func (t *tenure) worker(number uint64) *worker {
	w := t.workers[number]
	if w == nil {
		w = &worker{t: t, number: number}
		t.workers[number] = w
	}
	return w
}

// queue has a worker looked after. With the lock held.
func (t *tenure) queue(w *worker) {
	if w.queued {
		return
	}
	w.queued = true
	t.ready.push(w)
	if t.hands < t.h.limits.Workers {
		t.hands++
		t.busy.Go(t.work)
	}
}

// work lets runs go on, one after the other, while there is something to do.
func (t *tenure) work() {
	for {
		t.mu.Lock()
		w, ok := t.ready.pop()
		if !ok || t.ended {
			t.hands--
			t.mu.Unlock()
			return
		}
		in := w.inbox[0]
		w.inbox[0] = input{}
		w.inbox = w.inbox[1:]
		t.mu.Unlock()
		w.take(in)
		t.mu.Lock()
		if in.Event == run.Tick {
			w.ticking = false
		}
		w.queued = false
		switch {
		case t.ended:
		case len(w.inbox) > 0:
			t.queue(w)
		case w.flying == 0:
			t.drop(w)
			delete(t.workers, w.number)
		case w.state != nil && t.kept > t.h.limits.ClonesKept:
			t.drop(w)
		}
		t.mu.Unlock()
	}
}

// drop lets go of a worker's copy of the state. With the lock held.
func (t *tenure) drop(w *worker) {
	if w.counted {
		w.counted = false
		t.kept--
	}
	w.state = nil
}

// fifo is a queue that gives its memory back.
type fifo[T any] struct {
	items []T
	first int
}

func (f *fifo[T]) push(x T) { f.items = append(f.items, x) }

func (f *fifo[T]) pop() (x T, ok bool) {
	if f.first == len(f.items) {
		return x, false
	}
	var none T
	x, f.items[f.first] = f.items[f.first], none
	if f.first++; f.first == len(f.items) {
		f.items, f.first = f.items[:0], 0
		if cap(f.items) > 1024 {
			f.items = nil
		}
	} else if f.first > 1024 && f.first > len(f.items)/2 {
		f.items, f.first = append([]T(nil), f.items[f.first:]...), 0
	}
	return x, true
}

func (f *fifo[T]) len() int { return len(f.items) - f.first }
