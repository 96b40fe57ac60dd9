package simulation

import (
	"fmt"
	"time"

	"weir/kernel/replica/core"
	"weir/service/bus/bustest"
)

// people puts everybody to work.
func (b *bus) people() {
	for i, door := range []string{"plain", "sessions", "once", "gone", "entrance", "news", "plain", "sessions"} {
		s := &sender{bus: b, name: fmt.Sprintf("s%d", i+1), door: door}
		b.After(b.Between(0, 50*time.Millisecond), s.next)
	}
	b.After(b.Between(0, 50*time.Millisecond), (&pairs{bus: b}).next)
	for _, path := range []string{"plain", "plain", "sessions", "sessions", "once", "gone", "left", "right", "hall",
		"news/Subscriptions/all", "news/Subscriptions/none"} {
		b.receive(path)
		if path != "gone" {
			b.receive(path + "/$DeadLetterQueue")
		}
	}
}

// call brings a request to the owner and its answer back. Exactly one of
// answered and broken happens: broken when there is no owner, or when the
// connection ends first, which says nothing about what became of the request.
func (b *bus) call(work func(t *core.Turn, m *machine, answer func(error)), answered func(error), broken func()) *Node {
	n := b.owner()
	if n == nil {
		b.After(b.Between(5*time.Millisecond, 60*time.Millisecond), broken)
		return nil
	}
	over := false
	once := func(fn func()) func() {
		return func() {
			if !over {
				over = true
				fn()
			}
		}
	}
	fail := once(func() { b.After(b.Between(time.Millisecond, 30*time.Millisecond), broken) })
	n.onLost = append(n.onLost, fail)
	b.After(5*time.Second, fail)
	n.later(b.Between(20*time.Microsecond, time.Millisecond), func() {
		took := n.Do(func(t *core.Turn) {
			m := n.machine.(*machine)
			declare(t, m)
			work(t, m, func(err error) {
				back := b.Between(20*time.Microsecond, time.Millisecond)
				t.Reveal(func() { b.After(back, once(func() { answered(err) })) })
			})
			b.spread(t, m)
		})
		if !took {
			fail()
		}
	})
	return n
}

// message encodes a message whose body is its id: one data section (AMQP 1.0,
// part 3.2.6).
func message(id, session string) bustest.Message {
	body := append([]byte{0x00, 0x53, 0x75, 0xa0, byte(len(id))}, id...)
	return bustest.Message{Encoded: body, MessageID: id, SessionID: session, HasSession: session != ""}
}

// sender sends one message after another through one door, each until it is
// confirmed.
type sender struct {
	*bus
	name, door string
	count      int
}

func (s *sender) next() {
	if s.done || s.calm {
		return
	}
	s.count++
	id, session := fmt.Sprintf("%s-%s-%d", s.door, s.name, s.count), ""
	if s.door == "sessions" {
		session = fmt.Sprintf("c%d", s.Pick(4))
	}
	s.try(message(id, session), s.Chance(15) && s.door != "gone")
}

func (s *sender) try(m bustest.Message, schedule bool) {
	s.judge.attempted(s.door, m.MessageID)
	s.call(func(t *core.Turn, mc *machine, answer func(error)) {
		if schedule {
			m.ScheduledAt = t.Now().Add(s.Between(10*time.Millisecond, 500*time.Millisecond))
			_, err := mc.Schedule(t, s.door, []bustest.Message{m})
			answer(err)
			return
		}
		answer(mc.Send(t, s.door, []bustest.Message{m}, 0))
	}, func(err error) {
		if err != nil {
			s.judge.violation("send of %s refused: %v", m.MessageID, err)
		}
		s.judge.confirmed(s.door, m.MessageID)
		s.After(s.Between(0, 25*time.Millisecond), s.next)
	}, func() {
		s.After(s.Between(time.Millisecond, 80*time.Millisecond), func() { s.try(m, schedule) })
	})
}

// pairs sends two messages to two queues in one transaction, again and again:
// both arrive or none.
type pairs struct {
	*bus
	count int
}

func (p *pairs) next() {
	if p.done || p.calm {
		return
	}
	p.count++
	id, roll := fmt.Sprintf("pair-%d", p.count), p.Chance(25)
	p.judge.attempted("left", id)
	p.judge.attempted("right", id)
	again := func() { p.After(p.Between(5*time.Millisecond, 60*time.Millisecond), p.next) }
	p.call(func(t *core.Turn, m *machine, answer func(error)) {
		txn, err := m.Declare(t)
		for _, door := range []string{"left", "right"} {
			if err == nil {
				err = m.Send(t, door, []bustest.Message{message(id, "")}, txn)
			}
		}
		if err == nil {
			err = m.Discharge(t, txn, roll)
		}
		answer(err)
	}, func(err error) {
		switch {
		case err != nil:
			p.judge.violation("transaction of %s refused: %v", id, err)
		case roll:
			p.judge.rolledBack(id)
		default:
			p.judge.confirmed("left", id)
			p.judge.confirmed("right", id)
		}
		again()
	}, again)
}

