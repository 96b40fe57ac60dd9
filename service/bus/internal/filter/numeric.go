package filter

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strings"
)

// compare applies a comparison operator. Unknown and null make it unknown; values
// of different families are unequal and have no order.
func compare(op operator, a, b value) (Tristate, error) {
	if a.kind == text && b.kind == text { // the common case, first
		return holds(op, strings.Compare(a.text, b.text)), nil
	}
	if a.kind <= null || b.kind <= null {
		return Unknown, nil
	}
	f, g := a.kind.family(), b.kind.family()
	equality := op == opEqual || op == opNotEqual
	switch {
	case f == familyOpaque || g == familyOpaque:
		return Unknown, evaluationError("%s cannot be compared", familyOpaque)
	case f != g && equality:
		return truthOf(op == opNotEqual), nil
	case f != g:
		return Unknown, evaluationError("%s and %s have no order: '%s' needs two of a kind", f, g, op)
	}
	switch f {
	case familyNumber:
		order, ordered := compareNumbers(a, b)
		if !ordered { // NaN is unequal to everything
			return truthOf(op == opNotEqual), nil
		}
		return holds(op, order), nil
	case familyInstant, familySpan:
		return holds(op, cmp.Compare(int64(a.bits), int64(b.bits))), nil
	}
	if !equality {
		return Unknown, evaluationError("'%s' has no meaning for %s", op, f)
	}
	return truthOf(sameValue(a, b) == (op == opEqual)), nil
}

func sameValue(a, b value) bool {
	switch a.kind {
	case blob:
		return bytes.Equal(a.ref.([]byte), b.ref.([]byte))
	case guid:
		return a.ref.(GUID) == b.ref.(GUID)
	}
	return a.bits == b.bits // booleans
}

func holds(op operator, order int) Tristate {
	switch op {
	case opEqual:
		return truthOf(order == 0)
	case opNotEqual:
		return truthOf(order != 0)
	case opLess:
		return truthOf(order < 0)
	case opLessEqual:
		return truthOf(order <= 0)
	case opGreater:
		return truthOf(order > 0)
	}
	return truthOf(order >= 0)
}

// compareNumbers compares integers exactly, and anything with a floating-point
// number in floating point, as C# does. ordered is false for NaN.
func compareNumbers(a, b value) (order int, ordered bool) {
	switch {
	case a.kind < f32 && b.kind < f32:
		return compareIntegers(a, b), true
	case isFloat(a) || isFloat(b):
		x, y := floatOperands(a, b)
		return cmp.Compare(x, y), !math.IsNaN(x) && !math.IsNaN(y)
	}
	return decimalOf(a).Compare(decimalOf(b)), true
}

func isFloat(v value) bool { return v.kind == f32 || v.kind == f64 }

func compareIntegers(a, b value) int {
	switch aBig, bBig := a.kind == u64, b.kind == u64; {
	case aBig && bBig:
		return cmp.Compare(a.bits, b.bits)
	case aBig && (int64(b.bits) < 0 || a.bits > math.MaxInt64):
		return 1
	case bBig && (int64(a.bits) < 0 || b.bits > math.MaxInt64):
		return -1
	}
	return cmp.Compare(int64(a.bits), int64(b.bits))
}

// floatOperands widens both to double, by way of single where C# would stay there.
func floatOperands(a, b value) (x, y float64) {
	x, y = toFloat(a), toFloat(b)
	if a.kind != f64 && b.kind != f64 {
		x, y = float64(float32(x)), float64(float32(y))
	}
	return x, y
}

func toFloat(v value) float64 {
	switch v.kind {
	case f32, f64:
		return v.float()
	case u64:
		return float64(v.bits)
	case dec:
		return v.ref.(Decimal).Float()
	}
	return float64(int64(v.bits))
}

func decimalOf(v value) Decimal {
	switch v.kind {
	case dec:
		return v.ref.(Decimal)
	case u64:
		return decimalOfInt(new(big.Int).SetUint64(v.bits))
	}
	return decimalOfInt(big.NewInt(int64(v.bits)))
}

// calculate applies an arithmetic operator. Unknown stays unknown; a string and
// anything join; otherwise null stays null.
func calculate(op operator, a, b value) (value, error) {
	f, g := a.kind.family(), b.kind.family()
	switch {
	case a.kind == unknown || b.kind == unknown:
		return value{}, nil
	case op == opAdd && (a.kind == text || b.kind == text):
		return join(a, b)
	case a.kind == null || b.kind == null:
		return value{kind: null}, nil
	case f == familyNumber && g == familyNumber:
		return calculateNumbers(op, a, b)
	case (op == opAdd || op == opSubtract) && (f == familyInstant || f == familySpan) && (g == familySpan || op == opSubtract && g == f):
		return calculateTimes(op, a, b)
	}
	return value{}, evaluationError("'%s' has no meaning between %s and %s", op, f, g)
}

