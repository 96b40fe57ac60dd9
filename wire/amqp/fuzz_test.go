package amqp

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// refused checks promise 4: what goes wrong is an *Error with a condition.
func refused(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Condition == "" {
		t.Fatalf("refused with %v", err)
	}
}

// FuzzReadValue: what decodes encodes, and what we encoded decodes to the same bytes.
func FuzzReadValue(f *testing.F) {
	for _, tt := range values {
		for _, enc := range tt.enc {
			f.Add(unhex(f, enc))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := ReadValue(b)
		if err != nil {
			refused(t, err)
			return
		}
		if n, err := Skip(b); err != nil || n != len(b)-len(rest) {
			t.Fatalf("skips %d of %d, %v", n, len(b)-len(rest), err)
		}
		first := AppendValue(nil, v)
		if len(first) > len(b)-len(rest) {
			t.Fatalf("our encoding is longer: %x", first)
		}
		again, rest, err := ReadValue(first)
		if err != nil || len(rest) != 0 {
			t.Fatalf("our encoding %x does not read: %v", first, err)
		}
		if second := AppendValue(nil, again); !bytes.Equal(first, second) {
			t.Fatalf("encodings differ: %x, %x", first, second)
		}
	})
}

func FuzzPerformative(f *testing.F) {
	for _, p := range everyPerformative {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, payload, err := DecodePerformative(b)
		if err != nil {
			refused(t, err)
			return
		}
		first := p.Append(nil)
		again, rest, err := DecodePerformative(append(bytes.Clone(first), payload...))
		if err != nil || !bytes.Equal(rest, payload) {
			t.Fatalf("our encoding %x does not read: %v", first, err)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("encodings differ: %x, %x", first, second)
		}
	})
}

// FuzzScanMessage: the ranges are the whole input, and merging keeps a message scannable.
func FuzzScanMessage(f *testing.F) {
	whole, _ := sample()
	f.Add(whole)
	f.Add(AppendValueBody(nil, "x"))
	f.Add([]byte("\x00\x53\x76\x45\x00\x53\x76\x45"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ScanMessage(b)
		if err != nil {
			refused(t, err)
			return
		}
		if joined := slices.Concat(m.Header, m.DeliveryAnnotations, m.MessageAnnotations, m.Bare, m.Footer); !bytes.Equal(joined, b) {
			t.Fatalf("ranges hold %x of %x", joined, b)
		}
		if bare := slices.Concat(m.Properties, m.ApplicationProperties, m.Body); !bytes.Equal(bare, m.Bare) {
			t.Fatalf("bare message %x, sections %x", m.Bare, bare)
		}
		fuzzSections(t, m)
		var set Pairs
		set.SymbolLong("x-opt-sequence-number", 1)
		annotations, err := MergeSection(nil, DescMessageAnnotations, m.MessageAnnotations, &set, "x-opt-a")
		if err != nil {
			refused(t, err)
			return
		}
		merged := slices.Concat(m.Header, annotations, m.Bare, m.Footer)
		after, err := ScanMessage(merged)
		if err != nil || !bytes.Equal(after.Bare, m.Bare) {
			t.Fatalf("merged message %x: %v", merged, err)
		}
		if v, ok, err := LookupSection(after.MessageAnnotations, "x-opt-sequence-number"); v != int64(1) || !ok || err != nil {
			t.Fatalf("merged annotation %v, %v, %v", v, ok, err)
		}
	})
}

func fuzzSections(t *testing.T, m Message) {
	if h, err := DecodeHeader(m.Header); err == nil {
		if again, err := DecodeHeader(h.Append(nil)); err != nil || again != h {
			t.Fatalf("header %+v reads as %+v, %v", h, again, err)
		}
	}
	if p, err := DecodeProperties(m.Properties); err == nil {
		first := p.Append(nil)
		again, err := DecodeProperties(first)
		if err != nil || !bytes.Equal(again.Append(nil), first) {
			t.Fatalf("properties %+v read as %+v, %v", p, again, err)
		}
	}
	_, _, _ = LookupSection(m.ApplicationProperties, "k")
	_, _ = DecodeSectionMap(m.ApplicationProperties)
	for _, err := range DataSections(m.Body) {
		if err != nil {
			refused(t, err)
		}
	}
}

// FuzzFrames: frames are cut as they were written, however much of the input is there.
func FuzzFrames(f *testing.F) {
	var all []byte
	for i, p := range everyPerformative {
		all = AppendFrame(all, FrameAMQP, uint16(i), p)
	}
	f.Add(all)
	f.Add(AppendFrame(nil, FrameSASL, 0, &SASLOutcome{}))
	f.Add([]byte("\x00\x00\x00\x08\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 4096
		for len(b) > 0 {
			frame, size, need, err := ReadFrame(b, limit)
			if err != nil {
				refused(t, err)
				return
			}
			if size == 0 {
				if need <= len(b) || need > limit {
					t.Fatalf("%d bytes needed, %d are here", need, len(b))
				}
				return
			}
			if size > len(b) || len(frame.Body) > size-FrameHead {
				t.Fatalf("frame of %d with a body of %d", size, len(frame.Body))
			}
			if _, _, err := DecodePerformative(frame.Body); err != nil {
				refused(t, err)
			}
			b = b[size:]
		}
	})
}
