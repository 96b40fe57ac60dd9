package broker

import (
	"fmt"
	"slices"
	"time"

	"weir/kernel/journal/record"
)

// step plays one random command to both, or now and then none and looks at everything.
func (m *model) step() {
	for _, s := range []struct {
		percent int
		play    func()
	}{
		{24, m.stepSend}, {3, m.stepSchedule}, {2, m.stepCancel}, {12, m.stepOpen}, {18, m.stepCredit}, {3, m.stepClose},
		{18, m.stepSettle}, {3, m.stepRenew}, {4, m.stepDeferred}, {3, m.stepPeek}, {2, m.stepDelete}, {3, m.stepState},
		{4, m.stepTxn}, {3, m.stepStatus}, {2, m.stepCarry}, {1, m.stepOwner},
	} {
		if m.chance(s.percent) {
			s.play()
			return
		}
	}
	if m.chance(20) {
		m.compareAll()
		m.replicas()
	}
}

// message makes up a message.
func (m *model) message() (oIn, Message) {
	m.names++
	n := int64(m.rnd.IntN(12))
	s := sample{name: fmt.Sprint("m", m.names), properties: []Property{{"n", n}}, size: m.rnd.IntN(60)}
	if m.chance(70) {
		s.session, s.hasSession = pick(m, "x", "y", "z", ""), true
	}
	if m.chance(50) {
		s.id = pick(m, "i1", "i2", "i3", "i4")
	}
	in := oIn{sample: s, n: n}
	if m.chance(30) {
		in.ttl = int64(pick(m, 1003, 6007, 25013))
		s.ttl = time.Duration(in.ttl) * time.Millisecond
	}
	if m.chance(8) {
		in.at = m.o.now + int64(pick(m, 503, 4001, 20021))
		s.at = ofMillis(in.at)
	}
	in.sample = s
	return in, s.message()
}

func (m *model) messages(most int) (ins []oIn, msgs []Message) {
	for range m.rnd.IntN(most) + 1 {
		in, msg := m.message()
		ins, msgs = append(ins, in), append(msgs, msg)
	}
	return ins, msgs
}

// txn is an open transaction in some of the cases, 0 in most.
func (m *model) txn() (int, TxnID) {
	if !m.chance(15) || len(m.txns) == 0 {
		return 0, 0
	}
	n := m.rnd.IntN(len(m.txns)) + 1
	return n, m.txns[n]
}

func (m *model) stepSend() {
	path := pick(m, "plain", "plain", "held", "held", "hop", "t", "t", "graves", "nowhere")
	ins, msgs := m.messages(3)
	n, txn := m.txn()
	if m.chance(10) {
		via := pick(m, "plain", "hop")
		m.tell("send %d to %s via %s, txn %d", len(msgs), path, via, n)
		m.same("send via", m.b.SendVia(m.log, via, path, msgs, txn), m.o.send(oOp{path: path, via: via, msgs: ins}, n))
		return
	}
	m.tell("send %d to %s, txn %d", len(msgs), path, n)
	m.same("send", m.b.Send(m.log, path, msgs, txn), m.o.send(oOp{path: path, msgs: ins}, n))
}

func (m *model) stepSchedule() {
	path := pick(m, "plain", "held", "hop", "t")
	ins, msgs := m.messages(2)
	for i := range ins {
		ins[i].at = m.o.now + int64(pick(m, 503, 4001, 20021))
		msgs[i].ScheduledAt = ofMillis(ins[i].at)
	}
	m.tell("schedule %d to %s", len(msgs), path)
	got, err := m.b.Schedule(m.log, path, msgs)
	want, kind := m.o.schedule(path, ins)
	if m.same("schedule", err, kind) && !slices.Equal(got, want) {
		m.fail("schedule gives %v, the oracle %v", got, want)
	}
}

func (m *model) stepCancel() {
	path := pick(m, "plain", "held", "t")
	seqs := []int64{m.number(path, MessageScheduled)}
	if m.chance(20) {
		seqs = append(seqs, m.number(path, MessageScheduled))
	}
	m.tell("cancel %s %v", path, seqs)
	m.same("cancel", m.b.CancelScheduled(m.log, path, seqs), m.o.cancel(path, seqs))
}

// number is the sequence number of a message in a state, or any.
func (m *model) number(path string, state MessageState) int64 {
	var have []int64
	for _, x := range m.o.box(path).msgs {
		if x.state == state {
			have = append(have, x.seq)
		}
	}
	if len(have) == 0 || m.chance(15) {
		return int64(m.rnd.IntN(40) + 1)
	}
	return pick(m, have...)
}

