package workflow

import (
	"context"
	"encoding/json"
	"slices"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/ledger"
	runs "weir/service/workflow/internal/run"
)

// What becomes of rows of a tail.
const (
	verdictGoesOn  = "goes on"      // the run goes on here, where it was
	verdictKept    = "kept"         // the run had ended: its history is here
	verdictAnew    = "begun anew"   // the version it was of is not here: it began again with the present one
	verdictAgain   = "came again"   // what began it has come here since, and began another
	verdictLooked  = "looked for"   // it was found by a trigger that looks here with the memory from before
	verdictNoPlace = "no place"     // its workflow is not here any more, or can not take it
	verdictThere   = "goes on here" // the run was here already, and has gone on
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
		if !body.Ended && !resent {
			verdict, err := came.judge(ctx, h, body)
			if err != nil {
				return nil, err
			}
			if verdict != "" {
				rows[i].Verdict = verdict
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

// judge says why a run is not brought back, which goes by what began it; empty: it is.
func (c comings) judge(ctx context.Context, h *host.Host, body tailBody) (verdict string, err error) {
	looks, err := lookedFor(ctx, h, body)
	if err != nil || looks {
		return verdictLooked, err
	}
	again, err := c.take(ctx, h, body)
	if again {
		verdict = verdictAgain
	}
	return verdict, err
}

// lookedFor reports whether a run began with something that a trigger found by itself. Here
// that trigger goes on with the memory from before, and finds it again. A message is
// different: whoever took it may have had it removed, and it has an id to be known by.
func lookedFor(ctx context.Context, h *host.Host, body tailBody) (bool, error) {
	plan, _, err := h.Plan(ctx, body.Workflow, body.Version)
	if fault.Is(err, fault.NotFound) {
		plan, _, err = h.Plan(ctx, body.Workflow, "")
	}
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, t := range plan.Definition.Triggers {
		if t.Name != body.Trigger || !slices.Contains(looking, t.Type) {
			continue
		}
		o, err := triggerOf(body.Adopted)
		if err != nil {
			return false, err
		}
		outputs, _ := o.Get("outputs")
		_, message := messageOf(outputs)
		return !message, nil
	}
	return false, nil
}

// looking are the types of triggers that look for something.
var looking = []string{"Http", "ApiConnection", "OpenApiConnection", "ApiManagement", "ServiceProvider"}

// take reports whether what began a run has come here as well.
func (c comings) take(ctx context.Context, h *host.Host, body tailBody) (bool, error) {
	names, known := c[body.Workflow]
	if !known {
		names = map[string][]string{}
		begun, err := h.Begun(ctx, body.Workflow, body.First, comparedMost)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, err
		}
		for _, b := range begun {
			key := comingOf(b.Trigger, b.Tracking, b.Given)
			names[key] = append(names[key], b.Run)
		}
		c[body.Workflow] = names
	}
	o, err := triggerOf(body.Adopted)
	if err != nil {
		return false, err
	}
	key := comingOf(body.Trigger, body.Tracking, o)
	if i := slices.Index(names[key], body.Name); i >= 0 { // an earlier call brought it
		names[key] = slices.Delete(names[key], i, i+1)
		return false, nil
	}
	if len(names[key]) == 0 {
		return false, nil
	}
	names[key] = names[key][1:]
	return true, nil
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
	if scheduled, ok := o.Get("scheduledTime"); ok {
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
