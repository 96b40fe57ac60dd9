package definition

import (
	"strings"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/document"
)

// runtime reads runtimeConfiguration.
func (r *reader) runtime(o *Operation, trigger bool) {
	v := r.objectOf(o.Value, o.Path, "runtimeConfiguration")
	if v == nil {
		return
	}
	p := o.Path.Of("runtimeConfiguration")
	r.members(v, p, "runtimeConfiguration", "concurrency", "maximumWaitingRuns", "paginationPolicy", "contentTransfer", "secureData", "staticResult", "requestOptions", "collections", "correlation", "performanceProfile", "operationOptions")
	r.concurrency(o, v, p, trigger)
	if page := r.objectOf(v, p, "paginationPolicy"); page != nil {
		o.Runtime.MinimumItems = r.number(page, p.Of("paginationPolicy"), "minimumItemCount", 1, 0)
	}
	if transfer := r.objectOf(v, p, "contentTransfer"); transfer != nil {
		at := p.Of("contentTransfer")
		r.field(transfer, at, Field{Name: "contentTransfer", Inner: []Field{word("transferMode", "Chunked").must()}})
		o.Runtime.Chunked = strings.EqualFold(r.textOf(transfer, at, "transferMode"), "chunked")
		if hints := r.objectOf(transfer, at, "uploadHints"); hints != nil {
			o.Runtime.ChunkSize = r.number(hints, at.Of("uploadHints"), "preferredChunkSizeInBytes", 1, 0)
		}
	}
	if row := find(Actions, o.Type); !trigger && row != nil && !o.opaque && row.Group != "calls" {
		for _, name := range []string{"paginationPolicy", "contentTransfer"} {
			if m := v.Get(name); m.Given() {
				r.error(p.Of(name), m, "wrong-value", "%s calls nothing, so it has no %s", row.Name, name)
			}
		}
	}
	r.secure(o, v, p)
	r.staticResult(o, v, p, trigger)
	if request := r.objectOf(v, p, "requestOptions"); request != nil {
		if timeout := request.Get("timeout"); timeout.Given() {
			o.Runtime.RequestTimeout = timeout
			checkDuration(r, timeout, p.Of("requestOptions").Of("timeout"))
		}
	}
}

// number gives a member that must be a number in a range; a most of zero is none.
func (r *reader) number(v *document.Value, p document.Path, name string, least, most int) int {
	m, spelled := v.Fold(name)
	if !m.Given() || r.later(m) {
		return 0
	}
	n, ok := m.Int()
	switch {
	case !ok || !m.Is(document.Number):
		r.error(p.Of(spelled), m, "wrong-type", "%s must be a whole number, not %s", name, shown(m))
	case n < least:
		r.error(p.Of(spelled), m, "limit-exceeded", "%s is %d; it must be at least %d", name, n, least)
	case most > 0 && n > most:
		r.error(p.Of(spelled), m, "limit-exceeded", "%s is %d; at most %d is allowed", name, n, most)
	}
	return n
}

