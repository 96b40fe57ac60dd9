package broker

import (
	"slices"
	"sort"
)

// enter takes a message into a queue or topic, or a subscription, and on from there.
func (o *oracle) enter(e *oEntity, m oMsg) {
	if e.def.Kind == Topic {
		o.publish(e, m)
		return
	}
	if e.def.RequiresSession && !m.hasSession {
		m.reason = reasonNoSession
		o.buryIn(e, m)
		return
	}
	m.due = o.capped(m.due, e)
	b := e.boxes[ownMailbox]
	if to := e.def.ForwardTo; to != "" && b.first(nil) == nil && e.readable() {
		if o.onward(b, to, m, true) {
			return
		}
	}
	m.state = MessageActive
	o.put(b, m)
}

func (o *oracle) capped(due int64, e *oEntity) int64 {
	if ttl := e.def.DefaultTTL.Milliseconds(); ttl > 0 && (due == 0 || due > o.now+ttl) {
		return o.now + ttl
	}
	return due
}

func (o *oracle) publish(e *oEntity, m oMsg) {
	if !o.bytes && e.judges() {
		o.wanted = true
		return
	}
	b := e.boxes[ownMailbox]
	if m.origin == 0 {
		m.origin = b.next
	}
	b.next++
	m.due = o.capped(m.due, e)
	for _, s := range e.subs {
		plain := false
		var failed *oRule
		var acting []oRule
		for i, r := range s.rules {
			switch {
			case r.fails:
				if failed == nil {
					failed = &s.rules[i]
				}
			case !r.match(m.n):
			case r.color == "":
				plain = true
			default:
				acting = append(acting, r)
			}
		}
		if failed != nil && !plain && s.def.DeadLetterOnFilterErrors {
			x := m
			x.props = setProperty(slices.Clone(m.props), descriptionProperty, "messages have no system property sys.Nothing")
			x.reason = reasonFilter
			o.buryIn(s, x)
		}
		if plain {
			o.enter(s, m)
		}
		for _, r := range acting {
			x := m
			x.props = setProperty(slices.Clone(m.props), "RuleName", r.name)
			x.props = setProperty(x.props, "color", r.color)
			o.enter(s, x)
		}
	}
}

// onward forwards a message; false when the destination cannot take it now.
func (o *oracle) onward(b *oBox, path string, m oMsg, passing bool) bool {
	why := o.shut(path, m)
	if why != 0 && why != reasonHops && b.role == deadLetters {
		return false
	}
	if passing {
		if m.origin == 0 {
			m.origin = b.next
		}
		b.next++
	}
	if why != 0 {
		m.reason, m.due, m.state = why, 0, MessageActive
		o.put(b.entity.boxes[transferDeadLetter], m)
		return true
	}
	to := o.entity(path)
	if !o.bytes && to.wants() {
		o.wanted = true
		return true
	}
	m.hops++
	m.enqueued = o.now
	if o.duplicate(to, m.id) {
		return true
	}
	o.enter(to, m)
	return true
}

// shut says why a message can not be forwarded, 0 when it can.
func (o *oracle) shut(path string, m oMsg) reason {
	switch to := o.entity(path); {
	case m.hops >= 4:
		return reasonHops
	case to == nil:
		return reasonNowhere
	case !to.sendable():
		return reasonClosed
	case !to.room(int64(m.size)):
		return reasonFull
	}
	return 0
}

// duplicate reports whether an id came before, and remembers it if not.
func (o *oracle) duplicate(e *oEntity, id string) bool {
	if e.def.DuplicateWindow == 0 || id == "" {
		return false
	}
	for _, s := range e.seen {
		if s.id == id && s.at > o.now-e.def.DuplicateWindow.Milliseconds() {
			return true
		}
	}
	e.seen = append(e.seen, oSeen{id, o.now})
	return false
}

// buryIn puts a message into an entity's dead-letter queue, or where that leads.
func (o *oracle) buryIn(e *oEntity, m oMsg) {
	m.due = 0
	b := e.boxes[deadLetters]
	if to := e.def.ForwardDeadLettersTo; to != "" && b.first(nil) == nil && e.readable() {
		on := m
		on.source = e.def.Name
		if !o.mustRead(func(c *oracle) { c.onward(c.like(b), to, on, true) }) && o.onward(b, to, on, true) {
			return
		}
	}
	m.state = MessageActive
	o.put(b, m)
}

// bury takes a message out of a mailbox for one of these reasons.
func (o *oracle) bury(m *oMsg, why reason) {
	x := *m
	x.reason, x.hops = why, 0
	if x.origin == 0 {
		x.origin = m.seq
	}
	o.buryIn(m.box.entity, x)
	o.away(m)
}

func (o *oracle) expire(m *oMsg) {
	if m.box.entity.def.DeadLetterOnExpiration {
		o.bury(m, reasonTTL)
	} else {
		o.away(m)
	}
}

// giveBack ends a lock: the message failed once more, or not.
func (o *oracle) giveBack(m *oMsg, failed bool) {
	b := m.box
	if failed && b.role == ownMailbox {
		m.count++
		if m.count >= b.most() {
			o.bury(m, reasonDeliveries)
			return
		}
	}
	o.unlock(m)
	if m.state == MessageActive && m.due != 0 && m.due <= o.now {
		o.expire(m)
		return
	}
	o.refresh(b)
}

func (b *oBox) most() int {
	if b.entity.def.MaxDeliveryCount == 0 {
		return 10
	}
	return int(b.entity.def.MaxDeliveryCount)
}

