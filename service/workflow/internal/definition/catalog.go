package definition

import (
	"slices"
	"strings"

	"weir/service/workflow/internal/document"
)

// Support says what becomes of a type here.
type Support uint8

// Kinds of support.
const (
	// Runs means that the engine runs it.
	Runs Support = iota
	// Later means that it is read and checked now and runs in a later version.
	Later
	// Refused means that it never runs here; the reason stands in Note.
	Refused
)

// String is how the guide says it.
func (s Support) String() string { return [...]string{"runs", "later", "refused"}[s] }

// Type is one row of the catalogue: all that is known of a type of action or
// trigger.
type Type struct {
	Name    string
	Group   string
	Support Support
	// Note says what it does or why it does not run.
	Note string
	// Kinds are the words its kind may be; nil, there is no kind; any case is good.
	Kinds []string
	// Options are the operation options that fit it beside those of all.
	Options []string
	// NeedsInputs says that inputs must be there.
	NeedsInputs bool
	// Inputs are the members of inputs that are known of and checked.
	Inputs []Field
	// Trigger only: whether a recurrence must or may be there.
	Recurs need
	// check is what a table cannot say.
	check func(r *reader, o *Operation)
}

type need uint8

const (
	no need = iota
	may
	must
)

// Field is a member that is looked for.
type Field struct {
	Name string
	Must bool
	// Kinds are the JSON types it may have; an expression is always good. None: any.
	Kinds []document.Kind
	// OneOf are the words it may be, in any case.
	OneOf []string
	// Inner are members of an object, Each of every object in an array.
	Inner, Each []Field
	// Check judges what a table cannot say.
	Check func(r *reader, v *document.Value, p document.Path)
}

func (f Field) must() Field { f.Must = true; return f }

func anything(name string) Field { return Field{Name: name} }
func text(name string) Field     { return Field{Name: name, Kinds: []document.Kind{document.String}} }
func scalar(name string) Field {
	return Field{Name: name, Kinds: []document.Kind{document.String, document.Number, document.Bool}}
}
func flag(name string) Field { return Field{Name: name, Kinds: []document.Kind{document.Bool}} }
func whole(name string) Field {
	return Field{Name: name, Kinds: []document.Kind{document.Number, document.String}, Check: isWhole}
}
func object(name string, inner ...Field) Field {
	return Field{Name: name, Kinds: []document.Kind{document.Object}, Inner: inner}
}
func list(name string, each ...Field) Field {
	return Field{Name: name, Kinds: []document.Kind{document.Array}, Each: each}
}
func word(name string, oneOf ...string) Field {
	return Field{Name: name, Kinds: []document.Kind{document.String}, OneOf: oneOf}
}

func zoneName(name string) Field {
	return Field{Name: name, Kinds: []document.Kind{document.String}, Check: checkZone}
}

func isWhole(r *reader, v *document.Value, p document.Path) {
	if _, ok := v.Int(); !ok && !r.later(v) {
		r.error(p, v, "wrong-type", "%s must be a whole number, not %s", last(p), shown(v))
	}
}

