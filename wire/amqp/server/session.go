package server

import (
	"bytes"

	"weir/wire/amqp"
)

// outgoingWindow is the window we announce for our transfers. We keep no transfer
// for sending it again, so nothing bounds it.
const outgoingWindow = 1<<31 - 1

// Session is one session. What its methods change is guarded by Conn.mu; links is
// the reader's.
type Session struct {
	conn    *Conn
	channel uint16
	links   []*Link // by handle

	ended          bool // our end is sent, or the connection is over
	nextIncomingID uint32
	incomingWindow uint32 // transfer frames the peer may still send
	nextOutgoingID uint32
	remoteWindow   uint32 // transfer frames we may still send
	nextDeliveryID uint32
	unsettled      map[uint32]sent // deliveries we sent, by id
	queue          []*outgoing     // messages that wait for remoteWindow
	queued         int             // their bytes
	acks           []ack           // dispositions not encoded yet
}

// sent is a delivery we sent.
type sent struct {
	link *Link
	user any
}

// Conn returns the session's connection.
func (s *Session) Conn() *Conn { return s.conn }

// End ends the session, with an error unless err is nil. Detached follows for its
// links.
func (s *Session) End(err *amqp.Error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.end(err)
}

// end is End under mu.
func (s *Session) end(err *amqp.Error) {
	if s.ended {
		return
	}
	if err != nil {
		s.conn.log.Debug("ending session", "channel", s.channel, "error", err)
	}
	s.conn.frame(s.channel, &amqp.End{Error: err})
	s.drop()
}

// drop forgets everything that the session could still say, under mu. The links
// stay known to the reader, who tells the handler of their end.
func (s *Session) drop() {
	s.ended = true
	s.conn.out.queued -= s.queued
	s.queue, s.queued = nil, 0
	s.acks = nil
	s.unsettled = nil
	s.conn.out.room.Broadcast()
}

// beginIn answers the peer's begin. Sessions use the same channel both ways.
func (c *Conn) beginIn(channel uint16, body []byte) error {
	var b amqp.Begin
	if _, err := b.Decode(bytes.Clone(body)); err != nil {
		return err
	}
	switch {
	case channel > min(c.cfg.ChannelMax, c.peer.ChannelMax):
		return amqp.Errorf(amqp.ErrConnectionFraming, "channel %d is above the highest, %d", channel, c.cfg.ChannelMax)
	case b.RemoteChannel.Set:
		return amqp.Errorf(amqp.ErrNotAllowed, "begin answers a session that was not begun")
	}
	for int(channel) >= len(c.sessions) {
		c.sessions = append(c.sessions, nil)
	}
	if c.sessions[channel] != nil {
		return amqp.Errorf(amqp.ErrNotAllowed, "channel %d is in use", channel)
	}
	s := &Session{
		conn: c, channel: channel,
		nextIncomingID: b.NextOutgoingID,
		incomingWindow: c.cfg.IncomingWindow,
		remoteWindow:   b.IncomingWindow,
		unsettled:      make(map[uint32]sent),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[channel] = s
	c.frame(channel, &amqp.Begin{
		RemoteChannel:  amqp.Some(channel),
		IncomingWindow: c.cfg.IncomingWindow,
		OutgoingWindow: outgoingWindow,
		HandleMax:      c.cfg.HandleMax,
	})
	return nil
}

// endIn answers the peer's end and forgets the session.
func (c *Conn) endIn(s *Session, err *amqp.Error) {
	c.mu.Lock()
	s.end(nil)
	c.sessions[s.channel] = nil
	c.mu.Unlock()
	s.tellDetached(err)
}

// fail ends the session for a mistake of the peer and tells the handler.
func (s *Session) fail(err *amqp.Error) {
	s.End(err)
	s.tellDetached(err)
}

// tellDetached tells the handler that all links of the session are over. It runs
// on the reader.
func (s *Session) tellDetached(err *amqp.Error) {
	for _, l := range s.links {
		if l == nil {
			continue
		}
		s.conn.mu.Lock()
		l.state = linkGone
		s.conn.mu.Unlock()
		s.forget(l)
		l.tellDetached(err)
	}
}

// link returns the link with this handle, or nil.
func (s *Session) link(handle uint32) *Link {
	if handle >= uint32(len(s.links)) {
		return nil
	}
	return s.links[handle]
}

// forget makes the link's handle and name free again. It runs on the reader.
func (s *Session) forget(l *Link) {
	s.links[l.handle] = nil
	if key := (linkKey{l.Name, l.Role}); s.conn.links[key] == l {
		delete(s.conn.links, key)
	}
}

// flowIn takes the peer's flow state: the session's always, a link's when the flow
// names one.
func (s *Session) flowIn(f *amqp.Flow) {
	c := s.conn
	c.mu.Lock()
	if s.ended {
		c.mu.Unlock()
		return
	}
	s.openWindow(f)
	if !f.Handle.Set {
		if f.Echo {
			s.flowOut()
		}
		c.mu.Unlock()
		return
	}
	l := s.link(f.Handle.Value)
	if l == nil {
		c.mu.Unlock()
		s.fail(amqp.Errorf(amqp.ErrUnattachedHandle, "flow on handle %d, which has no link", f.Handle.Value))
		return
	}
	tell := l.flowIn(f)
	flow := l.flow()
	c.mu.Unlock()
	if tell {
		c.handler.Credit(l, flow)
	}
}

// openWindow computes how many transfer frames the peer takes (part 2, 2.5.6) and
// sends what waited for that, under mu.
func (s *Session) openWindow(f *amqp.Flow) {
	unseen := s.nextOutgoingID - f.NextIncomingID.Or(0)
	s.remoteWindow = left(f.IncomingWindow, unseen)
	s.pump()
}

// left returns how much of an allowance is left when used of it was used since the
// peer counted. Counters wrap around; a peer that is ahead of us has used nothing.
func left(allowance, used uint32) uint32 {
	if int32(used) < 0 {
		used = 0
	}
	return allowance - min(used, allowance)
}

// windows returns a flow with the session's state. It renews the incoming window.
func (s *Session) windows() *amqp.Flow {
	s.incomingWindow = s.conn.cfg.IncomingWindow
	return &amqp.Flow{
		NextIncomingID: amqp.Some(s.nextIncomingID),
		IncomingWindow: s.incomingWindow,
		NextOutgoingID: s.nextOutgoingID,
		OutgoingWindow: outgoingWindow,
	}
}

// flowOut sends the session's flow state, under mu.
func (s *Session) flowOut() { s.conn.frame(s.channel, s.windows()) }
