package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/face/api"
	"weir/internal/jsonc"
)

// templateFlags are what a deployment of a template is asked for with.
type templateFlags struct {
	parameters   []string
	subscription string
	group        string
	name         string
	mode         string
	location     string
	skip         bool
	whatIf       bool
}

func (f *templateFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.parameters, "parameters", "p", nil, "File of parameters, or NAME=VALUE, or NAME=@FILE; the last one counts. May be given more than once.")
	flags.StringVarP(&f.group, "resource-group", "g", "", "Resource group the template goes to. Not given: the server's own.")
	flags.StringVar(&f.subscription, "subscription", "", "Subscription it goes to. Not given: the server's own.")
	flags.StringVarP(&f.name, "name", "n", "", "Name of the deployment. Not given: the name of the file.")
	flags.StringVar(&f.location, "location", "", "Location of a deployment to a subscription.")
	flags.BoolVar(&f.skip, "skip-unknown", false, "Leave out resource types that Weir does not have, and say which.")
}

// given says that flags were used that only a template has a use for.
func (f *templateFlags) given() bool {
	return len(f.parameters) > 0 || f.group != "" || f.name != "" || f.mode != "" || f.whatIf || f.skip || f.subscription != ""
}

// readTemplate reads a file as a template; nil when it is none.
func readTemplate(data []byte) *jsonc.Value {
	v, err := jsonc.Parse(data)
	if err != nil {
		text := string(data)
		if strings.Contains(text, "deploymentTemplate.json") || strings.Contains(text, "DeploymentTemplate.json") {
			return &jsonc.Value{} // it is meant as one: the server says what is wrong
		}
		return nil
	}
	schema := strings.ToLower(v.Get("$schema").Str())
	if strings.Contains(schema, "deploymenttemplate.json") || schema == "" && v.Get("contentVersion") != nil && v.Get("resources") != nil {
		return v
	}
	return nil
}

// deployment is a template on its way to a server.
type deployment struct {
	path string // of the deployment at the door
	body []byte
	name string
}

// deploymentOf puts together what is asked of the server.
func (l *line) deploymentOf(ctx context.Context, d *door, file string, data []byte, f templateFlags) (deployment, error) {
	t := readTemplate(data)
	data, err := inlined(data, t, filepath.Dir(file), 0)
	if err != nil {
		return deployment{}, err
	}
	parameters, err := l.parameters(t, f.parameters)
	if err != nil {
		return deployment{}, err
	}
	scope, err := l.scopeFor(ctx, d, t, f)
	if err != nil {
		return deployment{}, err
	}
	name := f.name
	if name == "" {
		name = deploymentName(file)
	}
	mode := f.mode
	if mode == "" {
		mode = "Incremental"
	}
	location := ""
	if f.location != "" {
		location = fmt.Sprintf(`"location": %q, `, f.location)
	}
	// The template goes as it is, from the beginning of a line: what is wrong with it is
	// told by its own lines.
	body := fmt.Sprintf("{%s\"properties\": {\"mode\": %q, \"skipUnknown\": %t, \"parameters\": %s, \"template\": %s\n}}", location, mode, f.skip, parameters, strings.TrimPrefix(string(data), "\uFEFF"))
	return deployment{scope + "/providers/Microsoft.Resources/deployments/" + url.PathEscape(name), []byte(body), name}, nil
}

// deploymentName makes a name of a file's.
func deploymentName(file string) string {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if file == "-" {
		base = "template"
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.()", r) {
			return r
		}
		return '-'
	}, base)
	return name[:min(len(name), 64)]
}

// scopeFor finds where a template goes: its schema says what kind of place, the flags
// and the server which.
func (l *line) scopeFor(ctx context.Context, d *door, t *jsonc.Value, f templateFlags) (string, error) {
	schema := strings.ToLower(t.Get("$schema").Str())
	switch {
	case strings.Contains(schema, "/tenantdeploymenttemplate.json"):
		return "", nil
	case strings.Contains(schema, "/managementgroupdeploymenttemplate.json"):
		return "", errors.New("this template is for a management group, and there are none here: templates for resource groups, subscriptions and the tenant are deployed")
	}
	subscription, group := f.subscription, f.group
	if subscription == "" || group == "" {
		var status api.Status
		if err := d.call(ctx, "GET", "/status", nil, &status); err != nil {
			return "", err
		}
		if parts := strings.Split(status.Scope, "/"); len(parts) > 4 { // /subscriptions/s/resourceGroups/g
			if subscription == "" {
				subscription = parts[2]
			}
			if group == "" {
				group = parts[4]
			}
		}
	}
	at := "/subscriptions/" + url.PathEscape(subscription)
	if strings.Contains(schema, "/subscriptiondeploymenttemplate.json") {
		if f.group != "" {
			return "", usageError{errors.New("this template is for a subscription: leave --resource-group out")}
		}
		return at, nil
	}
	return at + "/resourceGroups/" + url.PathEscape(group), nil
}

