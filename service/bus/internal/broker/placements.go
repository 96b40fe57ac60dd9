package broker

// What a placement says, as flags; most say nothing. Numbers are stored.
const (
	placePassed    = 1 << 0 // the sequence number is used up, nothing lies there
	placeDue       = 1 << 1
	placeCount     = 1 << 2
	placeReason    = 1 << 3
	placeEdit      = 1 << 4
	placeHops      = 1 << 5
	placeScheduled = 1 << 6
	placeAged      = 1 << 7 // enqueued when it was before
	placeSession   = 1 << 8 // not the message's own
	placeSource    = 1 << 9
	placeTTL       = 1 << 10
	placeFlags     = 1<<11 - 1
)

// flags says which fields follow. A moved message keeps its count, edit and session
// where they are not named.
func (x *placement) flags(moved bool) uint64 {
	if x.passed {
		return placePassed
	}
	l, f := &x.letter, uint64(0)
	for _, field := range [...]struct {
		set  bool
		flag uint64
	}{
		{l.due != 0, placeDue}, {l.counted, placeCount}, {l.reason != 0, placeReason},
		{l.edited, placeEdit}, {l.hops != 0, placeHops}, {l.scheduled, placeScheduled}, {l.aged && moved, placeAged},
		{l.resession, placeSession}, {l.source != "", placeSource}, {l.scheduled && l.ttl != 0, placeTTL},
	} {
		if field.set {
			f |= field.flag
		}
	}
	return f
}

func appendPlacement(dst []byte, x *placement, now int64, moved bool) []byte {
	l, f := &x.letter, x.flags(moved)
	dst = appendNumber(dst, x.mailbox.number())
	dst = appendNumber(dst, f)
	dst = appendNumber(dst, uint64(x.seq))
	if f == 0 || f == placePassed {
		return dst
	}
	if f&placeDue != 0 {
		dst = appendSigned(dst, l.due-now)
	}
	if f&placeCount != 0 {
		dst = appendNumber(dst, uint64(l.count))
	}
	if f&placeReason != 0 {
		dst = append(dst, byte(l.reason))
	}
	if f&placeEdit != 0 {
		dst = appendEdit(dst, l.edit)
	}
	if f&placeHops != 0 {
		dst = append(dst, l.hops)
	}
	if f&placeSession != 0 {
		dst = appendText(appendFlag(dst, l.hasSession), l.session)
	}
	if f&placeSource != 0 {
		dst = appendText(dst, l.source)
	}
	if f&placeTTL != 0 {
		dst = appendNumber(dst, uint64(l.ttl))
	}
	return dst
}

// placed is a placement as it is read.
type placed struct {
	mailbox    *mailbox
	flags      uint64
	seq        int64
	due        int64
	ttl        int64
	edit       *Edit
	session    []byte
	source     []byte
	count      uint32
	reason     reason
	hops       uint8
	hasSession bool
}

func (r *reader) placement(b *Broker, now int64) (x placed) {
	x.mailbox = b.numbered(r)
	x.flags = r.number()
	x.seq = r.positive()
	if x.flags&^placeFlags != 0 {
		r.fail()
	}
	if f := x.flags; f != 0 && f != placePassed {
		r.placementFields(&x, now)
	}
	return x
}

func (r *reader) placementFields(x *placed, now int64) {
	f := x.flags
	if f&placeDue != 0 {
		x.due = now + r.signed()
	}
	if f&placeCount != 0 {
		x.count = r.small()
	}
	if f&placeReason != 0 {
		x.reason = r.reason()
	}
	if f&placeEdit != 0 {
		x.edit = r.edit()
	}
	if f&placeHops != 0 {
		x.hops = r.byte()
	}
	if f&placeSession != 0 {
		x.hasSession = r.flag()
		x.session = r.bytes()
	}
	if f&placeSource != 0 {
		x.source = r.bytes()
	}
	if f&placeTTL != 0 {
		x.ttl = r.positive()
	}
}

func (r *reader) reason() reason {
	n := reason(r.byte())
	if n == 0 || n >= reasonsMax {
		r.fail()
	}
	return n
}

// numbered reads a mailbox by the number facts have for it.
func (b *Broker) numbered(r *reader) *mailbox {
	n := r.number()
	e := b.byID[uint32(n>>2)]
	if e == nil || n>>2 > 1<<32-1 || role(n&3) > transferDeadLetter {
		r.fail()
		return nil
	}
	return e.mailbox(role(n & 3))
}

// place puts one copy of a message where a fact says. s is the message without
// what the placement says of it; its texts are not counted yet.
func (b *Broker) place(x *placed, s slot, edit *Edit) error {
	m := x.mailbox
	if x.seq != m.next {
		return badFact("message %d of '%s' comes where %d is next", x.seq, m.path(), m.next)
	}
	s.due = x.due
	if x.flags&placeCount != 0 {
		s.count = x.count
	}
	s.reason, s.hops, s.state = x.reason, x.hops, active
	if x.flags&placeScheduled != 0 {
		s.state = scheduled
		if x.due == 0 {
			return badFact("message %d of '%s' is scheduled for no time", x.seq, m.path())
		}
	}
	if x.flags&placeEdit != 0 {
		edit = x.edit
	}
	if x.flags&placeSession != 0 {
		s.session = 0
		if x.hasSession {
			s.session = b.texts.keepBytes(x.session)
		}
	} else {
		b.texts.again(s.session)
	}
	if m.sessions != nil && s.session == 0 {
		return badFact("a message without a session comes to '%s', which requires one", m.path())
	}
	s.extra = b.newExtra(edit, string(x.source), x.ttl)
	b.put(m, s)
	return nil
}
