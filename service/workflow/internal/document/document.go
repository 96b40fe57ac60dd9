// Package document reads JSON and remembers where everything stood: line and
// column of every value, and the order of the members of every object.
//
// It promises:
//
//  1. What encoding/json accepts is accepted, and numbers keep the text they had.
//  2. Members keep their order. A name that comes twice is kept twice, and told.
//  3. A syntax error names its line, its column and what was expected.
//  4. It is bounded: by the bytes it is given and by a depth that stops a hostile
//     file long before the stack does.
//
// A byte order mark at the start is skipped (one of UTF-16 is heeded) and so are comments (// and /* */),
// because deployment templates have both. It refuses everything else that is not
// JSON: trailing commas, single quotes, NaN.
package document

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Kind is what a value is.
type Kind uint8

// Kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}

// String says it as a sentence needs it: "a string".
func (k Kind) String() string { return kindNames[k] }

// Position is where something stands in its file, both counted from one; columns
// count bytes.
type Position struct{ Line, Column int }

// Value is one JSON value. The zero Value is null. Methods may be called on nil,
// which stands for a member that is not there.
type Value struct {
	Kind    Kind
	Bool    bool
	Text    string // of a String its value, of a Number its spelling
	Items   []*Value
	Members []Member
	At      Position
	// Raw is the value's own bytes in the file it was read from.
	Raw []byte
}

// Member is a name and its value in an object.
type Member struct {
	Name  string
	At    Position
	Value *Value
}

// Is reports whether v is there and of a kind.
func (v *Value) Is(k Kind) bool { return v != nil && v.Kind == k }

// Given reports whether v is there and not null: a member that is null counts as
// left out.
func (v *Value) Given() bool { return v != nil && v.Kind != Null }

// Get gives the member with exactly this name, else nil. Of a name that comes twice
// the last one counts, as encoding/json has it.
func (v *Value) Get(name string) *Value {
	if v == nil {
		return nil
	}
	for i := len(v.Members) - 1; i >= 0; i-- {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return nil
}

// Fold gives the member with this name in any case, one that is spelled exactly so
// before others. The name it has in the file comes with it.
func (v *Value) Fold(name string) (*Value, string) {
	if v == nil {
		return nil, name
	}
	if exact := v.Get(name); exact != nil {
		return exact, name
	}
	for _, m := range v.Members {
		if strings.EqualFold(m.Name, name) {
			return m.Value, m.Name
		}
	}
	return nil, name
}

// Str gives the text of a string and whether it is one.
func (v *Value) Str() (string, bool) {
	if v.Is(String) {
		return v.Text, true
	}
	return "", false
}

// Int gives a whole number, spelled as a number or, as designers save it, as a
// string of digits.
func (v *Value) Int() (int, bool) {
	if !v.Is(Number) && !v.Is(String) {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(v.Text))
	if err != nil && v.Kind == Number {
		f, ferr := strconv.ParseFloat(v.Text, 64)
		if ferr == nil && f == float64(int(f)) {
			return int(f), true
		}
	}
	return n, err == nil
}

// Plain converts to what encoding/json gives with UseNumber, except that the order
// of members is lost: maps, slices, strings, bools, nil, and numbers as numbers has
// them.
func (v *Value) Plain(number func(text string) any) any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case Bool:
		return v.Bool
	case Number:
		return number(v.Text)
	case String:
		return v.Text
	case Array:
		out := make([]any, len(v.Items))
		for i, item := range v.Items {
			out[i] = item.Plain(number)
		}
		return out
	case Object:
		out := make(map[string]any, len(v.Members))
		for _, m := range v.Members {
			out[m.Name] = m.Value.Plain(number)
		}
		return out
	}
	return nil
}

// Path is a JSON path to a value: $.actions['Send mail'].inputs.
type Path string

// Root is the path of the whole.
const Root Path = "$"

// Of gives the path of a member.
func (p Path) Of(name string) Path {
	if plain(name) {
		return p + "." + Path(name)
	}
	return p + "['" + Path(strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), "'", `\'`)) + "']"
}

// At gives the path of an item.
func (p Path) At(i int) Path { return p + "[" + Path(strconv.Itoa(i)) + "]" }

// plain reports whether a name needs no quotes in a path.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// bom is how some editors of Windows begin a file, little and big how they begin one
// in UTF-16.
var bom, little, big = []byte("\xef\xbb\xbf"), []byte("\xff\xfe"), []byte("\xfe\xff")

// inUTF8 gives the text of a file in UTF-8, without a mark at its start.
func inUTF8(data []byte) []byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(data, big):
		order = binary.BigEndian
	case !bytes.HasPrefix(data, little):
		return bytes.TrimPrefix(data, bom)
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, order.Uint16(data[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}

// Parse reads one JSON value and nothing after it.
func Parse(data []byte) (*Value, error) {
	p := &parser{data: inUTF8(data), line: 1}
	if err := p.space(); err != nil {
		return nil, err
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.at < len(p.data) {
		return nil, p.fail("the end of the file")
	}
	return v, nil
}
