package app

import (
	"context"
	"fmt"
	"net"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow"
	"weir/service/workflow/connector"
	apis "weir/service/workflow/connector/api"
	"weir/service/workflow/connector/bus"
	"weir/service/workflow/connector/file"
)

// connected are the connectors whose operations name a connection. Managed APIs that this
// process serves itself are listed by their names.
func (p *Platform) connected(connections *workflow.Connections, calls apis.HTTP) []connector.Connector {
	messages := bus.New(bus.Options{Connections: connections, Tokens: workflowTokens{p}, Local: ownBus{p}})
	files := file.New(file.Options{Connections: connections, Below: p.o.WorkflowFiles, Never: []string{p.o.Data}})
	p.undo.push("messages", func(context.Context) error { messages.Close(); return nil })
	return []connector.Connector{
		apis.New(apis.Options{Connections: connections, HTTP: calls, Builtin: map[string]apis.Builtin{bus.API: messages, file.API: files}}),
		messages,
		files,
	}
}

// ownBus finds the namespaces of this location for workflows.
type ownBus struct{ *Platform }

// Namespace gives the node's own AMQP door, by the name that leads to a namespace there.
func (p ownBus) Namespace(ctx context.Context, text string) (bus.Endpoint, error) {
	id, err := resource.ParseID(text)
	if err != nil || !strings.EqualFold(id.Type(), "Microsoft.ServiceBus/namespaces") {
		return bus.Endpoint{}, fmt.Errorf("it is not the id of a Service Bus namespace")
	}
	d, err := p.registry.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return bus.Endpoint{}, fmt.Errorf("this location has no such namespace")
	}
	if err != nil {
		return bus.Endpoint{}, err
	}
	return bus.Endpoint{
		Host: strings.ToLower(d.Name()) + ".servicebus.windows.net",
		Dial: func(ctx context.Context) (net.Conn, error) {
			at := p.Addrs()["amqp"]
			if at == "" {
				return nil, fmt.Errorf("the node has no plain AMQP door")
			}
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", at)
		},
	}, nil
}
