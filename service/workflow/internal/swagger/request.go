package swagger

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"weir/service/workflow/internal/expression"
)

// Request is what an operation and its parameters come to.
type Request struct {
	Method string
	// Path is below the base, escaped, with its queries.
	Path    string
	Headers *object
	Body    any
	// Form are the fields of a form, instead of the body.
	Form [][2]string
	// Type is the content type the operation asks for; empty: as the body is.
	Type string
}

// Build turns parameters, as Power Automate writes them, into a request. A name may lead
// into a parameter that is an object: body/name, item/address/city. The callback goes
// where the operation wants the address to be called back, unless it was given there.
func (d *Document) Build(op *Operation, given *object, callback string) (*Request, error) {
	b := &builder{d: d, op: op, r: &Request{Method: op.Method}, values: map[string]any{}}
	if err := b.take(given); err != nil {
		return nil, err
	}
	if err := b.complete(callback); err != nil {
		return nil, err
	}
	return b.write()
}

type builder struct {
	d      *Document
	op     *Operation
	r      *Request
	values map[string]any // by the parameters' names
}

// take sorts what was given by parameter.
func (b *builder) take(given *object) error {
	if given == nil {
		return nil
	}
	for _, m := range given.Members {
		p, rest := b.find(m.Name)
		if p == nil {
			return fmt.Errorf("the operation %s has no parameter %q: it has %s", b.op.title(), m.Name, b.op.names())
		}
		if rest == "" {
			if have, ok := b.values[p.Name].(*object); ok {
				if whole, ok := m.Value.(*object); ok { // the whole and parts of it: parts count
					for _, part := range have.Members {
						whole = whole.With(part.Name, part.Value)
					}
					b.values[p.Name] = whole
				}
				continue
			}
			b.values[p.Name] = m.Value
			continue
		}
		into, _ := b.values[p.Name].(*object)
		b.values[p.Name] = set(into, strings.Split(rest, "/"), m.Value)
	}
	return nil
}

// find gives the parameter a name means and the rest of the name, which leads into it.
func (b *builder) find(name string) (p *Parameter, rest string) {
	for _, p := range b.op.Parameters {
		if p.Name == name {
			return p, ""
		}
	}
	for _, p := range b.op.Parameters {
		if after, ok := strings.CutPrefix(name, p.Name+"/"); ok && p.In == "body" {
			return p, after
		}
	}
	for _, p := range b.op.Parameters {
		if strings.EqualFold(p.Name, name) {
			return p, ""
		}
		if head, after, ok := strings.Cut(name, "/"); ok && p.In == "body" && strings.EqualFold(p.Name, head) {
			return p, after
		}
	}
	return nil, ""
}

// set puts a value into an object, making the objects on the way.
func set(o *object, path []string, value any) *object {
	if o == nil {
		o = expression.NewObject()
	}
	if len(path) == 1 {
		return o.With(path[0], value)
	}
	inner, _ := o.Exact(path[0])
	into, _ := inner.(*object)
	return o.With(path[0], set(into, path[1:], value))
}

// complete fills in defaults and the callback, and finds what is missing.
func (b *builder) complete(callback string) error {
	for _, p := range b.op.Parameters {
		v, given := b.values[p.Name]
		if p.In == "body" {
			v = b.body(p, v, callback)
		}
		if (!given || v == nil) && p.Callback && callback != "" {
			v = callback
		}
		if v == nil && p.Default != nil {
			v = p.Default
		}
		if v == nil {
			if p.Required {
				return fmt.Errorf("the operation %s needs the parameter %q", b.op.title(), p.Name)
			}
			if !given {
				continue
			}
		}
		b.values[p.Name] = v
	}
	return nil
}

// body fills the defaults of a body's members in that are required or hidden, and the
// address to be called back.
func (b *builder) body(p *Parameter, v any, callback string) any {
	o, isObject := v.(*object)
	if v != nil && !isObject {
		return v
	}
	if o = b.fill(o, p.Schema, 0); o != nil {
		v = o
	}
	if path := b.d.callbackIn(p.Schema, 0); path != nil && callback != "" && at(o, path) == nil {
		return set(o, path, callback)
	}
	return v
}

