package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// batchType is the content type of a batch.
const batchType = "application/vnd.microsoft.servicebus.json"

const (
	// batchBytesMax bounds a batch in JSON; its messages are held against the limits of
	// the entity as well.
	batchBytesMax = 4 << 20
	// batchMessagesMax bounds the messages of one.
	batchMessagesMax = 10_000
	// definitionWait is how long a request waits for an entity to be defined.
	definitionWait = 10 * time.Second
)

// message is one on its way in.
type message struct {
	sent
	properties []named
	body       []byte
}

// send takes a message or a batch of them.
func (c *call) send() error {
	most, err := c.messageMax()
	if err != nil {
		return err
	}
	contentType := c.r.Header.Get("Content-Type")
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == batchType {
		most = batchBytesMax
	}
	giveBack, err := c.room(most)
	if err != nil {
		return err
	}
	defer giveBack()
	var list []message
	if kind == batchType {
		list, err = c.batch()
	} else {
		list, err = c.single(contentType, most)
	}
	if err != nil {
		return err
	}
	msgs := make([]broker.Message, len(list))
	for i := range list {
		msgs[i] = list[i].encode()
	}
	var failed error
	err = c.ns.Call(c.r.Context(), func(t *namespace.Turn) { failed = t.Broker.Send(t, c.path, msgs, 0) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	c.meter.Incoming.Add(int64(len(msgs)))
	c.w.Header().Set("Content-Length", "0")
	if contentType != "" {
		c.w.Header().Set("Content-Type", contentType)
	}
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// messageMax finds the entity and the largest message it takes. One that was declared
// just now is waited for.
func (c *call) messageMax() (int64, error) {
	d, ok := c.definition()
	if !ok {
		ctx, cancel := context.WithTimeout(c.r.Context(), definitionWait)
		defer cancel()
		if err := c.ns.Reconcile(ctx); err != nil {
			return 0, err
		}
		if d, ok = c.definition(); !ok {
			return 0, fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", c.path)
		}
	}
	switch {
	case entityOf(c.path) != c.path:
		return 0, fault.New(fault.Conflict, "Messages can not be sent to the sub-queue '%s'.", c.path)
	case d.Kind == broker.Subscription:
		return 0, fault.New(fault.Conflict, "Messages can not be sent to the subscription '%s': send to its topic.", c.path)
	}
	return d.MaxMessageBytes, nil
}

func (c *call) definition() (d broker.Definition, ok bool) {
	c.ns.View(func(b *broker.Broker) { d, ok = b.Definition(entityOf(c.path)) })
	return d, ok
}

// single reads one message: the body is its bytes.
func (c *call) single(contentType string, most int64) ([]message, error) {
	m := message{properties: customProperties(c.r.Header, c.caller.Spelling)}
	if given := c.r.Header.Get("BrokerProperties"); given != "" {
		var err error
		if m.sent, err = parseSent([]byte(given)); err != nil {
			return nil, err
		}
	}
	if m.ContentType == nil && contentType != "" {
		m.ContentType = &contentType
	}
	var err error
	m.body, err = c.read(most)
	return []message{m}, err
}

// Time for a body: as long as the server gives any, and more for one that is large.
const (
	bodyTime           = time.Minute
	bodyBytesPerSecond = 64 << 10
)

// room makes room for a body of up to so many bytes, and time for it to come.
func (c *call) room(most int64) (giveBack func(), err error) {
	expected := most
	if n := c.r.ContentLength; n >= 0 {
		expected = n
	}
	if expected > most {
		return nil, c.tooLarge(most)
	}
	patience := bodyTime + time.Duration(expected/bodyBytesPerSecond)*time.Second
	_ = http.NewResponseController(c.w).SetReadDeadline(wall.Now().Add(patience))
	return c.s.bodies.take(expected)
}

func (c *call) tooLarge(most int64) error {
	return fault.New(fault.TooLarge, "The message or batch is larger than the %d bytes that '%s' takes.", most, c.path)
}

// read reads the body, up to so many bytes.
func (c *call) read(most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, most+1))
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig || int64(len(body)) > most {
		return nil, c.tooLarge(most)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	return body, nil
}

// batched is one message of a batch in JSON.
type batched struct {
	Body             *string
	IsBodyBase64     bool
	BrokerProperties json.RawMessage
	UserProperties   map[string]any
}

// batch reads a batch.
func (c *call) batch() ([]message, error) {
	body, err := c.read(batchBytesMax)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var given []batched
	if err := decoder.Decode(&given); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The batch cannot be read (%s): it must be a JSON array of {\"Body\": \"…\", \"BrokerProperties\": {…}, \"UserProperties\": {…}}.", jsonProblem(err))
	}
	if decoder.More() || len(given) == 0 || len(given) > batchMessagesMax {
		return nil, fault.New(fault.Invalid, "A batch is one JSON array with 1 to %d messages.", batchMessagesMax)
	}
	list := make([]message, len(given))
	for i, g := range given {
		if list[i], err = g.message(); err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "Message %d of the batch: %s", i+1, fault.Sentence(err))
		}
	}
	return list, nil
}

