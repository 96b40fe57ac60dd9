package dotnet

import (
	"strings"
	"unicode/utf8"
)

// dateReader reads a text by a format.
type dateReader struct {
	s                                      string
	at                                     int
	c                                      *Culture
	year, month, day, hour, minute, second int
	ticks                                  int
	half                                   int // 1 AM, 2 PM
	weekday                                int // plus 1
	offset                                 string
	utc                                    bool
}

func (r *dateReader) read(format string) bool {
	for i := 0; i < len(format); {
		c, n := format[i], 1
		ok := true
		switch c {
		case '\'', '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				return false
			}
			ok, n = r.literal(format[i+1:i+1+end]), end+2
		case '\\':
			if i+1 == len(format) {
				return false
			}
			ok, n = r.literal(format[i+1:i+2]), 2
		case '%':
		case 'd', 'M', 'y', 'H', 'h', 'm', 's', 'f', 'F', 't', 'z':
			n = run(format[i:])
			ok = r.field(c, n)
		case 'K':
			ok = r.zone()
		case ':':
			ok = r.literal(r.c.timeSeparator)
		case '/':
			ok = r.literal(r.c.dateSeparator) || r.literal("/")
		default:
			_, n = utf8.DecodeRuneInString(format[i:])
			ok = r.literal(format[i : i+n])
		}
		if !ok {
			return false
		}
		i += n
	}
	return true
}

func (r *dateReader) literal(s string) bool {
	if !strings.HasPrefix(r.s[r.at:], s) {
		return false
	}
	r.at += len(s)
	return true
}

// number reads least to most digits.
func (r *dateReader) number(into *int, least, most int) bool {
	v, n := 0, 0
	for n < most && r.at+n < len(r.s) && r.s[r.at+n] >= '0' && r.s[r.at+n] <= '9' {
		v = v*10 + int(r.s[r.at+n]-'0')
		n++
	}
	*into = v
	r.at += n
	return n >= least
}

func (r *dateReader) name(into *int, lists ...[]string) bool {
	for _, names := range lists {
		if i, n := among(r.s[r.at:], names); i >= 0 {
			*into, r.at = i+1, r.at+n
			if strings.HasSuffix(names[i], ".") {
				r.literal(".")
			}
			return true
		}
	}
	return false
}

func (r *dateReader) field(c byte, n int) bool {
	width := min(n, 2)
	switch c {
	case 'd':
		switch {
		case n <= 2:
			return r.number(&r.day, n, 2)
		case n == 3:
			return r.name(&r.weekday, r.c.shortDays)
		}
		return r.name(&r.weekday, r.c.days)
	case 'M':
		switch {
		case n <= 2:
			return r.number(&r.month, n, 2)
		case n == 3:
			return r.name(&r.month, r.c.shortGenitives, r.c.shortMonths)
		}
		return r.name(&r.month, r.c.genitives, r.c.months)
	case 'y':
		if n > 2 {
			return r.number(&r.year, n, max(n, 4))
		}
		ok := r.number(&r.year, n, 2)
		r.year = (&looseDate{}).century(r.year, 2)
		return ok
	case 'H', 'h':
		return r.number(&r.hour, width, 2)
	case 'm':
		return r.number(&r.minute, width, 2)
	case 's':
		return r.number(&r.second, width, 2)
	case 'f', 'F':
		return r.fraction(c == 'F', n)
	case 't':
		l := looseDate{c: r.c}
		half, used := l.halfOf(r.s[r.at:])
		r.half, r.at = half, r.at+used
		return half != 0
	}
	return r.zone()
}

func (r *dateReader) fraction(optional bool, n int) bool {
	from := r.at
	for r.at < len(r.s) && r.at-from < n && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		r.at++
	}
	r.ticks = ticksOf(r.s[from:r.at])
	return n <= 7 && (optional || r.at-from == n)
}

// zone reads Z, an offset or nothing.
func (r *dateReader) zone() bool {
	if r.literal("Z") {
		r.utc = true
		return true
	}
	from := r.at
	if from < len(r.s) && (r.s[from] == '+' || r.s[from] == '-') {
		for r.at++; r.at < len(r.s) && strings.IndexByte("0123456789:", r.s[r.at]) >= 0; r.at++ {
		}
		r.offset = r.s[from:r.at]
	}
	return true
}

func (r *dateReader) made() (DateTime, bool) {
	if r.year == 0 { // a format without a date can not give one
		return DateTime{}, false
	}
	if r.half != 0 {
		if r.hour < 1 || r.hour > 12 {
			return DateTime{}, false
		}
		r.hour = r.hour%12 + 12*(r.half-1)
	}
	d, ok := Date(r.year, max(r.month, 1), max(r.day, 1), r.hour, r.minute, r.second, r.ticks)
	if !ok || r.weekday > 0 && int(d.Instant().Weekday()) != r.weekday-1 {
		return d, false
	}
	if r.utc {
		d.Kind = UTC
		return d, true
	}
	return zoned(d, r.offset)
}
