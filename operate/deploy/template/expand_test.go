package template

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/jsonc"
)

var update = flag.Bool("update", false, "write what templates give into testdata")

// world0 is where templates of tests go.
func world0() Options {
	return Options{
		Name: "main", Scope: Scope{Subscription: "sub", ResourceGroup: "rg"}, Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		NewGUID: func() string { return "11111111-2222-4333-8444-555555555555" },
		Group: func(_, name string) (string, map[string]string) {
			return "westeurope", map[string]string{"of": name}
		},
	}
}

// deployed is a Runtime that tells the id of what it is asked for.
type deployed struct{}

func (deployed) Reference(id, version string, full bool) (any, error) {
	if strings.Contains(id, "/deployments/") {
		return NewObject("outputs", NewObject("endpoint", NewObject("type", "string", "value", "from "+id))), nil
	}
	o := NewObject("serviceBusEndpoint", "https://"+id[strings.LastIndexByte(id, '/')+1:]+"/", "version", version)
	if full {
		return NewObject("id", id, "properties", o), nil
	}
	return o, nil
}

func (deployed) List(action, id, _ string, _ any) (any, error) {
	return NewObject("primaryConnectionString", action+" of "+id[strings.LastIndexByte(id, '/')+1:]), nil
}

// told writes what came of a template, for people who review it.
func told(plan *Plan, problems Problems) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "! %s\n", p)
	}
	if len(problems) == 0 {
		tellPlan(&b, plan, "")
	}
	return b.String()
}

func tellPlan(b *strings.Builder, plan *Plan, indent string) {
	for _, p := range plan.Parameters {
		value := JSON(p.Value)
		if p.Secure {
			value = "(secret)"
		}
		fmt.Fprintf(b, "%sparameter %s = %s\n", indent, p.Name, value)
	}
	for _, r := range plan.Resources {
		marks := ""
		if r.Off {
			marks += " (off)"
		}
		if r.Existing {
			marks += " (existing)"
		}
		fmt.Fprintf(b, "%s%s, line %d%s\n", indent, r.ID, r.Line, marks)
		for _, d := range r.DependsOn {
			fmt.Fprintf(b, "%s  after %s\n", indent, d.Name)
		}
		if r.Body != nil && r.Body.Len() > 0 {
			fmt.Fprintf(b, "%s  %s\n", indent, JSON(r.Body))
			if len(r.Refs) > 0 {
				body, problems := r.Evaluate(deployed{})
				fmt.Fprintf(b, "%s  deployed: %s %v\n", indent, JSON(body), problems)
			}
		}
		if r.Nested != nil {
			nested, problems := r.Nest(deployed{})
			fmt.Fprintf(b, "%s  %s deployment %v\n", indent, nested.Mode, problems)
			tellPlan(b, nested.Plan, indent+"    ")
		}
	}
	for _, o := range plan.Outputs {
		fmt.Fprintf(b, "%soutput %s (%s) = %s\n", indent, o.Name, o.Type, JSON(o.Value))
	}
	if outputs, problems := plan.Evaluate(deployed{}, nil); len(outputs) > 0 && indent == "" {
		for _, o := range outputs {
			fmt.Fprintf(b, "%soutput %s when deployed = %s %v\n", indent, o.Name, JSON(o.Value), problems)
		}
	}
}

// TestTemplates expands the templates of testdata and holds what comes of them against
// what was reviewed: NAME.json with NAME.parameters.json gives NAME.txt.
func TestTemplates(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".parameters.json") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			given := map[string]Given{}
			var problems Problems
			if values, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".parameters.json"); err == nil {
				v, err := jsonc.Parse(values)
				if err != nil {
					t.Fatal(err)
				}
				given, problems = ReadParameters(v)
			}
			var plan *Plan
			read, more := Read(data)
			problems = append(problems, more...)
			if read != nil {
				o := world0()
				if strings.Contains(string(data), "subscriptionDeploymentTemplate") {
					o.Scope.ResourceGroup, o.Location = "", "northeurope"
				}
				plan, more = Expand(read, given, o)
				problems = append(problems, more...)
			}
			got := told(plan, problems)
			answer := strings.TrimSuffix(file, ".json") + ".txt"
			if *update {
				if err := os.WriteFile(answer, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(answer)
			if err != nil || got != string(want) {
				t.Errorf("%s gave\n%s\nwant\n%s(%v)", file, got, want, err)
			}
		})
	}
}
