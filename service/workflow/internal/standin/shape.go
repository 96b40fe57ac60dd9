package standin

import (
	b64 "encoding/base64"
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
	span   // an ISO 8601 duration
	quoted // a text, whatever is in it
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
	name    string
	like    *shape   // what it is asked to be the same as
	decoded []*shape // what its base64 holds
	tree    []*shape // what its XML holds
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
	s.put(name, []*shape{{name: name}})
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
		if s.kept && w&(date|number|truth|base64) != 0 {
			want(s.of, w)
		}
	}
	return all
}

// under gives what texts were made of, where they are nothing but that.
func under(all []*shape) []*shape {
	return each(all, func(s *shape) []*shape {
		if s.kept && s.of != nil {
			return s.of
		}
		return []*shape{s}
	})
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
	if s.wishes&(json|quoted) != 0 {
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
	for hops := 0; s.like != nil && len(s.words) == 0 && hops < depthMost; hops++ {
		merged := *s.like
		merged.wishes |= s.wishes
		s, nth = &merged, 0
		name = s.name
	}
	if len(s.words) > 0 {
		for _, w := range s.words {
			if s.suits(w) {
				return w
			}
		}
	}
	switch w := s.wishes; {
	case w&date != 0:
		return aTime
	case w&number != 0 && w&text != 0:
		return "3"
	case w&number != 0:
		return int64(3)
	case w&truth != 0:
		return true
	case w&span != 0:
		return "PT1S"
	case w&base64 != 0 && len(s.decoded) > 0:
		return b64.StdEncoding.EncodeToString([]byte(expression.Text(s.decoded[0].make(name, nth, depthMost/2))))
	case w&base64 != 0:
		return "bWFkZSB1cA=="
	case w&xml != 0 && len(s.tree) > 0 && len(s.tree[0].names) > 0:
		return markup(s.tree[0].make(name, nth, depthMost/2))
	case w&xml != 0:
		return "<made><up>1</up></made>"
	case timely(name) && len(s.holds)+len(s.begins)+len(s.ends) == 0:
		return aTime
	case len(s.parts) > 0:
		return s.parted(name)
	}
	return s.worded(name, nth)
}

const aTime = "2026-03-02T09:30:00.0000000Z"

// timely reports whether a name is one that times have.
func timely(name string) bool {
	for _, end := range []string{"Time", "Date", "Utc", "UTC", "timestamp", "Timestamp", "DateTime", "datetime", "createdon", "modifiedon", "TimeGenerated"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
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

// markup writes an object as XML: its first member is the root.
func markup(v any) string {
	var b strings.Builder
	var write func(name string, v any)
	write = func(name string, v any) {
		if all, ok := v.([]any); ok {
			for _, one := range all {
				write(name, one)
			}
			return
		}
		var attributes, inner strings.Builder
		o, ok := v.(*expression.Object)
		if !ok {
			inner.WriteString(escape.Replace(expression.Text(v)))
		} else {
			outer := b
			b = strings.Builder{}
			for _, m := range o.Members {
				switch {
				case strings.HasPrefix(m.Name, "@"):
					fmt.Fprintf(&attributes, ` %s="%s"`, m.Name[1:], escape.Replace(expression.Text(m.Value)))
				case m.Name == "#text":
					b.WriteString(escape.Replace(expression.Text(m.Value)))
				default:
					write(m.Name, m.Value)
				}
			}
			inner.WriteString(b.String())
			b = strings.Builder{}
			b.WriteString(outer.String())
		}
		fmt.Fprintf(&b, "<%s%s>%s</%s>", name, attributes.String(), inner.String(), name)
	}
	if o, ok := v.(*expression.Object); ok {
		for _, m := range o.Members {
			if !strings.HasPrefix(m.Name, "?") {
				write(m.Name, m.Value)
				break
			}
		}
	}
	return b.String()
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