func (b *builder) fill(o, schema *object, depth int) *object {
	properties := propertiesOf(schema)
	if properties == nil || depth > depthMax {
		return o
	}
	required := texts(member(schema, "required"))
	for _, m := range properties.Members {
		of, _ := b.d.follow(m.Value)
		if of == nil {
			continue
		}
		var have any
		if o != nil {
			have, _ = o.Exact(m.Name)
		}
		hidden := strings.EqualFold(text(of, "x-ms-visibility"), "internal")
		if inner, ok := have.(*object); ok || have == nil && hidden {
			if filled := b.fill(inner, of, depth+1); filled != nil && filled != inner {
				o = set(o, []string{m.Name}, filled)
				continue
			}
		}
		if value := member(of, "default"); have == nil && value != nil && (hidden || contains(required, m.Name)) {
			o = set(o, []string{m.Name}, value)
		}
	}
	return o
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func at(o *object, path []string) any {
	var v any = o
	for _, name := range path {
		in, _ := v.(*object)
		if in == nil {
			return nil
		}
		v, _ = in.Exact(name)
	}
	return v
}

func (b *builder) write() (*Request, error) {
	path := b.op.Path
	var queries []string
	headers := expression.NewObject()
	for _, p := range b.op.Parameters {
		v, ok := b.values[p.Name]
		if !ok {
			continue
		}
		switch p.In {
		case "path":
			value := Text(v)
			if value == "" {
				return nil, fmt.Errorf("the operation %s needs the parameter %q, which is empty", b.op.title(), p.Name)
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.escape(value))
		case "query":
			for _, value := range p.texts(v) {
				queries = append(queries, Component(p.Name)+"="+p.escape(value))
			}
		case "header":
			headers = headers.With(p.Name, strings.Join(p.texts(v), ","))
		case "formData":
			for _, value := range p.texts(v) {
				b.r.Form = append(b.r.Form, [2]string{p.Name, value})
			}
		case "body":
			b.r.Body = v
		default:
			return nil, fmt.Errorf("the parameter %q of the operation %s is in %q, which is no place for one", p.Name, b.op.title(), p.In)
		}
	}
	if i := strings.IndexByte(path, '{'); i >= 0 && strings.IndexByte(path[i:], '}') > 0 {
		return nil, fmt.Errorf("the path %s of the operation %s names a parameter that it does not declare", b.op.Path, b.op.title())
	}
	if len(queries) > 0 {
		sign := "?"
		if strings.Contains(path, "?") {
			sign = "&"
		}
		path += sign + strings.Join(queries, "&")
	}
	b.r.Path, b.r.Headers = path, headers
	if b.r.Body != nil && len(b.op.Consumes) == 1 {
		b.r.Type = b.op.Consumes[0]
	}
	return b.r, nil
}

// escape writes a value into an address.
func (p *Parameter) escape(value string) string {
	value = Component(value)
	if p.Twice {
		value = Component(value)
	}
	return value
}

// texts are a parameter's values: several for a list that is repeated.
func (p *Parameter) texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{Text(v)}
	}
	all := make([]string, len(list))
	for i, item := range list {
		all[i] = Text(item)
	}
	sign, joined := map[string]string{"": ",", "csv": ",", "ssv": " ", "tsv": "\t", "pipes": "|"}[p.Collection]
	if !joined {
		return all
	}
	return []string{strings.Join(all, sign)}
}

func (op *Operation) title() string {
	if op.ID != "" {
		return fmt.Sprintf("%q", op.ID)
	}
	return op.Method + " " + op.Path
}

func (op *Operation) names() string {
	var names []string
	for _, p := range op.Parameters {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Text is a value in an address or a header: as in an expression's text, but for truth,
// which APIs want small.
func Text(v any) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return expression.Text(v)
}

// Component escapes a text as encodeURIComponent of the expression language does.
func Component(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// WithCallback gives a body with the address to be called back in its place, unless it
// has one.
func (d *Document) WithCallback(op *Operation, body any, callback string) any {
	for _, p := range op.Parameters {
		if p.In != "body" {
			continue
		}
		o, isObject := body.(*object)
		if path := d.callbackIn(p.Schema, 0); path != nil && (isObject || body == nil) && at(o, path) == nil {
			return set(o, path, callback)
		}
	}
	return body
}
