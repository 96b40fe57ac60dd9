package bus

import (
	"context"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// session is a session that this process holds.
type session struct {
	l        *line
	key, id  string
	entity   entity
	receiver *azservicebus.SessionReceiver

	mu       sync.Mutex
	messages map[int64]*azservicebus.ReceivedMessage // under its lock, by sequence number
}

// of gives what settles a delivery of the session.
func (s *session) of(d *delivery) (receiverOf, *azservicebus.ReceivedMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.messages[d.seq]; m != nil && s.receiver != nil {
		return s.receiver, m
	}
	return nil, nil
}

// settled lets a message go.
func (s *session) settled(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.messages, d.seq)
}

func (s *session) renew(ctx context.Context) (time.Time, error) {
	if err := s.receiver.RenewSessionLock(ctx, nil); err != nil {
		return time.Time{}, err
	}
	return s.receiver.LockedUntil(), nil
}

// sessionOf gives a session that is held, or takes it: the one of an id, or the next
// that has something when id is empty. None is no error for the next one.
func (l *line) sessionOf(ctx context.Context, e entity, id string, take bool) (*session, bool, error) {
	if id != "" {
		l.mu.Lock()
		s := l.sessions[e.String()+"\x00"+id]
		l.mu.Unlock()
		if s != nil {
			return s, false, nil
		}
	}
	if !take {
		return nil, false, refused("The session %q is not held by this node: let the operation acquire it (acquireNewSession).", id)
	}
	var r *azservicebus.SessionReceiver
	var err error
	switch {
	case e.topic != "" && id != "":
		r, err = l.client.AcceptSessionForSubscription(ctx, e.topic, e.subscription, id, nil)
	case e.topic != "":
		r, err = l.client.AcceptNextSessionForSubscription(ctx, e.topic, e.subscription, nil)
	case id != "":
		r, err = l.client.AcceptSessionForQueue(ctx, e.queue, id, nil)
	default:
		r, err = l.client.AcceptNextSessionForQueue(ctx, e.queue, nil)
	}
	if err != nil {
		return nil, false, err
	}
	s := &session{l: l, entity: e, id: r.SessionID(), key: e.String() + "\x00" + r.SessionID(), receiver: r, messages: map[int64]*azservicebus.ReceivedMessage{}}
	l.mu.Lock()
	l.sessions[s.key] = s
	l.mu.Unlock()
	return s, true, nil
}

// drop lets a session go: at once, or, so that its messages do not come back without a
// pause, when its lock runs out.
func (s *session) drop(later bool) {
	s.l.mu.Lock()
	if s.l.sessions[s.key] == s {
		delete(s.l.sessions, s.key)
	}
	s.l.mu.Unlock()
	if !later {
		closing(s.receiver.Close)
		return
	}
	time.AfterFunc(max(time.Until(s.receiver.LockedUntil()), 0), func() { closing(s.receiver.Close) })
}

// receive takes messages of the session.
func (s *session) receive(ctx context.Context, most int) ([]*azservicebus.ReceivedMessage, error) {
	all, err := s.receiver.ReceiveMessages(ctx, most, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range all {
		s.messages[*m.SequenceNumber] = m
	}
	return all, err
}

func renewSession(ctx context.Context, _ *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	s, _, err := l.sessionOf(ctx, entityOf(in), text(in, "sessionId"), false)
	if err != nil {
		return nil, err
	}
	until, err := s.renew(ctx)
	return lockedUntil(until), err
}

func closeSession(ctx context.Context, _ *Connector, l *line, _ *connector.Call, in *object) (any, error) {
	s, _, err := l.sessionOf(ctx, entityOf(in), text(in, "sessionId"), false)
	if err != nil {
		return nil, nil // it is closed, which is what is wanted
	}
	s.drop(false)
	return nil, nil
}

func lockedUntil(at time.Time) any {
	return expression.NewObject("lockedUntilUtc", stamp(&at))
}
