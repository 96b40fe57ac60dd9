package arm

import (
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// filter is a $filter: the part of OData that ARM documents for lists of resources,
// groups and locks.
//
//	resourceType eq 'Microsoft.ServiceBus/namespaces' and (name eq 'a' or startswith(name, 'b'))
//	tagName eq 'env' and tagValue eq 'prod'        both are of one tag
//	substringof('x', name), location ne 'west', resourceGroup eq 'g', atScope(), not (...)
type filter struct {
	test  func(resource.Document, *request) bool
	types []string // that it names
}

const (
	filterCharsMax = 2000
	filterDepthMax = 20
)

func (f filter) matches(d resource.Document, q *request) bool { return f.test == nil || f.test(d, q) }

// names says whether the filter asks for a type by its name.
func (f filter) names(typ string) bool {
	for _, t := range f.types {
		if strings.EqualFold(t, typ) {
			return true
		}
	}
	return false
}

type test func(resource.Document, *request) bool

// clause is a part of a filter while it is read. Those about a tag's name or its value
// are kept apart until it is known whether one of the other follows.
type clause struct {
	test            test
	tagName, tagVal *string
}

func parseFilter(text string) (filter, error) {
	if text == "" {
		return filter{}, nil
	}
	p := &filterParser{rest: text, all: text}
	if len(text) > filterCharsMax {
		return filter{}, fault.New(fault.Invalid, "The $filter is longer than %d characters.", filterCharsMax)
	}
	c, err := p.or(0)
	if err == nil && p.peek() != "" {
		err = p.wrong("the end, and or or")
	}
	if err != nil {
		return filter{}, err
	}
	return filter{c.test, p.types}, nil
}

type filterParser struct {
	rest, all string
	types     []string
}

func (p *filterParser) wrong(expected string) error {
	found := p.peek()
	if found == "" {
		found = "its end"
	}
	return fault.New(fault.Invalid, "The $filter %q cannot be read: at %s, expected %s.", p.all, found, expected)
}

// peek gives the next word, sign or text in quotes; empty at the end.
func (p *filterParser) peek() string {
	p.rest = strings.TrimLeft(p.rest, " \t")
	switch {
	case p.rest == "":
		return ""
	case strings.ContainsRune("(),", rune(p.rest[0])):
		return p.rest[:1]
	case p.rest[0] == '\'':
		for i := 1; i < len(p.rest); i++ {
			if p.rest[i] == '\'' {
				if i+1 < len(p.rest) && p.rest[i+1] == '\'' {
					i++
					continue
				}
				return p.rest[:i+1]
			}
		}
		return p.rest
	}
	if end := strings.IndexAny(p.rest, " \t(),'"); end > 0 {
		return p.rest[:end]
	}
	return p.rest
}

func (p *filterParser) next() string {
	word := p.peek()
	p.rest = p.rest[len(word):]
	return word
}

// takes reads a word if it is the next.
func (p *filterParser) takes(word string) bool {
	if !strings.EqualFold(p.peek(), word) {
		return false
	}
	p.next()
	return true
}

func (p *filterParser) or(depth int) (clause, error) {
	left, err := p.and(depth)
	for err == nil && p.takes("or") {
		var right clause
		right, err = p.and(depth)
		a, b := left.test, right.test
		left = clause{test: func(d resource.Document, q *request) bool { return a(d, q) || b(d, q) }}
	}
	return left, err
}

func (p *filterParser) and(depth int) (clause, error) {
	left, err := p.not(depth)
	for err == nil && p.takes("and") {
		var right clause
		right, err = p.not(depth)
		left = both(left, right)
	}
	return left, err
}

// both joins two clauses; a tag's name and a value are of the same tag.
func both(left, right clause) clause {
	if left.tagName == nil {
		left, right = right, left
	}
	if left.tagName != nil && right.tagVal != nil {
		name, value := *left.tagName, *right.tagVal
		return clause{test: func(d resource.Document, _ *request) bool {
			return hasTag(d, func(n, v string) bool { return strings.EqualFold(n, name) && v == value })
		}}
	}
	a, b := left.test, right.test
	return clause{test: func(d resource.Document, q *request) bool { return a(d, q) && b(d, q) }}
}

func hasTag(d resource.Document, is func(name, value string) bool) bool {
	for name, value := range d.Tags {
		if is(name, value) {
			return true
		}
	}
	return false
}

func (p *filterParser) not(depth int) (clause, error) {
	if depth > filterDepthMax {
		return clause{}, fault.New(fault.Invalid, "The $filter has more than %d parentheses in each other.", filterDepthMax)
	}
	switch {
	case p.takes("not"):
		c, err := p.not(depth + 1)
		inner := c.test
		return clause{test: func(d resource.Document, q *request) bool { return !inner(d, q) }}, err
	case p.takes("("):
		c, err := p.or(depth + 1)
		if err == nil && !p.takes(")") {
			err = p.wrong("a closing parenthesis")
		}
		return c, err
	}
	return p.term()
}

// term reads a comparison or a function.
func (p *filterParser) term() (clause, error) {
	word := p.next()
	switch strings.ToLower(word) {
	case "atscope":
		if !p.takes("(") || !p.takes(")") {
			return clause{}, p.wrong("atScope()")
		}
		return clause{test: atScope}, nil
	case "substringof", "startswith", "endswith", "contains":
		return p.function(strings.ToLower(word))
	}
	read, err := property(word)
	if err != nil {
		return clause{}, err
	}
	operator := strings.ToLower(p.peek())
	if operator != "eq" && operator != "ne" {
		return clause{}, p.wrong("eq or ne")
	}
	p.next()
	value, err := p.literal()
	if err != nil {
		return clause{}, err
	}
	c := clause{test: func(d resource.Document, _ *request) bool {
		return read(d, func(s string) bool { return strings.EqualFold(s, value) })
	}}
	if operator == "ne" {
		is := c.test
		return clause{test: func(d resource.Document, q *request) bool { return !is(d, q) }}, nil
	}
	switch strings.ToLower(word) {
	case "resourcetype", "type":
		p.types = append(p.types, value)
	case "tagname":
		c.tagName = &value
	case "tagvalue":
		c.tagVal = &value
	}
	return c, nil
}

// function reads the arguments of a function; substringof has the text first.
func (p *filterParser) function(name string) (clause, error) {
	if !p.takes("(") {
		return clause{}, p.wrong("a parenthesis")
	}
	var word, text string
	var err error
	if name == "substringof" {
		text, err = p.literal()
	} else {
		word = p.next()
	}
	if err != nil || !p.takes(",") {
		return clause{}, p.wrong("a comma and another argument")
	}
	if name == "substringof" {
		word = p.next()
	} else {
		text, err = p.literal()
	}
	if err != nil || !p.takes(")") {
		return clause{}, p.wrong("a closing parenthesis")
	}
	read, err := property(word)
	text = strings.ToLower(text)
	judge := map[string]func(s, part string) bool{"startswith": strings.HasPrefix, "endswith": strings.HasSuffix}[name]
	if judge == nil {
		judge = strings.Contains
	}
	return clause{test: func(d resource.Document, _ *request) bool {
		return read(d, func(s string) bool { return judge(strings.ToLower(s), text) })
	}}, err
}

func (p *filterParser) literal() (string, error) {
	word := p.peek()
	if len(word) < 2 || word[0] != '\'' || word[len(word)-1] != '\'' {
		return "", p.wrong("a text in single quotes")
	}
	p.next()
	return strings.ReplaceAll(word[1:len(word)-1], "''", "'"), nil
}

// property gives what a name stands for in a document: is any of its values so?
func property(name string) (func(d resource.Document, is func(string) bool) bool, error) {
	switch strings.ToLower(name) {
	case "name":
		return func(d resource.Document, is func(string) bool) bool { return is(d.Name()) }, nil
	case "resourcetype", "type":
		return func(d resource.Document, is func(string) bool) bool { return is(d.Type()) }, nil
	case "location":
		return func(d resource.Document, is func(string) bool) bool { return is(d.Location) }, nil
	case "resourcegroup":
		return func(d resource.Document, is func(string) bool) bool { return is(d.ID.ResourceGroup()) }, nil
	case "tagname":
		return func(d resource.Document, is func(string) bool) bool {
			return hasTag(d, func(n, _ string) bool { return is(n) })
		}, nil
	case "tagvalue":
		return func(d resource.Document, is func(string) bool) bool {
			return hasTag(d, func(_, v string) bool { return is(v) })
		}, nil
	}
	return nil, fault.New(fault.Invalid, "A $filter compares name, resourceType, location, resourceGroup, tagName and tagValue; %q is none of them.", name)
}

// atScope is true of an extension that lies just where the list was asked for.
func atScope(d resource.Document, q *request) bool {
	return strings.EqualFold(strings.TrimSuffix(d.ID.Base().String(), "/"), strings.TrimSuffix(q.listed, "/"))
}
