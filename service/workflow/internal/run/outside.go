package run

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
)

// EffectKind is what the shell is to do.
type EffectKind uint8

// Kinds of effects.
const (
	// Call carries out an attempt of an action; its answer comes as Answered.
	Call EffectKind = iota + 1
	// Subscribe carries out the first half of a webhook; its answer comes as Answered.
	Subscribe
	// Unsubscribe carries out its end; when At is still under way its answer comes as
	// Answered, else nobody waits for one.
	Unsubscribe
	// Poll asks URL whether an asynchronous call is done; its answer comes as Answered.
	Poll
	// Abort gives up what is under way At.
	Abort
	// Reply answers the trigger's caller.
	Reply
	// End says that the run has ended.
	End
)

// Effect is something to do outside once the facts before it are durable.
type Effect struct {
	Kind     EffectKind
	At       Place
	Action   *definition.Action
	Path     []int32 // iterations of the loops around it
	Attempt  int32
	Key      string // the same for every attempt
	Tracking string
	Inputs   any
	// Context is what a script sees of its run: {actions, trigger, workflow}.
	Context *expression.Object
	URL     string
	Timeout time.Duration
	Secure  bool

	// Of a Reply.
	Status  int
	Code    string
	Headers any
	Body    any
}

// Answer is how an attempt went.
type Answer struct {
	// Status is an HTTP status; 0 for what has none.
	Status  int
	Headers *expression.Object
	Body    any
	// Outputs replace status, headers and body, for what does not speak HTTP.
	Outputs any
	// Code and Message say why there is no answer; Retryable, whether to try again.
	Code, Message string
	Retryable     bool
	// Timeout says that the attempt took too long.
	Timeout bool
}

// failed reports whether an answer is no success. Redirections are none: they are not
// followed, and definitions look at their Location in what runs after a failure.
func (a *Answer) failed() bool { return a.Code != "" || a.Status >= 300 }

func (a *Answer) again() bool {
	return a.Retryable || a.Timeout || a.Status == 408 || a.Status == 429 || a.Status >= 500
}

func (a *Answer) outputs() Payload {
	if a.Outputs != nil {
		return value(a.Outputs)
	}
	if a.Status == 0 {
		return Payload{}
	}
	o := expression.NewObject("statusCode", int64(a.Status))
	if a.Headers != nil {
		o = o.With("headers", a.Headers)
	}
	if a.Body != nil {
		o = o.With("body", a.Body)
	}
	return value(o)
}

func (a *Answer) header(name string) string {
	if a.Headers == nil {
		return ""
	}
	v, _ := a.Headers.Get(name)
	return expression.Text(v)
}

// code is how an answer is called: the name of its status.
func (a *Answer) code() string {
	switch {
	case a.Code != "":
		return a.Code
	case a.Status == 0:
		return codeOK
	}
	return StatusName(a.Status)
}

func (m *machine) effect(e Effect) { m.out.Effects = append(m.out.Effects, e) }

// requestTimeout is how long an attempt may take where nothing is said.
func (m *machine) requestTimeout() time.Duration {
	if m.p.Definition.Host == definition.Standard {
		return m.e.Limits.RequestTimeoutStandard
	}
	return m.e.Limits.RequestTimeout
}

// of makes an effect about an instance.
func (m *machine) of(k EffectKind, i *instance) Effect {
	n := &m.p.nodes[i.node]
	e := Effect{Kind: k, At: i.place(), Action: n.Action, Path: m.path(i), Key: m.key(i), Tracking: m.tracking(i), Secure: n.hideInputs || n.hideOutputs, Timeout: m.requestTimeout()}
	if i.more != nil {
		e.Attempt = i.more.attempt
	}
	if t := n.Runtime.RequestTimeout; t != nil {
		if d, ok := durationOf(t.Text); ok && d > 0 {
			e.Timeout = d
		}
	}
	return e
}

