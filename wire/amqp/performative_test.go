package amqp

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
)

var everyPerformative = []Performative{
	&Open{ContainerID: "c", MaxFrameSize: math.MaxUint32, ChannelMax: math.MaxUint16},
	&Open{ContainerID: "c", Hostname: "h", MaxFrameSize: 512, ChannelMax: 0, IdleTimeout: 1000,
		OutgoingLocales: []Symbol{"en"}, IncomingLocales: []Symbol{"de", "fr"}, OfferedCapabilities: []Symbol{"o"},
		DesiredCapabilities: []Symbol{"d"}, Properties: Map{{Symbol("product"), "x"}}},
	&Begin{HandleMax: math.MaxUint32},
	&Begin{RemoteChannel: Some(uint16(3)), NextOutgoingID: 1, IncomingWindow: 2, OutgoingWindow: 300, HandleMax: 255,
		OfferedCapabilities: []Symbol{}, DesiredCapabilities: []Symbol{"d"}, Properties: Map{}},
	&Attach{Name: "l", Handle: 1, Role: RoleReceiver},
	&Attach{Name: "l", Handle: 300, Role: RoleSender, SenderSettleMode: Some(SenderSettled), ReceiverSettleMode: Some(ReceiverSecond),
		Source: &Source{Address: "q", Durable: 1, ExpiryPolicy: "never", Timeout: 5, Dynamic: true,
			DynamicNodeProperties: Map{{Symbol("lifetime"), nil}}, DistributionMode: "move",
			Filter:         Map{{Symbol("f"), &Described{uint64(0x137000000c), nil}}},
			DefaultOutcome: Released{}, Outcomes: []Symbol{"amqp:accepted:list"}, Capabilities: []Symbol{"queue"}},
		Target: &Target{Address: "t", Durable: 2, ExpiryPolicy: "link-detach", Timeout: 1, Dynamic: true,
			DynamicNodeProperties: Map{}, Capabilities: []Symbol{"topic"}},
		Unsettled: Map{{[]byte{1}, nil}}, IncompleteUnsettled: true, InitialDeliveryCount: Some(uint32(0)), MaxMessageSize: 1 << 40,
		OfferedCapabilities: []Symbol{"a"}, DesiredCapabilities: []Symbol{"b"}, Properties: Map{{Symbol("p"), uint32(1)}}},
	&Attach{Name: "txn", Role: RoleSender, Source: &Source{}, Coordinator: &Coordinator{Capabilities: []Symbol{"amqp:local-transactions"}},
		InitialDeliveryCount: Some(uint32(7))},
	&Flow{},
	&Flow{NextIncomingID: Some(uint32(0)), IncomingWindow: 1, NextOutgoingID: 2, OutgoingWindow: 3, Handle: Some(uint32(4)),
		DeliveryCount: Some(uint32(5)), LinkCredit: Some(uint32(6)), Available: Some(uint32(7)), Drain: true, Echo: true, Properties: Map{}},
	&Transfer{Handle: 5},
	&Transfer{Handle: 1, DeliveryID: Some(uint32(2)), DeliveryTag: []byte{3}, MessageFormat: Some(uint32(0x80013700)), Settled: Some(false),
		More: true, ReceiverSettleMode: Some(ReceiverFirst), State: TransactionalState{TxnID: []byte{1}}, Resume: true, Aborted: true, Batchable: true},
	&Disposition{Role: RoleSender, First: 1},
	&Disposition{Role: RoleReceiver, First: 1, Last: Some(uint32(9)), Settled: true, State: Accepted{}, Batchable: true},
	&Disposition{Role: RoleReceiver, State: Rejected{Error: &Error{Condition: ErrNotFound, Description: "no", Info: Map{{Symbol("k"), "v"}}}}},
	&Disposition{Role: RoleReceiver, State: Rejected{}},
	&Disposition{Role: RoleReceiver, State: Released{}},
	&Disposition{Role: RoleReceiver, State: Modified{DeliveryFailed: true, UndeliverableHere: true, Annotations: Map{{"a", nil}}}},
	&Disposition{Role: RoleReceiver, State: Received{SectionNumber: 1, SectionOffset: 1 << 33}},
	&Disposition{Role: RoleReceiver, State: Declared{TxnID: []byte("t")}},
	&Disposition{Role: RoleReceiver, State: TransactionalState{TxnID: []byte("t"), Outcome: Accepted{}}},
	&Disposition{Role: RoleReceiver, State: UnknownState{&Described{Symbol("com.example:state"), List{true}}}},
	&Detach{Handle: 1},
	&Detach{Handle: 1, Closed: true, Error: &Error{Condition: ErrStolen}},
	&End{}, &End{Error: Errorf(ErrWindowViolation, "window %d", 0)},
	&Close{}, &Close{Error: &Error{Condition: ErrConnectionForced}},
	&SASLMechanisms{Mechanisms: []Symbol{"ANONYMOUS", "PLAIN"}},
	&SASLInit{Mechanism: "PLAIN", InitialResponse: []byte("\x00u\x00p"), Hostname: "h"},
	&SASLInit{Mechanism: "ANONYMOUS"},
	&SASLChallenge{Challenge: []byte{}}, &SASLResponse{Response: []byte{1}},
	&SASLOutcome{Code: SASLAuth}, &SASLOutcome{Code: SASLOK, AdditionalData: []byte{1}},
}

func TestPerformativesRoundTrip(t *testing.T) {
	for _, p := range everyPerformative {
		b := p.Append(nil)
		got, payload, err := DecodePerformative(append(bytes.Clone(b), 1, 2))
		if err != nil || !reflect.DeepEqual(got, p) || len(payload) != 2 {
			t.Errorf("%#v\nreads as %#v, payload %x, %v", p, got, payload, err)
		}
		for cut := range b {
			if _, _, err := DecodePerformative(b[:cut]); err == nil {
				t.Errorf("%T cut to %d of %d bytes reads without error", p, cut, len(b))
			}
		}
	}
}

