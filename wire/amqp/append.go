package amqp

import (
	"encoding/binary"
	"fmt"
	"math"
)

// AppendValue appends the smallest encoding of v. It panics when v, or a value
// inside it, is of a type that the list in this package's types does not name.
func AppendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, CodeNull)
	case bool:
		return AppendBool(dst, v)
	case uint8:
		return append(dst, CodeUbyte, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(dst, CodeUshort), v)
	case uint32:
		return AppendUint(dst, v)
	case uint64:
		return AppendUlong(dst, v)
	case int8:
		return append(dst, CodeByte, byte(v))
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, CodeShort), uint16(v))
	case int32:
		return AppendInt(dst, v)
	case int64:
		return AppendLong(dst, v)
	case Timestamp:
		return AppendTimestamp(dst, v)
	case UUID:
		return AppendUUID(dst, v)
	case []byte:
		return AppendBinary(dst, v)
	case string:
		return AppendString(dst, v)
	case Symbol:
		return AppendSymbol(dst, v)
	case List:
		return appendList(dst, v)
	case Map:
		return appendMap(dst, v)
	case *Described:
		dst = AppendValue(append(dst, CodeDescribed), v.Descriptor)
		return AppendValue(dst, v.Value)
	case Array:
		return appendArray(dst, v)
	}
	return appendRare(dst, v)
}

// appendRare appends the types that messages hardly ever hold.
func appendRare(dst []byte, v any) []byte {
	switch v := v.(type) {
	case float32:
		return binary.BigEndian.AppendUint32(append(dst, CodeFloat), math.Float32bits(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, CodeDouble), math.Float64bits(v))
	case Char:
		return binary.BigEndian.AppendUint32(append(dst, CodeChar), uint32(v))
	case Decimal32:
		return append(append(dst, CodeDecimal32), v[:]...)
	case Decimal64:
		return append(append(dst, CodeDecimal64), v[:]...)
	case Decimal128:
		return append(append(dst, CodeDecimal128), v[:]...)
	case []Symbol:
		return appendArray(dst, arrayOf(CodeSym8, CodeSym32, v))
	case []string:
		return appendArray(dst, arrayOf(CodeStr8, CodeStr32, v))
	case []int64:
		return appendArray(dst, fixedArray(CodeLong, v))
	case []UUID:
		return appendArray(dst, fixedArray(CodeUUID, v))
	case []Timestamp:
		return appendArray(dst, fixedArray(CodeTimestamp, v))
	}
	panic(fmt.Sprintf("amqp: a %T has no encoding", v))
}

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, CodeTrue)
	}
	return append(dst, CodeFalse)
}

// AppendUint appends a uint.
func AppendUint(dst []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(dst, CodeUint0)
	case v <= math.MaxUint8:
		return append(dst, CodeSmallUint, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(dst, CodeUint), v)
}

// AppendUlong appends a ulong.
func AppendUlong(dst []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(dst, CodeUlong0)
	case v <= math.MaxUint8:
		return append(dst, CodeSmallUlong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, CodeUlong), v)
}

// AppendInt appends an int.
func AppendInt(dst []byte, v int32) []byte {
	if int32(int8(v)) == v {
		return append(dst, CodeSmallInt, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(dst, CodeInt), uint32(v))
}

// AppendLong appends a long.
func AppendLong(dst []byte, v int64) []byte {
	if int64(int8(v)) == v {
		return append(dst, CodeSmallLong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, CodeLong), uint64(v))
}

// AppendTimestamp appends a timestamp.
func AppendTimestamp(dst []byte, v Timestamp) []byte {
	return binary.BigEndian.AppendUint64(append(dst, CodeTimestamp), uint64(v))
}

// AppendUUID appends a uuid.
func AppendUUID(dst []byte, v UUID) []byte {
	return append(append(dst, CodeUUID), v[:]...)
}

// AppendBinary appends a binary; nil is an empty one.
func AppendBinary(dst, v []byte) []byte {
	return append(appendSize(dst, CodeVbin8, len(v)), v...)
}

// AppendString appends a string.
func AppendString(dst []byte, v string) []byte {
	return append(appendSize(dst, CodeStr8, len(v)), v...)
}

// AppendSymbol appends a symbol.
func AppendSymbol(dst []byte, v Symbol) []byte {
	return append(appendSize(dst, CodeSym8, len(v)), v...)
}

// appendSize appends the code, in its 8 or 32 bit form, and the size of a value
// of variable width.
func appendSize(dst []byte, code8 byte, size int) []byte {
	if size <= math.MaxUint8 {
		return append(dst, code8, byte(size))
	}
	return binary.BigEndian.AppendUint32(append(dst, code8+0x10), uint32(size))
}

func appendList(dst []byte, list List) []byte {
	dst, start := openCompound(dst)
	for _, v := range list {
		dst = AppendValue(dst, v)
	}
	return closeList(dst, start, len(list))
}

func appendMap(dst []byte, m Map) []byte {
	dst, start := openCompound(dst)
	for i := range m {
		dst = AppendValue(dst, m[i].Key)
		dst = AppendValue(dst, m[i].Value)
	}
	return closeCompound(dst, start, CodeMap8, 2*len(m))
}

// compoundHead is the size of code, size and count in the 32 bit form.
const compoundHead = 9

// openCompound leaves room for the head of a list, map or array; the items are
// appended after it, then closeCompound fills in the head.
func openCompound(dst []byte) (_ []byte, start int) {
	start = len(dst)
	return append(dst, make([]byte, compoundHead)...), start
}

// closeList is closeCompound for a list, which has a form without items.
func closeList(dst []byte, start, count int) []byte {
	if count == 0 {
		return append(dst[:start], CodeList0)
	}
	return closeCompound(dst, start, CodeList8, count)
}

// closeCompound writes the head and moves the items up when the 8 bit form will do.
func closeCompound(dst []byte, start int, code8 byte, count int) []byte {
	items := dst[start+compoundHead:]
	head := dst[start : start+compoundHead]
	if len(items)+1 <= math.MaxUint8 && count <= math.MaxUint8 {
		head[0], head[1], head[2] = code8, byte(len(items)+1), byte(count)
		n := copy(dst[start+3:], items)
		return dst[:start+3+n]
	}
	head[0] = code8 + 0x10
	binary.BigEndian.PutUint32(head[1:], uint32(len(items)+4))
	binary.BigEndian.PutUint32(head[5:], uint32(count))
	return dst
}
