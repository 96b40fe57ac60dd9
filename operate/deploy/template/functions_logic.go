package template

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func comparisonFunctions() []*function {
	compare := func(name, words string, holds func(int) bool) *function {
		return &function{name: name, group: "comparison", least: 2, most: 2, usage: name + "(a, b)", summary: "Whether the first integer or string is " + words + " the second.",
			run: func(_ *env, args []any) (any, error) {
				c, err := order(args)
				return holds(c), err
			}}
	}
	return []*function{
		{name: "coalesce", group: "comparison", least: 1, most: -1, usage: "coalesce(value, ...)", summary: "The first argument that is not null.", special: func(e *env, n call) (any, error) {
			for _, a := range n.args {
				v, err := e.eval(a)
				if err != nil || v != nil {
					return v, err
				}
			}
			return nil, nil
		}},
		{name: "equals", group: "comparison", least: 2, most: 2, usage: "equals(a, b)", summary: "Whether two values of any type are equal; strings by case.", run: func(_ *env, args []any) (any, error) {
			return equal(args[0], args[1]), nil
		}},
		compare("greater", "greater than", func(c int) bool { return c > 0 }),
		compare("greaterOrEquals", "greater than or equal to", func(c int) bool { return c >= 0 }),
		compare("less", "less than", func(c int) bool { return c < 0 }),
		compare("lessOrEquals", "less than or equal to", func(c int) bool { return c <= 0 }),
	}
}

// order compares two integers or two strings.
func order(args []any) (int, error) {
	if a, ok := args[0].(string); ok {
		b, err := asText(args, 1)
		return strings.Compare(a, b), err
	}
	number := func(i int) (float64, error) {
		switch v := args[i].(type) {
		case int64:
			return float64(v), nil
		case float64:
			return v, nil
		}
		return 0, wrong(args, i, "an integer, or a string as the other one")
	}
	a, err := number(0)
	if err != nil {
		return 0, err
	}
	b, err := number(1)
	switch {
	case a < b:
		return -1, err
	case a > b:
		return 1, err
	}
	return 0, err
}

func logicalFunctions() []*function {
	logic := func(name, summary string, stop bool) *function {
		return &function{name: name, group: "logical", least: 1, most: -1, usage: name + "(condition, ...)", summary: summary,
			special: func(e *env, n call) (any, error) { return e.logic(n, stop) }}
	}
	return []*function{
		logic("and", "Whether all are true; what follows a false one is not evaluated.", false),
		logic("or", "Whether one is true; what follows a true one is not evaluated.", true),
		{name: "not", group: "logical", least: 1, most: 1, usage: "not(condition)", summary: "The opposite.", run: func(_ *env, args []any) (any, error) {
			b, err := asBool(args, 0)
			return !b, err
		}},
		{name: "xor", group: "logical", least: 2, most: 2, usage: "xor(a, b)", summary: "Whether exactly one is true.", run: func(_ *env, args []any) (any, error) {
			a, err := asBool(args, 0)
			if err != nil {
				return nil, err
			}
			b, err := asBool(args, 1)
			return a != b, err
		}},
		{name: "bool", group: "logical", least: 1, most: 1, usage: "bool(string or integer)", summary: "The value as a boolean: 'true', 1.", run: toBool},
		{name: "true", group: "logical", usage: "true()", summary: "True.", run: func(*env, []any) (any, error) { return true, nil }},
		{name: "false", group: "logical", usage: "false()", summary: "False.", run: func(*env, []any) (any, error) { return false, nil }},
		{name: "if", group: "logical", least: 2, most: 3, usage: "if(condition, whenTrue, whenFalse)", summary: "One value or the other; only the one that is taken is evaluated.", special: (*env).choose},
	}
}

