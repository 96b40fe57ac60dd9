package resource

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"weir/internal/source"
)

// Importer reads a foreign file. recognised says whether the file is of its kind at
// all; err is what is wrong with one that is.
type Importer func(data []byte) (docs []Document, recognised bool, err error)

// ParseFile reads what a user declared: a file one of the importers knows, or JSON or
// YAML documents. Types and names without an id are taken in scope.
func ParseFile(data []byte, scope ID, importers ...Importer) ([]Document, error) {
	for _, read := range importers {
		if docs, recognised, err := read(data); recognised {
			return docs, err
		}
	}
	docs, problems := Parse(data, scope)
	return docs, problems.Fault()
}

// Parse reads documents: one, a list of them, or the documents of a YAML stream. A
// resource is named by its id, or by type and name in the scope; resources nested in
// another may leave out what is the other's.
func Parse(data []byte, scope ID) ([]Document, Problems) {
	r := reader{scope: scope}
	values, err := source.Parse(data)
	if e, ok := errors.AsType[*source.Error](err); ok {
		return nil, Problems{{Line: e.Line, Sentence: sentence(e.Sentence)}}
	}
	return r.read(values)
}

func (r *reader) read(values []*source.Value) ([]Document, Problems) {
	for _, v := range values {
		r.resources(v, ID{})
	}
	r.twice()
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.docs, nil
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

type reader struct {
	scope    ID
	docs     []Document
	problems Problems
}

// resources reads one resource or a list of them.
func (r *reader) resources(v *source.Value, parent ID) {
	if v.Kind != source.List {
		r.resource(v, parent)
		return
	}
	for _, item := range v.Items {
		r.resource(item, parent)
	}
}

const knownFields = "id, type, name, apiVersion, location, tags, kind, sku, identity, properties, resources, etag"

func (r *reader) resource(v *source.Value, parent ID) {
	if v.Kind != source.Map {
		r.problems.add("", v.Line, "Expected a resource, found %s: a resource is a mapping with type, name and properties.", v.Kind)
		return
	}
	d := Document{lines: map[string]int{"": v.Line}, written: map[string]*source.Value{}}
	before := len(r.problems)
	d.ID = r.identify(v, parent)
	for _, f := range v.Fields {
		r.field(&d, f)
	}
	if !d.ID.IsZero() {
		r.problems[before:].of(d.ID)
	}
	if len(r.problems) == before {
		r.docs = append(r.docs, d)
	}
	if nested := v.Get("resources"); nested != nil && !d.ID.IsZero() {
		r.resources(nested, d.ID)
	}
}

func (r *reader) field(d *Document, f source.Field) {
	d.lines[f.Name] = f.Line
	switch f.Name {
	case "id", "type", "name", "apiVersion", "resources", "systemData": // read elsewhere, or of no effect
	case "location":
		d.Location = r.text(f)
	case "kind":
		d.Kind = r.text(f)
	case "etag":
		d.ETag = r.text(f)
	case "tags":
		d.Tags = r.tags(f)
	case "sku":
		d.SKU = r.sku(f)
	case "identity":
		d.Identity = r.mapping(d, f)
	case "properties":
		d.Properties = r.mapping(d, f)
	default:
		r.problems.add(f.Name, f.Line, "A resource has no field %q; it has %s.", f.Name, knownFields)
	}
}

func (r *reader) text(f source.Field) string {
	if f.Value.Kind == source.Null {
		return ""
	}
	if f.Value.Kind != source.Text {
		r.problems.add(f.Name, f.Value.Line, "Expected text, found %s.", f.Value.Kind)
		return ""
	}
	return f.Value.Scalar.(string)
}

func (r *reader) tags(f source.Field) map[string]string {
	if f.Value.Kind == source.Null {
		return nil
	}
	if f.Value.Kind != source.Map {
		r.problems.add(f.Name, f.Value.Line, "Expected a mapping of names to text, found %s.", f.Value.Kind)
		return nil
	}
	tags := map[string]string{}
	for _, tag := range f.Value.Fields {
		path := f.Name + "." + tag.Name
		switch tag.Value.Kind {
		case source.Text:
			tags[tag.Name] = tag.Value.Scalar.(string)
		case source.Int, source.Bool:
			tags[tag.Name] = fmt.Sprint(tag.Value.Scalar)
		default:
			r.problems.add(path, tag.Line, "Expected text, found %s.", tag.Value.Kind)
		}
	}
	return tags
}

func (r *reader) sku(f source.Field) *SKU {
	if f.Value.Kind != source.Map {
		r.problems.add(f.Name, f.Value.Line, "Expected a mapping with a name, found %s.", f.Value.Kind)
		return nil
	}
	sku := &SKU{}
	for _, part := range f.Value.Fields {
		path := f.Name + "." + part.Name
		switch {
		case part.Name == "name" && part.Value.Kind == source.Text:
			sku.Name = part.Value.Scalar.(string)
		case part.Name == "tier" && part.Value.Kind == source.Text:
			sku.Tier = part.Value.Scalar.(string)
		case part.Name == "capacity" && part.Value.Kind == source.Int:
			sku.Capacity = part.Value.Scalar.(int64)
		case part.Value.Kind == source.Null:
		default:
			r.problems.add(path, part.Line, "A sku has a name and a tier, which are text, and a capacity, which is a whole number.")
		}
	}
	return sku
}

func (r *reader) mapping(d *Document, f source.Field) map[string]any {
	if f.Value.Kind == source.Null {
		return nil
	}
	if f.Value.Kind != source.Map {
		r.problems.add(f.Name, f.Value.Line, "Expected a mapping, found %s.", f.Value.Kind)
		return nil
	}
	d.note(f.Name, f.Value)
	return f.Value.Any().(map[string]any)
}

// note remembers the lines of what lies in a value, and how it was written.
func (d *Document) note(path string, v *source.Value) {
	d.written[path] = v
	for _, f := range v.Fields {
		d.lines[path+"."+f.Name] = f.Line
		d.note(path+"."+f.Name, f.Value)
	}
	for i, item := range v.Items {
		at := path + "[" + strconv.Itoa(i) + "]"
		d.lines[at] = item.Line
		d.note(at, item)
	}
}

// identify finds the id of a resource: as given, or from type and name.
func (r *reader) identify(v *source.Value, parent ID) ID {
	text := func(name string) (string, int) {
		f := v.Get(name)
		if f == nil || f.Kind == source.Null {
			return "", v.Line
		}
		return r.text(source.Field{Name: name, Line: f.Line, Value: f}), f.Line
	}
	given, idLine := text("id")
	typ, typeLine := text("type")
	name, nameLine := text("name")
	switch {
	case given != "":
		return r.identifyByID(given, idLine, typ, name, parent)
	case typ == "" && name == "":
		r.problems.add("", v.Line, "A resource needs an id, or a type and a name.")
	case typ == "":
		r.problems.add("type", nameLine, "The resource %q needs a type, such as Microsoft.ServiceBus/namespaces/queues.", name)
	case name == "":
		r.problems.add("name", typeLine, "A resource of type %s needs a name.", typ)
	default:
		id, err := r.compose(typ, name, parent)
		if err != nil {
			r.problems.add("name", nameLine, "%s", sentence(err.Error()))
		}
		return id
	}
	return ID{}
}

func (r *reader) identifyByID(given string, line int, typ, name string, parent ID) ID {
	id, err := ParseID(given)
	switch {
	case err != nil:
		r.problems.add("id", line, "%s", sentence(err.Error()))
		return ID{}
	case id.Equal(Tenant):
		r.problems.add("id", line, "The id / is the tenant, which holds everything and is not declared.")
	case typ != "" && !strings.EqualFold(typ, id.Type()):
		r.problems.add("type", line, "The type %s is not the one in the id, %s.", typ, id.Type())
	case name != "" && !strings.EqualFold(name, id.Name()) && !strings.EqualFold(name, strings.Join(id.Names(), "/")):
		r.problems.add("name", line, "The name %q is not the one in the id, %q.", name, id.Name())
	case !parent.IsZero() && !parent.Equal(id.Parent()):
		r.problems.add("id", line, "The id does not lie in the resource around it, %s.", parent)
	default:
		return id
	}
	return ID{}
}

// compose makes an id from a type and a name. In another resource both may be full
// or what is behind the other's.
func (r *reader) compose(typ, name string, parent ID) (ID, error) {
	if parent.IsZero() {
		if r.scope.IsZero() {
			return ID{}, errors.New("a resource needs its whole id here")
		}
		return r.place(typ).Resource(typ, name)
	}
	rest, isFull := cutPrefixFold(typ, parent.Type()+"/")
	names := strings.Join(parent.Names(), "/")
	if isFull || !strings.Contains(strings.SplitN(typ, "/", 2)[0], ".") {
		if inner, ok := cutPrefixFold(name, names+"/"); ok {
			name = inner
		}
		if strings.Contains(rest, "/") || strings.Contains(name, "/") {
			return ID{}, fmt.Errorf("the resource %q of type %s is not directly in the one around it, %s", name, typ, names)
		}
		return parent.Child(rest, name)
	}
	return ID{}, fmt.Errorf("a resource of type %s cannot lie in one of type %s", typ, parent.Type())
}

// place is the scope a type's resources lie in when nothing says where.
func (r *reader) place(typ string) ID {
	switch {
	case strings.EqualFold(typ, TypeGroup):
		return MustID("/subscriptions/" + r.scope.Subscription())
	case strings.EqualFold(typ, TypeSubscription):
		return Tenant
	}
	return r.scope
}

// twice reports resources that were declared more than once.
func (r *reader) twice() {
	seen := map[string]int{}
	for _, d := range r.docs {
		if line, ok := seen[d.ID.Key()]; ok {
			r.problems = append(r.problems, Problems{{Line: d.Line(""), Sentence: fmt.Sprintf("The resource was declared before, on line %d.", line)}}.of(d.ID)...)
		} else {
			seen[d.ID.Key()] = d.Line("")
		}
	}
}
