package workflow

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"weir/service/workflow/internal/expression"
)

// VectorResult is how one line of a table of expressions came out.
type VectorResult struct {
	ID         string `json:"id,omitempty"`
	Function   string `json:"function,omitempty"`
	Confidence string `json:"confidence,omitempty"`
	Text       string `json:"text"`     // the expression or template
	Expected   string `json:"expected"` // JSON
	Got        string `json:"got"`      // JSON, or the error
	OK         bool   `json:"ok"`
}

// Vectors computes every line of a table: a JSON array of objects with "expression"
// or "template", "context" and "expected". What is expected is a value, or an object
// with one of $error (any error will do), $regex, or $oneOf.
func Vectors(table []byte) ([]VectorResult, error) {
	v, err := expression.ParseJSON(string(table))
	if err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	if o, ok := v.(*expression.Object); ok {
		v, _ = o.Get("vectors")
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("the table is no JSON array, nor an object with one in \"vectors\"")
	}
	results := make([]VectorResult, len(list))
	for i, x := range list {
		o, ok := x.(*expression.Object)
		if !ok {
			return nil, fmt.Errorf("line %d of the table is no object", i+1)
		}
		if results[i], err = vector(o); err != nil {
			return nil, fmt.Errorf("line %d of the table: %w", i+1, err)
		}
	}
	return results, nil
}

func vector(o *expression.Object) (VectorResult, error) {
	text := func(name string) string { v, _ := o.Exact(name); s, _ := v.(string); return s }
	r := VectorResult{ID: text("id"), Function: text("function"), Confidence: text("confidence"), Text: text("template")}
	source := r.Text
	if e, ok := o.Exact("expression"); ok {
		r.Text, ok = e.(string)
		if !ok {
			return r, errors.New("expression is no string")
		}
		source = "@" + strings.TrimPrefix(r.Text, "@")
	}
	expected, ok := o.Exact("expected")
	if !ok {
		return r, errors.New("there is no expected")
	}
	r.Expected = string(expression.AppendJSON(nil, expected))
	given, _ := o.Exact("context")
	c, err := contextOf(given)
	if err != nil {
		// One line that can not be asked does not take the others with it.
		r.Got = err.Error()
		return r, nil
	}
	got, err := evaluate(c, source)
	if err != nil {
		r.Got = err.Error()
	} else {
		r.Got = string(expression.AppendJSON(nil, got))
	}
	r.OK, err = meets(expected, got, err)
	return r, err
}

// meets tells whether what came out is what a table expects.
func meets(expected, got any, failure error) (bool, error) {
	if o, ok := expected.(*expression.Object); ok && len(o.Members) == 1 {
		switch want := o.Members[0].Value; o.Members[0].Name {
		case "$error":
			return failure != nil, nil
		case "$regex":
			pattern, _ := want.(string)
			re, err := regexp.Compile(pattern)
			if err != nil {
				return false, err
			}
			return failure == nil && re.MatchString(expression.Text(got)), nil
		case "$oneOf":
			choices, _ := want.([]any)
			for _, c := range choices {
				if same(c, got) {
					return failure == nil, nil
				}
			}
			return false, nil
		}
	}
	return failure == nil && same(expected, got), nil
}

// same compares as JSON does: floats to 15 digits, members in any order, XML
// content with its text or with what it holds.
func same(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	case *expression.Object:
		y, ok := b.(*expression.Object)
		if !ok || len(x.Members) != len(y.Members) {
			return false
		}
		for _, m := range x.Members {
			if v, ok := y.Exact(m.Name); !ok || !same(m.Value, v) {
				return false
			}
		}
		return true
	case string:
		if o, ok := b.(*expression.Object); ok {
			held := expression.Text(o)
			return held == x || strings.HasPrefix(held, "<") && innerText(held) == x
		}
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	}
	if x, ok := asFloat(a); ok {
		if y, ok := asFloat(b); ok {
			return x == y || math.Abs(x-y) <= 1e-15*math.Max(math.Abs(x), math.Abs(y))
		}
	}
	return expression.Equal(a, b)
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

var tags = regexp.MustCompile(`<[^>]*>`)

func innerText(xml string) string { return tags.ReplaceAllString(xml, "") }
