package locations

import (
	"fmt"
	"time"

	"weir/kernel/replica/core"
	"weir/service/bus/bustest"
)

// people puts clients to work at every unit.
func (w *world) people() {
	for _, unit := range w.units {
		for i, path := range []string{"plain", "sessions", "once", "plain"} {
			s := &sender{w: w, unit: unit, path: path, name: fmt.Sprintf("%s-%s%d", unit, path, i)}
			w.After(w.Between(0, time.Second), s.next)
		}
		for _, path := range []string{"plain", "plain", "sessions", "once"} {
			w.receive(unit, path)
		}
	}
}

// find is a unit that takes work, as a client comes to it: any, if there are several.
func (w *world) find(name string) *unit {
	var found []*unit
	for _, h := range w.hosts {
		if u := h.units[name]; h.alive && u != nil && u.taking && !w.Now().Before(h.paused) {
			found = append(found, u)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[w.Pick(len(found))]
}

// call brings a request to a unit and its answer back. Exactly one of answered and
// broken happens; broken says nothing about what became of the request.
func (w *world) call(name string, work func(t *core.Turn, u *unit, answer func(error)), answered func(error), broken func()) *unit {
	u := w.find(name)
	over := false
	once := func(fn func()) {
		if !over {
			over = true
			fn()
		}
	}
	fail := func() { w.After(w.Between(20*time.Millisecond, 300*time.Millisecond), func() { once(broken) }) }
	if u == nil {
		fail()
		return nil
	}
	u.onLost = append(u.onLost, fail)
	w.After(20*time.Second, fail)
	u.h.after(w.Between(20*time.Microsecond, time.Millisecond), func() {
		if !u.taking {
			fail()
			return
		}
		if err := u.admit(); err != nil {
			w.judge.counts["refused as busy"]++
			fail()
			return
		}
		u.do(func(t *core.Turn) {
			work(t, u, func(err error) {
				t.Reveal(func() {
					w.After(w.Between(20*time.Microsecond, time.Millisecond), func() { once(func() { answered(err) }) })
				})
			})
			u.machine.spread(t)
		})
	})
	return u
}

// sender sends one message after another, each until it is confirmed.
type sender struct {
	w                *world
	unit, path, name string
	count            int
}

func (s *sender) next() {
	if s.w.calm {
		return
	}
	s.count++
	id, session := fmt.Sprintf("%s-%d", s.name, s.count), ""
	if s.path == "sessions" {
		session = fmt.Sprintf("c%d", s.w.Pick(3))
	}
	s.try(message(id, session))
}

func (s *sender) try(m bustest.Message) {
	s.w.judge.attempted(s.unit, m.MessageID)
	s.w.call(s.unit, func(t *core.Turn, u *unit, answer func(error)) {
		err := u.machine.Send(t, s.path, []bustest.Message{m}, 0)
		t.Reveal(func() { s.w.judge.revealed(u, sent, m.MessageID, 0) })
		answer(err)
	}, func(err error) {
		if err != nil {
			s.w.judge.violation("the send of %s was refused: %v", m.MessageID, err)
		}
		s.w.After(s.w.Between(50*time.Millisecond, 400*time.Millisecond), s.next)
	}, func() {
		s.w.After(s.w.Between(50*time.Millisecond, 500*time.Millisecond), func() { s.try(m) })
	})
}

// receiver is one link that takes messages of one path; it is opened anew when it ends.
type receiver struct {
	w          *world
	unit, path string
	id         bustest.ReceiverID
	at         *unit
	epoch      uint64
	taken      uint32
	limit      uint32
	over       bool
}

func (w *world) receive(unit, path string) {
	w.ids++
	r := &receiver{w: w, unit: unit, path: path, id: bustest.ReceiverID(w.ids), limit: uint32(1 + w.Pick(8))}
	w.After(w.Between(10*time.Millisecond, 200*time.Millisecond), r.open)
}

func (r *receiver) open() {
	r.w.receivers[r.id] = r
	waits := false
	r.at = r.w.call(r.unit, func(t *core.Turn, u *unit, answer func(error)) {
		spec := bustest.ReceiverSpec{ID: r.id, Path: r.path, Choice: bustest.NoSession}
		if r.path == "sessions" {
			spec.Choice, spec.WaitUntil = bustest.NextAvailable, t.Now().Add(2*time.Second)
		}
		var err error
		if _, _, waits, err = u.machine.OpenReceiver(t, spec); err == nil && !waits {
			u.machine.Credit(t, r.id, r.limit, false)
		}
		answer(err)
	}, func(err error) {
		if err != nil || r.over || r.at.epochs != r.epoch || !r.at.owning {
			r.end()
			return
		}
		r.at.onLost = append(r.at.onLost, r.end)
		if !waits {
			r.w.After(r.w.Between(time.Second, 8*time.Second), r.close)
		}
	}, r.end)
	if r.at != nil {
		r.epoch = r.at.epochs
	}
}

// end forgets this link and begins another.
func (r *receiver) end() {
	if !r.over {
		r.over = true
		delete(r.w.receivers, r.id)
		r.w.receive(r.unit, r.path)
	}
}

// close detaches in order, with what it holds still locked.
func (r *receiver) close() {
	r.do(func(t *core.Turn) { r.at.machine.CloseReceiver(t, r.id) })
	r.end()
}

// do is a request whose answer nobody waits for.
func (r *receiver) do(work func(t *core.Turn)) {
	if r.over || r.at == nil {
		return
	}
	u := r.at
	u.h.after(r.w.Between(20*time.Microsecond, time.Millisecond), func() {
		if u.epochs == r.epoch && u.taking && u.admit() == nil {
			u.do(func(t *core.Turn) {
				work(t)
				u.machine.spread(t)
			})
		}
	})
}

// hear takes an event at the moment it is revealed.
func (r *receiver) hear(u *unit, e bustest.Event) {
	switch e.Kind {
	case bustest.Delivered:
		id := r.w.judge.delivered(u, r.path, e.Delivery)
		r.taken++
		r.w.After(r.w.Between(time.Millisecond, 20*time.Millisecond), func() { r.handle(id, e.Delivery) })
	case bustest.SessionAccepted:
		r.do(func(t *core.Turn) { r.at.machine.Credit(t, r.id, r.limit, false) })
		r.w.After(r.w.Between(time.Second, 8*time.Second), r.close)
	case bustest.Refused, bustest.Closed:
		r.end()
	}
}

// handle decides what to do with a message.
func (r *receiver) handle(id string, d bustest.Delivery) {
	if r.over {
		return
	}
	r.do(func(t *core.Turn) { r.at.machine.Credit(t, r.id, r.taken+r.limit, false) })
	s := bustest.Settlement{Path: r.path, Lock: d.Lock, Disposition: bustest.Complete}
	switch dice := r.w.Pick(100); {
	case r.w.calm || dice < 85:
	case dice < 95:
		s.Disposition = bustest.Abandon
	default:
		return // the lock runs out
	}
	r.do(func(t *core.Turn) {
		u := r.at
		if err := u.machine.Settle(t, s); err == nil && s.Disposition == bustest.Complete {
			t.Reveal(func() { r.w.judge.revealed(u, settled, id, d.Message.Sequence) })
		}
	})
}
