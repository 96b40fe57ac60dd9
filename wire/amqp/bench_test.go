package amqp

import (
	"testing"
)

func BenchmarkDecodeTransfer(b *testing.B) {
	t := Transfer{Handle: 1, DeliveryID: Some(uint32(1000)), DeliveryTag: []byte{1, 2, 3, 4}, MessageFormat: Some(uint32(0)), Settled: Some(false), Batchable: true}
	frame := append(t.Append(nil), make([]byte, 1024)...)
	b.ReportAllocs()
	for b.Loop() {
		var got Transfer
		if _, err := got.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeDisposition(b *testing.B) {
	d := Disposition{Role: RoleReceiver, First: 1000, Last: Some(uint32(1100)), Settled: true, State: Accepted{}}
	frame := d.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		var got Disposition
		if _, err := got.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendDisposition(b *testing.B) {
	d := Disposition{Role: RoleReceiver, First: 1000, Last: Some(uint32(1100)), Settled: true, State: Accepted{}}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrame(dst[:0], FrameAMQP, 0, &d)
	}
}

func BenchmarkScanMessage(b *testing.B) {
	p := Properties{MessageID: "0123456789abcdef", ContentType: Some(Symbol("text/plain"))}
	msg := AppendData(p.Append(nil), make([]byte, 1024))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ScanMessage(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeProperties(b *testing.B) {
	p := Properties{MessageID: "0123456789abcdef", ContentType: Some(Symbol("text/plain"))}
	section := p.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeProperties(section); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMergeAnnotations(b *testing.B) {
	section := AppendSectionMap(nil, DescMessageAnnotations, Map{{Symbol("x-opt-partition-key"), "key"}})
	var set Pairs
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		set.Reset()
		set.SymbolLong("x-opt-sequence-number", 1<<40)
		set.SymbolTime("x-opt-enqueued-time", 1<<40)
		set.SymbolTime("x-opt-locked-until", 1<<40)
		var err error
		if dst, err = MergeSection(dst[:0], DescMessageAnnotations, section, &set); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadApplicationProperties(b *testing.B) {
	section := AppendSectionMap(nil, DescApplicationProperties, Map{{"colour", "red"}, {"size", int32(500)}, {"rush", true}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeSectionMap(section); err != nil {
			b.Fatal(err)
		}
	}
}
