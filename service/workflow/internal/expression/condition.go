package expression

import (
	"fmt"
	"slices"
	"strings"
)

// operators are the functions that a condition may be written with as an object.
var operators = []string{"and", "or", "not", "equals", "greater", "greaterOrEquals", "less", "lessOrEquals", "contains", "startsWith", "endsWith", "empty"}

// ParseCondition compiles what an If or Until asks: a text like any other, or
// operators as objects, {"and": [{"equals": ["@variables('x')", 1]}, {"not": {...}}]}.
// What its Eval gives must be a boolean; EvalCondition sees to that.
func ParseCondition(condition any) (*Template, []Place) {
	t := &Template{}
	var problems []Place
	t.root = t.condition(condition, "", &problems)
	if t.broken {
		return nil, problems
	}
	return t, problems
}

// condition compiles an operator, or what it is applied to.
func (t *Template) condition(v any, path string, problems *[]Place) piece {
	o, ok := v.(*Object)
	if !ok {
		return t.value(v, path, problems)
	}
	refuse := func(format string, args ...any) piece {
		t.broken = true
		*problems = append(*problems, Place{Problem{Code: CodeParse, Column: 1, Message: fmt.Sprintf(format, args...)}, path})
		return nil
	}
	if len(o.Members) == 0 {
		// Designers write an empty condition as {}; nothing asked is true.
		return constant(true)
	}
	m := o.Members[0]
	at := slices.IndexFunc(operators, func(name string) bool { return strings.EqualFold(name, m.Name) })
	if len(o.Members) > 1 || at < 0 {
		return refuse("A condition is an object with one of the operators '%s', or an expression; it is given '%s'.", strings.Join(operators, "', '"), strings.Join(o.Names(), "', '"))
	}
	fn, path := Lookup(operators[at]), strings.TrimPrefix(path+stepTo(m.Name), ".")
	operands, isList := m.Value.([]any)
	if !isList {
		operands = []any{m.Value}
	}
	if n := len(operands); n < fn.Min || fn.Max >= 0 && n > fn.Max {
		return refuse("%s", fn.arity(n))
	}
	t.refs.join(Refs{Functions: []string{fn.Name}})
	args := make([]code, len(operands))
	for i, x := range operands {
		step := path
		if isList {
			step = fmt.Sprintf("%s[%d]", path, i)
		}
		p, at := t.condition(x, step, problems), &trail{nil, step}
		args[i] = func(f *frame) (any, error) { return p(f, at) }
	}
	run := called(fn, args)
	return func(f *frame, _ *trail) (any, error) {
		v, err := run(f)
		if e, ok := err.(*Error); ok && e.Path == "" {
			e.Path = path
		}
		return v, err
	}
}

// EvalCondition computes a condition. What is no boolean is an error.
func (t *Template) EvalCondition(c Context, b Budget) (bool, error) {
	v, err := t.Eval(c, b)
	if err != nil {
		return false, err
	}
	if yes, ok := v.(bool); ok {
		return yes, nil
	}
	return false, fail("The condition expects a value of type 'Boolean'. The provided value is of type '%s'.", kindOf(v))
}
