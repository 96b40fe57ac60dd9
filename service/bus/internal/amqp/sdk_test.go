package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sb "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	goamqp "github.com/Azure/go-amqp"

	"weir/kernel/identity"
	"weir/service/bus/internal/broker"
)

// sdk is the unmodified client of Azure, connected to a rig.
type sdk struct {
	*sb.Client
	r   *rig
	t   *testing.T
	ctx context.Context
}

func (r *rig) sdk(t *testing.T) *sdk { return r.sdkFor(t, r.connectionString()) }

func (r *rig) sdkFor(t *testing.T, connection string) *sdk {
	t.Helper()
	c, err := sb.NewClientFromConnectionString(connection, &sb.ClientOptions{RetryOptions: sb.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return &sdk{c, r, t, within(t)}
}

func (s *sdk) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sdk) sender(path string) *sb.Sender {
	s.t.Helper()
	x, err := s.NewSender(path, nil)
	s.must(err)
	return x
}

func (s *sdk) receiver(path string, o *sb.ReceiverOptions) *sb.Receiver {
	s.t.Helper()
	x, err := s.NewReceiverForQueue(path, o)
	s.must(err)
	return x
}

func (s *sdk) send(path string, bodies ...string) {
	s.t.Helper()
	x := s.sender(path)
	for _, b := range bodies {
		s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte(b)}, nil))
	}
	s.must(x.Close(s.ctx))
}

// receives is what plain and session receivers have in common.
type receives interface {
	ReceiveMessages(context.Context, int, *sb.ReceiveMessagesOptions) ([]*sb.ReceivedMessage, error)
}

// take receives exactly n messages.
func (s *sdk) take(r receives, n int) []*sb.ReceivedMessage {
	s.t.Helper()
	var got []*sb.ReceivedMessage
	for len(got) < n {
		more, err := r.ReceiveMessages(s.ctx, n-len(got), nil)
		s.must(err)
		got = append(got, more...)
	}
	return got
}

// none checks that nothing is there to receive.
func (s *sdk) none(path string) {
	s.t.Helper()
	if got, err := s.receiver(path, nil).PeekMessages(s.ctx, 10, &sb.PeekMessagesOptions{FromSequenceNumber: new(int64)}); err != nil || len(got) > 0 {
		s.t.Fatalf("%s holds %v, %v", path, bodies(got), err)
	}
}

func bodies(ms []*sb.ReceivedMessage) (all []string) {
	for _, m := range ms {
		all = append(all, string(m.Body))
	}
	return all
}

func ptr[T any](v T) *T { return &v }

func TestSDKSendReceiveComplete(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	x := s.sender(q)
	s.must(x.SendMessage(s.ctx, &sb.Message{
		Body: []byte("hello"), MessageID: ptr("m1"), Subject: ptr("subject"), ContentType: ptr("text/plain"), CorrelationID: ptr("c"),
		ReplyTo: ptr("r"), To: ptr("to"), ReplyToSessionID: ptr("rs"), TimeToLive: ptr(time.Hour), PartitionKey: ptr("pk"),
		ApplicationProperties: map[string]any{"n": int64(1), "s": "x", "b": true, "nothing": nil},
	}, nil))
	rx := s.receiver(q, nil)
	m := s.take(rx, 1)[0]
	if string(m.Body) != "hello" || m.MessageID != "m1" || *m.Subject != "subject" || *m.ContentType != "text/plain" || *m.CorrelationID != "c" ||
		*m.ReplyTo != "r" || *m.To != "to" || *m.ReplyToSessionID != "rs" || *m.TimeToLive != time.Hour || *m.PartitionKey != "pk" {
		t.Errorf("got %+v", m)
	}
	if p := m.ApplicationProperties; p["n"] != int64(1) || p["s"] != "x" || p["b"] != true || len(p) != 4 || p["nothing"] != nil {
		t.Errorf("application properties %v", p)
	}
	if m.DeliveryCount != 1 || m.LockedUntil == nil || m.SequenceNumber == nil || *m.SequenceNumber <= 0 || m.EnqueuedTime == nil || m.State != sb.MessageStateActive {
		t.Errorf("system properties %+v", m)
	}
	s.must(rx.CompleteMessage(s.ctx, m, nil))
	s.none(q)
}

