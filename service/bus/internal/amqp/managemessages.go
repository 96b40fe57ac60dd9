package amqp

import (
	"time"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

const (
	// peekMax is how many messages one request may look at.
	peekMax = 1000
	// peekBytesMax ends a reply of peeked messages; the client asks again from there.
	peekBytesMax = 4 << 20
	// deleteMax is how many messages one request may delete: Azure's number.
	deleteMax = 4000
)

// peekMessages shows messages without taking them.
func peekMessages(x *exchange) (wire.Map, error) {
	from, err := x.args.long("from-sequence-number", 0)
	if err != nil {
		return nil, err
	}
	most, err := x.args.count("message-count", 1, 1, peekMax)
	if err != nil {
		return nil, err
	}
	session, err := x.namedSession()
	if err != nil {
		return nil, err
	}
	omit, _ := x.args.value("omit-message-body")
	omitBody, _ := omit.(bool)
	var found []broker.Stored
	err = x.call(func(t *namespace.Turn) (err error) {
		found, err = t.Broker.Peek(t, x.path, from, most, session)
		return err
	})
	if err != nil {
		return nil, err
	}
	return x.peeked(found, omitBody)
}

// namedSession is the session the request names; a peek sees all others too.
func (x *exchange) namedSession() (*string, error) {
	id, named, err := x.args.text("session-id")
	if err != nil || !named {
		return nil, err
	}
	return &id, nil
}

func (x *exchange) peeked(found []broker.Stored, omitBody bool) (wire.Map, error) {
	var render renderer
	var list wire.List
	size := 0
	for i := range found {
		whole, err := x.show(&render, &found[i], showing{peeked: true, omitBody: omitBody})
		if err != nil {
			return nil, err
		}
		if size += len(whole); size > peekBytesMax && len(list) > 0 {
			break
		}
		list = append(list, wire.Map{{Key: "message", Value: whole}})
	}
	if list == nil {
		return nil, nil
	}
	return wire.Map{{Key: "messages", Value: list}}, nil
}

// show reads and renders one message for a reply.
func (x *exchange) show(render *renderer, m *broker.Stored, how showing) ([]byte, error) {
	encoded, err := x.c.ns.Read(x.ctx, m.Ref)
	if err != nil {
		return nil, err
	}
	parts, err := render.render(encoded, m, how)
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "The message %d can not be read.", m.Sequence)
	}
	return joined(parts), nil
}

// renewLocks gives locked messages their full time again.
func renewLocks(x *exchange) (wire.Map, error) {
	tokens, err := x.args.tokens("lock-tokens")
	if err != nil {
		return nil, err
	}
	var until []time.Time
	err = x.call(func(t *namespace.Turn) (err error) {
		until, err = t.Broker.RenewLocks(t, x.path, tokens)
		return err
	})
	if err != nil {
		return nil, err
	}
	expirations := wire.Array{Code: wire.CodeTimestamp}
	for _, at := range until {
		expirations.Items = append(expirations.Items, wire.TimestampOf(at))
	}
	return wire.Map{{Key: "expirations", Value: expirations}}, nil
}

// scheduleMessages takes messages for later, and tells their numbers.
func scheduleMessages(x *exchange) (wire.Map, error) {
	if x.q.txn != 0 {
		return nil, fault.New(fault.Unsupported, "Messages can not be scheduled by a request inside a transaction: "+
			"send them with a scheduled enqueue time.")
	}
	items, err := x.args.items("messages")
	if err != nil {
		return nil, err
	}
	msgs := make([]broker.Message, len(items))
	for i, item := range items {
		if msgs[i], err = scheduled(item); err != nil {
			return nil, err
		}
	}
	var numbers []int64
	err = x.call(func(t *namespace.Turn) (err error) {
		numbers, err = t.Broker.Schedule(t, x.path, msgs)
		return err
	})
	if err != nil {
		return nil, err
	}
	count := int64(len(numbers))
	x.c.ns.Meter(x.path).Incoming.Add(count)
	return wire.Map{{Key: "sequence-numbers", Value: longArray(numbers)}}, nil
}

func scheduled(item any) (broker.Message, error) {
	m, ok := item.(wire.Map)
	if !ok {
		return broker.Message{}, wrongType("messages", "a list of maps")
	}
	encoded, _ := m.Named("message")
	payload, ok := encoded.([]byte)
	if !ok {
		return broker.Message{}, wrongType("message", "a binary")
	}
	return identify(payload)
}

