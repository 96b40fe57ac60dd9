package dotnet

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// custom writes a number by a custom format: up to three sections, for positive
// and negative numbers and zero.
func (d digits) custom(format string, c *Culture) string {
	parts := sections(format)
	part := parts[0]
	switch {
	case d.text == "" && len(parts) > 2:
		part = parts[2]
	case d.negative && d.text != "" && len(parts) > 1 && parts[1] != "":
		part, d.negative = parts[1], false
	}
	p := patternOf(part)
	out, zero := p.write(d, c)
	if zero && d.text != "" && len(parts) > 2 {
		// What rounds to zero is shown as zero.
		p = patternOf(parts[2])
		out, _ = p.write(digits{}, c)
	}
	return out
}

// sections splits a format at its semicolons.
func sections(format string) []string {
	var parts []string
	from := 0
	for i := 0; i < len(format); i++ {
		switch format[i] {
		case '\\':
			i++
		case '\'', '"':
			if end := strings.IndexByte(format[i+1:], format[i]); end >= 0 {
				i += end + 1
			}
		case ';':
			parts, from = append(parts, format[from:i]), i+1
		}
	}
	return append(parts, format[min(from, len(format)):])
}

// pattern is a section, measured.
type pattern struct {
	pieces     []piece
	whole      int  // digit places before the point
	zeros      int  // of them, those from the first 0 on
	part       int  // digit places behind the point
	partZeros  int  // up to the last 0 of them
	grouping   bool // a comma between digits
	shift      int  // powers of ten: % 2, ‰ 3, a comma before the point -3
	scientific bool
}

// piece is a digit place, the point, an exponent, or text.
type piece struct {
	kind byte // 0 # . E %(text)
	text string
}

func patternOf(s string) pattern {
	var p pattern
	point, commas := false, 0
	places := []byte{}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '0' || c == '#':
			if commas > 0 && !point && p.whole > 0 {
				p.grouping = true
			}
			commas = 0
			if point {
				p.part++
				if c == '0' {
					p.partZeros = p.part
				}
			} else {
				p.whole++
				places = append(places, c)
			}
			p.pieces = append(p.pieces, piece{kind: c})
		case c == '.':
			if !point {
				p.shift -= 3 * commas
				commas, point = 0, true
				p.pieces = append(p.pieces, piece{kind: '.'})
			}
		case c == ',':
			if !point && p.whole > 0 {
				commas++
			}
		case c == '%':
			p.shift += 2
			p.pieces = append(p.pieces, piece{text: "%"})
		case strings.HasPrefix(s[i:], "‰"):
			p.shift += 3
			p.pieces = append(p.pieces, piece{text: "‰"})
			i += len("‰")
			continue
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				end = len(s) - i - 1
			}
			p.pieces = append(p.pieces, piece{text: s[i+1 : i+1+end]})
			i += end + 2
			continue
		case c == '\\' && i+1 < len(s):
			_, n := utf8.DecodeRuneInString(s[i+1:])
			p.pieces = append(p.pieces, piece{text: s[i+1 : i+1+n]})
			i += 1 + n
			continue
		case (c == 'E' || c == 'e') && exponentLength(s[i:]) > 0 && !p.scientific && p.whole+p.part > 0:
			n := exponentLength(s[i:])
			p.scientific = true
			p.pieces = append(p.pieces, piece{kind: 'E', text: s[i : i+n]})
			i += n
			continue
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			p.pieces = append(p.pieces, piece{text: s[i : i+n]})
			i += n
			continue
		}
		i++
	}
	if !point {
		p.shift -= 3 * commas
	}
	if first := strings.IndexByte(string(places), '0'); first >= 0 {
		p.zeros = p.whole - first
	}
	return p
}

// exponentLength measures E0, E+0 or E-0 with more zeros.
func exponentLength(s string) int {
	i := 1
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	from := i
	for i < len(s) && s[i] == '0' {
		i++
	}
	if i == from {
		return 0
	}
	return i
}

// write fills the pattern in; zero tells that nothing but zeros is shown.
func (p pattern) write(d digits, c *Culture) (out string, zero bool) {
	if d.text != "" {
		d.exponent += p.shift
	}
	exponent := 0
	if p.scientific {
		d = d.round(p.whole + p.part)
		if d.text != "" {
			exponent, d.exponent = d.exponent-p.whole, p.whole
		}
	}
	whole, part, d := d.fixed(p.part)
	part = strings.TrimRight(part, "0")
	if len(part) < p.partZeros {
		part += strings.Repeat("0", p.partZeros-len(part))
	}
	if whole == "0" {
		whole = ""
	}
	if len(whole) < p.zeros {
		whole = strings.Repeat("0", p.zeros-len(whole)) + whole
	}
	var b strings.Builder
	if d.negative && d.text != "" {
		b.WriteByte('-')
	}
	p.fill(&b, whole, part, exponent, c)
	return b.String(), d.text == ""
}

func (p pattern) fill(b *strings.Builder, whole, part string, exponent int, c *Culture) {
	left := len(whole) // digits to be written before the point
	place, behind := p.whole, false
	digit := func() {
		b.WriteByte(whole[len(whole)-left])
		left--
		if p.grouping && left > 0 && left%3 == 0 {
			b.WriteString(c.group)
		}
	}
	for _, x := range p.pieces {
		switch x.kind {
		case 0:
			b.WriteString(x.text)
		case '.':
			behind = true
			if part != "" {
				b.WriteString(c.point)
			}
		case 'E':
			b.WriteString(exponentText(x.text, exponent))
		default:
			if behind {
				if part != "" {
					b.WriteByte(part[0])
					part = part[1:]
				}
				continue
			}
			// The first place takes all digits that have no place of their own.
			for left > place {
				digit()
			}
			if left == place && left > 0 {
				digit()
			}
			place--
		}
	}
}

func exponentText(format string, exponent int) string {
	sign, zeros := "", strings.TrimLeft(format[1:], "+-")
	switch {
	case exponent < 0:
		sign, exponent = "-", -exponent
	case format[1] == '+':
		sign = "+"
	}
	e := strconv.Itoa(exponent)
	if len(e) < len(zeros) {
		e = strings.Repeat("0", len(zeros)-len(e)) + e
	}
	return format[:1] + sign + e
}
