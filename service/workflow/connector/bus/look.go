package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// watching is how a trigger looks.
type watching struct {
	auto     bool // complete when the run is recorded
	sessions bool // always in a session
	batch    bool // the messages of a look are one item
	single   bool // the body is one message, not a list
}

// Bounds of looks.
const (
	mostDefault = 32
	mostMax     = 5000
	waitLeast   = 2 * time.Second // for the way there and back
	sessionWait = time.Second     // for more messages of a session that was taken
)

// Look looks for messages once.
func (c *Connector) Look(ctx context.Context, w *connector.Watch) connector.Found {
	op, in, conn, err := c.read(ctx, w.Inputs, w.Who)
	if err == nil && op.watch == nil {
		err = refused("The operation %q of %s is an action, not a trigger.", op.name, Provider)
	}
	if err == nil {
		err = check(op, in)
	}
	if err != nil {
		return failed(err, conn, w.Cursor)
	}
	how := *op.watch
	if s := text(in, "isSessionsEnabled"); strings.EqualFold(s, "true") {
		how.sessions, how.batch = true, true
	}
	most := mostDefault
	switch {
	case how.single:
		most = 1
	default:
		for _, name := range []string{"maxMessageBatchSize", "maxMessages"} {
			if s := text(in, name); s != "" {
				if most, err = strconv.Atoi(s); err != nil || most < 1 || most > mostMax {
					return failed(refused("The %s is %q: it is a number from 1 to %d.", name, s, mostMax), conn, w.Cursor)
				}
			}
		}
	}
	shape := func(all []*azservicebus.ReceivedMessage) any {
		if how.single {
			return body(all[0])
		}
		list := make([]any, len(all))
		for i, m := range all {
			list[i] = body(m)
		}
		return list
	}
	return c.look(ctx, w, conn, entityOf(in), text(in, "sessionId"), how, most, shape)
}

// look takes messages and makes items of them.
func (c *Connector) look(ctx context.Context, w *connector.Watch, conn *connection.Connection, e entity, id string, how watching, most int, shape func([]*azservicebus.ReceivedMessage) any) connector.Found {
	l, err := c.line(ctx, conn, w.Who)
	if err != nil {
		return failed(err, conn, w.Cursor)
	}
	defer l.release()
	if w.Most > 0 {
		most = min(most, w.Most)
	}
	ctx, cancel := context.WithTimeout(ctx, max(w.Wait, waitLeast))
	defer cancel()
	var s *session
	var all []*azservicebus.ReceivedMessage
	if how.sessions {
		s, all, err = l.nextSession(ctx, e, id, most)
	} else {
		all, err = l.take(ctx, e, most)
	}
	if nothing(err) {
		err = nil
	}
	if err != nil && len(all) == 0 {
		return failed(err, conn, w.Cursor)
	}
	f := connector.Found{Cursor: w.Cursor, More: len(all) > 0}
	if len(all) == 0 {
		return f
	}
	hands := c.inHand(l, e, s, all)
	if how.batch || s != nil {
		f.Items = []connector.Item{c.item(l, hands, s, how, outputs(shape(all)))}
		return f
	}
	for i, d := range hands {
		f.Items = append(f.Items, c.item(l, []*delivery{d}, nil, how, outputs(shape(all[i:i+1]))))
	}
	return f
}

func outputs(body any) *object { return expression.NewObject("body", body) }

// take receives messages of an entity without sessions.
func (l *line) take(ctx context.Context, e entity, most int) ([]*azservicebus.ReceivedMessage, error) {
	r, back, err := l.receiver(e)
	if err != nil {
		return nil, err
	}
	defer back()
	return r.ReceiveMessages(ctx, most, nil)
}

// nextSession takes a session and its first messages.
func (l *line) nextSession(ctx context.Context, e entity, id string, most int) (*session, []*azservicebus.ReceivedMessage, error) {
	s, fresh, err := l.sessionOf(ctx, e, id, true)
	if err != nil || !fresh { // a session that is held has a run under way
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	all, err := s.receive(wait, most)
	if len(all) == 0 {
		s.drop(false)
		return nil, nil, err
	}
	return s, all, nil
}

// nothing tells whether an error says that there was nothing in the time.
func nothing(err error) bool {
	var known *azservicebus.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &known) && known.Code == azservicebus.CodeTimeout
}

// inHand notes what was taken.
func (c *Connector) inHand(l *line, e entity, s *session, all []*azservicebus.ReceivedMessage) []*delivery {
	hands := make([]*delivery, len(all))
	for i, m := range all {
		d := &delivery{line: l.key, entity: e, id: m.MessageID, token: m.LockToken, session: s, seq: *m.SequenceNumber}
		c.locks.add(d)
		hands[i] = d
	}
	return hands
}

// item makes one of messages that belong together.
func (c *Connector) item(l *line, hands []*delivery, s *session, how watching, out *object) connector.Item {
	var key strings.Builder
	key.WriteString(hands[0].entity.String() + "#")
	for i, d := range hands {
		if i > 0 {
			key.WriteByte(',')
		}
		key.WriteString(strconv.FormatInt(d.seq, 36))
	}
	all := func(ctx context.Context) error {
		for _, d := range hands {
			if c.locks.isSettled(c.locks.newest(d)) {
				continue
			}
			if err := c.settle(ctx, l, d, way{how: "complete"}); err != nil {
				return err
			}
		}
		return nil
	}
	item := connector.Item{Outputs: out, Key: key.String()}
	item.Settle = func(ctx context.Context, done bool) error {
		if !done && !how.auto {
			if s != nil {
				s.drop(true)
			}
			return nil // the lock runs out and the message comes again
		}
		err := all(ctx)
		if s != nil {
			s.drop(false)
		}
		return err
	}
	if how.auto { // nobody settles what was taken: the session is let go too
		item.Taken = func(ctx context.Context) error {
			err := all(ctx)
			if s != nil && err == nil {
				s.drop(false)
			}
			return err
		}
	}
	item.Hold = func(ctx context.Context) (time.Duration, error) {
		least := time.Hour
		for _, d := range hands {
			if c.locks.isSettled(c.locks.newest(d)) {
				continue
			}
			until, err := c.renew(ctx, l, d)
			if err != nil {
				return 0, err
			}
			least = min(least, max(time.Until(until), time.Second))
			if s != nil {
				break // one lock for all
			}
		}
		return least, nil
	}
	return item
}

func failed(err error, conn *connection.Connection, cursor []byte) connector.Found {
	a := answer(err, conn)
	if a.Message == "" {
		a.Message = fmt.Sprint(err)
	}
	return connector.Found{Code: a.Code, Message: a.Message, Retryable: a.Retryable, Cursor: cursor}
}
