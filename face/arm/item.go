package arm

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"weir/face/answer"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// item answers one resource by its id.
func (q *request) item(id resource.ID) (reply, error) {
	q.target = id.String()
	t, err := q.known(id.Type())
	if err != nil {
		return reply{}, err
	}
	if t.Absent != "" && q.Method != http.MethodGet && q.Method != http.MethodHead {
		return reply{}, absent(t)
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return q.get(t, id)
	case http.MethodPut:
		return q.put(t, id)
	case http.MethodPatch:
		return q.patch(t, id)
	case http.MethodDelete:
		return q.remove(t, id)
	case http.MethodPost:
		return reply{}, fault.New(fault.NotFound, "Resources of type %s have no action %q.", id.Parent().Type(), id.Name())
	}
	return reply{}, q.only("A resource", "GET", "HEAD", "PUT", "PATCH", "DELETE")
}

// get reads a resource. HEAD only asks whether it is there.
func (q *request) get(t *resource.Type, id resource.ID) (reply, error) {
	if err := q.may(t.Name+"/read", id); err != nil {
		return reply{}, err
	}
	d, err := q.find(t, id)
	switch {
	case err != nil:
		return reply{}, err
	case q.Method == http.MethodHead:
		return reply{status: http.StatusNoContent}, nil
	case d.ETag != "" && q.Header.Get("If-None-Match") == strconv.Quote(d.ETag):
		return reply{status: http.StatusNotModified, header: etag(d)}, nil
	}
	return q.show(http.StatusOK, d), nil
}

func (q *request) find(t *resource.Type, id resource.ID) (resource.Document, error) {
	if b := q.o.Beside[strings.ToLower(t.Name)]; b != nil {
		if d, there, err := b.Get(q.Context(), id); there || err != nil {
			return d, err
		}
	}
	d, err := q.o.Registry.Get(q.Context(), id)
	if fault.Is(err, fault.NotFound) {
		return d, q.missing(id, err)
	}
	return d, err
}

// missing says what is not there: the resource, or already the group it would lie in.
func (q *request) missing(id resource.ID, err error) error {
	group := id.Scope()
	if group.ResourceGroup() == "" || group.Equal(id) {
		return err
	}
	if there, bad := q.groupThere(group); there || bad != nil {
		return err
	}
	return noGroup(group)
}

// show answers with one resource.
func (q *request) show(status int, d resource.Document) reply {
	return reply{status: status, header: etag(d), body: q.public(d)}
}

func etag(d resource.Document) map[string]string {
	if d.ETag == "" {
		return nil
	}
	return map[string]string{"ETag": strconv.Quote(d.ETag)}
}

// public takes secrets out of a document and puts in what is counted, and what the
// service says of it where its type has properties for that.
func (q *request) public(d resource.Document) resource.Document {
	t, known := q.o.Registry.Types().Lookup(d.Type())
	if !known {
		return d
	}
	d = t.Redact(d) // a copy
	said := map[string]any{"provisioningState": q.state(d), "createdAt": moment(d.Created), "updatedAt": moment(d.Updated)}
	for _, f := range t.Fields {
		if value := said[f.Name]; f.ReadOnly && value != nil {
			d.Properties[f.Name] = value
		}
	}
	if q.o.Counts != nil {
		maps.Copy(d.Properties, q.o.Counts(d))
	}
	return d
}

// state is a resource's provisioningState: it is Succeeded when what was declared is in
// force.
func (q *request) state(d resource.Document) any {
	switch {
	case q.o.Settled == nil || q.o.Settled(d.ID):
		return "Succeeded"
	case d.Updated.After(d.Created):
		return "Updating"
	}
	return "Creating"
}

func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.0000000Z07:00")
}

func (q *request) put(t *resource.Type, id resource.ID) (reply, error) {
	if err := q.may(t.Name+"/write", id); err != nil {
		return reply{}, err
	}
	condition, err := q.condition()
	if err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	d, err := document(body, id)
	if err != nil {
		return reply{}, err
	}
	if err := q.decided(id); err != nil {
		return reply{}, err
	}
	result, err := q.o.Registry.Put(q.Context(), d, condition)
	if err != nil {
		return reply{}, err
	}
	status := http.StatusOK
	if result.Created && (!t.AnswersOK || !condition.Guarded) { // a node wants to know
		status = http.StatusCreated
	}
	return q.changed(status, result.Document)
}

