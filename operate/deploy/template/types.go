package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/internal/jsonc"
)

// typeDepthMax bounds types of the template's own in each other.
const typeDepthMax = 32

// resolve follows $ref to the type it names; what stands beside $ref is over it.
func (w *world) resolve(schema *jsonc.Value) (*jsonc.Value, error) {
	for range typeDepthMax {
		ref := schema.Get("$ref").Str()
		if ref == "" {
			return schema, nil
		}
		name, ok := strings.CutPrefix(ref, "#/definitions/")
		target := w.types.Get(name)
		if !ok || target == nil {
			return schema, fmt.Errorf("the type %q is not declared: definitions has none of that name", ref)
		}
		schema = target
	}
	return schema, fmt.Errorf("types refer to each other more than %d deep", typeDepthMax)
}

func (w *world) isNullable(schema *jsonc.Value) bool {
	for range typeDepthMax {
		if n := schema.Get("nullable"); n != nil {
			return n.Scalar == true
		}
		ref, ok := strings.CutPrefix(schema.Get("$ref").Str(), "#/definitions/")
		if !ok {
			return false
		}
		if schema = w.types.Get(ref); schema == nil {
			return false
		}
	}
	return false
}

var typeNames = []string{"string", "securestring", "int", "bool", "object", "secureobject", "array"}

// sound says what is wrong with the declaration of a type itself.
func (w *world) sound(schema *jsonc.Value, depth int) string {
	resolved, err := w.resolve(schema)
	if err != nil {
		return err.Error()
	}
	typ := resolved.Get("type").Str()
	if !slices.Contains(typeNames, strings.ToLower(typ)) {
		if typ == "" && w.t.root.Get("languageVersion") != nil {
			return "" // any
		}
		if typ == "" {
			return "it needs a type: " + strings.Join(typeNames, ", ")
		}
		return fmt.Sprintf("the type %q is none; there are %s", typ, strings.Join(typeNames, ", "))
	}
	return ""
}

// check holds a value against a type and says everything that is wrong.
func (w *world) check(schema *jsonc.Value, v any, path string) []string {
	return w.checkDeep(schema, v, path, 0)
}

func (w *world) checkDeep(schema *jsonc.Value, v any, path string, depth int) (problems []string) {
	add := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if path != "" {
			text = path + ": " + text
		}
		problems = append(problems, text)
	}
	if _, unknown := v.(*Unknown); unknown || depth > typeDepthMax {
		return nil
	}
	if v == nil && w.isNullable(schema) {
		return nil
	}
	var kind string
	for at := schema; ; { // constraints of every type on the way
		if typ := at.Get("type").Str(); typ != "" {
			kind = typ
		}
		if n := len(problems); n > 20 {
			return problems
		}
		if problem := constraint(at, v); problem != "" {
			add("%s", problem)
		}
		name, ok := strings.CutPrefix(at.Get("$ref").Str(), "#/definitions/")
		if !ok || w.types.Get(name) == nil {
			schema = merge(schema, at)
			break
		}
		schema, at = merge(schema, at), w.types.Get(name)
		depth++
		if depth > typeDepthMax {
			return problems
		}
	}
	switch strings.ToLower(kind) {
	case "string", "securestring":
		if _, ok := v.(string); !ok {
			add("expected a string, found %s", describe(v))
		}
	case "int":
		if n, ok := v.(float64); ok && n == float64(int64(n)) {
			break
		}
		if _, ok := v.(int64); !ok {
			add("expected an integer, found %s", describe(v))
		}
	case "bool":
		if _, ok := v.(bool); !ok {
			add("expected a boolean, found %s", describe(v))
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			add("expected an array, found %s", describe(v))
			break
		}
		problems = append(problems, w.checkList(schema, list, path, depth)...)
	case "object", "secureobject":
		o, ok := v.(*Object)
		if !ok {
			add("expected an object, found %s", describe(v))
			break
		}
		problems = append(problems, w.checkObject(schema, o, path, depth)...)
	}
	return problems
}

// merge gives the fields of both, the first over the second.
func merge(over, under *jsonc.Value) *jsonc.Value {
	if over == under {
		return over
	}
	both := *over
	both.Fields = slices.Concat(over.Fields, under.Fields)
	return &both
}