// call computes the inputs of an outside action and tries it for the first time.
func (m *machine) call(i *instance, n *node) {
	inputs, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	deadline := m.e.Limits.WaitMax
	if v, why := m.eval(i, n, n.timeout); why.given() {
		m.fails(i, Payload{}, why)
		return
	} else if d, ok := durationOf(expression.Text(v)); ok && v != nil {
		deadline = d
	}
	if m.err != nil {
		return
	}
	if why := m.tooLarge(n, value(inputs), Payload{}, 0); why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	f := &Fact{Kind: Attempted, At: i.place(), Attempt: 1, Inputs: value(inputs), Deadline: m.now + deadline.Microseconds()}
	m.emit(f)
	m.try(i, n, inputs)
}

// attempt tries an action again.
func (m *machine) attempt(i *instance, n *node, number int32) {
	inputs := m.load(i.inputs)
	if m.err != nil {
		return
	}
	m.emit(&Fact{Kind: Attempted, At: i.place(), Attempt: number, Deadline: i.more.deadline})
	m.try(i, n, inputs)
}

func (m *machine) try(i *instance, n *node, inputs any) {
	k := Call
	if n.hooks() {
		k = Subscribe
	}
	e := m.of(k, i)
	e.Inputs = inputs
	if n.Is("JavaScriptCode") {
		e.Context = m.scriptContext(i, n, inputs)
	}
	m.effect(e)
}

// answered goes on with an action whose attempt was answered. Answers to attempts
// that nobody waits for any more are let go.
func (m *machine) answered(in Input) {
	i := m.s.at(in.At)
	if i == nil || i.more == nil || i.status.Ended() || in.Attempt != i.more.attempt {
		return
	}
	n, a := &m.p.nodes[i.node], &in.Answer
	switch i.more.phase {
	case Leaving:
		m.landed(i)
	case Called:
		m.left(i, n, a.header("Location"))
	case Attempting:
		m.attempted(i, n, a)
	case Asking:
		m.asked(i, n, a)
	}
}

func (m *machine) attempted(i *instance, n *node, a *Answer) {
	if a.failed() {
		m.retry(i, n, a)
		return
	}
	if n.hooks() {
		f := &Fact{Kind: Awaited, At: i.place(), Phase: Hooked, Deadline: i.more.deadline, Location: a.header("Location")}
		if n.leave.given {
			f.Outputs = a.outputs()
		}
		m.emit(f)
		return
	}
	if at := pollAt(a); a.Status == 202 && at != "" && !n.Options.Has("DisableAsyncPattern") {
		m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Polling, Due: m.now + m.pause(a).Microseconds(), Location: at})
		return
	}
	m.ended(i, &Fact{Status: Succeeded, Code: a.code(), Outputs: a.outputs()})
}

// pollAt is where an asynchronous call tells how far it is.
func pollAt(a *Answer) string {
	if at := a.header("Azure-AsyncOperation"); at != "" {
		return at
	}
	return a.header("Location")
}

// pause is how long the other side asks to wait.
func (m *machine) pause(a *Answer) time.Duration {
	if d, ok := m.retryAfter(a); ok {
		return max(d, time.Second)
	}
	return m.e.Limits.PollInterval
}

func (m *machine) retryAfter(a *Answer) (time.Duration, bool) {
	text := a.header("Retry-After")
	if text == "" {
		return 0, false
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return min(time.Duration(min(n, math.MaxInt32))*time.Second, m.e.Limits.RetryAfterMax), true
	}
	at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", text)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(m.e.Now), 0), m.e.Limits.RetryAfterMax), true
}

// asked goes on after an asynchronous call said how far it is.
func (m *machine) asked(i *instance, n *node, a *Answer) {
	if a.failed() && !a.again() {
		m.ended(i, &Fact{Status: Failed, Code: a.code(), Outputs: a.outputs(), Error: m.why(n, a)})
		return
	}
	if a.failed() || a.Status == 202 {
		m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Polling, Due: m.now + m.pause(a).Microseconds(), Location: pollAt(a)})
		return
	}
	if o, ok := a.Body.(*expression.Object); ok && a.Status == 200 {
		if v, ok := o.Get("status"); ok {
			switch word := strings.ToLower(expression.Text(v)); {
			case slices.Contains([]string{"failed", "canceled", "cancelled"}, word):
				m.ended(i, &Fact{Status: Failed, Code: codeFailed, Outputs: a.outputs()})
				return
			case slices.Contains([]string{"running", "inprogress", "accepted", "notstarted", "pending", "creating", "updating", "deleting"}, word):
				m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Polling, Due: m.now + m.pause(a).Microseconds()})
				return
			}
		}
	}
	m.ended(i, &Fact{Status: Succeeded, Code: a.code(), Outputs: a.outputs()})
}

