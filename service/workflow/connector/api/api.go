// Package api calls the operations of connections: APIs that a Swagger document
// describes, or that are merely there.
//
// The nouns: a *connection* is what package connection says; the *Consumption form* names
// method, path, queries and body, the *operation form* names an operation of the document
// and its parameters. A *built-in* is an API that this process serves itself.
//
// What it promises:
//
//  1. The Consumption form goes to the connection's address as it is written. The operation
//     form is mapped through the document, and what the document does not have is refused
//     by name.
//  2. Credentials go to the connection's own address and nowhere else: a Location or a next
//     page that leads to another host is not followed with them.
//  3. A polling trigger goes on where the last answer's Location said; that is its cursor.
//  4. An action whose connection is not configured here fails with ConnectionNotConfigured
//     and the document to write.
//
// It speaks no HTTP of its own: the Http action does, so that content, limits and
// credentials are the same for both. It refuses connections that somebody must consent to
// in a browser: give them a secret or an identity.
package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/swagger"
)

type object = connector.Object

// HTTP makes the requests: the connector of the Http action.
type HTTP interface {
	Do(ctx context.Context, c *connector.Call) connector.Answer
}

// Builtin serves an API in this process.
type Builtin interface {
	// Serve carries out one request of an operation.
	Serve(ctx context.Context, c *connector.Call, to *connection.Connection, r connection.Request) connector.Answer
	// Watch looks once, for a trigger.
	Watch(ctx context.Context, w *connector.Watch, to *connection.Connection, r connection.Request) connector.Found
}

// Options is what a Connector needs.
type Options struct {
	Connections connection.Finder
	HTTP        HTTP
	// Builtin are the APIs that are served here, by name: servicebus, filesystem. A
	// connection that has an address is called there.
	Builtin map[string]Builtin
}

// Connector is the connector of connections.
type Connector struct {
	o Options

	mu        sync.Mutex
	documents map[string]*swagger.Document // by the connection's version
	tokens    map[string]token
}

var _ connector.Poller = (*Connector)(nil)

// documentsMax bounds the documents that are kept read.
const documentsMax = 64

// New makes the connector.
func New(o Options) *Connector {
	return &Connector{o: o, documents: map[string]*swagger.Document{}, tokens: map[string]token{}}
}

var types = []string{"ApiConnection", "ApiConnectionWebhook", "ApiConnectionNotification", "OpenApiConnection", "OpenApiConnectionWebhook", "OpenApiConnectionNotification", "ServiceProvider"}

// Handles names the types.
func (c *Connector) Handles() []string { return types }

// Operations declares them.
func (c *Connector) Operations() []connector.Operation {
	host := connector.Input{Name: "host", Kind: "object", Required: true, About: "connection.name: the id of a Microsoft.Web/connections, or connection.referenceName: a name in connections.json"}
	consumption := []connector.Input{host,
		{Name: "method", Kind: "string", About: "the HTTP method; POST of a webhook that says none"},
		{Name: "path", Kind: "string", Required: true, About: "below the connection's address, escaped"},
		{Name: "queries", Kind: "object", About: "added to the address, escaped"},
		{Name: "headers", Kind: "object", About: "sent along"},
		{Name: "body", Kind: "any", About: "what is sent"},
		{Name: "authentication", Kind: "object", About: "as of the Http action, instead of the connection's"},
	}
	open := []connector.Input{
		{Name: "host", Kind: "object", Required: true, About: "apiId, operationId, connectionName"},
		{Name: "parameters", Kind: "object", About: "the operation's, by name; body/name leads into an object"},
		{Name: "authentication", Kind: "any", About: "as of the Http action; an empty one is the connection's"},
	}
	provider := []connector.Input{
		{Name: "serviceProviderConfiguration", Kind: "object", Required: true, About: "connectionName, operationId, serviceProviderId"},
		{Name: "parameters", Kind: "object", About: "the operation's, by name; body/name leads into an object"},
	}
	hook := append(append([]connector.Input{}, consumption...), connector.Input{Name: "subscribe", Kind: "object", About: "method, path or pathTemplate, queries, body of the subscription, instead of those beside it"}, connector.Input{Name: "fetch", Kind: "object", About: "the request that gets what a notification is about"})
	answer := "statusCode, headers and body of the answer"
	return []connector.Operation{
		{Name: types[0], Summary: "calls an operation of a connection", Inputs: consumption, Outputs: answer},
		{Name: types[0], Trigger: true, Summary: "asks a connection: 200 starts a run, 202 does not; the next look goes to the answer's Location", Inputs: consumption, Outputs: "headers and body of the answer"},
		{Name: types[1], Summary: "subscribes, waits to be called back and deletes the subscription", Inputs: hook, Outputs: "headers and body of the call back"},
		{Name: types[1], Trigger: true, Summary: "is subscribed while the workflow is enabled", Inputs: hook, Outputs: "headers and body of the call back"},
		{Name: types[2], Trigger: true, Summary: "is subscribed while the workflow is enabled; what a notification is about is fetched", Inputs: hook, Outputs: "headers and body of what was fetched"},
		{Name: types[3], Summary: "calls an operation by its id", Inputs: open, Outputs: answer},
		{Name: types[3], Trigger: true, Summary: "asks an operation by its id", Inputs: open, Outputs: "headers and body of the answer"},
		{Name: types[4], Summary: "subscribes by an operation's id and waits to be called back", Inputs: open, Outputs: "headers and body of the call back"},
		{Name: types[4], Trigger: true, Summary: "is subscribed while the workflow is enabled", Inputs: open, Outputs: "headers and body of the call back"},
		{Name: types[6], Summary: "calls an operation of a provider that is not built in: of the API that stands for it", Inputs: provider, Outputs: answer},
		{Name: types[6], Trigger: true, Summary: "asks an operation of a provider that is not built in", Inputs: provider, Outputs: "headers and body of the answer"},
		{Name: types[5], Trigger: true, Summary: "is subscribed while the workflow is enabled", Inputs: open, Outputs: "headers and body of the notification"},
	}
}