// The header says 0 failed deliveries at first; abandoning counts, though the
// client says that delivery did not fail.
func TestSDKAbandonCountsAndDeadLetters(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue(func(d *broker.Definition) { d.MaxDeliveryCount = 3 })
	s.send(q, "poison")
	rx := s.receiver(q, nil)
	for attempt := uint32(1); attempt <= 3; attempt++ {
		m := s.take(rx, 1)[0]
		if m.DeliveryCount != attempt {
			t.Errorf("attempt %d says %d", attempt, m.DeliveryCount)
		}
		s.must(rx.AbandonMessage(s.ctx, m, &sb.AbandonMessageOptions{PropertiesToModify: map[string]any{"attempt": int64(attempt)}}))
	}
	dlq := s.receiver(q, &sb.ReceiverOptions{SubQueue: sb.SubQueueDeadLetter})
	m := s.take(dlq, 1)[0]
	if m.DeadLetterReason == nil || *m.DeadLetterReason != "MaxDeliveryCountExceeded" || m.ApplicationProperties["attempt"] != int64(3) {
		t.Errorf("got %+v", m)
	}
	s.must(dlq.CompleteMessage(s.ctx, m, nil))
}

func TestSDKDeadLetterWithReason(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "x")
	rx := s.receiver(q, nil)
	s.must(rx.DeadLetterMessage(s.ctx, s.take(rx, 1)[0], &sb.DeadLetterOptions{
		Reason: ptr("why"), ErrorDescription: ptr("what"), PropertiesToModify: map[string]any{"k": "v"},
	}))
	dlq := s.receiver(q, &sb.ReceiverOptions{SubQueue: sb.SubQueueDeadLetter})
	m := s.take(dlq, 1)[0]
	if *m.DeadLetterReason != "why" || *m.DeadLetterErrorDescription != "what" || m.ApplicationProperties["k"] != "v" || string(m.Body) != "x" {
		t.Errorf("got %+v", m)
	}
	s.must(dlq.CompleteMessage(s.ctx, m, nil))
}

// Defer is modified with undeliverable-here; rivals sent it to the dead letters.
func TestSDKDefer(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "later", "later too")
	rx := s.receiver(q, nil)
	var numbers []int64
	for _, m := range s.take(rx, 2) {
		s.must(rx.DeferMessage(s.ctx, m, nil))
		numbers = append(numbers, *m.SequenceNumber)
	}
	peeked, err := rx.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	if len(peeked) != 2 || peeked[0].State != sb.MessageStateDeferred {
		t.Errorf("peeked %v", peeked)
	}
	got, err := rx.ReceiveDeferredMessages(s.ctx, numbers, nil)
	s.must(err)
	if !slices.Equal(bodies(got), []string{"later", "later too"}) {
		t.Errorf("got %v", bodies(got))
	}
	s.must(rx.RenewMessageLock(s.ctx, got[0], nil))
	s.must(rx.CompleteMessage(s.ctx, got[0], nil)) // by $management, with the token from inside the message
	s.must(rx.DeadLetterMessage(s.ctx, got[1], &sb.DeadLetterOptions{Reason: ptr("r")}))
	s.none(q)
	if m := s.take(s.receiver(q, &sb.ReceiverOptions{SubQueue: sb.SubQueueDeadLetter}), 1)[0]; *m.DeadLetterReason != "r" {
		t.Errorf("got %+v", m)
	}
}

func TestSDKReceiveAndDelete(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "a", "b", "c")
	rx := s.receiver(q, &sb.ReceiverOptions{ReceiveMode: sb.ReceiveModeReceiveAndDelete})
	if got := bodies(s.take(rx, 3)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %v", got)
	}
	s.none(q)
}

