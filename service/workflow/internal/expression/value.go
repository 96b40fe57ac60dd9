package expression

import (
	"encoding/base64"
	"strconv"
	"strings"

	"weir/internal/dotnet"
)

// Decimal is .NET's decimal number.
type Decimal = dotnet.Decimal

// Member is one property of an object.
type Member struct {
	Name  string
	Value any
}

// Object is a JSON object that keeps the order of its members. It is not changed
// once it is made: functions give new ones.
type Object struct {
	Members []Member
}

// NewObject makes an object of names and values in turn.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Members = append(o.Members, Member{pairs[i].(string), pairs[i+1]})
	}
	return o
}

// Exact gives the member of exactly this name.
func (o *Object) Exact(name string) (any, bool) {
	for i := range o.Members {
		if o.Members[i].Name == name {
			return o.Members[i].Value, true
		}
	}
	return nil, false
}

// finder is Exact for many questions of one object.
func (o *Object) finder() func(name string) (any, bool) {
	if len(o.Members) <= 16 {
		return o.Exact
	}
	index := make(map[string]any, len(o.Members))
	for _, m := range o.Members {
		index[m.Name] = m.Value
	}
	return func(name string) (any, bool) { v, ok := index[name]; return v, ok }
}

// Get gives the member of a name: of exactly this name, else of one that differs
// in case only, as the engine selects.
func (o *Object) Get(name string) (any, bool) {
	if v, ok := o.Exact(name); ok {
		return v, true
	}
	for i := range o.Members {
		if len(o.Members[i].Name) == len(name) && strings.EqualFold(o.Members[i].Name, name) {
			return o.Members[i].Value, true
		}
	}
	return nil, false
}

// With gives the object with a member set, in its place or at the end.
func (o *Object) With(name string, value any) *Object {
	members := append(make([]Member, 0, len(o.Members)+1), o.Members...)
	for i := range members {
		if members[i].Name == name {
			members[i].Value = value
			return &Object{members}
		}
	}
	return &Object{append(members, Member{name, value})}
}

// Names lists the names of the members.
func (o *Object) Names() []string {
	names := make([]string, len(o.Members))
	for i, m := range o.Members {
		names[i] = m.Name
	}
	return names
}

// kindOf is what the engine's messages call the type of a value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case bool:
		return "Boolean"
	case int64:
		return "Integer"
	case float64, Decimal:
		return "Float"
	case string:
		return "String"
	case []any:
		return "Array"
	case *Object:
		return "Object"
	}
	return "Undefined"
}

// Text is how a value stands in a text: null is nothing, an array or object is its
// JSON, XML and text content is what it holds.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return dotnet.FloatText(v)
	case Decimal:
		return v.String()
	case *Object:
		if kind, data, ok := content(v); ok && textual(kind) {
			return decodeText(kind, data)
		}
	}
	return string(AppendJSON(nil, v))
}

// content takes binary content apart: its media type and bytes.
func content(v any) (kind string, data []byte, ok bool) {
	o, ok := v.(*Object)
	if !ok {
		return "", nil, false
	}
	k, ok := o.Exact("$content-type")
	if !ok {
		return "", nil, false
	}
	c, ok := o.Exact("$content")
	if !ok {
		return "", nil, false
	}
	kind, ok1 := k.(string)
	encoded, ok2 := c.(string)
	data, err := base64.StdEncoding.DecodeString(encoded)
	return kind, data, ok1 && ok2 && err == nil
}

// newContent makes binary content.
func newContent(kind string, data []byte) *Object {
	return NewObject("$content-type", kind, "$content", base64.StdEncoding.EncodeToString(data))
}

func textual(kind string) bool {
	media, _, _ := strings.Cut(strings.ToLower(kind), ";")
	media = strings.TrimSpace(media)
	return strings.HasPrefix(media, "text/") || isXML(media) || media == "application/json" || strings.HasSuffix(media, "+json")
}

func isXML(media string) bool {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	return media == "application/xml" || media == "text/xml" || strings.HasSuffix(media, "+xml")
}
