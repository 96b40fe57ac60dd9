package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/ledger"
	runs "weir/service/workflow/internal/run"
)

// What becomes of rows of a tail.
const (
	verdictGoesOn  = "goes on"          // the run goes on here, where it was
	verdictKept    = "kept"             // the run had ended: its history is here
	verdictAnew    = "begun anew"       // the version it was of is not here: it began again with the present one
	verdictAgain   = "came again"       // what began it has come here since, and began another
	verdictLooked  = "looked for again" // its trigger goes on here from what it remembered before it, and finds it again
	verdictNoPlace = "no place"         // its workflow is not here any more, or can not take it
	verdictThere   = "goes on here"     // the run was here already, and has gone on
	verdictNothing = "nothing to do"
)

// tailed is what is known of a tail that is being brought back.
type tailed struct {
	source string
	came   comings
}

// Salvage brings rows of a tail, made by Tail in another location, into a unit that this
// node owns. source names the tail; a call without rows ends it.
func (s *Service) Salvage(ctx context.Context, unit, source string, resent bool, rows []groups.Row) ([]groups.Row, error) {
	sp := s.space(unit)
	if sp == nil {
		return nil, fault.New(fault.NotFound, "No workflows are kept by the unit %s.", unit)
	}
	s.mu.Lock()
	known := s.tails[unit]
	switch {
	case len(rows) == 0:
		delete(s.tails, unit)
	case known.source != source:
		known = tailed{source, comings{}}
		if s.tails == nil {
			s.tails = map[string]tailed{}
		}
		s.tails[unit] = known
	}
	s.mu.Unlock()
	if len(rows) == 0 {
		return nil, nil
	}
	return salvage(ctx, sp.host, known.came, resent, rows)
}

// comparedMost bounds how many runs of a workflow are looked at to tell what came again.
const comparedMost = 20_000

// salvage brings rows of a tail, made by Tail in another location, into a unit that this
// node owns. The rows of one call become durable together, and come back with their
// verdicts; came is kept between the calls for one tail. What was brought before is known by its name. resent brings also runs whose
// trigger has come here since.
func salvage(ctx context.Context, h *host.Host, came comings, resent bool, rows []groups.Row) ([]groups.Row, error) {
	rows = slices.Clone(rows)
	var bring []ledger.Adopted
	var at []int
	for i := range rows {
		switch rows[i].Kind {
		case tailRun:
		case tailProgress:
			rows[i].Verdict = verdictThere
			continue
		default:
			rows[i].Verdict = verdictNothing
			continue
		}
		var body tailBody
		if err := json.Unmarshal(rows[i].Body, &body); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "Row %d of the tail is not understood.", rows[i].Number)
		}
		if !resent {
			left, err := came.leave(ctx, h, body)
			if err != nil {
				return nil, err
			}
			if left != "" {
				rows[i].Verdict = left
				continue
			}
		}
		rows[i].Verdict = verdictGoesOn
		if body.Ended {
			rows[i].Verdict = verdictKept
		}
		bring, at = append(bring, body.Adopted), append(at, i)
	}
	if len(bring) == 0 {
		return rows, nil
	}
	said, err := h.Adopt(ctx, bring)
	if err != nil {
		return nil, err
	}
	for k, refused := range said {
		switch r := &rows[at[k]]; fault.KindOf(refused) {
		case fault.AlreadyExists:
			r.Verdict = groups.VerdictBefore
		case fault.PreconditionFailed:
			if r.Verdict, err = anew(ctx, h, bring[k]); err != nil {
				return nil, err
			}
		default:
			if refused != nil {
				r.Verdict, r.Why = verdictNoPlace, fault.Sentence(refused)
			}
		}
	}
	return rows, nil
}

// anew begins a run again with what began it, under its name.
func anew(ctx context.Context, h *host.Host, a ledger.Adopted) (string, error) {
	trigger, err := triggerOf(a)
	if err != nil {
		return "", err
	}
	outputs, _ := trigger.Get("outputs")
	o, _ := outputs.(*expression.Object)
	if o == nil {
		o = expression.NewObject()
	}
	_, err = h.Fire(ctx, host.Firing{Workflow: a.Workflow, Trigger: a.Trigger, Outputs: []*expression.Object{o}, Tracking: []string{a.Tracking}, Names: []string{a.Name}, Origin: a.Origin})
	switch fault.KindOf(err) {
	case fault.AlreadyExists:
		return groups.VerdictBefore, nil
	case fault.NotFound, fault.Disabled, fault.TooManyRequests, fault.Invalid:
		return verdictNoPlace, nil
	}
	return verdictAnew, err
}

// triggerOf reads what began a run.
func triggerOf(a ledger.Adopted) (*expression.Object, error) {
	text := a.Payload
	if len(a.Archive) > 0 {
		s, payloads, err := runs.Unarchive(a.Archive)
		if err != nil {
			return nil, err
		}
		text = payloads[s.Trigger.Off : s.Trigger.Off+s.Trigger.Len]
	}
	if len(text) == 0 {
		return expression.NewObject(), nil
	}
	v, err := expression.ParseJSON(string(text))
	o, _ := v.(*expression.Object)
	if o == nil {
		o = expression.NewObject()
	}
	return o, err
}

