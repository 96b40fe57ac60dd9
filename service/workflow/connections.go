package workflow

import (
	"encoding/json"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/swagger"
)

// The types of connections.
const (
	typeConnection       = "Microsoft.Web/connections"
	typeConnectionPolicy = typeConnection + "/accessPolicies"
	typeCustomAPI        = "Microsoft.Web/customApis"
)

var connectionVersions = []string{"2018-07-01-preview", "2016-06-01", "2015-08-01-preview"}

// connectionsMax is how many connections, and how many APIs, a resource group holds.
const connectionsMax = 5000

// ConnectionTypes declares connections and the APIs they are to. Each location has its
// own: a continuity group does not carry them to the other one.
func ConnectionTypes() []*resource.Type {
	name, hint := `[^<>*%&:\\?/+]+`, "any characters but < > * % & : \\ ? / +"
	said := func(names ...string) (fields []resource.Field) {
		for _, n := range names {
			fields = append(fields, resource.Field{Name: n, Kind: resource.JSON, ReadOnly: true, Description: "Said by the service in Azure; left out here."})
		}
		return fields
	}
	kept := func(names ...string) (fields []resource.Field) {
		for _, n := range names {
			fields = append(fields, resource.Field{Name: n, Kind: resource.JSON, Description: "Kept for templates."})
		}
		return fields
	}
	text := func(n, about string) resource.Field {
		return resource.Field{Name: n, Kind: resource.String, Description: about}
	}
	connection := &resource.Type{
		Name: typeConnection, APIVersions: connectionVersions,
		Description: "A connection: an API, and the values and credentials with which workflows call it. Each location has its own.",
		NamePattern: name, NameHint: hint, NameRange: resource.Range{Min: 1, Max: 80}, Located: true, SiblingsMax: connectionsMax,
		Fields: append([]resource.Field{
			text("displayName", "A name for people."),
			{Name: "api", Kind: resource.Object, Description: "What it is a connection to.", Fields: append([]resource.Field{
				{Name: "id", Kind: resource.String, Required: true, Description: "The id of a Microsoft.Web/customApis, or of a managed API (`…/managedApis/office365`): a customApis of the same name in the connection's resource group stands for that. servicebus and filesystem are served without one."},
				text("name", "Its name."), text("type", "Its type."),
			}, kept("displayName", "description", "iconUri", "brandColor", "category", "tier", "location")...)},
			{Name: "parameterValues", Kind: resource.Secret, Description: "Values for the API's connectionParameters: an object, which is sealed as its JSON text and never shown. Left out, it stays."},
			{Name: "parameterValueSet", Kind: resource.Secret, Description: "`{\"name\": \"managedIdentityAuth\", \"values\": {\"name\": {\"value\": …}}}`: one of the API's sets of values; sealed likewise. managedIdentityAuth calls as the workflow."},
			{Name: "parameterValueType", Kind: resource.String, Description: "Alternative: call as the workflow's managed identity."},
			{Name: "nonSecretParameterValues", Kind: resource.JSON, Description: "Values that may be shown."},
			{Name: "customParameterValues", Kind: resource.JSON, Description: "Further values that may be shown."},
			text("connectionRuntimeUrl", "The address of the API, when it has no customApis with a backendService."),
		}, append(kept("alternativeParameterValues", "privacySetting", "isDynamicConnectionAllowed"),
			said("statuses", "overallStatus", "testLinks", "testRequests", "createdTime", "changedTime", "authenticatedUser", "connectionState", "feature", "provisioningState", "accountName", "gateway")...)...),
		Prepare: func(d, old *resource.Document, _ resource.PrepareContext) error {
			for _, property := range []string{"parameterValues", "parameterValueSet"} {
				if err := sealObject(d, old, property); err != nil {
					return err
				}
			}
			return nil
		},
	}
	policy := &resource.Type{
		Name: typeConnectionPolicy, APIVersions: connectionVersions,
		Description: "Who may use a connection, as Standard templates declare it. Kept: here all workflows of the location's resource group may.",
		NameRange:   resource.Range{Min: 1, Max: 260}, Located: true, SiblingsMax: 1000,
		Fields: kept("principal"),
	}
	api := &resource.Type{
		Name: typeCustomAPI, APIVersions: connectionVersions,
		Description: "An API that connections are to: a Swagger document with x-ms extensions, an address, and the parameters a connection has values for. Each location has its own.",
		NamePattern: name, NameHint: hint, NameRange: resource.Range{Min: 1, Max: 80}, Located: true, SiblingsMax: connectionsMax,
		Fields: append([]resource.Field{
			text("displayName", "A name for people."), text("description", "What it is for."),
			{Name: "swagger", Kind: resource.JSON, Description: "The Swagger 2.0 or OpenAPI 3 document. Operations that are called by their id need it."},
			{Name: "backendService", Kind: resource.Object, Description: "Where it is.", Fields: []resource.Field{
				{Name: "serviceUrl", Kind: resource.String, Pattern: `https?://[^\s]+`, Hint: "an address that begins with https:// or http://", Description: "The address that paths are below. Without it the document's own counts."},
			}},
			{Name: "connectionParameters", Kind: resource.JSON, Description: "What a connection has values for: `{\"api_key\": {\"type\": \"securestring\"}}`. Where the document has no securityDefinitions, `\"in\": \"header\"` or `\"query\"` and a `\"name\"` say where a value goes."},
			{Name: "apiType", Kind: resource.String, Description: "Rest."},
			{Name: "apiDefinitions", Kind: resource.JSON, Description: "Kept for templates: documents at an address are not fetched, give swagger."},
			{Name: "wsdlDefinition", Kind: resource.JSON, Description: "Refused when it is given: SOAP APIs are not called."},
			{Name: "policies", Kind: resource.JSON, Description: "Refused when there are some: they are not carried out."},
		}, append(kept("iconUri", "iconBrandColor", "brandColor", "capabilities", "protocols", "runtimeUrls", "metadata", "connectionParameterSets", "contact", "license", "tier", "scriptDefinitionUrl"), said("provisioningState", "createdTime", "changedTime", "environment")...)...),
		Check: checkAPI,
	}
	return []*resource.Type{connection, policy, api}
}

