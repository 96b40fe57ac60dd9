// Package jsonc reads JSON as template files have it, and keeps where every value stands.
//
// It promises:
//
//  1. What Azure's tools accept is read: comments (// and /* */), a comma before a closing
//     bracket, strings over several lines and in single quotes, and a byte order mark.
//  2. Every value and key knows its line, and every value its bytes in the text.
//  3. A key that comes twice in one object is an error, which names both lines.
//  4. Work is bounded: size and depth are.
//
// It refuses everything else that is no JSON, with the line.
package jsonc

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	BytesMax = 16 << 20
	depthMax = 96 // of lists and objects in each other
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
	Object
)

// String names the kind in an error.
func (k Kind) String() string {
	return [...]string{"null", "true or false", "a whole number", "a number", "a string", "an array", "an object"}[k]
}

// Value is a scalar, a list or an object.
type Value struct {
	Kind       Kind
	Line       int // from 1
	Start, End int // its bytes in the text
	Scalar     any // bool, int64, float64 or string
	Items      []*Value
	Fields     []Field // in the order of the text
}

// Field is one pair of an object.
type Field struct {
	Name  string
	Line  int
	Value *Value
}

// Get finds a field by its name in any case; nil when it is not there.
func (v *Value) Get(name string) *Value {
	if v == nil {
		return nil
	}
	for _, f := range v.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}

// Str is the text of a string; empty for anything else.
func (v *Value) Str() string {
	if v == nil || v.Kind != Text {
		return ""
	}
	return v.Scalar.(string)
}

// Error is text that cannot be read.
type Error struct {
	Line     int
	Sentence string
}

// Error says where and what.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Sentence) }

// Parse reads one value. The error is an *Error.
func Parse(data []byte) (*Value, error) {
	r := &reader{text: string(data), line: 1}
	if len(data) > BytesMax {
		return nil, r.errorf("the text is longer than %d MiB", BytesMax>>20)
	}
	if strings.HasPrefix(r.text, "\uFEFF") {
		r.at = len("\uFEFF")
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if err := r.space(); err != nil {
		return nil, err
	}
	if r.at < len(r.text) {
		return nil, r.errorf("nothing may follow the end of the JSON text, and %s does", r.here())
	}
	return v, nil
}

type reader struct {
	text string
	at   int
	line int
}

func (r *reader) errorf(format string, args ...any) *Error {
	return &Error{r.line, fmt.Sprintf(format, args...)}
}

// here quotes what the reader stands on.
func (r *reader) here() string {
	if r.at >= len(r.text) {
		return "the end of the text"
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.at:])
	return strconv.QuoteRune(c)
}

// space passes over white space and comments.
func (r *reader) space() error {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '\n':
			r.line++
			r.at++
		case c == ' ' || c == '\t' || c == '\r':
			r.at++
		case strings.HasPrefix(r.text[r.at:], "//"):
			end := strings.IndexByte(r.text[r.at:], '\n')
			if end < 0 {
				end = len(r.text) - r.at
			}
			r.at += end
		case strings.HasPrefix(r.text[r.at:], "/*"):
			end := strings.Index(r.text[r.at:], "*/")
			if end < 0 {
				return r.errorf("the comment that begins here has no end")
			}
			r.line += strings.Count(r.text[r.at:r.at+end], "\n")
			r.at += end + 2
		default:
			return nil
		}
	}
	return nil
}

func (r *reader) value(depth int) (*Value, error) {
	if err := r.space(); err != nil {
		return nil, err
	}
	if r.at >= len(r.text) {
		return nil, r.errorf("the text ends too early: a value was expected")
	}
	if depth > depthMax {
		return nil, r.errorf("arrays and objects lie in each other more than %d deep", depthMax)
	}
	v := &Value{Line: r.line, Start: r.at}
	var err error
	switch c := r.text[r.at]; {
	case c == '{':
		err = r.object(v, depth)
	case c == '[':
		err = r.list(v, depth)
	case c == '"' || c == '\'':
		v.Kind = Text
		v.Scalar, err = r.str()
	default:
		err = r.word(v)
	}
	v.End = r.at
	return v, err
}

// next passes over the comma between two members, and says whether another follows.
func (r *reader) next(first bool, end byte) (bool, error) {
	if err := r.space(); err != nil {
		return false, err
	}
	if r.at < len(r.text) && r.text[r.at] == ',' && !first {
		r.at++
		if err := r.space(); err != nil {
			return false, err
		}
	} else if !first && (r.at >= len(r.text) || r.text[r.at] != end) {
		return false, r.errorf("expected ',' or '%c', found %s", end, r.here())
	}
	if r.at >= len(r.text) {
		return false, r.errorf("the text ends too early: '%c' is missing", end)
	}
	if r.text[r.at] == end {
		r.at++
		return false, nil
	}
	return true, nil
}

