package resource

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"weir/internal/iso8601"
)

// Normalise holds a document against its type: every problem is found, defaults are
// filled in, spellings put right. old is the resource as it is, nil for a new one; what
// a new version leaves out of its immutable properties stays as it is. Properties with
// null are absent.
func (t *Type) Normalise(d Document, old *Document) (Document, Problems) {
	d = d.Clone()
	v := validator{doc: &d}
	v.name(t)
	v.common(t)
	d.Properties = v.object(t.Fields, "properties", d.Properties, oldProperties(old))
	if d.Properties == nil {
		d.Properties = map[string]any{}
	}
	d.written = nil
	return d, v.problems.of(d.ID)
}

func oldProperties(old *Document) map[string]any {
	if old == nil {
		return nil
	}
	return old.Properties
}

// validator walks over a document's values and gathers problems.
type validator struct {
	doc      *Document // for lines; nil while a schema is compiled
	problems Problems
}

func (v *validator) add(path, format string, args ...any) {
	line := 0
	if v.doc != nil {
		line = v.doc.Line(path)
	}
	v.problems.add(path, line, format, args...)
}

func (v *validator) name(t *Type) {
	if problem := t.NameProblem(v.doc.ID.Name()); problem != "" {
		v.add("name", "%s", problem)
	}
}

// NameProblem says why a name is none for a resource of this type; empty when it is.
func (t *Type) NameProblem(name string) string {
	length := int64(utf8.RuneCountInString(name))
	switch {
	case t.Always != "" && !strings.EqualFold(name, t.Always):
		return fmt.Sprintf("There is one of this type in each place, and its name is %q.", t.Always)
	case t.NameRange.Max > 0 && (length < t.NameRange.Min || length > t.NameRange.Max):
		return fmt.Sprintf("A name of this type has %d to %d characters; %q has %d.", t.NameRange.Min, t.NameRange.Max, shorten(name), length)
	case t.namePattern != nil && !t.namePattern.MatchString(name):
		return fmt.Sprintf("The name %q is not allowed: %s.", shorten(name), t.NameHint)
	}
	return ""
}

// common checks what all resources share.
func (v *validator) common(t *Type) {
	d := v.doc
	if d.Location != "" && !t.Located {
		d.Location = "" // children lie where their parent is; clients send it all the same
	}
	switch {
	case d.SKU == nil && len(t.SKUs) > 0:
		d.SKU = &SKU{Name: t.SKUs[0]}
	case d.SKU != nil && len(t.SKUs) == 0:
		v.add("sku", "Resources of this type have no sku: leave it out.")
		return
	case d.SKU == nil:
		return
	}
	i := slices.IndexFunc(t.SKUs, func(s string) bool { return strings.EqualFold(s, d.SKU.Name) })
	if i < 0 {
		v.add("sku.name", "The sku %q is not known: use %s.", d.SKU.Name, alternatives(t.SKUs))
		return
	}
	d.SKU.Name, d.SKU.Tier = t.SKUs[i], t.SKUs[i]
}

// object checks every property, fills in defaults and refuses names nobody declared.
func (v *validator) object(fields []Field, path string, given, old map[string]any) map[string]any {
	out := map[string]any{}
	used := map[string]string{} // by declared name, as it was given
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
		if i < 0 {
			v.add(path+"."+name, "There is no property %q here%s", name, suggestion(name, fields))
			continue
		}
		f := fields[i]
		if first, twice := used[f.Name]; twice {
			v.add(path+"."+name, "The property was given twice, as %q and %q.", first, name)
			continue
		}
		used[f.Name] = name
		if f.ReadOnly || given[name] == nil {
			continue
		}
		if f.Kind == Object {
			if inner, ok := given[name].(map[string]any); ok {
				innerOld, _ := old[f.Name].(map[string]any)
				out[f.Name] = v.object(f.Fields, path+"."+name, inner, innerOld)
				continue
			}
		}
		out[f.Name] = v.value(f, path+"."+name, given[name])
	}
	for _, f := range fields {
		v.complete(f, path, out, old)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// complete fills in what was left out, and holds what cannot change.
func (v *validator) complete(f Field, path string, out, old map[string]any) {
	value, given := out[f.Name]
	before, existed := old[f.Name]
	switch {
	case f.ReadOnly:
		return
	case !given && f.Immutable && existed:
		out[f.Name] = before
	case !given && f.Default != nil:
		out[f.Name] = cloneValue(f.Default)
	case !given && f.Required:
		v.add(path+"."+f.Name, "The property is required: %s", f.Description)
	}
	if given && f.Immutable && old != nil && !sameValue(value, beforeOr(before, f.Default)) {
		v.add(path+"."+f.Name, "The property cannot change once the resource is there; it is %s. Delete the resource and declare it anew.", display(beforeOr(before, f.Default)))
	}
}

func beforeOr(before, fallback any) any {
	if before == nil {
		return fallback
	}
	return before
}

func sameValue(a, b any) bool { return display(a) == display(b) }

func display(v any) string {
	if v == nil {
		return "not set"
	}
	return fmt.Sprint(v)
}

// value checks one value and returns it in its one right spelling.
func (v *validator) value(f Field, path string, given any) any {
	switch f.Kind {
	case Bool:
		if b, ok := given.(bool); ok {
			return b
		}
		v.wrong(path, "true or false", given)
	case Int:
		if n, ok := asInt(given); ok {
			v.inRange(f, path, n, strconv.FormatInt(n, 10), func(n int64) string { return strconv.FormatInt(n, 10) })
			return n
		}
		v.wrong(path, "a whole number", given)
	case List:
		if list, ok := given.([]any); ok {
			return v.list(f, path, list)
		}
		v.wrong(path, "a list", given)
	case Object:
		v.wrong(path, "an object", given)
	case Map:
		if m, ok := given.(map[string]any); ok {
			return v.mapping(path, m)
		}
		v.wrong(path, "an object", given)
	case JSON:
		return v.json(path, given)
	default:
		if s, ok := given.(string); ok {
			return v.text(f, path, s)
		}
		v.wrong(path, textKinds[f.Kind], given)
	}
	return given
}

var textKinds = map[Kind]string{
	String: "text", Secret: "text", Enum: "one of the values", Duration: "an ISO 8601 duration such as PT1M", IDRef: "the id of a resource", Time: "a time such as 2026-01-31T12:00:00Z",
}

func (v *validator) wrong(path, want string, given any) {
	shown := "an object"
	switch g := given.(type) {
	case string:
		shown = strconv.Quote(shorten(g))
	case []any:
		shown = "a list"
	case bool, int64, float64, int:
		shown = fmt.Sprint(g)
	}
	v.add(path, "Expected %s, found %s.", want, shown)
}

func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), n == float64(int64(n)) && n > -1e15 && n < 1e15
	}
	return 0, false
}

