// Package rehearse plays a definition from its trigger to its end, with made-up answers
// from everything that it calls.
//
// What it promises:
//
//  1. It is the engine that plays: what runs here runs on a node, as far as it does not
//     depend on what the real services answer.
//  2. Nothing is called and nothing waits: time is a number that is moved on.
//  3. It ends: after so many steps a run that goes on is given up, and that is said.
//  4. A failure is told apart by whose it is: the definition's own will, a feature that
//     is not there, or a value that did not fit.
package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/standin"
)

// Verdict is how a rehearsal went.
type Verdict string

// The verdicts.
const (
	// Succeeded: the run ended as Succeeded.
	Succeeded Verdict = "succeeded"
	// AsWritten: it ended otherwise because the definition says so: a Terminate.
	AsWritten Verdict = "as written"
	// Unsupported: an action was reached that the engine does not run.
	Unsupported Verdict = "unsupported"
	// Doubtful: an action failed on a value: a stand-in that could not know better, the
	// definition, or the engine.
	Doubtful Verdict = "doubtful"
	// Unended: it went on for longer than rehearsals do.
	Unended Verdict = "not ended"
)

// stepsMost bounds a rehearsal, in advances of the run.
const stepsMost = 200_000

// spanMost is how far time is moved on.
const spanMost = 400 * 24 * time.Hour

