package amqp

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// sample is a message with every section.
func sample() (whole []byte, parts [][]byte) {
	header := Header{Durable: true, Priority: 4, TTL: Some(uint32(1000)), DeliveryCount: 3}
	properties := Properties{MessageID: "id", Subject: Some("s"), CreationTime: Some(Timestamp(5))}
	parts = [][]byte{
		header.Append(nil),
		AppendSectionMap(nil, DescDeliveryAnnotations, Map{{Symbol("x-d"), int32(1)}}),
		AppendSectionMap(nil, DescMessageAnnotations, Map{{Symbol("x-opt-a"), "1"}, {Symbol("x-opt-b"), int64(2)}}),
		properties.Append(nil),
		AppendSectionMap(nil, DescApplicationProperties, Map{{"k", nil}, {"n", 1.5}}),
		AppendData(AppendData(nil, []byte("one")), []byte("two")),
		AppendSectionMap(nil, DescFooter, Map{{Symbol("f"), true}}),
	}
	return slices.Concat(parts...), parts
}

func TestScanMessage(t *testing.T) {
	whole, parts := sample()
	m, err := ScanMessage(whole)
	want := Message{parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6],
		slices.Concat(parts[3:6]...), DescData}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Fatalf("%+v, %v", m, err)
	}
	for cut := range whole {
		if m, err := ScanMessage(whole[:cut]); err == nil {
			total := len(m.Header) + len(m.DeliveryAnnotations) + len(m.MessageAnnotations) + len(m.Bare) + len(m.Footer)
			if total != cut {
				t.Fatalf("cut to %d: sections hold %d bytes", cut, total)
			}
		}
	}
	m, err = ScanMessage(AppendValueBody(nil, nil))
	if err != nil || m.BodyKind != DescValue || len(m.Bare) != 4 || m.Header != nil {
		t.Errorf("only a value: %+v, %v", m, err)
	}
	if m, err = ScanMessage(nil); err != nil || m.BodyKind != 0 || m.Bare != nil {
		t.Errorf("empty: %+v, %v", m, err)
	}
	m, err = ScanMessage(unhex(t, "00537645 005376c0020140"))
	if err != nil || m.BodyKind != DescSequence || len(m.Body) != 11 {
		t.Errorf("sequences: %+v, %v", m, err)
	}
}

