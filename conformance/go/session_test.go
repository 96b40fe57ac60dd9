package go_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

var withSessions = server.Properties{"requiresSession": true}

var sessionScenarios = []scenario{
	{"session/named", []server.Resource{server.Queue("named-session", withSessions)}, namedSession},
	{"session/the empty name is a name", []server.Resource{server.Queue("unnamed-session", withSessions)}, emptySession},
	{"session/next available", []server.Resource{server.Queue("next-session", withSessions)}, nextSession},
	{"session/waiting for the next one ends", []server.Resource{server.Queue("no-session", withSessions)}, noSession},
	{"session/order and lock", []server.Resource{server.Queue("ordered", withSessions)}, sessionOrder},
	{"session/one holder at a time", []server.Resource{server.Queue("held", withSessions)}, oneHolder},
	{"session/state", []server.Resource{server.Queue("stateful", withSessions)}, sessionState},
	{"session/renew", []server.Resource{server.Queue("renewed-session", server.Properties{"requiresSession": true, "lockDuration": shortest})}, renewSession},
	{"session/a session lock runs out", []server.Resource{server.Queue("lost-session", server.Properties{"requiresSession": true, "lockDuration": shortest})}, lostSession},
	{"session/defer and bury", []server.Resource{server.Queue("session-ends", withSessions)}, sessionEnds},
	{"session/receive and delete", []server.Resource{server.Queue("session-deleted", withSessions)}, sessionReceiveAndDelete},
	{"session/list", []server.Resource{server.Queue("listed", withSessions)}, listSessions},
	{"session/wrong kinds of receivers", []server.Resource{server.Queue("only-sessions", withSessions), server.Queue("no-sessions", nil)}, wrongReceivers},
}

// in puts messages into a session.
func in(session string, messages ...*azservicebus.Message) []*azservicebus.Message {
	for _, m := range messages {
		m.SessionID = to.Ptr(session)
	}
	return messages
}

func (s *stage) session(queue, name string) *azservicebus.SessionReceiver {
	s.Helper()
	r, err := s.client.AcceptSessionForQueue(s.ctx, queue, name, nil)
	s.must(err)
	return r
}

func (s *stage) nextSession(queue string) *azservicebus.SessionReceiver {
	s.Helper()
	r, err := s.client.AcceptNextSessionForQueue(s.ctx, queue, nil)
	s.must(err)
	return r
}

func namedSession(s *stage) {
	s.send("named-session", slices.Concat(in("red", texts("r1", "r2")...), in("blue", texts("b1")...))...)
	blue := s.session("named-session", "blue")
	equal(s, "session", blue.SessionID(), "blue")
	if left := time.Until(blue.LockedUntil()); left < 30*time.Second || left > 61*time.Second {
		s.Errorf("locked for %s, want about a minute", left)
	}
	m := s.receiveOne(blue)
	equal(s, "session of the message", value(m.SessionID), "blue")
	s.complete(blue, m)
	s.nothing(blue)
	s.takes(s.session("named-session", "red"), "r1", "r2")
}

func emptySession(s *stage) {
	s.send("unnamed-session", slices.Concat(in("", text("empty")), in("other", text("other")))...)
	r := s.session("unnamed-session", "")
	equal(s, "session", r.SessionID(), "")
	s.takes(r, "empty")
	s.nothing(r)
}

func nextSession(s *stage) {
	s.send("next-session", slices.Concat(in("one", texts("1")...), in("two", texts("2")...))...)
	first := s.nextSession("next-session")
	second := s.nextSession("next-session")
	got := []string{first.SessionID(), second.SessionID()}
	slices.Sort(got)
	if !slices.Equal(got, []string{"one", "two"}) {
		s.Fatalf("got sessions %q", got)
	}
	s.take(first, 1)
	s.take(second, 1)
	waiting := make(chan *azservicebus.SessionReceiver, 1)
	go func() {
		r, err := s.client.AcceptNextSessionForQueue(s.ctx, "next-session", nil)
		if err != nil {
			s.Error(err)
		}
		waiting <- r
	}()
	s.send("next-session", in("three", text("3"))...)
	if r := <-waiting; r != nil {
		equal(s, "session that woke the waiting receiver", r.SessionID(), "three")
		s.takes(r, "3")
	}
}

