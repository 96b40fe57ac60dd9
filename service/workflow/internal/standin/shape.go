package standin

import (
	"fmt"
	"slices"
	"strings"

	"weir/service/workflow/internal/expression"
)

// wish is a kind of value that a reader needs.
type wish uint16

const (
	text wish = 1 << iota
	number
	truth
	list
	object
	date
	json
	base64
	xml
	uri
	span // an ISO 8601 duration
)

// itemsMade is how many items a list has, itemsMost how many an index may make it have.
const (
	itemsMade = 2
	itemsMost = 64
	depthMost = 24
)

// shape is what is known of one value.
type shape struct {
	wishes  wish
	names   []string
	members map[string][]*shape
	item    []*shape
	count   int            // items at least
	chars   int            // characters at least
	parts   map[string]int // of a text that is split: how many parts, by what
	part    []*shape
	words   []any
	holds   []string // texts that are looked for in it
	begins  []string
	ends    []string
	kept    bool // its members are given by a template, no others are
	of      []*shape
	given   bool // value is what it is
	value   any
}

func fixed(v any) *shape { return &shape{given: true, value: v, kept: true} }

// member gives the shapes of a member.
func (s *shape) member(name string) []*shape {
	if s.given {
		if o, ok := s.value.(*expression.Object); ok {
			if v, ok := o.Get(name); ok {
				return []*shape{fixed(v)}
			}
		}
		return nil
	}
	if m, ok := s.members[strings.ToLower(name)]; ok {
		return m
	}
	if s.kept {
		return nil
	}
	s.put(name, []*shape{{}})
	return s.members[strings.ToLower(name)]
}

func (s *shape) put(name string, m []*shape) {
	if s.members == nil {
		s.members = map[string][]*shape{}
	}
	key := strings.ToLower(name)
	if _, ok := s.members[key]; !ok {
		s.names = append(s.names, name)
	}
	s.members[key] = m
}

// items gives the shapes of the items.
func (s *shape) items() []*shape {
	if s.given {
		if all, ok := s.value.([]any); ok {
			var out []*shape
			for _, v := range all {
				out = append(out, fixed(v))
			}
			return out
		}
		return nil
	}
	if s.item == nil && !s.kept {
		s.item = []*shape{{}}
	}
	return s.item
}

// want notes what is wanted of shapes.
func want(all []*shape, w wish) []*shape {
	for _, s := range all {
		if s.given {
			continue
		}
		if w == list && len(s.parts) > 0 {
			continue // the parts of a text, which stays one
		}
		s.wishes |= w
	}
	return all
}

