package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// web stands for the Http action: it writes down what it is asked and answers from a
// list.
type web struct {
	asked   []string
	answers []connector.Answer
}

func (w *web) Do(_ context.Context, c *connector.Call) connector.Answer {
	in := c.Inputs.(*object)
	line := text(in, "method") + " " + text(in, "uri")
	for _, name := range []string{"headers", "authentication", "body"} {
		if v, ok := in.Get(name); ok {
			if o, isObject := v.(*object); isObject && len(o.Members) == 0 {
				continue
			}
			line += " " + name + "=" + string(expression.AppendJSON(nil, v))
		}
	}
	if c.Type != "Http" || c.MinimumItems != 0 {
		line += " " + c.Type
	}
	if c.Step == connector.Ask {
		line = "ask " + c.URL + " by " + line
	}
	w.asked = append(w.asked, line)
	a := connector.Answer{Status: 200}
	if len(w.answers) > 0 {
		a, w.answers = w.answers[0], w.answers[1:]
	}
	return a
}

// finder knows connections by name, or by id.
type finder map[string]*connection.Connection

func (f finder) Find(_ context.Context, _ string, r connection.Reference) (*connection.Connection, error) {
	for _, name := range []string{r.ID, r.Name} {
		if c := f[name]; c != nil {
			whole := *c
			return &whole, nil
		}
	}
	return nil, connection.Missed("There is no connection %s: declare Microsoft.Web/connections.", r)
}

