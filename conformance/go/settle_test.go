package go_test

import (
	"context"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

// shortest is the shortest lock Service Bus allows.
const shortest = "PT5S"

var settleScenarios = []scenario{
	{"settle/complete only once", []server.Resource{server.Queue("once", nil)}, completeOnce},
	{"settle/abandon counts and keeps changes", []server.Resource{server.Queue("abandoned", nil)}, abandon},
	{"settle/defer and fetch", []server.Resource{server.Queue("deferred", nil)}, deferAndFetch},
	{"settle/deferred in receive and delete", []server.Resource{server.Queue("deferred-deleted", nil)}, deferredAndDeleted},
	{"settle/dead-letter with a reason", []server.Resource{server.Queue("buried", nil)}, deadLetter},
	{"settle/a dead letter ends in its queue", []server.Resource{server.Queue("buried-twice", nil)}, deadLetterStays},
	{"settle/too many deliveries", []server.Resource{server.Queue("thrice", server.Properties{"maxDeliveryCount": 3})}, maxDeliveries},
	{"settle/renew a lock", []server.Resource{server.Queue("renewed", server.Properties{"lockDuration": shortest})}, renewLock},
	{"settle/a lock runs out", []server.Resource{server.Queue("expired-lock", server.Properties{"lockDuration": shortest})}, lockRunsOut},
	{"settle/another receiver settles by management", []server.Resource{server.Queue("by-management", nil)}, settleElsewhere},
	{"settle/closing a receiver keeps its locks", []server.Resource{server.Queue("left-locked", server.Properties{"lockDuration": shortest})}, closedReceiver},
}

func completeOnce(s *stage) {
	s.send("once", text("a"))
	r := s.queue("once")
	m := s.receiveOne(r)
	s.complete(r, m)
	forgotten := &azservicebus.ReceivedMessage{LockToken: m.LockToken}
	s.fails(r.CompleteMessage(s.ctx, forgotten, nil), azservicebus.CodeLockLost)
	s.fails(r.RenewMessageLock(s.ctx, m, nil), azservicebus.CodeLockLost)
	s.empty(r)
}

func abandon(s *stage) {
	s.send("abandoned", text("a"))
	r := s.queue("abandoned")
	m := s.receiveOne(r)
	s.must(r.AbandonMessage(s.ctx, m, &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"tried": "once"}}))
	m = s.receiveOne(r)
	equal(s, "delivery count", m.DeliveryCount, 2)
	equal(s, "property set on the way", m.ApplicationProperties["tried"], any("once"))
	equal(s, "sequence number", value(m.SequenceNumber), 1)
	s.complete(r, m)
	s.empty(r)
}

func deferAndFetch(s *stage) {
	s.send("deferred", texts("a", "b", "c")...)
	r := s.queue("deferred")
	got := s.receive(r, 3)
	var aside []int64
	for _, m := range got {
		s.must(r.DeferMessage(s.ctx, m, &azservicebus.DeferMessageOptions{PropertiesToModify: map[string]any{"set": "aside"}}))
		aside = append(aside, value(m.SequenceNumber))
	}
	s.nothing(r)
	seen, err := r.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	equal(s, "deferred messages a browser sees", len(seen), 3)
	equal(s, "state a browser sees", seen[0].State, azservicebus.MessageStateDeferred)

	back, err := r.ReceiveDeferredMessages(s.ctx, aside, nil)
	s.must(err)
	if !slices.Equal(bodies(back), []string{"a", "b", "c"}) {
		s.Fatalf("fetched %q", bodies(back))
	}
	equal(s, "property set on the way", back[0].ApplicationProperties["set"], any("aside"))
	s.complete(r, back[0])
	s.must(r.DeadLetterMessage(s.ctx, back[1], nil))
	s.must(r.AbandonMessage(s.ctx, back[2], nil))

	if _, err := r.ReceiveDeferredMessages(s.ctx, aside[:1], nil); err == nil {
		s.Error("a completed message was fetched again")
	}
	s.takes(s.deadLetters("deferred"), "b")
	again, err := r.ReceiveDeferredMessages(s.ctx, aside[2:], nil)
	s.must(err)
	equal(s, "messages still deferred after being abandoned", len(again), 1)
	s.complete(r, again...)
	s.empty(r)
}

