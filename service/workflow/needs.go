package workflow

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"weir/kernel/resource"
	"weir/service/workflow/connection"
	"weir/service/workflow/internal/expression"
)

// Need is one thing that a definition asks of the location it runs in.
type Need struct {
	// Kind is connection, serviceProvider, function, apiManagement, setting or identity.
	Kind string `json:"kind"`
	// Name is what the definition calls it; ID the resource, when it is known.
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
	// API is what a connection is to.
	API string `json:"api,omitempty"`
	// Where is the JSON path of the first place that asks.
	Where string `json:"where"`
}

// The kinds of needs.
const (
	NeedConnection = "connection"
	NeedProvider   = "serviceProvider"
	NeedFunction   = "function"
	NeedManagement = "apiManagement"
	NeedSetting    = "setting"
	NeedIdentity   = "identity"
)

// Needs lists what a definition asks of its location, each thing once, sorted: the same
// definition and parameters have the same needs everywhere. Parameters are {"name":
// {"value": ...}}, as a workflow has them; nil: none. A name that is only known in a run is
// left out.
func Needs(definition, parameters []byte) ([]Need, error) {
	v, err := expression.ParseJSON(string(definition))
	root, ok := v.(*expression.Object)
	if err != nil || !ok {
		return nil, fmt.Errorf("the definition is no JSON object: %v", err)
	}
	n := &needer{seen: map[string]bool{}}
	if len(parameters) > 0 {
		v, err := expression.ParseJSON(string(parameters))
		if err != nil {
			return nil, fmt.Errorf("the parameters are no JSON: %w", err)
		}
		given, _ := v.(*expression.Object)
		n.connections = object(object(given, "$connections"), "value")
	}
	n.walk("$", root, false)
	slices.SortFunc(n.all, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return n.all, nil
}

type needer struct {
	connections *expression.Object
	all         []Need
	seen        map[string]bool
}

func (n *needer) add(need Need) {
	key := strings.ToLower(need.Kind + "\x00" + need.Name + "\x00" + need.ID)
	if need.Name == "" && need.ID == "" && need.Kind != NeedIdentity || n.seen[key] {
		return
	}
	n.seen[key] = true
	n.all = append(n.all, need)
}

// walk looks at a value and what is in it; operation says that it is an action's or a
// trigger's inputs.
func (n *needer) walk(path string, v any, inputs bool) {
	switch v := v.(type) {
	case string:
		for _, ref := range expression.References(v).Settings {
			n.add(Need{Kind: NeedSetting, Name: ref.Name, Where: path})
		}
	case []any:
		for i, item := range v {
			n.walk(fmt.Sprintf("%s[%d]", path, i), item, false)
		}
	case *expression.Object:
		if in := object(v, "inputs"); in != nil && member(v, "type") != "" {
			n.operation(path+".inputs", strings.ToLower(member(v, "type")), in)
		}
		if a := object(v, "authentication"); inputs && a != nil && strings.EqualFold(member(a, "type"), "ManagedServiceIdentity") {
			n.identity(path+".authentication", a)
		}
		for _, m := range v.Members {
			n.walk(step(path, m.Name), m.Value, m.Name == "inputs" || inputs && (m.Name == "subscribe" || m.Name == "unsubscribe"))
		}
	}
}

func (n *needer) identity(path string, a *expression.Object) {
	id := member(a, "identity")
	if strings.Contains(id, "@") {
		id = ""
	}
	n.add(Need{Kind: NeedIdentity, ID: id, Where: path})
}

func step(path, name string) string {
	if plainName.MatchString(name) {
		return path + "." + name
	}
	return path + "['" + strings.ReplaceAll(name, "'", `\'`) + "']"
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	// named is how definitions name a connection: parameters('$connections')['x']['connectionId'].
	named = regexp.MustCompile(`(?i)parameters\(\s*'\$connections'\s*\)\s*\??\[\s*'((?:[^']|'')*)'\s*\]`)
)

func (n *needer) operation(path, typ string, in *expression.Object) {
	host := object(in, "host")
	switch {
	case strings.HasPrefix(typ, "apiconnection"):
		of := object(host, "connection")
		name, id := member(of, "referenceName"), member(of, "name")
		if id == "" {
			id = member(of, "id")
		}
		if m := named.FindStringSubmatch(id); m != nil {
			name, id = strings.ReplaceAll(m[1], "''", "'"), ""
		} else if strings.HasPrefix(id, "@") {
			id = ""
		}
		n.connection(path+".host.connection", name, id, "")
	case strings.HasPrefix(typ, "openapiconnection"):
		n.connection(path+".host", literal(member(host, "connectionName")), "", connection.Last(member(host, "apiId")))
	case typ == "serviceprovider":
		of := object(in, "serviceProviderConfiguration")
		n.add(Need{Kind: NeedProvider, Name: literal(member(of, "connectionName")), API: connection.Last(member(of, "serviceProviderId")), Where: path + ".serviceProviderConfiguration"})
	case typ == "function":
		of := object(in, "function")
		n.add(Need{Kind: NeedFunction, Name: literal(member(of, "connectionName")), ID: literal(member(of, "id")), Where: path + ".function"})
	case typ == "apimanagement":
		n.add(Need{Kind: NeedManagement, Name: literal(member(object(in, "apiManagement"), "connection")), ID: literal(member(object(in, "api"), "id")), Where: path})
	}
}

// connection adds one, completed with what the workflow's $connections say of it, and the
// identity that it calls with.
func (n *needer) connection(path, name, id, api string) {
	if entry := object(n.connections, name); entry != nil {
		id = cmp.Or(member(entry, "connectionId"), id)
		api = cmp.Or(connection.Last(member(entry, "id")), api)
		if a := object(object(entry, "connectionProperties"), "authentication"); a != nil && strings.EqualFold(member(a, "type"), "ManagedServiceIdentity") {
			n.identity(path, a)
		}
	}
	n.add(Need{Kind: NeedConnection, Name: name, ID: id, API: api, Where: path})
}

// literal is a text that no run computes.
func literal(s string) string {
	if strings.HasPrefix(s, "@") || strings.Contains(s, "@{") {
		return ""
	}
	return s
}

// Lacks says which of a workflow's needs this location does not meet, each with what to do
// about it. Identities and settings of a resource group's workflows are not judged.
func (c *Connections) Lacks(ctx context.Context, workflow resource.ID, needs []Need) (map[Need]string, error) {
	lacks := map[Need]string{}
	for _, need := range needs {
		kind, known := map[string]connection.Kind{NeedConnection: connection.Managed, NeedProvider: connection.Provider, NeedFunction: connection.Function, NeedManagement: connection.Management}[need.Kind]
		switch {
		case need.Kind == NeedSetting:
			site, ok := siteOf(workflow)
			if !ok {
				continue
			}
			app, err := AppOf(ctx, c.from, site)
			if err != nil {
				return nil, err
			}
			if _, err := (siteContext{app: app, site: site}).Value(expression.TheSetting, need.Name); err != nil {
				lacks[need] = err.Error()
			}
		case known && (need.Name != "" || need.Kind == NeedConnection):
			_, err := c.Find(ctx, workflow.String(), connection.Reference{Kind: kind, Name: need.Name, ID: need.ID, API: need.API})
			if missing, ok := err.(*connection.Missing); ok {
				lacks[need] = missing.Message
			} else if err != nil {
				return nil, err
			}
		}
	}
	return lacks, nil
}