func parse(t *testing.T, s string) *object {
	t.Helper()
	v, err := expression.ParseJSON(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	o, _ := v.(*object)
	return o
}

const shop = `{"swagger": "2.0", "consumes": ["application/json"],
 "securityDefinitions": {"api_key": {"type": "apiKey", "in": "%s", "name": "X-Key"}}, "security": [{"api_key": []}],
 "paths": {
  "/orders": {"get": {"operationId": "List", "x-ms-pageable": {"nextLinkName": "more"}, "parameters": []},
   "post": {"operationId": "Add", "parameters": [{"name": "item", "in": "body", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}]}},
  "/open": {"get": {"operationId": "Open", "security": [], "parameters": []}},
  "/hooks": {"post": {"operationId": "Hook", "parameters": [{"name": "b", "in": "body", "schema": {"type": "object", "properties": {"to": {"type": "string", "x-ms-notification-url": true}}}}]}}}}`

func connections(t *testing.T) finder {
	plain := func(c connection.Connection) *connection.Connection {
		if c.Base == "" {
			c.Base = "https://api.example/base/"
		}
		c.Name = "my"
		return &c
	}
	return finder{
		"plain":  plain(connection.Connection{}),
		"key":    plain(connection.Connection{Swagger: parse(t, fmt.Sprintf(shop, "header")), Version: "h", Values: parse(t, `{"api_key": "s3cret"}`)}),
		"inq":    plain(connection.Connection{Swagger: parse(t, fmt.Sprintf(shop, "query")), Version: "q", Values: parse(t, `{"anything": "s3cret+"}`), Declared: parse(t, `{"anything": {"type": "securestring"}}`), Hidden: []string{"s3cret+"}}),
		"nokey":  plain(connection.Connection{Swagger: parse(t, fmt.Sprintf(shop, "header")), Version: "h"}),
		"basic":  plain(connection.Connection{Values: parse(t, `{"username": "u", "password": "p"}`)}),
		"token":  plain(connection.Connection{Values: parse(t, `{"token": "abc"}`)}),
		"placed": plain(connection.Connection{Values: parse(t, `{"code": "xyz"}`), Declared: parse(t, `{"code": {"type": "securestring", "in": "query", "name": "c"}}`)}),
		"lost":   plain(connection.Connection{Values: parse(t, `{"code": "xyz"}`), Declared: parse(t, `{"code": {"type": "securestring"}}`)}),
		"msi":    plain(connection.Connection{Authentication: parse(t, `{"type": "ManagedServiceIdentity"}`)}),
		"aad":    plain(connection.Connection{Values: parse(t, `{"token:clientId": "i", "token:clientSecret": "s", "token:tenantId": "t", "token:resourceUri": "https://r.example"}`), Swagger: parse(t, `{"securityDefinitions": {"o": {"type": "oauth2"}}, "paths": {}}`), Version: "a"}),
		"oauth":  plain(connection.Connection{Values: parse(t, `{"token:clientId": "i", "token:clientSecret": "s"}`), Swagger: parse(t, `{"securityDefinitions": {"o": {"type": "oauth2", "tokenUrl": "https://id.example/token", "scopes": {"all": ""}}}, "paths": {}}`), Version: "o"}),
		"empty":  {Name: "my", API: "office365"},
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct{ typ, inputs, want string }{
		{"ApiConnection", `{"host": {"connection": {"name": "plain"}}, "method": "get", "path": "/a%252Fb/c", "queries": {"x y": "a&b", "n": null, "l": [1, true]}, "headers": {"H": "1"}}`,
			`GET https://api.example/base/a%252Fb/c?x%20y=a%26b&l=1&l=true headers={"H":"1"}`},
		{"ApiConnection", `{"host": {"connection": {"referenceName": "plain"}}, "method": "post", "path": "c?d=e", "queries": {"f": "g"}, "body": {"b": 1}}`,
			`POST https://api.example/base/c?d=e&f=g body={"b":1}`},
		{"ApiConnection", `{"host": {"connection": {"name": "plain"}}, "method": "get", "path": "/", "authentication": {"type": "Raw", "value": "mine"}}`,
			`GET https://api.example/base/ authentication={"type":"Raw","value":"mine"}`},
		{"ApiConnection", `{"host": {"connection": {"name": "key"}}, "method": "post", "path": "/orders", "body": {"n": 1}}`,
			`POST https://api.example/base/orders headers={"X-Key":"s3cret","Content-Type":"application/json"} body={"n":1}`},
		{"ApiConnection", `{"host": {"connection": {"name": "inq"}}, "method": "get", "path": "/orders"}`,
			`GET https://api.example/base/orders?X-Key=s3cret%2B`},
		{"ApiConnection", `{"host": {"connection": {"name": "basic"}}, "path": "/x"}`,
			`GET https://api.example/base/x authentication={"type":"Basic","username":"u","password":"p"}`},
		{"ApiConnection", `{"host": {"connection": {"name": "token"}}, "path": "/x"}`,
			`GET https://api.example/base/x authentication={"type":"Raw","value":"Bearer abc"}`},
		{"ApiConnection", `{"host": {"connection": {"name": "placed"}}, "path": "/x"}`,
			`GET https://api.example/base/x?c=xyz`},
		{"ApiConnection", `{"host": {"connection": {"name": "msi"}}, "path": "/x"}`,
			`GET https://api.example/base/x authentication={"type":"ManagedServiceIdentity","audience":"https://api.example"}`},
		{"ApiConnection", `{"host": {"connection": {"name": "aad"}}, "path": "/x"}`,
			`GET https://api.example/base/x authentication={"type":"ActiveDirectoryOAuth","tenant":"t","audience":"https://r.example","clientId":"i","secret":"s"}`},
		{"OpenApiConnection", `{"host": {"connectionName": "key", "operationId": "Add", "apiId": "/providers/Microsoft.PowerApps/apis/shop"}, "parameters": {"item/n": 5}, "authentication": {}}`,
			`POST https://api.example/base/orders headers={"X-Key":"s3cret","Content-Type":"application/json"} body={"n":5}`},
		{"OpenApiConnection", `{"host": {"connectionName": "nokey", "operationId": "Open"}}`, `GET https://api.example/base/open`},
		{"ServiceProvider", `{"serviceProviderConfiguration": {"connectionName": "key", "operationId": "Add", "serviceProviderId": "/serviceProviders/AzureBlob"}, "parameters": {"item/n": 5}}`,
			`POST https://api.example/base/orders headers={"X-Key":"s3cret","Content-Type":"application/json"} body={"n":5}`},
		// What is refused, by name.
		{"ServiceProvider", `{"serviceProviderConfiguration": {"connectionName": "empty", "operationId": "readBlob", "serviceProviderId": "/serviceProviders/AzureBlob"}, "parameters": {}}`,
			`ConnectionNotConfigured: The provider "/serviceProviders/AzureBlob" is not built in. Let an API stand for it: declare Microsoft.Web/customApis "azureblob" in the workflow's resource group, with a properties.swagger that has the operation "readBlob" and a properties.backendService.serviceUrl.`},
		{"OpenApiConnection", `{"host": {"connectionName": "key", "operationId": "Nope"}}`, `BadRequest: The API "" has no operation "Nope": it has List, Add, Open, Hook.`},
		{"OpenApiConnection", `{"host": {"connectionName": "key", "operationId": "Add"}, "parameters": {"itme/n": 5}}`, `BadRequest: The operation "Add" has no parameter "itme/n": it has item.`},
		{"OpenApiConnection", `{"host": {"connectionName": "plain", "operationId": "Add"}}`, `ConnectionNotConfigured: The operation "Add" cannot be mapped without the API's Swagger document: give Microsoft.Web/customApis "" a properties.swagger.`},
		{"ApiConnection", `{"host": {"connection": {"name": "none"}}, "path": "/x"}`, `ConnectionNotConfigured: There is no connection "none": declare Microsoft.Web/connections.`},
		{"ApiConnection", `{"host": {"connection": {"name": "empty"}}, "path": "/x"}`, `ConnectionNotConfigured: The connection "my" has no address: give Microsoft.Web/customApis "office365" a properties.backendService.serviceUrl, or the connection a properties.connectionRuntimeUrl.`},
		{"ApiConnection", `{"host": {"connection": {"name": "nokey"}}, "path": "/orders"}`, `ConnectionNotConfigured: The API "" wants credentials and the connection "my" has no parameterValues for any of: api_key (apiKey).`},
		{"ApiConnection", `{"host": {"connection": {"name": "lost"}}, "path": "/orders"}`, `ConnectionNotConfigured: The connection "my" has a secret value "code" and nothing says where it goes: give the API's Swagger document securityDefinitions, or the parameter in connectionParameters "in": "header" or "query" and a "name".`},
		{"ApiConnection", `{"path": "/orders"}`, `BadRequest: The inputs name no host: {"connection": {"name": ...}} or {"apiId", "operationId", "connectionName"}.`},
	} {
		w := &web{}
		a := New(Options{Connections: connections(t), HTTP: w}).Do(t.Context(), &connector.Call{Type: c.typ, Inputs: parse(t, c.inputs), Callback: "https://here.example/cb"})
		got := strings.Join(w.asked, "\n")
		if a.Code != "" {
			got = a.Code + ": " + a.Message
		}
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.inputs, got, c.want)
		}
	}
}