func join(a, b value) (value, error) {
	x, err := a.display()
	if err != nil {
		return value{}, err
	}
	y, err := b.display()
	if err != nil {
		return value{}, err
	}
	return textValue(x + y), nil
}

// calculateTimes adds and subtracts ticks: a time and a span give a time, two
// times a span, two spans a span.
func calculateTimes(op operator, a, b value) (value, error) {
	ticks, fits := calculateSigned(op, int64(a.bits), int64(b.bits))
	if !fits {
		return value{}, overflow(op)
	}
	k := a.kind
	if b.kind == instant {
		k = span
	}
	return intValue(k, ticks), nil
}

func calculateNumbers(op operator, a, b value) (value, error) {
	switch {
	case isFloat(a) || isFloat(b):
		x, y := floatOperands(a, b)
		result := calculateFloats(op, x, y)
		if a.kind != f64 && b.kind != f64 {
			return floatValue(f32, float64(float32(result))), nil
		}
		return floatValue(f64, result), nil
	case a.kind == dec || b.kind == dec:
		result, err := decimalOf(a).calculate(op, decimalOf(b))
		return value{kind: dec, ref: result}, err
	}
	return calculateIntegers(op, a, b)
}

func calculateFloats(op operator, x, y float64) float64 {
	switch op {
	case opAdd:
		return x + y
	case opSubtract:
		return x - y
	case opMultiply:
		return x * y
	case opDivide:
		return x / y
	}
	return math.Mod(x, y)
}

// calculateIntegers promotes as C# does: to int, uint, long or ulong, and checks
// that the result fits. C# refuses a ulong with a signed number; here the exact
// result decides, a long where it fits one.
func calculateIntegers(op operator, a, b value) (value, error) {
	if (op == opDivide || op == opModulo) && b.bits == 0 {
		return value{}, evaluationError("division by zero")
	}
	k := promote(a.kind, b.kind)
	if k == u64 || a.kind == u64 || b.kind == u64 {
		return calculateBig(op, a, b, k)
	}
	n, fits := calculateSigned(op, int64(a.bits), int64(b.bits))
	if !fits || k == i32 && n != int64(int32(n)) || k == u32 && n != int64(uint32(n)) {
		return value{}, overflow(op)
	}
	return intValue(k, n), nil
}

func promote(a, b kind) kind {
	low, high := min(a, b), max(a, b)
	signed := low == i8 || low == i16 || low == i32
	switch {
	case high == u64 && (signed || low == i64):
		return i64
	case high >= i64:
		return high
	case high == u32 && signed:
		return i64
	case high == u32:
		return u32
	}
	return i32
}

func calculateSigned(op operator, x, y int64) (n int64, fits bool) {
	switch op {
	case opAdd:
		n = x + y
		return n, (n > x) == (y > 0)
	case opSubtract:
		n = x - y
		return n, (n < x) == (y > 0)
	case opMultiply:
		if x == 0 || y == 0 {
			return 0, true
		}
		n = x * y
		return n, n/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64)
	case opDivide:
		return x / y, !(y == -1 && x == math.MinInt64)
	}
	if y == -1 { // MinInt64 % -1 would trap on some machines
		return 0, true
	}
	return x % y, true
}

func calculateBig(op operator, a, b value, k kind) (value, error) {
	x, y, n := decimalOf(a).int(), decimalOf(b).int(), new(big.Int)
	switch op {
	case opAdd:
		n.Add(x, y)
	case opSubtract:
		n.Sub(x, y)
	case opMultiply:
		n.Mul(x, y)
	case opDivide:
		n.Quo(x, y)
	default:
		n.Rem(x, y)
	}
	switch {
	case k == i64 && n.IsInt64():
		return intValue(i64, n.Int64()), nil
	case n.IsUint64():
		return value{kind: u64, bits: n.Uint64()}, nil
	}
	return value{}, overflow(op)
}

// negate is unary minus; a span may be negated too.
func negate(v value) (value, error) {
	switch f := v.kind.family(); {
	case v.kind <= null:
		return v, nil
	case isFloat(v):
		return floatValue(v.kind, -v.float()), nil
	case v.kind == dec:
		d := v.ref.(Decimal)
		return value{kind: dec, ref: Decimal{new(big.Int).Neg(d.int()), d.scale}}, nil
	case f == familyNumber:
		return calculateIntegers(opSubtract, intValue(minusZero(v.kind), 0), v)
	case f == familySpan && int64(v.bits) != math.MinInt64:
		return intValue(span, -int64(v.bits)), nil
	default:
		return value{}, evaluationError("unary '-' has no meaning for %s", f)
	}
}

// minusZero is the kind of the 0 to subtract from: a uint is negated as a long.
func minusZero(k kind) kind {
	if k >= u32 {
		return i64
	}
	return i32
}

func overflow(op operator) error {
	return evaluationError("the result of '%s' is out of range", op)
}
