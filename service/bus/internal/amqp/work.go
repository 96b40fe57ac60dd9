package amqp

import (
	"errors"
	"sync"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// work is what one read of the socket brought: commands in wire order, decided in
// one turn and answered when all they recorded is durable. It is used again, so
// that a message costs no memory of its own here.
type work struct {
	c           *conn
	steps       []step
	messages    []broker.Message
	settlements []settlement

	decide func(*namespace.Turn) // the methods below, bound once
	reply  func()
}

// verb is what a step does.
type verb uint8

const (
	verbSend verb = iota
	verbSettle
	verbCredit
	verbCall
)

// step is one command.
type step struct {
	verb verb
	err  error // of unpacking, then of deciding

	// verbSend: messages [first, last) of one delivery.
	sender      *sender
	delivery    *server.Delivery
	first, last int
	txn         broker.TxnID

	// verbSettle: settlements [first, last) of one receiver. verbCredit: the receiver.
	receiver *receiver

	// verbCall: everything rare.
	try  func(*namespace.Turn) error
	done func(error)
}

// settlement is one settled delivery.
type settlement struct {
	broker.Settlement
	sent   server.Sent
	answer wire.State // nil: the peer wants none
	err    error
}

var works sync.Pool

// What a work may keep for its next use.
const (
	keptSteps    = 4096
	keptMessages = 8192
)

func newWork(c *conn) *work {
	w, _ := works.Get().(*work)
	if w == nil {
		w = &work{}
		w.decide, w.reply = w.run, w.answer
	}
	w.c = c
	return w
}

func (w *work) empty() bool { return len(w.steps) == 0 }

// add appends a step.
func (w *work) add(v verb) *step {
	w.steps = append(w.steps, step{verb: v})
	return &w.steps[len(w.steps)-1]
}

// call appends a step of the rare sort. done is called after try, when what try
// recorded is durable.
func (w *work) call(try func(*namespace.Turn) error, done func(error)) {
	s := w.add(verbCall)
	s.try, s.done = try, done
}

// run decides, in one turn.
func (w *work) run(t *namespace.Turn) {
	for i := range w.steps {
		s := &w.steps[i]
		if s.err != nil {
			continue
		}
		switch s.verb {
		case verbSend:
			s.err = s.sender.decide(t, w.messages[s.first:s.last], s.txn)
		case verbSettle:
			for j := s.first; j < s.last; j++ {
				if one := &w.settlements[j]; one.err == nil {
					one.err = t.Broker.Settle(t, one.Settlement)
				}
			}
		case verbCredit:
			s.receiver.credit(t)
		case verbCall:
			s.err = s.try(t)
		}
	}
	t.Reveal(w.reply)
}

// answer tells the peer, on the committing goroutine.
func (w *work) answer() {
	w.c.wire.Hold()
	for i := range w.steps {
		s := &w.steps[i]
		switch s.verb {
		case verbSend:
			s.sender.answer(s)
		case verbSettle:
			s.receiver.answer(w.settlements[s.first:s.last])
		case verbCall:
			s.done(s.err)
		}
	}
	c := w.c
	w.free()
	c.wire.Release()
}

func (w *work) free() {
	if cap(w.steps) > keptSteps || cap(w.messages) > keptMessages || cap(w.settlements) > keptMessages {
		return
	}
	clear(w.steps)
	clear(w.messages)
	clear(w.settlements)
	w.c, w.steps, w.messages, w.settlements = nil, w.steps[:0], w.messages[:0], w.settlements[:0]
	works.Put(w)
}

// malformed says whether an error is the codec's: bytes that make no sense.
func malformed(err error) bool {
	_, is := errors.AsType[*wire.Error](err)
	return is
}

// count adds the outcome of a request to the entity's meter.
func count(m *namespace.Meter, n int, err error) {
	m.Requests.Add(int64(n))
	if malformed(err) {
		m.UserError.Add(int64(n))
		return
	}
	switch fault.KindOf(err) {
	case fault.None:
	case fault.Internal, fault.Damaged, fault.PayloadMissing, fault.Unavailable, fault.NotOwner:
		m.OurError.Add(int64(n))
	case fault.Busy, fault.TooManyRequests:
		m.Throttled.Add(int64(n))
	default:
		m.UserError.Add(int64(n))
	}
}
