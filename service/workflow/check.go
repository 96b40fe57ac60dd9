package workflow

import (
	"encoding/json"
	"slices"
	"strings"

	"weir/kernel/resource"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
)

// codeTemplate is what ARM calls a definition that cannot be run.
const codeTemplate = "InvalidTemplate"

// Hosts definitions are written for.
const (
	consumption = definition.Consumption
	standard    = definition.Standard
)

// checkDefinition says all that is wrong with a definition that a document has: whatever
// would keep it from being run. What only fails when a run comes to it is left to that.
func checkDefinition(d resource.Document, property string, host definition.Host) (p resource.Problems) {
	at := "properties." + property
	def, problems, err := readDefinition(d.Raw(property), host, d.String("kind"))
	if err != nil {
		p = problem(p, d, at, "The template validation failed: %v.", err)
		p[0].Code = codeTemplate
		return p
	}
	for _, found := range problems {
		if found.Severity != definition.Error {
			continue
		}
		path := at + strings.TrimPrefix(string(found.Path), string(document.Root))
		p = problem(p, d, path, "The template validation failed: %s (%s).", strings.TrimSuffix(found.Message, "."), found.Code)
	}
	if def != nil && host == consumption {
		p = append(p, checkParameters(d, def)...)
	}
	for i := range p {
		p[i].Code = codeTemplate
	}
	return p
}

// readDefinition reads a definition as it is stored.
func readDefinition(text resource.Raw, host definition.Host, kind string) (*definition.Definition, []definition.Problem, error) {
	root, err := document.Parse([]byte(text))
	if err != nil {
		return nil, nil, err
	}
	w := definition.Wrapped{Host: host, Kind: kind, Wrapping: definition.Resource, Value: root, Path: document.Root}
	if host == standard {
		w.Wrapping = definition.Project
	}
	def, problems := definition.Read(w, definition.Settings{Expressions: language{}, Zones: zone, Final: true})
	return def, problems, nil
}

// checkParameters holds the values of parameters against what the definition declares.
func checkParameters(d resource.Document, def *definition.Definition) (p resource.Problems) {
	given := map[string]json.RawMessage{}
	if raw := d.Raw("parameters"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &given); err != nil {
			return problem(p, d, "properties.parameters", "Parameters are {\"name\": {\"value\": ...}}: %v.", err)
		}
	}
	values, err := ParametersOf(d)
	if err != nil {
		return problem(p, d, "properties."+secureParameters, "It is no JSON object of values.")
	}
	all := map[string]struct {
		Value json.RawMessage `json:"value"`
	}{}
	for name, text := range given {
		var shape struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(text, &shape); err != nil {
			p = problem(p, d, "properties.parameters."+name, "A parameter is {\"value\": ...}.")
		}
	}
	if len(p) > 0 {
		return p
	}
	if err := json.Unmarshal(values, &all); err != nil {
		return problem(p, d, "properties.parameters", "A parameter is {\"value\": ...}.")
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	has := map[string]bool{}
	for _, name := range names {
		declared := def.Parameter(name)
		at := "properties.parameters." + name
		if declared == nil {
			p = problem(p, d, at, "The workflow parameters '%s' are not valid; they were not declared in the definition.", name)
			continue
		}
		value := all[name].Value
		has[declared.Name] = len(value) > 0 && string(value) != "null" || has[declared.Name]
		if len(value) > 0 && !fits(declared.Type, value) {
			p = problem(p, d, at, "The value of the workflow parameter '%s' is not of its type, '%s'.", name, declared.Type)
		}
	}
	for _, declared := range def.Parameters {
		if !has[declared.Name] && declared.Default == nil {
			p = problem(p, d, "properties.parameters."+declared.Name, "The value for the workflow parameter '%s' of type '%s' is not provided, and it has no default.", declared.Name, declared.Type)
		}
	}
	return p
}

// fits says whether a value is of a parameter's type.
func fits(typ string, value json.RawMessage) bool {
	v, err := document.Parse(value)
	if err != nil {
		return false
	}
	switch typ {
	case "String", "SecureString":
		return v.Is(document.String)
	case "Int", "Float":
		return v.Is(document.Number)
	case "Bool":
		return v.Is(document.Bool)
	case "Array":
		return v.Is(document.Array)
	case "Object", "SecureObject":
		return v.Is(document.Object)
	}
	return true
}

// ValidateWorkflow holds a workflow against its type without storing it, as the actions
// called validate do: the error is a resource.Problems.
func ValidateWorkflow(d resource.Document) error {
	types, err := resource.NewTypes(append(resource.ScopeTypes(), workflowType())...)
	if err != nil {
		return err
	}
	t, _ := types.Lookup(typeWorkflow)
	d = d.Clone()
	if err := prepareWorkflow(&d, nil, resource.PrepareContext{}); err != nil {
		return err
	}
	normal, problems := t.Normalise(d, nil)
	if len(problems) == 0 {
		problems = t.Check(normal, resource.View{})
	}
	return problems.Fault()
}
