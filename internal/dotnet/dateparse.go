package dotnet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse reads a time as people and programs write it: ISO 8601 in all its forms,
// and the forms of a culture, with names of days and months, in its order. A time
// with an offset becomes that of a machine that keeps UTC. A text without a date is none.
func Parse(s string, c *Culture) (DateTime, bool) {
	s = strings.TrimSpace(s)
	if d, ok := parseISO(s); ok {
		return d, true
	}
	return parseLoose(s, c)
}

// ParseExact reads a time by a format.
func ParseExact(s, format string, c *Culture) (DateTime, bool) {
	if len(format) > formatMax {
		return DateTime{}, false
	}
	if len(format) == 1 {
		if format == "o" || format == "O" {
			format = "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK"
		} else {
			var ok bool
			if format, ok = (DateTime{}).standard(format, c); !ok {
				return DateTime{}, false
			}
		}
	}
	r := dateReader{s: s, c: c}
	if !r.read(format) || r.at != len(s) {
		return DateTime{}, false
	}
	return r.made()
}

// parseISO reads yyyy-MM-dd[(T| )HH:mm[:ss[.f...]]][Z|±HH[:]mm], the common case,
// without the reader below.
func parseISO(s string) (DateTime, bool) {
	number := func(from, n int) int {
		if from+n > len(s) {
			return -1
		}
		v := 0
		for _, c := range []byte(s[from : from+n]) {
			if c < '0' || c > '9' {
				return -1
			}
			v = v*10 + int(c-'0')
		}
		return v
	}
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return DateTime{}, false
	}
	year, month, day := number(0, 4), number(5, 2), number(8, 2)
	hour, minute, second, fraction, at := 0, 0, 0, 0, 10
	if len(s) > 10 && (s[10] == 'T' || s[10] == 't' || s[10] == ' ') {
		if len(s) < 16 || s[13] != ':' {
			return DateTime{}, false
		}
		hour, minute, at = number(11, 2), number(14, 2), 16
		if len(s) > at && s[at] == ':' {
			second, at = number(17, 2), 19
			if len(s) > at && (s[at] == '.' || s[at] == ',') {
				from := at + 1
				at = from
				for at < len(s) && s[at] >= '0' && s[at] <= '9' {
					at++
				}
				fraction = ticksOf(s[from:at])
				if at == from {
					return DateTime{}, false
				}
			}
		}
	}
	carry := int64(0)
	if hour == 24 && minute == 0 && second == 0 && fraction == 0 {
		hour, carry = 0, TicksPerDay
	}
	d, ok := Date(year, month, day, hour, minute, second, fraction)
	if !ok || fraction < 0 {
		return d, false
	}
	d, _ = d.Add(carry)
	return zoned(d, strings.TrimLeft(s[at:], " "))
}

// ticksOf reads the digits behind the point of a second; the eighth rounds.
func ticksOf(digits string) int {
	n, unit := 0, TicksPerSecond
	for i := 0; i < len(digits) && i < 7; i++ {
		unit /= 10
		n += int(digits[i]-'0') * unit
	}
	if len(digits) > 7 && digits[7] >= '5' && n < TicksPerSecond-1 {
		n++
	}
	return n
}

// zoned applies what follows a time: nothing, Z, GMT or an offset.
func zoned(d DateTime, suffix string) (DateTime, bool) {
	switch strings.ToUpper(suffix) {
	case "":
		return d, true
	case "Z", "GMT", "UTC":
		d.Kind = UTC
		return d, true
	}
	ticks, ok := offsetOf(suffix)
	if !ok {
		return d, false
	}
	d, ok = d.Add(-ticks)
	d.Kind = Local
	return d, ok
}

