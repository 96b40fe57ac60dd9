package definition

import (
	"strings"

	"weir/service/workflow/internal/document"
)

// Wrapped is a definition in the file it was found in.
type Wrapped struct {
	Name string
	Host Host
	Kind string
	// Template says that it lies in a deployment template, where [..] is evaluated
	// before the engine sees it.
	Template bool
	Wrapping string
	Value    *document.Value
	Path     document.Path
}

// The wrappings that are known.
const (
	Bare       = "definition"
	Project    = "Standard workflow.json"
	Resource   = "Microsoft.Logic/workflows resource"
	InTemplate = "deployment template"
	Flow       = "Power Automate flow"
)

// Find lists the definitions in a file, whatever wraps them.
func Find(root *document.Value) []Wrapped {
	var f finder
	f.walk(root, document.Root, around{})
	return f.found
}

// around is what is known of a place in the file from what lies around it.
type around struct {
	name, kind string
	host       Host
	sure       bool // the host is known from the wrapping
	template   bool
	wrapping   string
}

type finder struct{ found []Wrapped }

func (f *finder) walk(v *document.Value, p document.Path, a around) {
	switch {
	case v.Is(document.Array):
		for i, item := range v.Items {
			f.walk(item, p.At(i), a)
		}
	case v.Is(document.Object) && isDefinition(v):
		f.add(v, p, a)
	case v.Is(document.Object):
		a = a.enter(v)
		for _, m := range v.Members {
			if m.Name == "definition" && a.wraps(v, m.Value) {
				f.add(m.Value, p.Of(m.Name), a)
				continue
			}
			f.walk(m.Value, p.Of(m.Name), a)
		}
	}
}

func (f *finder) add(v *document.Value, p document.Path, a around) {
	if a.wrapping == "" {
		a.wrapping = Bare
	}
	if !a.sure {
		a.host = guess(v)
	}
	f.found = append(f.found, Wrapped{Name: a.name, Host: a.host, Kind: a.kind, Template: a.template, Wrapping: a.wrapping, Value: v, Path: p})
}

// isDefinition reports whether an object says itself that it is a definition.
func isDefinition(v *document.Value) bool {
	if s, _ := v.Get("$schema").Str(); strings.Contains(s, "workflowdefinition.json") {
		return true
	}
	triggers, actions := v.Get("triggers"), v.Get("actions")
	for _, member := range []*document.Value{triggers, actions} {
		if member.Get("type").Is(document.String) {
			return false // a JSON schema that speaks of members of these names
		}
	}
	return triggers != nil && actions != nil || actions.Is(document.Object) && v.Get("contentVersion") != nil
}

// enter adds what an object tells of what lies in it.
func (a around) enter(v *document.Value) around {
	schema, _ := v.Get("$schema").Str()
	typ, _ := v.Get("type").Str()
	kind, hasKind := v.Get("kind").Str()
	def := v.Get("definition")
	switch {
	case strings.Contains(strings.ToLower(schema), "deploymenttemplate.json"):
		a.template, a.wrapping, a.host, a.sure = true, InTemplate, Consumption, true
	case strings.EqualFold(typ, "Microsoft.Logic/workflows"):
		a.name, a.host, a.sure = nameOf(v), Consumption, true
		if !a.template {
			a.wrapping = Resource
		}
	case strings.EqualFold(typ, "Microsoft.Flow/environments/flows") || v.Get("connectionReferences") != nil && def != nil:
		a.wrapping, a.host, a.sure = Flow, PowerAutomate, true
		if name, ok := v.Get("displayName").Str(); ok {
			a.name = name
		}
	case def.Is(document.Object) && hasKind:
		a.wrapping, a.host, a.sure, a.kind = Project, Standard, true, kind
	}
	return a
}

func nameOf(v *document.Value) string {
	name, _ := v.Get("name").Str()
	return name
}

// wraps reports whether a member called definition is a workflow's, even when it
// does not look like one.
func (a around) wraps(v, def *document.Value) bool {
	if def == nil || isDefinition(def) {
		return def != nil
	}
	if a.wrapping == Project {
		return true
	}
	_, hasParameters := v.Fold("parameters")
	return a.wrapping != "" && (v.Get("connectionReferences") != nil || v.Get("state") != nil || hasParameters != "" && v.Get("parameters") != nil) && def.Is(document.Object)
}

// guess says where a bare definition was written for, from what it uses.
func guess(v *document.Value) Host {
	raw := string(v.Raw)
	switch {
	case strings.Contains(raw, `"OpenApiConnection`), strings.Contains(raw, `"PowerApp`):
		return PowerAutomate
	case strings.Contains(raw, `"serviceProviderConfiguration"`), strings.Contains(raw, `"referenceName"`), strings.Contains(raw, `"InvokeFunction"`):
		return Standard
	}
	return Consumption
}
