package resource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"weir/internal/source"
)

// Raw is a JSON value as its author wrote it, without the space between: members in
// their order, numbers digit by digit. It is what a field of the kind JSON holds once
// its document was held against its type.
//
// Until then a document does not know which of its properties are such. It has them as
// plain values, and beside them the text they were read from, which counts as long as
// it says the same: a value that was changed since is written with its members sorted.
type Raw string

// RawOf writes a value as encoding/json has it, an object's members sorted.
func RawOf(v any) (Raw, error) {
	if raw, ok := v.(Raw); ok {
		return raw, nil
	}
	text, err := json.Marshal(v)
	return plainRaw(text), err
}

// MarshalJSON gives the text.
func (r Raw) MarshalJSON() ([]byte, error) {
	if r == "" {
		return []byte("null"), nil
	}
	return []byte(r), nil
}

// Any gives the value as encoding/json would, but for int64.
func (r Raw) Any() any {
	values, err := source.Parse([]byte(r))
	if err == nil && len(values) == 1 && json.Valid([]byte(r)) {
		return values[0].Any()
	}
	var v any
	_ = json.Unmarshal([]byte(r), &v) // a scalar, which source takes for YAML; or none
	return v
}

// Raw is a property's text; empty when it is absent or of another kind.
func (d Document) Raw(property string) Raw {
	r, _ := d.Properties[property].(Raw)
	return r
}

// asWritten gives a value as the document's text has it at a path, when the text still
// says the same; else the value.
func (d *Document) asWritten(path string, value any) any {
	if w := d.written[path]; w != nil && (w.Kind == source.Map || w.Kind == source.List || w.Number != "") && reflect.DeepEqual(w.Any(), value) {
		return Raw(w.AppendJSON(nil))
	}
	return value
}

// RawProperties gives all properties as one JSON text, for types that take a file's
// content as their properties.
func (d Document) RawProperties() (Raw, error) {
	return RawOf(d.asWritten("properties", d.Properties))
}

// json gives the one spelling of a JSON value.
func (v *validator) json(path string, given any) any {
	if v.doc != nil {
		given = v.doc.asWritten(path, given)
	}
	raw, err := RawOf(given)
	if err != nil || !json.Valid([]byte(raw)) {
		v.add(path, "It is no JSON value.")
	}
	return raw
}

// plainRaw takes back what encoding/json does to texts for the sake of pages they might
// be put on.
func plainRaw(text []byte) Raw {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		if i+6 <= len(text) {
			if plain, ok := pageSigns[string(text[i:i+6])]; ok {
				b.WriteByte(plain)
				i += 5
				continue
			}
		}
		b.Write(text[i : i+2])
		i++
	}
	return Raw(b.String())
}

var pageSigns = map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}

// restore puts what a stored body says, word for word, into the document's JSON fields.
func (t *Type) restore(d *Document, body []byte) error {
	var stored struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(body, &stored); err != nil {
		return err
	}
	return restore(t.Fields, d.Properties, stored.Properties)
}

func restore(fields []Field, m map[string]any, text json.RawMessage) error {
	if len(m) == 0 {
		return nil
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	for _, f := range fields {
		v, ok := m[f.Name]
		if !ok {
			continue
		}
		var err error
		switch f.Kind {
		case JSON:
			m[f.Name] = plainRaw(parts[f.Name])
		case Object:
			inner, _ := v.(map[string]any)
			err = restore(f.Fields, inner, parts[f.Name])
		case List:
			err = restoreList(f.Element.Fields, v, parts[f.Name])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func restoreList(fields []Field, v any, text json.RawMessage) error {
	items, _ := v.([]any)
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	for i := range min(len(items), len(parts)) {
		if inner, ok := items[i].(map[string]any); ok {
			if err := restore(fields, inner, parts[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
