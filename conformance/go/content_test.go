package go_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/conformance/server"
)

var contentScenarios = []scenario{
	{"content/a value as body", []server.Resource{server.Queue("value-body", nil)}, bodyOf("value-body", azservicebus.AMQPAnnotatedMessageBody{Value: "a string"})},
	{"content/a map as body", []server.Resource{server.Queue("map-body", nil)}, bodyOf("map-body", azservicebus.AMQPAnnotatedMessageBody{Value: map[string]any{"a": int64(1), "b": []any{"x", nil, 2.5}}})},
	{"content/sequences as body", []server.Resource{server.Queue("sequence-body", nil)}, bodyOf("sequence-body", azservicebus.AMQPAnnotatedMessageBody{Sequence: [][]any{{int64(1), "two"}, {true}}})},
	{"content/several data sections", []server.Resource{server.Queue("data-body", nil)}, bodyOf("data-body", azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{{1}, {}, {2, 3}}})},
	{"content/every section", []server.Resource{server.Queue("sections", nil)}, everySection},
	{"content/the bare message is kept byte for byte", []server.Resource{server.Queue("bytes", nil)}, bytesSurvive},
}

// bodyOf sends one body through a queue, deferred and dead-lettered on its way.
func bodyOf(queue string, body azservicebus.AMQPAnnotatedMessageBody) func(*stage) {
	return func(s *stage) {
		s.must(s.sender(queue).SendAMQPAnnotatedMessage(s.ctx, &azservicebus.AMQPAnnotatedMessage{Body: body}, nil))
		r := s.queue(queue)
		check := func(where string, m *azservicebus.ReceivedMessage) {
			s.Helper()
			if !reflect.DeepEqual(m.RawAMQPMessage.Body, body) {
				s.Errorf("%s: body is %+v, want %+v", where, m.RawAMQPMessage.Body, body)
			}
		}
		m := s.receiveOne(r)
		check("received", m)
		s.must(r.DeferMessage(s.ctx, m, nil))
		back, err := r.ReceiveDeferredMessages(s.ctx, []int64{value(m.SequenceNumber)}, nil)
		s.must(err)
		check("fetched after it was deferred", back[0])
		s.must(r.DeadLetterMessage(s.ctx, back[0], nil))
		dead := s.deadLetters(queue)
		m = s.receiveOne(dead)
		check("read as a dead letter", m)
		s.complete(dead, m)
	}
}

func everySection(s *stage) {
	at := time.UnixMilli(1700000000123)
	sent := &azservicebus.AMQPAnnotatedMessage{
		Header:             &azservicebus.AMQPAnnotatedMessageHeader{Durable: true, Priority: 7, TTL: time.Hour},
		MessageAnnotations: map[any]any{"x-mine": "kept", "x-number": int64(7)},
		Properties: &azservicebus.AMQPAnnotatedMessageProperties{
			AbsoluteExpiryTime: to.Ptr(at.Add(365 * 24 * time.Hour * 30)), CreationTime: &at, ContentEncoding: to.Ptr("gzip"),
			ContentType: to.Ptr("text/plain"), CorrelationID: uint64(77), MessageID: amqp.UUID{1, 2, 3}, GroupID: to.Ptr("g"),
			GroupSequence: to.Ptr(uint32(5)), ReplyTo: to.Ptr("r"), ReplyToGroupID: to.Ptr("rg"), Subject: to.Ptr("s"), To: to.Ptr("t"), UserID: []byte("me"),
		},
		ApplicationProperties: map[string]any{"uuid": amqp.UUID{9}, "byte": uint8(1), "short": int16(-2), "char": "é", "null": nil},
		Body:                  azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte("body")}},
		Footer:                map[any]any{"x-sum": "abc"},
	}
	s.must(s.sender("sections").SendAMQPAnnotatedMessage(s.ctx, sent, nil))
	r := s.queue("sections")
	m := s.receiveOne(r)
	got := m.RawAMQPMessage
	for what, pair := range map[string][2]any{
		"properties":             {got.Properties, sent.Properties},
		"application properties": {got.ApplicationProperties, sent.ApplicationProperties},
		"body":                   {got.Body, sent.Body},
		"footer":                 {got.Footer, sent.Footer},
		"durable":                {got.Header.Durable, true},
		"priority":               {got.Header.Priority, uint8(7)},
		"annotation":             {got.MessageAnnotations["x-mine"], "kept"},
		"number annotation":      {got.MessageAnnotations["x-number"], int64(7)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			s.Errorf("%s: %s, want %s", what, show(pair[0]), show(pair[1]))
		}
	}
	s.complete(r, m)
}

// show prints a value with what its pointers point to.
func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(text)
}

// bytesSurvive compares encodings: what go-amqp encodes of the sections that a
// broker may not touch is the same before and after.
func bytesSurvive(s *stage) {
	conn := s.amqp(amqp.SASLTypePlain(server.RootKeyName, emulatorKey))
	session, err := conn.NewSession(s.ctx, nil)
	s.must(err)
	snd, err := session.NewSender(s.ctx, "bytes", nil)
	s.must(err)
	sent := &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: []byte{0, 255}, CorrelationID: "c", ContentType: to.Ptr("a/b")},
		ApplicationProperties: map[string]any{"only": int8(-1)},
		Sequence:              [][]any{{uint16(3), "text"}, {}},
		Footer:                amqp.Annotations{"x": []byte{1}},
	}
	want, err := sent.MarshalBinary()
	s.must(err)
	s.must(snd.Send(s.ctx, sent, nil))
	r, err := session.NewReceiver(s.ctx, "bytes", &amqp.ReceiverOptions{SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
	s.must(err)
	m, err := r.Receive(s.ctx, nil)
	s.must(err)
	got, err := (&amqp.Message{Properties: m.Properties, ApplicationProperties: m.ApplicationProperties, Data: m.Data, Value: m.Value, Sequence: m.Sequence, Footer: m.Footer}).MarshalBinary()
	s.must(err)
	if !reflect.DeepEqual(got, want) {
		s.Errorf("encoded\n%x, sent\n%x", got, want)
	}
	s.must(r.AcceptMessage(s.ctx, m))
}