func each(all []*shape, f func(*shape) []*shape) []*shape {
	var out []*shape
	for _, s := range all {
		for _, one := range f(s) {
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// itemsOf wants lists and gives their items.
func itemsOf(all []*shape) []*shape {
	return each(want(all, list), func(s *shape) []*shape {
		if len(s.parts) > 0 {
			return s.part
		}
		return s.items()
	})
}

func memberOf(all []*shape, name string) []*shape {
	return each(all, func(s *shape) []*shape {
		// Designers write a/b for a member of a member.
		if strings.Contains(name, "/") && !s.given && s.members[strings.ToLower(name)] == nil {
			at := []*shape{s}
			for step := range strings.SplitSeq(name, "/") {
				at = memberOf(at, step)
			}
			return at
		}
		return s.member(name)
	})
}

// made gives a value of the shape.
func (s *shape) made(name string) any { return s.make(name, 0, 0) }

func first(all []*shape) *shape {
	if len(all) == 0 {
		return &shape{}
	}
	return all[0]
}

func (s *shape) make(name string, nth, depth int) any {
	switch {
	case s.given:
		return s.value
	case depth > depthMost:
		return nil
	case s.wishes&list != 0 || s.item != nil && len(s.names) == 0:
		return s.wrapped(s.listed(name, depth))
	case len(s.names) > 0:
		o := &expression.Object{}
		for _, n := range s.names {
			o.Members = append(o.Members, expression.Member{Name: n, Value: first(s.members[strings.ToLower(n)]).make(n, nth, depth+1)})
		}
		return s.wrapped(o)
	case s.wishes&json != 0 && s.wishes&(date|number|truth) == 0 && len(s.words) == 0:
		return "{}"
	case s.wishes&object != 0:
		return &expression.Object{}
	}
	return s.scalar(name, nth)
}

// wrapped makes a text of a list or an object that is read as JSON.
func (s *shape) wrapped(v any) any {
	if s.wishes&(json|text) != 0 && s.wishes&json != 0 {
		return string(expression.AppendJSON(nil, v))
	}
	return v
}

func (s *shape) listed(name string, depth int) any {
	n := max(itemsMade, min(s.count, itemsMost))
	out := make([]any, 0, n)
	for _, h := range s.holds {
		out = append(out, h)
	}
	if s.item == nil && len(out) > 0 {
		return out
	}
	one := first(s.item)
	for i := range n {
		out = append(out, one.make(strings.TrimSuffix(name, "s"), i, depth+1))
	}
	return out
}

func (s *shape) scalar(name string, nth int) any {
	if len(s.words) > 0 {
		for _, w := range s.words {
			if s.suits(w) {
				return w
			}
		}
	}
	switch w := s.wishes; {
	case w&date != 0:
		return "2026-03-02T09:30:00.0000000Z"
	case w&number != 0 && w&text != 0:
		return "3"
	case w&number != 0:
		return int64(3)
	case w&truth != 0:
		return true
	case w&span != 0:
		return "PT1S"
	case w&base64 != 0:
		return "bWFkZSB1cA=="
	case w&xml != 0:
		return "<made><up>1</up></made>"
	case len(s.parts) > 0:
		return s.parted(name)
	}
	return s.worded(name, nth)
}

// suits reports whether a word that a value is compared with fits its other readers.
func (s *shape) suits(w any) bool {
	switch w := w.(type) {
	case string:
		return s.wishes&(number|date|truth|base64|xml|span) == 0 && len(w) >= s.chars && len(s.parts) == 0
	case bool:
		return s.wishes&(number|date|text|base64|xml) == 0
	case int64, float64:
		return s.wishes&(date|truth|text|base64|xml) == 0
	}
	return false
}

// parted is a text that can be split as often as somebody does.
func (s *shape) parted(name string) string {
	separators := make([]string, 0, len(s.parts))
	for by := range s.parts {
		separators = append(separators, by)
	}
	slices.SortFunc(separators, func(a, b string) int {
		if s.parts[a] != s.parts[b] {
			return s.parts[b] - s.parts[a]
		}
		return strings.Compare(a, b)
	})
	numeric := first(s.part).wishes&number != 0
	var b strings.Builder
	for k, by := range separators {
		for i := range max(2, min(s.parts[by], itemsMost)) {
			if i > 0 || k > 0 {
				b.WriteString(by)
			}
			switch {
			case numeric:
				fmt.Fprint(&b, i+1)
			case first(s.part).wishes&date != 0:
				b.WriteString("2026-03-02")
			default:
				b.WriteString(fmt.Sprintf("%s%d", plainName(name), i+1))
			}
		}
	}
	return b.String()
}

func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
}

func (s *shape) worded(name string, nth int) string {
	lower := strings.ToLower(name)
	out := fmt.Sprintf("%s-%d", name, nth+1)
	switch {
	case s.wishes&uri != 0, strings.HasSuffix(lower, "url"), strings.HasSuffix(lower, "uri"):
		out = "https://stand-in.example/" + plainName(name)
	case strings.Contains(lower, "mail") || lower == "from" || lower == "to":
		out = "somebody@stand-in.example"
	case lower == "etag":
		out = `"1"`
	}
	if len(s.begins) > 0 {
		out = s.begins[0] + out
	}
	for _, h := range s.holds {
		out += " " + h
	}
	if len(s.ends) > 0 {
		out += s.ends[0]
	}
	for len(out) < s.chars {
		out += "-made-up"
	}
	return out
}
