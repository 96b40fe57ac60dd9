package workflow

import (
	"errors"
	"strings"
	"testing"

	"weir/kernel/resource"
	"weir/service/workflow/connection"
	"weir/service/workflow/internal/expression"
)

func put(t *testing.T, r *resource.Registry, text string) error {
	t.Helper()
	docs, problems := resource.Parse([]byte(text), resource.ID{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, err := r.Put(t.Context(), docs[0], resource.Condition{})
	return err
}

func mustPut(t *testing.T, r *resource.Registry, id, text string) {
	t.Helper()
	if err := put(t, r, `{"id": "`+id+`", `+text+`}`); err != nil {
		t.Fatal(id, err)
	}
}

const web = group + "/providers/Microsoft.Web/"

func TestConnectionsOfAResourceGroup(t *testing.T) {
	r := declared(t)
	mustPut(t, r, flowID, `"properties": {"definition": {`+schema+`, "parameters": {"$connections": {"type": "Object", "defaultValue": {}}}, "triggers": {}, "actions": {}},
	  "parameters": {"$connections": {"value": {
	    "mail": {"connectionId": "`+web+`connections/office365-1", "connectionName": "office365-1", "id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/office365", "connectionProperties": {"authentication": {"type": "ManagedServiceIdentity"}}},
	    "bus": {"connectionId": "`+web+`connections/servicebus", "id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/servicebus"}}}}}`)
	mustPut(t, r, web+"connections/office365-1", `"kind": "V1", "properties": {"displayName": "me@example.com", "api": {"id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/office365"}, "parameterValues": {"api_key": "sesame", "deep": {"x": ["inner"]}}, "nonSecretParameterValues": {"open": "yes"}}`)
	mustPut(t, r, web+"customApis/office365", `"properties": {"swagger": {"swagger": "2.0", "paths": {"/mail": {"get": {"operationId": "GetMail"}}}}, "backendService": {"serviceUrl": "http://mail.example/v1"}, "connectionParameters": {"api_key": {"type": "securestring"}}}`)
	mustPut(t, r, web+"connections/servicebus", `"properties": {"api": {"id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/servicebus"}, "parameterValues": {"connectionString": "Endpoint=sb://x/"}}`)
	mustPut(t, r, web+"connections/own", `"properties": {"api": {"id": "`+web+`customApis/own"}, "parameterValueSet": {"name": "managedIdentityAuth", "values": {"ns": {"value": "n"}}}, "connectionRuntimeUrl": "http://own.example"}`)

	c := NewConnections(r)
	find := func(ref connection.Reference) string {
		ref.Kind = connection.Managed
		conn, err := c.Find(t.Context(), flowID, ref)
		if err != nil {
			var missing *connection.Missing
			if !errors.As(err, &missing) {
				t.Errorf("%v is no Missing", err)
			}
			return err.Error()
		}
		line := conn.Name + " " + conn.API + " " + conn.Base + " " + string(expression.AppendJSON(nil, conn.Values))
		if conn.Swagger != nil {
			line += " described"
		}
		if conn.Authentication != nil {
			line += " " + string(expression.AppendJSON(nil, conn.Authentication))
		}
		return line + " hides " + strings.Join(conn.Hidden, ",")
	}
	mail := `office365-1 office365 http://mail.example/v1 {"open":"yes","api_key":"sesame","deep":{"x":["inner"]}} described {"type":"ManagedServiceIdentity"} hides sesame,inner`
	for _, test := range []struct {
		ref  connection.Reference
		want string
	}{
		{connection.Reference{ID: web + "connections/office365-1"}, mail},
		{connection.Reference{Name: "mail", API: "/providers/Microsoft.PowerApps/apis/shared_office365"}, mail},
		{connection.Reference{ID: "servicebus"}, `servicebus servicebus  {"connectionString":"Endpoint=sb://x/"} hides Endpoint=sb://x/`},
		{connection.Reference{Name: "bus"}, `servicebus servicebus  {"connectionString":"Endpoint=sb://x/"} hides Endpoint=sb://x/`},
		{connection.Reference{Name: "own"}, `The connection "own" is to the API ` + web + `customApis/own, which is not declared in this location: declare it with properties.swagger and properties.backendService.serviceUrl.`},
		{connection.Reference{Name: "none"}, `The connection "none" is not declared in this location. Write {"id": "` + web + `connections/none", "type": "Microsoft.Web/connections", "properties": {"api": {"id": "` + web + `customApis/none"}, "parameterValues": {}}} into a file, with the API's Microsoft.Web/customApis resource (properties.swagger, properties.backendService.serviceUrl) beside it, and run: weir deploy FILE.`},
		{connection.Reference{ID: web + "connections/gone", API: "x/managedApis/teams"}, `The connection "gone" is not declared in this location. Write {"id": "` + web + `connections/gone", "type": "Microsoft.Web/connections", "properties": {"api": {"id": "` + web + `customApis/teams"}, "parameterValues": {}}} into a file, with the API's Microsoft.Web/customApis resource (properties.swagger, properties.backendService.serviceUrl) beside it, and run: weir deploy FILE.`},
		{connection.Reference{}, `The operation names no connection: give its host a connection, by the id of a Microsoft.Web/connections or a name in the workflow's parameters.$connections.value.`},
	} {
		if got := find(test.ref); got != test.want {
			t.Errorf("%+v\ngot  %s\nwant %s", test.ref, got, test.want)
		}
	}

	// A document that is declared anew counts at once.
	mustPut(t, r, web+"customApis/office365", `"properties": {"swagger": {"swagger": "2.0", "paths": {"/new": {"get": {"operationId": "New"}}}}, "backendService": {"serviceUrl": "http://mail.example/v1"}}`)
	if conn, err := c.Find(t.Context(), flowID, connection.Reference{Name: "mail"}); err != nil || !strings.Contains(jsonOf(conn.Swagger), "/new") {
		t.Errorf("%v %v", conn, err)
	}

	// Secrets are sealed as one text, stay when they are left out, and are not shown.
	mustPut(t, r, web+"connections/office365-1", `"properties": {"displayName": "new", "api": {"id": "/x/managedApis/office365"}}`)
	if got := find(connection.Reference{Name: "mail"}); !strings.Contains(got, "sesame") {
		t.Errorf("values that were left out are lost: %s", got)
	}
	id, _ := resource.ParseID(web + "connections/office365-1")
	d, err := r.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	typ, _ := r.Types().Lookup(d.Type())
	if shown, _ := typ.Redact(d).MarshalJSON(); strings.Contains(string(shown), "sesame") {
		t.Errorf("shown: %s", shown)
	}
}

func TestAddressesOfFunctionsAndGateways(t *testing.T) {
	r := declared(t)
	mustPut(t, r, web+"customApis/tools", `"properties": {"backendService": {"serviceUrl": "http://tools.example/"}}`)
	c := NewConnections(r)
	for id, want := range map[string]string{
		web + "sites/tools/functions/Make":                                   "http://tools.example/api/Make",
		group + "/providers/Microsoft.ApiManagement/service/gate/apis/tools": "http://tools.example",
		web + "sites/none/functions/Make":                                    "declare " + web + "customApis/none with properties.backendService.serviceUrl, which stands for it here",
		"none":                                                               "it is no id",
	} {
		got, err := c.Base(t.Context(), id)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestRefusedConnections(t *testing.T) {
	r := declared(t)
	for text, want := range map[string]string{
		`{"id": "` + web + `customApis/a", "properties": {"swagger": {"swagger": "2.0"}}}`:                 "has no paths",
		`{"id": "` + web + `customApis/a", "properties": {"swagger": "https://x"}}`:                        "a text or an address is not read",
		`{"id": "` + web + `customApis/a", "properties": {"apiType": "Soap"}}`:                             "SOAP APIs are not called",
		`{"id": "` + web + `customApis/a", "properties": {"wsdlDefinition": {"url": "x"}}}`:                "SOAP APIs are not called",
		`{"id": "` + web + `customApis/a", "properties": {"policies": [{"x": 1}]}}`:                        "not carried out",
		`{"id": "` + web + `customApis/a", "properties": {"backendService": {"serviceUrl": "ftp://x"}}}`:   "begins with https://",
		`{"id": "` + web + `connections/a", "properties": {"api": {"id": "x"}, "parameterValues": ["x"]}}`: "an object of names and values",
		`{"id": "` + web + `connections/a", "properties": {"parameterValues": {}, "api": {}}}`:             "required",
		`{"id": "` + web + `connections/a", "properties": {"api": {"id": "x"}, "parametervalue": {}}}`:     `did you mean "parameterValue`,
	} {
		if err := put(t, r, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestConnectionsOfASite(t *testing.T) {
	const site = web + "sites/app"
	r := declared(t)
	mustPut(t, r, site, `"kind": "functionapp,workflowapp", "properties": {"appSettings": {"BUS": "Endpoint=sb://secret/", "KEY": "sesame", "VAULT": "@Microsoft.KeyVault(SecretUri=x)"}, "parameters": {"host": {"type": "String", "value": "@appsetting('HOSTNAME')"}, "kind": {"type": "String", "value": "v2"}},
	 "connections": {
	  "serviceProviderConnections": {"serviceBus": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterValues": {"connectionString": "@appsetting('bus')"}, "displayName": "b"},
	    "blob": {"serviceProvider": {"id": "/serviceProviders/AzureBlob"}, "parameterValues": {"connectionString": "x"}},
	    "broken": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterValues": {"connectionString": "@appsetting('NONE')"}},
	    "vault": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterValues": {"connectionString": "@appsetting('VAULT')"}},
	    "msi": {"serviceProvider": {"id": "/serviceProviders/serviceBus"}, "parameterValues": {"authProvider": {"Type": "ManagedServiceIdentity"}, "fullyQualifiedNamespace": "@{parameters('host')}-@{parameters('kind')}"}, "parameterSetName": "ManagedServiceIdentity"}},
	  "functionConnections": {"f": {"function": {"id": "/f/id"}, "triggerUrl": "http://f.example/api/f", "authentication": {"type": "QueryString", "name": "Code", "value": "@appsetting('KEY')"}}},
	  "apiManagementConnections": {"g": {"apiId": "/g", "baseUrl": "http://g.example", "subscriptionKey": "@appsetting('KEY')"}},
	  "managedApiConnections": {
	    "raw": {"api": {"id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/office365"}, "connection": {"id": "`+web+`connections/gone"}, "connectionRuntimeUrl": "http://hub.example/x/", "authentication": {"type": "Raw", "scheme": "Key", "parameter": "@appsetting('KEY')"}},
	    "here": {"api": {"id": "/subscriptions/s/providers/Microsoft.Web/locations/west/managedApis/teams"}, "connection": {"id": "`+web+`connections/gone"}, "connectionRuntimeUrl": "http://hub.example/y", "authentication": {"type": "ManagedServiceIdentity"}}}}}`)
	mustPut(t, r, site+"/config/appsettings", `"properties": {"HOSTNAME": "ns.example"}`)
	mustPut(t, r, web+"customApis/azureblob", `"properties": {"backendService": {"serviceUrl": "http://blobs.example"}, "swagger": {"paths": {}}}`)
	mustPut(t, r, web+"customApis/teams", `"properties": {"backendService": {"serviceUrl": "http://teams.example"}}`)
	c := NewConnections(r)
	for _, test := range []struct {
		kind connection.Kind
		name string
		want string
	}{
		{connection.Provider, "ServiceBus", `servicebus  {"connectionString":"Endpoint=sb://secret/"} null`},
		{connection.Provider, "msi", `servicebus  {"authProvider":{"Type":"ManagedServiceIdentity"},"fullyQualifiedNamespace":"ns.example-v2","parameterSetName":"ManagedServiceIdentity"} null`},
		{connection.Provider, "blob", `azureblob http://blobs.example {"connectionString":"x"} null`},
		{connection.Provider, "broken", `The connection "broken" cannot be used: The site "app" has no app setting "NONE" in this location: PUT ` + site + `/config/appsettings with {"properties": {"NONE": "…"}} beside those it has.`},
		{connection.Provider, "vault", `The connection "vault" cannot be used: The app setting "VAULT" of the site "app" refers to a key vault, which is not read here: give it the value itself.`},
		{connection.Provider, "none", `The site "app" has no connection "none" in this location: put {"serviceProviderConnections": {"none": {…}}} into its connections.json (` + site + `/config/connections).`},
		{connection.Function, "f", `/f/id http://f.example/api/f null {"type":"QueryString","name":"Code","value":"sesame"}`},
		{connection.Management, "g", `/g http://g.example {"subscriptionKey":"sesame"} null`},
		{connection.Managed, "raw", `office365 http://hub.example/x null {"type":"Raw","value":"Key sesame"}`},
		{connection.Managed, "here", `teams http://teams.example null null`},
	} {
		conn, err := c.Find(t.Context(), site+"/workflows/w", connection.Reference{Kind: test.kind, Name: test.name})
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = conn.API + " " + conn.Base + " " + jsonOf(conn.Values) + " " + jsonOf(conn.Authentication)
		}
		if got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

func jsonOf(o *expression.Object) string {
	if o == nil {
		return "null"
	}
	return string(expression.AppendJSON(nil, o))
}
