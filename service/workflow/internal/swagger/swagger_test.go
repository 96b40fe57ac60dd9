package swagger

import (
	"strings"
	"testing"

	"weir/service/workflow/internal/expression"
)

const shop = `{
 "swagger": "2.0", "host": "shop.example", "basePath": "/v1/", "schemes": ["https"], "consumes": ["application/json"],
 "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "login": {"type": "basic"}, "app": {"type": "oauth2", "tokenUrl": "https://id.example/token", "scopes": {"all": ""}}},
 "security": [{"key": []}],
 "parameters": {"Lang": {"name": "lang", "in": "header", "type": "string", "default": "en"}},
 "definitions": {
  "Address": {"type": "object", "properties": {"city": {"type": "string"}, "kind": {"type": "string", "default": "home", "x-ms-visibility": "internal"}}},
  "Order": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "default": 1}, "note": {"type": "string", "default": "none"}, "address": {"$ref": "#/definitions/Address"}}},
  "Hook": {"allOf": [{"type": "object", "properties": {"target": {"type": "object", "properties": {"url": {"type": "string", "x-ms-notification-url": true, "x-ms-visibility": "internal"}}}}}]},
  "Loop": {"$ref": "#/definitions/Loop"}
 },
 "paths": {
  "/orders": {
   "get": {"operationId": "ListOrders", "x-ms-pageable": {"nextLinkName": "next"}, "parameters": [
     {"name": "tags", "in": "query", "type": "array", "collectionFormat": "multi"}, {"name": "ids", "in": "query", "type": "array", "collectionFormat": "pipes"}, {"name": "$filter", "in": "query", "type": "string"}]},
   "post": {"operationId": "AddOrder", "parameters": [{"$ref": "#/parameters/Lang"}, {"name": "item", "in": "body", "required": true, "schema": {"$ref": "#/definitions/Order"}}]}
  },
  "/orders/{id}": {"parameters": [{"name": "id", "in": "path", "required": true, "type": "string", "x-ms-url-encoding": "double"}],
   "get": {"operationId": "GetOrder", "security": [], "parameters": [{"name": "wide", "in": "query", "type": "boolean"}]}},
  "/orders/new": {"get": {"operationId": "NewOrders", "x-ms-trigger": "batch", "parameters": []}},
  "/hooks": {"x-ms-notification-content": {"schema": {"$ref": "#/definitions/Order"}},
   "post": {"operationId": "OnOrder", "x-ms-trigger": "single", "parameters": [{"name": "hook", "in": "body", "schema": {"$ref": "#/definitions/Hook"}}]}},
  "/upload": {"post": {"operationId": "Upload", "consumes": ["multipart/form-data"], "parameters": [{"name": "title", "in": "formData"}, {"name": "hook", "in": "query", "x-ms-notification-url": true}]}}
 }}`

func doc(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Read(value(t, text).(*expression.Object))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func value(t *testing.T, text string) any {
	t.Helper()
	v, err := expression.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBuild(t *testing.T) {
	d := doc(t, shop)
	for _, c := range []struct{ op, given, want string }{
		{"GetOrder", `{"id": "a/b c", "wide": true}`, `GET /orders/a%252Fb%2520c?wide=true {} null`},
		{"getorder", `{"ID": 7}`, `GET /orders/7 {} null`},
		{"GetOrder", `{}`, `the operation "GetOrder" needs the parameter "id"`},
		{"GetOrder", `{"id": ""}`, `the operation "GetOrder" needs the parameter "id", which is empty`},
		{"GetOrder", `{"id": 1, "colour": "red"}`, `the operation "GetOrder" has no parameter "colour": it has id, wide`},
		{"ListOrders", `{"tags": ["a", "b&"], "ids": [1, 2], "$filter": "x eq 1"}`, `GET /orders?tags=a&tags=b%26&ids=1%7C2&%24filter=x%20eq%201 {} null`},
		{"AddOrder", `{"item/amount": 3, "item/address/city": "Ulm"}`, `POST /orders {"lang":"en"} {"amount":3,"address":{"city":"Ulm","kind":"home"}}`},
		{"AddOrder", `{"item": {"note": "x"}, "lang": "de"}`, `POST /orders {"lang":"de"} {"note":"x","amount":1}`},
		{"AddOrder", `{"item": {"note": "x"}, "item/amount": 9}`, `POST /orders {"lang":"en"} {"note":"x","amount":9}`},
		{"AddOrder", `{"item/amount": 9, "item": {"note": "x"}}`, `POST /orders {"lang":"en"} {"note":"x","amount":9}`},
		{"AddOrder", `{"item/customer@odata.bind": "/c(1)"}`, `POST /orders {"lang":"en"} {"customer@odata.bind":"/c(1)","amount":1}`},
		{"OnOrder", `{}`, `POST /hooks {} {"target":{"url":"https://here.example/cb?a=1&b=2"}}`},
		{"OnOrder", `{"hook/target/url": "mine"}`, `POST /hooks {} {"target":{"url":"mine"}}`},
		{"Upload", `{"title": "x"}`, `POST /upload?hook=https%3A%2F%2Fhere.example%2Fcb%3Fa%3D1%26b%3D2 {} null title=x`},
	} {
		var got string
		r, err := d.Build(d.Operation(c.op), value(t, c.given).(*expression.Object), "https://here.example/cb?a=1&b=2")
		if err != nil {
			got = err.Error()
		} else {
			got = r.Method + " " + r.Path + " " + string(expression.AppendJSON(nil, r.Headers)) + " " + string(expression.AppendJSON(nil, r.Body))
			for _, f := range r.Form {
				got += " " + f[0] + "=" + f[1]
			}
		}
		if got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.op, c.given, got, c.want)
		}
	}
}

