package bus

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/workflow/connector"
)

// way is how a message is settled.
type way struct {
	how                 string // complete, abandon, deadLetter, defer
	reason, description string
}

// receiverOf is what settles: a receiver or a session's.
type receiverOf interface {
	CompleteMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.CompleteMessageOptions) error
	AbandonMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.AbandonMessageOptions) error
	DeadLetterMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.DeadLetterOptions) error
	DeferMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.DeferMessageOptions) error
}

// settle settles a delivery, once.
func (c *Connector) settle(ctx context.Context, l *line, d *delivery, w way) error {
	d = c.locks.newest(d)
	if c.locks.isSettled(d) {
		return refused("The message %q is settled already.", d.id)
	}
	var r receiverOf
	m := &azservicebus.ReceivedMessage{LockToken: d.token}
	if d.session != nil {
		if r, m = d.session.of(d); r == nil {
			return refused("The lock on the session of the message %q is lost.", d.id)
		}
	} else {
		s, err := l.settler(d.entity)
		if err != nil {
			return err
		}
		r = s
	}
	if err := w.on(ctx, r, m); err != nil {
		return err
	}
	c.locks.mark(d)
	if d.session != nil {
		d.session.settled(d)
	}
	return nil
}

func (w way) on(ctx context.Context, r receiverOf, m *azservicebus.ReceivedMessage) error {
	switch w.how {
	case "abandon":
		return r.AbandonMessage(ctx, m, nil)
	case "defer":
		return r.DeferMessage(ctx, m, nil)
	case "deadLetter":
		return r.DeadLetterMessage(ctx, m, &azservicebus.DeadLetterOptions{Reason: text1(w.reason, nil), ErrorDescription: text1(w.description, nil)})
	}
	return r.CompleteMessage(ctx, m, nil)
}

// settling makes the operations that settle by entity and lock token, by the id of a
// message in hand, or in a session.
func settling(how string) act {
	return func(ctx context.Context, c *Connector, l *line, call *connector.Call, in *object) (any, error) {
		w := way{how: how, reason: text(in, "deadLetterReason"), description: text(in, "deadLetterErrorDescription")}
		d, err := c.locked(l, in)
		if err != nil {
			return nil, err
		}
		err = c.settle(ctx, l, d, w)
		if err != nil && call.Who.Attempt > 1 && c.locks.isSettled(c.locks.newest(d)) {
			err = nil // the attempt before did it
		}
		return nil, err
	}
}

// locked finds the delivery that an operation is about.
func (c *Connector) locked(l *line, in *object) (*delivery, error) {
	e := entityOf(in)
	if t := text(in, "lockToken"); t != "" {
		if d := c.locks.byToken(strings.ToLower(t)); d != nil {
			return d, nil
		}
		raw, err := parseToken(t)
		if err != nil {
			return nil, err
		}
		if e != (entity{}) {
			return &delivery{line: l.key, entity: e, token: raw, id: t, seq: -1}, nil
		}
	}
	id := text(in, "messageId")
	if d := c.locks.byID(l.key, id); d != nil && id != "" {
		return d, nil
	}
	return nil, refused("The message %q is not under a lock that this node holds: it ran out, or another node took it. Use the V2 operation with queueName (or topicName and subscriptionName) and lockToken.", id+text(in, "lockToken"))
}

// renew keeps a message's lock for longer and says until when.
func (c *Connector) renew(ctx context.Context, l *line, d *delivery) (time.Time, error) {
	d = c.locks.newest(d)
	if d.session != nil {
		return d.session.renew(ctx)
	}
	s, err := l.settler(d.entity)
	if err != nil {
		return time.Time{}, err
	}
	m := &azservicebus.ReceivedMessage{LockToken: d.token}
	if err := s.RenewMessageLock(ctx, m, nil); err != nil {
		return time.Time{}, err
	}
	if m.LockedUntil == nil {
		return time.Now().Add(lockLeast), nil
	}
	return *m.LockedUntil, nil
}

func renewing(ctx context.Context, c *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	d, err := c.locked(l, in)
	if err != nil {
		return nil, err
	}
	until, err := c.renew(ctx, l, d)
	if err != nil {
		return nil, err
	}
	return lockedUntil(until), nil
}

// gone tells whether an error says that a lock is lost.
func gone(err error) bool {
	var known *azservicebus.Error
	return errors.As(err, &known) && known.Code == azservicebus.CodeLockLost || err != nil && strings.Contains(err.Error(), "lock-lost")
}