// offsetOf reads ±H, ±HH, ±HHmm and ±HH:mm.
func offsetOf(s string) (ticks int64, ok bool) {
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := s[1:]
	if h, m, two := strings.Cut(digits, ":"); two {
		if len(h) == 1 {
			h = "0" + h
		}
		digits = h + m
		if len(m) != 2 {
			return 0, false
		}
	}
	v := 0
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	hours, minutes := v, 0
	switch len(digits) {
	case 1, 2:
	case 3, 4:
		hours, minutes = v/100, v%100
	default:
		return 0, false
	}
	if hours > 14 || minutes > 59 {
		return 0, false
	}
	ticks = int64(hours)*TicksPerHour + int64(minutes)*TicksPerMinute
	if s[0] == '-' {
		ticks = -ticks
	}
	return ticks, true
}

// looseMax bounds a text that is read without a format.
const looseMax = 200

// parts of a loosely written time.
type looseDate struct {
	c       *Culture
	numbers []int // of the date, in order
	widths  []int
	month   int // by name
	monthAt int // how many numbers came before it
	weekday int // -1: none
	half    int // 0 none, 1 AM, 2 PM
	time    []int
	ticks   int
	suffix  string
}

func parseLoose(s string, c *Culture) (DateTime, bool) {
	if s == "" || len(s) > looseMax {
		return DateTime{}, false
	}
	l := looseDate{c: c, weekday: -1}
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		ok := true
		switch {
		case r >= '0' && r <= '9':
			s, ok = l.number(s)
		case (r == '+' || r == '-') && len(l.time) > 0:
			l.suffix, s = s, ""
		case unicode.IsLetter(r):
			s, ok = l.word(s)
		case unicode.IsSpace(r) || strings.ContainsRune(",./-", r):
			s = s[n:]
		default:
			// Letters that are no letters to us stand in some languages' dates.
			s, ok = l.word(s)
		}
		if !ok {
			return DateTime{}, false
		}
	}
	return l.made()
}

func digitsOf(s string) (v, n int) {
	for n < len(s) && n < 9 && s[n] >= '0' && s[n] <= '9' {
		v = v*10 + int(s[n]-'0')
		n++
	}
	return v, n
}

// number reads a number of the date, or a whole time of day when a colon follows.
func (l *looseDate) number(s string) (rest string, ok bool) {
	v, n := digitsOf(s)
	rest = s[n:]
	if !strings.HasPrefix(rest, ":") {
		// "3 PM" is an hour.
		after := strings.TrimLeft(rest, " ")
		if half, _ := l.halfOf(after); half != 0 && len(l.time) == 0 {
			l.time = []int{v}
			return rest, true
		}
		l.numbers, l.widths = append(l.numbers, v), append(l.widths, n)
		if len(rest) > 1 && rest[0] == 'T' && rest[1] >= '0' && rest[1] <= '9' {
			rest = rest[1:]
		}
		return rest, len(l.numbers) <= 3
	}
	if len(l.time) > 0 || n > 2 {
		return rest, false
	}
	l.time = append(l.time, v)
	for strings.HasPrefix(rest, ":") && len(l.time) < 3 {
		v, n := digitsOf(rest[1:])
		if n == 0 || n > 2 {
			return rest, false
		}
		l.time, rest = append(l.time, v), rest[1+n:]
	}
	if len(l.time) == 3 && len(rest) > 1 && rest[0] == '.' {
		_, n := digitsOf(rest[1:])
		l.ticks, rest = ticksOf(rest[1:1+n]), rest[1+n:]
		return strings.TrimLeft(rest, "0123456789"), n > 0
	}
	return rest, true
}

// halfOf reads AM or PM, or what the culture says for it.
func (l *looseDate) halfOf(s string) (half, n int) {
	for i, names := range [][]string{{l.c.halves[0], "AM"}, {l.c.halves[1], "PM"}} {
		for _, name := range names {
			if name != "" && len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) && !letterAt(s[len(name):]) {
				return i + 1, len(name)
			}
		}
	}
	return 0, 0
}

func letterAt(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && unicode.IsLetter(r)
}

