// Package go_test tries the unmodified Go SDK, azservicebus, against a started
// server: each feature that the SDK can reach is one scenario with a name.
// What the SDK cannot say is said with go-amqp, the AMQP client below it.
package go_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// scenario is one story a client tells: what must be declared for it, and the
// play itself.
type scenario struct {
	name  string
	needs []server.Resource
	play  func(s *stage)
}

func TestScenarios(t *testing.T) {
	all := slices.Concat(queueScenarios, settleScenarios, timeScenarios, sessionScenarios, topicScenarios,
		forwardScenarios, limitScenarios, contentScenarios, identityScenarios, managementScenarios, adminScenarios, restScenarios)
	var needs []server.Resource
	for _, sc := range all {
		needs = append(needs, sc.needs...)
	}
	srv := servertest.Start(t, append(needs, keys...))
	t.Run("all", func(t *testing.T) {
		for _, sc := range all {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				sc.play(newStage(t, srv))
			})
		}
	})
}

// stageTime bounds one scenario.
const stageTime = 90 * time.Second

// stage is what a scenario plays on: a client of the server and words for what
// clients do. A word that fails ends the scenario.
type stage struct {
	*testing.T
	ctx    context.Context
	server *server.Server
	client *azservicebus.Client
}

func newStage(t *testing.T, srv *server.Server) *stage {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	t.Cleanup(cancel)
	s := &stage{T: t, ctx: ctx, server: srv}
	s.client = s.dial(srv.Emulator(), nil)
	return s
}

// once makes a client say at once what went wrong, in place of trying again.
var once = azservicebus.RetryOptions{MaxRetries: -1}

func (s *stage) dial(connection string, o *azservicebus.ClientOptions) *azservicebus.Client {
	s.Helper()
	c, err := azservicebus.NewClientFromConnectionString(connection, o)
	s.must(err)
	s.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// must ends the scenario on an error.
func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// receives is the part that plain and session receivers have in common.
type receives interface {
	ReceiveMessages(context.Context, int, *azservicebus.ReceiveMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	PeekMessages(context.Context, int, *azservicebus.PeekMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	CompleteMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.CompleteMessageOptions) error
	AbandonMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.AbandonMessageOptions) error
	DeferMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.DeferMessageOptions) error
	DeadLetterMessage(context.Context, *azservicebus.ReceivedMessage, *azservicebus.DeadLetterOptions) error
	ReceiveDeferredMessages(context.Context, []int64, *azservicebus.ReceiveDeferredMessagesOptions) ([]*azservicebus.ReceivedMessage, error)
	Close(context.Context) error
}

func (s *stage) sender(entity string) *azservicebus.Sender {
	s.Helper()
	snd, err := s.client.NewSender(entity, nil)
	s.must(err)
	return snd
}

func (s *stage) send(entity string, messages ...*azservicebus.Message) {
	s.Helper()
	snd := s.sender(entity)
	for _, m := range messages {
		s.must(snd.SendMessage(s.ctx, m, nil))
	}
	s.must(snd.Close(s.ctx))
}

// text makes a message with a body, and with the same text as its id.
func text(body string) *azservicebus.Message {
	return &azservicebus.Message{Body: []byte(body), MessageID: to.Ptr(body)}
}

func texts(bodies ...string) []*azservicebus.Message {
	var all []*azservicebus.Message
	for _, b := range bodies {
		all = append(all, text(b))
	}
	return all
}

// numbered makes n messages named prefix-0, prefix-1 and so on.
func numbered(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
	}
	return names
}

func (s *stage) queue(name string) *azservicebus.Receiver { return s.receiver(name, nil) }

func (s *stage) receiver(queue string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	s.Helper()
	r, err := s.client.NewReceiverForQueue(queue, o)
	s.must(err)
	return r
}

func (s *stage) deadLetters(queue string) *azservicebus.Receiver {
	s.Helper()
	return s.receiver(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
}

func (s *stage) subscription(topic, name string) *azservicebus.Receiver {
	s.Helper()
	r, err := s.client.NewReceiverForSubscription(topic, name, nil)
	s.must(err)
	return r
}

// receive takes exactly n messages.
func (s *stage) receive(r receives, n int) []*azservicebus.ReceivedMessage {
	s.Helper()
	var all []*azservicebus.ReceivedMessage
	for len(all) < n {
		got, err := r.ReceiveMessages(s.ctx, n-len(all), nil)
		if err != nil {
			s.Fatalf("received %d of %d messages: %v", len(all), n, err)
		}
		all = append(all, got...)
	}
	return all
}

func (s *stage) receiveOne(r receives) *azservicebus.ReceivedMessage {
	s.Helper()
	return s.receive(r, 1)[0]
}

func (s *stage) complete(r receives, messages ...*azservicebus.ReceivedMessage) {
	s.Helper()
	for _, m := range messages {
		s.must(r.CompleteMessage(s.ctx, m, nil))
	}
}

// take receives n messages, completes them and returns their bodies.
func (s *stage) take(r receives, n int) []string {
	s.Helper()
	got := s.receive(r, n)
	s.complete(r, got...)
	return bodies(got)
}

func bodies(messages []*azservicebus.ReceivedMessage) []string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

// takes checks that the next messages are the named ones, in order, and
// completes them.
func (s *stage) takes(r receives, want ...string) {
	s.Helper()
	if got := s.take(r, len(want)); !slices.Equal(got, want) {
		s.Fatalf("received %q, want %q", got, want)
	}
}

// empty checks that a browser sees nothing, locked or not.
func (s *stage) empty(r receives) {
	s.Helper()
	got, err := r.PeekMessages(s.ctx, 10, &azservicebus.PeekMessagesOptions{FromSequenceNumber: to.Ptr(int64(1))})
	s.must(err)
	if len(got) > 0 {
		s.Fatalf("still there: %q", bodies(got))
	}
}

// quiet is how long a receiver listens before it believes that nothing comes.
const quiet = 250 * time.Millisecond

// nothing checks that no message is delivered for a moment.
func (s *stage) nothing(r receives) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, quiet)
	defer cancel()
	got, err := r.ReceiveMessages(ctx, 1, nil)
	if len(got) > 0 {
		s.Fatalf("received %q, want nothing", bodies(got))
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.Fatalf("listen for nothing: %v", err)
	}
}

// fails checks that an error came, with the SDK's code for it.
func (s *stage) fails(err error, code azservicebus.Code) {
	s.Helper()
	var coded *azservicebus.Error
	if !errors.As(err, &coded) || coded.Code != code {
		s.Fatalf("got error %v, want code %q", err, code)
	}
}

// equal checks one value.
func equal[T comparable](s *stage, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s is %v, want %v", what, got, want)
	}
}

// value is what a pointer of the SDK's points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
