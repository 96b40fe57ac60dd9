package api

import (
	"context"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// unsubscribe ends a subscription: where the answer to it said, else as the inputs say.
// Where neither says anything there is nothing to do.
func (c *Connector) unsubscribe(ctx context.Context, call *connector.Call, r *request) connector.Answer {
	in, _ := call.Inputs.(*object)
	half := objectOf(in, "unsubscribe")
	r.headers, r.body, r.contentType, r.queries = expression.NewObject(), nil, "", nil
	own := true
	switch {
	case call.URL != "":
		var err error
		if own, r.address, err = r.resolve(call.URL); err != nil {
			return refuse(err)
		}
		r.method = "DELETE"
	case half != nil:
		next := *call
		next.Step, next.Inputs = connector.Try, half
		if err := r.fromPath(half, &next); err != nil {
			return refuse(err)
		}
	default:
		return connector.Answer{Status: 200}
	}
	if own {
		if err := c.authorise(ctx, call, r); err != nil {
			return refuse(err)
		}
	}
	return c.send(ctx, call, r)
}
