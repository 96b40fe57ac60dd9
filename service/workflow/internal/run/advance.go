package run

import (
	"fmt"
	"strings"
	"time"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
)

// Values gives what was recorded. An error means that it cannot be had now: Advance
// gives it back, and what the state has become must be thrown away.
type Values interface {
	Load(ref record.Ref) (any, error)
}

// Env is what a run knows beside its state and its plan.
type Env struct {
	Now time.Time
	// Random is drawn anew for every Advance.
	Random uint64
	// Run is the run's name; keys and tracking ids are made of it.
	Run string
	// ClientTracking is what the caller tracks the run by.
	ClientTracking string
	// Workflow is what workflow() gives.
	Workflow *expression.Object
	// Parameters are the deployed values; the definition's own count where none is.
	Parameters *expression.Object
	// Setting gives an app setting; nil, there are none.
	Setting func(name string) (any, bool)
	// CallbackURL gives the address that resumes what waits at a place; nil, there is none.
	CallbackURL func(at Place, key string) string
	Values      Values
	Limits      Limits
}

// Limits bound a run. Zero fields get the defaults.
type Limits struct {
	StepsPerAdvance int
	ForeachItemsMax int
	Repetitions     int
	UntilCount      int
	UntilCountMax   int
	UntilTimeout    time.Duration
	RequestTimeout  time.Duration
	// RequestTimeoutStandard is that of workflows of a Standard project.
	RequestTimeoutStandard time.Duration
	WaitMax                time.Duration // the deadline of a webhook or an asynchronous call
	PollInterval           time.Duration
	RetryAfterMax          time.Duration
	RetriesMax             int
	ContentBytesMax        int // of the inputs, or the outputs, of an action
	ActionBytesMax         int // of both together
	VariableBytesMax       int
	ExpressionBudget       expression.Budget
}

// DefaultLimits are what zero fields mean.
var DefaultLimits = Limits{
	StepsPerAdvance: 500, ForeachItemsMax: 100_000, Repetitions: 20, UntilCount: 60, UntilCountMax: 5_000, UntilTimeout: time.Hour,
	RequestTimeout: 2 * time.Minute, RequestTimeoutStandard: 225 * time.Second, WaitMax: 90 * 24 * time.Hour, PollInterval: 20 * time.Second, RetryAfterMax: 24 * time.Hour, RetriesMax: 90,
	ContentBytesMax: 104_857_600, ActionBytesMax: 209_715_200, VariableBytesMax: 104_857_600,
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits
	set := func(at *int, v int) {
		if v != 0 {
			*at = v
		}
	}
	span := func(at *time.Duration, v time.Duration) {
		if v != 0 {
			*at = v
		}
	}
	set(&d.StepsPerAdvance, l.StepsPerAdvance)
	set(&d.ForeachItemsMax, l.ForeachItemsMax)
	set(&d.Repetitions, l.Repetitions)
	set(&d.UntilCount, l.UntilCount)
	set(&d.UntilCountMax, l.UntilCountMax)
	set(&d.RetriesMax, l.RetriesMax)
	set(&d.ContentBytesMax, l.ContentBytesMax)
	set(&d.ActionBytesMax, l.ActionBytesMax)
	set(&d.VariableBytesMax, l.VariableBytesMax)
	span(&d.UntilTimeout, l.UntilTimeout)
	span(&d.RequestTimeout, l.RequestTimeout)
	span(&d.RequestTimeoutStandard, l.RequestTimeoutStandard)
	span(&d.WaitMax, l.WaitMax)
	span(&d.PollInterval, l.PollInterval)
	span(&d.RetryAfterMax, l.RetryAfterMax)
	d.ExpressionBudget = l.ExpressionBudget
	return d
}

// Event is what has happened outside.
type Event uint8

// Events.
const (
	// Go on: nothing has happened, but there was more to do.
	Go Event = iota
	// Start begins the run: Trigger, Waits.
	Start
	// Answered: an attempt At has an Answer.
	Answered
	// CalledBack: what waits At was called; Answer holds the outputs.
	CalledBack
	// Tick: NextDue has come.
	Tick
	// Cancel ends the run, also one that has not begun (with its Trigger).
	Cancel
	// CallerLeft: who waited for an answer does so no more.
	CallerLeft
	// Recover: the state was folded from a log; nobody knows what is under way.
	Recover
	// Repeat tries a held attempt again; Answered gives it an answer instead.
	Repeat
	// Look goes on with a copy of the state that was taken anew: what may go on is looked
	// for; what is under way outside still is.
	Look
)

// Input is an event with what belongs to it.
type Input struct {
	Event   Event
	Trigger *expression.Object
	Waits   bool
	At      Place
	Attempt int32
	Answer  Answer
}

// Outcome is what came of an Advance.
type Outcome struct {
	Facts   []*Fact
	Effects []Effect
	// More says that Go has something to do.
	More bool
	// Err says that a value could not be had: throw away the facts and the state.
	Err error
}

