package run

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

// faultsMax bounds the faults that are told of one document, depthMax how deep a schema
// is followed.
const (
	faultsMax = 100
	depthMax  = 64
)

// parseJSON checks a content against a schema. Text is read first.
func parseJSON(m *machine, i *instance, n *node, in any) (any, failure) {
	o, _ := in.(*expression.Object)
	var content any
	if o != nil {
		content, _ = o.Get("content")
	}
	switch c := content.(type) {
	case nil:
		return nil, failure{"InvalidTemplate", fmt.Sprintf("Unable to process template language expressions in action '%s' inputs at line '0' and column '0': 'Required property 'content' expects a value but got null. Path ''.'.", n.Action.Name)}
	case string:
		v, err := expression.ParseJSON(c)
		if err != nil {
			return nil, failure{codeBadInput, fmt.Sprintf("The 'content' property of actions of type 'ParseJson' must be valid JSON. The provided value cannot be parsed: '%s'.", err)}
		}
		content = v
	case *expression.Object:
		if _, binary := c.Exact("$content"); binary {
			if v, err := expression.ParseJSON(expression.Text(c)); err == nil {
				content = v
			}
		}
	}
	given, _ := n.Inputs.Fold("schema")
	s := &schema{}
	if given.Is(document.Object) {
		s.root, _ = valueOf(given).(*expression.Object)
		s.check(s.root, content, "", "#", 0)
	}
	if len(s.faults) > 0 {
		return expression.NewObject("errors", s.faults), failure{codeInvalidSchema, "The schema validation failed."}
	}
	return body(content), failure{}
}

// Mismatch says in sentences what a value has that a schema does not allow, as far as
// faultsMax; none, it fits.
func Mismatch(root *expression.Object, v any) []string {
	s := &schema{root: root}
	s.check(root, v, "", "#", 0)
	var all []string
	for _, f := range s.faults {
		sentence, _ := f.(*expression.Object).Exact("message")
		all = append(all, expression.Text(sentence))
	}
	return all
}

// schema is a check of one value: of JSON Schema's words those that people use. Formats
// are not enforced, as in the cloud; words that are not known are not, either.
type schema struct {
	root   *expression.Object
	faults []any
}

func (s *schema) fault(path, id, word string, v any, format string, args ...any) {
	if len(s.faults) < faultsMax {
		s.faults = append(s.faults, expression.NewObject("message", fmt.Sprintf(format, args...), "lineNumber", int64(0), "linePosition", int64(0),
			"path", strings.TrimPrefix(path, "."), "value", v, "schemaId", id, "errorType", word, "childErrors", []any{}))
	}
}

// fits reports whether a value has no fault, without telling of any.
func (s *schema) fits(x any, v any, depth int) bool {
	probe := &schema{root: s.root}
	if o, ok := x.(*expression.Object); ok {
		probe.check(o, v, "", "#", depth+1)
	} else if b, ok := x.(bool); ok {
		return b
	}
	return len(probe.faults) == 0
}

func (s *schema) check(o *expression.Object, v any, path, id string, depth int) {
	if o == nil || depth > depthMax {
		return
	}
	if ref, ok := o.Exact("$ref"); ok {
		s.check(s.resolve(expression.Text(ref)), v, path, expression.Text(ref), depth+1)
		return
	}
	if t, ok := o.Exact("type"); ok && !s.typed(t, v) {
		s.fault(path, id, "type", v, "Invalid type. Expected %s but got %s.", typeWords(t), typeName(v))
		return
	}
	if list, ok := o.Exact("enum"); ok {
		if all, ok := list.([]any); ok && !slices.ContainsFunc(all, func(x any) bool { return expression.Equal(x, v) }) {
			s.fault(path, id, "enum", v, "Value %s is not defined in enum.", expression.AppendJSON(nil, v))
		}
	}
	if c, ok := o.Exact("const"); ok && !expression.Equal(c, v) {
		s.fault(path, id, "const", v, "Value %s does not match const.", expression.AppendJSON(nil, v))
	}
	s.combined(o, v, path, id, depth)
	switch v := v.(type) {
	case string:
		s.text(o, v, path, id)
	case int64:
		s.number(o, float64(v), path, id)
	case float64:
		s.number(o, v, path, id)
	case []any:
		s.array(o, v, path, id, depth)
	case *expression.Object:
		s.object(o, v, path, id, depth)
	}
}

