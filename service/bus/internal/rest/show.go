package rest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"weir/kernel/fault"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/filter"
	wire "weir/wire/amqp"
)

// received are the broker properties that a receiver is told, in the order of the
// service.
type received struct {
	CorrelationID        string  `json:"CorrelationId,omitempty"`
	DeadLetterSource     string  `json:"DeadLetterSource,omitempty"`
	DeliveryCount        uint32  `json:"DeliveryCount"`
	EnqueuedSequence     int64   `json:"EnqueuedSequenceNumber"`
	EnqueuedTime         string  `json:"EnqueuedTimeUtc"`
	Label                string  `json:"Label,omitempty"`
	LockToken            string  `json:"LockToken,omitempty"`
	LockedUntil          string  `json:"LockedUntilUtc,omitempty"`
	MessageID            string  `json:"MessageId"`
	PartitionKey         string  `json:"PartitionKey,omitempty"`
	ReplyTo              string  `json:"ReplyTo,omitempty"`
	ReplyToSessionID     string  `json:"ReplyToSessionId,omitempty"`
	ScheduledEnqueueTime string  `json:"ScheduledEnqueueTimeUtc,omitempty"`
	SequenceNumber       int64   `json:"SequenceNumber"`
	SessionID            *string `json:"SessionId,omitempty"`
	State                string  `json:"State"`
	TimeToLive           float64 `json:"TimeToLive,omitempty"` // seconds; absent: for ever
	To                   string  `json:"To,omitempty"`
	ViaPartitionKey      string  `json:"ViaPartitionKey,omitempty"`
}

var states = map[broker.MessageState]string{broker.MessageActive: "Active", broker.MessageDeferred: "Deferred", broker.MessageScheduled: "Scheduled"}

// content is a message taken apart.
type content struct {
	properties  wire.Properties
	application wire.Map
	annotations wire.Map
	body        []byte
	bodyType    string // where the message names none
}

// open takes a message apart, with what has changed since it came.
func open(encoded []byte, edit *broker.Edit) (c content, err error) {
	s, err := wire.ScanMessage(encoded)
	if err != nil {
		return c, err
	}
	if c.properties, err = wire.DecodeProperties(s.Properties); err != nil {
		return c, err
	}
	if c.application, err = wire.DecodeSectionMap(s.ApplicationProperties); err != nil {
		return c, err
	}
	if c.annotations, err = wire.DecodeSectionMap(s.MessageAnnotations); err != nil {
		return c, err
	}
	if edit != nil {
		c.apply(edit)
	}
	c.body, c.bodyType, err = bodyOf(s)
	return c, err
}

// bodyOf is what HTTP carries of a body: the bytes of data sections, the text or bytes
// of a value. Other bodies go as they are encoded.
func bodyOf(s wire.Message) (body []byte, kind string, err error) {
	switch s.BodyKind {
	case wire.DescData:
		for piece, err := range wire.DataSections(s.Body) {
			if err != nil {
				return nil, "", err
			}
			if body == nil {
				body = piece[:len(piece):len(piece)] // most messages have one: it is not copied
				continue
			}
			body = append(body, piece...)
		}
		return body, "", nil
	case wire.DescValue:
		v, err := wire.DecodeValueBody(s.Body)
		if err != nil {
			return nil, "", err
		}
		switch x := v.(type) {
		case nil:
			return nil, "", nil
		case string:
			return []byte(x), "text/plain; charset=utf-8", nil
		case []byte:
			return x, "", nil
		}
	}
	return s.Body, "application/amqp", nil
}

// apply lays changes over a message.
func (c *content) apply(e *broker.Edit) {
	c.application = slices.DeleteFunc(c.application, func(x wire.Entry) bool {
		name, _ := x.Key.(string)
		return slices.Contains(e.Removed, name) || slices.ContainsFunc(e.Application, func(p broker.Property) bool { return p.Name == name })
	})
	for _, p := range e.Application {
		c.application = append(c.application, wire.Entry{Key: p.Name, Value: p.Value})
	}
	for _, p := range e.System {
		c.applySystem(p)
	}
}

func (c *content) applySystem(set broker.Property) {
	text, some := set.Value.(string)
	optional := wire.Optional[string]{Value: text, Set: some}
	p := &c.properties
	switch set.Name {
	case filter.SysMessageID:
		p.MessageID = set.Value
	case filter.SysCorrelationID:
		p.CorrelationID = set.Value
	case filter.SysContentType:
		p.ContentType = wire.Optional[wire.Symbol]{Value: wire.Symbol(text), Set: some}
	case filter.SysTo:
		p.To = optional
	case filter.SysLabel:
		p.Subject = optional
	case filter.SysReplyTo:
		p.ReplyTo = optional
	case filter.SysSessionID:
		p.GroupID = optional
	case filter.SysReplyToSessionID:
		p.ReplyToGroupID = optional
	case filter.SysPartitionKey:
		c.annotate("x-opt-partition-key", set.Value)
	case filter.SysViaPartitionKey:
		c.annotate("x-opt-via-partition-key", set.Value)
	}
}

func (c *content) annotate(name wire.Symbol, v any) {
	c.annotations = slices.DeleteFunc(c.annotations, func(x wire.Entry) bool { return x.Key == any(name) })
	c.annotations = append(c.annotations, wire.Entry{Key: name, Value: v})
}

func (c *content) annotation(name string) string {
	v, _ := c.annotations.Named(name)
	return idText(v)
}

// idText is the text of an id of any type an id can have.
func idText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case wire.Symbol:
		return string(x)
	case []byte:
		return hex.EncodeToString(x)
	case wire.UUID:
		return x.String()
	}
	return fmt.Sprint(v)
}

