package amqp

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	wire "weir/wire/amqp"
)

// message is a message to encode in tests, section by section.
type message struct {
	header      *wire.Header
	delivery    wire.Map
	annotations wire.Map
	properties  *wire.Properties
	application wire.Map
	data        string
	value       any
	footer      wire.Map
}

func (m message) encode() []byte {
	var b []byte
	if m.header != nil {
		b = m.header.Append(b)
	}
	if m.delivery != nil {
		b = wire.AppendSectionMap(b, wire.DescDeliveryAnnotations, m.delivery)
	}
	if m.annotations != nil {
		b = wire.AppendSectionMap(b, wire.DescMessageAnnotations, m.annotations)
	}
	if m.properties != nil {
		b = m.properties.Append(b)
	}
	if m.application != nil {
		b = wire.AppendSectionMap(b, wire.DescApplicationProperties, m.application)
	}
	if m.value != nil {
		b = wire.AppendValueBody(b, m.value)
	} else {
		b = wire.AppendData(b, []byte(m.data))
	}
	if m.footer != nil {
		b = wire.AppendSectionMap(b, wire.DescFooter, m.footer)
	}
	return b
}

func TestIdentify(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 6e6, time.UTC)
	encoded := message{
		header: &wire.Header{Durable: true, Priority: 9, TTL: wire.Some(uint32(1500))},
		annotations: wire.Map{
			{Key: wire.Symbol("x-opt-partition-key"), Value: "pk"},
			{Key: wire.Symbol("x-opt-via-partition-key"), Value: "vpk"},
			{Key: wire.Symbol("x-opt-scheduled-enqueue-time"), Value: wire.TimestampOf(at)},
			{Key: wire.Symbol("x-other"), Value: wire.List{int32(1), "x"}},
		},
		properties: &wire.Properties{MessageID: "m1", GroupID: wire.Some("s1"), To: wire.Some("x"), UserID: []byte("u")},
		data:       "body",
	}.encode()
	m, err := identify(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if m.MessageID != "m1" || m.SessionID != "s1" || !m.HasSession || m.PartitionKey != "pk" || m.ViaPartitionKey != "vpk" ||
		m.TTL != 1500*time.Millisecond || !m.ScheduledAt.Equal(at) || &m.Encoded[0] != &encoded[0] {
		t.Errorf("got %+v", m)
	}
}

func TestIdentifyKindsOfIDs(t *testing.T) {
	for _, c := range []struct {
		id   any
		want string
	}{
		{nil, ""}, {"text", "text"}, {uint64(7), "7"}, {[]byte{1, 0xab}, "01ab"},
		{wire.UUID{15: 1}, "00000000-0000-0000-0000-000000000001"},
	} {
		m, err := identify(message{properties: &wire.Properties{MessageID: c.id}}.encode())
		if err != nil || m.MessageID != c.want {
			t.Errorf("%v: got %q, %v", c.id, m.MessageID, err)
		}
	}
}