func (r *reader) concurrency(o *Operation, v *document.Value, p document.Path, trigger bool) {
	o.Runtime.WaitingRuns = r.number(v, p, "maximumWaitingRuns", 1, r.Limits.WaitingRunsMax)
	c := r.objectOf(v, p, "concurrency")
	if c == nil {
		return
	}
	at := p.Of("concurrency")
	r.members(c, at, "concurrency", "runs", "maximumWaitingRuns", "repetitions")
	o.Runtime.Runs = r.number(c, at, "runs", 1, r.Limits.RunsMax)
	o.Runtime.Repetitions = r.number(c, at, "repetitions", 1, r.Limits.RepetitionsMax)
	if n := r.number(c, at, "maximumWaitingRuns", 1, r.Limits.WaitingRunsMax); n != 0 {
		o.Runtime.WaitingRuns = n
	}
	runs, repetitions := c.Get("runs"), c.Get("repetitions")
	switch {
	case trigger && repetitions.Given():
		r.error(at.Of("repetitions"), repetitions, "concurrency", "repetitions belong to loops; a trigger has concurrency.runs")
	case !trigger && runs.Given():
		r.error(at.Of("runs"), runs, "concurrency", "runs belong to triggers; a loop has concurrency.repetitions")
	case !trigger && repetitions.Given() && !o.opaque && o.Type != "Foreach":
		r.error(at.Of("repetitions"), repetitions, "concurrency", "only a Foreach repeats at the same time; %s does not", o.Type)
	}
	if runs.Given() && o.Options.Has("SingleInstance") {
		r.error(at.Of("runs"), runs, "concurrency", "operationOptions says SingleInstance and concurrency.runs says it again; keep one of them")
	}
	if repetitions.Given() && o.Options.Has("Sequential") {
		r.error(at.Of("repetitions"), repetitions, "concurrency", "operationOptions says Sequential and concurrency.repetitions says it again; keep one of them")
	}
}

func (r *reader) secure(o *Operation, v *document.Value, p document.Path) {
	data := r.objectOf(v, p, "secureData")
	if data == nil {
		return
	}
	if row := find(Actions, o.Type); row != nil && len(row.Inputs) == 0 && row.Group == "control" && !o.opaque {
		r.error(p.Of("secureData"), data, "wrong-value", "%s has no inputs and outputs of its own to hide; secure the actions in it", row.Name)
	}
	at := p.Of("secureData").Of("properties")
	list := data.Get("properties")
	switch {
	case !list.Given():
		r.error(at, data, "missing-member", "secureData has no properties; list inputs, outputs or both")
	case r.later(list):
	case !list.Is(document.Array):
		r.error(at, list, "wrong-type", "secureData.properties must be an array of \"inputs\" and \"outputs\", not %s", shown(list))
	default:
		for i, item := range list.Items {
			switch s, _ := item.Str(); {
			case strings.EqualFold(s, "inputs"):
				o.Runtime.SecureInputs = true
			case strings.EqualFold(s, "outputs"):
				o.Runtime.SecureOutputs = true
			case !r.later(item):
				r.error(at.At(i), item, "wrong-value", "secureData.properties may have \"inputs\" and \"outputs\", not %s", shown(item))
			}
		}
	}
}

func (r *reader) staticResult(o *Operation, v *document.Value, p document.Path, trigger bool) {
	s := r.objectOf(v, p, "staticResult")
	if s == nil {
		return
	}
	at := p.Of("staticResult")
	r.fields(s, at, []Field{text("name").must(), word("staticResultOptions", "Enabled", "Disabled")})
	state, _ := s.Get("staticResultOptions").Str()
	if row := find(Actions, o.Type); !strings.EqualFold(state, "Disabled") && !o.opaque {
		switch {
		case trigger:
			r.error(at, s, "static-result", "a trigger has no static result; only an action that calls something has")
		case row != nil && (row.Group == "control" || row.Group == "variables" || row.Name == "Response"):
			r.error(at, s, "static-result", "%s has no static result; only an action that calls something has", row.Name)
		}
	}
	o.Runtime.StaticResult, _ = s.Get("name").Str()
	o.Runtime.StaticEnabled = !strings.EqualFold(state, "Disabled")
	if name := s.Get("name"); name.Is(document.String) && !r.later(name) && r.d.static(name.Text) == nil {
		if o.Runtime.StaticEnabled {
			r.error(at.Of("name"), name, "static-result-missing", "the definition declares no static result %q", name.Text)
		} else {
			r.warn(at.Of("name"), name, "static-result-missing", "the definition declares no static result %q; it is not used as it is disabled", name.Text)
		}
	}
}

