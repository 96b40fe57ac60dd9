package standin

import (
	"strings"

	"weir/service/workflow/internal/document"
)

const schemaDepthMost = 16

// schema notes what a JSON schema says of shapes.
func (r *reader) schema(all []*shape, s *document.Value, depth int) {
	if depth > schemaDepthMost || !s.Is(document.Object) {
		return
	}
	kind := s.Get("type")
	name, _ := kind.Str()
	if kind.Is(document.Array) {
		for _, one := range kind.Items {
			if w, _ := one.Str(); w != "null" && name == "" {
				name = w
			}
		}
	}
	for _, at := range all {
		if at.given || at.kept {
			continue
		}
		switch strings.ToLower(name) {
		case "array":
			at.wishes |= list
		case "object":
			at.wishes |= object
		case "integer", "number":
			at.wishes |= number
		case "boolean":
			at.wishes |= truth
		case "string":
			at.wishes |= text | quoted
			if f, _ := s.Get("format").Str(); strings.HasPrefix(f, "date") {
				at.wishes |= date
			}
		}
		if values := s.Get("enum"); values.Is(document.Array) {
			for _, v := range values.Items {
				at.words = appendOnce(at.words, plain(v))
			}
		}
	}
	if must := s.Get("required"); must.Is(document.Array) && !strings.EqualFold(name, "array") {
		for _, m := range must.Items {
			if m.Is(document.String) {
				each(all, func(at *shape) []*shape { return at.member(m.Text) })
			}
		}
	}
	if items := s.Get("items"); items.Is(document.Array) && strings.EqualFold(name, "array") {
		for _, one := range items.Items {
			r.schema(each(all, (*shape).items), one, depth+1)
		}
	} else if items.Is(document.Object) && strings.EqualFold(name, "array") {
		r.schema(each(all, (*shape).items), items, depth+1)
	}
	if properties := s.Get("properties"); properties.Is(document.Object) && !strings.EqualFold(name, "array") {
		for _, m := range properties.Members {
			r.schema(each(all, func(at *shape) []*shape { return at.member(m.Name) }), m.Value, depth+1)
		}
	}
}
