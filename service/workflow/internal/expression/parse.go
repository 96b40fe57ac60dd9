package expression

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of one expression, as the cloud has them.
const (
	textMax  = 8192 // characters of one expression
	depthMax = 200  // calls and indices in each other: more than any person writes
	partsMax = 4096 // pieces of one text with @{...} in it
)

// node is one piece of a parsed expression.
type node interface{ position() int }

type literal struct {
	value any
	at    int
	text  string // as it is written
}

// call is a function with what is selected from its result.
type call struct {
	name       string
	function   *Function
	arguments  []node
	selections []selection
	at         int
	text       string // the call alone, for messages
	problem    string // why it can not be evaluated
}

// selection is .name, [index], ?.name or ?[index].
type selection struct {
	key  node
	safe bool
	text string // the expression up to and with it
	at   int
}

func (l *literal) position() int { return l.at }
func (c *call) position() int    { return c.at }

type parser struct {
	scanner  scanner
	token    token
	depth    int
	deepest  int
	problems []Problem // of meaning: unknown functions, wrong arity. Parsing goes on
}

// parseExpression reads a whole expression: what follows the @, or stands in @{}.
func parseExpression(source string) (node, *parser, *Problem) {
	p := &parser{scanner: scanner{source: source}}
	if n := utf8.RuneCountInString(source); n > textMax {
		return nil, p, problem(CodeLimit, 0, "The template language expression has '%d' characters, the limit is '%d'. Put parts of it into Compose actions or variables.", n, textMax)
	}
	if err := p.advance(true); err != nil {
		return nil, p, err
	}
	n, err := p.value()
	if err != nil {
		return nil, p, err
	}
	if p.token.kind != tokenEnd {
		return nil, p, p.expected(tokenEnd)
	}
	return n, p, nil
}

func (p *parser) advance(value bool) *Problem {
	t, err := p.scanner.next(value)
	p.token = t
	return err
}

func (p *parser) expected(kind tokenKind) *Problem {
	hint := ""
	if p.token.kind == tokenEnd && kind == tokenLeft {
		hint = " A function is called with parentheses; an @ that begins no expression is written @@."
	}
	return problem(CodeParse, p.token.start, "Unable to parse template language expression '%s': expected token '%s' and actual '%s'.%s",
		p.scanner.source, kind, p.token.kind, hint)
}

// take reads the token that must be next; value says whether a value follows it.
func (p *parser) take(kind tokenKind, value bool) (token, *Problem) {
	t := p.token
	if t.kind != kind {
		return t, p.expected(kind)
	}
	return t, p.advance(value)
}

func (p *parser) value() (node, *Problem) {
	p.depth++
	defer func() { p.depth-- }()
	if p.deepest = max(p.deepest, p.depth); p.depth > depthMax {
		return nil, problem(CodeLimit, p.token.start, "The template language expression is nested deeper than '%d'.", depthMax)
	}
	t := p.token
	switch t.kind {
	case tokenString:
		return &literal{t.text, t.start, p.scanner.source[t.start:t.end]}, p.advance(false)
	case tokenInteger, tokenFloat:
		return &literal{numberOf(t), t.start, t.text}, p.advance(false)
	case tokenName:
		return p.named()
	}
	return nil, p.expected(tokenName)
}

// numberOf is the value of a number literal. An integer that does not fit is a
// float, as the JSON reader makes it.
func numberOf(t token) any {
	text := strings.TrimPrefix(t.text, "+")
	if t.kind == tokenInteger {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && math.IsInf(f, 0) {
		return math.Copysign(math.MaxFloat64, f)
	}
	return f
}

func (p *parser) named() (node, *Problem) {
	t, err := p.take(tokenName, false)
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenLeft {
		switch strings.ToLower(t.text) {
		case "true":
			return &literal{true, t.start, t.text}, nil
		case "false":
			return &literal{false, t.start, t.text}, nil
		case "null":
			return &literal{nil, t.start, t.text}, nil
		}
	}
	c := &call{name: t.text, at: t.start, function: Lookup(t.text)}
	if _, err := p.take(tokenLeft, true); err != nil {
		return nil, err
	}
	end, err := p.arguments(c)
	if err != nil {
		return nil, err
	}
	c.text = p.scanner.source[t.start:end]
	p.judge(c)
	return c, p.selections(c)
}

func (p *parser) arguments(c *call) (end int, err *Problem) {
	for p.token.kind != tokenRight || len(c.arguments) > 0 {
		n, err := p.value()
		if err != nil {
			return 0, err
		}
		c.arguments = append(c.arguments, n)
		if p.token.kind != tokenComma {
			break
		}
		if err := p.advance(true); err != nil {
			return 0, err
		}
	}
	t, err := p.take(tokenRight, false)
	return t.end, err
}

func (p *parser) selections(c *call) *Problem {
	for {
		s := selection{at: p.token.start}
		if p.token.kind == tokenQuestion {
			s.safe = true
			if err := p.advance(false); err != nil {
				return err
			}
		}
		var end int
		switch {
		case p.token.kind == tokenDot:
			if err := p.advance(false); err != nil {
				return err
			}
			t, err := p.take(tokenName, false)
			if err != nil {
				return err
			}
			s.key, end = &literal{t.text, t.start, t.text}, t.end
		case p.token.kind == tokenLeftBracket:
			if err := p.advance(true); err != nil {
				return err
			}
			var err *Problem
			if s.key, err = p.value(); err != nil {
				return err
			}
			t, err := p.take(tokenRightBracket, false)
			if err != nil {
				return err
			}
			end = t.end
		case s.safe:
			return p.expected(tokenDot)
		default:
			return nil
		}
		s.text = p.scanner.source[c.at:end]
		c.selections = append(c.selections, s)
	}
}

// names gives the literal that a call names something by although it is no string. The
// cloud refuses such a definition when it is saved.
func (c *call) names() (*literal, bool) {
	switch c.function.Names {
	case NamesAction, NamesLoop, NamesScope, NamesVariable:
	default:
		return nil, false
	}
	if len(c.arguments) == 0 {
		return nil, false
	}
	l, ok := c.arguments[0].(*literal)
	if !ok {
		return nil, false
	}
	_, isText := l.value.(string)
	return l, !isText
}

// judge notes what is wrong with a call beside its form.
func (p *parser) judge(c *call) {
	var found *Problem
	if c.function == nil {
		found = unknownFunction(c)
	} else if n := len(c.arguments); n < c.function.Min || c.function.Max >= 0 && n > c.function.Max {
		found = &Problem{Code: CodeArity, Column: c.at + 1, Function: c.function.Name, Message: c.function.arity(n)}
	} else if l, ok := c.names(); ok {
		found = &Problem{Code: CodeArity, Column: c.at + 1, Function: c.function.Name, Message: fmt.Sprintf("The template language function '%s' expects its parameter to be a string. The provided value is of type '%s'. %s", c.function.Name, kindOf(l.value), c.function.usage())}
	}
	if found != nil {
		p.problems, c.problem = append(p.problems, *found), found.Message
	}
}
