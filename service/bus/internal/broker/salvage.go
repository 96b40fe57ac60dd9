package broker

import "strings"

// Op is what brings one row of a tail into another history. It travels between
// locations as JSON.
type Op struct {
	// Take is a message from before that is not there any more in the tail.
	Take *Spot `json:"take,omitempty"`
	// Defer is a message from before that was set aside.
	Defer *Spot `json:"defer,omitempty"`
	// Return is a message from before that was delivered and came back, Failed times.
	Return *Spot  `json:"return,omitempty"`
	Failed uint32 `json:"failed,omitempty"`
	Edit   []byte `json:"edit,omitempty"` // of Defer and Return
	// Bring says where copies of Message lie.
	Bring   []Bring  `json:"bring,omitempty"`
	Message []byte   `json:"message,omitempty"`
	State   *StateOp `json:"state,omitempty"` // Message is the state
}

// Spot is a message, or a mailbox, as both histories know it.
type Spot struct {
	Entity   uint32 `json:"entity"`
	Role     uint8  `json:"role,omitempty"`
	Path     string `json:"path"`
	Sequence int64  `json:"sequence,omitempty"`
	Enqueued int64  `json:"enqueued,omitempty"` // ms
}

// Bring is where one copy of a message is to lie.
type Bring struct {
	To         Spot   `json:"to"`
	State      uint8  `json:"state"`
	Due        int64  `json:"due,omitempty"`
	TTL        int64  `json:"ttl,omitempty"`
	Count      uint32 `json:"count,omitempty"`
	Reason     uint8  `json:"reason,omitempty"`
	Hops       uint8  `json:"hops,omitempty"`
	HasSession bool   `json:"hasSession,omitempty"`
	Session    string `json:"session,omitempty"`
	Edit       []byte `json:"edit,omitempty"`
	Source     string `json:"source,omitempty"`
}

// StateOp is a session's state.
type StateOp struct {
	Mailbox Spot   `json:"mailbox"`
	Session string `json:"session"`
	Was     int64  `json:"was,omitempty"` // when it was set before, ms; 0: it was not
}

func spotOf(m *mailbox, seq int64, s *slot) Spot {
	x := Spot{Entity: m.entity.id, Role: uint8(m.role), Path: m.entity.def.Name, Sequence: seq}
	if s != nil {
		x.Enqueued = s.enqueued
	}
	return x
}

func (s *Spot) number() uint64 { return uint64(s.Entity)<<2 | uint64(s.Role) }

// Verdict is what became of a row. The numbers are stored.
type Verdict uint8

// The verdicts.
const (
	Reinjected Verdict = 1  // the message is in its place again
	Settled    Verdict = 2  // the settlement holds here too
	Resent     Verdict = 3  // its sender has sent it again: it was left out
	Gone       Verdict = 4  // the message was settled or moved here as well
	NoPlace    Verdict = 5  // its entity is not there any more, or can not take it
	Superseded Verdict = 6  // the session's state was set here as well
	Nothing    Verdict = 7  // there was nothing to do
	StateSet   Verdict = 8  // the session's state is what it was
	Before     Verdict = 9  // an earlier call did it
	Dropped    Verdict = 10 // it was left out by choice
	verdicts           = 11
)

var verdictNames = [verdicts]string{
	Reinjected: "reinjected", Settled: "settled", Resent: "sent again", Gone: "gone there too", NoPlace: "no place",
	Superseded: "superseded", Nothing: "nothing to do", StateSet: "set", Before: "done before", Dropped: "dropped",
}

func (v Verdict) String() string { return verdictNames[v] }

// salvage is how far a tail was brought back, and what became of its rows.
type salvage struct {
	source  string
	through uint64
	counts  [verdicts]uint64
}

// salvagesMax is how many tails are remembered, so that one is not brought back twice.
const salvagesMax = 16

// SalvageRow is a row that is to be brought back.
type SalvageRow struct {
	Number uint64 // grows with every row of the tail
	Op     *Op    // nil: nothing is to be done
	// MessageID is the id of Op.Message, which duplicate detection shall know.
	MessageID, PartitionKey string
	// Resent: a message of that id came here after the histories had parted.
	Resent bool
}

