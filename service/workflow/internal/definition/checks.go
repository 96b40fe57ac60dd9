package definition

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"weir/service/workflow/internal/document"
)

// checkMethod wants an HTTP method that may be called.
func checkMethod(r *reader, v *document.Value, p document.Path) {
	if blank(r, v, p, "method") {
		return
	}
	if oneOf(methods, v.Text) == "" {
		r.error(p, v, "method", "the method is %q; it may be %s", v.Text, or(methods))
	}
}

// blank reports whether a text is left empty, as galleries do where somebody is to fill in
// what only they know.
func blank(r *reader, v *document.Value, p document.Path, what string) bool {
	if !v.Is(document.String) || v.Text != "" {
		return false
	}
	r.warn(p, v, "placeholder", "the %s is left blank for somebody to fill in", what)
	return true
}

// unfilled are the ways in which people mark the part of a URI that others fill in.
var unfilled = regexp.MustCompile(`<[^<>]*>|\$\{[^{}]*\}|^\[.*\]$|(?i)^your|re?p?lace_with`)

// checkURI wants an absolute http or https URI.
func checkURI(r *reader, v *document.Value, p document.Path) {
	if blank(r, v, p, "URI") {
		return
	}
	if unfilled.MatchString(v.Text) {
		r.warn(p, v, "placeholder", "%.80q has a part that somebody is to fill in", v.Text)
		return
	}
	if why := badURI(v.Text); why != "" {
		r.error(p, v, "uri", "the URI %.80q cannot be called: %s", v.Text, why)
	}
}

// checkSubscribe wants a URI where a webhook names nothing else.
func checkSubscribe(r *reader, v *document.Value, p document.Path) {
	if v.Is(document.String) {
		checkURI(r, v, p)
	}
}

// badURI says why an absolute URI cannot be called, else nothing.
func badURI(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || oneOf([]string{"http", "https"}, scheme) == "" {
		return "it must begin with http:// or https://"
	}
	if i := strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || strings.ContainsRune("<>\"\\^`", c) }); i >= 0 {
		return "it has " + strconv.Quote(s[i:i+1]) + " in it, which must be percent-encoded"
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	port := ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "its address in brackets does not end"
		}
		if a, err := netip.ParseAddr(host[1:end]); err != nil || !a.Is6() {
			return "what stands in brackets is no IPv6 address"
		}
		host, port = "ip", host[end+1:]
		if port != "" && !strings.HasPrefix(port, ":") {
			return "something other than a port follows its address"
		}
		port = strings.TrimPrefix(port, ":")
	} else if name, number, has := strings.Cut(host, ":"); has {
		if number == "" {
			return "its port is empty"
		}
		host, port = name, number
	}
	if host == "" {
		return "it names no host"
	}
	if strings.Contains(host, "..") || strings.HasPrefix(host, ".") || strings.ContainsAny(host, "[]{}|,;!$()*'=+") {
		return "its host is no name and no address"
	}
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
		return "its port is no number from 1 to 65535"
	}
	return ""
}

// authentication lists the kinds of authentication and what each needs.
var authentication = map[string][]string{
	"none": nil, "basic": {"username", "password"}, "clientcertificate": {"pfx"},
	"activedirectoryoauth": {"tenant", "audience", "clientId"}, "managedserviceidentity": nil, "raw": {"value"},
	"oauth": nil, "servicepresent": nil, "key": nil, "x509": nil,
}

func checkAuthentication(r *reader, v *document.Value, p document.Path) {
	typ := v.Get("type")
	if !typ.Given() || r.later(typ) {
		if !typ.Given() && len(v.Members) > 0 {
			r.warn(p.Of("type"), v, "missing-member", "authentication has no type; it may be Basic, ClientCertificate, ActiveDirectoryOAuth, ManagedServiceIdentity or Raw")
		}
		return
	}
	word, _ := typ.Str()
	needs, known := authentication[strings.ToLower(word)]
	if !known {
		r.error(p.Of("type"), typ, "wrong-value", "there is no authentication of type %s; it may be Basic, ClientCertificate, ActiveDirectoryOAuth, ManagedServiceIdentity or Raw", shown(typ))
		return
	}
	for _, name := range needs {
		if m, spelled := v.Fold(name); m == nil {
			r.error(p.Of(spelled), v, "missing-member", "authentication of type %s needs %q", word, name)
		}
	}
}

// checkConnectionHost wants a connection in a host.
func checkConnectionHost(r *reader, v *document.Value, p document.Path) {
	for _, name := range []string{"connection", "api", "apiId", "connectionName", "connectionReferenceName"} {
		if v.Get(name) != nil {
			if c := v.Get("connection"); c.Given() && !c.Is(document.Object) && !c.Is(document.String) {
				r.error(p.Of("connection"), c, "wrong-type", "host.connection must be an object with a name or a referenceName, not %s", shown(c))
			}
			return
		}
	}
	r.error(p.Of("connection"), v, "missing-member", "the host names no connection; write host.connection.name or host.connection.referenceName")
}