// httpTime is how times are written, which are UTC.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func lockedUntil(t time.Time) string {
	return fmt.Sprintf(`{"LockedUntilUtc":"%s"}`, httpTime(t))
}

// told gathers the broker properties of a delivery.
func (c *content) told(d *broker.Delivery, mode broker.Mode) received {
	m, p := &d.Message, &c.properties
	t := received{
		CorrelationID: idText(p.CorrelationID), DeadLetterSource: m.DeadLetterSource, DeliveryCount: m.DeliveryCount + 1,
		EnqueuedSequence: m.EnqueuedSequence, EnqueuedTime: httpTime(m.Enqueued), Label: p.Subject.Value, MessageID: idText(p.MessageID),
		PartitionKey: c.annotation("x-opt-partition-key"), ReplyTo: p.ReplyTo.Value, ReplyToSessionID: p.ReplyToGroupID.Value,
		SequenceNumber: m.Sequence, State: states[m.State], To: p.To.Value, ViaPartitionKey: c.annotation("x-opt-via-partition-key"),
	}
	if m.HasSession {
		t.SessionID = &m.SessionID
	}
	if mode == broker.PeekLock {
		t.LockToken, t.LockedUntil = wire.UUID(d.Lock).String(), httpTime(m.LockedUntil)
	}
	if !m.Expires.IsZero() {
		t.TimeToLive = max(m.Expires.Sub(m.Enqueued).Seconds(), 0)
	}
	if v, ok := c.annotations.Named("x-opt-scheduled-enqueue-time"); ok {
		if at, ok := v.(wire.Timestamp); ok {
			t.ScheduledEnqueueTime = httpTime(at.Time())
		}
	}
	return t
}

// show answers with a message.
func (c *call) show(d *broker.Delivery, mode broker.Mode) error {
	encoded, err := c.fetch(d)
	if err != nil {
		return err
	}
	m, err := open(encoded, d.Message.Edit)
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "The message %d can not be read.", d.Message.Sequence)
	}
	if c.r.Context().Err() != nil {
		return fault.New(fault.Canceled, "The client is gone.")
	}
	h := c.w.Header()
	m.headers(h)
	told := m.told(d, mode)
	properties, err := json.Marshal(told)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The properties of the message %d can not be written.", told.SequenceNumber)
	}
	h["BrokerProperties"] = []string{ascii(properties)} // as the service spells it
	h.Set("Content-Length", strconv.Itoa(len(m.body)))
	h.Set("Cache-Control", "no-store")
	h["Content-Type"] = nil
	if kind := string(m.properties.ContentType.Value); kind != "" && isHeaderText(kind) {
		h.Set("Content-Type", kind)
	} else if m.bodyType != "" {
		h.Set("Content-Type", m.bodyType)
	}
	status := http.StatusOK
	if mode == broker.PeekLock {
		status = http.StatusCreated
		h.Set("Location", c.location(told))
	}
	c.w.WriteHeader(status)
	if _, err := c.w.Write(m.body); err == nil {
		err = http.NewResponseController(c.w).Flush()
	}
	if err != nil {
		c.giveBack(d, mode, nil)
	}
	return nil // the answer has begun: nothing else can be said
}

// location is where a locked message is settled.
func (c *call) location(t received) string {
	u := url.URL{Scheme: "http", Host: c.r.Host, Path: fmt.Sprintf("/%s/messages/%d/%s", c.path, t.SequenceNumber, t.LockToken)}
	if c.caller.TLS {
		u.Scheme = "https"
	}
	return u.String()
}

// headers writes the application properties. A name or a value that HTTP can not carry
// is told of in a header of ours: over AMQP it is there.
func (c *content) headers(h http.Header) {
	var left []string
	for _, x := range c.application {
		name, _ := x.Key.(string)
		text, ok := headerText(x.Value)
		if !ok || !isToken(name) || isOwn(name) {
			left = append(left, name)
			continue
		}
		h[name] = []string{text} // as it is spelled
	}
	if left != nil {
		names, _ := json.Marshal(left) // texts always can be
		h.Set("Weir-Properties-Left-Out", ascii(names))
	}
}

// isToken reports whether a text can be the name of a header, that no proxy or client
// takes for its own.
func isToken(name string) bool {
	if name == "" || textproto.TrimString(name) != name {
		return false
	}
	for _, r := range name {
		if r >= utf8.RuneSelf || !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)) {
			return false
		}
	}
	return true
}

// isHeaderText reports whether a text can be the value of a header.
func isHeaderText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// headerText writes a value: text and times in quotes, numbers, true and false without.
func headerText(v any) (string, bool) {
	quoted := func(text string) string {
		b, _ := json.Marshal(text) // a text always can be
		return ascii(b)
	}
	switch x := v.(type) {
	case nil:
		return `""`, true
	case string:
		return quoted(x), true
	case wire.Symbol:
		return quoted(string(x)), true
	case bool:
		return strconv.FormatBool(x), true
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return fmt.Sprint(x), true
	case float32, float64:
		return fmt.Sprint(x), true
	case wire.Timestamp:
		return quoted(httpTime(x.Time())), true
	case time.Time:
		return quoted(httpTime(x)), true
	case wire.UUID:
		return quoted(x.String()), true
	case wire.Char:
		return quoted(string(rune(x))), true
	}
	return "", false
}

// ascii writes what is not ASCII in JSON as its escapes, for a header has nothing else.
func ascii(encoded []byte) string {
	var b bytes.Buffer
	for _, r := range string(encoded) {
		switch {
		case r < 0x7f: // a deletion is not printed either
			b.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+(r>>10), 0xDC00+(r&0x3FF))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