func TestSDKDeferredReceiveAndDelete(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "a")
	rx := s.receiver(q, nil)
	m := s.take(rx, 1)[0]
	s.must(rx.DeferMessage(s.ctx, m, nil))
	rd := s.receiver(q, &sb.ReceiverOptions{ReceiveMode: sb.ReceiveModeReceiveAndDelete})
	got, err := rd.ReceiveDeferredMessages(s.ctx, []int64{*m.SequenceNumber}, nil)
	s.must(err)
	if len(got) != 1 {
		t.Errorf("got %v", bodies(got))
	}
	s.none(q)
}

func TestSDKBatch(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	x := s.sender(q)
	batch, err := x.NewMessageBatch(s.ctx, nil)
	s.must(err)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		s.must(batch.AddMessage(&sb.Message{Body: []byte(want[i]), ApplicationProperties: map[string]any{"i": int64(i)}}, nil))
	}
	if err := batch.AddMessage(&sb.Message{Body: make([]byte, 256<<10)}, nil); !errors.Is(err, sb.ErrMessageTooLarge) {
		t.Errorf("the batch limit did not arrive: %v", err)
	}
	s.must(x.SendMessageBatch(s.ctx, batch, nil))
	rx := s.receiver(q, nil)
	got := s.take(rx, 100)
	if !slices.Equal(bodies(got), want) {
		t.Errorf("got %v", bodies(got))
	}
	for i, m := range got {
		if m.ApplicationProperties["i"] != int64(i) || m.MessageID == "" {
			t.Errorf("message %d: %v", i, m.ApplicationProperties)
		}
		s.must(rx.CompleteMessage(s.ctx, m, nil))
	}
	s.none(q)
}

func TestSDKSchedule(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	x := s.sender(q)
	far := time.Now().Add(time.Hour)
	numbers, err := x.ScheduleMessages(s.ctx, []*sb.Message{{Body: []byte("a")}, {Body: []byte("b")}}, far, nil)
	s.must(err)
	s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte("c"), ScheduledEnqueueTime: &far}, nil))
	rx := s.receiver(q, nil)
	peeked, err := rx.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	for _, m := range peeked {
		if m.State != sb.MessageStateScheduled || m.ScheduledEnqueueTime == nil || m.ScheduledEnqueueTime.Sub(far).Abs() > time.Second {
			t.Errorf("peeked %+v", m)
		}
	}
	if len(numbers) != 2 || len(peeked) != 3 || *peeked[0].SequenceNumber != numbers[0] {
		t.Fatalf("numbers %v, peeked %v", numbers, bodies(peeked))
	}
	s.must(x.CancelScheduledMessages(s.ctx, numbers, nil))
	peeked, err = rx.PeekMessages(s.ctx, 10, &sb.PeekMessagesOptions{FromSequenceNumber: ptr(int64(0))})
	s.must(err)
	if !slices.Equal(bodies(peeked), []string{"c"}) {
		t.Errorf("left %v", bodies(peeked))
	}
	if _, err := x.ScheduleMessages(s.ctx, []*sb.Message{{Body: []byte("now")}}, time.Now().Add(-time.Minute), nil); err != nil {
		t.Error(err)
	}
	if m := s.take(rx, 1)[0]; string(m.Body) != "now" {
		t.Errorf("got %q", m.Body)
	}
}

func TestSDKPeek(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "0", "1", "2")
	rx := s.receiver(q, nil)
	for _, want := range [][]string{{"0", "1"}, {"2"}, nil} {
		got, err := rx.PeekMessages(s.ctx, 2, nil)
		s.must(err)
		if !slices.Equal(bodies(got), want) {
			t.Errorf("got %v, want %v", bodies(got), want)
		}
	}
}

func TestSDKRenewMessageLock(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "x")
	rx := s.receiver(q, nil)
	m := s.take(rx, 1)[0]
	before := *m.LockedUntil
	s.must(rx.RenewMessageLock(s.ctx, m, nil))
	if m.LockedUntil.Before(before) {
		t.Errorf("%v became %v", before, m.LockedUntil)
	}
	m.LockToken = [16]byte{}
	err := rx.RenewMessageLock(s.ctx, m, nil)
	var e *sb.Error
	want := "status code 410 and description: The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue"
	if !errors.As(err, &e) || e.Code != sb.CodeLockLost || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// A lock that another receiver's $management call used up is answered on the link
