package expression

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"weir/internal/dotnet"
)

// jsonDepthMax bounds how deep arrays and objects lie in each other.
const jsonDepthMax = 512

// JSONError says where a text is no JSON, as Json.NET does.
type JSONError struct {
	Line, Column int    // line from 1, column from 0; at the very beginning both 0
	Path         string // of the value that was read: a.b[0]
	What         string
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("%s Path '%s', line %d, position %d.", e.What, e.Path, e.Line, e.Column)
}

// ParseJSON reads a JSON value. Beside the standard it takes what Json.NET takes:
// single quoted strings, comments and a comma behind the last item.
func ParseJSON(text string) (any, error) {
	r := jsonReader{s: text}
	v, err := r.value(0)
	if err == nil {
		r.space()
		r.path = nil
		if r.at < len(r.s) {
			err = r.fail("Additional text encountered after finished reading JSON content: %c.", r.peek())
		}
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

type jsonReader struct {
	s    string
	at   int
	path []jsonStep // to the value that is read
}

// jsonStep is a name or, where there is none, an index.
type jsonStep struct {
	name  string
	index int
}

func (r *jsonReader) where() string {
	var b strings.Builder
	for _, s := range r.path {
		if s.index >= 0 {
			fmt.Fprintf(&b, "[%d]", s.index)
		} else {
			b.WriteString(stepTo(s.name))
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

func (r *jsonReader) fail(format string, args ...any) error {
	before := r.s[:min(r.at, len(r.s))]
	line := strings.Count(before, "\n") + 1
	if before == "" {
		line = 0
	}
	return &JSONError{Line: line, Path: r.where(), Column: len(before) - 1 - strings.LastIndexByte(before, '\n'), What: fmt.Sprintf(format, args...)}
}

func (r *jsonReader) peek() rune {
	c, _ := utf8.DecodeRuneInString(r.s[r.at:])
	return c
}

func (r *jsonReader) space() {
	for r.at < len(r.s) {
		switch c := r.s[r.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			r.at++
		case c == 0xef && strings.HasPrefix(r.s[r.at:], "\ufeff"):
			r.at += 3
		case c == '/' && strings.HasPrefix(r.s[r.at:], "/*") && strings.Contains(r.s[r.at+2:], "*/"):
			r.at += 4 + strings.Index(r.s[r.at+2:], "*/")
		case c == '/' && strings.HasPrefix(r.s[r.at:], "//"):
			if i := strings.IndexByte(r.s[r.at:], '\n'); i >= 0 {
				r.at += i
			} else {
				r.at = len(r.s)
			}
		default:
			return
		}
	}
}

func (r *jsonReader) value(depth int) (any, error) {
	r.space()
	if r.at == len(r.s) {
		return nil, r.fail("Unexpected end of content while reading JSON.")
	}
	if depth > jsonDepthMax {
		return nil, r.fail("The reader's MaxDepth of %d has been exceeded.", jsonDepthMax)
	}
	switch c := r.s[r.at]; c {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case '"', '\'':
		return r.text()
	}
	if c := r.s[r.at]; !digit(c) {
		for _, w := range jsonWords {
			if w.text[0] == c && strings.HasPrefix(r.s[r.at:], w.text) {
				r.at += len(w.text)
				return w.value, nil
			}
		}
	}
	return r.number()
}

var jsonWords = []struct {
	text  string
	value any
}{{"true", true}, {"false", false}, {"null", nil}, {"NaN", math.NaN()}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}}

func (r *jsonReader) number() (any, error) {
	start := r.at
	for r.at < len(r.s) && strings.IndexByte("+-0123456789.eE", r.s[r.at]) >= 0 {
		r.at++
	}
	text := r.s[start:r.at]
	if text == "" {
		return nil, r.fail("Unexpected character encountered while parsing value: %c.", r.peek())
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' {
		return i, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || text[0] == '+' {
		r.at = start
		return nil, r.fail("Input string '%s' is not a valid number.", text)
	}
	return f, nil
}

func (r *jsonReader) text() (string, error) {
	quote, start := r.s[r.at], r.at+1
	for i := start; i < len(r.s); i++ {
		if r.s[i] == quote {
			r.at = i + 1
			return r.s[start:i], nil
		}
		if r.s[i] == '\\' {
			return r.escaped(quote, start)
		}
	}
	r.at = len(r.s)
	return "", r.fail("Unterminated string. Expected delimiter: %c.", quote)
}

var jsonEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\'': '\'', '\\': '\\', '/': '/'}

func (r *jsonReader) escaped(quote byte, start int) (string, error) {
	var b strings.Builder
	for r.at = start; r.at < len(r.s); r.at++ {
		c := r.s[r.at]
		if c == quote {
			r.at++
			return b.String(), nil
		}
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		r.at++
		if r.at == len(r.s) {
			break
		}
		if plain, ok := jsonEscapes[r.s[r.at]]; ok {
			b.WriteByte(plain)
			continue
		}
		u, ok := r.unit()
		if !ok {
			return "", r.fail("Bad JSON escape sequence: \\%c.", r.peek())
		}
		if utf16.IsSurrogate(u) && strings.HasPrefix(r.s[r.at+1:], `\u`) {
			r.at += 2
			low, ok := r.unit()
			if !ok {
				return "", r.fail("Bad JSON escape sequence: \\u.")
			}
			u = utf16.DecodeRune(u, low)
		}
		b.WriteRune(u)
	}
	return "", r.fail("Unterminated string. Expected delimiter: %c.", quote)
}

// unit reads uXXXX, standing on the u, and stays on its last digit.
func (r *jsonReader) unit() (rune, bool) {
	if r.s[r.at] != 'u' || r.at+5 > len(r.s) {
		return 0, false
	}
	u, err := strconv.ParseUint(r.s[r.at+1:r.at+5], 16, 16)
	if err != nil {
		return 0, false
	}
	r.at += 4
	return rune(u), true
}

func (r *jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.at++; ; {
		r.space()
		if r.at < len(r.s) && r.s[r.at] == ']' {
			r.at++
			return list, nil
		}
		r.path = append(r.path[:depth], jsonStep{index: len(list)})
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if more, err := r.comma(']'); err != nil || !more {
			return list, err
		}
	}
}

// comma reads a comma or the closing bracket.
func (r *jsonReader) comma(closing byte) (more bool, err error) {
	r.space()
	switch {
	case r.at == len(r.s):
		return false, r.fail("Unexpected end of content while reading JSON.")
	case r.s[r.at] == ',':
		r.at++
		return true, nil
	case r.s[r.at] == closing:
		r.at++
		return false, nil
	}
	return false, r.fail("After parsing a value an unexpected character was encountered: %c.", r.peek())
}

func (r *jsonReader) object(depth int) (any, error) {
	o := &Object{}
	var seen map[string]int // from the ninth member on
	for r.at++; ; {
		r.space()
		if r.at == len(r.s) {
			return nil, r.fail("Unexpected end of content while reading JSON.")
		}
		if r.s[r.at] == '}' {
			r.at++
			return o, nil
		}
		if r.s[r.at] != '"' && r.s[r.at] != '\'' {
			return nil, r.fail("Invalid character after parsing property name. Expected a quoted name but got: %c.", r.peek())
		}
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		r.space()
		if r.at == len(r.s) || r.s[r.at] != ':' {
			return nil, r.fail("Invalid character after parsing property name. Expected ':'.")
		}
		r.at++
		r.path = append(r.path[:depth], jsonStep{name, -1})
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		seen = o.put(name, v, seen)
		if more, err := r.comma('}'); err != nil || !more {
			return o, err
		}
	}
}

// put adds a member that is being read; a name that comes again replaces. Objects
// with many members get an index while they are built.
func (o *Object) put(name string, v any, seen map[string]int) map[string]int {
	if seen == nil && len(o.Members) >= 8 {
		seen = make(map[string]int, 16)
		for i, m := range o.Members {
			seen[m.Name] = i
		}
	}
	if seen != nil {
		if i, ok := seen[name]; ok {
			o.Members[i].Value = v
			return seen
		}
		seen[name] = len(o.Members)
		o.Members = append(o.Members, Member{name, v})
		return seen
	}
	for i := range o.Members {
		if o.Members[i].Name == name {
			o.Members[i].Value = v
			return nil
		}
	}
	o.Members = append(o.Members, Member{name, v})
	return nil
}

// AppendJSON writes a value as compact JSON.
func AppendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendFloat(b, v)
	case Decimal:
		return appendFloat(b, v.Float()) // JSON numbers are no wider
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendJSON(b, x)
		}
		return append(b, ']')
	case *Object:
		b = append(b, '{')
		for i, m := range v.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.Name), ':')
			b = AppendJSON(b, m.Value)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendFloat writes a float so that it is read as one again.
func appendFloat(b []byte, f float64) []byte {
	text := dotnet.FloatText(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return appendString(b, text)
	case !strings.ContainsAny(text, ".E"):
		text += ".0"
	}
	return append(b, text...)
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
