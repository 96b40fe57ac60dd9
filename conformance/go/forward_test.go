package go_test

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

func forwards(target string) server.Properties { return server.Properties{"forwardTo": target} }

var forwardScenarios = []scenario{
	{"forward/from queue to queue", []server.Resource{
		server.Queue("fwd-to", nil), server.Queue("fwd-from", forwards("fwd-to")),
	}, forward},
	{"forward/from a subscription", []server.Resource{
		server.Queue("fwd-sub-to", nil), server.Topic("fwd-topic", nil), server.Subscription("fwd-topic", "s", forwards("fwd-sub-to")),
	}, forwardSubscription},
	{"forward/four hops and no more", []server.Resource{
		server.Queue("hop-5", nil), server.Queue("hop-4", forwards("hop-5")), server.Queue("hop-3", forwards("hop-4")),
		server.Queue("hop-2", forwards("hop-3")), server.Queue("hop-1", forwards("hop-2")), server.Queue("hop-0", forwards("hop-1")),
	}, hops},
	{"forward/to an entity that is closed", []server.Resource{
		server.Queue("fwd-closed", server.Properties{"status": "SendDisabled"}), server.Queue("fwd-into-closed", forwards("fwd-closed")),
	}, forwardIntoClosed},
	{"forward/dead letters", []server.Resource{
		server.Queue("morgue", nil), server.Queue("fwd-dead", server.Properties{"forwardDeadLetteredMessagesTo": "morgue"}),
	}, forwardDeadLetters},
	{"forward/no receiver on an entity that forwards", []server.Resource{
		server.Queue("fwd-away", nil), server.Queue("fwd-only", forwards("fwd-away")),
	}, forwardingIsNotReceivedFrom},
}

func forward(s *stage) {
	s.send("fwd-to", text("direct"))
	s.send("fwd-from", text("forwarded"))
	r := s.queue("fwd-to")
	got := s.receive(r, 2)
	equal(s, "body", string(got[1].Body), "forwarded")
	equal(s, "sequence number in its last queue", value(got[1].SequenceNumber), 2)
	equal(s, "sequence number in its first queue", value(got[1].EnqueuedSequenceNumber), 1)
	s.complete(r, got...)
	s.empty(r)
}

func forwardSubscription(s *stage) {
	s.send("fwd-topic", text("a"))
	s.takes(s.queue("fwd-sub-to"), "a")
}

func (s *stage) transferDeadLetters(queue string) *azservicebus.Receiver {
	s.Helper()
	return s.receiver(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueTransfer})
}

// hops sends one message that needs four forwards, and one that needs five.
func hops(s *stage) {
	s.send("hop-1", text("four"))
	s.takes(s.queue("hop-5"), "four")
	s.send("hop-0", text("five"))
	r := s.transferDeadLetters("hop-4")
	m := s.receiveOne(r)
	equal(s, "body", string(m.Body), "five")
	equal(s, "reason", value(m.DeadLetterReason), "MaxTransferHopCountExceeded")
	s.complete(r, m)
	s.empty(s.queue("hop-5"))
}

func forwardIntoClosed(s *stage) {
	s.send("fwd-into-closed", text("a"))
	r := s.transferDeadLetters("fwd-into-closed")
	m := s.receiveOne(r)
	equal(s, "body", string(m.Body), "a")
	if value(m.DeadLetterReason) == "" {
		s.Error("the transfer dead letter has no reason")
	}
	s.complete(r, m)
}

func forwardDeadLetters(s *stage) {
	s.send("fwd-dead", text("a"))
	r := s.queue("fwd-dead")
	s.must(r.DeadLetterMessage(s.ctx, s.receiveOne(r), &azservicebus.DeadLetterOptions{Reason: to.Ptr("broken")}))
	morgue := s.queue("morgue")
	m := s.receiveOne(morgue)
	equal(s, "reason", value(m.DeadLetterReason), "broken")
	equal(s, "source", value(m.DeadLetterSource), "fwd-dead")
	s.complete(morgue, m)
}

func forwardingIsNotReceivedFrom(s *stage) {
	client := s.dial(s.server.Emulator(), &azservicebus.ClientOptions{RetryOptions: once})
	r, err := client.NewReceiverForQueue("fwd-only", nil)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.ctx, 5*quiet)
	defer cancel()
	if _, err := r.ReceiveMessages(ctx, 1, nil); err == nil || ctx.Err() != nil {
		s.Errorf("a receiver on a forwarding queue got: %v, want a refusal", err)
	}
}
