package amqp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

var enqueued = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// shown renders a message and takes the result apart.
func shown(t *testing.T, m message, s broker.Stored, how showing) (wire.Message, []byte) {
	t.Helper()
	var r renderer
	parts, err := r.render(m.encode(), &s, how)
	if err != nil {
		t.Fatal(err)
	}
	whole := joined(parts)
	out, err := wire.ScanMessage(whole)
	if err != nil {
		t.Fatalf("%v in % x", err, whole)
	}
	return out, whole
}

func sectionOf(t *testing.T, section []byte) wire.Map {
	t.Helper()
	m, err := wire.DecodeSectionMap(section)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBareMessageGoesOutAsItCame(t *testing.T) {
	for name, m := range map[string]message{
		"data":  {properties: &wire.Properties{MessageID: "m"}, application: wire.Map{{Key: "a", Value: nil}, {Key: "b", Value: int32(7)}}, data: "body"},
		"value": {value: wire.Map{{Key: "k", Value: wire.List{"x", nil}}}},
		"none":  {properties: &wire.Properties{}},
	} {
		in, err := wire.ScanMessage(m.encode())
		if err != nil {
			t.Fatal(err)
		}
		out, _ := shown(t, m, broker.Stored{Sequence: 1, Enqueued: enqueued}, showing{})
		if !bytes.Equal(in.Bare, out.Bare) {
			t.Errorf("%s: % x became % x", name, in.Bare, out.Bare)
		}
	}
}

// The Go client's live tests compare a first delivery with exactly these.
func TestAnnotationsOfAFirstDelivery(t *testing.T) {
	lock := broker.LockToken{1, 2, 3}
	out, _ := shown(t, message{
		header:      &wire.Header{Durable: true, Priority: 100},
		delivery:    wire.Map{{Key: wire.Symbol("x-opt-delivery-annotation-test"), Value: "kept"}},
		annotations: wire.Map{{Key: wire.Symbol("x-opt-message-annotation-test"), Value: "kept"}},
		footer:      wire.Map{{Key: wire.Symbol("x-opt-footer-test"), Value: "kept"}},
		data:        "body",
	}, broker.Stored{Sequence: 7, Enqueued: enqueued, LockedUntil: enqueued.Add(time.Minute)}, showing{lock: lock})

	h, err := wire.DecodeHeader(out.Header)
	if err != nil || h != (wire.Header{Durable: true, Priority: 100}) {
		t.Errorf("header %+v, %v", h, err)
	}
	for what, c := range map[string]struct {
		section []byte
		want    wire.Map
	}{
		"delivery": {out.DeliveryAnnotations, wire.Map{
			{Key: wire.Symbol("x-opt-delivery-annotation-test"), Value: "kept"},
			{Key: wire.Symbol("x-opt-lock-token"), Value: wire.UUID(lock)}}},
		"message": {out.MessageAnnotations, wire.Map{
			{Key: wire.Symbol("x-opt-message-annotation-test"), Value: "kept"},
			{Key: wire.Symbol("x-opt-enqueued-time"), Value: wire.TimestampOf(enqueued)},
			{Key: wire.Symbol("x-opt-sequence-number"), Value: int64(7)},
			{Key: wire.Symbol("x-opt-locked-until"), Value: wire.TimestampOf(enqueued.Add(time.Minute))}}},
		"footer": {out.Footer, wire.Map{{Key: wire.Symbol("x-opt-footer-test"), Value: "kept"}}},
	} {
		got := sectionOf(t, c.section)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %v", what, got)
		}
		for _, e := range c.want {
			if v, ok := got.Get(e.Key); !ok || v != e.Value {
				t.Errorf("%s: %v is %v, want %v", what, e.Key, v, e.Value)
			}
		}
	}
}

func TestHeaderIsRebuilt(t *testing.T) {
	for _, c := range []struct {
		name   string
		in     *wire.Header
		stored broker.Stored
		want   wire.Header
	}{
		{"none", nil, broker.Stored{Enqueued: enqueued}, wire.Header{Priority: 4}},
		{"own ttl", &wire.Header{Priority: 4, TTL: wire.Some(uint32(9000))}, broker.Stored{Enqueued: enqueued},
			wire.Header{Priority: 4, TTL: wire.Some(uint32(9000))}},
		{"entity caps ttl", &wire.Header{Priority: 4, TTL: wire.Some(uint32(9000))}, broker.Stored{Enqueued: enqueued, Expires: enqueued.Add(time.Second)},
			wire.Header{Priority: 4, TTL: wire.Some(uint32(1000))}},
		{"entity gives ttl", nil, broker.Stored{Enqueued: enqueued, Expires: enqueued.Add(time.Hour)},
			wire.Header{Priority: 4, TTL: wire.Some(uint32(3600000))}},
		{"years", nil, broker.Stored{Enqueued: enqueued, Expires: enqueued.AddDate(10, 0, 0)},
			wire.Header{Priority: 4, TTL: wire.Some(uint32(1<<32 - 1))}},
		{"failed before", &wire.Header{Priority: 4, DeliveryCount: 40, FirstAcquirer: true}, broker.Stored{Enqueued: enqueued, DeliveryCount: 3},
			wire.Header{Priority: 4, DeliveryCount: 3}},
	} {
		out, _ := shown(t, message{header: c.in, data: "x"}, c.stored, showing{})
		if h, err := wire.DecodeHeader(out.Header); err != nil || h != c.want {
			t.Errorf("%s: got %+v, %v", c.name, h, err)
		}
	}
}