func TestRefusedMessages(t *testing.T) {
	for name, enc := range map[string]string{
		"no section": "45", "unknown section": "00537945", "performative": "00531045",
		"properties before header": "00537345 00537045", "header twice": "00537045 00537045",
		"data then value": "005375a000 00537740", "two values": "00537740 00537740", "data then sequence": "005375a000 00537645",
		"properties after the body": "005375a000 00537345", "data that is a string": "005375a100", "map section that is a list": "00537245",
		"section without value": "005377", "header that is a map": "005370c10100",
	} {
		_, err := ScanMessage(unhex(t, enc))
		var e *Error
		if !errors.As(err, &e) || e.Condition != ErrDecode {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeaderAndProperties(t *testing.T) {
	for _, h := range []Header{
		{Priority: 4},
		{Durable: true, Priority: 9, TTL: Some(uint32(0)), FirstAcquirer: true, DeliveryCount: 300},
	} {
		if got, err := DecodeHeader(h.Append(nil)); err != nil || got != h {
			t.Errorf("%+v reads as %+v, %v", h, got, err)
		}
	}
	if h, err := DecodeHeader(nil); err != nil || h != (Header{Priority: 4}) {
		t.Errorf("absent header: %+v, %v", h, err)
	}
	for _, p := range []Properties{
		{},
		{MessageID: uint64(1), CorrelationID: uuid},
		{MessageID: []byte{1}, UserID: []byte("u"), To: Some("to"), Subject: Some(""), ReplyTo: Some("r"), CorrelationID: "c",
			ContentType: Some(Symbol("t")), ContentEncoding: Some(Symbol("e")), AbsoluteExpiryTime: Some(Timestamp(1)),
			CreationTime: Some(Timestamp(2)), GroupID: Some("g"), GroupSequence: Some(uint32(3)), ReplyToGroupID: Some("rg")},
	} {
		if got, err := DecodeProperties(p.Append(nil)); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v reads as %+v, %v", p, got, err)
		}
	}
	if _, err := DecodeProperties(unhex(t, "005373 c0020141")); err == nil {
		t.Error("a boolean message-id was accepted")
	}
}

func TestMapSections(t *testing.T) {
	_, parts := sample()
	if v, ok, err := LookupSection(parts[4], "n"); v != 1.5 || !ok || err != nil {
		t.Errorf("n: %v, %v, %v", v, ok, err)
	}
	null := unhex(t, "00537440")
	if m, err := ScanMessage(null); err != nil || !bytes.Equal(m.ApplicationProperties, null) {
		t.Errorf("null section: %+v, %v", m, err)
	}
	if m, err := DecodeSectionMap(null); m != nil || err != nil {
		t.Errorf("null section: %v, %v", m, err)
	}
	if _, ok, err := LookupSection(null, "n"); ok || err != nil {
		t.Errorf("null section: %v, %v", ok, err)
	}
	if v, ok, err := LookupSection(parts[4], "k"); v != nil || !ok || err != nil {
		t.Errorf("k: %v, %v, %v", v, ok, err)
	}
	if _, ok, err := LookupSection(parts[4], "none"); ok || err != nil {
		t.Errorf("none: %v, %v", ok, err)
	}
	if _, ok, err := LookupSection(nil, "n"); ok || err != nil {
		t.Errorf("absent: %v, %v", ok, err)
	}
	if m, err := DecodeSectionMap(nil); m != nil || err != nil {
		t.Errorf("absent: %v, %v", m, err)
	}
	if _, err := DecodeSectionMap(parts[0]); err == nil {
		t.Error("a header is a map")
	}
}

func TestMergeSection(t *testing.T) {
	// The kept entry is encoded as no encoder of ours would.
	section := unhex(t, "005372 d10000002a 00000006 b3000000016b 81 0000000000000001 a3047265706c 40 a30464726f70 b10000000101")
	section[4+3] = byte(len(section) - 8)
	var set Pairs
	set.SymbolLong("repl", 5)
	set.SymbolTime("t", 6)
	got, err := MergeSection([]byte{9}, DescMessageAnnotations, section, &set, "drop")
	want := unhex(t, "09 005372 c12506 b3000000016b 81 0000000000000001 a3047265706c 5505 a30174 83 0000000000000006")
	if want[5] = byte(len(want) - 6); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("merged %x, want %x, %v", got, want, err)
	}
	if got, err := MergeSection(nil, DescMessageAnnotations, nil, nil); err != nil || len(got) != 0 {
		t.Errorf("nothing with nothing: %x, %v", got, err)
	}
	got, err = MergeSection(nil, DescApplicationProperties, nil, &set)
	if m, derr := DecodeSectionMap(got); err != nil || derr != nil || len(m) != 2 {
		t.Errorf("only new ones: %v, %v, %v", m, err, derr)
	}
	if got, err := MergeSection([]byte{1}, DescMessageAnnotations, section[:12], &set); err == nil || len(got) != 1 {
		t.Errorf("cut section: %x, %v", got, err)
	}
}

func TestPairs(t *testing.T) {
	var p Pairs
	p.SymbolInt("i", 1)
	p.SymbolString("s", "v")
	p.SymbolUUID("u", uuid)
	p.AddString("a", "b")
	p.Add("any", List{})
	p.AddEncoded("enc", []byte{CodeNull})
	section, err := MergeSection(nil, DescMessageAnnotations, nil, &p)
	want := Map{{Symbol("i"), int32(1)}, {Symbol("s"), "v"}, {Symbol("u"), uuid}, {"a", "b"}, {"any", List{}}, {"enc", nil}}
	if m, derr := DecodeSectionMap(section); err != nil || derr != nil || !reflect.DeepEqual(m, want) || p.Len() != 6 {
		t.Errorf("%v, %v, %v", m, err, derr)
	}
	if p.Reset(); p.Len() != 0 {
		t.Error("reset pairs are not empty")
	}
}

func TestBatch(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 300)
	body := AppendData(AppendData(nil, long), nil)
	var got [][]byte
	for d, err := range DataSections(body) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	if len(got) != 2 || !bytes.Equal(got[0], long) || len(got[1]) != 0 {
		t.Errorf("sections %x", got)
	}
	for _, bad := range [][]byte{AppendValueBody(nil, nil), body[:9], {1}} {
		var last error
		for _, err := range DataSections(bad) {
			last = err
		}
		if last == nil {
			t.Errorf("%x has no error", bad)
		}
	}
	if v, err := DecodeValueBody(AppendValueBody(nil, "x")); v != "x" || err != nil {
		t.Errorf("value body: %v, %v", v, err)
	}
	if _, err := DecodeValueBody(body); err == nil {
		t.Error("data decodes as a value")
	}
}
