package go_test

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

var queueScenarios = []scenario{
	{"queue/send and receive", []server.Resource{server.Queue("plain", nil)}, sendAndReceive},
	{"queue/every property survives", []server.Resource{server.Queue("properties", nil)}, propertiesSurvive},
	{"queue/what the broker adds", []server.Resource{server.Queue("stamped", nil)}, brokerStamps},
	{"queue/batch", []server.Resource{server.Queue("batch", nil)}, batch},
	{"queue/a batch that is full says so", []server.Resource{server.Queue("full-batch", nil)}, fullBatch},
	{"queue/receive and delete", []server.Resource{server.Queue("at-most-once", nil)}, receiveAndDelete},
	{"queue/credit is kept between receives", []server.Resource{server.Queue("credit", nil)}, creditKept},
	{"queue/many receivers share", []server.Resource{server.Queue("shared", nil)}, manyReceivers},
	{"queue/peek", []server.Resource{server.Queue("peeked", nil)}, peek},
	{"queue/names match without case", []server.Resource{server.Queue("Mixed.Case-Name_1", nil)}, caseless},
}

func sendAndReceive(s *stage) {
	s.send("plain", text("hello"))
	r := s.queue("plain")
	s.takes(r, "hello")
	s.empty(r)
}

func propertiesSurvive(s *stage) {
	sent := &azservicebus.Message{
		Body:             []byte{0, 1, 2, 255},
		MessageID:        to.Ptr("id ü"),
		ContentType:      to.Ptr("application/octet-stream"),
		CorrelationID:    to.Ptr("correlation"),
		PartitionKey:     to.Ptr("partition"),
		ReplyTo:          to.Ptr("answers"),
		ReplyToSessionID: to.Ptr("answer session"),
		Subject:          to.Ptr("subject"),
		To:               to.Ptr("somewhere"),
		TimeToLive:       to.Ptr(time.Hour),
		ApplicationProperties: map[string]any{
			"string": "text", "bool": true, "int64": int64(-1 << 60), "int32": int32(-7), "float": 1.5,
			"uint32": uint32(1 << 31), "bytes": []byte{1, 2}, "time": time.UnixMilli(1700000000123), "nothing": nil,
		},
	}
	s.send("properties", sent)
	r := s.queue("properties")
	got := s.receiveOne(r)
	back := got.Message()
	if !reflect.DeepEqual(back, sent) {
		s.Errorf("sent\n%s\nreceived\n%s", show(sent), show(back))
	}
	s.complete(r, got)
}

func brokerStamps(s *stage) {
	before := time.Now().Add(-time.Second)
	s.send("stamped", text("a"), text("b"))
	r := s.queue("stamped")
	for i, m := range s.receive(r, 2) {
		equal(s, "sequence number", value(m.SequenceNumber), int64(i+1))
		equal(s, "delivery count", m.DeliveryCount, 1)
		equal(s, "state", m.State, azservicebus.MessageStateActive)
		if at := value(m.EnqueuedTime); at.Before(before) || at.After(time.Now().Add(time.Second)) {
			s.Errorf("enqueued at %s, which is not now", at)
		}
		if left := time.Until(value(m.LockedUntil)); left < 30*time.Second || left > 61*time.Second {
			s.Errorf("locked for %s, want about a minute", left)
		}
		if m.LockToken == [16]byte{} {
			s.Error("no lock token")
		}
		s.complete(r, m)
	}
}

func batch(s *stage) {
	snd := s.sender("batch")
	b, err := snd.NewMessageBatch(s.ctx, nil)
	s.must(err)
	names := numbered("batched", 100)
	for _, name := range names {
		s.must(b.AddMessage(text(name), nil))
	}
	s.must(snd.SendMessageBatch(s.ctx, b, nil))
	r := s.queue("batch")
	s.takes(r, names...)
	s.empty(r)
}

func fullBatch(s *stage) {
	snd := s.sender("full-batch")
	b, err := snd.NewMessageBatch(s.ctx, nil)
	s.must(err)
	body := &azservicebus.Message{Body: make([]byte, 60<<10)}
	n := 0
	for ; n < 100; n++ {
		if err = b.AddMessage(body, nil); err != nil {
			break
		}
	}
	equal(s, "error of the message that no longer fits", err, azservicebus.ErrMessageTooLarge)
	equal(s, "messages of 60 KiB in a batch of 256 KiB", n, 4)
	s.must(snd.SendMessageBatch(s.ctx, b, nil))
	equal(s, "messages that came", len(s.take(s.queue("full-batch"), n)), n)
}

func receiveAndDelete(s *stage) {
	s.send("at-most-once", texts("a", "b", "c")...)
	r := s.receiver("at-most-once", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	got := s.receive(r, 3)
	if !slices.Equal(bodies(got), []string{"a", "b", "c"}) {
		s.Errorf("received %q", bodies(got))
	}
	if err := r.CompleteMessage(s.ctx, got[0], nil); err == nil {
		s.Error("a deleted message was settled")
	}
	s.empty(r)
}

// creditKept asks for more messages than there are, lets the call run out, and
// sends: the credit that stayed open must bring the messages to the next call.
func creditKept(s *stage) {
	r := s.queue("credit")
	s.nothing(r)
	s.send("credit", texts("a", "b", "c")...)
	s.takes(r, "a")
	s.takes(r, "b", "c")
	s.empty(r)
}

func manyReceivers(s *stage) {
	const receivers, total = 5, 200
	names := numbered("work", total)
	s.send("shared", texts(names...)...)
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		all  sync.WaitGroup
	)
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	for range receivers {
		r := s.queue("shared")
		all.Go(func() {
			for {
				got, err := r.ReceiveMessages(ctx, 10, nil)
				if err != nil {
					return
				}
				for _, m := range got {
					if err := r.CompleteMessage(s.ctx, m, nil); err != nil {
						s.Error(err)
					}
					mu.Lock()
					if seen[string(m.Body)]++; len(seen) == total {
						stop()
					}
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	for _, name := range names {
		equal(s, "deliveries of "+name, seen[name], 1)
	}
	s.empty(s.queue("shared"))
}

func peek(s *stage) {
	names := numbered("browse", 5)
	s.send("peeked", texts(names...)...)
	r := s.queue("peeked")
	locked := s.receiveOne(r)
	first, err := r.PeekMessages(s.ctx, 3, nil)
	s.must(err)
	rest, err := r.PeekMessages(s.ctx, 10, nil)
	s.must(err)
	if got := bodies(append(first, rest...)); !slices.Equal(got, names) {
		s.Errorf("browsed %q, want %q, the locked one too", got, names)
	}
	from := value(first[2].SequenceNumber)
	again, err := r.PeekMessages(s.ctx, 1, &azservicebus.PeekMessagesOptions{FromSequenceNumber: &from})
	s.must(err)
	if got := bodies(again); !slices.Equal(got, names[2:3]) {
		s.Errorf("browsed %q from sequence number %d, want %q", got, from, names[2:3])
	}
	s.complete(r, locked)
	s.takes(r, names[1:]...)
	none, err := r.PeekMessages(s.ctx, 1, nil)
	s.must(err)
	equal(s, "messages left to browse", len(none), 0)
}

func caseless(s *stage) {
	s.send("mixed.CASE-name_1", text("same queue"))
	s.takes(s.queue("MIXED.CASE-NAME_1"), "same queue")
}