// Fault is an action that did not do what it should.
type Fault struct {
	Action  string `json:"action"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// Played is what came of a rehearsal.
type Played struct {
	Verdict Verdict `json:"verdict"`
	Status  string  `json:"status"`
	Code    string  `json:"code,omitempty"`
	// Ran counts the actions that were carried out, iterations each; Calls those that
	// something outside would have answered.
	Ran   int `json:"ran"`
	Calls int `json:"calls"`
	// Replied is the status that the caller would get; 0, none.
	Replied int           `json:"replied,omitempty"`
	Took    time.Duration `json:"tookNanoseconds"`
	Faults  []Fault       `json:"faults,omitempty"`
}

// stage is the world of a rehearsal.
type stage struct {
	plan   *run.Plan
	state  *run.State
	made   *standin.Made
	now    time.Time
	values []any
	todo   []run.Effect
	steps  int
	out    Played
}

// Load gives a value that was recorded.
func (s *stage) Load(ref record.Ref) (any, error) {
	if i := int(ref.Off); i < len(s.values) {
		return s.values[i], nil
	}
	return nil, fmt.Errorf("no value %d", ref.Off)
}

// Play rehearses a definition that was read without errors; otherwise lets its conditions
// go the other way, as far as stand-ins can.
func Play(d *definition.Definition, dawn time.Time, otherwise bool) Played {
	s := &stage{plan: run.Compile(d), state: &run.State{}, made: standin.For(d, otherwise), now: dawn}
	trigger := expression.NewObject("name", "manual", "status", "Succeeded", "startTime", stamp(dawn), "endTime", stamp(dawn), "inputs", &expression.Object{}, "outputs", s.made.Trigger())
	if len(d.Triggers) > 0 {
		trigger = trigger.With("name", d.Triggers[0].Name)
	}
	env := &run.Env{Random: 42, Run: "08584640926573727105946217888CU00", Values: s, Parameters: s.made.Parameters(),
		Workflow: about(d), Setting: func(name string) (any, bool) { return s.made.Setting(name), true },
		CallbackURL: func(_ run.Place, key string) string { return "https://stand-in.example/back/" + key }}
	s.advance(env, run.Input{Event: run.Start, Trigger: trigger, Waits: true})
	for s.state.Status == run.Running && s.steps < stepsMost {
		if len(s.todo) > 0 {
			e := s.todo[0]
			s.todo = s.todo[1:]
			s.answer(env, e)
			continue
		}
		due := s.state.NextDue()
		if due == 0 || time.UnixMicro(due).Sub(dawn) > spanMost {
			break
		}
		if at := time.UnixMicro(due).UTC(); at.After(s.now) {
			s.now = at
		}
		s.advance(env, run.Input{Event: run.Tick})
	}
	s.judge()
	s.out.Took = s.now.Sub(dawn)
	return s.out
}

// about is what workflow() gives.
func about(d *definition.Definition) *expression.Object {
	name := d.Name
	if name == "" {
		name = "rehearsed"
	}
	id := "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rehearsal/providers/Microsoft.Logic/workflows/" + name
	tags := expression.NewObject("environmentName", "rehearsal", "flowDisplayName", name, "logicAppName", name, "environmentRegion", "here")
	return expression.NewObject("id", id, "name", name, "type", "Microsoft.Logic/workflows", "location", "here", "tags", tags,
		"run", expression.NewObject("id", id+"/runs/08584640926573727105946217888CU00", "name", "08584640926573727105946217888CU00", "type", "Microsoft.Logic/workflows/runs"))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// advance gives an input and keeps what comes of it.
func (s *stage) advance(env *run.Env, in run.Input) {
	for {
		s.steps++
		env.Now = s.now
		o := run.Advance(s.state, s.plan, env, in)
		if o.Err != nil {
			s.out.Faults = append(s.out.Faults, Fault{Code: "Engine", Message: o.Err.Error()})
			s.steps = stepsMost
			return
		}
		for _, f := range o.Facts {
			kept := *f
			for _, p := range []*run.Payload{&kept.Inputs, &kept.Outputs, &kept.Error} {
				if p.Given() {
					s.values = append(s.values, p.Value)
					p.Ref = record.Ref{At: 1, Off: uint32(len(s.values) - 1), Len: 1}
				}
			}
			s.state.Settle(f, &kept)
		}
		s.todo = append(s.todo, o.Effects...)
		if !o.More || s.steps >= stepsMost {
			return
		}
		in = run.Input{Event: run.Go}
	}
}

// answer does what an effect asks, as the stand-ins would.
func (s *stage) answer(env *run.Env, e run.Effect) {
	in := run.Input{Event: run.Answered, At: e.At, Attempt: e.Attempt, Answer: run.Answer{Status: 200}}
	switch e.Kind {
	case run.Call:
		s.out.Calls++
		in.Answer = s.made.Answer(e.Action.Name)
	case run.Subscribe:
		s.out.Calls++
		s.advance(env, in)
		in = run.Input{Event: run.CalledBack, At: e.At, Answer: s.made.Answer(e.Action.Name)}
	case run.Unsubscribe, run.Poll:
	case run.Reply:
		s.out.Replied = e.Status
		return
	default:
		return
	}
	s.advance(env, in)
}

// judge says how it went.
func (s *stage) judge() {
	s.out.Status, s.out.Code = s.state.Status.String(), s.state.Code
	load := func(ref record.Ref) any { v, _ := s.Load(ref); return v }
	missing := false
	s.state.Each(s.plan, load, func(r run.Record) {
		if r.Status != run.Skipped {
			s.out.Ran++
		}
		if r.Status != run.Failed && r.Status != run.TimedOut {
			return
		}
		a := s.plan.Action(r.Node)
		f := Fault{Action: r.Name, Code: r.Code}
		if a != nil {
			f.Type = a.Type
		}
		if f.Action == "" {
			f.Action = s.plan.Name(r.Node)
		}
		if r.Error != nil {
			m, _ := r.Error.Get("message")
			f.Message = expression.Text(m)
		}
		if r.Code == "ValidationFailed" {
			f.Message += " " + clipped(string(expression.AppendJSON(nil, load(r.Outputs))))
		}
		missing = missing || r.Code == "ActionTypeNotSupported"
		if (r.Code == "ActionFailed" || strings.HasPrefix(f.Message, "An action failed")) && a != nil && len(a.Graphs()) > 0 {
			return // what is in it tells
		}
		if !slices.Contains(s.out.Faults, f) {
			s.out.Faults = append(s.out.Faults, f)
		}
	})
	switch {
	case missing:
		s.out.Verdict = Unsupported
	case !s.state.Status.Ended():
		s.out.Verdict = Unended
	case s.state.Status == run.Succeeded:
		s.out.Verdict = Succeeded
	case s.state.Code == "Terminated" || s.state.Status == run.Cancelled || s.terminated():
		s.out.Verdict = AsWritten
	default:
		s.out.Verdict = Doubtful
	}
}

// clipped bounds what is told of a value.
func clipped(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// terminated reports whether a Terminate ended the run.
func (s *stage) terminated() bool {
	yes := false
	s.state.Each(s.plan, nil, func(r run.Record) {
		a := s.plan.Action(r.Node)
		yes = yes || a != nil && a.Is("Terminate") && r.Status == run.Succeeded
	})
	return yes
}
