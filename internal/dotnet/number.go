package dotnet

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// precisionMax bounds the digits that a number format may ask for.
const precisionMax = 999

// digits is a number as its decimal digits: 0.d1d2d3... × 10^exponent.
type digits struct {
	negative bool
	text     string // without zeros around it; empty is zero
	exponent int
	integer  bool // made of an integer
	float    bool // made of a float
	even     bool // half is rounded to the even digit
	short    int  // digits that the G format shows by itself
}

// FormatNumber writes an int64, float64 or Decimal by a standard (a letter and
// digits) or custom format.
func FormatNumber(v any, format string, c *Culture) (string, error) {
	if f, ok := v.(float64); ok {
		if s, special := notFinite(f); special {
			return s, nil
		}
	}
	if len(format) > formatMax {
		return "", ErrFormat
	}
	d := digitsOfNumber(v)
	if format == "" {
		format = "G"
	}
	letter := format[0] | 0x20
	if letter < 'a' || letter > 'z' || strings.Trim(format[1:], "0123456789") != "" {
		return d.custom(format, c), nil
	}
	precision := -1
	if len(format) > 1 {
		p, err := strconv.Atoi(format[1:])
		if err != nil || p > precisionMax {
			return "", ErrFormat
		}
		precision = p
	}
	switch letter {
	case 'd', 'x', 'b':
		i, ok := v.(int64)
		if !ok {
			return "", ErrFormat
		}
		return integral(i, format[0], max(precision, 1)), nil
	case 'r':
		if f, ok := v.(float64); ok {
			return FloatText(f), nil
		}
		return "", ErrFormat
	}
	return d.standard(format[0], precision, c)
}

