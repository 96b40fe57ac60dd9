package trigger

import (
	"context"
	"maps"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/run"
)

const (
	// holdFirst is when an item is held for the first time: most runs have ended by then.
	holdFirst = 3 * time.Second
	// holdLeast bounds how often an item is held, askEvery how often the run is asked for
	// that an item which came again belongs to.
	holdLeast = time.Second
	askEvery  = 2 * time.Second
	// settleTries bounds how often settling is tried; then the item comes again.
	settleTries = 3
	// keyAge is how long a key is remembered whose runs have ended and which was not settled.
	keyAge = time.Hour
)

// hand is an item that was found, until its runs have ended and it is settled.
type hand struct {
	item  connector.Item
	runs  []string
	ended chan struct{}

	// The hands' lock guards these.
	left int
	ok   bool
	asks bool // nobody tells when its runs end: they are asked; of who keeps it
}

func newHand(item connector.Item, runs []string) *hand {
	h := &hand{item: item, runs: runs, ended: make(chan struct{}), left: len(runs), ok: true}
	if len(runs) == 0 {
		close(h.ended)
	}
	return h
}

// hands are the items of one trigger that are in hand.
type hands struct {
	mu    sync.Mutex
	byRun map[string]*hand
	byKey map[string]*hand
	// settled are keys that need not be remembered any more: of items that come no more, and
	// (false) of those that were given back, for which another run is to begin.
	settled map[string]bool
}

// expect waits for the ends of the runs of items, from before they begin.
func (s *hands) expect(all []*hand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byRun == nil {
		s.byRun, s.byKey, s.settled = map[string]*hand{}, map[string]*hand{}, map[string]bool{}
	}
	for _, h := range all {
		for _, name := range h.runs {
			s.byRun[name] = h
		}
		if h.item.Key != "" {
			s.byKey[h.item.Key] = h
			delete(s.settled, h.item.Key)
		}
	}
}

func (s *hands) forget(all []*hand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range all {
		for _, name := range h.runs {
			delete(s.byRun, name)
		}
		if s.byKey[h.item.Key] == h {
			delete(s.byKey, h.item.Key)
		}
	}
}

// ended tells that a run has ended and that this is durable.
func (s *hands) ended(name string, status run.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.byRun[name]
	if h == nil {
		return
	}
	delete(s.byRun, name)
	h.ok = h.ok && status == run.Succeeded
	if h.left--; h.left == 0 {
		close(h.ended)
	}
}

// unsettled gives the keys that are still to be remembered.
func (s *hands) unsettled(keys []keyed) []keyed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []keyed
	for _, k := range keys {
		if _, settled := s.settled[k.Key]; !settled {
			kept = append(kept, k)
		}
	}
	return kept
}

// attach gives an item that came again to the run that it has; false, it has none.
func (w *watch) attach(mem *memory, item connector.Item) bool {
	for _, k := range mem.Keys {
		if k.Key != item.Key {
			continue
		}
		w.hands.mu.Lock()
		old := w.hands.byKey[item.Key]
		if done, settled := w.hands.settled[item.Key]; settled && !done && old == nil {
			w.hands.mu.Unlock()
			return false // it was given back
		}
		if old != nil {
			old.item = item // what it was held by is not worth anything any more
		}
		w.hands.mu.Unlock()
		if old != nil || item.Settle == nil && item.Taken == nil {
			return true
		}
		var runs []string
		for n := range k.Runs + 1 {
			runs = append(runs, nameAfter(k.First, n))
		}
		h := newHand(item, runs)
		h.asks = true
		w.hands.expect([]*hand{h})
		w.t.wait.Add(1)
		go w.keep(h)
		return true
	}
	return false
}

// keep holds an item until its runs have ended, and settles it.
func (w *watch) keep(h *hand) {
	defer w.t.wait.Done()
	defer w.hands.forget([]*hand{h})
	if w.takeOver(h) {
		return
	}
	hold := time.NewTimer(holdFirst)
	defer hold.Stop()
	ask := time.NewTimer(0)
	defer ask.Stop()
	gone := w.ctx.Done()
	for done := false; !done; {
		select {
		case <-h.ended:
			done = true
		case <-gone: // of runs that were removed with their workflow nobody tells
			gone, h.asks = nil, true
			ask.Reset(0)
		case <-w.t.ctx.Done():
			return
		case <-hold.C:
			hold.Reset(w.hold(h))
		case <-ask.C:
			if h.asks {
				w.ask(h)
				ask.Reset(askEvery)
			}
		}
	}
	w.settle(h)
}

