package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// madeUp is what a rehearsal gave a definition.
type madeUp struct {
	Definition node
	Parameters node
	Trigger    node
	Actions    map[string]node
}

// standInConnection is the connection that all of ApiConnection call by.
const standInConnection = "stand-in"

// kept are the actions that go outside and are left as they are on a real node.
var kept = []string{"JavaScriptCode"}

// staged makes a definition that can be played on a node: what it calls is the stand-in
// at an address, its trigger is one that can be called, and waiting takes no time.
// Everything else is as it was, and the inputs of what is called are what is sent.
func staged(m *madeUp, base string) node {
	d := clone(m.Definition)
	calls := map[string]bool{}
	for name := range m.Actions {
		calls[name] = true
	}
	var graph func(actions any)
	graph = func(actions any) {
		all, _ := actions.(node)
		for name, v := range all {
			a, ok := v.(node)
			if !ok {
				continue
			}
			kind, _ := a["type"].(string)
			switch {
			case calls[name] && kind == "ApiConnection":
				// The node's own connector calls it, by a connection to the stand-in.
				a["inputs"] = withoutPolicy(a["inputs"])
				delete(a, "operationOptions")
				plainTransfer(a)
			case calls[name] && !slices.Contains(kept, kind):
				all[name] = called(a, kind, base+"/"+url.PathEscape(name))
			case strings.EqualFold(kind, "Wait"):
				a["inputs"] = node{"until": node{"timestamp": "2020-01-01T00:00:00Z"}}
			}
			graph(a["actions"])
			for _, way := range []string{"else", "default"} {
				if w, ok := a[way].(node); ok {
					graph(w["actions"])
				}
			}
			if cases, ok := a["cases"].(node); ok {
				for _, c := range cases {
					if w, ok := c.(node); ok {
						graph(w["actions"])
					}
				}
			}
		}
	}
	graph(d["actions"])
	triggers, _ := d["triggers"].(node)
	if len(triggers) == 0 {
		triggers = node{"manual": nil}
		d["triggers"] = triggers
	}
	for name, t := range triggers {
		inputs := node{}
		if o, ok := t.(node); ok {
			if in, ok := o["inputs"].(node); ok && in["relativePath"] != nil {
				inputs["relativePath"] = in["relativePath"]
			}
		}
		triggers[name] = node{"type": "Request", "kind": "Http", "inputs": inputs}
	}
	declare(d, m.Parameters)
	return d
}

// called is an action that calls the stand-in in the place of another.
func called(a node, kind, uri string) node {
	send := func(way string, body any) node {
		return node{"method": "POST", "uri": uri + way, "body": body, "headers": node{"Content-Type": "application/json"}}
	}
	inputs := a["inputs"]
	if o, ok := inputs.(node); ok {
		delete(o, "retryPolicy")
	}
	out := node{"type": "Http", "inputs": send("", node{"inputs": inputs})}
	if strings.Contains(kind, "Webhook") {
		out = node{"type": "HttpWebhook", "inputs": node{"subscribe": send("/subscribe", node{"inputs": withoutCallback(inputs), "callback": "@{listCallbackUrl()}"}), "unsubscribe": send("/unsubscribe", node{})}}
	}
	for member, v := range a {
		if !slices.Contains([]string{"type", "inputs", "kind", "operationOptions", "metadata"}, member) {
			out[member] = v
		}
	}
	plainTransfer(out)
	return out
}

// plainTransfer leaves out transfers that the stand-in does not take part in.
func plainTransfer(a node) {
	if r, ok := a["runtimeConfiguration"].(node); ok {
		delete(r, "paginationPolicy")
		delete(r, "contentTransfer")
	}
}

// withoutPolicy leaves out what would make a failure take its time.
func withoutPolicy(inputs any) any {
	if o, ok := inputs.(node); ok {
		o["retryPolicy"] = node{"type": "none"}
		delete(o, "authentication")
		if host, ok := o["host"].(node); ok {
			c, _ := host["connection"].(node)
			name, _ := c["name"].(string)
			if !strings.HasPrefix(name, "@parameters('$connections')") {
				host["connection"] = node{"name": standInConnection}
			}
		}
	}
	return inputs
}

// withoutCallback leaves out what is about the webhook that was.
func withoutCallback(inputs any) any {
	o, ok := inputs.(node)
	if !ok {
		return inputs
	}
	o = clone(o)
	for _, member := range []string{"subscribe", "unsubscribe"} {
		if in, ok := o[member].(node); ok {
			o[member] = in["body"]
		}
	}
	if strings.Contains(string(mustJSON(o)), "action()") {
		return nil // it speaks of the answer that comes later
	}
	return o
}

// declare adds the parameters that the project around a definition gives.
func declare(d, values node) {
	parameters, _ := d["parameters"].(node)
	if parameters == nil {
		parameters = node{}
		d["parameters"] = parameters
	}
	for name, v := range values {
		if _, ok := parameters[name]; ok {
			continue
		}
		kind := "Object"
		switch v.(type) {
		case string:
			kind = "String"
		case float64:
			kind = "Float"
		case bool:
			kind = "Bool"
		case []any:
			kind = "Array"
		}
		parameters[name] = node{"type": kind}
	}
}

func clone(o node) node {
	var out node
	if err := json.Unmarshal(mustJSON(o), &out); err != nil {
		panic(err)
	}
	return out
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("what was read as JSON is none: %v", err))
	}
	return data
}

// values gives parameters as a resource has them.
func (m *madeUp) values() node {
	out := node{}
	for _, name := range slices.Sorted(maps.Keys(m.Parameters)) {
		v := m.Parameters[name]
		if all, ok := v.(node); ok && name == "$connections" {
			all = clone(all)
			for _, c := range all {
				if o, ok := c.(node); ok {
					o["connectionId"], o["connectionName"], o["id"] = standInConnection, standInConnection, "/providers/Microsoft.Web/managedApis/"+standInConnection
					delete(o, "connectionProperties")
				}
			}
			v = all
		}
		out[name] = node{"value": v}
	}
	return out
}

// tags are those that flows of Power Automate read of themselves.
var tags = node{"environmentName": "rehearsal", "flowDisplayName": "rehearsed", "logicAppName": "rehearsed", "environmentRegion": "here"}

// beyond says why a definition cannot be played on a node by calling its trigger; empty,
// it can.
func beyond(m *madeUp) string {
	for _, name := range slices.Sorted(maps.Keys(m.Trigger)) {
		if !slices.Contains([]string{"body", "headers", "queries", "relativePathParameters", "statusCode", "method"}, name) {
			return "its trigger gives " + name
		}
	}
	if strings.Contains(strings.ToLower(string(mustJSON(m.Definition))), "appsetting(") {
		return "it reads settings of an app"
	}
	return ""
}

// relative fills in the relative path of a trigger's address.
func relative(at string, parameters any) string {
	values, _ := parameters.(node)
	for name, v := range values {
		for _, hole := range []string{"{" + name + "}", url.PathEscape("{" + name + "}")} {
			at = strings.ReplaceAll(at, hole, url.PathEscape(fmt.Sprint(v)))
		}
	}
	return at
}
