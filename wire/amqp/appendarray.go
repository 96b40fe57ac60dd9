package amqp

import (
	"encoding/binary"
	"fmt"
	"math"
)

// arrayOf builds an array of strings or symbols with the narrowest code that
// holds them all.
func arrayOf[T ~string](code8, code32 byte, values []T) Array {
	a := fixedArray(code8, values)
	for _, v := range values {
		if len(v) > math.MaxUint8 {
			a.Code = code32
		}
	}
	return a
}

func fixedArray[T any](code byte, values []T) Array {
	a := Array{Code: code, Items: make([]any, len(values))}
	for i, v := range values {
		a.Items[i] = v
	}
	return a
}

func appendArray(dst []byte, a Array) []byte {
	dst, start := openCompound(dst)
	dst = appendElements(dst, a)
	return closeCompound(dst, start, CodeArray8, len(a.Items))
}

// appendElements appends the constructor and the elements of an array.
func appendElements(dst []byte, a Array) []byte {
	if a.Descriptor != nil {
		dst = AppendValue(append(dst, CodeDescribed), a.Descriptor)
	}
	code := a.Code
	if code == 0 {
		code = CodeNull
		if len(a.Items) > 0 {
			code = wideCode(a.Items[0])
		}
	}
	dst = append(dst, code)
	for _, v := range a.Items {
		dst = appendElement(dst, code, v)
	}
	return dst
}

// wideCode is the code that encodes every value of v's type.
func wideCode(v any) byte {
	switch v.(type) {
	case bool:
		return CodeBool
	case uint32:
		return CodeUint
	case uint64:
		return CodeUlong
	case int32:
		return CodeInt
	case int64:
		return CodeLong
	case []byte:
		return CodeVbin32
	case string:
		return CodeStr32
	case Symbol:
		return CodeSym32
	case List:
		return CodeList32
	case Map:
		return CodeMap32
	case Array:
		return CodeArray32
	}
	// The other types have one code, which the plain encoding starts with.
	return AppendValue(nil, v)[0]
}

// appendElement appends v in the given code, without the code. It panics when the
// code cannot hold the value: the array was built wrong.
func appendElement(dst []byte, code byte, v any) []byte {
	switch code >> 4 {
	case 0xa, 0xb:
		return appendVariableElement(dst, code, v)
	case 0xc, 0xd, 0xe, 0xf:
		return appendCompoundElement(dst, code, v)
	}
	start := len(dst)
	dst, ok := appendFixedElement(dst, code, v)
	if !ok {
		if dst = AppendValue(dst, v); dst[start] != code {
			panic(elementError(code, v))
		}
		n := copy(dst[start:], dst[start+1:])
		dst = dst[:start+n]
	}
	return dst
}

// appendFixedElement handles the types that have more than one fixed-width code.
func appendFixedElement(dst []byte, code byte, v any) (_ []byte, ok bool) {
	switch v := v.(type) {
	case bool:
		if code == CodeBool {
			if v {
				return append(dst, 1), true
			}
			return append(dst, 0), true
		}
	case uint32:
		if code == CodeUint {
			return binary.BigEndian.AppendUint32(dst, v), true
		}
		if code == CodeSmallUint && v <= math.MaxUint8 {
			return append(dst, byte(v)), true
		}
	case uint64:
		if code == CodeUlong {
			return binary.BigEndian.AppendUint64(dst, v), true
		}
		if code == CodeSmallUlong && v <= math.MaxUint8 {
			return append(dst, byte(v)), true
		}
	case int32:
		if code == CodeInt {
			return binary.BigEndian.AppendUint32(dst, uint32(v)), true
		}
	case int64:
		if code == CodeLong {
			return binary.BigEndian.AppendUint64(dst, uint64(v)), true
		}
	}
	return dst, false
}

func appendVariableElement(dst []byte, code byte, v any) []byte {
	var s string
	var kind byte
	switch v := v.(type) {
	case []byte:
		s, kind = string(v), CodeVbin8
	case string:
		s, kind = v, CodeStr8
	case Symbol:
		s, kind = string(v), CodeSym8
	}
	switch {
	case kind != 0 && code == kind+0x10:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	case kind != 0 && code == kind && len(s) <= math.MaxUint8:
		dst = append(dst, byte(len(s)))
	default:
		panic(elementError(code, v))
	}
	return append(dst, s...)
}

func appendCompoundElement(dst []byte, code byte, v any) []byte {
	start := len(dst)
	wide := code&0x10 != 0
	if wide {
		dst = append(dst, make([]byte, 8)...)
	} else {
		dst = append(dst, 0, 0)
	}
	head := len(dst) - start
	dst, count, ok := appendItems(dst, code, v)
	size := len(dst) - start - head/2
	switch {
	case ok && wide:
		binary.BigEndian.PutUint32(dst[start:], uint32(size))
		binary.BigEndian.PutUint32(dst[start+4:], uint32(count))
	case ok && size <= math.MaxUint8 && count <= math.MaxUint8:
		dst[start], dst[start+1] = byte(size), byte(count)
	default:
		panic(elementError(code, v))
	}
	return dst
}

// appendItems appends what follows the count of a list, map or array.
func appendItems(dst []byte, code byte, v any) (_ []byte, count int, ok bool) {
	switch v := v.(type) {
	case List:
		for i := range v {
			dst = AppendValue(dst, v[i])
		}
		return dst, len(v), code == CodeList8 || code == CodeList32
	case Map:
		for i := range v {
			dst = AppendValue(AppendValue(dst, v[i].Key), v[i].Value)
		}
		return dst, 2 * len(v), code == CodeMap8 || code == CodeMap32
	case Array:
		return appendElements(dst, v), len(v.Items), code == CodeArray8 || code == CodeArray32
	}
	return dst, 0, false
}

func elementError(code byte, v any) string {
	return fmt.Sprintf("amqp: array of code 0x%02x cannot hold a %T of this value", code, v)
}
