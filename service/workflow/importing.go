package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"weir/service/workflow/connection"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

// Import is what becomes of workflows that were written somewhere else: files for
// `weir deploy`, and what needs attention before they run.
type Import struct {
	Files     []ImportFile `json:"files"`
	Workflows []string     `json:"workflows"`
	Attention []Attention  `json:"attention"`

	opts  ImportOptions
	flows []*imported
}

// ImportFile is a file to write.
type ImportFile struct {
	Name string `json:"name"`
	// Secret says that only its owner should read it.
	Secret bool   `json:"secret,omitempty"`
	Data   []byte `json:"-"`
	// Deploy says that it is deployed, in the order of the list.
	Deploy bool   `json:"deploy"`
	About  string `json:"about"`
}

// Attention is something to look at.
type Attention struct {
	// Kind is a stable word: see AttentionKinds.
	Kind     string `json:"kind"`
	Workflow string `json:"workflow,omitempty"`
	Name     string `json:"name,omitempty"`
	Path     string `json:"path,omitempty"`
	Message  string `json:"message"`
}

// AttentionKinds says what each kind of attention is about, and whether a workflow can be
// expected to run without it.
var AttentionKinds = []struct {
	Kind, About string
	Must        bool
}{
	{"invalid", "the definition has errors and is refused when it is deployed", true},
	{"unsupported", "a type of action or trigger that is not run here", true},
	{"connection", "a connection to give an address and credentials", true},
	{"setting", "an app setting without a value", true},
	{"parameter", "a parameter without a value", true},
	{"unresolved", "a value that a template, or a deployment, would have filled in", true},
	{"identity", "an identity that the workflow calls with, to be given roles", true},
	{"secret", "a secret that lies open, or was not exported", false},
	{"left-out", "something that does not come over", false},
	{"warning", "something that is read and kept, and is probably not meant", false},
}

// must reports whether a kind of attention keeps a workflow from running.
func must(kind string) bool {
	return slices.ContainsFunc(AttentionKinds, func(k struct {
		Kind, About string
		Must        bool
	}) bool {
		return k.Kind == kind && k.Must
	})
}

// Ready reports whether nothing has to be done before the workflows run.
func (i *Import) Ready() bool {
	return !slices.ContainsFunc(i.Attention, func(a Attention) bool { return must(a.Kind) })
}

// ImportOptions say how to import.
type ImportOptions struct {
	// Name is what a workflow is called whose file does not say.
	Name string
	// Providers are the built-in connectors that there are, by the id of their provider;
	// nil: it is not judged.
	Providers []string
}

// imported is one workflow on its way.
type imported struct {
	name       string
	kind       string
	wrapped    definition.Wrapped
	value      any // the definition
	parameters *expression.Object
	state      string
	more       []expression.Member // of its properties, and location, tags, identity beside
	beside     []expression.Member
}

func (i *Import) note(kind, workflow, name, path, format string, args ...any) {
	a := Attention{kind, workflow, name, path, fmt.Sprintf(format, args...)}
	if !slices.Contains(i.Attention, a) {
		i.Attention = append(i.Attention, a)
	}
}

// ImportDefinitions imports what a file holds that is no deployment template: a
// definition, a workflow.json, a resource, or a flow.
func ImportDefinitions(data []byte, o ImportOptions) (*Import, error) {
	i := &Import{opts: o}
	if err := i.read(data, o.Name); err != nil {
		return nil, err
	}
	return i, i.group()
}

// read takes the definitions of one file.
func (i *Import) read(data []byte, name string) error {
	root, err := document.Parse(data)
	if err != nil {
		return fmt.Errorf("this is not JSON: %w", err)
	}
	found := definition.Find(root)
	if len(found) == 0 {
		return fmt.Errorf("there is no workflow definition in it: neither one alone, nor a workflow.json, a Microsoft.Logic/workflows resource or a Power Automate flow")
	}
	for _, w := range found {
		f := &imported{name: w.Name, kind: w.Kind, wrapped: w}
		if f.name == "" {
			f.name = name
		}
		if len(found) > 1 && w.Name == "" {
			f.name = fmt.Sprintf("%s-%d", name, len(i.flows)+1)
		}
		if f.value, err = expression.ParseJSON(string(w.Value.Raw)); err != nil {
			return fmt.Errorf("%s: %w", w.Path, err)
		}
		around(root, w, f)
		i.flows = append(i.flows, f)
	}
	return nil
}

