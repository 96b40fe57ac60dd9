package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// runs answers what lies below /runs.
func (q *request) runs(rest []string) error {
	switch len(rest) {
	case 0:
		if err := q.get(); err != nil {
			return err
		}
		return q.listRuns()
	case 1:
		// No run is called so: these are for many.
		switch strings.ToLower(rest[0]) {
		case "cancel", "resubmit":
			if err := q.post(); err != nil {
				return err
			}
			return q.bulk(strings.ToLower(rest[0]))
		}
		if err := q.get(); err != nil {
			return err
		}
		return q.shows(q.oneRun(rest[0]))
	}
	name, word := rest[0], strings.ToLower(rest[1])
	switch {
	case word == "actions":
		return q.actions(name, rest[2:])
	case word == "operations" && len(rest) == 3: // an operation is the run itself
		if err := q.get(); err != nil {
			return err
		}
		return q.shows(q.oneRun(name))
	case len(rest) > 2:
		return q.nothing()
	case word == "cancel":
		if err := q.post(); err != nil {
			return err
		}
		return q.cancel(name)
	case word == "resubmit":
		if err := q.post(); err != nil {
			return err
		}
		return q.resubmit(name)
	case word == "contents":
	}
	return q.nothing()
}

func (q *request) listRuns() error {
	p, err := q.page()
	if err != nil {
		return err
	}
	query, err := runsFilter(q.URL.Query().Get("$filter"))
	if err != nil {
		return err
	}
	query.Most = p.top
	if p.skip != "" {
		if query.Before, err = strconv.ParseUint(p.skip, 10, 64); err != nil {
			return refuse(fault.Invalid, "InvalidQueryParameterValue", "The query parameter '$skiptoken' is not one that was given out.")
		}
	}
	infos, next, err := q.flow.Runs.Runs(q.flow.Name, query)
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowNotFound")
	}
	var rows []object
	for _, i := range infos {
		rows = append(rows, q.runRow(i))
	}
	token := ""
	if next != 0 {
		token = strconv.FormatUint(next, 10)
	}
	return q.listed(rows, token)
}

// run finds one run.
func (q *request) run(name string) (host.RunInfo, error) {
	i, err := q.flow.Runs.Run(q.Context(), q.flow.Name, name)
	if fault.Is(err, fault.NotFound) {
		return i, noRun(q.flow.Name, name)
	}
	return i, err
}

// runRow is a run as lists have it.
func (q *request) runRow(i host.RunInfo) object {
	began := moment(i.Created)
	p := object{"status": statusOf(i.Status), "correlation": object{"clientTrackingId": i.Tracking}}.
		with("waitEndTime", began).with("startTime", began).with("endTime", moment(i.Ended)).with("error", i.Error)
	if i.Code != "" && i.Code != "OK" {
		p["code"] = i.Code
	}
	p["workflow"] = q.reference("versions", i.Version)
	trigger := object{"name": i.Trigger, "startTime": began, "endTime": began, "status": run.Succeeded.String(), "originHistoryName": origin(i),
		"correlation": object{"clientTrackingId": i.Tracking}, "outputsLink": object{"uri": q.link(i.Name, i.TriggerContent+partOutputs)}}
	p["trigger"] = trigger
	p["outputs"] = object{}
	return q.row(p, "runs", i.Name)
}

func origin(i host.RunInfo) string {
	if i.Origin != "" {
		return i.Origin
	}
	return i.Name
}

