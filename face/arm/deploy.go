package arm

import (
	"encoding/json"
	"net/http"
	"strings"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

const typeDeployments = "Microsoft.Resources/deployments"

// deployment answers the deployments of a scope: rest is empty for their list, a name,
// and words behind it.
func (q *request) deployment(scope resource.ID, rest []string) (reply, error) {
	q.target = scope.String()
	if q.o.Deployments == nil {
		return reply{}, fault.New(fault.Unsupported, "This server deploys no templates; POST /deploy takes files of resources.")
	}
	if len(rest) == 0 {
		return q.deploymentList(scope)
	}
	id, err := scope.Extension(typeDeployments, rest[0])
	if err != nil {
		return reply{}, fault.New(fault.Invalid, "%q is no name of a deployment.", rest[0])
	}
	q.target = id.String()
	switch len(rest) {
	case 1:
		return q.oneDeployment(scope, id)
	case 2:
		return q.deploymentWord(scope, id, strings.ToLower(rest[1]))
	}
	if strings.EqualFold(rest[1], "operations") && q.Method == http.MethodGet {
		return q.deploymentOperations(scope, id, rest[2])
	}
	return reply{}, fault.New(fault.NotFound, "Nothing is served at %s.", q.URL.Path)
}

func (q *request) deploymentList(scope resource.ID) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("The list of deployments", http.MethodGet)
	}
	if err := q.may(typeDeployments+"/read", scope); err != nil {
		return reply{}, err
	}
	docs, err := q.o.Deployments.List(q.Context(), scope)
	if err != nil {
		return reply{}, err
	}
	return list(docs)
}

func (q *request) oneDeployment(scope, id resource.ID) (reply, error) {
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		if err := q.may(typeDeployments+"/read", id); err != nil {
			return reply{}, err
		}
		status := http.StatusOK
		if q.Method == http.MethodHead {
			status = http.StatusNoContent
		}
		return q.deploymentBody(status, scope, id.Name())
	case http.MethodPut:
		return q.deploy(scope, id)
	case http.MethodDelete:
		if err := q.may(typeDeployments+"/delete", id); err != nil {
			return reply{}, err
		}
		if err := q.o.Deployments.Delete(q.Context(), q.asker(), scope, id.Name()); err != nil && !fault.Is(err, fault.NotFound) {
			return reply{}, err
		}
		return reply{status: http.StatusNoContent}, nil
	}
	return reply{}, q.only("A deployment", "GET", "HEAD", "PUT", "DELETE")
}

// deploymentBody reads a deployment, HEAD without its body.
func (q *request) deploymentBody(status int, scope resource.ID, name string) (reply, error) {
	doc, err := q.o.Deployments.Get(q.Context(), scope, name)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = answer.Coded("DeploymentNotFound", err)
		}
		return reply{}, err
	}
	if status == http.StatusNoContent {
		return reply{status: status}, nil
	}
	return reply{status: status, body: doc}, nil
}

func (q *request) deploymentState(scope resource.ID, name string) (state string, failure any, err error) {
	doc, err := q.o.Deployments.Get(q.Context(), scope, name)
	if err != nil {
		return "", nil, err
	}
	state, failure = stateOf(doc)
	if !terminal[state] {
		return "InProgress", nil, nil
	}
	return state, failure, nil
}

// deploy begins a deployment and says where to ask how it goes.
func (q *request) deploy(scope, id resource.ID) (reply, error) {
	if err := q.may(typeDeployments+"/write", id); err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	doc, created, err := q.o.Deployments.Put(q.Context(), q.asker(), scope, id.Name(), body)
	if err != nil {
		return reply{}, err
	}
	p := reply{status: http.StatusOK, body: doc}
	if created {
		p.status = http.StatusCreated
	}
	if state, _ := stateOf(doc); !terminal[state] {
		p.header = q.later(verbDeploy, id)
		delete(p.header, "Location") // the deployment itself is the result
	}
	return p, nil
}

// deploymentWord does what can be asked of a deployment beside reading it.
func (q *request) deploymentWord(scope, id resource.ID, word string) (reply, error) {
	if word == "operations" && q.Method == http.MethodGet {
		return q.deploymentOperations(scope, id, "")
	}
	if q.Method != http.MethodPost {
		return reply{}, q.only(word+" of a deployment", http.MethodPost)
	}
	actions := map[string]string{"cancel": "cancel", "validate": "validate", "whatif": "whatIf", "exporttemplate": "exportTemplate"}
	action, is := actions[word]
	if !is {
		return reply{}, fault.New(fault.NotFound, "A deployment has the actions cancel, validate, whatIf and exportTemplate, not %q.", word)
	}
	if err := q.may(typeDeployments+"/"+action+"/action", id); err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	var doc json.RawMessage
	ctx, name := q.Context(), id.Name()
	switch word {
	case "cancel":
		if err := q.o.Deployments.Cancel(ctx, q.asker(), scope, name); err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusNoContent}, nil
	case "validate":
		doc, err = q.o.Deployments.Validate(ctx, q.asker(), scope, name, body)
	case "whatif":
		doc, err = q.o.Deployments.WhatIf(ctx, q.asker(), scope, name, body)
	default:
		doc, err = q.o.Deployments.Export(ctx, scope, name)
	}
	if err != nil {
		return reply{}, err
	}
	return ok(doc)
}

// deploymentOperations lists the resources of a deployment, or shows one of them.
func (q *request) deploymentOperations(scope, id resource.ID, one string) (reply, error) {
	if err := q.may(typeDeployments+"/operations/read", id); err != nil {
		return reply{}, err
	}
	all, err := q.o.Deployments.Operations(q.Context(), scope, id.Name())
	if err != nil {
		return reply{}, err
	}
	if one == "" {
		return list(all)
	}
	for _, doc := range all {
		var named struct {
			OperationID string `json:"operationId"`
		}
		if json.Unmarshal(doc, &named) == nil && strings.EqualFold(named.OperationID, one) {
			return ok(doc)
		}
	}
	return reply{}, fault.New(fault.NotFound, "The deployment %s has no operation %q.", id.Name(), one)
}

// exportScope makes a template of a resource group.
func (q *request) exportScope(scope resource.ID) (reply, error) {
	if q.Method != http.MethodPost {
		return reply{}, q.only("exportTemplate", http.MethodPost)
	}
	if q.o.Deployments == nil {
		return reply{}, fault.New(fault.Unsupported, "This server exports no templates.")
	}
	if err := q.may("Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action", scope); err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	doc, err := q.o.Deployments.ExportScope(q.Context(), q.asker(), scope, body)
	if err != nil {
		return reply{}, err
	}
	return ok(doc)
}
