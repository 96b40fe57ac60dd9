// Package bus sends, receives and settles messages of Service Bus namespaces: those of
// this location by resource id, others by connection string or identity.
//
// The nouns: an *entity* is a queue, or a subscription of a topic; a *line* is what is
// open to a namespace; a *delivery* is a message under a lock that this process took.
//
// What it promises:
//
//  1. A message that a peek-lock trigger found is completed when its run has succeeded;
//     when it has not, the lock is left to run out and the message comes again. What the
//     run settled itself stays as it was settled.
//  2. A message that an auto-completing trigger found is completed when its run is recorded.
//  3. An item's key is the entity and the message's sequence number, so a message that
//     comes again while its run goes on starts no other; actions that have the lock's old
//     token reach the new one.
//  4. A session that a trigger took is held until its run has ended: its messages go
//     through one run after the other, in order.
//  5. A message that names no id gets the call's key as one, so that an entity which looks
//     for duplicates drops an attempt that is made again.
//
// It speaks AMQP as any client does and knows nothing of the broker behind. It refuses to
// manage entities; replication and subscriptions are refused by name.
package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

type object = connector.Object

// Provider is the id of the provider.
const Provider = "/serviceProviders/serviceBus"

// Audience is what tokens for Service Bus are for.
const Audience = "https://servicebus.azure.net"

// Tokens gives tokens of managed identities.
type Tokens interface {
	// Token gives one for the owner's identity: the resource id of a user-assigned one, or
	// its own when that is empty.
	Token(ctx context.Context, owner, identity, audience string) (token string, expires time.Time, err error)
}

// Endpoint is how a namespace of this location is reached.
type Endpoint struct {
	// Host is its name in AMQP, such as orders.servicebus.windows.net.
	Host string
	// Dial opens a connection to its plain AMQP door.
	Dial func(ctx context.Context) (net.Conn, error)
}

// Local finds namespaces of this location.
type Local interface {
	// Namespace finds one by its resource id.
	Namespace(ctx context.Context, id string) (Endpoint, error)
}

// Options is what a Connector needs.
type Options struct {
	Connections connection.Finder
	// Tokens gives tokens for connections that call with an identity; nil: there are none.
	Tokens Tokens
	// Local finds own namespaces; nil: there are none.
	Local Local
}

// Connector is the connector of Service Bus.
type Connector struct {
	o     Options
	locks locks

	mu    sync.Mutex
	lines map[string]*line
}

var _ connector.Poller = (*Connector)(nil)

// New makes the connector.
func New(o Options) *Connector {
	return &Connector{o: o, lines: map[string]*line{}}
}

// Close ends what is open.
func (c *Connector) Close() {
	c.mu.Lock()
	lines := c.lines
	c.lines = map[string]*line{}
	c.mu.Unlock()
	for _, l := range lines {
		l.close()
	}
}

// Handles names the provider.
func (c *Connector) Handles() []string { return []string{"ServiceProvider" + Provider} }

// act carries out an operation's attempt.
type act func(ctx context.Context, c *Connector, l *line, call *connector.Call, in *object) (any, error)

// operation is one row of the table.
type operation struct {
	name, summary string
	inputs        []connector.Input
	outputs       string
	do            act
	watch         *watching // of a trigger
}

// Operations declares them.
func (c *Connector) Operations() (all []connector.Operation) {
	for _, o := range operations() {
		all = append(all, connector.Operation{Name: o.name, Summary: o.summary, Trigger: o.watch != nil, Inputs: o.inputs, Outputs: o.outputs})
	}
	return all
}

func find(name string) (operation, bool) {
	for _, o := range operations() {
		if strings.EqualFold(o.name, name) {
			return o, true
		}
	}
	return operation{}, false
}

// Do carries out an action.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	op, in, conn, err := c.read(ctx, call.Inputs, call.Who)
	if err == nil && op.do == nil {
		err = refused("The operation %q of %s is a trigger, not an action.", op.name, Provider)
	}
	if err == nil {
		err = check(op, in)
	}
	if err != nil {
		return answer(err, conn)
	}
	l, err := c.line(ctx, conn, call.Who)
	if err != nil {
		return answer(err, conn)
	}
	defer l.release()
	body, err := op.do(ctx, c, l, call, in)
	if err != nil {
		return answer(err, conn)
	}
	return connector.Answer{Status: 200, Body: body}
}

// read finds what a ServiceProvider's inputs ask for.
func (c *Connector) read(ctx context.Context, inputs any, who connector.Who) (operation, *object, *connection.Connection, error) {
	in, _ := inputs.(*object)
	of := objectOf(in, "serviceProviderConfiguration")
	name := text(of, "operationId")
	op, ok := find(name)
	if !ok {
		return op, nil, nil, refused("The operation %q of %s is not supported: there are %s.", name, Provider, names())
	}
	conn, err := c.o.Connections.Find(ctx, who.Workflow, connection.Reference{Kind: connection.Provider, Name: text(of, "connectionName"), API: Provider})
	if err != nil {
		return op, nil, nil, err
	}
	given := objectOf(in, "parameters")
	if given == nil {
		given = expression.NewObject()
	}
	return op, given, conn, nil
}

// check refuses parameters that an operation does not have, and finds those that are
// missing.
func check(op operation, in *object) error {
	for _, m := range in.Members {
		known := false
		for _, i := range op.inputs {
			known = known || strings.EqualFold(i.Name, m.Name)
		}
		if !known && m.Value != nil {
			var have []string
			for _, i := range op.inputs {
				have = append(have, i.Name)
			}
			return refused("The operation %q has no parameter %q: it has %s.", op.name, m.Name, strings.Join(have, ", "))
		}
	}
	for _, i := range op.inputs {
		if v, ok := in.Get(i.Name); i.Required && (!ok || v == nil || v == "") {
			return refused("The operation %q needs the parameter %q.", op.name, i.Name)
		}
	}
	return nil
}

func names() string {
	var all []string
	for _, o := range operations() {
		all = append(all, o.name)
	}
	return strings.Join(all, ", ")
}

// refusal is an error that no other attempt makes better.
type refusal struct{ message string }

func (r *refusal) Error() string { return r.message }

func refused(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// answer makes an answer of an error.
func answer(err error, conn *connection.Connection) connector.Answer {
	var missing *connection.Missing
	if errors.As(err, &missing) {
		return connector.Refusal(connection.CodeMissing, missing.Message)
	}
	f := explain(err)
	if conn != nil {
		f.Message = conn.Hide(f.Message)
	}
	return f
}

func objectOf(o *object, name string) *object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(name)
	inner, _ := v.(*object)
	return inner
}

func text(o *object, name string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(name)
	if v == nil {
		return ""
	}
	return expression.Text(v)
}
