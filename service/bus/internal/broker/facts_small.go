package broker

import (
	"time"

	"weir/kernel/journal/record"
)

// appendSequences writes sequence numbers of one mailbox, each as the difference to
// the one before.
func appendSequences(dst []byte, m *mailbox, seqs []int64) []byte {
	dst = appendNumber(dst, m.number())
	dst = appendNumber(dst, uint64(len(seqs)))
	before := int64(0)
	for _, seq := range seqs {
		dst = appendSigned(dst, seq-before)
		before = seq
	}
	return dst
}

// appendGone writes that messages are gone: head, mailbox, sequence numbers.
func appendGone(dst []byte, m *mailbox, seqs []int64) []byte {
	return appendSequences(appendHead(dst, factGone), m, seqs)
}

func (b *Broker) foldGone(r *reader) error {
	m := b.numbered(r)
	seq := int64(0)
	for range r.count() {
		seq += r.signed()
		if r.bad {
			break
		}
		g, s := m.segments.get(seq)
		if s == nil {
			return notThere(m, seq)
		}
		b.take(m, g, seq)
	}
	return r.end(factGone)
}

// What a message that came back says of itself, as flags. Numbers are stored.
const (
	returnedFailed = 1 << 0 // it counts as a failed delivery
	returnedEdit   = 1 << 1 // it was changed: there is one message, and its edit
	returnedFlags  = 1<<2 - 1
)

// appendReturned writes that messages are not locked any more: head, flags,
// mailbox, sequence numbers, [edit].
func (b *Broker) appendReturned(dst []byte, m *mailbox, seqs []int64, failed bool, edit *Edit) []byte {
	flags := uint64(0)
	if failed {
		flags |= returnedFailed
	}
	if edit != nil {
		flags |= returnedEdit
	}
	dst = appendSequences(appendNumber(appendHead(dst, factReturned), flags), m, seqs)
	if edit != nil {
		dst = appendEdit(dst, edit)
	}
	return dst
}

func (b *Broker) foldReturned(r *reader) error {
	flags := r.number()
	m := b.numbered(r)
	n, seq := r.count(), int64(0)
	if r.bad || flags&^returnedFlags != 0 || flags&returnedEdit != 0 && n != 1 {
		return badFact("a returned message is cut off or not understood")
	}
	for range n {
		seq += r.signed()
		if r.bad {
			break
		}
		g, s := m.segments.get(seq)
		if s == nil {
			return notThere(m, seq)
		}
		if b.trace != nil {
			b.trace.change(m, seq, flags&returnedFailed != 0)
		}
		if flags&returnedFailed != 0 {
			s.count++
		}
		if flags&returnedEdit != 0 {
			b.setEdit(s, r.edit())
		}
		if s.lock != 0 {
			b.freeMessage(m, g, seq)
		}
	}
	return r.end(factReturned)
}

// appendDeferred writes that a message was set aside: head, flags as of a returned
// one, mailbox, sequence number, [edit].
func (b *Broker) appendDeferred(dst []byte, m *mailbox, seq int64, counted bool, edit *Edit) []byte {
	flags := uint64(0)
	if counted {
		flags |= returnedFailed
	}
	if edit != nil {
		flags |= returnedEdit
	}
	dst = appendNumber(appendHead(dst, factDeferred), flags)
	dst = appendNumber(appendNumber(dst, m.number()), uint64(seq))
	if edit != nil {
		dst = appendEdit(dst, edit)
	}
	return dst
}

func (b *Broker) foldDeferred(r *reader) error {
	flags := r.number()
	m := b.numbered(r)
	seq := r.positive()
	if r.bad || flags&^returnedFlags != 0 {
		return badFact("a deferred message is cut off or not understood")
	}
	g, s := m.segments.get(seq)
	if s == nil || s.state == scheduled {
		return notThere(m, seq)
	}
	if b.trace != nil {
		b.trace.change(m, seq, false)
	}
	if flags&returnedFailed != 0 {
		s.count++
	}
	if flags&returnedEdit != 0 {
		b.setEdit(s, r.edit())
	}
	if s.state == active {
		b.makeUnready(m, g, seq)
		s.state = deferred
		m.active--
		m.deferred++
	}
	if s.lock != 0 {
		b.freeMessage(m, g, seq)
	}
	return r.end(factDeferred)
}

// appendCarried writes that a payload lies behind this head now: head, and where it
// lay before.
func appendCarried(dst []byte, old record.Ref) []byte {
	dst = appendNumber(appendHead(dst, factCarried), uint64(old.At))
	dst = appendNumber(appendNumber(dst, uint64(old.Off)), uint64(old.Len))
	return dst
}

func (b *Broker) foldCarried(ref record.Ref, r *reader) error {
	old := record.Ref{At: record.Position(r.number()), Off: r.small(), Len: r.small()}
	if r.bad || old.Len > ref.Len {
		return badFact("a carried payload is cut off")
	}
	n := b.payloads.find(old)
	if n == 0 {
		return badFact("a payload is carried that is not live")
	}
	b.payloads.move(n, record.Ref{At: ref.At, Off: ref.Off + ref.Len - old.Len, Len: old.Len})
	return r.endAt(ref, uint64(old.Len))
}

// appendSessionState writes a session's state: head, time in ms, mailbox, session
// id, length of the state, which lies behind.
func (b *Broker) appendSessionState(dst []byte, m *mailbox, session string, length int) []byte {
	dst = appendNumber(appendHead(dst, factState), uint64(b.now))
	dst = appendText(appendNumber(dst, m.number()), session)
	return appendNumber(dst, uint64(length))
}

func (b *Broker) foldSessionState(ref record.Ref, r *reader) error {
	now := r.positive()
	m := b.numbered(r)
	id := r.bytes()
	n := r.small()
	if r.bad || m.sessions == nil || n > ref.Len {
		return badFact("a session's state is cut off, or not of a session")
	}
	text := b.texts.keepBytes(id)
	at, _ := b.enterSession(m, text)
	b.texts.drop(text)
	if b.trace != nil {
		b.trace.state(m, at)
	}
	b.putState(m, at, record.Ref{At: ref.At, Off: ref.Off + ref.Len - n, Len: n}, now)
	return r.endAt(ref, uint64(n))
}

// appendForgot writes that ids left the duplicate detection window: head, entity,
// the time they were seen at the latest, how many at most.
func appendForgot(dst []byte, e *entity, before int64, most int) []byte {
	dst = appendNumber(appendHead(dst, factForgot), uint64(e.id))
	return appendNumber(appendNumber(dst, uint64(max(before, 0))), uint64(most))
}

func (b *Broker) foldForgot(r *reader) error {
	e := b.byID[r.small()]
	before, most := r.positive(), r.small()
	if r.bad || e == nil {
		return badFact("it names an entity that is not there")
	}
	e.history.drop(before, int(most))
	return r.end(factForgot)
}

// millis is a duration in whole ms, as facts keep durations; never 0 for one that
// is not.
func millis(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Milliseconds(), 1))
}
