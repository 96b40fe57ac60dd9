package broker

import (
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// Trace follows what a former owner recorded alone, after the histories have parted:
// it hears of everything that the fold of a fact does to messages and makes rows of
// it, one for each message that was accepted and each settlement, in their order. At
// the end the rows say what would bring the other history to the same place.
//
// It follows copies of messages, not facts: a message that was accepted, forwarded and
// completed in the tail asks for nothing.
type Trace struct {
	b        *Broker
	kind     factKind
	at       record.Ref
	stamp    time.Time
	rows     []*traced
	copies   map[spot]*family
	families []*family
	states   map[sessionSpot]*traced
	stored   map[uint32]*family // of the fact that is being folded, by payload
	children []spot             // of the message that the fact is moving
}

// spot is a place in a mailbox.
type spot struct {
	m   *mailbox
	seq int64
}

type sessionSpot struct {
	m       *mailbox
	session string
}

// family is a message and the copies that came of it.
type family struct {
	born  *traced // the row of its acceptance; nil: it is from before
	base  Spot    // where it was before, with what it was
	was   slot    // likewise
	live  []spot
	last  *traced // its newest settlement
	moved bool
}

// traced is a row while it is made.
type traced struct {
	row    TailRow
	family *family
}

// TailKind is the kind of a TailRow.
type TailKind string

// The kinds of rows of a tail.
const (
	TailMessage    TailKind = "message"
	TailSettlement TailKind = "settlement"
	TailState      TailKind = "state"
	TailOther      TailKind = "other" // something was declared or removed
)

// TailRow is one thing that happened in a tail.
type TailRow struct {
	Kind     TailKind
	What     string // accepted, scheduled, completed, expired, dead-lettered, ...
	Path     string
	Sequence int64
	Session  string
	At       record.Ref // of the fact
	Time     time.Time
	// Payload is where the message (or the state) lies in the tail's journal; no bytes:
	// it is cleared.
	Payload record.Ref
	// Places are where it came to lie: copies of an accepted message, or of one that moved.
	Places []TailPlace
	// Op is what would bring it back; nil: nothing is to be done, for the reason in Why.
	Op  *Op
	Why string
}

// TailPlace is a message in a mailbox.
type TailPlace struct {
	Path     string
	Sequence int64
}

// tailRowsMax bounds what a trace keeps in memory.
const tailRowsMax = 1 << 22

// Trace begins to follow what is applied from now on. The broker must own nothing, and
// must not be used for anything else afterwards.
func (b *Broker) Trace() *Trace {
	b.trace = &Trace{b: b, copies: map[spot]*family{}, states: map[sessionSpot]*traced{}}
	return b.trace
}

// Next tells that the facts that follow were stamped at a time. The error is of kind
// TooLarge when there are more rows than can be kept.
func (t *Trace) Next(stamp time.Time) error {
	t.stamp = stamp
	if len(t.rows) > tailRowsMax {
		return fault.New(fault.TooLarge, "More than %d messages and settlements are in the tail: it can not be listed.", tailRowsMax)
	}
	return nil
}

// begin starts a fact.
func (t *Trace) begin(k factKind, ref record.Ref) {
	t.kind, t.at, t.stored, t.children = k, ref, nil, nil
	switch k {
	case factDefined:
		t.add(TailOther, "declared", nil, 0)
	case factRemoved:
		t.add(TailOther, "removed", nil, 0)
	}
}

func (t *Trace) add(kind TailKind, what string, m *mailbox, seq int64) *traced {
	x := &traced{row: TailRow{Kind: kind, What: what, Sequence: seq, At: t.at, Time: t.stamp}}
	if m != nil {
		x.row.Path = m.path()
	}
	t.rows = append(t.rows, x)
	return x
}

// describe takes what a message says of itself into a row.
func (t *Trace) describe(x *traced, s *slot) {
	x.row.Session = t.b.texts.get(s.session)
	x.row.Payload = t.b.payloads.slab.at(s.payload).ref()
}

// put hears of a message that came to lie somewhere.
func (t *Trace) put(m *mailbox, seq int64) {
	_, s := m.segments.get(seq)
	switch t.kind {
	case factStored:
		f := t.stored[s.payload]
		if f == nil {
			f = &family{}
			what := "accepted"
			if s.state == scheduled {
				what = "scheduled"
			}
			f.born = t.add(TailMessage, what, m, seq)
			f.born.family = f
			t.describe(f.born, s)
			t.families = append(t.families, f)
			if t.stored == nil {
				t.stored = map[uint32]*family{}
			}
			t.stored[s.payload] = f
		}
		f.live = append(f.live, spot{m, seq})
		f.born.row.Places = append(f.born.row.Places, TailPlace{m.path(), seq})
		t.copies[spot{m, seq}] = f
	case factMoved:
		t.children = append(t.children, spot{m, seq})
	}
}

// familyOf finds the family of a message, or makes one for a message from before.
func (t *Trace) familyOf(m *mailbox, seq int64) *family {
	at := spot{m, seq}
	f := t.copies[at]
	if f == nil {
		_, s := m.segments.get(seq)
		f = &family{base: spotOf(m, seq, s), was: *s, live: []spot{at}}
		t.families = append(t.families, f)
		t.copies[at] = f
	}
	return f
}

// take hears of a message that leaves, before it does.
func (t *Trace) take(m *mailbox, seq int64) {
	if m.place == 0 || t.kind != factGone && t.kind != factMoved {
		return // it is buried with its entity
	}
	_, s := m.segments.get(seq)
	f := t.familyOf(m, seq)
	x := t.add(TailSettlement, t.leaving(m, s), m, seq)
	x.family, f.last, f.moved = f, x, f.moved || len(t.children) > 0
	t.describe(x, s)
	at := spot{m, seq}
	delete(t.copies, at)
	for i := range f.live {
		if f.live[i] == at {
			f.live = append(f.live[:i], f.live[i+1:]...)
			break
		}
	}
	for _, c := range t.children {
		x.row.Places = append(x.row.Places, TailPlace{c.m.path(), c.seq})
		f.live = append(f.live, c)
		t.copies[c] = f
	}
	t.children = t.children[:0]
}

const activated = "activated" // the time of a scheduled message has come

// leaving says why a message leaves.
func (t *Trace) leaving(m *mailbox, s *slot) string {
	if t.kind == factGone {
		if s.due != 0 && s.state != scheduled && s.due <= t.stamp.UnixMilli() {
			return "expired"
		}
		return "completed"
	}
	if len(t.children) == 0 {
		return "dropped"
	}
	to := t.children[0]
	_, child := to.m.segments.get(to.seq)
	switch {
	case s.state == scheduled:
		return activated
	case child.reason != s.reason || to.m.role != m.role:
		return "dead-lettered"
	}
	return "forwarded"
}

// change hears of a message that stays and is not what it was, before it is so.
func (t *Trace) change(m *mailbox, seq int64, failed bool) {
	f := t.familyOf(m, seq)
	what := "released"
	switch {
	case t.kind == factDeferred:
		what = "deferred"
	case failed:
		what = "abandoned"
	}
	_, s := m.segments.get(seq)
	x := t.add(TailSettlement, what, m, seq)
	x.family, f.last = f, x
	t.describe(x, s)
}

// state hears of a session's state that is about to be set.
func (t *Trace) state(m *mailbox, n uint32) {
	s := m.sessions.slab.at(n)
	at := sessionSpot{m, t.b.texts.get(s.id)}
	x := t.add(TailState, "session state set", m, 0)
	x.row.Session = at.session
	was := s.stateAt
	if before := t.states[at]; before != nil {
		was = before.row.Op.State.Was
		before.row.Op, before.row.Why = nil, "it was set again later"
	}
	x.row.Op = &Op{State: &StateOp{Mailbox: spotOf(m, 0, nil), Session: at.session, Was: was}}
	t.states[at] = x
}

// Rows ends the trace and gives its rows, in the order of what happened. Message bytes
// are not in their ops yet: they lie at Payload.
func (t *Trace) Rows() []TailRow {
	for _, f := range t.families {
		t.decide(f)
	}
	for at, x := range t.states {
		x.row.Payload = record.Ref{}
		if t.b.byID[at.m.entity.id] != at.m.entity {
			x.row.Op, x.row.Why = nil, "its entity was removed"
		} else if n := t.b.findSession(at.m, at.session); n != 0 && at.m.sessions.slab.at(n).state != 0 {
			x.row.Payload = t.b.payloads.slab.at(at.m.sessions.slab.at(n).state).ref()
		}
	}
	out := make([]TailRow, len(t.rows))
	for i, x := range t.rows {
		out[i] = x.row
	}
	return out
}

// decide says what would bring a family back.
func (t *Trace) decide(f *family) {
	alive := f.live[:0]
	for _, at := range f.live {
		if t.b.byID[at.m.entity.id] == at.m.entity {
			alive = append(alive, at)
		}
	}
	f.live = alive
	if f.born != nil {
		if f.born.row.Op = t.bring(f); f.born.row.Op == nil {
			f.born.row.Why = "it was settled in the tail too"
		}
		return
	}
	if f.last == nil {
		return
	}
	f.last.row.Op, f.last.row.Why = t.settle(f)
}

// settle says what would settle a message from before in the other history.
func (t *Trace) settle(f *family) (*Op, string) {
	if len(f.live) == 1 && !f.moved {
		_, s := f.live[0].m.segments.get(f.live[0].seq)
		if s.state == deferred && f.was.state != deferred {
			return &Op{Defer: &f.base, Failed: s.count - f.was.count, Edit: t.edit(s)}, ""
		}
		if s.count == f.was.count && t.edit(s) == nil {
			return nil, "the message is what it was"
		}
		return &Op{Return: &f.base, Failed: s.count - f.was.count, Edit: t.edit(s)}, ""
	}
	if f.last.row.What == activated && len(f.live) == 1 && f.live[0].m.number() == f.base.number() {
		return nil, "its time has come there too"
	}
	op := t.bring(f)
	if op == nil {
		op = &Op{}
	}
	op.Take = &f.base
	return op, ""
}

// bring says where the copies of a family are; nil: nowhere.
func (t *Trace) bring(f *family) *Op {
	if len(f.live) == 0 {
		return nil
	}
	op := &Op{}
	for _, at := range f.live {
		_, s := at.m.segments.get(at.seq)
		x := t.b.extraOf(s)
		op.Bring = append(op.Bring, Bring{
			To: spotOf(at.m, 0, nil), State: uint8(s.state), Due: s.due, TTL: x.ttl, Count: s.count, Reason: uint8(s.reason), Hops: s.hops,
			HasSession: s.session != 0, Session: t.b.texts.get(s.session), Edit: t.edit(s), Source: t.b.texts.get(x.source),
		})
	}
	_, s := f.live[0].m.segments.get(f.live[0].seq)
	row := f.born
	if row == nil {
		row = f.last
	}
	row.row.Payload = t.b.payloads.slab.at(s.payload).ref()
	return op
}

// edit is what was changed about a message, as facts write it; nil for nothing.
func (t *Trace) edit(s *slot) []byte {
	if x := t.b.extraOf(s); x.edit != nil {
		return appendEdit(nil, x.edit)
	}
	return nil
}
