package http

import "weir/service/workflow/connector"

// Inputs that calls share.
var (
	methodInput  = connector.Input{Name: "method", About: "GET, PUT, POST, PATCH, DELETE or another", Kind: "string"}
	uriInput     = connector.Input{Name: "uri", About: "absolute address with http or https, at most 16,384 characters", Kind: "string"}
	sharedInputs = []connector.Input{
		{Name: "queries", About: "added to the query of the address; an array gives one for each item, null none", Kind: "object"},
		{Name: "headers", About: "sent along, but for those that belong to the connection (Host, Content-Length, Transfer-Encoding ...)", Kind: "object"},
		{Name: "body", About: "JSON, a text, or content: {$content-type, $content}, {$content-type, $multipart: [{headers, body}]}, {$formdata: [{key, value}]}; an object is a form where the Content-Type says so", Kind: "any"},
		{Name: "cookie", About: "the Cookie header, which headers cannot set", Kind: "string"},
		{Name: "authentication", About: "{type: Basic, username, password}, {type: ClientCertificate, pfx, password}, {type: ActiveDirectoryOAuth, tenant, clientId, secret or pfx and password, audience, authority}, {type: ManagedServiceIdentity, identity, audience} or {type: Raw, value}", Kind: "object"},
		{Name: "retryPolicy", About: "{type: none | fixed | exponential, count, interval, minimumInterval, maximumInterval}", Kind: "object"},
	}
)

const (
	answered = "statusCode, headers and body: JSON as it is, text as a string, everything else as {$content-type, $content}; no body where there is none."
	halfOf   = "a call as of Http: method, uri, queries, headers, body, authentication"
)

func with(first ...connector.Input) []connector.Input { return append(first, sharedInputs...) }

func must(i connector.Input) connector.Input {
	i.Required = true
	return i
}

// Operations declares what is called over HTTP.
func (c *Connector) Operations() []connector.Operation {
	function := connector.Input{Name: "function", About: "{id}: the resource id of the function, where no uri is given", Kind: "object"}
	api := []connector.Input{
		must(connector.Input{Name: "api", About: "{id}: the resource id of the API", Kind: "object"}),
		must(connector.Input{Name: "pathTemplate", About: "{template, parameters}: the operation's path, and what its {names} stand for", Kind: "object"}),
		{Name: "subscriptionKey", About: "sent as Ocp-Apim-Subscription-Key", Kind: "string"}, methodInput,
	}
	hook := []connector.Input{
		must(connector.Input{Name: "subscribe", About: halfOf + "; with @listCallbackUrl() in it", Kind: "object"}),
		{Name: "unsubscribe", About: halfOf + "; left out, nothing is unsubscribed", Kind: "object"},
	}
	return []connector.Operation{
		{Name: "Http", Summary: "Call any HTTP service", Inputs: with(must(methodInput), must(uriInput)), Outputs: answered},
		{Name: "Http", Summary: "Ask an HTTP service, and run for each 200", Trigger: true, Inputs: with(must(methodInput), must(uriInput)), Outputs: answered + " 202 is nothing yet; Retry-After says when to ask again, Location where."},
		{Name: "HttpWebhook", Summary: "Subscribe, and wait for the call back", Inputs: hook, Outputs: "what the call back brings: headers and body."},
		{Name: "HttpWebhook", Summary: "Subscribe when the workflow is enabled, and run for each call back", Trigger: true, Inputs: hook, Outputs: "what the call back brings: headers and body."},
		{Name: "AppService", Summary: "Call an operation of a web app", Inputs: with(must(methodInput), must(uriInput)), Outputs: answered},
		{Name: "Function", Summary: "Call a function over HTTP; POST where nothing is said", Inputs: with(function, uriInput, methodInput), Outputs: answered},
		{Name: "ApiManagement", Summary: "Call an operation of an API of the gateway", Inputs: with(api...), Outputs: answered},
		{Name: "ApiManagement", Summary: "Ask an operation of an API of the gateway, and run for each 200", Trigger: true, Inputs: with(api...), Outputs: answered},
	}
}
