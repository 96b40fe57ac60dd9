package run

import "weir/service/workflow/internal/expression"

// hooks reports whether an action subscribes and waits to be called back.
func (n *node) hooks() bool {
	return n.Is("HttpWebhook", "ApiConnectionWebhook", "OpenApiConnectionWebhook")
}

// calledBack goes on with a webhook that was called: it unsubscribes first.
func (m *machine) calledBack(in Input) {
	i := m.s.at(in.At)
	if i == nil || i.more == nil || i.status.Ended() || i.more.phase != Hooked && i.more.phase != Attempting {
		return
	}
	n := &m.p.nodes[i.node]
	if !n.hooks() {
		return
	}
	m.land(i, n, &Fact{Status: Succeeded, Code: in.Answer.code(), Outputs: in.Answer.outputs()})
}

// land ends what a webhook waited for.
func (m *machine) land(i *instance, n *node, f *Fact) {
	if !n.leaves() {
		m.ended(i, f)
		return
	}
	inputs := m.load(i.inputs)
	if m.err != nil {
		return
	}
	// The call back may overtake the answer that says where the subscription is.
	early := i.more.phase == Attempting && f.Status == Succeeded
	if n.leave.given && !early {
		leave, why := m.leaving(i, n, inputs)
		if why.given() {
			// What came counts; that nobody could be told is said beside it.
			f.Error = why.payload()
			m.ended(i, f)
			return
		}
		inputs, f.Inputs = leave, value(leave)
	}
	// Who does not answer an unsubscribe does not hold the run for long.
	m.fit(i, f)
	f.Kind, f.At, f.Deadline = Landed, i.place(), m.now+2*m.requestTimeout().Microseconds()
	if early {
		f.Phase = Called
		m.emit(f)
		return
	}
	m.emit(f)
	m.unsubscribe(i, inputs)
}

// left unsubscribes once the answer to the subscribe is there, or will never be. An
// unsubscribe that speaks of that answer is not made: the call back stands in its place.
func (m *machine) left(i *instance, n *node, location string) {
	if n.leave.given {
		m.landed(i)
		return
	}
	inputs := m.load(i.inputs)
	if m.err != nil {
		return
	}
	m.emit(&Fact{Kind: Awaited, At: i.place(), Phase: Leaving, Location: location})
	m.unsubscribe(i, inputs)
}

// leaving computes the unsubscribe of a webhook that can be told only after its subscribe
// was answered.
func (m *machine) leaving(i *instance, n *node, inputs any) (any, failure) {
	if !n.leave.given {
		return inputs, failure{}
	}
	v, why := m.eval(i, n, n.leave)
	o, ok := inputs.(*expression.Object)
	if why.given() || !ok || m.err != nil {
		return inputs, why
	}
	return o.With("unsubscribe", v), failure{}
}

// unsubscribe ends a subscription: where the subscribe's answer said, if it did.
func (m *machine) unsubscribe(i *instance, inputs any) {
	e := m.of(Unsubscribe, i)
	e.Inputs, e.URL = inputs, i.more.location
	m.effect(e)
}

// leaves reports whether a webhook has something to unsubscribe from.
func (n *node) leaves() bool {
	return n.hooks() && (!n.Is("HttpWebhook") || n.Inputs.Get("unsubscribe").Given())
}

// landed ends a webhook that has unsubscribed, or tried to.
func (m *machine) landed(i *instance) {
	m.ended(i, &Fact{Status: i.more.landed, Code: i.code})
}
