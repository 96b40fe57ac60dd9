package arm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// Words of a subscription where operations that last are asked about. The name behind
// them says which it is, so that every node can answer, and after a restart too.
const (
	statusWord = "operationstatuses"
	resultWord = "operationresults"
)

// verb is what an operation does.
type verb string

const (
	verbPut    verb = "put"
	verbDelete verb = "delete"
	verbDeploy verb = "deploy"
)

// retryAfterSeconds is how soon to ask again.
const retryAfterSeconds = "1"

// appliedWait is how long an answer waits for a change to be in force.
const appliedWait = 5 * time.Second

// applied waits until what was changed is in force, so that a client that was answered
// finds it so. The change itself is durable already.
func (q *request) applied(id resource.ID) {
	if q.o.Applied == nil {
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), appliedWait)
	defer cancel()
	if err := q.o.Applied(ctx, id); err != nil {
		q.o.Logger.Warn("a change is declared and not in force yet", "resource", id.String(), "error", fault.Detail(err))
	}
}

// later are the headers that say where to ask.
func (q *request) later(v verb, id resource.ID) map[string]string {
	token := base64.RawURLEncoding.EncodeToString([]byte(string(v) + " " + id.String()))
	subscription := id.Subscription()
	if subscription == "" {
		subscription = q.o.Default.Subscription()
	}
	at := q.origin() + "/subscriptions/" + subscription + "/"
	version := ""
	if given := q.URL.Query().Get("api-version"); given != "" {
		version = "?api-version=" + given
	}
	headers := map[string]string{
		"Azure-AsyncOperation": at + "operationStatuses/" + token + version,
		"Retry-After":          retryAfterSeconds,
	}
	if v != verbPut { // whose result is the resource, where it is
		headers["Location"] = at + "operationResults/" + token + version
	}
	return headers
}

// origin is how the caller reached this server.
func (q *request) origin() string {
	secure := q.TLS != nil
	if q.o.Secure != nil {
		secure = q.o.Secure(q.Request)
	}
	if secure {
		return "https://" + q.Host
	}
	return "http://" + q.Host
}

// operation tells how far something is that was answered before it was done.
func (q *request) operation(scope resource.ID, word, token string) (reply, error) {
	if q.Method != http.MethodGet {
		return reply{}, q.only("An operation", http.MethodGet)
	}
	v, id, err := operationOf(token)
	if err != nil || id.Subscription() != "" && !strings.EqualFold(id.Subscription(), scope.Subscription()) {
		return reply{}, fault.New(fault.NotFound, "There is no operation %q.", token)
	}
	t, err := q.known(id.Type())
	if err != nil && v != verbDeploy {
		return reply{}, err
	}
	typ := typeDeployments
	if t != nil {
		typ = t.Name
	}
	if err := q.may(typ+"/read", id); err != nil {
		return reply{}, err
	}
	state, failure, err := q.progress(v, id)
	if err != nil {
		return reply{}, err
	}
	if word == statusWord {
		body := map[string]any{"id": q.URL.Path, "name": token, "status": state}
		if failure != nil {
			body["error"] = failure
		}
		p := reply{status: http.StatusOK, body: body}
		if state == "InProgress" {
			p.header = map[string]string{"Retry-After": retryAfterSeconds}
		}
		return p, nil
	}
	switch {
	case state == "InProgress":
		return reply{status: http.StatusAccepted, header: q.later(v, id)}, nil
	case v == verbDelete:
		return reply{status: http.StatusNoContent}, nil
	case v == verbDeploy:
		return q.deploymentBody(http.StatusOK, id.Base(), id.Name())
	}
	return q.get(t, id)
}

func operationOf(token string) (verb, resource.ID, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", resource.ID{}, err
	}
	name, at, _ := strings.Cut(string(text), " ")
	id, err := resource.ParseID(at)
	return verb(name), id, err
}

// progress looks how far an operation is: nothing is remembered about it, so what is
// said is what is.
func (q *request) progress(v verb, id resource.ID) (state string, failure any, err error) {
	if v == verbDeploy {
		return q.deploymentState(id.Base(), id.Name())
	}
	settled := q.o.Settled == nil || q.o.Settled(id)
	_, there, err := q.o.Registry.Scope(q.Context(), id)
	if err != nil {
		return "", nil, err
	}
	switch {
	case v == verbPut && !there:
		return "Canceled", map[string]any{"code": "ResourceNotFound", "message": "The resource was deleted before it was in force."}, nil
	case !settled, v == verbDelete && there:
		return "InProgress", nil, nil
	}
	return "Succeeded", nil, nil
}

// terminal are the states in which a deployment is over.
var terminal = map[string]bool{"Succeeded": true, "Failed": true, "Canceled": true}

func stateOf(doc json.RawMessage) (state string, failure any) {
	var d struct {
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
			Error             any    `json:"error"`
		} `json:"properties"`
	}
	_ = json.Unmarshal(doc, &d) // what it has no state for is running
	return d.Properties.ProvisioningState, d.Properties.Error
}
