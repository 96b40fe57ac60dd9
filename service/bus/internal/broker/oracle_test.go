package broker

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"weir/kernel/fault"
)

// The oracle is a Service Bus told in the simplest way: lists that are walked from
// end to end, strings, and no thought of cost. It shares no code with the broker
// but the types of the contract. Times are ms since dawn.

type oEntity struct {
	def    Definition
	boxes  [3]*oBox
	subs   []*oEntity
	rules  []oRule
	seen   []oSeen
	parent *oEntity
}

// oRule is a rule over the number that test messages carry.
type oRule struct {
	name   string
	match  func(n int64) bool
	fails  bool
	always bool   // the true filter
	color  string // set by its action, "" for none
}

type oSeen struct {
	id string
	at int64
}

type oBox struct {
	entity *oEntity
	role   role
	next   int64
	msgs   []*oMsg // by number
	line   []oGrant
	waits  []*oReceiver
	listed []string // sessions with messages or a state, oldest first
	avail  []string // sessions to be had, in the order in which they came to be
	states map[string]string
	paused int64
	asked  map[*oMsg]bool // messages whose bytes are waited for
	until  int64          // and for how long
}

type oGrant struct {
	r *oReceiver
	n int
}

type oMsg struct {
	box        *oBox
	seq        int64
	body       string
	size       int
	n          int64
	id         string
	session    string
	hasSession bool
	state      MessageState
	enqueued   int64
	due        int64 // expiry or activation, 0 never
	ttl        int64
	count      int
	reason     reason
	props      []Property
	source     string
	origin     int64
	hops       int
	lock       *oLock
	read       bool // its bytes are at hand
}

type oLock struct {
	msg   *oMsg
	until int64
	order int
	owner *oReceiver
	token LockToken
	txn   int
}

type oReceiver struct {
	id      ReceiverID
	box     *oBox
	mode    Mode
	choice  SessionChoice
	credit  int
	session string
	holds   bool
	until   int64 // of the hold
	waiting bool
	limit   int64 // of the wait, 0 none
	order   int
}

type oracle struct {
	now       int64
	entities  []*oEntity
	receivers map[ReceiverID]*oReceiver
	locks     []*oLock
	orders    int
	said      map[ReceiverID][]string
	txns      map[int]*oTxn
	bytes     bool // the bytes of the message on its way are at hand
	wanted    bool // they were wanted and were not
}

type oTxn struct {
	deadline int64
	ops      []oOp
}

func newOracle() *oracle {
	return &oracle{receivers: map[ReceiverID]*oReceiver{}, said: map[ReceiverID][]string{}, txns: map[int]*oTxn{}}
}

func (o *oracle) say(r ReceiverID, format string, args ...any) {
	o.said[r] = append(o.said[r], fmt.Sprintf(format, args...))
}

func (o *oracle) entity(path string) *oEntity {
	for _, e := range o.entities {
		if strings.EqualFold(e.def.Name, path) {
			return e
		}
	}
	return nil
}

func (o *oracle) box(path string) *oBox {
	low := strings.ToLower(path)
	for _, e := range o.entities {
		name := strings.ToLower(e.def.Name)
		switch low {
		case name:
			return e.boxes[0]
		case name + "/$deadletterqueue":
			return e.boxes[1]
		case name + "/$transfer/$deadletterqueue":
			return e.boxes[2]
		}
	}
	return nil
}

// define declares an entity or changes its status.
func (o *oracle) define(d Definition, rules []oRule) {
	if e := o.entity(d.Name); e != nil {
		if e.def.Status == d.Status {
			return
		}
		e.def.Status = d.Status
		for _, id := range o.receiverIDs() {
			if r := o.receivers[id]; r.box.entity == e {
				o.drop(r)
				kind := fault.Unavailable
				if d.Status == Disabled || d.Status == ReceiveDisabled {
					kind = fault.Disabled
				}
				o.say(id, "closed %v", kind)
			}
		}
		for _, b := range o.boxes() {
			to := b.forward()
			if b.paused != 0 && (b.entity == e || to == e.def.Name) {
				b.paused = 0
			}
		}
		o.serveAll()
		return
	}
	e := &oEntity{def: d, rules: rules}
	for r := range e.boxes {
		e.boxes[r] = &oBox{entity: e, role: role(r), next: 1, states: map[string]string{}}
	}
	if d.Kind == Subscription {
		e.parent = o.entity(strings.Split(d.Name, "/")[0])
		e.parent.subs = append(e.parent.subs, e)
	}
	o.entities = append(o.entities, e)
}