// logic is and (stop at false) and or (stop at true).
func (e *env) logic(n call, stop bool) (any, error) {
	var unknown *Unknown
	for i, a := range n.args {
		v, err := e.eval(a)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case *Unknown:
			unknown = v
		case bool:
			if v == stop {
				return stop, nil
			}
		default:
			return nil, fmt.Errorf("%s: argument %d must be a boolean, and is %s", n.name, i+1, describe(v))
		}
	}
	if unknown != nil {
		return &Unknown{Text: "[" + n.source() + "]", failed: unknown.failed}, nil
	}
	return !stop, nil
}

func (e *env) choose(n call) (any, error) {
	c, err := e.eval(n.args[0])
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case bool:
		if c {
			return e.eval(n.args[1])
		}
		if len(n.args) == 2 {
			return nil, nil
		}
		return e.eval(n.args[2])
	case *Unknown:
		for _, branch := range n.args[1:] { // what either refers to must be there
			if _, err := e.eval(branch); err != nil {
				return nil, err
			}
		}
		return &Unknown{Text: "[" + n.source() + "]", failed: c.failed}, nil
	}
	return nil, fmt.Errorf("if: the condition must be a boolean, and is %s", describe(c))
}

func toBool(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return nil, wrong(args, 0, "'true', 'false' or an integer")
}

func numericFunctions() []*function {
	arith := func(name, summary string, fn func(a, b int64) (any, error)) *function {
		return &function{name: name, group: "numeric", least: 2, most: 2, usage: name + "(a, b)", summary: summary, run: ofInts(fn)}
	}
	return []*function{
		arith("add", "The sum of two integers.", func(a, b int64) (any, error) { return a + b, nil }),
		arith("sub", "The first integer less the second.", func(a, b int64) (any, error) { return a - b, nil }),
		arith("mul", "The product of two integers.", func(a, b int64) (any, error) { return a * b, nil }),
		arith("div", "The quotient of two integers, without its fraction.", func(a, b int64) (any, error) {
			if b == 0 {
				return nil, errors.New("nothing can be divided by 0")
			}
			if a == math.MinInt64 && b == -1 {
				return nil, errors.New("the quotient is too large")
			}
			return a / b, nil
		}),
		arith("mod", "What is left when an integer is divided.", func(a, b int64) (any, error) {
			if b == 0 {
				return nil, errors.New("nothing can be divided by 0")
			}
			if b == -1 {
				return int64(0), nil
			}
			return a % b, nil
		}),
		{name: "int", group: "numeric", least: 1, most: 1, usage: "int(string or integer)", summary: "The value as an integer.", run: toInt},
		{name: "float", group: "numeric", least: 1, most: 1, usage: "float(string or integer)", summary: "The value as a number with a fraction.", run: func(_ *env, args []any) (any, error) {
			switch v := args[0].(type) {
			case int64:
				return float64(v), nil
			case float64:
				return v, nil
			case string:
				if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
					return f, nil
				}
			}
			return nil, wrong(args, 0, "a number, or a string that is one")
		}},
		{name: "copyIndex", group: "numeric", most: 2, usage: "copyIndex(loopName, offset)", summary: "The turn of a copy loop, from 0.", run: copyIndex},
	}
}

func toInt(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, wrong(args, 0, "an integer, or a string that is one")
}

func copyIndex(e *env, args []any) (any, error) {
	loop, offset := "", int64(0)
	for i, a := range args {
		switch a := a.(type) {
		case string:
			if i == 1 {
				return nil, wrong(args, i, "an integer")
			}
			loop = a
		default:
			n, err := asInt(args, i)
			if err != nil {
				return nil, err
			}
			offset += n
		}
	}
	for _, onlyResources := range []bool{loop == "", false} { // without a name, the loop of the resource before others
		for i := len(e.frames) - 1; i >= 0; i-- {
			f := e.frames[i]
			if loop == "" && (f.resource || !onlyResources) || loop != "" && strings.EqualFold(loop, f.loop) {
				return f.index + offset, nil
			}
		}
	}
	if loop != "" {
		return nil, fmt.Errorf("there is no copy loop '%s' around this", loop)
	}
	return nil, errors.New("there is no copy loop around this")
}