// task is something to look at: an instance that may begin, a frame or loop that may
// go on.
type task struct {
	kind taskKind
	at   Place
}

type taskKind uint8

const (
	maybeStart taskKind = iota // the instance, if all before it have ended
	frameDone                  // the frame at.Frame has no open action
	nextItems                  // the Foreach may begin iterations
)

type machine struct {
	s     *State
	p     *Plan
	e     *Env
	now   int64
	out   Outcome
	steps int
	err   error
}

// Advance tells a run what has happened and gives what comes of it.
func Advance(s *State, p *Plan, e *Env, in Input) Outcome {
	e.Limits = e.Limits.orDefault()
	m := &machine{s: s, p: p, e: e, now: e.Now.UnixMicro()}
	m.hear(in)
	return m.proceed()
}

// proceed does what may be done, as long as it is allowed.
func (m *machine) proceed() Outcome {
	s, e := m.s, m.e
	for len(s.pending) > 0 && s.Status == Running && m.err == nil {
		if m.steps >= e.Limits.StepsPerAdvance {
			m.out.More = true
			break
		}
		t := s.pending[0]
		s.pending = s.pending[1:]
		m.do(t)
	}
	if s.Status.Ended() {
		s.pending = nil
	}
	if m.err != nil {
		return Outcome{Err: m.err}
	}
	return m.out
}

func (m *machine) hear(in Input) {
	if in.Event == Start || in.Event == Cancel && m.s.Status == NotStarted {
		if m.s.Status == NotStarted {
			if in.Trigger == nil {
				in.Trigger = &expression.Object{}
			}
			m.emit(&Fact{Kind: Started, Size: m.p.Size(), Inputs: value(in.Trigger), Flag: in.Waits && m.p.Answers})
			m.begin(m.s.frames[0])
		}
		if in.Event == Start {
			return
		}
	}
	if m.s.Status != Running {
		return
	}
	switch in.Event {
	case Answered:
		m.answered(in)
	case CalledBack:
		m.calledBack(in)
	case Tick:
		m.tick()
	case Cancel:
		m.finish(Cancelled, codeCancelled, failure{codeCancelled, "The workflow run was cancelled."})
	case CallerLeft:
		if m.s.Caller == CallerWaits {
			m.emit(&Fact{Kind: Replied, Flag: true})
		}
	case Recover:
		m.recover()
	case Look:
		m.s.pending = m.s.pending[:0]
		for _, f := range m.s.frames {
			m.look(f)
		}
	case Repeat:
		if i := m.s.at(in.At); i != nil && i.status == Suspended {
			m.attempt(i, &m.p.nodes[i.node], i.more.attempt+1)
		}
	}
}

// emit records a fact and folds it.
func (m *machine) emit(f *Fact) {
	if err := m.s.Fold(m.now, f); err != nil {
		panic("run: a fact of ours does not fold: " + err.Error())
	}
	m.out.Facts = append(m.out.Facts, f)
	m.steps++
}

func (m *machine) push(k taskKind, at Place) { m.s.pending = append(m.s.pending, task{k, at}) }

// begin looks at the actions of a frame that begin it.
func (m *machine) begin(f *frame) {
	if len(f.instances) == 0 {
		m.push(frameDone, Place{Frame: f.id})
		return
	}
	for i := range f.instances {
		if in := &f.instances[i]; len(m.p.nodes[in.node].after) == 0 {
			m.push(maybeStart, in.place())
		}
	}
}

func (m *machine) do(t task) {
	switch t.kind {
	case maybeStart:
		if i := m.s.at(t.at); i != nil && i.status == NotStarted {
			m.start(i)
		}
	case frameDone:
		m.frameDone(m.s.frames[t.at.Frame])
	case nextItems:
		m.nextItems(m.s.at(t.at))
	}
}

// start begins an action, or skips it, once all that it runs after have ended.
func (m *machine) start(i *instance) {
	n := &m.p.nodes[i.node]
	unmet := int32(-1)
	for _, a := range n.after {
		before := m.s.at(Place{i.frame.id, uint32(a.node)})
		if !before.status.Ended() {
			return
		}
		if unmet < 0 && !a.statuses.Has(endOf(before.status)) {
			unmet = a.node
		}
	}
	if unmet >= 0 {
		m.emit(&Fact{Kind: Passed, At: i.place(), Why: WhyCondition, By: uint32(unmet)})
		m.done(i)
		return
	}
	m.carryOut(i, n)
}

func endOf(s Status) definition.Statuses {
	switch s {
	case Succeeded:
		return definition.Succeeded
	case Skipped:
		return definition.Skipped
	case TimedOut:
		return definition.TimedOut
	}
	return definition.Failed
}

// done looks at what may follow an action that has ended.
func (m *machine) done(i *instance) {
	for _, next := range m.p.nodes[i.node].next {
		m.push(maybeStart, Place{i.frame.id, uint32(next)})
	}
	if i.frame.open == 0 {
		m.push(frameDone, Place{Frame: i.frame.id})
	}
}

