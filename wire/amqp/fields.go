package amqp

import (
	"encoding/binary"
	"math"
)

// Composite types are described lists. This file reads and writes their fields
// one after the other, without building the list.

// descUnknown is what a descriptor this package has no number for reads as.
const descUnknown = ^uint64(0)

// descriptorNames are the symbolic forms of the descriptors.
var descriptorNames = map[string]uint64{
	"amqp:open:list": DescOpen, "amqp:begin:list": DescBegin, "amqp:attach:list": DescAttach,
	"amqp:flow:list": DescFlow, "amqp:transfer:list": DescTransfer, "amqp:disposition:list": DescDisposition,
	"amqp:detach:list": DescDetach, "amqp:end:list": DescEnd, "amqp:close:list": DescClose,
	"amqp:error:list": DescError, "amqp:received:list": DescReceived, "amqp:accepted:list": DescAccepted,
	"amqp:rejected:list": DescRejected, "amqp:released:list": DescReleased, "amqp:modified:list": DescModified,
	"amqp:source:list": DescSource, "amqp:target:list": DescTarget, "amqp:coordinator:list": DescCoordinator,
	"amqp:declare:list": DescDeclare, "amqp:discharge:list": DescDischarge, "amqp:declared:list": DescDeclared,
	"amqp:transactional-state:list": DescTransactionalState, "amqp:sasl-mechanisms:list": DescSASLMechanisms,
	"amqp:sasl-init:list": DescSASLInit, "amqp:sasl-challenge:list": DescSASLChallenge,
	"amqp:sasl-response:list": DescSASLResponse, "amqp:sasl-outcome:list": DescSASLOutcome,
	"amqp:header:list": DescHeader, "amqp:delivery-annotations:map": DescDeliveryAnnotations,
	"amqp:message-annotations:map": DescMessageAnnotations, "amqp:properties:list": DescProperties,
	"amqp:application-properties:map": DescApplicationProperties, "amqp:data:binary": DescData,
	"amqp:amqp-sequence:list": DescSequence, "amqp:amqp-value:*": DescValue, "amqp:footer:map": DescFooter,
}

// Descriptor returns the number of the descriptor that b starts with and the
// bytes of the value it describes. A descriptor without a known number gives
// the largest uint64.
func Descriptor(b []byte) (code uint64, rest []byte, err error) {
	if len(b) < 3 || b[0] != CodeDescribed {
		return 0, nil, Errorf(ErrDecode, "a described value is missing")
	}
	if b[1] == CodeSmallUlong {
		return uint64(b[2]), b[3:], nil
	}
	n, err := Skip(b[1:])
	if err != nil {
		return 0, nil, err
	}
	name, rest := b[1:1+n], b[1+n:]
	switch name[0] {
	case CodeUlong:
		return binary.BigEndian.Uint64(name[1:]), rest, nil
	case CodeSym8:
		if code, ok := descriptorNames[string(name[2:])]; ok {
			return code, rest, nil
		}
	case CodeSym32:
		if code, ok := descriptorNames[string(name[5:])]; ok {
			return code, rest, nil
		}
	}
	return descUnknown, rest, nil
}

// fields reads the fields of one composite. The first problem stays in err and
// makes every later field absent.
type fields struct {
	b    []byte // not read yet
	n    int    // fields not read yet
	name string // of the composite
	err  error
}

// openFields starts reading the composite with this descriptor at the start of b.
func openFields(b []byte, descriptor uint64, name string) (f fields, rest []byte) {
	f.name = name
	code, b, err := Descriptor(b)
	if err == nil && code != descriptor {
		err = Errorf(ErrDecode, "%s expected, but the descriptor is 0x%x", name, code)
	}
	if err != nil {
		f.err = err
		return f, nil
	}
	return f, f.open(b)
}

// open reads the list's head.
func (f *fields) open(b []byte) (rest []byte) {
	if len(b) == 0 {
		f.err = errShort(f.name)
		return nil
	}
	n, err := bodySize(b[0], b[1:])
	if err != nil {
		f.err = err
		return nil
	}
	body, rest := b[1:1+n], b[1+n:]
	switch b[0] {
	case CodeList0, CodeNull:
	case CodeList8, CodeList32:
		f.n, f.b, f.err = compoundParts(b[0], body)
	default:
		f.err = Errorf(ErrDecode, "%s is no list", f.name)
	}
	return rest
}

// raw returns the next field as encoded, or nil when it is absent.
func (f *fields) raw() []byte {
	if f.n == 0 || f.err != nil {
		return nil
	}
	f.n--
	n, err := Skip(f.b)
	if err != nil {
		f.err = err
		return nil
	}
	b := f.b[:n:n]
	f.b = f.b[n:]
	if b[0] == CodeNull {
		return nil
	}
	return b
}

