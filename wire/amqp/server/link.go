package server

import "weir/wire/amqp"

// linkState is where a link is in its life.
type linkState uint8

const (
	linkPending  linkState = iota // the peer's attach waits for our answer
	linkAttached                  // both attached
	linkDetached                  // our detach is sent, the peer's is to come
	linkGone                      // both detached, or the session is over
)

// Link is one link. The exported fields are set before Handler.Attach and do not
// change, but for User, which belongs to the handler.
type Link struct {
	Name                string
	Role                amqp.Role // ours: RoleSender when we send
	Source              *amqp.Source
	Target              *amqp.Target
	Coordinator         *amqp.Coordinator // in place of Target
	SenderSettleMode    amqp.SenderSettleMode
	ReceiverSettleMode  amqp.ReceiverSettleMode
	MaxMessageSize      uint64 // bytes the peer takes; 0 is any
	Properties          amqp.Map
	OfferedCapabilities []amqp.Symbol
	DesiredCapabilities []amqp.Symbol
	User                any

	session *Session
	handle  uint32 // the same both ways
	asked   *amqp.Attach
	told    bool      // the handler knows of the end; reader only
	partial *Delivery // an incoming message not complete yet; reader only

	// Guarded by Conn.mu.
	state         linkState
	refused       bool
	deliveryCount uint32
	credit        uint32 // messages that the sending end may still send
	drain         bool   // sending: the peer waits for Drained
	properties    amqp.Map

	creditMax uint32 // receiving: credit and unsettled together
	unsettled uint32 // receiving: given to the handler and not settled
	paused    bool
	sizeMax   uint64
}

// AttachReply is our half of an attach. A Source, Target or Coordinator left nil
// echoes the peer's.
type AttachReply struct {
	Source              *amqp.Source
	Target              *amqp.Target
	Coordinator         *amqp.Coordinator
	Credit              uint32 // where the peer sends: most messages on their way or unsettled
	MaxMessageSize      uint64 // bytes; 0 is Config's where the peer sends, and any where we do
	Properties          amqp.Map
	OfferedCapabilities []amqp.Symbol
	DesiredCapabilities []amqp.Symbol
}

// Session returns the link's session.
func (l *Link) Session() *Session { return l.session }

// Conn returns the link's connection.
func (l *Link) Conn() *Conn { return l.session.conn }

// attachIn takes the peer's attach. Its errors end the connection.
func (s *Session) attachIn(a *amqp.Attach) error {
	c := s.conn
	if a.Handle > c.cfg.HandleMax {
		return amqp.Errorf(amqp.ErrConnectionFraming, "handle %d is above the highest, %d", a.Handle, c.cfg.HandleMax)
	}
	if s.isEnded() {
		return nil
	}
	if s.link(a.Handle) != nil {
		s.fail(amqp.Errorf(amqp.ErrHandleInUse, "handle %d has a link already", a.Handle))
		return nil
	}
	l := s.newLink(a)
	key := linkKey{l.Name, l.Role}
	if old := c.links[key]; old != nil {
		old.stolen()
	}
	c.links[key] = l
	for int(a.Handle) >= len(s.links) {
		s.links = append(s.links, nil)
	}
	s.links[a.Handle] = l
	c.handler.Attach(l)
	return nil
}

func (s *Session) isEnded() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.ended
}

func (s *Session) newLink(a *amqp.Attach) *Link {
	l := &Link{
		Name: a.Name, Role: !a.Role,
		Source: a.Source, Target: a.Target, Coordinator: a.Coordinator,
		SenderSettleMode:    a.SenderSettleMode.Or(amqp.SenderMixed),
		ReceiverSettleMode:  a.ReceiverSettleMode.Or(amqp.ReceiverFirst),
		MaxMessageSize:      a.MaxMessageSize,
		Properties:          a.Properties,
		OfferedCapabilities: a.OfferedCapabilities,
		DesiredCapabilities: a.DesiredCapabilities,
		session:             s,
		handle:              a.Handle,
		asked:               a,
	}
	if a.Role == amqp.RoleSender {
		l.deliveryCount = a.InitialDeliveryCount.Value
	}
	return l
}

