package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// TestDeploys: what needs nothing goes together, what needs what is deployed sees it,
// outputs are given, secrets are not kept.
func TestDeploys(t *testing.T) {
	e := newEstate(t)
	template := head + `"parameters": {"n": {"type": "int", "defaultValue": 3}, "secret": {"type": "securestring", "defaultValue": "hush"}},
"resources": [
` + resourceOf("houses/rooms", "[concat('h/r', copyIndex())]", `"copy": {"name": "rooms", "count": "[parameters('n')]"}, "dependsOn": ["h"], "properties": {"size": "[copyIndex(1)]"}`) + `,
` + resourceOf("houses", "h", `"location": "[resourceGroup().location]", "tags": {"a": "b"}, "sku": {"name": "Large"}, "properties": {"colour": "red", "owner": null}`) + `,
` + resourceOf("houses/rooms", "h/last", `"dependsOn": ["rooms"], "properties": {"size": 9, "label": "[concat(reference('h').address, ' ', listKeys(resourceId('Test.Town/houses/keys', 'h', 'master'), '2026-01-01').primaryKey)]"}`) + `],
"outputs": {"where": {"type": "string", "value": "[reference('h').address]"}, "full": {"type": "string", "value": "[reference('h', '2026-01-01', 'Full').sku.name]"}, "pin": {"type": "securestring", "value": "[listKeys(resourceId('Test.Town/houses/keys', 'h', 'master'), '2026-01-01').primaryKey]"}}}`
	a := e.deploy(t, "first", body(template))
	if a.Properties.ProvisioningState != "Succeeded" || len(a.Properties.OutputResources) != 5 {
		t.Fatalf("%+v", a.Properties)
	}
	if got := a.Properties.Outputs["where"].Value; got != "h street" {
		t.Errorf("output %v", got)
	}
	if a.Properties.Outputs["full"].Value != "Large" || a.Properties.Outputs["pin"].Value != nil || a.Properties.Parameters["secret"].Value != nil {
		t.Errorf("outputs %v, parameters %v", a.Properties.Outputs, a.Properties.Parameters)
	}
	if got := e.property(t, "houses/h/rooms/last", "label"); got != "h street 1234" {
		t.Errorf("label %q", got)
	}
	if got := e.property(t, "houses/h/rooms/r2", "size"); got != "3" {
		t.Errorf("size %q", got)
	}
	again := e.deploy(t, "first", body(template))
	if again.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("again: %+v", again.Properties)
	}
	ops, err := e.Operations(t.Context(), group, "first")
	if err != nil || len(ops) != 5 || strings.Count(fmt.Sprintf("%s", ops), `"unchanged"`) != 5 {
		t.Errorf("operations %s (%v)", ops, err)
	}
	exported, err := e.Export(t.Context(), group, "first")
	if err != nil || !strings.Contains(string(exported), `"contentVersion":"1.0.0.0"`) {
		t.Errorf("exported %s (%v)", exported, err)
	}
	list, err := e.List(t.Context(), group)
	if err != nil || len(list) != 1 {
		t.Errorf("list %s (%v)", list, err)
	}
	if err := e.Delete(t.Context(), Asker{}, group, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get(t.Context(), group, "first"); !fault.Is(err, fault.NotFound) {
		t.Errorf("after delete: %v", err)
	}
	if got := e.property(t, "houses/h", "colour"); got != "red" {
		t.Errorf("what was deployed went with the history: %s", got)
	}
}