func (m *model) stepOpen() {
	spec := ReceiverSpec{ID: ReceiverID(len(m.opened) + 1), Path: pick(m, m.paths...), Mode: pick(m, PeekLock, PeekLock, PeekLock, ReceiveAndDelete)}
	if m.o.box(spec.Path).sessions() || m.chance(5) {
		spec.Choice = pick(m, NamedSession, NextAvailable, NextAvailable, NoSession)
		spec.Session = pick(m, "x", "y", "z", "")
		if m.chance(70) {
			spec.WaitUntil = ofMillis(m.o.now + int64(pick(m, 1009, 9013)))
		}
	}
	m.tell("open %d on %s mode %d choice %d %q", spec.ID, spec.Path, spec.Mode, spec.Choice, spec.Session)
	session, until, waiting, err := m.b.OpenReceiver(m.log, spec)
	r, kind := m.o.open1(spec)
	if !m.same("open", err, kind) {
		return
	}
	m.opened = append(m.opened, spec.ID)
	m.specs[spec.ID] = spec
	if waiting != r.waiting || r.holds && (session != r.session || millisOf(until) != r.until) {
		m.fail("open gives %q until %v, waiting %v; the oracle says %q until %d, waiting %v", session, until, waiting, r.session, r.until, r.waiting)
	}
	if m.chance(80) {
		m.credit(spec.ID, m.rnd.IntN(5)+1, m.chance(20))
	}
}

// receiver is one that was opened, most of the time one that is open.
func (m *model) receiver() (ReceiverID, bool) {
	open := m.o.receiverIDs()
	if len(open) > 0 && !m.chance(5) {
		return pick(m, open...), true
	}
	if len(m.opened) == 0 {
		return 0, false
	}
	return pick(m, m.opened...), true
}

func (m *model) stepCredit() {
	if id, ok := m.receiver(); ok {
		m.credit(id, m.rnd.IntN(6), m.chance(20))
	}
}

// credit gives a receiver so much credit in all.
func (m *model) credit(id ReceiverID, n int, drain bool) {
	m.tell("credit %d: %d, drain %v", id, n, drain)
	m.limits[id] = m.given[id] + uint32(n)
	m.b.Credit(m.log, id, m.limits[id], drain)
	m.o.credit1(id, n, drain)
	m.compare()
}

func (m *model) stepClose() {
	if id, ok := m.receiver(); ok {
		m.tell("close %d", id)
		m.b.CloseReceiver(m.log, id)
		m.o.close1(id)
	}
}

// lock is one that was given, most of the time one that is still there.
func (m *model) lock() *oLock {
	if len(m.o.locks) > 0 && !m.chance(10) {
		return pick(m, m.o.locks...)
	}
	if len(m.held) == 0 {
		return nil
	}
	return pick(m, m.held...)
}

// pathOf is where a lock is settled: its entity, by the right mailbox or another.
func (m *model) pathOf(l *oLock) string {
	if m.chance(5) {
		return pick(m, m.paths...)
	}
	name := l.msg.box.entity.def.Name
	if l.msg.box.role == deadLetters {
		return name + deadLetterSuffix
	}
	return name
}

func (m *model) stepSettle() {
	l := m.lock()
	if l == nil {
		return
	}
	op := oOp{path: m.pathOf(l), lock: l, what: pick(m, Complete, Complete, Abandon, Abandon, Release, Defer, DeadLetter)}
	if m.chance(20) {
		op.modify = []Property{{pick(m, "p", "q"), fmt.Sprint(m.rnd.IntN(9))}}
	}
	if op.what == DeadLetter && m.chance(50) {
		op.reason = "because"
	}
	n, txn := m.txn()
	m.tell("settle %s #%d of %s by %d, txn %d", l.msg.body, l.msg.seq, op.path, op.what, n)
	s := Settlement{Path: op.path, Lock: l.token, Disposition: op.what, Reason: op.reason, Modify: op.modify, Txn: txn}
	m.same("settle", m.b.Settle(m.log, s), m.o.settle(op, n))
}

func (m *model) stepRenew() {
	if m.chance(50) {
		m.renewSession()
		return
	}
	l := m.lock()
	if l == nil {
		return
	}
	path := m.pathOf(l)
	m.tell("renew %s #%d of %s", l.msg.body, l.msg.seq, path)
	got, err := m.b.RenewLocks(m.log, path, []LockToken{l.token})
	want, kind := m.o.renew1(path, []*oLock{l})
	if m.same("renew", err, kind) && millisOf(got[0]) != want[0] {
		m.fail("renewed until %v, the oracle says %d", got, want)
	}
}

func (m *model) renewSession() {
	path, session := pick(m, "held", "t/Subscriptions/b", "plain"), pick(m, "x", "y", "z", "")
	by := ReceiverID(0)
	if id, ok := m.receiver(); ok && m.chance(70) {
		by = id
		if r := m.o.receivers[id]; r != nil && r.holds {
			path, session = r.box.entity.def.Name, r.session
		}
	}
	m.tell("renew session %s %q by %d", path, session, by)
	got, err := m.b.RenewSession(m.log, path, session, by)
	r, kind := m.o.heldBy(path, session, by)
	if m.same("renew session", err, kind) {
		m.o.orders++
		r.until, r.order = m.o.now+r.box.entity.lock(), m.o.orders
		if millisOf(got) != r.until {
			m.fail("session until %v, the oracle says %d", got, r.until)
		}
	}
}

