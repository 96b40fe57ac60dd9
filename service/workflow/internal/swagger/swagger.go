// Package swagger reads the document that describes an API, with the x-ms- extensions
// that connectors use, and turns the parameters of an operation into a request.
//
// The nouns: a *document* has operations and schemes of security; an *operation* has
// parameters, of which at most one is the body; a *request* is what goes over the wire.
//
// It promises:
//
//  1. The same document and parameters give the same request everywhere, members in the
//     order they were given.
//  2. A parameter that the operation does not have is refused by name, and so is one that
//     is required, missing and without a default.
//  3. References are followed within the document, and so far that no circle holds it.
//
// It heeds x-ms-trigger, x-ms-notification-url, x-ms-notification-content, x-ms-pageable,
// x-ms-url-encoding and the defaults of what x-ms-visibility hides. Extensions that are
// for designers (x-ms-summary, x-ms-dynamic-values, x-ms-dynamic-schema, x-ms-trigger-hint,
// x-ms-api-annotation, x-ms-capability) are read over. It refuses references to other files.
package swagger

import (
	"fmt"
	"slices"
	"strings"

	"weir/service/workflow/internal/expression"
)

type object = expression.Object

// Bounds.
const (
	operationsMax = 5000
	refsMax       = 20 // that follow one another
	depthMax      = 12 // of a schema that is searched
)

// Document is what an API's document says.
type Document struct {
	// Base is the address the document gives: scheme, host and base path; or the base path
	// alone.
	Base       string
	Operations []*Operation
	// Security are the schemes, Needs the names of those that operations need that name
	// none of their own; nil when the document says nothing of it.
	Security []Security
	Needs    []string

	root *object
	byID map[string]*Operation
}

// Security is a scheme of credentials.
type Security struct {
	Name string // in the document
	Type string // apiKey, basic, oauth2, bearer
	In   string // of an apiKey: header or query
	Key  string // of an apiKey: the name of the header or of the query parameter
	// TokenURL and Scopes are of oauth2.
	TokenURL string
	Scopes   []string
}

// Operation is something the API can do.
type Operation struct {
	ID, Method, Path string
	Parameters       []*Parameter
	Consumes         []string
	// Trigger is "", "single" or "batch".
	Trigger string
	// Notification is the schema of what is called back; nil: none is given.
	Notification *object
	// Pageable says that answers come in pages; NextLink is the member that names the next.
	Pageable bool
	NextLink string
	// Needs are the schemes of security; nil: the document's.
	Needs []string
}

// Parameter is one of an operation's.
type Parameter struct {
	Name, In   string // path, query, header, formData, body
	Required   bool
	Default    any
	Collection string // csv, ssv, tsv, pipes, multi
	Array      bool
	// Twice is x-ms-url-encoding: double.
	Twice bool
	// Callback is x-ms-notification-url: the value is the address to be called back.
	Callback bool
	// Schema is the body's.
	Schema *object
}