// sealObject turns an object into the JSON text that a property of the kind Secret holds.
// What is left out stays as it was, since nobody is shown it to send it back.
func sealObject(d, old *resource.Document, property string) error {
	switch given := plainOf(d.Properties[property]).(type) {
	case nil:
		if old != nil && old.String(property) != "" {
			d.Properties[property] = old.String(property)
		}
	case map[string]any:
		text, err := json.Marshal(given)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The %s cannot be read.", property)
		}
		d.Properties[property] = string(text)
	case string:
		var o map[string]any
		if err := json.Unmarshal([]byte(given), &o); err != nil {
			return fault.New(fault.Invalid, "The %s are an object of names and values.", property)
		}
	default:
		return fault.New(fault.Invalid, "The %s are an object of names and values.", property)
	}
	return nil
}

func checkAPI(d resource.Document, _ resource.View) (p resource.Problems) {
	if raw := d.Raw("swagger"); raw != "" && raw != "null" {
		v, err := expression.ParseJSON(string(raw))
		root, ok := v.(*expression.Object)
		switch {
		case err != nil || !ok:
			p = problem(p, d, "properties.swagger", "It is a Swagger document, an object; a text or an address is not read.")
		default:
			if _, err := swagger.Read(root); err != nil {
				p = problem(p, d, "properties.swagger", "It cannot be used: %s.", err)
			}
		}
	}
	if strings.EqualFold(d.String("apiType"), "Soap") {
		p = problem(p, d, "properties.apiType", "SOAP APIs are not called: describe the service's HTTP operations in a Swagger document, or call it with an Http action.")
	}
	for property, why := range map[string]string{"wsdlDefinition": "SOAP APIs are not called: use a Swagger document.", "policies": "Policies of an API are not carried out here, and without them calls would not be what they are meant to be: put what they do into the workflow or the API."} {
		if raw := d.Raw(property); raw != "" && raw != "null" && raw != "[]" && raw != "{}" {
			p = problem(p, d, "properties."+property, "%s", why)
		}
	}
	return p
}
