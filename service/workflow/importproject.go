package workflow

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/expression"
)

// ImportResources imports the resources of a deployment template, as a JSON list: what
// is of workflows comes over, the rest is told.
func ImportResources(data []byte, o ImportOptions) (*Import, error) {
	root, err := document.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("the resources are not JSON: %w", err)
	}
	i := &Import{opts: o}
	var kept []any
	for _, r := range root.Items {
		typ, _ := r.Get("type").Str()
		name, _ := r.Get("name").Str()
		v, err := expression.ParseJSON(string(r.Raw))
		if err != nil {
			return nil, err
		}
		o, _ := v.(*expression.Object)
		switch strings.ToLower(typ) {
		case strings.ToLower(typeWorkflow):
			i.resource(r, o, name)
		case strings.ToLower(typeConnection), strings.ToLower(typeCustomAPI), strings.ToLower(typeSite), strings.ToLower(typeSiteConfig), strings.ToLower(typeSiteWorkflow):
			kept = append(kept, cleaned(o))
			if strings.EqualFold(typ, typeConnection) {
				i.note("connection", "", name, "", "the connection %q is exported without its credentials: give it properties.parameterValues, and its API an address, in resources.json", name)
			}
		default:
			i.note("left-out", "", name, "", "%s %q is not of workflows and is left out; deploy the template itself with --skip-unknown if Weir has the type", typ, name)
		}
	}
	if len(i.flows) == 0 && len(kept) == 0 {
		return nil, fmt.Errorf("the template has no workflows: no Microsoft.Logic/workflows, and no Microsoft.Web/sites with workflows")
	}
	declared := map[string]bool{}
	for _, k := range kept {
		if o, ok := k.(*expression.Object); ok && strings.EqualFold(member(o, "type"), typeConnection) {
			declared[strings.ToLower(member(o, "name"))] = true
		}
	}
	if len(kept) > 0 {
		i.file("resources.json", kept, true, "connections and what else the template declares for workflows")
	}
	if err := i.group(); err != nil {
		return nil, err
	}
	// What the template declares is not written a second time.
	i.Files = slices.DeleteFunc(i.Files, func(f ImportFile) bool {
		return f.Name == "connections.yaml" && i.allDeclared(declared)
	})
	return i, nil
}

// allDeclared reports whether each connection that is used is among those declared.
func (i *Import) allDeclared(declared map[string]bool) bool {
	for _, a := range i.Attention {
		if a.Kind == "connection" && a.Name != "" && !declared[strings.ToLower(a.Name)] {
			return false
		}
	}
	return true
}

// cleaned leaves out what a document does not say.
func cleaned(o *expression.Object) *expression.Object {
	out := &expression.Object{}
	for _, m := range o.Members {
		if slices.Contains([]string{"type", "name", "location", "tags", "kind", "identity", "properties"}, m.Name) {
			out.Members = append(out.Members, m)
		}
	}
	return out
}

// resource takes a workflow's resource.
func (i *Import) resource(r *document.Value, o *expression.Object, name string) {
	before := len(i.flows)
	if err := i.read(r.Raw, name); err != nil {
		i.note("invalid", name, "", "", "%s", err)
		return
	}
	for _, f := range i.flows[before:] {
		f.name = name
		for _, m := range o.Members {
			if slices.Contains([]string{"location", "tags", "identity"}, m.Name) {
				f.beside = append(f.beside, m)
			}
		}
		properties, _ := o.Get("properties")
		p, _ := properties.(*expression.Object)
		if p == nil {
			continue
		}
		for _, m := range p.Members {
			switch m.Name {
			case "definition", "parameters", "state":
			case "accessControl":
				f.more = append(f.more, m)
			case "integrationAccount":
				i.note("left-out", name, m.Name, "$.properties.integrationAccount", "the integration account stays behind: actions on its schemas, maps and partners are not run here yet")
			}
		}
	}
}