// as rejected with lock-lost.
func TestSDKLockLost(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.send(q, "x")
	rx, other := s.receiver(q, nil), s.receiver(q, nil)
	m := s.take(rx, 1)[0]
	copied := &sb.ReceivedMessage{LockToken: m.LockToken}
	s.must(other.CompleteMessage(s.ctx, copied, nil))
	err := rx.CompleteMessage(s.ctx, m, nil)
	var e *sb.Error
	if !errors.As(err, &e) || e.Code != sb.CodeLockLost {
		t.Errorf("got %v", err)
	}
}

func TestSDKSessions(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	x := s.sender(q)
	for _, id := range []string{"one", "two", "one", ""} {
		s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte(id), SessionID: ptr(id)}, nil))
	}
	if err := x.SendMessage(s.ctx, &sb.Message{Body: []byte("none")}, nil); err == nil {
		t.Error("a message without a session was taken")
	}
	one, err := s.AcceptSessionForQueue(s.ctx, q, "one", nil)
	s.must(err)
	if one.SessionID() != "one" || time.Until(one.LockedUntil()) <= 0 {
		t.Errorf("session %q until %v", one.SessionID(), one.LockedUntil())
	}
	_, err = s.AcceptSessionForQueue(s.ctx, q, "one", nil)
	var ae *goamqp.Error
	if !errors.As(err, &ae) || ae.Condition != "com.microsoft:session-cannot-be-locked" {
		t.Errorf("a locked session: %v", err)
	}
	for _, m := range s.take(one, 2) {
		if *m.SessionID != "one" {
			t.Errorf("got %q", *m.SessionID)
		}
		s.must(one.CompleteMessage(s.ctx, m, nil))
	}
	s.sessionState(one)

	next, err := s.AcceptNextSessionForQueue(s.ctx, q, nil)
	s.must(err)
	blank, err := s.AcceptSessionForQueue(s.ctx, q, "", nil)
	s.must(err)
	if next.SessionID() != "two" || blank.SessionID() != "" || string(s.take(blank, 1)[0].Body) != "" {
		t.Errorf("next %q, blank %q", next.SessionID(), blank.SessionID())
	}
	s.must(next.Close(s.ctx))
	again, err := s.AcceptNextSessionForQueue(s.ctx, q, nil)
	s.must(err)
	if again.SessionID() != "two" {
		t.Errorf("after closing: %q", again.SessionID())
	}
	if m := s.take(again, 1)[0]; m.DeliveryCount != 1 {
		t.Errorf("closing a session receiver counted as a delivery: %d", m.DeliveryCount)
	}
}

func (s *sdk) sessionState(r *sb.SessionReceiver) {
	s.t.Helper()
	state, err := r.GetSessionState(s.ctx, nil)
	s.must(err)
	if state != nil {
		s.t.Errorf("a new session has the state %q", state)
	}
	s.must(r.SetSessionState(s.ctx, []byte("state"), nil))
	state, err = r.GetSessionState(s.ctx, nil)
	s.must(err)
	if string(state) != "state" {
		s.t.Errorf("state %q", state)
	}
	before := r.LockedUntil()
	s.must(r.RenewSessionLock(s.ctx, nil))
	if r.LockedUntil().Before(before) {
		s.t.Errorf("%v became %v", before, r.LockedUntil())
	}
	s.must(r.SetSessionState(s.ctx, nil, nil))
	if state, err = r.GetSessionState(s.ctx, nil); err != nil || state != nil {
		s.t.Errorf("cleared to %q, %v", state, err)
	}
	s.must(r.SetSessionState(s.ctx, []byte("kept"), nil))
}