// TestPerformativeForms reads what other peers write.
func TestPerformativeForms(t *testing.T) {
	for _, tt := range []struct {
		name, enc string
		want      Performative
	}{
		{"wide descriptor, wide list", "00 8000000000000000 18 d00000000400000000", &Close{}},
		{"symbolic descriptor", "00 a30f 616d71703a636c6f73653a6c697374 45", &Close{}},
		{"unknown field at the end", "00 5317 c00502 40 a10178", &End{}},
		{"wide numbers and booleans", "00 5316 c00802 70 00000001 56 01", &Detach{Handle: 1, Closed: true}},
		{"explicit nulls", "00 5316 c0050352 01 4040", &Detach{Handle: 1}},
		{"one symbol for many", "00 5340 c00401 a30150", &SASLMechanisms{Mechanisms: []Symbol{"P"}}},
		{"sender without delivery count", "00 5312 c00603 a1016c 43 42", &Attach{Name: "l"}},
		{"null for a list", "00 5318 40", &Close{}},
		{"number in another width", "00 5316 c00301 50 01", &Detach{Handle: 1}},
		{"container id as symbol", "00 5310 c00401 a30163", &Open{ContainerID: "c", MaxFrameSize: math.MaxUint32, ChannelMax: math.MaxUint16}},
	} {
		p, _, err := DecodePerformative(unhex(t, tt.enc))
		if err != nil || !reflect.DeepEqual(p, tt.want) {
			t.Errorf("%s: %#v, %v", tt.name, p, err)
		}
	}
}

func TestRefusedPerformatives(t *testing.T) {
	for _, tt := range []struct {
		name, enc string
		want      Symbol
	}{
		{"not described", "45", ErrDecode},
		{"nothing", "", ErrDecode},
		{"unknown descriptor", "00 53ff 45", ErrNotImplemented},
		{"unknown symbol", "00 a30178 45", ErrNotImplemented},
		{"huge descriptor", "00 800001000000000010 45", ErrNotImplemented},
		{"map for a list", "00 5318 c10100", ErrDecode},
		{"no list", "00 5318", ErrDecode},
		{"mandatory field missing", "00 5310 45", ErrInvalidField},
		{"mandatory field null", "00 5314 c0020140", ErrInvalidField},
		{"handle too large", "00 5314 c00a01 800000000100000000", ErrInvalidField},
		{"settle mode 7", "00 5312 c00804 a1016c 43 41 5007", ErrInvalidField},
		{"number for a string", "00 5310 c0020143", ErrDecode},
		{"list for a map", "00 5313 c00e0b 40 43 43 43 4040404040 40 45", ErrDecode},
		{"error without condition", "00 5318 c00501 00 531d 45", ErrInvalidField},
		{"state not described", "00 5315 c00605 41 43 40 40 43", ErrDecode},
		{"source of another type", "00 5312 c00c06 a1016c 43 41 40 40 00 5377 45", ErrDecode},
		{"txn in a txn", "00 5315 c01505 41 43 40 40 00 5334 c00b02 a000 00 5334 c00301 a000", ErrDecode},
	} {
		p, _, err := DecodePerformative(unhex(t, tt.enc))
		var e *Error
		if !errors.As(err, &e) || e.Condition != tt.want {
			t.Errorf("%s: %#v, %v", tt.name, p, err)
		}
	}
}

func TestFrames(t *testing.T) {
	b := AppendFrame(nil, FrameAMQP, 0x102, &Close{})
	if want := unhex(t, "0000000c 02 00 0102 00531845"); !bytes.Equal(b, want) {
		t.Fatalf("frame %x", b)
	}
	for cut := range b {
		if _, n, need, err := ReadFrame(b[:cut], 512); n != 0 || err != nil || need <= cut {
			t.Fatalf("cut to %d: size %d, need %d, %v", cut, n, need, err)
		}
	}
	f, n, _, err := ReadFrame(append(b, 9), 512)
	if err != nil || n != 12 || f.Channel != 0x102 || f.Type != FrameAMQP || len(f.Body) != 4 {
		t.Fatalf("%+v, %d, %v", f, n, err)
	}
	f, n, _, err = ReadFrame(unhex(t, "0000000d 03 01 0000 deadbeef 77"), 512)
	if err != nil || n != 13 || f.Type != FrameSASL || !bytes.Equal(f.Body, []byte{0x77}) {
		t.Fatalf("extended header: %+v, %d, %v", f, n, err)
	}
	for name, enc := range map[string]string{
		"too large": "00000201 02 00 0000", "too small": "00000007 02 00 0000", "offset in the head": "00000008 01 00 0000",
		"offset beyond": "00000008 03 00 0000", "type": "00000008 02 02 0000",
	} {
		_, _, _, err := ReadFrame(unhex(t, enc), 512)
		var e *Error
		if !errors.As(err, &e) || e.Condition != ErrConnectionFraming {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTransactionRequests(t *testing.T) {
	d := Discharge{TxnID: []byte("t"), Fail: true}
	var got Discharge
	if _, err := got.Decode(d.Append(nil)); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v, %v", got, err)
	}
	var declare Declare
	if _, err := declare.Decode((&Declare{GlobalID: "g"}).Append(nil)); err != nil || declare.GlobalID != "g" {
		t.Errorf("%+v, %v", declare, err)
	}
	if _, err := got.Decode((&Declare{}).Append(nil)); err == nil {
		t.Error("a declare reads as a discharge")
	}
}
