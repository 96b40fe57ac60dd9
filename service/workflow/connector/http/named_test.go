package http

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// book has connections by kind and name.
type book map[string]*connection.Connection

func (b book) Find(_ context.Context, _ string, r connection.Reference) (*connection.Connection, error) {
	if c := b[string(r.Kind)+" "+r.Name]; c != nil {
		return c, nil
	}
	return nil, connection.Missed("There is no connection %s.", r)
}

func TestFunctionsAndGatewaysByTheNameOfAConnection(t *testing.T) {
	there := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.Header.Get("Ocp-Apim-Subscription-Key"), " ", r.Header.Get("Authorization"))
	}))
	defer there.Close()
	c := New(Options{Connections: book{
		"functionConnections f":      {Base: there.URL + "/api/f", Authentication: expression.NewObject("type", "QueryString", "name", "Code", "value", "s3cret&")},
		"functionConnections raw":    {Base: there.URL + "/api/g?x=1", Authentication: expression.NewObject("type", "Raw", "value", "mine")},
		"functionConnections empty":  {},
		"apiManagementConnections g": {Base: there.URL + "/shop/", Values: expression.NewObject("subscriptionKey", "sesame")},
	}})
	defer c.Close()
	for _, test := range []struct{ typ, inputs, want string }{
		{"Function", `{"function": {"connectionName": "f"}, "queries": {"a": "b"}}`, `POST /api/f?Code=s3cret%26&a=b  `},
		{"Function", `{"function": {"connectionName": "raw"}, "method": "GET"}`, `GET /api/g?x=1  mine`},
		{"Function", `{"function": {"connectionName": "none"}}`, `ConnectionNotConfigured There is no connection "none".`},
		{"Function", `{"function": {"connectionName": "empty"}}`, `ConnectionNotConfigured The connection "empty" has no address: give it a triggerUrl, or a baseUrl.`},
		{"ApiManagement", `{"apiManagement": {"connection": "g"}, "method": "GET", "pathTemplate": {"template": "/orders/{id}", "parameters": {"id": "a b"}}, "headers": {"h": "1"}}`, `GET /shop/orders/a%20b sesame `},
	} {
		in, err := expression.ParseJSON(test.inputs)
		if err != nil {
			t.Fatal(err)
		}
		a := c.Do(t.Context(), &connector.Call{Type: test.typ, Inputs: in})
		got := a.Code + " " + a.Message
		if a.Code == "" {
			got = textOf(a.Body)
		}
		if got != test.want {
			t.Errorf("%s\ngot  %q\nwant %q", test.inputs, got, test.want)
		}
	}
	in, _ := expression.ParseJSON(`{"function": {"connectionName": "f"}}`)
	if a := New(Options{}).Do(t.Context(), &connector.Call{Type: "Function", Inputs: in}); a.Code == "" {
		t.Errorf("%+v", a)
	}
}
