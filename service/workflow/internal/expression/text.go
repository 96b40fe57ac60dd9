package expression

import "strings"

// text is one string of a definition, read: the pieces it is made of.
type text struct {
	parts []part
	whole bool // one expression, whose value keeps its kind
}

// part is literal text, or an expression when tree is there.
type part struct {
	literal string
	tree    node
	source  string // of the expression
	at      int    // byte of the text where it begins
	deepest int
}

// isTemplate tells whether a text holds anything to compute or to unescape.
func isTemplate(s string) bool {
	return len(s) >= 2 && (s[0] == '@' || strings.Contains(s, "@{"))
}

// parseText reads a text. One with problems of form gives nil.
func parseText(s string) (*text, []Problem) {
	if !isTemplate(s) {
		return &text{parts: []part{{literal: s}}}, nil
	}
	if s[0] == '@' && s[1] == '@' {
		return &text{parts: []part{{literal: s[1:]}}}, nil
	}
	t, problems := &text{}, []Problem(nil)
	if s[0] == '@' && s[1] != '{' {
		t.whole = true
		problems = t.expression(s, s[1:], 1)
	} else {
		problems = t.interpolation(s)
	}
	if t.parts == nil {
		return nil, problems
	}
	return t, problems
}

// expression adds the expression at a byte of s. After a problem of form parts is nil.
func (t *text) expression(s, source string, at int) []Problem {
	tree, p, broken := parseExpression(source)
	problems := p.problems
	if broken != nil {
		problems, t.parts = append(problems, *broken), nil
	} else {
		t.parts = append(t.parts, part{tree: tree, source: source, at: at, deepest: p.deepest})
	}
	for i := range problems {
		problems[i].Column = column(s, at+problems[i].Column-1)
	}
	return problems
}

// interpolation reads text with @{...} in it; @@{ stands for @{ itself.
func (t *text) interpolation(s string) []Problem {
	var all []Problem
	broken := false
	from := 0
	for from < len(s) {
		i := strings.Index(s[from:], "@{")
		if i < 0 {
			break
		}
		i += from
		if i > 0 && s[i-1] == '@' {
			t.text(s[from:i])
			from = i + 1
			// The brace is text; search on behind it.
			t.text("{")
			from++
			continue
		}
		t.text(s[from:i])
		end := closing(s, i+2)
		if end < 0 {
			t.parts = nil
			return append(all, Problem{Code: CodeParse, Column: column(s, i), Message: "Unable to parse template language expression '" + s[i+2:] + "': the '@{' has no closing '}'. A text that is to hold '@{' itself writes '@@{'."})
		}
		if len(t.parts) >= partsMax {
			t.parts = nil
			return append(all, Problem{Code: CodeLimit, Column: column(s, i), Message: "The text holds too many expressions."})
		}
		kept := t.parts
		problems := t.expression(s, s[i+2:end], i+2)
		if t.parts == nil {
			broken, t.parts = true, kept
		}
		all = append(all, problems...)
		from = end + 1
	}
	t.text(s[from:])
	if broken {
		t.parts = nil
	}
	return all
}

// text adds literal text, joined to literal text before it.
func (t *text) text(s string) {
	if s == "" {
		return
	}
	if n := len(t.parts); n > 0 && t.parts[n-1].tree == nil {
		t.parts[n-1].literal += s
		return
	}
	t.parts = append(t.parts, part{literal: s})
}

// closing finds the brace that ends an expression: the first outside of quotes.
func closing(s string, from int) int {
	quoted := false
	for i := from; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return i
		}
	}
	return -1
}