func (m *model) stepDeferred() {
	path := pick(m, "plain", "held", "graves", "t/Subscriptions/a", "t/Subscriptions/b", "plain"+deadLetterSuffix)
	seqs := []int64{m.number(path, MessageDeferred)}
	mode := pick(m, PeekLock, PeekLock, ReceiveAndDelete)
	var session *string
	if box := m.o.box(path); box.sessions() && m.chance(90) {
		name := pick(m, "x", "y", "z", "")
		if x := box.find(seqs[0]); x != nil && m.chance(80) {
			name = x.session
		}
		session = &name
	}
	m.tell("fetch %s %v", path, seqs)
	got, err := m.b.ReceiveDeferred(m.log, path, seqs, mode, session)
	want, kind := m.o.fetchDeferred(path, seqs, mode, session)
	if !m.same("fetch", err, kind) {
		return
	}
	for i, x := range want {
		text := x.text()
		if mode == ReceiveAndDelete {
			m.o.away(x)
		} else {
			x.lock = m.o.lockFor(x, nil)
			x.lock.token = got[i].Lock
			m.held = append(m.held, x.lock)
		}
		if t := storedText(nameOf(m.log.read(got[i].Message.Ref)), got[i].Message); t != text {
			m.fail("fetched %s, the oracle says %s", t, text)
		}
	}
}

func (m *model) stepPeek() {
	path := pick(m, m.paths...)
	from, most := int64(m.rnd.IntN(60)), m.rnd.IntN(6)
	var session *string
	if m.chance(50) && m.o.box(path).sessions() || m.chance(5) {
		name := pick(m, "x", "y", "z", "")
		session = &name
	}
	found, err := m.b.Peek(m.log, path, from, most, session)
	want, kind := m.o.peek1(path, from, most, session)
	if !m.same("peek", err, kind) {
		return
	}
	var got []string
	for _, x := range found {
		got = append(got, storedText(nameOf(m.log.read(x.Ref)), x))
	}
	m.equal(fmt.Sprintf("peek %s from %d", path, from), got, want)
}

func (m *model) stepDelete() {
	path, most := pick(m, m.paths...), m.rnd.IntN(4)
	before := m.o.now - int64(pick(m, -1, 2000, 9000))
	var session *string
	if m.o.box(path).sessions() && m.chance(50) {
		name := pick(m, "x", "y", "z", "")
		session = &name
	}
	m.tell("delete %d of %s before %d", most, path, before)
	got, err := m.b.DeleteBatch(m.log, path, most, ofMillis(before), session)
	want, kind := m.o.deleteBatch(path, most, before, session)
	if m.same("delete", err, kind) && got != want {
		m.fail("deleted %d, the oracle %d", got, want)
	}
}

func (m *model) stepState() {
	path, session := pick(m, "held", "held", "t/Subscriptions/b"), pick(m, "x", "y", "z", "")
	for _, id := range m.o.receiverIDs() {
		if r := m.o.receivers[id]; r.holds && m.chance(60) {
			path, session = r.box.entity.def.Name, r.session
		}
	}
	state := pick(m, "", "one", "another")
	m.tell("state of %s %q: %q", path, session, state)
	m.same("state", m.b.SetSessionState(m.log, path, session, []byte(state), 0), m.o.setState(path, session, state, 0))
}

func (m *model) stepTxn() {
	if len(m.txns) == 0 || m.chance(40) {
		id, err := m.b.Declare(m.log)
		if err != nil {
			m.fail("declare: %v", err)
		}
		n := len(m.txns) + 1
		m.txns[n], m.o.txns[n] = id, &oTxn{}
		return
	}
	n := m.rnd.IntN(len(m.txns)) + 1
	if m.chance(70) {
		n = len(m.txns)
	}
	fail := m.chance(25)
	m.tell("discharge %d, fail %v", n, fail)
	m.same("discharge", m.b.Discharge(m.log, m.txns[n], fail), m.o.discharge(n, fail))
}

func (m *model) stepStatus() {
	name := pick(m, "plain", "held", "graves", "hop", "t", "t/Subscriptions/a", "t/Subscriptions/c")
	d, _ := m.b.Definition(name)
	d.Status = pick(m, Active, Active, Active, Disabled, SendDisabled, ReceiveDisabled)
	m.tell("status of %s: %d", name, d.Status)
	m.same("status", m.b.Define(m.log, d), 0)
	m.o.define(d, nil)
}

func (m *model) stepCarry() {
	m.tell("carry")
	for _, ref := range m.b.Live(record.Position(m.rnd.IntN(len(m.log.facts)+1)), m.rnd.IntN(500)) {
		m.b.Carry(m.log, ref, m.log.read(ref))
	}
}

// stepOwner makes another replica the owner: one that followed, or one that was
// restored.
func (m *model) stepOwner() {
	m.tell("new owner")
	m.replicas()
	next := m.log.follow(m.t, follower(), 0)
	switch m.rnd.IntN(3) {
	case 0:
		next = m.restored()
	case 1:
		next = m.b // it lost the lease, and won it again
		next.Disown()
	}
	m.epoch++
	m.b = next
	m.b.Own(m.epoch)
	m.o.newOwner()
	m.b.Tick(m.log)
	m.o.tick()
	m.txns = map[int]TxnID{}
	for id := range m.limits {
		m.limits[id], m.given[id] = 0, 0
	}
}
