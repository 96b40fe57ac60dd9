package amqp

import (
	"encoding/binary"
	"iter"
)

// BatchFormat is the message format of an envelope whose data sections each
// hold one encoded message.
const BatchFormat uint32 = 0x80013700

// Message is an encoded message cut into its sections (part 3, 3.2). Every
// field is a range of the scanned bytes, descriptors included; nil is absent.
type Message struct {
	Header                []byte
	DeliveryAnnotations   []byte
	MessageAnnotations    []byte
	Properties            []byte
	ApplicationProperties []byte
	Body                  []byte // all body sections
	Footer                []byte

	// Bare runs from Properties to the end of Body: the part that nobody between
	// sender and receiver may change.
	Bare []byte
	// BodyKind is DescData, DescSequence or DescValue, or 0 without a body.
	BodyKind uint64
}

// ScanMessage cuts b into sections. Sections must be known, in order, and single
// but for data and sequence sections; what is inside of them is not looked at.
func ScanMessage(b []byte) (Message, error) {
	var m Message
	last, bareFrom, bareTo := uint64(0), -1, 0
	for at := 0; at < len(b); {
		code, size, err := section(b[at:])
		if err != nil {
			return Message{}, err
		}
		repeats := code == last && (code == DescData || code == DescSequence)
		if code <= last && !repeats || m.BodyKind != 0 && code != DescFooter && !repeats {
			return Message{}, Errorf(ErrDecode, "message section 0x%x after 0x%x", code, last)
		}
		last = code
		end := at + size
		if code >= DescProperties && code <= DescValue {
			if bareFrom < 0 {
				bareFrom = at
			}
			bareTo = end
		}
		m.place(code, b, at, end)
		at = end
	}
	if bareFrom >= 0 {
		m.Bare = b[bareFrom:bareTo:bareTo]
	}
	return m, nil
}

// place stores one section's range; data and sequence sections lengthen the body.
func (m *Message) place(code uint64, b []byte, at, end int) {
	raw := b[at:end:end]
	switch code {
	case DescHeader:
		m.Header = raw
	case DescDeliveryAnnotations:
		m.DeliveryAnnotations = raw
	case DescMessageAnnotations:
		m.MessageAnnotations = raw
	case DescProperties:
		m.Properties = raw
	case DescApplicationProperties:
		m.ApplicationProperties = raw
	case DescFooter:
		m.Footer = raw
	default:
		m.BodyKind = code
		m.Body = b[at-len(m.Body) : end : end]
	}
}

// section returns the descriptor and the size of the message section at the
// start of b, and checks that its value is of the kind the descriptor wants.
func section(b []byte) (code uint64, size int, err error) {
	code, value, err := Descriptor(b)
	if err != nil {
		return 0, 0, err
	}
	if code < DescHeader || code > DescFooter {
		return 0, 0, Errorf(ErrDecode, "0x%x is no message section", code)
	}
	if len(value) == 0 {
		return 0, 0, errShort("message section")
	}
	if !sectionHolds(code, value[0]) {
		return 0, 0, Errorf(ErrDecode, "message section 0x%x has format code 0x%02x", code, value[0])
	}
	n, err := Skip(value)
	return code, len(b) - len(value) + n, err
}

func sectionHolds(code uint64, format byte) bool {
	switch code {
	case DescHeader, DescProperties, DescSequence:
		return format == CodeList0 || format == CodeList8 || format == CodeList32 || format == CodeNull
	case DescData:
		return format == CodeVbin8 || format == CodeVbin32
	case DescValue:
		return true
	}
	return format == CodeMap8 || format == CodeMap32 || format == CodeNull
}

// DataSections iterates over the contents of a body's data sections. It stops at
// the first error, and a section of another kind is one.
func DataSections(body []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(body) > 0 {
			content, rest, err := dataSection(body)
			if !yield(content, err) || err != nil {
				return
			}
			body = rest
		}
	}
}

func dataSection(b []byte) (content, rest []byte, err error) {
	code, size, err := section(b)
	if err != nil {
		return nil, nil, err
	}
	if code != DescData {
		return nil, nil, Errorf(ErrDecode, "message section 0x%x where data is expected", code)
	}
	_, value, _ := Descriptor(b[:size])
	if value[0] == CodeVbin8 {
		return value[2:], b[size:], nil
	}
	return value[5:], b[size:], nil
}

// AppendData appends a data section.
func AppendData(dst, payload []byte) []byte {
	return append(AppendDataHead(dst, len(payload)), payload...)
}

// AppendDataHead appends what stands before the content of a data section of
// size bytes.
func AppendDataHead(dst []byte, size int) []byte {
	dst = append(dst, CodeDescribed, CodeSmallUlong, byte(DescData))
	if size <= 0xff {
		return append(dst, CodeVbin8, byte(size))
	}
	return binary.BigEndian.AppendUint32(append(dst, CodeVbin32), uint32(size))
}

// DecodeValueBody decodes a body that is an amqp-value section.
func DecodeValueBody(body []byte) (any, error) {
	code, value, err := Descriptor(body)
	if err != nil {
		return nil, err
	}
	if code != DescValue {
		return nil, Errorf(ErrDecode, "message section 0x%x where an amqp-value is expected", code)
	}
	v, _, err := ReadValue(value)
	return v, err
}

// AppendValueBody appends an amqp-value section.
func AppendValueBody(dst []byte, v any) []byte {
	return AppendValue(append(dst, CodeDescribed, CodeSmallUlong, byte(DescValue)), v)
}