// The pieces that several types share.
var (
	methods     = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
	timeUnits   = []string{"Second", "Minute", "Hour", "Day", "Week", "Month", "Year"}
	accessKey   = word("accessKeyType", "Primary", "Secondary")
	httpMethod  = Field{Name: "method", Kinds: []document.Kind{document.String}, Check: checkMethod}
	httpURI     = Field{Name: "uri", Kinds: []document.Kind{document.String}, Check: checkURI}
	callMembers = []Field{object("headers"), object("queries"), {Name: "authentication", Kinds: []document.Kind{document.Object}, Check: checkAuthentication}}
	httpInputs  = slices.Concat([]Field{httpMethod.must(), httpURI.must(), anything("body"), text("cookie")}, callMembers)
	webhook     = []Field{
		{Name: "subscribe", Must: true, Check: checkSubscribe, Kinds: []document.Kind{document.Object, document.String}, Inner: slices.Concat([]Field{httpMethod, httpURI.must()}, callMembers)},
		{Name: "unsubscribe", Kinds: []document.Kind{document.Object, document.String}, Inner: slices.Concat([]Field{httpMethod, httpURI}, callMembers)},
		accessKey,
	}
	connectionHost = Field{Name: "host", Must: true, Kinds: []document.Kind{document.Object}, Check: checkConnectionHost}
	connection     = slices.Concat([]Field{connectionHost, httpMethod.must(), text("path").must(), anything("body")}, callMembers)
	connectionHook = slices.Concat([]Field{connectionHost, httpMethod, text("path"), anything("body"), accessKey}, callMembers)
	openAPIHost    = object("host", text("apiId"), text("operationId").must(), text("connectionName"))
	openAPI        = []Field{openAPIHost.must(), object("parameters"), anything("authentication")}
	provider       = []Field{{Name: "parameters", Kinds: []document.Kind{document.Object, document.String}}, object("serviceProviderConfiguration", text("connectionName").must(), text("operationId").must(), text("serviceProviderId").must()).must()}
	management     = slices.Concat([]Field{object("api", text("id"), text("name")).must(), {Name: "pathTemplate", Must: true, Kinds: []document.Kind{document.String, document.Object}}, httpMethod, text("subscriptionKey"), anything("body")}, callMembers)
	xmlMap         = object("map", text("name").must(), text("source"))
	xmlSchema      = object("schema", text("name").must(), text("source"))
	accountMap     = object("integrationAccount", xmlMap.must())
	accountSchema  = object("integrationAccount", xmlSchema.must())
	variableName   = text("name").must()
	interval       = []Field{whole("interval").must(), word("timeUnit", timeUnits...).must()}
	contentField   = anything("content").must()
	release        = object("releaseCriteria", whole("messageCount"), whole("batchSize"), object("recurrence"))
)

const (
	b2b     = "comes with XML and EDI"
	licence = "needs a licence that this engine does not have"
	dotnet  = "needs a foreign runtime"
	model   = "needs a service of language models"
)

var callOptions = []string{"DisableAsyncPattern", "SuppressWorkflowHeaders", "DisableAutomaticDecompression", "IncludeAuthorizationHeadersInOutputs"}

