package filter

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is an exact decimal number: digits × 10^-scale. It is what the three
// decimal types of AMQP become. The zero Decimal is 0.
type Decimal struct {
	digits *big.Int // never changed; nil is 0
	scale  int32
}

// decimalDigitsMax bounds what arithmetic keeps, as IEEE 754 decimal128 does.
const decimalDigitsMax = 34

// decimalScaleMax bounds exponents, so that no comparison makes a huge integer.
const decimalScaleMax = 6176

// ParseDecimal reads an optional sign, digits with an optional point, and an
// optional exponent.
func ParseDecimal(s string) (Decimal, error) {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return Decimal{}, fmt.Errorf("decimal %q: the exponent is not a number", s)
		}
		mantissa, exponent = s[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || strings.ContainsAny(fraction, "+-_") || strings.Contains(whole, "_") {
		return Decimal{}, fmt.Errorf("decimal %q: not a number", s)
	}
	scale := len(fraction) - exponent
	if len(mantissa) > decimalScaleMax || scale > decimalScaleMax || scale < -decimalScaleMax {
		return Decimal{}, fmt.Errorf("decimal %q: the exponent is out of range", s)
	}
	return Decimal{digits, int32(scale)}, nil
}

// DecimalFromBits decodes an IEEE 754-2008 decimal32, 64 or 128 in the binary
// integer encoding, which AMQP uses (part 1, section 1.6). Infinities and NaN, and
// any other length, are not ok.
func DecimalFromBits(b []byte) (d Decimal, ok bool) {
	var high, low uint64
	var exponentBits, bias uint
	switch len(b) {
	case 4: // shifted up, so that the sign is the highest bit for every size
		high, exponentBits, bias = uint64(binary.BigEndian.Uint32(b))<<32, 8, 101
	case 8:
		high, exponentBits, bias = binary.BigEndian.Uint64(b), 10, 398
	case 16:
		high, low = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		exponentBits, bias = 14, 6176
	default:
		return Decimal{}, false
	}
	negative := high>>63 == 1
	combination := high << 1 >> 60 // the four bits after the sign
	if combination == 0xF {
		return Decimal{}, false
	}
	prefix, start := uint64(0), 1+exponentBits
	if combination>>2 == 3 { // the long form: the coefficient starts with binary 100
		prefix, start = 1, start+2
	}
	exponent := high << (start - exponentBits) >> (64 - exponentBits)
	digits := coefficient(high, low, start, len(b), prefix)
	if negative {
		digits.Neg(digits)
	}
	return Decimal{digits, int32(bias) - int32(exponent)}, true
}

// coefficient gathers the bits after the exponent, with 100 in front in the long form.
func coefficient(high, low uint64, start uint, size int, prefix uint64) *big.Int {
	width := uint(size)*8 - start
	top := high << start >> start
	digits := new(big.Int).SetUint64(top)
	switch size {
	case 4:
		digits.Rsh(digits, 32)
	case 16:
		digits.Lsh(digits, 64).Or(digits, new(big.Int).SetUint64(low))
	}
	if prefix == 1 {
		digits.SetBit(digits, int(width)+2, 1)
	}
	return digits
}

func decimalOfInt(n *big.Int) Decimal { return Decimal{digits: n} }

func (d Decimal) int() *big.Int {
	if d.digits == nil {
		return new(big.Int)
	}
	return d.digits
}

// align gives both numbers' digits at one scale.
func align(a, b Decimal) (x, y *big.Int, scale int32) {
	scale = max(a.scale, b.scale)
	return raise(a.int(), scale-a.scale), raise(b.int(), scale-b.scale), scale
}

func raise(n *big.Int, power int32) *big.Int {
	if power == 0 {
		return n
	}
	return new(big.Int).Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(power)), nil))
}

// Compare is -1, 0 or +1.
func (d Decimal) Compare(e Decimal) int {
	x, y, _ := align(d, e)
	return x.Cmp(y)
}

// Float is the nearest float64.
func (d Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(d.int().String()+"e"+strconv.Itoa(-int(d.scale)), 64)
	return f
}

// String writes the number without an exponent where that is short.
func (d Decimal) String() string {
	digits, sign := d.int().String(), ""
	if digits[0] == '-' {
		digits, sign = digits[1:], "-"
	}
	switch {
	case d.scale == 0:
		return sign + digits
	case d.scale < 0 || d.scale > 2*decimalDigitsMax:
		return sign + digits + "E" + strconv.Itoa(-int(d.scale))
	}
	if pad := int(d.scale) + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - int(d.scale)
	return sign + digits[:point] + "." + digits[point:]
}

// calculate does one arithmetic operation.
func (d Decimal) calculate(op operator, e Decimal) (Decimal, error) {
	var result Decimal
	x, y, scale := align(d, e)
	switch {
	case op == opAdd:
		result = Decimal{new(big.Int).Add(x, y), scale}
	case op == opSubtract:
		result = Decimal{new(big.Int).Sub(x, y), scale}
	case op == opMultiply:
		result = Decimal{new(big.Int).Mul(d.int(), e.int()), d.scale + e.scale}
	case y.Sign() == 0:
		return Decimal{}, evaluationError("division by zero")
	case op == opDivide:
		result = Decimal{new(big.Int).Quo(raise(x, decimalDigitsMax), y), decimalDigitsMax}
	default:
		result = Decimal{new(big.Int).Rem(x, y), scale}
	}
	result = result.rounded()
	if result.scale > decimalScaleMax || result.scale < -decimalScaleMax {
		return Decimal{}, overflow(op)
	}
	return result, nil
}

// rounded drops digits beyond what is kept, half away from zero, and the zeros
// a division leaves at the end.
func (d Decimal) rounded() Decimal {
	digits, scale := new(big.Int).Set(d.int()), d.scale
	if excess := len(new(big.Int).Abs(digits).String()) - decimalDigitsMax; excess > 0 {
		divisor := raise(big.NewInt(1), int32(excess))
		half := new(big.Int).Rsh(divisor, 1)
		if digits.Sign() < 0 {
			half.Neg(half)
		}
		digits.Quo(digits.Add(digits, half), divisor)
		scale -= int32(excess)
	}
	ten, remainder := big.NewInt(10), new(big.Int)
	for scale > 0 {
		quotient, _ := new(big.Int).QuoRem(digits, ten, remainder)
		if remainder.Sign() != 0 {
			break
		}
		digits, scale = quotient, scale-1
	}
	return Decimal{digits, scale}
}