// TestRefusesBeforeAnythingIsChanged: everything wrong at once, with lines, and nothing put.
func TestRefusesBeforeAnythingIsChanged(t *testing.T) {
	e := newEstate(t)
	template := head + `"resources": [
` + resourceOf("houses", "h", `"properties": {"colour": "red"}`) + `,
` + resourceOf("houses/rooms", "h/a", `"properties": {
   "size": 500,
   "colour": "blue"}`) + `,
` + resourceOf("houses/rooms", "elsewhere/a", `"properties": {"size": 5}`) + `]}`
	_, _, err := e.Put(t.Context(), Asker{}, group, "d", body(template))
	for _, want := range []string{"line 5, Test.Town/houses/rooms h/a, properties.size", "line 6, Test.Town/houses/rooms h/a, properties.colour", "line 7, Test.Town/houses/rooms elsewhere/a: Its parent"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwants %s", err, want)
		}
	}
	if got := e.property(t, "houses/h", "colour"); !strings.Contains(got, "not found") {
		t.Errorf("the house was put: %s", got)
	}
	if _, err := e.Get(t.Context(), group, "d"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a deployment that never began is in the history: %v", err)
	}
	unknown := head + `"resources": [
` + resourceOf("houses", "h", "") + `,
` + resourceOf("castles", "c", "") + `,
` + resourceOf("bridges", "b", "") + `,
` + resourceOf("houses/rooms", "h/a", `"properties": {"label": "[reference('c').x]"}`) + `],
"outputs": {"tower": {"type": "string", "value": "[reference('c').tower]"}, "fine": {"type": "int", "value": 1}}}`
	_, _, err = e.Put(t.Context(), Asker{}, group, "d", body(unknown))
	for _, want := range []string{"There is no resource type Test.Town/castles here", "Weir has no Test.Town/bridges: rivers are not part of it.", "line 4", "line 5", "skip-unknown"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwants %s", err, want)
		}
	}
	_, _, err = e.Put(t.Context(), Asker{}, group, "d", body(unknown, `"skipUnknown": true`))
	if want := "line 6, Test.Town/houses/rooms h/a, properties.label: Reference() of"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwants %s", err, want)
	}
	a := e.deploy(t, "d", body(strings.Replace(unknown, "[reference('c').x]", "plain", 1), `"skipUnknown": true`))
	if a.Properties.ProvisioningState != "Succeeded" || len(a.Properties.Warnings) != 3 || len(a.Properties.Outputs) != 1 {
		t.Errorf("%+v", a.Properties)
	}
}

// TestPartialFailure: what could not be known before fails in its place; what does not
// need it is put, what does is not begun, and all that is said.
func TestPartialFailure(t *testing.T) {
	e := newEstate(t)
	template := head + `"resources": [
` + resourceOf("houses", "h", "") + `,
` + resourceOf("houses/rooms", "h/bad", `"properties": {"size": "[int(length(reference('h').address))]", "must": "[reference('h').nothing]"}`) + `,
` + resourceOf("houses/rooms", "h/after", `"dependsOn": ["h/bad"]`) + `,
` + resourceOf("houses/rooms", "h/beside", `"properties": {"label": "[reference('h').address]"}`) + `]}`
	a := e.deploy(t, "d", body(template))
	p := a.Properties
	if p.ProvisioningState != "Failed" || p.Error.Code != "DeploymentFailed" || !strings.Contains(p.Error.Message, "2 of 4 resources were put, 1 failed, 1 were not begun") {
		t.Fatalf("%+v", p)
	}
	if len(p.Error.Details) != 1 || !strings.Contains(p.Error.Details[0].Message, "here is no property 'nothing'") || !strings.HasSuffix(p.Error.Details[0].Target, "rooms/bad") {
		t.Errorf("details %+v", p.Error.Details)
	}
	if got := e.property(t, "houses/h/rooms/beside", "label"); got != "h street" {
		t.Errorf("beside: %s", got)
	}
}

