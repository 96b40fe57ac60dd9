package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/run"
)

// actions answers what lies below a run's /actions.
func (q *request) actions(name string, rest []string) error {
	i, err := q.run(name)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		if err := q.get(); err != nil {
			return err
		}
		return q.listActions(i)
	}
	a, err := q.action(i, rest[0])
	if err != nil {
		return err
	}
	switch word := strings.ToLower(strings.Join(rest[1:], "/")); {
	case word == "":
		if err := q.get(); err != nil {
			return err
		}
		return q.answers(http.StatusOK, q.row(q.hashed(q.actionShape(i, a), a.ActionInfo), "runs", name, "actions", a.Name))
	case word == "listexpressiontraces":
		if err := q.post(); err != nil {
			return err
		}
		return q.traces(i, a.Name, nil)
	case word == "repeat":
		return q.repeat(i, a.Name)
	}
	switch word := strings.ToLower(rest[1]); word {
	case "repetitions":
		return q.repetitions(i, a, rest[2:])
	case "scoperepetitions":
		return q.scopeRepetitions(i, a, rest[2:])
	case "requesthistories":
		return q.requestHistories(i, a.ActionInfo, rest[2:], "runs", name, "actions", a.Name)
	}
	return q.nothing()
}

// action finds one action of a run; case is not told apart, and _ stands for a space.
func (q *request) action(i host.RunInfo, name string) (host.Summary, error) {
	all, err := q.flow.Runs.Summaries(q.Context(), q.flow.Name, i.Name)
	if err != nil {
		return host.Summary{}, err
	}
	for _, a := range all {
		if sameName(a.Name, name) {
			return a, nil
		}
	}
	return host.Summary{}, noAction(q.flow.Name, i.Name, name)
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, " ", "_"), strings.ReplaceAll(b, " ", "_"))
}

func (q *request) listActions(i host.RunInfo) error {
	all, err := q.flow.Runs.Summaries(q.Context(), q.flow.Name, i.Name)
	if err != nil {
		return err
	}
	wanted, err := statusFilter(q.URL.Query().Get("$filter"))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(a host.Summary) bool { return len(wanted) > 0 && !slices.Contains(wanted, a.Status) })
	return q.cut(len(all), func(k int) (object, error) {
		return q.row(q.actionShape(i, all[k]), "runs", i.Name, "actions", all[k].Name), nil
	})
}

// statusFilter reads a filter that speaks of the status alone.
func statusFilter(text string) ([]run.Status, error) {
	f, err := runsFilter(text)
	if err != nil {
		return nil, err
	}
	if f.Trigger != "" || f.Tracking != "" || f.Origin != "" || !f.After.IsZero() || !f.Until.IsZero() {
		return nil, badFilter("this list is filtered by status alone")
	}
	return f.Status, nil
}

// actionsOf are the actions of a run by name, as a run shows them when it is asked to.
func (q *request) actionsOf(i host.RunInfo) (object, error) {
	all, err := q.flow.Runs.Summaries(q.Context(), q.flow.Name, i.Name)
	if err != nil {
		return nil, err
	}
	o := object{}
	for _, a := range all {
		o[a.Name] = q.actionShape(i, a)
	}
	return o, nil
}

// actionShape is an action as a run's history shows it.
func (q *request) actionShape(i host.RunInfo, a host.Summary) object {
	o := q.recordShape(i, a.ActionInfo)
	loop := isLoop(a.Type)
	o["canResubmit"] = a.Status != run.Skipped && a.Times == 0 && !loop && a.Type != "Response"
	if a.Times > 0 {
		o["repetitionCount"] = a.Times
		delete(o, "inputsLink")
		delete(o, "outputsLink")
	}
	if loop {
		o["iterationCount"] = a.Repetitions
	}
	return o
}

func isLoop(typ string) bool { return typ == "Foreach" || typ == "Until" }

// recordShape is what actions and repetitions have in common.
func (q *request) recordShape(i host.RunInfo, a host.ActionInfo) object {
	o := object{"status": statusOf(a.Status), "correlation": object{"actionTrackingId": run.Tracking(i.Name, a.Name, a.Path), "clientTrackingId": i.Tracking}}
	o.with("code", a.Code).with("error", a.Error)
	began, ended := micro(a.Began), micro(a.Ended)
	if began == "" {
		began = ended
	}
	if began == "" && a.Status.Ended() {
		began, ended = moment(i.Ended), moment(i.Ended) // it was passed over as the run ended
	}
	o.with("startTime", began).with("endTime", ended)
	if a.InputsContent != "" {
		o["inputsLink"] = q.sizedLink(i.Name, a.InputsContent, int(a.Inputs.Len))
	}
	if a.OutputsContent != "" {
		o["outputsLink"] = q.sizedLink(i.Name, a.OutputsContent, int(a.Outputs.Len))
	}
	if a.Retries > 0 {
		o["retryCount"] = a.Retries
	}
	return o
}

