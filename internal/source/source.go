// Package source reads JSON and YAML into values that know the line they came
// from, so that whoever finds a mistake later can say where it is.
//
// It promises:
//
//  1. Strictness: a key that comes twice, text after the end and values JSON has no
//     form for (NaN, a non-text key) are errors.
//  2. Numbers without a fraction or exponent that fit are int64, all others float64.
//  3. Work is bounded by the size of the input: depth, size and YAML aliases are.
//
// It refuses to guess types: a date in YAML stays the text it is.
package source

import (
	"bytes"
	"fmt"
)

// Bounds of what is read.
const (
	BytesMax  = 16 << 20 // of one file
	depthMax  = 64       // of lists and mappings in each other
	valuesMax = 1 << 20  // of values, aliases unfolded
)

// Kind is the kind of a Value.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	List
	Map
)

// String names the kind in an error.
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a whole number", "a number", "text", "a list", "a mapping"}[k]
}

// Value is a scalar, a list or a mapping.
type Value struct {
	Kind   Kind
	Line   int      // from 1
	Scalar any      // bool, int64, float64 or string
	Number string   // an Int or a Float as it was written, when JSON writes it so
	Items  []*Value // of a List
	Fields []Field  // of a Map, in the order of the source
}

// Field is one pair of a mapping.
type Field struct {
	Name  string
	Line  int
	Value *Value
}

// Get finds a field by its exact name; nil when it is not there.
func (v *Value) Get(name string) *Value {
	for _, f := range v.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// Any gives the value as encoding/json would, but for int64.
func (v *Value) Any() any {
	switch v.Kind {
	case Null:
		return nil
	case List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = item.Any()
		}
		return list
	case Map:
		m := make(map[string]any, len(v.Fields))
		for _, f := range v.Fields {
			m[f.Name] = f.Value.Any()
		}
		return m
	}
	return v.Scalar
}

// Error is text that cannot be read.
type Error struct {
	Line     int
	Sentence string
}

// Error says where and what.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Sentence) }

func errorAt(line int, format string, args ...any) *Error {
	return &Error{line, fmt.Sprintf(format, args...)}
}

// Parse reads a JSON text, or the documents of a YAML stream. Text that begins with a
// bracket is JSON, unless its first key has no quotes. Empty documents are left out.
// The error is an *Error.
func Parse(data []byte) ([]*Value, error) {
	if len(data) > BytesMax {
		return nil, errorAt(1, "the text is longer than %d MiB", BytesMax>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if !looksLikeJSON(data) {
		return parseYAML(data)
	}
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return []*Value{v}, nil
}

// looksLikeJSON looks at the brackets the text begins with, and what follows them.
func looksLikeJSON(data []byte) bool {
	last := byte(0)
	for _, c := range data {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{', '[':
			last = c
		default:
			return last == '[' || last == '{' && (c == '"' || c == '}')
		}
	}
	return last != 0
}

// duplicate refuses a key that is there already; keys that differ in case are two.
func duplicate(seen map[string]int, name string, line int) error {
	if first, ok := seen[name]; ok {
		return errorAt(line, "the key %q was given before, on line %d", name, first)
	}
	seen[name] = line
	return nil
}