// jsonProblem is what may be shown of an error of the decoder: it names what the client
// wrote and nothing else.
func jsonProblem(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return err.Error()
}

func (g *batched) message() (m message, err error) {
	if g.Body != nil {
		m.body = []byte(*g.Body)
	}
	if g.IsBodyBase64 {
		if m.body, err = base64.StdEncoding.DecodeString(string(m.body)); err != nil {
			return m, fault.Wrap(fault.Invalid, err, "The body is not base64.")
		}
	}
	if len(g.BrokerProperties) > 0 && string(g.BrokerProperties) != "null" {
		if m.sent, err = parseSent(g.BrokerProperties); err != nil {
			return m, err
		}
	}
	m.properties, err = userProperties(g.UserProperties)
	return m, err
}

// encode makes the AMQP sections of a message. One without an id gets one, as over AMQP.
func (m *message) encode() broker.Message {
	if m.MessageID == nil || *m.MessageID == "" {
		id := newID()
		m.MessageID = &id
	}
	out := broker.Message{
		MessageID: *m.MessageID, SessionID: value(m.SessionID), HasSession: m.SessionID != nil,
		PartitionKey: value(m.PartitionKey), ViaPartitionKey: value(m.ViaPartitionKey), TTL: m.TimeToLive, ScheduledAt: m.Scheduled,
	}
	p := wire.Properties{
		MessageID: *m.MessageID, To: optional(m.To), Subject: optional(m.Label), ReplyTo: optional(m.ReplyTo),
		GroupID: optional(m.SessionID), ReplyToGroupID: optional(m.ReplyToSessionID),
	}
	if m.CorrelationID != nil {
		p.CorrelationID = *m.CorrelationID
	}
	if m.ContentType != nil {
		p.ContentType = wire.Some(wire.Symbol(*m.ContentType))
	}
	b := m.header(nil, &p)
	b = m.annotations(b)
	b = p.Append(b)
	if len(m.properties) > 0 {
		pairs := make(wire.Map, len(m.properties))
		for i, x := range m.properties {
			pairs[i] = wire.Entry{Key: x.name, Value: x.value}
		}
		b = wire.AppendSectionMap(b, wire.DescApplicationProperties, pairs)
	}
	out.Encoded = wire.AppendData(b, m.body)
	return out
}

// header writes the time to live, and in the properties what a header has no room for.
func (m *message) header(b []byte, p *wire.Properties) []byte {
	if m.TimeToLive <= 0 {
		return b
	}
	ms := max(m.TimeToLive.Milliseconds(), 1)
	if ms >= math.MaxUint32 {
		now := wire.TimestampOf(wall.Now())
		p.CreationTime, p.AbsoluteExpiryTime = wire.Some(now), wire.Some(now+wire.Timestamp(ms))
		ms = math.MaxUint32
	}
	h := wire.Header{Priority: 4, TTL: wire.Some(uint32(ms))}
	return h.Append(b)
}

func (m *message) annotations(b []byte) []byte {
	var a wire.Map
	add := func(name wire.Symbol, v any) { a = append(a, wire.Entry{Key: name, Value: v}) }
	if m.PartitionKey != nil {
		add("x-opt-partition-key", *m.PartitionKey)
	}
	if m.ViaPartitionKey != nil {
		add("x-opt-via-partition-key", *m.ViaPartitionKey)
	}
	if !m.Scheduled.IsZero() {
		add("x-opt-scheduled-enqueue-time", wire.TimestampOf(m.Scheduled))
	}
	if a == nil {
		return b
	}
	return wire.AppendSectionMap(b, wire.DescMessageAnnotations, a)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func optional(s *string) wire.Optional[string] {
	return wire.Optional[string]{Value: value(s), Set: s != nil}
}

// newID makes an id as the service does: a GUID without hyphens.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