// tick does what is due in each mailbox, in their order.
func (o *oracle) tick() {
	for id, x := range o.txns {
		if x.deadline != 0 && x.deadline <= o.now {
			o.endTxn(id)
		}
	}
	for _, b := range o.boxes() {
		o.runOut(b)
		for _, m := range slices.Clone(b.msgs) {
			if m.box == b && m.ready() && m.due != 0 && m.due <= o.now && slices.Contains(b.msgs, m) {
				o.expire(m)
			}
		}
		o.activate(b)
		if b.paused != 0 && b.paused <= o.now {
			b.paused = 0
		}
	}
	for _, id := range o.receiverIDs() {
		if r := o.receivers[id]; r.waiting && r.limit != 0 && r.limit <= o.now {
			o.drop(r)
			o.say(id, "refused Timeout")
		}
	}
	o.serveAll()
}

func (o *oracle) runOut(b *oBox) {
	for _, l := range slices.Clone(o.locks) {
		if l.msg.box == b && !b.sessions() && l.until <= o.now {
			o.giveBack(l.msg, true)
		}
	}
	var over []*oReceiver
	for _, r := range o.receivers {
		if r.box == b && r.holds && r.until <= o.now {
			over = append(over, r)
		}
	}
	sort.Slice(over, func(i, j int) bool { return over[i].order < over[j].order })
	for _, r := range over {
		for _, l := range slices.Clone(o.locks) {
			if l.msg.box == b && l.msg.session == r.session {
				o.giveBack(l.msg, true)
			}
		}
		o.drop(r)
		o.say(r.id, "closed SessionLockLost")
	}
}

func (o *oracle) activate(b *oBox) {
	if b.paused > o.now {
		return
	}
	for {
		var next *oMsg
		for _, m := range b.msgs {
			if m.state == MessageScheduled && m.due <= o.now && (next == nil || m.due < next.due) {
				next = m
			}
		}
		if next == nil {
			return
		}
		x := *next
		x.due, x.enqueued = 0, o.now
		if x.ttl > 0 {
			x.due = o.now + x.ttl
		}
		if !next.read && o.mustRead(func(c *oracle) { c.enter(c.like(b).entity, x) }) {
			o.ask(b, next)
			return
		}
		o.bytes = next.read
		o.enter(b.entity, x)
		o.bytes = false
		o.away(next)
	}
}

// serveAll gives what is ready to whoever waits, and after that forwards.
func (o *oracle) serveAll() {
	for again := true; again; {
		for _, b := range o.boxes() {
			if b.forward() == "" {
				o.serve(b)
			}
		}
		again = false
		for _, b := range o.boxes() {
			if to := b.forward(); to != "" && b.paused <= o.now && b.entity.readable() && b.first(nil) != nil {
				o.pump(b, to)
				again = true
				break
			}
		}
	}
}

func (o *oracle) serve(b *oBox) {
	if b.sessions() {
		o.serveSessions(b)
		return
	}
	for len(b.line) > 0 {
		m := o.nextReady(b, nil)
		if m == nil {
			return
		}
		r := b.line[0].r
		if b.line[0].n--; b.line[0].n == 0 {
			b.line = b.line[1:]
		}
		o.give(m, r)
	}
}

func (o *oracle) nextReady(b *oBox, session *string) *oMsg {
	for {
		m := b.first(session)
		if m == nil || m.due == 0 || m.due > o.now {
			return m
		}
		o.expire(m)
	}
}

func (o *oracle) pump(b *oBox, to string) {
	if b.paused > o.now || !b.entity.readable() {
		return
	}
	b.paused = 0
	for m := o.nextReady(b, nil); m != nil; m = o.nextReady(b, nil) {
		x := *m
		if x.origin == 0 {
			x.origin = m.seq
		}
		if b.role == deadLetters {
			x.source = b.entity.def.Name
		}
		if !m.read && o.mustRead(func(c *oracle) { c.onward(c.like(b), to, x, false) }) {
			o.ask(b, m)
			return
		}
		o.bytes = m.read
		went := o.onward(b, to, x, false)
		o.bytes = false
		if !went {
			b.paused = o.now + forwardRetryMillis
			return
		}
		o.away(m)
	}
}

func (o *oracle) serveSessions(b *oBox) {
	o.accept(b)
	for _, id := range o.receiverIDs() {
		r := o.receivers[id]
		for r.box == b && r.holds && r.credit > 0 {
			m := o.nextReady(b, &r.session)
			if m == nil {
				break
			}
			o.give(m, r)
		}
	}
	o.accept(b)
}

func (o *oracle) accept(b *oBox) {
	for len(b.waits) > 0 && len(b.avail) > 0 {
		r := b.waits[0]
		b.waits, r.waiting = b.waits[1:], false
		o.hold(r, b.avail[0])
		o.say(r.id, "session %q until %d", r.session, r.until)
	}
}

func (o *oracle) hold(r *oReceiver, session string) {
	o.orders++
	r.session, r.holds, r.until, r.order = session, true, o.now+r.box.entity.lock(), o.orders
	o.refresh(r.box)
}

func (o *oracle) give(m *oMsg, r *oReceiver) {
	r.credit--
	if r.mode == ReceiveAndDelete {
		o.say(r.id, "gets %s", m.text())
		o.away(m)
		return
	}
	l := o.lockFor(m, r)
	o.say(r.id, "gets %s until %d", m.text(), o.until(l))
}

// drop forgets a receiver.
func (o *oracle) drop(r *oReceiver) {
	b := r.box
	b.line = slices.DeleteFunc(b.line, func(g oGrant) bool { return g.r == r })
	b.waits = slices.DeleteFunc(b.waits, func(x *oReceiver) bool { return x == r })
	delete(o.receivers, r.id)
	if r.holds {
		r.holds = false
		for _, m := range slices.Clone(b.msgs) {
			if m.session == r.session && m.lock != nil {
				o.unlock(m)
			}
		}
		o.refresh(b)
	}
}