// An empty session id is a session id, and not the absence of one.
func TestIdentifyEmptySession(t *testing.T) {
	m, err := identify(message{properties: &wire.Properties{GroupID: wire.Some("")}}.encode())
	if err != nil || !m.HasSession || m.SessionID != "" {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, _ := identify(message{properties: &wire.Properties{}}.encode()); m.HasSession {
		t.Error("no group-id is no session")
	}
}

// A header has no room for more than 49 days: .NET then sends the largest number
// and two time stamps.
func TestIdentifyLongLife(t *testing.T) {
	created := wire.Timestamp(1e12)
	m, err := identify(message{
		header: &wire.Header{Priority: 4, TTL: wire.Some(uint32(1<<32 - 1))},
		properties: &wire.Properties{
			CreationTime: wire.Some(created), AbsoluteExpiryTime: wire.Some(created + 100*24*3600*1000),
		},
	}.encode())
	if err != nil || m.TTL != 100*24*time.Hour {
		t.Errorf("got %v, %v", m.TTL, err)
	}
	m, err = identify(message{header: &wire.Header{Priority: 4, TTL: wire.Some(uint32(1<<32 - 1))}}.encode())
	if err != nil || m.TTL != 0 {
		t.Errorf("the largest number alone means no limit: got %v, %v", m.TTL, err)
	}
}

func TestIdentifyRefuses(t *testing.T) {
	long := strings.Repeat("x", identityCharsMax+1)
	if _, err := identify(message{properties: &wire.Properties{MessageID: long}}.encode()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a long id: got %v", err)
	}
	if _, err := identify(message{properties: &wire.Properties{MessageID: strings.Repeat("é", identityCharsMax)}}.encode()); err != nil {
		t.Errorf("characters are counted, not bytes: %v", err)
	}
	whole := message{properties: &wire.Properties{MessageID: "m"}, data: "body"}.encode()
	for i := 1; i < len(whole)-6; i++ {
		if i == len(whole)-len(message{data: "body"}.encode()) {
			continue // the cut falls between two sections
		}
		if _, err := identify(whole[:i]); err == nil {
			t.Errorf("%d of %d bytes were taken for a message", i, len(whole))
		}
	}
}

// rhea writes the footer before the body.
func TestSectionsArePutInOrder(t *testing.T) {
	in := message{properties: &wire.Properties{MessageID: "m"}, footer: wire.Map{{Key: wire.Symbol("f"), Value: "v"}}, value: "body"}
	want := in.encode()
	s, err := wire.ScanMessage(want)
	if err != nil {
		t.Fatal(err)
	}
	mixed := slices.Concat(s.Properties, s.Footer, s.Body)
	m, err := identify(mixed)
	if err != nil || m.MessageID != "m" || !bytes.Equal(m.Encoded, want) {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := identify(slices.Concat(want, want)); err == nil {
		t.Error("two messages are not one")
	}
}

// The JavaScript client can not settle a message without an id.
func TestMessagesWithoutIDGetOne(t *testing.T) {
	for name, in := range map[string]message{
		"no properties":    {header: &wire.Header{Durable: true, Priority: 4}, annotations: wire.Map{{Key: wire.Symbol("k"), Value: "v"}}, data: "body"},
		"empty properties": {properties: &wire.Properties{}, data: "body"},
		"others set": {properties: &wire.Properties{Subject: wire.Some("s"), GroupID: wire.Some("g"), ReplyToGroupID: wire.Some("r")},
			application: wire.Map{{Key: "k", Value: nil}}, data: "body", footer: wire.Map{{Key: wire.Symbol("f"), Value: "v"}}},
	} {
		m, err := identify(in.encode())
		if err == nil {
			m, err = withID(m)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := identify(m.Encoded)
		if err != nil || again.MessageID != m.MessageID || len(m.MessageID) != 36 {
			t.Errorf("%s: got %+v, %v", name, again, err)
		}
		if in.properties == nil {
			in.properties = &wire.Properties{}
		}
		in.properties.MessageID = m.MessageID
		want, _ := wire.ScanMessage(in.encode())
		got, _ := wire.ScanMessage(m.Encoded)
		wp, _ := wire.DecodeProperties(want.Properties)
		gp, err := wire.DecodeProperties(got.Properties)
		want.Properties, want.Bare, got.Properties, got.Bare = nil, nil, nil, nil
		if err != nil || !reflect.DeepEqual(wp, gp) || !reflect.DeepEqual(want, got) {
			t.Errorf("%s: got %+v %+v, %v", name, got, gp, err)
		}
	}
}

func BenchmarkIdentify(b *testing.B) {
	encoded := message{
		header:      &wire.Header{Priority: 4},
		annotations: wire.Map{{Key: wire.Symbol("x-opt-partition-key"), Value: "pk"}},
		properties:  &wire.Properties{MessageID: "7c2b9b9e-5a3e-4b0e-9d3e-0d6f6c0c0c0c", ContentType: wire.Some(wire.Symbol("text/plain"))},
		data:        strings.Repeat("x", 1024),
	}.encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := identify(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