// resolve finds what a reference into the same schema names.
func (s *schema) resolve(ref string) *expression.Object {
	rest, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	at := s.root
	for _, step := range strings.Split(strings.Trim(rest, "/"), "/") {
		if step == "" || at == nil {
			continue
		}
		v, _ := at.Exact(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		at, _ = v.(*expression.Object)
	}
	return at
}

func typeWords(t any) string {
	var words []string
	list, ok := t.([]any)
	if !ok {
		list = []any{t}
	}
	for _, x := range list {
		if w := expression.Text(x); w != "" {
			words = append(words, strings.ToUpper(w[:1])+w[1:])
		}
	}
	return strings.Join(words, ", ")
}

func (s *schema) typed(t any, v any) bool {
	if list, ok := t.([]any); ok {
		return slices.ContainsFunc(list, func(x any) bool { return s.typed(x, v) })
	}
	switch strings.ToLower(expression.Text(t)) {
	case "string":
		_, ok := v.(string)
		return ok
	case "integer":
		switch v := v.(type) {
		case int64:
			return true
		case float64:
			return v == math.Trunc(v)
		}
		return false
	case "number":
		return numeric(v)
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "object":
		_, ok := v.(*expression.Object)
		return ok
	case "null":
		return v == nil
	}
	return true
}

func (s *schema) combined(o *expression.Object, v any, path, id string, depth int) {
	for _, word := range []string{"allOf", "anyOf", "oneOf"} {
		x, ok := o.Exact(word)
		list, isList := x.([]any)
		if !ok || !isList {
			continue
		}
		hits := 0
		for _, one := range list {
			if s.fits(one, v, depth) {
				hits++
			}
		}
		switch {
		case word == "allOf" && hits != len(list):
			s.fault(path, id, word, v, "JSON does not match all schemas from 'allOf'.")
		case word == "anyOf" && hits == 0:
			s.fault(path, id, word, v, "JSON does not match any schemas from 'anyOf'.")
		case word == "oneOf" && hits == 0:
			s.fault(path, id, word, v, "JSON is valid against no schemas from 'oneOf'.")
		case word == "oneOf" && hits > 1:
			s.fault(path, id, word, v, "JSON is valid against more than one schema from 'oneOf'.")
		}
	}
	if x, ok := o.Exact("not"); ok && s.fits(x, v, depth) {
		s.fault(path, id, "not", v, "JSON is valid against schema from 'not'.")
	}
}

// bound gives a number of a schema.
func bound(o *expression.Object, word string) (float64, bool) {
	switch v, _ := o.Exact(word); v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (s *schema) text(o *expression.Object, v, path, id string) {
	n := float64(utf8.RuneCountInString(v))
	if least, ok := bound(o, "minLength"); ok && n < least {
		s.fault(path, id, "minimumLength", v, "String '%s' is less than minimum length of %v.", v, least)
	}
	if most, ok := bound(o, "maxLength"); ok && n > most {
		s.fault(path, id, "maximumLength", v, "String '%s' exceeds maximum length of %v.", v, most)
	}
	if p, ok := o.Exact("pattern"); ok {
		if re, err := regexp.Compile(expression.Text(p)); err == nil && !re.MatchString(v) {
			s.fault(path, id, "pattern", v, "String '%s' does not match regex pattern '%s'.", v, expression.Text(p))
		}
	}
}

func (s *schema) number(o *expression.Object, v float64, path, id string) {
	if least, ok := bound(o, "minimum"); ok && v < least {
		s.fault(path, id, "minimum", v, "Number %v is less than minimum value of %v.", v, least)
	}
	if most, ok := bound(o, "maximum"); ok && v > most {
		s.fault(path, id, "maximum", v, "Number %v exceeds maximum value of %v.", v, most)
	}
	if of, ok := bound(o, "multipleOf"); ok && of > 0 && math.Mod(v, of) != 0 {
		s.fault(path, id, "multipleOf", v, "Number %v is not a multiple of %v.", v, of)
	}
}

func (s *schema) array(o *expression.Object, v []any, path, id string, depth int) {
	if least, ok := bound(o, "minItems"); ok && float64(len(v)) < least {
		s.fault(path, id, "minimumItems", nil, "Array item count %d is less than minimum count of %v.", len(v), least)
	}
	if most, ok := bound(o, "maxItems"); ok && float64(len(v)) > most {
		s.fault(path, id, "maximumItems", nil, "Array item count %d exceeds maximum count of %v.", len(v), most)
	}
	switch items, _ := o.Exact("items"); items := items.(type) {
	case *expression.Object:
		for k, x := range v {
			s.check(items, x, fmt.Sprintf("%s[%d]", path, k), id+"/items", depth+1)
		}
	case []any:
		for k := range min(len(v), len(items)) {
			one, _ := items[k].(*expression.Object)
			s.check(one, v[k], fmt.Sprintf("%s[%d]", path, k), fmt.Sprintf("%s/items/%d", id, k), depth+1)
		}
	}
}

func (s *schema) object(o *expression.Object, v *expression.Object, path, id string, depth int) {
	if list, ok := o.Exact("required"); ok {
		all, _ := list.([]any)
		var missing []string
		for _, name := range all {
			if _, ok := v.Exact(expression.Text(name)); !ok {
				missing = append(missing, expression.Text(name))
			}
		}
		if len(missing) > 0 {
			s.fault(path, id, "required", nil, "Required properties are missing from object: %s.", strings.Join(missing, ", "))
		}
	}
	x, _ := o.Exact("properties")
	properties, _ := x.(*expression.Object)
	more, closed := o.Exact("additionalProperties")
	rest, _ := more.(*expression.Object)
	for _, m := range v.Members {
		var one any
		known := false
		if properties != nil {
			one, known = properties.Exact(m.Name)
		}
		switch {
		case known:
			sub, _ := one.(*expression.Object)
			s.check(sub, m.Value, path+"."+m.Name, id+"/properties/"+m.Name, depth+1)
		case closed && more == false:
			s.fault(path, id, "additionalProperties", nil, "Property '%s' has not been defined and the schema does not allow additional properties.", m.Name)
		case rest != nil:
			s.check(rest, m.Value, path+"."+m.Name, id+"/additionalProperties", depth+1)
		}
	}
}