// comings are what has begun runs here since the histories parted: by workflow, and by
// what it was, the names of those runs. They are looked for once for each tail, and each
// stands for one run of it.
type comings map[string]map[string][]string

// leave says why a run is left out: what began it has come here as well, or will, since its
// trigger goes on here from what it remembered before. Empty: it is not.
func (c comings) leave(ctx context.Context, h *host.Host, body tailBody) (string, error) {
	trigger, err := triggerOf(body.Adopted)
	if err != nil {
		return "", err
	}
	again, before, err := c.take(ctx, h, body, trigger)
	switch {
	case err != nil || before:
		return "", err
	case again:
		return verdictAgain, nil
	}
	memory, every := remembers(ctx, h, body.Workflow, body.Trigger)
	since := h.Owner().Since
	switch memory {
	case memoryTimes:
		text, _ := trigger.Get("scheduledTime")
		due, err := time.Parse(time.RFC3339Nano, expression.Text(text))
		if err == nil && !due.Before(since) { // it is a time of this owner's
			return verdictLooked, nil
		}
	case memoryItems:
		// A message may have been removed by whoever took it, and has an id to be known by.
		outputs, _ := trigger.Get("outputs")
		if _, message := messageOf(outputs); !message && time.Since(since) < 2*every+lookPatience {
			return verdictLooked, nil
		}
	}
	return "", nil
}

// What triggers remember.
type memory int

const (
	memoryNone  memory = iota // whoever calls them must call again
	memoryTimes               // when they were due
	memoryItems               // what they have found
)

// lookPatience is how long an owner may take, beside its trigger's interval, until it has
// surely looked.
const lookPatience = 30 * time.Second

// spans are the frequencies of recurrences, the longest they may be.
var spans = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 31 * 24 * time.Hour, "year": 366 * 24 * time.Hour,
}

// remembers says what a trigger remembers, and how often it looks.
func remembers(ctx context.Context, h *host.Host, workflow, trigger string) (memory, time.Duration) {
	plan, _, err := h.Plan(ctx, workflow, "")
	if err != nil {
		return memoryNone, 0
	}
	for _, t := range plan.Definition.Triggers {
		if !strings.EqualFold(t.Name, trigger) {
			continue
		}
		switch sourceOf(t) {
		case SourceClock, SourceWindow:
			return memoryTimes, 0
		case SourceCursor, SourceQueue:
			every := time.Minute
			if r := t.Recurrence; r != nil && spans[strings.ToLower(r.Frequency)] > 0 {
				every = spans[strings.ToLower(r.Frequency)] * time.Duration(max(r.Interval, 1))
			}
			return memoryItems, every
		}
	}
	return memoryNone, 0
}

// take reports whether what began a run has come here as well, or whether an earlier call
// brought the run.
func (c comings) take(ctx context.Context, h *host.Host, body tailBody, trigger *expression.Object) (again, before bool, err error) {
	names, known := c[body.Workflow]
	if !known {
		names = map[string][]string{}
		begun, err := h.Begun(ctx, body.Workflow, body.First, comparedMost)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, false, err
		}
		for _, b := range begun {
			key := comingOf(b.Trigger, b.Tracking, b.Given)
			names[key] = append(names[key], b.Run)
		}
		c[body.Workflow] = names
	}
	key := comingOf(body.Trigger, body.Tracking, trigger)
	if i := slices.Index(names[key], body.Name); i >= 0 {
		names[key] = slices.Delete(names[key], i, i+1)
		return false, true, nil
	}
	if len(names[key]) == 0 {
		return false, false, nil
	}
	names[key] = names[key][1:]
	return true, false, nil
}

// comingOf is a trigger with what it gave, without when and under which name. A message is
// known by its id: how often and under which number it was delivered is of a location. A
// request is the same when its sender tracks it by the same id: one without an id of its
// own is never taken for another. Headers say how something came, not what.
func comingOf(trigger, tracking string, o *expression.Object) string {
	key := append([]byte(trigger), 0)
	outputs, _ := o.Get("outputs")
	if id, ok := messageOf(outputs); ok {
		return string(key) + id
	}
	if given, ok := outputs.(*expression.Object); ok {
		_, answered := given.Get("statusCode")
		bare := expression.NewObject()
		for _, m := range given.Members {
			if m.Name != "headers" {
				bare = bare.With(m.Name, m.Value)
			} else if !answered {
				bare = bare.With("tracking", tracking)
			}
		}
		outputs = bare
	}
	if scheduled, ok := o.Get("scheduledTime"); ok { // a time is done once, whatever came of it
		return string(expression.AppendJSON(key, scheduled))
	}
	return string(expression.AppendJSON(key, outputs))
}

// messageOf gives the id of the message that a trigger gave, if it gave one.
func messageOf(outputs any) (string, bool) {
	o, _ := outputs.(*expression.Object)
	if o == nil {
		return "", false
	}
	body, _ := o.Get("body")
	if list, ok := body.([]any); ok && len(list) == 1 {
		body = list[0]
	}
	m, _ := body.(*expression.Object)
	if m == nil {
		return "", false
	}
	id, _ := m.Get("messageId")
	text, ok := id.(string)
	_, delivered := m.Get("sequenceNumber")
	return text, ok && text != "" && delivered
}
