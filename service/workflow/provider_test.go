package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
	"weir/kernel/resource"
)

// instant carries a registry in memory: everything is durable at once.
type instant struct {
	now    time.Time
	facts  int
	reveal []func()
}

func (u *instant) Now() time.Time { return u.now }

func (u *instant) Record([]byte) record.Ref {
	u.facts++
	return record.Ref{At: record.Position(u.facts)}
}

func (u *instant) Reveal(fn func()) { u.reveal = append(u.reveal, fn) }

func (u *instant) Call(_ context.Context, work func(resource.Turn)) error {
	u.now = u.now.Add(time.Second)
	work(u)
	for _, fn := range u.reveal {
		fn()
	}
	u.reveal = nil
	return nil
}

func (u *instant) View(fn func()) { fn() }

func declared(t testing.TB) *resource.Registry {
	t.Helper()
	types, err := resource.NewTypes(append(resource.ScopeTypes(), Types()...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := resource.NewRegistry(types, bytes.NewReader(bytes.Repeat([]byte("random"), 1000)))
	r.Bind(&instant{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	return r
}

const group = "/subscriptions/s/resourceGroups/g"

const flowID = group + "/providers/Microsoft.Logic/workflows/orders"

const schema = `"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0"`

// flowOf is a workflow with a Request trigger, with more of a definition and of properties.
func flowOf(definition, properties string) string {
	return `{"id": "` + flowID + `", "location": "west", "properties": {"definition": {` + schema + `,
		"triggers": {"manual": {"type": "Request", "kind": "Http"}}` + definition + `}` + properties + `}}`
}

func declare(t *testing.T, r *resource.Registry, text string) (resource.Document, error) {
	t.Helper()
	docs, problems := resource.Parse([]byte(text), resource.MustID(group))
	if err := problems.Fault(); err != nil {
		t.Fatal(err)
	}
	result, err := r.Put(t.Context(), docs[0], resource.Condition{})
	return result.Document, err
}

func TestDeclareWorkflow(t *testing.T) {
	r := declared(t)
	d, err := declare(t, r, flowOf(`, "actions": {"z": {"type": "Compose", "inputs": 1.50}, "a": {"type": "Compose", "inputs": "@outputs('z')", "runAfter": {"z": ["Succeeded"]}}}`, ""))
	if err != nil {
		t.Fatal(err)
	}
	if d.String("state") != "Enabled" || !strings.Contains(string(d.Raw("definition")), `"actions":{"z":{"type":"Compose","inputs":1.50},"a":`) {
		t.Errorf("stored as %v", d.Properties)
	}
	for _, step := range []struct{ action, state string }{{"disable", "Disabled"}, {"enable", "Enabled"}} {
		if _, err := r.Act(t.Context(), d.ID, step.action, nil); err != nil {
			t.Fatal(err)
		}
		now, _ := r.Get(t.Context(), d.ID)
		if now.String("state") != step.state || now.Raw("definition") != d.Raw("definition") {
			t.Errorf("%s: %v", step.action, now.Properties)
		}
	}
}

// TestSecureParameters: their values are sealed away, never shown, and stay when what was
// shown is put back.
func TestSecureParameters(t *testing.T) {
	r := declared(t)
	typ, _ := r.Types().Lookup(typeWorkflow)
	definition := `, "parameters": {"key": {"type": "securestring"}, "deep": {"type": "SecureObject"}, "host": {"type": "string"}, "most": {"type": "int", "defaultValue": 3}}, "actions": {}`
	d, err := declare(t, r, flowOf(definition, `, "parameters": {"host": {"value": "h"}, "KEY": {"type": "SecureString", "value": "hush-1"}, "deep": {"value": {"a": "hush-2"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	shown, _ := typ.Redact(d).MarshalJSON()
	if strings.Contains(string(shown), "hush") || !strings.Contains(string(shown), `"host":{"value":"h"}`) {
		t.Errorf("shown as %s", shown)
	}
	values := func(d resource.Document) string {
		text, err := ParametersOf(d)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const all = `{"deep":{"value":{"a":"hush-2"}},"host":{"value":"h"},"key":{"value":"hush-1"}}`
	if got := values(d); got != all {
		t.Errorf("values %s", got)
	}
	again, err := declare(t, r, string(shown))
	if err != nil || values(again) != all {
		t.Errorf("put back: %s, %v", values(again), err)
	}
	changed, err := r.Patch(t.Context(), d.ID, []byte(`{"properties": {"parameters": {"key": {"value": "hush-3"}}}}`), resource.Condition{})
	if err != nil || !strings.Contains(values(changed.Document), "hush-3") || !strings.Contains(values(changed.Document), "hush-2") {
		t.Errorf("patched: %v, %v", changed.Document.Properties, err)
	}
	plain, err := declare(t, r, flowOf(`, "actions": {}`, ""))
	if err != nil || plain.String(secureParameters) != "" {
		t.Errorf("a parameter that is not declared any more: %v, %v", plain.Properties, err)
	}
}

func TestRefuseWorkflow(t *testing.T) {
	r := declared(t)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"all at once", flowOf(`, "actions": {"a": {"type": "Compse", "inputs": 1}, "b": {"type": "Compose", "inputs": "@nosuch(", "runAfter": {"c": ["Succeeded"]}}}`, ""),
			[]string{"properties.definition.actions.a.type", "properties.definition.actions.b.inputs", "properties.definition.actions.b.runAfter", "unknown-action-type"}},
		{"parameter nobody declared", flowOf(`, "actions": {}`, `, "parameters": {"x": {"value": 1}}`), []string{"properties.parameters.x", "they were not declared"}},
		{"parameter without value", flowOf(`, "actions": {}, "parameters": {"x": {"type": "string"}}`, ""), []string{"'x' of type 'String' is not provided"}},
		{"parameter of another type", flowOf(`, "actions": {}, "parameters": {"x": {"type": "string"}}`, `, "parameters": {"x": {"value": 1}}`), []string{"not of its type, 'String'"}},
		{"parameter without shape", flowOf(`, "actions": {}, "parameters": {"x": {"type": "string"}}`, `, "parameters": {"x": "v"}`), []string{"A parameter is {\"value\": ...}."}},
		{"no definition", `{"id": "` + flowID + `", "properties": {}}`, []string{"properties.definition", "required"}},
		{"no object", `{"id": "` + flowID + `", "properties": {"definition": 5}}`, []string{"properties.definition"}},
		{"address", flowOf(`, "actions": {}`, `, "accessControl": {"triggers": {"allowedCallerIpAddresses": [{"addressRange": "10.0.0.0/8"}, {"addressRange": "x"}]}}`), []string{"allowedCallerIpAddresses[1]", "no range of addresses"}},
		{"policy", flowOf(`, "actions": {}`, `, "accessControl": {"triggers": {"openAuthenticationPolicies": {"policies": {"p": {}}}}}`), []string{"OAuth policies are not carried out"}},
		{"management", flowOf(`, "actions": {}`, `, "accessControl": {"workflowManagement": {"allowedCallerIpAddresses": [{"addressRange": "10.0.0.0/8"}]}}`), []string{"decided by roles"}},
		{"part", flowOf(`, "actions": {}`, `, "accessControl": {"doors": {}}`), []string{"no access to control by this name"}},
	} {
		_, err := declare(t, r, c.text)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", c.name, want, err)
			}
		}
	}
	// What only fails when a run comes to it is no reason to refuse.
	if _, err := declare(t, r, flowOf(`, "actions": {"a": {"type": "X12Decode", "inputs": {}}}`, "")); err != nil {
		t.Errorf("an action that is not run here: %v", err)
	}
}

func TestValidateWorkflow(t *testing.T) {
	docs, _ := resource.Parse([]byte(flowOf(`, "actions": {"a": {"type": "Compse"}}`, "")), resource.MustID(group))
	err := ValidateWorkflow(docs[0])
	if err == nil || !strings.Contains(err.Error(), "Compse") {
		t.Errorf("%v", err)
	}
	docs, _ = resource.Parse([]byte(flowOf(`, "actions": {}`, "")), resource.MustID(group))
	if err := ValidateWorkflow(docs[0]); err != nil {
		t.Errorf("%v", err)
	}
}

func TestAllows(t *testing.T) {
	r := declared(t)
	d, err := declare(t, r, flowOf(`, "actions": {}`, `, "accessControl": {"triggers": {"allowedCallerIpAddresses": [{"addressRange": "10.1.0.0/16"}, {"addressRange": "192.0.2.1-192.0.2.9"}, {"addressRange": "2001:db8::1"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part, from string
		want       bool
	}{
		{"triggers", "10.1.2.3", true}, {"triggers", "10.2.0.1", false}, {"triggers", "192.0.2.9", true}, {"triggers", "192.0.2.10", false},
		{"triggers", "2001:db8::1", true}, {"triggers", "::ffff:10.1.2.3", true}, {"contents", "10.2.0.1", true},
	} {
		if got := Allows(d, c.part, netip.MustParseAddr(c.from)); got != c.want {
			t.Errorf("%s from %s: %v", c.part, c.from, got)
		}
	}
}

func TestDeclareSite(t *testing.T) {
	r := declared(t)
	typ, _ := r.Types().Lookup(typeSite)
	site, err := declare(t, r, `{"id": "`+group+`/providers/Microsoft.Web/sites/shop", "kind": "functionapp,workflowapp", "location": "west", "properties": {
		"siteConfig": {"netFrameworkVersion": "v6.0", "appSettings": [{"name": "A", "value": "hush-1"}, {"name": "B", "value": "2"}]}, "appSettings": {"C": "3"},
		"connections": {"serviceProviderConnections": {"z": 1, "a": 2}}, "parameters": {"p": {"type": "String", "value": "v"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if shown, _ := json.Marshal(typ.Redact(site)); strings.Contains(string(shown), "hush") || !strings.Contains(string(shown), "netFrameworkVersion") {
		t.Errorf("shown as %s", shown)
	}
	flow, err := declare(t, r, `{"id": "`+group+`/providers/Microsoft.Web/sites/shop/workflows/wf", "properties": {"files": {"workflow.json": {"kind": "Stateless", "definition": {`+schema+`, "triggers": {"r": {"type": "Request"}}, "actions": {"z": {"type": "Compose", "inputs": "@appsetting('A')"}}}}}}}`)
	if err != nil || flow.String("kind") != "Stateless" || !strings.HasPrefix(string(flow.Raw("definition")), `{"$schema"`) {
		t.Fatalf("%v, %v", flow.Properties, err)
	}
	for _, text := range []string{
		`{"id": "` + group + `/providers/Microsoft.Web/sites/shop/config/appsettings", "properties": {"A": "hush-2", "D": "4"}}`,
		`{"id": "` + group + `/providers/Microsoft.Web/sites/shop/config/connections", "properties": {"managedApiConnections": {"y": 1, "x": 2}}}`,
	} {
		if _, err := declare(t, r, text); err != nil {
			t.Fatal(err)
		}
	}
	app, err := AppOf(t.Context(), r, site.ID)
	if err != nil || app.Settings["A"] != "hush-2" || app.Settings["C"] != "3" || len(app.Settings) != 4 || app.Connections != `{"managedApiConnections":{"y":1,"x":2}}` || app.Parameters != `{"p":{"type":"String","value":"v"}}` {
		t.Errorf("%v, %v", app, err)
	}
	list, err := r.Act(t.Context(), resource.MustID(group+"/providers/Microsoft.Web/sites/shop/config/appsettings"), "list", nil)
	if err != nil || list["properties"].(map[string]any)["D"] != "4" {
		t.Errorf("%v, %v", list, err)
	}
	configType, _ := r.Types().Lookup(typeSiteConfig)
	config, _ := r.Get(t.Context(), resource.MustID(group+"/providers/Microsoft.Web/sites/shop/config/appsettings"))
	seen, _ := json.Marshal(configType.Redact(config))
	if !strings.Contains(string(seen), `"names":["A","D"]`) || strings.Contains(string(seen), "hush") {
		t.Errorf("the settings are shown as %s", seen)
	}
	if same, err := declare(t, r, string(seen)); err != nil || same.String("settings") != config.String("settings") {
		t.Errorf("put back: %v, %v", same.Properties, err)
	}
	// What was shown and is put back changes no setting.
	shown, _ := json.Marshal(typ.Redact(site))
	back, err := declare(t, r, string(shown))
	if err != nil || back.String("appSettings") != site.String("appSettings") {
		t.Errorf("put back: %v, %v", back.Properties, err)
	}
	if _, err := declare(t, r, `{"id": "`+group+`/providers/Microsoft.Web/sites/web", "kind": "app", "properties": {}}`); err == nil || !strings.Contains(err.Error(), "workflowapp") {
		t.Errorf("a site of another kind: %v", err)
	}
}

// TestReference: the page of the resource types says what the schemas do.
func TestReference(t *testing.T) {
	types, err := resource.NewTypes(Types()...)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Workflows: reference\n\nWritten from the schemas that the server validates with. The guide: [Looking after workflows](../workflow-runs.md).\n")
	for _, one := range types.All() {
		page.WriteString("\n" + resource.Markdown(one))
	}
	const file = "../../docs/reference/workflows.md"
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != page.String() {
		t.Errorf("the page is not what the schemas say: run go test ./service/workflow -run Reference -update (%v)", err)
	}
}
