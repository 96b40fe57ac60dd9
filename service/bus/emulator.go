package bus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/internal/source"
	"weir/kernel/resource"
)

// Importers reads the foreign files that declare a Service Bus, into a scope.
func Importers(scope resource.ID) []resource.Importer {
	return []resource.Importer{func(data []byte) ([]resource.Document, bool, error) { return importEmulator(data, scope) }}
}

// The emulator's own defaults, where they are not ours.
var emulatorDefaults = map[string]map[string]any{
	typeQueue:        {"defaultMessageTimeToLive": "PT1H", "duplicateDetectionHistoryTimeWindow": "PT20S", "maxDeliveryCount": int64(3)},
	typeTopic:        {"defaultMessageTimeToLive": "PT1H", "duplicateDetectionHistoryTimeWindow": "PT20S"},
	typeSubscription: {"defaultMessageTimeToLive": "PT1H", "maxDeliveryCount": int64(3)},
}

// importEmulator reads the Config.json of Microsoft's Service Bus emulator. Everything
// it declares means here what it means there; what the emulator would pass over in
// silence is refused by name, with its path, all of it at once.
func importEmulator(data []byte, scope resource.ID) (docs []resource.Document, recognised bool, err error) {
	values, err := source.Parse(data)
	if err != nil {
		if !bytes.Contains(data, []byte(`"UserConfig"`)) {
			return nil, false, nil
		}
		e, _ := errors.AsType[*source.Error](err)
		return nil, true, resource.Problems{{Line: e.Line, Sentence: strings.ToUpper(e.Sentence[:1]) + e.Sentence[1:] + "."}}.Fault()
	}
	if len(values) != 1 || find(values[0], "UserConfig") == nil {
		return nil, false, nil
	}
	types, err := resource.NewTypes(Types()...)
	if err != nil {
		return nil, true, err
	}
	r := emulatorReader{scope: scope, types: types}
	r.file(values[0])
	r.problems.Sort()
	return r.docs, true, r.problems.Fault()
}

// find gets a field by its name in any case, as the emulator does.
func find(v *source.Value, name string) *source.Value {
	for _, f := range v.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}

type emulatorReader struct {
	scope    resource.ID
	types    *resource.Types
	paths    map[string]string // of the document being read: its paths, as the file has them
	docs     []resource.Document
	problems resource.Problems
}

func (r *emulatorReader) problem(path string, line int, format string, args ...any) {
	r.problems = append(r.problems, resource.Problem{Path: path, Line: line, Sentence: fmt.Sprintf(format, args...)})
}

// only refuses fields of other names. It is false when v is no object at all.
func (r *emulatorReader) only(v *source.Value, path string, names ...string) bool {
	if v.Kind != source.Map {
		r.problem(path, v.Line, "Expected an object with %s, found %s.", strings.Join(names, ", "), v.Kind)
		return false
	}
	for _, f := range v.Fields {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Name) }) {
			r.problem(join(path, f.Name), f.Line, "There is no field %q here: known are %s.", f.Name, strings.Join(names, ", "))
		}
	}
	return true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (r *emulatorReader) file(v *source.Value) {
	r.only(v, "", "UserConfig", "$schema")
	config := find(v, "UserConfig")
	if !r.only(config, "UserConfig", "Namespaces", "Logging") {
		return
	}
	if logging := find(config, "Logging"); logging != nil {
		r.only(logging, "UserConfig.Logging", "Type") // where the emulator logs; this server is told by flags
	}
	if find(config, "Namespaces") == nil {
		r.problem("UserConfig.Namespaces", config.Line, "The namespaces are missing: list one.")
	}
	r.each(config, "UserConfig", "Namespaces", r.namespace)
}