func (o *oracle) receiverIDs() []ReceiverID {
	var ids []ReceiverID
	for id := range o.receivers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (o *oracle) boxes() (all []*oBox) {
	for _, e := range o.entities {
		all = append(all, e.boxes[:]...)
	}
	return all
}

func (e *oEntity) sendable() bool { return e.def.Status == Active || e.def.Status == ReceiveDisabled }
func (e *oEntity) readable() bool { return e.def.Status == Active || e.def.Status == SendDisabled }

func (e *oEntity) size() (n int64) {
	for _, b := range e.boxes {
		for _, m := range b.msgs {
			n += int64(m.size)
		}
		for _, s := range b.states {
			n += int64(len(s))
		}
	}
	return n
}

func (e *oEntity) room(n int64) bool {
	return e.def.MaxSizeBytes == 0 || e.size()+n <= e.def.MaxSizeBytes
}

func (b *oBox) forward() string {
	switch b.role {
	case ownMailbox:
		return b.entity.def.ForwardTo
	case deadLetters:
		return b.entity.def.ForwardDeadLettersTo
	}
	return ""
}

func (b *oBox) sessions() bool { return b.role == ownMailbox && b.entity.def.RequiresSession }

func (m *oMsg) ready() bool { return m.state == MessageActive && m.lock == nil }

func (b *oBox) find(seq int64) *oMsg {
	for _, m := range b.msgs {
		if m.seq == seq {
			return m
		}
	}
	return nil
}

// first is the first ready message, of one session if that is asked.
func (b *oBox) first(session *string) *oMsg {
	for _, m := range b.msgs {
		if m.ready() && (session == nil || m.session == *session) {
			return m
		}
	}
	return nil
}

func (o *oracle) holder(b *oBox, session string) *oReceiver {
	for _, r := range o.receivers {
		if r.box == b && r.holds && r.session == session {
			return r
		}
	}
	return nil
}

// refresh keeps the lists of sessions after a change to one message or hold.
func (o *oracle) refresh(b *oBox) {
	if !b.sessions() || o.receivers == nil {
		return
	}
	there, ready := map[string]bool{}, map[string]bool{}
	var order []string
	note := func(s string) {
		if !there[s] {
			order = append(order, s)
		}
		there[s] = true
	}
	for _, m := range b.msgs {
		note(m.session)
		if m.ready() && o.holder(b, m.session) == nil {
			ready[m.session] = true
		}
	}
	var named []string
	for s := range b.states {
		named = append(named, s)
	}
	sort.Strings(named)
	for _, s := range named {
		note(s)
	}
	b.listed = follow(b.listed, order, there)
	b.avail = follow(b.avail, order, ready)
}

// follow drops what is not wanted any more and appends what is new.
func follow(list, order []string, want map[string]bool) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !want[s] })
	for _, s := range order {
		if want[s] && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// put makes a message of the next number.
func (o *oracle) put(b *oBox, m oMsg) *oMsg {
	m.box, m.seq, m.lock, m.read = b, b.next, nil, false
	m.props = slices.Clone(m.props)
	b.next++
	b.msgs = append(b.msgs, &m)
	o.refresh(b)
	return &m
}

// away takes a message out of its mailbox.
func (o *oracle) away(m *oMsg) {
	o.unlock(m)
	m.box.msgs = slices.DeleteFunc(m.box.msgs, func(x *oMsg) bool { return x == m })
	o.refresh(m.box)
}

func (o *oracle) unlock(m *oMsg) {
	if m.lock != nil {
		o.locks = slices.DeleteFunc(o.locks, func(l *oLock) bool { return l == m.lock })
		m.lock = nil
	}
}

func (e *oEntity) lock() int64 {
	if e.def.LockDuration == 0 {
		return 60_000
	}
	return e.def.LockDuration.Milliseconds()
}

func (o *oracle) until(l *oLock) int64 {
	if l.msg.box.sessions() {
		return o.holder(l.msg.box, l.msg.session).until
	}
	return l.until
}

// lockFor locks a message.
func (o *oracle) lockFor(m *oMsg, r *oReceiver) *oLock {
	o.orders++
	l := &oLock{msg: m, until: o.now + m.box.entity.lock(), order: o.orders, owner: r}
	m.lock = l
	o.locks = append(o.locks, l)
	o.refresh(m.box)
	return l
}

// text is a message as the test compares it.
func (m *oMsg) text() string {
	props := slices.Clone(m.props)
	if m.reason != 0 {
		for _, p := range m.reason.properties(uint32(m.count)) {
			props = setProperty(props, p.Name, p.Value)
		}
	}
	s := Stored{
		Sequence: m.seq, EnqueuedSequence: m.origin, Enqueued: ofMillis(m.enqueued), DeliveryCount: uint32(m.count),
		State: m.state, SessionID: m.session, HasSession: m.hasSession, DeadLetterSource: m.source,
	}
	if len(props) > 0 {
		s.Edit = &Edit{Application: props}
	}
	if m.state == MessageScheduled {
		s.ScheduledAt = ofMillis(m.due)
	} else if m.due != 0 {
		s.Expires = ofMillis(m.due)
	}
	return storedText(m.body, s)
}

// wants reports whether an entity must see the bytes of what it takes.
func (e *oEntity) wants() bool {
	return e.def.DuplicateWindow > 0 || e.judges()
}

// judges reports whether some rule of a topic must see the messages.
func (e *oEntity) judges() bool {
	for _, s := range e.subs {
		for _, r := range s.rules {
			if !r.always || r.color != "" {
				return true
			}
		}
	}
	return false
}

// mustRead tries a way on a copy of everything and reports whether bytes are wanted
// on it that are not at hand.
func (o *oracle) mustRead(try func(*oracle)) bool {
	if o.bytes {
		return false
	}
	c := &oracle{now: o.now}
	for _, e := range o.entities {
		x := &oEntity{def: e.def, rules: e.rules, seen: slices.Clone(e.seen)}
		for i, b := range e.boxes {
			y := &oBox{entity: x, role: b.role, next: b.next, states: b.states, paused: b.paused}
			for _, m := range b.msgs {
				z := *m
				z.box = y
				y.msgs = append(y.msgs, &z)
			}
			x.boxes[i] = y
		}
		if e.parent != nil {
			x.parent = c.entity(e.parent.def.Name)
			x.parent.subs = append(x.parent.subs, x)
		}
		c.entities = append(c.entities, x)
	}
	try(c)
	return c.wanted
}

// like is the mailbox of this oracle that is another's.
func (o *oracle) like(b *oBox) *oBox { return o.entity(b.entity.def.Name).boxes[b.role] }

// ask waits for the bytes of a message and of those like it behind it, unless they
// are waited for already.
func (o *oracle) ask(b *oBox, head *oMsg) {
	if !b.asked[head] || b.until <= o.now {
		b.asked, b.until = map[*oMsg]bool{}, o.now+fetchRetryMillis
		for _, m := range b.msgs {
			if !m.read && m.lock == nil && m.state == head.state && m.seq >= head.seq && (m.ready() || m.due <= o.now) {
				b.asked[m] = true
			}
		}
	}
	b.paused = b.until
}

// fetched goes on with what waited for the bytes of a message: they have been read.
func (o *oracle) fetched(body string) {
	for _, b := range o.boxes() {
		came := false
		for _, m := range b.msgs {
			if b.asked[m] && m.body == body {
				delete(b.asked, m)
				m.read, came = true, true
			}
		}
		if came {
			b.paused = 0
			o.activate(b)
		}
	}
	o.serveAll()
}
