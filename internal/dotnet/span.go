package dotnet

import (
	"strconv"
	"strings"
)

// Span is a length of time in ticks of 100 ns.
type Span int64

// String is the constant form: [-][d.]hh:mm:ss[.fffffff].
func (s Span) String() string {
	d, h, m, sec, ticks := s.parts()
	b := []byte{}
	if s < 0 {
		b = append(b, '-')
	}
	if d > 0 {
		b = append(strconv.AppendInt(b, int64(d), 10), '.')
	}
	b = append2(append(append2(append(append2(b, h), ':'), m), ':'), sec)
	if ticks > 0 {
		b = append(b, '.')
		b = append(b, strconv.Itoa(TicksPerSecond + ticks)[1:]...)
	}
	return string(b)
}

func (s Span) parts() (days, hours, minutes, seconds, ticks int) {
	u := magnitude(int64(s))
	return int(u / TicksPerDay), int(u / TicksPerHour % 24), int(u / TicksPerMinute % 60), int(u / TicksPerSecond % 60), int(u % TicksPerSecond)
}

// ParseSpan reads [-]d, [-][d.]hh:mm[:ss[.fffffff]].
func ParseSpan(text string) (Span, bool) {
	text = strings.TrimSpace(text)
	rest, negative := strings.CutPrefix(text, "-")
	if rest == "" {
		return 0, false
	}
	fields := strings.Split(rest, ":")
	var total int64
	days := ""
	switch {
	case len(fields) == 1:
		days, fields = fields[0], nil
	case len(fields) > 4:
		return 0, false
	case len(fields) == 4:
		days, fields = fields[0], fields[1:]
	default:
		if d, h, ok := strings.Cut(fields[0], "."); ok {
			days, fields[0] = d, h
		}
	}
	if days != "" {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > 10675199 {
			return 0, false
		}
		total = int64(n) * TicksPerDay
	}
	for i, unit := range []int64{TicksPerHour, TicksPerMinute, TicksPerSecond}[:len(fields)] {
		f := fields[i]
		if i == 2 {
			whole, part, fraction := strings.Cut(f, ".")
			if f = whole; fraction {
				if strings.Trim(part, "0123456789") != "" || len(part) > 7 || part == "" {
					return 0, false
				}
				total += int64(ticksOf(part))
			}
		}
		n, err := strconv.ParseUint(f, 10, 8)
		if err != nil || n > uint64([]int{23, 59, 59}[i]) {
			return 0, false
		}
		total += int64(n) * unit
	}
	if negative {
		total = -total
	}
	return Span(total), true
}

// Format writes a span by a standard (c, g, G) or custom format.
func (s Span) Format(format string, c *Culture) (string, error) {
	d, h, m, sec, ticks := s.parts()
	sign := ""
	if s < 0 {
		sign = "-"
	}
	fraction := strconv.Itoa(TicksPerSecond + ticks)[1:]
	switch format {
	case "", "c", "t", "T":
		return s.String(), nil
	case "g":
		days := ""
		if d > 0 {
			days = strconv.Itoa(d) + ":"
		}
		fraction = strings.TrimRight(fraction, "0")
		return sign + days + strconv.Itoa(h) + ":" + joined(two(m)+":"+two(sec), fraction, c.point), nil
	case "G":
		return sign + strconv.Itoa(d) + ":" + two(h) + ":" + joined(two(m)+":"+two(sec), fraction, c.point), nil
	}
	if len(format) == 1 || len(format) > formatMax {
		return "", ErrFormat
	}
	var b strings.Builder
	for i := 0; i < len(format); {
		n := run(format[i:])
		switch c := format[i]; c {
		case 'd':
			padded(&b, d, n)
		case 'h', 'm', 's':
			if n > 2 {
				return "", ErrFormat
			}
			padded(&b, map[byte]int{'h': h, 'm': m, 's': sec}[c], n)
		case 'f', 'F':
			if n > 7 {
				return "", ErrFormat
			}
			text := fraction[:n]
			if c == 'F' {
				text = strings.TrimRight(text, "0")
			}
			b.WriteString(text)
		case '\'', '"':
			end := strings.IndexByte(format[i+1:], c)
			if end < 0 {
				return "", ErrFormat
			}
			b.WriteString(format[i+1 : i+1+end])
			n = end + 2
		case '\\':
			if i+1 == len(format) {
				return "", ErrFormat
			}
			b.WriteByte(format[i+1])
			n = 2
		case '%':
			n = 1
		default:
			return "", ErrFormat
		}
		i += n
	}
	return b.String(), nil
}

func two(n int) string { return strconv.Itoa(100 + n)[1:] }

func padded(b *strings.Builder, n, width int) {
	s := strconv.Itoa(n)
	b.WriteString(strings.Repeat("0", max(0, width-len(s))) + s)
}
