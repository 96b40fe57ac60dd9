package broker

import (
	"slices"
	"sort"
	"strings"

	"weir/kernel/fault"
)

// oIn is a message as it is sent.
type oIn struct {
	sample sample
	n      int64
	ttl    int64
	at     int64 // 0: now
}

func (in oIn) msg(now int64) oMsg {
	s := in.sample
	m := oMsg{body: s.name, size: len(s.encode()), n: in.n, id: s.id, session: s.session, hasSession: s.hasSession, enqueued: now, ttl: in.ttl}
	if in.ttl > 0 {
		m.due = now + in.ttl
	}
	return m
}

// oOp is one operation of a transaction.
type oOp struct {
	path, via string
	msgs      []oIn
	lock      *oLock
	what      Disposition
	reason    string
	modify    []Property
}

const oNone = fault.None

func (o *oracle) maySend(path, via string, msgs []oIn, more map[*oEntity]int64) fault.Kind {
	if via != "" {
		v := o.entity(via)
		if v == nil || v.def.Kind == Subscription {
			return fault.NotFound
		}
		if !v.sendable() {
			return fault.Disabled
		}
	}
	b := o.box(path)
	if b == nil {
		return fault.NotFound
	}
	e := b.entity
	if b.role != ownMailbox || e.def.Kind == Subscription {
		return fault.Conflict
	}
	if !e.sendable() {
		if via == "" {
			return fault.Disabled
		}
		e = o.entity(via)
	} else {
		for _, in := range msgs {
			if e.def.RequiresSession && !in.sample.hasSession {
				return fault.Conflict
			}
		}
	}
	for _, in := range msgs {
		more[e] += int64(len(in.sample.encode()))
	}
	if !e.room(more[e]) {
		return fault.QuotaExceeded
	}
	return oNone
}

func (o *oracle) send(op oOp, txn int) fault.Kind {
	if k := o.maySend(op.path, op.via, op.msgs, map[*oEntity]int64{}); k != oNone {
		return k
	}
	if txn != 0 {
		return o.enlist(txn, op)
	}
	o.doSend(op)
	o.serveAll()
	return oNone
}

func (o *oracle) doSend(op oOp) {
	o.bytes = true
	defer func() { o.bytes = false }()
	e := o.entity(op.path)
	straight := op.via != "" && !e.sendable()
	if straight {
		e = o.entity(op.via)
	}
	for _, in := range op.msgs {
		m := in.msg(o.now)
		switch {
		case o.duplicate(e, m.id):
		case straight:
			m.reason, m.due = reasonTransfer, 0
			o.put(e.boxes[transferDeadLetter], m)
		case in.at > o.now:
			m.state, m.due = MessageScheduled, in.at
			o.put(e.boxes[ownMailbox], m)
		default:
			o.enter(e, m)
		}
	}
}

func (o *oracle) schedule(path string, msgs []oIn) ([]int64, fault.Kind) {
	if k := o.maySend(path, "", msgs, map[*oEntity]int64{}); k != oNone {
		return nil, k
	}
	e := o.entity(path)
	b := e.boxes[ownMailbox]
	var seqs []int64
	for _, in := range msgs {
		m := in.msg(o.now)
		seqs = append(seqs, b.next)
		if o.duplicate(e, m.id) {
			b.next++
			continue
		}
		m.state, m.due = MessageScheduled, in.at
		o.put(b, m)
	}
	return seqs, oNone
}

func (o *oracle) cancel(path string, seqs []int64) fault.Kind {
	b := o.box(path)
	for _, seq := range seqs {
		if m := b.find(seq); m == nil || m.state != MessageScheduled {
			return fault.MessageNotFound
		}
	}
	for _, seq := range seqs {
		if m := b.find(seq); m != nil {
			o.away(m)
		}
	}
	return oNone
}

func (o *oracle) open1(spec ReceiverSpec) (*oReceiver, fault.Kind) {
	b := o.box(spec.Path)
	switch {
	case b == nil:
		return nil, fault.NotFound
	case b.entity.def.Kind == Topic && b.role != transferDeadLetter:
		return nil, fault.Conflict
	case !b.entity.readable():
		return nil, fault.Disabled
	case b.forward() != "", b.sessions() != (spec.Choice != NoSession):
		return nil, fault.Conflict
	}
	r := &oReceiver{id: spec.ID, box: b, mode: spec.Mode, choice: spec.Choice}
	switch spec.Choice {
	case NamedSession:
		if o.holder(b, spec.Session) != nil {
			return nil, fault.SessionUnavailable
		}
		o.receivers[r.id] = r
		o.hold(r, spec.Session)
	case NextAvailable:
		if len(b.avail) == 0 {
			r.waiting = true
			if !spec.WaitUntil.IsZero() {
				r.limit = millisOf(spec.WaitUntil)
				if r.limit <= o.now {
					return nil, fault.Timeout
				}
			}
			b.waits = append(b.waits, r)
			o.receivers[r.id] = r
			return r, oNone
		}
		o.receivers[r.id] = r
		o.hold(r, b.avail[0])
	}
	o.receivers[r.id] = r
	return r, oNone
}