// ProjectFiles names what is read of a Standard project, beside <name>/workflow.json.
var ProjectFiles = []string{"host.json", "connections.json", "parameters.json", "local.settings.json"}

// hostOnly are settings that are about the host that ran the project.
var hostOnly = []string{"AzureWebJobsStorage", "APP_KIND", "ProjectDirectoryPath", "WEBSITE_", "FUNCTIONS_", "AzureFunctionsJobHost__", "AzureWebJobsFeatureFlags", "WORKFLOWS_"}

// ImportProject imports a Standard project: its files by their paths below its folder.
// Others lists files that are there and were not read.
func ImportProject(files map[string][]byte, others []string, o ImportOptions) (*Import, error) {
	i := &Import{opts: o}
	parsed := map[string]*expression.Object{}
	for _, name := range ProjectFiles {
		data, ok := files[name]
		if !ok {
			continue
		}
		root, err := document.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s is not JSON: %w", name, err)
		}
		// The document's reader takes comments; its text is written anew without them.
		v, err := expression.ParseJSON(string(root.Raw))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		parsed[name], _ = v.(*expression.Object)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) != "workflow.json" {
			continue
		}
		if err := i.read(files[name], path.Base(path.Dir(name))); err != nil {
			i.note("invalid", path.Base(path.Dir(name)), "", "$", "%s: %s", name, err)
		}
	}
	if len(i.flows) == 0 {
		return nil, fmt.Errorf("there is no <name>/workflow.json with a definition in the project")
	}
	i.project(parsed)
	for _, other := range others {
		switch top, _, _ := strings.Cut(other, "/"); {
		case top == "Artifacts":
			i.note("left-out", "", other, "", "maps, schemas and rules are not run here yet: the actions that use %s fail by name", other)
		case top == "lib":
			i.note("left-out", "", other, "", "assemblies need .NET and are not run here: %s", other)
		}
	}
	i.report()
	return i, nil
}

