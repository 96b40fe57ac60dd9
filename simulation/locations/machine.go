package locations

import (
	"fmt"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
	"weir/service/bus/bustest"
)

// machine is the broker of a unit.
type machine struct {
	*bustest.Broker
	u *unit
}

func newMachine(u *unit) *machine { return &machine{bustest.NewBroker(), u} }

// entities of a unit.
var entities = []bustest.Definition{
	{Name: "plain", Kind: bustest.Queue},
	{Name: "sessions", Kind: bustest.Queue, RequiresSession: true},
	{Name: "once", Kind: bustest.Queue, DuplicateWindow: time.Hour},
}

// declare defines what is missing, as the service does at a take-over.
func (m *machine) declare(t *core.Turn) {
	for _, d := range entities {
		if _, ok := m.Definition(d.Name); ok {
			continue
		}
		d.LockDuration, d.MaxDeliveryCount = 5*time.Second, 1000
		d.MaxSizeBytes, d.MaxMessageBytes = 1<<30, 1<<20
		if err := m.Define(t, d); err != nil {
			panic("simulation: define " + d.Name + ": " + err.Error())
		}
	}
	m.spread(t)
}

func (m *machine) tick(t *core.Turn) {
	m.Tick(t)
	m.spread(t)
}

// carry moves live payloads that lie before a position forward.
func (m *machine) carry(t *core.Turn, before record.Position) {
	for _, ref := range m.Live(before, 1<<20) {
		payload := m.u.shelf.read(ref)
		if payload == nil && m.u.h.w.judge.units[m.u.name].half {
			continue // an operator went on with a copy that lacks it
		}
		if payload == nil && m.u.opened < m.u.h.w.judge.units[m.u.name].newest {
			continue // this one owns no more and does not know yet
		}
		if payload == nil {
			m.u.h.w.judge.violation("%s/%s: the payload at %v is gone although it is live", m.u.h.name, m.u.name, ref)
			continue
		}
		m.Carry(t, ref, payload)
	}
	m.spread(t)
}

// spread reveals what the broker had to say in this turn.
func (m *machine) spread(t *core.Turn) {
	events := m.Events(nil)
	if len(events) == 0 {
		return
	}
	t.Reveal(func() {
		for _, e := range events {
			if e.Kind == bustest.Fetch {
				m.fetch(e)
			} else if r := m.u.h.w.receivers[e.Receiver]; r != nil {
				r.hear(m.u, e)
			}
		}
	})
}

// fetch reads what the broker wants to judge, as the service does.
func (m *machine) fetch(e bustest.Event) {
	epoch := m.u.epochs
	m.u.h.after(time.Millisecond, func() {
		if epoch == m.u.epochs {
			m.u.do(func(t *core.Turn) {
				m.Fetched(t, e.Ref, m.u.shelf.read(e.Ref))
				m.spread(t)
			})
		}
	})
}

// message encodes a message whose body is its id: one data section (AMQP 1.0, part
// 3.2.6).
func message(id, session string) bustest.Message {
	body := append([]byte{0x00, 0x53, 0x75, 0xa0, byte(len(id))}, id...)
	return bustest.Message{Encoded: body, MessageID: id, SessionID: session, HasSession: session != ""}
}

// name is the id in an encoded message.
func name(encoded []byte) (string, error) {
	if len(encoded) < 5 {
		return "", fmt.Errorf("%d bytes are no message", len(encoded))
	}
	return string(encoded[5:]), nil
}
