package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// The types whose resources this serves what lies below.
const (
	TypeWorkflow  = "Microsoft.Logic/workflows"
	TypeLocations = "Microsoft.Logic/locations" // of no resource: validate is asked there
	TypeSite      = "Microsoft.Web/sites"
)

// management is where a Standard project's own management lies.
const management = "/runtime/webhooks/workflow/api/management/"

// words are what lies below a workflow.
var words = map[string]bool{
	"runs": true, "triggers": true, "versions": true, "validate": true, "listcallbackurl": true, "listswagger": true,
	"regenerateaccesskey": true, "move": true, "generateupgradeddefinition": true,
}

// Operation is what Azure calls a request for what lies below a resource; empty: it is
// not served here.
func Operation(method string, id resource.ID, rest []string) string {
	if len(rest) == 0 {
		return ""
	}
	switch {
	case strings.EqualFold(id.Type(), TypeWorkflow):
		if words[strings.ToLower(rest[0])] {
			return operation(TypeWorkflow, method, rest)
		}
	case strings.EqualFold(id.Type(), TypeLocations):
		if len(rest) == 3 && strings.EqualFold(rest[0], "workflows") && strings.EqualFold(rest[2], "validate") {
			return TypeLocations + "/workflows/validate/action"
		}
	case strings.EqualFold(id.Type(), TypeSite):
		if below, ok := managed(rest); ok {
			return operation(TypeSite+"/hostruntime/webhooks/api", method, below)
		}
	}
	return ""
}

// operation names what a path of words and names asks for.
func operation(prefix, method string, rest []string) string {
	var types []string
	for i, part := range rest {
		if i%2 == 0 {
			types = append(types, strings.ToLower(part[:1])+part[1:])
		}
	}
	switch {
	case method == http.MethodPost && len(rest)%2 == 0: // of many: runs/cancel
		return prefix + "/" + strings.Join(append(types, rest[len(rest)-1]), "/") + "/action"
	case method == http.MethodPost:
		return prefix + "/" + strings.Join(types, "/") + "/action"
	case method == http.MethodGet, method == http.MethodHead:
		return prefix + "/" + strings.Join(types, "/") + "/read"
	case method == http.MethodDelete:
		return prefix + "/" + strings.Join(types, "/") + "/delete"
	}
	return prefix + "/" + strings.Join(types, "/") + "/write"
}

// managed takes hostruntime/runtime/webhooks/workflow/api/management off a path.
func managed(rest []string) ([]string, bool) {
	way := append([]string{"hostruntime"}, strings.Split(strings.Trim(management, "/"), "/")...)
	if len(rest) <= len(way) {
		return nil, false
	}
	for i, part := range way {
		if !strings.EqualFold(rest[i], part) {
			return nil, false
		}
	}
	return rest[len(way):], strings.EqualFold(rest[len(way)], "workflows")
}

// Alias gives the path below /subscriptions that a path of a Standard project's own
// management stands for; site is the project's id. Empty: it is none.
func Alias(path string, site func() (resource.ID, bool)) string {
	if !strings.HasPrefix(strings.ToLower(path), management) {
		return ""
	}
	id, ok := site()
	if !ok {
		return ""
	}
	return id.String() + "/hostruntime" + path
}

// request is one management request on its way.
type request struct {
	*http.Request
	d    *Door
	w    http.ResponseWriter
	flow *Flow
	rest []string // what is behind the workflow
	// id and typ are what ids and types begin with.
	id, typ string
}

// Manage answers a request for what lies below a resource; the caller may do what
// Operation says. An error is for the door above to answer.
func (d *Door) Manage(w http.ResponseWriter, r *http.Request, id resource.ID, rest []string) error {
	q := &request{Request: r, d: d, w: w, rest: rest, id: id.String(), typ: TypeWorkflow}
	switch {
	case strings.EqualFold(id.Type(), TypeLocations):
		return q.validate(id.Scope(), rest[1])
	case strings.EqualFold(id.Type(), TypeSite):
		below, ok := managed(rest)
		if !ok {
			return fault.New(fault.NotFound, "Nothing is served at %s.", r.URL.Path)
		}
		if len(below) == 1 {
			return q.listFlows(id)
		}
		flow, err := id.Child("workflows", below[1])
		if err != nil {
			return noWorkflow(below[1])
		}
		q.id, q.typ, q.rest = "/workflows/"+below[1], "workflows", below[2:]
		id = flow
	case len(rest) == 1 && strings.EqualFold(rest[0], "validate"):
		return q.validate(id.Scope(), id.Name())
	}
	var err error
	if q.flow, err = d.o.At(r.Context(), id); err != nil {
		return coded(err, fault.NotFound, "WorkflowNotFound")
	}
	if q.typ == "workflows" {
		q.id = "/workflows/" + q.flow.Name
	}
	return q.answer()
}

// changes says whether only the owner of the unit can answer.
func (q *request) changes() bool {
	if q.Method != http.MethodPost {
		return q.Method != http.MethodGet && q.Method != http.MethodHead
	}
	switch strings.ToLower(q.rest[len(q.rest)-1]) {
	case "listcallbackurl", "listexpressiontraces", "listswagger", "generateupgradeddefinition", "move":
		return false
	}
	return true
}

func (q *request) answer() error {
	if len(q.rest) == 0 {
		return q.shows(q.flowBody())
	}
	if _, there := q.flow.Runs.Workflow(q.flow.Name); !there {
		return noWorkflow(q.flow.Name)
	}
	if q.changes() && q.flow.Pass != nil && q.flow.Pass(q.w, q.Request) {
		return nil
	}
	switch word := strings.ToLower(q.rest[0]); {
	case word == "runs":
		return q.runs(q.rest[1:])
	case word == "triggers":
		return q.triggers(q.rest[1:])
	case word == "versions":
		return q.versions(q.rest[1:])
	case len(q.rest) > 1:
	default:
		return q.act(word)
	}
	return q.nothing()
}

func (q *request) nothing() error {
	return fault.New(fault.NotFound, "Nothing is served at %s.", q.URL.Path)
}

// only refuses a method that is not among those there are.
func (q *request) only(methods ...string) error {
	for _, m := range methods {
		if q.Method == m || m == http.MethodGet && q.Method == http.MethodHead {
			return nil
		}
	}
	q.w.Header().Set("Allow", strings.Join(methods, ", "))
	return fault.New(fault.MethodNotAllowed, "%s takes %s, not %s.", q.URL.Path, strings.Join(methods, ", "), q.Method)
}

func (q *request) get() error  { return q.only(http.MethodGet) }
func (q *request) post() error { return q.only(http.MethodPost) }

// shows answers with a body.
func (q *request) shows(body any, err error) error {
	if err != nil {
		return err
	}
	return q.answers(http.StatusOK, body)
}

// answers answers with a body; nil is none.
func (q *request) answers(status int, body any) error {
	if body == nil {
		q.w.Header().Set("Cache-Control", "no-store")
		q.w.WriteHeader(status)
		return nil
	}
	writeJSON(q.w, status, body)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // the client may be gone
}

// body reads a request's body into a value; one that is empty leaves it as it is.
func (q *request) body(into any) error {
	data, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, requestBytesMax))
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "The body is larger than %d bytes.", tooBig.Limit)
	}
	if err != nil {
		return fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return invalid("The request content was invalid and could not be deserialized: '%v'.", err)
	}
	return nil
}
