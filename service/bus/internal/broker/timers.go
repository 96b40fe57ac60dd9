package broker

import "time"

// timer is when a mailbox or a waiting receiver wants to be looked at. A mailbox's
// may be too early, never too late.
type timer struct {
	at       int64 // ms
	place    int   // in the heap plus one; 0 not in it
	mailbox  *mailbox
	receiver *receiver
}

// before orders timers; those for the same time go off in a fixed order.
func (t *timer) before(u *timer) bool {
	if t.at != u.at {
		return t.at < u.at
	}
	return t.rank() < u.rank()
}

func (t *timer) rank() uint64 {
	if t.mailbox != nil {
		return t.mailbox.number()
	}
	return 1<<63 + uint64(t.receiver.id)
}

// timers is a heap of the timers that are set.
type timers struct{ heap []*timer }

func (h *timers) first() *timer {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

// set makes a timer go off at the given time.
func (h *timers) set(t *timer, at int64) {
	t.at = at
	if t.place == 0 {
		h.heap = append(h.heap, t)
		t.place = len(h.heap)
	}
	h.down(h.up(t.place - 1))
}

func (h *timers) clear(t *timer) {
	if t.place == 0 {
		return
	}
	i, last := t.place-1, len(h.heap)-1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.place = 0
	if i < last {
		h.down(h.up(i))
	}
}

func (h *timers) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.heap[i].before(h.heap[parent]) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
	return i
}

func (h *timers) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.heap) {
			return
		}
		if child+1 < len(h.heap) && h.heap[child+1].before(h.heap[child]) {
			child++
		}
		if !h.heap[child].before(h.heap[i]) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

func (h *timers) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].place, h.heap[j].place = i+1, j+1
}

// wake is when a mailbox wants to be looked at, 0 for never.
func (b *Broker) wake(m *mailbox) int64 {
	at := m.expiry.first()
	if opening := m.opening.first(); opening != 0 {
		at = soonest(at, max(opening, m.paused))
	}
	if n, until := b.firstToRunOut(m); n != 0 {
		at = soonest(at, until)
	}
	at = soonest(at, m.paused)
	if m.more {
		at = soonest(at, b.now)
	}
	if m.role == ownMailbox {
		at = soonest(at, m.entity.history.wake(m.entity), m.entity.idleWake())
	}
	return at
}

// soonest returns the least of some times, of which 0 is never.
func soonest(times ...int64) (at int64) {
	for _, t := range times {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	return at
}

// arm makes sure that a mailbox is looked at in time. A timer that is too early
// stays: it costs one look.
func (b *Broker) arm(m *mailbox) {
	at := b.wake(m)
	if at != 0 && (m.timer.place == 0 || at < m.timer.at) {
		b.timers.set(&m.timer, at)
	}
}

// NextWake returns when Tick is wanted, the zero time for never. A time that has
// passed means at once.
func (b *Broker) NextWake() time.Time {
	if !b.owner {
		return time.Time{}
	}
	if b.waking || len(b.morgue) > 0 {
		return time.UnixMilli(b.now).UTC()
	}
	at := b.txns.wake()
	if t := b.timers.first(); t != nil {
		at = soonest(at, max(t.at, 1))
	}
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

// Tick does what its time has come for: locks and messages that run out, schedules,
// retries, time-outs. One tick does a bounded amount; NextWake says whether more is
// due.
func (b *Broker) Tick(t Turn) {
	b.begin(t)
	if b.waking {
		b.wakeAll(t)
	}
	for n := len(b.timers.heap); n > 0; n-- {
		first := b.timers.first()
		if first == nil || first.at > b.now {
			break
		}
		b.timers.clear(first)
		if first.receiver != nil {
			b.waitedInVain(first.receiver)
		} else {
			b.ripe(t, first.mailbox)
		}
	}
	b.endTransactions()
	b.bury(buryPerTick)
	b.finish(t)
}

// wakeAll is the first look of a new owner: everything may have something to do.
func (b *Broker) wakeAll(t Turn) {
	b.waking = false
	for _, e := range b.list {
		b.use(e)
		for _, m := range e.mailboxes() {
			b.ripe(t, m)
		}
	}
}

// ripe does what a mailbox's time has come for.
func (b *Broker) ripe(t Turn, m *mailbox) {
	b.runOut(t, m)
	b.expire(t, m)
	b.activate(t, m)
	if m.role == ownMailbox {
		b.forget(t, m.entity)
		b.sayIdle(m.entity)
	}
	b.touch(m)
}
