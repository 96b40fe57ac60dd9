package document

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// depthMax is how deep values may lie in one another.
const depthMax = 500

// SyntaxError says why a file is not JSON, and where.
type SyntaxError struct {
	At   Position
	Want string
	Got  string
}

// Error says it in one sentence.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: expected %s, found %s", e.At.Line, e.At.Column, e.Want, e.Got)
}

// parser walks over the bytes once. line is the current one and start where it
// begins.
type parser struct {
	data        []byte
	at          int
	line, start int
}

func (p *parser) position() Position { return Position{p.line, p.at - p.start + 1} }

func (p *parser) fail(want string) error {
	got := "the end of the file"
	if p.at < len(p.data) {
		rest := p.data[p.at:]
		if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
			rest = rest[:i]
		}
		got = fmt.Sprintf("%.12q", rest)
		if len(rest) == 0 {
			got = "the end of the line"
		}
	}
	return &SyntaxError{At: p.position(), Want: want, Got: got}
}

func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

// space skips blanks and comments.
func (p *parser) space() error {
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '\n':
			p.at++
			p.line, p.start = p.line+1, p.at
		case c == ' ' || c == '\t' || c == '\r':
			p.at++
		case c == '/':
			if err := p.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (p *parser) comment() error {
	rest := p.data[p.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		p.at += end
	case bytes.HasPrefix(rest, []byte("/*")):
		end := bytes.Index(rest[2:], []byte("*/"))
		if end < 0 {
			return p.fail("a comment that ends with */")
		}
		for i, c := range rest[:end+4] {
			if c == '\n' {
				p.line, p.start = p.line+1, p.at+i+1
			}
		}
		p.at += end + 4
	default:
		return p.fail("a value")
	}
	return nil
}

func (p *parser) value(depth int) (*Value, error) {
	if depth > depthMax {
		return nil, p.fail(fmt.Sprintf("at most %d values in one another", depthMax))
	}
	v, from := &Value{At: p.position()}, p.at
	var err error
	switch c := p.peek(); {
	case c == '{':
		err = p.object(v, depth)
	case c == '[':
		err = p.array(v, depth)
	case c == '"':
		v.Kind = String
		v.Text, err = p.text()
	case c == '-' || '0' <= c && c <= '9':
		err = p.number(v)
	default:
		err = p.word(v)
	}
	v.Raw = p.data[from:p.at:p.at]
	return v, err
}

func (p *parser) object(v *Value, depth int) error {
	v.Kind = Object
	p.at++
	for first := true; ; first = false {
		if err := p.space(); err != nil {
			return err
		}
		if first && p.peek() == '}' {
			p.at++
			return nil
		}
		if p.peek() != '"' {
			return p.fail("a member's name in double quotes")
		}
		m := Member{At: p.position()}
		var err error
		if m.Name, err = p.text(); err != nil {
			return err
		}
		if err := p.token(':', "a colon after the member's name"); err != nil {
			return err
		}
		if m.Value, err = p.value(depth + 1); err != nil {
			return err
		}
		v.Members = append(v.Members, m)
		if done, err := p.next('}', "a comma or the end of the object"); done || err != nil {
			return err
		}
	}
}

func (p *parser) array(v *Value, depth int) error {
	v.Kind = Array
	p.at++
	for first := true; ; first = false {
		if err := p.space(); err != nil {
			return err
		}
		if first && p.peek() == ']' {
			p.at++
			return nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
		if done, err := p.next(']', "a comma or the end of the array"); done || err != nil {
			return err
		}
	}
}

// token takes one sign with the space around it.
func (p *parser) token(sign byte, want string) error {
	if err := p.space(); err != nil {
		return err
	}
	if p.peek() != sign {
		return p.fail(want)
	}
	p.at++
	return p.space()
}

// next takes a comma or the end of what is open.
func (p *parser) next(end byte, want string) (done bool, err error) {
	if err := p.space(); err != nil {
		return false, err
	}
	switch p.peek() {
	case end:
		p.at++
		return true, nil
	case ',':
		p.at++
		return false, nil
	}
	return false, p.fail(want)
}

// text takes a string. Escapes and bad UTF-8 are left to encoding/json, so that they
// mean here what they mean everywhere else.
func (p *parser) text() (string, error) {
	from, plain := p.at, true
	for p.at++; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			quoted := p.data[from:p.at]
			if plain {
				return string(quoted[1 : len(quoted)-1]), nil
			}
			var s string
			if err := json.Unmarshal(quoted, &s); err != nil {
				p.at = from
				return "", p.fail("a string whose escapes are those of JSON")
			}
			return s, nil
		case c == '\\':
			p.at++
			plain = false
		case c < ' ':
			return "", p.fail("the end of the string (a line break inside one is written \\n)")
		case c >= 0x80:
			plain = false
		}
	}
	return "", p.fail("the end of the string")
}

func (p *parser) number(v *Value) error {
	from := p.at
	for p.at < len(p.data) && bytes.IndexByte([]byte("+-.eE0123456789"), p.data[p.at]) >= 0 {
		p.at++
	}
	spelled := p.data[from:p.at]
	if !json.Valid(spelled) {
		p.at = from
		return p.fail("a number")
	}
	v.Kind, v.Text = Number, string(spelled)
	return nil
}

func (p *parser) word(v *Value) error {
	for word, kind := range map[string]Kind{"true": Bool, "false": Bool, "null": Null} {
		if bytes.HasPrefix(p.data[p.at:], []byte(word)) {
			v.Kind, v.Bool = kind, word == "true"
			p.at += len(word)
			return nil
		}
	}
	return p.fail("a value")
}

// Twice lists the members of an object whose name came before.
func (v *Value) Twice() []Member {
	if !v.Is(Object) || len(v.Members) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(v.Members))
	var twice []Member
	for _, m := range v.Members {
		if seen[m.Name] {
			twice = append(twice, m)
		}
		seen[m.Name] = true
	}
	return twice
}
