package broker

import (
	"bytes"
	"slices"
	"strings"

	"weir/kernel/fault"
)

// lockMillis and deliveriesMax are the entity's, or the service's defaults.
func (e *entity) lockMillis() int64 {
	if e.def.LockDuration <= 0 {
		return lockDefault.Milliseconds()
	}
	return e.def.LockDuration.Milliseconds()
}

func (e *entity) deliveriesMax() uint32 {
	if e.def.MaxDeliveryCount == 0 {
		return deliveriesDefault
	}
	return e.def.MaxDeliveryCount
}

// Define declares an entity, new or changed. A definition that is as before does
// nothing; a change closes the entity's receivers, for their links must be opened
// anew, unless only its rules change. What an entity is (its kind, sessions,
// partitions) cannot change.
func (b *Broker) Define(t Turn, d Definition) error {
	b.begin(t)
	defer b.finish(t)
	key := strings.ToLower(d.Name)
	old := b.entities[key]
	if err := b.mayDefine(&d, key, old); err != nil {
		return err
	}
	id := b.nextEntity
	if old != nil {
		id = old.id
	}
	b.head = appendDefined(b.head[:0], b.now, id, &d)
	if old != nil && b.isSame(old, id, &d) {
		return nil
	}
	onlyRules := old != nil && sameButRules(old.def, d)
	b.record(t)
	e := b.byID[id]
	b.use(e)
	if !onlyRules {
		b.closeAll(e, changed(e))
	}
	b.wakeForwards(e)
	return nil
}

// isSame reports whether a definition is what the entity has; the fact about the
// new one is in b.head.
func (b *Broker) isSame(e *entity, id uint32, d *Definition) bool {
	return bytes.Equal(appendDefined(nil, b.now, id, &e.def), b.head)
}

// sameButRules compares two definitions, their rules aside.
func sameButRules(a, b Definition) bool {
	a.Rules, b.Rules = nil, nil
	return bytes.Equal(appendDefinition(nil, &a), appendDefinition(nil, &b))
}

// changed says why an entity's receivers are closed.
func changed(e *entity) error {
	if !e.takesReceives() {
		return fault.New(fault.Disabled, "The messaging entity '%s' is currently disabled for receiving.", e.def.Name)
	}
	return fault.New(fault.Unavailable, "The messaging entity '%s' was changed: open the link anew.", e.def.Name)
}

// wakeForwards tries at once what waits for an entity that was changed.
func (b *Broker) wakeForwards(changed *entity) {
	for _, e := range b.list {
		for _, m := range [...]*mailbox{e.main, e.dead} {
			if m.paused != 0 && (e == changed || strings.EqualFold(m.forwardsTo(), changed.def.Name)) {
				m.paused = 0
				b.touch(m)
			}
		}
	}
	for _, m := range changed.mailboxes() {
		b.touch(m)
	}
}

// mayDefine refuses definitions that make no sense, and puts values into the types
// of the wire.
func (b *Broker) mayDefine(d *Definition, key string, old *entity) error {
	if d.Kind < Queue || d.Kind > Subscription || d.Status > ReceiveDisabled {
		return fault.New(fault.Invalid, "The definition of '%s' has no kind or status that there is.", d.Name)
	}
	at := strings.Index(key, subscriptionsDir)
	if (at >= 0) != (d.Kind == Subscription) || key == "" {
		return fault.New(fault.Invalid, "'%s' is not a name for such an entity.", d.Name)
	}
	if at >= 0 {
		if topic := b.entities[key[:at]]; topic == nil || topic.def.Kind != Topic {
			return notFound(d.Name[:at])
		}
	}
	if old != nil && (old.def.Kind != d.Kind || old.def.RequiresSession != d.RequiresSession || old.def.Partitioned != d.Partitioned) {
		return fault.New(fault.Conflict, "The kind, sessions and partitions of '%s' cannot change.", d.Name)
	}
	if d.ForwardTo != "" && (d.RequiresSession || d.Kind == Topic) {
		return fault.New(fault.Invalid, "'%s' cannot forward its messages: it is a topic or requires sessions.", d.Name)
	}
	if d.RequiresSession && d.Kind == Topic {
		return fault.New(fault.Invalid, "The topic '%s' cannot require sessions: its subscriptions can.", d.Name)
	}
	return tidyRules(d)
}