func TestATokenIsAskedForOnce(t *testing.T) {
	w := &web{answers: []connector.Answer{{Status: 503}, {Status: 200, Body: expression.NewObject("access_token", "tok", "expires_in", "3600")}}}
	c := New(Options{Connections: connections(t), HTTP: w})
	call := &connector.Call{Type: "ApiConnection", Inputs: parse(t, `{"host": {"connection": {"name": "oauth"}}, "path": "/x"}`)}
	if a := c.Do(t.Context(), call); !a.Retryable || a.Code == "" {
		t.Errorf("a token that cannot be had now: %+v", a)
	}
	c.Do(t.Context(), call)
	c.Do(t.Context(), call)
	want := `POST https://id.example/token headers={"Content-Type":"application/x-www-form-urlencoded","Accept":"application/json"} body="client_id=i&client_secret=s&grant_type=client_credentials&scope=all"`
	use := `GET https://api.example/base/x authentication={"type":"Raw","value":"Bearer tok"}`
	if got := w.asked; !slices.Equal(got, []string{want, want, use, use}) {
		t.Errorf("asked:\n%s", strings.Join(got, "\n"))
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	w := &web{answers: []connector.Answer{{Code: "X", Message: "cannot reach https://api.example/base/orders?X-Key=s3cret%2B"}}}
	a := New(Options{Connections: connections(t), HTTP: w}).Do(t.Context(), &connector.Call{Type: "ApiConnection", Inputs: parse(t, `{"host": {"connection": {"name": "inq"}}, "path": "/orders"}`)})
	if a.Message != "cannot reach https://api.example/base/orders?X-Key=***" {
		t.Error(a.Message)
	}
}

func TestAskGoesWithCredentialsOnlyToItsOwnHost(t *testing.T) {
	w := &web{}
	c := New(Options{Connections: connections(t), HTTP: w})
	for _, at := range []string{"https://api.example/status/1", "/status/2", "https://evil.example/status", "ftp://x"} {
		a := c.Do(t.Context(), &connector.Call{Type: "ApiConnection", Step: connector.Ask, URL: at, Inputs: parse(t, `{"host": {"connection": {"name": "key"}}, "method": "post", "path": "/orders", "queries": {"a": 1}, "headers": {"Own": "1"}, "body": {}}`)})
		if a.Code != "" {
			w.asked = append(w.asked, a.Message)
		}
	}
	want := []string{
		`ask https://api.example/status/1 by GET https://api.example/status/1 headers={"Own":"1","X-Key":"s3cret"}`,
		`ask https://api.example/status/2 by GET https://api.example/status/2 headers={"Own":"1","X-Key":"s3cret"}`,
		`ask https://evil.example/status by GET https://evil.example/status`,
		`The connection "my" answered with an address that is none.`,
	}
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked:\n%s", strings.Join(w.asked, "\n"))
	}
}