func (r *reader) list(v *Value, depth int) error {
	v.Kind = List
	r.at++
	for {
		more, err := r.next(len(v.Items) == 0, ']')
		if err != nil || !more {
			return err
		}
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
	}
}

func (r *reader) object(v *Value, depth int) error {
	v.Kind = Object
	r.at++
	seen := map[string]int{}
	for {
		more, err := r.next(len(v.Fields) == 0, '}')
		if err != nil || !more {
			return err
		}
		line := r.line
		if c := r.text[r.at]; c != '"' && c != '\'' {
			return r.errorf("expected a key in quotes, found %s", r.here())
		}
		name, err := r.str()
		if err != nil {
			return err
		}
		if first, twice := seen[name]; twice {
			return &Error{line, fmt.Sprintf("the key %q was given before, on line %d", name, first)}
		}
		seen[name] = line
		if err := r.space(); err != nil {
			return err
		}
		if r.at >= len(r.text) || r.text[r.at] != ':' {
			return r.errorf("expected ':' after the key %q, found %s", name, r.here())
		}
		r.at++
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Fields = append(v.Fields, Field{name, line, value})
	}
}

// word reads true, false, null or a number.
func (r *reader) word(v *Value) error {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", r.text[r.at]) >= 0 {
		r.at++
	}
	switch word := r.text[start:r.at]; word {
	case "true", "false":
		v.Kind, v.Scalar = Bool, word == "true"
	case "null":
	case "":
		return r.errorf("expected a value, found %s", r.here())
	default:
		return r.number(v, word)
	}
	return nil
}

func (r *reader) number(v *Value, word string) error {
	if !isNumber(word) {
		return r.errorf("expected a value, found %q: strings need quotes", word)
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		v.Kind, v.Scalar = Int, n
		return nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil || math.IsInf(f, 0) {
		return r.errorf("the number %s is out of range", word)
	}
	v.Kind, v.Scalar = Float, f
	return nil
}

func isNumber(word string) bool {
	digits := strings.TrimPrefix(word, "-")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9' && strings.Trim(digits, "0123456789.eE+-") == ""
}

// str reads a string in either kind of quotes.
func (r *reader) str() (string, error) {
	quote, begun := r.text[r.at], r.line
	r.at++
	var b strings.Builder
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == quote:
			r.at++
			return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
		case c == '\\':
			if err := r.escape(&b); err != nil {
				return "", err
			}
			continue
		case c == '\n':
			r.line++
		}
		b.WriteByte(c)
		r.at++
	}
	return "", &Error{begun, "the string that begins here has no end"}
}

var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (r *reader) escape(b *strings.Builder) error {
	if r.at+1 >= len(r.text) {
		return r.errorf("the text ends in a string")
	}
	c := r.text[r.at+1]
	if c == 'u' {
		first, err := r.unit()
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(first) && strings.HasPrefix(r.text[r.at:], `\u`) {
			second, err := r.unit()
			if err != nil {
				return err
			}
			first = utf16.DecodeRune(first, second)
		}
		b.WriteRune(first)
		return nil
	}
	plain, ok := escapes[c]
	if !ok {
		return r.errorf(`a string has the escape \%c, which JSON does not know; write \\ for a backslash`, c)
	}
	b.WriteByte(plain)
	r.at += 2
	return nil
}

// unit reads one \uXXXX.
func (r *reader) unit() (rune, error) {
	if r.at+6 > len(r.text) {
		return 0, r.errorf(`\u needs four digits after it`)
	}
	n, err := strconv.ParseUint(r.text[r.at+2:r.at+6], 16, 32)
	if err != nil {
		return 0, r.errorf(`\u needs four hexadecimal digits after it, not %q`, r.text[r.at+2:r.at+6])
	}
	r.at += 6
	return rune(n), nil
}

// Append writes the value as JSON on one line.
func (v *Value) Append(dst []byte) []byte {
	switch v.Kind {
	case List:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, f := range v.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(quoted(dst, f.Name), ':')
			dst = f.Value.Append(dst)
		}
		return append(dst, '}')
	case Text:
		return quoted(dst, v.Scalar.(string))
	}
	scalar, err := json.Marshal(v.Scalar)
	if err != nil {
		return append(dst, "null"...) // of a bool or a number that was read: it always marshals
	}
	return append(dst, scalar...)
}

func quoted(dst []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...) // a string always marshals
	}
	return append(dst, text...)
}