// number reads an unsigned field of any width, up to maximum.
func (f *fields) number(maximum uint64, field string) (v uint64, set bool) {
	b := f.raw()
	if b == nil {
		return 0, false
	}
	switch b[0] {
	case CodeUint0, CodeUlong0:
	case CodeUbyte, CodeSmallUint, CodeSmallUlong:
		v = uint64(b[1])
	case CodeUshort:
		v = uint64(binary.BigEndian.Uint16(b[1:]))
	case CodeUint:
		v = uint64(binary.BigEndian.Uint32(b[1:]))
	case CodeUlong:
		v = binary.BigEndian.Uint64(b[1:])
	default:
		f.mismatch(b, field)
		return 0, false
	}
	if v > maximum {
		f.err = Errorf(ErrInvalidField, "%s of %s is %d", field, f.name, v)
		return 0, false
	}
	return v, true
}

func (f *fields) mismatch(b []byte, field string) {
	if f.err == nil {
		f.err = Errorf(ErrDecode, "%s of %s has format code 0x%02x", field, f.name, b[0])
	}
}

// need reports a mandatory field that is absent.
func (f *fields) need(set bool, field string) {
	if !set && f.err == nil {
		f.err = Errorf(ErrInvalidField, "%s lacks its %s", f.name, field)
	}
}

func (f *fields) uint(field string) Optional[uint32] {
	v, set := f.number(math.MaxUint32, field)
	return Optional[uint32]{uint32(v), set}
}

func (f *fields) uintOr(fallback uint32, field string) uint32 { return f.uint(field).Or(fallback) }

func (f *fields) needUint(field string) uint32 {
	v, set := f.number(math.MaxUint32, field)
	f.need(set, field)
	return uint32(v)
}

func (f *fields) ushort(field string) Optional[uint16] {
	v, set := f.number(math.MaxUint16, field)
	return Optional[uint16]{uint16(v), set}
}

// mode reads an enumeration of ubyte.
func mode[T ~uint8](f *fields, highest T, field string) Optional[T] {
	v, set := f.number(uint64(highest), field)
	return Optional[T]{T(v), set}
}

func (f *fields) bool(field string) Optional[bool] {
	b := f.raw()
	switch {
	case b == nil:
		return Optional[bool]{}
	case b[0] == CodeTrue, b[0] == CodeFalse:
		return Some(b[0] == CodeTrue)
	case b[0] == CodeBool && b[1] <= 1:
		return Some(b[1] == 1)
	}
	f.mismatch(b, field)
	return Optional[bool]{}
}

func (f *fields) isTrue(field string) bool { return f.bool(field).Value }

// text returns the content of a string or symbol field.
func (f *fields) text(field string) (s string, set bool) {
	b := f.raw()
	if b == nil {
		return "", false
	}
	switch b[0] {
	case CodeStr8, CodeSym8:
		return string(b[2:]), true
	case CodeStr32, CodeSym32:
		return string(b[5:]), true
	}
	f.mismatch(b, field)
	return "", false
}

func (f *fields) string(field string) string {
	s, _ := f.text(field)
	return s
}

func (f *fields) optString(field string) Optional[string] {
	s, set := f.text(field)
	return Optional[string]{s, set}
}

func (f *fields) optSymbol(field string) Optional[Symbol] {
	s, set := f.text(field)
	return Optional[Symbol]{Symbol(s), set}
}

func (f *fields) symbol(field string) Symbol { return Symbol(f.string(field)) }

func (f *fields) timestamp(field string) Optional[Timestamp] {
	b := f.raw()
	if b == nil {
		return Optional[Timestamp]{}
	}
	if b[0] != CodeTimestamp {
		f.mismatch(b, field)
		return Optional[Timestamp]{}
	}
	return Some(Timestamp(binary.BigEndian.Uint64(b[1:])))
}

// binary returns the content of a binary field, not nil when it is present.
func (f *fields) binary(field string) []byte {
	b := f.raw()
	if b == nil {
		return nil
	}
	switch b[0] {
	case CodeVbin8:
		return b[2:]
	case CodeVbin32:
		return b[5:]
	}
	f.mismatch(b, field)
	return nil
}

func (f *fields) any() any {
	b := f.raw()
	if b == nil {
		return nil
	}
	v, _, err := ReadValue(b)
	if err != nil {
		f.err = err
	}
	return v
}

func (f *fields) mapping(field string) Map {
	b := f.raw()
	if b == nil {
		return nil
	}
	v, _, err := ReadValue(b)
	if err != nil {
		f.err = err
		return nil
	}
	m, ok := v.(Map)
	if !ok {
		f.mismatch(b, field)
	}
	return m
}

// symbols reads a field of type symbol with multiple="true": one symbol or an
// array of them.
func (f *fields) symbols(field string) []Symbol {
	b := f.raw()
	if b == nil {
		return nil
	}
	v, _, err := ReadValue(b)
	if err != nil {
		f.err = err
		return nil
	}
	switch v := v.(type) {
	case Symbol:
		return []Symbol{v}
	case string:
		return []Symbol{Symbol(v)}
	case Array:
		return f.symbolArray(v, b, field)
	}
	f.mismatch(b, field)
	return nil
}

func (f *fields) symbolArray(a Array, b []byte, field string) []Symbol {
	list := make([]Symbol, 0, len(a.Items))
	for _, item := range a.Items {
		switch s := item.(type) {
		case Symbol:
			list = append(list, s)
		case string:
			list = append(list, Symbol(s))
		default:
			f.mismatch(b, field)
			return nil
		}
	}
	return list
}
