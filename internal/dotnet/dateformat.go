package dotnet

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrFormat tells of a format string that .NET would not take.
var ErrFormat = errors.New("Input string was not in a correct format.")

// formatMax bounds a format string, in bytes.
const formatMax = 4096

// Format writes a time by a standard (one letter) or custom format.
func (d DateTime) Format(format string, c *Culture) (string, error) {
	if len(format) > formatMax {
		return "", ErrFormat
	}
	if len(format) <= 1 {
		pattern, ok := d.standard(format, c)
		if !ok {
			return "", ErrFormat
		}
		switch format {
		case "U":
			d.Kind = UTC
		case "o", "O":
			return d.RoundTrip(), nil
		case "r", "R", "s", "u":
			c = American
		}
		format = pattern
	}
	w := dateWriter{d: d, t: d.Instant(), c: c, format: format, dayed: hasDay(format)}
	return w.write()
}

// RoundTrip is the o format: yyyy-MM-ddTHH:mm:ss.fffffffK.
func (d DateTime) RoundTrip() string {
	t := d.Instant()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	var buf [33]byte
	b := append4(buf[:0], year)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, 'T'), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	b = append(b, '.')
	fraction := int(d.Ticks % TicksPerSecond)
	for unit := TicksPerSecond / 10; unit > 0; unit /= 10 {
		b = append(b, byte('0'+fraction/unit%10))
	}
	return string(append(b, d.Kind.suffix()...))
}

// suffix is what the K specifier shows.
func (k Kind) suffix() string { return [...]string{"", "Z", "+00:00"}[k] }

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
func append4(b []byte, n int) []byte { return append2(append2(b, n/100), n%100) }

// standard gives the pattern of a standard format.
func (d DateTime) standard(format string, c *Culture) (string, bool) {
	switch format {
	case "", "G":
		return c.shortDate + " " + c.longTime, true
	case "d":
		return c.shortDate, true
	case "D":
		return c.longDate, true
	case "f":
		return c.longDate + " " + c.shortTime, true
	case "F", "U":
		return c.longDate + " " + c.longTime, true
	case "g":
		return c.shortDate + " " + c.shortTime, true
	case "m", "M":
		return c.monthDay, true
	case "o", "O":
		return "", true
	case "r", "R":
		return "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'", true
	case "s":
		return "yyyy'-'MM'-'dd'T'HH':'mm':'ss", true
	case "t":
		return c.shortTime, true
	case "T":
		return c.longTime, true
	case "u":
		return "yyyy'-'MM'-'dd HH':'mm':'ss'Z'", true
	case "y", "Y":
		return c.yearMonth, true
	}
	return "", false
}

// hasDay tells whether a pattern shows the day of the month, with which some
// languages bend the month.
func hasDay(format string) bool {
	quote := byte(0)
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '\\':
			i++
		case c == 'd':
			n := run(format[i:])
			if n <= 2 {
				return true
			}
			i += n - 1
		}
	}
	return false
}

// run counts how often the first character of s repeats.
func run(s string) int {
	n := 1
	for n < len(s) && s[n] == s[0] {
		n++
	}
	return n
}

type dateWriter struct {
	d      DateTime
	t      time.Time
	c      *Culture
	format string
	dayed  bool
	b      []byte
}

func (w *dateWriter) write() (string, error) {
	for i := 0; i < len(w.format); {
		c := w.format[i]
		switch c {
		case '\'', '"':
			n, err := w.quoted(w.format[i:])
			if err != nil {
				return "", err
			}
			i += n
			continue
		case '\\':
			if i+1 == len(w.format) {
				return "", ErrFormat
			}
			w.b = append(w.b, w.format[i+1])
			i += 2
			continue
		case '%':
			if i+1 == len(w.format) || w.format[i+1] == '%' {
				return "", ErrFormat
			}
			if _, err := w.field(w.format[i+1], 1); err != nil {
				return "", err
			}
			i += 2
			continue
		}
		n := run(w.format[i:])
		used, err := w.field(c, n)
		if err != nil {
			return "", err
		}
		i += used
	}
	return string(w.b), nil
}

// quoted writes literal text between quotes and gives how long it is with them.
func (w *dateWriter) quoted(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1, nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		w.b = append(w.b, s[i])
	}
	return 0, ErrFormat
}

// field writes what n letters stand for and gives how many of them it used.
func (w *dateWriter) field(c byte, n int) (int, error) {
	t, cu := w.t, w.c
	switch c {
	case 'd':
		switch n {
		case 1, 2:
			w.number(t.Day(), n)
		case 3:
			w.text(cu.shortDays[t.Weekday()])
		default:
			w.text(cu.days[t.Weekday()])
		}
	case 'M':
		switch month := int(t.Month()); {
		case n <= 2:
			w.number(month, n)
		case n == 3 && w.dayed:
			w.text(cu.shortGenitives[month-1])
		case n == 3:
			w.text(cu.shortMonths[month-1])
		case w.dayed:
			w.text(cu.genitives[month-1])
		default:
			w.text(cu.months[month-1])
		}
	case 'y':
		if n <= 2 {
			w.number(t.Year()%100, n)
		} else {
			w.number(t.Year(), n)
		}
	case 'H':
		w.number(t.Hour(), min(n, 2))
	case 'h':
		w.number((t.Hour()+11)%12+1, min(n, 2))
	case 'm':
		w.number(t.Minute(), min(n, 2))
	case 's':
		w.number(t.Second(), min(n, 2))
	case 'f', 'F':
		return n, w.fraction(c, n)
	case 't':
		half := cu.halves[t.Hour()/12]
		if n == 1 && half != "" {
			half = string([]rune(half)[:1])
		}
		w.text(half)
	case 'g':
		w.text("A.D.")
	case 'z':
		w.text([]string{"+0", "+00", "+00:00"}[min(n, 3)-1])
	case 'K':
		w.text(w.d.Kind.suffix())
		return 1, nil
	case ':':
		w.text(cu.timeSeparator)
		return 1, nil
	case '/':
		w.text(cu.dateSeparator)
		return 1, nil
	default:
		w.b = append(w.b, c)
		return 1, nil
	}
	return n, nil
}

func (w *dateWriter) text(s string) { w.b = append(w.b, s...) }

func (w *dateWriter) number(n, digits int) {
	s := strconv.Itoa(n)
	for i := len(s); i < digits; i++ {
		w.b = append(w.b, '0')
	}
	w.b = append(w.b, s...)
}

// fraction writes n digits of the second; F drops zeros at the end, and the point
// before them when none is left.
func (w *dateWriter) fraction(c byte, n int) error {
	if n > 7 {
		return ErrFormat
	}
	s := strconv.FormatInt(TicksPerSecond+w.d.Ticks%TicksPerSecond, 10)[1 : 1+n]
	if c == 'F' {
		s = strings.TrimRight(s, "0")
		if s == "" && len(w.b) > 0 && w.b[len(w.b)-1] == '.' {
			w.b = w.b[:len(w.b)-1]
		}
	}
	w.text(s)
	return nil
}
