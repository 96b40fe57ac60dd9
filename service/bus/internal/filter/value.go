package filter

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
)

// TimeSpan is a length of time in ticks of 100 ns. Unlike time.Duration it holds
// the service's longest, about 29,000 years, which means "for ever".
type TimeSpan int64

// GUID is an identifier in RFC 4122 byte order.
type GUID [16]byte

// String writes the identifier as 8-4-4-4-12 hexadecimal digits.
func (g GUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], g[:4])
	hex.Encode(b[9:13], g[4:6])
	hex.Encode(b[14:18], g[6:8])
	hex.Encode(b[19:23], g[8:10])
	hex.Encode(b[24:], g[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// kind is the type of a value during evaluation. The integer kinds are in the
// order C# widens them, and every number lies between i8 and dec.
type kind uint8

const (
	unknown kind = iota // a user property that is not there
	null
	boolean
	i8
	u8
	i16
	u16
	i32
	u32
	i64
	u64
	f32
	f64
	dec
	text
	blob
	instant // bits is ticks since the year 1
	span    // bits is ticks
	guid
	opaque // a list, a map: it exists, and that is all
)

// value is one operand. Small kinds live in bits, so that evaluating a filter
// allocates nothing; ref keeps what does not fit, as the properties gave it.
type value struct {
	kind kind
	bits uint64
	text string
	ref  any
}

const (
	ticksPerSecond = 10_000_000
	yearOneToUnix  = 62_135_596_800 // seconds from the year 1 to 1970
)

func boolValue(b bool) value {
	if b {
		return value{kind: boolean, bits: 1}
	}
	return value{kind: boolean}
}

func intValue(k kind, n int64) value     { return value{kind: k, bits: uint64(n)} }
func floatValue(k kind, f float64) value { return value{kind: k, bits: math.Float64bits(f)} }
func textValue(s string) value           { return value{kind: text, text: s} }

// float reads an f32 or f64, both of which are kept as the bits of a float64.
func (v value) float() float64 { return math.Float64frombits(v.bits) }

// valueOf takes what the properties or the parameters gave.
func valueOf(x any) value {
	switch x := x.(type) {
	case nil:
		return value{kind: null}
	case string:
		return textValue(x)
	case bool:
		return boolValue(x)
	case int64:
		return intValue(i64, x)
	case int32:
		return intValue(i32, int64(x))
	case float64:
		return floatValue(f64, x)
	case time.Time:
		return value{kind: instant, bits: uint64(ticksOf(x))}
	case time.Duration:
		return value{kind: span, bits: uint64(int64(x) / 100)}
	case TimeSpan:
		return value{kind: span, bits: uint64(x)}
	}
	return rareValueOf(x)
}

func rareValueOf(x any) value {
	switch n := x.(type) {
	case int8:
		return intValue(i8, int64(n))
	case int16:
		return intValue(i16, int64(n))
	case int:
		return intValue(i64, int64(n))
	case uint8:
		return value{kind: u8, bits: uint64(n)}
	case uint16:
		return value{kind: u16, bits: uint64(n)}
	case uint32:
		return value{kind: u32, bits: uint64(n)}
	case uint64:
		return value{kind: u64, bits: n}
	case float32:
		return floatValue(f32, float64(n))
	case Decimal:
		return value{kind: dec, ref: x}
	case []byte:
		return value{kind: blob, ref: x}
	case GUID:
		return value{kind: guid, ref: x}
	}
	return value{kind: opaque, ref: x}
}

// external gives a value back as the Go type it has for Properties.
func (v value) external() any {
	switch v.kind {
	case boolean:
		return v.bits != 0
	case i8:
		return int8(v.bits)
	case u8:
		return uint8(v.bits)
	case i16:
		return int16(v.bits)
	case u16:
		return uint16(v.bits)
	case i32:
		return int32(v.bits)
	case u32:
		return uint32(v.bits)
	case i64:
		return int64(v.bits)
	case u64:
		return v.bits
	case f32:
		return float32(v.float())
	case f64:
		return v.float()
	case text:
		return v.text
	case instant:
		return timeOf(int64(v.bits))
	case span:
		return TimeSpan(v.bits)
	}
	return v.ref // nil for unknown and null
}

func ticksOf(t time.Time) int64 {
	return (t.Unix()+yearOneToUnix)*ticksPerSecond + int64(t.Nanosecond()/100)
}

func timeOf(ticks int64) time.Time {
	return time.Unix(ticks/ticksPerSecond-yearOneToUnix, ticks%ticksPerSecond*100).UTC()
}

// family groups the kinds between which comparison has a meaning.
type family uint8

const (
	familyNothing family = iota
	familyBoolean
	familyNumber
	familyText
	familyBlob
	familyInstant
	familySpan
	familyGUID
	familyOpaque
)

var families = [...]family{
	unknown: familyNothing, null: familyNothing, boolean: familyBoolean,
	i8: familyNumber, u8: familyNumber, i16: familyNumber, u16: familyNumber, i32: familyNumber,
	u32: familyNumber, i64: familyNumber, u64: familyNumber, f32: familyNumber, f64: familyNumber, dec: familyNumber,
	text: familyText, blob: familyBlob, instant: familyInstant, span: familySpan, guid: familyGUID, opaque: familyOpaque,
}

func (k kind) family() family { return families[k] }

// String names the family in an error.
func (f family) String() string {
	return [...]string{"nothing", "a boolean", "a number", "a string", "bytes", "a time", "a time span", "an id", "a value of a type filters cannot use"}[f]
}

// display is the text of a value where it is joined to a string.
func (v value) display() (string, error) {
	switch v.kind {
	case null:
		return "", nil
	case text:
		return v.text, nil
	case boolean:
		if v.bits != 0 {
			return "True", nil
		}
		return "False", nil
	case u64:
		return strconv.FormatUint(v.bits, 10), nil
	case f32:
		return strconv.FormatFloat(v.float(), 'G', -1, 32), nil
	case f64:
		return strconv.FormatFloat(v.float(), 'G', -1, 64), nil
	case dec:
		return v.ref.(Decimal).String(), nil
	case guid:
		return v.ref.(GUID).String(), nil
	case instant:
		return timeOf(int64(v.bits)).Format("2006-01-02T15:04:05.9999999Z07:00"), nil
	case span:
		return TimeSpan(v.bits).String(), nil
	case blob, opaque, unknown:
		return "", evaluationError("%s cannot be joined to a string", v.kind.family())
	}
	return strconv.FormatInt(int64(v.bits), 10), nil
}

// String writes the span as [-][d.]hh:mm:ss[.fffffff].
func (t TimeSpan) String() string {
	mark, n := "", new(big.Int).Abs(big.NewInt(int64(t))).Uint64()
	if t < 0 {
		mark = "-"
	}
	seconds, ticks := n/ticksPerSecond, n%ticksPerSecond
	if days := seconds / 86400; days > 0 {
		mark += strconv.FormatUint(days, 10) + "."
	}
	s := fmt.Sprintf("%s%02d:%02d:%02d", mark, seconds/3600%24, seconds/60%60, seconds%60)
	if ticks > 0 {
		s += fmt.Sprintf(".%07d", ticks)
	}
	return s
}