// Salvaged returns through which row a tail was brought back, and what became of its
// rows, by verdict.
func (b *Broker) Salvaged(source string) (through uint64, counts map[string]uint64) {
	counts = map[string]uint64{}
	if s := b.salvageOf(source); s != nil {
		through = s.through
		for v, n := range s.counts {
			if n > 0 {
				counts[Verdict(v).String()] = n
			}
		}
	}
	return through, counts
}

func (b *Broker) salvageOf(source string) *salvage {
	for i := range b.salvages {
		if b.salvages[i].source == source {
			return &b.salvages[i]
		}
	}
	return nil
}

// Salvage brings rows of a tail into this history, in their order, and says what became
// of each. What an earlier call has brought is not brought again. Sizes are not held
// against quotas: what is brought back was accepted once.
func (b *Broker) Salvage(t Turn, source string, rows []SalvageRow) []Verdict {
	b.begin(t)
	defer b.finish(t)
	through, _ := b.Salvaged(source)
	out := make([]Verdict, len(rows))
	var counts [verdicts]uint64
	last := through
	for i := range rows {
		if rows[i].Number <= through {
			out[i] = Before
			continue
		}
		out[i] = b.bringBack(t, &rows[i])
		counts[out[i]]++
		last = rows[i].Number
	}
	if last > through {
		b.head = appendSalvaged(b.head[:0], source, last, counts)
		b.record(t)
	}
	return out
}

// bringBack brings one row.
func (b *Broker) bringBack(t Turn, row *SalvageRow) Verdict {
	switch op := row.Op; {
	case op == nil:
		return Nothing
	case op.State != nil:
		return b.bringState(t, op)
	case op.Defer != nil:
		return b.deferAgain(t, op)
	case op.Return != nil:
		return b.returnAgain(t, op)
	case op.Take != nil:
		m, s := b.there(op.Take)
		if s == nil {
			return Gone
		}
		if len(op.Bring) > 0 && b.bring(t, row) == NoPlace {
			return NoPlace
		}
		b.head = appendGone(b.head[:0], m, []int64{op.Take.Sequence})
		b.record(t)
		return Settled
	case row.Resent || b.knows(op, row):
		return Resent
	default:
		return b.bring(t, row)
	}
}

// there finds a message from before; nil: it is not where it was.
func (b *Broker) there(at *Spot) (*mailbox, *slot) {
	m := b.mailboxAt(at)
	if m == nil || m.entity.id != at.Entity {
		return nil, nil // an entity of that name, and another one
	}
	_, s := m.segments.get(at.Sequence)
	if s == nil || s.enqueued != at.Enqueued {
		return nil, nil
	}
	return m, s
}

// mailboxAt finds a mailbox by its number, or else by its path; nil: there is none.
func (b *Broker) mailboxAt(at *Spot) *mailbox {
	if role(at.Role) > transferDeadLetter {
		return nil
	}
	key := strings.ToLower(at.Path)
	if e := b.byID[at.Entity]; e != nil && e.key == key {
		return e.mailbox(role(at.Role))
	}
	if e := b.entities[key]; e != nil {
		return e.mailbox(role(at.Role))
	}
	return nil
}

// duplicateOf is the id under which an entity's duplicate detection knows a row's
// message; "" where it detects none.
func duplicateOf(e *entity, row *SalvageRow, x *Bring) string {
	store := e.store()
	if store.def.DuplicateWindow == 0 || role(x.To.Role) != ownMailbox {
		return ""
	}
	return store.duplicateKey(row.MessageID, row.PartitionKey, x.Session, x.HasSession)
}

// knows reports whether duplicate detection has seen a row's message here.
func (b *Broker) knows(op *Op, row *SalvageRow) bool {
	for i := range op.Bring {
		m := b.mailboxAt(&op.Bring[i].To)
		if m == nil {
			continue
		}
		store := m.entity.store()
		at, seen := store.history.times[duplicateOf(m.entity, row, &op.Bring[i])]
		if seen && at > b.now-store.def.DuplicateWindow.Milliseconds() {
			return true
		}
	}
	return false
}

