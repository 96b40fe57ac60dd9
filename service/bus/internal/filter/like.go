package filter

import (
	"strings"
	"unicode/utf8"
)

// likePattern is a LIKE pattern cut at its % signs: the text must begin with the
// first piece, end with the last, and hold the others in order between them.
type likePattern struct {
	pieces []likePiece
}

// likePiece is a run of characters, some of which may be "any one character".
type likePiece struct {
	plain string // the piece, when it holds no wildcard
	runes []rune // otherwise; anyRune stands for _
}

const anyRune rune = -1

// compileLike reads % and _ as wildcards, except after the escape character
// (0 for none), which makes the next character mean itself.
func compileLike(pattern string, escape rune) (likePattern, error) {
	var p likePattern
	var piece []rune
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			piece, escaped = append(piece, r), false
		case r == escape && escape != 0:
			escaped = true
		case r == '%':
			p.pieces = append(p.pieces, newLikePiece(piece))
			piece = nil
		case r == '_':
			piece = append(piece, anyRune)
		default:
			piece = append(piece, r)
		}
	}
	if escaped {
		return likePattern{}, evaluationError("the LIKE pattern %s ends with its escape character", quoteString(pattern))
	}
	p.pieces = append(p.pieces, newLikePiece(piece))
	return p, nil
}

func newLikePiece(runes []rune) likePiece {
	for _, r := range runes {
		if r == anyRune {
			return likePiece{runes: runes}
		}
	}
	return likePiece{plain: string(runes)}
}

// escapeRune reads the ESCAPE operand, which must be one character.
func escapeRune(s string) (rune, error) {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 || size != len(s) {
		return 0, evaluationError("ESCAPE needs a string of one character, found %s", quoteString(s))
	}
	return r, nil
}

func (p likePattern) match(s string) bool {
	first, last := p.pieces[0], p.pieces[len(p.pieces)-1]
	size, ok := first.prefixOf(s)
	if !ok || len(p.pieces) == 1 {
		return ok && size == len(s)
	}
	s = s[size:]
	// The leftmost place for each middle piece leaves the most for the rest.
	for _, piece := range p.pieces[1 : len(p.pieces)-1] {
		end := piece.find(s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return last.suffixOf(s)
}

// prefixOf is the length in bytes of the piece at the front of s.
func (l likePiece) prefixOf(s string) (size int, ok bool) {
	if l.runes == nil {
		return len(l.plain), strings.HasPrefix(s, l.plain)
	}
	for _, want := range l.runes {
		r, n := utf8.DecodeRuneInString(s[size:])
		if n == 0 || want != anyRune && want != r {
			return 0, false
		}
		size += n
	}
	return size, true
}

// find is where the first occurrence ends, or -1.
func (l likePiece) find(s string) int {
	if l.runes == nil {
		if i := strings.Index(s, l.plain); i >= 0 {
			return i + len(l.plain)
		}
		return -1
	}
	for i := range s {
		if size, ok := l.prefixOf(s[i:]); ok {
			return i + size
		}
	}
	return -1
}

func (l likePiece) suffixOf(s string) bool {
	if l.runes == nil {
		return strings.HasSuffix(s, l.plain)
	}
	start := len(s)
	for range l.runes {
		_, n := utf8.DecodeLastRuneInString(s[:start])
		if n == 0 {
			return false
		}
		start -= n
	}
	size, ok := l.prefixOf(s[start:])
	return ok && start+size == len(s)
}
