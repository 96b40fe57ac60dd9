package workflow

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/connection"
	"weir/service/workflow/internal/expression"
)

// Connections finds what operations call, in this location: Microsoft.Web/connections and
// customApis for workflows of a resource group, connections.json for those of a site.
type Connections struct {
	from Getter

	mu       sync.Mutex
	swaggers map[string]*expression.Object // read ones, by the version of their resource
}

// swaggersMax bounds the documents that are kept read.
const swaggersMax = 64

var _ connection.Finder = (*Connections)(nil)

// NewConnections looks in a registry.
func NewConnections(from Getter) *Connections { return &Connections{from: from} }

// Find finds a connection.
func (c *Connections) Find(ctx context.Context, workflow string, r connection.Reference) (*connection.Connection, error) {
	id, err := resource.ParseID(workflow)
	if err != nil {
		return nil, fmt.Errorf("the workflow's id: %w", err)
	}
	if site, ok := siteOf(id); ok {
		return c.ofSite(ctx, site, r)
	}
	return c.ofGroup(ctx, id, r)
}

// siteOf is the site a workflow belongs to.
func siteOf(id resource.ID) (resource.ID, bool) {
	for at := id; !at.IsZero() && !at.IsScope(); at = at.Parent() {
		if strings.EqualFold(at.Type(), typeSite) {
			return at, true
		}
	}
	return resource.ID{}, false
}

// ofGroup finds a connection of a workflow that lies in a resource group.
func (c *Connections) ofGroup(ctx context.Context, workflow resource.ID, r connection.Reference) (*connection.Connection, error) {
	if r.Kind == connection.Function || r.Kind == connection.Management {
		return nil, connection.Missed("Workflows of a resource group name functions and APIs of the gateway by their ids; connections by name (%s) are of a site's connections.json.", r)
	}
	entry, err := c.entry(ctx, workflow, r)
	if err != nil {
		return nil, err
	}
	at, name := r.ID, r.Name
	if !strings.HasPrefix(at, "/") && at != "" {
		at, name = "", at
	}
	if id := member(entry, "connectionId"); at == "" && strings.HasPrefix(id, "/") {
		at = id
	}
	api := connection.Last(r.API)
	if id := member(entry, "id"); id != "" {
		api = connection.Last(id)
	}
	var d resource.Document
	found := false
	if at != "" {
		id, err := resource.ParseID(at)
		if err != nil {
			return nil, connection.Missed("The connection's id %q is none: it is the id of a Microsoft.Web/connections.", at)
		}
		if d, found, err = c.get(ctx, id); err != nil {
			return nil, err
		}
		name = id.Name()
	}
	for _, n := range []string{member(entry, "connectionName"), name, api} {
		if found || n == "" || at != "" {
			continue
		}
		id, err := workflow.Scope().Resource(typeConnection, n)
		if err != nil {
			continue
		}
		if d, found, err = c.get(ctx, id); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, undeclared(workflow, at, name, api)
	}
	conn, err := c.read(ctx, d, workflow)
	if err != nil {
		return nil, err
	}
	if a := object(object(entry, "connectionProperties"), "authentication"); a != nil {
		conn.Authentication = a
	}
	return conn, nil
}

// undeclared says what to declare.
func undeclared(workflow resource.ID, at, name, api string) error {
	if name == "" {
		name = api
	}
	if name == "" {
		return connection.Missed("The operation names no connection: give its host a connection, by the id of a Microsoft.Web/connections or a name in the workflow's parameters.$connections.value.")
	}
	if api == "" {
		api = name
	}
	if at == "" {
		at = workflow.Scope().String() + "/providers/" + typeConnection + "/" + name
	}
	return connection.Missed("The connection %q is not declared in this location. Write {\"id\": %q, \"type\": %q, \"properties\": {\"api\": {\"id\": \"%s/providers/%s/%s\"}, \"parameterValues\": {}}} into a file, with the API's %s resource (properties.swagger, properties.backendService.serviceUrl) beside it, and run: weir deploy FILE.",
		name, at, typeConnection, workflow.Scope(), typeCustomAPI, api, typeCustomAPI)
}

