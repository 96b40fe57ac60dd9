package host

import (
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/replica"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// over tells who waits for the end of a run, once that is durable.
func (t *tenure) over(number uint64, name string, s run.Status) {
	t.mu.Lock()
	told := t.endings[number]
	delete(t.endings, number)
	t.mu.Unlock()
	answerAll(t.dismiss(number), Reply{Status: 502, Run: name, Code: "NoResponse", Message: "The run ended and gave no response."})
	if told != nil {
		told(name, s)
	}
}

// archive writes a run that has ended as one, so that nothing else of it need be kept.
func (w *worker) archive(in input) {
	h := w.t.h
	defer in.tell(nil)
	state := w.state
	if state == nil || !state.Status.Ended() {
		state = nil
		h.unit.View(func() {
			r := h.ledger.Run(w.number)
			if r == nil || r.State() == nil || !r.Status.Ended() {
				return
			}
			state, w.name = r.State().Clone(), r.Name
		})
	}
	w.letGo()
	if state == nil {
		return
	}
	data, err := state.Archive(func(ref record.Ref) ([]byte, error) { return h.values.bytes(w.t.ctx, ref) })
	switch {
	case w.t.ctx.Err() != nil:
		return
	case err != nil:
		// It may have been carried to another place in between.
		h.log.Warn("the archive of a run must wait", "unit", h.o.Unit, "run", w.name, "error", fault.Detail(err))
		w.t.again(w.number, input{archive: true})
		return
	case len(data) > archiveBytesMax:
		h.log.Warn("a run is too large for an archive; its parts are kept instead", "unit", h.o.Unit, "run", w.name, "bytes", len(data))
		return
	}
	number := w.number
	// An ownership that has ended needs no archive: the next one makes it.
	_ = w.t.do(func(rt *replica.Turn) { _ = h.ledger.ArchiveRun(rt, number, data) })
}

// archiveBytesMax bounds what a run that has ended is written as.
const archiveBytesMax = 96 << 20

// admitMax is how many runs that waited begin with one end.
const admitMax = 100

// admit lets runs of a workflow begin that waited for others. In a turn.
func (t *tenure) admit(rt *replica.Turn, w *ledger.Workflow) {
	if w.Waiting() == 0 {
		return
	}
	var begin []uint64
	t.mu.Lock()
	for _, r := range w.Admissible(admitMax) {
		if !t.starting[r.Number] {
			t.starting[r.Number] = true
			begin = append(begin, r.Number)
		}
	}
	t.mu.Unlock()
	if len(begin) > 0 {
		rt.Reveal(func() { t.startAll(begin) })
	}
}

func (t *tenure) startAll(numbers []uint64) {
	for _, n := range numbers {
		begun := func(error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.starting, n)
		}
		if err := t.post(n, input{start: true, done: begun}); err != nil {
			begun(err)
		}
	}
}

// againPause is how long a run rests that cannot go on.
const againPause = 5 * time.Second

// again gives a run an input once more, later.
func (t *tenure) again(number uint64, in input) {
	t.mu.Lock()
	rests := t.resting[number]
	t.resting[number] = true
	t.mu.Unlock()
	if rests && in.Event == run.Tick && !in.archive && !in.start {
		return // its time is looked at when it has rested
	}
	time.AfterFunc(againPause, func() {
		t.mu.Lock()
		delete(t.resting, number)
		t.mu.Unlock()
		if t.ctx.Err() == nil {
			_ = t.post(number, in)
		}
	})
}