func TestWebhooks(t *testing.T) {
	for _, c := range []struct {
		typ, inputs, url string
		step             connector.Step
		want             string
	}{
		{"OpenApiConnectionWebhook", `{"host": {"connectionName": "key", "operationId": "Hook"}}`, "", connector.Subscribe,
			`POST https://api.example/base/hooks headers={"X-Key":"s3cret","Content-Type":"application/json"} body={"to":"https://here.example/cb"}`},
		{"ApiConnectionWebhook", `{"host": {"connection": {"name": "key"}}, "path": "/hooks"}`, "", connector.Subscribe,
			`POST https://api.example/base/hooks headers={"X-Key":"s3cret","Content-Type":"application/json"} body={"to":"https://here.example/cb"}`},
		{"ApiConnectionWebhook", `{"host": {"connection": {"name": "plain"}}, "path": "/subscribe", "body": {"callback_url": "mine"}}`, "", connector.Subscribe,
			`POST https://api.example/base/subscribe body={"callback_url":"mine"}`},
		{"ApiConnectionWebhook", `{"host": {"connection": {"name": "plain"}}, "path": "/subscribe"}`, "https://api.example/base/s/7", connector.Unsubscribe, `DELETE https://api.example/base/s/7`},
		{"OpenApiConnectionWebhook", `{"host": {"connectionName": "key", "operationId": "Hook"}}`, "s/8", connector.Unsubscribe, `DELETE https://api.example/base/s/8 headers={"X-Key":"s3cret"}`},
		{"OpenApiConnectionWebhook", `{"host": {"connectionName": "key", "operationId": "Hook"}}`, "https://other.example/s", connector.Unsubscribe, `DELETE https://other.example/s`},
		{"ApiConnectionWebhook", `{"host": {"connection": {"name": "plain"}}, "path": "/subscribe"}`, "", connector.Unsubscribe, ``},
		{"ApiConnectionNotification", `{"host": {"connection": {"name": "plain"}}, "fetch": {"method": "get", "pathTemplate": {"template": "/mail/{folder}", "parameters": {"folder": "in box"}}, "queries": {"top": 1}}, "subscribe": {"method": "post", "pathTemplate": {"template": "/$subscriptions"}, "body": {"NotificationUrl": "u"}}}`, "", connector.Subscribe,
			`POST https://api.example/base/$subscriptions body={"NotificationUrl":"u"}`},
		{"ApiConnectionNotification", `{"host": {"connection": {"name": "plain"}}, "fetch": {"method": "get", "pathTemplate": {"template": "/mail/{folder}", "parameters": {"folder": "in box"}}, "queries": {"top": 1}}}`, "", connector.Try,
			`GET https://api.example/base/mail/in%20box?top=1`},
	} {
		w := &web{}
		a := New(Options{Connections: connections(t), HTTP: w}).Do(t.Context(), &connector.Call{Type: c.typ, Step: c.step, URL: c.url, Inputs: parse(t, c.inputs), Callback: "https://here.example/cb"})
		if got := strings.Join(w.asked, "\n"); got != c.want || a.Status != 200 {
			t.Errorf("%s\ngot  %s %d %s\nwant %s", c.inputs, got, a.Status, a.Message, c.want)
		}
	}
}

