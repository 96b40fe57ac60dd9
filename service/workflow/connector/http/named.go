package http

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// named completes the inputs of a function or of an API of a gateway that is called by
// the name of a connection, as in Standard projects: with its address and credentials.
func (c *Connector) named(ctx context.Context, call *connector.Call, inputs *expression.Object) (*expression.Object, *connector.Answer) {
	member, inner, kind := "function", "connectionName", connection.Function
	if strings.EqualFold(call.Type, "ApiManagement") {
		member, inner, kind = "apiManagement", "connection", connection.Management
	}
	v, _ := inputs.Get(member)
	o, _ := v.(*expression.Object)
	if o == nil || text(o, inner) == "" {
		return inputs, nil
	}
	if c.o.Connections == nil {
		return nil, refuse("'%s' calls the connection %q, and there are none here.", call.Who.Action, text(o, inner))
	}
	to, err := c.o.Connections.Find(ctx, call.Who.Workflow, connection.Reference{Kind: kind, Name: text(o, inner)})
	if err == nil && to.Base == "" {
		err = connection.Missed("The connection %q has no address: give it a triggerUrl, or a baseUrl.", text(o, inner))
	}
	var missing *connection.Missing
	if errors.As(err, &missing) {
		a := connector.Refusal(connection.CodeMissing, missing.Message)
		return nil, &a
	}
	if err != nil {
		a := connector.Answer{Code: codeUnsupported, Message: fmt.Sprintf("The connection %q cannot be read: %v.", text(o, inner), err), Retryable: true}
		return nil, &a
	}
	at := strings.TrimSuffix(to.Base, "/")
	if kind == connection.Management {
		path, answer := pathOf(call, inputs)
		if answer != nil {
			return nil, answer
		}
		at += "/" + strings.TrimPrefix(path, "/")
	}
	out := &expression.Object{}
	for _, m := range inputs.Members {
		if !strings.EqualFold(m.Name, member) && !strings.EqualFold(m.Name, "pathTemplate") {
			out.Members = append(out.Members, m)
		}
	}
	if a := to.Authentication; a != nil && strings.EqualFold(text(a, "type"), "QueryString") {
		sign := "?"
		if strings.Contains(at, "?") {
			sign = "&"
		}
		at += sign + escape(text(a, "name")) + "=" + escape(text(a, "value"))
	} else if _, own := out.Get("authentication"); a != nil && !own {
		out = out.With("authentication", a)
	}
	if key := to.Value("subscriptionKey"); key != "" {
		v, _ := out.Get("headers")
		headers, _ := v.(*expression.Object)
		if headers == nil {
			headers = expression.NewObject()
		}
		out = out.With("headers", headers.With("Ocp-Apim-Subscription-Key", key))
	}
	return out.With("uri", at), nil
}