// repetitions answers each time that an action in loops was carried out.
func (q *request) repetitions(i host.RunInfo, a host.Summary, rest []string) error {
	all, err := q.flow.Runs.Repetitions(q.Context(), q.flow.Name, i.Name, a.Name)
	if err != nil {
		return err
	}
	plan, _, err := q.flow.Runs.Plan(q.Context(), q.flow.Name, i.Version)
	if err != nil {
		return err
	}
	shape := func(r host.ActionInfo) object {
		o := q.recordShape(i, r)
		o["repetitionIndexes"] = indexes(plan.Definition.Action(r.Name), r.Path)
		if isLoop(r.Type) {
			o["iterationCount"] = r.Repetitions
		}
		return q.row(o, "runs", i.Name, "actions", a.Name, "repetitions", host.PathName(r.Path))
	}
	if len(rest) == 0 {
		if err := q.get(); err != nil {
			return err
		}
		return q.cut(len(all), func(k int) (object, error) { return shape(all[k]), nil })
	}
	for _, r := range all {
		if host.PathName(r.Path) != rest[0] {
			continue
		}
		switch {
		case len(rest) == 1:
			if err := q.get(); err != nil {
				return err
			}
			o := shape(r)
			q.hashed(o["properties"].(object), r)
			return q.answers(http.StatusOK, o)
		case len(rest) == 2 && strings.EqualFold(rest[1], "listExpressionTraces"):
			if err := q.post(); err != nil {
				return err
			}
			return q.traces(i, a.Name, r.Path)
		case strings.EqualFold(rest[1], "requestHistories"):
			return q.requestHistories(i, r, rest[2:], "runs", i.Name, "actions", a.Name, "repetitions", rest[0])
		}
		return q.nothing()
	}
	return noRepetition(q.flow.Name, i.Name, a.Name, rest[0])
}

// indexes names the loops around an action, from the outermost, and where in each it was.
func indexes(a *definition.Action, path []int32) []object {
	var loops []string
	for at := a; at != nil && at.In != nil && at.In.Owner != nil; at = at.In.Owner {
		if isLoop(at.In.Owner.Type) {
			loops = append(loops, at.In.Owner.Name)
		}
	}
	slices.Reverse(loops)
	all := []object{}
	for k, n := range path {
		o := object{"itemIndex": n}
		if k < len(loops) {
			o["scopeName"] = loops[k]
		}
		all = append(all, o)
	}
	return all
}

// traces answers what the expressions of an action's inputs gave.
func (q *request) traces(i host.RunInfo, action string, path []int32) error {
	all, err := q.flow.Runs.Traces(q.Context(), q.flow.Name, i.Name, action, path)
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowRunActionExpressionTracesNotFound")
	}
	roots := []object{}
	for _, t := range all {
		o := traceShape(t)
		o["path"] = t.Path
		roots = append(roots, o)
	}
	return q.answers(http.StatusOK, object{"inputs": roots})
}

func traceShape(t *expression.Trace) object {
	o := object{"text": t.Text, "subexpressions": []object{}}
	if t.Error != nil {
		o["error"] = object{"code": t.Error.Code, "message": t.Error.Message}
	} else {
		o["value"] = json.RawMessage(expression.AppendJSON(nil, t.Value))
	}
	var parts []object
	for _, p := range t.Parts {
		parts = append(parts, traceShape(p))
	}
	if parts != nil {
		o["subexpressions"] = parts
	}
	return o
}

// requestHistories answers the call that an action made: what it ended with is kept of
// all its attempts.
func (q *request) requestHistories(i host.RunInfo, a host.ActionInfo, rest []string, path ...string) error {
	if err := q.get(); err != nil {
		return err
	}
	const name = "000000"
	var rows []object
	if one := q.requestHistory(i, a); one != nil {
		rows = append(rows, q.row(one, append(path, "requestHistories", name)...))
	}
	switch {
	case len(rest) == 0:
		return q.cut(len(rows), func(k int) (object, error) { return rows[k], nil })
	case len(rest) == 1 && rest[0] == name && len(rows) == 1:
		return q.answers(http.StatusOK, rows[0])
	}
	return refuse(fault.NotFound, "WorkflowRunActionRequestHistoryNotFound", "The workflow '%s' run '%s' action '%s' request history '%s' could not be found.", q.flow.Name, i.Name, a.Name, strings.Join(rest, "/"))
}