func TestPages(t *testing.T) {
	page := func(s string) connector.Answer { return connector.Answer{Status: 200, Body: parse(t, s)} }
	for _, c := range []struct {
		most    int
		answers []connector.Answer
		want    string
		asked   int
	}{
		{100, []connector.Answer{page(`{"value": [1, 2], "more": "https://api.example/orders?p=2"}`), page(`{"value": [3], "more": "/orders?p=3"}`), page(`{"value": [4]}`)}, `{"value":[1,2,3,4]}`, 3},
		{3, []connector.Answer{page(`{"value": [1, 2], "@odata.nextLink": "orders?p=2", "c": 1}`), page(`{"value": [3], "@odata.nextLink": "p3"}`)}, `{"value":[1,2,3],"c":1,"@odata.nextLink":"p3"}`, 2},
		{9, []connector.Answer{page(`{"value": [1], "more": "https://evil.example"}`)}, `BadRequest The next page is at another host than the connection "my"; it is not asked for with its credentials.`, 1},
		{9, []connector.Answer{page(`{"value": [1], "more": "p2"}`), {Status: 500}}, `null 500`, 2},
		{9, []connector.Answer{page(`{"a": 1}`)}, `{"a":1}`, 1},
		{0, []connector.Answer{page(`{"value": [1], "more": "p2"}`)}, `{"value":[1],"more":"p2"}`, 1},
	} {
		w := &web{answers: c.answers}
		a := New(Options{Connections: connections(t), HTTP: w}).Do(t.Context(), &connector.Call{Type: "OpenApiConnection", MinimumItems: c.most, Inputs: parse(t, `{"host": {"connectionName": "key", "operationId": "List"}}`)})
		got := string(expression.AppendJSON(nil, a.Body))
		if a.Code != "" {
			got = a.Code + " " + a.Message
		} else if a.Status != 200 {
			got += fmt.Sprint(" ", a.Status)
		}
		if got != c.want || len(w.asked) != c.asked {
			t.Errorf("got %s after %d, want %s after %d", got, len(w.asked), c.want, c.asked)
		}
	}
}

func TestLook(t *testing.T) {
	w := &web{answers: []connector.Answer{
		{Status: 202, Headers: expression.NewObject("location", "/base/items?after=5", "Retry-After", "15")},
		{Status: 200, Headers: expression.NewObject("Location", "https://api.example/base/items?after=7"), Body: []any{int64(6), int64(7)}},
		{Status: 200, Headers: expression.NewObject("Retry-After", "0"), Body: "x"},
		{Status: 503},
		{Status: 404, Headers: expression.NewObject("x", "y")},
		{Status: 200, Headers: expression.NewObject("Location", "https://evil.example/items")},
	}}
	c := New(Options{Connections: connections(t), HTTP: w})
	var got []string
	watch := &connector.Watch{Type: "ApiConnection", Inputs: parse(t, `{"host": {"connection": {"name": "key"}}, "method": "get", "path": "/orders", "queries": {"q": 1}}`)}
	for range 7 {
		f := c.Look(t.Context(), watch)
		line := fmt.Sprintf("%d %s retry=%v after=%s more=%v", f.Status, f.Code, f.Retryable, f.After, f.More)
		for _, i := range f.Items {
			line += " " + string(expression.AppendJSON(nil, i.Outputs))
		}
		watch.Cursor = f.Cursor
		got = append(got, line)
	}
	want := []string{
		`202  retry=false after=15s more=false`,
		`200  retry=false after=0s more=false {"headers":{"Location":"https://api.example/base/items?after=7"},"body":[6,7]}`,
		`200  retry=false after=0s more=true {"headers":{"Retry-After":"0"},"body":"x"}`,
		`503 ServiceUnavailable retry=true after=0s more=false`,
		`404 NotFound retry=false after=0s more=false`,
		`200  retry=false after=0s more=false {"headers":{"Location":"https://evil.example/items"}}`,
		`0 BadRequest retry=false after=0s more=false`,
	}
	asked := []string{
		`GET https://api.example/base/orders?q=1 headers={"X-Key":"s3cret"}`,
		`GET https://api.example/base/items?after=5 headers={"X-Key":"s3cret"}`,
		`GET https://api.example/base/items?after=7 headers={"X-Key":"s3cret"}`,
		`GET https://api.example/base/orders?q=1 headers={"X-Key":"s3cret"}`,
		`GET https://api.example/base/orders?q=1 headers={"X-Key":"s3cret"}`,
		`GET https://api.example/base/orders?q=1 headers={"X-Key":"s3cret"}`,
	}
	for i := range w.asked {
		w.asked[i] = strings.ReplaceAll(w.asked[i], `,"Content-Type":"application/json"`, "")
	}
	if !slices.Equal(got, want) || !slices.Equal(w.asked, asked) {
		t.Errorf("found:\n%s\nasked:\n%s", strings.Join(got, "\n"), strings.Join(w.asked, "\n"))
	}
	if f := found(connector.Answer{Status: 200, Headers: expression.NewObject("Retry-After", "999999999")}, nil); f.After != 24*time.Hour {
		t.Errorf("a pause of %s", f.After)
	}
}
