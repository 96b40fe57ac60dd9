package server

import (
	"bytes"
	"slices"

	"weir/wire/amqp"
)

// Outgoing is a message to send. Send keeps nothing of it but User.
type Outgoing struct {
	Tag     []byte // up to 32 bytes, unique among the link's unsettled deliveries
	Format  uint32
	Payload [][]byte // parts of the encoded message, sent one after the other
	Settled bool     // also true on links that the peer wants settled
	State   amqp.State
	User    any // comes back in Handler.Disposition
}

// outgoing is a message on its way out, or the mark that a drain is to be answered
// at this place of the queue.
type outgoing struct {
	link    *Link
	drained bool
	message Outgoing
	started bool // the first frame has left
	part    int  // of Payload, where the next frame starts
	offset  int  // in that part
	left    int  // bytes not sent
}

// Send sends a message and uses one credit. It never blocks: what the session's
// window does not take now is copied and follows when it does. It refuses with
// ErrLinkGone, ErrNoCredit or ErrTooLarge.
func (l *Link) Send(m Outgoing) error {
	size := 0
	for _, part := range m.Payload {
		size += len(part)
	}
	c, s := l.Conn(), l.session
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case l.state != linkAttached || s.ended || c.closing || l.Role != amqp.RoleSender:
		return ErrLinkGone
	case l.credit == 0:
		return ErrNoCredit
	case l.MaxMessageSize > 0 && uint64(size) > l.MaxMessageSize:
		return ErrTooLarge
	}
	l.credit--
	l.deliveryCount++
	m.Settled = m.Settled || l.SenderSettleMode == amqp.SenderSettled
	o := outgoing{link: l, message: m, left: size}
	if len(s.queue) > 0 || !s.transmit(&o) {
		s.enqueue(&o)
	}
	c.bound(size)
	c.wakeWriter()
	return nil
}

// enqueue keeps a copy of what of o has not been sent, under mu.
func (s *Session) enqueue(o *outgoing) {
	kept := &outgoing{link: o.link, message: o.message, started: o.started, left: o.left}
	rest := make([]byte, 0, o.left)
	for o.left > 0 {
		rest = o.take(rest, o.left)
	}
	kept.message.Payload = [][]byte{rest}
	kept.message.Tag = bytes.Clone(o.message.Tag)
	s.queue = append(s.queue, kept)
	s.queued += len(rest)
	s.conn.out.queued += len(rest)
}

// unqueue drops what a detached link has in the queue, under mu.
func (s *Session) unqueue(l *Link) {
	s.queue = slices.DeleteFunc(s.queue, func(o *outgoing) bool {
		if o.link != l {
			return false
		}
		s.queued -= o.left
		s.conn.out.queued -= o.left
		return true
	})
}

// pump sends what waits in the queue as far as the window allows, under mu.
func (s *Session) pump() {
	for len(s.queue) > 0 && !s.conn.closing {
		o := s.queue[0]
		if o.drained {
			o.link.flowOut(true)
		} else {
			before := o.left
			done := s.transmit(o)
			s.queued -= before - o.left
			s.conn.out.queued -= before - o.left
			if !done {
				break
			}
		}
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	s.conn.roomFreed()
	s.conn.wakeWriter()
}

// transmit writes frames of o while the window allows, under mu, and says whether
// the whole message has left.
func (s *Session) transmit(o *outgoing) (done bool) {
	for s.remoteWindow > 0 {
		s.remoteWindow--
		s.nextOutgoingID++
		if s.transferOut(o) {
			return true
		}
	}
	return false
}

// transferOut writes the next frame of o and says whether it was the last.
func (s *Session) transferOut(o *outgoing) (last bool) {
	t := amqp.Transfer{Handle: o.link.handle}
	if !o.started {
		o.started = true
		t.DeliveryID = amqp.Some(s.nextDeliveryID)
		t.DeliveryTag = o.message.Tag
		t.MessageFormat = amqp.Some(o.message.Format)
		t.Settled = amqp.Some(o.message.Settled)
		t.State = o.message.State
		if !o.message.Settled {
			s.unsettled[s.nextDeliveryID] = sent{o.link, o.message.User}
		}
		s.nextDeliveryID++
	}
	out := &s.conn.out
	out.reserve(min(s.conn.frameMax(), o.left+frameRoom))
	start := len(out.buf)
	out.buf = t.Append(amqp.OpenFrame(out.buf, amqp.FrameAMQP, s.channel))
	room := s.conn.frameMax() - (len(out.buf) - start)
	if o.left > room {
		t.More = true
		out.buf = t.Append(amqp.OpenFrame(out.buf[:start], amqp.FrameAMQP, s.channel))
		room = s.conn.frameMax() - (len(out.buf) - start)
	}
	out.buf = o.take(out.buf, max(min(room, o.left), 0))
	amqp.CloseFrame(out.buf, start)
	return !t.More
}

// frameMax is the largest frame we send: what the peer takes, but no more than
// what we would take.
func (c *Conn) frameMax() int {
	return int(min(c.peer.MaxFrameSize, c.cfg.MaxFrameSize))
}

// take moves n bytes of the message to dst.
func (o *outgoing) take(dst []byte, n int) []byte {
	o.left -= n
	for n > 0 {
		part := o.message.Payload[o.part][o.offset:]
		if len(part) > n {
			o.offset += n
			return append(dst, part[:n]...)
		}
		dst = append(dst, part...)
		n -= len(part)
		o.part, o.offset = o.part+1, 0
	}
	return dst
}

// bound cuts a connection whose handler sends without ever waiting for room, under
// mu. size is the message just given, however large: what counts is what was
// waiting before it.
func (c *Conn) bound(size int) {
	if c.out.backlog()+c.out.queued > c.cfg.OutputBytesMax+outputSlackMax+size && !c.closing {
		c.log.Warn("a peer does not read: its connection is cut", "waiting_bytes", c.out.backlog()+c.out.queued)
		c.cut(amqp.Errorf(amqp.ErrResourceLimitExceeded, "output is not read"))
	}
}

// WaitRoom waits until the connection's output and the session's queue are below
// OutputBytesMax, or the link is gone. Who sends many messages calls it before
// each Send; Handler methods must not.
func (l *Link) WaitRoom() error {
	c, s := l.Conn(), l.session
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := func() bool { return l.state != linkAttached || s.ended || c.closing }
	c.waitRoom(func() bool { return c.out.backlog()+s.queued > c.cfg.OutputBytesMax && !gone() })
	if gone() {
		return ErrLinkGone
	}
	return nil
}
