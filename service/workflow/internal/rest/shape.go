package rest

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// object is a JSON object that is put together; nil members are left out.
type object map[string]any

// with sets a member that is there.
func (o object) with(name string, value any) object {
	switch v := value.(type) {
	case nil:
		return o
	case string:
		if v == "" {
			return o
		}
	case *expression.Object:
		if v == nil {
			return o
		}
		value = json.RawMessage(expression.AppendJSON(nil, v))
	case object:
		if v == nil {
			return o
		}
	case json.RawMessage:
		if len(v) == 0 {
			return o
		}
	}
	o[name] = value
	return o
}

// moment writes a time as the cloud does; nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.9999999Z")
}

func micro(n int64) string {
	if n == 0 {
		return ""
	}
	return moment(time.UnixMicro(n))
}

// row is a thing with an id.
func (q *request) row(properties object, path ...string) object {
	id, typ := q.id, q.typ
	for i := 0; i+1 < len(path); i += 2 {
		id, typ = id+"/"+path[i]+"/"+path[i+1], typ+"/"+path[i]
	}
	name := q.flow.Name
	if len(path) > 1 {
		name = path[len(path)-1]
	}
	return object{"id": id, "name": name, "type": typ, "properties": properties}
}

// reference is how a row is spoken of.
func (q *request) reference(path ...string) object {
	o := q.row(nil, path...)
	delete(o, "properties")
	return o
}

// statusOf is how the cloud calls a run's status.
func statusOf(s run.Status) string {
	if s == run.NotStarted {
		return run.Waiting.String()
	}
	return s.String()
}

// statusNamed reads one.
func statusNamed(name string) (all []run.Status, ok bool) {
	for s := run.Running; s <= run.Suspended; s++ {
		if strings.EqualFold(s.String(), name) {
			all = append(all, s)
		}
	}
	if strings.EqualFold(name, run.Waiting.String()) {
		all = append(all, run.NotStarted)
	}
	return all, len(all) > 0
}

// page says which rows of a list are wanted.
type page struct {
	top  int
	skip string // after which row, as the list knows it
}

func (q *request) page() (p page, err error) {
	values := q.URL.Query()
	p.top, p.skip = pageRows, values.Get("$skiptoken")
	if text := values.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return p, refuse(fault.Invalid, "InvalidQueryParameterValue", "The value '%s' of the query parameter '$top' is not valid: it is a whole number from 1 to %d.", text, pageRowsMax)
		}
		p.top = min(n, pageRowsMax)
	}
	return p, nil
}

// listed answers with a page of a list, and where the next one is.
func (q *request) listed(rows []object, next string) error {
	if rows == nil {
		rows = []object{}
	}
	body := object{"value": rows}
	if next != "" {
		values := q.URL.Query()
		values.Set("$skiptoken", next)
		scheme := "http://"
		if q.d.o.Secure(q.Request) {
			scheme = "https://"
		}
		body["nextLink"] = scheme + q.Host + (&url.URL{Path: q.URL.Path}).EscapedPath() + "?" + strings.ReplaceAll(values.Encode(), "%24", "$")
	}
	return q.answers(200, body)
}

// cut takes a page out of a whole list: of so many rows, which are made when they are shown.
func (q *request) cut(count int, row func(k int) (object, error)) error {
	p, err := q.page()
	if err != nil {
		return err
	}
	start := 0
	if p.skip != "" {
		if start, err = strconv.Atoi(p.skip); err != nil || start < 0 || start > count {
			return refuse(fault.Invalid, "InvalidQueryParameterValue", "The query parameter '$skiptoken' is not one that was given out.")
		}
	}
	end, next := count, ""
	if count-start > p.top {
		end = start + p.top
		next = strconv.Itoa(end)
	}
	var rows []object
	for k := start; k < end; k++ {
		one, err := row(k)
		if err != nil {
			return err
		}
		rows = append(rows, one)
	}
	return q.listed(rows, next)
}

// expands says whether a request asks for more than is shown at first.
func (q *request) expands(what string) bool {
	for part := range strings.SplitSeq(q.URL.Query().Get("$expand"), ",") {
		if strings.EqualFold(strings.TrimSpace(part), what) {
			return true
		}
	}
	return false
}
