package broker

import (
	"slices"
	"time"

	"weir/kernel/fault"
)

// receiver is an open receiver: the owner's.
type receiver struct {
	id      ReceiverID
	place   uint32 // in Broker.byPlace
	mailbox *mailbox
	mode    Mode
	choice  SessionChoice

	limit, count uint32 // of the peer's credit, and what it has had: serial numbers
	drains       bool   // asked for its credit to be used up
	newest       *grant // its last place in line
	grants       int

	session  uint32 // the session it holds
	waits    bool   // for a session
	nextWait *receiver
	prevWait *receiver
	timer    timer
}

// credit is how many messages the receiver may still be given.
func (r *receiver) credit() uint32 {
	if left := int32(r.limit - r.count); left > 0 {
		return uint32(left)
	}
	return 0
}

// OpenReceiver opens a receiver. For one that names or gets a session at once the
// session and the time its lock ends are returned. waiting says that the answer
// comes as an event: SessionAccepted or Refused.
func (b *Broker) OpenReceiver(t Turn, spec ReceiverSpec) (session string, until time.Time, waiting bool, err error) {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(spec.Path)
	if err == nil {
		err = b.mayReceive(m, spec)
	}
	if err != nil {
		return "", time.Time{}, false, err
	}
	b.use(m.entity)
	r := &receiver{id: spec.ID, mailbox: m, mode: spec.Mode, choice: spec.Choice}
	switch spec.Choice {
	case NamedSession:
		n := b.nameSession(m, spec.Session)
		if m.sessions.slab.at(n).lock != 0 {
			return "", time.Time{}, false, sessionTaken(spec.Session)
		}
		b.addReceiver(r)
		b.hold(r, n)
		return spec.Session, b.heldUntil(r), false, nil
	case NextAvailable:
		if n := m.sessions.waiting.first; n != 0 {
			b.addReceiver(r)
			b.hold(r, n)
			return b.sessionID(r), b.heldUntil(r), false, nil
		}
		if !spec.WaitUntil.IsZero() && spec.WaitUntil.UnixMilli() <= b.now {
			return "", time.Time{}, false, errNoSession
		}
		b.addReceiver(r)
		b.wait(r, spec.WaitUntil)
		return "", time.Time{}, true, nil
	}
	b.addReceiver(r)
	return "", time.Time{}, false, nil
}

// mayReceive refuses a receiver that the mailbox cannot have.
func (b *Broker) mayReceive(m *mailbox, spec ReceiverSpec) error {
	e := m.entity
	switch {
	case e.def.Kind == Topic && m.role != transferDeadLetter:
		return fault.New(fault.Conflict, "Messages cannot be received from the topic '%s': receive from one of its subscriptions.", e.def.Name)
	case !e.takesReceives():
		return fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for receiving.", e.def.Name)
	case m.forwardsTo() != "":
		return fault.New(fault.Conflict, "Cannot create a message receiver on '%s': its messages are forwarded to '%s'.", m.path(), m.forwardsTo())
	case m.sessions != nil && spec.Choice == NoSession:
		return fault.New(fault.Conflict, "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.")
	case m.sessions == nil && spec.Choice != NoSession:
		return fault.New(fault.Conflict, "It is not possible to create a sessionful message receiver on '%s': it does not require sessions.", m.path())
	case b.receivers[spec.ID] != nil:
		return fault.New(fault.AlreadyExists, "Receiver %d is open already.", spec.ID)
	case e.open >= receiversMax:
		return fault.New(fault.QuotaExceeded, "The messaging entity '%s' has %d receivers, which is all it may have.", e.def.Name, receiversMax)
	}
	return checkIdentity("session id", spec.Session)
}

func (b *Broker) addReceiver(r *receiver) {
	b.receivers[r.id] = r
	r.mailbox.entity.open++
	r.timer.receiver = r
	if n := len(b.freePlaces); n > 0 {
		r.place = b.freePlaces[n-1]
		b.freePlaces = b.freePlaces[:n-1]
		b.byPlace[r.place] = r
		return
	}
	r.place = uint32(len(b.byPlace))
	b.byPlace = append(b.byPlace, r)
}

// CloseReceiver closes a receiver. Messages it has locked stay locked until their
// time runs out; a session it holds is free at once, and its messages with it, none
// of which counts as a failed delivery.
func (b *Broker) CloseReceiver(t Turn, id ReceiverID) {
	b.begin(t)
	if r := b.receivers[id]; r != nil {
		b.use(r.mailbox.entity)
		b.dropReceiver(r)
	}
	b.finish(t)
}

// dropReceiver forgets a receiver, its place in line and its hold on a session.
func (b *Broker) dropReceiver(r *receiver) {
	m := r.mailbox
	m.line.leave(r)
	if r.drains {
		m.drains = slices.DeleteFunc(m.drains, func(x *receiver) bool { return x == r })
	}
	if r.waits {
		b.unwait(r)
	}
	if r.session != 0 {
		b.release(m, r.session)
	}
	delete(b.receivers, r.id)
	m.entity.open--
	b.byPlace[r.place] = nil
	b.freePlaces = append(b.freePlaces, r.place)
	b.touch(m)
}

// closeFor ends a receiver from our side.
func (b *Broker) closeFor(r *receiver, err error) {
	b.dropReceiver(r)
	b.say(Event{Kind: Closed, Receiver: r.id, Err: err})
}

// closeAll ends every receiver of an entity.
func (b *Broker) closeAll(e *entity, err error) {
	if e.open == 0 {
		return
	}
	for _, r := range b.byPlace {
		if r != nil && r.mailbox.entity == e {
			b.closeFor(r, err)
		}
	}
}

// Credit says how far a receiver's credit reaches: limit is the peer's
// delivery-count plus its link-credit, a serial number (RFC 1982) against our
// delivery-count, which begins at 0. With drain, what credit is left when no more
// messages are there is used up, and the event Drained says so.
func (b *Broker) Credit(t Turn, id ReceiverID, limit uint32, drain bool) {
	b.begin(t)
	if r := b.receivers[id]; r != nil {
		m := r.mailbox
		b.use(m.entity)
		before := r.credit()
		r.limit = limit
		m.line.adjust(r, before)
		if drain && !r.drains {
			r.drains = true
			m.drains = append(m.drains, r)
		}
		if r.session != 0 {
			b.sessionChanged(m, r.session)
		}
		b.touch(m)
	}
	b.finish(t)
}

// drained answers the receivers that asked for their credit to be used up, once
// nothing more can be given.
func (b *Broker) drained(m *mailbox) {
	for i, r := range m.drains {
		m.drains[i] = nil
		r.drains = false
		m.line.leave(r)
		if r.credit() > 0 {
			r.count = r.limit
		}
		b.say(Event{Kind: Drained, Receiver: r.id})
	}
	m.drains = m.drains[:0]
}