func (v *validator) inRange(f Field, path string, n int64, shown string, show func(int64) string) {
	switch r := f.Range; {
	case r == nil:
	case n < r.Min:
		v.add(path, "It is %s and must be at least %s.", shown, show(r.Min))
	case n > r.Max:
		v.add(path, "It is %s and must be at most %s.", shown, show(r.Max))
	}
}

func (v *validator) list(f Field, path string, list []any) any {
	v.inRange(f, path, int64(len(list)), fmt.Sprintf("a list of %d", len(list)), func(n int64) string { return fmt.Sprintf("%d long", n) })
	out := make([]any, len(list))
	for i, item := range list {
		at := path + "[" + strconv.Itoa(i) + "]"
		if inner, ok := item.(map[string]any); ok && f.Element.Kind == Object {
			out[i] = v.object(f.Element.Fields, at, inner, nil)
			continue
		}
		out[i] = v.value(*f.Element, at, item)
	}
	return out
}

// mapping lets through any names; their values are scalars.
func (v *validator) mapping(path string, m map[string]any) any {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch value := m[name].(type) {
		case map[string]any:
			_, isType := value["type"].(string)
			_, isText := value["value"].(string)
			if !isType || !isText || len(value) != 2 {
				v.wrong(path+"."+name, "text, a number, true or false, or {type, value} with two texts", value)
			}
		case []any:
			v.wrong(path+"."+name, "text, a number, true or false, or {type, value} with two texts", value)
		}
	}
	return m
}

func (v *validator) text(f Field, path, s string) any {
	switch f.Kind {
	case Enum:
		for _, allowed := range f.Values {
			if strings.EqualFold(s, allowed) {
				return allowed
			}
		}
		v.add(path, "It is %q: use %s.", shorten(s), alternatives(f.Values))
	case Duration:
		d, err := iso8601.Parse(s)
		if err != nil {
			v.add(path, "%s", sentence(err.Error()))
			return s
		}
		v.inRange(f, path, int64(d), s, func(n int64) string { return iso8601.Duration(n).String() })
		return d.String()
	case IDRef:
		id, err := ParseID(s)
		if err != nil {
			v.add(path, "%s", sentence(err.Error()))
			return s
		}
		return id.String()
	case Time:
		if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			v.wrong(path, textKinds[Time], s)
		}
	default:
		v.inRange(f, path, int64(utf8.RuneCountInString(s)), fmt.Sprintf("%d characters long", utf8.RuneCountInString(s)), func(n int64) string { return strconv.FormatInt(n, 10) })
		if f.pattern != nil && !f.pattern.MatchString(s) {
			v.add(path, "%q is not allowed: %s.", shorten(s), f.Hint)
		}
	}
	return s
}

// alternatives writes "a, b or c".
func alternatives(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}

// suggestion ends the sentence with the property that was probably meant.
func suggestion(name string, fields []Field) string {
	best, distance := "", len(name)/3+2
	for _, f := range fields {
		given, known := strings.ToLower(name), strings.ToLower(f.Name)
		d := editDistance(given, known)
		if len(given) > 3 && strings.HasPrefix(known, given) {
			d = min(d, 2)
		}
		if d < distance {
			best, distance = f.Name, d
		}
	}
	if best == "" {
		return "."
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}

func parentPath(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