// stolen detaches a link whose name the peer attaches again (part 2, 2.6.1).
func (l *Link) stolen() {
	err := amqp.Errorf(amqp.ErrStolen, "the link was attached again")
	l.Detach(err)
	l.tellDetached(err)
}

// Accept attaches the link.
func (l *Link) Accept(r AttachReply) {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.state != linkPending || l.session.ended {
		return
	}
	l.state = linkAttached
	reply := l.reply()
	reply.Source, reply.Target, reply.Coordinator = l.Source, l.Target, l.Coordinator
	if r.Source != nil {
		reply.Source = r.Source
	}
	if r.Target != nil || r.Coordinator != nil {
		reply.Target, reply.Coordinator = r.Target, r.Coordinator
	}
	if l.Role == amqp.RoleReceiver {
		or(&r.MaxMessageSize, c.cfg.MaxMessageSize)
		l.sizeMax, l.creditMax = r.MaxMessageSize, r.Credit
	}
	reply.MaxMessageSize = r.MaxMessageSize
	reply.Properties = r.Properties
	reply.OfferedCapabilities = r.OfferedCapabilities
	reply.DesiredCapabilities = r.DesiredCapabilities
	c.frame(l.session.channel, reply)
	l.topUp()
}

// reply returns our attach without termini, with the modes that were asked for. A
// peer that offers to resume deliveries learns that we know of none.
func (l *Link) reply() *amqp.Attach {
	a := &amqp.Attach{
		Name: l.Name, Handle: l.handle, Role: l.Role,
		SenderSettleMode:   l.asked.SenderSettleMode,
		ReceiverSettleMode: l.asked.ReceiverSettleMode,
	}
	if l.asked.Unsettled != nil {
		a.Unsettled = amqp.Map{}
	}
	if l.Role == amqp.RoleSender {
		a.InitialDeliveryCount = amqp.Some(l.deliveryCount)
	}
	return a
}

// Refuse answers the attach with one that has no termini and a detach that says
// why. Detached does not follow.
func (l *Link) Refuse(err *amqp.Error) {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.state == linkPending && !l.session.ended {
		l.refused = true
		l.detach(true, err)
	}
}

// Detach closes the link, with an error unless err is nil. Detached follows.
func (l *Link) Detach(err *amqp.Error) {
	c := l.Conn()
	c.mu.Lock()
	defer c.mu.Unlock()
	l.detach(true, err)
}

// detach sends our detach, after an empty attach if there was none yet, under mu.
func (l *Link) detach(closed bool, err *amqp.Error) {
	s := l.session
	if l.state > linkAttached || s.ended {
		return
	}
	if err != nil {
		s.conn.log.Debug("detaching link", "link", l.Name, "error", err)
	}
	if l.state == linkPending {
		s.conn.frame(s.channel, l.reply())
	}
	s.conn.frame(s.channel, &amqp.Detach{Handle: l.handle, Closed: closed, Error: err})
	l.state = linkDetached
	s.unqueue(l)
	for id, d := range s.unsettled {
		if d.link == l {
			delete(s.unsettled, id)
		}
	}
	s.conn.out.room.Broadcast()
}

// detachIn takes the peer's detach and answers it if it is the first.
func (s *Session) detachIn(d *amqp.Detach) {
	c := s.conn
	c.mu.Lock()
	if s.ended {
		c.mu.Unlock()
		return
	}
	l := s.link(d.Handle)
	if l == nil {
		c.mu.Unlock()
		s.fail(amqp.Errorf(amqp.ErrUnattachedHandle, "detach of handle %d, which has no link", d.Handle))
		return
	}
	l.detach(d.Closed, nil)
	l.state = linkGone
	c.mu.Unlock()
	s.forget(l)
	l.tellDetached(d.Error)
}

// tellDetached tells the handler, once, that the link is over. It runs on the
// reader.
func (l *Link) tellDetached(err *amqp.Error) {
	c := l.Conn()
	c.mu.Lock()
	refused := l.refused
	c.mu.Unlock()
	if !l.told && !refused {
		l.told = true
		c.handler.Detached(l, err)
	}
}

// mistake detaches a link for something the peer did wrong on it. It runs on the
// reader.
func (l *Link) mistake(err *amqp.Error) {
	l.Detach(err)
	l.partial = nil
	l.tellDetached(err)
}
