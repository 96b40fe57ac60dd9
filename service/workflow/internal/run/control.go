package run

import (
	"fmt"
	"time"

	"weir/internal/iso8601"
	"weir/service/workflow/internal/expression"
)

// enter begins one of the graphs an action holds.
func (m *machine) enter(i *instance, n *node, which int, inputs Payload) {
	g := m.p.graphs[n.inner[which]]
	m.emit(&Fact{Kind: Entered, At: i.place(), First: g.first, Size: g.size, Iteration: -1, Inputs: inputs})
	m.begin(i.more.frames[len(i.more.frames)-1])
}

func (m *machine) condition(i *instance, n *node) {
	yes, why := m.holds(i, n, n.inputs, nil, false)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	which := 1
	if yes {
		which = 0
	}
	m.enter(i, n, which, value(expression.NewObject("expressionResult", yes)))
}

func (m *machine) choose(i *instance, n *node) {
	v, why := m.eval(i, n, n.inputs)
	for k := 0; k < len(n.cases) && !why.given(); k++ {
		var c any
		if c, why = m.eval(i, n, n.cases[k]); !why.given() && expression.Equal(v, c) {
			m.enter(i, n, k, value(expression.NewObject("expressionResult", v)))
			return
		}
	}
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	m.enter(i, n, len(n.cases), value(expression.NewObject("expressionResult", v)))
}

func (m *machine) foreach(i *instance, n *node) {
	v, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	items, ok := v.([]any)
	switch {
	case !ok:
		m.fails(i, Payload{}, failure{codeEvaluation, fmt.Sprintf("The execution of template action '%s' failed: the result of the evaluation of 'foreach' expression '%s' is of type '%s'. The result must be a valid array.", n.Action.Name, n.inputs.text, typeName(v))})
	case len(items) > m.e.Limits.ForeachItemsMax:
		m.fails(i, Payload{}, failure{codeBadInput, fmt.Sprintf("The execution of template action '%s' failed: 'foreach' gives '%d' items, at most '%d' are allowed. Split the array, for instance with chunk().", n.Action.Name, len(items), m.e.Limits.ForeachItemsMax)})
	case len(items) == 0:
		m.acted(i, &Fact{Status: Succeeded, Code: codeNone, Inputs: value(items)})
	default:
		if why := m.tooLarge(n, value(items), Payload{}, 0); why.given() {
			m.fails(i, Payload{}, why)
			return
		}
		m.emit(&Fact{Kind: Counted, At: i.place(), Count: int32(len(items)), Inputs: value(items)})
		m.push(nextItems, i.place())
	}
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case bool:
		return "Boolean"
	case int64:
		return "Integer"
	case float64:
		return "Float"
	case string:
		return "String"
	case []any:
		return "Array"
	case *expression.Object:
		return "Object"
	}
	return "Undefined"
}

// nextItems begins as many iterations as may run at once.
func (m *machine) nextItems(i *instance) {
	if i == nil || i.status != Running {
		return
	}
	n := &m.p.nodes[i.node]
	most := int32(m.e.Limits.Repetitions)
	if n.Runtime.Repetitions > 0 {
		most = int32(n.Runtime.Repetitions)
	}
	if n.Options.Has("Sequential") {
		most = 1
	}
	g := m.p.graphs[n.inner[0]]
	x := i.more
	for x.active < most && int32(len(x.frames)) < x.count {
		m.emit(&Fact{Kind: Entered, At: i.place(), First: g.first, Size: g.size, Iteration: int32(len(x.frames))})
		if g.size > 0 {
			m.begin(x.frames[len(x.frames)-1])
		} else if m.steps >= m.e.Limits.StepsPerAdvance {
			m.push(nextItems, i.place())
			return
		}
	}
	if int32(len(x.frames)) == x.count && x.active == 0 {
		m.endLoop(i)
	}
}

// endLoop ends a Foreach whose iterations have all ended.
func (m *machine) endLoop(i *instance) {
	status := Succeeded
	for _, f := range i.more.frames {
		if s := m.outcome(f); s != Succeeded {
			status = s
			break
		}
	}
	m.leave(i, status)
}

// leave ends an action that holds others as they ended.
func (m *machine) leave(i *instance, status Status) {
	f := &Fact{Status: status, Code: codeNone}
	if status != Succeeded {
		why := failure{codeFailed, "An action failed. No dependent actions succeeded."}
		f.Code, f.Error = why.code, why.payload()
	}
	m.ended(i, f)
}

// frameDone goes on after the last action of a frame has ended.
func (m *machine) frameDone(f *frame) {
	i := f.owner
	if i == nil {
		if m.s.Status == Running && f.open == 0 {
			m.endRun(m.outcome(f))
		}
		return
	}
	if i.status != Running || f.open != 0 {
		return
	}
	n := &m.p.nodes[i.node]
	switch n.Type {
	case "Foreach":
		m.nextItems(i)
	case "Until":
		if f == i.more.frames[len(i.more.frames)-1] {
			m.again(i, n, f)
		}
	default:
		m.leave(i, m.outcome(f))
	}
}

// outcome is how a frame ended, by its leaves: one that failed makes it fail, and one
// that was skipped counts as what it was skipped after.
func (m *machine) outcome(f *frame) Status {
	if len(f.instances) == 0 {
		return Succeeded
	}
	g := m.p.graphs[m.p.nodes[f.first].graph]
	worst := Succeeded
	seen := map[uint32]bool{}
	var look func(i *instance)
	look = func(i *instance) {
		if seen[i.node] {
			return
		}
		seen[i.node] = true
		switch i.status {
		case Failed, TimedOut:
			worst = Failed
		case Cancelled:
			if worst == Succeeded {
				worst = Cancelled
			}
		case Skipped:
			for _, a := range m.p.nodes[i.node].after {
				look(m.s.at(Place{f.id, uint32(a.node)}))
			}
		}
	}
	for _, leaf := range g.leaves {
		look(&f.instances[leaf-f.first])
	}
	return worst
}

