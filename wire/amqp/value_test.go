package amqp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var uuid = UUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// values has every format code. The first encoding of a value is the one we
// write, the others are only read.
var values = []struct {
	name string
	v    any
	enc  []string
}{
	{"null", nil, []string{"40"}},
	{"true", true, []string{"41", "5601"}},
	{"false", false, []string{"42", "5600"}},
	{"ubyte", uint8(200), []string{"50c8"}},
	{"ushort", uint16(0xfffe), []string{"60fffe"}},
	{"uint 0", uint32(0), []string{"43", "5200", "7000000000"}},
	{"uint 255", uint32(255), []string{"52ff", "70000000ff"}},
	{"uint 256", uint32(256), []string{"7000000100"}},
	{"ulong 0", uint64(0), []string{"44", "5300", "800000000000000000"}},
	{"ulong 255", uint64(255), []string{"53ff", "8000000000000000ff"}},
	{"ulong max", uint64(math.MaxUint64), []string{"80ffffffffffffffff"}},
	{"byte", int8(-2), []string{"51fe"}},
	{"short", int16(-2), []string{"61fffe"}},
	{"int small", int32(-128), []string{"5480", "71ffffff80"}},
	{"int", int32(128), []string{"7100000080"}},
	{"long small", int64(127), []string{"557f", "81000000000000007f"}},
	{"long", int64(-129), []string{"81ffffffffffffff7f"}},
	{"float", float32(1.5), []string{"723fc00000"}},
	{"double", float64(-2), []string{"82c000000000000000"}},
	{"decimal32", Decimal32{1, 2, 3, 4}, []string{"7401020304"}},
	{"decimal64", Decimal64{1, 2, 3, 4, 5, 6, 7, 8}, []string{"840102030405060708"}},
	{"decimal128", Decimal128{15: 9}, []string{"9400000000000000000000000000000009"}},
	{"char", Char('€'), []string{"73000020ac"}},
	{"timestamp", Timestamp(-1), []string{"83ffffffffffffffff"}},
	{"uuid", uuid, []string{"98000102030405060708090a0b0c0d0e0f"}},
	{"binary empty", []byte{}, []string{"a000", "b000000000"}},
	{"binary", []byte("ab"), []string{"a0026162", "b0000000026162"}},
	{"string", "héé", []string{"a10568c3a9c3a9", "b10000000568c3a9c3a9"}},
	{"symbol", Symbol("x:y"), []string{"a303783a79", "b300000003783a79"}},
	{"list empty", List{}, []string{"45", "c00100", "d00000000400000000"}},
	{"list", List{nil, true, List{}}, []string{"c00403404145", "d00000000700000003404145"}},
	{"map empty", Map{}, []string{"c10100", "d10000000400000000"}},
	{"map", Map{{Symbol("a"), uint32(1)}, {"b", nil}},
		[]string{"c10a04 a30161 5201 a10162 40", "d10000000d00000004 a30161 5201 a10162 40"}},
	{"array of smallint", Array{Code: CodeSmallInt, Items: []any{int32(1), int32(-1)}},
		[]string{"e0040254 01ff", "f0000000070000000254 01ff"}},
	{"array of long", Array{Code: CodeLong, Items: []any{int64(1)}}, []string{"e00a01 81 0000000000000001"}},
	{"array of ulong in one byte", Array{Code: CodeSmallUlong, Items: []any{uint64(0), uint64(7)}}, []string{"e0040253 0007"}},
	{"array of uint", Array{Code: CodeUint, Items: []any{uint32(0)}}, []string{"e0060170 00000000"}},
	{"array of str8", Array{Code: CodeStr8, Items: []any{"a", ""}}, []string{"e00502a1 0161 00"}},
	{"array of sym32", Array{Code: CodeSym32, Items: []any{Symbol("a")}}, []string{"e00701b3 00000001 61"}},
	{"array of vbin8", Array{Code: CodeVbin8, Items: []any{[]byte{9}}}, []string{"e00401a0 0109"}},
	{"array of boolean", Array{Code: CodeBool, Items: []any{true, false}}, []string{"e0040256 0100"}},
	{"array of true", Array{Code: CodeTrue, Items: []any{true, true, true}}, []string{"e0020341"}},
	{"array of null", Array{Code: CodeNull, Items: []any{nil}}, []string{"e0020140"}},
	{"array of uint0", Array{Code: CodeUint0, Items: []any{uint32(0)}}, []string{"e0020143"}},
	{"array of list0", Array{Code: CodeList0, Items: []any{List{}, List{}}}, []string{"e0020245"}},
	{"array of nothing", Array{Code: CodeUUID, Items: []any{}}, []string{"e0020098"}},
	{"array of list8", Array{Code: CodeList8, Items: []any{List{true}, List{}}}, []string{"e00702c0 020141 0100"}},
	{"array of list32", Array{Code: CodeList32, Items: []any{List{true}}}, []string{"e00b01d0 00000005 00000001 41"}},
	{"array of map8", Array{Code: CodeMap8, Items: []any{Map{{true, false}}}}, []string{"e00601c1 03024142"}},
	{"array of arrays", Array{Code: CodeArray8, Items: []any{
		Array{Code: CodeUbyte, Items: []any{uint8(1), uint8(2)}}, Array{Code: CodeTrue, Items: []any{true}}}},
		[]string{"e00a02e0 04 02 50 0102 02 01 41"}},
	{"array of described", Array{Descriptor: uint64(0x24), Code: CodeList0, Items: []any{List{}}}, []string{"e005010053 2445"}},
	{"array of uuid", Array{Code: CodeUUID, Items: []any{uuid}}, []string{"e01201 98 000102030405060708090a0b0c0d0e0f"}},
	{"described", &Described{uint64(0x24), List{}}, []string{"00532445", "0080000000000000002445"}},
	{"described twice", &Described{Symbol("a"), &Described{Symbol("b"), nil}}, []string{"00a30161 00a30162 40"}},
	{"described descriptor", &Described{&Described{nil, nil}, true}, []string{"00 004040 41"}},
}

