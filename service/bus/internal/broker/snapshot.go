package broker

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// The snapshot, version 2: a version byte, then
//
//	the next entity's number
//	payloads, in the order of the journal
//	entities, in the order of their numbers: times, definition, duplicate
//	detection, and for each mailbox its next number, messages and sessions
//	the tails that were brought back, oldest first; version 1 has none
//
// and the xxhash64 of all that, little endian. Numbers are varints. A text that
// messages share is written where it is first used and named by number after that.
const (
	snapshotVersion  = 2
	snapshotOldest   = 1
	snapshotSumBytes = 8
)

// What a message in a snapshot has beside what all have, as flags. Numbers are stored.
const (
	savedDue      = 1 << 0
	savedCount    = 1 << 1
	savedReason   = 1 << 2
	savedHops     = 1 << 3
	savedSession  = 1 << 4
	savedExtra    = 1 << 5
	savedDeferred = 1 << 6
	savedLater    = 1 << 7 // scheduled
	savedFlags    = 1<<8 - 1
)

// saving is a snapshot while it is written.
type saving struct {
	b        *Broker
	dst      []byte
	ordinals []uint32 // of payloads, by their number
	texts    map[uint32]uint64
}

// Snapshot appends the whole state to dst and returns it. What only the owner has
// is not in it: what is locked is ready there.
func (b *Broker) Snapshot(dst []byte) []byte {
	b.buryAll()
	begin := len(dst)
	w := saving{b: b, dst: append(dst, snapshotVersion), texts: map[uint32]uint64{}}
	w.number(uint64(b.nextEntity))
	w.payloads()
	w.number(uint64(len(b.list)))
	for _, e := range b.list {
		w.entity(e)
	}
	w.salvages()
	return binary.LittleEndian.AppendUint64(w.dst, xxhash.Sum64(w.dst[begin:]))
}

func (w *saving) number(n uint64) { w.dst = binary.AppendUvarint(w.dst, n) }
func (w *saving) signed(n int64)  { w.dst = binary.AppendVarint(w.dst, n) }

// payloads writes where they lie, each position and origin as the difference to the
// one before.
func (w *saving) payloads() {
	p := &w.b.payloads
	w.ordinals = make([]uint32, len(p.slab.blocks)*slabItems+1)
	w.number(uint64(p.slab.live))
	at, origin, ordinal := uint64(0), int64(0), uint32(0)
	for n := p.first; n != 0; {
		x := p.slab.at(n)
		w.number(uint64(x.at) - at)
		w.number(uint64(x.off))
		w.number(uint64(x.len))
		w.signed(x.origin - origin)
		w.number(uint64(x.home))
		at, origin = uint64(x.at), x.origin
		ordinal++
		w.ordinals[n] = ordinal
		n = x.next
	}
}

func (w *saving) entity(e *entity) {
	w.number(uint64(e.id))
	w.number(uint64(e.created))
	w.number(uint64(e.updated))
	w.dst = appendDefinition(w.dst, &e.def)
	h := &e.history
	w.number(uint64(len(h.line) - h.passed))
	before := int64(0)
	for _, x := range h.line[h.passed:] {
		w.dst = appendText(w.dst, x.id)
		w.signed(x.at - before)
		before = x.at
	}
	for _, m := range e.mailboxes() {
		w.mailbox(m)
	}
}

func (w *saving) mailbox(m *mailbox) {
	w.number(uint64(m.next))
	w.number(uint64(m.active + m.deferred + m.scheduled))
	var last saved
	for g := m.segments.from(0); g != nil; g = m.segments.after(g) {
		for set := g.used; set != 0; set &= set - 1 {
			seq := g.lowest(set, 0)
			w.message(g.at(seq), seq, &last)
		}
	}
	if m.sessions != nil {
		w.sessions(m)
	}
}

// saved is what a message is written as the difference to.
type saved struct {
	seq, payload, enqueued, due int64
}

func (w *saving) message(s *slot, seq int64, last *saved) {
	flags := s.savedFlags()
	payload := int64(w.ordinals[s.payload])
	w.dst = append(w.dst, flags)
	w.number(uint64(seq - last.seq))
	w.signed(payload - last.payload)
	w.signed(s.enqueued - last.enqueued)
	last.seq, last.payload, last.enqueued = seq, payload, s.enqueued
	if flags == 0 {
		return
	}
	if flags&savedDue != 0 {
		w.signed(s.due - last.due)
		last.due = s.due
	}
	if flags&savedCount != 0 {
		w.number(uint64(s.count))
	}
	if flags&savedReason != 0 {
		w.dst = append(w.dst, byte(s.reason))
	}
	if flags&savedHops != 0 {
		w.dst = append(w.dst, s.hops)
	}
	if flags&savedSession != 0 {
		w.text(s.session)
	}
	if flags&savedExtra != 0 {
		x := w.b.extras.at(s.extra)
		w.dst = appendEdit(w.dst, x.edit)
		w.number(uint64(x.ttl))
		w.dst = appendText(w.dst, w.b.texts.get(x.source))
	}
}

func (s *slot) savedFlags() (flags byte) {
	if s.due != 0 {
		flags |= savedDue
	}
	if s.count != 0 {
		flags |= savedCount
	}
	if s.reason != 0 {
		flags |= savedReason
	}
	if s.hops != 0 {
		flags |= savedHops
	}
	if s.session != 0 {
		flags |= savedSession
	}
	if s.extra != 0 {
		flags |= savedExtra
	}
	switch s.state {
	case deferred:
		flags |= savedDeferred
	case scheduled:
		flags |= savedLater
	}
	return flags
}

// text writes a shared text: its number here, and itself when it is new.
func (w *saving) text(n uint32) {
	ordinal, ok := w.texts[n]
	if !ok {
		ordinal = uint64(len(w.texts) + 1)
		w.texts[n] = ordinal
	}
	w.number(ordinal)
	if !ok {
		w.dst = appendText(w.dst, w.b.texts.get(n))
	}
}

// sessions writes the listed sessions in their order, with their states.
func (w *saving) sessions(m *mailbox) {
	t := m.sessions
	count := uint64(0)
	for n := t.listed.first; n != 0; n = t.slab.at(n).list.next {
		count++
	}
	w.number(count)
	for n := t.listed.first; n != 0; {
		s := t.slab.at(n)
		w.text(s.id)
		if s.state != 0 {
			w.number(uint64(w.ordinals[s.state]))
			w.number(uint64(s.stateAt))
		} else {
			w.number(0)
		}
		n = s.list.next
	}
}
