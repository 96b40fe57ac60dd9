package go_test

import (
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

var timeScenarios = []scenario{
	{"time/schedule", []server.Resource{server.Queue("scheduled", nil)}, schedule},
	{"time/schedule by property", []server.Resource{server.Queue("scheduled-by-property", nil)}, scheduleByProperty},
	{"time/cancel", []server.Resource{server.Queue("cancelled", nil)}, cancelScheduled},
	{"time/messages expire", []server.Resource{server.Queue("expiring", nil)}, expire},
	{"time/expired messages are dead-lettered", []server.Resource{server.Queue("expiring-kept", server.Properties{"deadLetteringOnMessageExpiration": true})}, expireToDeadLetters},
	{"time/the entity caps how long a message lives", []server.Resource{server.Queue("capped", server.Properties{"defaultMessageTimeToLive": "PT2S", "deadLetteringOnMessageExpiration": true})}, cappedTTL},
	{"time/a locked message may be completed after it expired", []server.Resource{server.Queue("expired-locked", nil)}, expiredWhileLocked},
	{"time/duplicates", []server.Resource{server.Queue("deduplicated", server.Properties{"requiresDuplicateDetection": true, "duplicateDetectionHistoryTimeWindow": "PT10M"})}, duplicates},
	{"time/duplicates of scheduled messages", []server.Resource{server.Queue("deduplicated-schedule", server.Properties{"requiresDuplicateDetection": true})}, scheduledDuplicates},
}

func schedule(s *stage) {
	due := time.Now().Add(2 * time.Second).Truncate(time.Millisecond)
	snd := s.sender("scheduled")
	numbers, err := snd.ScheduleMessages(s.ctx, texts("a", "b"), due, nil)
	s.must(err)
	equal(s, "sequence numbers", len(numbers), 2)
	r := s.queue("scheduled")
	waiting, err := r.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	equal(s, "messages a browser sees", len(waiting), 2)
	equal(s, "state a browser sees", waiting[0].State, azservicebus.MessageStateScheduled)
	equal(s, "sequence number a browser sees", value(waiting[0].SequenceNumber), numbers[0])
	equal(s, "due time a browser sees", value(waiting[0].ScheduledEnqueueTime).UnixMilli(), due.UnixMilli())

	got := s.receive(r, 2)
	if time.Now().Before(due) {
		s.Error("delivered before it was due")
	}
	for i, m := range got {
		if value(m.SequenceNumber) <= numbers[1] {
			s.Errorf("sequence number %d after activation, want a new one beyond %d", value(m.SequenceNumber), numbers[1])
		}
		equal(s, "body", string(m.Body), []string{"a", "b"}[i])
		equal(s, "state", m.State, azservicebus.MessageStateActive)
	}
	s.complete(r, got...)
	s.empty(r)
}

func scheduleByProperty(s *stage) {
	later := text("later")
	due := time.Now().Add(1500 * time.Millisecond)
	later.ScheduledEnqueueTime = &due
	s.send("scheduled-by-property", later, text("now"))
	r := s.queue("scheduled-by-property")
	s.takes(r, "now", "later")
	if time.Now().Before(due) {
		s.Error("delivered before it was due")
	}
}

func cancelScheduled(s *stage) {
	snd := s.sender("cancelled")
	numbers, err := snd.ScheduleMessages(s.ctx, texts("a", "b", "c"), time.Now().Add(time.Hour), nil)
	s.must(err)
	s.must(snd.CancelScheduledMessages(s.ctx, numbers[:2], nil))
	r := s.queue("cancelled")
	left, err := r.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	if !slices.Equal(bodies(left), []string{"c"}) {
		s.Errorf("still scheduled: %q, want c", bodies(left))
	}
	if err := snd.CancelScheduledMessages(s.ctx, numbers[:1], nil); err == nil {
		s.Error("a message was cancelled twice")
	}
	s.must(snd.CancelScheduledMessages(s.ctx, numbers[2:], nil))
	s.empty(r)
}

// fleeting is a message that lives for a second.
func fleeting(body string) *azservicebus.Message {
	m := text(body)
	m.TimeToLive = to.Ptr(time.Second)
	return m
}

func expire(s *stage) {
	s.send("expiring", fleeting("gone"), text("stays"))
	r := s.queue("expiring")
	gone := time.Now().Add(1500 * time.Millisecond)
	for time.Now().Before(gone) {
		s.nothing(s.deadLetters("expiring"))
	}
	s.takes(r, "stays")
	s.empty(s.deadLetters("expiring"))
}

func expireToDeadLetters(s *stage) {
	s.send("expiring-kept", fleeting("gone"))
	dead := s.deadLetters("expiring-kept")
	m := s.receiveOne(dead)
	equal(s, "reason", value(m.DeadLetterReason), "TTLExpiredException")
	equal(s, "body", string(m.Body), "gone")
	s.complete(dead, m)
	s.empty(s.queue("expiring-kept"))
}

func cappedTTL(s *stage) {
	m := text("an hour, it thinks")
	m.TimeToLive = to.Ptr(time.Hour)
	s.send("capped", m)
	r := s.queue("capped")
	seen, err := r.PeekMessages(s.ctx, 1, nil)
	s.must(err)
	equal(s, "messages a browser sees", len(seen), 1)
	if lives := value(seen[0].ExpiresAt).Sub(value(seen[0].EnqueuedTime)); lives != 2*time.Second {
		s.Errorf("it lives for %s, want the entity's 2 s", lives)
	}
	s.takes(s.deadLetters("capped"), "an hour, it thinks")
}

func expiredWhileLocked(s *stage) {
	s.send("expired-locked", fleeting("held"))
	r := s.queue("expired-locked")
	m := s.receiveOne(r)
	for time.Now().Before(value(m.EnqueuedTime).Add(1500 * time.Millisecond)) {
		s.nothing(r)
	}
	s.complete(r, m)
	s.empty(r)
}

func duplicates(s *stage) {
	snd := s.sender("deduplicated")
	for range 3 {
		s.must(snd.SendMessage(s.ctx, text("same"), nil))
	}
	b, err := snd.NewMessageBatch(s.ctx, nil)
	s.must(err)
	for _, m := range texts("same", "other", "other") {
		s.must(b.AddMessage(m, nil))
	}
	s.must(snd.SendMessageBatch(s.ctx, b, nil))
	r := s.queue("deduplicated")
	s.takes(r, "same", "other")
	s.must(snd.SendMessage(s.ctx, text("same"), nil))
	s.empty(r)
}

func scheduledDuplicates(s *stage) {
	snd := s.sender("deduplicated-schedule")
	_, err := snd.ScheduleMessages(s.ctx, texts("same"), time.Now().Add(time.Second), nil)
	s.must(err)
	_, err = snd.ScheduleMessages(s.ctx, texts("same"), time.Now().Add(time.Second), nil)
	s.must(err)
	s.must(snd.SendMessage(s.ctx, text("same"), nil))
	r := s.queue("deduplicated-schedule")
	s.takes(r, "same")
	s.empty(r)
}
