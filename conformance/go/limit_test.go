package go_test

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/conformance/server"
)

var limitScenarios = []scenario{
	{"limit/status", []server.Resource{
		server.Queue("disabled", server.Properties{"status": "Disabled"}),
		server.Queue("send-disabled", server.Properties{"status": "SendDisabled"}),
		server.Queue("receive-disabled", server.Properties{"status": "ReceiveDisabled"}),
	}, status},
	{"limit/no such entity", nil, noSuchEntity},
	{"limit/message size", []server.Resource{server.Queue("small-messages", nil)}, messageSize},
	{"limit/large messages", premiumEstate, largeMessages},
	{"limit/a full queue", nil, fullQueue},
}

// premium is a namespace of its own: large messages need that tier.
const premium = "premium"

var premiumEstate = append([]server.Resource{server.PremiumNamespace(premium)}, server.Under(premium,
	server.Queue("large", server.Properties{"maxMessageSizeInKilobytes": 102400, "maxSizeInMegabytes": 5120}),
	server.Queue("full", server.Properties{"maxMessageSizeInKilobytes": 102400, "maxSizeInMegabytes": 1024}),
	server.Queue("million", nil),
)...)

// inPremium makes the stage's client one of the premium namespace, which it
// finds by the first label of its host name.
func (s *stage) inPremium() *azservicebus.Client {
	s.Helper()
	return s.dial(server.EmulatorAt(premium+".localhost", server.RootKeyName, emulatorKey),
		&azservicebus.ClientOptions{CustomEndpoint: s.server.Addr(), RetryOptions: once})
}

// trying is a client that says at once what went wrong.
func (s *stage) trying() *azservicebus.Client {
	s.Helper()
	return s.dial(s.server.Emulator(), &azservicebus.ClientOptions{RetryOptions: once})
}

func trySend(s *stage, client *azservicebus.Client, entity string, m *azservicebus.Message) error {
	s.Helper()
	snd, err := client.NewSender(entity, nil)
	s.must(err)
	defer func() { _ = snd.Close(s.ctx) }()
	return snd.SendMessage(s.ctx, m, nil)
}

// tryReceive opens a receiver and listens for a moment; silence is no error.
func tryReceive(s *stage, client *azservicebus.Client, entity string) error {
	s.Helper()
	r, err := client.NewReceiverForQueue(entity, nil)
	s.must(err)
	defer func() { _ = r.Close(s.ctx) }()
	ctx, cancel := context.WithTimeout(s.ctx, 4*quiet)
	defer cancel()
	_, err = r.ReceiveMessages(ctx, 1, nil)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func status(s *stage) {
	for _, c := range []struct {
		queue         string
		send, receive bool
	}{{"disabled", false, false}, {"send-disabled", false, true}, {"receive-disabled", true, false}} {
		client := s.trying()
		for verb, try := range map[string]struct {
			err  error
			good bool
		}{
			"send to":      {trySend(s, client, c.queue, text("a")), c.send},
			"receive from": {tryReceive(s, client, c.queue), c.receive},
		} {
			if (try.err == nil) != try.good {
				s.Errorf("%s %s: %v, want it allowed: %v", verb, c.queue, try.err, try.good)
			}
			if try.err != nil && !strings.Contains(try.err.Error(), "com.microsoft:entity-disabled") {
				s.Errorf("%s %s: %v, want entity-disabled", verb, c.queue, try.err)
			}
		}
	}
}

func noSuchEntity(s *stage) {
	client := s.trying()
	s.fails(trySend(s, client, "no-such-queue", text("a")), azservicebus.CodeNotFound)
	s.fails(tryReceive(s, client, "no-such-queue"), azservicebus.CodeNotFound)
	_, err := client.AcceptNextSessionForQueue(s.ctx, "no-such-queue", nil)
	s.fails(err, azservicebus.CodeNotFound)
}

// standardBytes is the largest message of the standard tier.
const standardBytes = 256 << 10

func messageSize(s *stage) {
	client := s.trying()
	fits := &azservicebus.Message{Body: bytes.Repeat([]byte("x"), standardBytes-1024)}
	s.must(trySend(s, client, "small-messages", fits))
	err := trySend(s, client, "small-messages", &azservicebus.Message{Body: make([]byte, standardBytes+1)})
	if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		s.Errorf("a message over the limit: %v, want %v", err, azservicebus.ErrMessageTooLarge)
	}
	r := s.queue("small-messages")
	m := s.receiveOne(r)
	equal(s, "the body came back whole", bytes.Equal(m.Body, fits.Body), true)
	s.complete(r, m)
}

func largeMessages(s *stage) {
	s.client = s.inPremium()
	body := make([]byte, 100<<20-4096)
	for i := range body {
		body[i] = byte(i>>12 ^ i)
	}
	s.send("large", &azservicebus.Message{Body: body}, text("small one after it"))
	r := s.queue("large")
	m := s.receiveOne(r)
	equal(s, "100 MiB came back whole", bytes.Equal(m.Body, body), true)
	s.complete(r, m)
	s.takes(r, "small one after it")

	b, err := s.sender("large").NewMessageBatch(s.ctx, nil)
	s.must(err)
	if b.AddMessage(&azservicebus.Message{Body: make([]byte, 2<<20)}, nil) == nil {
		s.Error("a batch took 2 MiB, want at most 1 MiB also where messages may be larger")
	}
	s.must(trySend(s, s.client, "million", &azservicebus.Message{Body: body[:1<<20-1024]}))
	if err := trySend(s, s.client, "million", &azservicebus.Message{Body: body[:1<<20+1]}); !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		s.Errorf("a message over 1 MiB: %v, want %v", err, azservicebus.ErrMessageTooLarge)
	}
}

// fullQueue fills a queue of 1 GiB.
func fullQueue(s *stage) {
	client := s.inPremium()
	body := &azservicebus.Message{Body: make([]byte, 98<<20)}
	for n := 0; ; n++ {
		err := trySend(s, client, "full", body)
		var refused *amqp.Error
		if errors.As(err, &refused) && refused.Condition == amqp.ErrCondResourceLimitExceeded {
			if n < 9 {
				s.Errorf("full after %d messages of 98 MiB, want about ten in 1 GiB", n)
			}
			break
		}
		s.must(err)
		if n > 12 {
			s.Fatal("a queue of 1 GiB took more than 1.2 GB")
		}
	}
	s.client = client
	s.take(s.queue("full"), 1)
	s.must(trySend(s, client, "full", text("there is room again")))
}
