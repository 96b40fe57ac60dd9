package broker

import (
	"weir/kernel/fault"
	"weir/service/bus/internal/filter"
)

// rules are a subscription's rules, ready to use.
type rules struct {
	compiled []filter.Rule
	judge    bool // some rule must see the message
	all      bool // some rule takes everything as it is
}

// publish gives a letter to every subscription whose rules take it: one copy for
// all rules without an action, and one for each with one.
func (b *Broker) publish(p *plan, e *entity, l letter) error {
	p.through(e.main)
	p.grow(e, l.size) // once, however many copies there are
	l.due = b.capped(l.due, e)
	for _, s := range e.subs {
		if err := b.offer(p, s, l); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) offer(p *plan, e *entity, l letter) error {
	r := &e.rules
	if !r.judge {
		if r.all {
			return b.enter(p, e, l)
		}
		return nil
	}
	if l.content == nil {
		return errBytesWanted
	}
	l.content.look(l)
	chosen := filter.Select(r.compiled, l.content)
	if chosen.Failed >= 0 {
		if err := b.unjudged(p, e, l, reasonFilter, chosen.Err); err != nil {
			return err
		}
	}
	if chosen.Plain {
		if err := b.enter(p, e, l); err != nil {
			return err
		}
	}
	for _, i := range chosen.Acting {
		if err := b.act(p, e, l, &r.compiled[i]); err != nil {
			return err
		}
	}
	return nil
}

// act makes the copy of a rule with an action.
func (b *Broker) act(p *plan, e *entity, l letter, r *filter.Rule) error {
	v := l.content
	v.look(l)
	v.SetUser("RuleName", r.Name)
	if err := r.Action.Run(v); err != nil {
		return b.unjudged(p, e, l, reasonAction, err)
	}
	l.edit, l.edited = v.edit, true
	if id, ok := property(v.edit.System, filter.SysSessionID); ok {
		text, set := id.(string)
		l.session, l.hasSession, l.resession = text, set, true
	}
	return b.enter(p, e, l)
}

// unjudged buries a copy that a rule failed on, where the subscription wants that.
func (b *Broker) unjudged(p *plan, e *entity, l letter, why reason, cause error) error {
	if !e.def.DeadLetterOnFilterErrors {
		return nil
	}
	l.reason = why
	l.edit, l.edited = l.edit.with([]Property{{descriptionProperty, cause.Error()}}), true
	return b.routeDead(p, e, l)
}

// compile makes a subscription's rules ready. The error is of kind Invalid.
func compile(d *Definition) (rules, error) {
	var out rules
	for i := range d.Rules {
		r := &d.Rules[i]
		m, err := compileFilter(&r.Filter)
		if err != nil {
			return out, fault.Wrap(fault.Invalid, err, "The filter of rule '%s' is not valid: %v.", r.Name, err)
		}
		c := filter.Rule{Name: r.Name, Filter: m}
		if r.Action != "" {
			if c.Action, err = filter.ParseAction(r.Action, parameters(r.ActionParameters)); err != nil {
				return out, fault.Wrap(fault.Invalid, err, "The action of rule '%s' is not valid: %v.", r.Name, err)
			}
		}
		always, isAlways := m.(filter.Always)
		out.judge = out.judge || !isAlways || bool(always) && c.Action != nil
		out.all = out.all || isAlways && bool(always) && c.Action == nil
		out.compiled = append(out.compiled, c)
	}
	return out, nil
}

func compileFilter(f *Filter) (filter.Matcher, error) {
	switch f.Kind {
	case TrueFilter:
		return filter.Always(true), nil
	case FalseFilter:
		return filter.Always(false), nil
	case SQLFilter:
		return filter.ParseFilter(f.Expression, parameters(f.Parameters))
	case CorrelationFilter:
		if f.Correlation == nil {
			return nil, filter.ErrNoCondition
		}
		c := f.Correlation
		return filter.NewCorrelation(filter.CorrelationFields{
			CorrelationID: c.CorrelationID, MessageID: c.MessageID, To: c.To, ReplyTo: c.ReplyTo, Label: c.Label,
			SessionID: c.SessionID, ReplyToSessionID: c.ReplyToSessionID, ContentType: c.ContentType,
			Properties: parameters(c.Properties),
		})
	}
	return nil, fault.New(fault.Invalid, "filter kind %d is not known", f.Kind)
}