// receiver is one link that takes messages of one path; it is opened anew
// whenever it ends.
type receiver struct {
	*bus
	path    string
	id      bustest.ReceiverID
	node    *Node
	taken   uint32
	limit   uint32
	session string
	over    bool
}

func (b *bus) receive(path string) {
	b.ids++
	r := &receiver{bus: b, path: path, id: bustest.ReceiverID(b.ids), limit: uint32(1 + b.Pick(8))}
	b.After(b.Between(0, 40*time.Millisecond), r.open)
}

func (r *receiver) spec(now time.Time) bustest.ReceiverSpec {
	s := bustest.ReceiverSpec{ID: r.id, Path: r.path, Choice: bustest.NoSession}
	if r.path == "gone" {
		s.Mode = bustest.ReceiveAndDelete
	}
	if r.path == "sessions" {
		s.Choice, s.WaitUntil = bustest.NextAvailable, now.Add(200*time.Millisecond)
	}
	return s
}

func (r *receiver) open() {
	r.receivers[r.id] = r
	waits := false
	r.node = r.call(func(t *core.Turn, m *machine, answer func(error)) {
		session, _, waiting, err := m.OpenReceiver(t, r.spec(t.Now()))
		r.session, waits = session, waiting
		if err == nil && !waiting {
			m.Credit(t, r.id, r.limit, false)
		}
		answer(err)
	}, func(err error) {
		if err != nil {
			r.end()
			return
		}
		if n := r.node; n != nil {
			n.onLost = append(n.onLost, r.end)
		}
		if !waits {
			r.After(r.Between(50*time.Millisecond, 900*time.Millisecond), r.close)
		}
	}, r.end)
}

// end forgets this link and begins another.
func (r *receiver) end() {
	if !r.over {
		r.over = true
		delete(r.receivers, r.id)
		r.receive(r.path)
	}
}

// close detaches in an orderly way, with what it holds still locked.
func (r *receiver) close() {
	r.do(func(t *core.Turn, m *machine) { m.CloseReceiver(t, r.id) })
	r.end()
}

// do is a request whose answer nobody waits for, on this link's own node.
func (r *receiver) do(work func(t *core.Turn, m *machine)) {
	if r.over || r.node == nil {
		return
	}
	n := r.node
	n.later(r.Between(20*time.Microsecond, time.Millisecond), func() {
		n.Do(func(t *core.Turn) {
			work(t, n.machine.(*machine))
			r.spread(t, n.machine.(*machine))
		})
	})
}

// hear takes an event at the moment it is revealed.
func (r *receiver) hear(e bustest.Event) {
	switch e.Kind {
	case bustest.Delivered:
		body := r.log.read(e.Delivery.Message.Ref)
		r.judge.delivered(r.path, e.Delivery, body, r.doubtful && r.node != r.owner())
		r.taken++
		r.After(r.Between(50*time.Microsecond, time.Millisecond), func() { r.handle(e.Delivery) })
	case bustest.SessionAccepted:
		r.session = e.Session
		r.do(func(t *core.Turn, m *machine) { m.Credit(t, r.id, r.limit, false) })
		r.After(r.Between(50*time.Millisecond, 900*time.Millisecond), r.close)
	case bustest.Refused, bustest.Closed:
		r.end()
	}
}

// handle decides what to do with a message.
func (r *receiver) handle(d bustest.Delivery) {
	if r.over {
		return
	}
	r.do(func(t *core.Turn, m *machine) { m.Credit(t, r.id, r.taken+r.limit, false) })
	if r.path == "gone" {
		return
	}
	s := bustest.Settlement{Path: r.path, Lock: d.Lock, Disposition: bustest.Complete}
	switch dice := r.Pick(100); {
	case r.calm || dice < 70:
	case dice < 85:
		s.Disposition = bustest.Abandon
	case dice < 90 && !dead(r.path):
		s.Disposition, s.Reason = bustest.DeadLetter, "simulated"
	default:
		return // the lock runs out
	}
	r.After(r.Between(0, 30*time.Millisecond), func() { r.settle(s, d) })
}

func (r *receiver) settle(s bustest.Settlement, d bustest.Delivery) {
	if r.over || r.node == nil {
		return
	}
	n := r.node
	n.later(r.Between(20*time.Microsecond, time.Millisecond), func() {
		n.Do(func(t *core.Turn) {
			m := n.machine.(*machine)
			if err := m.Settle(t, s); err == nil && s.Disposition != bustest.Abandon {
				t.Reveal(func() { r.judge.settled(r.path, d.Message.Sequence) })
			}
			r.spread(t, m)
		})
	})
}