// each calls read for every object in a list; a list that is missing or null is empty.
func (r *emulatorReader) each(v *source.Value, path, name string, read func(item *source.Value, path string)) {
	list := find(v, name)
	path = join(path, name)
	switch {
	case list == nil || list.Kind == source.Null:
	case list.Kind != source.List:
		r.problem(path, list.Line, "Expected a list, found %s.", list.Kind)
	default:
		for i, item := range list.Items {
			read(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func (r *emulatorReader) namespace(v *source.Value, path string) {
	if !r.only(v, path, "Name", "Queues", "Topics") {
		return
	}
	d, ok := r.document(v, path, func(name string) (resource.ID, error) { return r.scope.Resource(typeNamespace, name) })
	if !ok {
		return
	}
	d.Kind = kindEmulator
	r.add(d)
	r.each(v, path, "Queues", func(item *source.Value, at string) {
		if r.only(item, at, "Name", "Properties") {
			r.child(item, at, d.ID, "queues")
		}
	})
	r.each(v, path, "Topics", func(item *source.Value, at string) { r.topic(item, at, d.ID) })
}

func (r *emulatorReader) topic(v *source.Value, path string, namespace resource.ID) {
	if !r.only(v, path, "Name", "Properties", "Subscriptions") {
		return
	}
	topic, ok := r.child(v, path, namespace, "topics")
	if !ok {
		return
	}
	r.each(v, path, "Subscriptions", func(item *source.Value, at string) {
		if !r.only(item, at, "Name", "Properties", "Rules") {
			return
		}
		if subscription, ok := r.child(item, at, topic, "subscriptions"); ok {
			r.each(item, at, "Rules", func(rule *source.Value, at string) {
				if r.only(rule, at, "Name", "Properties") {
					r.child(rule, at, subscription, "rules")
				}
			})
		}
	})
}

// child reads an entity or a rule.
func (r *emulatorReader) child(v *source.Value, path string, parent resource.ID, typ string) (resource.ID, bool) {
	d, ok := r.document(v, path, func(name string) (resource.ID, error) { return parent.Child(typ, idName(name)) })
	if !ok {
		return resource.ID{}, false
	}
	for name, value := range emulatorDefaults[d.Type()] {
		if d.Properties[name] == nil {
			d.Properties[name] = value
		}
	}
	if typ == "rules" && !r.filterKind(&d, v, path) {
		return d.ID, false
	}
	r.add(d)
	return d.ID, true
}

// document reads name and properties. Their names differ from a document's in the
// case of letters alone; texts that are empty mean nothing.
func (r *emulatorReader) document(v *source.Value, path string, name func(string) (resource.ID, error)) (resource.Document, bool) {
	d := resource.Document{Properties: map[string]any{}}
	given := find(v, "Name")
	if given == nil || given.Kind != source.Text || given.Scalar == "" {
		r.problem(path+".Name", v.Line, "A name is missing.")
		return d, false
	}
	var err error
	if d.ID, err = name(given.Scalar.(string)); err != nil {
		r.problem(path+".Name", given.Line, "The name %q is not allowed: %s.", given.Scalar, err)
		return d, false
	}
	r.paths = map[string]string{"": path, "name": path + ".Name"}
	d.NoteLine("", v.Line)
	d.NoteLine("name", given.Line)
	properties := find(v, "Properties")
	if properties == nil || properties.Kind == source.Null {
		return d, true
	}
	if properties.Kind != source.Map {
		r.problem(path+".Properties", properties.Line, "Expected an object, found %s.", properties.Kind)
		return d, false
	}
	d.NoteLine("properties", properties.Line)
	for _, f := range properties.Fields {
		if f.Value.Kind == source.Text && f.Value.Scalar == "" {
			continue
		}
		property := small(f.Name)
		d.Properties[property] = lowerNames(f.Value)
		r.note(&d, "properties."+property, path+".Properties."+f.Name, f.Line, f.Value)
	}
	return d, true
}

// small makes the first letter small: LockDuration is lockDuration in ARM.
func small(name string) string {
	n := min(1, len(name))
	return strings.ToLower(name[:n]) + name[n:]
}

// lowerNames gives an object's value with the first letter of its names small; what
// lies in Properties keeps its names, which are the message's.
func lowerNames(v *source.Value) any {
	if v.Kind != source.Map {
		return v.Any()
	}
	m := map[string]any{}
	for _, f := range v.Fields {
		name := small(f.Name)
		switch {
		case strings.EqualFold(name, "properties"):
			m[name] = f.Value.Any()
		case f.Value.Kind == source.Text && f.Value.Scalar == "":
		default:
			m[name] = lowerNames(f.Value)
		}
	}
	return m
}

// note remembers where a property stands in the file.
func (r *emulatorReader) note(d *resource.Document, property, path string, line int, v *source.Value) {
	d.NoteLine(property, line)
	r.paths[property] = path
	for _, f := range v.Fields {
		r.note(d, property+"."+small(f.Name), path+"."+f.Name, f.Line, f.Value)
	}
}

// filterKind puts the emulator's word for the kind of filter into ours.
func (r *emulatorReader) filterKind(d *resource.Document, v *source.Value, path string) bool {
	properties := find(v, "Properties")
	if properties == nil || properties.Kind != source.Map {
		r.problem(path+".Properties", v.Line, "A rule needs properties: a FilterType, and a SqlFilter or a CorrelationFilter.")
		return false
	}
	line, kind := properties.Line, ""
	if given := find(properties, "FilterType"); given != nil {
		line = given.Line
		kind, _ = given.Scalar.(string)
	}
	switch strings.ToLower(kind) {
	case "sql", "sqlfilter":
		d.Properties["filterType"] = sqlFilterType
	case "correlation", "correlationfilter":
		d.Properties["filterType"] = correlationFilterType
	default:
		r.problem(path+".Properties.FilterType", line, "The FilterType is %q: use Sql or Correlation.", kind)
		return false
	}
	return true
}

// add holds the document against its type at once, so that all problems of a file
// are told together; what one document cannot show is found when it is declared.
func (r *emulatorReader) add(d resource.Document) {
	t, ok := r.types.Lookup(d.Type())
	if !ok {
		return // the types of a file's documents are all ours
	}
	_, problems := t.Normalise(d, nil)
	for _, p := range problems {
		if path, ok := r.paths[p.Path]; ok {
			p.ID, p.Path = "", path
		}
		r.problems = append(r.problems, p)
	}
	r.docs = append(r.docs, d)
}
