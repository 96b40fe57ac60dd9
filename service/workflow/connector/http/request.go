package http

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
)

// Codes of what never gets an answer.
const (
	codeBadRequest  = "BadRequest"
	codeBadInputs   = "InvalidInputs"
	codeUnsupported = "NotSupported"
	codeTooLarge    = "ContentTooLarge"
)

// request is one request as it goes out.
type request struct {
	method string
	url    *url.URL
	header nethttp.Header
	body   []byte
}

// exchange is what one attempt takes: its first request, and what further ones share.
type exchange struct {
	c       *Connector
	call    *connector.Call
	request *request
	login   login
	limit   int64
	own     nethttp.Header // the definition's headers, for the same origin
}

func refuse(format string, args ...any) *connector.Answer {
	a := connector.Refusal(codeBadInputs, fmt.Sprintf(format, args...))
	return &a
}

var (
	httpInputs     = []string{"method", "uri", "url", "queries", "headers", "body", "cookie", "authentication", "retryPolicy"}
	functionInputs = append([]string{"function"}, httpInputs...)
	gatewayInputs  = append([]string{"api", "pathTemplate", "subscriptionKey"}, httpInputs...)
	webhookInputs  = []string{"subscribe", "unsubscribe", "accessKeyType", "callback", "retryPolicy"}
)

// exchange makes the first request of a call's inputs. Both results are nil when there is
// nothing to do.
func (c *Connector) exchange(ctx context.Context, call *connector.Call) (*exchange, *connector.Answer) {
	inputs, ok := call.Inputs.(*expression.Object)
	if !ok {
		return nil, refuse("The inputs of '%s' are no object.", call.Who.Action)
	}
	known := httpInputs
	switch strings.ToLower(call.Type) {
	case "httpwebhook":
		half := "subscribe"
		if call.Step == connector.Unsubscribe {
			half = "unsubscribe"
		}
		if answer := unknown(inputs, webhookInputs, call); answer != nil {
			return nil, answer
		}
		v, _ := inputs.Get(half)
		if inputs, ok = v.(*expression.Object); !ok {
			if half == "unsubscribe" {
				return nil, nil
			}
			return nil, refuse("The inputs of '%s' have no object subscribe.", call.Who.Action)
		}
		if v, _ := inputs.Get("uri"); v == nil && half == "unsubscribe" {
			if v, _ := inputs.Get("url"); v == nil {
				return nil, nil
			}
		}
	case "function", "apimanagement":
		if known = functionInputs; strings.EqualFold(call.Type, "ApiManagement") {
			known = gatewayInputs
		}
		var answer *connector.Answer
		if inputs, answer = c.named(ctx, call, inputs); answer != nil {
			return nil, answer
		}
	case "http", "appservice":
	default:
		a := connector.Refusal(codeUnsupported, fmt.Sprintf("Operations of the type '%s' are not called over HTTP.", call.Type))
		return nil, &a
	}
	if answer := unknown(inputs, known, call); answer != nil {
		return nil, answer
	}
	return c.prepare(ctx, call, inputs)
}