// credit sets how many messages a receiver may still have.
func (o *oracle) credit1(id ReceiverID, n int, drain bool) {
	r := o.receivers[id]
	if r == nil {
		return
	}
	b := r.box
	if r.choice == NoSession {
		if n > r.credit {
			b.line = append(b.line, oGrant{r, n - r.credit})
		}
		for less := r.credit - n; less > 0; {
			for i := len(b.line) - 1; i >= 0; i-- {
				if g := &b.line[i]; g.r == r {
					cut := min(g.n, less)
					g.n -= cut
					less -= cut
					if g.n == 0 {
						b.line = slices.Delete(b.line, i, i+1)
					}
					break
				}
			}
		}
	}
	r.credit = n
	o.serveAll()
	if drain {
		r.credit = 0
		b.line = slices.DeleteFunc(b.line, func(g oGrant) bool { return g.r == r })
		o.say(id, "drained")
	}
}

func (o *oracle) close1(id ReceiverID) {
	if r := o.receivers[id]; r != nil {
		o.drop(r)
		o.serveAll()
	}
}

// lost is what is said of a lock that is not there.
func (b *oBox) lost() fault.Kind {
	if b.sessions() {
		return fault.SessionLockLost
	}
	return fault.LockLost
}

func (o *oracle) maySettle(op oOp) fault.Kind {
	b := o.box(op.path)
	if op.lock == nil || !slices.Contains(o.locks, op.lock) || op.lock.msg.box.entity != b.entity || o.until(op.lock) <= o.now {
		return b.lost()
	}
	if op.what == DeadLetter && op.lock.msg.box.role != ownMailbox {
		return fault.Conflict
	}
	return oNone
}

func (o *oracle) settle(op oOp, txn int) fault.Kind {
	if k := o.maySettle(op); k != oNone {
		return k
	}
	if txn != 0 {
		if o.txns[txn] == nil {
			return fault.TransactionUnknown
		}
		if op.lock.txn != 0 {
			return fault.Conflict
		}
		k := o.enlist(txn, op)
		if k == oNone {
			op.lock.txn = txn
		}
		return k
	}
	if op.lock.txn != 0 {
		return fault.Conflict
	}
	o.doSettle(op)
	o.serveAll()
	return oNone
}

func (o *oracle) doSettle(op oOp) {
	m := op.lock.msg
	for _, p := range op.modify {
		m.props = setProperty(slices.Clone(m.props), p.Name, p.Value)
	}
	switch op.what {
	case Complete:
		o.away(m)
	case Abandon:
		o.giveBack(m, true)
	case Release:
		o.giveBack(m, false)
	case DeadLetter:
		if op.reason != "" {
			m.props = setProperty(slices.Clone(m.props), reasonProperty, op.reason)
		}
		o.bury(m, 0)
	case Defer:
		if m.box.role == ownMailbox {
			m.count++
			if m.count >= m.box.most() {
				o.bury(m, reasonDeliveries)
				return
			}
		}
		o.unlock(m)
		m.state = MessageDeferred
		o.refresh(m.box)
	}
}

func (o *oracle) renew1(path string, locks []*oLock) ([]int64, fault.Kind) {
	for _, l := range locks {
		if k := o.maySettle(oOp{path: path, lock: l}); k != oNone {
			return nil, k
		}
		if l.msg.box.sessions() {
			return nil, fault.Conflict
		}
	}
	var until []int64
	for _, l := range locks {
		o.orders++
		l.until, l.order = o.now+l.msg.box.entity.lock(), o.orders
		o.locks = append(slices.DeleteFunc(o.locks, func(x *oLock) bool { return x == l }), l)
		until = append(until, l.until)
	}
	return until, oNone
}

func (o *oracle) heldBy(path, session string, by ReceiverID) (*oReceiver, fault.Kind) {
	b := o.box(path)
	if !b.sessions() {
		return nil, fault.Conflict
	}
	r := o.holder(b, session)
	if r == nil || by != 0 && r.id != by || r.until <= o.now {
		return nil, b.lost()
	}
	return r, oNone
}