func (m *machine) until(i *instance, n *node) {
	limit := m.e.Limits.UntilTimeout
	if v, why := m.eval(i, n, n.timeout); why.given() {
		m.fails(i, Payload{}, why)
		return
	} else if text, ok := v.(string); ok {
		d, ok := durationOf(text)
		if !ok {
			m.fails(i, Payload{}, failure{codeBadInput, fmt.Sprintf("The limit of the action '%s' has the timeout '%s', which is no ISO 8601 duration; write one such as PT1H.", n.Action.Name, text)})
			return
		}
		limit = d
	}
	m.iterate(i, n, m.now+limit.Microseconds())
}

func durationOf(text string) (time.Duration, bool) {
	d, err := iso8601.Parse(text)
	if err != nil {
		if d, err = iso8601.Parse("PT" + text); err != nil {
			return 0, false
		}
	}
	return d.Std(), d >= 0
}

// iterate begins the next iteration of an Until.
func (m *machine) iterate(i *instance, n *node, deadline int64) {
	g := m.p.graphs[n.inner[0]]
	count := int32(0)
	if i.more != nil {
		count = int32(len(i.more.frames))
	}
	m.emit(&Fact{Kind: Entered, At: i.place(), First: g.first, Size: g.size, Iteration: count, Deadline: deadline})
	m.begin(i.more.frames[count])
}

// again decides whether an Until goes round once more.
func (m *machine) again(i *instance, n *node, f *frame) {
	stop, why := m.holds(i, n, n.inputs, nil, false)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	most := m.e.Limits.UntilCount
	if v, why := m.eval(i, n, n.count); why.given() {
		m.fails(i, Payload{}, why)
		return
	} else if c, ok := whole(v); ok {
		most = min(int(c), m.e.Limits.UntilCountMax)
	}
	late := m.now >= i.more.deadline || len(i.more.frames) >= most
	switch {
	case stop:
		m.leave(i, m.outcome(f))
	case late && n.Options.Has("FailWhenLimitsReached"):
		m.fails(i, Payload{}, failure{"UntilLimitReached", fmt.Sprintf("The action '%s' has reached its limit: '%d' iterations, and its condition does not hold.", n.Action.Name, len(i.more.frames))})
	case late:
		m.leave(i, m.outcome(f))
	default:
		m.iterate(i, n, i.more.deadline)
	}
}

func (m *machine) terminate(i *instance, n *node) {
	v, why := m.eval(i, n, n.inputs)
	if why.given() {
		m.fails(i, Payload{}, why)
		return
	}
	o, _ := v.(*expression.Object)
	if o == nil {
		o = &expression.Object{}
	}
	word, _ := o.Get("runStatus")
	status, ok := map[string]Status{"succeeded": Succeeded, "failed": Failed, "cancelled": Cancelled}[fold(expression.Text(word))]
	if !ok {
		m.fails(i, value(v), failure{codeBadInput, fmt.Sprintf("The action '%s' is to end the run as '%s'; it may be Succeeded, Failed or Cancelled.", n.Action.Name, expression.Text(word))})
		return
	}
	m.emit(&Fact{Kind: Acted, At: i.place(), Status: Succeeded, Code: codeNone, Inputs: value(v)})
	end := failure{}
	if e, ok := o.Get("runError"); ok && status == Failed {
		if e, ok := e.(*expression.Object); ok {
			code, _ := e.Get("code")
			message, _ := e.Get("message")
			end = failure{expression.Text(code), expression.Text(message)}
		}
	}
	code := codeTerminated
	if end.code == "" && end.message != "" {
		end.code = codeTerminated
	}
	m.finish(status, code, end)
}

// endRun ends a run whose actions have all ended.
func (m *machine) endRun(status Status) {
	if status == Succeeded {
		m.finish(status, "", failure{})
		return
	}
	m.finish(status, codeFailed, failure{codeFailed, "An action failed. No dependent actions succeeded."})
}

// finish ends the run: what is under way is called off, who waits is answered.
func (m *machine) finish(status Status, code string, why failure) {
	f := &Fact{Kind: Finished, Status: status, Code: code, Error: why.payload()}
	if status == Succeeded && len(m.p.outputs) > 0 {
		all := &expression.Object{}
		for _, o := range m.p.outputs {
			v, bad := m.eval(nil, &node{Action: noAction}, o.value)
			if bad.given() {
				f.Status, f.Code, f.Error = Failed, bad.code, bad.payload()
				break
			}
			all.Members = append(all.Members, expression.Member{Name: o.name, Value: expression.NewObject("type", o.kind, "value", v)})
		}
		if f.Status == Succeeded {
			f.Outputs = value(all)
		}
	}
	if m.err != nil {
		return
	}
	for _, i := range m.s.waits {
		m.callOff(i)
	}
	caller := m.s.Caller
	m.emit(f)
	if caller == CallerWaits {
		m.effect(Effect{Kind: Reply, Status: 502, Code: "NoResponse", Body: expression.NewObject("error", expression.NewObject("code", "NoResponse", "message",
			"The server did not receive a response from an upstream server. Request tracking id '"+m.e.Run+"'."))})
	}
	m.effect(Effect{Kind: End})
}
