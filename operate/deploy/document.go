package deploy

import (
	"fmt"
	"strings"

	"weir/kernel/resource"
	"weir/operate/deploy/template"
)

// document makes what the registry takes of a resource of a template. unknown are the
// paths whose values are not known yet: they are left out. left are the parts that a
// resource here does not have; properties among them are taken out when that is asked for.
func (d *Deployments) document(r *template.Resource, body *template.Object, leaveOut bool) (doc resource.Document, unknown []string, left []string, err error) {
	doc.ID, err = resource.ParseID(r.ID)
	if err != nil {
		return doc, nil, nil, err
	}
	for path, line := range r.Lines {
		doc.NoteLine(path, line)
	}
	doc.NoteLine("", r.Line)
	t, _ := d.o.Registry.Types().Lookup(doc.Type())
	c := &cleaner{raw: map[string]bool{}}
	if t != nil {
		c.keep(t.Fields, "properties")
	}
	for name, v := range body.All {
		if v == nil {
			continue
		}
		v, ok := c.clean(v, name)
		if !ok {
			continue
		}
		wrong := func(want string) error { return fmt.Errorf("%s must be %s, and is %T", name, want, v) }
		switch strings.ToLower(name) {
		case "location":
			if doc.Location, ok = v.(string); !ok {
				return doc, nil, nil, wrong("a string")
			}
		case "kind":
			if doc.Kind, ok = v.(string); !ok {
				return doc, nil, nil, wrong("a string")
			}
		case "tags":
			o, ok := v.(map[string]any)
			if !ok {
				return doc, nil, nil, wrong("an object")
			}
			doc.Tags = map[string]string{}
			for tag, value := range o {
				doc.Tags[tag] = fmt.Sprint(value)
			}
		case "sku":
			if err := c.sku(&doc, v); err != nil {
				return doc, nil, nil, err
			}
		case "identity":
			if doc.Identity, ok = v.(map[string]any); !ok {
				return doc, nil, nil, wrong("an object")
			}
		case "properties":
			if doc.Properties, ok = v.(map[string]any); !ok {
				return doc, nil, nil, wrong("an object")
			}
		case "etag":
		default:
			left = append(left, name)
		}
	}
	left = append(left, c.left...)
	if more := adapt(t, doc.Properties, leaveOut); leaveOut {
		left = append(left, more...)
	}
	return doc, c.unknown, left, nil
}

// cleaner takes out what is null, which means absent, and what is not known yet.
type cleaner struct {
	unknown, left []string
	raw           map[string]bool // paths of JSON values, lower case: they stay as they are
}

// keep notes which properties hold JSON.
func (c *cleaner) keep(fields []resource.Field, path string) {
	for _, f := range fields {
		at := strings.ToLower(path + "." + f.Name)
		c.raw[at] = f.Kind == resource.JSON
		c.keep(f.Fields, at)
	}
}

func (c *cleaner) clean(v any, path string) (any, bool) {
	if c.raw[strings.ToLower(path)] && template.Known(v) {
		return resource.Raw(template.JSON(v)), true
	}
	switch v := v.(type) {
	case *template.Unknown:
		c.unknown = append(c.unknown, path)
		return nil, false
	case *template.Object:
		m := make(map[string]any, v.Len())
		for name, item := range v.All {
			if item == nil {
				continue
			}
			if clean, ok := c.clean(item, path+"."+name); ok {
				m[name] = clean
			}
		}
		return m, true
	case []any:
		list := make([]any, 0, len(v))
		for i, item := range v {
			if clean, ok := c.clean(item, fmt.Sprintf("%s[%d]", path, i)); ok {
				list = append(list, clean)
			}
		}
		return list, true
	}
	return v, true
}

func (c *cleaner) sku(doc *resource.Document, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("sku must be an object with a name, and is %T", v)
	}
	doc.SKU = &resource.SKU{}
	for name, part := range m {
		switch strings.ToLower(name) {
		case "name":
			doc.SKU.Name, ok = part.(string)
		case "tier":
			doc.SKU.Tier, ok = part.(string)
		case "capacity":
			doc.SKU.Capacity, ok = part.(int64)
		default:
			c.left = append(c.left, "sku."+name)
		}
		if !ok {
			return fmt.Errorf("sku.%s is not what it must be: name and tier are strings, capacity is an integer", name)
		}
	}
	if doc.SKU.Name == "" {
		doc.SKU.Name = doc.SKU.Tier
	}
	if doc.SKU.Name == "" {
		doc.SKU = nil
	}
	return nil
}

// within says whether a path is one of others, or lies in or around one.
func within(path string, others []string) bool {
	for _, other := range others {
		if path == other || strings.HasPrefix(path, other+".") || strings.HasPrefix(path, other+"[") || strings.HasPrefix(other, path+".") || strings.HasPrefix(other, path+"[") {
			return true
		}
	}
	return false
}