// oneRun is a run with what its contents say, and when it is asked for with its actions.
func (q *request) oneRun(name string) (object, error) {
	i, err := q.run(name)
	if err != nil {
		return nil, err
	}
	o := q.runRow(i)
	p := o["properties"].(object)
	if trigger, ok := p["trigger"].(object); ok {
		q.triggerOf(i, trigger)
	}
	if i.OutputsContent != "" {
		if text, err := q.flow.Runs.Content(q.Context(), i.OutputsContent); err == nil && len(text) > 0 && string(text) != "null" {
			p["outputs"] = json.RawMessage(text)
		}
	}
	if q.expands("workflow/properties") {
		if version, err := q.versionBody(i.Version); err == nil {
			p["workflow"] = version
		}
	}
	if q.expands("properties/actions") || q.expands("actions") {
		if p["actions"], err = q.actionsOf(i); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// triggerOf completes a run's trigger by what was recorded of it.
func (q *request) triggerOf(i host.RunInfo, o object) {
	delete(o, "outputsLink")
	text, err := q.flow.Runs.Content(q.Context(), i.TriggerContent)
	if err != nil {
		return // it is secure, or cannot be had now
	}
	var t map[string]json.RawMessage
	if json.Unmarshal(text, &t) != nil {
		return
	}
	for _, name := range []string{"startTime", "endTime", "scheduledTime", "code", "error", "trackedProperties"} {
		if name != "code" || string(t[name]) != `"OK"` {
			o.with(name, t[name])
		}
	}
	for _, part := range []string{"inputs", "outputs"} {
		if body := t[part]; len(body) > 0 {
			o[part+"Link"] = q.sizedLink(i.Name, i.TriggerContent+"-"+part, len(body))
		}
	}
}

func (q *request) cancel(name string) error {
	i, err := q.run(name)
	if err != nil {
		return err
	}
	if i.Status.Ended() {
		return refuse(fault.Conflict, "WorkflowRunAlreadyCompleted", "The workflow '%s' run '%s' has ended: its status is '%s'.", q.flow.Name, name, i.Status)
	}
	if err := q.flow.Runs.Cancel(q.Context(), q.flow.Name, name); err != nil {
		return coded(err, fault.Conflict, "WorkflowRunAlreadyCompleted")
	}
	return q.answers(http.StatusOK, nil)
}

// resubmit starts a run like another one, whole or from some of its actions on.
func (q *request) resubmit(name string) error {
	var body struct {
		Actions []struct {
			Name string `json:"name"`
		} `json:"actionsToResubmit"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	var actions []string
	for _, a := range body.Actions {
		actions = append(actions, a.Name)
	}
	if _, err := q.run(name); err != nil {
		return err
	}
	made, err := q.flow.Runs.Resubmit(q.Context(), q.flow.Name, name, actions)
	if err != nil {
		return err
	}
	return q.started(made)
}

// started answers that a run has begun.
func (q *request) started(name string) error {
	q.w.Header().Set("x-ms-workflow-run-id", name)
	q.w.Header().Set("Location", q.selfURL("runs", name))
	return q.answers(http.StatusAccepted, q.reference("runs", name))
}

// selfURL is where a row of this workflow is asked for, as this request was.
func (q *request) selfURL(path ...string) string {
	scheme := "http://"
	if q.d.o.Secure(q.Request) {
		scheme = "https://"
	}
	at := strings.Join(strings.Split(q.URL.Path, "/")[:len(strings.Split(q.URL.Path, "/"))-len(q.rest)], "/")
	u := scheme + q.Host + at + "/" + strings.Join(path, "/")
	if v := q.URL.Query().Get("api-version"); v != "" {
		u += "?api-version=" + v
	}
	return u
}

// bulk cancels or resubmits many runs: those that are named, or those that a filter finds,
// the newest first. Each is told of; that more are left, too.
//
//	POST .../runs/cancel    {"filter": "status eq 'Running'", "most": 100}
//	POST .../runs/resubmit  {"runs": ["0858...", "0858..."]}
func (q *request) bulk(verb string) error {
	var body struct {
		Runs   []string `json:"runs"`
		Filter string   `json:"filter"`
		Most   int      `json:"most"`
	}
	if err := q.body(&body); err != nil {
		return err
	}
	if (len(body.Runs) > 0) == (body.Filter != "") {
		return invalid("Say which runs: {\"runs\": [names]}, or {\"filter\": \"status eq 'Failed'\"} as the list of runs takes it, and not both.")
	}
	if len(body.Runs) > bulkRunsMax || body.Most > bulkRunsMax || body.Most < 0 {
		return invalid("One request is for %d runs at most.", bulkRunsMax)
	}
	more := false
	if body.Filter != "" {
		query, err := runsFilter(body.Filter)
		if err != nil {
			return err
		}
		if query.Most = body.Most; query.Most == 0 {
			query.Most = bulkRunsMax
		}
		if verb == "cancel" && len(query.Status) == 0 {
			query.Status = []run.Status{run.NotStarted, run.Running, run.Waiting, run.Suspended}
		}
		infos, next, err := q.flow.Runs.Runs(q.flow.Name, query)
		if err != nil {
			return err
		}
		more = next != 0
		for _, i := range infos {
			body.Runs = append(body.Runs, i.Name)
		}
	}
	rows := []object{}
	for _, name := range body.Runs {
		rows = append(rows, q.bulkOne(q.Context(), verb, name))
	}
	return q.answers(http.StatusOK, object{"value": rows, "more": more})
}

func (q *request) bulkOne(ctx context.Context, verb, name string) object {
	var err error
	o := object{"name": name}
	switch verb {
	case "cancel":
		if err = q.flow.Runs.Cancel(ctx, q.flow.Name, name); err == nil {
			o["status"] = run.Cancelled.String()
		}
	default:
		var made string
		if made, err = q.flow.Runs.Resubmit(ctx, q.flow.Name, name, nil); err == nil {
			o["run"], o["status"] = made, run.Running.String()
		}
	}
	if err != nil {
		o["status"], o["error"] = run.Failed.String(), object{"code": fault.KindOf(err).String(), "message": fault.Sentence(err)}
	}
	return o
}