// Read reads a document of Swagger 2.0 or OpenAPI 3.
func Read(root *object) (*Document, error) {
	d := &Document{root: root, byID: map[string]*Operation{}}
	d.Base = base(root)
	d.Security, d.Needs = d.security(), needs(member(root, "security"))
	paths, _ := member(root, "paths").(*object)
	if paths == nil {
		return nil, fmt.Errorf("the Swagger document has no paths")
	}
	for _, p := range paths.Members {
		item, _ := d.follow(p.Value)
		if item == nil {
			continue
		}
		for _, m := range item.Members {
			if !slices.Contains(methods, m.Name) {
				continue
			}
			if len(d.Operations) == operationsMax {
				return nil, fmt.Errorf("the Swagger document has more than %d operations", operationsMax)
			}
			op, err := d.operation(strings.ToUpper(m.Name), p.Name, item, m.Value)
			if err != nil {
				return nil, fmt.Errorf("operation %s %s: %w", strings.ToUpper(m.Name), p.Name, err)
			}
			d.Operations = append(d.Operations, op)
			if op.ID != "" {
				d.byID[strings.ToLower(op.ID)] = op
			}
		}
	}
	return d, nil
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch"}

// Operation finds an operation by its id, in any case.
func (d *Document) Operation(id string) *Operation { return d.byID[strings.ToLower(id)] }

// IDs lists the ids of the operations.
func (d *Document) IDs() []string {
	var ids []string
	for _, op := range d.Operations {
		if op.ID != "" {
			ids = append(ids, op.ID)
		}
	}
	return ids
}

// At finds the operation that a path and a method mean: the one with the most fixed parts.
func (d *Document) At(method, path string) *Operation {
	var best *Operation
	fixed := -1
	for _, op := range d.Operations {
		if op.Method != strings.ToUpper(method) {
			continue
		}
		if n, ok := matches(op.Path, path); ok && n > fixed {
			best, fixed = op, n
		}
	}
	return best
}

// matches tells whether a path is one of a template's, and how many of its parts are fixed.
func matches(template, path string) (fixed int, ok bool) {
	path, _, _ = strings.Cut(path, "?")
	want, have := strings.Split(strings.Trim(template, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(have) {
		return 0, false
	}
	for i, w := range want {
		if strings.Contains(w, "{") {
			continue
		}
		if !strings.EqualFold(w, have[i]) {
			return 0, false
		}
		fixed++
	}
	return fixed, true
}

func base(root *object) string {
	if servers, ok := member(root, "servers").([]any); ok && len(servers) > 0 {
		server, _ := servers[0].(*object)
		return strings.TrimRight(text(server, "url"), "/")
	}
	path := strings.TrimRight(text(root, "basePath"), "/")
	host := text(root, "host")
	if host == "" {
		return path
	}
	scheme := "https"
	if schemes, ok := member(root, "schemes").([]any); ok && len(schemes) > 0 && !slices.Contains(schemes, any("https")) {
		scheme = expression.Text(schemes[0])
	}
	return scheme + "://" + host + path
}

func (d *Document) security() (all []Security) {
	schemes, _ := member(d.root, "securityDefinitions").(*object)
	if schemes == nil {
		components, _ := member(d.root, "components").(*object)
		schemes, _ = member(components, "securitySchemes").(*object)
	}
	if schemes == nil {
		return nil
	}
	for _, m := range schemes.Members {
		o, _ := d.follow(m.Value)
		if o == nil {
			continue
		}
		s := Security{Name: m.Name, Type: text(o, "type"), In: text(o, "in"), Key: text(o, "name"), TokenURL: text(o, "tokenUrl")}
		scopes, _ := member(o, "scopes").(*object)
		if flows, ok := member(o, "flows").(*object); ok {
			for _, f := range flows.Members {
				flow, _ := f.Value.(*object)
				if s.TokenURL == "" || f.Name == "clientCredentials" {
					s.TokenURL = text(flow, "tokenUrl")
					scopes, _ = member(flow, "scopes").(*object)
				}
			}
		}
		if s.Type == "http" {
			s.Type = strings.ToLower(text(o, "scheme"))
		}
		if scopes != nil {
			s.Scopes = scopes.Names()
		}
		all = append(all, s)
	}
	return all
}

// needs lists the schemes that a security requirement names.
func needs(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	names := []string{}
	for _, item := range list {
		if o, ok := item.(*object); ok {
			names = append(names, o.Names()...)
		}
	}
	return names
}

// follow gives the object that a value is or refers to.
func (d *Document) follow(v any) (*object, error) {
	for range refsMax {
		o, _ := v.(*object)
		if o == nil {
			return nil, nil
		}
		ref, ok := o.Exact("$ref")
		if !ok {
			return o, nil
		}
		where, inside := strings.CutPrefix(expression.Text(ref), "#/")
		if !inside {
			return nil, fmt.Errorf("the reference %q leads out of the document: put what it names into it", expression.Text(ref))
		}
		v = any(d.root)
		for _, part := range strings.Split(where, "/") {
			part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
			in, _ := v.(*object)
			if in == nil {
				break
			}
			v, _ = in.Exact(part)
		}
		if v == nil {
			return nil, fmt.Errorf("the reference %q leads to nothing", expression.Text(ref))
		}
	}
	return nil, fmt.Errorf("references refer to each other")
}

func member(o *object, name string) any {
	if o == nil {
		return nil
	}
	v, _ := o.Exact(name)
	return v
}

func text(o *object, name string) string {
	s, _ := member(o, name).(string)
	return s
}

func truth(o *object, name string) bool {
	switch v := member(o, name).(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true")
	}
	return false
}