// failure is why an action failed.
type failure struct{ code, message string }

func (f failure) given() bool { return f.code != "" }

func (f failure) payload() Payload {
	if !f.given() {
		return Payload{}
	}
	return value(expression.NewObject("code", f.code, "message", f.message))
}

// acted ends an action that needed nothing outside.
func (m *machine) acted(i *instance, f *Fact) {
	f.Kind, f.At = Acted, i.place()
	m.fit(i, f)
	m.emit(f)
	m.done(i)
}

// fails ends an action that cannot be carried out.
func (m *machine) fails(i *instance, inputs Payload, why failure) {
	if m.err != nil {
		return
	}
	if i.status == NotStarted {
		m.acted(i, &Fact{Status: Failed, Code: why.code, Inputs: inputs, Error: why.payload()})
		return
	}
	m.ended(i, &Fact{Status: Failed, Code: why.code, Error: why.payload()})
}

func (m *machine) ended(i *instance, f *Fact) {
	f.Kind, f.At = Ended, i.place()
	m.fit(i, f)
	m.emit(f)
	m.done(i)
}

// carryOut does an action, or as much of it as can be done now.
func (m *machine) carryOut(i *instance, n *node) {
	if n.Runtime.StaticEnabled && n.Runtime.StaticResult != "" {
		if r := m.p.static[strings.ToLower(n.Runtime.StaticResult)]; r != nil {
			m.static(i, r)
			return
		}
	}
	switch n.Type {
	case "Scope":
		m.enter(i, n, 0, Payload{})
	case "If":
		m.condition(i, n)
	case "Switch":
		m.choose(i, n)
	case "Foreach":
		m.foreach(i, n)
	case "Until":
		m.until(i, n)
	case "Terminate":
		m.terminate(i, n)
	case "Wait":
		m.delay(i, n)
	case "Response":
		m.respond(i, n)
	default:
		switch {
		case n.isVariable():
			m.variable(i, n)
		case n.outside:
			m.call(i, n)
		case dataActions[n.Type] != nil:
			m.data(i, n)
		default:
			m.fails(i, Payload{}, failure{codeUnsupported, fmt.Sprintf("The action '%s' is of type '%s', which this engine does not run. Use an action that it runs, or give it a static result.", n.Action.Name, n.Type)})
		}
	}
}

func (m *machine) static(i *instance, r *definition.StaticResult) {
	f := &Fact{Status: Succeeded, Code: codeOK}
	for s, name := range statusNames {
		if strings.EqualFold(name, r.Status) {
			f.Status = Status(s)
		}
	}
	if !f.Status.Ended() {
		f.Status = Succeeded
	}
	if r.Code != "" {
		f.Code = r.Code
	} else if f.Status == Failed {
		f.Code = codeFailed
	}
	if r.Outputs != nil {
		f.Outputs = value(valueOf(r.Outputs))
	}
	if r.Error.Given() {
		f.Error = value(valueOf(r.Error))
	}
	m.acted(i, f)
}

// load gives a value that was recorded, or is about to be.
func (m *machine) load(ref record.Ref) any {
	switch {
	case ref.Len == 0 || m.err != nil:
		return nil
	case ref.At == 0:
		return m.s.fresh[ref.Off]
	}
	v, err := m.e.Values.Load(ref)
	if err != nil {
		m.err = err
	}
	return v
}

// fail gives what an error of an expression is called, in the engine's words.
func (m *machine) template(n *node, p program, err error) failure {
	message := err.Error()
	return failure{codeTemplate, fmt.Sprintf("Unable to process template language expressions in action '%s' inputs at line '%d' and column '%d': '%s'.", n.Action.Name, p.at.Line, p.at.Column, message)}
}

// eval computes a program for an instance.
func (m *machine) eval(i *instance, n *node, p program) (any, failure) {
	return m.evalItem(i, n, p, nil, false)
}

func (m *machine) evalItem(i *instance, n *node, p program, item any, has bool) (any, failure) {
	if !p.given {
		return nil, failure{}
	}
	if p.Template == nil {
		return nil, m.template(n, p, fmt.Errorf("%s", p.broken))
	}
	v, err := p.Eval(m.scope(i, n, item, has), m.e.Limits.ExpressionBudget)
	if err != nil {
		return nil, m.template(n, p, err)
	}
	return v, failure{}
}

// holds computes a condition.
func (m *machine) holds(i *instance, n *node, p program, item any, has bool) (bool, failure) {
	if !p.given {
		return true, failure{}
	}
	if p.Template == nil {
		return false, m.template(n, p, fmt.Errorf("%s", p.broken))
	}
	yes, err := p.EvalCondition(m.scope(i, n, item, has), m.e.Limits.ExpressionBudget)
	if err != nil {
		return false, m.template(n, p, err)
	}
	return yes, failure{}
}