// Actions is the catalogue of actions.
var Actions = []Type{
	{Name: "If", Group: "control", Note: "one of two ways"},
	{Name: "Switch", Group: "control", Note: "one of many ways"},
	{Name: "Foreach", Group: "control", Note: "once for each item", Options: []string{"Sequential"}},
	{Name: "Until", Group: "control", Note: "again until it holds", Options: []string{"FailWhenLimitsReached"}},
	{Name: "Scope", Group: "control", Note: "several as one"},
	{Name: "Terminate", Group: "control", Note: "end the run", NeedsInputs: true, Inputs: []Field{word("runStatus", "Succeeded", "Failed", "Cancelled").must(), object("runError", scalar("code"), scalar("message"))}, check: checkTerminate},
	{Name: "Wait", Group: "control", Note: "a time or until one", NeedsInputs: true, check: checkWait, Inputs: []Field{object("interval", Field{Name: "count", Must: true, Kinds: []document.Kind{document.Number, document.String}, Check: checkCount}, word("unit", timeUnits...).must()), object("until", Field{Name: "timestamp", Must: true, Kinds: []document.Kind{document.String}, Check: checkInstant})}},

	{Name: "InitializeVariable", Group: "variables", Note: "declare", NeedsInputs: true, check: checkInitialize},
	{Name: "SetVariable", Group: "variables", Note: "set", NeedsInputs: true, Inputs: []Field{variableName, anything("value")}, check: checkValue},
	{Name: "IncrementVariable", Group: "variables", Note: "add to a number", NeedsInputs: true, Inputs: []Field{variableName, anything("value")}},
	{Name: "DecrementVariable", Group: "variables", Note: "take from a number", NeedsInputs: true, Inputs: []Field{variableName, anything("value")}},
	{Name: "AppendToArrayVariable", Group: "variables", Note: "add an item", NeedsInputs: true, Inputs: []Field{variableName, anything("value")}, check: checkAppended},
	{Name: "AppendToStringVariable", Group: "variables", Note: "add text", NeedsInputs: true, Inputs: []Field{variableName, anything("value")}, check: checkAppended},

	{Name: "Compose", Group: "data", Note: "make a value", check: checkCompose},
	{Name: "ParseJson", Group: "data", Note: "check against a schema", NeedsInputs: true, Inputs: []Field{contentField, {Name: "schema", Must: true, Kinds: []document.Kind{document.Object, document.Bool}}}},
	{Name: "Query", Group: "data", Note: "keep some items", NeedsInputs: true, Inputs: []Field{anything("from").must(), {Name: "where", Must: true, Kinds: []document.Kind{document.String, document.Object, document.Bool}}}},
	{Name: "Select", Group: "data", Note: "make each item anew", NeedsInputs: true, Inputs: []Field{anything("from").must(), anything("select").must()}},
	{Name: "Table", Group: "data", Note: "CSV or HTML", NeedsInputs: true, Inputs: []Field{anything("from").must(), word("format", "CSV", "HTML").must(), list("columns", text("header"), anything("value").must())}},
	{Name: "Join", Group: "data", Note: "one text of many", NeedsInputs: true, Inputs: []Field{anything("from").must(), text("joinWith").must()}},
	{Name: "Expression", Group: "data", Note: "dates and numbers", Kinds: kindsOf(expressionInputs), check: checkExpressionKind},

	{Name: "Http", Group: "calls", Note: "any HTTP service", NeedsInputs: true, Inputs: httpInputs, Options: callOptions},
	{Name: "HttpWebhook", Group: "calls", Note: "subscribe and wait for the call back", NeedsInputs: true, Inputs: webhook, Options: callOptions},
	{Name: "Response", Group: "calls", Note: "answer the request", NeedsInputs: true, Options: []string{"Asynchronous"}, Kinds: []string{"Http", "PowerApp", "PowerAppV2", "Skills", "ApiConnection", "VirtualAgent", "EventGrid", "Agent"}, check: checkResponse,
		Inputs: []Field{{Name: "statusCode", Must: true, Kinds: []document.Kind{document.Number, document.String}, Check: checkStatusCode}, object("headers"), anything("body"), anything("schema")}},
	{Name: "Workflow", Group: "calls", Note: "another workflow", NeedsInputs: true, Options: callOptions, Inputs: []Field{{Name: "host", Must: true, Kinds: []document.Kind{document.Object}, Check: checkWorkflowHost}, object("headers"), anything("body")}},
	{Name: "InvokeWorkflow", Group: "calls", Note: "another workflow, by its other name", NeedsInputs: true, Options: callOptions, Inputs: []Field{{Name: "host", Must: true, Kinds: []document.Kind{document.Object}, Check: checkWorkflowHost}, object("headers"), anything("body")}},
	{Name: "Function", Group: "calls", Note: "a function app, by its address", NeedsInputs: true, Options: callOptions, check: checkFunction, Inputs: slices.Concat([]Field{object("function", text("id"), text("name"), text("connectionName")), httpMethod, httpURI, anything("body")}, callMembers)},
	{Name: "InvokeFunction", Group: "calls", Support: Refused, Note: dotnet, NeedsInputs: true, Options: callOptions, Inputs: []Field{text("functionName").must(), object("parameters")}},
	{Name: "ApiManagement", Group: "calls", Note: "an operation of an API of the gateway", NeedsInputs: true, Options: callOptions, Inputs: management},
	{Name: "AppService", Group: "calls", Note: "an operation of a web app with a Swagger document", NeedsInputs: true, Options: callOptions, Inputs: slices.Concat([]Field{httpMethod, httpURI, anything("body")}, callMembers)},
	{Name: "ApiConnection", Group: "calls", Note: "an operation of a connection", NeedsInputs: true, Options: callOptions, Inputs: connection},
	{Name: "ApiConnectionWebhook", Group: "calls", Note: "an operation of a connection that calls back", NeedsInputs: true, Options: callOptions, Inputs: connectionHook},
	{Name: "ApiConnectionNotification", Group: "calls", Note: "an operation of a connection that notifies", NeedsInputs: true, Options: callOptions, Inputs: []Field{connectionHost}},
	{Name: "OpenApiConnection", Group: "calls", Note: "an operation of a connection, as Power Automate writes it", NeedsInputs: true, Options: callOptions, Inputs: openAPI},
	{Name: "OpenApiConnectionWebhook", Group: "calls", Note: "the same that calls back", NeedsInputs: true, Options: callOptions, Inputs: openAPI},
	{Name: "OpenApiConnectionNotification", Group: "calls", Note: "the same that notifies", NeedsInputs: true, Options: callOptions, Inputs: openAPI},
	{Name: "ServiceProvider", Group: "calls", Note: "an operation of a built-in connector", NeedsInputs: true, Options: callOptions, Inputs: provider},
	{Name: "SendToBatch", Group: "calls", Note: "hand a message to a Batch trigger", NeedsInputs: true, Inputs: sendToBatch},
	{Name: "Batch", Group: "calls", Note: "hand a message to a Batch trigger, by its older name", NeedsInputs: true, Inputs: []Field{word("mode", "Inline", "IntegrationAccount"), text("batchName").must(), contentField, object("host"), text("partitionName"), text("messageId")}},

	{Name: "Xslt", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Kinds: []string{"DataMapper", "Xslt"}, Inputs: []Field{contentField, accountMap, xmlMap, anything("function"), anything("xsltParameters"), text("transformOptions")}, check: either("integrationAccount", "map")},
	{Name: "XmlValidation", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{contentField, accountSchema, xmlSchema}, check: either("integrationAccount", "schema")},
	{Name: "XmlParse", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{contentField}},
	{Name: "XmlCompose", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{contentField}},
	{Name: "FlatFileDecoding", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{contentField, accountSchema, xmlSchema}, check: either("integrationAccount", "schema")},
	{Name: "FlatFileEncoding", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{contentField, accountSchema, xmlSchema, word("emptyNodeGenerationMode", "ForcedDisabled", "HonorSchemaNodeProperty", "ForcedEnabled")}, check: either("integrationAccount", "schema")},
	{Name: "Liquid", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Kinds: []string{"JsonToJson", "JsonToText", "XmlToJson", "XmlToText"}, Inputs: []Field{contentField, accountMap, xmlMap}, check: either("integrationAccount", "map")},
	{Name: "IntegrationAccountArtifactLookup", Group: "transform", Support: Later, Note: b2b, NeedsInputs: true, Inputs: []Field{text("artifactName").must(), word("artifactType", "Schema", "Map", "Partner", "Agreement", "Certificate", "Assembly").must()}},
	{Name: "X12Decode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "X12Encode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "X12BatchEncode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "EdifactDecode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "EdifactEncode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "EdifactBatchEncode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "As2Decode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "As2Encode", Group: "B2B", Support: Later, Note: b2b},
	{Name: "RosettaNetEncode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "RosettaNetDecode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "RosettaNetWaitForResponse", Group: "B2B", Support: Refused, Note: licence},
	{Name: "SwiftMTDecode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "SwiftMTEncode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "SwiftEncode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "SwiftDecode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "HL7Decode", Group: "B2B", Support: Refused, Note: licence},
	{Name: "HL7Encode", Group: "B2B", Support: Refused, Note: licence},

	{Name: "JavaScriptCode", Group: "code", Note: "a script with limits on time and memory", NeedsInputs: true, Inputs: []Field{text("code").must(), object("explicitDependencies", list("actions"), flag("includeTrigger"))}},
	{Name: "CSharpScriptCode", Group: "code", Support: Refused, Note: dotnet, NeedsInputs: true, Inputs: codeFile},
	{Name: "PowerShellCode", Group: "code", Support: Refused, Note: dotnet, NeedsInputs: true, Inputs: codeFile},
	{Name: "RuleEngine", Group: "code", Support: Refused, Note: dotnet},

	{Name: "Agent", Group: "models", Support: Refused, Note: model},
	{Name: "NestedAgent", Group: "models", Support: Refused, Note: model},
	{Name: "AgentHandoff", Group: "models", Support: Refused, Note: model},
	{Name: "McpClientTool", Group: "models", Support: Refused, Note: model},
	{Name: "ChunkText", Group: "models", Support: Refused, Note: model},
	{Name: "ChunkTextWithMetadata", Group: "models", Support: Refused, Note: model},
	{Name: "ParseDocument", Group: "models", Support: Refused, Note: dotnet},
	{Name: "ParseDocumentWithMetadata", Group: "models", Support: Refused, Note: dotnet},
}

// Triggers is the catalogue of triggers.
var Triggers = []Type{
	{Name: "Request", Group: "calls in", Note: "an HTTP request", Kinds: requestKinds, Options: requestOptions,
		Inputs: []Field{{Name: "schema", Kinds: []document.Kind{document.Object, document.Bool}}, httpMethod, text("relativePath"), anything("headersSchema"), anything("operationId"), anything("host"), anything("parameters")}},
	{Name: "Manual", Group: "calls in", Note: "a Request by its name of 2015", Kinds: requestKinds, Options: requestOptions},
	{Name: "HttpWebhook", Group: "calls in", Note: "subscribed when the workflow is enabled", NeedsInputs: true, Inputs: webhook, Options: []string{"IncludeAuthorizationHeadersInOutputs"}},
	{Name: "ApiConnectionWebhook", Group: "calls in", Note: "subscribed through a connection", NeedsInputs: true, Options: []string{"IncludeAuthorizationHeadersInOutputs"}, Inputs: connectionHook},
	{Name: "ApiConnectionNotification", Group: "calls in", Note: "notified through a connection", NeedsInputs: true, Inputs: []Field{connectionHost}},
	{Name: "OpenApiConnectionWebhook", Group: "calls in", Note: "the same, as Power Automate writes it", NeedsInputs: true, Inputs: openAPI},
	{Name: "OpenApiConnectionNotification", Group: "calls in", Note: "the same, as Power Automate writes it", NeedsInputs: true, Inputs: openAPI},
	{Name: "Batch", Group: "calls in", Note: "when enough messages are there", NeedsInputs: true, Inputs: []Field{word("mode", "Inline", "IntegrationAccount"), object("configurations"), release}, check: checkBatch},

	{Name: "Recurrence", Group: "time", Note: "every so often", Recurs: must},
	{Name: "SlidingWindow", Group: "time", Note: "every window of time, none left out", Recurs: must, Inputs: []Field{{Name: "delay", Kinds: []document.Kind{document.String}, Check: checkDuration}}},

	{Name: "Http", Group: "polling", Note: "an HTTP service is asked", NeedsInputs: true, Recurs: must, Inputs: httpInputs},
	{Name: "ApiConnection", Group: "polling", Note: "a connection is asked", NeedsInputs: true, Recurs: may, Inputs: connection},
	{Name: "OpenApiConnection", Group: "polling", Note: "the same, as Power Automate writes it", NeedsInputs: true, Recurs: may, Inputs: openAPI},
	{Name: "ApiManagement", Group: "polling", Note: "an API of the gateway is asked", NeedsInputs: true, Recurs: may, Inputs: management},
	{Name: "ServiceProvider", Group: "polling", Note: "a built-in connector", NeedsInputs: true, Recurs: may, Kinds: []string{"Polling", "Push"}, Inputs: provider},
}

var (
	requestKinds   = []string{"Http", "Button", "PowerApp", "PowerAppV2", "ApiConnection", "Agent", "Skills", "EventGrid", "Geofence", "Security", "Alert", "AzureMonitorAlert", "VirtualAgent", "Manual"}
	requestOptions = []string{"IncludeAuthorizationHeadersInOutputs", "EnableSchemaValidation", "SuppressWorkflowHeadersOnResponse"}
	sendToBatch    = []Field{text("batchName").must(), contentField, object("host", text("triggerName").must(), object("workflow", text("id").must()).must()).must(), text("partitionName"), text("messageId")}
	codeFile       = []Field{text("CodeFile").must()}
)

// expressionInputs are the inputs that each kind of an Expression action needs.
var expressionInputs = map[string][]Field{
	"CurrentTime":      {},
	"AddToTime":        append([]Field{scalar("baseTime").must()}, interval...),
	"SubtractFromTime": append([]Field{scalar("baseTime").must()}, interval...),
	"GetPastTime":      interval,
	"GetFutureTime":    interval,
	"ConvertTimeZone":  {scalar("baseTime").must(), zoneName("sourceTimeZone"), zoneName("destinationTimeZone").must(), text("formatString")},
	"FormatNumber":     {anything("number").must(), text("format").must(), text("locale")},
	"IndexOf":          {anything("fullText").must(), anything("searchText").must()},
	"Substring":        {anything("text").must(), anything("startingPosition"), anything("length")},
}

func kindsOf(m map[string][]Field) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ActionType gives what is known of a type of action, in any case; nil, there is none.
func ActionType(name string) *Type { return find(Actions, name) }

// TriggerType gives what is known of a type of trigger, in any case; nil, there is none.
func TriggerType(name string) *Type { return find(Triggers, name) }

// find gives the row of a type, whatever its case.
func find(table []Type, name string) *Type {
	for i := range table {
		if strings.EqualFold(table[i].Name, name) {
			return &table[i]
		}
	}
	return nil
}