func TestSDKListSessions(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	list := func() (all []string) {
		pager := s.NewListSessionsForQueuePager(q, nil)
		for pager.More() {
			page, err := pager.NextPage(s.ctx)
			s.must(err)
			all = append(all, page.Sessions...)
		}
		return all
	}
	if got := list(); len(got) != 0 {
		t.Errorf("an empty queue lists %v", got)
	}
	x := s.sender(q)
	for i := range 150 {
		s.must(x.SendMessage(s.ctx, &sb.Message{SessionID: ptr(fmt.Sprintf("s%03d", i))}, nil))
	}
	if got := list(); len(got) != 150 {
		t.Errorf("%d sessions", len(got))
	}
}

// A wait for any session ends with the condition for a time-out.
func TestSDKNextSessionTimesOut(t *testing.T) {
	r := newRig(t, Limits{NextSession: 50 * time.Millisecond})
	s, q := r.sdk(t), r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	_, err := s.AcceptNextSessionForQueue(context.Background(), q, nil)
	var e *sb.Error
	if !errors.As(err, &e) || e.Code != sb.CodeTimeout {
		t.Errorf("got %v", err)
	}
}

// A receiver that waits is given the session that comes.
func TestSDKNextSessionWaits(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	got := make(chan *sb.SessionReceiver, 1)
	go func() {
		rx, err := s.AcceptNextSessionForQueue(s.ctx, q, nil)
		if err != nil {
			t.Error(err)
		}
		got <- rx
	}()
	other := r.sdk(t)
	s.must(other.sender(q).SendMessage(s.ctx, &sb.Message{Body: []byte("x"), SessionID: ptr("late")}, nil))
	if rx := <-got; rx == nil || rx.SessionID() != "late" || len(s.take(rx, 1)) != 1 {
		t.Errorf("got %v", rx)
	}
}

func TestSDKTopicsAndRules(t *testing.T) {
	r := newRig(t, Limits{})
	s := r.sdk(t)
	topic := r.entity(broker.Topic, unique("t"))
	all := r.entity(broker.Subscription, topic+"/Subscriptions/all")
	red := r.entity(broker.Subscription, topic+"/Subscriptions/red", func(d *broker.Definition) {
		d.Rules = []broker.Rule{{Name: "red", Filter: broker.Filter{Kind: broker.SQLFilter, Expression: "color = 'red'"}, Action: "SET painted = true"}}
	})
	_, _ = all, red
	x := s.sender(topic)
	for _, color := range []string{"red", "blue"} {
		s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte(color), ApplicationProperties: map[string]any{"color": color}}, nil))
	}
	everything, err := s.NewReceiverForSubscription(topic, "all", nil)
	s.must(err)
	if got := bodies(s.take(everything, 2)); !slices.Equal(got, []string{"red", "blue"}) {
		t.Errorf("all: %v", got)
	}
	some, err := s.NewReceiverForSubscription(topic, "RED", nil)
	s.must(err)
	m := s.take(some, 1)[0]
	if string(m.Body) != "red" || m.ApplicationProperties["painted"] != true {
		t.Errorf("red: %q %v", m.Body, m.ApplicationProperties)
	}
	s.must(some.CompleteMessage(s.ctx, m, nil))
}

