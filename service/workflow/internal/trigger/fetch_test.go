package trigger

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

const mails = `{"h": {"type": "ApiConnectionNotification", "splitOn": "@triggerBody()?['value']", "inputs": {"host": {"connection": {"name": "c"}},
  "fetch": {"method": "get", "pathTemplate": {"template": "/mails"}}, "subscribe": {"method": "post", "pathTemplate": {"template": "/$subscriptions"}, "body": {"NotificationUrl": "@{listCallbackUrl()}"}}}}}`

// A notification says that there is something; what there is is fetched.
func TestNotificationsAreFetched(t *testing.T) {
	stage(t, func(e *estate, m *Manager, o *outside) {
		answer := connector.Answer{Status: 200, Body: expression.NewObject("value", []any{"one", "two"})}
		o.calls = func(c *connector.Call) connector.Answer {
			if c.Step == connector.Try {
				return answer
			}
			return connector.Answer{Status: 201}
		}
		e.gain("east")
		e.put("a", mails)
		after(time.Second)
		poke := func() error {
			_, err := m.Delivered(context.Background(), "a", "h", Incoming{Method: "POST", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`)})
			return err
		}
		if err := poke(); err != nil {
			t.Fatal(err)
		}
		expect(t, e.bodies("a"), "one two")
		answer = connector.Answer{Status: 202}
		if err := poke(); err != nil {
			t.Fatal(err)
		}
		expect(t, e.bodies("a"), "one two")
		answer = connector.Answer{Status: 503}
		if err := poke(); err == nil || !strings.Contains(err.Error(), "could not be fetched") {
			t.Errorf("%v", err)
		}
		expect(t, e.bodies("a"), "one two")
	})
}
