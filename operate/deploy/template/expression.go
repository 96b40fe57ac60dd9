package template

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of one expression.
const (
	expressionBytesMax = 24_576 // Azure's own limit of an expression's length
	expressionDepthMax = 200
)

// isExpression says whether a string is an expression rather than text.
func isExpression(s string) bool {
	return len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' && s[1] != '['
}

// unescaped takes away the bracket that says "this is no expression".
func unescaped(s string) string {
	if strings.HasPrefix(s, "[[") && strings.HasSuffix(s, "]") {
		return s[1:]
	}
	return s
}

// node is a part of an expression.
type node interface{ source() string }

type (
	constant struct{ value any }
	call     struct {
		namespace, name string
		args            []node
	}
	// access is a property by name or an element by index.
	access struct {
		of, key node
		dotted  bool
		safe    bool // .? and [?]: null when it is not there
	}
)

func (n constant) source() string {
	if s, ok := n.value.(string); ok {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return JSON(n.value)
}

func (n call) source() string {
	var args []string
	for _, a := range n.args {
		args = append(args, a.source())
	}
	name := n.name
	if n.namespace != "" {
		name = n.namespace + "." + name
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func (n access) source() string {
	mark := ""
	if n.safe {
		mark = "?"
	}
	if n.dotted {
		return n.of.source() + "." + mark + n.key.(constant).value.(string)
	}
	return n.of.source() + "[" + mark + n.key.source() + "]"
}

// parseExpression reads "[...]".
func parseExpression(s string) (node, error) {
	if len(s) > expressionBytesMax {
		return nil, fmt.Errorf("the expression is longer than %d characters", expressionBytesMax)
	}
	p := &parser{text: s[1 : len(s)-1]}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.errorf("expected the end of the expression, found %s", p.here())
	}
	return n, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("column %d of the expression: %s", p.at+2, fmt.Sprintf(format, args...))
}

func (p *parser) here() string {
	if p.at >= len(p.text) {
		return "its end"
	}
	return strconv.QuoteRune([]rune(p.text[p.at:])[0])
}

func (p *parser) space() {
	for {
		switch {
		case p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0:
			p.at++
		case strings.HasPrefix(p.text[p.at:], "\u00a0"): // as it comes out of web pages
			p.at += len("\u00a0")
		default:
			return
		}
	}
}

// eat passes over a character if it comes next.
func (p *parser) eat(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) expression(depth int) (node, error) {
	if depth > expressionDepthMax {
		return nil, p.errorf("it is nested more than %d deep", expressionDepthMax)
	}
	n, err := p.primary(depth)
	if err != nil {
		return nil, err
	}
	for {
		switch {
		case p.eat('.'):
			safe := p.eat('?')
			p.space()
			name := p.word()
			if name == "" {
				return nil, p.errorf("expected the name of a property after '.', found %s", p.here())
			}
			n = access{n, constant{name}, true, safe}
		case p.eat('['):
			safe := p.eat('?')
			key, err := p.expression(depth + 1)
			if err != nil {
				return nil, err
			}
			if !p.eat(']') {
				return nil, p.errorf("expected ']', found %s", p.here())
			}
			n = access{n, key, false, safe}
		default:
			return n, nil
		}
	}
}

func (p *parser) primary(depth int) (node, error) {
	p.space()
	if p.at >= len(p.text) {
		return nil, p.errorf("expected a function, a string or a number, found the end")
	}
	switch c := p.text[p.at]; {
	case c == '\'':
		return p.str()
	case c == '-' || c == '+' || c >= '0' && c <= '9':
		return p.number()
	case isLetter(c):
		return p.call(depth)
	}
	return nil, p.errorf("expected a function, a string or a number, found %s", p.here())
}

func (p *parser) str() (node, error) {
	begun := p.at
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		if c != '\'' {
			b.WriteByte(c)
			continue
		}
		if p.at < len(p.text) && p.text[p.at] == '\'' {
			b.WriteByte('\'')
			p.at++
			continue
		}
		return constant{b.String()}, nil
	}
	p.at = begun
	return nil, p.errorf("the string that begins here has no end; write '' for a quote in a string")
}

func (p *parser) number() (node, error) {
	start := p.at
	p.at++
	for p.at < len(p.text) && (p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at] == '.') {
		p.at++
	}
	word := p.text[start:p.at]
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return constant{n}, nil
	}
	p.at = start
	return nil, p.errorf("%q is no whole number; write json('%s') for one with a fraction", word, word)
}

func (p *parser) call(depth int) (node, error) {
	start := p.at
	name := p.word()
	namespace := ""
	if p.eat('.') { // a function of the template's own
		p.space()
		namespace, name = name, p.word()
	}
	if !p.eat('(') {
		p.at = start
		return nil, p.errorf("%q is no value: strings need single quotes, functions need ( )", p.word())
	}
	c := call{namespace: namespace, name: name}
	if p.eat(')') {
		return c, nil
	}
	for {
		arg, err := p.expression(depth + 1)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
		if p.eat(')') {
			return c, nil
		}
		if !p.eat(',') {
			return nil, p.errorf("expected ',' or ')' among the arguments of %s, found %s", name, p.here())
		}
	}
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && (isLetter(p.text[p.at]) || p.at > start && p.text[p.at] >= '0' && p.text[p.at] <= '9') {
		p.at++
	}
	return p.text[start:p.at]
}
