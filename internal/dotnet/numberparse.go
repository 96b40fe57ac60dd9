package dotnet

import (
	"strconv"
	"strings"
)

// ParseFloat reads a number as .NET does with NumberStyles.Any of a culture: white
// space and a currency sign around it, a sign on either side, group separators
// anywhere before the point, an exponent, and parentheses for negative numbers.
func ParseFloat(s string, c *Culture) (float64, bool) {
	text, ok := plainNumber(s, c)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil || err.(*strconv.NumError).Err == strconv.ErrRange
}

// ParseAnyDecimal is ParseFloat for a Decimal.
func ParseAnyDecimal(s string, c *Culture) (Decimal, bool) {
	text, ok := plainNumber(s, c)
	if !ok {
		return Decimal{}, false
	}
	d, err := ParseDecimal(text)
	return d, err == nil
}

// ParseInteger reads [white]±digits[white].
func ParseInteger(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if strings.Contains(s, "_") {
		return 0, strconv.ErrSyntax
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, err.(*strconv.NumError).Err
	}
	return i, nil
}

// plainNumber gives the number as Go writes it.
func plainNumber(s string, c *Culture) (string, bool) {
	if len(s) > 1024 {
		return "", false
	}
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "nan", "infinity", "-infinity":
		return s, true
	}
	negative, signed := false, false
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		s, negative, signed = strings.TrimSpace(s[1:len(s)-1]), true, true
	}
	takeSign := func(cut func(string, string) (string, bool)) {
		for _, sign := range []string{"-", "+"} {
			if rest, ok := cut(s, sign); ok && !signed {
				s, negative, signed = strings.TrimSpace(rest), sign == "-", true
			}
		}
	}
	trim := func(currency string) {
		s = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(s, currency), currency))
	}
	takeSign(strings.CutPrefix)
	trim(c.currency)
	takeSign(strings.CutPrefix)
	takeSign(strings.CutSuffix)
	var b strings.Builder
	if negative {
		b.WriteByte('-')
	}
	rest, any := digitsWithGroups(&b, s, c.group)
	if r, ok := strings.CutPrefix(rest, c.point); ok {
		b.WriteByte('.')
		n := 0
		for n < len(r) && r[n] >= '0' && r[n] <= '9' {
			n++
		}
		b.WriteString(r[:n])
		rest, any = r[n:], any || n > 0
	}
	if !any {
		return "", false
	}
	if rest != "" && rest[0]|0x20 == 'e' {
		if _, err := strconv.Atoi(rest[1:]); err != nil || strings.Contains(rest, "_") {
			return "", false
		}
		b.WriteString("e" + rest[1:])
		rest = ""
	}
	return b.String(), rest == ""
}

// digitsWithGroups copies digits, leaving out separators between and behind them.
func digitsWithGroups(b *strings.Builder, s, group string) (rest string, any bool) {
	for s != "" {
		switch {
		case s[0] >= '0' && s[0] <= '9':
			b.WriteByte(s[0])
			s, any = s[1:], true
		case any && group != "" && strings.HasPrefix(s, group):
			s = s[len(group):]
		case any && group == "\u00a0" && (strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\u202f")):
			s = strings.TrimPrefix(strings.TrimPrefix(s, " "), "\u202f")
		default:
			return s, any
		}
	}
	return "", any
}
