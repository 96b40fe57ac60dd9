package server

import "weir/wire/amqp"

// Delivery is an incoming message. Payload and Tag are never written again.
type Delivery struct {
	Link    *Link
	Tag     []byte
	Format  uint32
	Payload []byte
	Settled bool       // by the peer
	State   amqp.State // of the transfer, such as a transactional state

	id    uint32
	first bool // our settlement is final: nobody answers it
	done  bool // settled by us; guarded by Conn.mu
	large bool // over the link's max-message-size: its frames are dropped
}

// Settle tells the peer the outcome and makes room for another message. Only the
// first call counts; the peer hears nothing when it had settled the delivery
// itself, or when the link is gone.
func (d *Delivery) Settle(state amqp.State) {
	l := d.Link
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.done {
		return
	}
	d.done = true
	l.unsettled--
	if l.state != linkAttached || l.session.ended {
		return
	}
	if !d.Settled {
		l.session.ack(ack{role: amqp.RoleReceiver, first: d.id, last: d.id, settled: d.first, state: state})
	}
	l.topUp()
}

// transferIn takes one transfer frame. It runs on the reader.
func (s *Session) transferIn(t *amqp.Transfer, payload []byte) {
	c := s.conn
	c.mu.Lock()
	if s.ended {
		c.mu.Unlock()
		return
	}
	s.countTransfer()
	l := s.link(t.Handle)
	if l == nil {
		c.mu.Unlock()
		s.fail(amqp.Errorf(amqp.ErrUnattachedHandle, "transfer on handle %d, which has no link", t.Handle))
		return
	}
	d, err := l.transferIn(t, payload)
	c.mu.Unlock()
	if err != nil {
		l.mistake(err)
	}
	if d != nil {
		c.handler.Deliver(l, d)
	}
}

// countTransfer counts a transfer frame against the session's window, under mu. The
// window is renewed as soon as half of it is used, so nobody can exceed it: what
// bounds a peer is link credit.
func (s *Session) countTransfer() {
	s.nextIncomingID++
	if s.incomingWindow--; s.incomingWindow <= s.conn.cfg.IncomingWindow/2 {
		s.flowOut()
	}
}

// transferIn adds a transfer frame to the link's message, under mu, and returns
// the message when it is complete. Frames that cross our detach mean nothing.
func (l *Link) transferIn(t *amqp.Transfer, payload []byte) (*Delivery, *amqp.Error) {
	if l.state > linkAttached {
		return nil, nil
	}
	d := l.partial
	if d == nil {
		var err *amqp.Error
		if d, err = l.firstTransfer(t); err != nil {
			return nil, err
		}
	} else if t.DeliveryID.Set && t.DeliveryID.Value != d.id {
		return nil, amqp.Errorf(amqp.ErrNotAllowed, "delivery %d starts inside delivery %d", t.DeliveryID.Value, d.id)
	}
	l.partial = nil
	if t.Aborted {
		l.topUp()
		return nil, nil
	}
	if size := uint64(len(d.Payload)) + uint64(len(payload)); size > l.sizeMax {
		d.large, d.Payload = true, nil
	}
	if d.large {
		payload = nil
	}
	d.add(t, payload)
	switch {
	case t.More:
		l.partial = d
	case d.large:
		return nil, l.tooLarge(d)
	default:
		l.unsettled++
		return d, nil
	}
	return nil, nil
}

// tooLarge answers a message over max-message-size, under mu: it is rejected and
// the link stays, because some clients hear of a failed send only by its outcome.
// A peer that settled it already would hear nothing: its link ends.
func (l *Link) tooLarge(d *Delivery) *amqp.Error {
	err := amqp.Errorf(amqp.ErrMessageSizeExceeded, "the message is larger than %d bytes", l.sizeMax)
	if d.Settled {
		return err
	}
	l.session.ack(ack{role: amqp.RoleReceiver, first: d.id, last: d.id, settled: d.first, state: amqp.Rejected{Error: err}})
	l.topUp()
	return nil
}

// firstTransfer starts a message.
func (l *Link) firstTransfer(t *amqp.Transfer) (*Delivery, *amqp.Error) {
	switch {
	case l.Role != amqp.RoleReceiver:
		return nil, amqp.Errorf(amqp.ErrNotAllowed, "transfer on a link where the peer receives")
	case l.credit == 0:
		return nil, amqp.Errorf(amqp.ErrTransferLimitExceeded, "transfer without credit")
	case !t.DeliveryID.Set:
		return nil, amqp.Errorf(amqp.ErrInvalidField, "the first transfer of a delivery lacks its delivery-id")
	case t.Resume:
		return nil, amqp.Errorf(amqp.ErrNotImplemented, "deliveries are not resumed")
	}
	l.credit--
	l.deliveryCount++
	mode := t.ReceiverSettleMode.Or(l.ReceiverSettleMode)
	return &Delivery{
		Link: l, Tag: t.DeliveryTag, Format: t.MessageFormat.Or(0),
		id: t.DeliveryID.Value, first: mode == amqp.ReceiverFirst,
	}, nil
}

// add adds one frame's part. A message of one frame stays where it was read.
func (d *Delivery) add(t *amqp.Transfer, payload []byte) {
	d.Settled = d.Settled || t.Settled.Value
	if t.State != nil {
		d.State = t.State
	}
	if d.Payload == nil && !t.More {
		d.Payload = payload
		return
	}
	if d.Payload == nil {
		d.Payload = make([]byte, 0, 4*len(payload))
	}
	d.Payload = append(d.Payload, payload...)
}