// around takes what lies beside a definition in its wrapping: parameters, state,
// connection references.
func around(v *document.Value, w definition.Wrapped, f *imported) {
	holder := holderOf(v, w.Value)
	if holder == nil {
		return
	}
	parse := func(v *document.Value) *expression.Object {
		if !v.Is(document.Object) {
			return nil
		}
		x, _ := expression.ParseJSON(string(v.Raw))
		o, _ := x.(*expression.Object)
		return o
	}
	f.parameters = parse(holder.Get("parameters"))
	if state, ok := holder.Get("state").Str(); ok && w.Wrapping != definition.Flow {
		f.state = state
	}
	if refs := holder.Get("connectionReferences"); refs.Is(document.Object) {
		all := &expression.Object{}
		for _, m := range refs.Members {
			api, _ := m.Value.Get("id").Str()
			if api == "" {
				if name, ok := m.Value.Get("api").Get("name").Str(); ok {
					api = "/providers/Microsoft.PowerApps/apis/" + name
				}
			}
			all.Members = append(all.Members, expression.Member{Name: m.Name, Value: connectionEntry(m.Name, api)})
		}
		if f.parameters == nil {
			f.parameters = &expression.Object{}
		}
		f.parameters = f.parameters.With("$connections", expression.NewObject("value", all))
	}
}

// holderOf gives the object that has a value as a member.
func holderOf(v, member *document.Value) *document.Value {
	for _, m := range v.Members {
		if m.Value == member {
			return v
		}
		if h := holderOf(m.Value, member); h != nil {
			return h
		}
	}
	for _, item := range v.Items {
		if h := holderOf(item, member); h != nil {
			return h
		}
	}
	return nil
}

// connectionEntry is what $connections says of a connection. Its id is its name: the one
// in the workflow's own resource group.
func connectionEntry(name, api string) *expression.Object {
	if api == "" {
		api = name
	}
	return expression.NewObject("connectionId", plainConnection(name), "connectionName", plainConnection(name), "id", "/providers/Microsoft.Web/managedApis/"+connection.Last(api))
}

