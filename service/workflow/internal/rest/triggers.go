package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/callback"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/document"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// historiesMax is how many firings a list goes back.
const historiesMax = 5_000

// triggers answers what lies below /triggers.
func (q *request) triggers(rest []string) error {
	plan, _, err := q.flow.Runs.Plan(q.Context(), q.flow.Name, "")
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		if err := q.get(); err != nil {
			return err
		}
		return q.cut(len(plan.Definition.Triggers), func(k int) (object, error) { return q.trigger(plan.Definition.Triggers[k]) })
	}
	t := triggerNamed(plan, rest[0])
	if t == nil {
		return noTrigger(q.flow.Name, rest[0])
	}
	if len(rest) == 1 {
		if err := q.get(); err != nil {
			return err
		}
		return q.shows(q.trigger(t))
	}
	word := strings.ToLower(strings.Join(rest[1:], "/"))
	if word == "schemas/json" {
		if err := q.get(); err != nil {
			return err
		}
		return q.schema(t)
	}
	if strings.EqualFold(rest[1], "histories") {
		return q.histories(t, rest[2:])
	}
	if err := q.post(); err != nil {
		return err
	}
	switch word {
	case "run":
		name, err := q.flow.Triggers.Run(q.Context(), q.flow.Name, t.Name)
		if err != nil {
			return told(err)
		}
		if name == "" { // it looked, and there was nothing
			return q.answers(http.StatusAccepted, nil)
		}
		return q.started(name)
	case "reset":
		if err := q.flow.Triggers.Reset(q.Context(), q.flow.Name, t.Name); err != nil {
			return told(err)
		}
		return q.answers(http.StatusOK, nil)
	case "listcallbackurl":
		return q.callbackURL(t, "")
	case "setstate":
		return q.setState(t)
	}
	return q.nothing()
}

