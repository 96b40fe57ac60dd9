package template

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"weir/internal/jsonc"
)

// A value of the expression language is nil, bool, int64, float64, string, []any,
// *Object, *Lambda, or *Unknown.

// Object is an object of the language: its properties keep their order, and are found
// without regard to case, as Azure Resource Manager does.
type Object struct {
	names  []string
	values []any
	index  map[string]int // by the name in lower case
}

// NewObject makes an object of names and values in turn.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Len is the number of properties.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.names)
}

// Get finds a property in any case.
func (o *Object) Get(name string) (any, bool) {
	if o == nil {
		return nil, false
	}
	i, ok := o.index[strings.ToLower(name)]
	if !ok {
		return nil, false
	}
	return o.values[i], true
}

// Set puts a property, over one of that name in any case.
func (o *Object) Set(name string, v any) {
	if o.index == nil {
		o.index = map[string]int{}
	}
	key := strings.ToLower(name)
	if i, ok := o.index[key]; ok {
		o.values[i] = v
		return
	}
	o.index[key] = len(o.names)
	o.names = append(o.names, name)
	o.values = append(o.values, v)
}

// All goes over the properties in order.
func (o *Object) All(yield func(string, any) bool) {
	if o == nil {
		return
	}
	for i, name := range o.names {
		if !yield(name, o.values[i]) {
			return
		}
	}
}

// Str is a property's text; empty when it is absent or no string.
func (o *Object) Str(name string) string {
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

// Obj is a property's object; nil when it is absent or none.
func (o *Object) Obj(name string) *Object {
	v, _ := o.Get(name)
	inner, _ := v.(*Object)
	return inner
}

// Unknown stands for what is known only once something is deployed.
type Unknown struct {
	Text   string // the expression, for people
	failed bool   // it has been reported: whatever comes of it is no news
}

// Lambda is a function that an expression gives another.
type Lambda struct {
	params []string
	body   node
	env    *env
}

// typeName names the type of a value as the documentation does.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	case *Object:
		return "an object"
	case *Lambda:
		return "a lambda"
	}
	return "a value that is not known yet"
}

// hasUnknown finds what is not known in a value.
func hasUnknown(v any) *Unknown {
	switch v := v.(type) {
	case *Unknown:
		return v
	case []any:
		for _, item := range v {
			if u := hasUnknown(item); u != nil {
				return u
			}
		}
	case *Object:
		for _, item := range v.values {
			if u := hasUnknown(item); u != nil {
				return u
			}
		}
	}
	return nil
}

// Known says whether everything in a value is known.
func Known(v any) bool { return hasUnknown(v) == nil }

// equal compares as equals() does: strings by case, numbers by value.
func equal(a, b any) bool {
	switch a := a.(type) {
	case int64:
		if f, ok := b.(float64); ok {
			return float64(a) == f
		}
	case float64:
		if n, ok := b.(int64); ok {
			return a == float64(n)
		}
	case []any:
		list, ok := b.([]any)
		if !ok || len(a) != len(list) {
			return false
		}
		for i := range a {
			if !equal(a[i], list[i]) {
				return false
			}
		}
		return true
	case *Object:
		o, ok := b.(*Object)
		if !ok || a.Len() != o.Len() {
			return false
		}
		for name, v := range a.All {
			if other, ok := o.Get(name); !ok || !equal(v, other) {
				return false
			}
		}
		return true
	case *Lambda, *Unknown:
		return false
	}
	switch b.(type) {
	case []any, *Object, *Lambda, *Unknown:
		return false
	}
	return a == b
}

// text writes a value as string() does: strings as they are, the rest as JSON.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return JSON(v)
}

// JSON writes a value as compact JSON.
func JSON(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(number(v))
	case string:
		writeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case *Object:
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, name)
			b.WriteByte(':')
			writeJSON(b, v.values[i])
		}
		b.WriteByte('}')
	case *Unknown:
		writeString(b, v.Text)
	default:
		b.WriteString("null")
	}
}

func number(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// MarshalJSON writes the object as JSON.
func (o *Object) MarshalJSON() ([]byte, error) { return []byte(JSON(o)), nil }

// Plain gives a value as encoding/json has it, but for int64.
func Plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Plain(v[i])
		}
		return list
	case *Object:
		m := make(map[string]any, v.Len())
		for name, item := range v.All {
			m[name] = Plain(item)
		}
		return m
	case *Unknown:
		return v.Text
	}
	return v
}

// FromPlain makes a value of what encoding/json has read; maps are ordered by name.
func FromPlain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := &Object{}
		for _, name := range sortedKeys(v) {
			o.Set(name, FromPlain(v[name]))
		}
		return o
	case map[string]string:
		o := &Object{}
		for _, name := range sortedKeys(v) {
			o.Set(name, v[name])
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = FromPlain(v[i])
		}
		return list
	case int:
		return int64(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

// Literal gives a JSON value as it stands.
func Literal(v *jsonc.Value) any { return literal(v) }

// literal gives a JSON value as it stands, expressions unread.
func literal(v *jsonc.Value) any {
	switch {
	case v == nil:
		return nil
	case v.Kind == jsonc.List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = literal(item)
		}
		return list
	case v.Kind == jsonc.Object:
		o := &Object{}
		for _, f := range v.Fields {
			o.Set(f.Name, literal(f.Value))
		}
		return o
	}
	return v.Scalar
}