// tidyRules makes the definition's rules the broker's own, with values in the types
// of the wire, and sees that they can be compiled.
func tidyRules(d *Definition) error {
	d.Rules = slices.Clone(d.Rules)
	for i := range d.Rules {
		r := &d.Rules[i]
		var err [3]error
		r.Filter.Parameters, err[0] = modified(r.Filter.Parameters)
		r.ActionParameters, err[1] = modified(r.ActionParameters)
		if c := r.Filter.Correlation; c != nil {
			own := *c
			own.Properties, err[2] = modified(c.Properties)
			r.Filter.Correlation = &own
		}
		for _, e := range err {
			if e != nil {
				return e
			}
		}
	}
	_, err := compile(d)
	return err
}

// Remove takes an entity away with all its messages; a topic with its
// subscriptions.
func (b *Broker) Remove(t Turn, path string) error {
	b.begin(t)
	defer b.finish(t)
	m, err := b.find(path)
	if err != nil {
		return err
	}
	if m.role != ownMailbox {
		return fault.New(fault.Conflict, "'%s' cannot be removed by itself.", path)
	}
	e := m.entity
	for _, s := range append(slices.Clone(e.subs), e) {
		b.closeAll(s, notFound(s.def.Name))
	}
	b.head = appendNumber(appendHead(b.head[:0], factRemoved), uint64(e.id))
	b.record(t)
	return nil
}

func (b *Broker) foldRemoved(r *reader) error {
	e := b.byID[r.small()]
	if e == nil {
		return badFact("an entity is removed that is not there")
	}
	for _, s := range slices.Clone(e.subs) {
		b.dropEntity(s)
	}
	b.dropEntity(e)
	return r.end(factRemoved)
}

// closeMailbox forgets what the owner has for a mailbox that goes away.
func (b *Broker) closeMailbox(m *mailbox) {
	b.timers.clear(&m.timer)
	for _, at := range m.lanes {
		for n := at.first; n != 0; {
			next := b.locks.at(n).next
			b.locks.at(n).next = 0
			if l := b.locks.at(n); l.seq != 0 {
				m.segments.find(l.seq).at(l.seq).lock = 0
			}
			b.locks.drop(n)
			n = next
		}
	}
	m.lanes, m.fetching = nil, fetching{}
}

// Definition returns what an entity was defined as.
func (b *Broker) Definition(path string) (Definition, bool) {
	m, err := b.look(path)
	if err != nil || m.role != ownMailbox {
		return Definition{}, false
	}
	return m.entity.def, true
}

// Definitions returns all entities in the order in which they were first defined.
func (b *Broker) Definitions() []Definition {
	out := make([]Definition, len(b.list))
	for i, e := range b.list {
		out[i] = e.def
	}
	return out
}

// appendDefined writes a definition: head, time in ms, entity, fields.
func appendDefined(dst []byte, now int64, id uint32, d *Definition) []byte {
	dst = appendNumber(appendHead(dst, factDefined), uint64(now))
	return appendDefinition(appendNumber(dst, uint64(id)), d)
}

func (b *Broker) foldDefined(r *reader) error {
	now, id := r.positive(), r.small()
	d := r.definition()
	if err := r.end(factDefined); err != nil {
		return err
	}
	key := strings.ToLower(d.Name)
	e := b.entities[key]
	if e == nil {
		e = &entity{id: id, key: key, def: d, created: now}
		if at := strings.Index(key, subscriptionsDir); d.Kind == Subscription {
			if at < 0 || b.entities[key[:at]] == nil {
				return badFact("the subscription '%s' is defined without its topic", d.Name)
			}
			e.topic = b.entities[key[:at]]
		}
		if id == 0 || b.byID[id] != nil || id < b.nextEntity {
			return badFact("entity %d is defined twice", id)
		}
		b.addEntity(e)
	}
	if e.id != id || e.def.Kind != d.Kind || e.def.RequiresSession != d.RequiresSession {
		return badFact("'%s' is defined as another entity", d.Name)
	}
	e.def, e.updated = d, now
	// A rule that this program cannot compile was refused where it was declared.
	e.rules, _ = compile(&d)
	clear(b.paths)
	if d.DuplicateWindow <= 0 {
		e.history = history{}
	}
	return nil
}
