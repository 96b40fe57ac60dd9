package swagger

import (
	"strings"

	"weir/service/workflow/internal/expression"
)

func (d *Document) operation(method, path string, item *object, v any) (*Operation, error) {
	o, err := d.follow(v)
	if err != nil || o == nil {
		return &Operation{Method: method, Path: path}, err
	}
	op := &Operation{ID: text(o, "operationId"), Method: method, Path: path, Trigger: strings.ToLower(text(o, "x-ms-trigger")), Needs: needs(member(o, "security"))}
	for _, list := range []any{member(item, "parameters"), member(o, "parameters")} {
		all, _ := list.([]any)
		for _, v := range all {
			p, err := d.parameter(v)
			if err != nil {
				return nil, err
			}
			op.put(p)
		}
	}
	op.Consumes = texts(member(o, "consumes"))
	if op.Consumes == nil {
		op.Consumes = texts(member(d.root, "consumes"))
	}
	if err := d.requestBody(op, member(o, "requestBody")); err != nil {
		return nil, err
	}
	if p, ok := member(o, "x-ms-pageable").(*object); ok {
		op.Pageable, op.NextLink = true, text(p, "nextLinkName")
	}
	if op.Notification, err = d.notification(o, item); err != nil {
		return nil, err
	}
	return op, nil
}

// notification is the schema of what is called back: custom connectors have it beside
// the operation, or at the path.
func (d *Document) notification(o, item *object) (*object, error) {
	for _, at := range []*object{o, item} {
		if v := member(at, "x-ms-notification-content"); v != nil {
			content, err := d.follow(v)
			if err != nil {
				return nil, err
			}
			return d.follow(member(content, "schema"))
		}
	}
	return nil, nil
}

// put adds a parameter, in the place of one of the path's with the same name.
func (op *Operation) put(p *Parameter) {
	for i, have := range op.Parameters {
		if have.Name == p.Name && have.In == p.In {
			op.Parameters[i] = p
			return
		}
	}
	op.Parameters = append(op.Parameters, p)
}

func (d *Document) parameter(v any) (*Parameter, error) {
	o, err := d.follow(v)
	if err != nil {
		return nil, err
	}
	p := &Parameter{Name: text(o, "name"), In: text(o, "in"), Required: truth(o, "required"), Default: member(o, "default"),
		Collection: text(o, "collectionFormat"), Array: text(o, "type") == "array",
		Twice: strings.EqualFold(text(o, "x-ms-url-encoding"), "double"), Callback: truth(o, "x-ms-notification-url")}
	if p.Schema, err = d.follow(member(o, "schema")); err != nil {
		return nil, err
	}
	if p.Schema != nil && p.In != "body" { // OpenAPI 3 has the type of each in a schema
		p.Array = text(p.Schema, "type") == "array"
		if p.Default == nil {
			p.Default = member(p.Schema, "default")
		}
		if v := member(o, "explode"); p.Array && (v == nil || v == true) && p.In == "query" {
			p.Collection = "multi"
		}
	}
	return p, nil
}

// requestBody is OpenAPI 3's body.
func (d *Document) requestBody(op *Operation, v any) error {
	o, err := d.follow(v)
	if err != nil || o == nil {
		return err
	}
	content, _ := member(o, "content").(*object)
	p := &Parameter{Name: "body", In: "body", Required: truth(o, "required")}
	if content != nil && len(content.Members) > 0 {
		kind := content.Members[0]
		op.Consumes = []string{kind.Name}
		of, _ := kind.Value.(*object)
		if p.Schema, err = d.follow(member(of, "schema")); err != nil {
			return err
		}
	}
	op.put(p)
	return nil
}

// property is a member of a schema, with what it inherits.
func (d *Document) property(schema *object, name string) *object {
	found, _ := d.follow(member(propertiesOf(schema), name))
	if found != nil {
		return found
	}
	parts, _ := member(schema, "allOf").([]any)
	for _, part := range parts {
		inner, _ := d.follow(part)
		if inner == nil || inner == schema {
			continue
		}
		if v, _ := d.follow(member(propertiesOf(inner), name)); v != nil {
			return v
		}
	}
	return nil
}

func propertiesOf(schema *object) *object {
	o, _ := member(schema, "properties").(*object)
	return o
}

// callbackIn gives the path of the member of a schema that is the address to be called
// back; nil when there is none.
func (d *Document) callbackIn(schema *object, depth int) []string {
	if schema == nil || depth > depthMax {
		return nil
	}
	if properties := propertiesOf(schema); properties != nil {
		for _, m := range properties.Members {
			inner, _ := d.follow(m.Value)
			if inner == nil {
				continue
			}
			if truth(inner, "x-ms-notification-url") {
				return []string{m.Name}
			}
			if rest := d.callbackIn(inner, depth+1); rest != nil {
				return append([]string{m.Name}, rest...)
			}
		}
	}
	parts, _ := member(schema, "allOf").([]any)
	for _, part := range parts {
		inner, _ := d.follow(part)
		if rest := d.callbackIn(inner, depth+1); rest != nil {
			return rest
		}
	}
	return nil
}

// CallsBack tells whether the operation is told an address to be called back.
func (d *Document) CallsBack(op *Operation) bool {
	for _, p := range op.Parameters {
		if p.Callback || p.In == "body" && d.callbackIn(p.Schema, 0) != nil {
			return true
		}
	}
	return false
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, expression.Text(item))
	}
	return out
}