func TestRead(t *testing.T) {
	d := doc(t, shop)
	if d.Base != "https://shop.example/v1" || len(d.Operations) != 6 || strings.Join(d.Needs, " ") != "key" {
		t.Errorf("base %s, %d operations, needs %v", d.Base, len(d.Operations), d.Needs)
	}
	if s := d.Security; len(s) != 3 || s[0].Type != "apiKey" || s[0].In != "header" || s[0].Key != "X-Key" || s[2].TokenURL != "https://id.example/token" || s[2].Scopes[0] != "all" {
		t.Errorf("security %+v", s)
	}
	if op := d.Operation("ListOrders"); !op.Pageable || op.NextLink != "next" {
		t.Errorf("pages %+v", op)
	}
	if op := d.Operation("OnOrder"); op.Trigger != "single" || op.Notification == nil || !d.CallsBack(op) || d.CallsBack(d.Operation("AddOrder")) {
		t.Errorf("hook %+v", op)
	}
	if op := d.Operation("GetOrder"); op.Needs == nil || len(op.Needs) != 0 {
		t.Errorf("an operation that needs no credentials needs %v", op.Needs)
	}
	for path, id := range map[string]string{"/orders/new": "NewOrders", "/orders/7?x=/y": "GetOrder", "/orders": "ListOrders", "/orders/7/8": ""} {
		op := d.At("get", path)
		if got := ""; op != nil {
			if got = op.ID; got != id {
				t.Errorf("%s is %s, not %s", path, got, id)
			}
		} else if id != "" {
			t.Errorf("%s is nothing, not %s", path, id)
		}
	}
}

func TestOpenAPI3(t *testing.T) {
	d := doc(t, `{"openapi": "3.0.1", "servers": [{"url": "https://a.example/v2/"}],
	 "components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}, "o": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example", "scopes": {}}}}}, "schemas": {"S": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
	 "paths": {"/s": {"put": {"operationId": "P", "parameters": [{"name": "q", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}, {"name": "d", "in": "query", "schema": {"type": "string", "default": "z"}}],
	   "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}}}}}}`)
	r, err := d.Build(d.Operation("P"), value(t, `{"body/x": 1, "q": ["a", "b"]}`).(*expression.Object), "")
	if err != nil || r.Path != "/s?q=a&q=b&d=z" || string(expression.AppendJSON(nil, r.Body)) != `{"x":1}` || r.Type != "application/json" {
		t.Errorf("%+v %v", r, err)
	}
	if d.Base != "https://a.example/v2" || d.Security[0].Type != "bearer" || d.Security[1].TokenURL != "https://t.example" {
		t.Errorf("%+v", d)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "has no paths",
		`{"paths": {"/a": {"get": {"parameters": [{"$ref": "other.json#/x"}]}}}}`:                                                      "leads out of the document",
		`{"paths": {"/a": {"get": {"parameters": [{"$ref": "#/x"}]}}}}`:                                                                "leads to nothing",
		`{"definitions": {"L": {"$ref": "#/definitions/L"}}, "paths": {"/a": {"get": {"parameters": [{"$ref": "#/definitions/L"}]}}}}`: "refer to each other",
	} {
		if _, err := Read(value(t, text).(*expression.Object)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	d := doc(t, `{"paths": {"/a/{b}": {"get": {"operationId": "O", "parameters": []}}}}`)
	if _, err := d.Build(d.Operation("O"), nil, ""); err == nil || !strings.Contains(err.Error(), "does not declare") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(shop, `{"item/a/b": 1, "id": 2}`)
	f.Fuzz(func(t *testing.T, text, given string) {
		v, err := expression.ParseJSON(text)
		root, ok := v.(*expression.Object)
		if err != nil || !ok {
			return
		}
		d, err := Read(root)
		if err != nil {
			return
		}
		params, _ := expression.ParseJSON(given)
		o, _ := params.(*expression.Object)
		for _, op := range d.Operations {
			d.CallsBack(op)
			_, _ = d.Build(op, o, "https://here.example")
		}
	})
}