func deferredAndDeleted(s *stage) {
	s.send("deferred-deleted", text("a"))
	r := s.queue("deferred-deleted")
	m := s.receiveOne(r)
	s.must(r.DeferMessage(s.ctx, m, nil))
	deleting := s.receiver("deferred-deleted", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	got, err := deleting.ReceiveDeferredMessages(s.ctx, []int64{value(m.SequenceNumber)}, nil)
	s.must(err)
	equal(s, "messages fetched", len(got), 1)
	s.empty(r)
}

func deadLetter(s *stage) {
	s.send("buried", text("a"))
	r := s.queue("buried")
	s.must(r.DeadLetterMessage(s.ctx, s.receiveOne(r), &azservicebus.DeadLetterOptions{
		Reason: to.Ptr("unreadable"), ErrorDescription: to.Ptr("the third field is missing"),
		PropertiesToModify: map[string]any{"field": int64(3)},
	}))
	s.empty(r)
	dead := s.deadLetters("buried")
	m := s.receiveOne(dead)
	equal(s, "reason", value(m.DeadLetterReason), "unreadable")
	equal(s, "description", value(m.DeadLetterErrorDescription), "the third field is missing")
	equal(s, "property set on the way", m.ApplicationProperties["field"], any(int64(3)))
	equal(s, "body", string(m.Body), "a")
	s.complete(dead, m)
	s.empty(dead)
}

// deadLetterStays abandons a dead letter more often than the entity would
// allow: the dead-letter queue has no dead-letter queue of its own.
func deadLetterStays(s *stage) {
	s.send("buried-twice", text("a"))
	r := s.queue("buried-twice")
	s.must(r.DeadLetterMessage(s.ctx, s.receiveOne(r), nil))
	dead := s.deadLetters("buried-twice")
	for range 12 {
		s.must(dead.AbandonMessage(s.ctx, s.receiveOne(dead), nil))
	}
	s.takes(dead, "a")
}

func maxDeliveries(s *stage) {
	s.send("thrice", text("a"))
	r := s.queue("thrice")
	for i := range uint32(3) {
		m := s.receiveOne(r)
		equal(s, "delivery count", m.DeliveryCount, i+1)
		s.must(r.AbandonMessage(s.ctx, m, nil))
	}
	dead := s.deadLetters("thrice")
	m := s.receiveOne(dead)
	equal(s, "reason", value(m.DeadLetterReason), "MaxDeliveryCountExceeded")
	s.complete(dead, m)
	s.empty(r)
}

func renewLock(s *stage) {
	s.send("renewed", text("a"))
	r := s.queue("renewed")
	m := s.receiveOne(r)
	until := value(m.LockedUntil)
	for time.Now().Before(until.Add(time.Second)) {
		s.must(r.RenewMessageLock(s.ctx, m, nil))
		s.nothing(r)
	}
	if !value(m.LockedUntil).After(until) {
		s.Errorf("locked until %s after renewing, %s before", value(m.LockedUntil), until)
	}
	s.complete(r, m)
	s.empty(r)
}

func lockRunsOut(s *stage) {
	s.send("expired-lock", text("a"))
	r := s.queue("expired-lock")
	lost := s.receiveOne(r)
	again := s.receiveOne(r)
	equal(s, "delivery count after the lock ran out", again.DeliveryCount, 2)
	s.fails(r.CompleteMessage(s.ctx, lost, nil), azservicebus.CodeLockLost)
	s.complete(r, again)
	s.empty(r)
}

func settleElsewhere(s *stage) {
	s.send("by-management", texts("a", "b", "c", "d")...)
	r := s.queue("by-management")
	got := s.receive(r, 4)
	s.must(r.Close(s.ctx))
	other := s.queue("by-management")
	for i, settle := range []func(*azservicebus.ReceivedMessage) error{
		func(m *azservicebus.ReceivedMessage) error { return other.CompleteMessage(s.ctx, m, nil) },
		func(m *azservicebus.ReceivedMessage) error { return other.AbandonMessage(s.ctx, m, nil) },
		func(m *azservicebus.ReceivedMessage) error { return other.DeferMessage(s.ctx, m, nil) },
		func(m *azservicebus.ReceivedMessage) error {
			return other.DeadLetterMessage(s.ctx, m, &azservicebus.DeadLetterOptions{Reason: to.Ptr("far away")})
		},
	} {
		s.must(settle(&azservicebus.ReceivedMessage{LockToken: got[i].LockToken}))
	}
	b := s.receiveOne(other)
	equal(s, "the abandoned one", string(b.Body), "b")
	equal(s, "its delivery count", b.DeliveryCount, 2)
	s.complete(other, b)
	c, err := other.ReceiveDeferredMessages(s.ctx, []int64{value(got[2].SequenceNumber)}, nil)
	s.must(err)
	s.complete(other, c...)
	dead := s.deadLetters("by-management")
	d := s.receiveOne(dead)
	equal(s, "reason", value(d.DeadLetterReason), "far away")
	s.complete(dead, d)
	s.empty(other)
}

// closedReceiver closes a receiver that holds a lock: nobody else gets the
// message before the lock runs out, and then it counts as a delivery.
func closedReceiver(s *stage) {
	s.send("left-locked", text("a"))
	first := s.queue("left-locked")
	m := s.receiveOne(first)
	s.must(first.Close(s.ctx))
	second := s.queue("left-locked")
	s.nothing(second)
	ctx, cancel := context.WithDeadline(s.ctx, value(m.LockedUntil).Add(5*time.Second))
	defer cancel()
	got, err := second.ReceiveMessages(ctx, 1, nil)
	s.must(err)
	equal(s, "delivery count", got[0].DeliveryCount, 2)
	s.complete(second, got...)
}
