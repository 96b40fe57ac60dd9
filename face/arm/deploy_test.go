package arm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// deployments is what carries out templates in tests: it remembers what it was asked,
// and a deployment is in the state it is told.
type deployments struct {
	asked []string
	state string
}

func (d *deployments) say(what string, scope resource.ID, name string) {
	d.asked = append(d.asked, what+" "+scope.String()+" "+name)
}

func (d *deployments) doc(name string) json.RawMessage {
	failure := ""
	if d.state == "Failed" {
		failure = `,"error":{"code":"DeploymentFailed","message":"It broke."}`
	}
	return json.RawMessage(fmt.Sprintf(`{"name":%q,"properties":{"provisioningState":%q%s}}`, name, d.state, failure))
}

func (d *deployments) Put(_ context.Context, who Asker, scope resource.ID, name string, body []byte) (json.RawMessage, bool, error) {
	d.say("put "+who.Principal.Name+string(body), scope, name)
	if strings.Contains(string(body), "wrong") {
		return nil, false, resource.Problems{{Line: 3, Path: "resources[0]", Sentence: "It is wrong.", Code: "InvalidTemplate"}}.Fault()
	}
	return d.doc(name), true, nil
}

func (d *deployments) Get(_ context.Context, scope resource.ID, name string) (json.RawMessage, error) {
	if name == "none" {
		return nil, fault.New(fault.NotFound, "Deployment 'none' could not be found.")
	}
	return d.doc(name), nil
}

func (d *deployments) List(context.Context, resource.ID) ([]json.RawMessage, error) {
	return []json.RawMessage{d.doc("one"), d.doc("two")}, nil
}

func (d *deployments) Delete(_ context.Context, _ Asker, scope resource.ID, name string) error {
	d.say("delete", scope, name)
	return nil
}

func (d *deployments) Cancel(_ context.Context, _ Asker, scope resource.ID, name string) error {
	d.say("cancel", scope, name)
	return nil
}

func (d *deployments) Validate(_ context.Context, _ Asker, scope resource.ID, name string, _ []byte) (json.RawMessage, error) {
	d.say("validate", scope, name)
	return d.doc(name), nil
}

func (d *deployments) WhatIf(_ context.Context, _ Asker, scope resource.ID, name string, _ []byte) (json.RawMessage, error) {
	d.say("what-if", scope, name)
	return json.RawMessage(`{"status":"Succeeded"}`), nil
}

func (d *deployments) Export(context.Context, resource.ID, string) (json.RawMessage, error) {
	return json.RawMessage(`{"template":{}}`), nil
}

func (d *deployments) ExportScope(_ context.Context, _ Asker, scope resource.ID, _ []byte) (json.RawMessage, error) {
	d.say("export", scope, "")
	return json.RawMessage(`{"template":{}}`), nil
}

func (d *deployments) Operations(context.Context, resource.ID, string) ([]json.RawMessage, error) {
	return []json.RawMessage{json.RawMessage(`{"operationId":"1"}`), json.RawMessage(`{"operationId":"2"}`)}, nil
}

// The story of a deployment as clients tell it, at each scope.
func TestDeployments(t *testing.T) {
	for _, scope := range []string{"", "/subscriptions/s", group} {
		d := &deployments{state: "Running"}
		s := newStage(t, func(o *Options) { o.Deployments = d })
		at := scope + "/providers/Microsoft.Resources/deployments/"
		g := s.gets(201, `"name":"d"`, "PUT", at+"d?api-version=2021-04-01", `{"properties":{}}`)
		status := strings.TrimPrefix(g.header.Get("Azure-AsyncOperation"), "http://weir.example:8080")
		if status == "" || g.header.Get("Location") != "" || g.header.Get("Retry-After") == "" {
			t.Fatalf("headers %v", g.header)
		}
		s.gets(200, `"status":"InProgress"`, "GET", status, "")
		d.state = "Failed"
		s.gets(200, `"error":{"code":"DeploymentFailed"`, "GET", status, "")
		d.state = "Succeeded"
		s.gets(200, `"status":"Succeeded"`, "GET", status, "")
		if g := s.gets(201, "", "PUT", at+"e", "{}"); g.header.Get("Azure-AsyncOperation") != "" {
			t.Error("what is done is to be asked about")
		}
		s.gets(400, `"code":"InvalidTemplate"`, "PUT", at+"f", "wrong")
		s.gets(200, "", "GET", at+"d", "")
		s.gets(204, "", "HEAD", at+"d", "")
		s.gets(404, "DeploymentNotFound", "GET", at+"none", "")
		s.gets(404, "", "HEAD", at+"none", "")
		if got := s.gets(200, "", "GET", at, ""); values(got.body) != "one two" {
			t.Errorf("listed %s", got.body)
		}
		s.gets(200, `"operationId":"2"`, "GET", at+"d/operations", "")
		if got := s.gets(200, `"operationId":"2"`, "GET", at+"d/operations/2", ""); strings.Contains(got.body, `"1"`) {
			t.Error(got.body)
		}
		s.gets(404, "no operation", "GET", at+"d/operations/3", "")
		s.gets(200, "provisioningState", "POST", at+"d/validate", "{}")
		s.gets(200, "Succeeded", "POST", at+"d/whatIf", "{}")
		s.gets(200, "template", "POST", at+"d/exportTemplate", "")
		s.gets(204, "", "POST", at+"d/cancel", "")
		s.gets(404, `not \"dance\"`, "POST", at+"d/dance", "")
		s.gets(405, "", "GET", at+"d/cancel", "")
		s.gets(204, "", "DELETE", at+"d", "")
		own := resource.Tenant
		if scope != "" {
			own = resource.MustID(scope)
		}
		if want := fmt.Sprintf("put administrator{\"properties\":{}} %s d", own); d.asked[0] != want {
			t.Errorf("asked %q, want %q", d.asked[0], want)
		}
	}
}

func TestGroupDeployments(t *testing.T) {
	d := &deployments{state: "Succeeded"}
	s := newStage(t, func(o *Options) { o.Deployments = d })
	s.gets(200, `"operationId":"1"`, "GET", group+"/deployments/d/operations", "") // as clients ask in a group
	s.gets(200, "template", "POST", group+"/exportTemplate", "{}")
	s.gets(http.StatusMethodNotAllowed, "", "GET", group+"/exportTemplate", "")
}
