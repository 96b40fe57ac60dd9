package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"weir/internal/jsonc"
)

// parentsMax is how many things a template may expect to be there.
const parentsMax = 4

// deploy deploys one template to a group of its own.
func (d *deployer) deploy(ctx context.Context, file, group string) report {
	data, err := os.ReadFile(file)
	if err != nil {
		return report{result: refused, note: err.Error()}
	}
	t, err := jsonc.Parse(data)
	if err != nil {
		return report{result: refused, note: err.Error()}
	}
	values, given := parameters(t, file, group)
	dir, err := os.MkdirTemp("", "weir-parameters-")
	if err != nil {
		return report{result: refused, note: err.Error()}
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "p.json")
	if err := os.WriteFile(path, values, 0o600); err != nil {
		return report{result: refused, note: err.Error()}
	}
	args := []string{"deploy", file, "-p", path, "--skip-unknown", "--json", "--name", "main"}
	if schema := strings.ToLower(t.Get("$schema").Str()); strings.Contains(schema, "/subscriptiondeploymenttemplate.json") {
		args = append(args, "--subscription", group, "--location", "west")
	} else {
		args = append(args, "-g", group)
	}
	var made []string
	for {
		out, talk, err := d.weir(ctx, args...)
		if err == nil {
			r := told(out, talk)
			r.note = strings.Join(append(made, given...), "; ")
			return r
		}
		parent := missing(talk)
		if parent == "" || len(made) == parentsMax || !d.make(ctx, parent, group) {
			return report{result: refused, note: firstLine(talk), said: talk}
		}
		made = append(made, "made before: "+parent)
	}
}

// told reads the answer of a deployment.
func told(out, talk string) report {
	var answer struct {
		Properties struct {
			OutputResources []struct{ ID string }
			Warnings        []struct{ Message string }
		}
	}
	r := report{result: deployed, said: talk}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return report{result: refused, note: err.Error(), said: out}
	}
	for _, one := range answer.Properties.OutputResources {
		if !strings.Contains(strings.ToLower(one.ID), "/providers/microsoft.resources/deployments/") {
			r.put++
		}
	}
	for _, w := range answer.Properties.Warnings {
		if strings.HasPrefix(w.Message, "left out: ") && !strings.HasPrefix(w.Message, "left out: the output") {
			r.left++
		}
	}
	if r.put == 0 {
		r.result = nothing
	}
	return r
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), "weir: "), "\n")
	return line
}

var parentText = regexp.MustCompile(`Its parent, (\w+) "([^"]+)", does not exist`)

// missing finds what a template expects to be there.
func missing(talk string) string {
	m := parentText.FindStringSubmatch(talk)
	if m == nil {
		return ""
	}
	return m[1] + " " + m[2]
}

// make makes what a template expects, as a template would.
func (d *deployer) make(ctx context.Context, parent, group string) bool {
	typ, name, _ := strings.Cut(parent, " ")
	names := strings.Split(name, "/")
	types := map[int]string{0: "namespaces", 1: "namespaces/" + typ, 2: "namespaces/topics/subscriptions"}
	if len(names) == 3 {
		types[1] = "namespaces/topics"
	}
	type resource struct {
		Type       string         `json:"type"`
		APIVersion string         `json:"apiVersion"`
		Name       string         `json:"name"`
		Location   string         `json:"location,omitempty"`
		Properties map[string]any `json:"properties"`
	}
	var list []resource
	for i := range names {
		list = append(list, resource{Type: "Microsoft.ServiceBus/" + types[i], APIVersion: "2024-01-01", Name: strings.Join(names[:i+1], "/"), Properties: map[string]any{}})
	}
	list[0].Location = "west"
	text, err := json.Marshal(map[string]any{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": list})
	if err != nil {
		return false
	}
	file, err := os.CreateTemp("", "weir-parent-*.json")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if file.Close() != nil || err != nil {
		return false
	}
	_, _, err = d.weir(ctx, "deploy", file.Name(), "-g", group, "--name", "before")
	return err == nil
}

// parameters gives every parameter a value: from the file beside the template, its
// default, or one that is made up. given names the made-up ones.
func parameters(t *jsonc.Value, file, group string) (text []byte, given []string) {
	values := map[string]json.RawMessage{}
	if data, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".parameters.json"); err == nil {
		if v, err := jsonc.Parse(data); err == nil {
			if p := v.Get("parameters"); p != nil {
				v = p
			}
			for _, f := range v.Fields {
				value, decl := f.Value.Get("value"), t.Get("parameters").Get(f.Name)
				if value != nil && decl != nil && !(value.Kind == jsonc.Text && value.Str() == "") { // an empty one is to be filled in
					values[f.Name] = json.RawMessage(made(value, f.Name, group))
				}
			}
		}
	}
	if decls := t.Get("parameters"); decls != nil {
		for _, f := range decls.Fields {
			if values[f.Name] != nil || f.Value.Get("defaultValue") != nil || nullable(t, f.Value) {
				continue
			}
			values[f.Name] = json.RawMessage(invented(t, f.Name, f.Value, group, 0))
			given = append(given, f.Name)
		}
	}
	if len(given) > 0 {
		given = []string{"made up: " + strings.Join(given, ", ")}
	}
	whole := map[string]any{}
	for name, v := range values {
		whole[name] = map[string]json.RawMessage{"value": v}
	}
	text, err := json.Marshal(map[string]any{"parameters": whole})
	if err != nil {
		return []byte("{}"), given
	}
	return text, given
}

// made writes a value of a file, with what such files have where a name must be unique.
func made(v *jsonc.Value, name, group string) []byte {
	text := string(v.Append(nil))
	for _, placeholder := range []string{"GEN-UNIQUE-13", "GEN-UNIQUE-8", "GEN-UNIQUE", "GEN-GUID", "GEN-PASSWORD"} {
		text = strings.ReplaceAll(text, placeholder, unique(name, group))
	}
	return []byte(text)
}

// unique is a name for a parameter: short, and not that of another.
func unique(name, group string) string {
	low := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "")
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name)) // it never fails
	return fmt.Sprintf("gen%s%s%02d", low[:min(len(low), 9)], group, sum.Sum32()%100)
}