// why is the error of an attempt that gave no answer.
func (m *machine) why(n *node, a *Answer) Payload {
	if a.Code == "" {
		return Payload{}
	}
	return failure{a.Code, a.Message}.payload()
}

// retry waits for another attempt, or gives up.
func (m *machine) retry(i *instance, n *node, a *Answer) {
	policy, why := m.policy(i, n)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	if a.again() && int(i.more.attempt) <= policy.count {
		wait := policy.wait(int(i.more.attempt), m.e.Random^uint64(i.frame.id)<<32^uint64(i.node))
		if d, ok := m.retryAfter(a); ok {
			wait = d
		}
		if due := m.now + wait.Microseconds(); i.more.deadline == 0 || due < i.more.deadline {
			m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Backoff, Due: due})
			return
		}
	}
	status := Failed
	if a.Timeout {
		status = TimedOut
	}
	m.ended(i, &Fact{Status: status, Code: a.code(), Outputs: a.outputs(), Error: m.why(n, a)})
}

// tick does what the time has come for.
func (m *machine) tick() {
	// Those that are due are gathered first: doing one changes the list.
	var due []*instance
	for _, i := range m.s.waits {
		if at := i.more.wake(); at != 0 && at <= m.now {
			due = append(due, i)
		}
	}
	slices.SortFunc(due, func(a, b *instance) int {
		if a.frame.id != b.frame.id {
			return int(a.frame.id) - int(b.frame.id)
		}
		return int(a.node) - int(b.node)
	})
	for _, i := range due {
		if m.err == nil && i.more != nil && !i.status.Ended() {
			m.awake(i)
		}
	}
}

func (m *machine) awake(i *instance) {
	n, x := &m.p.nodes[i.node], i.more
	if x.phase == Delaying {
		m.ended(i, &Fact{Status: Succeeded, Code: codeOK})
		return
	}
	if x.phase == Leaving || x.phase == Called {
		m.landed(i)
		return
	}
	if x.deadline != 0 && x.deadline <= m.now {
		m.effect(m.of(Abort, i))
		why := failure{codeTimedOut, fmt.Sprintf("The execution of template action '%s' has timed out.", n.Action.Name)}
		m.land(i, n, &Fact{Status: TimedOut, Code: codeTimedOut, Error: why.payload()})
		return
	}
	switch x.phase {
	case Backoff:
		m.attempt(i, n, x.attempt+1)
	case Polling:
		m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Asking})
		m.ask(i)
	}
}

// ask asks whether an asynchronous call is done, as who made the call.
func (m *machine) ask(i *instance) {
	inputs := m.load(i.inputs)
	if m.err != nil {
		return
	}
	e := m.of(Poll, i)
	e.Inputs, e.URL = inputs, i.more.location
	m.effect(e)
}

// callOff gives up what an instance waits for, since the run ends.
func (m *machine) callOff(i *instance) {
	switch i.more.phase {
	case Attempting, Asking:
		m.effect(m.of(Abort, i))
	}
	n := &m.p.nodes[i.node]
	if !n.leaves() {
		return
	}
	inputs := m.load(i.inputs)
	if i.more.phase != Leaving {
		var why failure
		if inputs, why = m.leaving(i, n, inputs); why.given() {
			return // nobody knows whom to tell
		}
	}
	m.unsubscribe(i, inputs)
}

// delay waits.
func (m *machine) delay(i *instance, n *node) {
	v, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	due, why := m.dueOf(n, v)
	switch {
	case why.given():
		m.fails(i, value(v), why)
	case due <= m.now:
		m.acted(i, &Fact{Status: Succeeded, Code: codeOK, Inputs: value(v)})
	default:
		m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Delaying, Due: due, Inputs: value(v)})
	}
}