func TestValues(t *testing.T) {
	for _, tt := range values {
		for i, enc := range tt.enc {
			b := unhex(t, enc)
			v, rest, err := ReadValue(append(bytes.Clone(b), 0xee))
			if err != nil || !reflect.DeepEqual(v, tt.v) || !bytes.Equal(rest, []byte{0xee}) {
				t.Errorf("%s: %s reads as %#v, rest %x, %v", tt.name, enc, v, rest, err)
			}
			if n, err := Skip(append(bytes.Clone(b), 0xee)); n != len(b) || err != nil {
				t.Errorf("%s: %s skips %d, %v", tt.name, enc, n, err)
			}
			if got := AppendValue(nil, tt.v); i == 0 && !bytes.Equal(got, b) {
				t.Errorf("%s: writes %x, want %x", tt.name, got, b)
			}
			for cut := range b {
				if _, _, err := ReadValue(b[:cut]); err == nil {
					t.Errorf("%s: %s cut to %d bytes reads without error", tt.name, enc, cut)
				}
			}
		}
	}
}

// TestWideForms checks that long contents move to the 32 bit forms and back.
func TestWideForms(t *testing.T) {
	long := strings.Repeat("x", 256)
	wide := []struct {
		v    any
		code byte
	}{
		{long, CodeStr32}, {Symbol(long), CodeSym32}, {[]byte(long), CodeVbin32},
		{List{long}, CodeList32}, {Map{{"k", long}}, CodeMap32},
		{Array{Code: CodeStr32, Items: []any{long}}, CodeArray32},
		{List(make([]any, 256)), CodeList32},
		{Array{Code: CodeNull, Items: make([]any, 256)}, CodeArray32},
	}
	for _, tt := range wide {
		b := AppendValue(nil, tt.v)
		if v, rest, err := ReadValue(b); b[0] != tt.code || err != nil || len(rest) != 0 || !reflect.DeepEqual(v, tt.v) {
			t.Errorf("%T: code 0x%02x (want 0x%02x), %v", tt.v, b[0], tt.code, err)
		}
	}
}