// word reads the name of a month or day, AM or PM, a zone, or T.
func (l *looseDate) word(s string) (rest string, ok bool) {
	if half, n := l.halfOf(s); half != 0 {
		l.half = half
		return s[n:], len(l.time) > 0
	}
	for _, names := range [][]string{l.c.genitives, l.c.months, l.c.shortGenitives, l.c.shortMonths, American.months, American.shortMonths} {
		if i, n := among(s, names); i >= 0 && l.month == 0 {
			l.month, l.monthAt = i+1, len(l.numbers)
			return strings.TrimPrefix(s[n:], "."), true
		}
	}
	for _, names := range [][]string{l.c.days, l.c.shortDays, American.days, American.shortDays} {
		if i, n := among(s, names); i >= 0 && l.weekday < 0 {
			l.weekday = i
			return strings.TrimPrefix(s[n:], "."), true
		}
	}
	upper := strings.ToUpper(s)
	switch {
	case upper == "Z" || upper == "GMT" || upper == "UTC":
		l.suffix = upper
		return "", len(l.time) > 0
	case strings.HasPrefix(upper, "T") && len(s) > 1 && s[1] >= '0' && s[1] <= '9' && len(l.numbers) == 3:
		return s[1:], true
	}
	// Small words of long dates: 3 de marzo de 2020, 15. 'gada'.
	for _, small := range []string{"de", "del", "г", "года", "年", "月", "日", "년", "월", "일"} {
		if strings.HasPrefix(strings.ToLower(s), small) && (!letterAt(s[len(small):]) || len(small) > 2) {
			return strings.TrimPrefix(s[len(small):], "."), true
		}
	}
	return s, false
}

// among finds the name that s begins with: the longest that no letter follows.
func among(s string, names []string) (index, length int) {
	index = -1
	for i, name := range names {
		bare := strings.TrimSuffix(name, ".")
		if bare == "" || len(s) < len(bare) || !strings.EqualFold(s[:len(bare)], bare) || letterAt(s[len(bare):]) || len(bare) <= length {
			continue
		}
		index, length = i, len(bare)
	}
	return index, length
}

func (l *looseDate) made() (DateTime, bool) {
	year, month, day, ok := l.date()
	if !ok {
		return DateTime{}, false
	}
	t := append(append([]int(nil), l.time...), 0, 0, 0)
	if l.half != 0 {
		if t[0] < 1 && l.half == 1 || t[0] > 12 {
			return DateTime{}, false
		}
		t[0] = t[0]%12 + 12*(l.half-1)
	}
	d, ok := Date(year, month, day, t[0], t[1], t[2], l.ticks)
	if !ok || l.weekday >= 0 && int(d.Instant().Weekday()) != l.weekday {
		return DateTime{}, false
	}
	return zoned(d, strings.TrimSpace(l.suffix))
}

// date tells year, month and day apart: by a name, by a year of four digits in
// front, else by the culture's order.
func (l *looseDate) date() (year, month, day int, ok bool) {
	n, w := l.numbers, l.widths
	switch {
	case l.month != 0 && len(n) == 2:
		if w[0] > 2 {
			return l.century(n[0], w[0]), l.month, n[1], true
		}
		return l.century(n[1], w[1]), l.month, n[0], true
	case l.month != 0 && len(n) == 1 && w[0] > 2:
		return n[0], l.month, 1, true
	case l.month == 0 && len(n) == 2 && w[0] > 2: // 2018-03
		return n[0], n[1], 1, true
	case l.month == 0 && len(n) == 2 && w[1] > 2: // 03/2018
		return n[1], n[0], 1, true
	case l.month != 0 || len(n) != 3:
		return 0, 0, 0, false
	case w[0] > 2:
		return n[0], n[1], n[2], true
	}
	for i, part := range l.c.order {
		switch part {
		case 'd':
			day = n[i]
		case 'M':
			month = n[i]
		case 'y':
			year = l.century(n[i], w[i])
		}
	}
	if l.c.order[0] == 'y' && w[2] > 2 { // a year behind, in a culture that writes it in front
		return n[2], n[0], n[1], true
	}
	return year, month, day, true
}

// century completes a year of two digits: up to 2049.
func (l *looseDate) century(y, width int) int {
	switch {
	case width > 2:
		return y
	case y < 50:
		return 2000 + y
	}
	return 1900 + y
}