// parameters puts together the values of all -p, the last one for each parameter.
func (l *line) parameters(t *jsonc.Value, given []string) (string, error) {
	values := map[string][]byte{}
	for _, one := range given {
		name, text, isPair := strings.Cut(one, "=")
		if isPair && !strings.ContainsAny(name, "/\\.{") {
			value, err := l.parameterValue(t, name, text)
			if err != nil {
				return "", err
			}
			values[name] = value
			continue
		}
		if err := l.parameterFile(strings.TrimPrefix(one, "@"), values); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", name, values[name])
	}
	return "{" + b.String() + "}", nil
}

func (l *line) parameterFile(file string, values map[string][]byte) error {
	if strings.HasSuffix(file, ".bicepparam") {
		return usageError{fmt.Errorf("%s is Bicep: write its JSON with \"bicep build-params %s\", and give that", file, file)}
	}
	data, err := l.read(file)
	if err != nil {
		return fmt.Errorf("read parameters: %w", err)
	}
	v, err := jsonc.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if v.Get("$schema") != nil || v.Get("contentVersion") != nil || v.Get("parameters") != nil && len(v.Fields) == 1 {
		v = v.Get("parameters")
	}
	if v == nil || v.Kind != jsonc.Object {
		return fmt.Errorf("%s is no file of parameters: it has no object \"parameters\"", file)
	}
	for _, f := range v.Fields {
		values[f.Name] = f.Value.Append(nil)
	}
	return nil
}

// parameterValue reads NAME=VALUE by the type the template gives the parameter.
func (l *line) parameterValue(t *jsonc.Value, name, text string) ([]byte, error) {
	if file, isFile := strings.CutPrefix(text, "@"); isFile {
		data, err := l.read(file)
		if err != nil {
			return nil, fmt.Errorf("read the parameter %s: %w", name, err)
		}
		text = strings.TrimSuffix(string(data), "\n")
	}
	typ := strings.ToLower(t.Get("parameters").Get(name).Get("type").Str())
	if typ != "string" && typ != "securestring" {
		if v, err := jsonc.Parse([]byte(text)); err == nil {
			return append(append([]byte(`{"value": `), v.Append(nil)...), '}'), nil
		} else if typ != "" {
			return nil, usageError{fmt.Errorf("-p %s: the parameter is of type %s, and %q is no JSON of it", name, typ, text)}
		}
	}
	return json.Marshal(map[string]string{"value": text})
}

// linkedMax bounds templates that refer to each other by path.
const linkedMax = 8

// inlined puts templates that are linked by a path relative to the file in their place.
func inlined(data []byte, t *jsonc.Value, dir string, depth int) ([]byte, error) {
	if t == nil || depth > linkedMax {
		return data, nil
	}
	type piece struct {
		start, end int
		text       []byte
	}
	var pieces []piece
	var find func(v *jsonc.Value) error
	find = func(v *jsonc.Value) error {
		for _, f := range v.Fields {
			path := f.Value.Get("relativePath").Str()
			if !strings.EqualFold(f.Name, "templateLink") || path == "" {
				if err := find(f.Value); err != nil {
					return err
				}
				continue
			}
			file := filepath.Join(dir, filepath.FromSlash(path))
			linked, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read the template that line %d links: %w", f.Line, err)
			}
			inner, err := jsonc.Parse(linked)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if linked, err = inlined(linked, inner, filepath.Dir(file), depth+1); err != nil {
				return err
			}
			if inner, err = jsonc.Parse(linked); err != nil {
				return err
			}
			text := inner.Append(nil)
			if v.Get("expressionEvaluationOptions") == nil {
				text = append(text, `, "expressionEvaluationOptions": {"scope": "inner"}`...)
			}
			key := strings.LastIndex(string(data[:f.Value.Start]), f.Name) - 1
			pieces = append(pieces, piece{key, f.Value.End, append([]byte(`"template": `), text...)})
		}
		for _, item := range v.Items {
			if err := find(item); err != nil {
				return err
			}
		}
		return nil
	}
	if err := find(t); err != nil {
		return nil, err
	}
	slices.SortFunc(pieces, func(a, b piece) int { return b.start - a.start })
	for _, p := range pieces { // from the end, so that what is before stays where it is
		data = slices.Concat(data[:p.start], p.text, data[p.end:])
	}
	return data, nil
}
