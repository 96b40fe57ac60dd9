package api

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/swagger"
)

// request is a call that was read.
type request struct {
	to        *connection.Connection
	document  *swagger.Document
	op        *swagger.Operation
	operation string // id of the operation form

	base, method, path string // path with the queries that are part of it
	address            string // instead of base and path
	queries            [][2]string
	plainQueries       *object
	headers            *object
	body               any
	contentType        string
	own                any // the action's own authentication

	credentials credentials
}

// request reads a call's inputs.
func (c *Connector) request(ctx context.Context, call *connector.Call) (*request, error) {
	in, ok := call.Inputs.(*object)
	if !ok {
		return nil, fmt.Errorf("the inputs of a connection's operation are an object with a host")
	}
	host := objectOf(in, "host")
	provided := strings.EqualFold(call.Type, "ServiceProvider")
	if provided {
		host = objectOf(in, "serviceProviderConfiguration")
	}
	if host == nil {
		return nil, fmt.Errorf("the inputs name no host: {\"connection\": {\"name\": ...}} or {\"apiId\", \"operationId\", \"connectionName\"}")
	}
	open := provided || strings.HasPrefix(strings.ToLower(call.Type), "open")
	to, err := c.o.Connections.Find(ctx, call.Who.Workflow, reference(host, open))
	if err != nil {
		return nil, err
	}
	r := &request{to: to, base: strings.TrimRight(to.Base, "/"), headers: expression.NewObject()}
	if r.document, err = c.document(to); err != nil {
		return nil, err
	}
	if r.base == "" && r.document != nil && strings.Contains(r.document.Base, "://") {
		r.base = r.document.Base
	}
	if v, _ := in.Get("authentication"); v != nil {
		if o, ok := v.(*object); ok && len(o.Members) > 0 {
			r.own = o
		}
	}
	if open {
		err = r.fromOperation(in, host, call)
	} else {
		err = r.fromPath(in, call)
	}
	if err != nil {
		return nil, err
	}
	if provided && (r.base == "" || r.document == nil) {
		return nil, connection.Missed("The provider %q is not built in. Let an API stand for it: declare Microsoft.Web/customApis %q in the workflow's resource group, with a properties.swagger that has the operation %q and a properties.backendService.serviceUrl.", text(host, "serviceProviderId"), connection.Last(text(host, "serviceProviderId")), r.operation)
	}
	if r.base == "" && c.o.Builtin[to.API] == nil {
		return nil, connection.Missed("The connection %q has no address: give Microsoft.Web/customApis %q a properties.backendService.serviceUrl, or the connection a properties.connectionRuntimeUrl.", to.Name, to.API)
	}
	return r, nil
}

func reference(host *object, open bool) connection.Reference {
	ref := connection.Reference{Kind: connection.Managed}
	if open {
		ref.Name, ref.API = text(host, "connectionName"), text(host, "apiId")
		if id := text(host, "serviceProviderId"); id != "" {
			ref.Kind, ref.API = connection.Provider, id
		}
		if ref.Name == "" {
			ref.Name = text(host, "connectionReferenceName")
		}
		return ref
	}
	of := objectOf(host, "connection")
	ref.ID, ref.Name = text(of, "name"), text(of, "referenceName")
	if ref.ID == "" {
		ref.ID = text(of, "id")
	}
	if api := objectOf(host, "api"); api != nil {
		ref.API = text(api, "id")
		if ref.API == "" {
			ref.API = text(api, "runtimeUrl")
		}
	}
	return ref
}

// document reads a connection's Swagger document, once per version.
func (c *Connector) document(to *connection.Connection) (*swagger.Document, error) {
	if to.Swagger == nil {
		return nil, nil
	}
	c.mu.Lock()
	d := c.documents[to.Version]
	c.mu.Unlock()
	if d != nil && to.Version != "" {
		return d, nil
	}
	d, err := swagger.Read(to.Swagger)
	if err != nil {
		return nil, fmt.Errorf("the Swagger document of the API %q cannot be used: %w", to.API, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.documents) >= documentsMax {
		clear(c.documents)
	}
	c.documents[to.Version] = d
	return d, nil
}

// fromOperation reads the operation form.
func (r *request) fromOperation(in, host *object, call *connector.Call) error {
	r.operation = text(host, "operationId")
	if r.document == nil {
		if r.base == "" || strings.EqualFold(call.Type, "ServiceProvider") {
			return nil // a built-in says so, or there is none
		}
		return connection.Missed("The operation %q cannot be mapped without the API's Swagger document: give Microsoft.Web/customApis %q a properties.swagger.", r.operation, r.to.API)
	}
	if r.op = r.document.Operation(r.operation); r.op == nil {
		return fmt.Errorf("the API %q has no operation %q: it has %s", r.to.API, r.operation, few(r.document.IDs()))
	}
	built, err := r.document.Build(r.op, objectOf(in, "parameters"), call.Callback)
	if err != nil {
		return err
	}
	r.method, r.path, r.headers, r.body, r.contentType = built.Method, built.Path, built.Headers, built.Body, built.Type
	if built.Form != nil {
		r.form(built.Form)
	}
	return nil
}

// few lists names, not all when they are many.
func few(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// form makes the fields of a form the body: many parts where the operation wants that.
func (r *request) form(fields [][2]string) {
	for _, kind := range r.op.Consumes {
		if strings.HasPrefix(kind, "multipart/") {
			var parts []any
			for _, f := range fields {
				parts = append(parts, expression.NewObject("headers", expression.NewObject("Content-Disposition", fmt.Sprintf("form-data; name=%q", f[0])), "body", f[1]))
			}
			r.body, r.contentType = expression.NewObject("$content-type", kind, "$multipart", parts), ""
			return
		}
	}
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(f[0]) + "=" + url.QueryEscape(f[1]))
	}
	r.body, r.contentType = b.String(), "application/x-www-form-urlencoded"
}