// TestNested: a deployment in a deployment is one of its own, and gives its outputs on.
func TestNested(t *testing.T) {
	e := newEstate(t)
	template := head + `"resources": [
{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner", "resourceGroup": "other", "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
 "parameters": {"colour": {"value": "green"}},
 "template": {"contentVersion": "1.0.0.0", "parameters": {"colour": {"type": "string"}}, "resources": [` + resourceOf("houses", "far", `"properties": {"colour": "[parameters('colour')]"}`) + `], "outputs": {"street": {"type": "string", "value": "[reference('far').address]"}}}}},
` + resourceOf("houses", "near", `"properties": {"owner": "[reference('inner').outputs.street.value]"}`) + `]}`
	_, _, err := e.Put(t.Context(), Asker{}, group, "outer", body(strings.Replace(template, "outputs.street", "outputs.road", 1)))
	if err == nil || !strings.Contains(err.Error(), "here is no property 'road' (there are: street)") {
		t.Errorf("a wrong output was not found before: %v", err)
	}
	a := e.deploy(t, "outer", body(template))
	if a.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("%+v", a.Properties)
	}
	if got := e.property(t, "houses/near", "owner"); got != "far street" {
		t.Errorf("owner %q", got)
	}
	inner, err := e.Get(t.Context(), resource.MustID("/subscriptions/s/resourceGroups/other"), "inner")
	if err != nil || read(t, inner).Properties.Outputs["street"].Value != "far street" {
		t.Errorf("inner: %s (%v)", inner, err)
	}
}

// TestNestedKnownLater: a nested template whose resources depend on what is deployed is
// checked as far as it is known, and expanded again when it is.
func TestNestedKnownLater(t *testing.T) {
	e := newEstate(t)
	template := head + `"resources": [` + resourceOf("houses", "a", "") + `,
{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner", "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
 "parameters": {"street": {"value": "[reference('a').address]"}},
 "template": {"contentVersion": "1.0.0.0", "parameters": {"street": {"type": "string"}},
  "resources": [` + resourceOf("houses/rooms", "[concat('a/', replace(parameters('street'), ' ', '-'))]", `"condition": "[contains(parameters('street'), 'street')]", "properties": {"size": "[length(parameters('street'))]"}`) + `],
  "outputs": {"room": {"type": "string", "value": "[replace(parameters('street'), ' ', '-')]"}}}}},
` + resourceOf("houses", "b", `"properties": {"owner": "[reference('inner').outputs.room.value]"}`) + `]}`
	a := e.deploy(t, "d", body(template))
	if a.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("%+v", a.Properties)
	}
	if got := e.property(t, "houses/a/rooms/a-street", "size") + " " + e.property(t, "houses/b", "owner"); got != "8 a-street" {
		t.Errorf("%q", got)
	}
}

// TestNestedSideBySide: nested deployments that do not need each other run at once, over
// the same parameters and variables.
func TestNestedSideBySide(t *testing.T) {
	e := newEstate(t)
	template := head + `"variables": {"colour": "red"}, "resources": [` + resourceOf("houses", "a", "") + `,
{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "[concat('part', copyIndex())]", "copy": {"name": "parts", "count": 12}, "dependsOn": ["a"], "properties": {"mode": "Incremental",
 "template": {"contentVersion": "1.0.0.0", "resources": [` + resourceOf("houses", "[concat('side', copyIndex())]", `"properties": {"colour": "[variables('colour')]", "owner": "[concat(reference('a').address, deployment().properties.templateHash)]"}`) + `],
  "outputs": {"me": {"type": "string", "value": "[reference(concat('side', copyIndex())).owner]"}}}}}]}`
	a := e.deploy(t, "d", body(template))
	if a.Properties.ProvisioningState != "Succeeded" || len(a.Properties.OutputResources) != 13 {
		t.Fatalf("%+v", a.Properties)
	}
	if got := e.property(t, "houses/side11", "owner"); !strings.HasPrefix(got, "a street") {
		t.Errorf("%q", got)
	}
}

