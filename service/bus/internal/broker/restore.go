package broker

import (
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// restoring is a snapshot while it is read.
type restoring struct {
	reader
	broker   *Broker
	payloads []uint32 // their numbers, by ordinal from 1
	texts    []uint32 // likewise; each has a reference until the end
}

func badSnapshot(format string, args ...any) error {
	return fault.New(fault.Damaged, "A snapshot cannot be read: "+format+".", args...)
}

// Restore replaces the state by one that Snapshot wrote. On an error the state is
// empty. The owner's state is not in a snapshot: what is restored is a follower.
func (b *Broker) Restore(data []byte) error {
	err := b.restore(data)
	if err != nil {
		b.Reset()
	}
	return err
}

func (b *Broker) restore(data []byte) error {
	b.Reset()
	if len(data) < 1+snapshotSumBytes {
		return badSnapshot("it has %d bytes", len(data))
	}
	if data[0] < snapshotOldest || data[0] > snapshotVersion {
		return badSnapshot("its version is %d, this program reads %d to %d", data[0], snapshotOldest, snapshotVersion)
	}
	body, sum := data[:len(data)-snapshotSumBytes], data[len(data)-snapshotSumBytes:]
	if xxhash.Sum64(body) != binary.LittleEndian.Uint64(sum) {
		return badSnapshot("its checksum is wrong")
	}
	r := restoring{reader: reader{b: body[1:]}, broker: b, payloads: []uint32{0}, texts: []uint32{0}}
	next := r.small()
	r.readPayloads()
	for range r.count() {
		if err := r.entity(); err != nil {
			return err
		}
	}
	if data[0] > 1 {
		r.salvages()
	}
	for _, text := range r.texts[1:] {
		b.texts.drop(text)
	}
	if r.bad || len(r.b) > 0 || next < b.nextEntity {
		return badSnapshot("it is cut off or not understood")
	}
	b.nextEntity = next
	return r.checkPayloads()
}

// checkPayloads makes sure that every payload is in use.
func (r *restoring) checkPayloads() error {
	for _, n := range r.payloads[1:] {
		if r.broker.payloads.slab.at(n).refs == 0 {
			return badSnapshot("a payload is used by nothing")
		}
	}
	return nil
}

func (r *restoring) readPayloads() {
	n := r.count()
	at, origin := uint64(0), int64(0)
	r.payloads = append(make([]uint32, 0, n+1), 0)
	for range n {
		at += r.number()
		ref := record.Ref{At: record.Position(at), Off: r.small(), Len: r.small()}
		origin += r.signed()
		home := r.small()
		if r.bad {
			return
		}
		number, p := r.broker.payloads.add(ref)
		p.origin, p.home = origin, home
		r.payloads = append(r.payloads, number)
	}
}

func (r *restoring) entity() error {
	e := &entity{id: r.small(), created: r.positive(), updated: r.positive()}
	e.def = r.definition()
	if r.bad {
		return badSnapshot("an entity is cut off or not understood")
	}
	e.key = strings.ToLower(e.def.Name)
	if at := strings.Index(e.key, subscriptionsDir); e.def.Kind == Subscription {
		if at < 0 || r.broker.entities[e.key[:at]] == nil {
			return badSnapshot("the subscription '%s' comes without its topic", e.def.Name)
		}
		e.topic = r.broker.entities[e.key[:at]]
	}
	if e.id < r.broker.nextEntity || r.broker.entities[e.key] != nil {
		return badSnapshot("an entity comes twice or out of order")
	}
	e.rules, _ = compile(&e.def)
	r.broker.addEntity(e)
	r.history(e)
	for _, m := range e.mailboxes() {
		if err := r.mailbox(m); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) history(e *entity) {
	h, at := &e.history, int64(0)
	for range r.count() {
		id := r.text()
		at += r.signed()
		if r.bad {
			return
		}
		if h.times == nil {
			h.times = map[string]int64{}
		}
		h.times[id] = at
		h.line = append(h.line, seen{id, at})
	}
}

func (r *restoring) mailbox(m *mailbox) error {
	next := r.positive()
	var last saved
	for range r.count() {
		if err := r.message(m, &last); err != nil {
			return err
		}
	}
	if next < m.next || r.bad {
		return badSnapshot("the mailbox '%s' is cut off or not understood", m.path())
	}
	m.next = next
	if m.sessions != nil {
		return r.sessions(m)
	}
	return nil
}

func (r *restoring) message(m *mailbox, last *saved) error {
	flags := r.byte()
	seq := last.seq + r.positive()
	payload := last.payload + r.signed()
	s := slot{enqueued: last.enqueued + r.signed(), state: active}
	if r.bad || seq < m.next || payload <= 0 || payload >= int64(len(r.payloads)) {
		return badSnapshot("a message of '%s' is cut off or not understood", m.path())
	}
	s.payload = r.payloads[payload]
	last.seq, last.payload, last.enqueued = seq, payload, s.enqueued
	if flags != 0 {
		r.messageFields(&s, flags, last)
	}
	if r.bad || s.state == scheduled && s.due == 0 || m.sessions != nil && s.session == 0 {
		return badSnapshot("message %d of '%s' is not understood", seq, m.path())
	}
	m.next = seq
	r.broker.put(m, s)
	return nil
}

func (r *restoring) messageFields(s *slot, flags byte, last *saved) {
	if flags&savedDue != 0 {
		s.due = last.due + r.signed()
		last.due = s.due
	}
	if flags&savedCount != 0 {
		s.count = r.small()
	}
	if flags&savedReason != 0 {
		s.reason = r.reason()
	}
	if flags&savedHops != 0 {
		s.hops = r.byte()
	}
	if flags&savedSession != 0 {
		s.session = r.broker.texts.again(r.sharedText())
	}
	if flags&savedExtra != 0 {
		edit, ttl, source := r.edit(), r.positive(), r.text()
		if s.extra = r.broker.newExtra(edit, source, ttl); s.extra == 0 {
			r.fail()
		}
	}
	switch flags & (savedDeferred | savedLater) {
	case savedDeferred:
		s.state = deferred
	case savedLater:
		s.state = scheduled
	case savedDeferred | savedLater:
		r.fail()
	}
}

// sharedText reads a text by its number here, and the text itself when the number
// is new.
func (r *restoring) sharedText() uint32 {
	n := r.number()
	switch {
	case n == 0 || n > uint64(len(r.texts)):
		r.fail()
		return 0
	case n == uint64(len(r.texts)):
		text := r.bytes()
		if r.bad {
			return 0
		}
		r.texts = append(r.texts, r.broker.texts.keepBytes(text))
	}
	return r.texts[n]
}

// sessions reads the states and the order of the sessions that are listed.
func (r *restoring) sessions(m *mailbox) error {
	t := m.sessions
	var order []uint32
	seen := map[uint32]bool{}
	for range r.count() {
		text := r.sharedText()
		state := r.number()
		if r.bad || text == 0 || state >= uint64(len(r.payloads)) {
			return badSnapshot("a session of '%s' is cut off or not understood", m.path())
		}
		n, s := r.broker.enterSession(m, text)
		if seen[n] {
			return badSnapshot("a session of '%s' comes twice", m.path())
		}
		seen[n] = true
		if state != 0 {
			s.state, s.stateAt = r.payloads[state], r.positive()
			r.broker.charge(m, s.state)
		}
		r.broker.sessionChanged(m, n)
		if s.count == 0 && s.state == 0 {
			return badSnapshot("a session of '%s' has nothing", m.path())
		}
		order = append(order, n)
	}
	if len(order) != t.slab.live {
		return badSnapshot("'%s' has %d sessions where %d are listed", m.path(), t.slab.live, len(order))
	}
	t.listed = sessionList{}
	for _, n := range order {
		t.append(&t.listed, n, listLinks)
	}
	return nil
}