// Do carries out one step of a call.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	r, err := c.request(ctx, call)
	if err != nil {
		return refuse(err)
	}
	if b := c.builtin(r); b != nil {
		return c.serve(ctx, b, call, r)
	}
	switch call.Step {
	case connector.Ask:
		return c.ask(ctx, call, r)
	case connector.Unsubscribe:
		return c.unsubscribe(ctx, call, r)
	}
	if err := c.authorise(ctx, call, r); err != nil {
		return refuse(err)
	}
	a := c.send(ctx, call, r)
	if call.Step == connector.Try && call.MinimumItems > 0 {
		a = c.pages(ctx, call, r, a)
	}
	return a
}

// builtin is what serves a request in this process; nil: it goes out.
func (c *Connector) builtin(r *request) Builtin {
	if r.base != "" {
		return nil
	}
	return c.o.Builtin[r.to.API]
}

func (c *Connector) serve(ctx context.Context, b Builtin, call *connector.Call, r *request) connector.Answer {
	if r.operation != "" {
		return connector.Refusal("OperationNotSupported", fmt.Sprintf("The operation %q of the connection %q has no Swagger document here; the Consumption form (method and path) is served: write the action as ApiConnection.", r.operation, r.to.Name))
	}
	switch call.Step {
	case connector.Subscribe:
		return connector.Refusal("OperationNotSupported", fmt.Sprintf("The API %q has no webhooks.", r.to.API))
	case connector.Unsubscribe:
		return connector.Answer{Status: 200}
	}
	a := b.Serve(ctx, call, r.to, r.plain())
	a.Message = r.to.Hide(a.Message)
	return a
}

// send makes a request through the Http action.
func (c *Connector) send(ctx context.Context, call *connector.Call, r *request) connector.Answer {
	next := *call
	next.Type, next.Kind, next.Step, next.MinimumItems = "Http", "", connector.Try, 0
	next.Inputs = r.inputs()
	next.ChunkAbove = wholeBytesMax
	a := c.o.HTTP.Do(ctx, &next)
	a.Message = r.to.Hide(a.Message)
	return a
}

// wholeBytesMax is up to how much goes whole although the action allows chunks: behind a
// connection in the cloud stands a gateway that knows them, here the API itself.
const wholeBytesMax = 52_428_800

// ask asks whether an asynchronous call is done.
func (c *Connector) ask(ctx context.Context, call *connector.Call, r *request) connector.Answer {
	own, at, err := r.resolve(call.URL)
	if err != nil {
		return refuse(err)
	}
	r.method, r.body, r.contentType = "GET", nil, ""
	r.address, r.queries = at, nil
	if own {
		if err := c.authorise(ctx, call, r); err != nil {
			return refuse(err)
		}
	} else {
		r.headers = expression.NewObject()
	}
	next := *call
	next.Type, next.Kind, next.Inputs, next.URL, next.MinimumItems = "Http", "", r.inputs(), r.uri(), 0
	a := c.o.HTTP.Do(ctx, &next)
	a.Message = r.to.Hide(a.Message)
	return a
}

// refuse makes an answer of what is wrong with a call.
func refuse(err error) connector.Answer {
	var missing *connection.Missing
	if errors.As(err, &missing) {
		return connector.Refusal(connection.CodeMissing, missing.Message)
	}
	var again retryable
	if errors.As(err, &again) {
		return connector.Answer{Code: "ServiceUnavailable", Message: sentence(err.Error()), Retryable: true}
	}
	return connector.Refusal("BadRequest", sentence(err.Error()))
}

// retryable is an error that another attempt may not meet.
type retryable struct{ error }

func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