// digitsOfNumber takes a number apart, exactly enough for any format.
func digitsOfNumber(v any) digits {
	var d digits
	var s string
	switch v := v.(type) {
	case int64:
		s, d.integer = strconv.FormatInt(v, 10), true
	case Decimal:
		s = v.String()
	case float64:
		d.float = true
		d.short = len(strings.TrimLeft(strings.Replace(strings.SplitN(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e", 2)[0], ".", "", 1), "0"))
		s = exactly(v)
	}
	d.negative = strings.HasPrefix(s, "-")
	whole, part, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	all := whole + part
	trimmed := strings.TrimLeft(all, "0")
	d.exponent = len(whole) - (len(all) - len(trimmed))
	d.text = strings.TrimRight(trimmed, "0")
	if d.text == "" {
		d.exponent = 0
	}
	if d.short == 0 {
		d.short = max(len(trimmed), 1)
	}
	return d
}

// exactly writes all digits of a float. Those of numbers that people write are few;
// only the very large and small need the long way.
func exactly(v float64) string {
	if a := math.Abs(v); a > 1e-30 && a < 1e60 {
		return strconv.FormatFloat(v, 'f', 130, 64)
	}
	return new(big.Float).SetFloat64(v).Text('f', 1100)
}

// round keeps n digits of the text, half away from zero or to the even digit.
func (d digits) round(n int) digits {
	if n >= len(d.text) {
		return d
	}
	if n < 0 {
		d.text, d.exponent = "", 0
		return d
	}
	up := d.text[n] >= '5'
	if d.even && n == len(d.text)-1 && d.text[n] == '5' {
		up = n > 0 && (d.text[n-1]-'0')%2 == 1
	}
	kept := []byte(d.text[:n])
	if up {
		i := n - 1
		for ; i >= 0 && kept[i] == '9'; i-- {
		}
		if i < 0 {
			kept, d.exponent = []byte{'1'}, d.exponent+1
		} else {
			kept[i]++
			kept = kept[:i+1]
		}
	}
	d.text = strings.TrimRight(string(kept), "0")
	if d.text == "" {
		d.exponent = 0
	}
	return d
}

// fixed rounds to n digits behind the point and gives both sides of it.
func (d digits) fixed(n int) (whole, part string, rounded digits) {
	d = d.round(d.exponent + n)
	text := d.text
	switch {
	case text == "":
		whole, part = "0", strings.Repeat("0", n)
	case d.exponent <= 0:
		whole, part = "0", strings.Repeat("0", -d.exponent)+text
	case d.exponent >= len(text):
		whole = text + strings.Repeat("0", d.exponent-len(text))
	default:
		whole, part = text[:d.exponent], text[d.exponent:]
	}
	if len(part) < n {
		part += strings.Repeat("0", n-len(part))
	}
	return whole, part, d
}

func integral(i int64, letter byte, width int) string {
	sign, s := "", ""
	switch letter {
	case 'D', 'd':
		s = strconv.FormatUint(magnitude(i), 10)
		if i < 0 {
			sign = "-"
		}
	case 'x':
		s = strconv.FormatUint(uint64(i), 16)
	case 'X':
		s = strings.ToUpper(strconv.FormatUint(uint64(i), 16))
	default:
		s = strconv.FormatUint(uint64(i), 2)
	}
	if len(s) < width {
		s = strings.Repeat("0", width-len(s)) + s
	}
	return sign + s
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return uint64(-(i + 1)) + 1
	}
	return uint64(i)
}

func (d digits) standard(letter byte, precision int, c *Culture) (string, error) {
	// Money, fixed and grouped numbers round floats half to even; this is measured,
	// the manual does not say it.
	d.even = d.float
	orDefault := func(n int) int {
		if precision < 0 {
			return n
		}
		return precision
	}
	switch letter | 0x20 {
	case 'c':
		whole, part, r := d.fixed(orDefault(c.moneyDigits))
		return r.signed(strings.NewReplacer("n", joined(grouped(whole, c.group), part, c.point), "$", c.currency).Replace(c.money)), nil
	case 'f':
		whole, part, r := d.fixed(orDefault(2))
		return r.signed(joined(whole, part, c.point)), nil
	case 'n':
		whole, part, r := d.fixed(orDefault(2))
		return r.signed(joined(grouped(whole, c.group), part, c.point)), nil
	case 'p':
		if d.text != "" {
			d.exponent += 2
		}
		whole, part, r := d.fixed(orDefault(2))
		return r.signed(strings.ReplaceAll(c.ratio, "n", joined(grouped(whole, c.group), part, c.point))), nil
	}
	d.even = false
	switch letter | 0x20 {
	case 'e':
		return d.scientific(letter, orDefault(6), 3, c), nil
	case 'g':
		return d.general(letter, precision, c), nil
	}
	return "", ErrFormat
}

// signed puts the sign before a number that is not zero.
func (d digits) signed(s string) string {
	if d.negative && d.text != "" {
		return "-" + s
	}
	return s
}

func joined(whole, part, point string) string {
	if part == "" {
		return whole
	}
	return whole + point + part
}

func grouped(whole, separator string) string {
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(separator)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// scientific writes d.ddd E±xxx.
func (d digits) scientific(letter byte, precision, width int, c *Culture) string {
	d = d.round(precision + 1)
	text := d.text + strings.Repeat("0", max(0, precision+1-len(d.text)))
	exponent, sign := d.exponent-1, "+"
	if d.text == "" {
		exponent = 0
	}
	if exponent < 0 {
		exponent, sign = -exponent, "-"
	}
	e := strconv.Itoa(exponent)
	if len(e) < width {
		e = strings.Repeat("0", width-len(e)) + e
	}
	return d.signed(joined(text[:1], text[1:], c.point) + string(letter) + sign + e)
}

func (d digits) general(letter byte, precision int, c *Culture) string {
	limit := 15
	if precision <= 0 {
		precision = d.short
		if d.integer {
			precision, limit = 19, 19
		}
	} else {
		limit = precision
	}
	d = d.round(precision)
	if d.text != "" && (d.exponent > limit || d.exponent <= -4) {
		return d.scientific(letter-('g'-'e'), max(len(d.text)-1, 0), 2, c)
	}
	whole, part, _ := d.fixed(max(0, len(d.text)-d.exponent))
	return d.signed(joined(whole, part, c.point))
}
