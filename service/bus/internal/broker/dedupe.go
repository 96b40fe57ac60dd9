package broker

import "weir/service/bus/internal/filter"

// history is the message ids that an entity has seen in its duplicate detection
// window, oldest first.
type history struct {
	times  map[string]int64 // ms; of the newest message with that id
	line   []seen
	passed int // of line, those forgotten already
}

type seen struct {
	id string
	at int64
}

// isDuplicate reports whether a message with that id came to the entity within its
// window, or comes with the plan.
func (b *Broker) isDuplicate(p *plan, e *entity, id string) bool {
	if id == "" {
		return false
	}
	at, ok := e.history.times[id]
	return ok && at > b.now-e.def.DuplicateWindow.Milliseconds() || p.remembers(e, id)
}

// duplicateKey is what must be unique of a letter that comes from elsewhere.
func (b *Broker) duplicateKey(e *entity, l letter) string {
	v := l.content
	v.look(l)
	id, _ := v.System(filter.SysMessageID)
	key, _ := v.System(filter.SysPartitionKey)
	idText, _ := id.(string)
	keyText, _ := key.(string)
	return e.duplicateKey(idText, keyText, l.session, l.hasSession)
}

// duplicateKey is the message id; with the partition key before it in a
// partitioned entity, and the session id in its place where there is one.
func (e *entity) duplicateKey(id, partition, session string, hasSession bool) string {
	if id == "" || !e.def.Partitioned {
		return id
	}
	if hasSession {
		partition = session
	}
	return partition + "\x00" + id
}

// add remembers an id, and forgets some whose time is over.
func (h *history) add(id string, now, window int64) {
	if h.times == nil {
		h.times = map[string]int64{}
	}
	h.times[id] = now
	h.line = append(h.line, seen{id, now})
	h.drop(now-window, forgetPerMessage)
}

// forgetPerMessage keeps the history no larger than its window while messages come.
const forgetPerMessage = 4

// drop forgets up to most ids that were seen at or before a time, and returns how
// many it forgot.
func (h *history) drop(before int64, most int) int {
	n := 0
	for n < most && h.passed < len(h.line) && h.line[h.passed].at <= before {
		old := h.line[h.passed]
		h.line[h.passed] = seen{}
		h.passed++
		if h.times[old.id] == old.at {
			delete(h.times, old.id)
		}
		n++
	}
	switch {
	case h.passed == len(h.line):
		*h = history{}
	case h.passed > 64 && h.passed > len(h.line)/2:
		h.line = append(make([]seen, 0, 2*(len(h.line)-h.passed)), h.line[h.passed:]...)
		h.passed = 0
	}
	return n
}

// wake is when the oldest id may be forgotten, if nothing else makes it so before:
// some time later, for it costs a fact.
func (h *history) wake(e *entity) int64 {
	if h.passed == len(h.line) {
		return 0
	}
	return h.line[h.passed].at + e.def.DuplicateWindow.Milliseconds() + forgetDelayMillis
}

const forgetDelayMillis = 10_000

// forget records that ids have left the window of an entity that nothing is sent
// to any more.
func (b *Broker) forget(t Turn, e *entity) {
	if at := e.history.wake(e); at == 0 || at > b.now {
		return
	}
	before := b.now - e.def.DuplicateWindow.Milliseconds()
	b.head = appendForgot(b.head[:0], e, before, forgetPerTurn)
	b.record(t)
	b.touch(e.main)
}