// bring puts copies of a message in their places.
func (b *Broker) bring(t Turn, row *SalvageRow) Verdict {
	op := row.Op
	p := b.newPlan()
	first := &op.Bring[0]
	p.begin(item{length: len(op.Message), session: first.Session, hasSession: first.HasSession})
	type aside struct {
		m   *mailbox
		seq int64
	}
	var deferrals []aside
	for i := range op.Bring {
		x := &op.Bring[i]
		m := b.mailboxAt(&x.To)
		if m == nil || m.sessions != nil && !x.HasSession || x.Reason >= reasonsMax {
			continue
		}
		l := letter{
			size: int64(len(op.Message)), session: x.Session, hasSession: x.HasSession, due: x.Due, count: x.Count, counted: x.Count > 0,
			reason: reason(x.Reason), hops: x.Hops, source: x.Source, resession: x.HasSession != first.HasSession || x.Session != first.Session,
		}
		var ok bool
		if l.edit, ok = readEdit(x.Edit); !ok {
			continue
		}
		l.edited = l.edit != nil
		if state(x.State) == scheduled && x.Due > 0 {
			l.scheduled, l.ttl = true, x.TTL
		}
		b.stay(p, m, l)
		if state(x.State) == deferred {
			deferrals = append(deferrals, aside{m, p.placements[len(p.placements)-1].seq})
		}
		if id := duplicateOf(m.entity, row, x); id != "" && !p.remembers(m.entity.store(), id) {
			p.remember(m.entity.store(), id)
		}
	}
	p.end()
	if len(p.placements) == 0 {
		p.drop()
		return NoPlace
	}
	b.commit(t, p, [][]byte{op.Message})
	for _, d := range deferrals {
		b.head = b.appendDeferred(b.head[:0], d.m, d.seq, false, nil)
		b.record(t)
	}
	return Reinjected
}

// deferAgain sets a message aside that was set aside in the tail. One that somebody
// holds now is left alone.
func (b *Broker) deferAgain(t Turn, op *Op) Verdict {
	m, s := b.there(op.Defer)
	edit, ok := readEdit(op.Edit)
	if s == nil || !ok || s.state != active || s.lock != 0 || op.Failed > failedMax {
		return Gone
	}
	b.countFailed(t, m, op.Defer.Sequence, op.Failed, nil)
	b.head = b.appendDeferred(b.head[:0], m, op.Defer.Sequence, false, edit)
	b.record(t)
	return Settled
}

// returnAgain counts deliveries of a message that failed in the tail.
func (b *Broker) returnAgain(t Turn, op *Op) Verdict {
	m, s := b.there(op.Return)
	edit, ok := readEdit(op.Edit)
	if s == nil || !ok || s.lock != 0 || op.Failed > failedMax {
		return Gone
	}
	b.countFailed(t, m, op.Return.Sequence, op.Failed, edit)
	if op.Failed == 0 {
		b.head = b.appendReturned(b.head[:0], m, []int64{op.Return.Sequence}, false, edit)
		b.record(t)
	}
	return Settled
}

// countFailed records that deliveries of a message failed.
func (b *Broker) countFailed(t Turn, m *mailbox, seq int64, times uint32, edit *Edit) {
	for range times {
		b.head = b.appendReturned(b.head[:0], m, []int64{seq}, true, edit)
		b.record(t)
	}
}

// failedMax bounds the failed deliveries that one row counts: the most an entity allows.
const failedMax = 2000

// readEdit reads an edit as facts write it; nothing is no edit.
func readEdit(data []byte) (*Edit, bool) {
	if data == nil {
		return nil, true
	}
	r := reader{b: data}
	e := r.edit()
	return e, !r.bad
}

// bringState sets a session's state that nobody has set since.
func (b *Broker) bringState(t Turn, op *Op) Verdict {
	m := b.mailboxAt(&op.State.Mailbox)
	if m == nil || m.sessions == nil {
		return NoPlace
	}
	now := int64(0)
	n := b.findSession(m, op.State.Session)
	if n != 0 {
		now = m.sessions.slab.at(n).stateAt
	}
	switch {
	case now != op.State.Was:
		return Superseded
	case now == 0 && len(op.Message) == 0:
		return Nothing
	}
	b.head = b.appendSessionState(b.head[:0], m, op.State.Session, len(op.Message))
	b.record(t, op.Message)
	return StateSet
}
