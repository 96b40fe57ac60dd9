package amqp

import (
	"encoding/binary"
	"math"
)

// depthMax is how many descriptions, lists, maps and arrays may stand inside
// each other.
const depthMax = 32

// A value may hold one item (of lists, maps and arrays, at any depth) per byte of
// input, and itemsSlack more since array elements can be without bytes (null,
// true, empty list, ...), but never more than itemsMax.
const (
	itemsSlack = 256
	itemsMax   = 1 << 20
)

// ReadValue decodes the value at the start of b and returns what follows it.
// Binaries alias b.
func ReadValue(b []byte) (v any, rest []byte, err error) {
	r := reader{items: min(len(b)+itemsSlack, itemsMax)}
	return r.value(b, 0)
}

// Skip returns the number of bytes of the value at the start of b, descriptors
// included. It does not look inside lists, maps and arrays.
func Skip(b []byte) (int, error) {
	at := 0
	for depth, pending := 0, 1; pending > 0; pending-- {
		if at >= len(b) {
			return 0, errShort("value")
		}
		code := b[at]
		at++
		if code == CodeDescribed {
			if depth++; depth > depthMax {
				return 0, errDeep()
			}
			pending += 2
			continue
		}
		n, err := bodySize(code, b[at:])
		if err != nil {
			return 0, err
		}
		at += n
	}
	return at, nil
}

// bodySize returns how many bytes of b the value with this format code takes,
// its size field included. The upper half of a code tells, also for codes that
// are not assigned yet.
func bodySize(code byte, b []byte) (int, error) {
	var n uint64
	switch code >> 4 {
	case 0x4:
		return 0, nil
	case 0x5, 0x6, 0x7, 0x8, 0x9:
		n = 1 << (code>>4 - 5)
	case 0xa, 0xc, 0xe:
		if len(b) < 1 {
			return 0, errShort("size")
		}
		n = 1 + uint64(b[0])
	case 0xb, 0xd, 0xf:
		if len(b) < 4 {
			return 0, errShort("size")
		}
		n = 4 + uint64(binary.BigEndian.Uint32(b))
	default:
		return 0, errCode(code)
	}
	if n > uint64(len(b)) {
		return 0, errShort("value")
	}
	return int(n), nil
}

// reader decodes one value; items is how many items it still accepts.
type reader struct{ items int }

// take pays for count items before memory is taken for them.
func (r *reader) take(count int) error {
	if count > r.items {
		return Errorf(ErrDecode, "value of too many items")
	}
	r.items -= count
	return nil
}

func (r *reader) value(b []byte, depth int) (any, []byte, error) {
	if len(b) == 0 {
		return nil, nil, errShort("value")
	}
	if b[0] == CodeDescribed {
		return r.described(b[1:], depth)
	}
	return r.coded(b[0], b[1:], depth)
}

func (r *reader) described(b []byte, depth int) (any, []byte, error) {
	if depth >= depthMax {
		return nil, nil, errDeep()
	}
	descriptor, b, err := r.value(b, depth+1)
	if err != nil {
		return nil, nil, err
	}
	v, b, err := r.value(b, depth+1)
	if err != nil {
		return nil, nil, err
	}
	return &Described{Descriptor: descriptor, Value: v}, b, nil
}

// coded decodes a value whose format code was read already.
func (r *reader) coded(code byte, b []byte, depth int) (any, []byte, error) {
	n, err := bodySize(code, b)
	if err != nil {
		return nil, nil, err
	}
	body, rest := b[:n], b[n:]
	var v any
	switch code >> 4 {
	case 0x4, 0x5, 0x6, 0x7:
		v, err = smallFixed(code, body)
	case 0x8, 0x9:
		v, err = largeFixed(code, body)
	case 0xa:
		v, err = variable(code&0xf, body[1:])
	case 0xb:
		v, err = variable(code&0xf, body[4:])
	case 0xc, 0xd:
		v, err = r.compound(code, body, depth)
	default:
		v, err = r.array(code, body, depth)
	}
	return v, rest, err
}

// smallFixed decodes the types of zero to four bytes.
func smallFixed(code byte, b []byte) (any, error) {
	switch code {
	case CodeNull:
		return nil, nil
	case CodeTrue:
		return true, nil
	case CodeFalse:
		return false, nil
	case CodeUint0:
		return uint32(0), nil
	case CodeUlong0:
		return uint64(0), nil
	case CodeList0:
		return List{}, nil
	case CodeUbyte:
		return b[0], nil
	case CodeByte:
		return int8(b[0]), nil
	case CodeSmallUint:
		return uint32(b[0]), nil
	case CodeSmallUlong:
		return uint64(b[0]), nil
	case CodeSmallInt:
		return int32(int8(b[0])), nil
	case CodeSmallLong:
		return int64(int8(b[0])), nil
	case CodeBool:
		if b[0] > 1 {
			return nil, Errorf(ErrDecode, "boolean is 0x%02x", b[0])
		}
		return b[0] == 1, nil
	case CodeUshort:
		return binary.BigEndian.Uint16(b), nil
	case CodeShort:
		return int16(binary.BigEndian.Uint16(b)), nil
	case CodeUint:
		return binary.BigEndian.Uint32(b), nil
	case CodeInt:
		return int32(binary.BigEndian.Uint32(b)), nil
	case CodeFloat:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case CodeChar:
		return Char(binary.BigEndian.Uint32(b)), nil
	case CodeDecimal32:
		return Decimal32(b), nil
	}
	return nil, errCode(code)
}

// largeFixed decodes the types of eight and sixteen bytes.
func largeFixed(code byte, b []byte) (any, error) {
	switch code {
	case CodeUlong:
		return binary.BigEndian.Uint64(b), nil
	case CodeLong:
		return int64(binary.BigEndian.Uint64(b)), nil
	case CodeDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case CodeTimestamp:
		return Timestamp(binary.BigEndian.Uint64(b)), nil
	case CodeDecimal64:
		return Decimal64(b), nil
	case CodeDecimal128:
		return Decimal128(b), nil
	case CodeUUID:
		return UUID(b), nil
	}
	return nil, errCode(code)
}

// variable decodes a binary, string or symbol by the lower half of its code.
func variable(kind byte, b []byte) (any, error) {
	switch kind {
	case CodeVbin8 & 0xf:
		return b[:len(b):len(b)], nil
	case CodeStr8 & 0xf:
		return string(b), nil
	case CodeSym8 & 0xf:
		return Symbol(b), nil
	}
	return nil, errCode(0xa0 | kind)
}

// errShort says that the input ends inside what.
func errShort(what string) *Error { return Errorf(ErrDecode, "input ends inside a %s", what) }

func errDeep() *Error { return Errorf(ErrDecode, "values nest deeper than %d", depthMax) }

func errCode(code byte) *Error { return Errorf(ErrDecode, "unknown format code 0x%02x", code) }