func TestSDKErrors(t *testing.T) {
	r := newRig(t, Limits{})
	s := r.sdk(t)
	q := r.queue(func(d *broker.Definition) { d.RequiresSession = true })
	closed := r.queue(func(d *broker.Definition) { d.Status = broker.Disabled })
	plain := r.queue()
	send := func(s *sdk, path string) error { return s.sender(path).SendMessage(s.ctx, &sb.Message{}, nil) }
	receive := func(s *sdk, path string) error {
		_, err := s.receiver(path, nil).ReceiveMessages(s.ctx, 1, nil)
		return err
	}
	for _, c := range []struct {
		name, path string
		do         func(*sdk, string) error
		client     *sdk
		condition  string
		text       string
	}{
		{"no such queue", "missing", send, s, "status code 404", "could not be found"},
		{"no such queue to receive from", "missing", receive, s, "status code 404", "could not be found"},
		{"plain receiver on a session queue", q, receive, s, "amqp:not-allowed", "It is not possible for an entity that requires sessions to create a non-sessionful message receiver."},
		{"disabled", closed, send, s, "com.microsoft:entity-disabled", ""},
		{"disabled to receive", closed, receive, s, "com.microsoft:entity-disabled", ""},
		{"send without the claim", plain, send, r.sdkFor(t, r.connectionStringFor("ListenOnly", "k")), "amqp:unauthorized-access",
			"Description: Unauthorized access. 'Send' claim(s) are required to perform this operation"},
		{"receive without the claim", plain, receive, r.sdkFor(t, r.connectionStringFor("SendOnly", "k")), "amqp:unauthorized-access",
			"Description: Unauthorized access. 'Listen' claim(s) are required to perform this operation"},
	} {
		err := c.do(c.client, c.path)
		if err == nil || !strings.Contains(err.Error(), c.condition) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	var e *sb.Error
	if err := send(r.sdkFor(t, r.connectionStringFor("SendOnly", "wrong")), plain); !errors.As(err, &e) || e.Code != sb.CodeUnauthorizedAccess ||
		!strings.Contains(err.Error(), "rpc: failed, status code 401 and description: InvalidSignature") {
		t.Errorf("wrong key: %v", err)
	}
	expired := fmt.Sprintf("Endpoint=sb://%s;SharedAccessSignature=%s;UseDevelopmentEmulator=true;", r.addr,
		identity.SignToken(r.addr, identity.EmulatorKeyName, identity.EmulatorKey, time.Now().Add(-time.Hour)))
	if err := send(r.sdkFor(t, expired), plain); !errors.As(err, &e) || e.Code != sb.CodeUnauthorizedAccess ||
		!strings.Contains(err.Error(), "rpc: failed, status code 401 and description: ExpiredToken: The token is expired. Expiration time:") {
		t.Errorf("expired token: %v", err)
	}
	if err := s.sender(plain).SendMessage(s.ctx, &sb.Message{Body: make([]byte, 300<<10)}, nil); !errors.Is(err, sb.ErrMessageTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// An update of an entity detaches its links, and the client carries on.
func TestSDKSurvivesAnUpdate(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	x, rx := s.sender(q), s.receiver(q, nil)
	s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte("1")}, nil))
	m := s.take(rx, 1)[0]
	r.entity(broker.Queue, q, func(d *broker.Definition) { d.MaxDeliveryCount = 7 })
	s.must(rx.CompleteMessage(s.ctx, m, nil))
	s.must(x.SendMessage(s.ctx, &sb.Message{Body: []byte("2")}, nil))
	if got := bodies(s.take(rx, 1)); got[0] != "2" {
		t.Errorf("got %v", got)
	}
}

// A message sent with annotations, a footer and several data sections comes out as
// the live service gives it.
func TestSDKAnnotatedMessage(t *testing.T) {
	r := newRig(t, Limits{})
	s, q := r.sdk(t), r.queue()
	s.must(s.sender(q).SendAMQPAnnotatedMessage(s.ctx, &sb.AMQPAnnotatedMessage{
		DeliveryAnnotations: map[any]any{"d": "kept"}, MessageAnnotations: map[any]any{"m": "kept"}, Footer: map[any]any{"f": "kept"},
		Header: &sb.AMQPAnnotatedMessageHeader{Priority: 100, Durable: true},
		Body:   sb.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte("one"), []byte("two")}},
	}, nil))
	m := s.take(s.receiver(q, nil), 1)[0].RawAMQPMessage
	if h := *m.Header; h != (sb.AMQPAnnotatedMessageHeader{Priority: 100, Durable: true}) {
		t.Errorf("header %+v", h)
	}
	if len(m.Body.Data) != 2 || m.Footer["f"] != "kept" || m.MessageAnnotations["m"] != "kept" || m.DeliveryAnnotations["d"] != "kept" {
		t.Errorf("got %+v", m)
	}
	if _, ok := m.DeliveryAnnotations["x-opt-lock-token"]; !ok || len(m.DeliveryAnnotations) != 2 || len(m.MessageAnnotations) != 4 {
		t.Errorf("annotations %v, %v", m.DeliveryAnnotations, m.MessageAnnotations)
	}
}