// TestComplete deletes what is not in the template, but what comes of itself with what is.
func TestComplete(t *testing.T) {
	e := newEstate(t)
	whole := head + `"resources": [` + resourceOf("houses", "a", "") + `, ` + resourceOf("houses/rooms", "a/one", "") + `, ` + resourceOf("houses/rooms", "a/two", "") + `, ` + resourceOf("houses", "b", "") + `, ` + resourceOf("houses/rooms", "b/one", "") + `]}`
	e.deploy(t, "d", body(whole))
	less := head + `"resources": [` + resourceOf("houses", "a", "") + `, ` + resourceOf("houses/rooms", "a/one", "") + `]}`
	data, err := e.WhatIf(t.Context(), Asker{}, group, "d", body(less, `"mode": "Complete"`))
	if err != nil || strings.Count(string(data), `"changeType":"Delete"`) != 2 || strings.Count(string(data), `"changeType":"NoChange"`) != 2 {
		t.Errorf("what if: %s (%v)", data, err)
	}
	if a := e.deploy(t, "d", body(less, `"mode": "Complete"`)); a.Properties.ProvisioningState != "Succeeded" {
		t.Fatalf("%+v", a.Properties)
	}
	docs, _, _ := e.registry.ListUnder(t.Context(), group, "")
	var left []string
	for _, d := range docs {
		if d.Type() != deploymentType {
			left = append(left, strings.Join(d.ID.Names(), "/"))
		}
	}
	if got := strings.Join(left, " "); got != "a a/master a/one" && got != "a a/keys/master a/one" && len(left) != 3 {
		t.Errorf("left: %s", got)
	}
}

