package workflow

import (
	"fmt"
	"strings"
	"testing"

	"weir/kernel/resource"
)

const needy = `{"parameters": {"$connections": {"type": "Object"}},
 "triggers": {"When it comes": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['bus']['connectionId']"}}, "path": "/q/messages/head", "method": "get"}}},
 "actions": {
  "Mail": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')?['mail']?['connectionId']"}}, "path": "/x"}},
  "Again": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')['mail']['connectionId']"}}, "path": "/y"}},
  "Either": {"type": "ApiConnection", "inputs": {"host": {"connection": {"name": "@parameters('$connections')[concat('a', '1')]['connectionId']"}}, "path": "/y"}},
  "Ref": {"type": "ApiConnectionWebhook", "inputs": {"host": {"connection": {"referenceName": "teams"}}, "path": "/y"}},
  "S": {"type": "Scope", "actions": {
    "Flow": {"type": "OpenApiConnection", "inputs": {"host": {"apiId": "/providers/Microsoft.PowerApps/apis/shared_sharepointonline", "connectionName": "shared_sharepointonline", "operationId": "Get"}, "parameters": {"a": "@appsetting('SITE')"}}},
    "Send": {"type": "ServiceProvider", "inputs": {"serviceProviderConfiguration": {"connectionName": "serviceBus", "operationId": "sendMessage", "serviceProviderId": "/serviceProviders/serviceBus"}, "parameters": {}}},
    "Fn": {"type": "Function", "inputs": {"function": {"connectionName": "fn"}}},
    "Call": {"type": "Http", "inputs": {"method": "GET", "uri": "https://@{appsetting('HOST')}/", "authentication": {"type": "ManagedServiceIdentity", "identity": "/ids/one"}}},
    "Hook": {"type": "HttpWebhook", "inputs": {"subscribe": {"uri": "x", "authentication": {"type": "managedserviceidentity"}}}},
    "Data": {"type": "Compose", "inputs": {"authentication": "no"}}}}}}`

const needyParameters = `{"$connections": {"value": {"mail": {"connectionId": "` + web + `connections/mail", "id": "/x/managedApis/office365"}, "bus": {"connectionId": "` + web + `connections/bus", "id": "/x/managedApis/servicebus"}}}}`

func TestNeeds(t *testing.T) {
	needs, err := Needs([]byte(needy), []byte(needyParameters))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range needs {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", n.Kind, n.Name, n.ID, n.API, n.Where))
	}
	want := `connection bus ` + web + `connections/bus servicebus $.triggers['When it comes'].inputs.host.connection
connection mail ` + web + `connections/mail office365 $.actions.Mail.inputs.host.connection
connection shared_sharepointonline  shared_sharepointonline $.actions.S.actions.Flow.inputs.host
connection teams   $.actions.Ref.inputs.host.connection
function fn   $.actions.S.actions.Fn.inputs.function
identity    $.actions.S.actions.Hook.inputs.subscribe.authentication
identity  /ids/one  $.actions.S.actions.Call.inputs.authentication
serviceProvider serviceBus  servicebus $.actions.S.actions.Send.inputs.serviceProviderConfiguration
setting HOST   $.actions.S.actions.Call.inputs.uri
setting SITE   $.actions.S.actions.Flow.inputs.parameters.a`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	for _, bad := range []string{`[]`, `{`} {
		if _, err := Needs([]byte(bad), nil); err == nil {
			t.Errorf("%s has needs", bad)
		}
	}
}

func TestLacks(t *testing.T) {
	r := declared(t)
	mustPut(t, r, flowID, `"properties": {"definition": {`+schema+`, "parameters": {"$connections": {"type": "Object", "defaultValue": {}}}, "triggers": {}, "actions": {}}, "parameters": `+needyParameters+`}`)
	mustPut(t, r, web+"connections/mail", `"properties": {"api": {"id": "/x/managedApis/office365"}}`)
	id, _ := resource.ParseID(flowID)
	lacks, err := NewConnections(r).Lacks(t.Context(), id, []Need{
		{Kind: NeedConnection, Name: "mail", ID: web + "connections/mail", API: "office365"},
		{Kind: NeedConnection, Name: "bus", ID: web + "connections/bus", API: "servicebus"}, {Kind: NeedSetting, Name: "X"}, {Kind: NeedIdentity}})
	if err != nil || len(lacks) != 1 {
		t.Fatalf("%v %v", lacks, err)
	}
	for need, why := range lacks {
		if need.Name != "bus" || !strings.Contains(why, "weir deploy FILE") {
			t.Errorf("%+v: %s", need, why)
		}
	}

	const site = web + "sites/app"
	mustPut(t, r, site, `"kind": "workflowapp", "properties": {"appSettings": {"HERE": "x"}}`)
	flow, _ := resource.ParseID(site + "/workflows/w")
	lacks, err = NewConnections(r).Lacks(t.Context(), flow, []Need{{Kind: NeedSetting, Name: "here"}, {Kind: NeedSetting, Name: "GONE"}, {Kind: NeedProvider, Name: "serviceBus"}})
	if err != nil || len(lacks) != 2 {
		t.Errorf("%v %v", lacks, err)
	}
}