func noSession(s *stage) {
	ctx, cancel := context.WithTimeout(s.ctx, 1500*time.Millisecond)
	defer cancel()
	_, err := s.client.AcceptNextSessionForQueue(ctx, "no-session", nil)
	s.fails(err, azservicebus.CodeTimeout)
}

// sessionOrder has every receiver of a session begin with the first message
// that is left, also after its predecessor let go in the middle.
func sessionOrder(s *stage) {
	names := numbered("step", 20)
	s.send("ordered", in("flow", texts(names...)...)...)
	var got []string
	for len(got) < len(names) {
		r := s.session("ordered", "flow")
		messages := s.receive(r, min(7, len(names)-len(got)))
		if first := string(messages[0].Body); first != names[len(got)] {
			s.Fatalf("a new holder began with %s, want %s", first, names[len(got)])
		}
		done := messages[:(len(messages)+1)/2]
		s.complete(r, done...)
		got = append(got, bodies(done)...)
		s.must(r.Close(s.ctx))
	}
	if !slices.Equal(got, names) {
		s.Errorf("completed %q", got)
	}
}

func oneHolder(s *stage) {
	s.send("held", in("mine", text("a"))...)
	holder := s.session("held", "mine")
	other := s.dial(s.server.Emulator(), &azservicebus.ClientOptions{RetryOptions: once})
	if _, err := other.AcceptSessionForQueue(s.ctx, "held", "mine", nil); err == nil || !strings.Contains(err.Error(), "session-cannot-be-locked") {
		s.Errorf("a second holder got: %v, want session-cannot-be-locked", err)
	}
	s.takes(holder, "a")
	s.must(holder.Close(s.ctx))
	again, err := other.AcceptSessionForQueue(s.ctx, "held", "mine", nil)
	s.must(err)
	s.must(again.Close(s.ctx))
}

func sessionState(s *stage) {
	r := s.session("stateful", "saga")
	state, err := r.GetSessionState(s.ctx, nil)
	s.must(err)
	equal(s, "state before it is set", state == nil, true)
	s.must(r.SetSessionState(s.ctx, []byte{1, 2, 0, 255}, nil))
	s.must(r.Close(s.ctx))

	r = s.session("stateful", "saga")
	state, err = r.GetSessionState(s.ctx, nil)
	s.must(err)
	if !slices.Equal(state, []byte{1, 2, 0, 255}) {
		s.Errorf("state is %v", state)
	}
	s.must(r.SetSessionState(s.ctx, nil, nil))
	state, err = r.GetSessionState(s.ctx, nil)
	s.must(err)
	equal(s, "length of the state after it was cleared", len(state), 0)
}

func renewSession(s *stage) {
	s.send("renewed-session", in("long", text("a"))...)
	r := s.session("renewed-session", "long")
	m := s.receiveOne(r)
	until := r.LockedUntil()
	for time.Now().Before(until.Add(time.Second)) {
		s.must(r.RenewSessionLock(s.ctx, nil))
		s.nothing(r)
	}
	s.complete(r, m)
	if !r.LockedUntil().After(until) {
		s.Errorf("locked until %s after renewing, %s before", r.LockedUntil(), until)
	}
}

func lostSession(s *stage) {
	s.send("lost-session", in("mine", text("a"))...)
	slow, err := s.dial(s.server.Emulator(), &azservicebus.ClientOptions{RetryOptions: once}).AcceptSessionForQueue(s.ctx, "lost-session", "mine", nil)
	s.must(err)
	m := s.receiveOne(slow)
	next := s.nextSession("lost-session")
	equal(s, "session", next.SessionID(), "mine")
	again := s.receiveOne(next)
	equal(s, "delivery count after the session lock ran out", again.DeliveryCount, 2)
	s.complete(next, again)
	// The SDK tries to take the session back before it settles; whether it gets it or
	// not, the lock of the message is gone.
	if err := slow.CompleteMessage(s.ctx, m, nil); err == nil {
		s.Error("a message was settled in a session that was lost")
	}
}

