package broker

// use says that somebody used an entity: its idle time starts again.
func (b *Broker) use(e *entity) {
	e.accessed = b.now
	if e.idles() {
		e.idleAt = b.now + e.def.AutoDeleteOnIdle.Milliseconds()
	}
}

// idles reports whether the entity is to be removed when nobody uses it. One whose
// messages are forwarded is always in use.
func (e *entity) idles() bool { return e.def.AutoDeleteOnIdle > 0 && e.def.ForwardTo == "" }

func (e *entity) idleWake() int64 {
	if !e.idles() {
		return 0
	}
	return e.idleAt
}

// sayIdle asks for an entity to be removed that nobody has used for its idle time.
// Scheduled messages and open receivers with credit are a use.
func (b *Broker) sayIdle(e *entity) {
	if !e.idles() || e.idleAt == 0 || e.idleAt > b.now {
		return
	}
	if e.main.scheduled == 0 && !e.awaited() {
		b.say(Event{Kind: Idle, Path: e.def.Name})
	}
	e.idleAt = b.now + e.def.AutoDeleteOnIdle.Milliseconds()
}

// awaited reports whether receivers wait for messages of the entity.
func (e *entity) awaited() bool {
	for _, m := range e.mailboxes() {
		if m.line.first != nil || m.waiters.first != nil {
			return true
		}
	}
	return e.main.sessions != nil && e.open > 0
}