// TestWhatIf says property by property what would change, and changes nothing.
func TestWhatIf(t *testing.T) {
	e := newEstate(t)
	e.deploy(t, "d", body(head+`"resources": [`+resourceOf("houses", "a", `"tags": {"x": "1"}, "properties": {"floors": 2}`)+`, `+resourceOf("houses", "b", "")+`]}`))
	data, err := e.WhatIf(t.Context(), Asker{}, group, "d", body(head+`"resources": [`+resourceOf("houses", "a", `"tags": {"x": "2", "y": "3"}, "properties": {"floors": 3, "owner": "[reference('c').address]"}`)+`, `+resourceOf("houses", "c", "")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Properties struct {
			Changes []struct {
				ResourceID, ChangeType string
				Delta                  []struct {
					Path, PropertyChangeType string
					Before, After            any
				}
			}
		}
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range answer.Properties.Changes {
		told = append(told, c.ChangeType+" "+c.ResourceID[strings.LastIndex(c.ResourceID, "/")+1:])
		for _, d := range c.Delta {
			told = append(told, fmt.Sprintf("%s %s %v %v", d.PropertyChangeType, d.Path, d.Before, d.After))
		}
	}
	want := "Create c; Modify a; Modify properties.floors 2 3; Modify tags.x 1 2; Create tags.y <nil> 3; Create properties.owner <nil> (known once it is deployed); Ignore b"
	if got := strings.Join(told, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := e.property(t, "houses/a", "floors"); got != "2" {
		t.Errorf("what if changed something: %s", got)
	}
}

// TestNoFalseDrift: what was deployed is as the template has it, where values come from
// what is deployed too.
func TestNoFalseDrift(t *testing.T) {
	e := newEstate(t)
	b := body(head + `"resources": [` + resourceOf("houses", "a", "") + `,
` + resourceOf("houses/rooms", "a/one", `"properties": {"size": 5, "label": "[reference('a').address]", "must": "[listKeys(resourceId('Test.Town/houses/keys', 'a', 'master'), '2026-01-01').primaryKey]"}`) + `]}`)
	e.deploy(t, "d", b)
	data, err := e.WhatIf(t.Context(), Asker{}, group, "d", b)
	if err != nil || strings.Count(string(data), `"NoChange"`) != 2 || strings.Contains(string(data), `"delta"`) {
		t.Errorf("%s (%v)", data, err)
	}
	if _, err := e.registry.Patch(t.Context(), resource.MustID(group.String()+"/providers/Test.Town/houses/a/rooms/one"), []byte(`{"properties": {"label": "another"}}`), resource.Condition{}); err != nil {
		t.Fatal(err)
	}
	data, err = e.WhatIf(t.Context(), Asker{}, group, "d", b)
	if err != nil || !strings.Contains(string(data), `"before":"another","after":"a street"`) {
		t.Errorf("%s (%v)", data, err)
	}
}

// TestWhoMay: each resource is asked for under the name of whoever deploys, before
// anything is put, and what was done is noted.
func TestWhoMay(t *testing.T) {
	log := &noted{}
	e := newEstate(t, func(o *Options) {
		o.Audit = log
		o.Authorize = func(p identity.Principal, action, scope string) error {
			if p.Name == "guest" && (action == "Test.Town/houses/rooms/write" || action == "Microsoft.Resources/deployments/write" && strings.Contains(scope, "/other/")) {
				return fault.New(fault.Forbidden, "The guest may not.")
			}
			return nil
		}
	})
	b := body(head + `"resources": [` + resourceOf("houses", "a", "") + `, ` + resourceOf("houses/rooms", "a/one", "") + `]}`)
	if _, _, err := e.Put(t.Context(), Asker{Principal: identity.Principal{Name: "guest"}}, group, "d", b); !fault.Is(err, fault.Forbidden) {
		t.Errorf("the guest: %v", err)
	}
	if got := e.property(t, "houses/a", "colour"); !strings.Contains(got, "not found") {
		t.Errorf("half of it was put: %s", got)
	}
	nested := body(head + `"resources": [{"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inner", "resourceGroup": "other", "properties": {"mode": "Incremental", "template": {"contentVersion": "1.0.0.0", "resources": []}}}]}`)
	if _, _, err := e.Put(t.Context(), Asker{Principal: identity.Principal{Name: "guest"}}, group, "n", nested); !fault.Is(err, fault.Forbidden) {
		t.Errorf("the guest, in another group: %v", err)
	}
	log.lines = log.lines[:1]
	if _, _, err := e.Put(t.Context(), Asker{Principal: identity.Principal{Name: "host"}}, group, "d", b); err != nil {
		t.Errorf("the host: %v", err)
	}
	if got := log.String(); got != "guest Refused Test.Town/houses/rooms/write; host Succeeded Test.Town/houses/write; host Succeeded Test.Town/houses/rooms/write" && got != "guest Refused Test.Town/houses/rooms/write; host Succeeded Test.Town/houses/rooms/write; host Succeeded Test.Town/houses/write" {
		t.Errorf("noted %s", got)
	}
}

// TestInterrupted: a node that ends fails its deployments and says so, and so does one
// that died without a word.
func TestInterrupted(t *testing.T) {
	inPut, go2 := make(chan struct{}), make(chan struct{})
	e := newEstate(t, func(o *Options) {
		o.Applied = func(ctx context.Context, id resource.ID) error {
			if id.Name() == "a" {
				close(inPut)
				<-go2
			}
			return nil
		}
	})
	b := body(head + `"resources": [` + resourceOf("houses", "a", "") + `, ` + resourceOf("houses/rooms", "a/one", `"properties": {"label": "[reference('a').address]"}`) + `]}`)
	done := make(chan answered, 1)
	go func() {
		doc, _, err := e.Put(context.Background(), Asker{}, group, "d", b)
		if err != nil {
			t.Error(err)
		}
		done <- read(t, doc)
	}()
	<-inPut
	if _, _, err := e.Put(t.Context(), Asker{}, group, "d", b); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second one of the same name: %v", err)
	}
	e.end()
	close(go2)
	<-done
	e.Wait()
	doc, err := e.Get(t.Context(), group, "d")
	if err != nil {
		t.Fatal(err)
	}
	if p := read(t, doc).Properties; p.ProvisioningState != "Failed" || p.Error.Code != "DeploymentInterrupted" || !strings.Contains(p.Error.Message, "1 of 2 resources were put") {
		t.Errorf("%+v", p)
	}
	id, _ := e.id(group, "dead")
	if _, err := e.registry.Put(t.Context(), resource.Document{ID: id, Properties: map[string]any{"provisioningState": "Running", "timestamp": "x"}}, resource.Condition{}); err != nil {
		t.Fatal(err)
	}
	if doc, err = e.Get(t.Context(), group, "dead"); err != nil || read(t, doc).Properties.Error.Code != "DeploymentInterrupted" {
		t.Errorf("%s (%v)", doc, err)
	}
}

// TestCancel ends a deployment; what was put stays.
func TestCancel(t *testing.T) {
	inPut, go2 := make(chan struct{}), make(chan struct{})
	e := newEstate(t, func(o *Options) {
		o.Applied = func(ctx context.Context, id resource.ID) error {
			close(inPut)
			<-go2
			return nil
		}
	})
	done := make(chan answered, 1)
	go func() {
		doc, _, _ := e.Put(context.Background(), Asker{}, group, "d", body(head+`"resources": [`+resourceOf("houses", "a", "")+`, `+resourceOf("houses/rooms", "a/one", `"properties": {"label": "[reference('a').address]"}`)+`]}`))
		done <- read(t, doc)
	}()
	<-inPut
	if err := e.Cancel(t.Context(), Asker{}, group, "d"); err != nil {
		t.Fatal(err)
	}
	close(go2)
	if a := <-done; a.Properties.ProvisioningState != "Canceled" {
		t.Errorf("%+v", a.Properties)
	}
	if err := e.Cancel(t.Context(), Asker{}, group, "d"); !fault.Is(err, fault.Conflict) {
		t.Errorf("canceled twice: %v", err)
	}
}

// TestHistoryIsBounded: the oldest deployments of a scope are forgotten.
func TestHistoryIsBounded(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := newEstate(t, func(o *Options) {
		o.Now = func() time.Time { at = at.Add(time.Second); return at }
	})
	empty := body(head + `"resources": []}`)
	for i := range historyMax + 3 {
		e.deploy(t, fmt.Sprintf("d%d", i), empty)
	}
	docs, _, err := e.registry.List(t.Context(), group, deploymentType)
	if err != nil || len(docs) != historyMax {
		t.Errorf("%d kept (%v)", len(docs), err)
	}
	if _, err := e.Get(t.Context(), group, "d0"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the oldest is there: %v", err)
	}
}

// TestExportScope: what is in a group, as a template that says so.
func TestExportScope(t *testing.T) {
	e := newEstate(t)
	e.deploy(t, "d", body(head+`"resources": [`+resourceOf("houses", "a", `"properties": {"owner": "[[me]"}`)+`, `+resourceOf("houses/rooms", "a/one", `"properties": {"size": 5}`)+`]}`))
	data, err := e.ExportScope(t.Context(), Asker{}, group, []byte(`{"resources": ["*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Template json.RawMessage }
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	changes, err := e.WhatIf(t.Context(), Asker{}, group, "x", body(string(answer.Template)))
	if err != nil || strings.Contains(string(changes), `"Modify"`) || strings.Contains(string(changes), "1234") || strings.Count(string(changes), `"NoChange"`) != 3 {
		t.Errorf("%s\n%s (%v)", data, changes, err)
	}
}

// TestManyAreFew: 500 resources of one house are put with a handful of changes.
func TestManyAreFew(t *testing.T) {
	e := newEstate(t)
	before := e.unit.calls
	a := e.deploy(t, "many", body(head+`"resources": [`+resourceOf("houses", "h", "")+`, `+resourceOf("houses/rooms", "[concat('h/r', copyIndex())]", `"copy": {"name": "r", "count": 499}, "dependsOn": ["h"]`)+`]}`))
	if a.Properties.ProvisioningState != "Succeeded" || len(a.Properties.OutputResources) != 500 {
		t.Fatalf("%+v", a.Properties.Error)
	}
	doc, err := e.registry.Get(t.Context(), resource.MustID(group.String()+"/providers/"+deploymentType+"/many"))
	if err != nil || !strings.HasPrefix(doc.String("content"), squeezedMark) || len(doc.String("content")) > 30<<10 {
		t.Errorf("kept in %d bytes (%v)", len(doc.String("content")), err)
	}
	if ops, err := e.Operations(t.Context(), group, "many"); err != nil || len(ops) != 500 {
		t.Errorf("%d operations (%v)", len(ops), err)
	}
	if n := e.unit.calls - before; n > 8 {
		t.Errorf("%d changes of the registry for 500 resources", n)
	}
}

type noted struct {
	mu    sync.Mutex
	lines []string
}

func (n *noted) String() string { return strings.Join(n.lines, "; ") }

func (n *noted) Note(_ context.Context, e audit.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, e.Caller+" "+string(e.Outcome)+" "+e.Action)
	return nil
}
