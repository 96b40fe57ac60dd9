package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// cursor is where the next look goes.
type cursor struct {
	V    int    `json:"v"`
	Next string `json:"next"`
}

// retryAfterMax is the longest pause that another side may ask for.
const retryAfterMax = 24 * time.Hour

// Look asks a connection whether there is something.
func (c *Connector) Look(ctx context.Context, w *connector.Watch) connector.Found {
	call := &connector.Call{Type: w.Type, Kind: w.Kind, Options: w.Options, Inputs: w.Inputs, Timeout: w.Timeout, Who: w.Who}
	r, err := c.request(ctx, call)
	if err != nil {
		return failed(refuse(err), w.Cursor)
	}
	if b := c.builtin(r); b != nil {
		if r.operation != "" {
			return failed(c.serve(ctx, b, call, r), w.Cursor)
		}
		f := b.Watch(ctx, w, r.to, r.plain())
		f.Message = r.to.Hide(f.Message)
		return f
	}
	own := true
	if at := read(w.Cursor); at != "" {
		if own, r.address, err = r.resolve(at); err != nil {
			return failed(refuse(err), nil) // from the beginning: this cursor leads nowhere
		}
		r.queries, r.plainQueries = nil, nil
	}
	if !own {
		return failed(refuse(fmt.Errorf("the Location to ask next is at another host than the connection %q; it is not asked with its credentials", r.to.Name)), nil)
	}
	if err := c.authorise(ctx, call, r); err != nil {
		return failed(refuse(err), w.Cursor)
	}
	a := c.send(ctx, call, r)
	return found(a, w.Cursor)
}

// found says what an answer means to a polling trigger.
func found(a connector.Answer, before []byte) connector.Found {
	if a.Code != "" || a.Timeout {
		return failed(a, before)
	}
	f := connector.Found{Status: a.Status, Cursor: write(header(a, "Location")), After: retryAfter(a)}
	switch {
	case a.Status == http.StatusOK:
		f.Items = []connector.Item{{Outputs: outputs(a)}}
		f.More = f.After == 0 && header(a, "Retry-After") != ""
	case a.Status >= 200 && a.Status < 300:
	default:
		f := failed(a, before)
		f.After = retryAfter(a)
		return f
	}
	return f
}

func failed(a connector.Answer, before []byte) connector.Found {
	f := connector.Found{Status: a.Status, Code: a.Code, Message: a.Message, Cursor: before, Retryable: a.Retryable || a.Timeout || a.Status == 408 || a.Status == 429 || a.Status >= 500}
	if f.Code == "" {
		f.Code = run.StatusName(a.Status)
	}
	if f.Message == "" {
		f.Message = fmt.Sprintf("The connection answered with status %d.", a.Status)
	}
	return f
}

func outputs(a connector.Answer) *object {
	headers := a.Headers
	if headers == nil {
		headers = expression.NewObject()
	}
	o := expression.NewObject("headers", headers)
	if a.Body != nil {
		o = o.With("body", a.Body)
	}
	return o
}

func header(a connector.Answer, name string) string { return text(a.Headers, name) }

// retryAfter is the pause that an answer asks for.
func retryAfter(a connector.Answer) time.Duration {
	said := header(a, "Retry-After")
	if n, err := strconv.Atoi(said); err == nil {
		return min(max(time.Duration(min(n, int(retryAfterMax/time.Second)))*time.Second, 0), retryAfterMax)
	}
	if at, err := http.ParseTime(said); err == nil {
		return min(max(time.Until(at), 0), retryAfterMax)
	}
	return 0
}

func write(at string) []byte {
	if at == "" {
		return nil
	}
	b, _ := json.Marshal(cursor{1, at})
	return b
}

func read(b []byte) string {
	var c cursor
	if json.Unmarshal(b, &c) != nil || c.V != 1 {
		return ""
	}
	return c.Next
}
