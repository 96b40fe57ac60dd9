package trigger

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// fetches tells whether a notification only says that there is something, which is then
// to be fetched as the inputs say.
func fetches(d *declared, inputs any) bool {
	o, ok := inputs.(*expression.Object)
	if !ok || !strings.EqualFold(d.trigger.Type, "ApiConnectionNotification") {
		return false
	}
	v, ok := o.Get("fetch")
	return ok && v != nil
}

// fetch gets what a notification was about; nil: there was nothing.
func (w *watch) fetch(ctx context.Context, d *declared, in any) (*expression.Object, error) {
	c := w.connectorOf(d.trigger.Type, in)
	if c == nil {
		return nil, &Refusal{Status: http.StatusNotImplemented, Code: codeNoConnector, Message: "Nothing here fetches what triggers of type '" + d.trigger.Type + "' are notified of."}
	}
	ctx, cancel := context.WithTimeout(ctx, w.t.m.limits.CallTime)
	defer cancel()
	a := c.Do(ctx, &connector.Call{Step: connector.Try, Type: d.trigger.Type, Kind: d.trigger.Kind, Options: d.trigger.Options, Inputs: in, Timeout: w.t.m.limits.CallTime, Who: w.who(d, "", 1)})
	switch {
	case a.Code != "" || a.Status >= 400:
		code, message := a.Code, a.Message
		if code == "" {
			code, message = run.StatusName(a.Status), fmt.Sprintf("the answer was %d.", a.Status)
		}
		return nil, &Refusal{Status: http.StatusBadGateway, Code: code, Message: fmt.Sprintf("What the trigger '%s' was notified of could not be fetched: %s", w.trigger, message)}
	case a.Status == http.StatusAccepted || a.Status == http.StatusNoContent:
		return nil, nil
	}
	headers := a.Headers
	if headers == nil {
		headers = &expression.Object{}
	}
	o := expression.NewObject("headers", headers)
	if a.Body != nil {
		o = o.With("body", a.Body)
	}
	return o, nil
}
