package amqp

import (
	"bytes"
	"encoding/hex"
	"time"
)

// The Go types of AMQP values, as ReadValue returns and AppendValue takes them:
//
//	null nil          boolean bool       ubyte uint8     ushort uint16
//	uint uint32       ulong uint64       byte int8       short int16
//	int int32         long int64         float float32   double float64
//	decimal32/64/128 Decimal32/64/128    char Char       timestamp Timestamp
//	uuid UUID         binary []byte      string string   symbol Symbol
//	list List         map Map            array Array     described *Described
//
// AppendValue also takes []Symbol, []string, []int64, []UUID and []Timestamp,
// which it encodes as arrays.
type (
	// Symbol is an ASCII name from a constrained domain.
	Symbol string
	// Char is one Unicode code point.
	Char rune
	// Timestamp counts milliseconds since the Unix epoch.
	Timestamp int64
	// UUID is in RFC 4122 order, as it is on the wire.
	UUID [16]byte
	// Decimal32 holds IEEE 754-2008 decimal32, big endian, undecoded.
	Decimal32 [4]byte
	// Decimal64 holds IEEE 754-2008 decimal64, big endian, undecoded.
	Decimal64 [8]byte
	// Decimal128 holds IEEE 754-2008 decimal128, big endian, undecoded.
	Decimal128 [16]byte
	// List is a sequence of values of any type.
	List []any
	// Map is a map in wire order.
	Map []Entry
)

// Entry is one key and value of a Map.
type Entry struct{ Key, Value any }

// Array is a sequence of values that share one constructor: the element Code
// and, for described elements, the Descriptor. Items hold the elements without
// the descriptor. A zero Code lets AppendValue take the code from the first item.
type Array struct {
	Descriptor any
	Code       byte
	Items      []any
}

// Described is a value with a descriptor, most often a uint64 or a Symbol.
type Described struct{ Descriptor, Value any }

// Optional is a field that can be absent.
type Optional[T any] struct {
	Value T
	Set   bool
}

// Some returns a present field.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Set: true} }

// Or returns the value, or fallback when it is absent.
func (o Optional[T]) Or(fallback T) T {
	if o.Set {
		return o.Value
	}
	return fallback
}

// Get returns the value of the first entry whose key equals key, in type too.
func (m Map) Get(key any) (any, bool) {
	for i := range m {
		if same(m[i].Key, key) {
			return m[i].Value, true
		}
	}
	return nil, false
}

// Named returns the value of the first entry whose key is the string or the
// symbol name.
func (m Map) Named(name string) (any, bool) {
	for i := range m {
		switch k := m[i].Key.(type) {
		case Symbol:
			if string(k) == name {
				return m[i].Value, true
			}
		case string:
			if k == name {
				return m[i].Value, true
			}
		}
	}
	return nil, false
}

// same compares two AMQP values, also those Go cannot compare with ==.
func same(a, b any) bool {
	switch x := a.(type) {
	case []byte:
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	case List, Map, Array, *Described:
		return bytes.Equal(AppendValue(nil, a), AppendValue(nil, b))
	}
	switch b.(type) {
	case []byte, List, Map, Array, *Described:
		return false
	}
	return a == b
}

// Time returns the timestamp as a UTC time.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// TimestampOf returns t in milliseconds, cut down.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMilli()) }

// String returns the usual form, 8-4-4-4-12 lower-case hexadecimal digits.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
