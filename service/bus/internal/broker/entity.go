package broker

import (
	"cmp"
	"slices"
	"strings"

	"weir/kernel/fault"
)

// entity is a queue, a topic or a subscription.
type entity struct {
	id      uint32
	key     string // folded path
	def     Definition
	created int64
	updated int64

	main, dead, transfer *mailbox

	topic *entity   // of a subscription
	subs  []*entity // of a topic, by id
	rules rules     // of a subscription
	// What its mailboxes store; a topic's subscriptions included.
	bytes   int64
	history history // message ids in the duplicate detection window

	// The owner's.
	accessed int64
	idleAt   int64
	open     int // receivers
}

// mailboxes returns the entity's mailboxes. The own one of a topic holds what is
// scheduled.
func (e *entity) mailboxes() [3]*mailbox { return [3]*mailbox{e.main, e.dead, e.transfer} }

// store is the queue or topic whose size the entity's messages count to.
func (e *entity) store() *entity {
	if e.topic != nil {
		return e.topic
	}
	return e
}

func (e *entity) mailbox(r role) *mailbox { return e.mailboxes()[r] }

// takesSends and takesReceives say which sides the status leaves open.
func (e *entity) takesSends() bool {
	return e.def.Status != Disabled && e.def.Status != SendDisabled
}

func (e *entity) takesReceives() bool {
	return e.def.Status != Disabled && e.def.Status != ReceiveDisabled
}

// room reports whether the entity may store that many bytes more.
func (e *entity) room(more int64) bool {
	return e.def.MaxSizeBytes <= 0 || e.bytes+more <= e.def.MaxSizeBytes
}

// The paths of an entity's other mailboxes end so, in any case.
const (
	deadLetterSuffix = "/$DeadLetterQueue"
	transferSuffix   = "/$Transfer/$DeadLetterQueue"
	subscriptionsDir = "/subscriptions/"
)

// splitPath takes the suffix of a mailbox off a folded path.
func splitPath(folded string) (string, role) {
	if p, ok := strings.CutSuffix(folded, "/$transfer/$deadletterqueue"); ok {
		return p, transferDeadLetter
	}
	if p, ok := strings.CutSuffix(folded, "/$deadletterqueue"); ok {
		return p, deadLetters
	}
	return folded, ownMailbox
}

// look returns the mailbox at a path. Nothing changes by it: queries use it, which
// may come at the same time on a replica that stands still.
func (b *Broker) look(path string) (*mailbox, error) {
	if m := b.paths[path]; m != nil {
		return m, nil
	}
	name, r := splitPath(strings.ToLower(path))
	e := b.entities[name]
	if e == nil {
		return nil, notFound(path)
	}
	return e.mailbox(r), nil
}

// find is look for commands: it remembers the spelling.
func (b *Broker) find(path string) (*mailbox, error) {
	if m := b.paths[path]; m != nil {
		return m, nil
	}
	m, err := b.look(path)
	if err != nil {
		return nil, err
	}
	if len(b.paths) >= pathsCachedMax {
		clear(b.paths)
	}
	b.paths[strings.Clone(path)] = m
	return m, nil
}

// findEntity returns the queue or topic at a path, to be sent to.
func (b *Broker) findEntity(path string) (*entity, error) {
	m, err := b.find(path)
	if err != nil {
		return nil, err
	}
	if m.role != ownMailbox || m.entity.def.Kind == Subscription {
		return nil, fault.New(fault.Conflict, "Messages cannot be sent to '%s': it is neither a queue nor a topic.", path)
	}
	return m.entity, nil
}

func notFound(path string) error {
	return fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", path)
}

// addEntity enters a new entity with its three mailboxes.
func (b *Broker) addEntity(e *entity) {
	b.entities[e.key], b.byID[e.id] = e, e
	b.list = append(b.list, e)
	b.nextEntity = max(b.nextEntity, e.id+1)
	if e.topic != nil {
		e.topic.subs = append(e.topic.subs, e)
	}
	e.main, e.dead, e.transfer = b.newMailbox(e, ownMailbox), b.newMailbox(e, deadLetters), b.newMailbox(e, transferDeadLetter)
	if e.def.RequiresSession {
		e.main.sessions = &sessions{}
	}
}

func (b *Broker) newMailbox(e *entity, r role) *mailbox {
	m := &mailbox{entity: e, role: r, next: 1, expiry: dueHeap{of: expiryOf}, opening: dueHeap{of: openingOf}}
	if n := len(b.freeMailboxes); n > 0 {
		m.place = b.freeMailboxes[n-1]
		b.freeMailboxes = b.freeMailboxes[:n-1]
		b.places[m.place] = m
	} else {
		m.place = uint32(len(b.places))
		b.places = append(b.places, m)
	}
	m.timer.mailbox = m
	return m
}

// dropEntity forgets an entity; its mailboxes are emptied little by little.
func (b *Broker) dropEntity(e *entity) {
	delete(b.entities, e.key)
	delete(b.byID, e.id)
	at, _ := slices.BinarySearchFunc(b.list, e.id, func(x *entity, id uint32) int { return cmp.Compare(x.id, id) })
	b.list = slices.Delete(b.list, at, at+1)
	if t := e.topic; t != nil {
		t.subs = slices.DeleteFunc(t.subs, func(s *entity) bool { return s == e })
	}
	clear(b.paths)
	for _, m := range e.mailboxes() {
		b.closeMailbox(m)
		b.places[m.place] = nil
		b.freeMailboxes = append(b.freeMailboxes, m.place)
		m.place = 0
		if m.segments.live > 0 || m.sessions != nil {
			b.morgue = append(b.morgue, m)
		}
	}
}