// plainConnection makes a name that a resource may have.
func plainConnection(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>*%&:\?/+`, r) {
			return '-'
		}
		return r
	}, name)
}

// group finishes an import of workflows of a resource group.
func (i *Import) group() error {
	var docs []any
	connections := map[string]string{}
	for _, f := range i.flows {
		if f.name == "" {
			f.name = "workflow"
		}
		i.Workflows = append(i.Workflows, f.name)
		i.judge(f, nil)
		if err := i.needs(f, connections); err != nil {
			return err
		}
		properties := expression.NewObject("state", stateOf(f), "definition", f.value)
		if f.parameters != nil && len(f.parameters.Members) > 0 {
			properties = properties.With("parameters", f.parameters)
		}
		for _, m := range f.more {
			properties = properties.With(m.Name, m.Value)
		}
		doc := expression.NewObject("type", typeWorkflow, "name", f.name)
		for _, m := range f.beside {
			doc = doc.With(m.Name, m.Value)
		}
		docs = append(docs, doc.With("properties", properties))
	}
	i.connections(connections)
	i.file("workflows.json", docs, false, "the workflows")
	i.report()
	return nil
}

func stateOf(f *imported) string {
	if f.state == "" || strings.HasPrefix(f.state, "[") {
		return "Enabled"
	}
	return f.state
}

// file adds a file of resource documents.
func (i *Import) file(name string, v any, secret bool, about string) {
	var b bytes.Buffer
	_ = json.Indent(&b, expression.AppendJSON(nil, v), "", "  ") // it is JSON that we wrote
	b.WriteByte('\n')
	i.Files = append(i.Files, ImportFile{Name: name, Secret: secret, Data: b.Bytes(), Deploy: true, About: about})
}

// judge validates a workflow and notes what is wrong or not there.
func (i *Import) judge(f *imported, beside *Beside) {
	if beside == nil {
		beside = &Beside{}
	}
	d, problems := definition.Read(f.wrapped, definition.Settings{Expressions: language{}, Zones: zone, Parameters: beside.Parameters, Connections: beside.Connections})
	for _, p := range problems {
		kind := "warning"
		switch {
		case p.Severity == definition.Error:
			kind = "invalid"
		case p.Code == "not-run-here":
			kind = "unsupported"
		case p.Code == "placeholder":
			kind = "unresolved"
		case p.Code == "parameter-missing":
			kind = "parameter"
		}
		i.note(kind, f.name, p.Code, string(p.Path), "%s", p.Message)
	}
	if d == nil {
		return
	}
	for _, p := range d.Parameters {
		if p.Name == "$connections" || p.Name == "$authentication" {
			continue
		}
		given, _ := member2(f.parameters, p.Name)
		value, has := member2(given, "value")
		switch {
		case p.Secure() && (!has || value == nil):
			i.note("secret", f.name, p.Name, string(p.Path), "the secure parameter %q is exported without its value: give it in properties.parameters, where it is sealed", p.Name)
			if p.Default == nil {
				i.note("parameter", f.name, p.Name, string(p.Path), "the parameter %q has no value", p.Name)
			}
		case !has && p.Default == nil && !p.Value.Get("value").Given() && !slices.Contains(beside.Parameters, p.Name):
			i.note("parameter", f.name, p.Name, string(p.Path), "the parameter %q has neither a value nor a default: give it one in properties.parameters", p.Name)
		}
	}
	i.open("$", f, f.value)
}

func member2(v any, name string) (any, bool) {
	if o, ok := v.(*expression.Object); ok && o != nil {
		return o.Get(name)
	}
	return nil, false
}

// hidden are the names of members that hold secrets, in authentications and headers.
var hidden = []string{"password", "secret", "pfx", "authorization", "ocp-apim-subscription-key", "x-functions-key", "api-key", "x-api-key", "connectionstring"}

// open notes secrets that lie open in a definition.
func (i *Import) open(path string, f *imported, v any) {
	switch v := v.(type) {
	case []any:
		for k, item := range v {
			i.open(fmt.Sprintf("%s[%d]", path, k), f, item)
		}
	case *expression.Object:
		for _, m := range v.Members {
			at := step(path, m.Name)
			text, isText := m.Value.(string)
			switch {
			case isText && text != "" && slices.Contains(hidden, strings.ToLower(m.Name)) && !strings.Contains(text, "@") && !placeholder(text):
				i.note("secret", f.name, m.Name, at, "it looks like a secret in clear text: make it a parameter of the type securestring, and name it by @parameters('...')")
			case isText && strings.Contains(text, "sig=") && strings.HasPrefix(text, "http"):
				i.note("secret", f.name, m.Name, at, "an address with a signature in it: whoever reads the definition can call it, and it leads to the old place")
			}
			i.open(at, f, m.Value)
		}
	}
}

func placeholder(s string) bool { return strings.HasPrefix(s, "[") || strings.Contains(s, "{{") }

// needs notes what a workflow asks of its location, and completes its $connections.
func (i *Import) needs(f *imported, connections map[string]string) error {
	var parameters []byte
	if f.parameters != nil {
		parameters = expression.AppendJSON(nil, f.parameters)
	}
	needs, err := Needs(expression.AppendJSON(nil, f.value), parameters)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	given := &expression.Object{}
	if o, ok := member2(f.parameters, "$connections"); ok {
		if v, ok := member2(o, "value"); ok {
			if x, ok := v.(*expression.Object); ok {
				given = x
			}
		}
	}
	for _, n := range needs {
		switch n.Kind {
		case NeedConnection:
			name, api := n.Name, n.API
			if name == "" && n.ID == "" {
				i.note("connection", f.name, "", n.Where, "the connection of this operation is computed when it runs: see that all that it may come to are declared")
				continue
			}
			declared := connection.Last(n.ID)
			if declared == "" || placeholder(n.ID) || strings.Contains(n.ID, "@") {
				declared = plainConnection(name)
			}
			if api == "" || placeholder(api) {
				api = trimmed(name)
			}
			if connections[declared] == "" {
				connections[declared] = api
			}
			if entry, ok := given.Get(name); name != "" && (!ok || unfilled(entry)) {
				given = given.With(name, connectionEntry(declared, api))
			}
			i.note("connection", f.name, declared, n.Where, "the connection %q to %q needs an address and credentials: fill in connections.yaml", declared, api)
		case NeedProvider:
			i.note("connection", f.name, n.Name, n.Where, "the built-in connector %q with the connection %q belongs into a Standard project's connections.json: put the workflow into a Microsoft.Web/sites", n.API, n.Name)
		case NeedFunction, NeedManagement:
			i.note("connection", f.name, n.Name, n.Where, "it calls %q, which stays where it is: see that it can be reached from here, and with which key", n.ID+n.Name)
		case NeedSetting:
			i.note("setting", f.name, n.Name, n.Where, "the app setting %q is read, and workflows of a resource group have none: make it a parameter", n.Name)
		case NeedIdentity:
			i.identity(f, n)
		}
	}
	if len(given.Members) > 0 {
		if f.parameters == nil {
			f.parameters = &expression.Object{}
		}
		f.parameters = f.parameters.With("$connections", expression.NewObject("value", given))
	}
	return nil
}

func (i *Import) identity(f *imported, n Need) {
	who := "the workflow's own identity"
	if n.ID != "" {
		who = "the identity " + n.ID
	}
	i.note("identity", f.name, n.ID, n.Where, "it calls as %s: the resource needs \"identity\", and the identity a role at what is called", who)
}

// unfilled reports whether an entry of $connections was not filled in by a template.
func unfilled(entry any) bool {
	id, _ := member2(entry, "connectionId")
	text, _ := id.(string)
	return text == "" || placeholder(text)
}

// trimmed makes the name of an API of the name of a connection: office365_1 is to
// office365.
func trimmed(name string) string {
	base := strings.TrimRight(name, "0123456789")
	if base != name && (strings.HasSuffix(base, "_") || strings.HasSuffix(base, "-")) {
		return base[:len(base)-1]
	}
	return name
}
