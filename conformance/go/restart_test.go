package go_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

var keptEstate = []server.Resource{
	server.Queue("kept", server.Properties{"maxDeliveryCount": 100}),
	server.Queue("kept-sessions", withSessions),
	server.Queue("kept-ids", server.Properties{"requiresDuplicateDetection": true}),
	server.Topic("kept-topic", nil), server.Subscription("kept-topic", "s", nil),
	server.SQLRule("kept-topic", "s", "$Default", "color = 'red'", "SET seen = 1"),
}

// TestRestart leaves something of every kind behind and looks for it after the
// server was stopped in peace, and after it was killed.
func TestRestart(t *testing.T) {
	for _, end := range []struct {
		name string
		stop func(*server.Server) error
	}{{"stopped", (*server.Server).Stop}, {"killed", (*server.Server).Kill}} {
		t.Run(end.name, func(t *testing.T) {
			srv := servertest.Start(t, keptEstate)
			s := newStage(t, srv)
			left := leave(s)
			s.must(end.stop(srv))
			s.must(srv.Start(s.ctx))
			s.client = s.dial(srv.Emulator(), nil)
			left.find(s)
		})
	}
}

// left is what a client remembers of what it left behind.
type left struct {
	deferred, cancel int64
	due              time.Time
	locked           *azservicebus.ReceivedMessage
}

// leave puts a message of every state into the server, and a session's state.
func leave(s *stage) left {
	var l left
	s.send("kept", texts("locked", "deferred", "buried", "abandoned", "untouched")...)
	r := s.queue("kept")
	got := s.receive(r, 4)
	l.locked = got[0]
	l.deferred = value(got[1].SequenceNumber)
	s.must(r.DeferMessage(s.ctx, got[1], nil))
	s.must(r.DeadLetterMessage(s.ctx, got[2], &azservicebus.DeadLetterOptions{Reason: to.Ptr("because")}))
	s.must(r.AbandonMessage(s.ctx, got[3], &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"note": "x"}}))

	l.due = time.Now().Add(3 * time.Second)
	snd := s.sender("kept")
	_, err := snd.ScheduleMessages(s.ctx, texts("scheduled"), l.due, nil)
	s.must(err)
	numbers, err := snd.ScheduleMessages(s.ctx, texts("to be cancelled"), time.Now().Add(time.Hour), nil)
	s.must(err)
	l.cancel = numbers[0]

	s.send("kept-sessions", in("saga", texts("1", "2")...)...)
	saga := s.session("kept-sessions", "saga")
	s.must(saga.SetSessionState(s.ctx, []byte("half way"), nil))
	s.takes(saga, "1")
	s.send("kept-ids", text("only once"))
	s.takes(s.queue("kept-ids"), "only once")
	red := text("red")
	red.ApplicationProperties = map[string]any{"color": "red"}
	s.send("kept-topic", red, text("colourless"))
	return l
}

// find looks for what leave left.
func (l left) find(s *stage) {
	r := s.queue("kept")
	got := s.receive(r, 3)
	if names := bodies(got); !slices.Equal(names, []string{"locked", "abandoned", "untouched"}) {
		s.Errorf("waiting: %q", names)
	}
	equal(s, "property set when it was abandoned", got[1].ApplicationProperties["note"], any("x"))
	equal(s, "delivery count of the abandoned one", got[1].DeliveryCount, 2)
	s.fails(r.CompleteMessage(s.ctx, &azservicebus.ReceivedMessage{LockToken: l.locked.LockToken}, nil), azservicebus.CodeLockLost)
	s.complete(r, got...)
	back, err := r.ReceiveDeferredMessages(s.ctx, []int64{l.deferred}, nil)
	s.must(err)
	equal(s, "the deferred one", string(back[0].Body), "deferred")
	s.complete(r, back...)
	dead := s.deadLetters("kept")
	m := s.receiveOne(dead)
	equal(s, "reason", value(m.DeadLetterReason), "because")
	s.complete(dead, m)
	s.must(s.sender("kept").CancelScheduledMessages(s.ctx, []int64{l.cancel}, nil))
	s.takes(r, "scheduled")
	equal(s, "it came before it was due", time.Now().Before(l.due), false)
	s.empty(r)

	saga := s.session("kept-sessions", "saga")
	state, err := saga.GetSessionState(s.ctx, nil)
	s.must(err)
	equal(s, "state of the session", string(state), "half way")
	s.takes(saga, "2")
	s.send("kept-ids", text("only once"))
	s.empty(s.queue("kept-ids"))
	sub := s.subscription("kept-topic", "s")
	red := s.receiveOne(sub)
	equal(s, "body", string(red.Body), "red")
	s.complete(sub, red)
	s.empty(sub)
}

// TestClientsGoOn keeps one client with the SDK's own retries over a restart.
func TestClientsGoOn(t *testing.T) {
	srv := servertest.Start(t, keptEstate)
	s := newStage(t, srv)
	r := s.queue("kept")
	snd := s.sender("kept")
	s.must(snd.SendMessage(s.ctx, text("before"), nil))
	s.takes(r, "before")
	s.must(srv.Kill())
	s.must(srv.Start(s.ctx))
	s.must(snd.SendMessage(s.ctx, text("after"), nil))
	s.takes(r, "after")
}

// TestEmulatorFile starts from the emulator's own configuration file.
func TestEmulatorFile(t *testing.T) {
	srv := servertest.StartWith(t, server.Options{Binary: servertest.Binary(t), Dir: t.TempDir(), Deploy: filepath.Join("testdata", "Config.json")})
	s := newStage(t, srv)
	s.send("queue.1", text("a"))
	s.takes(s.queue("queue.1"), "a")
	m := text("json")
	m.ContentType = to.Ptr("application/text")
	m.Subject = to.Ptr("subject1")
	m.MessageID, m.CorrelationID = to.Ptr("msgid1"), to.Ptr("id1")
	m.ReplyTo, m.ReplyToSessionID, m.To = to.Ptr("someQueue"), to.Ptr("sessionId"), to.Ptr("xyz")
	m.SessionID = to.Ptr("session1")
	s.send("topic.1", m)
	s.takes(s.subscription("topic.1", "subscription.1"), "json")
	keyed := text("keyed")
	keyed.ApplicationProperties = map[string]any{"prop1": "value1", "prop3": "value3"}
	s.send("topic.1", keyed)
	s.takes(s.subscription("topic.1", "subscription.2"), "keyed")
	changed := s.subscription("topic.1", "subscription.3")
	got := s.receive(changed, 2)
	equal(s, "field set by an action", value(got[0].To), "rewritten")
	s.complete(changed, got...)
	s.takes(s.subscription("topic.1", "subscription.4"), "json", "keyed")
}

// TestFirstStart starts with nothing declared and declares a queue while the
// server runs.
func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	srv := servertest.StartWith(t, server.Options{Binary: servertest.Binary(t), Dir: dir})
	s := newStage(t, srv)
	file := filepath.Join(dir, "queue.json")
	s.must(server.WriteEstate(file, []server.Resource{server.Queue("first", nil)}))
	out, err := srv.Run(context.Background(), "deploy", file, "--data", srv.Data())
	s.must(err)
	s.Logf("weir deploy: %s", out)
	s.send("first", text("hello"))
	s.takes(s.queue("first"), "hello")
	if _, err := os.Stat(srv.Data()); err != nil {
		s.Error(err)
	}
}