func (q *request) requestHistory(i host.RunInfo, a host.ActionInfo) object {
	if a.InputsContent == "" || a.OutputsContent == "" {
		return nil
	}
	var in struct {
		Method  string          `json:"method"`
		URI     string          `json:"uri"`
		Headers json.RawMessage `json:"headers"`
	}
	var out struct {
		Status  int             `json:"statusCode"`
		Headers json.RawMessage `json:"headers"`
	}
	for _, side := range []struct {
		handle string
		into   any
	}{{a.InputsContent, &in}, {a.OutputsContent, &out}} {
		text, err := q.flow.Runs.Content(q.Context(), side.handle)
		if err != nil || json.Unmarshal(text, side.into) != nil {
			return nil
		}
	}
	if in.URI == "" || out.Status == 0 {
		return nil // it made no call
	}
	request := object{"method": in.Method, "uri": in.URI}.with("headers", in.Headers)
	response := object{"statusCode": out.Status, "bodyLink": q.sizedLink(i.Name, a.OutputsContent, int(a.Outputs.Len))}.with("headers", out.Headers)
	return object{"request": request, "response": response}.with("startTime", micro(a.Began)).with("endTime", micro(a.Ended))
}

// scopeRepetitions answers, for a loop its iterations, for another scope each time that a
// loop around it came to it.
func (q *request) scopeRepetitions(i host.RunInfo, a host.Summary, rest []string) error {
	if err := q.get(); err != nil {
		return err
	}
	if !isLoop(a.Type) {
		return q.repetitions(i, a, rest)
	}
	by, plan, err := q.flow.Runs.Iterations(q.Context(), q.flow.Name, i.Name, a.Name)
	if err != nil {
		return coded(err, fault.NotFound, "WorkflowRunActionNotFound")
	}
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.Sort(names)
	loop := plan.Definition.Action(a.Name)
	shape := func(name string) object {
		records := by[name]
		o := object{"correlation": object{"actionTrackingId": run.Tracking(i.Name, a.Name, records[0].Path), "clientTrackingId": i.Tracking}}
		status := iterationStatus(loop.Actions, records)
		o["status"] = status.String()
		if status.Ended() {
			o["code"] = iterationCode(status)
		}
		var began, ended int64
		for _, r := range records {
			if r.Began != 0 && (began == 0 || r.Began < began) {
				began = r.Began
			}
			ended = max(ended, r.Ended)
		}
		o.with("startTime", micro(began))
		if status.Ended() {
			o.with("endTime", micro(ended))
		}
		o["repetitionIndexes"] = indexes(loop.Actions.Actions[0], records[0].Path)
		return q.row(o, "runs", i.Name, "actions", a.Name, "scopeRepetitions", name)
	}
	if len(rest) == 0 {
		return q.cut(len(names), func(k int) (object, error) { return shape(names[k]), nil })
	}
	if len(rest) > 1 || by[rest[0]] == nil {
		return noRepetition(q.flow.Name, i.Name, a.Name, strings.Join(rest, "/"))
	}
	return q.answers(http.StatusOK, shape(rest[0]))
}

func iterationCode(s run.Status) string {
	if s == run.Failed {
		return "ActionFailed"
	}
	return "NotSpecified"
}

// iterationStatus is how an iteration ended: as its last actions did, where one that was
// skipped has the status of those before it.
func iterationStatus(g *definition.Graph, records []host.ActionInfo) run.Status {
	status := map[string]run.Status{}
	for _, r := range records {
		if !r.Status.Ended() {
			return run.Running
		}
		status[r.Name] = r.Status
	}
	followed := map[string]bool{}
	for _, a := range g.Actions {
		for _, after := range a.RunAfter {
			if before := g.Get(after.Name); before != nil {
				followed[before.Name] = true
			}
		}
	}
	var bad func(a *definition.Action) bool
	bad = func(a *definition.Action) bool {
		if s := status[a.Name]; s != run.Skipped {
			return s == run.Failed || s == run.TimedOut || s == run.Cancelled
		}
		for _, after := range a.RunAfter {
			if before := g.Get(after.Name); before != nil && bad(before) {
				return true
			}
		}
		return false
	}
	for _, a := range g.Actions {
		if !followed[a.Name] && bad(a) {
			return run.Failed
		}
	}
	return run.Succeeded
}
