package rest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/iso8601"
	"weir/kernel/fault"
)

// sent are the broker properties that a sender sets. Others that a client gives are
// passed over, as the service does: it gives more than it takes.
type sent struct {
	CorrelationID, MessageID, SessionID, PartitionKey, ViaPartitionKey *string
	Label, To, ReplyTo, ReplyToSessionID, ContentType                  *string
	TimeToLive                                                         time.Duration // 0: none
	Scheduled                                                          time.Time
}

// brokerPropertiesBytesMax bounds the header.
const brokerPropertiesBytesMax = 32 << 10

// parseSent reads broker properties from JSON. Names match without regard to case.
func parseSent(data []byte) (s sent, err error) {
	var fields map[string]any
	if len(data) > brokerPropertiesBytesMax {
		return s, fault.New(fault.TooLarge, "The BrokerProperties have more than %d bytes.", brokerPropertiesBytesMax)
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		return s, fault.Wrap(fault.Invalid, err, "The BrokerProperties must be one JSON object, such as {\"Label\":\"M1\",\"TimeToLive\":10}.")
	}
	for name, v := range fields {
		if v == nil {
			continue
		}
		if err := s.set(strings.ToLower(name), v); err != nil {
			return s, fault.Wrap(fault.Invalid, err, "The broker property '%s' %s.", name, err)
		}
	}
	return s, nil
}

func (s *sent) set(name string, v any) (err error) {
	texts := map[string]**string{
		"correlationid": &s.CorrelationID, "messageid": &s.MessageID, "sessionid": &s.SessionID, "partitionkey": &s.PartitionKey,
		"viapartitionkey": &s.ViaPartitionKey, "label": &s.Label, "to": &s.To, "replyto": &s.ReplyTo, "replytosessionid": &s.ReplyToSessionID,
		"contenttype": &s.ContentType,
	}
	if into, ok := texts[name]; ok {
		text, isText := v.(string)
		if !isText {
			return fmt.Errorf("is no text")
		}
		*into = &text
		return nil
	}
	switch name {
	case "timetolive", "timetolivetimespan":
		s.TimeToLive, err = parseSpan(v)
	case "scheduledenqueuetimeutc":
		s.Scheduled, err = parseMoment(v)
	}
	return err
}

// spanMax is the longest time to live that is told apart from none.
const spanMax = math.MaxInt64 / int64(time.Second)

// parseSpan reads a time to live: seconds, or a length of time as .NET or ISO 8601
// writes it.
func parseSpan(v any) (time.Duration, error) {
	switch x := v.(type) {
	case float64:
		switch {
		case math.IsNaN(x) || x <= 0:
			return 0, fmt.Errorf("must be more than 0 seconds")
		case x >= float64(spanMax):
			return 0, nil // for ever
		}
		return time.Duration(x * float64(time.Second)), nil
	case string:
		if n, err := strconv.ParseFloat(x, 64); err == nil {
			return parseSpan(n)
		}
		if d, err := iso8601.Parse(x); err == nil && d > 0 {
			if d == iso8601.Unlimited {
				return 0, nil
			}
			return d.Std(), nil
		}
		if d, ok := dotNetSpan(x); ok && d > 0 {
			return d, nil
		}
	}
	return 0, fmt.Errorf("is no length of time: write seconds, or 0.00:00:40")
}

// dotNetSpan reads [d.]hh:mm:ss[.fffffff].
func dotNetSpan(text string) (time.Duration, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 || strings.Trim(text, "0123456789.:") != "" {
		return 0, false
	}
	days, hours, ok := strings.Cut(parts[0], ".")
	if !ok {
		days, hours = "0", parts[0]
	}
	d, err1 := strconv.ParseInt(days, 10, 32)
	h, err2 := strconv.ParseInt(hours, 10, 32)
	m, err3 := strconv.ParseInt(parts[1], 10, 32)
	s, err4 := strconv.ParseFloat(parts[2], 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || d < 0 || h < 0 || m < 0 || !(s >= 0 && s < 60) || d > 100_000 || h > 23 || m > 59 {
		return 0, false
	}
	return time.Duration((d*24+h)*60+m)*time.Minute + time.Duration(s*float64(time.Second)), true
}

// parseMoment reads a time as HTTP, RFC 3339 or .NET writes it.
func parseMoment(v any) (time.Time, error) {
	text, _ := v.(string)
	for _, layout := range []string{time.RFC1123, time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "01/02/2006 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("is no time: write one as Sun, 06 Nov 1994 08:49:37 GMT")
}

// ownHeaders are names of headers, in canonical form, that are HTTP's or the service's
// own: they are no properties of a message. Those that begin with an entry of
// ownPrefixes are none either.
var (
	ownHeaders = []string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Age", "Allow", "Authorization", "Brokerproperties", "Cache-Control",
		"Connection", "Cookie", "Date", "Dnt", "Etag", "Expect", "Expires", "Forwarded", "From", "Host", "If-Match", "If-Modified-Since",
		"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Last-Modified", "Link", "Location", "Max-Forwards", "Origin",
		"Pragma", "Range", "Referer", "Request-Id", "Retry-After", "Server", "Servicebusdlqsupplementaryauthorization",
		"Servicebussupplementaryauthorization", "Set-Cookie", "Te", "Traceparent", "Tracestate", "Trailer", "Transfer-Encoding", "Upgrade",
		"User-Agent", "Vary", "Via", "Warning", "Www-Authenticate",
	}
	ownPrefixes = []string{"Content-", "Proxy-", "Sec-", "X-Ms-", "X-Forwarded-", "Access-Control-", "X-Content-", "Weir-"}
)

// isOwn reports whether a header is not a property.
func isOwn(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	_, own := slices.BinarySearch(ownHeaders, name)
	return own || slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// named is one application property.
type named struct {
	name  string
	value any
}

// customProperties reads the application properties from a request's headers, in the
// spelling they came in.
func customProperties(h http.Header, spelling map[string]string) []named {
	var all []named
	for name, values := range h {
		if isOwn(name) || len(values) == 0 {
			continue
		}
		if written, ok := spelling[name]; ok {
			name = written
		}
		all = append(all, named{name, headerValue(strings.Join(values, ","))})
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return all
}

// headerValue reads a value: text in quotes, a number, true or false; anything else is
// text without quotes.
func headerValue(text string) any {
	text = strings.TrimSpace(text)
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		var quoted string
		if json.Unmarshal([]byte(text), &quoted) == nil {
			return quoted
		}
		return text[1 : n-1]
	}
	switch strings.ToLower(text) {
	case "true":
		return true
	case "false":
		return false
	}
	return number(text)
}

// number reads a number as .NET would have it, an int before a long before a double;
// what is none stays text.
func number(text string) any {
	if text == "" || strings.Trim(text, "0123456789+-.eE") != "" {
		return text
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if int64(int32(n)) == n {
			return int32(n)
		}
		return n
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n
	}
	return text
}

// userProperties reads the application properties of a message in a batch.
func userProperties(given map[string]any) ([]named, error) {
	var all []named
	for name, v := range given {
		switch x := v.(type) {
		case nil, string, bool:
			all = append(all, named{name, x})
		case json.Number:
			all = append(all, named{name, number(x.String())})
		default:
			return nil, fault.New(fault.Invalid, "The user property '%s' must be text, a number, true or false.", name)
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return all, nil
}