func (o *oracle) fetchDeferred(path string, seqs []int64, mode Mode, session *string) ([]*oMsg, fault.Kind) {
	b := o.box(path)
	if !b.entity.readable() {
		return nil, fault.Disabled
	}
	if b.sessions() {
		if session == nil {
			return nil, fault.Conflict
		}
		if _, k := o.heldBy(path, *session, 0); k != oNone {
			return nil, k
		}
	}
	var found []*oMsg
	missing := false
	for _, seq := range seqs {
		m := b.find(seq)
		switch {
		case m == nil || m.state != MessageDeferred || m.lock != nil || b.sessions() && m.session != *session:
			missing = true
		case m.due != 0 && m.due <= o.now:
			o.expire(m)
			missing = true
		default:
			found = append(found, m)
		}
	}
	if missing {
		o.serveAll()
		return nil, fault.MessageNotFound
	}
	return found, oNone
}

func (o *oracle) peek1(path string, from int64, most int, session *string) ([]string, fault.Kind) {
	b := o.box(path)
	if !b.entity.readable() {
		return nil, fault.Disabled
	}
	if session != nil && !b.sessions() {
		return nil, fault.Conflict
	}
	var out []string
	for _, m := range b.msgs {
		if m.seq >= from && len(out) < most && (session == nil || m.session == *session) {
			out = append(out, m.text())
		}
	}
	return out, oNone
}

func (o *oracle) deleteBatch(path string, most int, before int64, session *string) (int, fault.Kind) {
	b := o.box(path)
	if !b.entity.readable() {
		return 0, fault.Disabled
	}
	if session != nil && !b.sessions() {
		return 0, fault.Conflict
	}
	var gone []*oMsg
	take := func(m *oMsg) {
		if len(gone) < most && m.ready() && m.enqueued < before {
			gone = append(gone, m)
		}
	}
	if !b.sessions() {
		for _, m := range b.msgs {
			take(m)
		}
	} else {
		names := slices.Clone(b.avail)
		if session != nil {
			names = []string{*session}
		}
		for _, name := range names {
			for _, m := range b.msgs {
				if m.session == name {
					take(m)
				}
			}
		}
	}
	for _, m := range gone {
		o.away(m)
	}
	o.serveAll()
	return len(gone), oNone
}

func (o *oracle) setState(path, session, state string, by ReceiverID) fault.Kind {
	r, k := o.heldBy(path, session, by)
	if k != oNone {
		return k
	}
	b := r.box
	if !b.entity.room(int64(len(state))) && state != "" {
		return fault.QuotaExceeded
	}
	if state == "" {
		delete(b.states, session)
	} else {
		b.states[session] = state
	}
	o.refresh(b)
	return oNone
}

// enlist keeps an operation for a transaction's end.
func (o *oracle) enlist(txn int, op oOp) fault.Kind {
	x := o.txns[txn]
	if x == nil || x.deadline != 0 && x.deadline <= o.now {
		return fault.TransactionUnknown
	}
	if x.deadline == 0 {
		x.deadline = o.now + txnLifetime.Milliseconds()
	}
	x.ops = append(x.ops, op)
	return oNone
}

func (o *oracle) endTxn(id int) {
	for _, op := range o.txns[id].ops {
		if op.lock != nil {
			op.lock.txn = 0
		}
	}
	delete(o.txns, id)
}

func (o *oracle) discharge(id int, fail bool) fault.Kind {
	x := o.txns[id]
	if x == nil || x.deadline != 0 && x.deadline <= o.now {
		return fault.TransactionUnknown
	}
	o.endTxn(id)
	if fail {
		return oNone
	}
	more := map[*oEntity]int64{}
	for _, op := range x.ops {
		k := oNone
		if op.lock != nil {
			k = o.maySettle(op)
		} else {
			k = o.maySend(op.path, op.via, op.msgs, more)
		}
		if k != oNone {
			return fault.TransactionRolledBack
		}
	}
	for _, op := range x.ops {
		if op.lock != nil {
			o.doSettle(op)
		} else {
			o.doSend(op)
		}
	}
	o.serveAll()
	return oNone
}

// newOwner forgets what only an owner has.
func (o *oracle) newOwner() {
	for _, l := range o.locks {
		l.msg.lock = nil
	}
	o.locks, o.receivers, o.txns = nil, map[ReceiverID]*oReceiver{}, map[int]*oTxn{}
	for _, b := range o.boxes() {
		b.line, b.waits, b.avail, b.paused, b.asked = nil, nil, nil, 0, nil
		for _, m := range b.msgs {
			m.read = false
		}
		// Sessions are to be had in the order in which they are listed.
		for _, s := range b.listed {
			for _, m := range b.msgs {
				if m.session == s && m.ready() && b.sessions() && !slices.Contains(b.avail, s) {
					b.avail = append(b.avail, s)
				}
			}
		}
	}
}

// names lists sessions.
func (o *oracle) names(path string) []string { return o.box(path).listed }

// stateful lists what states there are, for comparison.
func (b *oBox) stateful() string {
	var all []string
	for s, state := range b.states {
		all = append(all, s+"="+state)
	}
	sort.Strings(all)
	return strings.Join(all, ",")
}