func checkWorkflowHost(r *reader, v *document.Value, p document.Path) {
	workflow := v.Get("workflow")
	for _, id := range []*document.Value{v.Get("id"), workflow.Get("id"), v.Get("workflowReferenceName"), v.Get("workflowId")} {
		if id.Given() {
			if !id.Is(document.String) {
				r.error(p.Of("workflow").Of("id"), id, "wrong-type", "the id of the workflow to call must be a string, not %s", shown(id))
			}
			return
		}
	}
	if r.later(workflow) {
		return
	}
	r.error(p.Of("workflow"), v, "missing-member", "the host names no workflow; write host.workflow.id")
}

// checkFunction wants a function by its address or by its id.
func checkFunction(r *reader, o *Operation) {
	if o.Inputs.Is(document.Object) && !o.Inputs.Get("function").Given() && !o.Inputs.Get("uri").Given() && !o.Inputs.Get("functionApp").Given() {
		r.error(o.Path.Of("inputs").Of("function"), o.Inputs, "missing-member", "the inputs of a Function need function or uri")
	}
}

// either wants at least one of two members in the inputs.
func either(one, other string) func(*reader, *Operation) {
	return func(r *reader, o *Operation) {
		if o.Inputs.Is(document.Object) && !o.Inputs.Get(one).Given() && !o.Inputs.Get(other).Given() {
			r.error(o.Path.Of("inputs").Of(one), o.Inputs, "missing-member", "the inputs of %s need %s or %s", o.Type, one, other)
		}
	}
}

// checkCompose wants an input: null is one.
func checkCompose(r *reader, o *Operation) {
	if o.Inputs == nil {
		r.error(o.Path.Of("inputs"), o.Value, "missing-member", "a Compose has no inputs; they are what it makes")
	}
}

// checkValue misses a value: null is one.
func checkValue(r *reader, o *Operation) {
	if v, _ := o.Inputs.Fold("value"); o.Inputs.Is(document.Object) && v == nil {
		r.warn(o.Path.Of("inputs").Of("value"), o.Inputs, "missing-member", "%s has no value; null is taken", o.Name)
	}
}

// checkAppended wants a value to append: null is one.
func checkAppended(r *reader, o *Operation) {
	if v, _ := o.Inputs.Fold("value"); o.Inputs.Is(document.Object) && v == nil {
		r.error(o.Path.Of("inputs").Of("value"), o.Inputs, "missing-member", "%s has no value to append", o.Name)
	}
}

// checkCount wants a whole number that is not negative.
func checkCount(r *reader, v *document.Value, p document.Path) {
	if n, ok := v.Int(); !ok || n < 0 {
		r.error(p, v, "wrong-type", "%s must be a whole number of at least 0, not %s", last(p), shown(v))
	}
}

// checkZone wants the name of a time zone.
func checkZone(r *reader, v *document.Value, p document.Path) {
	if v.Is(document.String) && r.Zones != nil && !r.Zones(v.Text) {
		r.error(p, v, "time-zone", "there is no time zone %q; write a name that Windows uses, such as \"W. Europe Standard Time\"", v.Text)
	}
}

// checkInstant wants an instant.
func checkInstant(r *reader, v *document.Value, p document.Path) {
	if _, _, ok := ParseTime(v.Text); v.Is(document.String) && !ok {
		r.error(p, v, "wrong-value", "%s is %q, which is no ISO 8601 time; write one such as 2024-05-01T06:00:00Z", last(p), v.Text)
	}
}

func checkWait(r *reader, o *Operation) {
	if o.Inputs.Is(document.Object) && !o.Inputs.Get("interval").Given() && !o.Inputs.Get("until").Given() {
		r.error(o.Path.Of("inputs").Of("interval"), o.Inputs, "missing-member", "a Wait needs interval or until")
	}
}

// checkTerminate names an error that is not used.
func checkTerminate(r *reader, o *Operation) {
	status, _ := o.Inputs.Get("runStatus").Str()
	if e := o.Inputs.Get("runError"); e.Given() && !strings.EqualFold(status, "Failed") && !isExpression(status) && status != "" {
		r.warn(o.Path.Of("inputs").Of("runError"), e, "unknown-member", "runError is used when the run is to end as Failed, not as %s", status)
	}
}

// variableTypes are the types of variables and the kinds of JSON of each.
var variableTypes = map[string][]document.Kind{
	"string": {document.String}, "integer": {document.Number}, "float": {document.Number}, "boolean": {document.Bool},
	"array": {document.Array}, "object": {document.Object},
}