func (d *Definition) static(name string) *StaticResult {
	for _, s := range d.StaticResults {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

// retry reads the retry policy of an operation's inputs.
func (r *reader) retry(o *Operation) {
	v := r.objectOf(o.Inputs, o.Path.Of("inputs"), "retryPolicy")
	if v == nil {
		return
	}
	p := o.Path.Of("inputs").Of("retryPolicy")
	policy := &RetryPolicy{Value: v}
	o.Retry = policy
	typ := v.Get("type")
	if !typ.Given() {
		r.error(p.Of("type"), v, "retry-policy", "the retry policy has no type; it may be default, none, fixed or exponential")
	} else if !r.later(typ) {
		word, _ := typ.Str()
		policy.Type = strings.ToLower(word)
	}
	waits := map[string]*iso8601.Duration{"interval": &policy.Interval, "minimumInterval": &policy.Minimum, "maximumInterval": &policy.Maximum}
	switch policy.Type {
	case "default", "none":
		return
	case "fixed", "exponential":
		for _, name := range []string{"count", "interval"} {
			if !v.Get(name).Given() {
				r.error(p.Of(name), v, "retry-policy", "a retry policy of type %s needs %q", policy.Type, name)
			}
		}
	default:
		if typ.Given() && !r.later(typ) {
			r.error(p.Of("type"), typ, "retry-policy", "there is no retry policy of type %s; it may be default, none, fixed or exponential", shown(typ))
		}
	}
	if count := v.Get("count"); count.Given() && !r.later(count) {
		n, ok := count.Int()
		policy.Count = n
		if !ok || n < 1 || n > r.Limits.RetryCountMax {
			r.error(p.Of("count"), count, "retry-policy", "the count is %s; it must be a whole number from 1 to %d", shown(count), r.Limits.RetryCountMax)
		}
	}
	least, _ := iso8601.Parse(r.Limits.RetryMinimum)
	most, _ := iso8601.Parse(r.Limits.RetryMaximum)
	for _, name := range []string{"interval", "minimumInterval", "maximumInterval"} {
		m := v.Get(name)
		if !m.Given() || r.later(m) {
			continue
		}
		d, ok := duration(m)
		*waits[name] = d
		if !ok || d < least || d > most {
			r.error(p.Of(name), m, "retry-policy", "%s is %s; it must be an ISO 8601 duration from %s to %s", name, shown(m), r.Limits.RetryMinimum, r.Limits.RetryMaximum)
		}
	}
	if policy.Minimum > 0 && policy.Maximum > 0 && policy.Minimum > policy.Maximum {
		r.error(p.Of("minimumInterval"), v.Get("minimumInterval"), "retry-policy", "minimumInterval is longer than maximumInterval")
	}
}

// duration reads an ISO 8601 duration, weeks included.
func duration(v *document.Value) (iso8601.Duration, bool) {
	s, ok := v.Str()
	if !ok {
		return 0, false
	}
	if weeks, isWeeks := strings.CutSuffix(s, "W"); isWeeks && strings.HasPrefix(weeks, "P") {
		d, err := iso8601.Parse(weeks + "D")
		return d * 7, err == nil
	}
	d, err := iso8601.Parse(s)
	return d, err == nil
}

// checkDuration wants an ISO 8601 duration.
func checkDuration(r *reader, v *document.Value, p document.Path) {
	if r.later(v) {
		return
	}
	if !v.Is(document.String) {
		r.error(p, v, "wrong-type", "%s must be an ISO 8601 duration such as \"PT30S\", not %s", last(p), shown(v))
		return
	}
	if _, ok := duration(v); ok {
		return
	}
	if d, ok := duration(&document.Value{Kind: document.String, Text: "PT" + v.Text}); ok {
		r.warn(p, v, "duration", "%s is %q; a duration begins with P: %s is taken", last(p), v.Text, iso8601.Format(d))
		return
	}
	r.error(p, v, "duration", "%s is %q, which is no ISO 8601 duration; write one such as PT30S, PT1H or P2D", last(p), v.Text)
}