// takeOver tells who gave an item that its runs are recorded, for those who want no more
// than that. It says whether the item comes no more and need not be settled.
func (w *watch) takeOver(h *hand) bool {
	item := w.itemOf(h)
	if item.Taken == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(w.t.ctx, w.t.m.limits.SettleTime)
	defer cancel()
	if err := item.Taken(ctx); err != nil {
		w.t.m.log.Warn("an item whose run is recorded could not be taken; it may come again and is known by its key", "workflow", w.workflow, "trigger", w.trigger, "error", fault.Detail(err))
		return item.Settle == nil
	}
	w.hands.done(item.Key, true)
	return true
}

// hold keeps an item for longer and says when to do so again.
func (w *watch) hold(h *hand) time.Duration {
	item := w.itemOf(h)
	if item.Hold == nil {
		return time.Hour
	}
	ctx, cancel := context.WithTimeout(w.t.ctx, w.t.m.limits.SettleTime)
	defer cancel()
	d, err := item.Hold(ctx)
	if err != nil {
		w.t.m.log.Warn("an item whose run goes on could not be held; it may come again and is known by its key", "workflow", w.workflow, "trigger", w.trigger, "error", fault.Detail(err))
		return holdFirst
	}
	return max(d/2, holdLeast)
}

func (w *watch) itemOf(h *hand) connector.Item {
	w.hands.mu.Lock()
	defer w.hands.mu.Unlock()
	return h.item
}

// ask looks whether the runs of an item that came again have ended.
func (w *watch) ask(h *hand) {
	for _, name := range h.runs {
		info, err := w.t.m.Host.Run(w.t.ctx, w.workflow, name)
		switch {
		case fault.Is(err, fault.NotFound) && w.ctx.Err() != nil: // removed
			w.hands.ended(name, run.Cancelled)
		case fault.Is(err, fault.NotFound): // forgotten since
			w.hands.ended(name, run.Succeeded)
		case err == nil && info.Status.Ended():
			w.hands.ended(name, info.Status)
		}
	}
}

// settle says of an item that it is done, or that it could not be.
func (w *watch) settle(h *hand) {
	for try := range settleTries {
		w.hands.mu.Lock()
		item, ok := h.item, h.ok
		w.hands.mu.Unlock()
		if item.Settle == nil {
			return
		}
		ctx, cancel := context.WithTimeout(w.t.ctx, w.t.m.limits.SettleTime)
		err := item.Settle(ctx, ok)
		cancel()
		if err == nil {
			if item.Key != "" {
				w.hands.done(item.Key, ok)
			}
			return
		}
		w.t.m.log.Warn("an item could not be settled; it comes again and is settled then", "workflow", w.workflow, "trigger", w.trigger, "error", fault.Detail(err))
		select {
		case <-time.After(time.Second << try):
		case <-w.t.ctx.Done():
			return
		}
	}
}

// done says of a key that it comes no more, or that it was given back.
func (s *hands) done(key string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled == nil {
		s.settled = map[string]bool{}
	}
	s.settled[key] = ok
}

// makeRoom forgets keys when there are many: those that were settled, and old ones
// whose runs have ended. It says whether there is no room for another item.
func (w *watch) makeRoom(mem *memory) (full bool, err error) {
	most := w.t.m.limits.KeysKept
	if len(mem.Keys) < most/2 {
		return false, nil
	}
	now := w.clock()
	kept := w.hands.unsettled(mem.Keys)
	if len(kept) >= most/2 && now.Sub(w.t.began) > keyAge/6 {
		recent := kept[:0:0]
		for _, k := range kept {
			if now.Sub(k.At) < keyAge || w.goesOn(k) {
				recent = append(recent, k)
			}
		}
		kept = recent
	}
	if len(kept) < len(mem.Keys) {
		mem.Keys = kept
		if _, err := w.commit(noFiring, mem, time.Time{}); err != nil {
			return false, err
		}
		w.hands.sweep(kept)
	}
	return len(kept) >= most, nil
}

// sweep forgets of settled keys those that are not remembered any more.
func (s *hands) sweep(kept []keyed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	still := map[string]bool{}
	for _, k := range kept {
		still[k.Key] = true
	}
	maps.DeleteFunc(s.settled, func(key string, _ bool) bool { return !still[key] })
}

// goesOn says that a key is in hand or that a run of it has not ended.
func (w *watch) goesOn(k keyed) bool {
	w.hands.mu.Lock()
	held := w.hands.byKey[k.Key] != nil
	w.hands.mu.Unlock()
	for n := 0; n <= k.Runs && !held; n++ {
		info, err := w.t.m.Host.Run(w.t.ctx, w.workflow, nameAfter(k.First, n))
		held = err == nil && !info.Status.Ended() || err != nil && !fault.Is(err, fault.NotFound)
	}
	return held
}
