package bus

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
)

// contentMax bounds a message's content.
const contentMax = 100 << 20

// entity is where messages are.
type entity struct {
	queue, topic, subscription string
	dead                       bool
}

func (e entity) sub() azservicebus.SubQueue {
	if e.dead {
		return azservicebus.SubQueueDeadLetter
	}
	return 0
}

// String is the entity's path.
func (e entity) String() string {
	s := e.queue
	if e.topic != "" {
		s = e.topic + "/subscriptions/" + e.subscription
	}
	if e.dead {
		s += "/$deadletterqueue"
	}
	return s
}

// token writes a lock token as Service Bus does: a GUID, the first parts of which are
// little endian on the wire. The SDK has it in the order of the text.
func token(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseToken(s string) (b [16]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(b) {
		return b, refused("The lock token %q is none: it is the lockToken of a message that was received under a lock.", s)
	}
	copy(b[:], raw)
	return b, nil
}

// body is a message as built-in operations show it.
func body(m *azservicebus.ReceivedMessage) *object {
	o := expression.NewObject("contentData", contentOf(m))
	put := func(name string, v any) {
		if v != nil {
			o = o.With(name, v)
		}
	}
	put("contentType", str(m.ContentType))
	put("userProperties", properties(m.ApplicationProperties))
	put("messageId", m.MessageID)
	if m.LockToken != [16]byte{} {
		put("lockToken", token(m.LockToken))
	}
	put("sessionId", str(m.SessionID))
	put("to", str(m.To))
	put("replyTo", str(m.ReplyTo))
	put("replyToSession", str(m.ReplyToSessionID))
	put("label", str(m.Subject))
	put("correlationId", str(m.CorrelationID))
	put("partitionKey", str(m.PartitionKey))
	put("scheduledEnqueueTimeUtc", stamp(m.ScheduledEnqueueTime))
	if m.TimeToLive != nil {
		put("timeToLive", span(*m.TimeToLive))
	}
	put("deadletterSource", str(m.DeadLetterSource))
	put("deadLetterReason", str(m.DeadLetterReason))
	put("deadLetterErrorDescription", str(m.DeadLetterErrorDescription))
	put("deliveryCount", int64(m.DeliveryCount))
	put("enqueuedSequenceNumber", number(m.EnqueuedSequenceNumber))
	put("enqueuedTimeUtc", stamp(m.EnqueuedTime))
	put("lockedUntilUtc", stamp(m.LockedUntil))
	put("sequenceNumber", number(m.SequenceNumber))
	return o
}

// contentOf is a message's content: JSON where it says that it is and is, text where it is
// text, else bytes.
func contentOf(m *azservicebus.ReceivedMessage) any {
	kind := ""
	if m.ContentType != nil {
		kind = *m.ContentType
	}
	if kind == "" {
		if utf8.Valid(m.Body) {
			return string(m.Body)
		}
		return content.Raw("", m.Body)
	}
	v, err := content.Read(kind, m.Body)
	if err != nil {
		if utf8.Valid(m.Body) {
			return string(m.Body)
		}
		return content.Raw(kind, m.Body)
	}
	if v == nil {
		return ""
	}
	return v
}

func properties(all map[string]any) any {
	if len(all) == 0 {
		return expression.NewObject()
	}
	text, err := json.Marshal(plain(all)) // sorted by name
	if err != nil {
		return expression.NewObject()
	}
	v, _ := expression.ParseJSON(string(text))
	return v
}

// plain makes values of JSON of those AMQP has.
func plain(all map[string]any) map[string]any {
	out := make(map[string]any, len(all))
	for name, v := range all {
		switch v := v.(type) {
		case time.Time:
			out[name] = v.UTC().Format(time.RFC3339Nano)
		case []byte:
			out[name] = base64.StdEncoding.EncodeToString(v)
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				out[name] = fmt.Sprint(v)
				continue
			}
			out[name] = v
		case string, bool, nil, int64, int32, int16, int8, uint64, uint32, uint16, uint8, int, float32:
			out[name] = v
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}

func str(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func number(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

func stamp(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.9999999Z")
}

// span writes a duration as .NET does: 1.02:03:04.
func span(d time.Duration) string {
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	s := fmt.Sprintf("%02d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if f := d % time.Second; f > 0 {
		s += fmt.Sprintf(".%07d", f/100)
	}
	if days > 0 {
		s = strconv.FormatInt(int64(days), 10) + "." + s
	}
	return s
}

// message reads what an operation sends; id is given to a message that names none.
func message(v any, id string) (*azservicebus.Message, error) {
	o, ok := v.(*object)
	if !ok {
		return nil, refused("A message is an object with contentData.")
	}
	m := &azservicebus.Message{MessageID: &id}
	var kind string
	var data any
	for _, f := range o.Members {
		if f.Value == nil {
			continue
		}
		value := expression.Text(f.Value)
		var err error
		switch strings.ToLower(f.Name) {
		case "contentdata":
			data = f.Value
		case "contenttype":
			kind = value
		case "contenttransferencoding": // said of what comes, nothing to do with what is sent
		case "messageid":
			m.MessageID = text1(value, &id)
		case "sessionid":
			m.SessionID = text1(value, nil)
		case "partitionkey":
			m.PartitionKey = text1(value, nil)
		case "correlationid":
			m.CorrelationID = text1(value, nil)
		case "label", "subject":
			m.Subject = text1(value, nil)
		case "to":
			m.To = text1(value, nil)
		case "replyto":
			m.ReplyTo = text1(value, nil)
		case "replytosessionid", "replytosession":
			m.ReplyToSessionID = text1(value, nil)
		case "scheduledenqueuetimeutc":
			m.ScheduledEnqueueTime, err = moment(value)
		case "timetolive":
			m.TimeToLive, err = life(f.Value)
		case "userproperties", "properties":
			m.ApplicationProperties, err = application(f.Value)
		case "locktoken", "sequencenumber", "enqueuedsequencenumber", "deliverycount", "enqueuedtimeutc", "lockeduntilutc", "deadlettersource", "deadletterreason", "deadlettererrordescription": // of a message that was received and is sent on
		default:
			return nil, refused("A message has no property %q: it has contentData, contentType, messageId, sessionId, partitionKey, correlationId, label, to, replyTo, replyToSessionId, scheduledEnqueueTimeUtc, timeToLive and userProperties.", f.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	bytes, written, err := content.Write(data, kind)
	if err != nil {
		return nil, refused("The content of the message cannot be written: %s.", err)
	}
	if len(bytes) > contentMax {
		return nil, refused("The content of the message has %d bytes, more than %d.", len(bytes), contentMax)
	}
	m.Body = bytes
	if kind == "" {
		if _, isText := data.(string); !isText {
			kind = written
		}
	}
	m.ContentType = text1(kind, nil)
	return m, nil
}

func text1(s string, or *string) *string {
	if s == "" {
		return or
	}
	return &s
}

func moment(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.9999999", "2006-01-02 15:04:05", "1/2/2006 3:04:05 PM"} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Year() <= 1 { // .NET's way to say none
				return nil, nil
			}
			return &t, nil
		}
	}
	return nil, refused("The scheduledEnqueueTimeUtc %q is no time: write it as 2026-01-31T12:00:00Z.", s)
}

// life reads a time to live: ticks, 1.02:03:04 or PT1H.
func life(v any) (*time.Duration, error) {
	s := expression.Text(v)
	if s == "" {
		return nil, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return limited(n), nil
	}
	if d, err := iso8601.Parse(s); err == nil {
		return limited(int64(d)), nil
	}
	days, rest, ok := strings.Cut(s, ".")
	if !ok || strings.Contains(days, ":") {
		days, rest = "0", s
	}
	var n, h, m int64
	var sec float64
	if _, err := fmt.Sscanf(days+" "+strings.ReplaceAll(rest, ":", " "), "%d %d %d %f", &n, &h, &m, &sec); err != nil || n < 0 || h > 23 || m > 59 || sec >= 60 {
		return nil, refused("The timeToLive %q is no time: write it as PT1H, 01:00:00 or in ticks.", s)
	}
	return limited(((n*24+h)*60+m)*60*10_000_000 + int64(sec*10_000_000)), nil
}

// limited is so many ticks; what is longer than a duration can be is no limit.
func limited(ticks int64) *time.Duration {
	if ticks <= 0 || ticks > math.MaxInt64/100 {
		return nil
	}
	d := time.Duration(ticks * 100)
	return &d
}

func application(v any) (map[string]any, error) {
	o, ok := v.(*object)
	if !ok {
		return nil, refused("userProperties are an object of names and values.")
	}
	all := map[string]any{}
	for _, m := range o.Members {
		switch v := m.Value.(type) {
		case nil, bool, string, int64, float64:
			all[m.Name] = v
		case []any, *object:
			return nil, refused("The user property %q is no single value: make it a text with string().", m.Name)
		default:
			all[m.Name] = expression.Text(v)
		}
	}
	return all, nil
}