// dueOf works out when a Wait ends.
func (m *machine) dueOf(n *node, v any) (int64, failure) {
	o, _ := v.(*expression.Object)
	bad := func(what string) (int64, failure) {
		return 0, failure{codeBadInput, fmt.Sprintf("The action '%s' cannot wait: %s.", n.Action.Name, what)}
	}
	if o == nil {
		return bad("its inputs are no object")
	}
	if x, ok := o.Get("until"); ok {
		u, _ := x.(*expression.Object)
		if u == nil {
			return bad("its until is no object")
		}
		stamp, _ := u.Get("timestamp")
		at, _, ok := definition.ParseTime(expression.Text(stamp))
		if !ok {
			return bad("'" + expression.Text(stamp) + "' is no ISO 8601 time")
		}
		return at.UnixMicro(), failure{}
	}
	x, _ := o.Get("interval")
	every, _ := x.(*expression.Object)
	if every == nil {
		return bad("it has neither interval nor until")
	}
	c, _ := every.Get("count")
	count, ok := whole(c)
	if !ok || count < 0 || count > 1e6 {
		return bad("the count '" + expression.Text(c) + "' is no whole number from 0 to a million")
	}
	unit, _ := every.Get("unit")
	now := m.e.Now.UTC()
	k := int(count)
	switch word := strings.ToLower(expression.Text(unit)); word {
	case "second":
		now = now.Add(time.Duration(k) * time.Second)
	case "minute":
		now = now.Add(time.Duration(k) * time.Minute)
	case "hour":
		now = now.Add(time.Duration(k) * time.Hour)
	case "day":
		now = now.AddDate(0, 0, k)
	case "week":
		now = now.AddDate(0, 0, 7*k)
	case "month":
		now = now.AddDate(0, k, 0)
	case "year":
		now = now.AddDate(k, 0, 0)
	default:
		return bad("there is no unit '" + word + "'")
	}
	return now.UnixMicro(), failure{}
}

// whole gives a whole number, of a number or of digits.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// respond answers the caller of the trigger.
func (m *machine) respond(i *instance, n *node) {
	later := n.Options.Has("Asynchronous") // nobody waits for it: it is looked up
	switch {
	case later:
	case m.s.Caller == NoCaller, m.s.Caller == CallerAnswered:
		why := failure{codeNoCaller, fmt.Sprintf("The execution of template action '%s' is skipped: the client application is not waiting for a response from service.", n.Action.Name)}
		f := &Fact{Status: Skipped, Code: why.code, Error: why.payload()}
		if v, bad := m.eval(i, n, n.inputs); !bad.given() { // what it would have said
			f.Inputs = value(v)
		}
		if m.err == nil {
			m.acted(i, f)
		}
		return
	case m.s.Caller == CallerGone:
		why := failure{codeCallerGone, fmt.Sprintf("The execution of template action '%s' is failed: the client application timed out waiting for a response from service. This means that workflow took longer to respond than the alloted timeout value. The connection maintained between the client application and service will be closed and client application will get an HTTP status code 504 Gateway Timeout.", n.Action.Name)}
		m.acted(i, &Fact{Status: Failed, Code: why.code, Error: why.payload()})
		return
	}
	v, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	o, _ := v.(*expression.Object)
	if o == nil {
		o = &expression.Object{}
	}
	code, _ := o.Get("statusCode")
	status, ok := whole(code)
	if !ok || status < 200 || status > 599 || status >= 300 && status < 400 {
		m.fails(i, value(v), failure{codeBadInput, fmt.Sprintf("The action '%s' answers with the status '%s'; it may be 200 to 299 and 400 to 599.", n.Action.Name, expression.Text(code))})
		return
	}
	headers, _ := o.Get("headers")
	body, _ := o.Get("body")
	if !later {
		m.emit(&Fact{Kind: Replied})
		e := m.of(Reply, i)
		e.Status, e.Headers, e.Body = int(status), headers, body
		m.effect(e)
	}
	m.acted(i, &Fact{Status: Succeeded, Code: codeOK, Inputs: value(v), Outputs: value(v)})
}
