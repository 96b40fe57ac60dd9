package expression

import (
	"strconv"
	"strings"
)

// Template is a JSON value of a definition with everything in it that is to be
// computed, compiled.
type Template struct {
	root   piece
	refs   Refs
	depth  int
	broken bool
}

// piece computes one value of a template.
type piece func(f *frame, path *trail) (any, error)

// trail is where in a template evaluation stands, for errors.
type trail struct {
	up   *trail
	name string
}

func (t *trail) String() string {
	if t == nil {
		return ""
	}
	return t.up.String() + t.name
}

// Place is a problem with where in the template it is.
type Place struct {
	Problem
	Path string // 'body'.'items'[0] as body.items[0]
}

// Parse compiles a template: a JSON value (of the kinds this package knows) in which
// every string may hold expressions. Names of members are not computed.
//
// Unknown functions and wrong numbers of parameters are problems, but what holds them
// is compiled: as in the cloud, it fails when it is evaluated, and only then. With
// problems of form the template is nil.
func Parse(template any) (*Template, []Place) {
	t := &Template{}
	var problems []Place
	t.root = t.value(template, "", &problems)
	if t.broken {
		return nil, problems
	}
	return t, problems
}

func (t *Template) value(v any, path string, problems *[]Place) piece {
	switch v := v.(type) {
	case string:
		return t.text(v, path, problems)
	case []any:
		return t.list(v, path, problems)
	case *Object:
		return t.members(v, path, problems)
	}
	return constant(v)
}

func constant(v any) piece { return func(*frame, *trail) (any, error) { return v, nil } }

