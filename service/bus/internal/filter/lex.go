package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

type tokenKind uint8

const (
	tokenEnd        tokenKind = iota
	tokenName                 // a regular identifier that is not a keyword
	tokenQuotedName           // [..] or ".."
	tokenKeyword              // text is upper case
	tokenString
	tokenInteger
	tokenFloat
	tokenParameter // text without the @
	tokenSymbol    // an operator or punctuation
)

type token struct {
	kind     tokenKind
	text     string
	position int     // of its first character, from 1
	integer  uint64  // of tokenInteger: its magnitude
	float    float64 // of tokenFloat
}

// keywords cannot be regular identifiers; write [and] for a property called so.
var keywords = map[string]bool{
	"AND": true, "OR": true, "NOT": true, "IN": true, "LIKE": true, "ESCAPE": true,
	"IS": true, "NULL": true, "EXISTS": true, "TRUE": true, "FALSE": true,
}

// String is how an error names what was found.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenString:
		return "the string " + quoteString(t.text)
	case tokenParameter:
		return "@" + t.text
	case tokenQuotedName:
		return quoteName(t.text)
	}
	return "'" + t.text + "'"
}

type lexer struct {
	source []rune
	at     int
}

// scan splits the whole expression, which the length limit keeps small.
func scan(sql string) ([]token, error) {
	l := lexer{source: []rune(sql)}
	var tokens []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens, nil
		}
	}
}

func (l *lexer) peek(ahead int) rune {
	if l.at+ahead < len(l.source) {
		return l.source[l.at+ahead]
	}
	return 0
}

func (l *lexer) errorAt(at int, format string, args ...any) error {
	return &SyntaxError{at + 1, fmt.Sprintf(format, args...)}
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.source) && unicode.IsSpace(l.source[l.at]) {
		l.at++
	}
	if l.at >= len(l.source) {
		return token{kind: tokenEnd, position: l.at + 1}, nil
	}
	switch c := l.source[l.at]; {
	case unicode.IsLetter(c):
		return l.name(), nil
	case c == '\'':
		return l.quoted(tokenString, '\'', "a string")
	case c == '"':
		return l.quoted(tokenQuotedName, '"', "a quoted name")
	case c == '[':
		return l.quoted(tokenQuotedName, ']', "a name in brackets")
	case c == '@':
		return l.parameter()
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		return l.number()
	}
	return l.symbol()
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }

func isNamePart(c rune) bool {
	return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c)
}

func (l *lexer) word() string {
	start := l.at
	for l.at < len(l.source) && isNamePart(l.source[l.at]) {
		l.at++
	}
	return string(l.source[start:l.at])
}

func (l *lexer) name() token {
	t := token{kind: tokenName, position: l.at + 1}
	t.text = l.word()
	if upper := strings.ToUpper(t.text); keywords[upper] {
		t.kind, t.text = tokenKeyword, upper
	}
	return t
}

func (l *lexer) parameter() (token, error) {
	start := l.at
	l.at++
	word := l.word()
	if word == "" {
		return token{}, l.errorAt(start, "expected a parameter name after '@'")
	}
	return token{kind: tokenParameter, position: start + 1, text: word}, nil
}

// quoted reads up to the closing mark; a doubled mark stands for itself.
func (l *lexer) quoted(kind tokenKind, mark rune, what string) (token, error) {
	start := l.at
	var text strings.Builder
	for l.at++; l.at < len(l.source); l.at++ {
		c := l.source[l.at]
		if c != mark {
			text.WriteRune(c)
			continue
		}
		if l.peek(1) != mark {
			l.at++
			if kind == tokenQuotedName && text.Len() == 0 {
				return token{}, l.errorAt(start, "expected a name, found an empty one")
			}
			return token{kind: kind, position: start + 1, text: text.String()}, nil
		}
		text.WriteRune(c)
		l.at++
	}
	return token{}, l.errorAt(start, "%s that is not closed: expected %c before the end", what, mark)
}

// number reads an integer, a hexadecimal integer, a decimal or an approximate number.
func (l *lexer) number() (token, error) {
	start := l.at
	if l.peek(0) == '0' && (l.peek(1) == 'x' || l.peek(1) == 'X') {
		l.at += 2
		return l.integer(start, strings.ToLower(l.word()), 16)
	}
	l.digits()
	float := false
	if l.peek(0) == '.' {
		float = true
		l.at++
		l.digits()
	}
	if e := l.peek(0); e == 'e' || e == 'E' {
		sign := 0
		if s := l.peek(1); s == '+' || s == '-' {
			sign = 1
		}
		if isDigit(l.peek(1 + sign)) {
			float = true
			l.at += 1 + sign
			l.digits()
		}
	}
	if rest := l.at; isNamePart(l.peek(0)) {
		return token{}, l.errorAt(rest, "expected an operator or the end after the number %s, found '%s'", string(l.source[start:rest]), l.word())
	}
	literal := string(l.source[start:l.at])
	if !float {
		return l.integer(start, literal, 10)
	}
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.IsInf(value, 0) {
		return token{}, l.errorAt(start, "the number %s does not fit a double", literal)
	}
	return token{kind: tokenFloat, position: start + 1, text: literal, float: value}, nil
}

func (l *lexer) digits() {
	for isDigit(l.peek(0)) {
		l.at++
	}
}

func (l *lexer) integer(start int, digits string, base int) (token, error) {
	literal := string(l.source[start:l.at])
	value, err := strconv.ParseUint(digits, base, 64)
	if numError, ok := err.(*strconv.NumError); ok && numError.Err == strconv.ErrSyntax {
		return token{}, l.errorAt(start, "expected hexadecimal digits in %s", literal)
	}
	// One more than the largest: only a minus sign in front makes it fit.
	if err != nil || value > math.MaxInt64+1 {
		return token{}, l.errorAt(start, "the integer %s does not fit 64 bits", literal)
	}
	return token{kind: tokenInteger, position: start + 1, text: literal, integer: value}, nil
}

// run is what stands up to the next space, as the writer may have meant it.
func (l *lexer) run() string {
	end := l.at
	for end < len(l.source) && !unicode.IsSpace(l.source[end]) {
		end++
	}
	return string(l.source[l.at:end])
}

func (l *lexer) symbol() (token, error) {
	start := l.at
	two := string(l.source[start:min(start+2, len(l.source))])
	switch two {
	case "<>", "!=", "<=", ">=":
		l.at += 2
		return token{kind: tokenSymbol, position: start + 1, text: two}, nil
	}
	c := l.source[start]
	if !strings.ContainsRune("=<>+-*/%().,;", c) {
		return token{}, l.errorAt(start, "'%c' has no meaning here; a name with such a character is written in brackets, as in [%s]", c, l.run())
	}
	l.at++
	return token{kind: tokenSymbol, position: start + 1, text: string(c)}, nil
}