func nullable(t, schema *jsonc.Value) bool {
	schema = resolved(t, schema)
	return schema.Get("nullable") != nil && schema.Get("nullable").Scalar == true
}

func resolved(t, schema *jsonc.Value) *jsonc.Value {
	for range 8 {
		name, ok := strings.CutPrefix(schema.Get("$ref").Str(), "#/definitions/")
		if !ok || schema.Get("nullable") != nil {
			break
		}
		schema = t.Get("definitions").Get(name)
	}
	return schema
}

// invented makes a value of a type: one that is allowed, long enough, and that reads as
// what it is called.
func invented(t *jsonc.Value, name string, schema *jsonc.Value, group string, depth int) []byte {
	schema = resolved(t, schema)
	if allowed := schema.Get("allowedValues"); allowed != nil && len(allowed.Items) > 0 {
		return allowed.Items[0].Append(nil)
	}
	switch strings.ToLower(schema.Get("type").Str()) {
	case "int":
		for _, bound := range []string{"minValue", "maxValue"} {
			if v := schema.Get(bound); v != nil {
				return v.Append(nil)
			}
		}
		return []byte("1")
	case "bool":
		return []byte("false")
	case "array":
		return []byte("[]")
	case "object", "secureobject":
		o := map[string]json.RawMessage{}
		if properties := schema.Get("properties"); properties != nil && depth < 4 {
			for _, f := range properties.Fields {
				if !nullable(t, f.Value) {
					o[f.Name] = json.RawMessage(invented(t, f.Name, f.Value, group, depth+1))
				}
			}
		}
		text, _ := json.Marshal(o) // of JSON: it always marshals
		return text
	}
	text, _ := json.Marshal(word(name, schema, group)) // a string always marshals
	return text
}

func word(name string, schema *jsonc.Value, group string) string {
	low := strings.ToLower(name)
	text := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(low, ""), "0123456789")
	switch {
	case strings.Contains(low, "location") || strings.Contains(low, "region"):
		return "westeurope"
	case strings.Contains(low, "sku") || strings.Contains(low, "tier"):
		return "Standard"
	case strings.HasSuffix(low, "resourceid") || strings.HasSuffix(low, "id") && strings.Contains(low, "namespace"):
		return fmt.Sprintf("/subscriptions/s/resourceGroups/%s/providers/Microsoft.ServiceBus/namespaces/partner%s", group, group)
	case strings.HasSuffix(low, "id"):
		return "11111111-2222-4333-8444-555555555555"
	case strings.Contains(low, "namespace") || strings.Contains(low, "servicebusname") || low == "prefix" || low == "name":
		text = "weir" + text
	}
	text += group
	if most, ok := scalar(schema.Get("maxLength")); ok && len(text) > int(most) {
		text = text[len(text)-int(most):]
	}
	if least, ok := scalar(schema.Get("minLength")); ok && len(text) < int(least) {
		text += strings.Repeat("x", int(least)-len(text))
	}
	return text
}

func scalar(v *jsonc.Value) (int64, bool) {
	if v == nil {
		return 0, false
	}
	n, ok := v.Scalar.(int64)
	return n, ok
}