func (t *Template) list(v []any, path string, problems *[]Place) piece {
	pieces, fixed := make([]piece, len(v)), true
	for i, x := range v {
		pieces[i] = t.value(x, path+"["+strconv.Itoa(i)+"]", problems)
		fixed = fixed && plain(x)
	}
	if fixed {
		return constant(any(v))
	}
	return func(f *frame, at *trail) (any, error) {
		if err := f.madeItems(len(pieces)); err != nil {
			return nil, err
		}
		list := make([]any, len(pieces))
		for i, p := range pieces {
			x, err := p(f, &trail{at, "[" + strconv.Itoa(i) + "]"})
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	}
}

func (t *Template) members(v *Object, path string, problems *[]Place) piece {
	pieces, fixed := make([]piece, len(v.Members)), true
	steps := make([]string, len(v.Members))
	for i, m := range v.Members {
		steps[i] = stepTo(m.Name)
		pieces[i] = t.value(m.Value, strings.TrimPrefix(path+steps[i], "."), problems)
		fixed = fixed && plain(m.Value)
	}
	if fixed {
		return constant(any(v))
	}
	return func(f *frame, at *trail) (any, error) {
		if err := f.madeItems(len(pieces)); err != nil {
			return nil, err
		}
		o := &Object{Members: make([]Member, len(pieces))}
		for i, p := range pieces {
			x, err := p(f, &trail{at, steps[i]})
			if err != nil {
				return nil, err
			}
			o.Members[i] = Member{v.Members[i].Name, x}
		}
		return o, nil
	}
}

// stepTo writes a name as a step of a path.
func stepTo(name string) string {
	for i := 0; i < len(name); i++ {
		if c := name[i] | 0x20; !(c >= 'a' && c <= 'z' || digit(name[i]) || name[i] == '_' || name[i] == '$' || name[i] == '-') {
			return "['" + strings.ReplaceAll(name, "'", "\\'") + "']"
		}
	}
	return "." + name
}

// plain tells whether nothing in a value is to be computed.
func plain(v any) bool {
	switch v := v.(type) {
	case string:
		return !isTemplate(v)
	case []any:
		for _, x := range v {
			if !plain(x) {
				return false
			}
		}
	case *Object:
		for _, m := range v.Members {
			if !plain(m.Value) {
				return false
			}
		}
	}
	return true
}

func (t *Template) text(s, path string, problems *[]Place) piece {
	parsed, found := parseText(s)
	for _, p := range found {
		*problems = append(*problems, Place{p, path})
	}
	if parsed == nil {
		t.broken = true
		return nil
	}
	t.refs.join(parsed.references(s))
	run, depth := compileText(s, parsed)
	t.depth = max(t.depth, depth)
	return func(f *frame, at *trail) (any, error) {
		if f.trace != nil {
			f.trace.at = at
		}
		v, err := run(f)
		if e, ok := err.(*Error); ok && e.Path == "" {
			e.Path = strings.TrimPrefix(at.String(), ".")
		}
		return v, err
	}
}

// compileText makes a program of a text.
func compileText(s string, t *text) (run code, depth int) {
	if len(t.parts) == 1 && t.parts[0].tree == nil {
		v := any(t.parts[0].literal)
		return func(*frame) (any, error) { return v, nil }, 0
	}
	parts := make([]code, len(t.parts))
	for i := range t.parts {
		p := &t.parts[i]
		depth = max(depth, p.deepest)
		if p.tree == nil {
			v := any(p.literal)
			parts[i] = func(*frame) (any, error) { return v, nil }
			continue
		}
		run := compile(p.tree)
		at := column(s, p.at)
		parts[i] = func(f *frame) (any, error) {
			v, err := run(f)
			if e, ok := err.(*Error); ok && e.Column == 0 {
				e.Expression, e.Column = p.source, at
			}
			return v, err
		}
	}
	if t.whole {
		return parts[0], depth
	}
	return func(f *frame) (any, error) {
		var b strings.Builder
		for _, p := range parts {
			v, err := p(f)
			if err != nil {
				return nil, err
			}
			b.WriteString(Text(v))
		}
		f.function = nil
		return b.String(), f.made(b.Len())
	}, depth
}

// Eval computes the template. The error is an *Error.
func (t *Template) Eval(c Context, b Budget) (any, error) { return t.eval(c, b, nil) }

func (t *Template) eval(c Context, b Budget, told *tracer) (any, error) {
	f := frame{context: c, trace: told, steps: orElse(b.Steps, DefaultBudget.Steps), bytes: orElse(b.Bytes, DefaultBudget.Bytes)}
	f.stack = f.first[:0]
	if limit := orElse(b.Depth, DefaultBudget.Depth); t.depth > limit {
		return nil, fail("The template language expression is nested '%d' deep, more than the '%d' allowed.", t.depth, limit)
	}
	v, err := t.root(&f, nil)
	if err != nil {
		return nil, err
	}
	if d, ok := v.(Decimal); ok {
		// Outside of expressions numbers are those of JSON.
		return d.Float(), nil
	}
	return v, nil
}

func orElse(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

// Refs are what the template refers to.
func (t *Template) Refs() Refs { return t.refs }

func (r *Refs) join(o Refs) {
	for _, name := range o.Functions {
		found := false
		for _, have := range r.Functions {
			found = found || have == name
		}
		if !found {
			r.Functions = append(r.Functions, name)
		}
	}
	r.Actions, r.Loops, r.Scopes = append(r.Actions, o.Actions...), append(r.Loops, o.Loops...), append(r.Scopes, o.Scopes...)
	r.Parameters, r.Variables, r.Settings = append(r.Parameters, o.Parameters...), append(r.Variables, o.Variables...), append(r.Settings, o.Settings...)
	r.Dynamic = append(r.Dynamic, o.Dynamic...)
	r.Trigger = r.Trigger || o.Trigger
}

// Call runs a function on values, for actions that are functions: AddToTime,
// ConvertTimeZone, FormatNumber.
func (f *Function) Call(c Context, b Budget, args ...any) (any, error) {
	if n := len(args); n < f.Min || f.Max >= 0 && n > f.Max {
		return nil, fail("%s", f.arity(n))
	}
	given := make([]code, len(args))
	for i, a := range args {
		given[i] = func(*frame) (any, error) { return a, nil }
	}
	run := called(f, given)
	t := Template{root: func(fr *frame, _ *trail) (any, error) { return run(fr) }}
	return t.Eval(c, b)
}