func TestGoSlicesAreArrays(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		v    any
		code byte
		n    int
	}{
		{[]Symbol{"a", "b"}, CodeSym8, 2}, {[]Symbol{"a", Symbol(long)}, CodeSym32, 2}, {[]Symbol{}, CodeSym8, 0},
		{[]string{"a"}, CodeStr8, 1}, {[]int64{1, 2}, CodeLong, 2}, {[]UUID{uuid}, CodeUUID, 1}, {[]Timestamp{5}, CodeTimestamp, 1},
		{Array{Items: []any{true}}, CodeBool, 1}, {Array{Items: []any{uint32(1)}}, CodeUint, 1}, {Array{}, CodeNull, 0},
		{Array{Items: []any{uint16(1)}}, CodeUshort, 1}, {Array{Items: []any{"s"}}, CodeStr32, 1}, {Array{Items: []any{Map{}}}, CodeMap32, 1},
	} {
		v, _, err := ReadValue(AppendValue(nil, tt.v))
		a, ok := v.(Array)
		if err != nil || !ok || a.Code != tt.code || len(a.Items) != tt.n {
			t.Errorf("%T reads as %#v, %v", tt.v, v, err)
		}
	}
}

func TestRefusedValues(t *testing.T) {
	nested := func(open string, n int, end string) string { return strings.Repeat(open, n) + end }
	for name, enc := range map[string]string{
		"unknown code in a known width": "46",
		"unknown code":                  "10",
		"unknown code of one byte":      "5700",
		"unknown variable":              "a20161",
		"unknown compound":              "c20100",
		"unknown array code":            "e20140",
		"boolean of 2":                  "5602",
		"more items than bytes":         "c00105",
		"four billion items":            "d000000004ffffffff",
		"list without count":            "c000",
		"wide list without count":       "d000000000",
		"bytes after the items":         "c0030140 40",
		"map of three":                  "c10403404040",
		"array without constructor":     "e00101",
		"array bytes left":              "e003014041",
		"array of a billion nulls":      "f0000000053fffffff40",
		"array of a million trues":      "f00000000500100000 41",
		"array described twice":         "e007 01 0040 0040 40",
		"array of unknown":              "e0030110 00",
		"size beyond the input":         "b0ffffffff00",
		"described without value":       "005324",
		"descriptors too deep":          nested("00", 40, nested("40", 41, "")),
		"lists too deep":                deepLists(40),
	} {
		v, _, err := ReadValue(unhex(t, enc))
		var e *Error
		if !errors.As(err, &e) || e.Condition != ErrDecode {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func deepLists(n int) string {
	v := List{}
	for range n {
		v = List{v}
	}
	return hex.EncodeToString(AppendValue(nil, v))
}

func TestUnencodable(t *testing.T) {
	for _, v := range []any{
		int(1), struct{}{}, Map{{1, nil}},
		Array{Code: CodeStr8, Items: []any{strings.Repeat("x", 256)}},
		Array{Code: CodeSmallUint, Items: []any{uint32(256)}},
		Array{Code: CodeTrue, Items: []any{false}},
		Array{Code: CodeInt, Items: []any{"x"}},
		Array{Code: CodeList8, Items: []any{Map{}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%#v was encoded", v)
				}
			}()
			AppendValue(nil, v)
		}()
	}
}

func TestMapAccess(t *testing.T) {
	m := Map{{Symbol("a"), 1}, {"b", 2}, {[]byte("c"), 3}, {uint32(4), 4}}
	for _, tt := range []struct {
		key  any
		want any
	}{{Symbol("a"), 1}, {"a", nil}, {"b", 2}, {[]byte("c"), 3}, {uint32(4), 4}, {uint64(4), nil}, {List{}, nil}} {
		if v, ok := m.Get(tt.key); v != tt.want || ok != (tt.want != nil) {
			t.Errorf("Get(%#v) = %v, %v", tt.key, v, ok)
		}
	}
	if v, _ := m.Named("a"); v != 1 {
		t.Errorf("Named(a) = %v", v)
	}
	if v, _ := m.Named("b"); v != 2 {
		t.Errorf("Named(b) = %v", v)
	}
	if _, ok := m.Named("c"); ok {
		t.Error("Named found a binary key")
	}
	if s := uuid.String(); s != "00010203-0405-0607-0809-0a0b0c0d0e0f" {
		t.Errorf("uuid %s", s)
	}
}
