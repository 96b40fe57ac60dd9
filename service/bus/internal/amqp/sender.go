package amqp

import (
	"errors"
	"slices"
	"sync/atomic"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// sender is a link on which the peer sends messages to a queue or topic.
type sender struct {
	*end
	path       string
	onward     string // where messages go in the end, when they are sent via path
	messageMax uint64
	leaving    atomic.Bool // it is about to be detached: nothing more is sent
}

const (
	// messageBytesMax is Azure's limit in the standard tier, for entities that set none.
	messageBytesMax = 256 << 10
	// batchBytesMax is the most a batch may have, however large messages may be.
	batchBytesMax = 1 << 20
	// creditMax is how many messages a sender may have on their way, and
	// creditBytesMax bounds the memory they may take together.
	creditMax      = 1000
	creditBytesMax = 256 << 20
)

// Link properties of senders.
const (
	propTransferDestination              = "com.microsoft:transfer-destination-address"
	propMaxBatchSize         wire.Symbol = "com.microsoft:max-message-batch-size"
	batchFormatSectionsLimit             = 10_000 // messages in one batch
)

func (c *conn) attachSender(e *end) error {
	s := &sender{end: e, path: e.addr.path}
	e.sender = s
	if e.addr.path != e.addr.entity {
		return fault.New(fault.Conflict, "Messages can not be sent to the sub-queue '%s'.", e.addr.path)
	}
	if err := c.authorise(e, identity.Send, s.path); err != nil {
		return err
	}
	if onward, ok := e.link.Properties.Named(propTransferDestination); ok {
		if err := s.via(onward); err != nil {
			return err
		}
	}
	c.pinned(e)
	e.meter = c.ns.Meter(s.path)
	c.keep(e)
	c.attempt(s.open, s.opened)
	return nil
}

// via reads the final destination of a link that sends via an entity. Both ends
// need the claim.
func (s *sender) via(onward any) error {
	text, _ := onward.(string)
	to, err := parseAddress(text)
	if err != nil {
		return err
	}
	s.onward = to.path
	return s.c.allowed(identity.Send, s.onward)
}

// open looks at the entity, in a turn.
func (s *sender) open(t *namespace.Turn) error {
	d, ok := t.Broker.Definition(s.path)
	switch {
	case !ok:
		return entityNotFound(s.path)
	case d.Kind == broker.Subscription:
		return fault.New(fault.Conflict, "Messages can not be sent to the subscription '%s': send to its topic.", s.path)
	case d.Status == broker.Disabled || d.Status == broker.SendDisabled:
		return fault.New(fault.Disabled, "Messaging entity '%s' is currently disabled.", s.path)
	}
	s.messageMax = messageBytesMax
	if d.MaxMessageBytes > 0 {
		s.messageMax = uint64(d.MaxMessageBytes)
	}
	return nil
}

func entityNotFound(path string) error {
	return fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", path)
}

func (s *sender) opened(err error) {
	if err != nil {
		s.refuse(err)
		return
	}
	s.link.Accept(server.AttachReply{
		Credit:         uint32(min(creditMax, max(4, creditBytesMax/s.messageMax))),
		MaxMessageSize: s.messageMax,
		Properties:     wire.Map{{Key: propMaxBatchSize, Value: min(s.messageMax, batchBytesMax)}},
	})
}

// gather reads what the broker must know of a delivery and adds it to the work.
func (s *sender) gather(w *work, d *server.Delivery) {
	first := len(w.messages)
	txn, err := transactionOf(d.State)
	if err == nil {
		err = s.unpack(w, d)
	}
	if err != nil {
		w.messages = w.messages[:first]
	}
	step := w.add(verbSend)
	step.sender, step.delivery, step.txn, step.err = s, d, txn, err
	step.first, step.last = first, len(w.messages)
}

// unpack adds the messages of a delivery: one, or those of a batch, whose data
// sections each hold one encoded message.
func (s *sender) unpack(w *work, d *server.Delivery) error {
	if d.Format != wire.BatchFormat {
		return s.one(w, d.Payload)
	}
	envelope, err := wire.ScanMessage(d.Payload)
	if err != nil {
		return err
	}
	if envelope.BodyKind != wire.DescData {
		return wire.Errorf(wire.ErrDecode, "a batch holds its messages in data sections")
	}
	first := len(w.messages)
	for encoded, err := range wire.DataSections(envelope.Body) {
		if err != nil {
			return err
		}
		if len(w.messages)-first == batchFormatSectionsLimit {
			return fault.New(fault.TooLarge, "A batch has at most %d messages.", batchFormatSectionsLimit)
		}
		if err := s.one(w, encoded); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) one(w *work, encoded []byte) error {
	m, err := identify(encoded)
	if err == nil && m.MessageID == "" {
		m, err = withID(m)
	}
	w.messages = append(w.messages, m)
	return err
}

// errLeaving drops a message that came while its link was about to be detached:
// it is not stored and not answered, and its client sends it again.
var errLeaving = errors.New("the link is being detached")

// leave detaches the link behind the answers to all that was sent on it: a client
// that saw the detach first would send again what is stored. It does not wait: it
// may be called from a reveal.
func (s *sender) leave(why *wire.Error) {
	s.leaving.Store(true)
	detach := func() { s.link.Detach(why) }
	go func() { // until the turn is queued, which the unit's end cuts short
		if s.c.ns.Do(func(t *namespace.Turn) { t.Reveal(detach) }) != nil {
			detach()
		}
	}()
}

// decide sends, in a turn.
func (s *sender) decide(t *namespace.Turn, msgs []broker.Message, txn broker.TxnID) error {
	if s.leaving.Load() {
		return errLeaving
	}
	if txn != 0 {
		msgs = slices.Clone(msgs) // they are kept until the transaction ends, and the work is used again
	}
	if s.onward != "" {
		return t.Broker.SendVia(t, s.path, s.onward, msgs, txn)
	}
	return t.Broker.Send(t, s.path, msgs, txn)
}

// answer settles a delivery as it was decided.
func (s *sender) answer(st *step) {
	if st.err == errLeaving {
		return
	}
	n := st.last - st.first
	count(s.meter, 1, st.err)
	if st.err == nil {
		s.meter.Incoming.Add(int64(n))
	}
	st.delivery.Settle(outcome(wire.Accepted{}, st.txn, st.err))
}
