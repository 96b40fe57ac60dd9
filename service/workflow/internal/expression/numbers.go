package expression

import (
	"errors"
	"math"
	"math/bits"

	"weir/internal/dotnet"
)

// operation is an arithmetic function: one for each kind of number. Mixed numbers
// are taken as the wider kind.
type operation struct {
	integers func(a, b int64) (int64, bool)
	floats   func(a, b float64) float64
	decimals func(a, b Decimal) (Decimal, error)
	divides  bool
}

func (o operation) run(f *frame, args []any) (any, error) {
	for i := range args {
		if !number(args[i]) {
			return nil, f.expects(args, i, "an integer, a float or a decimal number")
		}
	}
	a, b := args[0], args[1]
	if zero, _ := compareNumbers(b, int64(0)); o.divides && zero == 0 {
		return nil, fail("Attempt to divide an integral or decimal value by zero in function '%s'.", f.name())
	}
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if ok1 && ok2 {
		if v, ok := o.integers(x, y); ok {
			return v, nil
		}
		return nil, f.invalid("The result is too large for an integer.")
	}
	_, ok1 = a.(Decimal)
	_, ok2 = b.(Decimal)
	if !ok1 && !ok2 {
		return o.floats(asFloat(a), asFloat(b)), nil
	}
	d, err1 := asDecimal(a)
	e, err2 := asDecimal(b)
	if err := errors.Join(err1, err2); err != nil {
		return nil, f.invalid("%s", err)
	}
	v, err := o.decimals(d, e)
	if err != nil {
		return nil, f.invalid("%s", err)
	}
	return v, nil
}

func number(v any) bool {
	switch v.(type) {
	case int64, float64, Decimal:
		return true
	}
	return false
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case Decimal:
		return v.Float()
	}
	return math.NaN()
}

func asDecimal(v any) (Decimal, error) {
	switch v := v.(type) {
	case int64:
		return dotnet.DecimalOf(v), nil
	case float64:
		return dotnet.DecimalOfFloat(v)
	}
	return v.(Decimal), nil
}

var (
	add = operation{
		integers: func(a, b int64) (int64, bool) { return a + b, (a+b > a) == (b > 0) || b == 0 },
		floats:   func(a, b float64) float64 { return a + b },
		decimals: Decimal.Add,
	}.run
	sub = operation{
		integers: func(a, b int64) (int64, bool) { return a - b, (a-b < a) == (b > 0) || b == 0 },
		floats:   func(a, b float64) float64 { return a - b },
		decimals: Decimal.Sub,
	}.run
	mul = operation{integers: product, floats: func(a, b float64) float64 { return a * b }, decimals: Decimal.Mul}.run
	div = operation{
		integers: func(a, b int64) (int64, bool) { return a / b, a != math.MinInt64 || b != -1 },
		floats:   func(a, b float64) float64 { return a / b },
		decimals: Decimal.Div,
		divides:  true,
	}.run
	mod = operation{
		integers: func(a, b int64) (int64, bool) { return a % b, true },
		floats:   math.Mod,
		decimals: Decimal.Rem,
		divides:  true,
	}.run
)

func product(a, b int64) (int64, bool) {
	high, low := bits.Mul64(absolute(a), absolute(b))
	negative := (a < 0) != (b < 0)
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	return a * b, high == 0 && low <= limit
}

func absolute(i int64) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

// extreme is min or max, of the parameters or of one array.
func extreme(sign int) implementation {
	return func(f *frame, args []any) (any, error) {
		list := args
		if l, ok := args[0].([]any); ok && len(args) == 1 {
			list = l
		}
		if len(list) == 0 {
			return nil, f.invalid("The array is empty.")
		}
		if err := f.step(len(list)); err != nil {
			return nil, err
		}
		best := list[0]
		for i := range list {
			if !number(list[i]) {
				return nil, f.expects(list, i, "an integer, a float or a decimal number")
			}
			if n, ok := compareNumbers(list[i], best); ok && n*sign > 0 {
				best = list[i]
			}
		}
		return best, nil
	}
}

var highest, lowest = extreme(1), extreme(-1)

func random(f *frame, args []any) (any, error) {
	low, err := f.integer(args, 0)
	if err != nil {
		return nil, err
	}
	high, err := f.integer(args, 1)
	if err != nil {
		return nil, err
	}
	if low > high {
		return nil, f.outOfRange("'minimum' must not be greater than 'maximum'. The provided values are '%d' and '%d'.", low, high)
	}
	if low == high {
		return low, nil
	}
	// The upper half of a product spreads evenly over any range.
	part, _ := bits.Mul64(f.context.Random(), uint64(high)-uint64(low))
	return low + int64(part), nil
}

// rangeMax is how many integers range makes at most, as in the cloud.
const rangeMax = 100_000

func sequence(f *frame, args []any) (any, error) {
	start, err := f.integer(args, 0)
	if err != nil {
		return nil, err
	}
	count, err := f.integer(args, 1)
	if err != nil {
		return nil, err
	}
	if count < 0 || count > rangeMax || start > math.MaxInt64-count {
		return nil, f.outOfRange("'count' must be a positive integer not greater than '%d'. The provided value is '%d'.", rangeMax, count)
	}
	list := make([]any, count)
	for i := range list {
		list[i] = start + int64(i)
	}
	return list, f.madeItems(int(count))
}
