package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/jsonc"
	"weir/operate/deploy/template"
	"weir/service/workflow"
	"weir/service/workflow/connector"
	"weir/service/workflow/connector/bus"
	"weir/service/workflow/connector/file"
)

// ImportCommand is `weir import`: it needs no server.
func ImportCommand() *cobra.Command {
	o := importing{subscription: "00000000-0000-0000-0000-000000000000", group: "weir"}
	cmd := &cobra.Command{
		Use: "import PATH", Short: "Bring workflows over from Azure Logic Apps or Power Automate", Args: cobra.ExactArgs(1), SilenceUsage: true,
		Long: `Makes files for "weir deploy" of workflows that were written for Azure, and says what
needs attention before they run. Nothing is sent anywhere. PATH is

  - a deployment template, as the portal exports it (give what it asks for with -p),
  - a workflow's definition alone, a Microsoft.Logic/workflows resource, a Power Automate
    flow, or an exported package of flows (.zip),
  - a folder with a Standard project: host.json, connections.json, parameters.json,
    local.settings.json, <name>/workflow.json.

  weir import exported/template.json -p exported/parameters.json --out shop
  weir import my-logic-app --out shop
  weir deploy shop/connections.yaml shop/workflows.json

Into --out go the resource documents, in files to deploy in the order that is told, and
REPORT.txt. Of workflows of a resource group: workflows.json, and connections.yaml, in
which addresses and credentials are to be filled in. Of a project: site.json with the
site and its workflows, and settings.json with its settings, connections and
parameters, which belong to one location. Files that may hold secrets can be read by
you alone; files that are there already are not written over without --force.

The report names: definitions with errors, types that are not run here, connections to
fill in, settings and parameters without a value, what a template left open,
identities that need roles, secrets that lie open, and what does not come over.

Exit status: 0, the files can be deployed as they are; 1, they are written, and
something must be done before everything runs; 2, nothing was written.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.OutOrStdout(), args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "`DIR` to write into. Not given: nothing is written, the report alone is printed.")
	f.StringVar(&o.name, "name", "", "`NAME` of the workflow or the site. Not given: that of the file or the folder.")
	f.StringArrayVarP(&o.parameters, "parameters", "p", nil, "`FILE` of the template's parameters, or NAME=VALUE. May be given more than once.")
	f.StringVarP(&o.group, "resource-group", "g", o.group, "Resource group that ids of a template are made for.")
	f.StringVar(&o.subscription, "subscription", o.subscription, "Subscription that ids of a template are made for.")
	f.BoolVar(&o.json, "json", false, "Print the report as JSON.")
	f.BoolVar(&o.force, "force", false, "Write over files that are there.")
	return cmd
}

// providers are the built-in connectors that there are.
func providers() (all []string) {
	for _, c := range []connector.Connector{bus.New(bus.Options{}), file.New(file.Options{})} {
		for _, of := range c.Handles() {
			if _, name, ok := strings.Cut(of, "serviceProviders/"); ok {
				all = append(all, name)
			}
		}
	}
	return all
}

type importing struct {
	out, name, group, subscription string
	parameters                     []string
	json, force                    bool
}

func (o *importing) run(out io.Writer, path string) error {
	i, err := workflow.ImportPath(path, workflow.ImportOptions{Name: o.name, Providers: providers()}, o.expand)
	if err != nil {
		return &ended{2, err}
	}
	if err := o.write(i); err != nil {
		return &ended{2, err}
	}
	if o.json {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(i)
	} else {
		for _, f := range i.Files {
			if f.Name == "REPORT.txt" {
				_, err = out.Write(f.Data)
			}
		}
	}
	if err != nil {
		return err
	}
	if !i.Ready() {
		return &ended{1, fmt.Errorf("something must be done before everything runs")}
	}
	return nil
}

func (o *importing) write(i *workflow.Import) error {
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if o.force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	if !o.force {
		for _, f := range i.Files {
			if _, err := os.Lstat(filepath.Join(o.out, f.Name)); err == nil {
				return fmt.Errorf("%s is there already: give another --out, or --force to write over it", filepath.Join(o.out, f.Name))
			}
		}
	}
	for _, f := range i.Files {
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		file, err := os.OpenFile(filepath.Join(o.out, f.Name), flags, mode)
		if err != nil {
			return err
		}
		_, err = file.Write(f.Data)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expand makes resources of a deployment template.
func (o *importing) expand(data []byte) ([]byte, []workflow.Attention, error) {
	t, problems := template.Read(data)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	given, err := o.given()
	if err != nil {
		return nil, nil, err
	}
	open := fillIn(data, given)
	n := 0
	plan, problems := template.Expand(t, given, template.Options{
		Name: "import", Scope: template.Scope{Subscription: o.subscription, ResourceGroup: o.group}, Mode: "Incremental",
		Group: func(string, string) (string, map[string]string) { return "local", nil },
		Now:   time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NewGUID: func() string {
			n++
			return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		},
	})
	if len(problems) > 0 {
		return nil, nil, fmt.Errorf("the template cannot be read with these parameters:\n%w", problems)
	}
	list := []any{}
	o.resources(plan, &list, &open)
	text, err := json.Marshal(list)
	return text, open, err
}

// given reads the values of parameters.
func (o *importing) given() (map[string]template.Given, error) {
	all := map[string]template.Given{}
	for _, p := range o.parameters {
		if name, value, ok := strings.Cut(p, "="); ok && !strings.ContainsAny(name, "/\\.") {
			var v any = value
			if parsed, err := jsonc.Parse([]byte(value)); err == nil && parsed.Kind != jsonc.Text {
				v = template.Literal(parsed)
			}
			all[name] = template.Given{Value: v}
			continue
		}
		data, err := readBounded(p)
		if err != nil {
			return nil, err
		}
		v, err := jsonc.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		some, problems := template.ReadParameters(v)
		if len(problems) > 0 {
			return nil, problems
		}
		maps.Copy(all, some)
	}
	return all, nil
}

// fillIn gives parameters that have no value one that is told by its name.
func fillIn(data []byte, given map[string]template.Given) []workflow.Attention {
	root, err := jsonc.Parse(data)
	if err != nil {
		return nil
	}
	var open []workflow.Attention
	parameters := root.Get("parameters")
	if parameters == nil {
		return nil
	}
	for _, p := range parameters.Fields {
		has := slices.ContainsFunc(slices.Collect(maps.Keys(given)), func(name string) bool { return strings.EqualFold(name, p.Name) })
		if has || p.Value.Get("defaultValue") != nil {
			continue
		}
		typ := ""
		if v := p.Value.Get("type"); v != nil {
			typ, _ = template.Literal(v).(string)
		}
		var v any = "FILL-IN-" + p.Name
		if allowed := p.Value.Get("allowedValues"); allowed != nil && len(allowed.Items) > 0 {
			v = template.Literal(allowed.Items[0])
		} else {
			switch strings.ToLower(typ) {
			case "int":
				v = int64(0)
			case "bool":
				v = false
			case "array":
				v = []any{}
			case "object", "secureobject":
				v = template.NewObject()
			}
		}
		given[p.Name] = template.Given{Value: v}
		open = append(open, workflow.Attention{Kind: "unresolved", Name: p.Name, Path: "$.parameters." + p.Name,
			Message: fmt.Sprintf("the template's parameter %q has no value: give one with -p %s=VALUE; meanwhile it is %v", p.Name, p.Name, v)})
	}
	return open
}

// resources adds what is put of a plan.
func (o *importing) resources(plan *template.Plan, list *[]any, open *[]workflow.Attention) {
	for _, r := range plan.Resources {
		switch {
		case r.Off || r.Existing:
			continue
		case r.Nested != nil:
			o.resources(r.Nested.Plan, list, open)
			continue
		}
		one := map[string]any{"type": r.Type, "name": r.Name}
		if r.Body != nil {
			r.Body.All(func(name string, v any) bool {
				if name != "type" && name != "name" {
					one[name] = known(v, r.Label(), "$."+name, open)
				}
				return true
			})
		}
		*list = append(*list, one)
	}
}

// known puts the text of an expression where its value is known only once something is
// deployed.
func known(v any, label, path string, open *[]workflow.Attention) any {
	switch v := v.(type) {
	case *template.Unknown:
		*open = append(*open, workflow.Attention{Kind: "unresolved", Name: label, Path: path, Message: fmt.Sprintf("%s is known only where it was deployed: put the value in its place", v.Text)})
		return "FILL-IN " + v.Text
	case *template.Object:
		out := ordered{}
		v.All(func(name string, x any) bool {
			out = append(out, pair{name, known(x, label, path+"."+name, open)})
			return true
		})
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = known(x, label, fmt.Sprintf("%s[%d]", path, i), open)
		}
		return out
	}
	return v
}

// ordered is an object that is written in its order.
type ordered []pair

type pair struct {
	name  string
	value any
}

// MarshalJSON writes it.
func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}
