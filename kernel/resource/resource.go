// Package resource is everything a user declares: documents with an ARM id and the
// ARM shape, the schemas they are held against, and the registry that keeps them.
//
// It promises:
//
//  1. A document is validated whole: every problem is reported, with its path, its
//     line where it came from a file, and what to do about it. Unknown properties are
//     refused by name; nothing is dropped in silence.
//  2. What a schema declares once gives defaults, validation, API, command line, form
//     and reference page alike.
//  3. Ids keep their case and are compared without it.
//  4. A set of documents is put whole or not at all, and putting what is already
//     there changes nothing, not even its revision.
//  5. Nobody sees a change before it is durable, and nobody who watches misses one
//     without being told to list again.
//
// It refuses to know any resource type: services bring theirs as plain data.
package resource

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"

	"weir/internal/source"
)

// Document is one resource as it was declared, or as it is.
type Document struct {
	ID         ID
	Location   string
	Tags       map[string]string
	Kind       string
	SKU        *SKU
	Identity   map[string]any // kept, not interpreted
	Properties map[string]any // JSON values: string, bool, int64, float64, nil, []any, map[string]any; Raw

	// Set by the registry.
	ETag    string
	Created time.Time
	Updated time.Time

	lines   map[string]int           // of paths, when the document came from a text
	written map[string]*source.Value // by path, what the text says there: see asWritten
}

// SKU is the size a resource is sold in.
type SKU struct {
	Name     string `json:"name"`
	Tier     string `json:"tier,omitempty"`
	Capacity int64  `json:"capacity,omitempty"`
}

// Type is the full type, from the id.
func (d Document) Type() string { return d.ID.Type() }

// Name is the last part of the id.
func (d Document) Name() string { return d.ID.Name() }

// String is a property's text; empty when it is absent or no string.
func (d Document) String(property string) string {
	s, _ := d.Properties[property].(string)
	return s
}

// Bool is a property that is true.
func (d Document) Bool(property string) bool {
	b, _ := d.Properties[property].(bool)
	return b
}

// Int is a property's number; 0 when it is absent or none.
func (d Document) Int(property string) int64 {
	n, _ := d.Properties[property].(int64)
	return n
}

// Line is where in its file the document has a path, or the nearest thing around
// it; 0 when it came from none.
func (d Document) Line(path string) int {
	for {
		if line, ok := d.lines[path]; ok || path == "" {
			return line
		}
		path = parentPath(path)
	}
}

// NoteLine remembers where in its file a path stands, for importers.
func (d *Document) NoteLine(path string, line int) {
	if d.lines == nil {
		d.lines = map[string]int{}
	}
	d.lines[path] = line
}

// ForgetLines says that the document came from no file its author could look into.
func (d *Document) ForgetLines() { d.lines = nil }

// Clone copies the document, so that changing the copy leaves it alone. The copy's
// Properties are never nil.
func (d Document) Clone() Document {
	d.Tags, d.Identity, d.Properties = maps.Clone(d.Tags), cloneMap(d.Identity), cloneMap(d.Properties)
	if d.Properties == nil {
		d.Properties = map[string]any{}
	}
	if d.SKU != nil {
		sku := *d.SKU
		d.SKU = &sku
	}
	return d
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	}
	return v
}

// declared is what the registry stores of a document: what its author may change.
type declared struct {
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	SKU        *SKU              `json:"sku,omitempty"`
	Identity   map[string]any    `json:"identity,omitempty"`
	Properties map[string]any    `json:"properties,omitempty"`
}

func (d Document) declared() declared {
	return declared{d.Location, d.Tags, d.Kind, d.SKU, d.Identity, d.Properties}
}

type systemData struct {
	CreatedAt      *time.Time `json:"createdAt,omitempty"`
	LastModifiedAt *time.Time `json:"lastModifiedAt,omitempty"`
}

// MarshalJSON writes the document in the ARM shape. Secrets are in it: see
// (*Type).Redact.
func (d Document) MarshalJSON() ([]byte, error) {
	shape := struct {
		ID         string            `json:"id"`
		Name       string            `json:"name"`
		Type       string            `json:"type"`
		Location   string            `json:"location,omitempty"`
		Tags       map[string]string `json:"tags,omitempty"`
		Kind       string            `json:"kind,omitempty"`
		SKU        *SKU              `json:"sku,omitempty"`
		Identity   map[string]any    `json:"identity,omitempty"`
		Properties map[string]any    `json:"properties"`
		ETag       string            `json:"etag,omitempty"`
		SystemData *systemData       `json:"systemData,omitempty"`
	}{d.ID.String(), d.Name(), d.Type(), d.Location, d.Tags, d.Kind, d.SKU, d.Identity, map[string]any{}, d.ETag, nil}
	for name, value := range d.Properties {
		shape.Properties[name] = d.asWritten("properties."+name, value)
	}
	if !d.Created.IsZero() {
		shape.SystemData = &systemData{&d.Created, &d.Updated}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(shape)
	return text.Bytes(), err
}

// UnmarshalJSON reads the ARM shape; the id must be whole.
func (d *Document) UnmarshalJSON(data []byte) error {
	docs, problems := Parse(data, ID{})
	if err := problems.Fault(); err != nil {
		return err
	}
	if len(docs) != 1 {
		return Problems{{Sentence: "Expected one resource."}}.Fault()
	}
	*d = docs[0]
	return nil
}