// entry is what $connections among a workflow's parameters says of a connection: by its
// name, or by the id it has there.
func (c *Connections) entry(ctx context.Context, workflow resource.ID, r connection.Reference) (*expression.Object, error) {
	d, found, err := c.get(ctx, workflow)
	if err != nil || !found {
		return nil, err
	}
	text, err := ParametersOf(d)
	if err != nil {
		return nil, fmt.Errorf("the workflow's parameters: %w", err)
	}
	v, err := expression.ParseJSON(string(text))
	if err != nil {
		return nil, fmt.Errorf("the workflow's parameters: %w", err)
	}
	parameters, _ := v.(*expression.Object)
	all := object(object(parameters, "$connections"), "value")
	if all == nil {
		return nil, nil
	}
	if r.Name != "" {
		if o := object(all, r.Name); o != nil {
			return o, nil
		}
	}
	for _, m := range all.Members {
		o, _ := m.Value.(*expression.Object)
		if r.ID != "" && strings.EqualFold(member(o, "connectionId"), r.ID) {
			return o, nil
		}
	}
	return nil, nil
}

// read makes a connection of its document.
func (c *Connections) read(ctx context.Context, d resource.Document, workflow resource.ID) (*connection.Connection, error) {
	api, _ := d.Properties["api"].(map[string]any)
	apiID, _ := api["id"].(string)
	conn := &connection.Connection{Name: d.Name(), ID: d.ID.String(), API: connection.Last(apiID), Base: d.String("connectionRuntimeUrl")}
	values := expression.NewObject()
	for _, property := range []string{"customParameterValues", "nonSecretParameterValues"} {
		values = with(values, parsed(string(d.Raw(property))))
	}
	secret := parsed(d.String("parameterValues"))
	set := parsed(d.String("parameterValueSet"))
	for _, m := range members(object(set, "values")) {
		if o, ok := m.Value.(*expression.Object); ok {
			if v, ok := o.Get("value"); ok {
				secret = with(secret, expression.NewObject(m.Name, v))
			}
		}
	}
	conn.Values, conn.Hidden = with(values, secret), texts(nil, secret)
	if strings.EqualFold(member(set, "name"), "managedIdentityAuth") || strings.EqualFold(d.String("parameterValueType"), "Alternative") {
		conn.Authentication = expression.NewObject("type", "ManagedServiceIdentity")
	}
	return conn, c.describe(ctx, conn, apiID, d.ID.Scope(), workflow.Scope())
}

// describe adds what the API's document says. A managed API has one here when somebody
// declared a customApis of its name in one of the groups.
func (c *Connections) describe(ctx context.Context, conn *connection.Connection, apiID string, groups ...resource.ID) error {
	var d resource.Document
	found := false
	if strings.Contains(strings.ToLower(apiID), "/customapis/") {
		id, err := resource.ParseID(apiID)
		if err != nil {
			return connection.Missed("The connection %q names the API %q, which is no id.", conn.Name, apiID)
		}
		if d, found, err = c.get(ctx, id); err != nil {
			return err
		}
		if !found {
			return connection.Missed("The connection %q is to the API %s, which is not declared in this location: declare it with properties.swagger and properties.backendService.serviceUrl.", conn.Name, apiID)
		}
	}
	for _, group := range groups {
		id, err := group.Resource(typeCustomAPI, conn.API)
		if found || err != nil || conn.API == "" {
			continue
		}
		if d, found, err = c.get(ctx, id); err != nil {
			return err
		}
	}
	if !found {
		return nil
	}
	if service, ok := d.Properties["backendService"].(map[string]any); ok {
		if at, _ := service["serviceUrl"].(string); at != "" {
			conn.Base = at
		}
	}
	conn.Declared = parsed(string(d.Raw("connectionParameters")))
	conn.Version = d.ID.Key() + " " + d.ETag
	conn.Swagger = c.swagger(conn.Version, string(d.Raw("swagger")))
	return nil
}