// checkInitialize checks the variables that an action declares. One alone without
// the list around it is how they were written once.
func checkInitialize(r *reader, o *Operation) {
	in, p := o.Inputs, o.Path.Of("inputs")
	if !in.Is(document.Object) {
		return
	}
	list := in.Get("variables")
	switch {
	case !list.Given() && in.Get("name").Given():
		checkVariable(r, in, p)
	case !list.Given():
		r.error(p.Of("variables"), in, "missing-member", "an InitializeVariable needs variables")
	case r.later(list):
	case !list.Is(document.Array):
		r.error(p.Of("variables"), list, "wrong-type", "variables must be an array, not %s", shown(list))
	case len(list.Items) == 0:
		r.error(p.Of("variables"), list, "missing-member", "variables is empty; an InitializeVariable declares one")
	default:
		for i, v := range list.Items {
			if at := p.Of("variables").At(i); v.Is(document.Object) {
				checkVariable(r, v, at)
			} else {
				r.error(at, v, "wrong-type", "a variable must be an object with a name and a type, not %s", shown(v))
			}
		}
	}
}

func checkVariable(r *reader, v *document.Value, p document.Path) {
	r.fields(v, p, []Field{text("name").must(), text("type").must()})
	typ, value := v.Get("type"), v.Get("value")
	word, ok := typ.Str()
	if !ok || r.later(typ) {
		return
	}
	kinds, known := variableTypes[strings.ToLower(word)]
	if !known {
		r.error(p.Of("type"), typ, "wrong-value", "there is no variable type %q; it may be String, Integer, Float, Boolean, Array or Object", word)
		return
	}
	if !value.Given() || r.later(value) || slices.Contains(kinds, value.Kind) {
		return
	}
	if value.Is(document.String) {
		r.warn(p.Of("value"), value, "wrong-type", "the variable is of type %s and its value is %s; the engine will try to convert it", word, shown(value))
		return
	}
	r.error(p.Of("value"), value, "wrong-type", "the variable is of type %s and its value is %s", word, shown(value))
}

func checkExpressionKind(r *reader, o *Operation) {
	if o.Kind == "" {
		if k, _ := o.Value.Fold("kind"); !k.Given() {
			r.error(o.Path.Of("kind"), o.Value, "missing-member", "an Expression action needs a kind; it may be %s", or(kindsOf(expressionInputs)))
		}
		return
	}
	for kind, fields := range expressionInputs {
		if !strings.EqualFold(kind, o.Kind) || len(fields) == 0 {
			continue
		}
		switch {
		case o.Inputs.Is(document.Object):
			r.fields(o.Inputs, o.Path.Of("inputs"), fields)
		case !o.Inputs.Given():
			r.error(o.Path.Of("inputs"), o.Value, "missing-member", "%s has no inputs; an Expression of kind %s needs them", o.Name, kind)
		}
	}
}

func checkResponse(r *reader, o *Operation) {
	if limit := o.Value.Get("limit"); limit.Given() {
		r.error(o.Path.Of("limit"), limit, "unknown-member", "a Response has no limit: the caller's patience is its limit")
	}
}

// checkStatusCode wants a status that a Response may give: final ones, and no
// redirection.
func checkStatusCode(r *reader, v *document.Value, p document.Path) {
	n, ok := v.Int()
	switch {
	case !ok:
		r.error(p, v, "wrong-type", "statusCode must be a number or an expression, not %s", shown(v))
	case n < 200 || n > 599:
		r.error(p, v, "response-status", "statusCode is %d; a Response may give 200 to 299 and 400 to 599", n)
	case n >= 300 && n < 400:
		r.error(p, v, "response-status", "statusCode is %d; a Response cannot redirect: it may give 200 to 299 and 400 to 599", n)
	}
}

// checkAnyStatusCode wants an HTTP status code: a number or its name.
func checkAnyStatusCode(r *reader, v *document.Value, p document.Path) {
	if n, ok := v.Int(); ok && (n < 100 || n > 599) {
		r.error(p, v, "response-status", "statusCode is %d, which is no HTTP status", n)
	}
}

// checkBatch checks when a Batch trigger lets its messages go.
func checkBatch(r *reader, o *Operation) {
	p := o.Path.Of("inputs")
	if mode, _ := o.Inputs.Get("mode").Str(); strings.EqualFold(mode, "Inline") && !o.Inputs.Get("configurations").Given() {
		r.error(p.Of("configurations"), o.Inputs, "missing-member", "a Batch trigger of mode Inline needs configurations")
	}
	configurations := o.Inputs.Get("configurations")
	if !configurations.Is(document.Object) {
		return
	}
	for _, m := range configurations.Members {
		at := p.Of("configurations").Of(m.Name)
		if !m.Value.Is(document.Object) {
			if !r.later(m.Value) {
				r.error(at, m.Value, "not-an-object", "a batch configuration must be an object with releaseCriteria, not %s", shown(m.Value))
			}
			continue
		}
		criteria := r.objectOf(m.Value, at, "releaseCriteria")
		if criteria == nil {
			if !m.Value.Get("releaseCriteria").Given() {
				r.error(at.Of("releaseCriteria"), m.Value, "missing-member", "the batch %q has no releaseCriteria", m.Name)
			}
			continue
		}
		at = at.Of("releaseCriteria")
		r.number(criteria, at, "messageCount", 1, r.Limits.BatchMessagesMax)
		r.number(criteria, at, "batchSize", 1, 0)
		if again := criteria.Get("recurrence"); again.Given() {
			r.recurrence(again, at.Of("recurrence"))
		}
	}
}
