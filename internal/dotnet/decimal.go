package dotnet

import (
	"errors"
	"math/big"
	"strings"
)

// Bounds of a Decimal: a 96 bit integer, divided by up to 10^28.
const (
	decimalBits  = 96
	decimalScale = 28
)

// ErrOverflow tells of a number that its type can not hold.
var ErrOverflow = errors.New("Value was either too large or too small for a Decimal.")

// ErrDivideByZero is what it says.
var ErrDivideByZero = errors.New("Attempted to divide by zero.")

// Decimal is .NET's decimal floating-point number. The zero value is 0.
type Decimal struct {
	coefficient *big.Int // nil is 0; never changed
	scale       int      // digits behind the point
}

var ten = big.NewInt(10)

func pow10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

// DecimalOf makes a Decimal of an integer.
func DecimalOf(i int64) Decimal { return Decimal{big.NewInt(i), 0} }

// DecimalOfFloat makes a Decimal of the 15 digits of a float that .NET keeps.
func DecimalOfFloat(f float64) (Decimal, error) { return ParseDecimal(formatG(f, 15)) }

// ParseDecimal reads [-]digits[.digits][E[+-]digits].
func ParseDecimal(s string) (Decimal, error) {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, ok := new(big.Int).SetString(strings.TrimPrefix(s[i+1:], "+"), 10)
		if !ok || !e.IsInt64() || e.Int64() > 1000 || e.Int64() < -1000 {
			return Decimal{}, ErrOverflow
		}
		mantissa, exponent = s[:i], int(e.Int64())
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	c, ok := new(big.Int).SetString(whole+part, 10)
	if !ok || strings.ContainsAny(part, "+-_") || strings.Contains(whole, "_") {
		return Decimal{}, errors.New("Input string was not in a correct format.")
	}
	return normal(c, len(part)-exponent)
}

// normal brings a number into the bounds, rounding half to even as decimal does.
func normal(c *big.Int, scale int) (Decimal, error) {
	if scale < 0 {
		c, scale = new(big.Int).Mul(c, pow10(-scale)), 0
	}
	if drop := scale - decimalScale; drop > 0 {
		c, scale = roundHalfEven(c, drop), decimalScale
	}
	for c.BitLen() > decimalBits {
		if scale == 0 {
			return Decimal{}, ErrOverflow
		}
		drop := max(1, min(scale, (c.BitLen()-decimalBits)*30103/100000))
		c, scale = roundHalfEven(c, drop), scale-drop
	}
	return Decimal{c, scale}, nil
}

// roundHalfEven drops digits.
func roundHalfEven(c *big.Int, digits int) *big.Int {
	unit := pow10(digits)
	q, r := new(big.Int).QuoRem(c, unit, new(big.Int))
	switch twice := new(big.Int).Abs(new(big.Int).Lsh(r, 1)); twice.Cmp(unit) {
	case 1:
		q.Add(q, big.NewInt(int64(c.Sign())))
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(int64(c.Sign())))
		}
	}
	return q
}

func (d Decimal) int() *big.Int {
	if d.coefficient == nil {
		return new(big.Int)
	}
	return d.coefficient
}

// align gives both coefficients at the larger scale.
func align(a, b Decimal) (x, y *big.Int, scale int) {
	x, y, scale = a.int(), b.int(), max(a.scale, b.scale)
	if a.scale < scale {
		x = new(big.Int).Mul(x, pow10(scale-a.scale))
	}
	if b.scale < scale {
		y = new(big.Int).Mul(y, pow10(scale-b.scale))
	}
	return x, y, scale
}

// Add gives d + e.
func (d Decimal) Add(e Decimal) (Decimal, error) {
	x, y, scale := align(d, e)
	return normal(new(big.Int).Add(x, y), scale)
}

// Sub gives d - e.
func (d Decimal) Sub(e Decimal) (Decimal, error) {
	x, y, scale := align(d, e)
	return normal(new(big.Int).Sub(x, y), scale)
}

// Mul gives d × e.
func (d Decimal) Mul(e Decimal) (Decimal, error) {
	return normal(new(big.Int).Mul(d.int(), e.int()), d.scale+e.scale)
}

// Div gives d ÷ e, with as few zeros at its end as it can be written with.
func (d Decimal) Div(e Decimal) (Decimal, error) {
	if e.int().Sign() == 0 {
		return Decimal{}, ErrDivideByZero
	}
	x, y, _ := align(d, e)
	// Two digits more than are kept, and a last one that is odd when the quotient
	// goes on, so that half is told from more than half.
	q, r := new(big.Int).QuoRem(new(big.Int).Mul(x, pow10(decimalScale+2)), y, new(big.Int))
	scale := decimalScale + 2
	if r.Sign() != 0 {
		q, scale = q.Mul(q, ten), scale+1
		q.Add(q, big.NewInt(int64(x.Sign()*y.Sign())))
	}
	out, err := normal(q, scale)
	if err != nil {
		return out, err
	}
	for out.scale > 0 {
		q, r := new(big.Int).QuoRem(out.coefficient, ten, new(big.Int))
		if r.Sign() != 0 {
			break
		}
		out = Decimal{q, out.scale - 1}
	}
	return out, nil
}

// Rem gives what is left of d after dividing by e, with the sign of d.
func (d Decimal) Rem(e Decimal) (Decimal, error) {
	if e.int().Sign() == 0 {
		return Decimal{}, ErrDivideByZero
	}
	x, y, scale := align(d, e)
	return normal(new(big.Int).Rem(x, y), scale)
}

// Cmp compares.
func (d Decimal) Cmp(e Decimal) int {
	x, y, _ := align(d, e)
	return x.Cmp(y)
}

// Float gives the nearest float.
func (d Decimal) Float() float64 {
	f, _ := new(big.Rat).SetFrac(d.int(), pow10(d.scale)).Float64()
	return f
}

// Int64 gives the number without what is behind its point.
func (d Decimal) Int64() (int64, bool) {
	q := new(big.Int).Quo(d.int(), pow10(d.scale))
	return q.Int64(), q.IsInt64()
}

// String writes all digits.
func (d Decimal) String() string {
	s := new(big.Int).Abs(d.int()).String()
	if d.scale > 0 {
		if pad := d.scale + 1 - len(s); pad > 0 {
			s = strings.Repeat("0", pad) + s
		}
		s = s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
	}
	if d.int().Sign() < 0 {
		s = "-" + s
	}
	return s
}