// swagger reads a document once: they are large, and asked for with each call.
func (c *Connections) swagger(version, text string) *expression.Object {
	c.mu.Lock()
	o, ok := c.swaggers[version]
	c.mu.Unlock()
	if ok {
		return o
	}
	o = parsed(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.swaggers == nil || len(c.swaggers) >= swaggersMax {
		c.swaggers = map[string]*expression.Object{}
	}
	c.swaggers[version] = o
	return o
}

func (c *Connections) get(ctx context.Context, id resource.ID) (resource.Document, bool, error) {
	d, err := c.from.Get(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return d, false, nil
	case err != nil:
		return d, false, fmt.Errorf("read %s: %w", id, err)
	}
	return d, true, nil
}

// parsed reads a text that holds an object; nil when it does not.
func parsed(text string) *expression.Object {
	v, _ := expression.ParseJSON(text)
	o, _ := v.(*expression.Object)
	return o
}

func object(o *expression.Object, name string) *expression.Object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(name)
	inner, _ := v.(*expression.Object)
	return inner
}

func member(o *expression.Object, name string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

func members(o *expression.Object) []expression.Member {
	if o == nil {
		return nil
	}
	return o.Members
}

func with(o, more *expression.Object) *expression.Object {
	if o == nil {
		o = expression.NewObject()
	}
	for _, m := range members(more) {
		o = o.With(m.Name, m.Value)
	}
	return o
}

// texts gathers the texts in a value.
func texts(all []string, v any) []string {
	switch v := v.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, item := range v {
			all = texts(all, item)
		}
	case *expression.Object:
		for _, m := range members(v) {
			all = texts(all, m.Value)
		}
	}
	return all
}

// siteContext is what the expressions in a site's files know.
type siteContext struct {
	app   App
	site  resource.ID
	depth int
}

func (s siteContext) Now() time.Time { return time.Time{} }
func (s siteContext) Random() uint64 { return 0 }

// Value gives settings and parameters; a parameter may be made of settings.
func (s siteContext) Value(kind expression.Kind, name string) (any, error) {
	switch kind {
	case expression.TheSetting:
		for n, v := range s.app.Settings {
			if strings.EqualFold(n, name) {
				if strings.HasPrefix(v, "@Microsoft.KeyVault(") {
					return nil, connection.Missed("The app setting %q of the site %q refers to a key vault, which is not read here: give it the value itself.", name, s.site.Name())
				}
				return v, nil
			}
		}
		return nil, connection.Missed("The site %q has no app setting %q in this location: PUT %s/config/appsettings with {\"properties\": {%q: \"…\"}} beside those it has.", s.site.Name(), name, s.site, name)
	case expression.TheParameter:
		if p := object(parsed(string(s.app.Parameters)), name); p != nil {
			if v, ok := p.Get("value"); ok && s.depth < 3 {
				s.depth++
				return s.eval(v)
			}
		}
		return nil, connection.Missed("The site %q has no parameter %q: put it into its parameters.json (%s/config/parameters).", s.site.Name(), name, s.site)
	}
	return nil, expression.ErrNotFound
}

// settingsBudget bounds what a value of connections.json computes.
var settingsBudget = expression.Budget{Steps: 10_000, Depth: 32, Bytes: 1 << 20}

func (s siteContext) eval(v any) (any, error) {
	t, places := expression.Parse(v)
	if t == nil {
		return nil, fmt.Errorf("%s", places[0].Message)
	}
	return t.Eval(s, settingsBudget)
}

// Base gives the address of a function, or of an API of a gateway, that a definition calls
// by its id: the customApis that stands for it here has the name of the function's app, or
// of the API, and lies in the resource group of the id.
func (c *Connections) Base(ctx context.Context, text string) (string, error) {
	id, err := resource.ParseID(text)
	if err != nil {
		return "", fmt.Errorf("it is no id")
	}
	name, path := id.Name(), ""
	if names := id.Names(); strings.EqualFold(id.Type(), typeSite+"/functions") && len(names) == 2 {
		name, path = names[0], "/api/"+names[1]
	}
	at, err := id.Scope().Resource(typeCustomAPI, name)
	if err != nil {
		return "", err
	}
	d, found, err := c.get(ctx, at)
	if err != nil {
		return "", err
	}
	if service, ok := d.Properties["backendService"].(map[string]any); ok && found {
		if url, _ := service["serviceUrl"].(string); url != "" {
			return strings.TrimRight(url, "/") + path, nil
		}
	}
	return "", fmt.Errorf("declare %s with properties.backendService.serviceUrl, which stands for it here", at)
}