// setState gives a trigger what another one of the same unit remembers.
func (q *request) setState(t *definition.Trigger) error {
	var body struct {
		Source struct {
			FlowName    string `json:"flowName"`
			TriggerName string `json:"triggerName"`
		} `json:"source"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	if body.Source.FlowName == "" || body.Source.TriggerName == "" {
		return invalid("The body says where the state is taken from: {\"source\": {\"flowName\": \"...\", \"triggerName\": \"...\"}}.")
	}
	if err := q.flow.Triggers.SetState(q.Context(), q.flow.Name, t.Name, body.Source.FlowName, body.Source.TriggerName); err != nil {
		return told(err)
	}
	return q.answers(http.StatusOK, nil)
}

func triggerNamed(plan *run.Plan, name string) *definition.Trigger {
	for _, t := range plan.Definition.Triggers {
		if sameName(t.Name, name) {
			return t
		}
	}
	return nil
}

func (q *request) trigger(t *definition.Trigger) (object, error) {
	v, _ := q.flow.Runs.Workflow(q.flow.Name)
	info, err := q.flow.Runs.Trigger(q.flow.Name, t.Name)
	if err != nil {
		return nil, err
	}
	p := object{"provisioningState": "Succeeded", "state": stateOf(v), "workflow": q.reference("versions", v.Version)}.
		with("createdTime", moment(v.Created)).with("changedTime", moment(v.Changed))
	newest, err := q.flow.Runs.TriggerHistories(q.flow.Name, t.Name, 1)
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		p.with("lastExecutionTime", moment(newest[0].Began)).with("status", newest[0].Status.String())
	}
	if t.Recurrence != nil {
		p.with("nextExecutionTime", moment(info.Due)).with("recurrence", json.RawMessage(t.Recurrence.Value.Raw))
	}
	return q.row(p, "triggers", t.Name), nil
}

func stateOf(v host.View) string {
	if v.Disabled {
		return "Disabled"
	}
	return "Enabled"
}

// schema answers what a request to the trigger must look like.
func (q *request) schema(t *definition.Trigger) error {
	schema := t.Inputs.Get("schema")
	content := "{}"
	if schema.Given() {
		content = string(schema.Raw)
	}
	return q.answers(http.StatusOK, object{"title": t.Name, "content": content})
}

// histories answers what came of a trigger.
func (q *request) histories(t *definition.Trigger, rest []string) error {
	all, err := q.flow.Runs.TriggerHistories(q.flow.Name, t.Name, historiesMax)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		if err := q.get(); err != nil {
			return err
		}
		wanted, err := historiesFilter(q.URL.Query().Get("$filter"))
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(h host.TriggerHistory) bool { return !wanted(h) })
		return q.cut(len(all), func(k int) (object, error) { return q.history(t.Name, all[k]), nil })
	}
	for _, h := range all {
		switch {
		case h.Name != rest[0]:
		case len(rest) == 1:
			if err := q.get(); err != nil {
				return err
			}
			return q.answers(http.StatusOK, q.history(t.Name, h))
		case len(rest) == 2 && strings.EqualFold(rest[1], "resubmit"):
			if err := q.post(); err != nil {
				return err
			}
			if h.Run == "" {
				return refuse(fault.Conflict, "WorkflowTriggerHistoryNotFired", "The workflow '%s' trigger '%s' history '%s' started no run: there is nothing to repeat.", q.flow.Name, t.Name, h.Name)
			}
			return q.resubmit(h.Run)
		default:
			return q.nothing()
		}
	}
	return noHistory(q.flow.Name, t.Name, rest[0])
}

func historiesFilter(text string) (func(host.TriggerHistory) bool, error) {
	f, err := runsFilter(text)
	if err != nil {
		return nil, err
	}
	return func(h host.TriggerHistory) bool {
		if len(f.Status) > 0 {
			found := false
			for _, s := range f.Status {
				found = found || s == h.Status
			}
			if !found {
				return false
			}
		}
		return (f.Tracking == "" || f.Tracking == h.Tracking) && (f.After.IsZero() || !h.Began.Before(f.After)) && (f.Until.IsZero() || h.Began.Before(f.Until))
	}, nil
}

func (q *request) history(trigger string, h host.TriggerHistory) object {
	p := object{"status": h.Status.String(), "fired": h.Run != ""}.with("code", h.Code).
		with("startTime", moment(h.Began)).with("endTime", moment(h.Ended))
	if h.Tracking != "" {
		p["correlation"] = object{"clientTrackingId": h.Tracking}
	}
	if h.Message != "" {
		p["error"] = object{"code": h.Code, "message": h.Message}
	}
	origin := h.Origin
	if origin == "" {
		origin = h.Run
	}
	p.with("originHistoryName", origin)
	if h.Run != "" {
		p["run"] = q.reference("runs", h.Run)
		p["outputsLink"] = object{"uri": q.link(h.Run, h.OutputsContent+partOutputs)}
	}
	if h.Times > 1 {
		p["repeated"] = h.Times // times in a row that the same came of it
	}
	return q.row(p, "triggers", trigger, "histories", h.Name)
}

// callbackURL answers where a trigger is called; with a version, as that has it.
func (q *request) callbackURL(t *definition.Trigger, version string) error {
	var body struct {
		NotAfter string `json:"notAfter"`
		KeyType  string `json:"keyType"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	key, ok := callback.KeyNamed(body.KeyType)
	if !ok {
		return invalid("keyType is Primary or Secondary, not '%s'.", body.KeyType)
	}
	var until time.Time
	if body.NotAfter != "" {
		var err error
		if until, err = time.Parse(time.RFC3339Nano, body.NotAfter); err != nil {
			return invalid("notAfter is a time such as 2026-01-31T12:00:00Z, not '%s'.", body.NotAfter)
		}
		if !until.After(q.d.o.Now()) {
			return invalid("notAfter is %s, which has passed.", body.NotAfter)
		}
	}
	relative, method := "", http.MethodPost
	if t.Is("Request", "Manual") {
		relative, _ = t.Inputs.Get("relativePath").Str()
		if m, ok := t.Inputs.Get("method").Str(); ok {
			method = strings.ToUpper(m)
		}
	} else if !called(t) {
		return refuse(fault.Invalid, "TriggerTypeNotSupported", "The trigger '%s' is of type '%s', which nobody calls: it has no callback URL.", t.Name, t.Type)
	}
	c := q.d.caller(q.Request, q.flow)
	if len(c.Secret) == 0 {
		return fault.New(fault.Unavailable, "The keys of the workflow are not known here yet; try again.")
	}
	a := c.Trigger(t.Name, relative, key, until)
	if version != "" {
		a = c.VersionTrigger(version, t.Name, relative, key, until)
	}
	queries := object{}
	for name := range a.Queries {
		queries[name] = a.Queries.Get(name)
	}
	o := object{"value": a.String(), "method": method, "basePath": a.Base, "queries": queries}
	if relative != "" {
		o["relativePath"], o["relativePathParameters"] = relative, parametersIn(relative)
	}
	return q.answers(http.StatusOK, o)
}

// called reports whether a trigger of this type is called by its address.
func called(t *definition.Trigger) bool {
	return t.Is("Request", "Manual", "HttpWebhook", "ApiConnectionWebhook", "ApiConnectionNotification", "OpenApiConnectionWebhook", "OpenApiConnectionNotification", "Batch")
}

// parametersIn lists the {parameters} of a relative path.
func parametersIn(path string) []string {
	all := []string{}
	for {
		_, rest, open := strings.Cut(path, "{")
		name, after, end := strings.Cut(rest, "}")
		if !open || !end {
			return all
		}
		all, path = append(all, name), after
	}
}

// swagger is a description of the Request triggers, for clients that make calls of it.
func (q *request) swagger() error {
	plan, _, err := q.flow.Runs.Plan(q.Context(), q.flow.Name, "")
	if err != nil {
		return err
	}
	c := q.d.caller(q.Request, q.flow)
	at, err := url.Parse(c.Endpoint)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The endpoint of the workflow cannot be read.")
	}
	paths := object{}
	for _, t := range plan.Definition.Triggers {
		if !t.Is("Request", "Manual") {
			continue
		}
		relative, _ := t.Inputs.Get("relativePath").Str()
		method, _ := t.Inputs.Get("method").Str()
		if method == "" {
			method = http.MethodPost
		}
		a := c.Trigger(t.Name, relative, callback.Primary, time.Time{})
		path := strings.TrimPrefix(a.Base, c.Endpoint)
		if relative != "" {
			path += "/" + strings.TrimPrefix(relative, "/")
		}
		parameters := []object{
			{"name": "api-version", "in": "query", "required": true, "type": "string", "default": a.Queries.Get("api-version")},
			{"name": "sp", "in": "query", "required": true, "type": "string", "default": a.Queries.Get("sp")},
			{"name": "sv", "in": "query", "required": true, "type": "string", "default": a.Queries.Get("sv")},
			{"name": "sig", "in": "query", "required": true, "type": "string"},
		}
		for _, name := range parametersIn(relative) {
			parameters = append(parameters, object{"name": name, "in": "path", "required": true, "type": "string"})
		}
		if method != http.MethodGet {
			parameters = append(parameters, object{"name": "body", "in": "body", "required": false, "schema": schemaOf(t.Inputs)})
		}
		paths[path] = object{strings.ToLower(method): object{
			"operationId": t.Name, "description": "Fires the trigger " + t.Name + ".", "parameters": parameters,
			"responses": object{"default": object{"description": "What the workflow answers.", "schema": object{"type": "object"}}},
		}}
	}
	return q.answers(http.StatusOK, object{
		"swagger": "2.0", "info": object{"title": q.flow.Name, "version": "1.0.0.0"}, "host": at.Host, "basePath": "/", "schemes": []string{at.Scheme},
		"consumes": []string{"application/json"}, "produces": []string{"application/json"}, "paths": paths,
	})
}

func schemaOf(inputs *document.Value) any {
	if schema := inputs.Get("schema"); schema.Given() {
		return json.RawMessage(schema.Raw)
	}
	return object{}
}