// project writes the documents of a site.
func (i *Import) project(parsed map[string]*expression.Object) {
	site := i.opts.Name
	parameters, connections := parsed["parameters.json"], parsed["connections.json"]
	beside := &Beside{Parameters: []string{}, Connections: []string{}}
	if parameters != nil {
		beside.Parameters = append(beside.Parameters, parameters.Names()...)
	}
	if connections != nil {
		for _, list := range connections.Members {
			if o, ok := list.Value.(*expression.Object); ok {
				beside.Connections = append(beside.Connections, o.Names()...)
			}
		}
	}
	settings, sealed := i.settings(parsed["local.settings.json"])
	docs := []any{expression.NewObject("type", typeSite, "name", site, "kind", "functionapp,workflowapp", "properties", &expression.Object{})}
	used := map[string]bool{}
	for _, f := range i.flows {
		i.Workflows = append(i.Workflows, f.name)
		i.judge(f, beside)
		i.siteNeeds(f, connections, settings, used)
		kind := f.kind
		switch strings.ToLower(kind) {
		case "stateful", "stateless":
		case "":
			kind = "Stateful"
		default:
			i.note("unsupported", f.name, kind, "$.kind", "workflows of the kind %s are not run here; it is imported as Stateful", kind)
			kind = "Stateful"
		}
		docs = append(docs, expression.NewObject("type", typeSiteWorkflow, "name", site+"/"+f.name, "properties", expression.NewObject("kind", kind, "definition", f.value)))
	}
	for _, v := range []any{connections, parameters} {
		for _, name := range settingsIn(v) {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if _, ok := settings.Get(name); !ok {
			i.note("setting", "", name, "", "the app setting %q is read and local.settings.json has no value for it: add it to settings.json", name)
			settings = settings.With(name, "")
		}
	}
	config := func(name string, v *expression.Object) any {
		return expression.NewObject("type", typeSiteConfig, "name", site+"/"+name, "properties", v)
	}
	i.file("site.json", docs, false, "the site and its workflows")
	var mine []any
	if len(settings.Members) > 0 {
		mine = append(mine, config("appsettings", settings))
	}
	if connections != nil {
		mine = append(mine, config("connections", connections))
	}
	if parameters != nil {
		mine = append(mine, config("parameters", parameters))
	}
	if len(mine) > 0 {
		i.file("settings.json", mine, true, "settings, connections and parameters of this location")
	}
	if sealed > 0 {
		i.note("secret", "", "settings.json", "", "%s from local.settings.json stand in settings.json in clear text until it is deployed, where they are sealed: keep the file to yourself, and delete it then", plural(sealed, "setting"))
	}
	if host := parsed["host.json"]; host != nil {
		if o := object(object(host, "extensions"), "workflow"); o != nil && object(o, "settings") != nil {
			i.note("left-out", "", "host.json", "$.extensions.workflow.settings", "settings of the host are not taken over (%s): limits are settings of Weir", strings.Join(object(o, "settings").Names(), ", "))
		}
	}
}

// settings takes those of local.settings.json that are the project's own.
func (i *Import) settings(local *expression.Object) (*expression.Object, int) {
	out := &expression.Object{}
	values := object(local, "Values")
	if values == nil {
		return out, 0
	}
	var left []string
	for _, m := range values.Members {
		if slices.ContainsFunc(hostOnly, func(p string) bool { return strings.HasPrefix(m.Name, p) }) {
			left = append(left, m.Name)
			continue
		}
		text, ok := m.Value.(string)
		if !ok {
			text = expression.Text(m.Value)
		}
		out.Members = append(out.Members, expression.Member{Name: m.Name, Value: text})
	}
	if len(left) > 0 {
		i.note("left-out", "", "local.settings.json", "$.Values", "settings of the host are not taken over: %s", strings.Join(left, ", "))
	}
	return out, len(out.Members)
}

// settingsIn lists the app settings that are named anywhere in a value.
func settingsIn(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		for _, ref := range expression.References(v).Settings {
			all = append(all, ref.Name)
		}
	case []any:
		for _, item := range v {
			all = append(all, settingsIn(item)...)
		}
	case *expression.Object:
		if v == nil {
			return nil
		}
		for _, m := range v.Members {
			all = append(all, settingsIn(m.Value)...)
		}
	}
	return all
}

// siteNeeds notes what a workflow of a project asks for.
func (i *Import) siteNeeds(f *imported, connections, settings *expression.Object, used map[string]bool) {
	needs, err := Needs(expression.AppendJSON(nil, f.value), nil)
	if err != nil {
		i.note("invalid", f.name, "", "$", "%s", err)
		return
	}
	groups := map[string]string{NeedConnection: "managedApiConnections", NeedProvider: "serviceProviderConnections", NeedFunction: "functionConnections", NeedManagement: "apiManagementConnections"}
	for _, n := range needs {
		switch {
		case n.Kind == NeedSetting:
			used[n.Name] = true
		case n.Kind == NeedIdentity:
			i.identity(f, n)
		case n.Kind == NeedProvider && i.opts.Providers != nil && !slices.ContainsFunc(i.opts.Providers, func(p string) bool { return strings.EqualFold(p, n.API) }):
			i.note("unsupported", f.name, n.API, n.Where, "there is no built-in connector %q here: its operations fail by name", n.API)
		case groups[n.Kind] != "" && n.Name != "" && object(object(connections, groups[n.Kind]), n.Name) == nil:
			i.note("connection", f.name, n.Name, n.Where, "connections.json has no %q among its %s: add it to settings.json", n.Name, groups[n.Kind])
		case n.Kind == NeedConnection:
			i.note("connection", f.name, n.Name, n.Where, "the managed connection %q leads to the old place: declare Microsoft.Web/connections %q, or give it a connectionRuntimeUrl, in settings.json", n.Name, n.Name)
		case n.Kind == NeedProvider:
			i.note("connection", f.name, n.Name, n.Where, "the connection %q of %q: see that its parameterValues lead to the right place from here", n.Name, n.API)
		}
	}
}
