package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/callback"
)

// act answers what is asked of a workflow itself.
func (q *request) act(word string) error {
	if err := q.post(); err != nil {
		return err
	}
	switch word {
	case "listcallbackurl":
		plan, _, err := q.flow.Runs.Plan(q.Context(), q.flow.Name, "")
		if err != nil {
			return err
		}
		for _, t := range plan.Definition.Triggers {
			if called(t) {
				return q.callbackURL(t, "")
			}
		}
		return refuse(fault.Invalid, "WorkflowTriggerNotFound", "The workflow '%s' has no trigger that is called: it has no callback URL.", q.flow.Name)
	case "listswagger":
		return q.swagger()
	case "regenerateaccesskey":
		return q.regenerate()
	case "move":
		return fault.New(fault.Unsupported, "Workflows do not move to another name or group here: declare the other one and delete this one. Runs that are under way stay with theirs.")
	case "generateupgradeddefinition":
		return q.upgrade()
	}
	return q.nothing()
}

func (q *request) regenerate() error {
	var body struct {
		KeyType string `json:"keyType"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	key, ok := callback.KeyNamed(body.KeyType)
	if !ok || body.KeyType == "" {
		return invalid("keyType is Primary or Secondary: {\"keyType\": \"Primary\"}.")
	}
	if err := q.flow.Runs.RegenerateKey(q.Context(), q.flow.Name, key.String()); err != nil {
		return err
	}
	return q.answers(http.StatusOK, nil)
}

// schemaVersion is that of the only language there is here.
const schemaVersion = "2016-06-01"

// upgrade answers with the definition in the version of the language that is asked for.
func (q *request) upgrade() error {
	var body struct {
		Version string `json:"targetSchemaVersion"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	if !strings.HasPrefix(body.Version, schemaVersion) {
		return fault.New(fault.Unsupported, "Definitions are of the schema %s here, and are not changed into one of %q.", schemaVersion, body.Version)
	}
	d, err := q.flow.Runs.Definition(q.Context(), q.flow.Name, "")
	if err != nil {
		return err
	}
	return q.answers(http.StatusOK, json.RawMessage(d.Definition))
}

// validate holds what a request has of a workflow against its type, without storing it.
func (q *request) validate(scope resource.ID, name string) error {
	if err := q.post(); err != nil {
		return err
	}
	var body map[string]json.RawMessage
	if err := q.body(&body); err != nil {
		return err
	}
	for _, repeated := range []string{"id", "name", "type"} {
		delete(body, repeated)
	}
	id, err := scope.Resource(TypeWorkflow, name)
	if err != nil {
		// A scope that holds no resources: that of a location of a subscription.
		return invalid("The path names no place for a workflow: %v.", err)
	}
	body["id"], _ = json.Marshal(id.String()) // text always marshals
	text, err := json.Marshal(body)
	if err != nil {
		return invalid("The body cannot be read.")
	}
	docs, problems := resource.Parse(text, resource.ID{})
	if err := problems.Fault(); err != nil {
		return err
	}
	docs[0].ForgetLines()
	if err := q.d.o.Validate(docs[0]); err != nil {
		return err
	}
	return q.answers(http.StatusOK, nil)
}

// versions answers what lies below /versions.
func (q *request) versions(rest []string) error {
	all, err := q.flow.Runs.Versions(q.flow.Name)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		if err := q.get(); err != nil {
			return err
		}
		slices.Reverse(all) // the newest first
		return q.cut(len(all), func(k int) (object, error) { return q.versionBody(all[k].ID) })
	}
	there := false
	for _, v := range all {
		there = there || v.ID == rest[0]
	}
	if !there {
		return noVersion(q.flow.Name, rest[0])
	}
	switch {
	case len(rest) == 1:
		if err := q.get(); err != nil {
			return err
		}
		return q.shows(q.versionBody(rest[0]))
	case len(rest) == 4 && strings.EqualFold(rest[1], "triggers") && strings.EqualFold(rest[3], "listCallbackUrl"):
		if err := q.post(); err != nil {
			return err
		}
		plan, _, err := q.flow.Runs.Plan(q.Context(), q.flow.Name, rest[0])
		if err != nil {
			return err
		}
		t := triggerNamed(plan, rest[2])
		if t == nil {
			return noTrigger(q.flow.Name, rest[2])
		}
		return q.callbackURL(t, rest[0])
	}
	return q.nothing()
}

// versionBody is a version of the workflow as it was declared. Values of parameters are
// not in it: some may not be shown.
func (q *request) versionBody(version string) (object, error) {
	d, err := q.flow.Runs.Definition(q.Context(), q.flow.Name, version)
	if err != nil {
		return nil, coded(err, fault.NotFound, "WorkflowVersionNotFound")
	}
	v, _ := q.flow.Runs.Workflow(q.flow.Name)
	all, err := q.flow.Runs.Versions(q.flow.Name)
	if err != nil {
		return nil, err
	}
	p := object{"version": version, "state": stateOf(v), "provisioningState": "Succeeded", "definition": json.RawMessage(d.Definition), "parameters": object{}, "endpointsConfiguration": object{}}.
		with("createdTime", moment(v.Created)).with("accessEndpoint", q.endpoint())
	for _, info := range all {
		if info.ID == version {
			p.with("changedTime", moment(info.Created))
		}
	}
	o := q.row(p, "versions", version)
	o.with("location", d.Location)
	if len(d.Tags) > 0 {
		o["tags"] = d.Tags
	}
	return o, nil
}

func (q *request) endpoint() string {
	c := q.d.caller(q.Request, q.flow)
	return c.Endpoint + "/workflows/" + c.Workflow
}

// flowBody is a workflow of a Standard project as its management shows it.
func (q *request) flowBody() (object, error) {
	v, ok := q.flow.Runs.Workflow(q.flow.Name)
	if !ok {
		return nil, noWorkflow(q.flow.Name)
	}
	d, err := q.flow.Runs.Definition(q.Context(), q.flow.Name, "")
	if err != nil {
		return nil, err
	}
	kind := d.Kind
	if kind == "" {
		kind = "Stateful"
	}
	return object{"id": q.id, "name": q.flow.Name, "type": "workflows", "kind": kind, "properties": object{
		"version": v.Version, "flowState": stateOf(v), "state": stateOf(v), "createdTime": moment(v.Created), "changedTime": moment(v.Changed),
		"definition": json.RawMessage(d.Definition), "health": object{"state": "Healthy"}, "isDisabled": v.Disabled, "triggers": triggersIn(d.Definition),
	}}, nil
}

// triggersIn are the triggers of a definition, as the list of workflows shows them.
func triggersIn(definition []byte) json.RawMessage {
	var d struct {
		Triggers json.RawMessage `json:"triggers"`
	}
	if json.Unmarshal(definition, &d) != nil || len(d.Triggers) == 0 {
		return json.RawMessage("{}")
	}
	return d.Triggers
}

// listFlows lists the workflows of a Standard project; its management answers with a bare
// list.
func (q *request) listFlows(site resource.ID) error {
	if err := q.get(); err != nil {
		return err
	}
	flows, err := q.d.o.List(q.Context(), site)
	if err != nil {
		return err
	}
	rows := []object{}
	for _, f := range flows {
		q.flow, q.id = f, "/workflows/"+f.Name
		o, err := q.flowBody()
		if fault.Is(err, fault.NotFound) {
			continue // declared a moment ago
		}
		if err != nil {
			return err
		}
		delete(o["properties"].(object), "definition")
		rows = append(rows, o)
	}
	return q.answers(http.StatusOK, rows)
}