// sessionEnds defers and buries in a session: the deferred message is fetched by
// the session's holder, the dead letter by a plain receiver.
func sessionEnds(s *stage) {
	s.send("session-ends", in("x", texts("aside", "bad", "good")...)...)
	r := s.session("session-ends", "x")
	got := s.receive(r, 3)
	s.must(r.DeferMessage(s.ctx, got[0], nil))
	s.must(r.DeadLetterMessage(s.ctx, got[1], &azservicebus.DeadLetterOptions{Reason: to.Ptr("bad")}))
	s.complete(r, got[2])
	s.must(r.Close(s.ctx))

	r = s.session("session-ends", "x")
	back, err := r.ReceiveDeferredMessages(s.ctx, []int64{value(got[0].SequenceNumber)}, nil)
	s.must(err)
	s.complete(r, back...)
	s.empty(r)
	dead := s.deadLetters("session-ends")
	m := s.receiveOne(dead)
	equal(s, "session of the dead letter", value(m.SessionID), "x")
	equal(s, "reason", value(m.DeadLetterReason), "bad")
	s.complete(dead, m)
}

func sessionReceiveAndDelete(s *stage) {
	s.send("session-deleted", in("x", texts("a", "b")...)...)
	r, err := s.client.AcceptSessionForQueue(s.ctx, "session-deleted", "x", &azservicebus.SessionReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	s.must(err)
	got := s.receive(r, 2)
	if !slices.Equal(bodies(got), []string{"a", "b"}) {
		s.Errorf("received %q", bodies(got))
	}
	s.empty(r)
}

func listSessions(s *stage) {
	before := time.Now().Add(-time.Hour)
	want := numbered("s", 103)
	for _, name := range want {
		s.send("listed", in(name, text(name))...)
	}
	r := s.session("listed", "state only")
	s.must(r.SetSessionState(s.ctx, []byte("kept"), nil))
	s.must(r.Close(s.ctx))
	want = append(want, "state only")
	slices.Sort(want)
	if got := s.list("listed", nil); !slices.Equal(got, want) {
		s.Errorf("%d sessions listed, want %d: %q", len(got), len(want), got)
	}
	if got := s.list("listed", &before); !slices.Equal(got, []string{"state only"}) {
		s.Errorf("sessions whose state changed in the last hour: %q", got)
	}
	if got := s.list("listed", to.Ptr(time.Now().Add(time.Hour))); len(got) > 0 {
		s.Errorf("sessions whose state changed in the future: %q", got)
	}
}

func (s *stage) list(queue string, since *time.Time) (names []string) {
	s.Helper()
	pager := s.client.NewListSessionsForQueuePager(queue, &azservicebus.ListSessionsOptions{SessionStateUpdatedAfter: since})
	for pager.More() {
		page, err := pager.NextPage(s.ctx)
		s.must(err)
		names = append(names, page.Sessions...)
	}
	slices.Sort(names)
	return names
}

func wrongReceivers(s *stage) {
	client := s.dial(s.server.Emulator(), &azservicebus.ClientOptions{RetryOptions: once})
	plain, err := client.NewReceiverForQueue("only-sessions", nil)
	s.must(err)
	if _, err := plain.ReceiveMessages(s.ctx, 1, nil); err == nil || !strings.Contains(err.Error(), "create a non-sessionful message receiver") {
		s.Errorf("a plain receiver on a session queue got: %v", err)
	}
	if _, err := client.AcceptSessionForQueue(s.ctx, "no-sessions", "x", nil); err == nil {
		s.Error("a session receiver was opened on a plain queue")
	}
	snd, err := client.NewSender("only-sessions", nil)
	s.must(err)
	if err := snd.SendMessage(s.ctx, text("no session"), nil); err == nil {
		s.Error("a message without a session was taken by a session queue")
	}
	s.send("no-sessions", in("ignored", text("a"))...)
	s.takes(s.queue("no-sessions"), "a")
}