func unknown(inputs *expression.Object, known []string, call *connector.Call) *connector.Answer {
	for _, m := range inputs.Members {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, m.Name) }) {
			return refuse("The inputs of '%s' have a member '%s', which is not known; known are %s.", call.Who.Action, m.Name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (c *Connector) prepare(ctx context.Context, call *connector.Call, inputs *expression.Object) (*exchange, *connector.Answer) {
	x := &exchange{c: c, call: call, limit: c.o.Limits.BodyBytesMax}
	if call.Chunked {
		x.limit = c.o.Limits.ChunkedBytesMax
	}
	at, answer := c.address(ctx, call, inputs)
	if answer != nil {
		return nil, answer
	}
	r := &request{url: at, method: strings.ToUpper(text(inputs, "method"))}
	if r.method == "" {
		if r.method = "GET"; strings.EqualFold(call.Type, "Function") {
			r.method = "POST"
		}
	}
	if !validName(r.method) {
		return nil, refuse("The method '%s' of '%s' is none.", r.method, call.Who.Action)
	}
	if x.own, answer = headersOf(call, inputs, r.method); answer != nil {
		return nil, answer
	}
	body, _ := inputs.Get("body")
	data, kind, err := content.Write(body, x.own.Get("Content-Type"))
	if err != nil {
		return nil, refuse("The body of '%s' cannot be sent: %v.", call.Who.Action, err)
	}
	if int64(len(data)) > x.limit {
		a := connector.Refusal(codeTooLarge, fmt.Sprintf("The body of '%s' has %d bytes; at most %d are sent. Larger ones can be sent in chunks: \"runtimeConfiguration\": {\"contentTransfer\": {\"transferMode\": \"Chunked\"}}.", call.Who.Action, len(data), x.limit))
		return nil, &a
	}
	r.header, r.body = x.own.Clone(), data
	if len(data) > 0 && kind != "" {
		r.header.Set("Content-Type", kind)
	}
	if x.login, answer = c.loginOf(call, inputs); answer != nil {
		return nil, answer
	}
	x.request = r
	return x, nil
}

func text(o *expression.Object, name string) string {
	v, _ := o.Get(name)
	return strings.TrimSpace(expression.Text(v))
}

// address is where a call goes.
func (c *Connector) address(ctx context.Context, call *connector.Call, inputs *expression.Object) (*url.URL, *connector.Answer) {
	where := text(inputs, "uri")
	if where == "" {
		where = text(inputs, "url")
	}
	if where == "" {
		var answer *connector.Answer
		if where, answer = c.resource(ctx, call, inputs); answer != nil {
			return nil, answer
		}
	}
	if len(where) > c.o.Limits.URLBytesMax {
		return nil, refuse("The uri of '%s' has more than %d characters.", call.Who.Action, c.o.Limits.URLBytesMax)
	}
	at, err := url.Parse(where)
	if err != nil || at.Host == "" || at.Opaque != "" {
		return nil, refuse("The uri of '%s' is no absolute address.", call.Who.Action)
	}
	if at.Scheme = strings.ToLower(at.Scheme); at.Scheme != "http" && at.Scheme != "https" {
		return nil, refuse("The uri of '%s' has the scheme '%s'; only http and https can be called.", call.Who.Action, at.Scheme)
	}
	if at.User != nil {
		return nil, refuse("The uri of '%s' has a user in it; use authentication of the type Basic, which is kept out of the history.", call.Who.Action)
	}
	at.Fragment = ""
	v, _ := inputs.Get("queries")
	queries, ok := v.(*expression.Object)
	if v != nil && !ok {
		return nil, refuse("The queries of '%s' are no object.", call.Who.Action)
	}
	if queries != nil {
		at.RawQuery = addQueries(at.RawQuery, queries)
	}
	// Letters that are none of an address are escaped, not sent as they are.
	at.RawQuery = strings.ReplaceAll(at.RawQuery, " ", "%20")
	return at, nil
}

func addQueries(query string, queries *expression.Object) string {
	var b strings.Builder
	b.WriteString(query)
	add := func(name string, v any) {
		if v == nil {
			return
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "&") {
			b.WriteByte('&')
		}
		b.WriteString(escape(name) + "=" + escape(expression.Text(v)))
	}
	for _, m := range queries.Members {
		if list, ok := m.Value.([]any); ok {
			for _, v := range list {
				add(m.Name, v)
			}
			continue
		}
		add(m.Name, m.Value)
	}
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// resource is the address of a function or of an API of a gateway.
func (c *Connector) resource(ctx context.Context, call *connector.Call, inputs *expression.Object) (string, *connector.Answer) {
	id, path := "", ""
	switch strings.ToLower(call.Type) {
	case "function":
		v, _ := inputs.Get("function")
		if o, ok := v.(*expression.Object); ok {
			id = text(o, "id")
		}
	case "apimanagement":
		v, _ := inputs.Get("api")
		if o, ok := v.(*expression.Object); ok {
			id = text(o, "id")
		}
		var answer *connector.Answer
		if path, answer = pathOf(call, inputs); answer != nil {
			return "", answer
		}
	}
	if id == "" {
		return "", refuse("The inputs of '%s' name nothing to call: they have neither a uri nor the id of a resource.", call.Who.Action)
	}
	if c.o.Base == nil {
		a := connector.Refusal(codeUnsupported, fmt.Sprintf("'%s' calls the resource %s, whose address is not known here. Give the address itself: a member \"uri\".", call.Who.Action, id))
		return "", &a
	}
	base, err := c.o.Base(ctx, id)
	if err != nil {
		a := connector.Refusal(codeUnsupported, fmt.Sprintf("'%s' calls the resource %s, which has no address: %v.", call.Who.Action, id, err))
		return "", &a
	}
	if path == "" {
		return base, nil
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(path, "/"), nil
}

// pathOf fills in the template of an operation's path.
func pathOf(call *connector.Call, inputs *expression.Object) (string, *connector.Answer) {
	v, _ := inputs.Get("pathTemplate")
	o, ok := v.(*expression.Object)
	if !ok {
		return expression.Text(v), nil
	}
	path := text(o, "template")
	v, _ = o.Get("parameters")
	parameters, _ := v.(*expression.Object)
	if parameters != nil {
		for _, m := range parameters.Members {
			path = strings.ReplaceAll(path, "{"+m.Name+"}", url.PathEscape(expression.Text(m.Value)))
		}
	}
	if i := strings.IndexByte(path, '{'); i >= 0 {
		return "", refuse("The path of '%s' still has '%s' in it: give it a value in pathTemplate.parameters.", call.Who.Action, path[i:])
	}
	return path, nil
}

// dropped are headers of a definition that are not sent, as in the cloud; Accept-Language
// is, since the documentation has an example with it.
func dropped(name, method string) bool {
	switch name {
	case "Allow", "Cookie", "Expires", "Host", "Last-Modified", "Origin", "Set-Cookie", "Transfer-Encoding",
		"Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Proxy-Connection":
		return true
	case "Content-Disposition", "Content-Encoding", "Content-Type":
		return method == "GET" || method == "HEAD"
	case "Accept-Version", "Accept-Language":
		return false
	}
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Accept-")
}

// headersOf are the headers that a definition wants to send.
func headersOf(call *connector.Call, inputs *expression.Object, method string) (nethttp.Header, *connector.Answer) {
	h := nethttp.Header{}
	v, _ := inputs.Get("headers")
	o, ok := v.(*expression.Object)
	if v != nil && !ok {
		return nil, refuse("The headers of '%s' are no object.", call.Who.Action)
	}
	if o != nil {
		for _, m := range o.Members {
			name := textproto.CanonicalMIMEHeaderKey(m.Name)
			if m.Value == nil || dropped(name, method) {
				continue
			}
			value := strings.TrimSpace(expression.Text(m.Value))
			if !validName(m.Name) || !validValue(value) {
				return nil, refuse("The header '%s' of '%s' cannot be sent: its name or its value has letters that headers may not have, such as line breaks.", strconv.Quote(m.Name), call.Who.Action)
			}
			h.Set(name, value)
		}
	}
	if cookie := text(inputs, "cookie"); cookie != "" {
		if !validValue(cookie) {
			return nil, refuse("The cookie of '%s' has letters that headers may not have.", call.Who.Action)
		}
		h.Set("Cookie", cookie)
	}
	if key := text(inputs, "subscriptionKey"); key != "" {
		h.Set("Ocp-Apim-Subscription-Key", key)
	}
	return h, nil
}

// next makes a further request of the same exchange: with the definition's headers where
// it goes to the same origin.
func (x *exchange) next(method string, at *url.URL) *request {
	r := &request{method: method, url: at, header: nethttp.Header{}}
	if sameOrigin(at, x.request.url) {
		for name, values := range x.own {
			if !dropped(name, method) && name != "Range" || name == "Cookie" {
				r.header[name] = slices.Clone(values)
			}
		}
	}
	return r
}

// validName reports whether a text is a token, as names of headers and methods are.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

func validValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
