package http

import (
	"context"
	"encoding/json"
	"fmt"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// cursor is what a polling trigger remembers: where to ask next.
type cursor struct {
	Version int    `json:"v"`
	At      string `json:"at"`
}

// Look asks whether there is something: 200 is an item, 202 nothing yet. The Location of
// the answer is asked next time, the definition's own address when there is none.
func (c *Connector) Look(ctx context.Context, w *connector.Watch) connector.Found {
	found := connector.Found{Cursor: w.Cursor}
	call := &connector.Call{Type: w.Type, Kind: w.Kind, Options: w.Options, Inputs: w.Inputs, Timeout: w.Timeout, Who: w.Who}
	x, refusal := c.exchange(ctx, call)
	if refusal == nil && x == nil {
		refusal = refuse("'%s' asks for nothing.", w.Who.Action)
	}
	if refusal != nil {
		found.Code, found.Message = refusal.Code, refusal.Message
		return found
	}
	r := x.request
	var last cursor
	if len(w.Cursor) > 0 && json.Unmarshal(w.Cursor, &last) == nil && last.At != "" {
		at, err := x.request.url.Parse(last.At)
		if err == nil && (at.Scheme == "http" || at.Scheme == "https") {
			next := x.next(x.request.method, at)
			next.body = x.request.body
			if kind := x.request.header.Get("Content-Type"); kind != "" && len(next.body) > 0 {
				next.header.Set("Content-Type", kind)
			}
			r = next
		}
	}
	in, err := x.fetch(ctx, r)
	a := x.answer(in, err)
	found.Status = a.Status
	if a.Code != "" {
		found.Code, found.Message, found.Retryable = a.Code, a.Message, a.Retryable || a.Timeout
		return found
	}
	if in.status >= 300 {
		found.Code = statusName(in.status)
		found.Message = fmt.Sprintf("'%s' answered %d.", r.url.Host, in.status)
		found.Retryable = in.status == 408 || in.status == 429 || in.status >= 500
		found.After, _ = retryAfter(in.header, c.o.Now())
		return found
	}
	found.Cursor = nil
	if location := in.header.Get("Location"); location != "" {
		if at, err := r.url.Parse(location); err == nil {
			found.Cursor, _ = json.Marshal(cursor{1, at.String()})
		}
	}
	after, asked := retryAfter(in.header, c.o.Now())
	found.After = after
	if in.status != 200 {
		return found
	}
	found.More = asked && after == 0
	outputs := expression.NewObject("statusCode", int64(in.status), "headers", a.Headers)
	if a.Body != nil {
		outputs = outputs.With("body", a.Body)
	}
	found.Items = []connector.Item{{Outputs: outputs}}
	return found
}
