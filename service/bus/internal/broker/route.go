package broker

import (
	"errors"

	"weir/service/bus/internal/filter"
	"weir/wire/amqp"
)

// errBytesWanted says that a message can go no further before somebody has read
// its bytes: a rule or duplicate detection must see them.
var errBytesWanted = errors.New("the message's bytes are wanted")

// route takes a letter into a queue or topic that accepts it.
func (b *Broker) route(p *plan, e *entity, l letter) error {
	if e.def.Kind == Topic {
		return b.publish(p, e, l)
	}
	return b.enter(p, e, l)
}

// enter takes a letter into a queue or a subscription, and on from there when it
// is forwarded.
func (b *Broker) enter(p *plan, e *entity, l letter) error {
	if e.def.RequiresSession && !l.hasSession {
		l.reason = reasonNoSession
		return b.routeDead(p, e, l)
	}
	l.due = b.capped(l.due, e)
	if to := e.def.ForwardTo; to != "" && !e.main.backlog() && e.takesReceives() {
		if done, err := b.onward(p, e.main, to, l, true); done || err != nil {
			return err
		}
	}
	b.stay(p, e.main, l)
	return nil
}

// capped is when a message expires that enters the entity now: the entity's own
// time to live is a ceiling.
func (b *Broker) capped(due int64, e *entity) int64 {
	ceiling := expiry(b.now, e.def.DefaultTTL.Milliseconds())
	if ceiling != 0 && (due == 0 || due > ceiling) {
		return ceiling
	}
	return due
}

// expiry adds a time to live in ms; 0, and what no calendar holds, is never.
func expiry(now, ttl int64) int64 {
	if ttl <= 0 || ttl > timeMax-now {
		return 0
	}
	return now + ttl
}

// timeMax is the end of the year 9999, ms: the service's last moment.
const timeMax = 253402300799999

// onward forwards a letter from a mailbox to the entity at a path. What a queue or
// subscription can not forward, because it went too far or its destination is
// gone, closed or full, goes to the transfer dead-letter queue; a dead letter has
// no such place, and waits: done is false then. entering says that the letter is
// only passing through and uses up a number of the mailbox.
func (b *Broker) onward(p *plan, m *mailbox, path string, l letter, entering bool) (done bool, err error) {
	if len(p.placements) >= placementsMax {
		return false, nil
	}
	to, why := b.destination(p, path, &l)
	if why != 0 && why != reasonHops && m.role != ownMailbox {
		return false, nil
	}
	if why != 0 {
		if entering {
			p.through(m)
		}
		l.reason, l.due, l.aged = why, 0, !l.travelled
		b.stay(p, m.entity.transfer, l)
		return true, nil
	}
	if l.content == nil && b.wantsBytes(to) {
		return false, errBytesWanted
	}
	if entering {
		p.through(m)
	}
	l.hops++
	l.aged, l.travelled = false, true
	b.reread(&l)
	if to.def.DuplicateWindow > 0 {
		id := b.duplicateKey(to, l)
		if b.isDuplicate(p, to, id) {
			return true, nil
		}
		p.remember(to, id)
	}
	if l.scheduled {
		b.stay(p, to.main, l)
		return true, nil
	}
	return true, b.route(p, to, l)
}

// destination finds where a letter is forwarded to, or the reason why it can not
// go there.
func (b *Broker) destination(p *plan, path string, l *letter) (*entity, reason) {
	if l.hops >= transferHopsMax {
		return nil, reasonHops
	}
	to, err := b.findEntity(path)
	switch {
	case err != nil:
		return nil, reasonNowhere
	case !to.takesSends():
		return nil, reasonClosed
	case !p.room(to, l.size):
		return nil, reasonFull
	}
	return to, 0
}

// reread takes up what a rule's action has set on a message and what only a queue
// or topic that accepts it looks at.
func (b *Broker) reread(l *letter) {
	if l.edit == nil || len(l.edit.System) == 0 {
		return
	}
	if x, ok := property(l.edit.System, filter.SysTimeToLive); ok {
		if span, ok := filterValue(x).(filter.TimeSpan); ok {
			l.ttl = int64(span) / 10_000
			l.due = expiry(b.now, l.ttl)
		}
	}
	if x, ok := property(l.edit.System, filter.SysScheduledEnqueueTime); ok {
		if at, ok := x.(amqp.Timestamp); ok && int64(at) > b.now {
			l.scheduled, l.due = true, int64(at)
		}
	}
}

// wantsBytes reports whether an entity must see a message's bytes to take it. What
// lies behind it is asked when the letter gets there.
func (b *Broker) wantsBytes(e *entity) bool {
	if e.def.DuplicateWindow > 0 {
		return true
	}
	for _, s := range e.subs {
		if s.rules.judge {
			return true
		}
	}
	return false
}
