package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// function is a function of the language.
type function struct {
	name, group string
	usage       string
	least, most int // arguments; most -1: any number
	summary     string
	// structural functions look at the outside of their arguments only: an array one
	// element of which is not known yet is good enough. carries: an argument that is
	// not known itself is taken in as it is.
	structural, carries bool

	run func(e *env, args []any) (any, error)
	// special functions decide themselves which arguments to evaluate.
	special func(e *env, n call) (any, error)
}

// allFunctions are all of them by their names in lower case.
func allFunctions() map[string]*function {
	all := map[string]*function{}
	for _, group := range []func() []*function{
		arrayFunctions, comparisonFunctions, dateFunctions, deploymentFunctions, lambdaFunctions, logicalFunctions,
		numericFunctions, objectFunctions, resourceFunctions, scopeFunctions, stringFunctions, cidrFunctions,
	} {
		for _, f := range group() {
			all[strings.ToLower(f.name)] = f
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Function is what the reference says of a function.
type Function struct{ Group, Name, Usage, Summary string }

// Functions lists the functions, by group and name.
func Functions() []Function {
	var list []Function
	functions := allFunctions()
	for _, key := range sortedKeys(functions) {
		f := functions[key]
		list = append(list, Function{f.group, f.name, f.usage, f.summary})
	}
	slices.SortStableFunc(list, func(a, b Function) int { return strings.Compare(a.Group, b.Group) })
	return list
}

// The arguments of functions, each with what to say of a wrong one.

func asText(args []any, i int) (string, error) {
	s, ok := args[i].(string)
	if !ok {
		return "", wrong(args, i, "a string")
	}
	return s, nil
}

func asInt(args []any, i int) (int64, error) {
	switch v := args[i].(type) {
	case int64:
		return v, nil
	case float64:
		if v == float64(int64(v)) {
			return int64(v), nil
		}
	}
	return 0, wrong(args, i, "an integer")
}

func asList(args []any, i int) ([]any, error) {
	list, ok := args[i].([]any)
	if !ok {
		return nil, wrong(args, i, "an array")
	}
	return list, nil
}

func asObject(args []any, i int) (*Object, error) {
	o, ok := args[i].(*Object)
	if !ok {
		return nil, wrong(args, i, "an object")
	}
	return o, nil
}

func asBool(args []any, i int) (bool, error) {
	b, ok := args[i].(bool)
	if !ok {
		return false, wrong(args, i, "a boolean")
	}
	return b, nil
}

func asLambda(args []any, i int) (*Lambda, error) {
	l, ok := args[i].(*Lambda)
	if !ok {
		return nil, wrong(args, i, "a lambda")
	}
	return l, nil
}

func wrong(args []any, i int, want string) error {
	return fmt.Errorf("argument %d must be %s, and is %s", i+1, want, describe(args[i]))
}

// ofText makes a function of one string.
func ofText(fn func(string) (any, error)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		s, err := asText(args, 0)
		if err != nil {
			return nil, err
		}
		return fn(s)
	}
}

// ofTexts makes a function of two strings.
func ofTexts(fn func(a, b string) (any, error)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		a, err := asText(args, 0)
		if err != nil {
			return nil, err
		}
		b, err := asText(args, 1)
		if err != nil {
			return nil, err
		}
		return fn(a, b)
	}
}

// ofInts makes a function of two integers.
func ofInts(fn func(a, b int64) (any, error)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		a, err := asInt(args, 0)
		if err != nil {
			return nil, err
		}
		b, err := asInt(args, 1)
		if err != nil {
			return nil, err
		}
		return fn(a, b)
	}
}