// fromPath reads the Consumption form, or the half of a webhook that is asked for.
func (r *request) fromPath(in *object, call *connector.Call) error {
	from := in
	method := "GET"
	switch call.Step {
	case connector.Subscribe:
		method = "POST"
		if half := objectOf(in, "subscribe"); half != nil {
			from = half
		}
	case connector.Try:
		if half := objectOf(in, "fetch"); half != nil {
			from = half
		}
	}
	if m := text(from, "method"); m != "" {
		method = strings.ToUpper(m)
	}
	path := text(from, "path")
	if t := objectOf(from, "pathTemplate"); t != nil {
		path = text(t, "template")
		if values := objectOf(t, "parameters"); values != nil {
			for _, m := range values.Members {
				path = strings.ReplaceAll(path, "{"+m.Name+"}", swagger.Component(swagger.Text(m.Value)))
			}
		}
	}
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.method, r.path = method, path
	r.plainQueries = objectOf(from, "queries")
	if r.plainQueries != nil {
		for _, m := range r.plainQueries.Members {
			r.query(m.Name, m.Value)
		}
	}
	if h := objectOf(from, "headers"); h != nil {
		r.headers = h
	}
	r.body, _ = from.Get("body")
	if r.document != nil {
		r.fromDocument(call)
	}
	return nil
}

// fromDocument adds what the document says of a request in the Consumption form.
func (r *request) fromDocument(call *connector.Call) {
	if r.op = r.document.At(r.method, r.path); r.op == nil {
		return
	}
	if len(r.op.Consumes) == 1 {
		r.contentType = r.op.Consumes[0]
	}
	if call.Step == connector.Subscribe && call.Callback != "" {
		r.body = r.document.WithCallback(r.op, r.body, call.Callback)
		for _, p := range r.op.Parameters {
			if p.In == "query" && p.Callback && (r.plainQueries == nil || text(r.plainQueries, p.Name) == "") {
				r.query(p.Name, call.Callback)
			}
		}
	}
}

func (r *request) query(name string, value any) {
	switch v := value.(type) {
	case nil:
	case []any:
		for _, item := range v {
			r.query(name, item)
		}
	default:
		r.queries = append(r.queries, [2]string{name, swagger.Text(v)})
	}
}

// uri is the whole address.
func (r *request) uri() string {
	at := r.address
	if at == "" {
		at = r.base + r.path
	}
	var b strings.Builder
	b.WriteString(at)
	sign := byte('?')
	if strings.Contains(at, "?") {
		sign = '&'
	}
	for _, q := range append(append([][2]string{}, r.queries...), r.credentials.queries...) {
		b.WriteByte(sign)
		b.WriteString(swagger.Component(q[0]) + "=" + swagger.Component(q[1]))
		sign = '&'
	}
	return b.String()
}

// inputs are those of the Http action.
func (r *request) inputs() *object {
	headers := r.headers
	for _, h := range r.credentials.headers {
		headers = headers.With(h[0], h[1])
	}
	if _, given := headers.Get("Content-Type"); !given && r.body != nil && r.contentType != "" && !typed(r.body) {
		headers = headers.With("Content-Type", r.contentType)
	}
	in := expression.NewObject("method", r.method, "uri", r.uri(), "headers", headers)
	if r.body != nil {
		in = in.With("body", r.body)
	}
	if r.credentials.authentication != nil {
		in = in.With("authentication", r.credentials.authentication)
	}
	return in
}

// typed tells whether a body says itself what it is.
func typed(body any) bool {
	o, ok := body.(*object)
	if !ok {
		return false
	}
	_, ok = o.Exact("$content-type")
	return ok
}

// plain is the request for a built-in.
func (r *request) plain() connection.Request {
	path, _, _ := strings.Cut(r.path, "?")
	var parts []string
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		parts = append(parts, unescape(part))
	}
	return connection.Request{Method: r.method, Path: path, Parts: parts, Queries: r.plainQueries, Headers: r.headers, Body: r.body}
}

// unescape takes the escapes away, which designers write twice.
func unescape(s string) string {
	for range 2 {
		plain, err := url.PathUnescape(s)
		if err != nil || plain == s {
			break
		}
		s = plain
	}
	return s
}

// resolve makes an address that an answer gave whole, and tells whether it is the
// connection's own: of the same scheme and host.
func (r *request) resolve(at string) (own bool, whole string, err error) {
	base, err := url.Parse(r.base + "/")
	if err != nil {
		return false, "", fmt.Errorf("the address of the connection %q is none", r.to.Name)
	}
	next, err := base.Parse(at)
	if err != nil || next.Host == "" || next.Scheme != "http" && next.Scheme != "https" {
		return false, "", fmt.Errorf("the connection %q answered with an address that is none", r.to.Name)
	}
	return strings.EqualFold(next.Host, base.Host) && strings.EqualFold(next.Scheme, base.Scheme), next.String(), nil
}

func objectOf(o *object, name string) *object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(name)
	inner, _ := v.(*object)
	return inner
}

func text(o *object, name string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(name)
	if v == nil {
		return ""
	}
	return expression.Text(v)
}
