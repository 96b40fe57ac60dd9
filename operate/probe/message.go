package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// Queue is the queue that probes use when nothing else is said.
const Queue = "weir-probe"

const (
	// WithinDefault is how long a check may take.
	WithinDefault = 4 * time.Second
	// closeWithin is how long it may take beside that to say goodbye.
	closeWithin = time.Second
	// leftoverLife is how long a message of a probe lives that nobody fetches.
	leftoverLife = time.Minute
)

// Message is the real data path: one message through a queue, with the public SDK. Each
// message has a session of its own, so that any number of probes share one queue, and
// none ever receives what is not its own. What a check left behind is in nobody's way,
// and leaves the queue by itself.
type Message struct {
	Connection string // connection string
	Queue      string // Queue; with sessions
	Within     time.Duration
	TLS        *tls.Config // trust; nil: the system's

	open func() (line, error) // tests put another line in
}

// NewMessage checks the connection string; nothing is connected yet.
func NewMessage(p Message) (*Message, error) {
	if p.Queue == "" {
		p.Queue = Queue
	}
	if p.Within == 0 {
		p.Within = WithinDefault
	}
	if p.open == nil {
		p.open = func() (line, error) { return dial(&p) }
	}
	l, err := p.open()
	if err != nil {
		return nil, err
	}
	l.close()
	return &p, nil
}

// Declaration is the queue of probes, as a file for weir deploy. Messages that nobody
// fetched leave it by themselves.
func Declaration(queue string) string {
	return "{type: Microsoft.ServiceBus/namespaces/queues, name: NAMESPACE/" + queue + ", properties: {requiresSession: true, lockDuration: PT5S, defaultMessageTimeToLive: PT1M}}"
}

// line is what a check does with a queue, each in the session of its id.
type line interface {
	connect(ctx context.Context, id string) error
	send(ctx context.Context, id string) error
	receive(ctx context.Context) (delivery, error)
	complete(ctx context.Context, d delivery) error
	close()
}

// delivery is a message that was received.
type delivery struct {
	id string // correlation id
	of *azservicebus.ReceivedMessage
}

// Check sends one message, receives exactly that one and completes it. Its session is
// held first: nobody else can receive the message, and nothing is sent to a queue that
// is not one of probes.
func (p *Message) Check(ctx context.Context) Result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	l, err := p.open()
	if err != nil {
		return fail("configure", began, err)
	}
	defer l.close()
	id := rand.Text()
	if err := l.connect(ctx, id); err != nil {
		return fail("connect", began, p.explain(inTime(ctx, p.Within, err)))
	}
	connected := time.Now()
	if err := l.send(ctx, id); err != nil {
		return fail("send", began, p.explain(inTime(ctx, p.Within, err)))
	}
	sent := time.Now()
	mine, err := l.receive(ctx)
	if err == nil && mine.id != id {
		err = fmt.Errorf("another message came than was sent: %q", mine.id)
	}
	if err != nil {
		r := fail("receive", began, p.explain(inTime(ctx, p.Within, err)))
		r.SendSeconds = sent.Sub(connected).Seconds()
		return r
	}
	received := time.Now()
	if err := l.complete(ctx, mine); err != nil {
		return fail("complete", began, p.explain(inTime(ctx, p.Within, err)))
	}
	return Result{OK: true, Seconds: time.Since(began).Seconds(), SendSeconds: sent.Sub(connected).Seconds(), ReceiveSeconds: received.Sub(sent).Seconds()}
}

// explain says what to do about an error of the SDK.
func (p *Message) explain(err error) error {
	if said, ok := errors.AsType[*amqp.Error](err); ok && said.Condition == amqp.ErrCondNotAllowed {
		return fmt.Errorf("the queue %s has no sessions: probes need a queue of their own, with sessions; declare it at the primary: echo '%s' | weir deploy -", p.Queue, Declaration(Queue))
	}
	said, ok := errors.AsType[*azservicebus.Error](err)
	if !ok {
		return err
	}
	switch said.Code {
	case azservicebus.CodeNotFound:
		return fmt.Errorf("there is no queue %s. Probes need one of their own, in a namespace of the group; declare it at the primary: echo '%s' | weir deploy -", p.Queue, Declaration(p.Queue))
	case azservicebus.CodeUnauthorizedAccess:
		return fmt.Errorf("the key of the connection string may not send and listen on the queue %s, or is not known: %w", p.Queue, err)
	case azservicebus.CodeConnectionLost:
		return fmt.Errorf("the door takes no connection, or dropped it: %s", strings.TrimPrefix(err.Error(), "(connlost): "))
	}
	return err
}