// document reads a body as the resource the path names. What the body repeats of
// the path must agree with it.
func document(body []byte, id resource.ID) (resource.Document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return resource.Document{}, answer.Coded("InvalidRequestContent", fault.Wrap(fault.Invalid, err, "The body must be one JSON object, such as {\"properties\": {}}."))
	}
	for name, want := range map[string]string{"id": id.String(), "name": id.Name(), "type": id.Type()} {
		var given string
		if raw, ok := fields[name]; ok && string(raw) != "null" && (json.Unmarshal(raw, &given) != nil || !strings.EqualFold(given, want)) {
			return resource.Document{}, fault.New(fault.Invalid, "The %s in the body is %s, the path says %q.", name, raw, want)
		}
		delete(fields, name)
	}
	fields["id"], _ = json.Marshal(id.String()) // a string always marshals
	whole, err := json.Marshal(fields)
	if err != nil {
		return resource.Document{}, fault.Wrap(fault.Invalid, err, "The body cannot be read.")
	}
	docs, problems := resource.Parse(whole, resource.ID{})
	for i := range problems {
		problems[i].Line = 0 // of a text its author did not write
	}
	if err := problems.Fault(); err != nil {
		return resource.Document{}, err
	}
	if len(docs) != 1 {
		return resource.Document{}, fault.New(fault.Invalid, "The body declares %d resources; POST /deploy takes several.", len(docs))
	}
	docs[0].ForgetLines()
	return docs[0], nil
}

func (q *request) patch(t *resource.Type, id resource.ID) (reply, error) {
	if err := q.may(t.Name+"/write", id); err != nil {
		return reply{}, err
	}
	condition, err := q.condition()
	if err != nil {
		return reply{}, err
	}
	body, err := answer.Read(q.Request)
	if err != nil {
		return reply{}, err
	}
	if len(body) == 0 { // as clients send that have nothing to change
		body = []byte("{}")
	}
	if err := q.decided(id); err != nil {
		return reply{}, err
	}
	result, err := q.o.Registry.Patch(q.Context(), id, body, condition)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = q.missing(id, err)
		}
		return reply{}, err
	}
	return q.changed(http.StatusOK, result.Document)
}

// changed waits until a change is in force and answers it; one that is not in force yet
// is answered with where to ask.
func (q *request) changed(status int, d resource.Document) (reply, error) {
	q.applied(d.ID)
	p := q.show(status, d)
	if q.o.Settled != nil && !q.o.Settled(d.ID) {
		header := q.later(verbPut, d.ID)
		maps.Copy(header, p.header)
		p.header = header
	}
	return p, nil
}

// remove deletes a resource; one that is not there is as good as deleted.
func (q *request) remove(t *resource.Type, id resource.ID) (reply, error) {
	if err := q.may(t.Name+"/delete", id); err != nil {
		return reply{}, err
	}
	condition, err := q.condition()
	if err != nil {
		return reply{}, err
	}
	if err := q.decided(id); err != nil {
		return reply{}, err
	}
	switch err := q.o.Registry.Delete(q.Context(), id, condition); {
	case fault.Is(err, fault.NotFound):
		return reply{status: http.StatusNoContent}, nil
	case err != nil:
		return reply{}, err
	}
	return q.gone(id), nil
}

// gone answers a delete, when it is in force or with where to ask.
func (q *request) gone(id resource.ID) reply {
	q.applied(id)
	if q.o.Settled != nil && !q.o.Settled(id) {
		return reply{status: http.StatusAccepted, header: q.later(verbDelete, id)}
	}
	return reply{status: http.StatusOK}
}

// act runs an action of a resource: POST {id}/listKeys.
func (q *request) act(id resource.ID, step string) (reply, error) {
	t, err := q.known(id.Type())
	if err != nil {
		return reply{}, err
	}
	if t.Absent != "" {
		return reply{}, absent(t)
	}
	action := step
	for _, a := range t.Actions {
		if strings.EqualFold(a.Name, step) {
			action = a.Name
		}
	}
	if err := q.may(t.Name+"/"+action+"/action", id); err != nil {
		return reply{}, err
	}
	body, err := q.object()
	if err != nil {
		return reply{}, err
	}
	host := q.Host
	if q.o.Host != nil {
		host = q.o.Host(host, id)
	}
	given, err := q.o.Registry.Act(resource.CalledAt(q.Context(), host), id, step, body)
	if err != nil {
		return reply{}, err
	}
	if given == nil { // it told nothing: it changed something
		q.applied(id)
		return reply{status: http.StatusOK}, nil
	}
	return ok(given)
}

// object reads a body that is one JSON object, or nothing.
func (q *request) object() (map[string]any, error) {
	data, err := answer.Read(q.Request)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, answer.Coded("InvalidRequestContent", fault.Wrap(fault.Invalid, err, "The body must be one JSON object, or nothing."))
	}
	return body, nil
}
