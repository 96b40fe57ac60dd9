package expression

import (
	"math"
	"strings"

	"weir/internal/dotnet"
)

// Equal tells whether two values are the same: numbers by their value, texts
// exactly, arrays and objects by what they hold. A boolean is the same as the
// number that stands for it.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		switch y := b.(type) {
		case bool:
			return x == y
		case int64:
			return x == (y != 0) && (y == 0 || y == 1)
		}
		return false
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := b.(*Object)
		return ok && equalObjects(x, y)
	}
	if y, ok := b.(bool); ok {
		return Equal(y, a)
	}
	order, ok := compareNumbers(a, b)
	return ok && order == 0
}

func equalObjects(x, y *Object) bool {
	if len(x.Members) != len(y.Members) {
		return false
	}
	var find func(string) (any, bool)
	for i, m := range x.Members {
		other := y.Members[i]
		if other.Name != m.Name {
			if find == nil {
				find = y.finder()
			}
			v, ok := find(m.Name)
			if !ok {
				return false
			}
			other.Value = v
		}
		if !Equal(m.Value, other.Value) {
			return false
		}
	}
	return true
}

// compareNumbers orders two numbers; false when one is none.
func compareNumbers(a, b any) (int, bool) {
	switch x := a.(type) {
	case int64:
		switch y := b.(type) {
		case int64:
			return cmp(x, y), true
		case float64:
			return cmp(float64(x), y), !math.IsNaN(y)
		case Decimal:
			return dotnet.DecimalOf(x).Cmp(y), true
		}
	case float64:
		switch y := b.(type) {
		case int64:
			return cmp(x, float64(y)), !math.IsNaN(x)
		case float64:
			return cmp(x, y), !math.IsNaN(x) && !math.IsNaN(y)
		case Decimal:
			return cmp(x, y.Float()), !math.IsNaN(x)
		}
	case Decimal:
		if order, ok := compareNumbers(b, a); ok {
			return -order, true
		}
		if y, ok := b.(Decimal); ok {
			return x.Cmp(y), true
		}
	}
	return 0, false
}

func cmp[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// order compares two numbers, two texts in any case, or two booleans.
func order(a, b any) (int, bool) {
	if n, ok := compareNumbers(a, b); ok {
		return n, true
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(strings.ToUpper(x), strings.ToUpper(y)), true
		}
	case bool:
		if y, ok := b.(bool); ok {
			return boolInt(x) - boolInt(y), true
		}
	}
	return 0, false
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func comparison(test func(order int) bool) implementation {
	return func(f *frame, args []any) (any, error) {
		n, ok := order(args[0], args[1])
		if ok {
			return test(n), nil
		}
		var odd []string
		for _, a := range args {
			if _, text := a.(string); !text && !number(a) {
				odd = append(odd, kindOf(a))
			}
		}
		if len(odd) > 0 {
			return nil, fail("The template language function '%s' expects all of its parameters to be either integer or decimal numbers. Found invalid parameter types: '%s'.", f.name(), strings.Join(odd, "', '"))
		}
		return nil, fail("The template language function '%s' expects two parameter of matching types. The function was invoked with values of type '%s' and '%s' that do not match.", f.name(), kindOf(args[0]), kindOf(args[1]))
	}
}

var (
	greater         = comparison(func(n int) bool { return n > 0 })
	greaterOrEquals = comparison(func(n int) bool { return n >= 0 })
	less            = comparison(func(n int) bool { return n < 0 })
	lessOrEquals    = comparison(func(n int) bool { return n <= 0 })
)

func equals(f *frame, args []any) (any, error) {
	for _, a := range args[1:] {
		if list, ok := a.([]any); ok {
			if err := f.step(len(list)); err != nil {
				return nil, err
			}
		}
		if !Equal(args[0], a) {
			return false, nil
		}
	}
	return true, nil
}

func not(f *frame, args []any) (any, error) {
	if b, ok := args[0].(bool); ok {
		return !b, nil
	}
	return nil, f.expects(args, 0, "a boolean")
}

// connective is and, or: it stops at the first value that decides.
func connective(name string, decides bool) lazy {
	return func(args []code) code {
		return func(f *frame) (any, error) {
			for _, a := range args {
				v, err := a(f)
				if err != nil {
					return nil, err
				}
				b, ok := v.(bool)
				if !ok {
					return nil, fail("The template language function '%s' expects all of its parameters to be booleans. Found invalid parameter types: '%s'.", name, kindOf(v))
				}
				if b == decides {
					return decides, nil
				}
			}
			return !decides, nil
		}
	}
}

func choose(args []code) code {
	return func(f *frame) (any, error) {
		v, err := args[0](f)
		if err != nil {
			return nil, err
		}
		b, ok := v.(bool)
		switch {
		case !ok:
			return nil, fail("The template language function 'if' expects its first parameter to be of type boolean. The provided value is of type '%s'. Please see https://aka.ms/logicexpressions#if for usage details.", kindOf(v))
		case b:
			return args[1](f)
		}
		return args[2](f)
	}
}

func coalesce(args []code) code {
	return func(f *frame) (any, error) {
		for _, a := range args {
			if v, err := a(f); err != nil || v != nil {
				return v, err
			}
		}
		return nil, nil
	}
}