// constraint says whether a value breaks what stands in one schema beside its type.
func constraint(schema *jsonc.Value, v any) string {
	if allowed := schema.Get("allowedValues"); allowed != nil && len(allowed.Items) > 0 {
		var values []string
		ok := false
		list, isList := v.([]any)
		all := isList
		for _, item := range allowed.Items {
			one := literal(item)
			ok = ok || equalFold(one, v)
			values = append(values, describe(one))
		}
		for _, element := range list { // an array is allowed when its elements are
			all = all && slices.ContainsFunc(allowed.Items, func(item *jsonc.Value) bool { return equalFold(literal(item), element) })
		}
		if !ok && !all {
			return fmt.Sprintf("%s is not allowed; allowed are %s", describe(v), strings.Join(values, ", "))
		}
	}
	limit := func(name string) (int64, bool) {
		n, ok := literal(schema.Get(name)).(int64)
		return n, ok
	}
	switch v := v.(type) {
	case int64:
		if least, ok := limit("minValue"); ok && v < least {
			return fmt.Sprintf("%d is less than %d", v, least)
		}
		if most, ok := limit("maxValue"); ok && v > most {
			return fmt.Sprintf("%d is more than %d", v, most)
		}
	case string:
		return lengthProblem(limit, int64(len([]rune(v))), "characters")
	case []any:
		return lengthProblem(limit, int64(len(v)), "elements")
	}
	return ""
}

func equalFold(a, b any) bool {
	s, isText := a.(string)
	other, both := b.(string)
	return isText && both && strings.EqualFold(s, other) || equal(a, b)
}

func lengthProblem(limit func(string) (int64, bool), n int64, what string) string {
	if least, ok := limit("minLength"); ok && n < least {
		return fmt.Sprintf("it has %d %s and needs %d", n, what, least)
	}
	if most, ok := limit("maxLength"); ok && n > most {
		return fmt.Sprintf("it has %d %s and may have %d", n, what, most)
	}
	return ""
}

func (w *world) checkList(schema *jsonc.Value, list []any, path string, depth int) (problems []string) {
	prefix := schema.Get("prefixItems")
	for i, item := range list {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case prefix != nil && i < len(prefix.Items):
			problems = append(problems, w.checkDeep(prefix.Items[i], item, at, depth+1)...)
		case schema.Get("items") == nil:
		case schema.Get("items").Kind == jsonc.Object:
			problems = append(problems, w.checkDeep(schema.Get("items"), item, at, depth+1)...)
		case schema.Get("items").Scalar == false:
			problems = append(problems, at+": there may be no more elements")
		}
	}
	return problems
}

func (w *world) checkObject(schema *jsonc.Value, o *Object, path string, depth int) (problems []string) {
	if d := schema.Get("discriminator"); d != nil {
		return w.checkVariant(d, o, path, depth)
	}
	declared := schema.Get("properties")
	at := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	if declared != nil {
		for _, f := range declared.Fields {
			v, ok := o.Get(f.Name)
			switch {
			case ok:
				problems = append(problems, w.checkDeep(f.Value, v, at(f.Name), depth+1)...)
			case !w.isNullable(f.Value):
				problems = append(problems, at(f.Name)+": it is missing")
			}
		}
	}
	rest := schema.Get("additionalProperties")
	for name, v := range o.All {
		if declared.Get(name) != nil || rest == nil {
			continue
		}
		if rest.Kind == jsonc.Object {
			problems = append(problems, w.checkDeep(rest, v, at(name), depth+1)...)
		} else if rest.Scalar == false {
			problems = append(problems, at(name)+": the type has no such property")
		}
	}
	return problems
}

func (w *world) checkVariant(d *jsonc.Value, o *Object, path string, depth int) []string {
	property := d.Get("propertyName").Str()
	which := o.Str(property)
	mapping := d.Get("mapping")
	variant := mapping.Get(which)
	if variant == nil {
		var names []string
		if mapping != nil {
			for _, f := range mapping.Fields {
				names = append(names, f.Name)
			}
		}
		return []string{strings.TrimPrefix(path+"."+property, ".") + ": it must be one of " + strings.Join(names, ", ")}
	}
	return w.checkDeep(variant, o, path, depth+1)
}
