package broker

import (
	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// SessionState returns where the bytes of a session's state lie. ok is false when
// it has none.
func (b *Broker) SessionState(path, session string) (ref record.Ref, ok bool, err error) {
	m, err := b.look(path)
	if err != nil {
		return record.Ref{}, false, err
	}
	if m.sessions == nil {
		return record.Ref{}, false, noSessions(m)
	}
	n := b.findSession(m, session)
	if n == 0 || m.sessions.slab.at(n).state == 0 {
		return record.Ref{}, false, nil
	}
	return b.payloads.slab.at(m.sessions.slab.at(n).state).ref(), true, nil
}

// SetSessionState sets the state of a session that by holds (0: that anybody
// holds). A state of no bytes clears it. It outlives the session's messages and
// counts to the entity's size.
func (b *Broker) SetSessionState(t Turn, path, session string, state []byte, by ReceiverID) error {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(path)
	if err != nil {
		return err
	}
	b.use(m.entity)
	n, _, err := b.heldSession(m, session, by)
	if err != nil {
		return err
	}
	most := int64(messageBytesMax)
	if d := m.entity.store().def; d.MaxMessageBytes > 0 {
		most = min(most, d.MaxMessageBytes)
	}
	if int64(len(state)) > most {
		return fault.New(fault.TooLarge, "The session state (size: %d) exceeds the limit (%d bytes) of '%s'.", len(state), most, m.entity.def.Name)
	}
	if len(state) > 0 && !m.entity.store().room(int64(len(state))) {
		return full(m.entity.store())
	}
	if len(state) == 0 && m.sessions.slab.at(n).state == 0 {
		return nil
	}
	b.head = b.appendSessionState(b.head[:0], m, session, len(state))
	b.record(t, state)
	return nil
}

// putState replaces a session's state by what lies at ref; a ref of no bytes
// clears it.
func (b *Broker) putState(m *mailbox, n uint32, ref record.Ref, at int64) {
	s := m.sessions.slab.at(n)
	if s.state != 0 {
		b.discharge(m, s.state)
		s.state, s.stateAt = 0, 0
	}
	if ref.Len > 0 {
		p, _ := b.payloads.add(ref)
		b.charge(m, p)
		s.state, s.stateAt = p, at
	}
	b.sessionChanged(m, n)
}
