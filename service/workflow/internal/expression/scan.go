package expression

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind names are those the engine's messages use.
type tokenKind string

const (
	tokenEnd          tokenKind = "EndOfData"
	tokenName         tokenKind = "Identifier"
	tokenString       tokenKind = "StringLiteral"
	tokenInteger      tokenKind = "IntegerLiteral"
	tokenFloat        tokenKind = "FloatLiteral"
	tokenLeft         tokenKind = "LeftParenthesis"
	tokenRight        tokenKind = "RightParenthesis"
	tokenLeftBracket  tokenKind = "LeftSquareBracket"
	tokenRightBracket tokenKind = "RightSquareBracket"
	tokenComma        tokenKind = "Comma"
	tokenDot          tokenKind = "Dot"
	tokenQuestion     tokenKind = "QuestionMark"
)

var punctuation = map[byte]tokenKind{
	'(': tokenLeft, ')': tokenRight, '[': tokenLeftBracket, ']': tokenRightBracket,
	',': tokenComma, '.': tokenDot, '?': tokenQuestion,
}

type token struct {
	kind       tokenKind
	text       string // of a string literal: without quotes, '' made one
	start, end int    // bytes in the source
}

// scanner gives the tokens of one expression.
type scanner struct {
	source string
	at     int
}

// next reads a token. The language has so few that it needs no state: but a dot
// before a digit begins a number where a value may stand, which the parser knows.
func (s *scanner) next(value bool) (token, *Problem) {
	for s.at < len(s.source) {
		r, n := utf8.DecodeRuneInString(s.source[s.at:])
		if !unicode.IsSpace(r) {
			break
		}
		s.at += n
	}
	start := s.at
	if start == len(s.source) {
		return token{tokenEnd, "", start, start}, nil
	}
	c := s.source[start]
	if kind, ok := punctuation[c]; ok && !(value && c == '.' && s.digitAt(start+1)) {
		s.at++
		return token{kind, string(c), start, s.at}, nil
	}
	switch {
	case c == '\'':
		return s.quoted()
	case c == '+' || c == '-' || c == '.' || digit(c):
		return s.number()
	case c == '"':
		return token{}, problem(CodeParse, start, "The template language expression '%s' is not valid: the string character '\"' at position '%d' is not expected. Strings stand between single quotes: 'text'.", s.source, start)
	case strings.IndexByte("{}@", c) >= 0:
		return token{}, s.unexpected(start)
	}
	for s.at < len(s.source) && nameByte(s.source[s.at:]) {
		_, n := utf8.DecodeRuneInString(s.source[s.at:])
		s.at += n
	}
	return token{tokenName, s.source[start:s.at], start, s.at}, nil
}

func (s *scanner) unexpected(at int) *Problem {
	r, _ := utf8.DecodeRuneInString(s.source[at:])
	return problem(CodeParse, at, "The template language expression '%s' is not valid: the string character '%c' at position '%d' is not expected.", s.source, r, at)
}

func (s *scanner) quoted() (token, *Problem) {
	start := s.at
	for i := start + 1; i < len(s.source); i++ {
		if s.source[i] != '\'' {
			continue
		}
		if i+1 < len(s.source) && s.source[i+1] == '\'' {
			i++
			continue
		}
		s.at = i + 1
		return token{tokenString, strings.ReplaceAll(s.source[start+1:i], "''", "'"), start, s.at}, nil
	}
	return token{}, problem(CodeParse, start, "The template language expression '%s' is not valid: the string literal that begins at position '%d' is not terminated.", s.source, start)
}

func (s *scanner) number() (token, *Problem) {
	start, kind := s.at, tokenInteger
	i := start
	if c := s.source[i]; c == '+' || c == '-' {
		i++
	}
	from := i
	for s.digitAt(i) {
		i++
	}
	if i < len(s.source) && s.source[i] == '.' {
		kind = tokenFloat
		for i++; s.digitAt(i); i++ {
		}
	}
	if i == from || i == from+1 && kind == tokenFloat {
		return token{}, s.unexpected(start)
	}
	if i < len(s.source) && (s.source[i] == 'e' || s.source[i] == 'E') {
		kind = tokenFloat
		i++
		if i < len(s.source) && (s.source[i] == '+' || s.source[i] == '-') {
			i++
		}
		if !s.digitAt(i) {
			return token{}, s.unexpected(start)
		}
		for s.digitAt(i) {
			i++
		}
	}
	if i < len(s.source) && nameByte(s.source[i:]) {
		return token{}, s.unexpected(i)
	}
	s.at = i
	return token{kind, s.source[start:i], start, i}, nil
}

func (s *scanner) digitAt(i int) bool { return i < len(s.source) && digit(s.source[i]) }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// nameByte tells whether a name goes on with what comes next. Names are wide: all
// but what has a meaning of its own.
func nameByte(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return !unicode.IsSpace(r) && !strings.ContainsRune(".,(){}@[]?'\"", r)
}

func (t token) describe() string {
	if t.kind == tokenEnd {
		return string(t.kind)
	}
	return fmt.Sprintf("%s' ('%s", t.kind, t.text)
}
