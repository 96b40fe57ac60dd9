package run

import (
	"testing"

	"weir/service/workflow/internal/expression"
)

func TestShown(t *testing.T) {
	for _, k := range []struct{ inputs, want string }{
		{`7`, `7`},
		{`{"uri":"u","authentication":{"type":"Basic","username":"n","password":"p"}}`, `{"uri":"u","authentication":{"type":"Basic","username":"n","password":"*sanitized*"}}`},
		{`{"authentication":{"type":"ActiveDirectoryOAuth","clientId":"c","secret":"s"},"body":{"secret":"mine"}}`, `{"authentication":{"type":"ActiveDirectoryOAuth","clientId":"c","secret":"*sanitized*"},"body":{"secret":"mine"}}`},
		{`{"authentication":{"type":"ClientCertificate","pfx":"x","password":null}}`, `{"authentication":{"type":"ClientCertificate","pfx":"*sanitized*","password":null}}`},
		{`{"Authentication":"{\"type\":\"Raw\"}"}`, `{"Authentication":"*sanitized*"}`},
		{`{"headers":{"Authorization":"Bearer x","Accept":"a"},"subscriptionKey":"k"}`, `{"headers":{"Authorization":"*sanitized*","Accept":"a"},"subscriptionKey":"*sanitized*"}`},
		{`{"subscribe":{"authentication":{"type":"Raw","value":"v"}},"unsubscribe":{"authentication":{"type":"Raw","value":"v"}}}`, `{"subscribe":{"authentication":{"type":"Raw","value":"*sanitized*"}},"unsubscribe":{"authentication":{"type":"Raw","value":"*sanitized*"}}}`},
	} {
		v, err := expression.ParseJSON(k.inputs)
		if err != nil {
			t.Fatal(err)
		}
		if got := jsonOf(Shown(v)); got != k.want || jsonOf(v) != k.inputs {
			t.Errorf("%s is shown as %s, and is %s now", k.inputs, got, jsonOf(v))
		}
	}
}