// A message that was received and is sent again carries another broker's words.
func TestForgedAnnotationsAreReplaced(t *testing.T) {
	out, _ := shown(t, message{annotations: wire.Map{
		{Key: wire.Symbol("x-opt-sequence-number"), Value: int64(99)},
		{Key: wire.Symbol("x-opt-locked-until"), Value: wire.Timestamp(99)},
		{Key: wire.Symbol("x-opt-message-state"), Value: int32(1)},
		{Key: wire.Symbol("x-opt-enqueue-sequence-number"), Value: int64(99)},
		{Key: wire.Symbol("x-opt-deadletter-source"), Value: "elsewhere"},
	}, data: "x"}, broker.Stored{Sequence: 1, Enqueued: enqueued}, showing{})
	got := sectionOf(t, out.MessageAnnotations)
	if n, _ := got.Named("x-opt-sequence-number"); len(got) != 2 || n != int64(1) {
		t.Errorf("got %v", got)
	}
}

func TestAnnotationsThatTellAStory(t *testing.T) {
	m := message{data: "x"}
	for _, c := range []struct {
		name   string
		stored broker.Stored
		how    showing
		key    string
		want   any
	}{
		{"peeked", broker.Stored{}, showing{peeked: true}, "x-opt-message-state", int32(0)},
		{"deferred", broker.Stored{State: broker.MessageDeferred}, showing{}, "x-opt-message-state", int32(1)},
		{"scheduled", broker.Stored{State: broker.MessageScheduled}, showing{peeked: true}, "x-opt-message-state", int32(2)},
		{"forwarded", broker.Stored{Sequence: 5, EnqueuedSequence: 5}, showing{}, "x-opt-enqueue-sequence-number", int64(5)},
		{"from a dead-letter queue", broker.Stored{DeadLetterSource: "orders"}, showing{}, "x-opt-deadletter-source", "orders"},
	} {
		c.stored.Enqueued = enqueued
		out, _ := shown(t, m, c.stored, c.how)
		if v, _ := sectionOf(t, out.MessageAnnotations).Named(c.key); v != c.want {
			t.Errorf("%s: got %v", c.name, v)
		}
	}
}

func TestEditsTouchOnlyWhatTheyName(t *testing.T) {
	m := message{
		properties:  &wire.Properties{MessageID: "m", Subject: wire.Some("old"), To: wire.Some("there")},
		application: wire.Map{{Key: "keep", Value: nil}, {Key: "change", Value: int32(1)}, {Key: "drop", Value: true}},
		data:        "body",
	}
	in, _ := wire.ScanMessage(m.encode())
	out, _ := shown(t, m, broker.Stored{Enqueued: enqueued, Edit: &broker.Edit{
		Application: []broker.Property{{Name: "change", Value: "new"}, {Name: "DeadLetterReason", Value: "why"}},
		Removed:     []string{"drop"},
		System:      []broker.Property{{Name: "Label", Value: "fresh"}, {Name: "PartitionKey", Value: "pk"}},
	}}, showing{})

	got := sectionOf(t, out.ApplicationProperties)
	want := wire.Map{{Key: "keep", Value: nil}, {Key: "change", Value: "new"}, {Key: "DeadLetterReason", Value: "why"}}
	if len(got) != len(want) {
		t.Errorf("application properties %v", got)
	}
	for _, e := range want {
		if v, ok := got.Get(e.Key); !ok || v != e.Value {
			t.Errorf("%v is %v, want %v", e.Key, v, e.Value)
		}
	}
	p, err := wire.DecodeProperties(out.Properties)
	if err != nil || p.Subject.Value != "fresh" || p.To.Value != "there" || p.MessageID != "m" {
		t.Errorf("properties %+v, %v", p, err)
	}
	if v, _ := sectionOf(t, out.MessageAnnotations).Named("x-opt-partition-key"); v != "pk" {
		t.Errorf("partition key %v", v)
	}
	if !bytes.Equal(in.Body, out.Body) {
		t.Error("the body changed")
	}
}

func TestBodyCanBeOmitted(t *testing.T) {
	out, whole := shown(t, message{properties: &wire.Properties{MessageID: "m"}, data: strings.Repeat("x", 1000)},
		broker.Stored{Enqueued: enqueued}, showing{peeked: true, omitBody: true})
	if out.Body != nil || len(whole) > 200 || out.Properties == nil {
		t.Errorf("%d bytes", len(whole))
	}
}

func BenchmarkRender(b *testing.B) {
	encoded := message{
		annotations: wire.Map{},
		properties:  &wire.Properties{MessageID: "7c2b9b9e-5a3e-4b0e-9d3e-0d6f6c0c0c0c"},
		data:        strings.Repeat("x", 1024),
	}.encode()
	stored := broker.Stored{Sequence: 1 << 40, Enqueued: enqueued, LockedUntil: enqueued, Expires: enqueued.Add(time.Hour)}
	var r renderer
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.render(encoded, &stored, showing{lock: broker.LockToken{1}}); err != nil {
			b.Fatal(err)
		}
	}
}