func longArray(numbers []int64) wire.Array {
	a := wire.Array{Code: wire.CodeLong}
	for _, n := range numbers {
		a.Items = append(a.Items, n)
	}
	return a
}

// cancelScheduled takes back messages whose time has not come.
func cancelScheduled(x *exchange) (wire.Map, error) {
	numbers, err := x.args.longs("sequence-numbers")
	if err != nil {
		return nil, err
	}
	return done(), x.call(func(t *namespace.Turn) error {
		return t.Broker.CancelScheduled(t, x.path, numbers)
	})
}

// receiveBySequence fetches deferred messages. Each is locked, unless the client
// wants it deleted; the token is given beside the message and inside it, for
// clients read it here or there.
func receiveBySequence(x *exchange) (wire.Map, error) {
	numbers, err := x.args.longs("sequence-numbers")
	if err != nil {
		return nil, err
	}
	settle, err := x.args.long("receiver-settle-mode", int64(wire.ReceiverSecond))
	if err != nil {
		return nil, err
	}
	mode := broker.PeekLock
	if settle == int64(wire.ReceiverFirst) {
		mode = broker.ReceiveAndDelete
	}
	session, err := x.session()
	if err != nil {
		return nil, err
	}
	var got []broker.Delivery
	err = x.call(func(t *namespace.Turn) (err error) {
		got, err = t.Broker.ReceiveDeferred(t, x.path, numbers, mode, session)
		return err
	})
	if err != nil {
		return nil, err
	}
	return x.fetched(got)
}

func (x *exchange) fetched(got []broker.Delivery) (wire.Map, error) {
	var render renderer
	list := make(wire.List, 0, len(got))
	for i := range got {
		d := &got[i]
		whole, err := x.show(&render, &d.Message, showing{lock: d.Lock})
		if err != nil {
			return nil, err
		}
		entry := wire.Map{{Key: "message", Value: whole}}
		if d.Lock != (broker.LockToken{}) {
			entry = append(entry, wire.Entry{Key: "lock-token", Value: uuidOf(d.Lock)})
		}
		list = append(list, entry)
	}
	x.c.ns.Meter(entityOf(x.path)).Outgoing.Add(int64(len(got)))
	return wire.Map{{Key: "messages", Value: list}}, nil
}

// statuses are the words for dispositions. "defered" is spelt as clients spell it.
var statuses = map[string]broker.Disposition{
	"completed": broker.Complete,
	"abandoned": broker.Abandon,
	"suspended": broker.DeadLetter,
	"defered":   broker.Defer,
	"deferred":  broker.Defer,
}

// updateDisposition settles messages by their tokens: those fetched by number, and
// those whose link is gone.
func updateDisposition(x *exchange) (wire.Map, error) {
	tokens, err := x.args.tokens("lock-tokens")
	if err != nil {
		return nil, err
	}
	word, err := x.args.needText("disposition-status")
	if err != nil {
		return nil, err
	}
	s := broker.Settlement{Path: x.path, Txn: x.q.txn}
	known := false
	if s.Disposition, known = statuses[word]; !known {
		return nil, fault.New(fault.Invalid, "'%s' is no disposition-status.", word)
	}
	if s.Reason, _, err = x.args.text("deadletter-reason"); err != nil {
		return nil, err
	}
	if s.Description, _, err = x.args.text("deadletter-description"); err != nil {
		return nil, err
	}
	modify, _, err := x.args.table("properties-to-modify")
	if err != nil {
		return nil, err
	}
	s.Modify = modifications(modify.m)
	return done(), x.call(func(t *namespace.Turn) (failed error) {
		for _, s.Lock = range tokens {
			if err := t.Broker.Settle(t, s); err != nil && failed == nil {
				failed = err
			}
		}
		return failed
	})
}

// deleteMessages deletes the oldest messages without receiving them.
func deleteMessages(x *exchange) (wire.Map, error) {
	most, err := x.args.count("message-count", deleteMax, 1, deleteMax)
	if err != nil {
		return nil, err
	}
	before, err := x.args.time("enqueued-time-utc")
	if err != nil {
		return nil, err
	}
	session, err := x.session()
	if err != nil {
		return nil, err
	}
	deleted := 0
	err = x.call(func(t *namespace.Turn) (err error) {
		deleted, err = t.Broker.DeleteBatch(t, x.path, most, before, session)
		return err
	})
	if err != nil || deleted == 0 {
		return nil, err
	}
	return wire.Map{{Key: "message-count", Value: int32(deleted)}}, nil
}
