package host

import (
	"time"

	"weir/kernel/replica"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
)

// sweepEvery is the least time between two looks for runs that are due while some of those
// that were found have not gone on, sweepMax how many one look finds.
const (
	sweepEvery = 50 * time.Millisecond
	sweepMax   = 20_000
)

// wake asks for the next look. In a turn.
func (h *Host) wake(rt *replica.Turn) {
	at := h.ledger.NextDue()
	if at == 0 {
		return
	}
	if soonest := h.reigning.sweep + sweepEvery.Microseconds(); at <= rt.Now().UnixMicro() {
		at = max(at, soonest)
	}
	h.unit.Wake(time.UnixMicro(at))
}

// Woken is the turn that was asked for. It says when it wants to run next.
func (h *Host) Woken(rt *replica.Turn) time.Time {
	t := h.reigning
	if t == nil {
		return time.Time{}
	}
	h.saw(rt)
	now := rt.Now().UnixMicro()
	t.sweep = now
	next := h.forget(rt, t, now)
	if due := h.ledger.Overdue(now, sweepMax); len(due) > 0 {
		numbers := make([]uint64, len(due))
		for k, r := range due {
			numbers[k] = r.Number
		}
		rt.Reveal(func() {
			for _, n := range numbers {
				_ = t.post(n, input{Input: run.Input{Event: run.Tick}}) // a full mailbox: the next look tries again
			}
		})
		next = min(next, now+sweepEvery.Microseconds())
	} else if at := h.ledger.NextDue(); at != 0 {
		next = min(next, at)
	}
	return time.UnixMicro(next)
}

// forget lets go of runs that are past their retention, and says when to do so next.
func (h *Host) forget(rt *replica.Turn, t *tenure, now int64) int64 {
	if h.limits.Retention < 0 {
		return now + h.limits.ForgetEvery.Microseconds()
	}
	if now >= t.forget {
		t.forget = now + h.limits.ForgetEvery.Microseconds()
		if n := h.ledger.Forget(rt, now-h.limits.Retention.Microseconds(), h.limits.ForgetRuns); n >= h.limits.ForgetRuns {
			t.forget = now + time.Second.Microseconds()
		}
	}
	return t.forget
}

// recovering bounds the runs that are taken up at the same time.
const recovering = 1024

// takeUp goes on where the log ends: runs that have not ended, archives that were not
// written, runs that waited and may begin.
func (t *tenure) takeUp() {
	h := t.h
	var open, left, done, begin []uint64
	h.unit.View(func() {
		for _, r := range h.ledger.Unarchived(1 << 30) {
			done = append(done, r.Number)
		}
		h.ledger.Unfinished(func(r *ledger.Run) {
			if r.State() == nil {
				return
			}
			open = append(open, r.Number)
			if r.State().Caller == run.CallerWaits && !nestedName(r.Name) {
				left = append(left, r.Number)
			}
		})
		for _, r := range h.ledger.Admissible(1 << 30) {
			begin = append(begin, r.Number)
		}
	})
	t.mu.Lock()
	for _, n := range begin {
		t.starting[n] = true
	}
	t.mu.Unlock()
	gone := map[uint64]bool{}
	for _, n := range left {
		gone[n] = true
	}
	tokens := make(chan struct{}, recovering)
	each := func(numbers []uint64, in input) bool {
		for _, n := range numbers {
			select {
			case tokens <- struct{}{}:
			case <-t.ctx.Done():
				return false
			}
			in.done = func(error) { <-tokens }
			if err := t.post(n, in); err != nil {
				in.done(err)
			}
			if in.Event == run.Recover && gone[n] {
				// Whoever waited for its answer waited for a node that is gone.
				_ = t.post(n, input{Input: run.Input{Event: run.CallerLeft}})
			}
		}
		return true
	}
	if !each(open, input{Input: run.Input{Event: run.Recover}}) || !each(done, input{archive: true}) {
		return
	}
	t.startAll(begin)
	h.log.Info("the runs of a unit were taken up", "unit", h.o.Unit, "runs", len(open), "archives", len(done), "waiting", len(begin))
}
